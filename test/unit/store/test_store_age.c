/* SPDX-License-Identifier: MPL-2.0 */
/* test_store_age.c - rows by id and by age, with a clock of our own; damage, removing, shrinking. */
#include "storetest.h"
#include "draw.h"
#include "store_db_priv.h"

#define START 1800000000.0

static double wall = START;

static double
fake_wall(void)
{
    return wall;
}

struct rig {
    struct statedir dir;
    struct store_db *db;
    struct store_db_row rows[200]; // as listed
    size_t count;                  // of them
};

static void
start(struct rig *r)
{
    r->db = open_db(&r->dir);
    r->db->wall = fake_wall;
    r->db->age.stored = wall; // was the true time
}

static int
setup(void **state)
{
    struct rig *r = xcalloc(1, sizeof(*r));

    wall = START;
    statedir_init(&r->dir);
    start(r);
    *state = r;
    return 0;
}

static int
teardown(void **state)
{
    struct rig *r = *state;

    store_db_close(&r->db);
    statedir_fini(&r->dir);
    free(r);
    return 0;
}

static struct digest
put(struct rig *r, int i)
{
    struct digest d;
    AUTO(blob) struct blob *b = make_blob(i, 2000, true, &d);

    assert_int_equal(store_db_begin(r->db), 0);
    assert_int_equal(store_db_put(r->db, &d, b), 0);
    assert_int_equal(store_db_commit(r->db), 0);
    return d;
}

static int64_t
id_of(struct rig *r, const struct digest *d)
{
    int64_t id = 0;

    assert_int_equal(store_db_find(r->db, d, &id), 0);
    return id;
}

static void
remove_ids(struct rig *r, const int64_t *ids, size_t count)
{
    assert_int_equal(store_db_begin(r->db), 0);
    assert_int_equal(store_db_remove(r->db, ids, count), 0);
    assert_int_equal(store_db_commit(r->db), 0);
}

static int
try_load(struct rig *r, const struct digest *d)
{
    AUTO(blob) struct blob *b = NULL;

    return store_db_load(r->db, d, &b);
}

