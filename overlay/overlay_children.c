/* SPDX-License-Identifier: MPL-2.0 */
/* overlay_children.c - what comes from below.
 *
 * Whoever has not greeted is a client.  A rank that greets again, on a new connection, takes the place
 * of its former self: what that had been asked is failed first.
 *
 * A descendant that is none of our children in the tree has lost those between: it is adopted.  It is
 * forgotten when it leaves.  When it is lost it is kept as LOST, for its parent in the tree cannot tell,
 * until one between is a child of ours and online.
 *
 * I1  no child that is adopted and LOST is below another that is online. */
#include "elog.h"
#include "overlay_priv.h"
#include "xmem.h"
#include "zap.h"

#include <errno.h>
#include <string.h>

#define STRANGERS_MAX 64 // told WHO or REFUSE from one heartbeat to the next

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

    while (o->children[i] != c)
        i++;
    memmove(&o->children[i], &o->children[i + 1], (o->nchildren - i - 1) * sizeof(struct child *));
    o->nchildren--;
    free(c);
}

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

/* Is there an online child of ours on the way down to `rank`, or is it one? */
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
static void
credit_down(struct overlay *o, struct child *c)
{
    struct msg m;

    if (!peer_is_linked(&c->peer) || !receipt_has_news(&c->flow.in))
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

/* --- losing --- */

/* I1: their way home goes through one that is online again. */
static void
forget_lost_below(struct overlay *o, uint32_t rank)
{
    for (size_t i = o->nchildren; i > o->nhome; i--) {
        struct child *c = o->children[i - 1];

        if (c->peer.state == PEER_LOST && topo_is_below(&o->conf.topo, c->peer.rank, rank))
            forget_child(o, c);
    }
}

/* The link is over: LOST or LEFT.  One that is adopted may be gone altogether afterwards. */
static void
drop_link(struct overlay *o, struct child *c, enum peer_event why)
{
    struct overlay_from from = from_child(c);

    if (!peer_is_linked(&c->peer))
        return;
    map_remove(&o->by_identity, &c->identity);
    c->cut = false;
    peer_on(&c->peer, why, loop_now(o->loop));
    o->ops->child_gone(o->arg, from.rank);
    overlay_release(o, &c->flow.out, &from);
    c->flow = (struct flow){0};
    links_outlet_flush(&c->outlet); // the same connection may have greeted again
    links_outlet_fini(&c->outlet);
}

static void
drop_child(struct overlay *o, struct child *c, enum peer_event why)
{
    uint32_t rank = c->peer.rank;

    if (!peer_is_linked(&c->peer))
        return;
    drop_link(o, c, why);
    o->ops->noticed(o->arg, why == PEER_EV_LEFT ? OVERLAY_LEFT : OVERLAY_LOST, rank);
    if (c->adopted && (why == PEER_EV_LEFT || overlay_children_toward(o, rank)))
        forget_child(o, c);
    overlay_update_status(o);
}

static void
lose_child(struct overlay *o, struct child *c, const char *why)
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
            lose_child(o, o->children[i - 1], "its connection is gone");
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
            lose_child(o, c, "no sign of life");
        else
            credit_down(o, c);
    }
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
        lose_child(o, before, "it greets as another");
    drop_link(o, c, PEER_EV_LOST);
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
    forget_lost_below(o, g->rank);
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
    else if (greeting_decode(text, strlen(text), &g, &err) == 0)
        greeting_check(&o->greeting, &g, &err);
    if (err.code != 0) {
        elog_limited(&o->strange, ELOG_ERR, "refused a peer: %s", err.text);
        tell_stranger(o, identity, CONTROL_REFUSE, err.text);
        return;
    }
    if (g.placed && !overlay_parent_is_placed(o)) { // it would come from bad to worse
        tell_stranger(o, identity, CONTROL_REFUSE, "nobody above is in reach of this rank");
        return;
    }
    c = overlay_children_find(o, g.rank);
    if (!c)
        c = add_child(o, g.rank, true);
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
    m.status = overlay_parent_is_stranded(o);
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
        credit_down(o, c);
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
overlay_children_may_bundle(void *arg, const struct msg_zmq_peer *peer)
{
    struct overlay *o = arg;
    struct msg_zmq_peer identity = key_of(peer);

    if (map_get(&o->by_identity, &identity))
        return true;
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
