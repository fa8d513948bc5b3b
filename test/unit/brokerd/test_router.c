/* SPDX-License-Identifier: MPL-2.0 */
/* test_router.c - the router of rank 1 in a tree of seven (parent 0, children 3 and 4), with
 * neighbours that only write down what they are sent. */
#include "fakes.h"

#include <errno.h>
#include <string.h>

#define RANK 1
#define CONN 5

static struct request *kept; // by the service "test.later"
static int served;           // requests that reached a service of ours

static void
serve_echo(void *arg, struct request *req)
{
    struct station *s = arg;
    struct blob *payload = blob_ref(req->msg.payload);

    served++;
    router_respond(s->router, req, &payload);
}

static void
serve_fail(void *arg, struct request *req)
{
    struct station *s = arg;

    served++;
    router_respond_error(s->router, req, EINVAL, "bad %s", "luck");
}

static void
serve_later(void *arg UNUSED, struct request *req)
{
    served++;
    kept = request_keep(req);
}

static const struct service readers[] = {{"test.read", serve_echo}};
static const struct service services[] = {
    {"test.echo", serve_echo}, {"test.fail", serve_fail}, {"test.later", serve_later}};

static int
set_up(void **state)
{
    static struct station s;

    station_init(&s, RANK);
    service_table_add_readers(s.services, readers, ARRAY_SIZE(readers), &s);
    service_table_add(s.services, services, ARRAY_SIZE(services), &s);
    served = 0;
    *state = &s;
    return 0;
}

static int
tear_down(void **state)
{
    station_fini(*state);
    request_free(&kept);
    return 0;
}

static void
ask(struct station *s, const char *topic, uint32_t nodeid, uint32_t tag, const char *text)
{
    struct msg m = make_request(topic, nodeid, tag, text);

    router_from_conn(s->router, CONN, &m, &(struct credit_charge){0});
    msg_fini(&m);
}

/* The same, of a message made by the caller. */
static void
ask_with(struct station *s, struct msg m)
{
    router_from_conn(s->router, CONN, &m, &(struct credit_charge){0});
    msg_fini(&m);
}

static void
hear_from(struct station *s, enum overlay_neighbour kind, uint32_t rank, struct msg m)
{
    struct overlay_from from = {.kind = kind, .rank = rank, .peer = {.len = 1, .id = {'x'}}};

    router_from_overlay(s->router, &from, &m);
    msg_fini(&m);
}

/* --- here --- */

static void
request_is_served_and_answered_where_it_came_from(void **state)
{
    struct station *s = *state;

    ask(s, "test.echo", MSG_NODEID_ANY, 7, "hello");
    station_take_response(s, TO_CONN, CONN, 7, 0, "hello");
    ask(s, "test.echo", RANK, 8, NULL);
    station_take_response(s, TO_CONN, CONN, 8, 0, NULL);
    hear_from(s, OVERLAY_CLIENT, TOPO_NONE, make_request("test.echo", MSG_NODEID_ANY, 9, "a"));
    station_take_response(s, TO_CLIENT, 'x', 9, 0, "a");
    hear_from(s, OVERLAY_CHILD, 4, make_request("test.echo", MSG_NODEID_ANY, 10, "b"));
    station_take_response(s, TO_CHILD, 4, 10, 0, "b");
    hear_from(s, OVERLAY_PARENT, 0, make_request("test.echo", RANK, 11, "c"));
    station_take_response(s, TO_PARENT, 0, 11, 0, "c");
    assert_int_equal(router_stats(s->router)->requests, 5);
    assert_int_equal(router_stats(s->router)->responses, 5);
}

static void
error_carries_its_text(void **state)
{
    struct station *s = *state;

    ask(s, "test.fail", MSG_NODEID_ANY, 7, NULL);
    station_take_response(s, TO_CONN, CONN, 7, EINVAL, "bad luck");
    assert_int_equal(router_stats(s->router)->errors, 1);
}

