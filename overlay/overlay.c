/* SPDX-License-Identifier: MPL-2.0 */
/* overlay.c - see overlay.h.
 *
 * Neighbours speak MSG_CONTROL messages (xylem-overlay(7), "Control messages"):
 *
 *   child  -> parent   HELLO greeting, PING status, STATE status, CREDIT total, LEAVE, BYE
 *   parent -> child    WELCOME greeting, REFUSE text, PONG, WHO, CREDIT total, BYE
 *
 * Whom a child greets, and when again, the ascent says (ascent.h).  From the welcome on it pings;
 * each side counts anything it hears as a sign of life, reports the other as torpid after `torpid_ms` of
 * silence and declares it lost after `timeout_ms`.  A parent that does not know the sender of a ping (it
 * was restarted, or had given the child up) asks WHO, and the child begins anew.  A child that goes to a
 * nearer parent says LEAVE, and the former answers BYE: no more requests from me.  Whoever has not greeted
 * is a client.
 *
 * Invariants:
 *  I1  by_identity holds exactly the children that are ONLINE or LEAVING.
 *  I2  a message goes up only by a link that was let in: after a loss nothing reaches a parent that
 *      has not let us in again.
 *  I3  a neighbour whose window has become full has drained() called once, by an acknowledgement or
 *      by its end, and never from inside a send.
 */
#include "cert.h"
#include "elog.h"
#include "overlay_priv.h"
#include "xmem.h"
#include "zap.h"

#include <ctype.h>
#include <czmq.h>
#include <errno.h>
#include <sys/random.h>

#define CLIENT_MS 30000

static bool
has_parent(const struct overlay *o)
{
    return o->conf.rank != 0;
}

/* --- our own status --- */

/* Those that go elsewhere are others' now. */
static enum subtree_status
status_of_children(const struct overlay *o)
{
    const struct peer **peers = xcalloc(o->nchildren + 1, sizeof(*peers));
    enum subtree_status status;
    size_t count = 0;

    for (size_t i = 0; i < o->nchildren; i++) {
        if (o->children[i]->peer.state != PEER_LEAVING)
            peers[count++] = &o->children[i]->peer;
    }
    status = peer_status_over(peers, count);
    free(peers);
    return status;
}

void
overlay_update_status(struct overlay *o)
{
    enum subtree_status status = status_of_children(o);

    if (status == o->status)
        return;
    o->status = status;
    o->status_since = loop_now(o->loop);
    if (o->up.link)
        uplink_control(&o->up, CONTROL_STATE, status, NULL);
    o->ops->status_changed(o->arg, status);
}

/* --- time --- */

/* This rank stood still: what others said meanwhile waits in the sockets, and is no silence. */
static void
forgive_silence(struct overlay *o, int64_t now)
{
    int64_t late = now - o->beaten_at - o->conf.heartbeat_ms;

    o->beaten_at = now;
    if (late <= o->conf.heartbeat_ms)
        return;
    for (size_t i = 0; i < o->nchildren; i++)
        o->children[i]->peer.heard += late;
    o->up.peer.heard += late;
    o->old.peer.heard += late;
}

static void
beat(void *arg)
{
    struct overlay *o = arg;
    int64_t now = loop_now(o->loop);

    forgive_silence(o, now);
    loop_timer_start(o->loop, &o->heartbeat, o->conf.heartbeat_ms);
    overlay_children_beat(o, now);
    overlay_clients_beat(o);
    o->told = 0;
    elog_limit_tell(&o->strange);
    links_tell_log(o->links);
    overlay_parent_beat(o, now);
}

