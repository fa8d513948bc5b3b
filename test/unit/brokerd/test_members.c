/* SPDX-License-Identifier: MPL-2.0 */
/* test_members.c - news of ranks: gathered, passed up in batches, announced and kept by rank 0. */
#include "fakes.h"

#include "clock.h"
#include "member_news.h"
#include "members.h"
#include "xmem.h"

#include <errno.h>
#include <stdio.h>

#define CONN 5

static struct station station;
static struct loop *loop;       // owned
static struct members *members; // owned

static void
set_up_rank(uint32_t rank)
{
    station_init(&station, rank);
    station.overlay.hostname = "node";
    loop = loop_new();
    members = members_new(&(struct members_conf){rank, station.overlay.topo}, loop, station.router,
                          station.services);
    members_attach(members, &station.overlay);
}

static int
set_up(void **state UNUSED)
{
    set_up_rank(1);
    return 0;
}

static int
set_up_root(void **state UNUSED)
{
    set_up_rank(0);
    return 0;
}

static int
tear_down(void **state UNUSED)
{
    members_free(&members);
    assert_null(members);
    members_free(&members); // nothing
    station_fini(&station);
    loop_free(&loop);
    return 0;
}

/* Until something is sent. */
static void
turn_until_sent(void)
{
    int64_t end = clock_ms() + 5000;

    while (station.out.count == station.out.taken && clock_ms() < end)
        loop_turn(loop, 10);
}

/* {"events":[...]} of a message that was sent there; the times and, unless there is none, the sequence
 * are taken out. */
static json_t *
take_batch(enum sent_to to, uint64_t whom, const char *topic)
{
    AUTO(msg) struct msg m = station_take(&station, to, whom);
    json_t *json = json_loads(msg_text(&m), 0, NULL);
    size_t i;
    json_t *item;

    assert_string_equal(m.topic, topic);
    json_array_foreach(json_object_get(json, "events"), i, item)
        assert_int_equal(json_object_del(item, "time"), 0);
    return json;
}

static void
check_json(json_t *got, const char *want_text)
{
    json_t *want = json_loads(want_text, 0, NULL);
    AUTO(free) char *text = json_dumps(got, JSON_COMPACT);

    assert_non_null(want);
    if (!json_equal(got, want))
        fail_msg("got %s, not %s", text, want_text);
    json_decref(got);
    json_decref(want);
}

/* --- ranks that are not the root --- */

static void
test_notices_go_up_together(void **state UNUSED)
{
    members_noticed(members, OVERLAY_JOINED, 3);
    members_noticed(members, OVERLAY_LOST, 4);
    members_noticed(members, OVERLAY_TORPID, 0);
    station_assert_quiet(&station);
    turn_until_sent();
    check_json(take_batch(TO_PARENT, 0, "overlay.report"),
               "{\"events\":[{\"event\":\"join\",\"rank\":3,\"parent\":1,\"by\":1,"
               "\"adopted\":false,\"hostname\":\"node\"},"
               "{\"event\":\"lost\",\"rank\":4,\"parent\":1,\"by\":1,\"adopted\":false,"
               "\"hostname\":\"node\"},"
               "{\"event\":\"torpid\",\"rank\":0,\"by\":1,\"adopted\":false,\"hostname\":\"\"}]}");
}

static void
test_a_report_wants_no_answer(void **state UNUSED)
{
    members_noticed(members, OVERLAY_LEFT, 3);
    turn_until_sent();
    {
        AUTO(msg) struct msg m = station_take(&station, TO_PARENT, 0);

        assert_int_equal(m.type, MSG_REQUEST);
        assert_true(m.flags & MSG_NORESPONSE);
        assert_int_equal(m.nodeid, MSG_NODEID_ANY);
    }
}

