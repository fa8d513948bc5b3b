/* SPDX-License-Identifier: MPL-2.0 */
/* transport_local.c - messages over the UNIX stream socket of a rank on this host.
 *
 * Requests are queued by send() and go out together, many in one system call, when flush() is
 * called.  Reads take what is there, 64 KiB at a time; a read that did not fill its space has
 * emptied the socket, which saves asking again.
 *
 *   input     means                 recv() without a message      wait()
 *   UNKNOWN   -                     reads                         reads for a while, then sleeps
 *   FULL      there may be more     reads                         (there is something for recv())
 *   EMPTY     there was no more     UNKNOWN, says "none"          likewise
 *   BROKEN    -                     says why                      likewise
 *
 * The user's descriptor is an epoll set of the one socket.  It waits for input always, and for
 * room to write (I1) only while something is queued at the time the user gets control back.
 */
#include "transport.h"
#include "clock.h"
#include "msg_stream.h"
#include "spin.h"
#include "xmem.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum input { UNKNOWN, FULL, EMPTY, BROKEN }; // see the table

struct local {
    struct transport base;
    int sock;                  // owned
    bool wants_write;          // the epoll set includes EPOLLOUT (I1)
    enum input input;          // what the last read has told of the socket
    int error;                 // BROKEN: -errno
    struct spin spin;          // are answers here sooner than a sleep takes?
    struct msg_reader *reader; // owned
    struct msg_writer *writer; // owned
};

static struct local *
self(struct transport *t)
{
    return container_of(t, struct local, base);
}

static void
free_local(struct transport *t)
{
    struct local *l = self(t);

    msg_reader_free(&l->reader);
    msg_writer_free(&l->writer);
    close(l->base.fd);
    close(l->sock);
    free(l);
}

static int
send_local(struct transport *t, struct msg *m)
{
    msg_writer_push(self(t)->writer, m);
    return 0;
}

static int
flush_local(struct transport *t)
{
    struct local *l = self(t);
    int rc;

    if (msg_writer_pending(l->writer) == 0)
        return 0;
    rc = msg_writer_flush(l->writer, l->sock);
    if (rc == -EAGAIN)
        return 0;
    return rc == -EPIPE ? -ECONNRESET : rc;
}

static void
break_input(struct local *l, int error)
{
    l->input = BROKEN;
    l->error = error;
}

/* One read.  true: something came. */
static bool
fill(struct local *l)
{
    uint8_t *where;
    size_t space = msg_reader_space(l->reader, &where);
    ssize_t n;

    do
        n = recv(l->sock, where, space, 0);
    while (n < 0 && errno == EINTR);
    if (n > 0) {
        msg_reader_filled(l->reader, (size_t)n);
        l->input = (size_t)n == space ? FULL : EMPTY;
        return true;
    }
    if (n < 0 && errno == EAGAIN)
        l->input = EMPTY;
    else
        break_input(l, n < 0 ? -errno : -ECONNRESET);
    return false;
}

static int
recv_local(struct transport *t, struct msg *ret)
{
    struct local *l = self(t);
    int rc;

    while ((rc = msg_reader_next(l->reader, ret)) == 0) {
        if (l->input == BROKEN)
            return l->error;
        if (l->input == EMPTY) {
            l->input = UNKNOWN;
            return 0;
        }
        fill(l);
    }
    return rc;
}

/* Read again and again, for a while. */
static void
spin(struct local *l)
{
    int64_t end = clock_us() + SPIN_US;
    bool hit;

    do
        hit = fill(l);
    while (!hit && l->input == EMPTY && clock_us() < end);
    spin_note(&l->spin, hit);
    if (!hit && l->input == EMPTY)
        l->input = UNKNOWN;
}

static void
sleep_until_ready(struct local *l, int timeout_ms)
{
    struct pollfd pfd = {.fd = l->sock, .events = POLLIN};

    if (msg_writer_pending(l->writer) > 0)
        pfd.events |= POLLOUT;
    poll(&pfd, 1, timeout_ms);
}

