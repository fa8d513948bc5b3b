/* SPDX-License-Identifier: MPL-2.0 */
/* test_store_pieces.c - blobs that are cut into pieces: put, load, crash; files without the table. */
#include "piecestest.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

/* --- whole blobs --- */

static void
only_what_is_larger_than_a_piece_is_cut(void **state)
{
    static const struct {
        size_t size;
        int pieces;
    } cases[] = {{999, 0},  {1000, 0}, {1001, 2},  {1999, 2},
                 {2000, 2}, {2001, 3}, {9999, 10}, {10000, 10}};
    struct rig *r = *state;
    int64_t pieces = 0;

    for (int noise = 0; noise < 2; noise++) {
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
            put(r, (int)i, cases[i].size, noise);
            put(r, (int)i, cases[i].size, noise);
            pieces += cases[i].pieces;
            assert_int_equal(count_pieces(r), pieces);
        }
    }
    assert_int_equal(ask(r, "SELECT count(*) FROM blob WHERE data = x''"), 12);
    assert_int_equal(ask(r, "SELECT count(*) FROM piece WHERE length(data) < size / 2"), 27);
    store_db_close(&r->db);
    r->db = open_db(&r->dir); // with pieces of another size
    for (int noise = 0; noise < 2; noise++) {
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
            assert_loads(r->db, (int)i, cases[i].size, noise);
    }
    verify(r);
    assert_int_equal(r->count, 16);
    for (size_t i = 0; i < r->count; i++) {
        assert_int_equal(r->rows[i].rc, 0);
        assert_int_equal(r->rows[i].size, cases[i % ARRAY_SIZE(cases)].size);
    }
}

static void
verifying_counts_the_bytes_of_pieces(void **state)
{
    struct rig *r = *state;
    int64_t last;

    for (int i = 0; i < 5; i++)
        put(r, i, 10000, false);
    assert_int_equal(store_db_verify(r->db, 0, 5, 100, 15000, take_row, r, &last), 0);
    assert_int_equal(last, 2);
}

static void
a_reader_sees_them(void **state)
{
    struct rig *r = *state;
    struct store_conf conf = r->dir.conf;
    struct store_db *reader = NULL;

    conf.read_only = true;
    put(r, 1, 5000, true);
    assert_int_equal(store_db_open(&reader, &conf, NULL), 0);
    assert_loads(reader, 1, 5000, true);
    put(r, 2, 5000, true);
    assert_loads(reader, 2, 5000, true);
    store_db_close(&reader);
}

/* --- transactions --- */

static void
what_is_rolled_back_leaves_no_piece(void **state)
{
    struct rig *r = *state;
    struct digest d;
    AUTO(blob) struct blob *b = make(1, 9000, true, &d);

    assert_int_equal(store_db_begin(r->db), 0);
    assert_int_equal(store_db_put(r->db, &d, b), 0);
    assert_int_equal(try_load(r, &d), 0);
    store_db_rollback(r->db);
    assert_int_equal(try_load(r, &d), -ENOENT);
    assert_int_equal(count_pieces(r), 0);
    put(r, 2, 9000, true);
    put(r, 1, 9000, true);
    assert_loads(r->db, 1, 9000, true);
}

static void
limit_file_size(rlim_t bytes)
{
    struct rlimit limit;

    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void
a_write_that_fails_among_pieces_undoes_all_of_them(void **state)
{
    struct rig *r = *state;
    struct digest d;
    AUTO(blob) struct blob *b = make(1, 30 << 20, true, &d);

    r->db->piece_size = 1 << 20;
    signal(SIGXFSZ, SIG_IGN);
    limit_file_size(16 << 20);
    assert_int_equal(store_db_begin(r->db), 0);
    assert_int_equal(store_db_put(r->db, &d, b), -EIO);
    limit_file_size(RLIM_INFINITY);
    assert_int_equal(count_pieces(r), 0);
    assert_int_equal(store_db_exists(r->db, &d), -ENOENT);
    put(r, 1, 30 << 20, true);
    assert_loads(r->db, 1, 30 << 20, true);
    assert_int_equal(count_pieces(r), 30);
}

/* The process ends before or after the commit. */
static void
write_and_die(struct rig *r, bool commits)
{
    struct digest d;
    pid_t child = fork();
    int status;

    if (child == 0) {
        struct blob *b = make(1, 20 << 20, true, &d);

        start(r);
        r->db->piece_size = 1 << 20;
        if (store_db_begin(r->db) < 0 || store_db_put(r->db, &d, b) < 0 ||
            (commits && store_db_commit(r->db) < 0))
            _exit(1);
        kill(getpid(), SIGKILL);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    start(r);
}

static void
a_crash_leaves_all_pieces_or_none(void **state)
{
    struct rig *r = *state;

    store_db_close(&r->db);
    write_and_die(r, false);
    assert_int_equal(count_pieces(r), 0);
    assert_int_equal(ask(r, "SELECT count(*) FROM blob"), 0);
    store_db_close(&r->db);
    write_and_die(r, true);
    assert_loads(r->db, 1, 20 << 20, true);
    assert_int_equal(count_pieces(r), 20);
}

/* --- files without the table --- */

static void
a_file_without_the_table_is_read_and_gets_it_to_write(void **state)
{
    struct rig *r = *state;
    struct store_conf conf = r->dir.conf;
    struct store_db *reader = NULL;
    struct digest d = put(r, 1, 9000, true);
    AUTO(blob) struct blob *b = NULL;

    put(r, 2, 900, true);
    store_db_close(&r->db);
    run_sql(&r->dir, "DROP TABLE piece");
    conf.read_only = true;
    assert_int_equal(store_db_open(&reader, &conf, NULL), 0);
    assert_loads(reader, 2, 900, true);
    assert_int_equal(store_db_load(reader, &d, &b), -EIO);
    assert_int_equal(store_db_has_strays(reader, 0, 100), 0);
    store_db_close(&reader);
    start(r);
    assert_int_equal(try_load(r, &d), -EIO);
    put(r, 1, 9000, true);
    put(r, 3, 9000, true);
    restart(r);
    for (int i = 1; i <= 3; i++)
        assert_loads(r->db, i, i == 2 ? 900 : 9000, true);
}

static void
another_table_of_that_name_is_damage(void **state)
{
    struct rig *r = *state;
    struct store_db *db = NULL;

    store_db_close(&r->db);
    run_sql(&r->dir, "DROP TABLE piece; CREATE TABLE piece (a, b)");
    assert_int_equal(store_db_open(&db, &r->dir.conf, NULL), -EILSEQ);
    assert_null(db);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(only_what_is_larger_than_a_piece_is_cut),
        TEST(verifying_counts_the_bytes_of_pieces),
        TEST(a_reader_sees_them),
        TEST(what_is_rolled_back_leaves_no_piece),
        TEST(a_write_that_fails_among_pieces_undoes_all_of_them),
        TEST(a_crash_leaves_all_pieces_or_none),
        TEST(a_file_without_the_table_is_read_and_gets_it_to_write),
        TEST(another_table_of_that_name_is_damage),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
