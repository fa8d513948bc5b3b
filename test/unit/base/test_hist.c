/* SPDX-License-Identifier: MPL-2.0 */
/* test_hist.c - quantiles against those of the sorted samples. */
#include "hist.h"
#include "xmem.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#define SAMPLES 20000

static struct hist hist;

static int
clear(void **state UNUSED)
{
    memset(&hist, 0, sizeof(hist));
    return 0;
}

static bool
is_within(double value, double expected, double share)
{
    return fabs(value - expected) <= share * expected;
}

static void
no_samples_have_quantile_zero(void **state UNUSED)
{
    assert_true(hist_quantile(&hist, 500) == 0);
    assert_true(hist_quantile(&hist, 1000) == 0);
}

static void
one_sample_is_every_quantile(void **state UNUSED)
{
    hist_add(&hist, 42);
    assert_true(hist_quantile(&hist, 10) == 42);
    assert_true(hist_quantile(&hist, 500) == 42);
    assert_true(hist_quantile(&hist, 1000) == 42);
}

static void
small_samples_are_exact(void **state UNUSED)
{
    for (int us = 1; us <= 100; us++)
        hist_add(&hist, us);
    assert_int_equal(hist.count, 100);
    for (unsigned percent = 1; percent <= 100; percent++)
        assert_true(hist_quantile(&hist, 10 * percent) == percent);
}

static void
every_magnitude_is_kept_to_one_percent(void **state UNUSED)
{
    for (uint64_t us = 1; us < UINT64_C(1) << 41; us += us / 7 + 1) {
        clear(NULL);
        hist_add(&hist, 0); // the ends are known exactly
        hist_add(&hist, (int64_t)us);
        hist_add(&hist, (int64_t)(4 * us));
        assert_true(is_within(hist_quantile(&hist, 600), (double)us, 0.01));
        assert_true(hist_quantile(&hist, 1000) <= 4 * (double)us);
    }
}

static void
samples_out_of_range_go_to_the_ends(void **state UNUSED)
{
    hist_add(&hist, -5);
    assert_true(hist_quantile(&hist, 1000) == 0);
    hist_add(&hist, INT64_MAX);
    assert_int_equal(hist.buckets[HIST_BUCKETS - 1], 1);
    assert_true(hist_quantile(&hist, 1000) > 1e12);
}

static int
compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static void
quantiles_are_those_of_the_sorted_samples(void **state UNUSED)
{
    AUTO(free) int64_t *samples = xcalloc(SAMPLES, sizeof(samples[0]));
    uint32_t seed = 7;

    for (size_t i = 0; i < SAMPLES; i++) {
        seed = seed * 1664525 + 1013904223;
        samples[i] = (int64_t)(seed >> 8) >> (seed >> 28); // many magnitudes
        hist_add(&hist, samples[i]);
    }
    qsort(samples, SAMPLES, sizeof(samples[0]), compare);
    for (unsigned percent = 1; percent <= 100; percent++) {
        double expected = (double)samples[SAMPLES / 100 * percent - 1];

        assert_true(is_within(hist_quantile(&hist, 10 * percent), expected, 0.01));
    }
}

static void
merging_is_the_same_as_adding_all_to_one(void **state UNUSED)
{
    static struct hist parts[3];
    static struct hist sum;

    for (int us = 0; us < 3000; us++) {
        hist_add(&parts[us % 3], us * us);
        hist_add(&hist, us * us);
    }
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
        hist_merge(&sum, &parts[i]);
    assert_memory_equal(&sum, &hist, sizeof(sum));
}

static void
sum_and_ends_are_exact(void **state UNUSED)
{
    hist_add(&hist, 1000003);
    hist_add(&hist, 77777);
    hist_add(&hist, 5000000019);
    assert_int_equal(hist.count, 3);
    assert_int_equal(hist.sum, 5001077799);
    assert_int_equal(hist.min, 77777);
    assert_int_equal(hist.max, 5000000019);
}

static void
nothing_is_merged_from_an_empty_one(void **state UNUSED)
{
    static const struct hist empty;
    static struct hist before;

    hist_add(&hist, 500);
    before = hist;
    hist_merge(&hist, &empty);
    assert_memory_equal(&hist, &before, sizeof(hist));
    clear(NULL);
    hist_merge(&hist, &before);
    assert_memory_equal(&hist, &before, sizeof(hist));
}

static void
what_is_below_a_power_of_two_is_counted_exactly(void **state UNUSED)
{
    for (int64_t value = 0; value < 100000; value++)
        hist_add(&hist, value);
    for (unsigned power = 0; power < 17; power++)
        assert_int_equal(hist_count_below(&hist, power), UINT64_C(1) << power);
    assert_int_equal(hist_count_below(&hist, 17), 100000);
    assert_int_equal(hist_count_below(&hist, 63), 100000);
}

static void
a_bucket_is_found_by_its_largest_value(void **state UNUSED)
{
    for (size_t i = 0; i < HIST_BUCKETS; i++) {
        clear(NULL);
        hist_add_to_bucket(&hist, hist_bucket_last(i), 3);
        assert_int_equal(hist.buckets[i], 3);
        if (i + 1 == HIST_BUCKETS)
            break;
        hist_add_to_bucket(&hist, hist_bucket_last(i) + 1, 2);
        assert_int_equal(hist.buckets[i + 1], 2);
    }
}

static void
stddev_is_right_to_one_percent(void **state UNUSED)
{
    static const struct {
        int64_t low, high; // as many samples of each
        double stddev;
    } rows[] = {
        {5, 5, 0}, {1, 3, 1}, {0, 100, 50}, {1000, 3000, 1000}, {1000000, 9000000, 4000000}};

    assert_true(hist_stddev(&hist) == 0);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        double found;

        clear(NULL);
        for (int n = 0; n < 1000; n++) {
            hist_add(&hist, rows[i].low);
            hist_add(&hist, rows[i].high);
        }
        found = hist_stddev(&hist);
        assert_true(found >= rows[i].stddev * 0.99 && found <= rows[i].stddev * 1.01);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(no_samples_have_quantile_zero, clear),
        cmocka_unit_test_setup(one_sample_is_every_quantile, clear),
        cmocka_unit_test_setup(small_samples_are_exact, clear),
        cmocka_unit_test_setup(every_magnitude_is_kept_to_one_percent, clear),
        cmocka_unit_test_setup(samples_out_of_range_go_to_the_ends, clear),
        cmocka_unit_test_setup(quantiles_are_those_of_the_sorted_samples, clear),
        cmocka_unit_test_setup(merging_is_the_same_as_adding_all_to_one, clear),
        cmocka_unit_test_setup(sum_and_ends_are_exact, clear),
        cmocka_unit_test_setup(nothing_is_merged_from_an_empty_one, clear),
        cmocka_unit_test_setup(what_is_below_a_power_of_two_is_counted_exactly, clear),
        cmocka_unit_test_setup(a_bucket_is_found_by_its_largest_value, clear),
        cmocka_unit_test_setup(stddev_is_right_to_one_percent, clear),
    };

    return cmocka_run_group_tests_name("hist", tests, NULL, NULL);
}
