/* SPDX-License-Identifier: MPL-2.0 */
#include "storetest.h"

#include <string.h>
#include <stdio.h>
#include <errno.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>

static int
setup(void **state)
{
    struct statedir *s = xcalloc(1, sizeof(*s));

    statedir_init(s);
    *state = s;
    return 0;
}

static int
teardown(void **state)
{
    statedir_fini(*state);
    free(*state);
    return 0;
}

static struct digest
put_in(struct store_db *db, int i, size_t size, bool noise)
{
    struct digest d;
    AUTO(blob) struct blob *b = make_blob(i, size, noise, &d);

    assert_int_equal(store_db_put(db, &d, b), 0);
    return d;
}

static struct digest
put_one(struct store_db *db, int i, size_t size, bool noise)
{
    struct digest d;

    assert_int_equal(store_db_begin(db), 0);
    d = put_in(db, i, size, noise);
    assert_int_equal(store_db_commit(db), 0);
    return d;
}

static int
try_load(struct store_db *db, const struct digest *d)
{
    AUTO(blob) struct blob *b = NULL;

    return store_db_load(db, d, &b);
}

static void
assert_loads(struct store_db *db, int i, size_t size, bool noise)
{
    struct digest d;
    AUTO(blob) struct blob *expected = make_blob(i, size, noise, &d);
    AUTO(blob) struct blob *b = NULL;

    assert_int_equal(store_db_load(db, &d, &b), 0);
    assert_same_bytes(b, expected);
}

/* --- blobs --- */

static void
blobs_of_all_sizes_survive_reopening(void **state)
{
    static const size_t sizes[] = {0, 1, 251, 252, 253, 4096, 16384, 1 << 20};
    struct store_db *db = open_db(*state);

    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        put_one(db, (int)i, sizes[i], false);
        put_one(db, 100 + (int)i, sizes[i], true);
    }
    store_db_close(&db);
    db = open_db(*state);
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        assert_loads(db, (int)i, sizes[i], false);
        assert_loads(db, 100 + (int)i, sizes[i], true);
    }
    store_db_close(&db);
}

static void
empty_blob_is_a_blob(void **state)
{
    struct store_db *db = open_db(*state);
    AUTO(blob) struct blob *empty = blob_empty();
    AUTO(blob) struct blob *b = NULL;
    struct digest d;

    digest_compute(DIGEST_BLAKE2B, "", 0, &d);
    assert_int_equal(store_db_begin(db), 0);
    assert_int_equal(store_db_put(db, &d, empty), 0);
    assert_int_equal(store_db_commit(db), 0);
    assert_int_equal(store_db_load(db, &d, &b), 0);
    assert_int_equal(blob_size(b), 0);
    store_db_close(&db);
}

