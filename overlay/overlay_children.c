/* SPDX-License-Identifier: MPL-2.0 */
/* overlay_children.c - the children: those of the tree, and those that are adopted; and how they are lost.
 *
 * A descendant that is none of our children in the tree has lost those between: it is adopted.  It is
 * forgotten when it leaves.  When it is lost it is kept as LOST, for its parent in the tree cannot tell,
 * until one between is a child of ours and online.
 *
 * I1  no child that is adopted and LOST is below another that is online. */
#include "elog.h"
#include "overlay_priv.h"
#include "xmem.h"

#include <string.h>

/* --- the table --- */

static struct child *
add_child(struct overlay *o, uint32_t rank, bool adopted)
{
    struct child *c = xcalloc(1, sizeof(*c));

    peer_init(&c->peer, rank, loop_now(o->loop));
    c->adopted = adopted;
    o->children = xrealloc(o->children, (o->nchildren + 1) * sizeof(struct child *));
    o->children[o->nchildren++] = c;
    return c;
}

struct child *
overlay_children_adopt(struct overlay *o, uint32_t rank)
{
    return add_child(o, rank, true);
}

void
overlay_children_init(struct overlay *o)
{
    o->nhome = topo_child_count(&o->conf.topo, o->conf.rank);
    for (uint32_t i = 0; i < o->nhome; i++)
        add_child(o, topo_child(&o->conf.topo, o->conf.rank, i), false);
    o->child_window = MAX(GREETING_WINDOW_MAX / MAX(o->nhome, 1), GREETING_WINDOW_MIN);
}

static void
say_goodbye(struct overlay *o, struct child *c)
{
    if (!peer_is_linked(&c->peer))
        return;
    overlay_control_down(o, &c->identity, CONTROL_BYE, NULL);
    links_outlet_flush(&c->outlet);
    links_outlet_fini(&c->outlet);
}

void
overlay_children_free(struct overlay *o)
{
    for (size_t i = 0; i < o->nchildren; i++) {
        say_goodbye(o, o->children[i]);
        free(o->children[i]);
    }
    free(o->children);
}

void
overlay_children_mute(struct overlay *o)
{
    for (size_t i = 0; i < o->nchildren; i++) {
        struct child *c = o->children[i];

        if (!peer_is_linked(&c->peer))
            continue;
        map_remove(&o->by_identity, &c->identity);
        links_outlet_fini(&c->outlet);
        peer_on(&c->peer, PEER_EV_LOST, loop_now(o->loop));
    }
}

static void
forget_child(struct overlay *o, struct child *c)
{
    size_t i = o->nhome;

    assert(c->adopted);
    while (o->children[i] != c)
        i++;
    memmove(&o->children[i], &o->children[i + 1], (o->nchildren - i - 1) * sizeof(struct child *));
    o->nchildren--;
    free(c);
}

/* Those of the tree are numbered in sequence (topo.h). */
struct child *
overlay_children_find(const struct overlay *o, uint32_t rank)
{
    uint32_t first = o->nhome > 0 ? o->children[0]->peer.rank : 0;

    if (rank >= first && rank - first < o->nhome)
        return o->children[rank - first];
    for (size_t i = o->nhome; i < o->nchildren; i++) {
        if (o->children[i]->peer.rank == rank)
            return o->children[i];
    }
    return NULL;
}

struct child *
overlay_children_toward(const struct overlay *o, uint32_t rank)
{
    for (; rank != TOPO_NONE && rank > o->conf.rank; rank = topo_parent(&o->conf.topo, rank)) {
        struct child *c = overlay_children_find(o, rank);

        if (c && c->peer.state == PEER_ONLINE)
            return c;
    }
    return NULL;
}

/* --- telling --- */

void
overlay_credit_child(struct overlay *o, struct child *c)
{
    struct msg m;

    if (!peer_is_linked(&c->peer) || !receipt_has_news(&c->flow.in))
        return;
    o->stats.credits_sent[OVERLAY_CHILD]++;
    control_init_credit(&m, receipt_tell(&c->flow.in));
    links_send(&c->outlet, &m);
}