static void
unknown_topic_is_enosys(void **state)
{
    struct station *s = *state;

    ask(s, "test.none", MSG_NODEID_ANY, 7, NULL);
    station_take_response(s, TO_CONN, CONN, 7, ENOSYS,
                          "No service matching test.none is registered");
}

static void
who_wants_no_answer_gets_none(void **state)
{
    static const char *const topics[] = {"test.echo", "test.fail", "test.none"};
    struct station *s = *state;

    for (size_t i = 0; i < ARRAY_SIZE(topics); i++) {
        struct msg m = make_request(topics[i], MSG_NODEID_ANY, 7, "x");

        m.flags |= MSG_NORESPONSE;
        ask_with(s, m);
    }
    assert_int_equal(served, 2);
    station_assert_quiet(s);
}

static void
request_can_be_kept_and_answered_later(void **state)
{
    struct station *s = *state;

    ask(s, "test.later", MSG_NODEID_ANY, 7, "x");
    station_assert_quiet(s);
    router_stream_text(s->router, kept, "one");
    router_stream_text(s->router, kept, "two");
    router_respond_error(s->router, kept, ENODATA, NULL);
    station_take_response(s, TO_CONN, CONN, 7, 0, "one");
    station_take_response(s, TO_CONN, CONN, 7, 0, "two");
    station_take_response(s, TO_CONN, CONN, 7, ENODATA, NULL);
}

static void
answer_goes_back_along_the_routes(void **state)
{
    struct station *s = *state;
    struct msg m = make_request("test.echo", MSG_NODEID_ANY, 7, NULL);

    m.userid = 33;
    msg_push_route(&m, "inner", 5);
    ask_with(s, m);
    m = station_take(s, TO_CONN, CONN);
    assert_int_equal(m.nroutes, 1);
    assert_memory_equal(msg_top_route(&m)->id, "inner", 5);
    assert_int_equal(m.userid, 33);
    msg_fini(&m);
}

static void
oversized_request_is_efbig_wherever_it_was_to_go(void **state)
{
    static const uint32_t nodeids[] = {MSG_NODEID_ANY, RANK, 0, 3};
    struct station *s = *state;

    for (size_t i = 0; i < ARRAY_SIZE(nodeids); i++) {
        struct msg m = make_request("test.echo", nodeids[i], 7, NULL);

        m.oversized = true;
        ask_with(s, m);
        station_take_response(s, TO_CONN, CONN, 7, EFBIG, NULL);
    }
    assert_int_equal(served, 0);
}

static void
what_is_no_request_from_a_client_is_dropped(void **state)
{
    static const uint8_t types[] = {MSG_RESPONSE, MSG_EVENT, MSG_CONTROL};
    struct station *s = *state;

    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        struct msg m = make_request("test.echo", MSG_NODEID_ANY, 1, "x");

        m.type = types[i];
        m.aux1 = 0;
        hear_from(s, OVERLAY_CLIENT, TOPO_NONE, m);
        m = make_request("test.echo", MSG_NODEID_ANY, 1, "x");
        m.type = types[i];
        ask_with(s, m);
    }
    assert_int_equal(served, 0);
}

/* --- passing on --- */

static void
assert_passed_on(struct station *s, enum sent_to to, uint32_t whom, uint32_t nodeid,
                 struct msg *ret)
{
    *ret = station_take(s, to, whom);
    assert_int_equal(ret->type, MSG_REQUEST);
    assert_int_equal(ret->nodeid, nodeid);
    assert_int_equal(ret->nroutes, 0);
    assert_string_equal(ret->topic, "test.echo");
    assert_string_equal(msg_text(ret), "x");
}

