/* SPDX-License-Identifier: MPL-2.0 */
/* overlay_parent.c - the way up: the ascent (ascent.h) says whom to greet and when; here it is done.
 *
 * link     welcomed                  refused, closed   silent, broken, WHO       BYE
 * trial    becomes `up`; a former    dropped           dropped                   dropped
 *          `up` becomes `old`
 * up       -                         -                 dropped: lose_parent()    dropped: lose_parent()
 * old      -                         -                 dropped                   nothing more is asked by it
 *
 * When a trial is dropped the ascent goes on; that of `up` or `old` ends a join: parent_gone().  `old` is
 * asked to let us go, and ends when all that was asked by it is answered, both ways, or after DRAIN_MS.
 * But a former `up` that has no way is told BYE and gone at once.  There is one `old` at a time: who would
 * be the next parent is declined until then.
 *
 * A REFUSE of our parent in the tree, before anybody has let us in, is final: the configuration is
 * wrong.  Any other only means to try elsewhere. */
#include "overlay_priv.h"
#include "xmem.h"

#define GREET_MIN_MS 250
#define COMPLAIN_MS 10000 // say again that nobody above can be reached
#define DRAIN_MS 30000    // streams through a former parent end then

static const char *
uri_of(const struct overlay *o, const struct uplink *u)
{
    return o->conf.endpoints[u->peer.rank];
}

void
overlay_parent_climb(struct overlay *o)
{
    loop_timer_start(o->loop, &o->climb, 0);
}

/* --- greeting --- */

static void
complain(struct overlay *o, uint32_t rank, int64_t now)
{
    if (o->complain_at == 0)
        o->complain_at = now + o->conf.heartbeat_ms;
    if (o->up.link || now < o->complain_at)
        return;
    elog(ELOG_WARN, "cannot reach %s, rank %u at %s; still trying%s",
         rank == o->ancestors[0] ? "the parent" : "anybody above", rank, o->conf.endpoints[rank],
         o->is_turned_away ? ": it ends the connection; has it the same certificate?" : "");
    o->complain_at = now + COMPLAIN_MS;
}

static void
greet(struct overlay *o, uint32_t candidate)
{
    uint32_t rank = o->ancestors[candidate];
    AUTO(buf) struct buf text = BUF_INIT;
    struct err err = {0};

    complain(o, rank, loop_now(o->loop));
    uplink_drop(&o->trial);
    if (uplink_open(&o->trial, o, rank, &err) < 0) {
        elog(ELOG_ERR, "%s", err.text);
        ascent_failed(&o->ascent, ASCENT_CLOSED, loop_now(o->loop));
        return;
    }
    o->greeting.attempt++;
    o->greeting.placed = o->up.link != NULL;
    greeting_encode(&o->greeting, &text);
    uplink_control(&o->trial, CONTROL_HELLO, o->status, buf_str(&text));
}

/* Do what the ascent wants, until it wants to wait. */
static void
climb(void *arg)
{
    struct overlay *o = arg;
    int64_t now = loop_now(o->loop);

    for (;;) {
        struct ascent_step step = ascent_tick(&o->ascent, now);

        switch (step.what) {
        case ASCENT_GREET:
            greet(o, step.candidate);
            break;
        case ASCENT_DROP:
            uplink_drop(&o->trial);
            break;
        case ASCENT_WAIT:
            if (step.at != INT64_MAX)
                loop_timer_start(o->loop, &o->climb, MAX(step.at - now, 0));
            return;
        }
    }
}

static void
fail_trial(struct overlay *o, enum ascent_end why)
{
    uplink_drop(&o->trial);
    ascent_failed(&o->ascent, why, loop_now(o->loop));
    overlay_parent_climb(o);
}

/* --- losing --- */

/* The link is over: who waits for room or an answer is told. */
static void
end_join(struct overlay *o, struct uplink *u, void (*end)(struct uplink *))
{
    struct overlay_from from = uplink_from(u);
    struct window window = u->flow.out;

    end(u);
    o->ops->parent_gone(o->arg, from.joined);
    overlay_release(o, &window, &from);
}

