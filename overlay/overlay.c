/* SPDX-License-Identifier: MPL-2.0 */
/* overlay.c - see overlay.h.
 *
 * Neighbours speak MSG_CONTROL messages (xylem-overlay(7), "Control messages"):
 *
 *   child  -> parent   HELLO greeting, PING status, STATE status, BYE
 *   parent -> child    WELCOME greeting, REFUSE text, PONG, WHO, BYE
 *
 * A child greets as soon as it is connected, and again on a fresh connection every GREETING_MS
 * until it is answered.  From then on it pings; each side counts anything it hears as a sign of
 * life and declares the other lost after `timeout_ms` of silence.  A parent that does not know the
 * sender of a ping (it was restarted, or had given the child up) asks WHO, and the child begins
 * anew.  Whoever has not greeted is a client.
 *
 * Invariants:
 *  I1  by_identity holds exactly the children that are ONLINE.
 *  I2  a message goes up only while the parent is ONLINE: after a loss nothing reaches a parent
 *      that has not let us in again.
 */
#include "overlay.h"
#include "elog.h"
#include "greeting.h"
#include "links.h"
#include "map.h"
#include "xmem.h"

#include <czmq.h>
#include <errno.h>

#define GREETING_MS 1000  // try a fresh connection when a hello stays unanswered this long
#define COMPLAIN_MS 10000 // say again that the parent cannot be reached

enum control {
    CONTROL_HELLO = 1,
    CONTROL_WELCOME = 2,
    CONTROL_REFUSE = 3,
    CONTROL_PING = 4,
    CONTROL_PONG = 5,
    CONTROL_STATE = 6,
    CONTROL_WHO = 7,
    CONTROL_BYE = 8,
};

struct child {
    struct peer peer;
    struct msg_zmq_peer identity; // key of by_identity while ONLINE; zero-padded
    char uuid[GREETING_WORD_MAX]; // of the run that greeted
};

struct overlay {
    struct overlay_conf conf;      // strings borrowed
    const struct overlay_ops *ops; // borrowed
    void *arg;                     // borrowed
    struct loop *loop;             // borrowed
    struct links *links;           // owned
    struct greeting greeting;      // what we say of ourselves
    struct peer parent;            // unused at rank 0
    int64_t complain_at;           // ms: when to log again that the parent is out of reach
    struct child *children;        // owned array, in rank order
    size_t nchildren;
    struct map by_identity;      // struct child by identity (I1)
    enum subtree_status status;  // of our own subtree
    int64_t status_since;        // ms
    struct loop_timer heartbeat; // ping, look for silence
    struct loop_timer greet;     // greet (again)
    char *uri;                   // owned: first endpoint bound, or NULL
};

static bool
has_parent(const struct overlay *o)
{
    return o->conf.rank != 0;
}

/* --- our own status --- */

static void
send_control_up(struct overlay *o, enum control what, uint32_t status, const char *text)
{
    struct msg m;

    msg_init(&m, MSG_CONTROL);
    m.control = what;
    m.status = status;
    if (text)
        msg_set_text(&m, text);
    links_send_up(o->links, &m);
}

static void
update_status(struct overlay *o)
{
    const struct peer **peers = xcalloc(o->nchildren + 1, sizeof(*peers));
    enum subtree_status status;

    for (size_t i = 0; i < o->nchildren; i++)
        peers[i] = &o->children[i].peer;
    status = peer_status_over(peers, o->nchildren);
    free(peers);
    if (status == o->status)
        return;
    o->status = status;
    o->status_since = loop_now(o->loop);
    if (o->parent.state == PEER_ONLINE)
        send_control_up(o, CONTROL_STATE, status, NULL);
    o->ops->status_changed(o->arg, status);
}

/* --- children --- */

static struct child *
find_child(const struct overlay *o, uint32_t rank)
{
    for (size_t i = 0; i < o->nchildren; i++) {
        if (o->children[i].peer.rank == rank)
            return &o->children[i];
    }
    return NULL;
}

static void
send_control_down(struct overlay *o, const struct msg_zmq_peer *to, enum control what,
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
    peer_on(&c->peer, why, loop_now(o->loop));
    o->ops->child_gone(o->arg, c->peer.rank);
    update_status(o);
}

