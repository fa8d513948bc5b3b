/* SPDX-License-Identifier: MPL-2.0 */
/* store_db_wal.c - the write-ahead log, and a thread that moves it into the file.
 *
 * A checkpoint is a copy between two syncs: half of the time of a busy writer, and most of that it
 * would wait for the disk.  So a thread with a connection of its own does it, for each ASK_FRAMES that
 * were added.  The log only begins anew when all of it has been moved, and the thread never quite
 * catches up with a busy writer: so once the log has FULL_FRAMES the writer waits for the thread and
 * moves what little is left.  A log that one transaction has made so long is left to the thread first.
 *
 * So the log has at most twice FULL_FRAMES and the largest two transactions, unless a reader holds on
 * to old frames: then it grows until the reader ends.  The file it leaves is cut when the log begins
 * anew (journal_size_limit).
 *
 *   state      meaning                          left by
 *   NO_THREAD  not started yet, or read-only    the first wal_after_commit() with enough to do
 *   IDLE       the thread waits                 ask(), wal_stop()
 *   ASKED      it has not begun                 the thread
 *   MOVING     it is at work                    the thread, then IDLE; wal_stop()
 *   STOPPING   it ends after this               wal_stop(): joined, NO_THREAD
 *
 * I1  The thread uses nothing of the writer but this struct, and of it only what the mutex guards and
 *     what never changes.
 * I2  An error of a checkpoint is nobody's error: the log keeps what it has, and grows.
 * I3  A checkpoint of the thread never begins when all of the log has been moved already, since then
 *     the next transaction begins the log anew, and SQLite before 3.51.3 can lose transactions when
 *     these two meet (sqlite.org/wal.html, "the WAL-reset bug").  What is not moved keeps the log from
 *     being begun anew, and from ask() to the end of MOVING nobody else moves anything. */
#include "store_db_wal.h"

#include <signal.h>
#include <stdio.h>

/* Of 16 KiB: 4 MiB and 64 MiB. */
#define ASK_FRAMES 256
#define FULL_FRAMES 4096
/* When it starts: the writer may be about to change the index of the log. */
#define BUSY_MS 2000

/* --- the thread --- */

