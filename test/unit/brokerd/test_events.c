/* SPDX-License-Identifier: MPL-2.0 */
/* test_events.c - who is sent which events: at rank 0, and at rank 1, of a binary tree of seven. */
#include "fakes.h"

#include "events.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define A 5 // clients
#define B 6

static uint32_t heard; // number of the last event from above

static struct station station;
static struct events *events; // owned

static void
start(uint32_t rank)
{
    station_init(&station, rank);
    events = events_new(rank, station.router, station.services);
    events_attach(events, &station.overlay, &station.connector);
}

static int
set_up(void **state UNUSED)
{
    start(3); // a leaf
    return 0;
}

static int
set_up_root(void **state UNUSED)
{
    start(0);
    return 0;
}

static int
tear_down(void **state UNUSED)
{
    station_fini(&station);
    events_free(&events);
    assert_null(events);
    events_free(&events); // nothing
    return 0;
}

static void
ask(uint64_t conn, const char *topic, const char *payload)
{
    struct msg m = make_request(topic, MSG_NODEID_ANY, 1, payload);

    m.rolemask = MSG_ROLE_OWNER | MSG_ROLE_LOCAL;
    router_from_conn(station.router, conn, &m, &(struct credit_charge){0});
    msg_fini(&m);
}

static void
check(uint64_t conn, const char *topic, const char *payload, int errnum, const char *answer)
{
    ask(conn, topic, payload);
    station_take_response(&station, TO_CONN, conn, 1, errnum, answer);
}

static void
subscribe(uint64_t conn, const char *prefix)
{
    char payload[300];

    snprintf(payload, sizeof(payload), "{\"topic\":\"%s\"}", prefix);
    check(conn, "event.subscribe", payload, 0, NULL);
}

static void
unsubscribe(uint64_t conn, const char *prefix, int errnum)
{
    char payload[300];

    snprintf(payload, sizeof(payload), "{\"topic\":\"%s\"}", prefix);
    check(conn, "event.unsubscribe", payload, errnum,
          errnum ? "event.unsubscribe: not subscribed" : NULL);
}

/* An event comes from the parent. */
static void
happen(const char *topic)
{
    struct overlay_from parent = {.kind = OVERLAY_PARENT, .rank = 1};
    struct msg m;

    msg_init(&m, MSG_EVENT);
    msg_set_topic(&m, topic);
    msg_set_text(&m, "{}");
    m.flags |= MSG_PRIVATE;
    m.sequence = ++heard;
    router_from_overlay(station.router, &parent, &m);
    msg_fini(&m);
}

static void
take_event(enum sent_to to, uint64_t whom, const char *topic)
{
    AUTO(msg) struct msg m = station_take(&station, to, whom);

    assert_int_equal(m.type, MSG_EVENT);
    assert_string_equal(m.topic, topic);
}

/* --- subscriptions --- */

static void
test_nobody_has_subscribed(void **state UNUSED)
{
    happen("a.b");
    station_assert_quiet(&station);
}

static void
test_an_event_arrives_as_it_is(void **state UNUSED)
{
    struct msg m;

    subscribe(A, "a.");
    happen("a.b");
    m = station_take(&station, TO_CONN, A);
    assert_int_equal(m.flags, MSG_TOPIC | MSG_PAYLOAD | MSG_PRIVATE);
    assert_int_equal(m.sequence, heard);
    assert_string_equal(msg_text(&m), "{}");
    msg_fini(&m);
    assert_int_equal(station.connector.events, 1);
}

static void
test_prefixes_are_bytes(void **state UNUSED)
{
    subscribe(A, "a.b");
    subscribe(B, "");
    happen("a.b");
    take_event(TO_CONN, A, "a.b");
    take_event(TO_CONN, B, "a.b");
    happen("a.bc");
    take_event(TO_CONN, A, "a.bc");
    take_event(TO_CONN, B, "a.bc");
    happen("a.");
    take_event(TO_CONN, B, "a.");
}

static void
test_once_for_many_subscriptions(void **state UNUSED)
{
    subscribe(A, "a");
    subscribe(A, "a.");
    subscribe(A, "a.");
    happen("a.b");
    take_event(TO_CONN, A, "a.b");
    station_assert_quiet(&station);
    unsubscribe(A, "a", 0);
    unsubscribe(A, "a.", 0);
    happen("a.b");
    take_event(TO_CONN, A, "a.b");
    unsubscribe(A, "a.", 0);
    happen("a.b");
    station_assert_quiet(&station);
    unsubscribe(A, "a.", ENOENT);
}

static void
test_a_subscription_is_the_clients_own(void **state UNUSED)
{
    subscribe(A, "a.");
    unsubscribe(B, "a.", ENOENT);
    subscribe(B, "b.");
    unsubscribe(A, "b.", ENOENT);
    happen("a.b");
    take_event(TO_CONN, A, "a.b");
}

static void
test_who_leaves_is_forgotten(void **state UNUSED)
{
    subscribe(A, "");
    subscribe(B, "");
    events_forget(events, &(struct origin){.kind = ORIGIN_CONN, .conn = A});
    events_forget(events, &(struct origin){.kind = ORIGIN_CONN, .conn = 99});
    events_forget(events, &(struct origin){.kind = ORIGIN_CLIENT, .conn = B});
    happen("a.b");
    take_event(TO_CONN, B, "a.b");
}

static void
test_without_a_connector(void **state UNUSED)
{
    subscribe(A, "");
    events_attach(events, &station.overlay, NULL);
    happen("a.b");
    station_assert_quiet(&station);
}

