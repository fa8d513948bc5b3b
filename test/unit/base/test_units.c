/* SPDX-License-Identifier: MPL-2.0 */
/* test_units.c - sizes, durations, numbers: tables of texts and what they mean. */
#include "cmocka_all.h"

#include "units.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>

#define UNTOUCHED 4711

static const struct {
    const char *text;
    int rc;
    uint64_t value;
} sizes[] = {
    {"0", 0, 0},
    {"64", 0, 64},
    {"1k", 0, 1024},
    {"1K", 0, 1024},
    {"64M", 0, 64ULL << 20},
    {"3G", 0, 3ULL << 30},
    {"007", 0, 7},
    {"18446744073709551615", 0, UINT64_MAX},
    {"17179869183G", 0, 17179869183ULL << 30},
    {"18446744073709551616", -ERANGE, 0},
    {"17179869184G", -ERANGE, 0},
    {"99999999999999999999999999M", -ERANGE, 0},
    {"99999999999999999999999999X", -EINVAL, 0},
    {"", -EINVAL, 0},
    {"M", -EINVAL, 0},
    {"-1", -EINVAL, 0},
    {"+1", -EINVAL, 0},
    {" 1", -EINVAL, 0},
    {"1 ", -EINVAL, 0},
    {"1 M", -EINVAL, 0},
    {"1m", -EINVAL, 0},
    {"1MB", -EINVAL, 0},
    {"1.5M", -EINVAL, 0},
    {"0x10", -EINVAL, 0},
    {"1kk", -EINVAL, 0},
};

static const struct {
    const char *text;
    int rc;
    int64_t ms;
} durations[] = {
    {"0", 0, 0},
    {"5", 0, 5000},
    {"0.25", 0, 250},
    {"250ms", 0, 250},
    {"1.5s", 0, 1500},
    {"2m", 0, 120000},
    {"1.5h", 0, 5400000},
    {"0.1ms", 0, 1},
    {"0.0000000000001", 0, 1},
    {"1.0000000000000", 0, 1000},
    {"0.999999999999h", 0, 3600000},
    {"9223372036854775807ms", 0, INT64_MAX},
    {"9223372036854775807.5ms", -ERANGE, 0},
    {"9223372036854775808ms", -ERANGE, 0},
    {"18446744073709551615", -ERANGE, 0},
    {"99999999999999999999h", -ERANGE, 0},
    {"", -EINVAL, 0},
    {"s", -EINVAL, 0},
    {".5", -EINVAL, 0},
    {"5.", -EINVAL, 0},
    {"5.s", -EINVAL, 0},
    {"1.2.3", -EINVAL, 0},
    {"-1s", -EINVAL, 0},
    {"1 s", -EINVAL, 0},
    {"1s2", -EINVAL, 0},
    {"1d", -EINVAL, 0},
    {"1S", -EINVAL, 0},
    {"1e3", -EINVAL, 0},
    {"inf", -EINVAL, 0},
};

static void
sizes_are_read_strictly(void **state UNUSED)
{
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        uint64_t value = UNTOUCHED;

        print_message("size '%s'\n", sizes[i].text);
        assert_int_equal(units_parse_size(sizes[i].text, &value), sizes[i].rc);
        assert_true(value == (sizes[i].rc == 0 ? sizes[i].value : UNTOUCHED));
    }
}

static void
durations_are_read_strictly(void **state UNUSED)
{
    for (size_t i = 0; i < ARRAY_SIZE(durations); i++) {
        int64_t ms = UNTOUCHED;

        print_message("duration '%s'\n", durations[i].text);
        assert_int_equal(units_parse_duration(durations[i].text, &ms), durations[i].rc);
        assert_true(ms == (durations[i].rc == 0 ? durations[i].ms : UNTOUCHED));
    }
}

static void
numbers_stay_within_their_limits(void **state UNUSED)
{
    long value = UNTOUCHED;

    assert_int_equal(units_parse_long("-5", -5, 5, &value), 0);
    assert_int_equal(value, -5);
    assert_int_equal(units_parse_long("5", -5, 5, &value), 0);
    assert_int_equal(value, 5);
    assert_int_equal(units_parse_long("6", -5, 5, &value), -ERANGE);
    assert_int_equal(units_parse_long("-6", -5, 5, &value), -ERANGE);
    assert_int_equal(units_parse_long("99999999999999999999", LONG_MIN, LONG_MAX, &value), -ERANGE);
    assert_int_equal(value, 5);
}

static void
numbers_are_read_strictly(void **state UNUSED)
{
    static const char *const wrong[] = {"", "-", "+1", " 1", "1 ", "1k", "0x1", "--1", "1.0", "x"};
    long value = UNTOUCHED;

    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        assert_int_equal(units_parse_long(wrong[i], LONG_MIN, LONG_MAX, &value), -EINVAL);
    assert_int_equal(value, UNTOUCHED);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_are_read_strictly),
        cmocka_unit_test(durations_are_read_strictly),
        cmocka_unit_test(numbers_stay_within_their_limits),
        cmocka_unit_test(numbers_are_read_strictly),
    };

    return cmocka_run_group_tests_name("units", tests, NULL, NULL);
}
