/* SPDX-License-Identifier: MPL-2.0 */
/* overlay_children.c - what comes from below.
 *
 * Whoever has not greeted is a client.  A rank that greets again, on a new connection, takes the place
 * of its former self: what that had been asked is failed first. */
#include "elog.h"
#include "overlay_priv.h"
#include "xmem.h"

#include <errno.h>
#include <string.h>

#define STRANGERS_MAX 64 // told WHO or REFUSE from one heartbeat to the next

struct child *
overlay_children_find(const struct overlay *o, uint32_t rank)
{
    for (size_t i = 0; i < o->nchildren; i++) {
        if (o->children[i].peer.rank == rank)
            return &o->children[i];
    }
    return NULL;
}

int
overlay_control_down(struct overlay *o, const struct msg_zmq_peer *to, enum control what,
                     const char *text)
{
    struct child *c = map_get(&o->by_identity, to);
    struct msg m;

    msg_init(&m, MSG_CONTROL);
    m.control = what;
    if (text)
        msg_set_text(&m, text);
    return c ? links_send(&c->outlet, &m) : links_send_down(o->links, to, &m);
}

/* What the child sent and we have taken, if it does not know yet. */
void
overlay_credit_down(struct overlay *o, struct child *c)
{
    struct msg m;

    if (c->peer.state != PEER_ONLINE || !receipt_has_news(&c->flow.in))
        return;
    o->stats.credits_sent[OVERLAY_CHILD]++;
    control_init_credit(&m, receipt_tell(&c->flow.in));
    links_send(&c->outlet, &m);
}

static struct overlay_from
from_child(const struct child *c)
{
    return (struct overlay_from){.kind = OVERLAY_CHILD, .rank = c->peer.rank, .peer = c->identity};
}

/* The child is not ONLINE any more: LOST or LEFT. */
static void
drop_child(struct overlay *o, struct child *c, enum peer_event why)
{
    struct overlay_from from = from_child(c);

    if (c->peer.state != PEER_ONLINE)
        return;
    map_remove(&o->by_identity, &c->identity);
    c->cut = false;
    peer_on(&c->peer, why, loop_now(o->loop));
    o->ops->child_gone(o->arg, c->peer.rank);
    overlay_release(o, &c->flow.out, &from);
    c->flow = (struct flow){0};
    links_outlet_flush(&c->outlet); // the same connection may have greeted again
    links_outlet_fini(&c->outlet);
    overlay_update_status(o);
}

void
overlay_children_lose(struct overlay *o, struct child *c, const char *why)
{
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
    for (size_t i = 0; i < o->nchildren; i++) {
        if (o->children[i].cut)
            overlay_children_lose(o, &o->children[i], "its connection is gone");
    }
}

/* Hellos of one run come by a connection each, and connections may overtake each other: an old one
 * must not take the place of a newer one. */
static bool
is_stale(const struct child *c, const struct greeting *g)
{
    return strcmp(c->uuid, g->uuid) == 0 && g->attempt < c->attempt;
}

static void
accept_child(struct overlay *o, struct child *c, const struct greeting *g,
             const struct msg_zmq_peer *identity)
{
    struct child *before = map_get(&o->by_identity, identity);
    struct greeting welcome = o->greeting;
    struct buf text = BUF_INIT;

    if (before) // I1: a connection is one child's only
        drop_child(o, before, PEER_EV_LOST);
    drop_child(o, c, PEER_EV_LOST);
    overlay_clients_forget(o, identity);
    c->identity = *identity;
    strcpy(c->uuid, g->uuid);
    c->attempt = g->attempt;
    links_outlet_init(&c->outlet, o->links, identity, true);
    window_init(&c->flow.out, o->child_window);
    receipt_init(&c->flow.in, o->child_window);
    peer_on(&c->peer, PEER_EV_ACCEPTED, loop_now(o->loop));
    c->peer.status = SUBTREE_PARTIAL;
    map_put(&o->by_identity, c);
    welcome.attempt = 0;
    welcome.window = (uint32_t)o->child_window; // GREETING_WINDOW_MAX at most
    greeting_encode(&welcome, &text);
    overlay_control_down(o, identity, CONTROL_WELCOME, buf_str(&text));
    buf_fini(&text);
    elog(ELOG_INFO, "child rank %u on %s is online", g->rank, g->hostname);
    overlay_update_status(o);
}

/* Who asks on and does not read must not make us queue without end: a child asks again. */
static void
tell_stranger(struct overlay *o, const struct msg_zmq_peer *to, enum control what, const char *text)
{
    if (o->told >= STRANGERS_MAX)
        return;
    o->told++;
    overlay_control_down(o, to, what, text);
}

