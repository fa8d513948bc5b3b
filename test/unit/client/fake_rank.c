/* SPDX-License-Identifier: MPL-2.0 */
/* fake_rank.c - see fake_rank.h.  One client at a time. */
#include "fake_rank.h"
#include "cert.h"
#include "control.h"
#include "msg_stream.h"
#include "msg_zmq.h"
#include "xmem.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct fake_rank {
    int greeting; // -1: ZeroMQ
    fake_rank_fn serve;
    void *arg;    // borrowed
    char dir[32]; // holds the socket
    char uri[64];
    char path[48];
    pthread_t thread;
    int stop;     // eventfd
    bool hung_up; // serve wants the connection closed
    atomic_uint reads;
    /* stream */
    int listener;
    int sock; // the client, or -1
    struct msg_writer *writer;
    /* ZeroMQ */
    void *context;
    void *router;
    struct msg_zmq_peer peer;      // of the request being served
    atomic_uint credits;           // CREDITs received
    atomic_uint_fast64_t credited; // the last total
};

void
fake_rank_reply(struct fake_rank *f, const struct msg *request, int errnum, const void *data,
                size_t size)
{
    struct msg m;
    struct blob *b = blob_new(data, size);

    msg_init_response(&m, request, errnum);
    msg_set_payload(&m, &b);
    if (f->greeting < 0)
        assert(msg_zmq_send(f->router, &f->peer, &m) == 0);
    else
        msg_writer_push(f->writer, &m);
    msg_fini(&m);
}

void
fake_rank_reply_text(struct fake_rank *f, const struct msg *request, int errnum, const char *text)
{
    fake_rank_reply(f, request, errnum, text, strlen(text) + 1);
}

void
fake_rank_say(struct fake_rank *f, uint32_t control)
{
    struct msg m;

    msg_init(&m, MSG_CONTROL);
    m.control = control;
    assert(msg_zmq_send(f->router, &f->peer, &m) == 0);
}

struct msg_zmq_peer
fake_rank_peer(const struct fake_rank *f)
{
    return f->peer;
}

void
fake_rank_turn_to(struct fake_rank *f, const struct msg_zmq_peer *peer)
{
    f->peer = *peer;
}

void
fake_rank_hang_up(struct fake_rank *f)
{
    f->hung_up = true;
}

void *
fake_rank_arg(const struct fake_rank *f)
{
    return f->arg;
}

const char *
fake_rank_uri(const struct fake_rank *f)
{
    return f->uri;
}

unsigned
fake_rank_reads(const struct fake_rank *f)
{
    return atomic_load(&f->reads);
}

unsigned
fake_rank_credits(const struct fake_rank *f)
{
    return atomic_load(&f->credits);
}

uint64_t
fake_rank_credited(const struct fake_rank *f)
{
    return atomic_load(&f->credited);
}

static void
answer(struct fake_rank *f, struct msg *request)
{
    const char *text = msg_text(request);

    if (strcmp(request->topic, "attr.get") == 0 && text && strstr(text, "\"content.hash\""))
        fake_rank_reply_text(f, request, 0, "{\"value\":\"blake2b\",\"flags\":1}");
    else
        f->serve(f, request);
    msg_fini(request);
}

/* --- stream --- */

/* false: the client or the test is gone. */
static bool
read_some(struct fake_rank *f, struct msg_reader *reader)
{
    uint8_t *where;
    size_t space = msg_reader_space(reader, &where);
    ssize_t n = recv(f->sock, where, space, MSG_DONTWAIT);

    if (n < 0)
        return errno == EAGAIN;
    if (n == 0)
        return false;
    atomic_fetch_add(&f->reads, 1);
    msg_reader_filled(reader, (size_t)n);
    return true;
}

static bool
serve_turn(struct fake_rank *f, struct msg_reader *reader)
{
    bool pending = msg_writer_pending(f->writer) > 0;
    struct pollfd fds[2] = {{.fd = f->stop, .events = POLLIN},
                            {.fd = f->sock, .events = (short)(POLLIN | (pending ? POLLOUT : 0))}};
    struct msg m;

    poll(fds, 2, -1);
    if (fds[0].revents || !read_some(f, reader))
        return false;
    while (msg_reader_next(reader, &m) == 1)
        answer(f, &m);
    return msg_writer_flush(f->writer, f->sock) != -EPIPE && !f->hung_up;
}

static void
serve_client(struct fake_rank *f)
{
    struct msg_reader *reader = msg_reader_new(1 << 30);
    uint8_t greeting = (uint8_t)f->greeting;

    f->writer = msg_writer_new();
    assert(send(f->sock, &greeting, 1, 0) == 1);
    while (serve_turn(f, reader))
        ;
    close(f->sock);
    f->sock = -1;
    f->hung_up = false;
    msg_writer_free(&f->writer);
    msg_reader_free(&reader);
}

