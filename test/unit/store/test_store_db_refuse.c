/* SPDX-License-Identifier: MPL-2.0 */
/* test_store_db_refuse.c - what store_db_open() refuses, with what words, and that it then leaves
 * the directory with the bytes it had. */
#include "storetest.h"

#include <sys/wait.h>

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

static void
hash_file(struct digest_stream *stream, const struct statedir *s, const char *name)
{
    AUTO(buf) struct buf content = BUF_INIT;
    char path[400];
    int fd;

    snprintf(path, sizeof(path), "%s/%s", s->path, name);
    fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    assert_int_equal(buf_read_fd(&content, fd, 1 << 28), 0);
    close(fd);
    digest_stream_add(stream, name, strlen(name) + 1);
    digest_stream_add(stream, buf_str(&content), content.size);
}

/* Names and bytes of everything in the directory. */
static struct digest
fingerprint(const struct statedir *s)
{
    struct digest_stream *stream = digest_stream_new(DIGEST_BLAKE2B);
    struct dirent **names;
    struct digest d;
    int n = scandir(s->path, &names, NULL, alphasort);

    for (int i = 0; i < n; i++) {
        if (names[i]->d_name[0] != '.')
            hash_file(stream, s, names[i]->d_name);
        free(names[i]);
    }
    free(names);
    digest_stream_finish(&stream, &d);
    return d;
}

static void
assert_refused(const struct statedir *s, int code, const char *words)
{
    struct digest before = fingerprint(s), after;
    struct store_db *db = NULL;
    struct err err = {0};

    assert_int_equal(store_db_open(&db, &s->conf, &err), code);
    assert_null(db);
    if (!strstr(err.text, words) || !strstr(err.text, s->path))
        fail_msg("'%s' does not say '%s'", err.text, words);
    after = fingerprint(s);
    assert_true(digest_equal(&before, &after));
}

/* A store with a root and its blob, a checkpointed file. */
static void
fill(const struct statedir *s, struct digest *ret_root)
{
    struct store_db *db = open_db(s);
    struct store_root root = {.name = "primary", .sequence = 1};

    assert_int_equal(store_db_begin(db), 0);
    for (int i = 0; i < 20; i++) {
        AUTO(blob) struct blob *b = make_blob(i, 20000, true, &root.root);

        assert_int_equal(store_db_put(db, &root.root, b), 0);
    }
    assert_int_equal(store_db_put_root(db, &root), 0);
    assert_int_equal(store_db_commit(db), 0);
    store_db_close(&db);
    *ret_root = root.root;
}

static void
write_file(const char *path, const char *bytes, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_int_equal(write(fd, bytes, size), size);
    close(fd);
}

static void
another_hash_algorithm_is_refused(void **state)
{
    struct statedir *s = *state;
    struct digest root;

    fill(s, &root);
    s->conf.alg = DIGEST_SHA256;
    assert_refused(s, -EINVAL, "uses the hash algorithm blake2b, not sha256");
    run_sql(s, "UPDATE meta SET value = 'md5' WHERE name = 'hash'");
    assert_refused(s, -EINVAL, "'md5', which this Xylem lacks");
    run_sql(s, "DELETE FROM meta WHERE name = 'hash'");
    assert_refused(s, -EILSEQ, "damaged");
}

static void
foreign_databases_are_refused(void **state)
{
    struct statedir *s = *state;

    run_sql(s, "CREATE TABLE objects (hash TEXT PRIMARY KEY, object BLOB)");
    assert_refused(s, -EILSEQ, "not a Xylem store");
    run_sql(s, "PRAGMA application_id = 0x58796c6d");
    assert_refused(s, -EILSEQ, "damaged");
    run_sql(s, "PRAGMA user_version = 3");
    assert_refused(s, -EILSEQ, "newer Xylem (version 3, this one reads 2)");
    run_sql(s, "PRAGMA user_version = 1");
    assert_refused(s, -EILSEQ, "older Xylem (version 1, this one reads 2)");
}

