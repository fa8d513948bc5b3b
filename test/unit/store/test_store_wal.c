/* SPDX-License-Identifier: MPL-2.0 */
/* test_store_wal.c - the log is moved into the file beside the work, whatever happens meanwhile. */
#include "storetest.h"

#include "store_db_priv.h"

#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define FRAME (16384 + 24)
#define FULL ((int64_t)4096 * FRAME) // where the writer helps

struct rig {
    struct statedir dir;
    struct store_db *db;
};

static int
setup(void **state)
{
    struct rig *r = xcalloc(1, sizeof(*r));

    statedir_init(&r->dir);
    r->db = open_db(&r->dir);
    *state = r;
    return 0;
}

static int
teardown(void **state)
{
    struct rig *r = *state;

    store_db_close(&r->db);
    umount2(r->dir.path, MNT_DETACH); // if a test has mounted something there
    statedir_fini(&r->dir);
    free(r);
    return 0;
}

/* One transaction of `count` blobs of `size` bytes; 0, or the error. */
static int
put(struct rig *r, int first, int count, size_t size)
{
    int rc = store_db_begin(r->db);

    for (int i = first; rc == 0 && i < first + count; i++) {
        struct digest d;
        AUTO(blob) struct blob *b = make_blob(i, size, true, &d);

        rc = store_db_put(r->db, &d, b);
    }
    return rc == 0 ? store_db_commit(r->db) : rc;
}

static void
assert_has(struct rig *r, int first, int count, size_t size)
{
    for (int i = first; i < first + count; i++) {
        struct digest d;
        AUTO(blob) struct blob *b = make_blob(i, size, true, &d);
        AUTO(blob) struct blob *found = NULL;

        assert_int_equal(store_db_load(r->db, &d, &found), 0);
        assert_same_bytes(found, b);
    }
}

static int64_t
log_bytes(struct rig *r)
{
    struct store_db_stats stats;

    assert_int_equal(store_db_stats(r->db, &stats), 0);
    return stats.wal_bytes;
}

/* The thread rests; *ret_moves: what it has done so far. */
static enum wal_state
settle(struct rig *r, uint64_t *ret_moves)
{
    struct wal *w = &r->db->wal;
    enum wal_state state;

    pthread_mutex_lock(&w->mutex);
    while (w->state == WAL_ASKED || w->state == WAL_MOVING)
        pthread_cond_wait(&w->changed, &w->mutex);
    state = w->state;
    *ret_moves = w->moves;
    pthread_mutex_unlock(&w->mutex);
    return state;
}

static void
check_integrity(struct rig *r)
{
    sqlite3_stmt *st;

    assert_int_equal(sqlite3_prepare_v2(r->db->sql, "PRAGMA integrity_check", -1, &st, NULL), 0);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    assert_string_equal((const char *)sqlite3_column_text(st, 0), "ok");
    sqlite3_finalize(st);
}

/* --- the thread --- */

static void
there_is_a_thread_when_there_is_something_to_move(void **state)
{
    struct rig *r = *state;
    uint64_t moves;

    assert_int_equal(settle(r, &moves), WAL_NO_THREAD);
    assert_int_equal(put(r, 0, 10, 10000), 0);
    assert_int_equal(settle(r, &moves), WAL_NO_THREAD);
    assert_int_equal(put(r, 10, 400, 16000), 0);
    assert_int_equal(settle(r, &moves), WAL_IDLE);
    assert_int_equal(moves, 1);
    assert_int_equal(r->db->wal.moved, r->db->wal.frames); // by the thread
    assert_has(r, 0, 10, 10000);
}

/* I3 of store_db_wal.c: that could lose what is written next. */
static void
the_thread_is_not_asked_when_all_is_moved(void **state)
{
    struct rig *r = *state;
    struct wal *w = &r->db->wal;
    uint64_t moves;

    assert_int_equal(put(r, 0, 400, 16000), 0);
    settle(r, &moves);
    assert_int_equal(w->moved, w->frames);
    w->asked = 0; // as if it had moved what came after it was asked
    wal_after_commit(w, r->db->sql);
    settle(r, &moves);
    assert_int_equal(moves, 1);
    assert_int_equal(put(r, 1000, 500, 16000), 0);
    settle(r, &moves);
    assert_int_equal(moves, 2);
    assert_has(r, 0, 400, 16000);
    assert_has(r, 1000, 500, 16000);
}

static int
count_threads(void)
{
    DIR *dir = opendir("/proc/self/task");
    int count = 0;

    for (struct dirent *e; (e = readdir(dir));)
        count += e->d_name[0] != '.';
    closedir(dir);
    return count;
}

