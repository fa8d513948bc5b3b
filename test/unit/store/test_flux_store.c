/* SPDX-License-Identifier: MPL-2.0 */
/* test_flux_store.c - blobs and checkpoints of a content.sqlite of Flux, whole and damaged. */
#include "storetest.h"

#include "flux_store.h"
#include "fluxtest.h"

#define MIB ((size_t)1 << 20)

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
    struct statedir *s = *state;

    statedir_fini(s);
    free(s);
    return 0;
}

static sqlite3 *
make_file(const struct statedir *s)
{
    sqlite3 *sql = flux_open(s->database, "WAL");

    flux_sql(sql, FLUX_OBJECTS FLUX_CHECKPOINTS);
    return sql;
}

static struct flux_store *
open_store(const struct statedir *s)
{
    struct flux_store *store = NULL;
    struct err err = {0};

    assert_int_equal(flux_store_detect(s->path, &err), 1);
    if (flux_store_open(&store, s->path, &err) < 0)
        fail_msg("%s", err.text);
    return store;
}

static void
assert_refused(const struct statedir *s, int code, const char *text)
{
    struct flux_store *store = NULL;
    struct err err = {0};

    assert_int_equal(flux_store_open(&store, s->path, &err), code);
    assert_null(store);
    if (!strstr(err.text, text))
        fail_msg("%s", err.text);
}

static void
assert_loads(struct flux_store *store, const struct digest *d, const void *data, size_t size)
{
    AUTO(blob) struct blob *b = NULL;
    struct err err = {0};

    if (flux_store_load(store, d, &b, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(blob_size(b), size);
    assert_memory_equal(blob_data(b), data, size);
}

static void
assert_load_fails(struct flux_store *store, const struct digest *d, int code, const char *text)
{
    struct blob *b = NULL;
    struct err err = {0};

    assert_int_equal(flux_store_load(store, d, &b, &err), code);
    assert_null(b);
    if (!strstr(err.text, text))
        fail_msg("%s", err.text);
}

/* Noise (which LZ4 makes longer) or a pattern. */
static uint8_t *
make_bytes(size_t size, bool noise)
{
    uint8_t *data = xmalloc(size + 1);
    uint32_t x = (uint32_t)size + 1;

    for (size_t i = 0; i < size; i++) {
        x ^= x << 13, x ^= x >> 17, x ^= x << 5;
        data[i] = noise ? (uint8_t)x : (uint8_t)(i % 7);
    }
    return data;
}

/* --- blobs --- */

static void
load_all_sizes(const struct statedir *s, enum digest_alg alg, enum flux_typeof as)
{
    static const size_t sizes[] = {0, 1, 255, 256, 257, 4096, 70000, MIB, 5 * MIB};
    struct digest digests[ARRAY_SIZE(sizes)][2];
    sqlite3 *sql = make_file(s);
    struct flux_store *store;

    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        for (int noise = sizes[i] == 0; noise < 2; noise++) {
            AUTO(free) uint8_t *data = make_bytes(sizes[i], noise);

            if (noise == 0 || sizes[i] != 1)
                flux_put(sql, alg, as, data, sizes[i], &digests[i][noise]);
        }
    }
    sqlite3_close(sql);
    store = open_store(s);
    assert_int_equal(flux_store_alg(store), alg);
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        for (int noise = sizes[i] == 0; noise < 2; noise++) {
            AUTO(free) uint8_t *data = make_bytes(sizes[i], noise);

            if (noise == 0 || sizes[i] != 1)
                assert_loads(store, &digests[i][noise], data, sizes[i]);
        }
    }
    flux_store_close(&store);
}

static void
blobs_of_all_sizes_are_loaded(void **state)
{
    load_all_sizes(*state, DIGEST_SHA1, FLUX_TEXT);
}

static void
and_with_sha256(void **state)
{
    load_all_sizes(*state, DIGEST_SHA256, FLUX_TEXT);
}