static int64_t
ask_number(const struct statedir *s, const char *text)
{
    sqlite3 *sql;
    sqlite3_stmt *st;
    int64_t n;

    assert_int_equal(sqlite3_open(s->database, &sql), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(sql, text, -1, &st, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    n = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    sqlite3_close(sql);
    return n;
}

static void
only_what_shrinks_is_compressed(void **state)
{
    struct store_db *db = open_db(*state);

    put_one(db, 1, 100, false);
    put_one(db, 2, 10000, true);
    put_one(db, 3, 10000, false);
    assert_int_equal(ask_number(*state, "SELECT length(data) = size FROM blob WHERE id = 1"), 1);
    assert_int_equal(ask_number(*state, "SELECT length(data) = size FROM blob WHERE id = 2"), 1);
    assert_in_range(ask_number(*state, "SELECT length(data) FROM blob WHERE id = 3"), 1, 1000);
    store_db_close(&db);
}

static void
same_blob_twice_is_one_row(void **state)
{
    struct store_db *db = open_db(*state);
    struct store_db_stats stats;

    put_one(db, 1, 100, false);
    put_one(db, 1, 100, false);
    assert_int_equal(store_db_stats(db, &stats), 0);
    assert_int_equal(stats.blobs, 1);
    assert_true(stats.file_bytes > 0 && stats.wal_bytes > 0);
    store_db_close(&db);
}

static void
unknown_blob_is_not_found(void **state)
{
    struct store_db *db = open_db(*state);
    struct digest known = put_one(db, 1, 100, false);
    struct digest unknown = known;

    unknown.bytes[31] ^= 1;
    assert_int_equal(try_load(db, &unknown), -ENOENT);
    assert_int_equal(store_db_exists(db, &unknown), -ENOENT);
    assert_int_equal(store_db_exists(db, &known), 0);
    store_db_close(&db);
}

static void
damaged_rows_are_errors_and_others_load(void **state)
{
    static const char *const damage[] = {
        "UPDATE blob SET data = x'00' || substr(data, 2) WHERE id = 1",
        "UPDATE blob SET data = x'' WHERE id = 2",
        "UPDATE blob SET size = 1 WHERE id = 3",
        "UPDATE blob SET size = 1000000000 WHERE id = 4",
        "UPDATE blob SET size = -1 WHERE id = 5",
        "UPDATE blob SET data = x'0f' || substr(data, 2) WHERE id = 6",
        "UPDATE blob SET size = size + 1 WHERE id = 7",
        "UPDATE blob SET data = 'text' WHERE id = 8",
    };
    struct store_db *db = open_db(*state);
    struct digest d[ARRAY_SIZE(damage)];

    for (size_t i = 0; i < ARRAY_SIZE(damage); i++)
        d[i] = put_one(db, 1 + (int)i, 4000, i < 3);
    put_one(db, 99, 4000, false);
    for (size_t i = 0; i < ARRAY_SIZE(damage); i++) {
        run_sql(*state, damage[i]);
        assert_int_equal(try_load(db, &d[i]), -EIO);
    }
    assert_loads(db, 99, 4000, false);
    store_db_close(&db);
}

/* --- transactions --- */

static void
rolled_back_rows_are_gone(void **state)
{
    struct store_db *db = open_db(*state);
    struct digest d;

    assert_int_equal(store_db_begin(db), 0);
    d = put_in(db, 1, 100, false);
    assert_int_equal(store_db_exists(db, &d), 0);
    store_db_rollback(db);
    store_db_rollback(db);
    assert_int_equal(store_db_exists(db, &d), -ENOENT);
    put_one(db, 1, 100, false);
    assert_int_equal(store_db_exists(db, &d), 0);
    store_db_close(&db);
}

static void
limit_file_size(rlim_t bytes)
{
    struct rlimit limit;

    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* 0 when everything up to the commit went well. */
static int
put_many(struct store_db *db, int first, int count)
{
    int rc = store_db_begin(db);

    for (int i = first; rc == 0 && i < first + count; i++) {
        struct digest d;
        AUTO(blob) struct blob *b = make_blob(i, 30000, true, &d);

        rc = store_db_put(db, &d, b);
    }
    return rc == 0 ? store_db_commit(db) : rc;
}

static void
failed_write_undoes_the_whole_transaction(void **state)
{
    struct store_db *db = open_db(*state);
    struct digest d = put_one(db, 1, 100, false);
    struct store_db_stats stats;

    signal(SIGXFSZ, SIG_IGN);
    limit_file_size(1 << 20);
    assert_int_equal(put_many(db, 1000, 100), -EIO);
    limit_file_size(RLIM_INFINITY);
    assert_int_equal(store_db_stats(db, &stats), 0);
    assert_int_equal(stats.blobs, 1);
    assert_int_equal(try_load(db, &d), 0);
    assert_int_equal(put_many(db, 1000, 100), 0);
    assert_loads(db, 1099, 30000, true);
    store_db_close(&db);
}

/* A file that keeps `size` bytes of the disk from everybody else. */
static void
occupy(const struct statedir *s, off_t size)
{
    char path[96];
    int fd;

    snprintf(path, sizeof(path), "%s/ballast", s->path);
    fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_int_equal(ftruncate(fd, 0), 0);
    if (size > 0)
        assert_int_equal(posix_fallocate(fd, 0, size), 0);
    close(fd);
}

static void
full_disk_is_enospc_until_there_is_space(void **state)
{
    struct statedir *s = *state;
    struct store_db_stats stats;
    struct store_db *db;
    int rc;

    if (mount("none", s->path, "tmpfs", 0, "size=16m") < 0) {
        printf("skipped: a tmpfs cannot be mounted: %s\n", strerror(errno));
        skip();
    }
    db = open_db(s);
    assert_int_equal(put_many(db, 0, 10), 0);
    occupy(s, 14 << 20);
    assert_int_equal(put_many(db, 1000, 100), -ENOSPC);
    rc = store_db_stats(db, &stats);
    occupy(s, 0);
    assert_int_equal(rc, 0);
    assert_int_equal(stats.blobs, 10);
    assert_int_equal(put_many(db, 1000, 100), 0);
    assert_loads(db, 9, 30000, true);
    assert_loads(db, 1099, 30000, true);
    store_db_close(&db);
    assert_int_equal(umount2(s->path, MNT_DETACH), 0);
}

/* --- roots and checkpoints --- */

static void
put_root(struct store_db *db, const char *name, int64_t sequence, const struct digest *d)
{
    struct store_root root = {.owner = 4000000000u, .sequence = sequence, .root = *d};

    snprintf(root.name, sizeof(root.name), "%s", name);
    assert_int_equal(store_db_put_root(db, &root), 0);
}

static void
roots_are_replaced_by_name_and_sorted(void **state)
{
    struct store_db *db = open_db(*state);
    AUTO(free) struct store_root *roots = NULL;
    struct digest d = put_one(db, 1, 100, false);
    size_t count;

    assert_int_equal(store_db_begin(db), 0);
    put_root(db, "primary", 1, &d);
    put_root(db, "job-2", 7, &d);
    put_root(db, "gone", 1, &d);
    put_root(db, "primary", 2, &d);
    assert_int_equal(store_db_remove_root(db, "gone"), 0);
    assert_int_equal(store_db_remove_root(db, "never was"), 0);
    assert_int_equal(store_db_commit(db), 0);
    store_db_close(&db);
    db = open_db(*state);
    assert_int_equal(store_db_roots(db, &roots, &count), 0);
    assert_int_equal(count, 2);
    assert_string_equal(roots[0].name, "job-2");
    assert_string_equal(roots[1].name, "primary");
    assert_int_equal(roots[1].sequence, 2);
    assert_int_equal(roots[1].owner, 4000000000u);
    assert_true(digest_equal(&roots[1].root, &d));
    store_db_close(&db);
}

static void
newest_checkpoints_are_kept(void **state)
{
    struct store_db *db = open_db(*state);
    AUTO(free) struct checkpoint *list = NULL;
    size_t count;

    for (int i = 1; i <= 9; i++) {
        struct checkpoint c = {.sequence = i, .timestamp = i + 0.25};

        c.root.bytes[0] = (uint8_t)i;
        assert_int_equal(store_db_begin(db), 0);
        assert_int_equal(store_db_put_checkpoint(db, &c), 0);
        assert_int_equal(store_db_commit(db), 0);
    }
    assert_int_equal(store_db_checkpoints(db, &list, &count), 0);
    assert_int_equal(count, 5);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(list[i].sequence, 9 - i);
        assert_int_equal(list[i].root.bytes[0], 9 - i);
        assert_true(list[i].timestamp == 9 - i + 0.25);
    }
    store_db_close(&db);
}

static void
new_store_has_an_id_and_nothing_else(void **state)
{
    struct store_db *db = open_db(*state);
    AUTO(free) char *id = xstrdup(store_db_id(db));
    AUTO(free) struct store_root *roots = NULL;
    AUTO(free) struct checkpoint *list = NULL;
    size_t count;

    assert_int_equal(strlen(id), 32);
    assert_int_equal(store_db_roots(db, &roots, &count), 0);
    assert_int_equal(count, 0);
    assert_int_equal(store_db_checkpoints(db, &list, &count), 0);
    assert_int_equal(count, 0);
    store_db_close(&db);
    db = open_db(*state);
    assert_string_equal(store_db_id(db), id);
    store_db_close(&db);
}

static void
file_is_set_up_as_documented(void **state)
{
    struct store_db *db = open_db(*state);

    assert_int_equal(ask_number(*state, "PRAGMA application_id"), 0x58796c6d);
    assert_int_equal(ask_number(*state, "PRAGMA user_version"), 2);
    assert_int_equal(ask_number(*state, "PRAGMA page_size"), 16384);
    assert_int_equal(ask_number(*state, "PRAGMA auto_vacuum"), 2);
    store_db_close(&db);
}

static void
other_readers_are_welcome(void **state)
{
    struct statedir *s = *state;
    struct store_conf reading = s->conf;
    struct store_db *db = open_db(s), *reader = NULL;

    put_one(db, 1, 1000, false);
    reading.read_only = true;
    assert_int_equal(store_db_open(&reader, &reading, NULL), 0);
    assert_loads(reader, 1, 1000, false);
    put_one(db, 2, 1000, false);
    assert_loads(reader, 2, 1000, false);
    store_db_close(&reader);
    put_one(db, 3, 1000, false);
    store_db_close(&db);
    assert_int_equal(store_db_open(&reader, &reading, NULL), 0);
    assert_loads(reader, 3, 1000, false);
    assert_int_equal(put_many(reader, 10, 1), -EROFS);
    store_db_close(&reader);
}

static void
the_layout_is_that_of_the_last_writer_who_told(void **state)
{
    struct statedir *s = *state;
    struct statedir reading = *s;
    struct store_layout found;
    struct store_db *db = open_db(s);

    assert_int_equal(store_db_layout(db, &found), -ENOENT);
    store_db_close(&db);
    s->conf.layout = (struct store_layout){0, 4096};
    db = open_db(s);
    store_db_close(&db);
    s->conf.layout = (struct store_layout){77, 8192};
    db = open_db(s);
    store_db_close(&db);
    s->conf.layout = (struct store_layout){0, 0};
    db = open_db(s);
    store_db_close(&db);
    reading.conf.read_only = true;
    db = open_db(&reading);
    assert_int_equal(store_db_layout(db, &found), 0);
    assert_int_equal(found.maxdirent, 77);
    assert_int_equal(found.blob_size, 8192);
    store_db_close(&db);
    run_sql(s, "UPDATE meta SET value = -1 WHERE name = 'blob_size'");
    db = open_db(&reading);
    assert_int_equal(store_db_layout(db, &found), -ENOENT);
    store_db_close(&db);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(blobs_of_all_sizes_survive_reopening, setup, teardown),
        cmocka_unit_test_setup_teardown(empty_blob_is_a_blob, setup, teardown),
        cmocka_unit_test_setup_teardown(only_what_shrinks_is_compressed, setup, teardown),
        cmocka_unit_test_setup_teardown(same_blob_twice_is_one_row, setup, teardown),
        cmocka_unit_test_setup_teardown(unknown_blob_is_not_found, setup, teardown),
        cmocka_unit_test_setup_teardown(damaged_rows_are_errors_and_others_load, setup, teardown),
        cmocka_unit_test_setup_teardown(rolled_back_rows_are_gone, setup, teardown),
        cmocka_unit_test_setup_teardown(failed_write_undoes_the_whole_transaction, setup, teardown),
        cmocka_unit_test_setup_teardown(full_disk_is_enospc_until_there_is_space, setup, teardown),
        cmocka_unit_test_setup_teardown(roots_are_replaced_by_name_and_sorted, setup, teardown),
        cmocka_unit_test_setup_teardown(newest_checkpoints_are_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(new_store_has_an_id_and_nothing_else, setup, teardown),
        cmocka_unit_test_setup_teardown(file_is_set_up_as_documented, setup, teardown),
        cmocka_unit_test_setup_teardown(other_readers_are_welcome, setup, teardown),
        cmocka_unit_test_setup_teardown(the_layout_is_that_of_the_last_writer_who_told, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
