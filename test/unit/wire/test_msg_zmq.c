/* SPDX-License-Identifier: MPL-2.0 */
#include "wiretest.h"
#include "msg_zmq.h"

#include <errno.h>

#define LIMIT (4 * MEBI)

/* A DEALER called "leaf" and a ROUTER that knows it, over inproc. */
struct link {
    void *context;
    void *router;
    void *dealer;
    struct msg_zmq_peer leaf; // the dealer's identity
};

static void
set_option(void *zsock, int option, int value)
{
    assert_int_equal(zmq_setsockopt(zsock, option, &value, sizeof(value)), 0);
}

static void
open_link(struct link *l, int hwm)
{
    l->context = zmq_ctx_new();
    l->router = zmq_socket(l->context, ZMQ_ROUTER);
    l->dealer = zmq_socket(l->context, ZMQ_DEALER);
    l->leaf = (struct msg_zmq_peer){.len = 4, .id = "leaf"};
    set_option(l->router, ZMQ_ROUTER_MANDATORY, 1);
    set_option(l->router, ZMQ_SNDHWM, hwm);
    set_option(l->router, ZMQ_RCVHWM, hwm);
    set_option(l->dealer, ZMQ_SNDHWM, hwm);
    set_option(l->dealer, ZMQ_RCVHWM, hwm);
    set_option(l->router, ZMQ_LINGER, 0);
    set_option(l->dealer, ZMQ_LINGER, 0);
    assert_int_equal(zmq_setsockopt(l->dealer, ZMQ_ROUTING_ID, "leaf", 4), 0);
    assert_int_equal(zmq_bind(l->router, "inproc://trunk"), 0);
    assert_int_equal(zmq_connect(l->dealer, "inproc://trunk"), 0);
}

static void
close_link(struct link *l)
{
    zmq_close(l->router);
    zmq_close(l->dealer);
    zmq_ctx_term(l->context);
}

static void
assert_peer_is_leaf(const struct msg_zmq_peer *peer)
{
    assert_int_equal(peer->len, 4);
    assert_memory_equal(peer->id, "leaf", 4);
}

static void
messages_pass_in_both_directions(void **state UNUSED)
{
    uint64_t seed = 41;
    struct link l;

    open_link(&l, 0);
    for (int i = 0; i < 300; i++) {
        struct msg_zmq_peer peer;
        AUTO(msg) struct msg m;
        AUTO(msg) struct msg sent;
        AUTO(msg) struct msg up;
        AUTO(msg) struct msg down;

        draw_msg(&seed, i == 7 ? 3 * MEBI : draw_size(&seed), &m);
        msg_copy(&sent, &m);
        assert_int_equal(msg_zmq_send(l.dealer, NULL, &m), 0);
        assert_null(m.payload);
        assert_int_equal(msg_zmq_recv(l.router, &peer, LIMIT, &up), 1);
        assert_peer_is_leaf(&peer);
        assert_msg_equal(&sent, &up);
        assert_int_equal(msg_zmq_send(l.router, &peer, &up), 0);
        assert_int_equal(msg_zmq_recv(l.dealer, NULL, LIMIT, &down), 1);
        assert_msg_equal(&sent, &down);
    }
    close_link(&l);
}

static void
nothing_there_is_no_message(void **state UNUSED)
{
    struct msg_zmq_peer peer;
    struct link l;
    struct msg m;

    open_link(&l, 0);
    assert_int_equal(msg_zmq_recv(l.router, &peer, LIMIT, &m), 0);
    assert_int_equal(msg_zmq_recv(l.dealer, NULL, LIMIT, &m), 0);
    close_link(&l);
}

static void
unknown_peer_is_unreachable_and_the_message_stays(void **state UNUSED)
{
    struct msg_zmq_peer nobody = {.len = 2, .id = "no"};
    uint64_t seed = 42;
    struct link l;
    AUTO(msg) struct msg m;
    AUTO(msg) struct msg copy;

    open_link(&l, 0);
    draw_msg(&seed, 5000, &m);
    msg_copy(&copy, &m);
    assert_int_equal(msg_zmq_send(l.router, &nobody, &m), -EHOSTUNREACH);
    assert_msg_equal(&m, &copy);
    /* The refused message has left nothing behind. */
    while (msg_zmq_send(l.router, &l.leaf, &m) == -EHOSTUNREACH)
        zmq_poll(NULL, 0, 1); // until the router has noticed the dealer
    msg_fini(&m);
    assert_int_equal(msg_zmq_recv(l.dealer, NULL, LIMIT, &m), 1);
    assert_msg_equal(&m, &copy);
    close_link(&l);
}

