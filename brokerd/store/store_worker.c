/* SPDX-License-Identifier: MPL-2.0 */
/* store_worker.c - the thread of the store actor: group commit.
 *
 * Each round takes in whatever has been posted, then
 *   1. does the reads and answers them.  A read that finds nothing, or a damaged row, stays queued
 *      while a write that was asked before it is still to be done, so it finds what that brings;
 *   2. does the writes at the head of the queue, up to GROUP_ROWS or GROUP_BYTES, in one
 *      transaction, and answers them after the commit;
 *   3. runs the first task, if no write asked before it is left.  One each round, so that a series
 *      of them holds up nobody.
 * The next group collects while this one is being committed, so no delay is needed to form it.
 *
 * When a group fails for want of a working disk, everything in it fails.  When it fails for another
 * reason (a root that is not there), each job is tried in a transaction of its own.
 *
 * I1  No write is answered with 0 before the commit that holds it.
 * I2  Writes are done in the order asked.
 * I3  Reads stop while STORE_LOADED_MAX bytes or more were posted that the owner has not taken.
 * Thread: the actor's. */
#include "store_job.h"
#include "actor.h"
#include "clock.h"
#include "xmem.h"

#include <errno.h>

/* From here on larger groups gain nothing (FULL is then as fast as NORMAL). */
#define GROUP_ROWS 256
#define GROUP_BYTES ((size_t)8 << 20)
/* Reads done and answered at a time, in one transaction, and what they may load. */
#define READS_AT_ONCE 32
#define READ_BYTES ((size_t)1 << 20)

struct worker {
    struct store_db *db;       // borrowed
    void *pipe;                // borrowed
    struct list reads;         // jobs to do, in the order asked
    struct list changes;       // likewise: writes and tasks
    uint64_t asked;            // jobs taken in; numbers them
    struct store_batch *reply; // jobs done, to be posted; owned
    size_t posted;             // bytes loaded that the owner has not taken
    bool is_stopping;          // nothing more will be asked
};

/* --- mail --- */

static bool
may_read(const struct worker *w)
{
    return w->posted < STORE_LOADED_MAX; /* I3 */
}

static bool
is_idle(const struct worker *w)
{
    return list_is_empty(&w->changes) && (list_is_empty(&w->reads) || !may_read(w));
}

static void
take_in(struct worker *w, struct store_batch *b)
{
    struct list *node;

    while ((node = list_pop_front(&b->jobs))) {
        struct store_job *j = list_entry(node, struct store_job, link);

        j->number = w->asked++;
        list_push_back(store_job_is_read(j) ? &w->reads : &w->changes, node);
    }
    w->posted -= b->loaded;
    store_batch_free(&b);
}