static void
lose_child(struct overlay *o, struct child *c, const char *why)
{
    elog(ELOG_WARN, "lost child rank %u: %s", c->peer.rank, why);
    drop_child(o, c, PEER_EV_LOST);
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
    snprintf(c->uuid, sizeof(c->uuid), "%s", g->uuid);
    peer_on(&c->peer, PEER_EV_ACCEPTED, loop_now(o->loop));
    c->peer.status = SUBTREE_PARTIAL;
    map_put(&o->by_identity, c);
    greeting_encode(&o->greeting, &text);
    send_control_down(o, identity, CONTROL_WELCOME, buf_str(&text));
    buf_fini(&text);
    elog(ELOG_INFO, "child rank %u on %s is online", g->rank, g->hostname);
    update_status(o);
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
    c = err.code == 0 ? find_child(o, g.rank) : NULL;
    if (err.code == 0 && !c)
        err_set(&err, -EPERM, "rank %u is not a child of rank %u", g.rank, o->conf.rank);
    if (err.code != 0) {
        elog(ELOG_ERR, "refused a peer: %s", err.text);
        send_control_down(o, identity, CONTROL_REFUSE, err.text);
        return;
    }
    accept_child(o, c, &g, identity);
}

static void
on_child_status(struct overlay *o, struct child *c, uint32_t status)
{
    if (peer_report(&c->peer, status, loop_now(o->loop)))
        update_status(o);
}

static void
on_child_control(struct overlay *o, struct child *c, const struct msg *m)
{
    switch (m->control) {
    case CONTROL_PING:
        send_control_down(o, &c->identity, CONTROL_PONG, NULL);
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

static void
from_below(void *arg, const struct msg_zmq_peer *peer, struct msg *m)
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
            send_control_down(o, &key, CONTROL_WHO, NULL);
        return;
    }
    from = (struct overlay_from){.kind = c ? OVERLAY_CHILD : OVERLAY_CLIENT,
                                 .rank = c ? c->peer.rank : TOPO_NONE,
                                 .peer = key};
    o->ops->received(o->arg, &from, m);
}

/* --- the parent --- */

static const char *
parent_uri(const struct overlay *o)
{
    return o->conf.endpoints[o->parent.rank];
}

/* Greet on a fresh connection, and look again in GREETING_MS. */
static void
greet_parent(void *arg)
{
    struct overlay *o = arg;
    int64_t now = loop_now(o->loop);
    struct buf text = BUF_INIT;
    struct err err = {0};

    loop_timer_start(o->loop, &o->greet, GREETING_MS);
    if (now >= o->complain_at) {
        if (o->parent.state != PEER_OFFLINE)
            elog(ELOG_WARN, "cannot reach the parent, rank %u at %s; still trying", o->parent.rank,
                 parent_uri(o));
        o->complain_at = now + COMPLAIN_MS;
    }
    if (links_connect(o->links, parent_uri(o), &err) < 0) {
        elog(ELOG_ERR, "%s", err.text);
        return;
    }
    peer_on(&o->parent, PEER_EV_GREETED, now);
    greeting_encode(&o->greeting, &text);
    send_control_up(o, CONTROL_HELLO, o->status, buf_str(&text));
    buf_fini(&text);
}

/* The parent is gone, or does not know us: begin anew, soon. */
static void
lose_parent(struct overlay *o, const char *why)
{
    bool was_online = o->parent.state == PEER_ONLINE;

    if (o->parent.state == PEER_REFUSED)
        return;
    peer_on(&o->parent, PEER_EV_LOST, loop_now(o->loop));
    if (was_online) {
        elog(ELOG_WARN, "lost the parent, rank %u at %s: %s", o->parent.rank, parent_uri(o), why);
        o->ops->parent_changed(o->arg, false);
    }
    loop_timer_start(o->loop, &o->greet, was_online ? 0 : GREETING_MS / 10);
}

static void
on_welcome(struct overlay *o, const struct msg *m)
{
    const char *text = msg_text(m);
    struct greeting g;
    struct err err = {0};

    if (!text || greeting_decode(text, strlen(text), &g, &err) < 0) {
        elog(ELOG_ERR, "the parent's welcome makes no sense: %s", err.text);
        return;
    }
    loop_timer_stop(&o->greet);
    o->complain_at = 0;
    peer_on(&o->parent, PEER_EV_ACCEPTED, loop_now(o->loop));
    elog(ELOG_INFO, "joined parent rank %u on %s", g.rank, g.hostname);
    send_control_up(o, CONTROL_STATE, o->status, NULL);
    o->ops->parent_changed(o->arg, true);
}

