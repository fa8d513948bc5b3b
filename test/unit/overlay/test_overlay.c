/* SPDX-License-Identifier: MPL-2.0 */
/* test_overlay.c - joining, losing each other, messages, and strangers. */
#include "cmocka_all.h"

#include "clock.h"
#include "elog.h"
#include "overlaytest.h"
#include "xmem.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static char log_path[] = "/tmp/xylem-test-overlay.XXXXXX";

static void
assert_logged(const char *words)
{
    AUTO(buf) struct buf log = BUF_INIT;
    int fd = open(log_path, O_RDONLY);

    assert_int_equal(buf_read_fd(&log, fd, 1 << 20), 0);
    close(fd);
    if (!strstr(buf_str(&log), words))
        fail_msg("the log has no \"%s\":\n%s", words, buf_str(&log));
}

/* --- joining --- */

static void
child_joins_and_the_tree_is_full(void **state)
{
    struct cluster *c = *state;

    start_all(c, 2, 2);
    assert_int_equal(overlay_status(c->nodes[0].overlay), SUBTREE_PARTIAL);
    assert_int_equal(overlay_status(c->nodes[1].overlay), SUBTREE_FULL);
    assert_false(overlay_parent_is_online(c->nodes[1].overlay));
    turn_until_status(c, ALL, 0, SUBTREE_FULL);
    assert_traced(c, 0, "full ");
    assert_traced(c, 1, "joined ");
    assert_true(overlay_parent_is_online(c->nodes[1].overlay));
    assert_int_equal(overlay_parent_rank(c->nodes[1].overlay), 0);
    assert_int_equal(overlay_parent_rank(c->nodes[0].overlay), TOPO_NONE);
    assert_false(overlay_parent_is_online(c->nodes[0].overlay));
    assert_int_equal(overlay_child_count(c->nodes[0].overlay), 1);
    assert_int_equal(overlay_child(c->nodes[0].overlay, 0).peer->state, PEER_ONLINE);
    assert_string_equal(overlay_uri(c->nodes[0].overlay), c->uris[0]);
}

static void
child_that_comes_first_waits_for_its_parent(void **state)
{
    struct cluster *c = *state;

    c->topo = (struct topo){.size = 2, .fanout = 2};
    start(c, 1);
    for (int i = 0; i < 5; i++)
        turn(c, ALL);
    start(c, 0);
    turn_until_traced(c, ALL, 0, "full ");
}

static void
status_climbs_from_the_leaves_to_the_root(void **state)
{
    struct cluster *c = *state;

    c->topo = (struct topo){.size = 7, .fanout = 2};
    for (uint32_t r = 0; r < 6; r++)
        start(c, r);
    turn_until_status(c, ALL, 1, SUBTREE_FULL);
    assert_int_equal(overlay_status(c->nodes[0].overlay), SUBTREE_PARTIAL);
    assert_int_equal(overlay_status(c->nodes[2].overlay), SUBTREE_PARTIAL);
    start(c, 6);
    turn_until_status(c, ALL, 0, SUBTREE_FULL);
    assert_traced(c, 0, "full ");
}

static void
endpoint_in_use_is_an_error_with_text(void **state)
{
    struct cluster *c = *state;
    struct overlay *first;
    struct err err = {0};

    start_all(c, 1, 2);
    first = TAKE(c->nodes[0].overlay);
    assert_int_equal(try_start(c, 0, &err), -EADDRINUSE);
    assert_non_null(strstr(err.text, c->uris[0]));
    c->nodes[0].overlay = first;
}

static void
assert_refusal(struct cluster *c, const char *words)
{
    start(c, 1);
    turn_until_traced(c, ALL, 1, "refused: ");
    assert_non_null(strstr(buf_str(&c->nodes[1].trace), words));
    assert_logged(words);
    assert_int_equal(overlay_child(c->nodes[0].overlay, 0).peer->state, PEER_OFFLINE);
    assert_int_equal(c->nodes[0].trace.size, 0);
}

