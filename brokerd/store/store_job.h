/* SPDX-License-Identifier: MPL-2.0 */
/* store_job.h - what the two sides of the store actor say to each other: batches of jobs.
 *
 * A job is asked in store.c, done in store_worker.c, and answered in store.c.  Whoever holds the
 * batch owns the jobs in it; nothing else is shared by the two threads.  A batch without jobs only
 * says how many of the loaded bytes the owner has taken. */
#ifndef XYLEM_STORE_JOB_H
#define XYLEM_STORE_JOB_H

#include "list.h"
#include "store.h"

enum store_job_kind {
    STORE_JOB_LOAD,        // digest, tag -> rc, blob
    STORE_JOB_VALIDATE,    // digest, cookie -> rc
    STORE_JOB_CHECKPOINTS, // cookie -> rc, checkpoints
    STORE_JOB_PUT,         // digest, blob, tag -> rc
    STORE_JOB_CHANGE,      // change, cookie -> rc
    STORE_JOB_TASK,        // fn, task, cookie -> rc
};

struct store_job {
    struct list link;               // in a batch, or in the worker's queue
    enum store_job_kind kind;       // decides which of the fields below are used
    int64_t began;                  // us: when it was asked
    uint64_t number;                // in the order asked; the worker's
    int rc;                         // result: 0 or -errno
    uint32_t tag;                   // of the asker
    void *cookie;                   // of the asker, borrowed
    struct digest digest;           // of the blob
    struct blob *blob;              // to put, or loaded; owned
    struct store_change *change;    // owned
    store_task_fn fn;               // what to run
    void *task;                     // its argument, borrowed
    struct checkpoint *checkpoints; // result; owned
    size_t ncheckpoints;            // length of the array
};

/* What the worker has done since its last reply. */
struct store_work {
    uint64_t transactions;  // tried
    uint64_t rows;          // written
    uint64_t bytes_written; // of blobs
    uint64_t bytes_read;    // of blobs, verified
    uint64_t commit_us;     // from begin to commit, of all
};

struct store_batch {
    struct list jobs;       // struct store_job, owned
    struct store_work work; // to the owner
    size_t loaded;          // bytes of blobs: to the owner, in jobs; to the worker, taken since
};

struct store_batch *store_batch_new(void);
void store_batch_free(struct store_batch **b);
void store_job_free(struct store_job **j);

static inline bool
store_job_is_write(const struct store_job *j)
{
    return j->kind == STORE_JOB_PUT || j->kind == STORE_JOB_CHANGE;
}

static inline bool
store_job_is_read(const struct store_job *j)
{
    return !store_job_is_write(j) && j->kind != STORE_JOB_TASK;
}

/* --- store_worker.c --- */
/* Body of the actor: serves batches with db until told to stop. */
void store_worker_run(struct store_db *db, void *pipe);

#endif
