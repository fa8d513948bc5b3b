/* SPDX-License-Identifier: MPL-2.0 */
/* test_flux_store_files.c - a content.sqlite of Flux is read without a trace, and not while it is in use. */
#include "storetest.h"

#include "flux_store.h"
#include "fluxtest.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define NOBODY 65534

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

static sqlite3 *
make_file(const struct statedir *s, const char *journal)
{
    sqlite3 *sql = flux_open(s->database, journal);

    flux_sql(sql, FLUX_OBJECTS FLUX_CHECKPOINTS);
    return sql;
}

static void
put(sqlite3 *sql, int i)
{
    char data[5000];

    memset(data, i, sizeof(data));
    flux_put(sql, DIGEST_SHA1, FLUX_TEXT, data, sizeof(data), NULL);
}

/* Blobs 0 to count - 1. */
static void
assert_has(struct flux_store *store, int count)
{
    for (int i = 0; i <= count; i++) {
        AUTO(blob) struct blob *b = NULL;
        char data[5000];
        struct digest d;

        memset(data, i, sizeof(data));
        digest_compute(DIGEST_SHA1, data, sizeof(data), &d);
        assert_int_equal(flux_store_load(store, &d, &b, NULL), i < count ? 0 : -ENOENT);
    }
}

static void
fill(const struct statedir *s, const char *journal)
{
    sqlite3 *sql = make_file(s, journal);

    for (int i = 0; i < 10; i++)
        put(sql, i);
    sqlite3_close(sql);
}

/* A process that has the file open as Flux has: it runs `work` on it and then waits until it is killed. */
struct flux {
    pid_t pid;
};

static void
start_flux(struct flux *flux, const struct statedir *s, const char *journal,
           void (*work)(sqlite3 *sql))
{
    int ready[2];
    char byte = 0;

    assert_int_equal(pipe(ready), 0);
    flux->pid = fork();
    if (flux->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); // also when the test fails
        work(flux_open(s->database, journal));
        if (write(ready[1], "", 1) == 1)
            poll(NULL, 0, -1);
        _exit(1);
    }
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
}

static void
kill_flux(struct flux *flux)
{
    int status;

    kill(flux->pid, SIGKILL);
    assert_int_equal(waitpid(flux->pid, &status, 0), flux->pid);
    assert_true(WIFSIGNALED(status));
}

static void
put_ten_more(sqlite3 *sql)
{
    for (int i = 10; i < 20; i++)
        put(sql, i);
}

static void
only_look(sqlite3 *sql)
{
    flux_sql(sql, "PRAGMA quick_check; SELECT count(*) FROM objects");
}

/* Blobs 0 to 9 in the file, 10 to 19 in its log. */
static void
fill_and_crash(const struct statedir *s)
{
    struct flux flux;

    fill(s, "WAL");
    start_flux(&flux, s, "WAL", put_ten_more);
    kill_flux(&flux);
}