static void
child_of_another_instance_is_refused_with_a_reason(void **state)
{
    struct cluster *c = *state;

    c->topo = (struct topo){.size = 3, .fanout = 2};
    start(c, 0);
    c->instance = "elm";
    assert_refusal(c, "belongs to instance elm, rank 0 to oak");
}

static void
child_with_another_hash_is_refused_with_a_reason(void **state)
{
    struct cluster *c = *state;

    c->topo = (struct topo){.size = 3, .fanout = 2};
    start(c, 0);
    c->hash = "sha1";
    assert_refusal(c, "uses hash algorithm sha1, rank 0 uses blake2b");
}

static void
child_of_another_size_is_refused_with_a_reason(void **state)
{
    struct cluster *c = *state;

    c->topo = (struct topo){.size = 3, .fanout = 2};
    start(c, 0);
    c->topo.size = 4;
    assert_refusal(c, "expects 4 ranks with fanout 2, rank 0 expects 3 with 2");
}

static void
refused_child_gives_up(void **state)
{
    struct cluster *c = *state;

    c->topo = (struct topo){.size = 3, .fanout = 2};
    start(c, 0);
    c->hash = "sha1";
    assert_refusal(c, "sha1");
    buf_reset(&c->nodes[1].trace);
    for (int i = 0; i < 20; i++)
        turn(c, ALL);
    assert_traced(c, 1, "");
    assert_false(overlay_parent_is_online(c->nodes[1].overlay));
}

/* --- losing each other --- */

static void
silent_child_is_lost(void **state)
{
    struct cluster *c = *state;

    start_all(c, 3, 2);
    turn_until_traced(c, ALL, 0, "full ");
    turn_until_traced(c, 1 << 0 | 1 << 1, 0, "degraded ");
    assert_traced(c, 0, "full gone:2 degraded ");
    assert_int_equal(overlay_child(c->nodes[0].overlay, 0).peer->state, PEER_ONLINE);
    assert_int_equal(overlay_child(c->nodes[0].overlay, 1).peer->state, PEER_LOST);
    assert_int_equal(peer_status(overlay_child(c->nodes[0].overlay, 1).peer), SUBTREE_LOST);
}

static void
child_that_was_given_up_begins_anew(void **state)
{
    struct cluster *c = *state;

    start_all(c, 2, 2);
    turn_until_traced(c, ALL, 0, "full ");
    turn_until_traced(c, 1 << 0, 0, "degraded ");
    buf_reset(&c->nodes[0].trace);
    buf_reset(&c->nodes[1].trace);
    turn_until_traced(c, ALL, 0, "full ");
    turn_until_traced(c, ALL, 1, "joined ");
    assert_traced(c, 1, "cut joined ");
}

static void
silent_parent_is_lost_and_found_again(void **state)
{
    struct cluster *c = *state;

    start_all(c, 2, 2);
    turn_until_traced(c, ALL, 1, "joined ");
    turn_until_traced(c, 1 << 1, 1, "cut ");
    buf_reset(&c->nodes[1].trace);
    turn_until_traced(c, ALL, 1, "joined ");
    turn_until_status(c, ALL, 0, SUBTREE_FULL);
}

static void
loss_of_a_grandchild_reaches_the_root(void **state)
{
    struct cluster *c = *state;

    start_all(c, 3, 1);
    turn_until_traced(c, ALL, 0, "full ");
    turn_until_traced(c, 1 << 0 | 1 << 1, 0, "degraded ");
    assert_int_equal(overlay_child(c->nodes[0].overlay, 0).peer->state, PEER_ONLINE);
    turn_until_status(c, ALL, 0, SUBTREE_FULL);
}

static void
child_that_leaves_in_order_is_not_lost(void **state)
{
    struct cluster *c = *state;

    start_all(c, 2, 2);
    turn_until_traced(c, ALL, 0, "full ");
    overlay_free(&c->nodes[1].overlay);
    turn_until_traced(c, ALL, 0, "partial ");
    assert_traced(c, 0, "full gone:1 partial ");
    assert_int_equal(overlay_child(c->nodes[0].overlay, 0).peer->state, PEER_OFFLINE);
}