static void
fill(void *from, const struct msg_zmq_peer *peer, size_t payload, size_t *ret_sent)
{
    uint64_t seed = 43;
    int rc;

    *ret_sent = 0;
    for (;;) {
        AUTO(msg) struct msg m;

        draw_msg(&seed, payload, &m);
        rc = msg_zmq_send(from, peer, &m);
        if (rc < 0) {
            assert_int_equal(rc, -EAGAIN);
            assert_int_equal(msg_size(&m), payload);
            break;
        }
        ++*ret_sent;
        assert_true(*ret_sent < 1000);
    }
}

/* Whole messages only: as many come out as went in. */
static void
full_socket_refuses_and_loses_nothing(void **state UNUSED)
{
    static const size_t payloads[] = {10, MSG_ZMQ_PACK_MAX + 1};

    for (size_t i = 0; i < ARRAY_SIZE(payloads); i++) {
        struct msg_zmq_peer peer;
        struct link l;
        struct msg m;
        size_t sent;

        open_link(&l, 5);
        fill(l.dealer, NULL, payloads[i], &sent);
        assert_true(sent > 0);
        for (; sent > 0; sent--) {
            assert_int_equal(msg_zmq_recv(l.router, &peer, LIMIT, &m), 1);
            msg_fini(&m);
        }
        assert_int_equal(msg_zmq_recv(l.router, &peer, LIMIT, &m), 0);
        fill(l.router, &l.leaf, payloads[i], &sent);
        for (; sent > 0; sent--) {
            assert_int_equal(msg_zmq_recv(l.dealer, NULL, LIMIT, &m), 1);
            msg_fini(&m);
        }
        assert_int_equal(msg_zmq_recv(l.dealer, NULL, LIMIT, &m), 0);
        close_link(&l);
    }
}

/* --- bundles --- */

struct seen {
    bool by_leaf;   // expected of all
    uint32_t count; // events 0, 1, ... in order
    uint32_t enough;
};

static bool
note(void *arg, const struct msg_zmq_peer *peer, struct msg *m)
{
    struct seen *s = arg;

    assert_true(s->by_leaf == (peer != NULL));
    if (peer)
        assert_peer_is_leaf(peer);
    assert_int_equal(m->sequence, s->count);
    return ++s->count < s->enough;
}

static void
send_events(void *zsock, const struct msg_zmq_peer *peer, uint32_t count)
{
    struct bundle b = {0};

    for (uint32_t i = 0; i < count; i++) {
        AUTO(msg) struct msg m;

        msg_init(&m, MSG_EVENT);
        m.sequence = i;
        bundle_add(&b, &m);
    }
    assert_int_equal(msg_zmq_send_bundle(zsock, peer, &b), 0);
    assert_int_equal(b.count, 0);
}

static void
each_message_of_a_bundle_is_received(void **state UNUSED)
{
    struct link l;

    open_link(&l, 0);
    for (uint32_t count = 1; count < 100; count++) {
        struct seen up = {true, 0, UINT32_MAX};
        struct seen down = {false, 0, UINT32_MAX};

        send_events(l.dealer, NULL, count);
        assert_int_equal(msg_zmq_recv_each(l.router, true, LIMIT, NULL, note, &up), 1);
        assert_int_equal(up.count, count);
        send_events(l.router, &l.leaf, count);
        assert_int_equal(msg_zmq_recv_each(l.dealer, false, LIMIT, NULL, note, &down), 1);
        assert_int_equal(down.count, count);
    }
    assert_int_equal(msg_zmq_recv_each(l.router, true, LIMIT, NULL, note, NULL), 0);
    close_link(&l);
}

static void
receiver_may_drop_the_rest(void **state UNUSED)
{
    struct seen up = {true, 0, 3};
    struct link l;

    open_link(&l, 0);
    send_events(l.dealer, NULL, 10);
    assert_int_equal(msg_zmq_recv_each(l.router, true, LIMIT, NULL, note, &up), 1);
    assert_int_equal(up.count, 3);
    assert_int_equal(msg_zmq_recv_each(l.router, true, LIMIT, NULL, note, &up), 0);
    close_link(&l);
}

static void
unreachable_bundle_is_dropped(void **state UNUSED)
{
    struct msg_zmq_peer nobody = {.len = 6, .id = "nobody"};
    struct bundle b = {0};
    struct link l;
    struct msg m;

    open_link(&l, 0);
    msg_init(&m, MSG_EVENT);
    bundle_add(&b, &m);
    assert_int_equal(msg_zmq_send_bundle(l.router, &nobody, &b), -EHOSTUNREACH);
    assert_int_equal(b.count, 0);
    close_link(&l);
}