static void
and_with_digests_that_are_blobs(void **state)
{
    load_all_sizes(*state, DIGEST_SHA1, FLUX_BLOB);
}

/* As text that is where it ends, for some functions of SQLite. */
static void
a_digest_with_a_zero_byte_is_found(void **state)
{
    struct statedir *s = *state;
    sqlite3 *sql = make_file(s);
    struct flux_store *store;
    struct digest found = {{0}}, d;
    int number = -1;

    for (int i = 0; i < 2000; i++) {
        flux_put(sql, DIGEST_SHA1, FLUX_TEXT, &i, sizeof(i), &d);
        if (memchr(d.bytes, 0, 4) && number < 0) {
            number = i;
            found = d;
        }
    }
    assert_true(number >= 0);
    sqlite3_close(sql);
    store = open_store(s);
    assert_loads(store, &found, &number, sizeof(number));
    flux_store_close(&store);
}

static void
a_blob_that_is_not_there(void **state)
{
    struct statedir *s = *state;
    sqlite3 *sql = make_file(s);
    struct flux_store *store;
    struct digest d = {{1}};

    sqlite3_close(sql);
    store = open_store(s);
    assert_int_equal(flux_store_alg(store), DIGEST_SHA1);
    assert_load_fails(store, &d, -ENOENT, "no such blob");
    assert_load_fails(store, &d, -ENOENT, "no such blob");
    flux_store_close(&store);
}

/* --- damaged rows --- */

static void
assert_damaged(const struct statedir *s, const char *change, const char *text)
{
    AUTO(free) uint8_t *data = make_bytes(5000, false);
    sqlite3 *sql = make_file(s);
    struct flux_store *store;
    struct digest d, other;

    flux_put(sql, DIGEST_SHA1, FLUX_TEXT, data, 5000, &d);
    flux_put(sql, DIGEST_SHA1, FLUX_TEXT, "other", 5, &other);
    flux_sql(sql, change);
    sqlite3_close(sql);
    store = open_store(s);
    assert_load_fails(store, &d, -EIO, text);
    assert_loads(store, &other, "other", 5); // it goes on
    flux_store_close(&store);
    unlink(s->database);
}