static void
test_only_local_clients(void **state UNUSED)
{
    struct overlay_from remote = {.kind = OVERLAY_CLIENT, .peer = {.len = 1, .id = {'r'}}};
    struct msg m = make_request("event.subscribe", MSG_NODEID_ANY, 1, "{\"topic\":\"\"}");

    router_from_overlay(station.router, &remote, &m);
    msg_fini(&m);
    station_take_response(&station, TO_CLIENT, 'r', 1, ENOSYS,
                          "event.subscribe: events are for the local clients of a rank");
}

static void
test_malformed_subscriptions(void **state UNUSED)
{
    static const char no_topic[] = "event.subscribe: no topic";
    char payload[400];

    check(A, "event.subscribe", NULL, EPROTO, no_topic);
    check(A, "event.subscribe", "{}", EPROTO, no_topic);
    check(A, "event.subscribe", "{\"topic\":1}", EPROTO, no_topic);
    snprintf(payload, sizeof(payload), "{\"topic\":\"%0255d\"}", 0);
    check(A, "event.subscribe", payload, 0, NULL);
    snprintf(payload, sizeof(payload), "{\"topic\":\"%0256d\"}", 0);
    check(A, "event.subscribe", payload, EINVAL,
          "event.subscribe: no topic is longer than 255 bytes");
}

/* --- publishing --- */

static void
test_publish_at_the_root(void **state UNUSED)
{
    struct msg m;

    subscribe(A, "a");
    ask(B, "event.publish", "{\"topic\":\"a.b\",\"flags\":32,\"payload\":\"eAA=\"}");
    m = station_take(&station, TO_CONN, A);
    assert_int_equal(m.flags, MSG_TOPIC | MSG_PAYLOAD | MSG_PRIVATE);
    assert_int_equal(m.userid, geteuid());
    assert_int_equal(m.rolemask, MSG_ROLE_OWNER);
    assert_int_equal(m.sequence, 1);
    assert_string_equal(msg_text(&m), "x");
    msg_fini(&m);
    take_event(TO_CHILD, 1, "a.b");
    take_event(TO_CHILD, 2, "a.b");
    station_take_response(&station, TO_CONN, B, 1, 0, "{\"seq\":1}");
    ask(B, "event.publish", "{\"topic\":\"b\"}");
    take_event(TO_CHILD, 1, "b");
    take_event(TO_CHILD, 2, "b");
    station_take_response(&station, TO_CONN, B, 1, 0, "{\"seq\":2}");
}

static void
test_publish_below_goes_up(void **state UNUSED)
{
    struct msg call;

    ask(A, "event.publish", "{\"topic\":\"a.b\"}");
    call = station_take(&station, TO_PARENT, 0);
    assert_memory_equal(call.topic, "once.", 5); // it must not happen twice
    assert_non_null(strstr(call.topic, "-1.event.publish"));
    station_answer(&station, OVERLAY_PARENT, 1, &call, 0, "{\"seq\":9}");
    station_take_response(&station, TO_CONN, A, 1, 0, "{\"seq\":9}");
}

static void
test_no_more_than_children_take(void **state UNUSED)
{
    station.overlay.full = true;
    check(A, "event.publish", "{\"topic\":\"a\"}", EAGAIN,
          "ranks below have not taken what was sent");
    station.overlay.full = false;
}

static void
test_what_cannot_be_published(void **state UNUSED)
{
    static const struct {
        const char *payload;
        int errnum;
        const char *text;
    } rows[] = {
        {NULL, EPROTO, "event.publish: malformed payload"},
        {"{}", EPROTO, "event.publish: malformed payload"},
        {"{\"topic\":\"\"}", EINVAL, "event.publish: not a topic"},
        {"{\"topic\":\"\\u00fc\"}", EINVAL, "event.publish: not a topic"},
        {"{\"topic\":\"a\",\"flags\":64}", EINVAL, "event.publish: unknown flags"},
        {"{\"topic\":\"a\",\"payload\":\"x\"}", EPROTO, "event.publish: the payload is not base64"},
        {"{\"topic\":\"kvs.namespace-primary-setroot\"}", EPERM,
         "event.publish: only ranks announce kvs.namespace-primary-setroot"},
        {"{\"topic\":\"broker.shutdown\"}", EPERM,
         "event.publish: only ranks announce broker.shutdown"},
        {"{\"topic\":\"content.distrust\"}", EPERM,
         "event.publish: only ranks announce content.distrust"},
        {"{\"topic\":\"overlay.x\"}", EPERM, "event.publish: only ranks announce overlay.x"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        check(A, "event.publish", rows[i].payload, rows[i].errnum, rows[i].text);
}

static void
test_guests_publish_nothing(void **state UNUSED)
{
    struct msg m = make_request("event.publish", MSG_NODEID_ANY, 1, "{\"topic\":\"a\"}");

    m.rolemask = MSG_ROLE_USER | MSG_ROLE_LOCAL;
    router_from_conn(station.router, A, &m, &(struct credit_charge){0});
    msg_fini(&m);
    station_take_response(&station, TO_CONN, A, 1, EPERM, "Request requires owner credentials");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_nobody_has_subscribed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_an_event_arrives_as_it_is, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_prefixes_are_bytes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_once_for_many_subscriptions, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_subscription_is_the_clients_own, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_who_leaves_is_forgotten, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_without_a_connector, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_only_local_clients, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_malformed_subscriptions, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_publish_at_the_root, set_up_root, tear_down),
        cmocka_unit_test_setup_teardown(test_publish_below_goes_up, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_more_than_children_take, set_up_root, tear_down),
        cmocka_unit_test_setup_teardown(test_what_cannot_be_published, set_up_root, tear_down),
        cmocka_unit_test_setup_teardown(test_guests_publish_nothing, set_up_root, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