static void
test_without_a_parent_they_wait(void **state UNUSED)
{
    station.overlay.parent_online = false;
    members_noticed(members, OVERLAY_LOST, 3);
    loop_turn(loop, 10);
    loop_turn(loop, 300);
    station_assert_quiet(&station);
    station.overlay.parent_online = true;
    turn_until_sent();
    json_decref(take_batch(TO_PARENT, 0, "overlay.report"));
}

static void
test_a_parent_that_is_full_is_not_told(void **state UNUSED)
{
    station.overlay.full = true;
    members_noticed(members, OVERLAY_LOST, 3);
    loop_turn(loop, 10);
    loop_turn(loop, 300);
    station_assert_quiet(&station);
    station.overlay.full = false;
    turn_until_sent();
    json_decref(take_batch(TO_PARENT, 0, "overlay.report"));
}

static void
test_a_storm_goes_in_batches(void **state UNUSED)
{
    int64_t start = clock_ms();
    size_t count = 0;

    for (int i = 0; i < 3 * MEMBER_NEWS_MAX; i++)
        members_noticed(members, OVERLAY_LOST, 3);
    for (int i = 0; i < 3; i++) {
        json_t *json;

        turn_until_sent();
        json = take_batch(TO_PARENT, 0, "overlay.report");
        count += json_array_size(json_object_get(json, "events"));
        station_assert_quiet(&station);
        json_decref(json);
    }
    assert_int_equal(count, 3 * MEMBER_NEWS_MAX);
    assert_true(clock_ms() - start >= 100);
}

/* --- reports --- */

static const struct overlay_from from_child = {
    .kind = OVERLAY_CHILD, .rank = 3, .peer = {.len = 1, .id = {'x'}}};

static void
report_from(const struct overlay_from *from, uint32_t nodeid, const char *text)
{
    struct msg m = make_request("overlay.report", nodeid, 0, text);

    m.flags |= MSG_NORESPONSE;
    router_from_overlay(station.router, from, &m);
    msg_fini(&m);
}

#define NEWS(word, rank, parent) \
    "{\"event\":\"" word "\",\"rank\":" rank ",\"parent\":" parent ",\"by\":" parent \
    ",\"adopted\":false,\"hostname\":\"h\",\"time\":1.5}"

static void
test_reports_of_children_go_on(void **state UNUSED)
{
    report_from(&from_child, MSG_NODEID_ANY, "{\"events\":[" NEWS("lost", "6", "3") "]}");
    turn_until_sent();
    check_json(take_batch(TO_PARENT, 0, "overlay.report"),
               "{\"events\":[{\"event\":\"lost\",\"rank\":6,\"parent\":3,\"by\":3,"
               "\"adopted\":false,\"hostname\":\"h\"}]}");
}

static void
test_reports_of_others_do_not(void **state UNUSED)
{
    struct overlay_from client = {.kind = OVERLAY_CLIENT, .peer = {.len = 1, .id = {'c'}}};
    struct msg m = make_request("overlay.report", MSG_NODEID_ANY, 9,
                                "{\"events\":[" NEWS("lost", "6", "3") "]}");

    report_from(&client, MSG_NODEID_ANY, "{\"events\":[" NEWS("lost", "6", "3") "]}");
    report_from(&from_child, 1, "{\"events\":[" NEWS("lost", "6", "3") "]}"); // of its client
    router_from_conn(station.router, CONN, &m, &(struct credit_charge){0});
    msg_fini(&m);
    station_take_response(&station, TO_CONN, CONN, 9, EPERM, "only ranks report what they notice");
    loop_turn(loop, 100);
    station_assert_quiet(&station);
}