static void *
run_stream(void *arg)
{
    struct fake_rank *f = arg;
    struct pollfd fds[2] = {{.fd = f->stop, .events = POLLIN},
                            {.fd = f->listener, .events = POLLIN}};

    while (poll(fds, 2, -1) > 0 && !fds[0].revents) {
        f->sock = accept(f->listener, NULL, NULL);
        serve_client(f);
    }
    return NULL;
}

static void
bind_stream(struct fake_rank *f)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};

    snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", f->path);
    f->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert(bind(f->listener, (struct sockaddr *)&addr, sizeof(addr)) == 0);
    assert(listen(f->listener, 5) == 0);
}

/* --- ZeroMQ --- */

static void
take(struct fake_rank *f, struct msg *m)
{
    uint64_t total;

    if (m->type != MSG_CONTROL) {
        answer(f, m);
        return;
    }
    assert(m->control == CONTROL_CREDIT && control_get_total(m, &total));
    atomic_store(&f->credited, total);
    atomic_fetch_add(&f->credits, 1);
    msg_fini(m);
}

static void *
run_zmq(void *arg)
{
    struct fake_rank *f = arg;
    zmq_pollitem_t items[2] = {{.fd = f->stop, .events = ZMQ_POLLIN},
                               {.socket = f->router, .events = ZMQ_POLLIN}};

    while (!f->hung_up && zmq_poll(items, 2, -1) > 0 && !items[0].revents) {
        struct msg m;

        while (msg_zmq_recv(f->router, &f->peer, 1 << 30, &m) == 1)
            take(f, &m);
    }
    zmq_close(f->router);
    return NULL;
}

static void
set_cert(void *router, const struct cert *cert)
{
    int on = 1;

    zmq_setsockopt(router, ZMQ_CURVE_SERVER, &on, sizeof(on));
    zmq_setsockopt(router, ZMQ_CURVE_SECRETKEY, cert->secret_key, sizeof(cert->secret_key));
}

static void
bind_zmq(struct fake_rank *f, const struct cert *cert)
{
    size_t size = sizeof(f->uri);
    int mandatory = 1;
    int no_mark = 0;
    int linger = 1000;

    f->context = zmq_ctx_new();
    f->router = zmq_socket(f->context, ZMQ_ROUTER);
    zmq_setsockopt(f->router, ZMQ_ROUTER_MANDATORY, &mandatory, sizeof(mandatory));
    zmq_setsockopt(f->router, ZMQ_SNDHWM, &no_mark, sizeof(no_mark));
    zmq_setsockopt(f->router, ZMQ_LINGER, &linger, sizeof(linger));
    if (cert)
        set_cert(f->router, cert);
    assert(zmq_bind(f->router, f->uri) == 0);
    assert(zmq_getsockopt(f->router, ZMQ_LAST_ENDPOINT, f->uri, &size) == 0);
}

/* --- life --- */

static struct fake_rank *
new_rank(int greeting, fake_rank_fn serve, void *arg)
{
    struct fake_rank *f = xcalloc(1, sizeof(*f));

    f->greeting = greeting;
    f->serve = serve;
    f->arg = arg;
    f->listener = f->sock = -1;
    f->stop = eventfd(0, EFD_CLOEXEC);
    strcpy(f->dir, "/tmp/xylem-unit-XXXXXX");
    assert(mkdtemp(f->dir));
    snprintf(f->path, sizeof(f->path), "%s/rank", f->dir);
    return f;
}

static void
start_thread(struct fake_rank *f)
{
    assert(pthread_create(&f->thread, NULL, f->greeting < 0 ? run_zmq : run_stream, f) == 0);
}

struct fake_rank *
fake_rank_start(int greeting, fake_rank_fn serve, void *arg)
{
    struct fake_rank *f = new_rank(greeting, serve, arg);

    snprintf(f->uri, sizeof(f->uri), "%s://%s", greeting < 0 ? "ipc" : "local", f->path);
    if (greeting < 0)
        bind_zmq(f, NULL);
    else
        bind_stream(f);
    start_thread(f);
    return f;
}

struct fake_rank *
fake_rank_start_tcp(const struct cert *cert, fake_rank_fn serve, void *arg)
{
    struct fake_rank *f = new_rank(-1, serve, arg);

    snprintf(f->uri, sizeof(f->uri), "tcp://127.0.0.1:*");
    bind_zmq(f, cert);
    start_thread(f);
    return f;
}

void
fake_rank_stop(struct fake_rank **fp)
{
    struct fake_rank *f = TAKE(*fp);
    uint64_t one = 1;

    assert(write(f->stop, &one, sizeof(one)) == sizeof(one));
    pthread_join(f->thread, NULL);
    if (f->context)
        zmq_ctx_term(f->context);
    if (f->listener >= 0)
        close(f->listener);
    close(f->stop);
    unlink(f->path);
    rmdir(f->dir);
    free(f);
}
