/* SPDX-License-Identifier: MPL-2.0 */
/* test_clients.c - remote clients: what is on its way to them is bounded, and they are forgotten. */
#include "cmocka_all.h"

#include "clock.h"
#include "elog.h"
#include "overlaytest.h"
#include "xmem.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

static const struct overlay_from to_child1 = {.kind = OVERLAY_CHILD, .rank = 1};

static struct overlay_from
meet_with(struct cluster *c, zsock_t *sock, uint8_t flags)
{
    struct msg m = request("test.client");
    unsigned before = c->nodes[0].got;

    m.flags |= flags;
    assert_int_equal(msg_zmq_send(zsock_resolve(sock), NULL, &m), 0);
    turn_until_traced(c, ALL, 0, "got ");
    buf_reset(&c->nodes[0].trace);
    assert_int_equal(c->nodes[0].got, before + 1);
    assert_int_equal(c->nodes[0].from.kind, OVERLAY_CLIENT);
    return c->nodes[0].from;
}

/* It waits for no answer: so it is not looked for often. */
static struct overlay_from
meet_client(struct cluster *c, zsock_t *sock)
{
    return meet_with(c, sock, MSG_NORESPONSE);
}

static void
turn_until_clients(struct cluster *c, uint64_t count)
{
    int64_t start_ms = clock_ms();

    while (stats(c, 0)->clients != count) {
        if (clock_ms() - start_ms > PATIENCE_MS)
            fail_msg("%d remote clients are known, not %d", (int)stats(c, 0)->clients, (int)count);
        turn(c, ALL);
    }
}

/* Returns the bytes that came before it. */
static uint64_t
read_until_control(struct cluster *c, zsock_t *sock, uint32_t control)
{
    uint64_t bytes = 0;

    for (;;) {
        AUTO(msg) struct msg m = hear(c, sock);

        if (m.type == MSG_CONTROL && m.control == control)
            return bytes;
        bytes += control_is_counted(&m) ? control_cost(&m) : 0;
    }
}

static void
full_client_is_asked_what_it_has_taken(void **state)
{
    struct cluster *c = *state;
    struct overlay_from client;
    zsock_t *sock;
    uint64_t bytes;

    start_root_of_three(c);
    sock = stranger(c);
    client = meet_client(c, sock);
    assert_int_equal(fill(c->nodes[0].overlay, &client), messages_in(4 * MIB));
    bytes = read_until_control(c, sock, CONTROL_PING);
    assert_int_equal(bytes, messages_in(4 * MIB) * COST);
    say_credit(sock, bytes);
    turn_until_traced(c, ALL, 0, "drained:client ");
    assert_memory_equal(&c->nodes[0].drained.peer, &client.peer, sizeof(client.peer));
    assert_false(overlay_is_full(c->nodes[0].overlay, &client));
    assert_int_equal(stats(c, 0)->unacked[OVERLAY_CLIENT], 0);
    zsock_destroy(&sock);
}

static void
clients_that_acknowledge_too_much_are_ignored(void **state)
{
    struct cluster *c = *state;
    struct overlay_from client;
    zsock_t *sock;

    start_root_of_three(c);
    sock = stranger(c);
    say_credit(sock, 1); // nobody knows it
    client = meet_client(c, sock);
    fill(c->nodes[0].overlay, &client);
    say_credit(sock, 100 * MIB);
    say(sock, CONTROL_CREDIT, "x");
    turn_until_heard(c, sock);
    assert_true(overlay_is_full(c->nodes[0].overlay, &client));
    assert_int_equal(stats(c, 0)->unacked[OVERLAY_CLIENT], messages_in(4 * MIB) * COST);
    assert_traced(c, 0, "");
    zsock_destroy(&sock);
}