/* --- what a hostile peer sends --- */

static void
send_frames(void *zsock, const struct buf *frames, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int more = i + 1 < count ? ZMQ_SNDMORE : 0;

        assert_int_equal(zmq_send(zsock, buf_str(&frames[i]), frames[i].size, more),
                         frames[i].size);
    }
}

/* The frames give that error, and the message behind them is received all the same. */
static void
assert_refused(const struct buf *frames, size_t count, size_t limit, int want)
{
    struct msg_zmq_peer peer;
    struct link l;
    AUTO(msg) struct msg m;

    open_link(&l, 0);
    send_frames(l.dealer, frames, count);
    msg_init(&m, MSG_EVENT);
    m.sequence = 99;
    assert_int_equal(msg_zmq_send(l.dealer, NULL, &m), 0);
    assert_int_equal(msg_zmq_recv(l.router, &peer, limit, &m), want);
    assert_peer_is_leaf(&peer);
    assert_int_equal(msg_zmq_recv(l.router, &peer, limit, &m), 1);
    assert_int_equal(m.sequence, 99);
    assert_int_equal(msg_zmq_recv(l.router, &peer, limit, &m), 0);
    close_link(&l);
}

static void
surplus_frames_are_consumed(void **state UNUSED)
{
    struct buf frames[40] = {BUF_INIT};
    uint64_t seed = 44;
    AUTO(msg) struct msg m;

    draw_msg(&seed, 2000, &m);
    msg_encode(&m, false, &frames[0]);
    buf_add(&frames[1], msg_data(&m), 2000);
    assert_refused(frames, 3, LIMIT, -EPROTO);
    assert_refused(frames, ARRAY_SIZE(frames), LIMIT, -EPROTO);
    buf_fini(&frames[0]);
    buf_fini(&frames[1]);
}

static void
garbage_frames_are_refused(void **state UNUSED)
{
    struct buf frames[2] = {BUF_INIT};

    assert_refused(frames, 1, LIMIT, -EPROTO);
    assert_refused(frames, 2, LIMIT, -EPROTO);
    buf_add_str(&frames[0], "what is this");
    assert_refused(frames, 1, LIMIT, -EPROTO);
    assert_refused(frames, 2, LIMIT, -EPROTO);
    buf_fini(&frames[0]);
}

/* What is before it in the bundle is received. */
static void
garbage_in_a_bundle_ends_it(void **state UNUSED)
{
    static const uint8_t tails[][6] = {{1, 'x'}, {9, 'x'}, {0xff, 0, 0, 0, 1}, {0xff}, {0, 0}};
    static const size_t sizes[] = {2, 2, 6, 1, 2};

    for (size_t i = 0; i < ARRAY_SIZE(tails); i++) {
        struct seen up = {true, 0, UINT32_MAX};
        AUTO(buf) struct buf frame = BUF_INIT;
        struct bundle b = {0};
        struct link l;
        struct msg m;

        msg_init(&m, MSG_EVENT);
        m.sequence = 0;
        bundle_add(&b, &m);
        open_link(&l, 0);
        buf_add(&frame, b.bytes, b.size);
        buf_add(&frame, tails[i], sizes[i]);
        send_frames(l.dealer, &frame, 1);
        assert_int_equal(msg_zmq_recv_each(l.router, true, LIMIT, NULL, note, &up), -EPROTO);
        assert_int_equal(up.count, 1);
        bundle_fini(&b);
        close_link(&l);
    }
}

static void
bundle_where_none_belongs_is_refused(void **state UNUSED)
{
    struct buf frames[2] = {BUF_INIT};
    struct bundle b = {0};
    struct msg m;

    for (int i = 0; i < 2; i++) {
        msg_init(&m, MSG_EVENT);
        bundle_add(&b, &m);
    }
    buf_add(&frames[0], b.bytes, b.size);
    assert_refused(frames, 1, LIMIT, -EPROTO);
    assert_refused(frames, 2, LIMIT, -EPROTO);
    buf_fini(&frames[0]);
    bundle_fini(&b);
}

static bool
nobody(void *arg UNUSED, const struct msg_zmq_peer *peer)
{
    assert_peer_is_leaf(peer);
    return false;
}

