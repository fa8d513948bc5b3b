/* SPDX-License-Identifier: MPL-2.0 */
/* test_remote.c - what remote clients may have in flight through a router (I5). */
#include "fakes.h"
#include "router_priv.h"

#include <errno.h>
#include <string.h>

#define RANK 1
#define MIB ((size_t)1 << 20)

static struct request *kept[2100]; // by the service "test.later", in their order
static size_t count;
static unsigned served;

static void
serve_later(void *arg UNUSED, struct request *req)
{
    assert_true(count < ARRAY_SIZE(kept));
    kept[count++] = request_keep(req);
}

static void
serve_echo(void *arg, struct request *req)
{
    struct station *s = arg;
    struct blob *payload = blob_ref(req->msg.payload);

    served++;
    router_respond(s->router, req, &payload);
}

static const struct service services[] = {{"test.later", serve_later}, {"test.echo", serve_echo}};

static int
set_up(void **state)
{
    static struct station s;

    station_init(&s, RANK);
    service_table_add(s.services, services, ARRAY_SIZE(services), &s);
    served = 0;
    *state = &s;
    return 0;
}

static int
tear_down(void **state)
{
    while (count > 0)
        request_free(&kept[--count]);
    station_fini(*state);
    return 0;
}

/* Client `who` sends a request of `size` bytes. */
static void
send_as(struct station *s, uint8_t who, const char *topic, uint32_t tag, size_t size)
{
    static const char zeros[8 * MIB];
    struct overlay_from from = {.kind = OVERLAY_CLIENT, .peer = {1, {who}}};
    struct msg m = make_request(topic, MSG_NODEID_ANY, tag, NULL);
    struct blob *payload = size > 0 ? blob_new(zeros, size) : NULL;

    msg_set_payload(&m, &payload);
    router_from_overlay(s->router, &from, &m);
    msg_fini(&m);
}

static void
send_large(struct station *s, uint8_t who, uint32_t tag)
{
    send_as(s, who, "test.later", tag, MIB);
}

static void
answer_first(struct station *s, uint8_t who, uint32_t tag)
{
    struct blob *none = NULL;

    router_respond(s->router, kept[0], &none);
    request_free(&kept[0]);
    memmove(kept, kept + 1, --count * sizeof(kept[0]));
    station_take_response(s, TO_CLIENT, who, tag, 0, NULL);
}

static const struct credit_stats *
stats(struct station *s)
{
    return credit_stats(s->router->remotes.credit);
}

static void
client_may_have_two_windows_in_flight(void **state)
{
    struct station *s = *state;

    for (uint32_t tag = 1; tag <= 9; tag++)
        send_large(s, 'a', tag);
    assert_int_equal(count, 7); // each counts a little more than its bytes
    assert_in_range(stats(s)->bytes, 7 * MIB, 8 * MIB);
    station_take_response(s, TO_CLIENT, 'a', 8, EAGAIN, NULL);
    station_take_response(s, TO_CLIENT, 'a', 9, EAGAIN, NULL);
    assert_int_equal(router_stats(s->router)->refused, 2);
    answer_first(s, 'a', 1);
    send_large(s, 'a', 10);
    assert_int_equal(count, 7);
    station_assert_quiet(s);
    while (count > 0)
        answer_first(s, 'a', kept[0]->msg.matchtag);
    assert_int_equal(stats(s)->bytes, 0);
    assert_int_equal(stats(s)->messages, 0);
}

static void
one_request_is_let_in_however_large(void **state)
{
    struct station *s = *state;

    send_as(s, 'a', "test.later", 1, 8 * MIB);
    send_as(s, 'b', "test.later", 2, 8 * MIB);
    send_as(s, 'c', "test.later", 3, 8 * MIB); // though others have had all of it
    assert_int_equal(count, 3);
    send_large(s, 'c', 4);
    station_take_response(s, TO_CLIENT, 'c', 4, EAGAIN, NULL);
    send_as(s, 'd', "test.echo", 5, 0);
    station_take_response(s, TO_CLIENT, 'd', 5, 0, NULL);
}

static void
many_clients_share_what_there_is(void **state)
{
    enum { CLIENTS = 8, EACH = 4 };
    struct station *s = *state;
    uint32_t tag = 0;

    for (int i = 0; i < EACH; i++) {
        for (uint8_t who = 1; who <= CLIENTS; who++)
            send_large(s, who, ++tag);
    }
    assert_int_equal(count, 15); // 16 MiB
    for (size_t i = count; i < CLIENTS * EACH; i++) {
        struct msg m = s->out.items[s->out.taken++].msg;

        assert_int_equal(m.errnum, EAGAIN);
    }
}

