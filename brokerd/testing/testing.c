/* SPDX-License-Identifier: MPL-2.0 */
/* testing.c - see lib/xylem-testing.h: a cluster whose ranks (rank.h) are threads of one process.
 *
 * state      kill, leave   restart   pause     resume
 * DOWN       -             RUNNING   -         -
 * RUNNING    DOWN          -         PAUSED    RUNNING
 * PAUSED     DOWN          -         PAUSED    RUNNING
 *
 * A rank also ends, in order, when the instance is shut down: that is seen while somebody waits.
 *
 * The tree is inproc://.  There, nobody hears of the end of a connection: a rank that was killed is
 * missed when something is sent to it, or it is silent for too long.  Traps of libzmq:
 * - the name of a socket that was closed is free only a moment later;
 * - a socket that has connected to a name that nobody has bound is never freed, until somebody does.
 */
#include "actor.h"
#include "clock.h"
#include "testing_priv.h"
#include "xmem.h"

#include <czmq.h>
#include <errno.h>
#include <unistd.h>
#include <stdio.h>

#define START_MS 30000
#define NAME_MS 5000 // that of a closed socket is free by then

/* --- ranks --- */

/* NULL and an error: there is none, or not in this process. */
static struct testing_rank *
find_rank(struct xylem_cluster *c, uint32_t rank)
{
    if (c->pid != getpid())
        err_set(&c->err, -ENOTSUP, "the ranks are those of process %d, which has forked this one",
                (int)c->pid);
    else if (rank >= c->size)
        err_set(&c->err, -EINVAL, "there is no rank %u", rank);
    else
        return &c->ranks[rank];
    return NULL;
}

/* NULL with an error also if it is down. */
static struct testing_rank *
find_living(struct xylem_cluster *c, uint32_t rank)
{
    struct testing_rank *r = find_rank(c, rank);

    if (!r || r->state != TESTING_DOWN)
        return r;
    err_set(&c->err, -ESRCH, "rank %u is down", rank);
    return NULL;
}

static int
start_rank(struct xylem_cluster *c, uint32_t rank)
{
    struct testing_rank *r = &c->ranks[rank];
    int64_t deadline = clock_ms() + NAME_MS;
    int rc;

    while ((rc = rank_start(&r->rank, &r->conf, &c->err)) == -EADDRINUSE && clock_ms() < deadline)
        testing_nap();
    if (rc < 0)
        return err_prefix(&c->err, rc, "rank %u", rank);
    r->state = TESTING_RUNNING;
    r->complete = false;
    return 0;
}

void
testing_end_rank(struct xylem_cluster *c, uint32_t rank)
{
    struct testing_rank *r = &c->ranks[rank];

    if (r->state == TESTING_PAUSED)
        rank_resume(r->rank);
    r->state = TESTING_DOWN;
    rank_stop(&r->rank);
}

static void
kill_rank(struct xylem_cluster *c, uint32_t rank)
{
    struct testing_rank *r = &c->ranks[rank];

    r->state = TESTING_DOWN;
    rank_kill(&r->rank);
    if (c->net)
        testing_net_reset(c->net, rank);
}

/* --- the cluster --- */

static int
wait_until_joined(struct xylem_cluster *c)
{
    int64_t deadline = clock_ms() + START_MS;
    int rc;

    while ((rc = testing_take_news(c)) == 0 && testing_missing(c) != TOPO_NONE) {
        if (clock_ms() >= deadline)
            return err_set(&c->err, -ETIMEDOUT, "rank %u has not joined after %d s",
                           testing_missing(c), START_MS / 1000);
        testing_nap();
    }
    return rc;
}

static int
start_all(struct xylem_cluster *c, const struct xylem_testing_conf *conf)
{
    int rc = testing_configure(c, conf);

    for (uint32_t i = 0; rc == 0 && i < c->size; i++)
        rc = start_rank(c, i);
    return rc == 0 ? wait_until_joined(c) : rc;
}

/* Those below first: they flush to their parents. */
static void
end_all(struct xylem_cluster *c)
{
    if (c->net)
        testing_net_cut(c->net, TESTING_NET_ANY, TESTING_NET_ANY, false);
    for (uint32_t i = 0; i < c->size; i++) {
        if (c->ranks[i].state == TESTING_PAUSED)
            rank_resume(c->ranks[i].rank);
    }
    for (uint32_t i = c->size; i-- > 0;) {
        if (c->ranks[i].state != TESTING_DOWN)
            testing_end_rank(c, i);
    }
}