static void
damaged_rows_are_told(void **state)
{
    static const char *const changes[][2] = {
        {"size = -1", "not those of its digest"},
        {"size = -1, object = zeroblob(5000)", "not those of its digest"},
        {"size = -1, object = NULL", "not those of its digest"},
        {"size = 0", "not those of its digest"},
        {"size = 4999", "cannot be decompressed"},
        {"size = 5001", "cannot be decompressed"},
        {"object = substr(object, 1, length(object) - 1)", "cannot be decompressed"},
        {"object = x''", "cannot be"},
        {"object = NULL", "cannot be"},
        {"object = zeroblob(100000)", "cannot be decompressed"},
        {"size = -2", "not a number of bytes"},
        {"size = -9223372036854775808", "not a number of bytes"},
        {"size = 9223372036854775807", "cannot be 9223372036854775807 compressed"},
        {"size = 4294967296", "cannot be 4294967296 compressed"},
        {"size = 2147483647", "cannot be 2147483647 compressed"},
        {"size = 2000000000, object = zeroblob(1000000)", "cannot be 2000000000 compressed"},
        {"size = NULL", "not a number of bytes"},
        {"size = 'many'", "not a number of bytes"},
        {"size = 1.5", "not a number of bytes"},
        {"size = x'35'", "not a number of bytes"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
        char text[256];

        snprintf(text, sizeof(text), "UPDATE objects SET %s WHERE size > 0", changes[i][0]);
        assert_damaged(*state, text, changes[i][1]);
    }
}

static void
one_whole_row_of_two_will_do(void **state)
{
    struct statedir *s = *state;

    for (int whole = 0; whole < 2; whole++) {
        sqlite3 *sql = make_file(s);
        struct flux_store *store;
        struct digest d;

        digest_compute(DIGEST_SHA1, "whole", 5, &d);
        flux_put_row(sql, &d, 20, FLUX_TEXT, -1, whole ? "whole" : "other", 5);
        flux_put_row(sql, &d, 20, FLUX_BLOB, -1, whole ? "other" : "whole", 5);
        sqlite3_close(sql);
        store = open_store(s);
        assert_loads(store, &d, "whole", 5);
        flux_store_close(&store);
        unlink(s->database);
    }
}

static void
overwrite(const char *path, long offset, const void *data, size_t size)
{
    int fd = open(path, O_WRONLY);

    assert_int_equal(pwrite(fd, data, size, offset), (ssize_t)size);
    close(fd);
}

/* 300 blobs; those on a page that was overwritten are lost, and no others are taken for them. */
static void
a_damaged_page_costs_what_is_on_it(void **state)
{
    struct statedir *s = *state;
    AUTO(free) uint8_t *garbage = make_bytes(4096, true);
    struct digest digests[300];
    sqlite3 *sql = make_file(s);
    struct flux_store *store;
    int whole = 0, lost = 0;

    for (int i = 0; i < 300; i++) {
        char text[200];

        memset(text, i, sizeof(text));
        snprintf(text, sizeof(text), "blob %d", i);
        flux_put(sql, DIGEST_SHA1, FLUX_TEXT, text, sizeof(text), &digests[i]);
    }
    sqlite3_close(sql);
    overwrite(s->database, 7 * 4096, garbage, 4096);
    store = open_store(s);
    for (int i = 0; i < 300; i++) {
        AUTO(blob) struct blob *b = NULL;
        struct err err = {0};
        int rc = flux_store_load(store, &digests[i], &b, &err);

        assert_true(rc == 0 || rc == -EIO);
        whole += rc == 0;
        lost += rc < 0;
    }
    assert_true(whole > 200);
    assert_true(lost > 0);
    flux_store_close(&store);
}

/* --- checkpoints --- */

static void
assert_checkpoints(const struct statedir *s, enum digest_alg alg, const char *sequences)
{
    struct flux_store *store = open_store(s);
    AUTO(free) struct checkpoint *list = NULL;
    AUTO(buf) struct buf text = BUF_INIT;
    struct err err = {0};
    size_t count;

    assert_int_equal(flux_store_alg(store), alg);
    if (flux_store_checkpoints(store, &list, &count, &err) < 0)
        fail_msg("%s", err.text);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(list[i].root.bytes[0], list[i].sequence);
        buf_printf(&text, "%d@%.2f ", (int)list[i].sequence, list[i].timestamp);
    }
    assert_string_equal(buf_str(&text), sequences);
    flux_store_close(&store);
}

static void
checkpoints_come_newest_first(void **state)
{
    struct statedir *s = *state;
    sqlite3 *sql = make_file(s);

    for (uint8_t i = 1; i <= 5; i++)
        flux_put_checkpoint(sql, DIGEST_SHA256, &(struct digest){{i}}, i, 1795244624.25 + i);
    sqlite3_close(sql);
    assert_checkpoints(s, DIGEST_SHA256,
                       "5@1795244629.25 4@1795244628.25 3@1795244627.25 2@1795244626.25 "
                       "1@1795244625.25 ");
}

#define REF00 "sha1-0000000000000000000000000000000000000000"
#define REF07 "sha1-0700000000000000000000000000000000000000"
#define REF08 "sha1-0800000000000000000000000000000000000000"

static void
a_file_without_checkpoints(void **state)
{
    struct statedir *s = *state;

    sqlite3_close(make_file(s));
    assert_checkpoints(s, DIGEST_SHA1, "");
    run_sql(s, "DROP TABLE checkpt_v2");
    assert_checkpoints(s, DIGEST_SHA1, "");
}

