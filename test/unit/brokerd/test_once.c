/* SPDX-License-Identifier: MPL-2.0 */
/* test_once.c - requests that a rank may send twice are done once (router_once.c). */
#include "fakes.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define CHILD 1 // of rank 0

static struct station s;
static int served;
static struct request *kept; // by test.later

static void
serve_count(void *arg UNUSED, struct request *req)
{
    char text[16];

    snprintf(text, sizeof(text), "%d", ++served);
    router_respond_text(s.router, req, text);
}

static void
serve_fail(void *arg UNUSED, struct request *req)
{
    served++;
    router_respond_error(s.router, req, EEXIST, "there is one");
}

static void
serve_later(void *arg UNUSED, struct request *req)
{
    served++;
    kept = request_keep(req);
}

static const struct service services[] = {
    {"test.count", serve_count}, {"test.fail", serve_fail}, {"test.later", serve_later}};

static void
start(uint32_t rank)
{
    station_init(&s, rank);
    service_table_add(s.services, services, ARRAY_SIZE(services), NULL);
    router_serve_once(s.router, s.services);
    served = 0;
}

static void
ask_from(enum overlay_neighbour kind, const char *topic, uint32_t tag)
{
    struct overlay_from from = {.kind = kind, .rank = CHILD, .peer = {.len = 1, .id = {'x'}}};
    struct msg m = make_request(topic, MSG_NODEID_ANY, tag, "x");

    router_from_overlay(s.router, &from, &m);
    msg_fini(&m);
}

static void
second_time_is_answered_like_the_first(void **state UNUSED)
{
    start(0);
    ask_from(OVERLAY_CHILD, "once.a-1.test.count", 7);
    station_take_response(&s, TO_CHILD, CHILD, 7, 0, "1");
    ask_from(OVERLAY_CHILD, "once.a-1.test.count", 8);
    station_take_response(&s, TO_CHILD, CHILD, 8, 0, "1");
    ask_from(OVERLAY_CHILD, "once.a-2.test.count", 9);
    station_take_response(&s, TO_CHILD, CHILD, 9, 0, "2");
    assert_int_equal(served, 2);
    station_fini(&s);
}

static void
error_is_remembered_with_its_text(void **state UNUSED)
{
    start(0);
    ask_from(OVERLAY_CHILD, "once.a-1.test.fail", 7);
    station_take_response(&s, TO_CHILD, CHILD, 7, EEXIST, "there is one");
    ask_from(OVERLAY_CHILD, "once.a-1.test.fail", 8);
    station_take_response(&s, TO_CHILD, CHILD, 8, EEXIST, "there is one");
    assert_int_equal(served, 1);
    station_fini(&s);
}

static void
who_comes_again_too_early_waits(void **state UNUSED)
{
    start(0);
    ask_from(OVERLAY_CHILD, "once.a-1.test.later", 7);
    ask_from(OVERLAY_CHILD, "once.a-1.test.later", 8);
    station_assert_quiet(&s);
    assert_int_equal(served, 1);
    router_respond_text(s.router, kept, "done");
    request_free(&kept);
    station_take_response(&s, TO_CHILD, CHILD, 8, 0, "done");
    station_take_response(&s, TO_CHILD, CHILD, 7, 0, "done");
    station_fini(&s);
}

static void
pending_ones_end_with_the_router(void **state UNUSED)
{
    start(0);
    ask_from(OVERLAY_CHILD, "once.a-1.test.later", 7);
    ask_from(OVERLAY_CHILD, "once.a-1.test.later", 8);
    request_free(&kept);
    station_fini(&s);
}

static void
only_ranks_may_ask_so(void **state UNUSED)
{
    start(0);
    ask_from(OVERLAY_CLIENT, "once.a-1.test.count", 7);
    station_take_response(&s, TO_CLIENT, 'x', 7, EPERM, "for ranks only");
    assert_int_equal(served, 0);
    station_fini(&s);
}

static void
malformed_topics_are_refused(void **state UNUSED)
{
    static const char *const topics[] = {
        "once.", "once.a", "once.a.", "once..test.count",
        "once.0123456789012345678901234567890123456789012345678901234567890123.test.count"};

    start(0);
    for (size_t i = 0; i < ARRAY_SIZE(topics); i++) {
        ask_from(OVERLAY_CHILD, topics[i], 7);
        station_take_response(&s, TO_CHILD, CHILD, 7, EPROTO, "malformed topic");
    }
    ask_from(OVERLAY_CHILD, "once.a-1.test.nothing", 7);
    station_take_response(&s, TO_CHILD, CHILD, 7, ENOSYS,
                          "No service matching test.nothing is registered");
    station_fini(&s);
}

static void
the_oldest_are_forgotten(void **state UNUSED)
{
    char topic[64];
    char count[16];

    start(0);
    for (int i = 0; i < 5000; i++) {
        snprintf(topic, sizeof(topic), "once.a-%d.test.count", i);
        snprintf(count, sizeof(count), "%d", i + 1);
        ask_from(OVERLAY_CHILD, topic, 7);
        station_take_response(&s, TO_CHILD, CHILD, 7, 0, count);
        s.out.count = s.out.taken = 0;
    }
    ask_from(OVERLAY_CHILD, "once.a-4999.test.count", 7);
    station_take_response(&s, TO_CHILD, CHILD, 7, 0, "5000");
    ask_from(OVERLAY_CHILD, "once.a-0.test.count", 7);
    station_take_response(&s, TO_CHILD, CHILD, 7, 0, "5001");
    station_fini(&s);
}

static void
serve_up(void *arg UNUSED, struct request *req)
{
    router_pass_once(s.router, req);
}

static void
rank_sends_it_again_under_the_same_id(void **state UNUSED)
{
    static const struct service up[] = {{"test.up", serve_up}};
    struct msg m = make_request("test.up", MSG_NODEID_ANY, 5, "x");
    struct msg first, second;

    start(1);
    service_table_add(s.services, up, 1, NULL);
    router_from_conn(s.router, 3, &m, &(struct credit_charge){0});
    msg_fini(&m);
    first = station_take(&s, TO_PARENT, 0);
    assert_memory_equal(first.topic, "once.", 5);
    assert_non_null(strstr(first.topic, "-1.test.up"));
    router_parent_gone(s.router, 0);
    second = station_take(&s, TO_PARENT, 0);
    assert_string_equal(first.topic, second.topic);
    msg_fini(&first);
    station_answer(&s, OVERLAY_PARENT, 0, &second, 0, "done");
    station_take_response(&s, TO_CONN, 3, 5, 0, "done");
    station_fini(&s);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(second_time_is_answered_like_the_first),
        cmocka_unit_test(error_is_remembered_with_its_text),
        cmocka_unit_test(who_comes_again_too_early_waits),
        cmocka_unit_test(pending_ones_end_with_the_router),
        cmocka_unit_test(only_ranks_may_ask_so),
        cmocka_unit_test(malformed_topics_are_refused),
        cmocka_unit_test(the_oldest_are_forgotten),
        cmocka_unit_test(rank_sends_it_again_under_the_same_id),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
