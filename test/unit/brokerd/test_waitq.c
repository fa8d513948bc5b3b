/* SPDX-License-Identifier: MPL-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "waitq.h"

static char names[8];

/* Waiters are pointers into names[]; the text lists their indices. */
static void
add_all(struct waitq *q, const char *text)
{
    for (; *text; text++)
        waitq_add(q, &names[*text - '0'], false);
}

static void
assert_order(struct waitq *q, const char *text)
{
    for (; *text; text++)
        assert_ptr_equal(waitq_pop(q), &names[*text - '0']);
    assert_null(waitq_pop(q));
    assert_true(waitq_is_empty(q));
}

static void
first_come_is_first_served(void **state UNUSED)
{
    struct waitq q = {NULL};

    add_all(&q, "012");
    assert_ptr_equal(waitq_pop(&q), &names[0]);
    add_all(&q, "3");
    assert_order(&q, "123");
}

static void
taking_leaves_an_empty_queue(void **state UNUSED)
{
    struct waitq q = {NULL}, taken;

    add_all(&q, "01");
    taken = waitq_take(&q);
    assert_true(waitq_is_empty(&q));
    assert_order(&taken, "01");
}

static void
splicing_keeps_the_order_of_both(void **state UNUSED)
{
    struct waitq a = {NULL}, b = {NULL}, none = {NULL};

    add_all(&a, "01");
    add_all(&b, "23");
    waitq_splice(&a, &b);
    waitq_splice(&a, &none);
    waitq_splice(&none, &a);
    assert_true(waitq_is_empty(&a));
    assert_order(&none, "0123");
}

static void
one_strict_waiter_is_seen(void **state UNUSED)
{
    struct waitq q = {NULL};

    assert_false(waitq_has_strict(&q));
    add_all(&q, "01");
    assert_false(waitq_has_strict(&q));
    waitq_add(&q, &names[2], true);
    add_all(&q, "3");
    assert_true(waitq_has_strict(&q));
    assert_order(&q, "0123");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_come_is_first_served),
        cmocka_unit_test(taking_leaves_an_empty_queue),
        cmocka_unit_test(splicing_keeps_the_order_of_both),
        cmocka_unit_test(one_strict_waiter_is_seen),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