static void
records_of_version_0_and_blobrefs_are_read(void **state)
{
    struct statedir *s = *state;
    sqlite3 *sql = make_file(s);

    flux_put_record(sql, REF00);
    flux_put_record(sql, "{\"version\":0,\"rootref\":\"" REF00 "\",\"timestamp\":2}");
    sqlite3_close(sql);
    assert_checkpoints(s, DIGEST_SHA1, "0@2.00 0@0.00 ");
}

static void
the_old_table_is_read(void **state)
{
    struct statedir *s = *state;
    sqlite3 *sql = flux_open(s->database, "WAL");
    struct flux_store *store;
    struct digest d;

    flux_sql(sql, "CREATE TABLE objects (hash CHAR(20) PRIMARY KEY, size INT, object BLOB);"
                  "CREATE TABLE checkpt (key TEXT UNIQUE, value TEXT);"
                  "INSERT INTO checkpt VALUES ('other', '{}'), ('kvs-primary',"
                  " '{\"version\":1,\"rootref\":\"" REF07 "\",\"sequence\":7,\"timestamp\":3.5}')");
    flux_put(sql, DIGEST_SHA1, FLUX_TEXT, "old", 3, &d);
    sqlite3_close(sql);
    assert_checkpoints(s, DIGEST_SHA1, "7@3.50 ");
    store = open_store(s);
    assert_loads(store, &d, "old", 3);
    flux_store_close(&store);
    run_sql(s, FLUX_CHECKPOINTS
            "INSERT INTO checkpt_v2 (value) VALUES ('{\"version\":1,\"rootref\":\"" REF08
            "\",\"sequence\":8,\"timestamp\":4}')");
    assert_checkpoints(s, DIGEST_SHA1, "8@4.00 7@3.50 ");
}

static const char *const malformed[] = {
    "",
    "{",
    "[]",
    "{\"version\":1}",
    "{\"version\":2,\"rootref\":\"" REF07 "\"}",
    "{\"version\":1,\"rootref\":7}",
    "{\"version\":1,\"rootref\":\"sha1-07\"}",
    "{\"version\":1,\"rootref\":\"" REF07 "\",\"sequence\":-1}",
    "{\"version\":1,\"rootref\":\"" REF07 "\",\"timestamp\":\"now\"}",
};

static void
a_malformed_record_counts_if_it_is_the_newest(void **state)
{
    struct statedir *s = *state;

    for (size_t i = 0; i < ARRAY_SIZE(malformed); i++) {
        sqlite3 *sql = make_file(s);
        struct flux_store *store;
        struct checkpoint *list = NULL;
        struct err err = {0};
        size_t count;

        flux_put_checkpoint(sql, DIGEST_SHA1, &(struct digest){{7}}, 7, 1);
        flux_put_record(sql, malformed[i]);
        flux_put_checkpoint(sql, DIGEST_SHA1, &(struct digest){{8}}, 8, 2);
        sqlite3_close(sql);
        assert_checkpoints(s, DIGEST_SHA1, "8@2.00 7@1.00 ");
        run_sql(s, "DELETE FROM checkpt_v2 WHERE id = 3");
        store = open_store(s);
        assert_int_equal(flux_store_alg(store), DIGEST_SHA1);
        assert_int_equal(flux_store_checkpoints(store, &list, &count, &err), -EPROTO);
        assert_null(list);
        assert_non_null(strstr(err.text, "checkpoint"));
        flux_store_close(&store);
        unlink(s->database);
    }
}

static void
a_record_of_another_algorithm_is_left_out(void **state)
{
    struct statedir *s = *state;
    sqlite3 *sql = make_file(s);

    flux_put_checkpoint(sql, DIGEST_SHA256, &(struct digest){{7}}, 7, 1);
    flux_put_checkpoint(sql, DIGEST_SHA1, &(struct digest){{8}}, 8, 2);
    sqlite3_close(sql);
    assert_checkpoints(s, DIGEST_SHA1, "8@2.00 ");
}

