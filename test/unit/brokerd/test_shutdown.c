/* SPDX-License-Identifier: MPL-2.0 */
/* test_shutdown.c - the shutdown of an instance of seven ranks as one of them sees it, with neighbours
 * that only write down what they are sent. */
#include "fakes.h"

#include "shutdown.h"

#include <errno.h>
#include <string.h>

#define CONN 5
#define LONG_MS 60000
#define TURN_MS 2000 // a turn ends as soon as a timer is due

struct setting {
    struct station station;
    struct loop *loop;         // owned
    struct shutdown *shutdown; // owned
};

static int ready; // times it was said

/* --- the setting --- */

static void
on_ready(void *arg UNUSED)
{
    ready++;
}

static void
set_children(struct setting *s, enum peer_state state)
{
    s->station.overlay.children[0].state = s->station.overlay.children[1].state = state;
}

static void
begin_as(struct setting *s, uint32_t rank, int64_t level_ms, bool has_store)
{
    memset(s, 0, sizeof(*s));
    station_init(&s->station, rank);
    s->loop = loop_new();
    s->shutdown = shutdown_new(rank, &s->station.overlay.topo, level_ms, s->loop, s->station.router,
                               s->station.services);
    shutdown_attach(s->shutdown, &s->station.overlay, has_store, on_ready, NULL);
    set_children(s, PEER_ONLINE);
    ready = 0;
}

static void
end(struct setting *s)
{
    shutdown_free(&s->shutdown);
    loop_free(&s->loop);
    station_fini(&s->station);
}

static struct origin
client(void)
{
    return (struct origin){.kind = ORIGIN_CONN, .conn = CONN};
}

/* As a child asks it: what clients of this rank ask comes another way (credit). */
static void
ask(struct setting *s, uint32_t tag, const char *text)
{
    struct overlay_from from = {
        .kind = OVERLAY_CHILD, .rank = s->station.overlay.rank * 2 + 1, .peer = {1, {'x'}}};
    struct msg m = make_request("shutdown.start", MSG_NODEID_ANY, tag, text);

    router_from_overlay(s->station.router, &from, &m);
    msg_fini(&m);
}

static bool
hear(struct setting *s, const char *topic)
{
    AUTO(msg) struct msg m;

    msg_init(&m, MSG_EVENT);
    msg_set_topic(&m, topic);
    return shutdown_on_event(s->shutdown, &m);
}

/* The announcement, to both children. */
static void
take_announcement(struct setting *s)
{
    uint32_t first = s->station.overlay.rank * 2 + 1;

    for (uint32_t child = first; child < first + 2; child++) {
        AUTO(msg) struct msg m = station_take(&s->station, TO_CHILD, child);

        assert_int_equal(m.type, MSG_EVENT);
        assert_string_equal(m.topic, "broker.shutdown");
    }
}

static void
child_goes(struct setting *s, size_t i)
{
    s->station.overlay.children[i].state = PEER_OFFLINE;
    shutdown_child_gone(s->shutdown);
}

/* --- rank 0 --- */

static void
rank_0_answers_announces_and_waits_for_all_children(void **state UNUSED)
{
    struct setting s;

    begin_as(&s, 0, LONG_MS, true);
    ask(&s, 7, "{\"gc\":false}");
    station_take_response(&s.station, TO_CHILD, 1, 7, 0, NULL);
    assert_true(shutdown_is_under_way(s.shutdown));
    loop_turn(s.loop, TURN_MS);
    take_announcement(&s);
    child_goes(&s, 1);
    loop_turn(s.loop, TURN_MS);
    take_announcement(&s);
    assert_int_equal(ready, 0);
    child_goes(&s, 0);
    loop_turn(s.loop, TURN_MS);
    assert_int_equal(ready, 1);
    child_goes(&s, 0);
    loop_turn(s.loop, 0);
    assert_int_equal(ready, 1);
    assert_false(shutdown_wants_gc(s.shutdown));
    end(&s);
}

static void
second_request_is_answered_and_changes_nothing(void **state UNUSED)
{
    struct setting s;

    begin_as(&s, 0, LONG_MS, true);
    ask(&s, 7, NULL);
    station_take_response(&s.station, TO_CHILD, 1, 7, 0, NULL);
    ask(&s, 8, "{\"gc\":true}");
    station_take_response(&s.station, TO_CHILD, 1, 8, 0, NULL);
    assert_false(shutdown_wants_gc(s.shutdown));
    end(&s);
}

static void
garbage_is_collected_only_where_there_is_a_store(void **state UNUSED)
{
    struct setting s;

    begin_as(&s, 0, LONG_MS, true);
    ask(&s, 7, "{\"gc\":true}");
    station_take_response(&s.station, TO_CHILD, 1, 7, 0, NULL);
    assert_true(shutdown_wants_gc(s.shutdown));
    end(&s);

    begin_as(&s, 0, LONG_MS, false);
    ask(&s, 7, "{\"gc\":true}");
    station_take_response(&s.station, TO_CHILD, 1, 7, ENOSYS,
                          "there is no backing store to collect garbage in");
    assert_false(shutdown_is_under_way(s.shutdown));
    end(&s);
}

static void
malformed_request_stops_nothing(void **state UNUSED)
{
    static const char *const texts[] = {"", "now", "[]", "{\"gc\":1}", "{\"gc\":\"true\"}"};
    struct setting s;

    begin_as(&s, 0, LONG_MS, true);
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        ask(&s, 7, texts[i]);
        station_take_response(&s.station, TO_CHILD, 1, 7, EPROTO,
                              "shutdown.start: not {\"gc\":BOOL}");
        assert_false(shutdown_is_under_way(s.shutdown));
    }
    end(&s);
}

/* --- other ranks --- */