static void
request_for_another_rank_is_passed_on_and_its_answer_passed_back(void **state)
{
    struct station *s = *state;
    struct msg call;

    ask(s, "test.echo", 4, 7, "x");
    assert_passed_on(s, TO_CHILD, 4, 4, &call);
    station_answer(s, OVERLAY_CHILD, 4, &call, 0, "fine");
    station_take_response(s, TO_CONN, CONN, 7, 0, "fine");
    ask(s, "test.echo", 6, 8, "x"); // below rank 2
    assert_passed_on(s, TO_PARENT, 0, 6, &call);
    station_answer(s, OVERLAY_PARENT, 0, &call, ENOENT, "not fine");
    station_take_response(s, TO_CONN, CONN, 8, ENOENT, "not fine");
    assert_int_equal(served, 0);
    assert_int_equal(router_stats(s->router)->forwarded, 2);
    assert_int_equal(router_stats(s->router)->pending, 0);
}

static void
answers_may_come_in_any_order(void **state)
{
    struct station *s = *state;
    struct msg calls[3];

    for (uint32_t i = 0; i < 3; i++) {
        ask(s, "test.echo", 3, 70 + i, "x");
        assert_passed_on(s, TO_CHILD, 3, 3, &calls[i]);
    }
    station_answer(s, OVERLAY_CHILD, 3, &calls[2], 0, "c");
    station_answer(s, OVERLAY_CHILD, 3, &calls[0], 0, "a");
    station_answer(s, OVERLAY_CHILD, 3, &calls[1], 0, "b");
    station_take_response(s, TO_CONN, CONN, 72, 0, "c");
    station_take_response(s, TO_CONN, CONN, 70, 0, "a");
    station_take_response(s, TO_CONN, CONN, 71, 0, "b");
}

static void
request_upstream_of_us_goes_to_the_parent(void **state)
{
    struct station *s = *state;
    struct msg m = make_request("test.echo", RANK, 7, "x");
    struct msg call;

    m.flags |= MSG_UPSTREAM;
    ask_with(s, m);
    assert_passed_on(s, TO_PARENT, 0, 0, &call);
    assert_false(call.flags & MSG_UPSTREAM);
    station_answer(s, OVERLAY_PARENT, 0, &call, 0, NULL);
    station_take_response(s, TO_CONN, CONN, 7, 0, NULL);
}

static void
rank_out_of_reach_is_ehostunreach(void **state)
{
    struct station *s = *state;

    s->overlay.offline = 4;
    ask(s, "test.echo", 4, 7, "x");
    station_take_response(s, TO_CONN, CONN, 7, EHOSTUNREACH, "rank 4 is not online");
    ask(s, "test.echo", 99, 8, "x");
    station_take_response(s, TO_CONN, CONN, 8, EHOSTUNREACH, "no way to rank 99");
    s->overlay.parent_online = false;
    ask(s, "test.echo", 0, 9, "x");
    station_take_response(s, TO_CONN, CONN, 9, EHOSTUNREACH,
                          "no way to rank 0: nobody above rank 1 is in reach");
    assert_int_equal(router_stats(s->router)->pending, 0);
}

static void
call_through_a_child_that_turns_out_gone_fails_at_once_and_the_others_when_it_is_lost(void **state)
{
    struct station *s = *state;
    struct msg call;

    ask(s, "test.echo", 4, 6, "x");
    assert_passed_on(s, TO_CHILD, 4, 4, &call);
    msg_fini(&call);
    s->overlay.offline = 4;
    ask(s, "test.echo", 4, 7, "x");
    station_take_response(s, TO_CONN, CONN, 7, EHOSTUNREACH, "rank 4 is not online");
    router_child_gone(s->router, 4);
    station_take_response(s, TO_CONN, CONN, 6, EHOSTUNREACH, "rank 4 is not online");
    assert_int_equal(router_stats(s->router)->pending, 0);
}

static void
passed_on_without_answer_leaves_nothing_behind(void **state)
{
    struct station *s = *state;
    struct msg m = make_request("test.echo", 4, 7, "x");
    struct msg call;

    m.flags |= MSG_NORESPONSE;
    ask_with(s, m);
    call = station_take(s, TO_CHILD, 4);
    assert_true(call.flags & MSG_NORESPONSE);
    assert_int_equal(call.nodeid, 4);
    msg_fini(&call);
    assert_int_equal(router_stats(s->router)->pending, 0);
    m = make_request("test.echo", 99, 7, "x");
    m.flags |= MSG_NORESPONSE;
    ask_with(s, m);
    station_assert_quiet(s);
}