/* libzmq closes sockets in the background: the endpoint is free a moment later. */
static void
restart(struct cluster *c, uint32_t rank)
{
    int64_t start_ms = clock_ms();

    overlay_free(&c->nodes[rank].overlay);
    while (try_start(c, rank, NULL) < 0)
        assert_true(clock_ms() - start_ms < PATIENCE_MS);
}

static void
parent_that_is_restarted_is_joined_again(void **state)
{
    struct cluster *c = *state;

    start_all(c, 2, 2);
    turn_until_traced(c, ALL, 0, "full ");
    buf_reset(&c->nodes[0].trace);
    buf_reset(&c->nodes[1].trace);
    restart(c, 0);
    turn_until_traced(c, ALL, 0, "full ");
    turn_until_traced(c, ALL, 1, "joined ");
    assert_traced(c, 1, "cut joined ");
}

static void
second_run_of_a_rank_takes_the_place_of_the_first(void **state)
{
    struct cluster *c = *state;
    struct overlay *first;

    start_all(c, 2, 2);
    turn_until_traced(c, ALL, 0, "full ");
    first = TAKE(c->nodes[1].overlay);
    strcat(c->uris[1], "-second");
    start(c, 1);
    turn_until_traced(c, ALL, 0, "gone:1 ");
    turn_until_status(c, ALL, 0, SUBTREE_FULL);
    assert_true(overlay_parent_is_online(c->nodes[1].overlay));
    overlay_free(&first);
}

/* --- messages --- */

static void
requests_arrive_with_their_origin(void **state)
{
    struct cluster *c = *state;
    struct msg m = request("test.up");

    start_all(c, 2, 2);
    turn_until_traced(c, ALL, 0, "full ");
    assert_int_equal(overlay_send_parent(c->nodes[1].overlay, &m), 0);
    turn_until_traced(c, ALL, 0, "got ");
    assert_int_equal(c->nodes[0].from.kind, OVERLAY_CHILD);
    assert_int_equal(c->nodes[0].from.rank, 1);
    assert_string_equal(c->nodes[0].topic, "test.up");
    m = request("test.down");
    assert_int_equal(overlay_send_child(c->nodes[0].overlay, 1, &m), 0);
    turn_until_traced(c, ALL, 1, "got ");
    assert_int_equal(c->nodes[1].from.kind, OVERLAY_PARENT);
    assert_int_equal(c->nodes[1].from.rank, 0);
    assert_string_equal(c->nodes[1].topic, "test.down");
}

static void
nothing_is_sent_to_who_is_not_online(void **state)
{
    struct cluster *c = *state;
    struct msg m = request("test.x");
    struct msg event;

    start_all(c, 3, 2);
    assert_int_equal(overlay_send_parent(c->nodes[1].overlay, &m), -EHOSTUNREACH);
    m = request("test.x");
    assert_int_equal(overlay_send_child(c->nodes[0].overlay, 1, &m), -EHOSTUNREACH);
    m = request("test.x");
    assert_int_equal(overlay_send_child(c->nodes[0].overlay, 9, &m), -EHOSTUNREACH);
    m = request("test.x");
    assert_int_equal(overlay_send_parent(c->nodes[0].overlay, &m), -EHOSTUNREACH);
    msg_init(&event, MSG_EVENT);
    overlay_send_down(c->nodes[0].overlay, &event);
    turn_until_traced(c, ALL, 0, "full ");
    assert_traced(c, 1, "joined ");
    assert_traced(c, 2, "joined ");
}

static void
events_reach_every_child(void **state)
{
    struct cluster *c = *state;
    AUTO(msg) struct msg event;

    start_all(c, 3, 2);
    turn_until_traced(c, ALL, 0, "full ");
    msg_init(&event, MSG_EVENT);
    msg_set_topic(&event, "test.event");
    msg_set_text(&event, "payload");
    overlay_send_down(c->nodes[0].overlay, &event);
    turn_until_traced(c, ALL, 1, "got ");
    turn_until_traced(c, ALL, 2, "got ");
    assert_string_equal(c->nodes[1].topic, "test.event");
    assert_string_equal(msg_text(&event), "payload");
}