static void
on_refuse(struct overlay *o, const struct msg *m)
{
    const char *text = msg_text(m);

    loop_timer_stop(&o->greet);
    peer_on(&o->parent, PEER_EV_REFUSED, loop_now(o->loop));
    links_disconnect(o->links);
    o->ops->refused(o->arg, text ? text : "no reason given");
}

static void
on_parent_control(struct overlay *o, const struct msg *m)
{
    switch (m->control) {
    case CONTROL_WELCOME:
        if (o->parent.state == PEER_GREETING)
            on_welcome(o, m);
        break;
    case CONTROL_REFUSE:
        if (o->parent.state == PEER_GREETING)
            on_refuse(o, m);
        break;
    case CONTROL_PONG:
        break;
    case CONTROL_WHO:
        lose_parent(o, "it does not know us any more");
        break;
    case CONTROL_BYE:
        lose_parent(o, "it stopped");
        break;
    default:
        elog(ELOG_WARN, "the parent sent unknown control message %u", m->control);
    }
}

static void
from_parent(void *arg, struct msg *m)
{
    struct overlay *o = arg;
    struct overlay_from from = {.kind = OVERLAY_PARENT, .rank = o->parent.rank};

    peer_heard(&o->parent, loop_now(o->loop));
    if (m->type == MSG_CONTROL)
        on_parent_control(o, m);
    else if (o->parent.state == PEER_ONLINE) // I2, the other way round
        o->ops->received(o->arg, &from, m);
}

static void
parent_cut(void *arg)
{
    lose_parent(arg, "the connection broke");
}

/* --- time --- */

static void
beat(void *arg)
{
    struct overlay *o = arg;
    int64_t now = loop_now(o->loop);

    loop_timer_start(o->loop, &o->heartbeat, o->conf.heartbeat_ms);
    for (size_t i = 0; i < o->nchildren; i++) {
        if (peer_is_silent(&o->children[i].peer, o->conf.timeout_ms, now))
            lose_child(o, &o->children[i], "no sign of life");
    }
    if (o->parent.state != PEER_ONLINE)
        return;
    if (peer_is_silent(&o->parent, o->conf.timeout_ms, now))
        lose_parent(o, "no sign of life");
    else
        send_control_up(o, CONTROL_PING, o->status, NULL);
}

/* --- life --- */

static const struct links_ops links_ops = {from_below, from_parent, parent_cut};

static void
fill_greeting(struct overlay *o)
{
    struct greeting *g = &o->greeting;
    zuuid_t *uuid = zuuid_new();

    g->rank = o->conf.rank;
    g->size = o->conf.topo.size;
    g->fanout = o->conf.topo.fanout;
    g->protocol = GREETING_PROTOCOL;
    snprintf(g->version, sizeof(g->version), "%s", XYLEM_VERSION);
    snprintf(g->instance, sizeof(g->instance), "%s", o->conf.instance);
    snprintf(g->hash, sizeof(g->hash), "%s", o->conf.hash);
    snprintf(g->uuid, sizeof(g->uuid), "%s", zuuid_str(uuid));
    if (gethostname(g->hostname, sizeof(g->hostname) - 1) < 0)
        strcpy(g->hostname, "unknown");
    zuuid_destroy(&uuid);
}

static void
add_children(struct overlay *o)
{
    o->nchildren = topo_child_count(&o->conf.topo, o->conf.rank);
    o->children = xcalloc(o->nchildren + 1, sizeof(*o->children));
    for (uint32_t i = 0; i < o->nchildren; i++)
        peer_init(&o->children[i].peer, topo_child(&o->conf.topo, o->conf.rank, i),
                  loop_now(o->loop));
    o->status = o->nchildren > 0 ? SUBTREE_PARTIAL : SUBTREE_FULL;
    o->status_since = loop_now(o->loop);
}

static int
listen_on_all(struct overlay *o, struct err *err)
{
    for (size_t i = 0; i < o->conf.nlisten; i++) {
        char *uri = NULL;
        int rc = links_listen(o->links, o->conf.listen[i], &uri, err);

        if (rc < 0)
            return rc;
        if (!o->uri)
            o->uri = TAKE(uri);
        free(uri);
    }
    return 0;
}