static void
answer_for_a_former_run_of_a_neighbour_is_dropped(void **state)
{
    struct station *s = *state;
    struct msg down;
    struct msg up;

    hear_from(s, OVERLAY_CHILD, 4, make_request("test.echo", 0, 70, "x"));
    assert_passed_on(s, TO_PARENT, 0, 0, &up);
    s->overlay.run = 'y'; // the child was restarted and has greeted again
    station_answer(s, OVERLAY_PARENT, 0, &up, 0, "x");
    station_assert_quiet(s);
    hear_from(s, OVERLAY_PARENT, 0, make_request("test.echo", 4, 71, "x"));
    assert_passed_on(s, TO_CHILD, 4, 4, &down);
    s->overlay.joined++; // so was the parent
    station_answer(s, OVERLAY_CHILD, 4, &down, 0, "x");
    station_assert_quiet(s);
}

static void
request_passed_up_is_for_the_parent_to_serve(void **state)
{
    struct station *s = *state;
    struct request req = {.from = {.kind = ORIGIN_CONN, .conn = CONN}};
    struct msg call;

    req.msg = make_request("test.echo", RANK, 7, "x");
    router_pass_on(s->router, &req, &(struct router_pass){.rank = TOPO_NONE, .topic = "test.up"});
    call = station_take(s, TO_PARENT, 0);
    assert_int_equal(call.nodeid, MSG_NODEID_ANY); // not RANK: it would come back for ever
    assert_string_equal(call.topic, "test.up");
    station_answer(s, OVERLAY_PARENT, 0, &call, 0, "y");
    station_take_response(s, TO_CONN, CONN, 7, 0, "y");
}

static void
single_answer_ends_what_might_have_been_a_stream(void **state)
{
    struct station *s = *state;
    struct msg m = make_request("test.echo", 4, 7, "x");
    struct msg call;
    struct msg answer;

    m.flags |= MSG_STREAMING;
    ask_with(s, m);
    assert_passed_on(s, TO_CHILD, 4, 4, &call);
    call.flags &= (uint8_t)~MSG_STREAMING;
    station_answer(s, OVERLAY_CHILD, 4, &call, 0, "only");
    answer = station_take(s, TO_CONN, CONN);
    assert_false(answer.flags & MSG_STREAMING);
    msg_fini(&answer);
    assert_int_equal(router_stats(s->router)->pending, 0);
}

static void
stream_is_passed_back_until_its_end(void **state)
{
    struct station *s = *state;
    struct msg m = make_request("test.echo", 4, 7, "x");
    struct msg call;

    m.flags |= MSG_STREAMING;
    ask_with(s, m);
    assert_passed_on(s, TO_CHILD, 4, 4, &call);
    assert_true(call.flags & MSG_STREAMING);
    for (int i = 0; i < 3; i++) {
        struct msg copy;

        msg_copy(&copy, &call);
        station_answer(s, OVERLAY_CHILD, 4, &copy, i < 2 ? 0 : ENODATA, i < 2 ? "part" : NULL);
    }
    station_answer(s, OVERLAY_CHILD, 4, &call, 0, "too late");
    station_take_response(s, TO_CONN, CONN, 7, 0, "part");
    station_take_response(s, TO_CONN, CONN, 7, 0, "part");
    station_take_response(s, TO_CONN, CONN, 7, ENODATA, NULL);
}

static void
invented_answer_is_dropped(void **state)
{
    struct station *s = *state;
    struct msg m = make_request("test.echo", MSG_NODEID_ANY, 12345, NULL);

    station_answer(s, OVERLAY_PARENT, 0, &m, 0, "surprise");
    station_assert_quiet(s);
}

/* --- losing neighbours --- */