static void
next_hop_leads_through_the_online_child(void **state)
{
    static const struct overlay_from above = {.kind = OVERLAY_PARENT, .rank = 0};
    static const struct overlay_from below = {.kind = OVERLAY_CHILD, .rank = 2};
    struct cluster *c = *state;
    uint32_t hop = 99;

    c->topo = (struct topo){.size = 7, .fanout = 2};
    for (uint32_t r = 0; r < 6; r++)
        start(c, r == 5 ? 6 : r);
    turn_until_status(c, ALL, 1, SUBTREE_FULL);
    assert_int_equal(overlay_next_hop(c->nodes[0].overlay, 4, NULL, &hop), 0);
    assert_int_equal(hop, 1);
    assert_int_equal(overlay_next_hop(c->nodes[1].overlay, 4, NULL, &hop), 0);
    assert_int_equal(hop, 4);
    assert_int_equal(overlay_next_hop(c->nodes[1].overlay, 6, NULL, &hop), 0);
    assert_int_equal(hop, TOPO_NONE);
    assert_int_equal(overlay_next_hop(c->nodes[1].overlay, 0, NULL, &hop), 0);
    assert_int_equal(hop, TOPO_NONE);
    assert_int_equal(overlay_next_hop(c->nodes[2].overlay, 5, NULL, &hop), 0);
    assert_int_equal(hop, TOPO_NONE);
    assert_int_equal(overlay_next_hop(c->nodes[2].overlay, 5, &above, &hop), -EHOSTUNREACH);
    assert_int_equal(overlay_next_hop(c->nodes[0].overlay, 5, &below, &hop), -EHOSTUNREACH);
    assert_int_equal(overlay_blamed(c->nodes[2].overlay, 5)->rank, 5);
    assert_null(overlay_blamed(c->nodes[0].overlay, 5));
    assert_int_equal(overlay_next_hop(c->nodes[0].overlay, 0, NULL, &hop), -EHOSTUNREACH);
    assert_int_equal(overlay_next_hop(c->nodes[0].overlay, 7, NULL, &hop), -EHOSTUNREACH);
    assert_int_equal(overlay_next_hop(c->nodes[0].overlay, TOPO_NONE, NULL, &hop), -EHOSTUNREACH);
}

/* --- greetings that overtake each other --- */

static void
say_attempt(zsock_t *sock, int attempt)
{
    char text[300];

    snprintf(text, sizeof(text),
             "{\"rank\":1,\"size\":3,\"fanout\":2,\"protocol\":3,\"version\":\"t\","
             "\"instance\":\"oak\",\"hash\":\"blake2b\",\"uuid\":\"run\",\"hostname\":\"h\","
             "\"attempt\":%d}",
             attempt);
    say(sock, 1, text);
}

static void
older_hello_does_not_take_the_place_of_a_newer_one(void **state)
{
    struct cluster *c = *state;
    zsock_t *newer, *older;

    start_root_of_three(c);
    newer = stranger(c);
    older = stranger(c);
    say_attempt(newer, 2);
    assert_int_equal(hear_control(c, newer), CONTROL_WELCOME);
    say_attempt(older, 1);
    say(older, CONTROL_PING, NULL);
    assert_int_equal(hear_control(c, older), CONTROL_WHO);
    say(newer, CONTROL_PING, NULL);
    assert_int_equal(hear_control(c, newer), CONTROL_PONG);
    say_attempt(older, 3);
    assert_int_equal(hear_control(c, older), CONTROL_WELCOME);
    zsock_destroy(&newer);
    zsock_destroy(&older);
}

/* --- bundles --- */

