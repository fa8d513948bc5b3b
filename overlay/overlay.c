/* SPDX-License-Identifier: MPL-2.0 */
/* overlay.c - see overlay.h.
 *
 * Neighbours speak MSG_CONTROL messages (xylem-overlay(7), "Control messages"):
 *
 *   child  -> parent   HELLO greeting, PING status, STATE status, CREDIT total, BYE
 *   parent -> child    WELCOME greeting, REFUSE text, PONG, WHO, CREDIT total, BYE
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
 *  I3  a neighbour whose window has become full has drained() called once, by an acknowledgement or
 *      by its end, and never from inside a send.
 */
#include "elog.h"
#include "overlay_priv.h"
#include "xmem.h"

#include <ctype.h>
#include <czmq.h>
#include <errno.h>

#define CLIENT_MS 30000

static bool
has_parent(const struct overlay *o)
{
    return o->conf.rank != 0;
}

/* --- our own status --- */

void
overlay_control_up(struct overlay *o, enum control what, uint32_t status, const char *text)
{
    struct msg m;

    msg_init(&m, MSG_CONTROL);
    m.control = what;
    m.status = status;
    if (text)
        msg_set_text(&m, text);
    links_send(links_up(o->links), &m);
}

void
overlay_update_status(struct overlay *o)
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
        overlay_control_up(o, CONTROL_STATE, status, NULL);
    o->ops->status_changed(o->arg, status);
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
            overlay_children_lose(o, &o->children[i], "no sign of life");
        else
            overlay_credit_down(o, &o->children[i]);
    }
    overlay_clients_beat(o);
    o->told = 0;
    elog_limit_tell(&o->strange);
    links_tell_log(o->links);
    if (o->parent.state != PEER_ONLINE)
        return;
    if (peer_is_silent(&o->parent, o->conf.timeout_ms, now)) {
        overlay_parent_lose(o, "no sign of life");
    } else {
        overlay_credit_up(o);
        overlay_control_up(o, CONTROL_PING, o->status, NULL);
    }
}

static void
reap(void *arg)
{
    overlay_children_reap(arg);
    overlay_clients_reap(arg);
}

/* --- life --- */

static const struct links_ops links_ops = {overlay_children_may_bundle, overlay_children_receive,
                                           overlay_children_on_cut, overlay_parent_receive,
                                           overlay_parent_cut};

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
    for (char *p = g->hostname; *p; p++) // it travels as JSON
        *p = isprint((unsigned char)*p) ? *p : '?';
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
    o->child_window = MAX(GREETING_WINDOW_MAX / MAX(o->nchildren, 1), GREETING_WINDOW_MIN);
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
    if (o->conf.client_ms == 0)
        o->conf.client_ms = CLIENT_MS;
    o->ops = ops;
    o->arg = arg;
    o->loop = loop;
    o->links = links_new(loop, conf->max_payload, &links_ops, o);
    map_init(&o->by_identity, offsetof(struct child, identity), sizeof(struct msg_zmq_peer));
    loop_timer_init(&o->heartbeat, beat, o);
    map_init(&o->clients, offsetof(struct client, identity), sizeof(struct msg_zmq_peer));
    list_init(&o->client_list);
    list_init(&o->clients_waiting);
    loop_timer_init(&o->reap, reap, o);
    loop_timer_init(&o->greet, overlay_parent_greet, o);
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

static void
say_goodbye(struct overlay *o, struct child *c)
{
    if (c->peer.state != PEER_ONLINE)
        return;
    overlay_control_down(o, &c->identity, CONTROL_BYE, NULL);
    links_outlet_flush(&c->outlet);
    links_outlet_fini(&c->outlet);
}

void
overlay_free(struct overlay **overlay)
{
    struct overlay *o = TAKE(*overlay);

    if (!o)
        return;
    for (size_t i = 0; i < o->nchildren; i++)
        say_goodbye(o, &o->children[i]);
    if (o->parent.state == PEER_ONLINE)
        overlay_control_up(o, CONTROL_BYE, o->status, NULL);
    loop_timer_stop(&o->heartbeat);
    loop_timer_stop(&o->reap);
    loop_timer_stop(&o->greet);
    links_free(&o->links);
    overlay_clients_free(o);
    map_fini(&o->by_identity);
    free(o->children);
    free(o->uri);
    free(o);
}

/* --- counting --- */

static void
count(struct overlay_traffic *t, uint64_t bytes)
{
    t->messages++;
    t->bytes += bytes;
}

int
overlay_send_counted(struct overlay *o, enum overlay_neighbour kind, struct links_outlet *to,
                     struct window *w, struct msg *m)
{
    uint64_t bytes = control_cost(m);
    bool counted = control_is_counted(m);
    int rc = links_send(to, m);