static void
wait_local(struct transport *t, int timeout_ms)
{
    struct local *l = self(t);

    if (l->input == UNKNOWN && msg_writer_pending(l->writer) == 0 && spin_begin(&l->spin))
        spin(l);
    if (l->input == UNKNOWN)
        sleep_until_ready(l, timeout_ms);
}

static void
settle_local(struct transport *t)
{
    struct local *l = self(t);
    bool wants_write = msg_writer_pending(l->writer) > 0;
    struct epoll_event ev = {.events = EPOLLIN | (wants_write ? (uint32_t)EPOLLOUT : 0)};

    if (wants_write == l->wants_write)
        return;
    l->wants_write = wants_write;
    epoll_ctl(l->base.fd, EPOLL_CTL_MOD, l->sock, &ev);
}

static const struct transport_ops local_ops = {
    free_local, send_local, flush_local, recv_local, wait_local, settle_local,
};

/* Both calls that wait while connecting, connect(2) and recv(2), are bounded by socket options. */
static int
connect_socket(int sock, const char *path)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    struct timeval limit = {.tv_sec = TRANSPORT_OPEN_MS / 1000};
    int rc;

    memcpy(addr.sun_path, path, strlen(path) + 1);
    setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    do
        rc = connect(sock, (struct sockaddr *)&addr, sizeof(addr));
    while (rc < 0 && errno == EINTR);
    if (rc < 0)
        return errno == EAGAIN ? -ETIMEDOUT : -errno;
    return 0;
}

/* The rank says one byte: welcome (0), or why not. */
static int
read_greeting(int sock)
{
    uint8_t greeting;
    ssize_t n;

    do
        n = recv(sock, &greeting, 1, 0);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EAGAIN ? -ETIMEDOUT : -errno;
    return n == 0 ? -ECONNRESET : -greeting;
}

static int
greet(int sock, const struct uri *uri, struct err *err)
{
    int rc = connect_socket(sock, uri->path);

    if (rc == 0)
        rc = read_greeting(sock);
    if (rc == -ENOENT || rc == -ECONNREFUSED)
        return err_set(err, rc, "%s: no rank listens there (%s)", uri->text, err_name(rc));
    if (rc == -EPERM)
        return err_set(err, rc, "%s: the rank belongs to another user (%s)", uri->text,
                       err_name(rc));
    if (rc < 0)
        return err_set(err, rc, "%s: %s", uri->text, err_name(rc));
    return 0;
}

static int
watch(int sock)
{
    struct epoll_event ev = {.events = EPOLLIN};
    int fd = epoll_create1(EPOLL_CLOEXEC);
    int rc;

    if (fd < 0)
        return -errno;
    rc = epoll_ctl(fd, EPOLL_CTL_ADD, sock, &ev) < 0 ? -errno : fd;
    if (rc < 0)
        close(fd);
    return rc;
}

static struct transport *
new_local(int sock, int fd)
{
    struct local *l = xcalloc(1, sizeof(*l));

    l->base.ops = &local_ops;
    l->base.fd = fd;
    l->sock = sock;
    l->reader = msg_reader_new(TRANSPORT_PAYLOAD_MAX);
    l->writer = msg_writer_new();
    return &l->base;
}

int
transport_open_local(const struct uri *uri, struct transport **ret, struct err *err)
{
    int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int rc;

    if (sock < 0)
        return err_set(err, -errno, "%s: %s", uri->text, err_name(errno));
    rc = greet(sock, uri, err);
    if (rc < 0)
        goto out;
    fcntl(sock, F_SETFL, O_NONBLOCK);
    rc = watch(sock);
    if (rc < 0) {
        err_set(err, rc, "%s: %s", uri->text, err_name(rc));
        goto out;
    }
    *ret = new_local(sock, rc);
    return 0;
out:
    close(sock);
    return rc;
}