static void
client_that_does_not_read_is_cut_off(void **state)
{
    struct cluster *c = *state;
    struct msg m = request("test.late");
    struct overlay_from client;
    zsock_t *sock;

    c->client_ms = 20;
    start_root_of_three(c);
    sock = stranger(c);
    client = meet_client(c, sock);
    fill(c->nodes[0].overlay, &client);
    turn_until_traced(c, ALL, 0, "drained:client ");
    assert_int_equal(stats(c, 0)->clients_cut, 1);
    assert_int_equal(send_to(c->nodes[0].overlay, &client), -EHOSTUNREACH);
    assert_false(overlay_is_full(c->nodes[0].overlay, &client));
    read_until_control(c, sock, CONTROL_BYE);
    buf_reset(&c->nodes[0].trace);
    say_credit(sock, messages_in(4 * MIB) * COST); // too late
    assert_int_equal(msg_zmq_send(zsock_resolve(sock), NULL, &m), 0);
    turn_until_heard(c, sock);
    assert_traced(c, 0, ""); // nothing of it is heard any more
    assert_int_equal(stats(c, 0)->clients, 1);
    zsock_destroy(&sock);
    turn_until_clients(c, 0);
    assert_traced(c, 0, "");
    assert_int_equal(stats(c, 0)->unacked[OVERLAY_CLIENT], 0);
}

static void
client_may_be_cut_off_by_the_user(void **state)
{
    struct cluster *c = *state;
    struct msg m = request("test.late");
    struct overlay_from client;
    zsock_t *sock;

    start_root_of_three(c);
    sock = stranger(c);
    client = meet_client(c, sock);
    fill(c->nodes[0].overlay, &client);
    overlay_cut_client(c->nodes[0].overlay, &client.peer);
    assert_traced(c, 0, "left drained:client ");
    assert_int_equal(stats(c, 0)->clients_cut, 1);
    overlay_cut_client(c->nodes[0].overlay, &client.peer); // once
    assert_int_equal(stats(c, 0)->clients_cut, 1);
    assert_int_equal(send_to(c->nodes[0].overlay, &client), -EHOSTUNREACH);
    read_until_control(c, sock, CONTROL_BYE);
    assert_int_equal(msg_zmq_send(zsock_resolve(sock), NULL, &m), 0);
    turn_until_heard(c, sock);
    assert_traced(c, 0, "");
    zsock_destroy(&sock);
}

static void
client_that_is_full_but_speaks_is_not_cut_off(void **state)
{
    struct cluster *c = *state;
    struct overlay_from client;
    int64_t start_ms = clock_ms();
    zsock_t *sock;

    c->client_ms = 200;
    start_root_of_three(c);
    sock = stranger(c);
    client = meet_client(c, sock);
    fill(c->nodes[0].overlay, &client);
    while (clock_ms() - start_ms < 2 * c->client_ms) {
        say_credit(sock, 0);
        turn_until_heard(c, sock);
        poll(NULL, 0, 1); // strangers are not told without end
    }
    assert_int_equal(stats(c, 0)->clients_cut, 0);
    assert_true(overlay_is_full(c->nodes[0].overlay, &client));
    zsock_destroy(&sock);
}

static void
many_clients_share_16_mib(void **state)
{
    struct cluster *c = *state;
    struct overlay_from clients[5];
    zsock_t *socks[5];

    start_root_of_three(c);
    for (int i = 0; i < 5; i++) {
        socks[i] = stranger(c);
        clients[i] = meet_client(c, socks[i]);
    }
    for (int i = 0; i < 4; i++)
        assert_int_equal(fill(c->nodes[0].overlay, &clients[i]), messages_in(4 * MIB));
    assert_int_equal(fill(c->nodes[0].overlay, &clients[4]), messages_in(16 * MIB / 5));
    for (int i = 0; i < 5; i++)
        zsock_destroy(&socks[i]);
}