struct overlay_from
overlay_from_child(const struct child *c)
{
    return (struct overlay_from){.kind = OVERLAY_CHILD, .rank = c->peer.rank, .peer = c->identity};
}

/* --- losing --- */

/* I1: their way home goes through one that is online again. */
void
overlay_children_forget_below(struct overlay *o, uint32_t rank)
{
    for (size_t i = o->nchildren; i > o->nhome; i--) {
        struct child *c = o->children[i - 1];

        if (c->peer.state == PEER_LOST && topo_is_below(&o->conf.topo, c->peer.rank, rank))
            forget_child(o, c);
    }
}

/* The link is over: LOST or LEFT. */
static void
drop_link(struct overlay *o, struct child *c, enum peer_event why)
{
    struct overlay_from from = overlay_from_child(c);

    assert(peer_is_linked(&c->peer));
    map_remove(&o->by_identity, &c->identity);
    c->cut = false;
    peer_on(&c->peer, why, loop_now(o->loop));
    o->ops->child_gone(o->arg, from.rank);
    overlay_release(o, &c->flow.out, &from);
    c->flow = (struct flow){0};
    links_outlet_flush(&c->outlet); // the same connection may have greeted again
    links_outlet_fini(&c->outlet);
}

void
overlay_children_unlink(struct overlay *o, struct child *c)
{
    drop_link(o, c, PEER_EV_LOST);
}

/* One that is adopted may be gone altogether afterwards. */
static void
drop_child(struct overlay *o, struct child *c, enum peer_event why)
{
    uint32_t rank = c->peer.rank;

    drop_link(o, c, why);
    o->ops->noticed(o->arg, why == PEER_EV_LEFT ? OVERLAY_LEFT : OVERLAY_LOST, rank);
    if (c->adopted && (why == PEER_EV_LEFT || overlay_children_toward(o, rank)))
        forget_child(o, c);
    overlay_update_status(o);
}

void
overlay_children_leave(struct overlay *o, struct child *c)
{
    drop_child(o, c, PEER_EV_LEFT);
}

void
overlay_children_lose(struct overlay *o, struct child *c, const char *why)
{
    if (c->peer.state == PEER_LEAVING) {
        drop_child(o, c, PEER_EV_LEFT);
        return;
    }
    elog(ELOG_WARN, "lost child rank %u: %s", c->peer.rank, why);
    drop_child(o, c, PEER_EV_LOST);
}

void
overlay_children_cut(struct overlay *o, struct child *c)
{
    c->cut = true;
    loop_timer_start(o->loop, &o->reap, 0);
}

void
overlay_children_on_cut(void *arg, const struct msg_zmq_peer *peer)
{
    struct overlay *o = arg;
    struct child *c = map_get(&o->by_identity, peer);

    if (c)
        overlay_children_cut(o, c);
}

void
overlay_children_reap(struct overlay *o)
{
    for (size_t i = o->nchildren; i > 0; i--) {
        if (o->children[i - 1]->cut)
            overlay_children_lose(o, o->children[i - 1], "its connection is gone");
    }
}

static void
watch(struct overlay *o, struct child *c, int64_t now)
{
    if (!peer_watch(&c->peer, o->conf.torpid_ms, now))
        return;
    elog(ELOG_WARN, "child rank %u is %s", c->peer.rank,
         c->peer.is_torpid ? "slow to answer" : "lively again");
    o->ops->noticed(o->arg, c->peer.is_torpid ? OVERLAY_TORPID : OVERLAY_LIVELY, c->peer.rank);
}

void
overlay_children_beat(struct overlay *o, int64_t now)
{
    for (size_t i = o->nchildren; i > 0; i--) {
        struct child *c = o->children[i - 1];

        watch(o, c, now);
        if (peer_is_silent(&c->peer, o->conf.timeout_ms, now))
            overlay_children_lose(o, c, "no sign of life");
        else
            overlay_credit_child(o, c);
    }
}
