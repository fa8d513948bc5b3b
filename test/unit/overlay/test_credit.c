/* SPDX-License-Identifier: MPL-2.0 */
/* test_credit.c - what is on its way to a neighbour is bounded (invariant I5): parents and
 * children.  A neighbour that is slow is one whose loop is not turned. */
#include "cmocka_all.h"

#include "clock.h"
#include "elog.h"
#include "overlaytest.h"
#include "xmem.h"

#include <errno.h>
#include <string.h>

static const struct overlay_from to_parent = {.kind = OVERLAY_PARENT};
static const struct overlay_from to_child1 = {.kind = OVERLAY_CHILD, .rank = 1};
static const struct overlay_from to_child2 = {.kind = OVERLAY_CHILD, .rank = 2};

static void
join(struct cluster *c, uint32_t size, uint32_t fanout)
{
    start_all(c, size, fanout);
    turn_until_status(c, ALL, 0, SUBTREE_FULL);
    for (uint32_t r = 0; r < size; r++)
        buf_reset(&c->nodes[r].trace);
}

/* Where nobody is to be lost: also not when the machine has other things to do. */
static void
join_for_long(struct cluster *c, uint32_t size, uint32_t fanout)
{
    c->timeout_ms = PATIENCE_MS;
    join(c, size, fanout);
}

/* --- along the tree --- */

static void
children_share_16_mib(void **state)
{
    struct cluster *c = *state;

    join_for_long(c, 4, 3);
    assert_int_equal(fill(c->nodes[0].overlay, &to_child1), messages_in(16 * MIB / 3));
    assert_false(overlay_is_full(c->nodes[0].overlay, &to_child2));
    assert_int_equal(fill(c->nodes[2].overlay, &to_parent), messages_in(16 * MIB / 3));
    assert_int_equal(stats(c, 0)->full[OVERLAY_CHILD], 1);
    assert_int_equal(stats(c, 2)->full[OVERLAY_PARENT], 1);
}

static void
full_child_that_reads_has_room_again(void **state)
{
    struct cluster *c = *state;
    uint64_t count;

    join_for_long(c, 3, 2);
    count = fill(c->nodes[0].overlay, &to_child1);
    for (int i = 0; i < 10; i++)
        turn(c, 1 << 0);
    assert_true(overlay_is_full(c->nodes[0].overlay, &to_child1));
    assert_traced(c, 0, "");
    turn_until_traced(c, ALL, 0, "drained:child ");
    assert_traced(c, 0, "drained:child ");
    assert_int_equal(c->nodes[0].drained.rank, 1);
    assert_false(overlay_is_full(c->nodes[0].overlay, &to_child1));
    turn_until_all_is_acked(c, 0, OVERLAY_CHILD);
    assert_int_equal(c->nodes[1].got, count);
    assert_traced(c, 0, "");
}

static void
full_parent_that_reads_has_room_again(void **state)
{
    struct cluster *c = *state;

    join_for_long(c, 2, 2);
    fill(c->nodes[1].overlay, &to_parent);
    turn_until_traced(c, ALL, 1, "drained:parent ");
    assert_false(overlay_is_full(c->nodes[1].overlay, &to_parent));
    turn_until_all_is_acked(c, 1, OVERLAY_PARENT);
    assert_traced(c, 1, "drained:parent ");
}

static void
credit_comes_each_quarter_not_each_message(void **state)
{
    struct cluster *c = *state;
    uint64_t count;

    join_for_long(c, 2, 2);
    count = fill(c->nodes[0].overlay, &to_child1);
    fill(c->nodes[1].overlay, &to_parent);
    turn_until_all_is_acked(c, 0, OVERLAY_CHILD);
    turn_until_all_is_acked(c, 1, OVERLAY_PARENT);
    assert_in_range(stats(c, 0)->credits_sent[OVERLAY_CHILD], 1, 5 + 2);
    assert_in_range(stats(c, 1)->credits_sent[OVERLAY_PARENT], 1,
                    5 + 2); // heartbeats may come between
    assert_true(count > 100);
}

/* Some time in which nothing is to be said but pings. */
static void
idle(struct cluster *c)
{
    int64_t start_ms = clock_ms();

    while (clock_ms() - start_ms < 10 * BEAT_MS)
        turn(c, ALL);
}

static void
idle_tree_sends_no_credits(void **state)
{
    struct cluster *c = *state;

    join_for_long(c, 3, 2);
    idle(c);
    for (uint32_t r = 0; r < 3; r++) {
        for (int kind = OVERLAY_PARENT; kind <= OVERLAY_CLIENT; kind++) {
            assert_int_equal(stats(c, r)->credits_sent[kind], 0);
            assert_int_equal(stats(c, r)->sent[kind].messages, 0);
        }
    }
}

static void
small_traffic_is_acknowledged_with_a_heartbeat_and_once(void **state)
{
    struct cluster *c = *state;

    join_for_long(c, 2, 2);
    assert_int_equal(send_to(c->nodes[1].overlay, &to_parent), 0);
    turn_until_all_is_acked(c, 1, OVERLAY_PARENT);
    idle(c);
    assert_int_equal(stats(c, 0)->credits_sent[OVERLAY_CHILD], 1);
    assert_int_equal(stats(c, 1)->credits_received[OVERLAY_PARENT], 1);
}