    if (rc < 0)
        return rc;
    count(&o->stats.sent[kind], bytes);
    if (!counted || !window_sent(w, bytes))
        return 0;
    o->stats.full[kind]++;
    return 1;
}

void
overlay_count_received(struct overlay *o, enum overlay_neighbour kind, struct msg *m)
{
    struct blob *none = NULL;

    count(&o->stats.received[kind], control_cost(m));
    if (msg_size(m) <= o->conf.max_payload)
        return;
    elog_limited(&o->strange, ELOG_WARN, "%s: a payload of %zu bytes is beyond the limit: dropped",
                 m->topic, msg_size(m));
    msg_set_payload(m, &none);
    if (m->type == MSG_REQUEST)
        m->oversized = true;
    else if (m->type == MSG_RESPONSE)
        m->errnum = EFBIG;
}

int
overlay_take_credit(struct overlay *o, enum overlay_neighbour kind, struct window *w,
                    const struct msg *m)
{
    uint64_t total;
    int rc;

    o->stats.credits_received[kind]++;
    rc = control_get_total(m, &total) ? window_acked(w, total) : -EPROTO;
    if (rc < 0)
        elog_limited(&o->strange, ELOG_WARN,
                     "a neighbour acknowledges what it was not sent: ignored");
    return rc;
}

void
overlay_release(struct overlay *o, struct window *w, const struct overlay_from *from)
{
    if (window_release(w))
        o->ops->drained(o->arg, from);
}

/* --- sending --- */

int
overlay_send_parent(struct overlay *o, struct msg *m)
{
    int rc;

    if (o->parent.state != PEER_ONLINE) {
        msg_fini(m);
        return -EHOSTUNREACH;
    }
    rc = overlay_send_counted(o, OVERLAY_PARENT, links_up(o->links), &o->up.out, m);
    return MIN(rc, 0);
}

int
overlay_send_child(struct overlay *o, uint32_t rank, struct msg *m)
{
    struct child *c = overlay_children_find(o, rank);
    int rc;

    if (!c || c->peer.state != PEER_ONLINE) {
        msg_fini(m);
        return -EHOSTUNREACH;
    }
    rc = overlay_send_counted(o, OVERLAY_CHILD, &c->outlet, &c->flow.out, m);
    if (rc == -EHOSTUNREACH)
        overlay_children_cut(o, c);
    return MIN(rc, 0);
}

int
overlay_answer_child(struct overlay *o, uint32_t rank, const struct msg_zmq_peer *peer,
                     struct msg *m)
{
    const struct child *c = overlay_children_find(o, rank);

    if (c && memcmp(&c->identity, peer, sizeof(*peer)) == 0)
        return overlay_send_child(o, rank, m);
    msg_fini(m);
    return -EHOSTUNREACH;
}

int
overlay_send_client(struct overlay *o, const struct msg_zmq_peer *peer, struct msg *m)
{
    return overlay_clients_send(o, peer, m);
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

bool
overlay_is_full(const struct overlay *o, const struct overlay_from *to)
{
    const struct child *child;
    const struct client *client;

    switch (to->kind) {
    case OVERLAY_PARENT:
        return window_is_full(&o->up.out);
    case OVERLAY_CHILD:
        child = overlay_children_find(o, to->rank);
        return child && window_is_full(&child->flow.out);
    default:
        client = overlay_clients_find(o, &to->peer);
        return client && window_is_full(&client->out);
    }
}

bool
overlay_must_wait(struct overlay *o, const struct overlay_from *to, uint64_t bytes)
{
    if (to->kind == OVERLAY_CLIENT)
        return overlay_clients_must_wait(o, &to->peer, bytes);
    return overlay_is_full(o, to);
}

int
overlay_next_hop(const struct overlay *o, uint32_t rank, uint32_t *ret_child)
{
    uint32_t hop = topo_next_hop_down(&o->conf.topo, o->conf.rank, rank);
    const struct child *c;

    if (rank >= o->conf.topo.size || rank == o->conf.rank)
        return -EHOSTUNREACH;
    if (hop != TOPO_NONE) {
        c = overlay_children_find(o, hop);
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

uint64_t
overlay_parent_joined(const struct overlay *o)
{
    return o->joined;
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

const struct overlay_stats *
overlay_stats(struct overlay *o)
{
    struct overlay_stats *s = &o->stats;

    s->unacked[OVERLAY_PARENT] = window_unacked(&o->up.out);
    s->unacked[OVERLAY_CHILD] = 0;
    for (size_t i = 0; i < o->nchildren; i++)
        s->unacked[OVERLAY_CHILD] += window_unacked(&o->children[i].flow.out);
    s->unacked[OVERLAY_CLIENT] = o->clients_unacked;
    s->clients = o->clients.count;
    return s;
}

const char *
overlay_uri(const struct overlay *o)
{
    return o->uri ? o->uri : "";
}