static void
test_nonsense_is_dropped(void **state UNUSED)
{
    static const char *const texts[] = {
        "",
        "[]",
        "{\"events\":3}",
        "{\"events\":[3]}",
        "{\"events\":[" NEWS("explode", "6", "3") "]}",
        "{\"events\":[" NEWS("lost", "7", "3") "]}",
        "{\"events\":[" NEWS("lost", "-1", "3") "]}",
        "{\"events\":[" NEWS("lost", "4294967297", "3") "]}",
        "{\"events\":[" NEWS("lost", "6", "7") "]}",
        "{\"events\":[" NEWS("lost", "\"6\"", "3") "]}",
    };

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        report_from(&from_child, MSG_NODEID_ANY, texts[i]);
    report_from(&from_child, MSG_NODEID_ANY, NULL);
    loop_turn(loop, 100);
    station_assert_quiet(&station);
}

/* --- rank 0 --- */

static void
test_rank_0_announces(void **state UNUSED)
{
    static const char want[] = "{\"events\":[{\"event\":\"join\",\"rank\":1,\"parent\":0,\"by\":0,"
                               "\"adopted\":false,\"hostname\":\"node\",\"seq\":1},"
                               "{\"event\":\"join\",\"rank\":3,\"parent\":0,\"by\":0,"
                               "\"adopted\":true,\"hostname\":\"\",\"seq\":2}]}";

    members_noticed(members, OVERLAY_JOINED, 1);
    members_noticed(members, OVERLAY_JOINED, 3);
    turn_until_sent();
    check_json(take_batch(TO_CHILD, 1, MEMBER_NEWS_BATCH), want);
    check_json(take_batch(TO_CHILD, 2, MEMBER_NEWS_BATCH), want);
}

static void
ask(const char *payload, uint32_t tag)
{
    struct msg m = make_request("overlay.history", MSG_NODEID_ANY, tag, payload);

    router_from_conn(station.router, CONN, &m, &(struct credit_charge){0});
    msg_fini(&m);
}

/* The sequences of the next answer, which says that it is the newest. */
static void
check_history(uint64_t first, uint64_t last)
{
    json_t *json = take_batch(TO_CONN, CONN, "overlay.history");
    json_t *events = json_object_get(json, "events");

    assert_int_equal(json_array_size(events), last < first ? 0 : last - first + 1);
    for (size_t i = 0; i < json_array_size(events); i++)
        assert_int_equal(json_integer_value(json_object_get(json_array_get(events, i), "seq")),
                         first + i);
    assert_int_equal(json_integer_value(json_object_get(json, "last")), last);
    json_decref(json);
}

static void
notice(size_t count)
{
    for (size_t i = 0; i < count; i++)
        members_noticed(members, OVERLAY_LOST, 1);
}

/* What rank 0 announces, and how many batches these are. */
static void
swallow_announcements(size_t count)
{
    for (size_t i = 0; i < count; i++) {
        turn_until_sent();
        json_decref(take_batch(TO_CHILD, 1, MEMBER_NEWS_BATCH));
        json_decref(take_batch(TO_CHILD, 2, MEMBER_NEWS_BATCH));
    }
}

static void
test_history(void **state UNUSED)
{
    ask(NULL, 1);
    check_history(1, 0);
    notice(3);
    swallow_announcements(1);
    ask(NULL, 2);
    check_history(1, 3);
    ask("{\"after\":2}", 3);
    check_history(3, 3);
    ask("{\"after\":3}", 4);
    check_history(4, 3);
    ask("{\"after\":9}", 5); // of an earlier rank 0
    check_history(1, 3);
    notice(3 * MEMBER_NEWS_MAX);
    swallow_announcements(3);
    ask("{}", 6);
    check_history(3 + MEMBER_NEWS_MAX + 1, 3 + 3 * MEMBER_NEWS_MAX);
}

static void
test_waiting_for_news(void **state UNUSED)
{
    ask("{\"after\":0,\"wait\":true}", 1);
    station_assert_quiet(&station);
    notice(2);
    swallow_announcements(1);
    check_history(1, 2);
    ask("{\"after\":1,\"wait\":true}", 2); // is there already
    check_history(2, 2);
    ask("{\"after\":2,\"wait\":true}", 3);
    members_forget(members, &(struct origin){.kind = ORIGIN_CONN, .conn = CONN});
    notice(1);
    swallow_announcements(1);
    station_assert_quiet(&station);
    ask("{\"after\":3,\"wait\":true}", 4); // given up by tear_down()
}