static void
client_that_has_left_is_forgotten_when_it_is_sent_to(void **state)
{
    struct cluster *c = *state;
    struct msg m;
    struct overlay_from client;
    int64_t start_ms = clock_ms();
    zsock_t *sock;

    start_root_of_three(c);
    sock = stranger(c);
    client = meet_client(c, sock);
    fill(c->nodes[0].overlay, &client);
    zsock_destroy(&sock);
    do {
        m = request("test.small");
        assert_true(clock_ms() - start_ms < PATIENCE_MS);
        assert_traced(c, 0, ""); // never from inside a send
        poll(NULL, 0, 1);
    } while (overlay_send_client(c->nodes[0].overlay, &client.peer, &m) == 0);
    turn_until_clients(c, 0);
    assert_traced(c, 0, "left drained:client ");
    assert_int_equal(send_to(c->nodes[0].overlay, &client), -EHOSTUNREACH);
}

static void
client_that_is_silent_is_asked_whether_it_is_there(void **state)
{
    struct cluster *c = *state;
    zsock_t *sock;

    c->client_ms = 10;
    start_root_of_three(c);
    sock = stranger(c);
    meet_client(c, sock);
    assert_int_equal(hear_control(c, sock), CONTROL_PING);
    assert_int_equal(stats(c, 0)->clients, 1);
    zsock_destroy(&sock);
    turn_until_clients(c, 0);
    assert_traced(c, 0, "left ");
    assert_int_equal(stats(c, 0)->clients_cut, 0);
}

static void
client_that_waits_for_an_answer_is_soon_known_to_have_left(void **state)
{
    struct cluster *c = *state;
    struct overlay_from client;
    zsock_t *sock;

    start_root_of_three(c); // others are looked for every 60 s
    sock = stranger(c);
    client = meet_with(c, sock, 0);
    zsock_destroy(&sock);
    turn_until_traced(c, ALL, 0, "left ");
    assert_int_equal(stats(c, 0)->clients, 0);
    assert_traced(c, 0, "left ");
    assert_int_equal(send_to(c->nodes[0].overlay, &client), -EHOSTUNREACH);
}

static struct msg
response(void)
{
    AUTO(msg) struct msg asked = request("test.client");
    struct msg m;

    msg_init_response(&m, &asked, 0);
    return m;
}

static void
client_that_has_its_answers_is_left_in_peace(void **state)
{
    struct cluster *c = *state;
    int64_t start_ms = clock_ms();
    struct overlay_from client;
    struct msg m;
    zsock_t *sock;

    start_root_of_three(c);
    sock = stranger(c);
    client = meet_with(c, sock, 0);
    m = response();
    assert_int_equal(overlay_send_client(c->nodes[0].overlay, &client.peer, &m), 0);
    m = hear(c, sock);
    while (m.type == MSG_CONTROL) // before it was answered
        m = hear(c, sock);
    msg_fini(&m);
    while (clock_ms() - start_ms < 20 * BEAT_MS)
        turn(c, ALL);
    assert_int_equal(msg_zmq_recv(zsock_resolve(sock), NULL, PAYLOAD_MAX, &m), 0);
    zsock_destroy(&sock);
}

static void
client_that_is_full_and_lets_itself_be_answered_on_is_cut_off(void **state)
{
    struct cluster *c = *state;
    struct overlay_from client;
    uint64_t count = 0;
    zsock_t *sock;

    start_root_of_three(c);
    sock = stranger(c);
    client = meet_client(c, sock);
    fill(c->nodes[0].overlay, &client);
    while (send_to(c->nodes[0].overlay, &client) == 0)
        count++;
    assert_int_equal(count, 4 * MIB / COST + 1);
    assert_traced(c, 0, ""); // never from inside a send
    turn_until_traced(c, ALL, 0, "drained:client ");
    assert_traced(c, 0, "left drained:client ");
    assert_int_equal(stats(c, 0)->clients_cut, 1);
    zsock_destroy(&sock);
}

/* --- room of all --- */

enum { GREEDY = 4, CLIENTS = 5 };

