/* SPDX-License-Identifier: MPL-2.0 */
/* test_clock.c - the clocks agree with each other and with the system. */
#include "cmocka_all.h"

#include "clock.h"

#include <time.h>

static void
monotonic_clock_never_goes_back(void **state UNUSED)
{
    int64_t last = clock_us();

    for (int i = 0; i < 10000; i++) {
        int64_t now = clock_us();

        assert_true(now >= last);
        last = now;
    }
}

static void
milliseconds_are_thousands_of_microseconds(void **state UNUSED)
{
    int64_t before = clock_us();
    int64_t ms = clock_ms();
    int64_t after = clock_us();

    assert_true(ms >= before / 1000);
    assert_true(ms <= after / 1000);
}

static void
wall_clock_is_the_time_of_day(void **state UNUSED)
{
    double before = (double)(time(NULL) - 1); // time() may lag by a tick
    double wall = clock_wall();
    double after = (double)(time(NULL) + 1);

    assert_true(wall >= before);
    assert_true(wall <= after);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(monotonic_clock_never_goes_back),
        cmocka_unit_test(milliseconds_are_thousands_of_microseconds),
        cmocka_unit_test(wall_clock_is_the_time_of_day),
    };

    return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
