/* SPDX-License-Identifier: MPL-2.0 */
/* test_bench_report.c - figures and their two forms. */
#include "bench_report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static const struct bench_row row = {
    .test = "load-hot",
    .n = 1000,
    .failed = 3,
    .ops_per_sec = 12345.67,
    .mb_per_sec = 50.5678,
    .p50_us = 44,
    .p99_us = 512.25,
    .size = 4096,
    .window = 64,
    .clients = 2,
};

static void
rates_are_of_what_went_well(void **state UNUSED)
{
    static struct bench_outcome out = {.done = 900, .failed = 100, .seconds = 0.5};
    struct bench_row r = {.n = 1000, .size = 1000000};

    for (int us = 1; us <= 100; us++)
        hist_add(&out.latency, us);
    bench_report_measured(&r, &out);
    assert_int_equal(r.failed, 100);
    assert_true(r.ops_per_sec == 1800);
    assert_true(r.mb_per_sec == 1800);
    assert_true(r.p50_us == 50);
    assert_true(r.p99_us == 99);
}

static void
json_has_the_names_of_the_interface(void **state UNUSED)
{
    AUTO(buf) struct buf text = BUF_INIT;

    bench_report_json(&text, &row, 1);
    assert_string_equal(buf_str(&text),
                        "{\"results\":[{\"test\":\"load-hot\",\"ops_per_sec\":12345.7,"
                        "\"mb_per_sec\":50.568,\"p50_us\":44.0,\"p99_us\":512.2,\"n\":1000,"
                        "\"size\":4096,\"window\":64,\"clients\":2,\"failed\":3}]}\n");
}

static void
json_of_no_and_of_two_results_is_json(void **state UNUSED)
{
    const struct bench_row rows[] = {row, row};
    AUTO(buf) struct buf text = BUF_INIT;

    bench_report_json(&text, NULL, 0);
    assert_string_equal(buf_str(&text), "{\"results\":[]}\n");
    buf_reset(&text);
    bench_report_json(&text, rows, 2);
    assert_non_null(strstr(buf_str(&text), "},{"));
}

static void
titles_stand_above_their_columns(void **state UNUSED)
{
    AUTO(buf) struct buf titles = BUF_INIT;
    AUTO(buf) struct buf line = BUF_INIT;

    bench_report_titles(&titles);
    bench_report_row(&line, &row);
    assert_int_equal(titles.size, line.size);
    assert_string_equal(buf_str(&line), "load-hot       1000      4096      64       2      12346"
                                        "      50.6        44       512       3\n");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rates_are_of_what_went_well),
        cmocka_unit_test(json_has_the_names_of_the_interface),
        cmocka_unit_test(json_of_no_and_of_two_results_is_json),
        cmocka_unit_test(titles_stand_above_their_columns),
    };

    return cmocka_run_group_tests_name("bench_report", tests, NULL, NULL);
}
