/* SPDX-License-Identifier: MPL-2.0 */
/* store.c - the owner's side of the store actor (rank 0).
 *
 *   store_put() ...   jobs gather in `outgoing`
 *   next turn         kick(): the batch is posted as one pointer
 *                       -> store_worker.c: reads, transaction, commit
 *   pipe is readable  take_reply(): ops are called, jobs are freed
 *
 * The kick is a timer that is due at once and not a hook before sleep, because a hook cannot be
 * removed and the loop outlives the store.
 *
 * I1  Every job that was asked is answered by exactly one call of an op, also through store_stop().
 * I2  db is used by the worker alone between actor_start() and actor_stop().
 * Thread: the owner's; the worker's is store_worker.c. */
#include "store.h"
#include "actor.h"
#include "clock.h"
#include "store_job.h"
#include "xmem.h"

#include <errno.h>
#include <unistd.h>

/* Told without a job to go with: far less than the worker may have posted, so it never waits for what
 * is not told. */
#define TAKEN_AT_ONCE (STORE_LOADED_MAX / 8)

struct store {
    struct store_db *db;          // owned; see I2
    struct loop *loop;            // borrowed
    const struct store_ops *ops;  // borrowed
    void *arg;                    // for ops, borrowed
    struct actor *actor;          // owned; NULL once stopped
    struct loop_source *source;   // the actor's pipe in the loop, owned
    struct metrics *metrics;      // borrowed; may be NULL
    struct loop_timer kick;       // runs while outgoing is not empty
    struct store_batch *outgoing; // jobs asked in this turn, and bytes taken; owned
    struct store_stats stats;     // counted when asked and when answered
};

/* --- asking --- */

static void
post_outgoing(void *arg)
{
    struct store *s = arg;

    loop_timer_stop(&s->kick);
    if (list_is_empty(&s->outgoing->jobs) && s->outgoing->loaded < TAKEN_AT_ONCE)
        return;
    actor_post(actor_pipe(s->actor), s->outgoing);
    s->outgoing = store_batch_new();
}

static struct store_job *
add_job(struct store *s, enum store_job_kind kind)
{
    struct store_job *j = xcalloc(1, sizeof(*j));

    j->kind = kind;
    j->began = clock_us();
    list_init(&j->link);
    list_push_back(&s->outgoing->jobs, &j->link);
    s->stats.queued++;
    if (!loop_timer_is_running(&s->kick))
        loop_timer_start(s->loop, &s->kick, 0);
    return j;
}

void
store_load(struct store *s, const struct digest *d, uint32_t tag)
{
    struct store_job *j = add_job(s, STORE_JOB_LOAD);

    j->digest = *d;
    j->tag = tag;
}

void
store_put(struct store *s, const struct digest *d, const struct blob *b, uint32_t tag)
{
    struct store_job *j = add_job(s, STORE_JOB_PUT);

    j->digest = *d;
    j->blob = blob_ref(b);
    j->tag = tag;
}

void
store_apply(struct store *s, struct store_change **change, void *cookie)
{
    struct store_job *j = add_job(s, STORE_JOB_CHANGE);

    j->change = TAKE(*change);
    j->cookie = cookie;
}

void
store_list_checkpoints(struct store *s, void *cookie)
{
    add_job(s, STORE_JOB_CHECKPOINTS)->cookie = cookie;
}

void
store_validate(struct store *s, const struct digest *d, void *cookie)
{
    struct store_job *j = add_job(s, STORE_JOB_VALIDATE);

    j->digest = *d;
    j->cookie = cookie;
}

void
store_run(struct store *s, store_task_fn fn, void *task, void *cookie)
{
    struct store_job *j = add_job(s, STORE_JOB_TASK);

    j->fn = fn;
    j->task = task;
    j->cookie = cookie;
}

/* --- answering --- */

static void
count_answer(struct store_stats *stats, const struct store_job *j)
{
    stats->queued--;
    if (j->kind == STORE_JOB_LOAD) {
        stats->loads++;
        if (j->rc < 0 && j->rc != -ENOENT)
            stats->load_failures++;
    } else if (store_job_is_write(j) && j->rc < 0) {
        stats->put_failures++;
    }
}

static void
answer(struct store *s, struct store_job *j)
{
    const struct store_ops *ops = s->ops;

    count_answer(&s->stats, j);
    switch (j->kind) {
    case STORE_JOB_LOAD:
        metrics_observe(s->metrics, METRIC_STORE_LOAD_TIME, clock_us() - j->began);
        ops->loaded(s->arg, j->tag, j->rc, j->blob);
        break;
    case STORE_JOB_VALIDATE:
        ops->validated(s->arg, j->cookie, j->rc);
        break;
    case STORE_JOB_CHECKPOINTS:
        ops->checkpoints(s->arg, j->cookie, j->rc, j->checkpoints, j->ncheckpoints);
        break;
    case STORE_JOB_PUT:
        ops->stored(s->arg, j->tag, j->rc);
        break;
    case STORE_JOB_CHANGE:
        ops->changed(s->arg, j->cookie, j->rc, &j->change);
        break;
    case STORE_JOB_TASK:
        ops->ran(s->arg, j->cookie, j->rc);
        break;
    }
}

