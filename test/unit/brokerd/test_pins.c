/* SPDX-License-Identifier: MPL-2.0 */
/* Pins hold for their time, and are bounded. */
#include "pins.h"

#include "cmocka_all.h"

#include <errno.h>

static struct digest
digest_of(int n)
{
    struct digest d;

    digest_compute(DIGEST_BLAKE2B, &n, sizeof(n), &d);
    return d;
}

static void
a_pin_holds_for_its_time(void **state UNUSED)
{
    static struct pins p;
    struct digest a = digest_of(1), b = digest_of(2);

    assert_int_equal(pins_add(&p, &a, 100, 0), 0);
    assert_int_equal(pins_add(&p, &b, 50, 0), 0);
    assert_int_equal(pins_add(&p, &b, 40, 0), 0); // does not make it shorter
    assert_int_equal(p.count, 2);
    pins_expire(&p, 49);
    assert_int_equal(p.count, 2);
    pins_expire(&p, 50);
    assert_int_equal(p.count, 1);
    assert_true(digest_equal(&p.list[0].root, &a));
    assert_int_equal(pins_add(&p, &a, 200, 60), 0);
    pins_expire(&p, 199);
    assert_int_equal(p.count, 1);
}

static void
there_is_room_when_others_have_ended(void **state UNUSED)
{
    static struct pins p;
    struct digest d;

    for (int i = 0; i < PINS_MAX; i++) {
        d = digest_of(i);
        assert_int_equal(pins_add(&p, &d, 100 + i, 0), 0);
    }
    d = digest_of(PINS_MAX);
    assert_int_equal(pins_add(&p, &d, 1000, 99), -ENOSPC);
    assert_int_equal(pins_add(&p, &d, 1000, 100), 0);
    assert_int_equal(p.count, PINS_MAX);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pin_holds_for_its_time),
        cmocka_unit_test(there_is_room_when_others_have_ended),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
