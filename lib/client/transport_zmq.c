/* SPDX-License-Identifier: MPL-2.0 */
/* transport_zmq.c - messages over a ZeroMQ DEALER socket, to the ROUTER of a rank.
 *
 * libzmq connects, and would reconnect for ever, without telling; a monitor socket tells.  Whatever
 * goes wrong ends the connection: answers to what was asked before could not come any more.
 *
 *   state        monitor says                 state
 *   CONNECTING   handshake succeeded          CONNECTED
 *   CONNECTING   connect will be tried again  LOST, -ENOENT or -ECONNREFUSED
 *   CONNECTING   handshake failed, closed     LOST, -EPERM: nearly always the certificate, see refuse()
 *   CONNECTED    closed                       LOST, -ECONNRESET; also when the rank says BYE
 *
 * The rank sends a window ahead and then waits to hear how much of it was taken: a CREDIT goes out for
 * every quarter, and when the rank asks with a PING (xylem-message(7), "Remote clients").
 *
 * A ROUTER socket cannot stop to read from us, and ours would take any number of messages: so requests
 * are held back by the handle (client_request.c), which `window` tells to.
 *
 * The descriptors of libzmq are edge-triggered: they may stay silent although a message waits.  So
 * the user's descriptor is an epoll set of them and of an eventfd, which settle() makes readable
 * exactly while ZMQ_EVENTS of one of the sockets says that there is something (I1).
 */
#include "transport.h"
#include "cert.h"
#include "control.h"
#include "msg_zmq.h"
#include "xmem.h"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <zmq.h>

#define MONITOR_ADDRESS "inproc://xylem-monitor"
#define MONITOR_EVENTS \
    (ZMQ_EVENT_CONNECT_RETRIED | ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_HANDSHAKE_SUCCEEDED | \
     ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | \
     ZMQ_EVENT_HANDSHAKE_FAILED_AUTH)

enum state { CONNECTING, CONNECTED, LOST };

struct zmq {
    struct transport base;
    void *context;    // owned; its own I/O thread, so that a handle leaves nothing behind
    void *dealer;     // owned
    void *monitor;    // owned
    int wake;         // owned eventfd, in the epoll set
    bool is_awake;    // wake is readable (I1)
    enum state state; // see the table
    int error;        // LOST: why
    char *path;       // owned; of an ipc:// URI, else NULL
    char *cert;       // owned; the file of our certificate; NULL: none
    char *refusal;    // owned; base.refusal
    uint64_t taken;   // bytes of messages taken out of the socket
    uint64_t told;    // of these: the rank knows
};

static struct zmq *
self(struct transport *t)
{
    return container_of(t, struct zmq, base);
}

static void
free_zmq(struct transport *t)
{
    struct zmq *z = self(t);

    close(z->base.fd);
    close(z->wake);
    zmq_socket_monitor(z->dealer, NULL, 0);
    zmq_close(z->monitor);
    zmq_close(z->dealer);
    zmq_ctx_term(z->context);
    free(z->path);
    free(z->cert);
    free(z->refusal);
    free(z);
}

static int
send_zmq(struct transport *t, struct msg *m)
{
    int rc = msg_zmq_send(self(t)->dealer, NULL, m);

    msg_fini(m);
    return rc;
}

static int
flush_zmq(struct transport *t UNUSED)
{
    return 0;
}

/* --- the monitor --- */

static void
lose(struct zmq *z, int error)
{
    if (z->state == LOST)
        return;
    z->state = LOST;
    z->error = error;
}

/* What a rank that refuses somebody tells is nearly nothing, so these are guesses. */
static void
refuse(struct zmq *z, uint16_t event)
{
    lose(z, -EPERM);
    if (z->refusal)
        return;
    if (!z->cert)
        z->refusal = xstrdup("it wants a certificate: --cert FILE or XYLEM_CERT");
    else if (event == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH)
        z->refusal = xasprintf("it does not know the key in %s", z->cert);
    else
        z->refusal =
            xasprintf("its key is not the server-key in %s, or it takes no certificate", z->cert);
    z->base.refusal = z->refusal;
}

static int
absence(const struct zmq *z)
{
    return z->path && access(z->path, F_OK) < 0 ? -ENOENT : -ECONNREFUSED;
}

static void
on_event(struct zmq *z, uint16_t event)
{
    if (event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED && z->state == CONNECTING)
        z->state = CONNECTED;
    else if (event == ZMQ_EVENT_CONNECT_RETRIED && z->state == CONNECTING)
        lose(z, absence(z));
    else if (event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED || event == ZMQ_EVENT_CONNECT_RETRIED)
        return;
    else if (z->state == CONNECTING)
        refuse(z, event);
    else
        lose(z, -ECONNRESET);
}

/* An event is two frames: its number (and a value) and the address. */
static void
drain_monitor(struct zmq *z)
{
    uint8_t frame[URI_TEXT_MAX];

    while (zmq_recv(z->monitor, frame, sizeof(frame), ZMQ_DONTWAIT) >= 0) {
        uint16_t event;

        memcpy(&event, frame, sizeof(event));
        zmq_recv(z->monitor, frame, sizeof(frame), ZMQ_DONTWAIT);
        on_event(z, event);
    }
}

/* --- receiving --- */

static void
send_credit(struct zmq *z)
{
    struct msg m;

    control_init_credit(&m, z->taken);
    z->told = z->taken;
    send_zmq(&z->base, &m);
}

static void
count(struct zmq *z, const struct msg *m)
{
    z->taken += control_cost(m);
    if (z->taken - z->told >= CONTROL_CLIENT_WINDOW / 4)
        send_credit(z);
}

