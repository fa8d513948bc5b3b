/* SPDX-License-Identifier: MPL-2.0 */
/* overlay.c - see overlay.h.
 *
 * Neighbours speak MSG_CONTROL messages (xylem-overlay(7), "Control messages"):
 *
 *   child  -> parent   HELLO greeting, PING status, STATE status, CREDIT total, LEAVE, BYE
 *   parent -> child    WELCOME greeting, REFUSE text, PONG no way, WHO, NEARER rank, CREDIT total, BYE
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

static const struct links_ops links_ops = {overlay_below_may_bundle, overlay_below_receive,
                                           overlay_children_on_cut, overlay_above_receive,
                                           overlay_above_cut};

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
    const struct child *c;

    assert(i < o->nchildren);
    c = o->children[i];
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
