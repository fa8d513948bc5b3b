/* SPDX-License-Identifier: MPL-2.0 */
/* test_store_reader.c - reading a state directory: nothing is left behind, whoever may write where. */
#include "storetest.h"

#include "store_db_priv.h"

#include <signal.h>
#include <sys/file.h>
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
    struct statedir *s = *state;

    chmod(s->path, 0755);
    statedir_fini(s);
    free(s);
    return 0;
}

static void
put(struct store_db *db, int i)
{
    struct digest d;
    AUTO(blob) struct blob *b = make_blob(i, 20000, true, &d);

    assert_int_equal(store_db_begin(db), 0);
    assert_int_equal(store_db_put(db, &d, b), 0);
    assert_int_equal(store_db_commit(db), 0);
}

/* Blobs 0 to 9, closed in order. */
static void
fill(const struct statedir *s)
{
    struct store_db *db = open_db(s);

    for (int i = 0; i < 10; i++)
        put(db, i);
    store_db_close(&db);
}

/* Blobs 0 to 9 in the file, 10 to 19 in the log of a process that was killed. */
static void
fill_and_crash(const struct statedir *s)
{
    pid_t child;
    int status;

    fill(s);
    child = fork();
    if (child == 0) {
        struct store_db *db = open_db(s);

        for (int i = 10; i < 20; i++)
            put(db, i);
        kill(getpid(), SIGKILL);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
}

/* Names in the directory, sorted, with a blank behind each. */
static char *
list_names(const struct statedir *s)
{
    struct buf text = BUF_INIT;
    struct dirent **names;
    int n = scandir(s->path, &names, NULL, alphasort);

    for (int i = 0; i < n; i++) {
        if (names[i]->d_name[0] != '.')
            buf_printf(&text, "%s ", names[i]->d_name);
        free(names[i]);
    }
    free(names);
    return buf_detach(&text, NULL);
}

static struct store_db *
open_reader(const struct statedir *s)
{
    struct statedir reading = *s;

    reading.conf.read_only = true;
    return open_db(&reading);
}

static void
assert_has(struct store_db *db, int count)
{
    struct store_db_stats stats;

    for (int i = 0; i < count; i++) {
        struct digest d;
        AUTO(blob) struct blob *expected = make_blob(i, 20000, true, &d);
        AUTO(blob) struct blob *b = NULL;

        assert_int_equal(store_db_load(db, &d, &b), 0);
        assert_same_bytes(b, expected);
    }
    assert_int_equal(store_db_stats(db, &stats), 0);
    assert_int_equal(stats.blobs, count);
}

/* The names are the same before, meanwhile and behind. */
static void
read_without_a_trace(const struct statedir *s, int count)
{
    AUTO(free) char *before = list_names(s), *meanwhile = NULL, *after = NULL;
    struct store_db *db = open_reader(s), *second = open_reader(s);

    assert_has(db, count);
    meanwhile = list_names(s);
    assert_has(second, count);
    store_db_close(&db);
    store_db_close(&second);
    after = list_names(s);
    assert_string_equal(before, meanwhile);
    assert_string_equal(before, after);
}

static void
a_closed_file_is_read_without_a_trace(void **state)
{
    AUTO(free) char *names = NULL;

    fill(*state);
    names = list_names(*state);
    assert_string_equal(names, "content.sqlite lock ");
    read_without_a_trace(*state, 10);
}

static void
what_a_crash_has_left_is_read_without_a_trace(void **state)
{
    struct statedir *s = *state;
    char shm[128];

    fill_and_crash(s);
    read_without_a_trace(s, 20);
    snprintf(shm, sizeof(shm), "%s-shm", s->database);
    assert_int_equal(unlink(shm), 0);
    read_without_a_trace(s, 20);
}

static void
an_empty_log_is_none(void **state)
{
    struct statedir *s = *state;
    char log[128];

    fill(s);
    snprintf(log, sizeof(log), "%s-wal", s->database);
    close(open(log, O_CREAT | O_WRONLY, 0644));
    read_without_a_trace(s, 10);
}

/* Every case again, as somebody who may not write there. */
static void
read_as_nobody(const struct statedir *s, int count)
{
    bool was_root = getuid() == 0;

    assert_int_equal(chmod(s->path, 0555), 0);
    if (was_root)
        assert_int_equal(seteuid(65534), 0);
    read_without_a_trace(s, count);
    if (was_root)
        assert_int_equal(seteuid(0), 0);
    assert_int_equal(chmod(s->path, 0755), 0);
}

static void
make_readable(const struct statedir *s, const char *name)
{
    char path[128];

    snprintf(path, sizeof(path), "%s/%s", s->path, name);
    assert_true(chmod(path, 0444) == 0 || errno == ENOENT);
}

static void
a_folder_that_is_not_writable_will_do(void **state)
{
    struct statedir *s = *state;
    char path[128];

    fill_and_crash(s);
    make_readable(s, "lock");
    make_readable(s, "content.sqlite");
    make_readable(s, "content.sqlite-wal");
    make_readable(s, "content.sqlite-shm");
    read_as_nobody(s, 20);
    snprintf(path, sizeof(path), "%s-shm", s->database);
    unlink(path);
    read_as_nobody(s, 20);
    snprintf(path, sizeof(path), "%s/lock", s->path);
    unlink(path); // a copy of the files has none
    read_as_nobody(s, 20);
    snprintf(path, sizeof(path), "%s-wal", s->database);
    unlink(path);
    read_as_nobody(s, 10);
}

static void
a_lock_that_was_not_there_is_gone_again(void **state)
{
    struct statedir *s = *state;
    AUTO(free) char *names = NULL;
    struct store_db *db;
    char lock[128];

    fill(s);
    snprintf(lock, sizeof(lock), "%s/lock", s->path);
    assert_int_equal(unlink(lock), 0);
    db = open_reader(s);
    assert_has(db, 10);
    store_db_close(&db);
    names = list_names(s);
    assert_string_equal(names, "content.sqlite ");
}

static void
nobody_writes_while_it_is_read_at_rest(void **state)
{
    struct statedir *s = *state;
    struct store_db *reader, *writer = NULL;
    struct err err = {0};

    fill(s);
    reader = open_reader(s);
    assert_int_equal(store_db_open(&writer, &s->conf, &err), -EBUSY);
    assert_null(writer);
    assert_non_null(strstr(err.text, "in use: being read"));
    store_db_close(&reader);
    writer = open_db(s);
    store_db_close(&writer);
}

static void
a_broker_at_work_is_read_and_not_disturbed(void **state)
{
    struct statedir *s = *state;
    struct store_db *writer, *reader;

    fill(s);
    writer = open_db(s);
    put(writer, 10);
    reader = open_reader(s);
    assert_has(reader, 11);
    put(writer, 11);
    store_db_close(&reader);
    assert_has(writer, 12);
    store_db_close(&writer);
    read_without_a_trace(s, 12);
}

static void
a_reader_cannot_write(void **state)
{
    struct statedir *s = *state;
    struct store_db *reader;

    fill(s);
    reader = open_reader(s);
    assert_true(store_db_begin(reader) < 0);
    store_db_close(&reader);
    fill_and_crash(s);
    reader = open_reader(s);
    assert_true(store_db_begin(reader) < 0);
    store_db_close(&reader);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_closed_file_is_read_without_a_trace),
        TEST(what_a_crash_has_left_is_read_without_a_trace),
        TEST(an_empty_log_is_none),
        TEST(a_folder_that_is_not_writable_will_do),
        TEST(a_lock_that_was_not_there_is_gone_again),
        TEST(nobody_writes_while_it_is_read_at_rest),
        TEST(a_broker_at_work_is_read_and_not_disturbed),
        TEST(a_reader_cannot_write),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
