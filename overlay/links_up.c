/* SPDX-License-Identifier: MPL-2.0 */
/* links_up.c - a DEALER to one rank above, with its monitor (links.h).
 *
 * - A DEALER can die for ever while sending to it succeeds; so one that fails is replaced, not revived.
 * - No MAXMSGSIZE: on the connecting side it would kill the socket for good.
 * - The server's key binds whom we speak to: who has another one never gets a word of us.
 *
 * I1  A connection that is closed by a handler of its own stays in memory until the handler returns,
 *     without sockets. */
#include "cert.h"
#include "links_priv.h"
#include "xmem.h"

#include <errno.h>
#include <string.h>

#define RECONNECT_MS 20 // first retry: ranks start in any order, the parent is there soon
#define RECONNECT_MAX_MS 1000
#define ENDED \
    (ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_CONNECT_RETRIED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | \
     ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH)

/* --- closing --- */

static void
close_sockets(struct links_up *up)
{
    links_outlet_fini(&up->outlet);
    loop_timer_stop(&up->failed);
    loop_remove(&up->monitor_source);
    loop_remove(&up->dealer_source);
    if (up->dealer)
        zmq_socket_monitor(zsock_resolve(up->dealer), NULL, 0);
    zsock_destroy(&up->monitor);
    zsock_destroy(&up->dealer);
}

static void
end(struct links_up *up)
{
    close_sockets(up);
    if (up->busy == 0) /* I1 */
        free(up);
}

void
links_up_close(struct links_up **link)
{
    struct links_up *up = TAKE(*link);

    if (!up)
        return;
    links_outlet_flush(&up->outlet);
    end(up);
}

void
links_up_drop(struct links_up **link)
{
    struct links_up *up = TAKE(*link);

    if (!up)
        return;
    zsock_set_linger(up->dealer, 0);
    end(up);
}

/* A handler returns.  false: the connection is gone. */
static bool
leave(struct links_up *up)
{
    bool lives = up->dealer != NULL;

    if (--up->busy == 0 && !lives) /* I1 */
        free(up);
    return lives;
}

/* --- what comes --- */

static bool
take(void *arg, const struct msg_zmq_peer *peer UNUSED, struct msg *m)
{
    struct links_up *up = arg;

    up->links->ops->from_above(up->links->arg, up, m);
    return up->dealer != NULL;
}

static bool
receive(void *arg)
{
    struct links_up *up = arg;
    struct links *l = up->links;
    int rc;

    up->busy++;
    rc = msg_zmq_recv_each(zsock_resolve(up->dealer), false, LINKS_PAYLOAD_MAX, NULL, take, up);
    if (rc < 0)
        elog_limited(&l->strange, ELOG_WARN,
                     "a rank above sent something that is no message: dropped (%s)", err_name(rc));
    return leave(up) && rc != 0;
}

static enum links_end
end_of(unsigned event)
{
    switch (event) {
    case ZMQ_EVENT_CONNECT_RETRIED:
        return LINKS_CLOSED;
    case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
    case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
        return LINKS_UNAUTHORISED;
    default:
        return LINKS_BROKEN;
    }
}

/* Two frames: the event, of 16 bits and a value, and the endpoint. */
static bool
receive_event(struct links_up *up, uint16_t *ret)
{
    zmq_msg_t frame;
    bool is_first;

    zmq_msg_init(&frame);
    is_first =
        zmq_msg_recv(&frame, zsock_resolve(up->monitor), ZMQ_DONTWAIT) >= (int)sizeof(*ret) &&
        zmq_msg_more(&frame);
    if (is_first) {
        memcpy(ret, zmq_msg_data(&frame), sizeof(*ret));
        zmq_msg_recv(&frame, zsock_resolve(up->monitor), ZMQ_DONTWAIT);
    }
    zmq_msg_close(&frame);
    return is_first;
}

/* Only ends are subscribed to. */
static bool
receive_from_monitor(void *arg)
{
    struct links_up *up = arg;
    uint16_t event;

    if (!receive_event(up, &event))
        return false;
    up->busy++;
    up->links->ops->above_cut(up->links->arg, up, end_of(event));
    return leave(up);
}

static void
on_failed(void *arg)
{
    struct links_up *up = arg;

    up->busy++;
    up->links->ops->above_cut(up->links->arg, up, LINKS_BROKEN);
    leave(up);
}

void
links_up_failed(struct links_up *up)
{
    loop_timer_start(up->links->loop, &up->failed, 0);
}

/* --- opening --- */

static void
open_monitor(struct links_up *up)
{
    AUTO(free) char *endpoint = xasprintf("inproc://links-monitor-%p", (void *)up->dealer);

    if (zmq_socket_monitor(zsock_resolve(up->dealer), endpoint, ENDED) != 0)
        return;
    up->monitor = zsock_new(ZMQ_PAIR);
    assert(up->monitor);
    zmq_connect(zsock_resolve(up->monitor), endpoint);
    up->monitor_source =
        loop_add_zmq(up->links->loop, zsock_resolve(up->monitor), receive_from_monitor, up);
}

static int
connect_to(struct links_up *up, const char *uri, const char *server_key, struct err *err)
{
    const struct cert *cert = up->links->conf.cert;
    void *zsock = zsock_resolve(up->dealer);
    int rc = cert ? cert_apply_client(cert, zsock, server_key) : 0;

    if (rc < 0)
        return err_set(err, rc, "cannot secure the connection to %s: %s", uri, err_name(rc));
    zsock_set_ipv6(up->dealer, strchr(uri, '[') != NULL);
    if (zmq_connect(zsock, uri) < 0)
        return err_set(err, -errno, "cannot connect to %s: %s", uri, zmq_strerror(errno));
    return 0;
}

int
links_up_open(struct links *l, const char *uri, const char *server_key, struct links_up **ret,
              struct err *err)
{
    struct links_up *up = xcalloc(1, sizeof(*up));
    int rc;

    up->links = l;
    loop_timer_init(&up->failed, on_failed, up);
    links_outlet_init(&up->outlet, l, NULL, true);
    up->outlet.up = up;
    up->dealer = zsock_new(ZMQ_DEALER);
    assert(up->dealer);
    links_set_common_options(up->dealer);
    zsock_set_reconnect_ivl(up->dealer, RECONNECT_MS);
    zsock_set_reconnect_ivl_max(up->dealer, RECONNECT_MAX_MS);
    open_monitor(up);
    rc = connect_to(up, uri, server_key, err);
    if (rc < 0) {
        links_up_drop(&up);
        return rc;
    }
    up->dealer_source = loop_add_zmq(l->loop, zsock_resolve(up->dealer), receive, up);
    *ret = up;
    return 0;
}

struct links_outlet *
links_up_outlet(struct links_up *up)
{
    return &up->outlet;
}