static void
small_requests_are_counted_too(void **state)
{
    enum { MOST = 2048 };
    struct station *s = *state;

    for (uint32_t tag = 1; tag <= MOST + 3; tag++)
        send_as(s, 'a', "test.later", tag, 0);
    assert_int_equal(count, MOST);
    for (uint32_t tag = MOST + 1; tag <= MOST + 3; tag++)
        station_take_response(s, TO_CLIENT, 'a', tag, EAGAIN, NULL);
}

static void
client_that_does_not_read_is_not_served_and_cut_off_when_it_sends_on(void **state)
{
    struct station *s = *state;
    struct overlay_from client = {.kind = OVERLAY_CLIENT, .peer = {1, {'a'}}};

    s->overlay.full = true;
    send_as(s, 'a', "test.echo", 1, 0); // is no reader: it is served once, and later
    assert_int_equal(served, 0);
    assert_int_equal(router_stats(s->router)->parked, 1);
    s->overlay.full = false;
    router_neighbour_drained(s->router, &client);
    assert_int_equal(served, 1);
    station_take_response(s, TO_CLIENT, 'a', 1, 0, NULL);
    s->overlay.full = true;
    for (uint32_t tag = 2; tag <= 8; tag++)
        send_large(s, 'a', tag);
    assert_int_equal(s->overlay.cut, 0);
    assert_in_range(stats(s)->bytes, 7 * MIB, 8 * MIB);
    send_large(s, 'a', 9);
    assert_int_equal(s->overlay.cut, 1);
    assert_int_equal(router_stats(s->router)->parked, 0);
    assert_int_equal(stats(s)->bytes, 0);
    assert_int_equal(count, 0);
    station_assert_quiet(s);
}

static void
who_wants_no_answer_is_refused_in_silence(void **state)
{
    struct station *s = *state;
    struct overlay_from from = {.kind = OVERLAY_CLIENT, .peer = {1, {'a'}}};
    struct msg m = make_request("test.echo", MSG_NODEID_ANY, 2, "x");

    send_as(s, 'a', "test.later", 1, 8 * MIB);
    m.flags |= MSG_NORESPONSE;
    router_from_overlay(s->router, &from, &m);
    msg_fini(&m);
    assert_int_equal(served, 0);
    station_assert_quiet(s);
}

static void
accounts_of_those_who_have_left_are_forgotten(void **state)
{
    struct station *s = *state;
    struct overlay_from from = {.kind = OVERLAY_CLIENT, .peer = {.len = 2}};

    send_large(s, 'a', 1);
    for (unsigned i = 0; i < 1000; i++) {
        struct msg m = make_request("test.echo", MSG_NODEID_ANY, 1, NULL);

        from.peer.id[0] = (uint8_t)(i >> 8);
        from.peer.id[1] = (uint8_t)i;
        router_from_overlay(s->router, &from, &m);
        msg_fini(&m);
        s->out.taken = s->out.count = 0;
    }
    assert_in_range(s->router->remotes.by_peer.count, 1, 64);
    assert_in_range(stats(s)->bytes, MIB, MIB + 1000); // that of the first is still there
    answer_first(s, 'a', 1);
}

static void
who_has_left_has_no_account_and_what_it_left_still_counts(void **state)
{
    struct station *s = *state;
    const struct origin client = {.kind = ORIGIN_CLIENT, .peer = {1, {'a'}}};

    send_large(s, 'a', 1);
    s->overlay.full = true;
    send_as(s, 'a', "test.echo", 2, 0);
    assert_int_equal(router_stats(s->router)->parked, 1);
    router_client_gone(s->router, &client);
    assert_int_equal(router_stats(s->router)->parked, 0);
    assert_int_equal(s->router->remotes.by_peer.count, 0);
    assert_in_range(stats(s)->bytes, MIB, MIB + 1000);
    request_free(&kept[--count]);
    assert_int_equal(stats(s)->bytes, 0);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(client_may_have_two_windows_in_flight),
        TEST(one_request_is_let_in_however_large),
        TEST(many_clients_share_what_there_is),
        TEST(small_requests_are_counted_too),
        TEST(client_that_does_not_read_is_not_served_and_cut_off_when_it_sends_on),
        TEST(who_wants_no_answer_is_refused_in_silence),
        TEST(accounts_of_those_who_have_left_are_forgotten),
        TEST(who_has_left_has_no_account_and_what_it_left_still_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
