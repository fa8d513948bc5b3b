/* SPDX-License-Identifier: MPL-2.0 */
/* test_store_index.c - digests, rows and the index between them, against a model. */
#include "storetest.h"
#include "store_db_priv.h"

#include <sys/wait.h>

enum { BLOBS = 3000 };

struct rig {
    struct statedir dir;
    struct store_db *db;
    uint32_t random;      // state of the generator
    int64_t ids[BLOBS];   // of the blobs that are there; 0 = not
    int64_t saved[BLOBS]; // when the transaction began
    int64_t newest;       // largest id ever committed or in the transaction
    int64_t saved_newest; // when the transaction began
};

static int
setup(void **state)
{
    struct rig *r = xcalloc(1, sizeof(*r));

    statedir_init(&r->dir);
    r->dir.conf.durability = STORE_MEMORY;
    r->db = open_db(&r->dir);
    r->random = 1;
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

static uint32_t
draw(struct rig *r, uint32_t below)
{
    r->random ^= r->random << 13, r->random ^= r->random >> 17, r->random ^= r->random << 5;
    return r->random % below;
}

/* Of blob i.  Every third one has the prefix of its two neighbours. */
static struct digest
digest_of(int i)
{
    struct digest d;
    int64_t group = i / 3;

    digest_compute(DIGEST_BLAKE2B, &group, sizeof(group), &d);
    d.bytes[31] = (uint8_t)(i % 3);
    return d;
}

/* The bytes do not matter here, so that digests can have a prefix in common: only load() looks at them,
 * and a put of what an earlier run has stored. */
static void
open_with_any_bytes(struct rig *r)
{
    r->db = open_db(&r->dir);
    r->db->newest_at_open = 0;
}

static int
put(struct rig *r, int i)
{
    struct digest d = digest_of(i);
    AUTO(blob) struct blob *b = blob_new(&d, sizeof(d));

    return store_db_put(r->db, &d, b);
}

/* --- the model --- */

static void
check_one(struct rig *r, int i)
{
    struct digest d = digest_of(i);
    int64_t id = 0;

    assert_int_equal(store_db_find(r->db, &d, &id), r->ids[i] ? 0 : -ENOENT);
    assert_int_equal(id, r->ids[i]);
}

static int64_t
count_blobs(const struct rig *r)
{
    int64_t count = 0;

    for (int i = 0; i < BLOBS; i++)
        count += r->ids[i] != 0;
    return count;
}

static void
check_all(struct rig *r)
{
    struct store_db_stats stats;

    for (int i = 0; i < BLOBS; i++)
        check_one(r, i);
    assert_int_equal(store_db_stats(r->db, &stats), 0);
    assert_int_equal(stats.blobs, count_blobs(r));
}

static void
put_random(struct rig *r)
{
    int i = (int)draw(r, BLOBS);
    struct digest d = digest_of(i);
    int64_t id;

    assert_int_equal(put(r, i), 0);
    assert_int_equal(store_db_find(r->db, &d, &id), 0);
    if (r->ids[i]) {
        assert_int_equal(id, r->ids[i]);
    } else {
        assert_true(id > r->newest);
        r->newest = id;
    }
    r->ids[i] = id;
}

static void
remove_random(struct rig *r)
{
    int i = (int)draw(r, BLOBS);
    int64_t ids[2] = {r->ids[i], INT64_MAX};

    assert_int_equal(store_db_remove(r->db, ids, 2), 0);
    r->ids[i] = 0;
    check_one(r, i);
}

/* A transaction with up to `size` changes, of which one in five is rolled back. */
static void
change_randomly(struct rig *r, uint32_t size)
{
    uint32_t count = draw(r, size);
    uint32_t puts = draw(r, 10) == 0 ? 2 : 9; // in ten

    memcpy(r->saved, r->ids, sizeof(r->ids));
    r->saved_newest = r->newest;
    assert_int_equal(store_db_begin(r->db), 0);
    for (uint32_t k = 0; k < count; k++) {
        if (draw(r, 10) < puts)
            put_random(r);
        else
            remove_random(r);
    }
    if (draw(r, 5) == 0) {
        store_db_rollback(r->db);
        memcpy(r->ids, r->saved, sizeof(r->ids));
        r->newest = r->saved_newest;
    } else {
        assert_int_equal(store_db_commit(r->db), 0);
    }
    check_one(r, (int)draw(r, BLOBS));
}

static void
reopen(struct rig *r)
{
    store_db_close(&r->db);
    open_with_any_bytes(r);
}

/* As a killed process leaves it: the file of a child that does not close it. */
static void
change_in_child(struct rig *r)
{
    int fds[2];
    pid_t pid;
    int status;
    struct rig *child = xmalloc(sizeof(*child));

    store_db_close(&r->db);
    assert_int_equal(pipe(fds), 0);
    pid = fork();
    if (pid == 0) {
        open_with_any_bytes(r);
        for (int i = 0; i < 20; i++)
            change_randomly(r, 200);
        for (size_t done = 0; done < sizeof(*r);) {
            ssize_t n = write(fds[1], (char *)r + done, sizeof(*r) - done);

            done += n > 0 ? (size_t)n : 0;
        }
        _exit(0);
    }
    close(fds[1]);
    for (size_t done = 0; done < sizeof(*r);) {
        ssize_t n = read(fds[0], (char *)child + done, sizeof(*r) - done);

        assert_true(n > 0);
        done += (size_t)n;
    }
    close(fds[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    *r = *child;
    free(child);
    open_with_any_bytes(r);
}

static void
random_history_agrees_with_a_model(void **state)
{
    struct rig *r = *state;

    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 40; i++)
            change_randomly(r, 300);
        check_all(r);
        if (round % 3 == 1)
            reopen(r);
        else if (round % 3 == 2)
            change_in_child(r);
        check_all(r);
    }
}

/* --- turns --- */

static int64_t
ask_number(const struct rig *r, const char *text)
{
    sqlite3 *sql;
    sqlite3_stmt *st;
    int64_t n;

    assert_int_equal(sqlite3_open(r->dir.database, &sql), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(sql, text, -1, &st, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    n = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    sqlite3_close(sql);
    return n;
}

static int64_t
count_indexed(const struct rig *r)
{
    return ask_number(r, "SELECT value FROM meta WHERE name = 'indexed'");
}

/* `count` new blobs, from number `first` on. */
static void
put_series(struct rig *r, uint64_t first, uint64_t count)
{
    assert_int_equal(store_db_begin(r->db), 0);
    for (uint64_t i = first; i < first + count; i++) {
        struct digest d;
        AUTO(blob) struct blob *b = blob_new(&i, sizeof(i));

        digest_compute(DIGEST_BLAKE2B, &i, sizeof(i), &d);
        assert_int_equal(store_db_put(r->db, &d, b), 0);
    }
    assert_int_equal(store_db_commit(r->db), 0);
}

static void
assert_series(struct rig *r, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        AUTO(blob) struct blob *b = NULL;
        struct digest d;

        digest_compute(DIGEST_BLAKE2B, &i, sizeof(i), &d);
        assert_int_equal(store_db_load(r->db, &d, &b), 0);
        assert_memory_equal(blob_data(b), &i, sizeof(i));
    }
}

static void
turns_move_rows_from_the_tail_to_the_index(void **state)
{
    enum { GROUP = 512, TURN = 65536, ALL = 2 * TURN + 5 * GROUP };
    struct rig *r = *state;
    struct store_db_stats stats;

    for (uint64_t i = 0; i < ALL; i += GROUP) {
        put_series(r, i, GROUP);
        assert_true(r->db->tail.map.count <= TURN + GROUP);
        assert_true(r->db->now.newest - r->db->now.indexed <= 2 * TURN + GROUP);
    }
    /* The first turn began before there was a row, the second found those of the first. */
    assert_int_equal(count_indexed(r), TURN);
    assert_int_equal(ask_number(r, "SELECT value FROM meta WHERE name = 'indexed_blobs'"), TURN);
    assert_int_equal(ask_number(r, "SELECT count(*) FROM place WHERE id <= 65536"), TURN);
    assert_series(r, ALL);
    reopen(r);
    assert_int_equal(r->db->tail.map.count, ALL - TURN);
    assert_series(r, ALL);
    assert_int_equal(store_db_stats(r->db, &stats), 0);
    assert_int_equal(stats.blobs, ALL);
    put_series(r, 0, ALL);
    assert_int_equal(r->db->now.newest, ALL);
}

static void
large_rows_shorten_the_tail(void **state)
{
    struct rig *r = *state;

    for (int i = 0; i < 9000; i++) {
        struct digest d;
        AUTO(blob) struct blob *b = make_blob(i, 16384, true, &d);

        if (i % 100 == 0)
            assert_int_equal(store_db_begin(r->db), 0);
        assert_int_equal(store_db_put(r->db, &d, b), 0);
        if (i % 100 == 99)
            assert_int_equal(store_db_commit(r->db), 0);
    }
    assert_true(count_indexed(r) > 0);
    assert_true(r->db->tail.map.count < 5000);
}

/* What a huge commit does not pay is paid by the next ones. */
static void
huge_transactions_are_merged_later(void **state)
{
    struct rig *r = *state;

    put_series(r, 0, 70000);
    assert_int_equal(count_indexed(r), 0);
    for (uint64_t i = 0; i < 10; i++)
        put_series(r, 70000 + i, 1);
    assert_int_equal(count_indexed(r), 0);
    assert_int_equal(r->db->now.part, 70000 / 256 % 256);
    assert_series(r, 70010);
}

/* --- others read --- */

static void
reader_follows_the_writer_through_turns(void **state)
{
    struct rig *r = *state;
    struct store_conf conf = r->dir.conf;
    struct store_db *writer = r->db, *reader = NULL;

    conf.read_only = true;
    put_series(r, 0, 100);
    assert_int_equal(store_db_open(&reader, &conf, NULL), 0);
    for (uint64_t i = 1; i < 300; i++) {
        put_series(r, i * 512, 512);
        r->db = reader;
        assert_series(r, 100);
        for (uint64_t k = i * 512; k < (i + 1) * 512; k += 100) {
            struct digest d;

            digest_compute(DIGEST_BLAKE2B, &k, sizeof(k), &d);
            assert_int_equal(store_db_exists(reader, &d), 0);
        }
        r->db = writer;
    }
    assert_true(count_indexed(r) > 0);
    store_db_close(&reader);
}

static void
reader_sees_rows_go_and_come_back(void **state)
{
    struct rig *r = *state;
    struct store_conf conf = r->dir.conf;
    struct store_db *reader = NULL;
    struct digest d = digest_of(1);
    int64_t id = 0, again = 0;

    conf.read_only = true;
    assert_int_equal(store_db_begin(r->db), 0);
    assert_int_equal(put(r, 1), 0);
    assert_int_equal(store_db_commit(r->db), 0);
    assert_int_equal(store_db_open(&reader, &conf, NULL), 0);
    assert_int_equal(store_db_find(reader, &d, &id), 0);
    assert_int_equal(store_db_begin(r->db), 0);
    assert_int_equal(store_db_remove(r->db, &id, 1), 0);
    assert_int_equal(store_db_commit(r->db), 0);
    assert_int_equal(store_db_exists(reader, &d), -ENOENT);
    assert_int_equal(store_db_begin(r->db), 0);
    assert_int_equal(put(r, 1), 0);
    assert_int_equal(store_db_commit(r->db), 0);
    assert_int_equal(store_db_find(reader, &d, &again), 0);
    assert_true(again > id);
    store_db_close(&reader);
}

/* --- damage --- */

static void
ids_of_removed_rows_are_not_used_again(void **state)
{
    struct rig *r = *state;
    int64_t ids[3];

    for (int i = 0; i < 3; i++) {
        struct digest d = digest_of(1);

        assert_int_equal(store_db_begin(r->db), 0);
        assert_int_equal(put(r, 1), 0);
        assert_int_equal(store_db_find(r->db, &d, &ids[i]), 0);
        assert_int_equal(store_db_commit(r->db), 0);
        assert_int_equal(store_db_begin(r->db), 0);
        assert_int_equal(store_db_remove(r->db, &ids[i], 1), 0);
        assert_int_equal(store_db_commit(r->db), 0);
        reopen(r);
    }
    assert_true(ids[0] < ids[1] && ids[1] < ids[2]);
}

static void
index_without_its_numbers_is_refused(void **state)
{
    struct rig *r = *state;
    struct err err;

    store_db_close(&r->db);
    run_sql(&r->dir, "DELETE FROM meta WHERE name = 'indexed'");
    assert_int_equal(store_db_open(&r->db, &r->dir.conf, &err), -EILSEQ);
    assert_non_null(strstr(err.text, "cannot read the index"));
}

static void
malformed_digest_in_the_tail_hides_only_its_row(void **state)
{
    struct rig *r = *state;
    struct store_db_stats stats;

    put_series(r, 0, 10);
    store_db_close(&r->db);
    run_sql(&r->dir, "UPDATE blob SET digest = x'01' WHERE id = 10");
    r->db = open_db(&r->dir);
    assert_series(r, 9);
    assert_int_equal(store_db_stats(r->db, &stats), 0);
    assert_int_equal(stats.blobs, 10);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(random_history_agrees_with_a_model, setup, teardown),
        cmocka_unit_test_setup_teardown(turns_move_rows_from_the_tail_to_the_index, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(large_rows_shorten_the_tail, setup, teardown),
        cmocka_unit_test_setup_teardown(huge_transactions_are_merged_later, setup, teardown),
        cmocka_unit_test_setup_teardown(reader_follows_the_writer_through_turns, setup, teardown),
        cmocka_unit_test_setup_teardown(reader_sees_rows_go_and_come_back, setup, teardown),
        cmocka_unit_test_setup_teardown(ids_of_removed_rows_are_not_used_again, setup, teardown),
        cmocka_unit_test_setup_teardown(index_without_its_numbers_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(malformed_digest_in_the_tail_hides_only_its_row, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
