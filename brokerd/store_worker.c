/* SPDX-License-Identifier: MPL-2.0 */
/* store_worker.c - the thread of the store actor: group commit.
 *
 * Each round takes in whatever has been posted, then
 *   1. does the reads and answers them.  A read that finds nothing stays queued while a write that
 *      was asked before it is still to be done, so it finds what that write brings;
 *   2. does the writes at the head of the queue, up to GROUP_ROWS or GROUP_BYTES, in one
 *      transaction, and answers them after the commit.
 * The next group collects while this one is being committed, so no delay is needed to form it.
 *
 * When a group fails for want of a working disk, everything in it fails.  When it fails for another
 * reason (a blob too big for SQLite), each job is tried in a transaction of its own.
 *
 * I1  No write is answered with 0 before the commit that holds it.
 * I2  Writes are done in the order asked.
 * Thread: the actor's. */
#include "store_job.h"
#include "actor.h"
#include "xmem.h"

#include <errno.h>

/* From here on larger groups gain nothing (FULL is then as fast as NORMAL). */
#define GROUP_ROWS 256
#define GROUP_BYTES ((size_t)8 << 20)
/* Reads answered at a time: bounds the loaded bytes that wait for company. */
#define READS_AT_ONCE 64

struct worker {
    struct store_db *db;       // borrowed
    void *pipe;                // borrowed
    struct list queue;         // jobs to do, in the order asked
    struct store_batch *reply; // jobs done, to be posted; owned
    bool is_stopping;          // nothing more will be asked
};

/* --- mail --- */

/* Take in what was posted; wait for something if there is nothing to do. */
static void
receive(struct worker *w)
{
    void *item;
    int rc = 0;

    while (rc == 0 && !w->is_stopping) {
        rc = actor_recv(w->pipe, list_is_empty(&w->queue), &item);
        if (rc == 0) {
            struct store_batch *b = item;

            list_splice_back(&w->queue, &b->jobs);
            store_batch_free(&b);
        }
    }
    w->is_stopping = w->is_stopping || rc == -ETERM;
}

static void
finish(struct worker *w, struct store_job *j, int rc)
{
    j->rc = rc;
    list_remove(&j->link);
    list_push_back(&w->reply->jobs, &j->link);
}

static void
post_reply(struct worker *w)
{
    if (list_is_empty(&w->reply->jobs))
        return;
    actor_post(w->pipe, w->reply);
    w->reply = store_batch_new();
}

/* --- reads --- */

static int
validate(struct worker *w, const struct digest *d)
{
    AUTO(blob) struct blob *b = NULL;

    return store_db_load(w->db, d, &b);
}

static int
read_one(struct worker *w, struct store_job *j)
{
    if (j->kind == STORE_JOB_LOAD)
        return store_db_load(w->db, &j->digest, &j->blob);
    if (j->kind == STORE_JOB_VALIDATE)
        return validate(w, &j->digest);
    return store_db_checkpoints(w->db, &j->checkpoints, &j->ncheckpoints);
}

static void
do_reads(struct worker *w)
{
    bool after_write = false;
    size_t done = 0;

    LIST_FOR_EACH (it, &w->queue) {
        struct store_job *j = list_entry(it, struct store_job, link);
        int rc;

        if (store_job_is_write(j)) {
            after_write = true;
            continue;
        }
        if (after_write && j->kind == STORE_JOB_CHECKPOINTS)
            continue;
        rc = read_one(w, j);
        if (after_write && rc == -ENOENT)
            continue;
        finish(w, j, rc);
        if (++done % READS_AT_ONCE == 0)
            post_reply(w);
    }
    post_reply(w);
}

/* --- writes --- */

static size_t
count_rows(const struct store_job *j)
{
    const struct store_change *c = j->change;

    if (j->kind == STORE_JOB_PUT)
        return 1;
    return c->nblobs + c->nroots + (c->remove_root ? 1 : 0) + (c->checkpoint ? 1 : 0);
}

static size_t
count_bytes(const struct store_job *j)
{
    size_t sum = blob_size(j->blob);

    for (size_t i = 0; j->change && i < j->change->nblobs; i++)
        sum += blob_size(j->change->blobs[i]);
    return sum;
}

static int
write_change(struct store_db *db, const struct store_change *c)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < c->nblobs; i++)
        rc = store_db_put(db, &c->digests[i], c->blobs[i]);
    for (size_t i = 0; rc == 0 && i < c->nroots; i++)
        rc = store_db_put_root(db, &c->roots[i]);
    if (rc == 0 && c->remove_root)
        rc = store_db_remove_root(db, c->remove_root);
    if (rc == 0 && c->checkpoint)
        rc = store_db_put_checkpoint(db, c->checkpoint);
    return rc;
}

/* Move the next group of writes out of the queue. */
static void
take_group(struct worker *w, struct list *group)
{
    size_t rows = 0, bytes = 0;

    LIST_FOR_EACH (it, &w->queue) {
        struct store_job *j = list_entry(it, struct store_job, link);

        if (!store_job_is_write(j))
            continue;
        rows += count_rows(j);
        bytes += count_bytes(j);
        if (!list_is_empty(group) && (rows > GROUP_ROWS || bytes > GROUP_BYTES))
            return;
        list_remove(&j->link);
        list_push_back(group, &j->link);
    }
}

/* The jobs from first up to end (exclusive) in one transaction. */
static int
write_jobs(struct worker *w, struct list *first, const struct list *end)
{
    int rc = store_db_begin(w->db);

    w->reply->transactions++;
    if (rc < 0)
        return rc;
    for (struct list *it = first; rc == 0 && it != end; it = it->next) {
        const struct store_job *j = list_entry(it, struct store_job, link);

        rc = j->change ? write_change(w->db, j->change) : store_db_put(w->db, &j->digest, j->blob);
    }
    return rc == 0 ? store_db_commit(w->db) : rc;
}

/* Would another job have failed as well? */
static bool
is_general(int rc)
{
    return rc == -ENOSPC || rc == -EIO || rc == -EROFS || rc == -EBUSY;
}

static void
do_writes(struct worker *w)
{
    struct list group = LIST_INIT(group);
    bool one_by_one;
    int rc;

    take_group(w, &group);
    if (list_is_empty(&group))
        return;
    rc = write_jobs(w, group.next, &group);
    one_by_one = rc < 0 && !is_general(rc);
    LIST_FOR_EACH (it, &group) {
        struct store_job *j = list_entry(it, struct store_job, link);

        if (one_by_one)
            rc = write_jobs(w, it, it->next);
        if (rc == 0)
            w->reply->rows += count_rows(j);
        finish(w, j, rc);
    }
    post_reply(w); /* I1 */
}

void
store_worker_run(struct store_db *db, void *pipe)
{
    struct worker w = {.db = db, .pipe = pipe, .reply = store_batch_new()};

    list_init(&w.queue);
    while (!w.is_stopping || !list_is_empty(&w.queue)) {
        receive(&w);
        do_reads(&w);
        do_writes(&w);
    }
    store_batch_free(&w.reply);
}
