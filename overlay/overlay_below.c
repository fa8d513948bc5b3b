/* SPDX-License-Identifier: MPL-2.0 */
/* overlay_below.c - what comes from below.
 *
 * Whoever has not greeted is a client.  A rank that greets again, on a new connection, takes the place
 * of its former self: what that had been asked is failed first.  One that is none of our children in the
 * tree is adopted. */
#include "elog.h"
#include "overlay_priv.h"
#include "zap.h"

#include <errno.h>
#include <string.h>

#define STRANGERS_MAX 64 // told WHO or REFUSE from one heartbeat to the next

/* --- telling --- */

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

/* --- letting in --- */

/* Hellos of one run come by a connection each, and connections may overtake each other: an old one
 * must not take the place of a newer one. */
static bool
is_stale(const struct child *c, const struct greeting *g)
{
    return strcmp(c->uuid, g->uuid) == 0 && g->attempt < c->attempt;
}

static void
welcome(struct overlay *o, const struct child *c)
{
    struct greeting welcome = o->greeting;
    AUTO(buf) struct buf text = BUF_INIT;

    welcome.attempt = 0;
    welcome.placed = 0;
    welcome.window = (uint32_t)c->flow.out.limit; // GREETING_WINDOW_MAX at most
    greeting_encode(&welcome, &text);
    overlay_control_down(o, &c->identity, CONTROL_WELCOME, buf_str(&text));
}

/* Those that were adopted for want of this one can go home. */
static void
call_home(struct overlay *o, uint32_t rank)
{
    for (size_t i = o->nhome; i < o->nchildren; i++) {
        struct child *c = o->children[i];
        struct msg m;

        if (c->peer.state != PEER_ONLINE || c->peer.rank == rank ||
            !topo_is_below(&o->conf.topo, c->peer.rank, rank))
            continue;
        msg_init(&m, MSG_CONTROL);
        m.control = CONTROL_NEARER;
        m.status = rank;
        links_send(&c->outlet, &m);
    }
}

/* The connection is one child's only, and its former self is over. */
static void
clear_place(struct overlay *o, struct child *c, const struct msg_zmq_peer *identity)
{
    struct child *before = map_get(&o->by_identity, identity);

    if (before && before != c)
        overlay_children_lose(o, before, "it greets as another");
    if (peer_is_linked(&c->peer))
        overlay_children_unlink(o, c);
    overlay_clients_forget(o, identity);
}

static void
accept_child(struct overlay *o, struct child *c, const struct greeting *g,
             const struct msg_zmq_peer *identity)
{
    uint64_t window = c->adopted ? GREETING_WINDOW_MIN : o->child_window;

    clear_place(o, c, identity);
    c->identity = *identity;
    strcpy(c->uuid, g->uuid);
    strcpy(c->hostname, g->hostname);
    c->attempt = g->attempt;
    links_outlet_init(&c->outlet, o->links, identity, true);
    window_init(&c->flow.out, window);
    receipt_init(&c->flow.in, window);
    peer_on(&c->peer, PEER_EV_ACCEPTED, loop_now(o->loop));
    c->peer.status = SUBTREE_PARTIAL;
    map_put(&o->by_identity, c);
    welcome(o, c);
    elog(ELOG_INFO, "child rank %u on %s is online%s", g->rank, g->hostname,
         c->adopted ? ": adopted" : "");
    overlay_children_forget_below(o, g->rank);
    call_home(o, g->rank);
    overlay_update_status(o);
    o->ops->noticed(o->arg, OVERLAY_JOINED, g->rank);
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
    else if (o->conf.cert && (!m->sender || strcmp(m->sender, ZAP_RANK) != 0))
        err_set(&err, -EPERM, "a hello with a key that is no rank's");
    else if (greeting_decode(text, strlen(text), &g, &err) < 0)
        err_prefix(&err, err.code, "hello");
    else
        greeting_check(&o->greeting, &g, &err);
    if (err.code != 0) {
        elog_limited(&o->strange, ELOG_ERR, "refused a peer: %s", err.text);
        tell_stranger(o, identity, CONTROL_REFUSE, err.text);
        return;
    }
    if (g.placed && !overlay_is_placed(o)) { // it would come from bad to worse
        tell_stranger(o, identity, CONTROL_REFUSE, "nobody above is in reach of this rank");
        return;
    }
    c = overlay_children_find(o, g.rank);
    if (!c)
        c = overlay_children_adopt(o, g.rank);
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
    struct overlay_from from = overlay_from_child(c);

    if (overlay_take_credit(o, OVERLAY_CHILD, &c->flow.out, m) == 1)
        o->ops->drained(o->arg, &from);
}

/* A nearer parent has let it in.  Nothing follows our BYE but answers. */
static void
on_leave(struct overlay *o, struct child *c)
{
    if (!peer_on(&c->peer, PEER_EV_LEAVING, loop_now(o->loop)))
        return;
    elog(ELOG_INFO, "child rank %u goes to a nearer parent", c->peer.rank);
    overlay_control_down(o, &c->identity, CONTROL_BYE, NULL);
    overlay_update_status(o);
}

/* A child of ours may look elsewhere while we have nobody above. */
static void
answer_ping(struct overlay *o, struct child *c)
{
    struct msg m;

    msg_init(&m, MSG_CONTROL);
    m.control = CONTROL_PONG;
    m.status = overlay_has_no_way(o) ? CONTROL_NO_WAY : 0;
    links_send(&c->outlet, &m);
}

static void
on_child_control(struct overlay *o, struct child *c, const struct msg *m)
{
    switch (m->control) {
    case CONTROL_PING:
        answer_ping(o, c);
        on_child_status(o, c, m->status);
        break;
    case CONTROL_STATE:
        on_child_status(o, c, m->status);
        break;
    case CONTROL_CREDIT:
        on_child_credit(o, c, m);
        break;
    case CONTROL_LEAVE:
        on_leave(o, c);
        break;
    case CONTROL_BYE:
        elog(ELOG_INFO, "child rank %u left", c->peer.rank);
        overlay_children_leave(o, c);
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
    struct overlay_from from = overlay_from_child(c);
    uint64_t bytes = control_cost(m);

    overlay_count_received(o, OVERLAY_CHILD, m);
    if (control_is_counted(m) && receipt_took(&c->flow.in, bytes))
        overlay_credit_child(o, c);
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

/* Children only.  A child that we have given up may not know that yet, and looks like a client if a request
 * of it came first. */
bool
overlay_below_may_bundle(void *arg, const struct msg_zmq_peer *peer)
{
    struct overlay *o = arg;
    struct msg_zmq_peer identity = key_of(peer);

    if (map_get(&o->by_identity, &identity))
        return true;
    tell_stranger(o, &identity, CONTROL_WHO, NULL);
    return false;
}

void
overlay_below_receive(void *arg, const struct msg_zmq_peer *peer, struct msg *m)
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