/* Sockets that wait for a rank to come back. */
static void
release_waiting(struct xylem_cluster *c)
{
    for (uint32_t i = 0; i < c->size; i++) {
        zsock_t *sock = zsock_new(ZMQ_PAIR);
        int64_t deadline = clock_ms() + NAME_MS;

        assert(sock);
        while (zmq_bind(zsock_resolve(sock), c->ranks[i].listen) < 0 && clock_ms() < deadline)
            testing_nap();
        zsock_destroy(&sock);
    }
}

int
xylem_testing_start(xylem_cluster_t **ret, const struct xylem_testing_conf *conf, char *errors)
{
    static const struct xylem_testing_conf defaults;
    struct xylem_cluster *c;
    int rc;

    *ret = NULL;
    if (!testing_process_init()) {
        if (errors)
            snprintf(errors, XYLEM_ERROR_MAX, "no ranks in a child that was forked after others");
        return -ENOTSUP;
    }
    c = xcalloc(1, sizeof(*c));
    list_init(&c->node);
    testing_enlist(c);
    rc = start_all(c, conf ? conf : &defaults);
    if (rc < 0 && errors)
        snprintf(errors, XYLEM_ERROR_MAX, "%s", c->err.text);
    *ret = c;
    if (rc < 0)
        xylem_testing_stop(ret);
    return rc;
}

void
xylem_testing_stop(xylem_cluster_t **cluster)
{
    struct xylem_cluster *c = TAKE(*cluster);

    if (!c || c->pid != getpid()) // in a forked child there is nothing to stop
        return;
    testing_delist(c);
    end_all(c);
    testing_net_stop(&c->net);
    release_waiting(c);
    testing_unconfigure(c);
    free(c);
}

const char *
xylem_testing_error(const xylem_cluster_t *c)
{
    return c->err.text;
}

uint32_t
xylem_testing_size(const xylem_cluster_t *c)
{
    return c->size;
}

const char *
xylem_testing_uri(const xylem_cluster_t *c, uint32_t rank)
{
    return rank < c->size ? c->ranks[rank].uri : NULL;
}

/* --- what can be done to a rank --- */

int
xylem_testing_open(xylem_cluster_t *c, uint32_t rank, xylem_t **ret)
{
    const struct testing_rank *r = find_living(c, rank);
    char text[XYLEM_ERROR_MAX];
    int rc;

    if (!r)
        return c->err.code;
    if (r->state == TESTING_PAUSED)
        return err_set(&c->err, -EAGAIN, "rank %u is paused", rank);
    rc = xylem_open(ret, r->uri, NULL, text);
    return rc < 0 ? err_set(&c->err, rc, "%s", text) : 0;
}

int
xylem_testing_kill(xylem_cluster_t *c, uint32_t rank)
{
    if (!find_living(c, rank))
        return c->err.code;
    kill_rank(c, rank);
    return 0;
}

int
xylem_testing_leave(xylem_cluster_t *c, uint32_t rank)
{
    if (!find_living(c, rank))
        return c->err.code;
    testing_end_rank(c, rank);
    return 0;
}

int
xylem_testing_restart(xylem_cluster_t *c, uint32_t rank)
{
    const struct testing_rank *r = find_rank(c, rank);

    if (!r)
        return c->err.code;
    if (r->state != TESTING_DOWN)
        return err_set(&c->err, -EBUSY, "rank %u is not down", rank);
    return start_rank(c, rank);
}

int
xylem_testing_pause(xylem_cluster_t *c, uint32_t rank)
{
    struct testing_rank *r = find_living(c, rank);

    if (!r)
        return c->err.code;
    if (r->state == TESTING_RUNNING)
        rank_pause(r->rank);
    r->state = TESTING_PAUSED;
    return 0;
}

int
xylem_testing_resume(xylem_cluster_t *c, uint32_t rank)
{
    struct testing_rank *r = find_living(c, rank);

    if (!r)
        return c->err.code;
    if (r->state == TESTING_PAUSED)
        rank_resume(r->rank);
    r->state = TESTING_RUNNING;
    return 0;
}

/* --- what can be done to the network --- */

static int
change_net(struct xylem_cluster *c, uint32_t from, uint32_t to, bool cut)
{
    if ((from != XYLEM_RANK_ANY && !find_rank(c, from)) ||
        (to != XYLEM_RANK_ANY && !find_rank(c, to)))
        return c->err.code;
    if (!c->net)
        return err_set(&c->err, -ENOTSUP, "the cluster was started without a network");
    testing_net_cut(c->net, from, to, cut);
    return 0;
}

int
xylem_testing_cut(xylem_cluster_t *c, uint32_t from, uint32_t to)
{
    return change_net(c, from, to, true);
}

int
xylem_testing_heal(xylem_cluster_t *c, uint32_t from, uint32_t to)
{
    return change_net(c, from, to, false);
}