static void
a_reader_has_no_thread(void **state)
{
    struct rig *r = *state;
    int threads = count_threads();
    struct store_conf conf = r->dir.conf;
    struct store_db *reader = NULL;

    assert_int_equal(put(r, 0, 400, 16000), 0);
    assert_int_equal(count_threads(), threads + 1);
    conf.read_only = true;
    assert_int_equal(store_db_open(&reader, &conf, NULL), 0);
    store_db_close(&r->db);
    assert_int_equal(count_threads(), threads);
    store_db_close(&reader);
    r->db = open_db(&r->dir);
    assert_has(r, 0, 400, 16000);
}

/* --- how long the log gets --- */

/* Random ids and sizes of transactions, so that thread and writer meet in many ways. */
static void
the_log_of_a_busy_writer_is_bounded(void **state)
{
    struct rig *r = *state;
    int64_t longest = 0;

    for (int i = 0; i < 700; i++) {
        assert_int_equal(put(r, i * 100, 1 + i % 7 * 5, 16000), 0);
        longest = MAX(longest, log_bytes(r));
    }
    assert_in_range(longest, 1, 2 * FULL);
    check_integrity(r);
    for (int i = 0; i < 700; i += 7)
        assert_has(r, i * 100, 1 + i % 7 * 5, 16000);
}

/* A transaction longer than the log may be is left to the thread. */
static void
the_log_of_a_huge_transaction_is_moved_and_cut(void **state)
{
    struct rig *r = *state;
    uint64_t moves, before;

    assert_int_equal(put(r, 0, 1, 100 << 20), 0);
    assert_true(log_bytes(r) > 100 << 20);
    settle(r, &moves);
    assert_true(moves >= 1);
    for (int i = 1; i < 20; i++)
        assert_int_equal(put(r, i, 1, 16000), 0);
    assert_in_range(log_bytes(r), 0, 65 << 20);
    before = moves;
    for (int i = 20; i < 620; i++)
        assert_int_equal(put(r, i, 1, 16000), 0);
    settle(r, &moves);
    assert_true(moves > before);
    assert_in_range(log_bytes(r), 0, 65 << 20);
    assert_has(r, 0, 1, 100 << 20);
}

static void
huge_transactions_one_after_the_other_are_bounded(void **state)
{
    struct rig *r = *state;

    for (int i = 0; i < 5; i++) {
        assert_int_equal(put(r, i, 1, 70 << 20), 0);
        assert_in_range(log_bytes(r), 1, 2 * (71 << 20) + FULL);
    }
    for (int i = 0; i < 5; i++)
        assert_has(r, i, 1, 70 << 20);
}

static sqlite3_stmt *
hold_snapshot(struct rig *r, sqlite3 **ret_sql)
{
    sqlite3_stmt *st;

    assert_int_equal(sqlite3_open_v2(r->dir.database, ret_sql, SQLITE_OPEN_READONLY, NULL), 0);
    assert_int_equal(sqlite3_prepare_v2(*ret_sql, "SELECT id FROM blob ORDER BY id", -1, &st, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    return st;
}

static void
a_reader_that_stays_holds_up_nobody(void **state)
{
    struct rig *r = *state;
    sqlite3 *sql;
    sqlite3_stmt *st;
    int rows = 1;

    assert_int_equal(put(r, 0, 50, 16000), 0);
    st = hold_snapshot(r, &sql);
    for (int i = 1; i <= 200; i++)
        assert_int_equal(put(r, i * 100, 50, 16000), 0);
    assert_true(log_bytes(r) > 2 * FULL); // it needs what the log began with
    while (sqlite3_step(st) == SQLITE_ROW)
        rows++;
    assert_int_equal(rows, 50);
    sqlite3_finalize(st);
    sqlite3_close(sql);
    for (int i = 201; i <= 260; i++)
        assert_int_equal(put(r, i * 100, 50, 16000), 0);
    assert_in_range(log_bytes(r), 0, FULL + 200 * FRAME);
    check_integrity(r);
}

static void
shrinking_bounds_the_log_too(void **state)
{
    struct rig *r = *state;
    int64_t ids[6000], longest = 0;

    for (int i = 0; i < 60; i++)
        assert_int_equal(put(r, i * 100, 100, 40000), 0);
    for (int i = 0; i < 6000; i++)
        ids[i] = i + 1;
    assert_int_equal(store_db_begin(r->db), 0);
    assert_int_equal(store_db_remove(r->db, ids, 3000), 0); // the older half
    assert_int_equal(store_db_commit(r->db), 0);
    while (store_db_shrink(r->db, 500) == 1)
        longest = MAX(longest, log_bytes(r));
    assert_in_range(longest, 1, 2 * FULL);
    assert_int_equal(log_bytes(r), 0);
    assert_has(r, 3000, 100, 40000);
}

/* --- the end --- */

static void
closing_leaves_no_log(void **state)
{
    struct rig *r = *state;
    char log[128];

    snprintf(log, sizeof(log), "%s-wal", r->dir.database);
    for (int i = 0; i < 20; i++) { // at whatever the thread is just doing
        assert_int_equal(put(r, i * 1000, 300 + i, 8000), 0);
        store_db_close(&r->db);
        assert_int_equal(access(log, F_OK), -1);
        r->db = open_db(&r->dir);
    }
    for (int i = 0; i < 20; i++)
        assert_has(r, i * 1000, 300 + i, 8000);
}

static void
what_was_committed_survives_a_kill_at_any_time(void **state)
{
    struct rig *r = *state;

    for (int round = 0; round < 5; round++) {
        int fds[2], last = -1, status;
        pid_t child;

        assert_int_equal(pipe(fds), 0);
        store_db_close(&r->db);
        child = fork();
        if (child == 0) {
            r->db = open_db(&r->dir);
            for (int i = 0; i < 10000; i++) {
                if (put(r, (round * 10000 + i) * 50, 40, 16000) < 0 ||
                    write(fds[1], &i, sizeof(i)) != sizeof(i))
                    break;
            }
            _exit(1);
        }
        close(fds[1]);
        while (last < 20 + round * 3)
            assert_int_equal(read(fds[0], &last, sizeof(last)), sizeof(last));
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, &status, 0), child);
        while (read(fds[0], &last, sizeof(last)) == sizeof(last))
            continue;
        close(fds[0]);
        r->db = open_db(&r->dir);
        check_integrity(r);
        for (int i = 0; i <= last; i++)
            assert_has(r, (round * 10000 + i) * 50, 40, 16000);
    }
}

