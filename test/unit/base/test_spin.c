/* SPDX-License-Identifier: MPL-2.0 */
/* test_spin.c - who asks before it sleeps, and how often it does so in vain. */
#include "cmocka_all.h"

#include "spin.h"

/* Of so many waits, all of which are long, how many were asked for? */
static unsigned
waste(struct spin *s, unsigned waits)
{
    unsigned asked = 0;

    while (waits-- > 0) {
        if (!spin_begin(s))
            continue;
        spin_note(s, false);
        asked++;
    }
    return asked;
}

static void
the_first_wait_is_asked_for(void **state UNUSED)
{
    struct spin s = {0};

    assert_true(spin_begin(&s));
}

static void
short_waits_are_all_asked_for(void **state UNUSED)
{
    struct spin s = {0};

    for (unsigned i = 0; i < 1000; i++) {
        assert_true(spin_begin(&s));
        spin_note(&s, true);
    }
}

static void
long_waits_are_hardly_asked_for(void **state UNUSED)
{
    struct spin s = {0};

    assert_in_range(waste(&s, 2 * (SPIN_REST_MAX + 1)), 1, 12);
    assert_in_range(waste(&s, 100 * (SPIN_REST_MAX + 1)), 99, 101);
}

static void
one_in_vain_costs_one_wait(void **state UNUSED)
{
    struct spin s = {0};

    assert_true(spin_begin(&s));
    spin_note(&s, false);
    assert_false(spin_begin(&s));
    assert_true(spin_begin(&s));
    spin_note(&s, true);
    assert_true(spin_begin(&s));
}

static void
one_hit_is_enough_to_believe_again(void **state UNUSED)
{
    struct spin s = {0};

    waste(&s, 10 * (SPIN_REST_MAX + 1));
    while (!spin_begin(&s))
        ;
    spin_note(&s, true);
    assert_true(spin_begin(&s));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_wait_is_asked_for),
        cmocka_unit_test(short_waits_are_all_asked_for),
        cmocka_unit_test(long_waits_are_hardly_asked_for),
        cmocka_unit_test(one_in_vain_costs_one_wait),
        cmocka_unit_test(one_hit_is_enough_to_believe_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