static int64_t
ask_number(struct rig *r, const char *text)
{
    sqlite3_stmt *st;
    int64_t n;

    assert_int_equal(sqlite3_prepare_v2(r->db->sql, text, -1, &st, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    n = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    return n;
}

/* --- lists --- */

static void
take_row(void *arg, const struct store_db_row *row)
{
    struct rig *r = arg;

    assert_true(r->count < ARRAY_SIZE(r->rows));
    r->rows[r->count++] = *row;
}

static void
rows_are_listed_in_stretches(void **state)
{
    struct rig *r = *state;
    struct digest d[10];
    int64_t newest = -1, last = 0;

    assert_int_equal(store_db_newest(r->db, &newest), 0);
    assert_int_equal(newest, 0);
    for (int i = 0; i < 10; i++)
        d[i] = put(r, i);
    assert_int_equal(store_db_newest(r->db, &newest), 0);
    assert_int_equal(newest, id_of(r, &d[9]));
    assert_int_equal(store_db_list(r->db, 0, newest, 4, take_row, r, &last), 0);
    assert_int_equal(r->count, 4);
    assert_int_equal(last, id_of(r, &d[3]));
    assert_int_equal(store_db_list(r->db, last, newest, 100, take_row, r, &last), 0);
    assert_int_equal(r->count, 10);
    assert_int_equal(last, newest);
    for (size_t i = 0; i < 10; i++) {
        assert_true(digest_equal(&r->rows[i].digest, &d[i]));
        assert_int_equal(r->rows[i].size, 2000 + sizeof(int));
        assert_int_equal(r->rows[i].rc, 0);
    }
    assert_int_equal(store_db_list(r->db, newest, newest + 50, 100, take_row, r, &last), 0);
    assert_int_equal(r->count, 10);
    assert_int_equal(last, newest + 50);
}

static void
verifying_finds_a_flipped_byte(void **state)
{
    struct rig *r = *state;
    int64_t last = 0;

    for (int i = 0; i < 10; i++)
        put(r, i);
    run_sql(&r->dir, "UPDATE blob SET data = x'00' || substr(data, 2) WHERE id = 4;"
                     "UPDATE blob SET digest = x'0102' WHERE id = 6");
    assert_int_equal(store_db_verify(r->db, 0, 10, 100, SIZE_MAX, take_row, r, &last), 0);
    assert_int_equal(r->count, 10);
    assert_int_equal(last, 10);
    for (size_t i = 0; i < 10; i++)
        assert_int_equal(r->rows[i].rc, i == 3 || i == 5 ? -EIO : 0);
    r->count = 0;
    assert_int_equal(store_db_verify(r->db, 0, 10, 100, 5000, take_row, r, &last), 0);
    assert_int_equal(r->count, 3);
    assert_int_equal(last, 3);
}

/* --- damage --- */

static void
put_replaces_a_row_known_to_be_damaged(void **state)
{
    struct rig *r = *state;
    struct digest d = put(r, 1), other = put(r, 2);
    int64_t id = id_of(r, &d);
    struct store_db_stats stats;

    run_sql(&r->dir, "UPDATE blob SET data = x'00' || substr(data, 2) WHERE id = 1");
    put(r, 1); // not known yet
    assert_int_equal(try_load(r, &d), -EIO);
    put(r, 1);
    assert_int_equal(try_load(r, &d), 0);
    assert_true(id_of(r, &d) > id);
    id = id_of(r, &d);
    put(r, 1);
    assert_int_equal(id_of(r, &d), id);
    assert_int_equal(try_load(r, &other), 0);
    assert_int_equal(store_db_stats(r->db, &stats), 0);
    assert_int_equal(stats.blobs, 2);
    assert_int_equal(ask_number(r, "SELECT count(*) FROM blob"), 2);
    store_db_close(&r->db);
    start(r);
    assert_int_equal(try_load(r, &d), 0);
    assert_int_equal(store_db_stats(r->db, &stats), 0);
    assert_int_equal(stats.blobs, 2);
}

static void
replacing_that_is_rolled_back_is_done_again(void **state)
{
    struct rig *r = *state;
    struct digest d = put(r, 1);
    AUTO(blob) struct blob *b = make_blob(1, 2000, true, &d);
    int64_t last;

    run_sql(&r->dir, "UPDATE blob SET data = x'00' || substr(data, 2) WHERE id = 1");
    assert_int_equal(store_db_verify(r->db, 0, 1, 1, SIZE_MAX, take_row, r, &last), 0);
    assert_int_equal(store_db_begin(r->db), 0);
    assert_int_equal(store_db_put(r->db, &d, b), 0);
    assert_int_equal(try_load(r, &d), 0);
    store_db_rollback(r->db);
    assert_int_equal(try_load(r, &d), -EIO);
    put(r, 1);
    assert_int_equal(try_load(r, &d), 0);
}

/* --- time --- */

static int64_t
id_at(struct rig *r, double time)
{
    int64_t id = -1;

    assert_int_equal(store_db_id_at(r->db, time, &id), 0);
    return id;
}

static void
ids_are_dated(void **state)
{
    struct rig *r = *state;

    for (int i = 1; i <= 10; i++) {
        put(r, i); // at START + (i - 1) * 100
        wall += 100;
    }
    assert_int_equal(id_at(r, START - 1), 0);
    assert_int_equal(id_at(r, START + 50), 1);
    assert_int_equal(id_at(r, START + 250), 3);
    assert_int_equal(id_at(r, START + 900), 9);
    assert_int_equal(id_at(r, START + 901), 10);
    store_db_close(&r->db);
    start(r);
    assert_int_equal(id_at(r, START + 250), 3);
    assert_int_equal(id_at(r, START + 950), 9);   // the last was not noted
    assert_int_equal(id_at(r, START + 1001), 10); // all were there when it was opened
}

static void
times_are_noted_once_a_minute_and_kept_for_a_day(void **state)
{
    struct rig *r = *state;

    for (int i = 0; i < 120; i++) {
        put(r, i);
        wall += 2;
    }
    assert_int_equal(ask_number(r, "SELECT count(*) FROM age"), 4);
    wall += 3 * 86400;
    put(r, 1000);
    assert_int_equal(ask_number(r, "SELECT count(*) FROM age"), 2);
    assert_int_equal(id_at(r, wall - 86400), 120);
    wall += 100;
    put(r, 1001);
    assert_int_equal(id_at(r, wall - 86400), 120);
    assert_int_equal(id_at(r, wall - 50), 121);
}

static void
clock_that_is_set_back_makes_nothing_older(void **state)
{
    struct rig *r = *state;

    wall = START + 5000;
    put(r, 1);
    wall += 100;
    put(r, 2);
    wall = START;
    put(r, 3);
    wall += 100;
    put(r, 4);
    assert_int_equal(id_at(r, START + 50), 3);
    assert_int_equal(id_at(r, START - 1), 0);
    assert_int_equal(ask_number(r, "SELECT max(time) <= 1800000100 FROM age"), 1);
}

static void
blob_that_is_stored_again_is_noted(void **state)
{
    struct rig *r = *state;
    struct digest d = put(r, 1), other = put(r, 2);
    int64_t id = id_of(r, &d);

    store_db_set_grace(r->db, 1000);
    wall += 20;
    put(r, 1); // young as it is
    assert_int_equal(store_db_was_touched(r->db, id, START), 1);
    wall += 580;
    put(r, 1);
    put(r, 1);
    assert_int_equal(id_of(r, &d), id);
    assert_int_equal(store_db_was_touched(r->db, id, wall), 1);
    assert_int_equal(store_db_was_touched(r->db, id, wall - 900), 1);
    assert_int_equal(store_db_was_touched(r->db, id_of(r, &other), START), 0);
    assert_int_equal(ask_number(r, "SELECT count(*) FROM touched"), 2);
    store_db_close(&r->db);
    start(r);
    store_db_set_grace(r->db, 1000);
    assert_int_equal(store_db_was_touched(r->db, id, wall - 900), 1);
    assert_int_equal(store_db_was_touched(r->db, id, wall + 511), 0);
    wall += 600;
    put(r, 1);
    assert_int_equal(ask_number(r, "SELECT count(*) FROM touched"), 3);
    wall += 2600;
    put(r, 3);
    assert_int_equal(ask_number(r, "SELECT count(*) FROM touched"), 0);
    assert_int_equal(store_db_was_touched(r->db, id, wall - 1000), 0);
}

/* Whatever the grace period of a collector (up to twice that of the store), and whenever the blob was
 * stored first and again: if that is within it, the collector is told. */
static void
whatever_is_stored_again_within_the_grace_is_known(void **state)
{
    static const int graces[] = {0, 1, 60, 299, 600, 1199};
    struct rig *r = *state;
    struct digest d[100];
    double last[100];
    uint64_t seed = 1;

    for (int step = 0; step < 400; step++, wall += 7) {
        int count = MIN(step / 2 + 1, 100); // a new one each 14 seconds, and some again

        if (step % 2 == 0 && step / 2 < 100) {
            d[step / 2] = put(r, step / 2);
            last[step / 2] = 0;
        }
        for (int k = 0; k < 2; k++) {
            int i = (int)draw_below(&seed, (uint64_t)count);

            put(r, i);
            last[i] = wall;
        }
        for (int i = 0; i < count; i++) {
            for (size_t k = 0; k < ARRAY_SIZE(graces); k++) {
                double since = wall - graces[k];

                if (last[i] >= since && id_of(r, &d[i]) <= id_at(r, since))
                    assert_int_equal(store_db_was_touched(r->db, id_of(r, &d[i]), since), 1);
            }
        }
    }
}

/* --- removing and shrinking --- */

static void
removed_rows_are_gone_and_come_back_anew(void **state)
{
    struct rig *r = *state;
    struct digest d[20];
    int64_t ids[20];
    struct store_db_stats stats;

    for (int i = 0; i < 20; i++) {
        d[i] = put(r, i);
        ids[i] = id_of(r, &d[i]);
    }
    remove_ids(r, ids + 5, 10);
    remove_ids(r, ids + 5, 10);
    for (int i = 0; i < 20; i++)
        assert_int_equal(try_load(r, &d[i]), i >= 5 && i < 15 ? -ENOENT : 0);
    put(r, 7);
    assert_true(id_of(r, &d[7]) > ids[19]);
    assert_int_equal(try_load(r, &d[7]), 0);
    assert_int_equal(store_db_stats(r->db, &stats), 0);
    assert_int_equal(stats.blobs, 11);
    store_db_close(&r->db);
    start(r);
    assert_int_equal(store_db_stats(r->db, &stats), 0);
    assert_int_equal(stats.blobs, 11);
    assert_int_equal(try_load(r, &d[8]), -ENOENT);
    assert_int_equal(try_load(r, &d[7]), 0);
}

static void
removing_that_is_rolled_back_removes_nothing(void **state)
{
    struct rig *r = *state;
    struct digest d = put(r, 1);
    AUTO(blob) struct blob *b = make_blob(1, 2000, true, &d);
    int64_t id = id_of(r, &d);

    assert_int_equal(store_db_begin(r->db), 0);
    assert_int_equal(store_db_remove(r->db, &id, 1), 0);
    assert_int_equal(store_db_exists(r->db, &d), -ENOENT);
    assert_int_equal(store_db_put(r->db, &d, b), 0);
    assert_int_equal(store_db_exists(r->db, &d), 0);
    store_db_rollback(r->db);
    assert_int_equal(id_of(r, &d), id);
    assert_int_equal(try_load(r, &d), 0);
}

static void
shrinking_gives_pages_back_and_empties_the_log(void **state)
{
    struct rig *r = *state;
    struct store_db_stats full, stats;
    int64_t ids[60];
    int64_t free_bytes = -1;
    int steps = 0;

    for (int i = 0; i < 60; i++) {
        struct digest d;
        AUTO(blob) struct blob *b = make_blob(i, 200000, true, &d);

        assert_int_equal(store_db_begin(r->db), 0);
        assert_int_equal(store_db_put(r->db, &d, b), 0);
        assert_int_equal(store_db_commit(r->db), 0);
        ids[i] = id_of(r, &d);
    }
    assert_int_equal(store_db_shrink(r->db, 10), 0);
    store_db_stats(r->db, &full);
    assert_int_equal(full.wal_bytes, 0);
    assert_int_equal(store_db_free_bytes(r->db, &free_bytes), 0);
    assert_int_equal(free_bytes, 0);
    remove_ids(r, ids, 59);
    assert_int_equal(store_db_free_bytes(r->db, &free_bytes), 0);
    assert_in_range(free_bytes, 59 * 200000, full.file_bytes);
    while (store_db_shrink(r->db, 100) == 1)
        steps++;
    assert_in_range(steps, 5, 10);
    store_db_stats(r->db, &stats);
    assert_int_equal(stats.wal_bytes, 0);
    assert_in_range(stats.file_bytes, 200000, 600000);
    assert_int_equal(ask_number(r, "PRAGMA freelist_count"), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rows_are_listed_in_stretches, setup, teardown),
        cmocka_unit_test_setup_teardown(verifying_finds_a_flipped_byte, setup, teardown),
        cmocka_unit_test_setup_teardown(put_replaces_a_row_known_to_be_damaged, setup, teardown),
        cmocka_unit_test_setup_teardown(replacing_that_is_rolled_back_is_done_again, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(ids_are_dated, setup, teardown),
        cmocka_unit_test_setup_teardown(times_are_noted_once_a_minute_and_kept_for_a_day, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(clock_that_is_set_back_makes_nothing_older, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(blob_that_is_stored_again_is_noted, setup, teardown),
        cmocka_unit_test_setup_teardown(whatever_is_stored_again_within_the_grace_is_known, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(removed_rows_are_gone_and_come_back_anew, setup, teardown),
        cmocka_unit_test_setup_teardown(removing_that_is_rolled_back_removes_nothing, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(shrinking_gives_pages_back_and_empties_the_log, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