static void
on_hello(struct overlay *o, const struct msg_zmq_peer *identity, const struct msg *m)
{
    const char *text = msg_text(m);
    struct greeting g;
    struct child *c;
    struct err err = {0};

    if (!text)
        err_set(&err, -EPROTO, "hello: not a text");
    else if (greeting_decode(text, strlen(text), &g, &err) == 0)
        greeting_check(&o->greeting, &g, &err);
    c = err.code == 0 ? overlay_children_find(o, g.rank) : NULL;
    if (err.code == 0 && !c)
        err_set(&err, -EPERM, "rank %u is not a child of rank %u", g.rank, o->conf.rank);
    if (err.code != 0) {
        elog_limited(&o->strange, ELOG_ERR, "refused a peer: %s", err.text);
        tell_stranger(o, identity, CONTROL_REFUSE, err.text);
        return;
    }
    if (!is_stale(c, &g))
        accept_child(o, c, &g, identity);
}

static void
on_child_status(struct overlay *o, struct child *c, uint32_t status)
{
    if (peer_report(&c->peer, status, loop_now(o->loop)))
        overlay_update_status(o);
}

static void
on_child_credit(struct overlay *o, struct child *c, const struct msg *m)
{
    struct overlay_from from = from_child(c);

    if (overlay_take_credit(o, OVERLAY_CHILD, &c->flow.out, m) == 1)
        o->ops->drained(o->arg, &from);
}

static void
on_child_control(struct overlay *o, struct child *c, const struct msg *m)
{
    switch (m->control) {
    case CONTROL_PING:
        overlay_control_down(o, &c->identity, CONTROL_PONG, NULL);
        on_child_status(o, c, m->status);
        break;
    case CONTROL_STATE:
        on_child_status(o, c, m->status);
        break;
    case CONTROL_CREDIT:
        on_child_credit(o, c, m);
        break;
    case CONTROL_BYE:
        elog(ELOG_INFO, "child rank %u left", c->peer.rank);
        drop_child(o, c, PEER_EV_LEFT);
        break;
    default:
        elog(ELOG_WARN, "child rank %u sent unknown control message %u", c->peer.rank, m->control);
    }
}

static void
on_control(struct overlay *o, const struct msg_zmq_peer *identity, struct child *c,
           const struct msg *m)
{
    if (m->control == CONTROL_HELLO)
        on_hello(o, identity, m);
    else if (c)
        on_child_control(o, c, m);
    else if (m->control == CONTROL_PING)
        tell_stranger(o, identity, CONTROL_WHO, NULL);
    else if (m->control == CONTROL_CREDIT)
        overlay_clients_credit(o, identity, m);
}

static void
from_a_child(struct overlay *o, struct child *c, struct msg *m)
{
    struct overlay_from from = from_child(c);
    uint64_t bytes = control_cost(m);

    overlay_count_received(o, OVERLAY_CHILD, m);
    if (control_is_counted(m) && receipt_took(&c->flow.in, bytes))
        overlay_credit_down(o, c);
    o->ops->received(o->arg, &from, m);
}

static void
from_a_client(struct overlay *o, const struct msg_zmq_peer *identity, struct msg *m)
{
    struct overlay_from from = {.kind = OVERLAY_CLIENT, .rank = TOPO_NONE, .peer = *identity};

    overlay_count_received(o, OVERLAY_CLIENT, m);
    if (m->type != MSG_REQUEST || overlay_clients_meet(o, identity, m))
        o->ops->received(o->arg, &from, m);
}

/* As a key: padded with zeros. */
static struct msg_zmq_peer
key_of(const struct msg_zmq_peer *peer)
{
    struct msg_zmq_peer key = {.len = peer->len};

    memcpy(key.id, peer->id, peer->len);
    return key;
}

/* Children only.  A child that we have given up may not know that yet. */
bool
overlay_children_may_bundle(void *arg, const struct msg_zmq_peer *peer)
{
    struct overlay *o = arg;
    struct msg_zmq_peer identity = key_of(peer);

    if (map_get(&o->by_identity, &identity))
        return true;
    if (!overlay_clients_find(o, &identity))
        tell_stranger(o, &identity, CONTROL_WHO, NULL);
    return false;
}

void
overlay_children_receive(void *arg, const struct msg_zmq_peer *peer, struct msg *m)
{
    struct overlay *o = arg;
    struct msg_zmq_peer identity = key_of(peer);
    struct child *c;

    c = map_get(&o->by_identity, &identity);
    if (c)
        peer_heard(&c->peer, loop_now(o->loop));
    if (m->type == MSG_CONTROL)
        on_control(o, &identity, c, m);
    else if (c)
        from_a_child(o, c, m);
    else
        from_a_client(o, &identity, m);
}
