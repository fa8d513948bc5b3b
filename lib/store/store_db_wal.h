/* SPDX-License-Identifier: MPL-2.0 */
/* store_db_wal.h - moving the write-ahead log into the file, beside the work. */
#ifndef XYLEM_STORE_DB_WAL_H
#define XYLEM_STORE_DB_WAL_H

#include "base.h"

#include <pthread.h>
#include <sqlite3.h>

enum wal_state { WAL_NO_THREAD, WAL_IDLE, WAL_ASKED, WAL_MOVING, WAL_STOPPING };

struct wal {
    const char *path;        // of the database, borrowed
    const char *synchronous; // how the thread syncs; static text
    int frames;              // in the log after the last commit
    int asked;               // of them, when the thread was last asked
    int limit;               // from there on the writer moves them itself
    bool has_thread;         // for the writer: state is not WAL_NO_THREAD
    pthread_t thread;        // if there is one
    pthread_mutex_t mutex;   // guards what follows
    pthread_cond_t changed;  // state
    enum wal_state state;
    int moved;      // frames of the log, by the last checkpoint
    uint64_t moves; // checkpoints of the thread
};

/* For a connection that writes; path and synchronous are borrowed until wal_stop(). */
void wal_start(struct wal *w, sqlite3 *sql, const char *path, const char *synchronous);
/* Fine when it was never started. */
void wal_stop(struct wal *w);

/* A transaction of sql has been committed. */
void wal_after_commit(struct wal *w, sqlite3 *sql);
/* Move everything into the file and make the log empty.  SQLITE_BUSY when somebody reads it. */
int wal_empty(struct wal *w, sqlite3 *sql);

#endif