static void
calls_through_a_lost_child_fail_and_no_others(void **state)
{
    struct station *s = *state;
    struct msg calls[3];

    ask(s, "test.echo", 3, 70, "x");
    ask(s, "test.echo", 4, 71, "x");
    ask(s, "test.echo", 0, 72, "x");
    assert_passed_on(s, TO_CHILD, 3, 3, &calls[0]);
    assert_passed_on(s, TO_CHILD, 4, 4, &calls[1]);
    assert_passed_on(s, TO_PARENT, 0, 0, &calls[2]);
    router_child_gone(s->router, 3);
    station_take_response(s, TO_CONN, CONN, 70, EHOSTUNREACH, "no way to rank 3");
    station_answer(s, OVERLAY_CHILD, 3, &calls[0], 0, "late");
    station_answer(s, OVERLAY_CHILD, 4, &calls[1], 0, "d");
    station_answer(s, OVERLAY_PARENT, 0, &calls[2], 0, "p");
    station_take_response(s, TO_CONN, CONN, 71, 0, "d");
    station_take_response(s, TO_CONN, CONN, 72, 0, "p");
}

struct caller {
    int answers;
    uint32_t errnum;
    struct station *again; // call the parent once more from inside the answer
};

static void
on_answer(void *arg, struct msg *response)
{
    struct caller *c = arg;
    struct station *s = TAKE(c->again);

    c->answers++;
    c->errnum = response->errnum;
    if (s) {
        struct msg m = make_request("test.echo", MSG_NODEID_ANY, 0, "x");

        router_call_parent(s->router, &m, 0, on_answer, c);
    }
}

static void
call_parent(struct station *s, int flags, struct caller *c)
{
    struct msg m = make_request("test.echo", MSG_NODEID_ANY, 0, "x");

    router_call_parent(s->router, &m, flags, on_answer, c);
}

static void
lose_parent(struct station *s)
{
    s->overlay.parent_online = false;
    router_parent_gone(s->router, 0);
}

static void
find_parent(struct station *s)
{
    s->overlay.parent_online = true;
    router_parent_online(s->router);
}

static void
repeatable_call_outlives_its_parent(void **state)
{
    struct station *s = *state;
    struct caller c = {0};
    struct msg first;
    struct msg second;

    call_parent(s, ROUTER_REPLAY, &c);
    assert_passed_on(s, TO_PARENT, 0, MSG_NODEID_ANY, &first);
    lose_parent(s);
    assert_int_equal(c.answers, 0);
    find_parent(s);
    assert_passed_on(s, TO_PARENT, 0, MSG_NODEID_ANY, &second);
    assert_int_equal(first.matchtag, second.matchtag);
    msg_fini(&first);
    station_answer(s, OVERLAY_PARENT, 0, &second, 0, NULL);
    assert_int_equal(c.answers, 1);
    assert_int_equal(c.errnum, 0);
    find_parent(s); // nothing is left to be repeated
    assert_int_equal(router_stats(s->router)->replayed, 1);
}

static void
repeatable_call_waits_for_a_parent(void **state)
{
    struct station *s = *state;
    struct caller c = {0};
    struct msg m;

    lose_parent(s);
    call_parent(s, ROUTER_REPLAY, &c);
    station_assert_quiet(s);
    find_parent(s);
    assert_passed_on(s, TO_PARENT, 0, MSG_NODEID_ANY, &m);
    station_answer(s, OVERLAY_PARENT, 0, &m, 0, NULL);
    assert_int_equal(c.answers, 1);
}

static void
call_that_must_not_be_repeated_fails_with_its_parent(void **state)
{
    struct station *s = *state;
    struct caller c = {0};
    struct msg m;

    call_parent(s, 0, &c);
    assert_passed_on(s, TO_PARENT, 0, MSG_NODEID_ANY, &m);
    msg_fini(&m);
    lose_parent(s);
    assert_int_equal(c.answers, 1);
    assert_int_equal(c.errnum, EHOSTUNREACH);
    call_parent(s, 0, &c);
    assert_int_equal(c.answers, 2);
    find_parent(s);
    assert_int_equal(router_stats(s->router)->pending, 0);
}