static void
rank_below_passes_the_request_up(void **state UNUSED)
{
    struct setting s;
    struct msg call;

    begin_as(&s, 1, LONG_MS, false);
    ask(&s, 7, "{\"gc\":true}");
    call = station_take(&s.station, TO_PARENT, 0);
    assert_string_equal(call.topic, "shutdown.start");
    assert_string_equal(msg_text(&call), "{\"gc\":true}");
    station_answer(&s.station, OVERLAY_PARENT, 0, &call, 0, NULL);
    station_take_response(&s.station, TO_CHILD, 3, 7, 0, NULL);
    assert_false(shutdown_is_under_way(s.shutdown)); // until it is announced
    end(&s);
}

static void
without_a_parent_it_fails_at_once(void **state UNUSED)
{
    struct setting s;

    begin_as(&s, 1, LONG_MS, false);
    s.station.overlay.parent_online = false;
    ask(&s, 7, NULL);
    station_take_response(&s.station, TO_CHILD, 3, 7, EHOSTUNREACH, NULL);
    end(&s);
}

static void
announcement_begins_it(void **state UNUSED)
{
    struct setting s;

    begin_as(&s, 1, LONG_MS, false);
    assert_false(hear(&s, "kvs.namespace-primary-setroot"));
    assert_false(shutdown_is_under_way(s.shutdown));
    assert_true(hear(&s, "broker.shutdown"));
    assert_true(shutdown_is_under_way(s.shutdown));
    loop_turn(s.loop, TURN_MS);
    take_announcement(&s);
    ask(&s, 7, NULL);
    station_take_response(&s.station, TO_CHILD, 3, 7, 0, NULL);
    end(&s);
}

static void
leaf_is_ready_in_the_next_turn(void **state UNUSED)
{
    struct setting s;

    begin_as(&s, 5, LONG_MS, false);
    assert_true(hear(&s, "broker.shutdown"));
    assert_int_equal(ready, 0); // whoever told us is still at work
    loop_turn(s.loop, TURN_MS);
    assert_int_equal(ready, 1);
    assert_true(hear(&s, "broker.shutdown"));
    loop_turn(s.loop, 0);
    assert_int_equal(ready, 1);
    end(&s);
}

/* --- children that do not go --- */

static void
child_that_begins_anew_is_told_and_waited_for(void **state UNUSED)
{
    struct setting s;

    begin_as(&s, 1, LONG_MS, false);
    hear(&s, "broker.shutdown");
    loop_turn(s.loop, TURN_MS);
    take_announcement(&s);
    set_children(&s, PEER_LOST);
    child_goes(&s, 0);
    set_children(&s, PEER_ONLINE);
    loop_turn(s.loop, TURN_MS);
    take_announcement(&s);
    assert_int_equal(ready, 0);
    end(&s);
}

static void
children_that_do_not_move_are_left_behind(void **state UNUSED)
{
    struct setting s;

    begin_as(&s, 1, 1, false);
    hear(&s, "broker.shutdown");
    loop_turn(s.loop, TURN_MS);
    take_announcement(&s);
    loop_turn(s.loop, TURN_MS);
    assert_int_equal(ready, 1);
    end(&s);
}

static void
children_that_send_something_are_waited_for(void **state UNUSED)
{
    struct setting s;

    begin_as(&s, 1, 1, false);
    hear(&s, "broker.shutdown");
    loop_turn(s.loop, TURN_MS);
    take_announcement(&s);
    ask(&s, 7, NULL); // any request will do
    station_take_response(&s.station, TO_CHILD, 3, 7, 0, NULL);
    loop_turn(s.loop, TURN_MS);
    take_announcement(&s);
    assert_int_equal(ready, 0);
    loop_turn(s.loop, TURN_MS);
    assert_int_equal(ready, 1);
    end(&s);
}

/* --- clients --- */

static bool
turns_away(struct setting *s, const char *topic)
{
    struct msg m = make_request(topic, MSG_NODEID_ANY, 7, NULL);
    struct origin from = client();
    bool away = shutdown_turn_away(s->shutdown, &from, &m);

    msg_fini(&m);
    return away;
}

static void
clients_may_ask_but_not_store(void **state UNUSED)
{
    static const char *const away[] = {"kvs.commit", "content.store", "content.checkpoint-put",
                                       "statsget", "kvs.namespace-create"};
    static const char *const welcome[] = {"attr.get", "overlay.health", "stats.get",
                                          "shutdown.start", "broker.ping"};
    struct setting s;

    begin_as(&s, 0, LONG_MS, true);
    for (size_t i = 0; i < ARRAY_SIZE(away); i++) {
        assert_true(turns_away(&s, away[i]));
        station_take_response(&s.station, TO_CONN, CONN, 7, ECANCELED, "the rank is shutting down");
    }
    for (size_t i = 0; i < ARRAY_SIZE(welcome); i++)
        assert_false(turns_away(&s, welcome[i]));
    end(&s);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rank_0_answers_announces_and_waits_for_all_children),
        cmocka_unit_test(second_request_is_answered_and_changes_nothing),
        cmocka_unit_test(garbage_is_collected_only_where_there_is_a_store),
        cmocka_unit_test(malformed_request_stops_nothing),
        cmocka_unit_test(rank_below_passes_the_request_up),
        cmocka_unit_test(without_a_parent_it_fails_at_once),
        cmocka_unit_test(announcement_begins_it),
        cmocka_unit_test(leaf_is_ready_in_the_next_turn),
        cmocka_unit_test(child_that_begins_anew_is_told_and_waited_for),
        cmocka_unit_test(children_that_do_not_move_are_left_behind),
        cmocka_unit_test(children_that_send_something_are_waited_for),
        cmocka_unit_test(clients_may_ask_but_not_store),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
