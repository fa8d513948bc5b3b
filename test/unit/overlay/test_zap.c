/* SPDX-License-Identifier: MPL-2.0 */
/* test_zap.c - real sockets with CURVE: who gets in, and what the others see. */
#include "cmocka_all.h"

#include "actor.h"
#include "clock.h"
#include "elog.h"
#include "xmem.h"
#include "zap.h"

#include "cert.h"

#include <czmq.h>
#include <stdio.h>
#include <unistd.h>

#define PATIENCE_MS 20000

/* A rank's socket. */
struct rank {
    struct cert cert;
    struct zap *zap;
    zsock_t *router;
    char endpoint[256];
    char user[128]; // of the last message taken
};

static struct err err;

static void
bind_router(struct rank *r, const char *domain)
{
    size_t size = sizeof(r->endpoint);

    r->router = zsock_new(ZMQ_ROUTER);
    assert_non_null(r->router);
    assert_int_equal(cert_apply_server(&r->cert, zsock_resolve(r->router), domain), 0);
    if (r->zap)
        assert_int_equal(zap_watch(r->zap, zsock_resolve(r->router)), 0);
    assert_int_equal(zmq_bind(zsock_resolve(r->router), "tcp://127.0.0.1:*"), 0);
    assert_int_equal(
        zmq_getsockopt(zsock_resolve(r->router), ZMQ_LAST_ENDPOINT, r->endpoint, &size), 0);
}

static void
start_rank(struct rank *r, const char *authorized)
{
    const char *keys[] = {NULL, r->cert.public_key};
    struct zap_conf conf = {"rank 0", keys, ARRAY_SIZE(keys), authorized};

    cert_generate(&r->cert);
    assert_int_equal(zap_open(&r->zap, &conf, &err), 0);
    bind_router(r, zap_domain(r->zap));
}

static void
close_router(struct rank *r)
{
    zap_unwatch(zsock_resolve(r->router));
    zsock_destroy(&r->router);
}

static void
stop_rank(struct rank *r)
{
    close_router(r);
    zap_close(&r->zap);
}

static void
wait_refused(const struct rank *r, uint64_t count)
{
    int64_t end = clock_ms() + PATIENCE_MS;

    while (zap_stats(r->zap).refused < count && clock_ms() < end)
        usleep(1000);
    assert_int_equal(zap_stats(r->zap).refused, count);
}

/* Of a connection that is gone already the address is not known any more. */
#define FROM "rank 0: refused a connection from (127.0.0.1:[0-9]+|[?]): "

static char log_path[] = "/tmp/test-zap-log-XXXXXX";

/* Until end_log() lines go to a file. */
static void
start_log(void)
{
    strcpy(log_path + strlen(log_path) - 6, "XXXXXX");
    close(mkstemp(log_path));
    assert_int_equal(elog_open(log_path, NULL), 0);
}

/* Is there a line that matches? */
static bool
end_log(const char *pattern)
{
    AUTO(free) char *command = xasprintf("grep -qE '%s' %s", pattern, log_path);
    bool found = system(command) == 0;

    assert_int_equal(elog_open(NULL, NULL), 0);
    unlink(log_path);
    return found;
}

/* Somebody who connects, in a context of its own as another process has. */
struct peer {
    void *context;
    void *dealer;
    void *monitor;
};

static void
open_peer(struct peer *p)
{
    int zero = 0;

    p->context = zmq_ctx_new();
    p->dealer = zmq_socket(p->context, ZMQ_DEALER);
    p->monitor = zmq_socket(p->context, ZMQ_PAIR);
    zmq_setsockopt(p->dealer, ZMQ_LINGER, &zero, sizeof(zero));
    assert_int_equal(zmq_socket_monitor(p->dealer, "inproc://peer", ZMQ_EVENT_ALL), 0);
    assert_int_equal(zmq_connect(p->monitor, "inproc://peer"), 0);
}

static void
close_peer(struct peer *p)
{
    zmq_close(p->monitor);
    zmq_close(p->dealer);
    zmq_ctx_term(p->context);
}

