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

struct child *
overlay_children_find(const struct overlay *o, uint32_t rank)
{
    for (size_t i = 0; i < o->nchildren; i++) {
        if (o->children[i].peer.rank == rank)
            return &o->children[i];
    }
    return NULL;
}

void
overlay_control_down(struct overlay *o, const struct msg_zmq_peer *to, enum control what,
                     const char *text)
{
    struct msg m;

    msg_init(&m, MSG_CONTROL);
    m.control = what;
    if (text)
        msg_set_text(&m, text);
    links_send_down(o->links, to, &m);
}

/* The child is not ONLINE any more: LOST or LEFT. */
static void
drop_child(struct overlay *o, struct child *c, enum peer_event why)
{
    if (c->peer.state != PEER_ONLINE)
        return;
    map_remove(&o->by_identity, &c->identity);
    c->cut = false;
    peer_on(&c->peer, why, loop_now(o->loop));
    o->ops->child_gone(o->arg, c->peer.rank);
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
overlay_children_reap(void *arg)
{
    struct overlay *o = arg;

    for (size_t i = 0; i < o->nchildren; i++) {
        if (o->children[i].cut)
            overlay_children_lose(o, &o->children[i], "its connection is gone");
    }
}

static void
accept_child(struct overlay *o, struct child *c, const struct greeting *g,
             const struct msg_zmq_peer *identity)
{
    struct child *before = map_get(&o->by_identity, identity);
    struct buf text = BUF_INIT;

    if (before) // I1: a connection is one child's only
        drop_child(o, before, PEER_EV_LOST);
    drop_child(o, c, PEER_EV_LOST);
    c->identity = *identity;
    peer_on(&c->peer, PEER_EV_ACCEPTED, loop_now(o->loop));
    c->peer.status = SUBTREE_PARTIAL;
    map_put(&o->by_identity, c);
    greeting_encode(&o->greeting, &text);
    overlay_control_down(o, identity, CONTROL_WELCOME, buf_str(&text));
    buf_fini(&text);
    elog(ELOG_INFO, "child rank %u on %s is online", g->rank, g->hostname);
    overlay_update_status(o);
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
        elog(ELOG_ERR, "refused a peer: %s", err.text);
        overlay_control_down(o, identity, CONTROL_REFUSE, err.text);
        return;
    }
    accept_child(o, c, &g, identity);
}

static void
on_child_status(struct overlay *o, struct child *c, uint32_t status)
{
    if (peer_report(&c->peer, status, loop_now(o->loop)))
        overlay_update_status(o);
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
    case CONTROL_BYE:
        elog(ELOG_INFO, "child rank %u left", c->peer.rank);
        drop_child(o, c, PEER_EV_LEFT);
        break;
    default:
        elog(ELOG_WARN, "child rank %u sent unknown control message %u", c->peer.rank, m->control);
    }
}

void
overlay_children_receive(void *arg, const struct msg_zmq_peer *peer, struct msg *m)
{
    struct overlay *o = arg;
    struct msg_zmq_peer key = {.len = peer->len};
    struct overlay_from from;
    struct child *c;

    memcpy(key.id, peer->id, peer->len);
    c = map_get(&o->by_identity, &key);
    if (c)
        peer_heard(&c->peer, loop_now(o->loop));
    if (m->type == MSG_CONTROL) {
        if (m->control == CONTROL_HELLO)
            on_hello(o, &key, m);
        else if (c)
            on_child_control(o, c, m);
        else if (m->control == CONTROL_PING)
            overlay_control_down(o, &key, CONTROL_WHO, NULL);
        return;
    }
    from = (struct overlay_from){.kind = c ? OVERLAY_CHILD : OVERLAY_CLIENT,
                                 .rank = c ? c->peer.rank : TOPO_NONE,
                                 .peer = key};
    o->ops->received(o->arg, &from, m);
}