static void
count_work(struct store *s, const struct store_work *w)
{
    struct store_stats *stats = &s->stats;

    stats->batches += w->transactions;
    stats->rows += w->rows;
    stats->bytes_written += w->bytes_written;
    stats->bytes_read += w->bytes_read;
    stats->commit_us_total += w->commit_us;
    if (w->transactions == 0)
        return;
    /* Several only when a group was tried one by one. */
    metrics_observe(s->metrics, METRIC_STORE_ROWS_PER_BATCH, (int64_t)w->rows);
    metrics_observe(s->metrics, METRIC_STORE_COMMIT_TIME, (int64_t)w->commit_us);
}

/* What was asked meanwhile takes the news along. */
static void
give_back(struct store *s, size_t loaded)
{
    s->outgoing->loaded += loaded;
    if (s->outgoing->loaded >= TAKEN_AT_ONCE)
        post_outgoing(s);
}

static void
take_reply(void *arg, void *item)
{
    struct store *s = arg;
    struct store_batch *b = item;
    struct list *node;

    count_work(s, &b->work);
    while ((node = list_pop_front(&b->jobs))) {
        struct store_job *j = list_entry(node, struct store_job, link);

        answer(s, j);
        store_job_free(&j);
    }
    give_back(s, b->loaded);
    store_batch_free(&b);
}

static bool
on_pipe(void *arg)
{
    struct store *s = arg;
    void *item;

    if (actor_recv(actor_pipe(s->actor), false, &item) < 0)
        return false;
    take_reply(s, item);
    return true;
}

/* --- life --- */

static void
run_actor(void *arg, void *pipe)
{
    struct store *s = arg;

    store_worker_run(s->db, pipe);
}

static const struct actor_ops actor_ops = {.name = "store", .run = run_actor};

static void
free_store(struct store *s)
{
    store_db_close(&s->db);
    store_batch_free(&s->outgoing);
    free(s);
}

void
store_recorded_fini(struct store_recorded *r)
{
    free(r->roots);
    free(r->history);
    free(r->commits);
    *r = (struct store_recorded){.roots = NULL};
}

/* The namespaces recorded; when there are none, "primary" as the newest checkpoint has it: that is
 * what a restore into an instance without a KVS leaves behind. */
static int
read_roots(struct store_db *db, struct store_recorded *r)
{
    AUTO(free) struct checkpoint *list = NULL;
    size_t count = 0;
    int rc = store_db_roots(db, &r->roots, &r->nroots);

    if (rc < 0 || r->nroots > 0)
        return rc;
    rc = store_db_checkpoints(db, &list, &count);
    if (rc < 0 || count == 0)
        return rc;
    free(r->roots);
    r->roots = xcalloc(1, sizeof(*r->roots));
    *r->roots = (struct store_root){.name = "primary", .owner = geteuid(), .root = list[0].root};
    r->roots->sequence = list[0].sequence;
    r->nroots = 1;
    return 0;
}

static int
read_recorded(struct store_db *db, struct store_recorded *ret)
{
    int rc = read_roots(db, ret);

    if (rc == 0)
        rc = store_db_history(db, &ret->history, &ret->nhistory);
    return rc == 0 ? store_db_commits(db, &ret->commits, &ret->ncommits) : rc;
}

int
store_start(struct store **ret, const struct store_conf *conf, struct loop *loop,
            const struct store_ops *ops, void *arg, struct store_recorded *recorded,
            struct err *err)
{
    struct store *s = xcalloc(1, sizeof(*s));
    int rc;

    s->loop = loop;
    s->ops = ops;
    s->arg = arg;
    s->outgoing = store_batch_new();
    loop_timer_init(&s->kick, post_outgoing, s);
    *recorded = (struct store_recorded){.roots = NULL};
    rc = store_db_open(&s->db, conf, err);
    if (rc == 0 && (rc = read_recorded(s->db, recorded)) < 0)
        err_set(err, rc, "%s: cannot read the roots", conf->statedir);
    if (rc == 0)
        rc = actor_start(&s->actor, &actor_ops, s, err);
    if (rc < 0) {
        store_recorded_fini(recorded);
        free_store(s);
        return rc;
    }
    s->source = loop_add_zmq(loop, actor_pipe(s->actor), on_pipe, s);
    *ret = s;
    return 0;
}

/* Wait for everything that was asked: answers may ask for more (I1). */
static void
finish_jobs(struct store *s)
{
    void *item;

    while (s->stats.queued > 0) {
        post_outgoing(s);
        if (actor_recv(actor_pipe(s->actor), true, &item) == 0)
            take_reply(s, item);
    }
}

void
store_stop(struct store **s_p)
{
    struct store *s = *s_p;

    if (!s)
        return;
    finish_jobs(s); // its callbacks may still use *s_p
    *s_p = NULL;
    loop_remove(&s->source);
    loop_timer_stop(&s->kick);
    actor_stop(&s->actor, take_reply, s);
    free_store(s);
}

const char *
store_id(const struct store *s)
{
    return store_db_id(s->db);
}

void
store_stats(const struct store *s, struct store_stats *ret)
{
    *ret = s->stats;
}

void
store_set_metrics(struct store *s, struct metrics *metrics)
{
    s->metrics = metrics;
}