static void
call_made_by_a_failing_one_fails_too(void **state)
{
    struct station *s = *state;
    struct caller c = {.again = s};
    struct msg m;

    call_parent(s, 0, &c);
    assert_passed_on(s, TO_PARENT, 0, MSG_NODEID_ANY, &m);
    msg_fini(&m);
    lose_parent(s);
    assert_int_equal(c.answers, 2);
    assert_int_equal(c.errnum, EHOSTUNREACH);
}

/* --- events --- */

static bool
count_event(void *arg, const struct msg *event)
{
    assert_string_equal(event->topic, "test.event");
    ++*(int *)arg;
    return true;
}

static void
event_of_the_parent_is_handled_and_passed_down(void **state)
{
    struct station *s = *state;
    int events = 0;

    router_set_event_handler(s->router, count_event, &events);
    for (int kind = OVERLAY_PARENT; kind <= OVERLAY_CLIENT; kind++) {
        struct msg m;

        msg_init(&m, MSG_EVENT);
        msg_set_topic(&m, "test.event");
        msg_set_text(&m, "x");
        hear_from(s, (enum overlay_neighbour)kind, 3, m);
    }
    assert_int_equal(events, 1);
    for (uint32_t child = 3; child <= 4; child++) {
        AUTO(msg) struct msg m = station_take(s, TO_CHILD, child);

        assert_int_equal(m.type, MSG_EVENT);
        assert_string_equal(msg_text(&m), "x");
    }
}

/* --- askers that do not read --- */

enum { LONG = 2000 };

static const char *
long_text(void)
{
    static char text[LONG];

    memset(text, 'x', LONG - 1);
    return text;
}

static void
answer_that_can_be_made_again_waits_for_a_client_that_does_not_read(void **state)
{
    struct station *s = *state;

    s->connector.full = true;
    for (uint32_t tag = 1; tag <= 20; tag++)
        ask(s, "test.read", MSG_NODEID_ANY, tag, long_text());
    ask(s, "test.read", MSG_NODEID_ANY, 21, "short");
    ask(s, "test.echo", MSG_NODEID_ANY, 22, long_text()); // is no reader
    station_take_response(s, TO_CONN, CONN, 21, 0, "short");
    station_take_response(s, TO_CONN, CONN, 22, 0, long_text());
    station_assert_quiet(s);
    assert_int_equal(router_stats(s->router)->parked, 20);
    router_conn_drained(s->router, CONN); // is full again at once
    station_assert_quiet(s);
    s->connector.full = false;
    router_conn_drained(s->router, CONN);
    for (uint32_t tag = 1; tag <= 20; tag++)
        station_take_response(s, TO_CONN, CONN, tag, 0, long_text());
    assert_int_equal(router_stats(s->router)->parked, 0);
    assert_int_equal(served, 42);
}

static void
what_is_parked_is_forgotten_with_its_client(void **state)
{
    struct station *s = *state;

    s->connector.full = true;
    ask(s, "test.read", MSG_NODEID_ANY, 1, long_text());
    router_client_gone(s->router, &(struct origin){.kind = ORIGIN_CONN, .conn = CONN});
    s->connector.full = false;
    router_conn_drained(s->router, CONN);
    station_assert_quiet(s);
    assert_int_equal(router_stats(s->router)->parked, 0);
}

static void
neighbour_that_does_not_read_is_not_even_served(void **state)
{
    struct station *s = *state;
    struct overlay_from child = {.kind = OVERLAY_CHILD, .rank = 4, .peer = {1, {'x'}}};

    s->overlay.full = true;
    hear_from(s, OVERLAY_CHILD, 4, make_request("test.read", MSG_NODEID_ANY, 1, "a"));
    hear_from(s, OVERLAY_CHILD, 4, make_request("test.echo", MSG_NODEID_ANY, 2, "b"));
    assert_int_equal(served, 1);
    station_take_response(s, TO_CHILD, 4, 2, 0, "b");
    s->overlay.full = false;
    router_neighbour_drained(s->router, &child);
    station_take_response(s, TO_CHILD, 4, 1, 0, "a");
    s->overlay.full = true;
    hear_from(s, OVERLAY_CHILD, 4, make_request("test.read", MSG_NODEID_ANY, 3, "a"));
    router_child_gone(s->router, 4);
    assert_int_equal(router_stats(s->router)->parked, 0);
}