static void
lose_parent(struct overlay *o, enum ascent_end why, const char *text)
{
    uint32_t rank = o->up.peer.rank;

    elog(ELOG_WARN, "lost the parent, rank %u at %s: %s", rank, uri_of(o, &o->up), text);
    ascent_lost(&o->ascent, why, loop_now(o->loop));
    end_join(o, &o->up, uplink_drop);
    overlay_parent_climb(o);
}

/* Whichever of the three it is. */
void
overlay_parent_lose(struct overlay *o, struct uplink *u, enum ascent_end why, const char *text)
{
    if (u == &o->trial)
        fail_trial(o, why);
    else if (u == &o->old)
        end_join(o, u, uplink_drop);
    else
        lose_parent(o, why, text);
}

void
overlay_parent_reap(struct overlay *o)
{
    if (!o->old.link)
        return;
    if (uplink_is_drained(&o->old)) {
        uplink_control(&o->old, CONTROL_BYE, o->status, NULL);
        end_join(o, &o->old, uplink_close);
    } else if (loop_now(o->loop) >= o->old.until) {
        end_join(o, &o->old, uplink_drop);
    }
}

/* --- being let in --- */

/* A nearer one has let us in: ask nothing more of the former, and let it ask nothing more of us. */
static void
drain_parent(struct overlay *o)
{
    assert(!o->old.link);
    o->old = o->up;
    o->up = (struct uplink){0};
    peer_on(&o->old.peer, PEER_EV_LEAVING, loop_now(o->loop));
    o->old.until = loop_now(o->loop) + DRAIN_MS;
    uplink_control(&o->old, CONTROL_LEAVE, o->status, NULL);
}

/* One that has no way answers nothing any more. */
static void
retire_parent(struct overlay *o)
{
    if (!ascent_is_stranded(&o->ascent)) {
        drain_parent(o);
        return;
    }
    uplink_control(&o->up, CONTROL_BYE, o->status, NULL);
    end_join(o, &o->up, uplink_close);
}

static void
move_in(struct overlay *o, const struct greeting *g)
{
    if (o->up.link)
        retire_parent(o);
    o->up = o->trial;
    o->trial = (struct uplink){0};
    window_init(&o->up.flow.out, g->window);
    receipt_init(&o->up.flow.in, g->window);
    o->up.joined = ++o->joined;
    o->complain_at = 0;
    peer_on(&o->up.peer, PEER_EV_ACCEPTED, loop_now(o->loop));
    ascent_welcomed(&o->ascent, loop_now(o->loop));
    elog(ELOG_INFO, "%s rank %u on %s", ascent_is_home(&o->ascent) ? "joined parent" : "adopted by",
         g->rank, g->hostname);
    uplink_control(&o->up, CONTROL_STATE, o->status, NULL);
    o->ops->parent_online(o->arg, o->up.joined);
    overlay_parent_climb(o);
}

/* One link can be drained at a time: the next move waits. */
static bool
must_stay(const struct overlay *o)
{
    return o->up.link && o->old.link && !ascent_is_stranded(&o->ascent);
}

static void
decline(struct overlay *o)
{
    uplink_control(&o->trial, CONTROL_BYE, o->status, NULL);
    uplink_close(&o->trial);
    ascent_failed(&o->ascent, ASCENT_REFUSED, loop_now(o->loop));
    overlay_parent_climb(o);
}

void
overlay_parent_welcome(struct overlay *o, const struct greeting *g)
{
    if (must_stay(o))
        decline(o);
    else
        move_in(o, g);
}

void
overlay_parent_refused(struct overlay *o, const char *text)
{
    if (o->joined > 0 || o->trial.peer.rank != o->ancestors[0]) {
        elog(o->up.link ? ELOG_DEBUG : ELOG_WARN, "rank %u refused this rank: %s",
             o->trial.peer.rank, text);
        fail_trial(o, ASCENT_REFUSED);
        return;
    }
    loop_timer_stop(&o->climb);
    uplink_drop(&o->trial);
    o->ops->refused(o->arg, text);
}

/* --- for others --- */

/* 0 is the one in use. */
static bool
is_link_of(const struct overlay *o, const struct uplink *u, uint64_t joined)
{
    return u->link && (joined == u->joined || (joined == 0 && u == &o->up));
}

