/* SPDX-License-Identifier: MPL-2.0 */
/* links.c - see links.h.  Socket options and the traps behind them: xylem-overlay(7), "Links".
 *
 * - ROUTER_MANDATORY: a message for a peer that is gone is an error here, not silence.
 * - Identities are libzmq's own: they are new with every connection, so a message for a former
 *   connection can never reach the next one.
 * - RCVHWM only on the bind side, where anybody may connect; never together with ZeroMQ's heartbeats, whose
 *   answers it would hold up as well.
 * - MAXMSGSIZE only on the bind side: on the connect side it kills the socket for good.
 */
#include "links.h"
#include "elog.h"
#include "xmem.h"

#include <czmq.h>
#include <errno.h>

#define LINKS_PAYLOAD_MAX INT32_MAX // what came is in memory already: overlay.c looks at its size
/* Messages of one connection that wait here; the others wait in the sender.  The fewer, the less memory a
 * flood of large ones takes while we are busy; below 16 or so small ones become slower. */
#define RECEIVED_MAX 24
#define RECONNECT_MS 20 // first retry: ranks start in any order, the parent is there soon
#define RECONNECT_MAX_MS 1000
#define HANDSHAKE_MS 5000 // half-open connections are dropped after this
#define LINGER_MS 500     // for the goodbye at an orderly stop

struct links {
    struct loop *loop;                  // borrowed
    const struct links_ops *ops;        // borrowed
    void *arg;                          // borrowed
    size_t max_payload;                 // bytes
    zsock_t *below;                     // owned ROUTER; NULL until the first links_listen
    struct loop_source *below_source;   // owned
    struct elog_limit strange;          // of what is dropped
    struct links_outlet up;             // to the parent
    uint64_t connections;               // to the parent, counted
    zsock_t *parent;                    // owned DEALER; NULL while not connected
    struct loop_source *parent_source;  // owned
    zsock_t *monitor;                   // owned PAIR: events of `parent`
    struct loop_source *monitor_source; // owned
};

static void
set_common_options(zsock_t *sock)
{
    zsock_set_sndhwm(sock, 0);
    zsock_set_rcvhwm(sock, 0);
    zsock_set_linger(sock, LINGER_MS);
    zsock_set_handshake_ivl(sock, HANDSHAKE_MS);
}

struct links *
links_new(struct loop *loop, size_t max_payload, const struct links_ops *ops, void *arg)
{
    struct links *l = xcalloc(1, sizeof(*l));

    l->loop = loop;
    l->ops = ops;
    l->arg = arg;
    l->max_payload = max_payload;
    links_outlet_init(&l->up, l, NULL, true);
    return l;
}

void
links_free(struct links **links)
{
    struct links *l = TAKE(*links);

    if (!l)
        return;
    links_outlet_flush(&l->up);
    links_disconnect(l);
    loop_remove(&l->below_source);
    zsock_destroy(&l->below);
    free(l);
}

void
links_tell_log(struct links *l)
{
    elog_limit_tell(&l->strange);
}

/* --- outlets --- */

static void *
socket_of(const struct links_outlet *o)
{
    zsock_t *sock = o->peer.len > 0 ? o->links->below : o->links->parent;

    return sock ? zsock_resolve(sock) : NULL;
}

static const struct msg_zmq_peer *
peer_of(const struct links_outlet *o)
{
    return o->peer.len > 0 ? &o->peer : NULL;
}

int
links_outlet_flush(struct links_outlet *o)
{
    void *zsock = socket_of(o);

    loop_flush_cancel(&o->flush);
    if (o->bundle.count == 0)
        return 0;
    return zsock ? msg_zmq_send_bundle(zsock, peer_of(o), &o->bundle) : -EHOSTUNREACH;
}

static void
on_end_of_turn(void *arg)
{
    struct links_outlet *o = arg;
    struct links *l = o->links;

    if (links_outlet_flush(o) < 0 && o->peer.len > 0)
        l->ops->below_cut(l->arg, &o->peer);
}

void
links_outlet_init(struct links_outlet *o, struct links *l, const struct msg_zmq_peer *peer,
                  bool takes_bundles)
{
    *o = (struct links_outlet){.links = l, .takes_bundles = takes_bundles};
    if (peer)
        o->peer = *peer;
    loop_flush_init(&o->flush, on_end_of_turn, o);
}

void
links_outlet_fini(struct links_outlet *o)
{
    if (!o->links)
        return;
    loop_flush_cancel(&o->flush);
    bundle_fini(&o->bundle);
    o->links = NULL;
}

static int
send_alone(struct links_outlet *o, struct msg *m)
{
    void *zsock = socket_of(o);
    int rc = links_outlet_flush(o);

    if (rc == 0)
        rc = zsock ? msg_zmq_send(zsock, peer_of(o), m) : -EHOSTUNREACH;
    return rc;
}

static int
add_to_bundle(struct links_outlet *o, const struct msg *m)
{
    int rc = bundle_has_room(&o->bundle, m) ? 0 : links_outlet_flush(o);

    if (rc == 0) {
        bundle_add(&o->bundle, m);
        loop_flush_start(o->links->loop, &o->flush);
    }
    return rc;
}

int
links_send(struct links_outlet *o, struct msg *m)
{
    int rc = o->takes_bundles && bundle_suits(m) ? add_to_bundle(o, m) : send_alone(o, m);

    msg_fini(m);
    return rc;
}

/* --- below: children and remote clients --- */

static bool
take_from_below(void *arg, const struct msg_zmq_peer *peer, struct msg *m)
{
    struct links *l = arg;

    l->ops->from_below(l->arg, peer, m);
    return true;
}