static void
answer_to_a_call_that_was_passed_on_waits_too(void **state)
{
    struct station *s = *state;
    struct msg call;

    ask(s, "test.read", 4, 1, "q");
    call = station_take(s, TO_CHILD, 4);
    s->connector.full = true;
    station_answer(s, OVERLAY_CHILD, 4, &call, 0, long_text());
    station_assert_quiet(s);
    s->connector.full = false;
    router_conn_drained(s->router, CONN);
    call = station_take(s, TO_CHILD, 4); // asked again
    station_answer(s, OVERLAY_CHILD, 4, &call, 0, "short");
    station_take_response(s, TO_CONN, CONN, 1, 0, "short");
}

static void
charge_is_held_until_the_answer(void **state)
{
    static const struct credit_limits limits = {1000, 10, 1000, 10};
    struct station *s = *state;
    struct credit *credit = credit_new(&limits);
    struct credit_account *account = credit_open(credit, NULL, NULL);
    static const char *const topics[] = {"test.echo", "test.fail", "test.none"};
    struct credit_charge charge = {0};
    struct msg m;

    for (uint32_t i = 0; i < ARRAY_SIZE(topics); i++) {
        m = make_request(topics[i], MSG_NODEID_ANY, i + 1, "x");
        assert_true(credit_take(account, 10, &charge));
        router_from_conn(s->router, CONN, &m, &charge);
        assert_null(charge.account);
        assert_int_equal(credit_stats(credit)->bytes, 0);
        m = station_take(s, TO_CONN, CONN);
        msg_fini(&m);
    }
    m = make_request("test.later", MSG_NODEID_ANY, 9, "x");
    assert_true(credit_take(account, 10, &charge));
    router_from_conn(s->router, CONN, &m, &charge);
    assert_int_equal(credit_stats(credit)->bytes, 10);
    request_free(&kept);
    assert_int_equal(credit_stats(credit)->bytes, 0);
    credit_close(&account);
    credit_free(&credit);
}

static void
ask_without_answer(struct station *s, uint32_t nodeid, uint32_t tag, struct credit_charge *charge)
{
    struct msg m = make_request("test.echo", nodeid, tag, "x");

    m.flags |= MSG_NORESPONSE;
    router_from_conn(s->router, CONN, &m, charge);
    msg_fini(&m);
}

static void
passed_on_without_answer_waits_for_a_hop_that_is_full(void **state)
{
    static const struct credit_limits limits = {1000, 10, 1000, 10};
    static const struct overlay_from parent = {.kind = OVERLAY_PARENT};
    static const struct overlay_from child = {.kind = OVERLAY_CHILD, .rank = 4};
    struct credit *credit = credit_new(&limits);
    struct credit_account *account = credit_open(credit, NULL, NULL);
    struct station *s = *state;

    s->overlay.full = true;
    for (uint32_t tag = 1; tag <= 3; tag++) {
        struct credit_charge charge = {0};

        assert_true(credit_take(account, 10, &charge));
        ask_without_answer(s, tag == 2 ? 4 : 0, tag, &charge);
        assert_null(charge.account);
    }
    station_assert_quiet(s);
    assert_int_equal(credit_stats(credit)->bytes, 30);
    s->overlay.full = false;
    router_neighbour_drained(s->router, &parent);
    for (uint32_t tag = 1; tag <= 3; tag += 2) {
        struct msg m = station_take(s, TO_PARENT, 0);

        assert_int_equal(m.matchtag, tag); // in their order
        msg_fini(&m);
    }
    station_assert_quiet(s);
    assert_int_equal(credit_stats(credit)->bytes, 10);
    s->overlay.full = true; // something else has filled it
    router_neighbour_drained(s->router, &child);
    station_assert_quiet(s);
    router_cancel_calls(s->router);
    assert_int_equal(credit_stats(credit)->bytes, 0);
    credit_close(&account);
    credit_free(&credit);
}