static void
traffic_is_counted_in_both_directions(void **state)
{
    struct cluster *c = *state;

    join_for_long(c, 2, 2);
    for (int i = 0; i < 3; i++)
        assert_int_equal(send_to(c->nodes[1].overlay, &to_parent), 0);
    turn_until_all_is_acked(c, 1, OVERLAY_PARENT);
    assert_int_equal(stats(c, 1)->sent[OVERLAY_PARENT].messages, 3);
    assert_int_equal(stats(c, 1)->sent[OVERLAY_PARENT].bytes, 3 * COST);
    assert_int_equal(stats(c, 0)->received[OVERLAY_CHILD].messages, 3);
    assert_int_equal(stats(c, 0)->received[OVERLAY_CHILD].bytes, 3 * COST);
    assert_int_equal(stats(c, 0)->received[OVERLAY_CLIENT].messages, 0);
}

static void
events_need_no_credit(void **state)
{
    struct cluster *c = *state;
    AUTO(msg) struct msg m = large(PAYLOAD_MAX);

    join_for_long(c, 2, 2);
    m.type = MSG_EVENT;
    overlay_send_down(c->nodes[0].overlay, &m);
    turn_until_traced(c, ALL, 1, "got ");
    assert_int_equal(overlay_send_parent(c->nodes[1].overlay, &m), 0); // which is not usual
    turn_until_traced(c, ALL, 0, "got ");
    idle(c);
    assert_int_equal(stats(c, 0)->credits_sent[OVERLAY_CHILD], 0);
    assert_int_equal(stats(c, 0)->unacked[OVERLAY_CHILD], 0);
    assert_int_equal(stats(c, 0)->sent[OVERLAY_CHILD].messages, 1);
    assert_int_equal(stats(c, 1)->credits_sent[OVERLAY_PARENT], 0);
}

static void
payload_beyond_the_limit_is_acknowledged_but_not_passed_on(void **state)
{
    struct cluster *c = *state;
    struct msg m = large(PAYLOAD_MAX + 1);

    join_for_long(c, 2, 2);
    assert_int_equal(overlay_send_child(c->nodes[0].overlay, 1, &m), 0);
    turn_until_all_is_acked(c, 0, OVERLAY_CHILD);
    assert_true(c->nodes[1].oversized);
    m = large(PAYLOAD_MAX + 1);
    m.type = MSG_RESPONSE;
    m.errnum = 0;
    assert_int_equal(overlay_send_parent(c->nodes[1].overlay, &m), 0);
    turn_until_all_is_acked(c, 1, OVERLAY_PARENT);
    assert_int_equal(c->nodes[0].errnum, EFBIG);
}

/* --- losses --- */

static void
full_child_that_is_lost_is_drained(void **state)
{
    struct cluster *c = *state;

    join(c, 3, 2);
    fill(c->nodes[0].overlay, &to_child1);
    turn_until_traced(c, 1 << 0 | 1 << 2, 0, "degraded ");
    assert_traced(c, 0, "gone:1 drained:child degraded ");
    assert_int_equal(c->nodes[0].drained.rank, 1);
    assert_false(overlay_is_full(c->nodes[0].overlay, &to_child1));
    assert_int_equal(stats(c, 0)->unacked[OVERLAY_CHILD], 0);
}

static void
full_parent_that_is_lost_is_drained(void **state)
{
    struct cluster *c = *state;

    join(c, 2, 2);
    fill(c->nodes[1].overlay, &to_parent);
    turn_until_traced(c, 1 << 1, 1, "drained:parent ");
    assert_traced(c, 1, "cut drained:parent ");
    assert_false(overlay_is_full(c->nodes[1].overlay, &to_parent));
}

static void
each_join_begins_anew(void **state)
{
    struct cluster *c = *state;

    join(c, 2, 2);
    fill(c->nodes[0].overlay, &to_child1);
    fill(c->nodes[1].overlay, &to_parent);
    turn_until_traced(c, 1 << 0, 0, "degraded ");
    turn_until_traced(c, ALL, 1, "joined ");
    turn_until_status(c, ALL, 0, SUBTREE_FULL);
    buf_reset(&c->nodes[0].trace);
    buf_reset(&c->nodes[1].trace);
    assert_int_equal(fill(c->nodes[0].overlay, &to_child1), messages_in(16 * MIB));
    assert_int_equal(fill(c->nodes[1].overlay, &to_parent), messages_in(16 * MIB));
    turn_until_all_is_acked(c, 0, OVERLAY_CHILD);
    turn_until_all_is_acked(c, 1, OVERLAY_PARENT);
    assert_non_null(strstr(buf_str(&c->nodes[0].trace), "drained:child "));
    assert_non_null(strstr(buf_str(&c->nodes[1].trace), "drained:parent "));
}