static void
records_that_are_no_text_or_too_long(void **state)
{
    static const char *const values[] = {"NULL", "17", "zeroblob(70000)", "x'00'",
                                         "printf('%70000s', '{}')"};
    struct statedir *s = *state;

    for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
        AUTO(free) char *text = xasprintf("INSERT INTO checkpt_v2 (value) VALUES (%s)", values[i]);
        sqlite3 *sql = make_file(s);

        flux_sql(sql, text);
        flux_put_checkpoint(sql, DIGEST_SHA1, &(struct digest){{8}}, 8, 2);
        sqlite3_close(sql);
        assert_checkpoints(s, DIGEST_SHA1, "8@2.00 ");
        unlink(s->database);
    }
}

static void
very_many_records_are_cut(void **state)
{
    struct statedir *s = *state;
    struct checkpoint *list;
    struct flux_store *store;
    sqlite3 *sql = make_file(s);
    size_t count;

    flux_sql(sql, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 2000)"
                  " INSERT INTO checkpt_v2 (value) SELECT '" REF07 "' FROM n");
    flux_sql(sql, "CREATE TABLE checkpt (key TEXT UNIQUE, value TEXT);"
                  "INSERT INTO checkpt VALUES ('kvs-primary', '" REF08 "')");
    sqlite3_close(sql);
    store = open_store(s);
    assert_int_equal(flux_store_checkpoints(store, &list, &count, NULL), 0);
    assert_int_equal(count, 1025);
    free(list);
    flux_store_close(&store);
}

/* --- what is not of Flux --- */

static void
other_files_are_refused(void **state)
{
    struct statedir *s = *state;
    struct store_db *db;
    struct err err = {0};

    assert_int_equal(flux_store_detect(s->path, &err), -ENOENT);
    assert_refused(s, -ENOENT, "content.sqlite");
    overwrite((close(open(s->database, O_CREAT | O_WRONLY, 0600)), s->database), 0, "text", 4);
    assert_int_equal(flux_store_detect(s->path, &err), -EILSEQ);
    assert_refused(s, -EILSEQ, "not an SQLite database");
    unlink(s->database);
    mkdir(s->database, 0700);
    assert_int_equal(flux_store_detect(s->path, &err), -EILSEQ);
    rmdir(s->database);
    assert_int_equal(mkfifo(s->database, 0600), 0);
    assert_int_equal(flux_store_detect(s->path, &err), -EILSEQ); // and it does not hang
    unlink(s->database);
    db = open_db(s);
    store_db_close(&db);
    assert_int_equal(flux_store_detect(s->path, &err), 0);
    assert_refused(s, -EILSEQ, "neither a store of Xylem nor one of Flux");
}

static void
other_tables_are_refused(void **state)
{
    static const char *const schemas[] = {
        "CREATE TABLE unrelated (a, b)",
        "CREATE TABLE objects (hash, size)",
        "CREATE TABLE t (a, b, c); CREATE VIEW objects(hash, size, object) AS SELECT * FROM t",
        ("CREATE VIEW objects(hash, size, object) AS"
         " WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i FROM n) SELECT i, i, i FROM n"),
    };
    struct statedir *s = *state;

    for (size_t i = 0; i < ARRAY_SIZE(schemas); i++) {
        sqlite3 *sql = flux_open(s->database, "DELETE");

        flux_sql(sql, schemas[i]);
        sqlite3_close(sql);
        assert_refused(s, -EILSEQ, "neither a store of Xylem nor one of Flux");
        unlink(s->database);
    }
}

static void
digests_of_no_known_length_are_refused(void **state)
{
    struct statedir *s = *state;
    sqlite3 *sql = make_file(s);

    flux_sql(sql, "INSERT INTO objects VALUES ('short', -1, x'00', 0)");
    sqlite3_close(sql);
    assert_refused(s, -EILSEQ, "no digest is one of");
}