/* Those that gather and those that travel alone; and the goodbye behind them all. */
static void
messages_arrive_in_the_order_they_were_sent(void **state)
{
    static const size_t sizes[] = {10, 20, PAYLOAD_MAX, 30, 16384, 16385, 0, 40};
    struct cluster *c = *state;
    zsock_t *sock;
    struct msg m;

    start_root_of_three(c);
    sock = stranger(c);
    say_hello(sock, 1);
    assert_int_equal(hear_control(c, sock), CONTROL_WELCOME);
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        m = large(sizes[i]);
        assert_int_equal(overlay_send_child(c->nodes[0].overlay, 1, &m), 0);
    }
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        m = hear(c, sock);
        assert_int_equal(m.type, MSG_REQUEST);
        assert_int_equal(msg_size(&m), sizes[i]);
        msg_fini(&m);
    }
    m = large(10);
    assert_int_equal(overlay_send_child(c->nodes[0].overlay, 1, &m), 0);
    overlay_free(&c->nodes[0].overlay);
    m = hear(c, sock);
    assert_int_equal(msg_size(&m), 10);
    msg_fini(&m);
    assert_int_equal(hear_control(c, sock), CONTROL_BYE);
    zsock_destroy(&sock);
}

/* --- strangers --- */

static void
who_has_not_greeted_is_a_client(void **state)
{
    struct cluster *c = *state;
    struct msg m = request("test.client");
    zsock_t *sock;

    start_root_of_three(c);
    sock = stranger(c);
    assert_int_equal(msg_zmq_send(zsock_resolve(sock), NULL, &m), 0);
    turn_until_traced(c, ALL, 0, "got ");
    assert_int_equal(c->nodes[0].from.kind, OVERLAY_CLIENT);
    m = request("test.answer");
    assert_int_equal(overlay_send_client(c->nodes[0].overlay, &c->nodes[0].from.peer, &m), 0);
    m = hear(c, sock);
    assert_string_equal(m.topic, "test.answer");
    msg_fini(&m);
    zsock_destroy(&sock);
}

static void
nonsense_as_a_hello_is_refused(void **state)
{
    static const char *const texts[] = {NULL, "", "no JSON", "{\"rank\":99999}", "[[[[[["};
    struct cluster *c = *state;

    start_root_of_three(c);
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        zsock_t *sock = stranger(c);
        struct msg m;

        say(sock, 1, texts[i]);
        m = hear(c, sock);
        assert_int_equal(m.type, MSG_CONTROL);
        assert_int_equal(m.control, 3);
        assert_non_null(strstr(msg_text(&m), "hello: "));
        msg_fini(&m);
        zsock_destroy(&sock);
    }
    assert_traced(c, 0, "");
}

static void
say_hello_of_two(zsock_t *sock, const char *uuid)
{
    char text[300];

    snprintf(text, sizeof(text),
             "{\"rank\":2,\"size\":3,\"fanout\":1,\"protocol\":3,\"version\":\"t\",\"instance\":"
             "\"oak\",\"hash\":\"blake2b\",\"uuid\":\"%s\",\"hostname\":\"h\"}",
             uuid);
    say(sock, 1, text);
}

static void
grandchild_is_adopted_and_forgotten_when_it_goes_to_its_parent(void **state)
{
    struct cluster *c = *state;
    zsock_t *sock;

    c->topo = (struct topo){.size = 3, .fanout = 1};
    start(c, 0);
    sock = stranger(c);
    say_hello_of_two(sock, "u");
    assert_int_equal(hear_control(c, sock), CONTROL_WELCOME);
    assert_int_equal(overlay_child_count(c->nodes[0].overlay), 2);
    assert_true(overlay_child(c->nodes[0].overlay, 1).adopted);
    assert_string_equal(overlay_child(c->nodes[0].overlay, 1).hostname, "h");
    start(c, 1);
    assert_int_equal(hear_control(c, sock), CONTROL_NEARER);
    say(sock, CONTROL_LEAVE, NULL);
    assert_int_equal(hear_control(c, sock), CONTROL_BYE);
    assert_int_equal(overlay_child(c->nodes[0].overlay, 1).peer->state, PEER_LEAVING);
    say(sock, CONTROL_BYE, NULL);
    while (overlay_child_count(c->nodes[0].overlay) > 1)
        turn(c, ALL);
    assert_string_equal(buf_str(&c->nodes[0].noticed), "in:2 in:1 out:2 ");
    zsock_destroy(&sock);
}