/* The next event; 0: none in time. */
static uint16_t
next_event(struct peer *p)
{
    int patience = PATIENCE_MS;
    uint8_t frame[512] = {0};
    uint16_t event;

    zmq_setsockopt(p->monitor, ZMQ_RCVTIMEO, &patience, sizeof(patience));
    if (zmq_recv(p->monitor, frame, sizeof(frame), 0) < 0)
        return 0;
    memcpy(&event, frame, sizeof(event));
    zmq_recv(p->monitor, frame, sizeof(frame), 0);
    return event;
}

/* How the handshake ended: HANDSHAKE_SUCCEEDED, or one of the failures, or DISCONNECTED. */
static uint16_t
outcome(struct peer *p)
{
    uint16_t event;

    do
        event = next_event(p);
    while (event & (ZMQ_EVENT_CONNECTED | ZMQ_EVENT_CONNECT_DELAYED | ZMQ_EVENT_CONNECT_RETRIED |
                    ZMQ_EVENT_CLOSED));
    return event;
}

/* It says "hello" and connects: with this certificate or, NULL, without any. */
static void
connect_peer(struct peer *p, const struct rank *r, const struct cert *cert)
{
    if (cert)
        assert_int_equal(cert_apply_client(cert, p->dealer, r->cert.public_key), 0);
    assert_int_equal(zmq_connect(p->dealer, r->endpoint), 0);
    assert_int_equal(zmq_send(p->dealer, "hello", 5, ZMQ_DONTWAIT), 5);
}

/* Wait for a message, and remember what libzmq knows of its sender. */
static bool
takes_message(struct rank *r, int patience_ms)
{
    zmq_pollitem_t item = {.socket = zsock_resolve(r->router), .events = ZMQ_POLLIN};
    zmq_msg_t frame;
    const char *user;

    if (zmq_poll(&item, 1, patience_ms) != 1)
        return false;
    zmq_msg_init(&frame);
    do {
        assert_true(zmq_msg_recv(&frame, item.socket, 0) >= 0);
    } while (zmq_msg_more(&frame));
    user = zmq_msg_gets(&frame, "User-Id");
    snprintf(r->user, sizeof(r->user), "%s", user ? user : "");
    zmq_msg_close(&frame);
    return true;
}

static bool
gets_in(struct rank *r, const struct cert *cert)
{
    struct peer p;
    bool is_in;

    open_peer(&p);
    connect_peer(&p, r, cert);
    is_in = outcome(&p) == ZMQ_EVENT_HANDSHAKE_SUCCEEDED;
    assert_int_equal(takes_message(r, is_in ? PATIENCE_MS : 0), is_in);
    close_peer(&p);
    return is_in;
}

static void
a_known_key_gets_in(void **state UNUSED)
{
    struct rank r;

    start_rank(&r, NULL);
    assert_true(gets_in(&r, &r.cert));
    assert_string_equal(r.user, ZAP_RANK);
    assert_int_equal(zap_stats(r.zap).accepted, 1);
    assert_int_equal(zap_stats(r.zap).refused, 0);
    stop_rank(&r);
}

/* It hears that it is refused, and nothing else: not even a message that waits for it. */
static void
an_unknown_key_is_refused(void **state UNUSED)
{
    struct cert stranger;
    struct rank r;
    struct peer p;
    uint8_t byte;

    start_rank(&r, NULL);
    start_log();
    cert_generate(&stranger);
    open_peer(&p);
    connect_peer(&p, &r, &stranger);
    assert_int_equal(outcome(&p), ZMQ_EVENT_HANDSHAKE_FAILED_AUTH);
    assert_int_equal(outcome(&p), ZMQ_EVENT_DISCONNECTED);
    assert_int_equal(zmq_recv(p.dealer, &byte, 1, ZMQ_DONTWAIT), -1);
    assert_false(takes_message(&r, 0));
    assert_int_equal(zap_stats(r.zap).accepted, 0);
    assert_int_equal(zap_stats(r.zap).refused, 1);
    close_peer(&p);
    assert_true(gets_in(&r, &r.cert)); // what is told of the stranger's connection has been told
    assert_int_equal(zap_stats(r.zap).refused, 1);
    stop_rank(&r);
    assert_true(end_log("rank 0: refused a connection from 127.0.0.1: key .{40}$"));
}