struct uplink *
overlay_parent_link(struct overlay *o, uint64_t joined)
{
    if (is_link_of(o, &o->up, joined))
        return &o->up;
    return is_link_of(o, &o->old, joined) ? &o->old : NULL;
}

bool
overlay_parent_is_full(const struct overlay *o, uint64_t joined)
{
    if (is_link_of(o, &o->up, joined))
        return window_is_full(&o->up.flow.out);
    return is_link_of(o, &o->old, joined) && window_is_full(&o->old.flow.out);
}

bool
overlay_has_no_way(const struct overlay *o)
{
    return o->conf.rank != 0 && ascent_has_no_way(&o->ascent);
}

bool
overlay_is_placed(const struct overlay *o)
{
    return o->conf.rank == 0 || (o->up.link && !ascent_is_stranded(&o->ascent));
}

/* --- time --- */

static void
beat_link(struct overlay *o, struct uplink *u, int64_t now)
{
    if (!u->link)
        return;
    if (peer_is_silent(&u->peer, o->conf.timeout_ms, now)) {
        overlay_parent_lose(o, u, ASCENT_SILENT, "no sign of life");
        return;
    }
    uplink_credit(u, o);
    uplink_control(u, CONTROL_PING, o->status, NULL);
}

void
overlay_parent_beat(struct overlay *o, int64_t now)
{
    if (o->up.link && peer_watch(&o->up.peer, o->conf.torpid_ms, now)) {
        bool is_torpid = o->up.peer.is_torpid;

        elog(ELOG_WARN, "the parent, rank %u at %s, is %s", o->up.peer.rank, uri_of(o, &o->up),
             is_torpid ? "slow to answer" : "lively again");
        o->ops->noticed(o->arg, is_torpid ? OVERLAY_TORPID : OVERLAY_LIVELY, o->up.peer.rank);
    }
    beat_link(o, &o->up, now);
    beat_link(o, &o->old, now);
    overlay_parent_reap(o);
}

/* --- life --- */

/* The nearest ancestors, and rank 0. */
static void
list_ancestors(struct overlay *o)
{
    const struct topo *topo = &o->conf.topo;
    uint32_t rank;

    o->ancestors = xcalloc(ASCENT_COUNT_MAX, sizeof(*o->ancestors));
    for (rank = topo_parent(topo, o->conf.rank); rank != TOPO_NONE;
         rank = topo_parent(topo, rank)) {
        if (o->nancestors < ASCENT_COUNT_MAX)
            o->nancestors++;
        o->ancestors[o->nancestors - 1] = rank;
    }
}

void
overlay_parent_init(struct overlay *o)
{
    const struct overlay_conf *c = &o->conf;
    struct ascent_conf conf = {
        .greet_ms = MAX(c->heartbeat_ms, GREET_MIN_MS),
        .greet_max_ms = 8 * MAX(c->heartbeat_ms, GREET_MIN_MS),
        .patience_ms = c->patience_ms > 0 ? c->patience_ms : 2 * c->timeout_ms,
        .retry_ms = MAX(c->heartbeat_ms / 10, 1),
        .retry_max_ms = 4 * c->heartbeat_ms,
        .probe_ms = c->heartbeat_ms,
        .probe_max_ms = 30 * c->heartbeat_ms,
        .steady_ms = 60 * c->heartbeat_ms,
        .seed = c->seed,
    };

    loop_timer_init(&o->climb, climb, o);
    if (c->rank == 0)
        return;
    list_ancestors(o);
    conf.count = o->nancestors;
    ascent_init(&o->ascent, &conf, loop_now(o->loop));
    overlay_parent_climb(o);
}

void
overlay_parent_mute(struct overlay *o)
{
    loop_timer_stop(&o->climb);
    uplink_drop(&o->up);
    uplink_drop(&o->trial);
    uplink_drop(&o->old);
}

void
overlay_parent_free(struct overlay *o)
{
    loop_timer_stop(&o->climb);
    if (o->up.link)
        uplink_control(&o->up, CONTROL_BYE, o->status, NULL);
    uplink_close(&o->up);
    uplink_drop(&o->trial);
    uplink_drop(&o->old);
    free(o->ancestors);
}
