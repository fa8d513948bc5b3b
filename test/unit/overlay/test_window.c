/* SPDX-License-Identifier: MPL-2.0 */
/* test_window.c - the two ends of a window, without a link. */
#include "cmocka_all.h"

#include "window.h"

#include <errno.h>

static void
window_is_full_when_the_limit_is_on_its_way(void **state UNUSED)
{
    struct window w;

    window_init(&w, 100);
    assert_false(window_is_full(&w));
    assert_false(window_sent(&w, 60));
    assert_false(window_sent(&w, 39));
    assert_false(window_is_full(&w));
    assert_true(window_sent(&w, 1));
    assert_true(window_is_full(&w));
    assert_int_equal(window_unacked(&w), 100);
}

static void
it_becomes_full_once_however_much_is_added(void **state UNUSED)
{
    struct window w;

    window_init(&w, 100);
    assert_true(window_sent(&w, 1000));
    assert_false(window_sent(&w, 1000));
    assert_int_equal(window_unacked(&w), 2000);
}

static void
full_window_has_room_again_at_half_of_it(void **state UNUSED)
{
    struct window w;

    window_init(&w, 100);
    window_sent(&w, 120);
    assert_int_equal(window_acked(&w, 20), 0);
    assert_int_equal(window_acked(&w, 69), 0);
    assert_true(window_is_full(&w));
    assert_int_equal(window_acked(&w, 70), 1);
    assert_false(window_is_full(&w));
    assert_int_equal(window_acked(&w, 120), 0);
    assert_int_equal(window_unacked(&w), 0);
    assert_true(window_sent(&w, 100));
}

static void
totals_that_cannot_be_are_ignored(void **state UNUSED)
{
    struct window w;

    window_init(&w, 100);
    assert_int_equal(window_acked(&w, 1), -EPROTO);
    window_sent(&w, 100);
    assert_int_equal(window_acked(&w, 101), -EPROTO);
    assert_int_equal(window_acked(&w, UINT64_MAX), -EPROTO);
    assert_int_equal(window_acked(&w, 30), 0);
    assert_int_equal(window_acked(&w, 29), -EPROTO);
    assert_int_equal(window_acked(&w, 0), -EPROTO);
    assert_int_equal(window_unacked(&w), 70);
    assert_true(window_is_full(&w));
    assert_int_equal(window_acked(&w, 30), 0); // twice the same is no harm
}

static void
limit_may_change_on_the_way(void **state UNUSED)
{
    struct window w;

    window_init(&w, 100);
    window_sent(&w, 40);
    w.limit = 50;
    assert_true(window_sent(&w, 10));
    w.limit = 100;
    assert_int_equal(window_acked(&w, 1), 1);
}

static void
released_window_keeps_its_count(void **state UNUSED)
{
    struct window w;

    window_init(&w, 100);
    assert_false(window_release(&w));
    window_sent(&w, 100);
    assert_true(window_release(&w));
    assert_false(window_release(&w));
    assert_int_equal(window_unacked(&w), 100);
}

static void
receipt_is_told_each_quarter_of_the_window(void **state UNUSED)
{
    struct receipt r;

    receipt_init(&r, 100);
    assert_false(receipt_has_news(&r));
    assert_false(receipt_took(&r, 24));
    assert_true(receipt_has_news(&r));
    assert_true(receipt_took(&r, 1));
    assert_int_equal(receipt_tell(&r), 25);
    assert_false(receipt_has_news(&r));
    assert_false(receipt_took(&r, 24));
    assert_true(receipt_took(&r, 60));
    assert_int_equal(receipt_tell(&r), 109);
}

/* Whatever the sizes: a full window always gets room again once all has been taken, without a
 * last word of the receiver. */
static void
no_window_stays_full_for_want_of_a_quarter(void **state UNUSED)
{
    for (uint64_t size = 1; size < 300; size++) {
        struct window w;
        struct receipt r;
        uint64_t on_the_way = 0;

        window_init(&w, 100);
        receipt_init(&r, 100);
        for (int round = 0; round < 20; round++) {
            for (; !window_is_full(&w); on_the_way += size)
                window_sent(&w, size);
            for (; on_the_way > 0; on_the_way -= size) {
                if (receipt_took(&r, size))
                    assert_true(window_acked(&w, receipt_tell(&r)) >= 0);
            }
            assert_false(window_is_full(&w));
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(window_is_full_when_the_limit_is_on_its_way),
        cmocka_unit_test(it_becomes_full_once_however_much_is_added),
        cmocka_unit_test(full_window_has_room_again_at_half_of_it),
        cmocka_unit_test(totals_that_cannot_be_are_ignored),
        cmocka_unit_test(limit_may_change_on_the_way),
        cmocka_unit_test(released_window_keeps_its_count),
        cmocka_unit_test(receipt_is_told_each_quarter_of_the_window),
        cmocka_unit_test(no_window_stays_full_for_want_of_a_quarter),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