static void
what_other_ranks_want_without_answer_is_bounded(void **state)
{
    enum { SIZE = 1 << 20 };
    static const struct overlay_from parent = {.kind = OVERLAY_PARENT};
    static const char zeros[SIZE];
    struct station *s = *state;

    s->overlay.full = true;
    for (uint32_t i = 0; i < 40; i++) {
        struct msg m = make_request("test.echo", 0, i, NULL);
        struct blob *b = blob_new(zeros, SIZE);

        m.flags |= MSG_NORESPONSE;
        msg_set_payload(&m, &b);
        hear_from(s, OVERLAY_CHILD, 4, m);
    }
    s->overlay.full = false;
    router_neighbour_drained(s->router, &parent);
    assert_int_equal(s->out.count, 16);
    while (s->out.taken < s->out.count)
        msg_fini(&s->out.items[s->out.taken++].msg);
}

static void
large_answer_waits_while_all_together_have_too_much(void **state)
{
    static char text[70000];
    struct station *s = *state;

    memset(text, 'x', sizeof(text) - 1);
    s->connector.is_short = true;
    s->connector.large = 65536;
    ask(s, "test.read", MSG_NODEID_ANY, 1, text);
    ask(s, "test.echo", MSG_NODEID_ANY, 2, text); // cannot be made again
    station_take_response(s, TO_CONN, CONN, 2, 0, text);
    station_assert_quiet(s);
    s->connector.large = 1 << 20; // it has been promised
    router_conn_drained(s->router, CONN);
    station_take_response(s, TO_CONN, CONN, 1, 0, text);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(answer_that_can_be_made_again_waits_for_a_client_that_does_not_read),
        TEST(what_is_parked_is_forgotten_with_its_client),
        TEST(neighbour_that_does_not_read_is_not_even_served),
        TEST(answer_to_a_call_that_was_passed_on_waits_too),
        TEST(charge_is_held_until_the_answer),
        TEST(passed_on_without_answer_waits_for_a_hop_that_is_full),
        TEST(what_other_ranks_want_without_answer_is_bounded),
        TEST(large_answer_waits_while_all_together_have_too_much),
        TEST(request_is_served_and_answered_where_it_came_from),
        TEST(error_carries_its_text),
        TEST(unknown_topic_is_enosys),
        TEST(who_wants_no_answer_gets_none),
        TEST(request_can_be_kept_and_answered_later),
        TEST(answer_goes_back_along_the_routes),
        TEST(oversized_request_is_efbig_wherever_it_was_to_go),
        TEST(what_is_no_request_from_a_client_is_dropped),
        TEST(request_for_another_rank_is_passed_on_and_its_answer_passed_back),
        TEST(answers_may_come_in_any_order),
        TEST(request_upstream_of_us_goes_to_the_parent),
        TEST(rank_out_of_reach_is_ehostunreach),
        TEST(call_through_a_child_that_turns_out_gone_fails_at_once_and_the_others_when_it_is_lost),
        TEST(passed_on_without_answer_leaves_nothing_behind),
        TEST(answer_for_a_former_run_of_a_neighbour_is_dropped),
        TEST(request_passed_up_is_for_the_parent_to_serve),
        TEST(single_answer_ends_what_might_have_been_a_stream),
        TEST(stream_is_passed_back_until_its_end),
        TEST(invented_answer_is_dropped),
        TEST(calls_through_a_lost_child_fail_and_no_others),
        TEST(repeatable_call_outlives_its_parent),
        TEST(repeatable_call_waits_for_a_parent),
        TEST(call_that_must_not_be_repeated_fails_with_its_parent),
        TEST(call_made_by_a_failing_one_fails_too),
        TEST(event_of_the_parent_is_handled_and_passed_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