/* Take in what was posted; wait for something if there is nothing to do. */
static void
receive(struct worker *w)
{
    void *item;
    int rc = 0;

    while (rc == 0 && !w->is_stopping) {
        rc = actor_recv(w->pipe, is_idle(w), &item);
        if (rc == 0)
            take_in(w, item);
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
    w->posted += w->reply->loaded;
    actor_post(w->pipe, w->reply);
    w->reply = store_batch_new();
}

/* --- reads --- */

static int
validate(struct worker *w, const struct digest *d)
{
    int64_t size;
    int rc = store_db_check(w->db, d, &size);

    if (rc == 0)
        w->reply->work.bytes_read += (uint64_t)size;
    return rc;
}

static int
load(struct worker *w, struct store_job *j)
{
    int rc = store_db_load(w->db, &j->digest, &j->blob);

    w->reply->work.bytes_read += blob_size(j->blob);
    w->reply->loaded += blob_size(j->blob);
    return rc;
}

static int
read_one(struct worker *w, struct store_job *j)
{
    if (j->kind == STORE_JOB_LOAD)
        return load(w, j);
    if (j->kind == STORE_JOB_VALIDATE)
        return validate(w, &j->digest);
    return store_db_checkpoints(w->db, &j->checkpoints, &j->ncheckpoints);
}

/* Is a write or a task still to be done that was asked before j? */
static bool
is_after_change(const struct worker *w, const struct store_job *j)
{
    struct list *first = w->changes.next;

    return !list_is_empty(&w->changes) &&
           list_entry(first, struct store_job, link)->number < j->number;
}

/* Some reads, in one transaction.  *pos: the job to go on with. */
static void
do_some_reads(struct worker *w, struct list **pos)
{
    uint64_t before = w->reply->work.bytes_read;

    store_db_begin_reading(w->db);
    for (int done = 0; *pos != &w->reads && done < READS_AT_ONCE; done++) {
        struct store_job *j = list_entry(*pos, struct store_job, link);
        bool after_change = is_after_change(w, j);
        int rc;

        *pos = (*pos)->next;
        if (after_change && j->kind == STORE_JOB_CHECKPOINTS)
            continue;
        rc = read_one(w, j);
        if (!after_change || (rc != -ENOENT && rc != -EIO))
            finish(w, j, rc);
        if (w->reply->work.bytes_read - before >= READ_BYTES)
            break;
    }
    store_db_end_reading(w->db);
    post_reply(w);
}

static void
do_reads(struct worker *w)
{
    struct list *pos = w->reads.next;

    while (pos != &w->reads && may_read(w))
        do_some_reads(w, &pos);
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

/* What the asker found in a cache may have been collected since: here nothing can come between. */
static int
put_root(struct store_db *db, const struct store_change *c, size_t i)
{
    const struct store_root *root = &c->roots[i];
    int rc = store_db_exists(db, &root->root);

    if (rc == 0)
        rc = store_db_put_root(db, root);
    return rc == 0 ? store_db_put_history(db, root, c->time, i == 0 ? c->ids : NULL) : rc;
}

static int
put_checkpoint(struct store_db *db, const struct checkpoint *checkpoint)
{
    int rc = store_db_exists(db, &checkpoint->root);

    return rc < 0 ? rc : store_db_put_checkpoint(db, checkpoint);
}

static int
write_change(struct store_db *db, const struct store_change *c)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < c->nblobs; i++)
        rc = store_db_put(db, &c->digests[i], c->blobs[i]);
    for (size_t i = 0; rc == 0 && i < c->nroots; i++)
        rc = put_root(db, c, i);
    if (rc == 0 && c->remove_root)
        rc = store_db_remove_root(db, c->remove_root);
    if (rc == 0 && c->checkpoint)
        rc = put_checkpoint(db, c->checkpoint);
    return rc;
}

/* Move the next group of writes out of the queue. */
static void
take_group(struct worker *w, struct list *group)
{
    size_t rows = 0, bytes = 0;

    LIST_FOR_EACH (it, &w->changes) {
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

static int
try_jobs(struct worker *w, struct list *first, const struct list *end)
{
    int rc = store_db_begin(w->db);

    if (rc < 0)
        return rc;
    for (struct list *it = first; rc == 0 && it != end; it = it->next) {
        const struct store_job *j = list_entry(it, struct store_job, link);

        rc = j->change ? write_change(w->db, j->change) : store_db_put(w->db, &j->digest, j->blob);
    }
    if (rc == 0)
        return store_db_commit(w->db);
    store_db_rollback(w->db);
    return rc;
}

static void
count_work(struct store_work *work, struct list *first, const struct list *end, int64_t us)
{
    work->transactions++;
    work->commit_us += (uint64_t)us;
    for (struct list *it = first; it != end; it = it->next) {
        const struct store_job *j = list_entry(it, struct store_job, link);

        work->rows += count_rows(j);
        work->bytes_written += count_bytes(j);
    }
}

/* The jobs from first up to end (exclusive) in one transaction. */
static int
write_jobs(struct worker *w, struct list *first, const struct list *end)
{
    int64_t start = clock_us();
    int rc;

    do {
        rc = try_jobs(w, first, end);
    } while (rc == -EUCLEAN); // each time one more damaged row is known
    count_work(&w->reply->work, first, rc == 0 ? end : first, clock_us() - start);
    return rc;
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
        finish(w, j, rc);
    }
    post_reply(w); /* I1 */
}

/* --- tasks --- */

static void
do_task(struct worker *w)
{
    struct store_job *j;

    if (list_is_empty(&w->changes))
        return;
    j = list_entry(w->changes.next, struct store_job, link);
    if (j->kind != STORE_JOB_TASK)
        return;
    finish(w, j, j->fn(j->task, w->db));
    post_reply(w);
}

void
store_worker_run(struct store_db *db, void *pipe)
{
    struct worker w = {.db = db, .pipe = pipe, .reply = store_batch_new()};

    list_init(&w.reads);
    list_init(&w.changes);
    while (!w.is_stopping || !list_is_empty(&w.reads) || !list_is_empty(&w.changes)) {
        receive(&w);
        do_reads(&w);
        do_writes(&w);
        do_task(&w);
    }
    store_batch_free(&w.reply);
}
