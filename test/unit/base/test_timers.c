/* SPDX-License-Identifier: MPL-2.0 */
/* test_timers.c - the timer heap: random inserts and removals against a sorted scan. */
#include "cmocka_all.h"

#include "timers.h"

#include <stdlib.h>

#define TIMERS 200
#define STEPS 50000

static struct loop_timer all[TIMERS];
static bool is_in[TIMERS];

static bool
is_before(const struct loop_timer *a, const struct loop_timer *b)
{
    return a->due != b->due ? a->due < b->due : a->order < b->order;
}

static struct loop_timer *
find_first(void)
{
    struct loop_timer *first = NULL;

    for (int i = 0; i < TIMERS; i++) {
        if (is_in[i] && (!first || is_before(&all[i], first)))
            first = &all[i];
    }
    return first;
}

static void
check_heap(const struct timers *ts)
{
    for (size_t i = 0; i < ts->count; i++) {
        assert_int_equal(ts->heap[i]->heap_index, i);
        if (i > 0)
            assert_true(is_before(ts->heap[(i - 1) / 2], ts->heap[i]));
    }
}

static void
first_is_always_the_earliest(void **state UNUSED)
{
    struct timers ts = TIMERS_INIT;

    srandom(1);
    for (int step = 0; step < STEPS; step++) {
        int i = (int)(random() % TIMERS);

        if (is_in[i]) {
            timers_remove(&ts, &all[i]);
        } else {
            all[i].due = random() % 50;
            timers_insert(&ts, &all[i]);
        }
        is_in[i] = !is_in[i];
        assert_ptr_equal(timers_first(&ts), find_first());
        if (step % 100 == 0)
            check_heap(&ts);
    }
    timers_fini(&ts);
}

static void
equal_dues_come_in_the_order_armed(void **state UNUSED)
{
    struct timers ts = TIMERS_INIT;
    struct loop_timer t[50] = {{0}};

    for (int i = 0; i < 50; i++)
        timers_insert(&ts, &t[i]);
    for (int i = 0; i < 50; i++) {
        assert_ptr_equal(timers_first(&ts), &t[i]);
        timers_remove(&ts, &t[i]);
    }
    assert_null(timers_first(&ts));
    timers_fini(&ts);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_is_always_the_earliest),
        cmocka_unit_test(equal_dues_come_in_the_order_armed),
    };

    return cmocka_run_group_tests_name("timers", tests, NULL, NULL);
}