/* --- a disk that is full --- */

static void
limit_file_size(rlim_t bytes)
{
    struct rlimit limit;

    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* The file reaches its limit before the log does: the log keeps what was committed. */
static void
a_file_that_cannot_grow_loses_nothing(void **state)
{
    struct rig *r = *state;
    int done = 0, more;

    signal(SIGXFSZ, SIG_IGN);
    limit_file_size(20 << 20);
    while (done < 200 && put(r, done * 100, 50, 16000) == 0)
        done++;
    assert_in_range(done, 20, 100); // the file and the log are full
    assert_has(r, 0, 50, 16000);
    limit_file_size(RLIM_INFINITY);
    for (more = done; more < done + 100; more++)
        assert_int_equal(put(r, more * 100, 50, 16000), 0);
    for (int i = 0; i < more; i++)
        assert_has(r, i * 100, 50, 16000);
    store_db_close(&r->db);
    r->db = open_db(&r->dir);
    check_integrity(r);
    for (int i = 0; i < more; i++)
        assert_has(r, i * 100, 50, 16000);
}

static void
a_disk_that_is_full_loses_nothing(void **state)
{
    struct rig *r = *state;
    int done = 0, rc;

    store_db_close(&r->db);
    if (mount("none", r->dir.path, "tmpfs", 0, "size=100m") < 0) {
        r->db = open_db(&r->dir);
        printf("skipped: a tmpfs cannot be mounted: %s\n", strerror(errno));
        skip();
    }
    r->db = open_db(&r->dir);
    while ((rc = put(r, done * 100, 50, 16000)) == 0 && done < 1000)
        done++;
    assert_int_equal(rc, -ENOSPC);
    assert_in_range(done, 40, 200);
    for (int i = 0; i < done; i++)
        assert_has(r, i * 100, 50, 16000);
    assert_int_equal(mount("none", r->dir.path, "tmpfs", MS_REMOUNT, "size=400m"), 0);
    for (int i = done; i < done + 100; i++)
        assert_int_equal(put(r, i * 100, 50, 16000), 0);
    store_db_close(&r->db);
    r->db = open_db(&r->dir);
    check_integrity(r);
    for (int i = 0; i < done + 100; i++)
        assert_has(r, i * 100, 50, 16000);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(there_is_a_thread_when_there_is_something_to_move),
        TEST(the_thread_is_not_asked_when_all_is_moved),
        TEST(a_reader_has_no_thread),
        TEST(the_log_of_a_busy_writer_is_bounded),
        TEST(the_log_of_a_huge_transaction_is_moved_and_cut),
        TEST(huge_transactions_one_after_the_other_are_bounded),
        TEST(a_reader_that_stays_holds_up_nobody),
        TEST(shrinking_bounds_the_log_too),
        TEST(closing_leaves_no_log),
        TEST(what_was_committed_survives_a_kill_at_any_time),
        TEST(a_file_that_cannot_grow_loses_nothing),
        TEST(a_disk_that_is_full_loses_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
