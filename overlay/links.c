/* SPDX-License-Identifier: MPL-2.0 */
/* links.c - the ROUTER, and what both kinds of socket share (links.h).  Socket options and the traps
 * behind them: xylem-overlay(7), "Links".
 *
 * - ROUTER_MANDATORY: a message for a peer that is gone is an error here, not silence.
 * - Identities are libzmq's own: they are new with every connection, so a message for a former
 *   connection can never reach the next one.
 * - RCVHWM only on the bind side, where anybody may connect; never together with ZeroMQ's heartbeats, whose
 *   answers it would hold up as well.
 * - MAXMSGSIZE only on the bind side: on the connect side it kills the socket for good.
 */
#include "cert.h"
#include "elog.h"
#include "links_priv.h"
#include "xmem.h"
#include "zap.h"

#include <czmq.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Messages of one connection that wait here; the others wait in the sender.  The fewer, the less memory a
 * flood of large ones takes while we are busy; below 16 or so small ones become slower. */
#define RECEIVED_MAX 24
#define BACKLOG 4096      // of connections: a flood must not make newcomers wait for a repeated SYN
#define HANDSHAKE_MS 5000 // half-open connections are dropped after this
#define LINGER_MS 500     // for the goodbye at an orderly stop

void
links_set_common_options(zsock_t *sock)
{
    zsock_set_sndhwm(sock, 0);
    zsock_set_rcvhwm(sock, 0);
    zsock_set_linger(sock, LINGER_MS);
    zsock_set_handshake_ivl(sock, HANDSHAKE_MS);
}

static void
close_router(struct links *l)
{
    loop_remove(&l->below_source);
    if (l->below && l->conf.zap)
        zap_unwatch(zsock_resolve(l->below));
    zsock_destroy(&l->below);
}

struct links *
links_new(struct loop *loop, const struct links_conf *conf, const struct links_ops *ops, void *arg)
{
    struct links *l = xcalloc(1, sizeof(*l));

    l->conf = *conf;
    l->loop = loop;
    l->ops = ops;
    l->arg = arg;
    return l;
}

void
links_free(struct links **links)
{
    struct links *l = TAKE(*links);

    if (!l)
        return;
    close_router(l);
    free(l);
}

void
links_mute(struct links *l)
{
    if (l->below)
        zsock_set_linger(l->below, 0);
    close_router(l);
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
    zsock_t *sock = o->up ? o->up->dealer : o->links->below;

    return sock ? zsock_resolve(sock) : NULL;
}

static const struct msg_zmq_peer *
peer_of(const struct links_outlet *o)
{
    return o->up ? NULL : &o->peer;
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

    if (links_outlet_flush(o) == 0)
        return;
    if (o->up)
        links_up_failed(o->up);
    else
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
    if (rc < 0 && o->up)
        links_up_failed(o->up);
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

/* Of those who connect by ipc://. */
static void
admit_our_uid_only(void *zsock)
{
    int uid = (int)geteuid();

    zmq_setsockopt(zsock, ZMQ_IPC_FILTER_UID, &uid, sizeof(uid));
}

static int
secure(struct links *l, void *zsock)
{
    int rc = cert_apply_server(l->conf.cert, zsock, zap_domain(l->conf.zap));

    if (rc == 0)
        zap_watch(l->conf.zap, zsock);
    return rc;
}

static int
open_router(struct links *l, struct err *err)
{
    void *zsock;
    int rc;

    l->below = zsock_new(ZMQ_ROUTER);
    assert(l->below);
    zsock = zsock_resolve(l->below);
    links_set_common_options(l->below);
    zsock_set_rcvhwm(l->below, RECEIVED_MAX);
    zsock_set_backlog(l->below, BACKLOG);
    zsock_set_router_mandatory(l->below, 1);
    admit_our_uid_only(zsock);
    zsock_set_maxmsgsize(l->below,
                         (int)MIN(MAX(l->conf.max_payload + MSG_HEAD_MAX, (size_t)BUNDLE_SIZE_MAX),
                                  (size_t)INT32_MAX));
    rc = l->conf.cert ? secure(l, zsock) : 0;
    if (rc < 0)
        return err_set(err, rc, "cannot secure the tree's socket: %s", err_name(rc));
    l->below_source = loop_add_zmq(l->loop, zsock, receive_from_below, l);
    return 0;
}

int
links_listen(struct links *l, const char *uri, char **ret_uri, struct err *err)
{
    char endpoint[256];
    size_t size = sizeof(endpoint);
    int rc = l->below ? 0 : open_router(l, err);

    if (rc < 0)
        return rc;
    zsock_set_ipv6(l->below, strchr(uri, '[') != NULL); // else "*" would be printed as [::]
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
