/* SPDX-License-Identifier: MPL-2.0 */
/* test_store_salvage.c - files with pages that cannot be read: a check goes on behind them, and a new
 * file has all that can be read. */
#include "damagetest.h"

#include "fsck.h"
#include "store_db_mend.h"

static void
on_finding(void *arg, const struct fsck_finding *finding)
{
    (void)arg;
    (void)finding;
}

/* All of a check; the caller frees it. */
static struct fsck *
run_check(struct store_db *db)
{
    struct fsck *f = fsck_new(DIGEST_BLAKE2B, on_finding, NULL);
    int rc;

    while ((rc = fsck_step(f, db)) > 0)
        ;
    assert_int_equal(rc, 0);
    return f;
}

static int
count_found(struct rig *r, int count)
{
    int found = 0;

    for (int i = 0; i < count; i++)
        found += load(r, i, 0) == 0;
    return found;
}

static void
open_for_repair(struct rig *r)
{
    r->dir.conf.for_repair = true;
    r->db = open_db(&r->dir);
}

/* *ret_blobs: whole ones that the check has read.  *ret_unindexed: of them. */
static void
assert_check(struct rig *r, uint64_t *ret_blobs, uint64_t *ret_unindexed, bool is_unreadable)
{
    struct fsck *f = run_check(r->db);
    const struct fsck_stats *s = fsck_stats(f);

    *ret_blobs = s->blobs - s->damaged;
    *ret_unindexed = s->unindexed;
    assert_int_equal(s->is_unreadable, is_unreadable);
    assert_int_equal(fsck_needs_salvage(f), is_unreadable || s->unindexed > 0 || s->stuck > 0);
    fsck_free(&f);
}