static struct flux_store *
open_store(const struct statedir *s)
{
    struct flux_store *store = NULL;
    struct err err = {0};

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

/* --- without a trace --- */

static int
is_no_parent(const struct dirent *e)
{
    return strcmp(e->d_name, "..") != 0;
}

/* Names, sizes, times and digests of the directory and of all that is in it. */
static char *
describe(const struct statedir *s)
{
    struct buf text = BUF_INIT;
    struct dirent **names;
    int n = scandir(s->path, &names, is_no_parent, alphasort);

    for (int i = 0; i < n; i++) {
        AUTO(free) char *path = xasprintf("%s/%s", s->path, names[i]->d_name);
        AUTO(buf) struct buf bytes = BUF_INIT;
        struct digest d = {{0}};
        struct stat st;
        int fd = open(path, O_RDONLY);

        assert_int_equal(fstat(fd, &st), 0);
        if (S_ISREG(st.st_mode))
            assert_int_equal(buf_read_fd(&bytes, fd, 1 << 24), 0);
        close(fd);
        digest_compute(DIGEST_SHA1, bytes.data, bytes.size, &d);
        buf_printf(&text, "%s %lld %lld.%09ld %02x%02x%02x%02x\n", names[i]->d_name,
                   (long long)st.st_size, (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec,
                   d.bytes[0], d.bytes[1], d.bytes[2], d.bytes[3]);
        free(names[i]);
    }
    free(names);
    return buf_detach(&text, NULL);
}

static void
read_without_a_trace(const struct statedir *s, int count)
{
    AUTO(free) char *before = describe(s);
    AUTO(free) char *after = NULL;
    struct flux_store *store;

    assert_int_equal(flux_store_detect(s->path, NULL), 1);
    store = open_store(s);
    assert_has(store, count);
    flux_store_close(&store);
    after = describe(s);
    assert_string_equal(after, before);
}

static void
a_closed_file_is_read_without_a_trace(void **state)
{
    fill(*state, "WAL");
    read_without_a_trace(*state, 10);
}

static void
and_one_that_has_no_write_ahead_log(void **state)
{
    static const char *const modes[] = {"DELETE", "TRUNCATE", "PERSIST", "MEMORY", "OFF"};
    struct statedir *s = *state;

    for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
        AUTO(free) char *journal = xasprintf("%s-journal", s->database);

        fill(s, modes[i]);
        read_without_a_trace(s, 10);
        unlink(s->database);
        unlink(journal);
    }
}

static void
what_a_crash_has_left_is_read_without_a_trace(void **state)
{
    struct statedir *s = *state;
    AUTO(free) char *shm = xasprintf("%s-shm", s->database);

    fill_and_crash(s);
    read_without_a_trace(s, 20);
    unlink(shm);
    read_without_a_trace(s, 20);
}

static void
make_tables(sqlite3 *sql)
{
    flux_sql(sql, FLUX_OBJECTS FLUX_CHECKPOINTS);
    for (int i = 0; i < 10; i++)
        put(sql, i);
}

/* Then all that there is is in the log. */
static void
a_crash_before_the_first_checkpoint(void **state)
{
    struct flux flux;

    start_flux(&flux, *state, "WAL", make_tables);
    kill_flux(&flux);
    read_without_a_trace(*state, 10);
}

static void
an_empty_log_is_none(void **state)
{
    struct statedir *s = *state;
    AUTO(free) char *log = xasprintf("%s-wal", s->database);

    fill(s, "WAL");
    close(open(log, O_CREAT | O_WRONLY, 0600));
    read_without_a_trace(s, 10);
}

static void
read_as_nobody(const struct statedir *s, int count)
{
    pid_t child = fork();
    int status;

    if (child == 0) {
        if (geteuid() == 0 && setuid(NOBODY) < 0)
            _exit(2);
        if (access(s->path, W_OK) == 0)
            _exit(3);
        read_without_a_trace(s, count);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void
allow(const struct statedir *s, const char *suffix)
{
    AUTO(free) char *path = xasprintf("%s%s", s->database, suffix);

    chmod(path, 0444);
}

static void
a_folder_that_is_not_writable_will_do(void **state)
{
    struct statedir *s = *state;
    AUTO(free) char *shm = xasprintf("%s-shm", s->database);
    AUTO(free) char *log = xasprintf("%s-wal", s->database);

    fill_and_crash(s);
    allow(s, "");
    allow(s, "-wal");
    allow(s, "-shm");
    chmod(s->path, 0555);
    read_as_nobody(s, 20);
    chmod(s->path, 0755);
    unlink(shm);
    chmod(s->path, 0555);
    read_as_nobody(s, 20);
    chmod(s->path, 0755);
    unlink(log);
    chmod(s->path, 0555);
    read_as_nobody(s, 10);
}

/* --- in use --- */

static void
refuse_while_in_use(const struct statedir *s, const char *journal, void (*work)(sqlite3 *sql))
{
    AUTO(free) char *text = NULL;
    struct flux flux;

    start_flux(&flux, s, journal, work);
    text = xasprintf("content.sqlite: in use by process %d: a running Flux", (int)flux.pid);
    assert_refused(s, -EBUSY, text);
    assert_refused(s, -EBUSY, text); // the first look has left Flux its locks
    kill_flux(&flux);
}

static void
a_running_flux_is_not_read(void **state)
{
    fill(*state, "WAL");
    refuse_while_in_use(*state, "WAL", put_ten_more);
    read_without_a_trace(*state, 20);
}

static void
nor_one_that_has_not_written_yet(void **state)
{
    fill(*state, "WAL");
    refuse_while_in_use(*state, "WAL", only_look);
    read_without_a_trace(*state, 10);
}

static void
nor_one_without_a_write_ahead_log(void **state)
{
    fill(*state, "DELETE");
    refuse_while_in_use(*state, "DELETE", only_look);
    refuse_while_in_use(*state, "DELETE", put_ten_more);
    read_without_a_trace(*state, 20);
}

/* Runs in a child: our own process has the file open already. */
static bool
can_write(const struct statedir *s, const char *journal)
{
    pid_t child = fork();
    int status;

    if (child == 0) {
        sqlite3 *sql;
        char text[100];
        int rc = sqlite3_open(s->database, &sql);

        snprintf(text, sizeof(text), "PRAGMA journal_mode = %s; PRAGMA locking_mode = EXCLUSIVE",
                 journal);
        if (rc == SQLITE_OK)
            rc = sqlite3_exec(sql, text, NULL, NULL, NULL);
        if (rc == SQLITE_OK)
            rc = sqlite3_exec(sql, "INSERT INTO objects VALUES (zeroblob(20), -1, x'00', 0)", NULL,
                              NULL, NULL);
        _exit(rc == SQLITE_OK ? 0 : rc == SQLITE_BUSY ? 1 : 2);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) < 2);
    return WEXITSTATUS(status) == 0;
}

static void
nobody_writes_while_it_is_read(void **state)
{
    static const char *const modes[] = {"WAL", "DELETE"};
    struct statedir *s = *state;

    for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
        struct flux_store *store;

        fill(s, modes[i]);
        store = open_store(s);
        assert_false(can_write(s, modes[i]));
        assert_has(store, 10);
        flux_store_close(&store);
        assert_true(can_write(s, modes[i]));
        unlink(s->database);
    }
}

static void
two_may_read_at_a_time(void **state)
{
    struct statedir *s = *state;
    struct flux_store *a, *b;

    fill_and_crash(s);
    a = open_store(s);
    b = open_store(s);
    flux_store_close(&a);
    assert_false(can_write(s, "WAL"));
    assert_has(b, 20);
    flux_store_close(&b);
}

/* --- a rollback journal --- */

static void
begin_to_change(sqlite3 *sql)
{
    flux_sql(sql, "PRAGMA cache_size = 1; BEGIN");
    put_ten_more(sql);
    flux_sql(sql, "UPDATE objects SET epoch = 7");
    if (sqlite3_db_cacheflush(sql) != SQLITE_OK)
        abort();
}

static void
a_file_that_is_half_written_is_refused(void **state)
{
    struct statedir *s = *state;
    AUTO(free) char *before = NULL;
    AUTO(free) char *after = NULL;
    struct flux flux;
    sqlite3 *sql;

    fill(s, "DELETE");
    start_flux(&flux, s, "DELETE", begin_to_change);
    kill_flux(&flux);
    before = describe(s);
    assert_non_null(strstr(before, "-journal"));
    assert_refused(s, -EILSEQ, "left in the middle of a write");
    after = describe(s);
    assert_string_equal(after, before);
    sql = flux_open(s->database, "DELETE");
    only_look(sql);
    sqlite3_close(sql);
    read_without_a_trace(s, 10);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_closed_file_is_read_without_a_trace),
        TEST(and_one_that_has_no_write_ahead_log),
        TEST(what_a_crash_has_left_is_read_without_a_trace),
        TEST(a_crash_before_the_first_checkpoint),
        TEST(an_empty_log_is_none),
        TEST(a_folder_that_is_not_writable_will_do),
        TEST(a_running_flux_is_not_read),
        TEST(nor_one_that_has_not_written_yet),
        TEST(nor_one_without_a_write_ahead_log),
        TEST(nobody_writes_while_it_is_read),
        TEST(two_may_read_at_a_time),
        TEST(a_file_that_is_half_written_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