static void
fill_all_but_the_last(struct cluster *c, zsock_t *socks[CLIENTS],
                      struct overlay_from clients[CLIENTS])
{
    start_root_of_three(c);
    for (int i = 0; i < CLIENTS; i++) {
        socks[i] = stranger(c);
        clients[i] = meet_client(c, socks[i]);
    }
    for (int i = 0; i < GREEDY; i++)
        fill(c->nodes[0].overlay, &clients[i]);
}

static void
large_answers_wait_for_room_of_all(void **state)
{
    struct cluster *c = *state;
    struct overlay_from clients[CLIENTS];
    struct overlay *o;
    zsock_t *socks[CLIENTS];

    fill_all_but_the_last(c, socks, clients);
    o = c->nodes[0].overlay;
    assert_false(overlay_is_full(o, &clients[GREEDY]));
    assert_false(overlay_must_wait(o, &clients[GREEDY], 65536));
    assert_true(overlay_must_wait(o, &clients[GREEDY], PAYLOAD_MAX));
    assert_traced(c, 0, "");
    say_credit(socks[0], messages_in(4 * MIB) * COST);
    turn_until_traced(c, ALL, 0, "drained:client drained:client ");
    assert_memory_equal(&c->nodes[0].drained.peer, &clients[GREEDY].peer, sizeof(clients[0].peer));
    assert_false(overlay_must_wait(o, &clients[GREEDY], PAYLOAD_MAX)); // it has been promised
    assert_int_equal(stats(c, 0)->clients_cut, 0);
    for (int i = 0; i < CLIENTS; i++)
        zsock_destroy(&socks[i]);
}

static void
who_takes_room_and_is_silent_is_cut_off_when_others_wait(void **state)
{
    struct cluster *c = *state;
    struct overlay_from clients[CLIENTS];
    zsock_t *socks[CLIENTS];

    c->client_ms = 600;
    fill_all_but_the_last(c, socks, clients);
    assert_true(overlay_must_wait(c->nodes[0].overlay, &clients[GREEDY], PAYLOAD_MAX));
    turn_until_traced(c, ALL, 0, "left drained:client drained:client ");
    assert_memory_equal(&c->nodes[0].drained.peer, &clients[GREEDY].peer, sizeof(clients[0].peer));
    assert_int_equal(stats(c, 0)->clients_cut, GREEDY);
    for (int i = 0; i < CLIENTS; i++)
        zsock_destroy(&socks[i]);
}

/* --- bundles --- */

static void
say_bundle(zsock_t *sock)
{
    struct bundle b = {0};

    for (int i = 0; i < 2; i++) {
        struct msg m = request("test.bundle");

        bundle_add(&b, &m);
        msg_fini(&m);
    }
    assert_int_equal(msg_zmq_send_bundle(zsock_resolve(sock), NULL, &b), 0);
}

static void
bundles_are_taken_from_children_only(void **state)
{
    struct cluster *c = *state;
    zsock_t *sock;

    start_root_of_three(c);
    sock = stranger(c);
    say_bundle(sock);
    assert_int_equal(hear_control(c, sock), CONTROL_WHO);
    assert_int_equal(c->nodes[0].got, 0);
    meet_client(c, sock);
    say_bundle(sock);
    assert_int_equal(hear_control(c, sock), CONTROL_WHO);
    turn_until_heard(c, sock);
    assert_int_equal(c->nodes[0].got, 1); // that it was met by
    say_hello(sock, 1);
    say_bundle(sock);
    turn_until_heard(c, sock);
    assert_int_equal(c->nodes[0].got, 3);
    zsock_destroy(&sock);
}

static void
client_that_greets_is_a_client_no_more(void **state)
{
    struct cluster *c = *state;
    struct overlay_from client;
    zsock_t *sock;

    start_root_of_three(c);
    sock = stranger(c);
    client = meet_client(c, sock);
    fill(c->nodes[0].overlay, &client);
    say_hello(sock, 1);
    turn_until_traced(c, ALL, 0, "drained:client ");
    assert_int_equal(stats(c, 0)->clients, 0);
    assert_int_equal(stats(c, 0)->unacked[OVERLAY_CLIENT], 0);
    assert_false(overlay_is_full(c->nodes[0].overlay, &client));
    assert_false(overlay_is_full(c->nodes[0].overlay, &to_child1));
    zsock_destroy(&sock);
}