static void
on_control(struct zmq *z, const struct msg *m)
{
    if (m->control == CONTROL_PING)
        send_credit(z);
    else if (m->control == CONTROL_BYE)
        lose(z, -ECONNRESET);
}

/* As msg_zmq_recv(), without control messages. */
static int
take(struct zmq *z, struct msg *ret)
{
    int rc;

    while ((rc = msg_zmq_recv(z->dealer, NULL, TRANSPORT_PAYLOAD_MAX, ret)) == 1) {
        if (ret->type != MSG_CONTROL) {
            if (control_is_counted(ret))
                count(z, ret);
            break;
        }
        on_control(z, ret);
        msg_fini(ret);
    }
    return rc;
}

/* What arrived before the connection was lost is delivered before the loss is told. */
static int
recv_zmq(struct transport *t, struct msg *ret)
{
    struct zmq *z = self(t);
    int rc = take(z, ret);

    if (rc != 0)
        return rc;
    drain_monitor(z);
    if (z->state != LOST)
        return 0;
    rc = take(z, ret);
    return rc != 0 ? rc : z->error;
}

/* --- readiness --- */

static bool
is_readable(void *zsock)
{
    int events = 0;
    size_t size = sizeof(events);

    return zmq_getsockopt(zsock, ZMQ_EVENTS, &events, &size) == 0 && (events & ZMQ_POLLIN);
}

static void
settle_zmq(struct transport *t)
{
    struct zmq *z = self(t);
    bool ready = is_readable(z->dealer) || is_readable(z->monitor);
    uint64_t count = 1;
    ssize_t n;

    if (ready == z->is_awake)
        return;
    z->is_awake = ready;
    n = ready ? write(z->wake, &count, sizeof(count)) : read(z->wake, &count, sizeof(count));
    assert(n == sizeof(count));
}

static void
wait_zmq(struct transport *t, int timeout_ms)
{
    struct pollfd pfd = {.fd = t->fd, .events = POLLIN};

    settle_zmq(t);
    poll(&pfd, 1, timeout_ms);
}

static const struct transport_ops zmq_ops = {
    free_zmq, send_zmq, flush_zmq, recv_zmq, wait_zmq, settle_zmq,
};

/* --- open --- */

static void
set_int(void *zsock, int option, int value)
{
    int rc = zmq_setsockopt(zsock, option, &value, sizeof(value));

    assert(rc == 0);
}

static void
add_zmq(int epfd, void *zsock)
{
    struct epoll_event ev = {.events = EPOLLIN};
    int fd = -1;
    size_t size = sizeof(fd);

    zmq_getsockopt(zsock, ZMQ_FD, &fd, &size);
    epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &ev);
}

static struct zmq *
new_zmq(void)
{
    struct zmq *z = xcalloc(1, sizeof(*z));
    struct epoll_event ev = {.events = EPOLLIN};

    z->base.ops = &zmq_ops;
    z->base.window = CONTROL_CLIENT_WINDOW;
    z->base.fd = epoll_create1(EPOLL_CLOEXEC);
    z->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    z->context = zmq_ctx_new();
    z->dealer = zmq_socket(z->context, ZMQ_DEALER);
    z->monitor = zmq_socket(z->context, ZMQ_PAIR);
    assert(z->base.fd >= 0 && z->wake >= 0 && z->dealer && z->monitor);
    set_int(z->dealer, ZMQ_LINGER, 0);
    set_int(z->dealer, ZMQ_SNDHWM, 0);
    set_int(z->dealer, ZMQ_RCVHWM, 0);
    set_int(z->monitor, ZMQ_LINGER, 0);
    epoll_ctl(z->base.fd, EPOLL_CTL_ADD, z->wake, &ev);
    add_zmq(z->base.fd, z->dealer);
    add_zmq(z->base.fd, z->monitor);
    return z;
}

static int
apply_cert(struct zmq *z, const char *path, struct err *err)
{
    struct cert cert;
    int rc = cert_load(&cert, path, err);

    if (rc < 0)
        return rc;
    rc = cert_apply_client(&cert, z->dealer, NULL);
    cert_wipe(&cert);
    if (rc < 0)
        return err_set(err, rc, "%s: %s", path, zmq_strerror(-rc));
    z->cert = xstrdup(path);
    return 0;
}

static int
start(struct zmq *z, const struct uri *uri, const char *cert, struct err *err)
{
    int rc = cert ? apply_cert(z, cert, err) : 0;
    int ipv6 = strchr(uri->text, '[') != NULL;

    if (rc < 0)
        return rc;
    if (!cert && !uri_is_local(uri))
        return err_set(err, -EPERM,
                       "%s: beyond this host a certificate is needed: --cert FILE or XYLEM_CERT",
                       uri->text);
    if (uri->kind == URI_IPC)
        z->path = xstrdup(uri->path);
    zmq_socket_monitor(z->dealer, MONITOR_ADDRESS, MONITOR_EVENTS);
    zmq_connect(z->monitor, MONITOR_ADDRESS);
    zmq_setsockopt(z->dealer, ZMQ_IPV6, &ipv6, sizeof(ipv6));
    if (zmq_connect(z->dealer, uri->text) < 0)
        return err_set(err, -zmq_errno(), "%s: %s", uri->text, zmq_strerror(zmq_errno()));
    return 0;
}

int
transport_open_zmq(const struct uri *uri, const char *cert, struct transport **ret, struct err *err)
{
    struct zmq *z = new_zmq();
    int rc = start(z, uri, cert, err);

    if (rc < 0)
        free_zmq(&z->base);
    else
        *ret = &z->base;
    return rc;
}
