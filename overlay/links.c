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
#define RECEIVED_MAX 64 // messages of one connection that wait here; the others wait in the sender
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
    return l;
}

void
links_free(struct links **links)
{
    struct links *l = TAKE(*links);

    if (!l)
        return;
    links_disconnect(l);
    loop_remove(&l->below_source);
    zsock_destroy(&l->below);
    free(l);
}

/* --- below: children and remote clients --- */

static bool
receive_from_below(void *arg)
{
    struct links *l = arg;
    struct msg_zmq_peer peer;
    struct msg m;
    int rc = msg_zmq_recv(zsock_resolve(l->below), &peer, LINKS_PAYLOAD_MAX, &m);

    if (rc == 0)
        return false;
    if (rc < 0) {
        elog(ELOG_WARN, "a peer sent something that is no message: dropped (%s)", err_name(rc));
        return true;
    }
    l->ops->from_below(l->arg, &peer, &m);
    msg_fini(&m);
    return true;
}

static void
open_router(struct links *l)
{
    l->below = zsock_new(ZMQ_ROUTER);
    assert(l->below);
    set_common_options(l->below);
    zsock_set_rcvhwm(l->below, RECEIVED_MAX);
    zsock_set_router_mandatory(l->below, 1);
    zsock_set_maxmsgsize(l->below, (int)MIN(l->max_payload + MSG_HEAD_MAX, (size_t)INT32_MAX));
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

static bool
receive_from_parent(void *arg)
{
    struct links *l = arg;
    struct msg m;
    int rc = msg_zmq_recv(zsock_resolve(l->parent), NULL, LINKS_PAYLOAD_MAX, &m);

    if (rc == 0)
        return false;
    if (rc < 0) {
        elog(ELOG_WARN, "the parent sent something that is no message: dropped (%s)", err_name(rc));
        return true;
    }
    l->ops->from_parent(l->arg, &m);
    msg_fini(&m);
    return l->parent != NULL; // the handler may have disconnected
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
    loop_remove(&l->monitor_source);
    loop_remove(&l->parent_source);
    if (l->parent)
        zmq_socket_monitor(zsock_resolve(l->parent), NULL, 0);
    zsock_destroy(&l->monitor);
    zsock_destroy(&l->parent);
}

int
links_send_up(struct links *l, struct msg *m)
{
    int rc = l->parent ? msg_zmq_send(zsock_resolve(l->parent), NULL, m) : -EHOSTUNREACH;

    msg_fini(m);
    return rc;
}
