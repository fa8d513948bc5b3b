/* SPDX-License-Identifier: MPL-2.0 */
/* test_store_damage.c - what is put is there afterwards, whatever has become of the file before. */
#include "damagetest.h"

/* --- rows of an earlier run --- */

static void
put_replaces_an_old_row_that_nobody_has_read(void **state)
{
    static const char *const damages[] = {
        "UPDATE blob SET data = zeroblob(length(data))",
        "UPDATE blob SET size = size + 1",
        "UPDATE blob SET data = x''",
        "UPDATE blob SET size = -1",
        "DELETE FROM blob",
    };
    struct rig *r = *state;

    for (size_t i = 0; i < ARRAY_SIZE(damages); i++) {
        assert_int_equal(put(r, 1, 5000), 0);
        store_db_close(&r->db);
        run_sql(&r->dir, damages[i]);
        r->db = open_db(&r->dir);
        assert_int_equal(put(r, 1, 5000), 0);
        assert_loads(r, 1, 5000);
        assert_int_equal(ask_sql(&r->dir, "SELECT count(*) FROM blob"), 1);
    }
}

static void
put_keeps_an_old_row_that_is_whole(void **state)
{
    struct rig *r = *state;
    struct digest d;
    struct blob *b = make_blob(1, 5000, true, &d);
    int64_t id = 0, now = 0;

    blob_unref(&b);
    assert_int_equal(put(r, 1, 5000), 0);
    reopen(r);
    assert_int_equal(store_db_find(r->db, &d, &id), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(put(r, 1, 5000), 0);
        assert_int_equal(store_db_find(r->db, &d, &now), 0);
        assert_int_equal(now, id);
    }
    assert_int_equal(ask_sql(&r->dir, "SELECT count(*) FROM touched"), 1);
}

static void
put_does_not_rely_on_a_row_that_is_gone(void **state)
{
    struct rig *r = *state;

    assert_int_equal(put(r, 1, 5000), 0);
    run_sql(&r->dir, "DELETE FROM blob"); // behind its back
    assert_int_equal(put(r, 1, 5000), 0);
    assert_loads(r, 1, 5000);
}

/* --- pages --- */

static void
put_heals_a_row_whose_pages_are_lost(void **state)
{
    struct rig *r = *state;

    need_dbstat();
    for (int has_loaded = 0; has_loaded < 2; has_loaded++) {
        assert_int_equal(put(r, has_loaded, 200000), 0);
        store_db_close(&r->db);
        break_chain(&r->dir);
        r->db = open_db(&r->dir);
        if (has_loaded) // noticed before the put
            assert_int_equal(load_in_transaction(r, has_loaded, 200000), -EIO);
        assert_int_equal(put(r, has_loaded, 200000), 0);
        assert_int_equal(put(r, 7, 200000), 0); // the transaction has not suffered
        assert_loads(r, has_loaded, 200000);
        assert_int_equal(load(r, 7, 200000), 0);
        teardown(state);
        setup(state);
        r = *state;
    }
}

/* Also a row that the index knows, in a page that cannot be read. */
static void
put_heals_the_rows_of_a_lost_page(void **state)
{
    struct rig *r = *state;
    int lost = 0;

    need_dbstat();
    fill_place(r);
    store_db_close(&r->db);
    wipe_page(&r->dir, page_of(&r->dir, "blob", "leaf", 3));
    r->db = open_db(&r->dir);
    for (int i = 0; i < 3000; i++) {
        int rc = load(r, i, 0);

        if (rc == 0)
            continue;
        lost++;
        assert_int_equal(rc, -EIO);
        assert_int_equal(put(r, i, 0), 0);
        assert_int_equal(load(r, i, 0), 0);
    }
    assert_true(lost > 100);
    reopen(r);
    for (int i = 0; i < 3000; i++)
        assert_int_equal(load(r, i, 0), 0);
}

static void
a_malformed_index_is_not_taken_for_an_empty_one(void **state)
{
    struct rig *r = *state;
    int hidden = 0;

    need_dbstat();
    fill_place(r);
    store_db_close(&r->db);
    wipe_page(&r->dir, page_of(&r->dir, "place", "leaf", 2));
    r->db = open_db(&r->dir);
    for (int i = 0; i < 3000; i++) {
        int rc = load(r, i, 0);

        assert_true(rc == 0 || rc == -EIO);
        if (rc == 0)
            continue;
        hidden++;
        assert_int_equal(put(r, i, 0), -EIO);
        store_db_rollback(r->db);
    }
    assert_true(hidden > 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(put_replaces_an_old_row_that_nobody_has_read),
        T(put_keeps_an_old_row_that_is_whole),
        T(put_does_not_rely_on_a_row_that_is_gone),
        T(put_heals_a_row_whose_pages_are_lost),
        T(put_heals_the_rows_of_a_lost_page),
        T(a_malformed_index_is_not_taken_for_an_empty_one),
    };

    elog_open("/dev/null", NULL); // damaged rows are logged
    return cmocka_run_group_tests(tests, NULL, NULL);
}
