/* SPDX-License-Identifier: MPL-2.0 */
/* transport.h - one connection to a rank that carries messages: a UNIX stream or a DEALER socket.
 *
 * Nothing here blocks but `open` and `wait`.  After the first error from send, flush or recv the
 * connection is gone for good and may only be freed.
 */
#ifndef XYLEM_TRANSPORT_H
#define XYLEM_TRANSPORT_H

#include "msg.h"
#include "uri.h"

#define TRANSPORT_OPEN_MS 10000         // time for a rank to answer a new connection
#define TRANSPORT_PAYLOAD_MAX INT32_MAX // a 1 GiB value in base64 and its JSON fit

struct transport;

struct transport_ops {
    void (*free)(struct transport *t);

    /* Queue a message; *m is finished.  0 or -errno. */
    int (*send)(struct transport *t, struct msg *m);

    /* Write as much of what is queued as goes without blocking.  0 or -errno. */
    int (*flush)(struct transport *t);

    /* 1: *ret is a message.  0: none has arrived.  -errno: the connection is gone. */
    int (*recv)(struct transport *t, struct msg *ret);

    /* Until recv or flush can do something, or timeout_ms (-1: no limit) are over. */
    void (*wait)(struct transport *t, int timeout_ms);

    /* Make fd readable if, and only if, recv or flush has something to do now or later. */
    void (*settle)(struct transport *t);
};

struct transport {
    const struct transport_ops *ops;
    int fd; // for poll(2) by the user of the library; the same for life
    /* Bytes of requests that may be under way, and sent again when they are refused with EAGAIN; 0: the
     * rank itself reads no more than it has room for. */
    uint64_t window;
    const char *refusal; // -EPERM: why the rank may have refused us; NULL: it did not say
};

/* -ENOENT, -ECONNREFUSED nobody there; -EPERM refused; -ETIMEDOUT; with text. */
int transport_open_local(const struct uri *uri, struct transport **ret, struct err *err);

/* ipc:// and tcp://.  cert: path of a CURVE certificate, or NULL, which is -EPERM for tcp:// beyond this
 * host.  The errors of cert_load().  The connection is made in the background: that nobody listens, or
 * that we are refused, shows as an error of recv. */
int transport_open_zmq(const struct uri *uri, const char *cert, struct transport **ret,
                       struct err *err);

#endif