static void
adopted_one_that_is_lost_is_remembered_until_its_parent_is_back(void **state)
{
    struct cluster *c = *state;
    zsock_t *sock;

    c->topo = (struct topo){.size = 3, .fanout = 1};
    start(c, 0);
    sock = stranger(c);
    say_hello_of_two(sock, "u");
    assert_int_equal(hear_control(c, sock), CONTROL_WELCOME);
    zsock_destroy(&sock);
    turn_until_status(c, ALL, 0, SUBTREE_DEGRADED);
    assert_int_equal(overlay_child(c->nodes[0].overlay, 1).peer->state, PEER_LOST);
    start(c, 1);
    start(c, 2);
    turn_until_status(c, ALL, 0, SUBTREE_FULL);
    assert_int_equal(overlay_child_count(c->nodes[0].overlay), 1);
}

/* --- changing parents --- */

static void
orphan_is_adopted_and_goes_home(void **state)
{
    struct cluster *c = *state;

    start_all(c, 4, 2);
    turn_until_status(c, ALL, 0, SUBTREE_FULL);
    assert_int_equal(overlay_parent_rank(c->nodes[3].overlay), 1);
    overlay_mute(c->nodes[1].overlay);
    overlay_free(&c->nodes[1].overlay);
    turn_until_status(c, ALL, 0, SUBTREE_DEGRADED);
    while (overlay_parent_rank(c->nodes[3].overlay) != 0 ||
           !overlay_parent_is_online(c->nodes[3].overlay))
        turn(c, ALL);
    start(c, 1);
    turn_until_status(c, ALL, 0, SUBTREE_FULL);
    assert_int_equal(overlay_parent_rank(c->nodes[3].overlay), 1);
    while (overlay_child_count(c->nodes[0].overlay) > 2)
        turn(c, ALL);
}

/* What was asked by the former link is answered by it; only then is it over. */
static void
link_to_the_adopter_is_drained(void **state)
{
    struct cluster *c = *state;
    struct msg ask = request("test.slow");
    struct msg answer;
    uint64_t join;

    c->topo = (struct topo){.size = 3, .fanout = 1};
    c->patience_ms = 1;
    start(c, 0);
    start(c, 2);
    turn_until_traced(c, ALL, 2, "joined ");
    join = overlay_parent_joined(c->nodes[2].overlay);
    ask.matchtag = 7;
    assert_int_equal(overlay_send_parent(c->nodes[2].overlay, &ask), 0);
    turn_until_traced(c, ALL, 0, "got ");
    start(c, 1);
    turn_until_traced(c, ALL, 2, "joined joined ");
    turn_until_status(c, ALL, 0, SUBTREE_FULL);
    for (int i = 0; i < 20; i++)
        turn(c, ALL);
    assert_traced(c, 2, "joined joined ");
    ask = request("test.slow");
    msg_init_response(&answer, &ask, 0);
    msg_fini(&ask);
    assert_int_equal(overlay_answer_child(c->nodes[0].overlay, 2, &c->nodes[0].from.peer, &answer),
                     0);
    turn_until_traced(c, ALL, 2, "got cut ");
    assert_int_equal(c->nodes[2].from.joined, join);
    while (overlay_child_count(c->nodes[0].overlay) > 1)
        turn(c, ALL);
}

static void
ping_of_a_stranger_is_asked_who_it_is(void **state)
{
    struct cluster *c = *state;
    zsock_t *sock;

    start_root_of_three(c);
    sock = stranger(c);
    say(sock, 6, NULL); // STATE, BYE and what there is not: ignored
    say(sock, 8, NULL);
    say(sock, 4711, NULL);
    say(sock, 4, NULL);                         // PING
    assert_int_equal(hear_control(c, sock), 7); // WHO
    zsock_destroy(&sock);
}

static void
connection_that_greets_as_another_rank_is_that_one_only(void **state)
{
    struct cluster *c = *state;
    zsock_t *sock;

    start_root_of_three(c);
    sock = stranger(c);
    say_hello(sock, 1);
    say_hello(sock, 2);
    turn_until_traced(c, ALL, 0, "gone:1 ");
    assert_int_equal(hear_control(c, sock), 2); // WELCOME
    assert_int_equal(hear_control(c, sock), 2);
    assert_int_equal(overlay_child(c->nodes[0].overlay, 0).peer->state, PEER_LOST);
    assert_int_equal(overlay_child(c->nodes[0].overlay, 1).peer->state, PEER_ONLINE);
    zsock_destroy(&sock);
}