static sqlite3 *
connect_mover(const struct wal *w)
{
    sqlite3 *sql = NULL;
    char text[128];
    int rc = sqlite3_open_v2(w->path, &sql, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);

    snprintf(text, sizeof(text),
             "PRAGMA synchronous = %s; PRAGMA wal_autocheckpoint = 0; PRAGMA mmap_size = 0",
             w->synchronous);
    if (rc == SQLITE_OK)
        rc = sqlite3_busy_timeout(sql, BUSY_MS);
    if (rc == SQLITE_OK) // this reads the schema: a connection that has read nothing moves nothing
        rc = sqlite3_exec(sql, text, NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_db_config(sql, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    if (rc != SQLITE_OK) {
        sqlite3_close(sql);
        sql = NULL; // the writer does it all (I2)
    }
    return sql;
}

static void
set_state(struct wal *w, enum wal_state state)
{
    w->state = state;
    pthread_cond_broadcast(&w->changed);
}

static void
move_some(struct wal *w, sqlite3 *sql)
{
    int logged = 0, moved = 0;

    set_state(w, WAL_MOVING);
    pthread_mutex_unlock(&w->mutex);
    if (sql)
        sqlite3_wal_checkpoint_v2(sql, NULL, SQLITE_CHECKPOINT_PASSIVE, &logged, &moved);
    pthread_mutex_lock(&w->mutex);
    w->moved = moved;
    w->moves++;
    if (w->state == WAL_MOVING)
        set_state(w, WAL_IDLE);
}

static void *
run_mover(void *arg)
{
    struct wal *w = arg;
    sqlite3 *sql = connect_mover(w);

    pthread_setname_np(pthread_self(), "store-wal");
    pthread_mutex_lock(&w->mutex);
    while (w->state != WAL_STOPPING) {
        if (w->state == WAL_ASKED)
            move_some(w, sql);
        else
            pthread_cond_wait(&w->changed, &w->mutex);
    }
    pthread_mutex_unlock(&w->mutex);
    sqlite3_close(sql);
    return NULL;
}

/* With all signals blocked.  If there cannot be one, the writer does it all. */
static void
start_thread(struct wal *w)
{
    sigset_t all, old;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    w->state = WAL_IDLE;
    w->has_thread = pthread_create(&w->thread, NULL, run_mover, w) == 0;
    if (!w->has_thread)
        w->state = WAL_NO_THREAD;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}

/* --- the writer --- */

static int
on_commit(void *arg, sqlite3 *sql, const char *schema, int frames)
{
    struct wal *w = arg;

    (void)sql;
    (void)schema;
    w->frames = frames;
    return SQLITE_OK;
}

void
wal_start(struct wal *w, sqlite3 *sql, const char *path, const char *synchronous)
{
    *w = (struct wal){.path = path, .synchronous = synchronous, .limit = FULL_FRAMES};
    pthread_mutex_init(&w->mutex, NULL);
    pthread_cond_init(&w->changed, NULL);
    sqlite3_wal_hook(sql, on_commit, w);
}

void
wal_stop(struct wal *w)
{
    if (!w->path)
        return;
    if (w->has_thread) {
        pthread_mutex_lock(&w->mutex);
        set_state(w, WAL_STOPPING);
        pthread_mutex_unlock(&w->mutex);
        pthread_join(w->thread, NULL);
    }
    pthread_cond_destroy(&w->changed);
    pthread_mutex_destroy(&w->mutex);
    *w = (struct wal){.path = NULL};
}

/* false: it is at work; then the next commit asks again.  Or there is nothing to move (I3): frames
 * that are more, or fewer, than it has moved are new ones. */
static bool
ask(struct wal *w)
{
    bool is_asked;

    if (!w->has_thread)
        start_thread(w);
    if (!w->has_thread)
        return false;
    pthread_mutex_lock(&w->mutex);
    is_asked = w->state == WAL_IDLE && w->frames != w->moved;
    if (is_asked)
        set_state(w, WAL_ASKED);
    pthread_mutex_unlock(&w->mutex);
    if (is_asked)
        w->asked = w->frames;
    return is_asked;
}

static void
wait_for_thread(struct wal *w)
{
    pthread_mutex_lock(&w->mutex);
    while (w->state == WAL_ASKED || w->state == WAL_MOVING)
        pthread_cond_wait(&w->changed, &w->mutex);
    pthread_mutex_unlock(&w->mutex);
}

/* What is left by the thread.  If that cannot be moved, e.g. because a reader needs it, then try again
 * when there is much more. */
static void
move_rest(struct wal *w, sqlite3 *sql)
{
    int logged = 0, moved = 0;
    int rc;

    wait_for_thread(w);
    rc = sqlite3_wal_checkpoint_v2(sql, NULL, SQLITE_CHECKPOINT_PASSIVE, &logged, &moved);
    w->limit = rc == SQLITE_OK && moved == logged ? FULL_FRAMES : w->frames + FULL_FRAMES / 4;
    if (rc == SQLITE_OK)
        w->moved = moved; // the thread waits
}

/* A large transaction, but not one after the other: then the log would never be moved as a whole. */
static bool
leave_to_thread(struct wal *w)
{
    if (w->limit != FULL_FRAMES || w->frames - w->asked < FULL_FRAMES || !ask(w))
        return false;
    w->limit = w->frames + FULL_FRAMES;
    return true;
}

void
wal_after_commit(struct wal *w, sqlite3 *sql)
{
    if (w->frames < w->asked) { // the log has begun anew
        w->asked = 0;
        w->limit = FULL_FRAMES;
    }
    if (w->frames >= w->limit) {
        if (!leave_to_thread(w))
            move_rest(w, sql);
    } else if (w->frames - w->asked >= ASK_FRAMES) {
        ask(w);
    }
}

int
wal_empty(struct wal *w, sqlite3 *sql)
{
    int rc;

    wait_for_thread(w);
    rc = sqlite3_wal_checkpoint_v2(sql, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    if (rc == SQLITE_OK) {
        w->frames = w->asked = w->moved = 0;
        w->limit = FULL_FRAMES;
    }
    return rc;
}