static void
salvage(struct rig *r)
{
    struct err err = {0};
    char *old = NULL;

    if (store_db_salvage(&r->db, &r->dir.conf, &old, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(access(old, F_OK), 0);
    free(old);
    r->dir.conf.for_repair = false;
    reopen(r);
}

static void
assert_sound(struct rig *r)
{
    uint64_t blobs, unindexed;

    assert_check(r, &blobs, &unindexed, false);
    assert_int_equal(unindexed, 0);
    assert_int_equal(ask_sql(&r->dir, "PRAGMA integrity_check = 1") == 0, true); // "ok"
}

static void
lost_pages_of_blob_are_left_out(void **state)
{
    struct rig *r = *state;
    static const int lost[] = {0, 3, 4, 9, 100, 101, 102, 103};
    uint64_t blobs, unindexed;
    int found;

    need_dbstat();
    fill_place(r);
    store_db_close(&r->db);
    int64_t pages[ARRAY_SIZE(lost)];
    for (size_t i = 0; i < ARRAY_SIZE(lost); i++)
        pages[i] = page_of(&r->dir, "blob", "leaf", lost[i]);
    for (size_t i = 0; i < ARRAY_SIZE(lost); i++)
        wipe_page(&r->dir, pages[i]);
    open_for_repair(r);
    assert_check(r, &blobs, &unindexed, true);
    assert_int_equal(unindexed, 0);
    found = count_found(r, MANY);
    assert_true(found < MANY - 1000 && found > MANY - 10000);
    assert_int_equal(blobs, found + 100); // those of fill_place() that are large
    salvage(r);
    assert_int_equal(count_found(r, MANY), found);
    assert_int_equal(ask_sql(&r->dir, "SELECT count(*) FROM blob"), found + 100);
    assert_sound(r);
    assert_int_equal(put(r, 1, 0), 0);
    assert_loads(r, 1, 0);
}

/* Its ids are those of all rows. */
static void
a_lost_branch_is_left_out(void **state)
{
    struct rig *r = *state;
    uint64_t blobs, unindexed;

    need_dbstat();
    put_many(r, 3000, 0);
    store_db_close(&r->db);
    wipe_page(&r->dir, ask_sql(&r->dir, "SELECT rootpage FROM sqlite_master WHERE name = 'blob'"));
    open_for_repair(r);
    assert_check(r, &blobs, &unindexed, true);
    assert_int_equal(blobs, 0);
    salvage(r);
    assert_sound(r);
    assert_int_equal(put(r, 1, 0), 0);
    assert_loads(r, 1, 0);
}

static void
the_newest_page_may_be_lost(void **state)
{
    struct rig *r = *state;
    int found;

    need_dbstat();
    put_many(r, 3000, 0);
    store_db_close(&r->db);
    wipe_page(&r->dir, ask_sql(&r->dir, "SELECT pageno FROM dbstat WHERE name = 'blob' AND"
                                        " pagetype = 'leaf' ORDER BY path DESC LIMIT 1"));
    open_for_repair(r);
    found = count_found(r, 3000);
    assert_true(found > 1000 && found < 3000);
    salvage(r);
    assert_int_equal(count_found(r, 3000), found);
    assert_sound(r);
    put_many(r, 3000, 0);
    assert_int_equal(count_found(r, 3000), 3000);
}

static void
a_row_whose_bytes_are_lost_is_told_and_left_out(void **state)
{
    struct rig *r = *state;
    uint64_t blobs, unindexed;

    need_dbstat();
    for (int i = 0; i < 3; i++)
        assert_int_equal(put(r, i, 100000), 0);
    store_db_close(&r->db);
    break_chain(&r->dir);
    open_for_repair(r);
    assert_check(r, &blobs, &unindexed, false);
    assert_int_equal(blobs, 2);
    salvage(r);
    assert_int_equal(load(r, 0, 100000), -ENOENT);
    assert_int_equal(load(r, 1, 100000), 0);
    assert_int_equal(load(r, 2, 100000), 0);
    assert_sound(r);
}

static void
a_lost_page_of_the_index_is_found_and_made_again(void **state)
{
    struct rig *r = *state;
    uint64_t blobs, unindexed;

    need_dbstat();
    fill_place(r);
    store_db_close(&r->db);
    wipe_page(&r->dir, page_of(&r->dir, "place", "leaf", 2));
    r->db = open_db(&r->dir); // as a broker: nothing is hidden, but nothing is healed
    assert_check(r, &blobs, &unindexed, true);
    assert_true(unindexed > 100);
    store_db_close(&r->db);
    r->dir.conf.read_only = true;
    r->db = open_db(&r->dir); // as a check
    assert_check(r, &blobs, &unindexed, true);
    assert_int_equal(blobs, MANY + 100);
    assert_true(unindexed > 100);
    assert_int_equal(count_found(r, MANY), MANY);
    store_db_close(&r->db);
    r->dir.conf.read_only = false;
    open_for_repair(r);
    salvage(r);
    assert_int_equal(count_found(r, MANY), MANY);
    assert_sound(r);
}

/* Then nothing is looked up in it. */
static void
an_index_without_rows_is_checked_too(void **state)
{
    struct rig *r = *state;
    uint64_t blobs, unindexed;
    struct err err;

    put_many(r, 10, 0);
    store_db_close(&r->db);
    wipe_page(&r->dir, ask_sql(&r->dir, "SELECT rootpage FROM sqlite_master WHERE name = 'place'"));
    assert_int_equal(store_db_open(&r->db, &r->dir.conf, &err), -EILSEQ);
    assert_non_null(strstr(err.text, "see xylem fsck --repair"));
    open_for_repair(r);
    assert_check(r, &blobs, &unindexed, true);
    assert_int_equal(blobs, 10);
    assert_int_equal(unindexed, 0);
    salvage(r);
    assert_int_equal(count_found(r, 10), 10);
    assert_sound(r);
}

#define WHERE \
    " WHERE id % 1000 = 1 AND id <= (SELECT value FROM meta WHERE name = 'indexed')" // not the tail

static void
a_gap_in_the_index_is_found_and_filled(void **state)
{
    struct rig *r = *state;
    uint64_t blobs, unindexed;
    int64_t gone;

    fill_place(r);
    store_db_close(&r->db);
    gone = ask_sql(&r->dir, "SELECT count(*) FROM place" WHERE);
    run_sql(&r->dir, "DELETE FROM place" WHERE);
    r->db = open_db(&r->dir);
    assert_true(gone > 50);
    assert_int_equal(count_found(r, MANY), MANY - gone);
    assert_check(r, &blobs, &unindexed, false);
    assert_int_equal(unindexed, gone);
    assert_int_equal(count_found(r, MANY), MANY);
    store_db_close(&r->db);
    open_for_repair(r);
    salvage(r);
    assert_int_equal(count_found(r, MANY), MANY);
    assert_sound(r);
}

static void
without_its_numbers_it_is_refused_but_repaired(void **state)
{
    struct rig *r = *state;
    struct err err;
    uint64_t blobs, unindexed;

    put_many(r, 1000, 0);
    store_db_close(&r->db);
    run_sql(&r->dir, "DELETE FROM meta WHERE name = 'indexed'");
    assert_int_equal(store_db_open(&r->db, &r->dir.conf, &err), -EILSEQ);
    assert_non_null(strstr(err.text, "see xylem fsck --repair"));
    open_for_repair(r);
    assert_check(r, &blobs, &unindexed, true);
    assert_int_equal(blobs, 1000);
    salvage(r);
    assert_int_equal(count_found(r, 1000), 1000);
    assert_sound(r);
}

static void
a_salvage_keeps_all_there_is(void **state)
{
    struct rig *r = *state;
    struct store_root root = {.name = "primary", .owner = 7, .sequence = 42};
    struct checkpoint c = {.sequence = 41, .timestamp = 1.5};
    AUTO(free) struct store_root *roots = NULL;
    AUTO(free) struct checkpoint *checkpoints = NULL;
    AUTO(blob) struct blob *b = make_blob(1, 100, true, &root.root);
    char id[64];
    size_t count;

    assert_int_equal(store_db_begin(r->db), 0);
    assert_int_equal(store_db_put(r->db, &root.root, b), 0);
    assert_int_equal(store_db_put_root(r->db, &root), 0);
    c.root = root.root;
    assert_int_equal(store_db_put_checkpoint(r->db, &c), 0);
    assert_int_equal(store_db_commit(r->db), 0);
    assert_int_equal(put(r, 2, 40 << 20), 0); // in pieces
    snprintf(id, sizeof(id), "%s", store_db_id(r->db));
    for (int i = 0; i < 2; i++) { // also with a name that is taken
        store_db_close(&r->db);
        open_for_repair(r);
        salvage(r);
    }
    assert_string_equal(store_db_id(r->db), id);
    assert_int_equal(store_db_roots(r->db, &roots, &count), 0);
    assert_int_equal(count, 1);
    assert_int_equal(roots[0].sequence, 42);
    assert_int_equal(roots[0].owner, 7);
    assert_true(digest_equal(&roots[0].root, &root.root));
    assert_int_equal(store_db_checkpoints(r->db, &checkpoints, &count), 0);
    assert_int_equal(count, 1);
    assert_int_equal(checkpoints[0].sequence, 41);
    assert_int_equal(load(r, 1, 100), 0);
    assert_int_equal(load(r, 2, 40 << 20), 0);
    assert_sound(r);
}

/* Enough rows for some pages. */
static void
put_history(struct rig *r, int count)
{
    struct store_root root = {.name = "primary", .owner = 7};
    AUTO(blob) struct blob *b = make_blob(1, 100, true, &root.root);

    assert_int_equal(store_db_begin(r->db), 0);
    assert_int_equal(store_db_put(r->db, &root.root, b), 0);
    for (int i = 1; i <= count; i++) {
        root.sequence = i;
        assert_int_equal(store_db_put_root(r->db, &root), 0);
        assert_int_equal(store_db_put_history(r->db, &root, i, "some-id-of-a-commit"), 0);
    }
    assert_int_equal(store_db_commit(r->db), 0);
}

static void
history_with_a_lost_page_is_refused_but_repaired(void **state)
{
    struct rig *r = *state;
    AUTO(free) struct store_history *list = NULL;
    AUTO(free) struct store_commit *commits = NULL;
    struct err err = {0};
    size_t count;

    need_dbstat();
    put_history(r, 2000);
    store_db_close(&r->db);
    wipe_page(&r->dir, page_of(&r->dir, "history", "leaf", 3));
    assert_int_equal(store_db_open(&r->db, &r->dir.conf, &err), -EILSEQ);
    assert_non_null(strstr(err.text, "cannot read the history): see xylem fsck --repair"));
    open_for_repair(r);
    assert_true(store_db_is_hurt(r->db));
    salvage(r);
    assert_int_equal(store_db_history(r->db, &list, &count), 0);
    assert_in_range(count, 1600, 1999);
    assert_int_equal(list[0].root.sequence, 1);
    assert_int_equal(list[count - 1].root.sequence, 2000);
    assert_int_equal(store_db_commits(r->db, &commits, &count), 0);
    assert_in_range(count, 1600, 1999);
    assert_sound(r);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(lost_pages_of_blob_are_left_out),
        T(a_lost_branch_is_left_out),
        T(the_newest_page_may_be_lost),
        T(a_row_whose_bytes_are_lost_is_told_and_left_out),
        T(a_lost_page_of_the_index_is_found_and_made_again),
        T(an_index_without_rows_is_checked_too),
        T(a_gap_in_the_index_is_found_and_filled),
        T(without_its_numbers_it_is_refused_but_repaired),
        T(a_salvage_keeps_all_there_is),
        T(history_with_a_lost_page_is_refused_but_repaired),
    };

    elog_open("/dev/null", NULL); // damaged rows are logged
    return cmocka_run_group_tests(tests, NULL, NULL);
}