static void
unknown_status_and_control_of_a_child_are_ignored(void **state)
{
    struct cluster *c = *state;
    zsock_t *sock;
    struct msg m;

    start_root_of_three(c);
    sock = stranger(c);
    say_hello(sock, 1);
    say(sock, 4711, NULL);
    msg_init(&m, MSG_CONTROL);
    m.control = 6;
    m.status = 4711;
    assert_int_equal(msg_zmq_send(zsock_resolve(sock), NULL, &m), 0);
    say(sock, 4, NULL);
    assert_int_equal(hear_control(c, sock), 2); // WELCOME
    assert_int_equal(hear_control(c, sock), 5); // PONG: the rest has been looked at
    assert_traced(c, 0, "");
    zsock_destroy(&sock);
}

/* The messages of a child whose socket has gone without a goodbye cannot be sent. */
static void
child_whose_connection_is_gone_is_lost_when_it_is_sent_to(void **state)
{
    struct cluster *c = *state;
    int64_t start_ms = clock_ms();
    zsock_t *sock;

    start_root_of_three(c);
    sock = stranger(c);
    say_hello(sock, 1);
    while (overlay_child(c->nodes[0].overlay, 0).peer->state != PEER_ONLINE)
        turn(c, ALL);
    zsock_destroy(&sock);
    while (overlay_child(c->nodes[0].overlay, 0).peer->state == PEER_ONLINE) {
        struct msg m = request("test.x");

        assert_true(clock_ms() - start_ms < PATIENCE_MS);
        overlay_send_child(c->nodes[0].overlay, 1, &m);
        assert_traced(c, 0, ""); // never from inside a send
        turn(c, ALL);
    }
    assert_traced(c, 0, "gone:1 degraded ");
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(older_hello_does_not_take_the_place_of_a_newer_one),
        TEST(messages_arrive_in_the_order_they_were_sent),
        TEST(child_joins_and_the_tree_is_full),
        TEST(child_that_comes_first_waits_for_its_parent),
        TEST(status_climbs_from_the_leaves_to_the_root),
        TEST(endpoint_in_use_is_an_error_with_text),
        TEST(child_of_another_instance_is_refused_with_a_reason),
        TEST(child_with_another_hash_is_refused_with_a_reason),
        TEST(child_of_another_size_is_refused_with_a_reason),
        TEST(refused_child_gives_up),
        TEST(silent_child_is_lost),
        TEST(child_that_was_given_up_begins_anew),
        TEST(silent_parent_is_lost_and_found_again),
        TEST(loss_of_a_grandchild_reaches_the_root),
        TEST(child_that_leaves_in_order_is_not_lost),
        TEST(parent_that_is_restarted_is_joined_again),
        TEST(second_run_of_a_rank_takes_the_place_of_the_first),
        TEST(requests_arrive_with_their_origin),
        TEST(nothing_is_sent_to_who_is_not_online),
        TEST(events_reach_every_child),
        TEST(next_hop_leads_through_the_online_child),
        TEST(who_has_not_greeted_is_a_client),
        TEST(nonsense_as_a_hello_is_refused),
        TEST(grandchild_is_adopted_and_forgotten_when_it_goes_to_its_parent),
        TEST(adopted_one_that_is_lost_is_remembered_until_its_parent_is_back),
        TEST(orphan_is_adopted_and_goes_home),
        TEST(link_to_the_adopter_is_drained),
        TEST(ping_of_a_stranger_is_asked_who_it_is),
        TEST(connection_that_greets_as_another_rank_is_that_one_only),
        TEST(unknown_status_and_control_of_a_child_are_ignored),
        TEST(child_whose_connection_is_gone_is_lost_when_it_is_sent_to),
    };
    int failed;

    close(mkstemp(log_path));
    elog_open(log_path, NULL);
    zsys_handler_set(NULL);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(log_path);
    return failed;
}
