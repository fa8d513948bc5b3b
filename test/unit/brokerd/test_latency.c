/* SPDX-License-Identifier: MPL-2.0 */
/* test_latency.c - which requests are measured, and as what. */
#include "latency.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void
topics_have_their_class(void **state UNUSED)
{
    assert_int_equal(latency_class("content.load", false), METRIC_LATENCY_LOAD_HIT);
    assert_int_equal(latency_class("content.load", true), METRIC_LATENCY_LOAD_MISS);
    assert_int_equal(latency_class("content-backing.load", true), METRIC_LATENCY_LOAD_MISS);
    assert_int_equal(latency_class("content.store", false), METRIC_LATENCY_STORE);
    assert_int_equal(latency_class("content.store", true), METRIC_LATENCY_STORE);
    assert_int_equal(latency_class("content.put.0123ab", true), METRIC_LATENCY_STORE);
    assert_int_equal(latency_class("kvs.commit", true), METRIC_LATENCY_COMMIT);
    assert_int_equal(latency_class("kvs.commit.17-4", true), METRIC_LATENCY_COMMIT);
    assert_int_equal(latency_class("kvs.lookup", false), METRIC_LATENCY_LOOKUP);
    assert_int_equal(latency_class("broker.ping", false), METRIC_LATENCY_OTHER);
}

static void
a_topic_is_not_its_beginning(void **state UNUSED)
{
    assert_int_equal(latency_class("content.loads", false), METRIC_LATENCY_OTHER);
    assert_int_equal(latency_class("content.loa", false), METRIC_LATENCY_OTHER);
    assert_int_equal(latency_class("content.load.x", false), METRIC_LATENCY_OTHER);
    assert_int_equal(latency_class("", false), METRIC_LATENCY_OTHER);
}

static void
waiting_for_an_event_is_not_measured(void **state UNUSED)
{
    assert_int_equal(latency_class("kvs.wait-version", true), METRIC_COUNT);
    assert_int_equal(latency_class("overlay.wait", false), METRIC_COUNT);
}

static uint64_t
observed(const char *topic, uint8_t flags)
{
    AUTO(metrics) struct metrics *m = metrics_new();
    uint64_t count = 0;
    struct msg request;

    msg_init(&request, MSG_REQUEST);
    msg_set_topic(&request, topic);
    request.flags |= flags;
    latency_observe(m, &request, false, 5);
    for (enum metric id = 0; id < METRIC_COUNT; id++)
        count += m->hists[id] ? m->hists[id]->count : 0;
    return count;
}

static void
one_answer_is_one_sample(void **state UNUSED)
{
    assert_int_equal(observed("content.load", 0), 1);
    assert_int_equal(observed("kvs.lookup", MSG_STREAMING), 0);
    assert_int_equal(observed("content.store", MSG_NORESPONSE), 0);
    assert_int_equal(observed("overlay.wait", 0), 0);
}

static void
nobody_may_want_it(void **state UNUSED)
{
    struct msg request;

    msg_init(&request, MSG_REQUEST);
    latency_observe(NULL, &request, false, 5);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(topics_have_their_class),
        cmocka_unit_test(a_topic_is_not_its_beginning),
        cmocka_unit_test(waiting_for_an_event_is_not_measured),
        cmocka_unit_test(one_answer_is_one_sample),
        cmocka_unit_test(nobody_may_want_it),
    };

    return cmocka_run_group_tests_name("latency", tests, NULL, NULL);
}
