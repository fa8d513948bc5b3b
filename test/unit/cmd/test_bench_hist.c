/* SPDX-License-Identifier: MPL-2.0 */
/* test_bench_hist.c - percentiles against those of the sorted samples. */
#include "bench_hist.h"
#include "xmem.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#define SAMPLES 20000

static struct bench_hist hist;

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
no_samples_have_percentile_zero(void **state UNUSED)
{
    assert_true(bench_hist_percentile(&hist, 50) == 0);
    assert_true(bench_hist_percentile(&hist, 100) == 0);
}

static void
one_sample_is_every_percentile(void **state UNUSED)
{
    bench_hist_add(&hist, 42);
    assert_true(bench_hist_percentile(&hist, 1) == 42);
    assert_true(bench_hist_percentile(&hist, 50) == 42);
    assert_true(bench_hist_percentile(&hist, 100) == 42);
}

static void
small_samples_are_exact(void **state UNUSED)
{
    for (int us = 1; us <= 100; us++)
        bench_hist_add(&hist, us);
    assert_int_equal(hist.count, 100);
    for (unsigned percent = 1; percent <= 100; percent++)
        assert_true(bench_hist_percentile(&hist, percent) == percent);
}

static void
every_magnitude_is_kept_to_one_percent(void **state UNUSED)
{
    for (uint64_t us = 1; us < UINT64_C(1) << 41; us += us / 7 + 1) {
        clear(NULL);
        bench_hist_add(&hist, (int64_t)us);
        assert_true(is_within(bench_hist_percentile(&hist, 100), (double)us, 0.01));
    }
}

static void
samples_out_of_range_go_to_the_ends(void **state UNUSED)
{
    bench_hist_add(&hist, -5);
    assert_true(bench_hist_percentile(&hist, 100) == 0);
    bench_hist_add(&hist, INT64_MAX);
    assert_int_equal(hist.buckets[BENCH_HIST_BUCKETS - 1], 1);
    assert_true(bench_hist_percentile(&hist, 100) > 1e12);
}

static int
compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static void
percentiles_are_those_of_the_sorted_samples(void **state UNUSED)
{
    AUTO(free) int64_t *samples = xcalloc(SAMPLES, sizeof(samples[0]));
    uint32_t seed = 7;

    for (size_t i = 0; i < SAMPLES; i++) {
        seed = seed * 1664525 + 1013904223;
        samples[i] = (int64_t)(seed >> 8) >> (seed >> 28); // many magnitudes
        bench_hist_add(&hist, samples[i]);
    }
    qsort(samples, SAMPLES, sizeof(samples[0]), compare);
    for (unsigned percent = 1; percent <= 100; percent++) {
        double expected = (double)samples[SAMPLES / 100 * percent - 1];

        assert_true(is_within(bench_hist_percentile(&hist, percent), expected, 0.01));
    }
}

static void
merging_is_the_same_as_adding_all_to_one(void **state UNUSED)
{
    static struct bench_hist parts[3];
    static struct bench_hist sum;

    for (int us = 0; us < 3000; us++) {
        bench_hist_add(&parts[us % 3], us * us);
        bench_hist_add(&hist, us * us);
    }
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
        bench_hist_merge(&sum, &parts[i]);
    assert_memory_equal(&sum, &hist, sizeof(sum));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(no_samples_have_percentile_zero, clear),
        cmocka_unit_test_setup(one_sample_is_every_percentile, clear),
        cmocka_unit_test_setup(small_samples_are_exact, clear),
        cmocka_unit_test_setup(every_magnitude_is_kept_to_one_percent, clear),
        cmocka_unit_test_setup(samples_out_of_range_go_to_the_ends, clear),
        cmocka_unit_test_setup(percentiles_are_those_of_the_sorted_samples, clear),
        cmocka_unit_test_setup(merging_is_the_same_as_adding_all_to_one, clear),
    };

    return cmocka_run_group_tests_name("bench_hist", tests, NULL, NULL);
}