static void
test_wrong_questions(void **state UNUSED)
{
    static const char *const texts[] = {"", "[]", "{\"after\":-1}", "{\"after\":\"x\"}",
                                        "{\"wait\":1}"};

    for (uint32_t i = 0; i < ARRAY_SIZE(texts); i++) {
        ask(texts[i], i + 1);
        station_take_response(&station, TO_CONN, CONN, i + 1, EPROTO,
                              "overlay.history: malformed payload");
    }
}

static void
test_others_ask_rank_0(void **state UNUSED)
{
    struct msg call;

    ask("{\"after\":7}", 1);
    call = station_take(&station, TO_PARENT, 0);
    assert_string_equal(call.topic, "overlay.history");
    assert_string_equal(msg_text(&call), "{\"after\":7}");
    station_answer(&station, OVERLAY_PARENT, 0, &call, 0, "{}");
    station_take_response(&station, TO_CONN, CONN, 1, 0, "{}");
}

static void
test_a_queue_that_is_full_loses_the_oldest(void **state UNUSED)
{
    json_t *json;

    notice(2048 + 1);
    swallow_announcements(15 + 1);
    ask(NULL, 1);
    json = take_batch(TO_CONN, CONN, "overlay.history");
    assert_int_equal(json_integer_value(json_object_get(json, "dropped")), MEMBER_NEWS_MAX);
    assert_int_equal(json_integer_value(json_object_get(json, "last")), 2048 + 1 - MEMBER_NEWS_MAX);
    json_decref(json);
}

/* --- events for clients --- */

static void
count_event(void *arg, const struct msg *event)
{
    char *out = arg;
    json_t *json = json_loads(msg_text(event), 0, NULL);

    assert_int_equal(event->type, MSG_EVENT);
    assert_int_equal(event->sequence, 7);
    snprintf(out + strlen(out), 256 - strlen(out), "%s %d,", event->topic,
             (int)json_integer_value(json_object_get(json, "rank")));
    json_decref(json);
}

static void
test_an_event_for_each(void **state UNUSED)
{
    AUTO(msg) struct msg batch;
    char seen[256] = "";

    msg_init(&batch, MSG_EVENT);
    batch.sequence = 7;
    assert_int_equal(msg_set_topic(&batch, "overlay.members"), 0);
    assert_true(member_news_is_batch(&batch));
    member_news_unpack(&batch, count_event, seen); // no payload
    msg_set_text(&batch, "{\"events\":[" NEWS("lost", "6", "3") "," NEWS(
                             "strange", "6", "3") ","
                                                  "null," NEWS("lively", "5", "2") "]}");
    member_news_unpack(&batch, count_event, seen);
    assert_string_equal(seen, "overlay.lost 6,overlay.lively 5,");
    msg_set_topic(&batch, "overlay.lost");
    assert_false(member_news_is_batch(&batch));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_notices_go_up_together, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_report_wants_no_answer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_without_a_parent_they_wait, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_parent_that_is_full_is_not_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_storm_goes_in_batches, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_reports_of_children_go_on, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_reports_of_others_do_not, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nonsense_is_dropped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_rank_0_announces, set_up_root, tear_down),
        cmocka_unit_test_setup_teardown(test_history, set_up_root, tear_down),
        cmocka_unit_test_setup_teardown(test_waiting_for_news, set_up_root, tear_down),
        cmocka_unit_test_setup_teardown(test_wrong_questions, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_others_ask_rank_0, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_queue_that_is_full_loses_the_oldest, set_up_root,
                                        tear_down),
        cmocka_unit_test(test_an_event_for_each),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