int
overlay_new(struct overlay **ret, const struct overlay_conf *conf, struct loop *loop,
            const struct overlay_ops *ops, void *arg, struct err *err)
{
    struct overlay *o = xcalloc(1, sizeof(*o));
    int rc;

    assert(conf->rank < conf->topo.size);
    o->conf = *conf;
    o->ops = ops;
    o->arg = arg;
    o->loop = loop;
    o->links = links_new(loop, conf->max_payload, &links_ops, o);
    map_init(&o->by_identity, offsetof(struct child, identity), sizeof(struct msg_zmq_peer));
    loop_timer_init(&o->heartbeat, beat, o);
    loop_timer_init(&o->greet, greet_parent, o);
    fill_greeting(o);
    add_children(o);
    rc = listen_on_all(o, err);
    if (rc < 0) {
        overlay_free(&o);
        return rc;
    }
    loop_timer_start(loop, &o->heartbeat, conf->heartbeat_ms);
    if (has_parent(o)) {
        peer_init(&o->parent, topo_parent(&conf->topo, conf->rank), loop_now(loop));
        loop_timer_start(loop, &o->greet, 0);
    }
    *ret = o;
    return 0;
}

void
overlay_free(struct overlay **overlay)
{
    struct overlay *o = TAKE(*overlay);

    if (!o)
        return;
    for (size_t i = 0; i < o->nchildren; i++) {
        if (o->children[i].peer.state == PEER_ONLINE)
            send_control_down(o, &o->children[i].identity, CONTROL_BYE, NULL);
    }
    if (o->parent.state == PEER_ONLINE)
        send_control_up(o, CONTROL_BYE, o->status, NULL);
    loop_timer_stop(&o->heartbeat);
    loop_timer_stop(&o->greet);
    links_free(&o->links);
    map_fini(&o->by_identity);
    free(o->children);
    free(o->uri);
    free(o);
}

/* --- sending --- */

int
overlay_send_parent(struct overlay *o, struct msg *m)
{
    if (o->parent.state == PEER_ONLINE)
        return links_send_up(o->links, m);
    msg_fini(m);
    return -EHOSTUNREACH;
}

int
overlay_send_child(struct overlay *o, uint32_t rank, struct msg *m)
{
    struct child *c = find_child(o, rank);
    int rc;

    if (!c || c->peer.state != PEER_ONLINE) {
        msg_fini(m);
        return -EHOSTUNREACH;
    }
    rc = links_send_down(o->links, &c->identity, m);
    if (rc == -EHOSTUNREACH)
        lose_child(o, c, "its connection is gone");
    return rc;
}

int
overlay_send_client(struct overlay *o, const struct msg_zmq_peer *peer, struct msg *m)
{
    return links_send_down(o->links, peer, m);
}

void
overlay_send_down(struct overlay *o, const struct msg *m)
{
    for (size_t i = 0; i < o->nchildren; i++) {
        struct msg copy;

        if (o->children[i].peer.state != PEER_ONLINE)
            continue;
        msg_copy(&copy, m);
        overlay_send_child(o, o->children[i].peer.rank, &copy);
    }
}

int
overlay_next_hop(const struct overlay *o, uint32_t rank, uint32_t *ret_child)
{
    uint32_t hop = topo_next_hop_down(&o->conf.topo, o->conf.rank, rank);
    const struct child *c;

    if (rank >= o->conf.topo.size || rank == o->conf.rank)
        return -EHOSTUNREACH;
    if (hop != TOPO_NONE) {
        c = find_child(o, hop);
        if (!c || c->peer.state != PEER_ONLINE)
            return -EHOSTUNREACH;
    }
    *ret_child = hop;
    return 0;
}

/* --- questions --- */

bool
overlay_parent_is_online(const struct overlay *o)
{
    return has_parent(o) && o->parent.state == PEER_ONLINE;
}

uint32_t
overlay_parent_rank(const struct overlay *o)
{
    return has_parent(o) ? o->parent.rank : TOPO_NONE;
}

enum subtree_status
overlay_status(const struct overlay *o)
{
    return o->status;
}

int64_t
overlay_now(const struct overlay *o)
{
    return loop_now(o->loop);
}

int64_t
overlay_status_age(const struct overlay *o)
{
    return loop_now(o->loop) - o->status_since;
}

size_t
overlay_child_count(const struct overlay *o)
{
    return o->nchildren;
}

const struct peer *
overlay_child(const struct overlay *o, size_t i)
{
    assert(i < o->nchildren);
    return &o->children[i].peer;
}

const char *
overlay_uri(const struct overlay *o)
{
    return o->uri ? o->uri : "";
}