static bool
may_bundle(void *arg, const struct msg_zmq_peer *peer)
{
    struct links *l = arg;

    return l->ops->may_bundle(l->arg, peer);
}

static bool
receive_from_below(void *arg)
{
    struct links *l = arg;
    int rc = msg_zmq_recv_each(zsock_resolve(l->below), true, LINKS_PAYLOAD_MAX, may_bundle,
                               take_from_below, l);

    if (rc == -EPERM)
        elog_limited(&l->strange, ELOG_WARN, "a bundle came from a peer that is no child: dropped");
    else if (rc < 0)
        elog_limited(&l->strange, ELOG_WARN,
                     "a peer sent something that is no message: dropped (%s)", err_name(rc));
    return rc != 0;
}

static void
open_router(struct links *l)
{
    l->below = zsock_new(ZMQ_ROUTER);
    assert(l->below);
    set_common_options(l->below);
    zsock_set_rcvhwm(l->below, RECEIVED_MAX);
    zsock_set_router_mandatory(l->below, 1);
    zsock_set_maxmsgsize(
        l->below,
        (int)MIN(MAX(l->max_payload + MSG_HEAD_MAX, (size_t)BUNDLE_SIZE_MAX), (size_t)INT32_MAX));
    l->below_source = loop_add_zmq(l->loop, zsock_resolve(l->below), receive_from_below, l);
}

int
links_listen(struct links *l, const char *uri, char **ret_uri, struct err *err)
{
    char endpoint[256];
    size_t size = sizeof(endpoint);

    if (!l->below)
        open_router(l);
    if (zmq_bind(zsock_resolve(l->below), uri) < 0)
        return err_set(err, -errno, "cannot listen on %s: %s", uri, zmq_strerror(errno));
    if (zmq_getsockopt(zsock_resolve(l->below), ZMQ_LAST_ENDPOINT, endpoint, &size) < 0)
        return err_set(err, -errno, "cannot listen on %s: %s", uri, zmq_strerror(errno));
    *ret_uri = xstrdup(endpoint);
    return 0;
}

int
links_send_down(struct links *l, const struct msg_zmq_peer *peer, struct msg *m)
{
    int rc = l->below ? msg_zmq_send(zsock_resolve(l->below), peer, m) : -EHOSTUNREACH;

    msg_fini(m);
    return rc;
}

/* --- the parent --- */

/* The handler may disconnect: then what else came by that connection is dropped. */
static bool
take_from_parent(void *arg, const struct msg_zmq_peer *peer, struct msg *m)
{
    struct links *l = arg;
    uint64_t connection = l->connections;

    (void)peer;
    l->ops->from_parent(l->arg, m);
    return l->parent && l->connections == connection;
}

static bool
receive_from_parent(void *arg)
{
    struct links *l = arg;
    int rc = msg_zmq_recv_each(zsock_resolve(l->parent), false, LINKS_PAYLOAD_MAX, NULL,
                               take_from_parent, l);

    if (rc < 0)
        elog_limited(&l->strange, ELOG_WARN,
                     "the parent sent something that is no message: dropped (%s)", err_name(rc));
    return rc != 0 && l->parent;
}

/* Events are subscribed to one by one, so whatever arrives means that the connection is gone. */
static bool
receive_from_monitor(void *arg)
{
    struct links *l = arg;
    zmq_msg_t frame;
    int more;

    zmq_msg_init(&frame);
    if (zmq_msg_recv(&frame, zsock_resolve(l->monitor), ZMQ_DONTWAIT) < 0) {
        zmq_msg_close(&frame);
        return false;
    }
    more = zmq_msg_more(&frame);
    zmq_msg_close(&frame);
    if (!more)
        l->ops->parent_cut(l->arg);
    return l->monitor != NULL;
}

static void
open_monitor(struct links *l)
{
    char *endpoint = xasprintf("inproc://links-monitor-%p", (void *)l->parent);

    if (zmq_socket_monitor(zsock_resolve(l->parent), endpoint, ZMQ_EVENT_DISCONNECTED) == 0) {
        l->monitor = zsock_new(ZMQ_PAIR);
        assert(l->monitor);
        zmq_connect(zsock_resolve(l->monitor), endpoint);
        l->monitor_source =
            loop_add_zmq(l->loop, zsock_resolve(l->monitor), receive_from_monitor, l);
    }
    free(endpoint);
}

int
links_connect(struct links *l, const char *uri, struct err *err)
{
    links_disconnect(l);
    l->connections++;
    l->parent = zsock_new(ZMQ_DEALER);
    assert(l->parent);
    set_common_options(l->parent);
    zsock_set_reconnect_ivl(l->parent, RECONNECT_MS);
    zsock_set_reconnect_ivl_max(l->parent, RECONNECT_MAX_MS);
    open_monitor(l);
    if (zmq_connect(zsock_resolve(l->parent), uri) < 0) {
        int rc = err_set(err, -errno, "cannot connect to %s: %s", uri, zmq_strerror(errno));

        links_disconnect(l);
        return rc;
    }
    l->parent_source = loop_add_zmq(l->loop, zsock_resolve(l->parent), receive_from_parent, l);
    return 0;
}

void
links_disconnect(struct links *l)
{
    links_outlet_fini(&l->up);
    links_outlet_init(&l->up, l, NULL, true);
    loop_remove(&l->monitor_source);
    loop_remove(&l->parent_source);
    if (l->parent)
        zmq_socket_monitor(zsock_resolve(l->parent), NULL, 0);
    zsock_destroy(&l->monitor);
    zsock_destroy(&l->parent);
}

struct links_outlet *
links_up(struct links *l)
{
    return &l->up;
}
