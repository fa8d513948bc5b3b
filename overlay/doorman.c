/* SPDX-License-Identifier: MPL-2.0 */
/* doorman.c - see doorman.h.
 *
 * libzmq tells of a connection's begin and end with its descriptor, and that a handshake has failed without:
 *
 *   accepted (fd)      note who it is
 *   failed (reason)    remember the reason
 *   disconnected (fd)  with a reason: log; forget both
 *
 * A peer without a certificate breaks off by itself as soon as it sees that we want one: often all that can
 * be told is that it is gone.
 *
 * A failure is followed at once by the end of the connection, from the same I/O thread.  Descriptors may have
 * been used again before we look: what is said of them is for people, nothing depends on it.
 *
 * Nothing that comes may wait in vain: the socket has no high-water mark, because libzmq's I/O thread would
 * block at one.
 */
#include "doorman.h"
#include "map.h"
#include "xmem.h"

#include <arpa/inet.h>
#include <czmq.h>
#include <stdio.h>
#include <sys/socket.h>

#define NAME_SIZE (INET6_ADDRSTRLEN + 16)

const int doorman_events = ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_DISCONNECTED |
                           ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
                           ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_MONITOR_STOPPED;

struct caller {
    uint64_t fd;
    char name[NAME_SIZE];
};

struct doorman {
    zsock_t *monitor;    // owned PAIR
    char *who;           // owned
    struct map callers;  // struct caller, owned: connections that exist
    const char *failure; // of the connection that ends next; NULL: none
};

struct doorman *
doorman_new(const char *address, const char *who)
{
    struct doorman *d = xcalloc(1, sizeof(*d));
    int rc;

    d->monitor = zsock_new(ZMQ_PAIR);
    assert(d->monitor);
    zsock_set_rcvhwm(d->monitor, 0);
    zsock_set_linger(d->monitor, 0);
    rc = zmq_connect(zsock_resolve(d->monitor), address);
    assert(rc == 0);
    d->who = xstrdup(who);
    map_init(&d->callers, offsetof(struct caller, fd), sizeof(uint64_t));
    return d;
}

void
doorman_free(struct doorman **doorman)
{
    struct doorman *d = TAKE(*doorman);
    struct caller *c;
    size_t pos = 0;

    if (!d)
        return;
    while ((c = map_next(&d->callers, &pos)))
        free(c);
    map_fini(&d->callers);
    zsock_destroy(&d->monitor);
    free(d->who);
    free(d);
}

void *
doorman_socket(struct doorman *d)
{
    return zsock_resolve(d->monitor);
}

/* --- who it is --- */

static void
name_peer(int fd, char name[NAME_SIZE])
{
    struct sockaddr_storage peer;
    socklen_t size = sizeof(peer);
    char host[INET6_ADDRSTRLEN] = "?";

    snprintf(name, NAME_SIZE, "?");
    if (getpeername(fd, (struct sockaddr *)&peer, &size) < 0)
        return;
    if (peer.ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)&peer;

        inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
        snprintf(name, NAME_SIZE, "%s:%u", host, ntohs(in->sin_port));
    } else if (peer.ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&peer;

        inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
        snprintf(name, NAME_SIZE, "[%s]:%u", host, ntohs(in6->sin6_port));
    } else {
        snprintf(name, NAME_SIZE, "this host");
    }
}

static void
note_caller(struct doorman *d, int fd)
{
    uint64_t key = (uint64_t)fd;
    struct caller *c = map_get(&d->callers, &key);

    if (!c) {
        c = xcalloc(1, sizeof(*c));
        c->fd = key;
        map_put(&d->callers, c);
    }
    name_peer(fd, c->name);
}

/* --- events --- */

static const char *
reason(uint16_t event, int32_t value)
{
    if (event == ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL)
        return "its handshake was not finished (no certificate?)";
    switch (value) {
    case ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH:
        return "it has no certificate";
    case ZMQ_PROTOCOL_ERROR_ZMTP_CRYPTOGRAPHIC:
        return "it takes us for somebody else: not our public key";
    default:
        return "a malformed handshake";
    }
}

static uint64_t
end_caller(struct doorman *d, int fd, struct elog_limit *lines)
{
    uint64_t key = (uint64_t)fd;
    struct caller *c = map_remove(&d->callers, &key);
    const char *why = TAKE(d->failure);

    if (why)
        elog_limited(lines, ELOG_WARN, "%s: refused a connection from %s: %s", d->who,
                     c ? c->name : "?", why);
    free(c);
    return why != NULL;
}

/* An event is a number of 16 bits and one of 32, and a frame with an address, our own. */
static bool
take_event(struct doorman *d, uint16_t *ret_event, int32_t *ret_value)
{
    void *zsock = zsock_resolve(d->monitor);
    uint8_t frame[6];
    uint8_t address;

    if (zmq_recv(zsock, frame, sizeof(frame), ZMQ_DONTWAIT) != (int)sizeof(frame))
        return false;
    memcpy(ret_event, frame, sizeof(*ret_event));
    memcpy(ret_value, frame + sizeof(*ret_event), sizeof(*ret_value));
    zmq_recv(zsock, &address, sizeof(address), ZMQ_DONTWAIT);
    return true;
}

bool
doorman_serve(struct doorman *d, struct elog_limit *lines, uint64_t *refused)
{
    uint16_t event;
    int32_t value;

    while (take_event(d, &event, &value)) {
        if (event == ZMQ_EVENT_MONITOR_STOPPED)
            return false;
        if (event == ZMQ_EVENT_ACCEPTED)
            note_caller(d, value);
        else if (event == ZMQ_EVENT_DISCONNECTED)
            *refused += end_caller(d, value, lines);
        else
            d->failure = reason(event, value);
    }
    return true;
}