/* --- strangers --- */

static void
child_that_acknowledges_too_much_is_ignored(void **state)
{
    struct cluster *c = *state;
    zsock_t *sock;

    start_root_of_three(c);
    sock = stranger(c);
    say_hello(sock, 1);
    turn_until_heard(c, sock);
    fill(c->nodes[0].overlay, &to_child1);
    say_credit(sock, 8 * MIB + 10 * COST);
    say_credit(sock, UINT64_MAX);
    say(sock, CONTROL_CREDIT, NULL);
    say(sock, CONTROL_CREDIT, "not a number");
    say_credit(sock, COST);
    say_credit(sock, 0);
    turn_until_heard(c, sock);
    assert_int_equal(stats(c, 0)->unacked[OVERLAY_CHILD], (messages_in(8 * MIB) - 1) * COST);
    assert_traced(c, 0, "");
    say_credit(sock, messages_in(8 * MIB) * COST);
    turn_until_traced(c, ALL, 0, "drained:child ");
    zsock_destroy(&sock);
}

static void
second_hello_by_the_same_connection_begins_anew(void **state)
{
    struct cluster *c = *state;
    zsock_t *sock;

    start_root_of_three(c);
    sock = stranger(c);
    say_hello(sock, 1);
    turn_until_heard(c, sock);
    fill(c->nodes[0].overlay, &to_child1);
    say_hello(sock, 1);
    turn_until_traced(c, ALL, 0, "gone:1 drained:child ");
    say_credit(sock, COST); // of the former run
    turn_until_heard(c, sock);
    assert_int_equal(stats(c, 0)->unacked[OVERLAY_CHILD], 0);
    zsock_destroy(&sock);
}

/* Rank 1 under a parent that we play. */
static void
welcome(zsock_t *router, const struct msg_zmq_peer *peer, const char *window)
{
    char text[400];
    struct msg m;

    snprintf(text, sizeof(text),
             "{\"rank\":0,\"size\":2,\"fanout\":2,\"protocol\":3,\"version\":\"t\",\"uuid\":\"u\","
             "\"instance\":\"oak\",\"hash\":\"blake2b\",\"hostname\":\"h\"%s}",
             window);
    msg_init(&m, MSG_CONTROL);
    m.control = CONTROL_WELCOME;
    msg_set_text(&m, text);
    assert_int_equal(msg_zmq_send(zsock_resolve(router), peer, &m), 0);
}

static void
hear_hello(struct cluster *c, zsock_t *router, struct msg_zmq_peer *ret_peer)
{
    int64_t start_ms = clock_ms();
    struct msg m;
    int rc;

    while ((rc = msg_zmq_recv(zsock_resolve(router), ret_peer, PAYLOAD_MAX, &m)) == 0) {
        assert_true(clock_ms() - start_ms < PATIENCE_MS);
        turn(c, ALL);
    }
    assert_int_equal(rc, 1);
    assert_int_equal(m.control, CONTROL_HELLO);
    msg_fini(&m);
}

static void
welcome_with_a_window_out_of_range_is_none(void **state)
{
    static const char *const bad[] = {
        "",
        ",\"window\":0",
        ",\"window\":1048575",
        ",\"window\":16777217",
        ",\"window\":-1",
        ",\"window\":\"1048576\"",
        ",\"window\":99999999999999999999",
    };
    struct cluster *c = *state;
    struct msg_zmq_peer peer;
    zsock_t *router = zsock_new(ZMQ_ROUTER);

    c->topo = (struct topo){.size = 2, .fanout = 2};
    assert_int_equal(zsock_bind(router, "%s", c->uris[0]), 0);
    start(c, 1);
    hear_hello(c, router, &peer);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        welcome(router, &peer, bad[i]);
    for (int i = 0; i < 20; i++)
        turn(c, ALL);
    assert_traced(c, 1, "");
    welcome(router, &peer, ",\"window\":2000000");
    turn_until_traced(c, ALL, 1, "joined ");
    assert_int_equal(fill(c->nodes[1].overlay, &to_parent), messages_in(2000000));
    zsock_destroy(&router);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(children_share_16_mib),
        TEST(full_child_that_reads_has_room_again),
        TEST(full_parent_that_reads_has_room_again),
        TEST(credit_comes_each_quarter_not_each_message),
        TEST(idle_tree_sends_no_credits),
        TEST(small_traffic_is_acknowledged_with_a_heartbeat_and_once),
        TEST(traffic_is_counted_in_both_directions),
        TEST(events_need_no_credit),
        TEST(payload_beyond_the_limit_is_acknowledged_but_not_passed_on),
        TEST(full_child_that_is_lost_is_drained),
        TEST(full_parent_that_is_lost_is_drained),
        TEST(each_join_begins_anew),
        TEST(child_that_acknowledges_too_much_is_ignored),
        TEST(second_hello_by_the_same_connection_begins_anew),
        TEST(welcome_with_a_window_out_of_range_is_none),
    };

    elog_set_level(ELOG_ERR);
    zsys_handler_set(NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