static void
reap(void *arg)
{
    overlay_children_reap(arg);
    overlay_clients_reap(arg);
    overlay_parent_reap(arg);
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

/* Chance is for pauses only. */
static uint64_t
random_seed(void)
{
    uint64_t seed = 0;

    return getrandom(&seed, sizeof(seed), GRND_NONBLOCK) == sizeof(seed) ? seed
                                                                         : (uint64_t)getpid();
}

static void
set_defaults(struct overlay_conf *c)
{
    if (c->client_ms == 0)
        c->client_ms = CLIENT_MS;
    if (c->torpid_ms == 0)
        c->torpid_ms = 5 * c->heartbeat_ms / 2;
    if (c->seed == 0)
        c->seed = random_seed();
}

/* Who may connect: ranks, and who is authorized.  Keys of ranks that are not known yet come with
 * overlay_learn_keys(). */
static int
open_zap(struct overlay *o, struct err *err)
{
    const struct overlay_conf *c = &o->conf;
    AUTO(free) char *domain = xasprintf("rank %u", c->rank);
    const char *own = c->cert->public_key;
    struct zap_conf conf = {domain, &own, 1, c->authorized};
    int rc = zap_open(&o->zap, &conf, err);

    return rc < 0 ? rc : overlay_learn_keys(o, err);
}

int
overlay_learn_keys(struct overlay *o, struct err *err)
{
    for (uint32_t r = 0; o->zap && o->conf.keys && r < o->conf.topo.size; r++) {
        const char *key = o->conf.keys[r];

        if (key && zap_allow(o->zap, key) < 0)
            return err_set(err, -EINVAL, "rank %u: '%s' is no public key", r, key);
    }
    return 0;
}

static int
open_links(struct overlay *o, struct err *err)
{
    struct links_conf conf = {.max_payload = o->conf.max_payload, .cert = o->conf.cert};
    int rc = o->conf.cert ? open_zap(o, err) : 0;

    if (rc < 0)
        return rc;
    conf.zap = o->zap;
    o->links = links_new(o->loop, &conf, &links_ops, o);
    return listen_on_all(o, err);
}

static void
init_clients(struct overlay *o)
{
    map_init(&o->clients, offsetof(struct client, identity), sizeof(struct msg_zmq_peer));
    list_init(&o->client_list);
    list_init(&o->clients_waiting);
}

int
overlay_new(struct overlay **ret, const struct overlay_conf *conf, struct loop *loop,
            const struct overlay_ops *ops, void *arg, struct err *err)
{
    struct overlay *o = xcalloc(1, sizeof(*o));
    int rc;

    assert(conf->rank < conf->topo.size);
    o->conf = *conf;
    set_defaults(&o->conf);
    o->ops = ops;
    o->arg = arg;
    o->loop = loop;
    map_init(&o->by_identity, offsetof(struct child, identity), sizeof(struct msg_zmq_peer));
    loop_timer_init(&o->heartbeat, beat, o);
    loop_timer_init(&o->reap, reap, o);
    init_clients(o);
    fill_greeting(o);
    overlay_children_init(o);
    o->status = o->nchildren > 0 ? SUBTREE_PARTIAL : SUBTREE_FULL;
    o->status_since = loop_now(loop);
    o->beaten_at = loop_now(loop);
    overlay_parent_init(o);
    rc = open_links(o, err);
    if (rc < 0) {
        overlay_free(&o);
        return rc;
    }
    loop_timer_start(loop, &o->heartbeat, conf->heartbeat_ms);
    *ret = o;
    return 0;
}

void
overlay_free(struct overlay **overlay)
{
    struct overlay *o = TAKE(*overlay);

    if (!o)
        return;
    overlay_children_free(o);
    overlay_parent_free(o);
    loop_timer_stop(&o->heartbeat);
    loop_timer_stop(&o->reap);
    links_free(&o->links);
    zap_close(&o->zap);
    overlay_clients_free(o);
    map_fini(&o->by_identity);
    free(o->uri);
    free(o);
}

void
overlay_mute(struct overlay *o)
{
    loop_timer_stop(&o->heartbeat);
    loop_timer_stop(&o->reap);
    overlay_parent_mute(o);
    overlay_children_mute(o);
    links_mute(o->links);
    zap_close(&o->zap);
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
overlay_answer_parent(struct overlay *o, uint64_t joined, struct msg *m)
{
    const struct uplink *u = overlay_parent_link(o, joined);

    if (u)
        return MIN(uplink_send(u == &o->old ? &o->old : &o->up, o, m), 0);
    msg_fini(m);
    return -EHOSTUNREACH;
}

int
overlay_send_parent(struct overlay *o, struct msg *m)
{
    return overlay_answer_parent(o, 0, m);
}

static int
send_to(struct overlay *o, struct child *c, struct msg *m)
{
    int rc = overlay_send_counted(o, OVERLAY_CHILD, &c->outlet, &c->flow.out, m);

    if (rc == -EHOSTUNREACH)
        overlay_children_cut(o, c);
    return MIN(rc, 0);
}

int
overlay_send_child(struct overlay *o, uint32_t rank, struct msg *m)
{
    struct child *c = overlay_children_find(o, rank);

    if (c && c->peer.state == PEER_ONLINE)
        return send_to(o, c, m);
    msg_fini(m);
    return -EHOSTUNREACH;
}

int
overlay_answer_child(struct overlay *o, uint32_t rank, const struct msg_zmq_peer *peer,
                     struct msg *m)
{
    struct child *c = overlay_children_find(o, rank);

    if (c && peer_is_linked(&c->peer) && memcmp(&c->identity, peer, sizeof(*peer)) == 0)
        return send_to(o, c, m);
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

        if (o->children[i]->peer.state != PEER_ONLINE)
            continue;
        msg_copy(&copy, m);
        send_to(o, o->children[i], &copy);
    }
}

bool
overlay_is_full(const struct overlay *o, const struct overlay_from *to)
{
    const struct child *child;
    const struct client *client;
    const struct uplink *up;

    switch (to->kind) {
    case OVERLAY_PARENT:
        up = overlay_parent_link(o, to->joined);
        return up && window_is_full(&up->flow.out);
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

/* Who asked is no way: it has none itself. */
static bool
is_way(const struct overlay_from *asker, enum overlay_neighbour kind, uint32_t rank)
{
    return !asker || asker->kind != kind || (kind == OVERLAY_CHILD && asker->rank != rank);
}

/* The first online child that is a way, from `rank` on upward. */
static int
find_hop(const struct overlay *o, uint32_t rank, const struct overlay_from *asker,
         uint32_t *ret_child)
{
    const struct child *c = overlay_children_toward(o, rank);

    while (c && !is_way(asker, OVERLAY_CHILD, c->peer.rank))
        c = overlay_children_toward(o, topo_parent(&o->conf.topo, c->peer.rank));
    *ret_child = c ? c->peer.rank : TOPO_NONE;
    return c || (has_parent(o) && is_way(asker, OVERLAY_PARENT, 0)) ? 0 : -EHOSTUNREACH;
}

int
overlay_next_hop(const struct overlay *o, uint32_t rank, const struct overlay_from *asker,
                 uint32_t *ret_child)
{
    if (rank >= o->conf.topo.size || rank == o->conf.rank)
        return -EHOSTUNREACH;
    return find_hop(o, rank, asker, ret_child);
}

int
overlay_other_hop(const struct overlay *o, uint32_t tried, const struct overlay_from *asker,
                  uint32_t *ret_child)
{
    return find_hop(o, topo_parent(&o->conf.topo, tried), asker, ret_child);
}

static const struct peer *
find_blamed(const struct overlay *o, uint32_t rank)
{
    for (; rank != TOPO_NONE && rank > o->conf.rank; rank = topo_parent(&o->conf.topo, rank)) {
        const struct child *c = overlay_children_find(o, rank);

        if (c)
            return &c->peer;
    }
    return NULL;
}

const struct peer *
overlay_blamed(const struct overlay *o, uint32_t rank)
{
    const struct peer *p = find_blamed(o, rank);

    return p && !peer_is_linked(p) ? p : NULL;
}

/* --- questions --- */

bool
overlay_parent_is_online(const struct overlay *o)
{
    return o->up.link != NULL;
}

uint64_t
overlay_parent_joined(const struct overlay *o)
{
    return o->joined;
}

uint32_t
overlay_parent_rank(const struct overlay *o)
{
    return o->up.link ? o->up.peer.rank : topo_parent(&o->conf.topo, o->conf.rank);
}

const struct peer *
overlay_parent(const struct overlay *o)
{
    return o->up.link ? &o->up.peer : NULL;
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

struct overlay_child
overlay_child(const struct overlay *o, size_t i)
{
    const struct child *c = o->children[i];

    assert(i < o->nchildren);
    return (struct overlay_child){&c->peer, c->hostname, c->adopted};
}

const struct overlay_stats *
overlay_stats(struct overlay *o)
{
    struct overlay_stats *s = &o->stats;

    s->unacked[OVERLAY_PARENT] = window_unacked(&o->up.flow.out) + window_unacked(&o->old.flow.out);
    s->unacked[OVERLAY_CHILD] = 0;
    for (size_t i = 0; i < o->nchildren; i++)
        s->unacked[OVERLAY_CHILD] += window_unacked(&o->children[i]->flow.out);
    s->unacked[OVERLAY_CLIENT] = o->clients_unacked;
    s->clients = o->clients.count;
    if (o->zap) {
        s->let_in = zap_stats(o->zap).accepted;
        s->refused = zap_stats(o->zap).refused;
    }
    return s;
}

const char *
overlay_uri(const struct overlay *o)
{
    return o->uri ? o->uri : "";
}
