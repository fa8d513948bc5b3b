/* SPDX-License-Identifier: MPL-2.0 */
/* rank.c - see rank.h.  The life of a rank:
 *
 * state      started        stop asked                     nothing dirty, or none less in FLUSH_MS
 * STARTING   SERVING        -                              -
 * SERVING    -              FLUSHING (rank > 0), STOPPED   -
 * FLUSHING   -              -                              STOPPED
 *
 * A test may kill a rank that is SERVING: then it is KILLED at once.
 *
 * A shutdown of the instance (shutdown.c) is served while SERVING; its end is news for the starter, who
 * asks for the stop.
 */
#include "rank_priv.h"
#include "actor.h"
#include "elog.h"
#include "xmem.h"

#include <errno.h>

#define FLUSH_MS 5000 // an orderly stop waits this long for the parent to take more blobs

/* What the starter may order beside the stop: the address is posted. */
static char pause_order, resume_order, kill_order;

/* --- news for the starter --- */

void
rank_report(struct rank *r, enum rank_news news, const char *text)
{
    struct rank_report *item = xmalloc(sizeof(*item));

    *item = (struct rank_report){news, xstrdup(text)};
    actor_post(r->pipe, item);
}

void
rank_report_free(struct rank_report **item)
{
    if (!*item)
        return;
    free((*item)->text);
    free(TAKE(*item));
}

void
rank_report_if_complete(struct rank *r)
{
    bool joined = r->conf.rank == 0 || overlay_parent_is_online(r->overlay);

    if (joined && overlay_status(r->overlay) == SUBTREE_FULL)
        rank_report(r, RANK_COMPLETE, "");
}

/* --- the thread --- */

static void
stop_now(struct rank *r)
{
    r->state = RANK_STOPPED;
    loop_stop(r->loop);
}

static void
on_flushed(struct content_waiter *w, int rc, const struct blob *none)
{
    struct rank *r = container_of(w, struct rank, flushed);

    (void)none;
    if (rc < 0)
        elog(ELOG_WARN, "some blobs did not reach the parent: %s", err_name(rc));
    if (r->state == RANK_FLUSHING)
        stop_now(r);
}

static void
watch_flush(struct rank *r)
{
    r->unflushed = content_cache_stats(r->content)->dirty_bytes;
    loop_timer_start(r->loop, &r->flush_limit, FLUSH_MS);
}

static void
on_flush_limit(void *arg)
{
    struct rank *r = arg;

    if (content_cache_stats(r->content)->dirty_bytes < r->unflushed) {
        watch_flush(r); // much to do, but it gets on
        return;
    }
    elog(ELOG_WARN, "gave up waiting for the parent to take the last blobs");
    stop_now(r);
}

/* The next order.  While the rank is paused, none but that is waited for. */
static int
take_order(struct rank *r, void **ret_order)
{
    int rc = actor_recv(r->pipe, false, ret_order);

    while (rc == 0 && *ret_order == &pause_order)
        rc = actor_recv(r->pipe, true, ret_order);
    return rc;
}

static void
die(struct rank *r)
{
    void *none;

    r->state = RANK_KILLED;
    loop_stop(r->loop);
    while (actor_recv(r->pipe, true, &none) != -ETERM)
        continue;
}

static bool
on_command(void *arg)
{
    struct rank *r = arg;
    void *order;
    int rc = take_order(r, &order);

    if (rc == 0 && order == &kill_order)
        die(r);
    if (rc != -ETERM || r->state != RANK_SERVING)
        return rc == 0 && r->state == RANK_SERVING;
    r->state = RANK_FLUSHING;
    r->flushed.fn = on_flushed;
    if (r->conf.rank == 0) {
        stop_now(r); // the store finishes what it was asked
    } else {
        watch_flush(r);
        content_flush(r->content, &r->flushed);
    }
    return false;
}

static int
start(void *arg, void *pipe, struct err *err)
{
    struct rank *r = arg;
    AUTO(free) char *name = xasprintf("rank %u", r->conf.rank);
    int rc;

    elog_set_name(name);
    r->pipe = pipe;
    loop_timer_init(&r->flush_limit, on_flush_limit, r);
    rc = rank_build(r, err);
    if (rc < 0) {
        rank_take_down(r);
        return rc;
    }
    r->state = RANK_SERVING;
    return 0;
}

static void
run(void *arg, void *pipe)
{
    struct rank *r = arg;

    r->commands = loop_add_zmq(r->loop, pipe, on_command, r);
    rank_report_if_complete(r);
    loop_run(r->loop);
    rank_take_down(r);
}

int
rank_start(struct rank **ret, const struct rank_conf *conf, struct err *err)
{
    static const struct actor_ops ops = {"rank", start, run};
    struct rank *r = xcalloc(1, sizeof(*r));
    int rc;

    r->conf = *conf;
    r->lock = -1;
    rc = actor_start(&r->actor, &ops, r, err);
    if (rc < 0) {
        free(r);
        return rc;
    }
    *ret = r;
    return 0;
}

static void
drop_report(void *arg, void *item)
{
    struct rank_report *unread = item;

    (void)arg;
    rank_report_free(&unread);
}

void
rank_stop(struct rank **rank)
{
    struct rank *r = TAKE(*rank);

    if (!r)
        return;
    actor_stop(&r->actor, drop_report, NULL);
    free(r);
}

void
rank_kill(struct rank **rank)
{
    actor_post(rank_pipe(*rank), &kill_order);
    rank_stop(rank);
}

void
rank_pause(struct rank *r)
{
    actor_post(rank_pipe(r), &pause_order);
}

void
rank_resume(struct rank *r)
{
    actor_post(rank_pipe(r), &resume_order);
}

void *
rank_pipe(struct rank *r)
{
    return actor_pipe(r->actor);
}