/* A client on ipc:// that sends until there is no room, for a while.  Returns the messages. */
static unsigned
send_all_that_goes(zsock_t *sock, unsigned max)
{
    int64_t last = clock_ms();
    unsigned count = 0;

    while (count < max && clock_ms() - last < 200) {
        struct msg m = large(PAYLOAD_MAX);

        if (msg_zmq_send(zsock_resolve(sock), NULL, &m) == 0) {
            count++;
            last = clock_ms();
        } else {
            poll(NULL, 0, 1);
        }
        msg_fini(&m);
    }
    return count;
}

static void
flood_waits_in_its_sender(void **state)
{
    enum { FLOOD = 300, MARK = 24 };
    struct cluster *c = *state;
    char dir[] = "/tmp/xylem-test-XXXXXX";
    zsock_t *sock = zsock_new(ZMQ_DEALER);
    int64_t start_ms = clock_ms();
    unsigned sent;

    assert_non_null(mkdtemp(dir));
    snprintf(c->uris[0], sizeof(c->uris[0]), "ipc://%s/rank", dir);
    start_root_of_three(c);
    zsock_set_sndhwm(sock, 1);
    assert_int_equal(zsock_connect(sock, "%s", c->uris[0]), 0);
    sent = send_all_that_goes(sock, FLOOD); // the rank is busy all the time
    assert_in_range(sent, MARK, MARK + 20); // 20: in the kernel and in the sender
    while (c->nodes[0].got < FLOOD) {
        assert_true(clock_ms() - start_ms < PATIENCE_MS);
        if (sent < FLOOD)
            sent += send_all_that_goes(sock, 1);
        turn(c, ALL);
    }
    zsock_destroy(&sock);
    overlay_free(&c->nodes[0].overlay);
    unlink(c->uris[0] + strlen("ipc://"));
    rmdir(dir);
}

static void
answers_are_for_those_who_have_asked(void **state)
{
    struct cluster *c = *state;
    struct overlay_from nobody = {.kind = OVERLAY_CLIENT, .peer = {.len = 5, .id = "abcde"}};

    start_root_of_three(c);
    assert_false(overlay_is_full(c->nodes[0].overlay, &nobody));
    assert_int_equal(send_to(c->nodes[0].overlay, &nobody), -EHOSTUNREACH);
    assert_int_equal(stats(c, 0)->clients, 0);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(full_client_is_asked_what_it_has_taken),
        TEST(clients_that_acknowledge_too_much_are_ignored),
        TEST(client_that_does_not_read_is_cut_off),
        TEST(client_may_be_cut_off_by_the_user),
        TEST(client_that_is_full_but_speaks_is_not_cut_off),
        TEST(many_clients_share_16_mib),
        TEST(client_that_has_left_is_forgotten_when_it_is_sent_to),
        TEST(client_that_is_silent_is_asked_whether_it_is_there),
        TEST(client_that_waits_for_an_answer_is_soon_known_to_have_left),
        TEST(client_that_has_its_answers_is_left_in_peace),
        TEST(client_that_is_full_and_lets_itself_be_answered_on_is_cut_off),
        TEST(large_answers_wait_for_room_of_all),
        TEST(who_takes_room_and_is_silent_is_cut_off_when_others_wait),
        TEST(bundles_are_taken_from_children_only),
        TEST(client_that_greets_is_a_client_no_more),
        TEST(flood_waits_in_its_sender),
        TEST(answers_are_for_those_who_have_asked),
    };

    elog_set_level(ELOG_ERR);
    zsys_handler_set(NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