static void
bundle_from_whom_none_is_wanted_is_refused_whole(void **state UNUSED)
{
    struct seen up = {true, 0, UINT32_MAX};
    struct link l;

    open_link(&l, 0);
    send_events(l.dealer, NULL, 3);
    assert_int_equal(msg_zmq_recv_each(l.router, true, LIMIT, nobody, note, &up), -EPERM);
    assert_int_equal(up.count, 0);
    send_events(l.dealer, NULL, 1); // a plain message
    assert_int_equal(msg_zmq_recv_each(l.router, true, LIMIT, nobody, note, &up), 1);
    assert_int_equal(up.count, 1);
    close_link(&l);
}

static void
bundle_above_its_limit_is_refused_whole(void **state UNUSED)
{
    for (size_t over = 0; over < 2; over++) {
        struct seen up = {true, 0, UINT32_MAX};
        AUTO(buf) struct buf frame = BUF_INIT;
        struct bundle b = {0};
        struct link l;
        struct msg m;

        msg_init(&m, MSG_EVENT);
        m.sequence = 0;
        bundle_add(&b, &m);
        buf_add(&frame, b.bytes, b.size);
        while (frame.size < BUNDLE_SIZE_MAX + over)
            buf_add(&frame, "", 1); // no message, but that shows later
        open_link(&l, 0);
        send_frames(l.dealer, &frame, 1);
        assert_int_equal(msg_zmq_recv_each(l.router, true, LIMIT, NULL, note, &up),
                         over ? -EMSGSIZE : -EPROTO);
        assert_int_equal(up.count, over ? 0 : 1);
        bundle_fini(&b);
        close_link(&l);
    }
}

static void
frames_above_the_limits_are_refused(void **state UNUSED)
{
    struct buf frames[2] = {BUF_INIT};
    uint64_t seed = 45;
    AUTO(msg) struct msg m;

    draw_msg(&seed, 20000, &m);
    msg_encode(&m, false, &frames[0]);
    buf_add(&frames[1], msg_data(&m), 20000);
    assert_refused(frames, 2, 19999, -EMSGSIZE);
    assert_refused(&frames[1], 1, LIMIT, -EMSGSIZE);
    buf_fini(&frames[0]);
    msg_encode(&m, true, &frames[0]);
    assert_refused(frames, 1, LIMIT, -EMSGSIZE);
    buf_fini(&frames[0]);
    buf_fini(&frames[1]);
}

static void
peer_with_a_long_identity_is_refused(void **state UNUSED)
{
    struct msg_zmq_peer peer;
    struct link l;
    void *stranger;
    char id[MSG_ZMQ_PEER_MAX + 1];
    AUTO(msg) struct msg m;

    open_link(&l, 0);
    stranger = zmq_socket(l.context, ZMQ_DEALER);
    memset(id, 'x', sizeof(id));
    assert_int_equal(zmq_setsockopt(stranger, ZMQ_ROUTING_ID, id, sizeof(id)), 0);
    set_option(stranger, ZMQ_LINGER, 0);
    assert_int_equal(zmq_connect(stranger, "inproc://trunk"), 0);
    msg_init(&m, MSG_EVENT);
    assert_int_equal(msg_zmq_send(stranger, NULL, &m), 0);
    assert_int_equal(msg_zmq_recv(l.router, &peer, LIMIT, &m), -EPROTO);
    assert_int_equal(peer.len, 0);
    assert_int_equal(msg_zmq_recv(l.router, &peer, LIMIT, &m), 0);
    zmq_close(stranger);
    close_link(&l);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_pass_in_both_directions),
        cmocka_unit_test(nothing_there_is_no_message),
        cmocka_unit_test(unknown_peer_is_unreachable_and_the_message_stays),
        cmocka_unit_test(full_socket_refuses_and_loses_nothing),
        cmocka_unit_test(each_message_of_a_bundle_is_received),
        cmocka_unit_test(receiver_may_drop_the_rest),
        cmocka_unit_test(unreachable_bundle_is_dropped),
        cmocka_unit_test(garbage_in_a_bundle_ends_it),
        cmocka_unit_test(bundle_where_none_belongs_is_refused),
        cmocka_unit_test(bundle_from_whom_none_is_wanted_is_refused_whole),
        cmocka_unit_test(bundle_above_its_limit_is_refused_whole),
        cmocka_unit_test(surplus_frames_are_consumed),
        cmocka_unit_test(garbage_frames_are_refused),
        cmocka_unit_test(frames_above_the_limits_are_refused),
        cmocka_unit_test(peer_with_a_long_identity_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