static void
garbage_is_refused(void **state)
{
    struct statedir *s = *state;
    char noise[5000];

    memset(noise, 'x', sizeof(noise));
    write_file(s->database, noise, 0);
    assert_refused(s, -EILSEQ, "not an SQLite database");
    write_file(s->database, noise, sizeof(noise));
    assert_refused(s, -EILSEQ, "not an SQLite database");
    write_file(s->database, "SQLite format 3", 16);
    assert_refused(s, -EILSEQ, "not an SQLite database");
}

static void
truncated_file_is_refused_at_any_length(void **state)
{
    struct statedir *s = *state;
    struct stat st;
    struct digest root;

    fill(s, &root);
    assert_int_equal(stat(s->database, &st), 0);
    for (off_t size = st.st_size - 1; size >= 100; size -= 7 * 16384) {
        assert_int_equal(truncate(s->database, size), 0);
        assert_refused(s, -EILSEQ, "truncated");
    }
}

static void
zeroed_pages_are_refused(void **state)
{
    struct statedir *s = *state;
    struct digest root;
    char zeros[16384 - 100] = {0};
    int fd;

    fill(s, &root);
    fd = open(s->database, O_WRONLY);
    assert_int_equal(pwrite(fd, zeros, sizeof(zeros), 100), sizeof(zeros));
    close(fd);
    assert_refused(s, -EILSEQ, "damaged");
}

static void
missing_tables_are_refused(void **state)
{
    struct statedir *s = *state;
    struct digest root;

    fill(s, &root);
    run_sql(s, "ALTER TABLE checkpoint RENAME TO other");
    assert_refused(s, -EILSEQ, "no such table: checkpoint");
}

static void
root_without_its_blob_is_refused(void **state)
{
    struct statedir *s = *state;
    struct digest root;

    fill(s, &root);
    run_sql(s, "DELETE FROM blob WHERE digest = (SELECT digest FROM root)");
    assert_refused(s, -EILSEQ, "of namespace primary is missing");
    run_sql(s, "UPDATE root SET digest = x'00'");
    assert_refused(s, -EILSEQ, "damaged");
}