static void
a_key_can_be_added(void **state UNUSED)
{
    struct cert later;
    struct rank r;

    start_rank(&r, NULL);
    cert_generate(&later);
    assert_false(gets_in(&r, &later));
    assert_int_equal(zap_allow(r.zap, later.public_key), 0);
    assert_true(gets_in(&r, &later));
    assert_int_equal(zap_allow(r.zap, "rubbish"), -EINVAL);
    stop_rank(&r);
}

static void
a_peer_without_curve_is_refused(void **state UNUSED)
{
    struct rank r;

    start_rank(&r, NULL);
    start_log();
    assert_false(gets_in(&r, NULL));
    assert_false(takes_message(&r, 0));
    wait_refused(&r, 1);
    assert_true(end_log(FROM "(it has no certificate|.*not finished)"));
    assert_int_equal(zap_stats(r.zap).accepted, 0);
    assert_true(gets_in(&r, &r.cert));
    stop_rank(&r);
}

/* The right key for us, but it takes somebody else for the rank. */
static void
a_peer_with_another_server_key_is_refused(void **state UNUSED)
{
    struct cert other;
    struct rank r;
    struct peer p;
    uint16_t event;

    start_rank(&r, NULL);
    cert_generate(&other);
    open_peer(&p);
    assert_int_equal(cert_apply_client(&r.cert, p.dealer, other.public_key), 0);
    start_log();
    assert_int_equal(zmq_connect(p.dealer, r.endpoint), 0);
    event = outcome(&p);
    assert_int_not_equal(event, 0);
    assert_int_not_equal(event, ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
    while (zap_stats(r.zap).refused == 0)
        usleep(1000);
    assert_true(end_log(FROM ".*not our public key"));
    assert_int_equal(zap_stats(r.zap).accepted, 0);
    close_peer(&p);
    stop_rank(&r);
}

/* Neither ZMTP, nor anything at all. */
static void
strange_connections_are_told(void **state UNUSED)
{
    struct rank r;
    zsock_t *plain = zsock_new(ZMQ_STREAM);

    start_rank(&r, NULL);
    start_log();
    assert_int_equal(zmq_connect(zsock_resolve(plain), r.endpoint), 0);
    wait_refused(&r, 0);
    zsock_destroy(&plain); // without a word
    wait_refused(&r, 1);
    assert_true(end_log(FROM "its handshake was not finished"));
    assert_true(gets_in(&r, &r.cert));
    assert_int_equal(zap_stats(r.zap).refused, 1);
    stop_rank(&r);
}

static void
clients_come_and_go_with_their_files(void **state UNUSED)
{
    char dir[] = "/tmp/test-zap-XXXXXX";
    AUTO(free) char *path = NULL;
    struct cert client;
    struct rank r;
    int64_t end;

    assert_non_null(mkdtemp(dir));
    path = xasprintf("%s/alice.pub", dir);
    start_rank(&r, dir);
    cert_generate(&client);
    assert_int_equal(cert_save(&client, CERT_PUBLIC, path, false, NULL), 0);
    assert_true(gets_in(&r, &client));
    assert_string_equal(r.user, "client alice.pub");
    assert_true(gets_in(&r, &r.cert));
    assert_string_equal(r.user, ZAP_RANK);
    unlink(path);
    for (end = clock_ms() + PATIENCE_MS; gets_in(&r, &client);)
        assert_true(clock_ms() < end);
    assert_true(gets_in(&r, &r.cert));
    rmdir(dir);
    stop_rank(&r);
}

/* Several ranks in a process: each has its own list. */
static void
domains_are_separate(void **state UNUSED)
{
    struct rank a;
    struct rank b;

    start_rank(&a, NULL);
    start_rank(&b, NULL);
    assert_string_not_equal(zap_domain(a.zap), zap_domain(b.zap));
    assert_true(gets_in(&a, &a.cert));
    assert_true(gets_in(&b, &b.cert));
    assert_false(gets_in(&a, &b.cert));
    assert_int_equal(zap_stats(a.zap).refused, 1);
    assert_int_equal(zap_stats(b.zap).refused, 0);
    stop_rank(&a);
    assert_true(gets_in(&b, &b.cert));
    stop_rank(&b);
}

static void
an_unknown_domain_lets_nobody_in(void **state UNUSED)
{
    struct rank r;

    start_rank(&r, NULL);
    close_router(&r);
    bind_router(&r, "nobody's");
    assert_false(gets_in(&r, &r.cert));
    assert_int_equal(zap_stats(r.zap).accepted, 0);
    stop_rank(&r);
}

static void
without_a_handler_nobody_gets_in(void **state UNUSED)
{
    struct rank r;

    start_rank(&r, NULL);
    assert_true(gets_in(&r, &r.cert));
    zap_unwatch(zsock_resolve(r.router));
    zap_close(&r.zap);
    assert_false(gets_in(&r, &r.cert));
    stop_rank(&r);
    start_rank(&r, NULL); // and it can be had again
    assert_true(gets_in(&r, &r.cert));
    stop_rank(&r);
}

static void
it_can_be_opened_again_and_again(void **state UNUSED)
{
    const struct zap_conf conf = {"rank 1", NULL, 0, NULL};

    for (int i = 0; i < 200; i++) {
        struct zap *z;

        assert_int_equal(zap_open(&z, &conf, &err), 0);
        zap_close(&z);
        assert_null(z);
    }
}

static void
a_key_that_is_none_is_told(void **state UNUSED)
{
    const char *keys[] = {NULL, "rubbish"};
    const struct zap_conf conf = {"rank 1", keys, ARRAY_SIZE(keys), NULL};
    struct zap *z = NULL;

    assert_int_equal(zap_open(&z, &conf, &err), -EINVAL);
    assert_non_null(strstr(err.text, "rank 1"));
    assert_null(z);
}

static void
another_handler_is_told(void **state UNUSED)
{
    const struct zap_conf conf = {"rank 1", NULL, 0, NULL};
    zsock_t *other = zsock_new(ZMQ_REP);
    struct zap *z = NULL;

    assert_int_equal(zmq_bind(zsock_resolve(other), "inproc://zeromq.zap.01"), 0);
    assert_int_equal(zap_open(&z, &conf, &err), -EADDRINUSE);
    assert_non_null(strstr(err.text, "ZAP"));
    zmq_unbind(zsock_resolve(other), "inproc://zeromq.zap.01");
    zsock_destroy(&other);
    assert_int_equal(zap_open(&z, &conf, &err), 0);
    zap_close(&z);
}

/* From this process only, but it must not end the thread, nor let anybody in. */
static void
what_is_no_request_is_ignored(void **state UNUSED)
{
    static const char *const junk[] = {"", "1.0", "x", "0.9"};
    struct rank r;
    zsock_t *s = zsock_new(ZMQ_DEALER);

    start_rank(&r, NULL);
    assert_int_equal(zmq_connect(zsock_resolve(s), "inproc://zeromq.zap.01"), 0);
    for (size_t frames = 1; frames < 30; frames++) {
        for (size_t i = 0; i < frames; i++) {
            const char *text = junk[(i + frames) % ARRAY_SIZE(junk)];
            int more = i + 1 < frames ? ZMQ_SNDMORE : 0;

            assert_int_equal(zmq_send(zsock_resolve(s), text, strlen(text), more), strlen(text));
        }
    }
    assert_true(gets_in(&r, &r.cert));
    assert_int_equal(zap_stats(r.zap).accepted, 1);
    zsock_destroy(&s);
    stop_rank(&r);
}

static int
init_process(void **state UNUSED)
{
    actor_process_init();
    return 0;
}

static int
end_process(void **state UNUSED)
{
    zsys_shutdown();
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_known_key_gets_in),
        cmocka_unit_test(an_unknown_key_is_refused),
        cmocka_unit_test(a_key_can_be_added),
        cmocka_unit_test(a_peer_without_curve_is_refused),
        cmocka_unit_test(a_peer_with_another_server_key_is_refused),
        cmocka_unit_test(strange_connections_are_told),
        cmocka_unit_test(clients_come_and_go_with_their_files),
        cmocka_unit_test(domains_are_separate),
        cmocka_unit_test(an_unknown_domain_lets_nobody_in),
        cmocka_unit_test(without_a_handler_nobody_gets_in),
        cmocka_unit_test(it_can_be_opened_again_and_again),
        cmocka_unit_test(a_key_that_is_none_is_told),
        cmocka_unit_test(another_handler_is_told),
        cmocka_unit_test(what_is_no_request_is_ignored),
    };

    return cmocka_run_group_tests(tests, init_process, end_process);
}