/* --- hostile files --- */

static size_t
read_file(const char *path, uint8_t *data, size_t max)
{
    int fd = open(path, O_RDONLY);
    ssize_t n = read(fd, data, max);

    close(fd);
    assert_true(n > 0 && (size_t)n < max);
    return (size_t)n;
}

static void
write_file(const char *path, const uint8_t *data, size_t size)
{
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);

    assert_int_equal(write(fd, data, size), (ssize_t)size);
    close(fd);
}

/* Whatever comes of it, no other bytes than those. */
static void
try_all(const struct statedir *s, const struct digest *digests, int count)
{
    struct flux_store *store = NULL;
    AUTO(free) struct checkpoint *list = NULL;
    struct err err = {0};
    size_t unused;

    if (flux_store_open(&store, s->path, &err) < 0) {
        assert_string_not_equal(err.text, "");
        return;
    }
    for (int i = 0; i < count && flux_store_alg(store) == DIGEST_SHA1; i++) {
        AUTO(blob) struct blob *b = NULL;
        struct digest d;

        if (flux_store_load(store, &digests[i], &b, &err) < 0)
            continue;
        digest_compute(DIGEST_SHA1, blob_data(b), blob_size(b), &d);
        assert_true(digest_equal(&d, &digests[i]));
    }
    flux_store_checkpoints(store, &list, &unused, &err);
    flux_store_close(&store);
}

static void
truncated_and_garbled_files_do_no_harm(void **state)
{
    struct statedir *s = *state;
    AUTO(free) uint8_t *whole = xmalloc(MIB);
    AUTO(free) uint8_t *changed = xmalloc(MIB);
    struct digest digests[30];
    sqlite3 *sql = make_file(s);
    uint32_t x = 1;
    size_t size;

    for (int i = 0; i < 30; i++) {
        AUTO(free) uint8_t *data = make_bytes(100 + 90 * (size_t)i, i % 2);

        flux_put(sql, DIGEST_SHA1, FLUX_TEXT, data, 100 + 90 * (size_t)i, &digests[i]);
    }
    flux_put_checkpoint(sql, DIGEST_SHA1, &digests[0], 7, 1);
    sqlite3_close(sql);
    size = read_file(s->database, whole, MIB);
    for (size_t cut = 0; cut < size; cut += 509) {
        write_file(s->database, whole, cut);
        try_all(s, digests, 30);
    }
    for (int round = 0; round < 400; round++) {
        memcpy(changed, whole, size);
        for (int i = 0; i <= round % 20; i++) {
            x ^= x << 13, x ^= x >> 17, x ^= x << 5;
            changed[(round % 2 ? x : x % 256 + 4096 * (x >> 8) % size) % size] ^=
                (uint8_t)(x >> 24 | 1);
        }
        write_file(s->database, changed, size);
        try_all(s, digests, 30);
    }
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(blobs_of_all_sizes_are_loaded),
        TEST(and_with_sha256),
        TEST(and_with_digests_that_are_blobs),
        TEST(a_digest_with_a_zero_byte_is_found),
        TEST(a_blob_that_is_not_there),
        TEST(damaged_rows_are_told),
        TEST(one_whole_row_of_two_will_do),
        TEST(a_damaged_page_costs_what_is_on_it),
        TEST(checkpoints_come_newest_first),
        TEST(a_file_without_checkpoints),
        TEST(records_of_version_0_and_blobrefs_are_read),
        TEST(the_old_table_is_read),
        TEST(a_malformed_record_counts_if_it_is_the_newest),
        TEST(a_record_of_another_algorithm_is_left_out),
        TEST(records_that_are_no_text_or_too_long),
        TEST(very_many_records_are_cut),
        TEST(other_files_are_refused),
        TEST(other_tables_are_refused),
        TEST(digests_of_no_known_length_are_refused),
        TEST(truncated_and_garbled_files_do_no_harm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