/* As a crash leaves it: committed pages in the log only, no -shm. */
static void
crash_with_log(const struct statedir *s, const char *sql_text)
{
    pid_t pid = fork();
    char path[128];
    int status;

    if (pid == 0) {
        sqlite3 *sql;

        sqlite3_open(s->database, &sql);
        _exit(sqlite3_exec(sql, sql_text, NULL, NULL, NULL));
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    snprintf(path, sizeof(path), "%s-shm", s->database);
    assert_int_equal(unlink(path), 0);
}

static void
refusal_keeps_the_log_of_a_crashed_broker(void **state)
{
    struct statedir *s = *state;
    struct digest root;

    fill(s, &root);
    crash_with_log(s, "DELETE FROM blob WHERE digest = (SELECT digest FROM root)");
    assert_refused(s, -EILSEQ, "is missing");
}

/* Move the newest page 1 from the log into the file, as far as an interrupted checkpoint comes. */
static void
begin_checkpoint(const struct statedir *s)
{
    enum { HEADER = 32, FRAME_HEADER = 24, PAGE = 16384 };
    static uint8_t frame[FRAME_HEADER + PAGE], page[PAGE];
    char path[128];
    off_t at = HEADER;
    int fd;

    snprintf(path, sizeof(path), "%s-wal", s->database);
    fd = open(path, O_RDONLY);
    for (; pread(fd, frame, sizeof(frame), at) == sizeof(frame); at += sizeof(frame))
        if (memcmp(frame, "\0\0\0\1", 4) == 0)
            memcpy(page, frame + FRAME_HEADER, PAGE);
    close(fd);
    fd = open(s->database, O_WRONLY);
    assert_int_equal(pwrite(fd, page, PAGE, 0), PAGE);
    close(fd);
}

static void
pages_in_the_log_are_not_taken_for_truncation(void **state)
{
    struct statedir *s = *state;
    AUTO(blob) struct blob *b = NULL;
    struct digest root;
    struct store_db *db;
    char log[128];

    fill(s, &root);
    crash_with_log(s, "PRAGMA wal_autocheckpoint = 0;"
                      "INSERT INTO blob VALUES (100, x'01', 0, zeroblob(300000));");
    begin_checkpoint(s);
    db = open_db(s);
    assert_int_equal(store_db_load(db, &root, &b), 0);
    store_db_close(&db);
    crash_with_log(s, "PRAGMA wal_autocheckpoint = 0;"
                      "INSERT INTO blob VALUES (101, x'02', 0, zeroblob(300000));");
    begin_checkpoint(s);
    snprintf(log, sizeof(log), "%s-wal", s->database);
    assert_int_equal(unlink(log), 0);
    assert_refused(s, -EILSEQ, "truncated");
}

static void
second_broker_is_refused_with_the_pid_of_the_first(void **state)
{
    struct statedir *s = *state;
    struct store_db *db = open_db(s), *second = NULL;
    struct err err = {0};
    char expected[128];

    snprintf(expected, sizeof(expected), "%s: in use by another broker (pid %ld)", s->path,
             (long)getpid());
    assert_int_equal(store_db_open(&second, &s->conf, &err), -EBUSY);
    assert_string_equal(err.text, expected);
    store_db_close(&db);
    db = open_db(s);
    store_db_close(&db);
}

static void
missing_directory_is_named(void **state)
{
    struct statedir *s = *state;
    struct store_conf other = s->conf;
    struct store_db *db = NULL;
    struct err err = {0};
    char path[96];

    snprintf(path, sizeof(path), "%s/none", s->path);
    other.statedir = path;
    assert_int_equal(store_db_open(&db, &other, &err), -ENOENT);
    assert_non_null(strstr(err.text, path));
    s->conf.read_only = true;
    assert_refused(s, -ENOENT, "no such file");
}

/* Open as a user who is not root (root may do everything). */
static int
open_as_nobody(const struct statedir *s, struct err *err)
{
    struct store_db *db = NULL;
    int rc;

    if (getuid() == 0)
        assert_int_equal(seteuid(65534), 0);
    rc = store_db_open(&db, &s->conf, err);
    if (getuid() == 0)
        assert_int_equal(seteuid(0), 0);
    assert_null(db);
    return rc;
}

static void
unwritable_directory_is_refused(void **state)
{
    struct statedir *s = *state;
    struct err err = {0};

    assert_int_equal(chmod(s->path, 0555), 0);
    assert_int_equal(open_as_nobody(s, &err), -EACCES);
    chmod(s->path, 0755);
    assert_non_null(strstr(err.text, "Permission denied"));
}

static void
unwritable_file_is_refused(void **state)
{
    struct statedir *s = *state;
    struct digest root, before, after;
    struct err err = {0};
    char lock[96];

    fill(s, &root);
    snprintf(lock, sizeof(lock), "%s/lock", s->path);
    assert_int_equal(unlink(lock), 0);
    assert_int_equal(chmod(s->path, 0777), 0);
    assert_int_equal(chmod(s->database, 0444), 0);
    before = fingerprint(s);
    assert_int_equal(open_as_nobody(s, &err), -EACCES);
    after = fingerprint(s);
    assert_true(digest_equal(&before, &after));
    assert_non_null(strstr(err.text, "not writable: Permission denied"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(another_hash_algorithm_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(foreign_databases_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(garbage_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(truncated_file_is_refused_at_any_length, setup, teardown),
        cmocka_unit_test_setup_teardown(zeroed_pages_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(missing_tables_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(root_without_its_blob_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(refusal_keeps_the_log_of_a_crashed_broker, setup, teardown),
        cmocka_unit_test_setup_teardown(pages_in_the_log_are_not_taken_for_truncation, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(second_broker_is_refused_with_the_pid_of_the_first, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(missing_directory_is_named, setup, teardown),
        cmocka_unit_test_setup_teardown(unwritable_directory_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(unwritable_file_is_refused, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
