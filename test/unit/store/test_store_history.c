/* SPDX-License-Identifier: MPL-2.0 */
/* test_store_history.c - former roots, the ids of commits, and how long they are kept. */
#include "storetest.h"

#include "gc.h"
#include "store_db_mend.h"

#define KEPT STORE_DB_HISTORY_KEPT

struct rig {
    struct statedir dir;
    struct store_db *db; // owned
    struct digest root;  // of the one blob that is stored
};

static int
setup(void **state)
{
    struct rig *r = xcalloc(1, sizeof(*r));
    AUTO(blob) struct blob *b = make_blob(1, 100, false, &r->root);

    statedir_init(&r->dir);
    r->db = open_db(&r->dir);
    assert_int_equal(store_db_begin(r->db), 0);
    assert_int_equal(store_db_put(r->db, &r->root, b), 0);
    assert_int_equal(store_db_commit(r->db), 0);
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

static void
reopen(struct rig *r)
{
    store_db_close(&r->db);
    r->db = open_db(&r->dir);
}

/* As a commit does it. */
static void
put(struct rig *r, const char *name, int64_t sequence, const char *ids)
{
    struct store_root root = {.owner = 7, .sequence = sequence, .root = r->root};

    snprintf(root.name, sizeof(root.name), "%s", name);
    assert_int_equal(store_db_put_root(r->db, &root), 0);
    assert_int_equal(store_db_put_history(r->db, &root, 1000.5 + (double)sequence, ids), 0);
}

static void
put_alone(struct rig *r, const char *name, int64_t sequence, const char *ids)
{
    assert_int_equal(store_db_begin(r->db), 0);
    put(r, name, sequence, ids);
    assert_int_equal(store_db_commit(r->db), 0);
}

/* "NAME:SEQUENCE ..." of what is listed. */
static void
assert_history(struct rig *r, const char *expected)
{
    AUTO(free) struct store_history *list = NULL;
    AUTO(buf) struct buf text = BUF_INIT;
    size_t count;

    assert_int_equal(store_db_history(r->db, &list, &count), 0);
    for (size_t i = 0; i < count; i++) {
        buf_printf(&text, "%s:%d ", list[i].root.name, (int)list[i].root.sequence);
        assert_true(list[i].time == 1000.5 + (double)list[i].root.sequence);
        assert_int_equal(list[i].root.owner, 7);
        assert_true(digest_equal(&list[i].root.root, &r->root));
    }
    assert_string_equal(buf_str(&text), expected);
}

/* "ID:SEQUENCE ..." */
static void
assert_commits(struct rig *r, const char *expected)
{
    AUTO(free) struct store_commit *list = NULL;
    AUTO(buf) struct buf text = BUF_INIT;
    size_t count;

    assert_int_equal(store_db_commits(r->db, &list, &count), 0);
    for (size_t i = 0; i < count; i++)
        buf_printf(&text, "%s:%d ", list[i].id, (int)list[i].root.sequence);
    assert_string_equal(buf_str(&text), expected);
}

/* --- what is recorded --- */

static void
roots_and_ids_come_back_in_order(void **state)
{
    struct rig *r = *state;

    assert_history(r, "");
    assert_commits(r, "");
    put_alone(r, "primary", 1, NULL);
    put_alone(r, "ns", 1, "first");
    put_alone(r, "primary", 2, "a b-c d_e");
    for (int round = 0; round < 2; round++) {
        assert_history(r, "primary:1 ns:1 primary:2 ");
        assert_commits(r, "first:1 a:2 b-c:2 d_e:2 ");
        reopen(r);
    }
}

static void
failed_transaction_leaves_nothing(void **state)
{
    struct rig *r = *state;

    put_alone(r, "primary", 1, "a");
    assert_int_equal(store_db_begin(r->db), 0);
    put(r, "primary", 2, "b");
    store_db_rollback(r->db);
    assert_history(r, "primary:1 ");
    put_alone(r, "primary", 2, "c");
    assert_history(r, "primary:1 primary:2 ");
    assert_commits(r, "a:1 c:2 ");
}

static void
time_that_is_not_told_is_now(void **state)
{
    struct rig *r = *state;
    AUTO(free) struct store_history *list = NULL;
    struct store_root root = {.name = "primary", .root = r->root};
    size_t count;

    assert_int_equal(store_db_begin(r->db), 0);
    assert_int_equal(store_db_put_history(r->db, &root, 0, NULL), 0);
    assert_int_equal(store_db_commit(r->db), 0);
    assert_int_equal(store_db_history(r->db, &list, &count), 0);
    assert_int_equal(count, 1);
    assert_true(list[0].time > 1e9);
}

/* --- how long --- */

static void
newest_roots_are_kept(void **state)
{
    struct rig *r = *state;
    AUTO(free) struct store_history *list = NULL;
    size_t count;

    assert_int_equal(store_db_begin(r->db), 0);
    for (int i = 1; i <= 3 * KEPT; i++)
        put(r, "primary", i, NULL);
    assert_int_equal(store_db_commit(r->db), 0);
    for (int round = 0; round < 2; round++) {
        free(TAKE(list));
        assert_int_equal(store_db_history(r->db, &list, &count), 0);
        assert_int_equal(count, KEPT);
        assert_int_equal(list[0].root.sequence, 2 * KEPT + 1);
        assert_int_equal(list[count - 1].root.sequence, 3 * KEPT);
        reopen(r);
    }
    store_db_close(&r->db);
    run_sql(&r->dir, "CREATE TABLE t AS SELECT 1 / (count(*) <= 17408) AS ok FROM history;"
                     "CREATE TABLE u (ok NOT NULL); INSERT INTO u SELECT ok FROM t");
    r->db = open_db(&r->dir);
}

/* Groups of a hundred commits: also over restarts, of which each has only a few. */
static void
ids_of_the_last_commits_are_kept(void **state)
{
    struct rig *r = *state;
    AUTO(free) struct store_commit *list = NULL;
    size_t count;
    int id = 0;

    for (int group = 1; group <= 700; group++) {
        AUTO(buf) struct buf ids = BUF_INIT;

        for (int i = 0; i < 100; i++)
            buf_printf(&ids, "%s0123456789abcdef-%d", i ? " " : "", id++);
        put_alone(r, "primary", group, buf_str(&ids));
        if (group % 50 == 0)
            reopen(r);
    }
    assert_int_equal(store_db_commits(r->db, &list, &count), 0);
    assert_int_equal(count, STORE_DB_IDS_KEPT);
    for (size_t i = 0; i < count; i++) {
        char expected[32];

        snprintf(expected, sizeof(expected), "0123456789abcdef-%d", id - (int)(count - i));
        assert_string_equal(list[i].id, expected);
    }
    store_db_close(&r->db);
    run_sql(&r->dir,
            "CREATE TABLE u (ok NOT NULL); INSERT INTO u"
            " SELECT CASE WHEN sum(count) < 33000 AND count(*) = 700 THEN 1 END FROM history");
    r->db = open_db(&r->dir);
}

/* --- what is no longer there --- */

static void
history_of_a_removed_namespace_ends_its_ids_stay(void **state)
{
    struct rig *r = *state;
    AUTO(free) struct store_commit *list = NULL;
    size_t count;

    put_alone(r, "primary", 1, "p");
    put_alone(r, "ns", 5, "n");
    assert_int_equal(store_db_begin(r->db), 0);
    assert_int_equal(store_db_remove_root(r->db, "ns"), 0);
    assert_int_equal(store_db_commit(r->db), 0);
    assert_history(r, "primary:1 ");
    put_alone(r, "ns", 0, NULL);
    assert_history(r, "primary:1 ns:0 ");
    assert_commits(r, "p:1 n:5 ");
    assert_int_equal(store_db_commits(r->db, &list, &count), 0);
    assert_int_equal(list[0].root.epoch, 0);
    assert_int_equal(list[1].root.epoch, -1);
}

static void
roots_that_were_undone_are_not_listed(void **state)
{
    struct rig *r = *state;

    for (int i = 1; i <= 4; i++)
        put_alone(r, "primary", i, NULL);
    store_db_close(&r->db);
    run_sql(&r->dir, "UPDATE root SET sequence = 2");
    r->db = open_db(&r->dir);
    assert_history(r, "primary:1 primary:2 ");
    put_alone(r, "primary", 3, NULL);
    assert_history(r, "primary:1 primary:2 primary:3 ");
}

static void
collect(struct rig *r, bool dry_run)
{
    struct gc_conf conf = {
        .alg = DIGEST_BLAKE2B, .mode = GC_OFFLINE, .dry_run = dry_run, .force = true};
    struct gc *gc = gc_new(&conf);

    assert_int_equal(gc_run(gc, r->db, &gc_limits_offline, NULL), 0);
    gc_free(&gc);
}

static void
garbage_collection_takes_roots_that_nothing_protects(void **state)
{
    struct rig *r = *state;
    struct digest first = r->root, second;
    AUTO(blob) struct blob *b = make_blob(2, 100, false, &second);

    put_alone(r, "primary", 1, "a");
    collect(r, false); // nothing goes
    assert_history(r, "primary:1 ");
    r->root = second;
    assert_int_equal(store_db_begin(r->db), 0);
    assert_int_equal(store_db_put(r->db, &second, b), 0);
    put(r, "primary", 2, "b");
    assert_int_equal(store_db_commit(r->db), 0);
    collect(r, true);
    reopen(r);
    r->root = first;
    {
        AUTO(free) struct store_history *list = NULL;
        size_t count;

        assert_int_equal(store_db_history(r->db, &list, &count), 0);
        assert_int_equal(count, 2);
    }
    collect(r, false);
    r->root = second;
    assert_history(r, "primary:2 ");
    assert_commits(r, "a:1 b:2 ");
}

/* --- files of all kinds --- */

static void
old_file_without_the_table_gets_it(void **state)
{
    struct rig *r = *state;

    store_db_close(&r->db);
    run_sql(&r->dir, "DROP TABLE history");
    r->dir.conf.read_only = true;
    r->db = open_db(&r->dir);
    assert_history(r, "");
    assert_commits(r, "");
    store_db_close(&r->db);
    r->dir.conf.read_only = false;
    r->db = open_db(&r->dir);
    put_alone(r, "primary", 1, "a");
    reopen(r);
    assert_history(r, "primary:1 ");
    r->dir.conf.read_only = true;
    reopen(r);
    assert_history(r, "primary:1 ");
    assert_commits(r, "a:1 ");
}

static void
row_that_makes_no_sense_is_left_out(void **state)
{
    struct rig *r = *state;

    for (int i = 1; i <= 4; i++)
        put_alone(r, "primary", i, i == 3 ? "some ids of a commit" : "x");
    store_db_close(&r->db);
    run_sql(&r->dir, "UPDATE history SET digest = x'00' WHERE sequence = 2;"
                     "UPDATE history SET size = 1, ids = x'0102' WHERE sequence = 3");
    r->db = open_db(&r->dir);
    assert_history(r, "primary:1 primary:3 primary:4 ");
    assert_commits(r, "x:1 x:4 ");
}

static void
salvage_copies_the_history(void **state)
{
    struct rig *r = *state;
    AUTO(free) char *old = NULL;
    struct err err = {0};

    put_alone(r, "primary", 1, "a b");
    put_alone(r, "primary", 2, NULL);
    store_db_close(&r->db);
    r->dir.conf.for_repair = true;
    r->db = open_db(&r->dir);
    assert_int_equal(store_db_salvage(&r->db, &r->dir.conf, &old, &err), 0);
    assert_history(r, "primary:1 primary:2 ");
    assert_commits(r, "a:1 b:1 ");
    put_alone(r, "primary", 3, "c");
    assert_commits(r, "a:1 b:1 c:3 ");
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(roots_and_ids_come_back_in_order),
        TEST(failed_transaction_leaves_nothing),
        TEST(time_that_is_not_told_is_now),
        TEST(newest_roots_are_kept),
        TEST(ids_of_the_last_commits_are_kept),
        TEST(history_of_a_removed_namespace_ends_its_ids_stay),
        TEST(roots_that_were_undone_are_not_listed),
        TEST(garbage_collection_takes_roots_that_nothing_protects),
        TEST(old_file_without_the_table_gets_it),
        TEST(row_that_makes_no_sense_is_left_out),
        TEST(salvage_copies_the_history),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
