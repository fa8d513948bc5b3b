/* SPDX-License-Identifier: MPL-2.0 */
/* test_metric.c - the table's own rules, and sets of figures. */
#include "metric.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

/* --- the table --- */

static bool
ends_with(const char *text, const char *end)
{
    size_t length = strlen(text);

    return length >= strlen(end) && strcmp(text + length - strlen(end), end) == 0;
}

static void
names_are_words_with_at_most_one_dot(void **state UNUSED)
{
    for (enum metric id = 0; id < METRIC_COUNT; id++) {
        const char *name = metric_info(id)->name;
        int dots = 0;

        assert_true(islower((unsigned char)name[0]));
        for (const char *p = name; *p; p++) {
            assert_true(islower((unsigned char)*p) || isdigit((unsigned char)*p) || *p == '-' ||
                        *p == '.');
            dots += *p == '.';
        }
        assert_true(dots <= 1);
        assert_true(isalnum((unsigned char)name[strlen(name) - 1]));
    }
}

static void
every_name_is_there_once(void **state UNUSED)
{
    for (enum metric id = 0; id < METRIC_COUNT; id++)
        assert_int_equal(metric_find(metric_info(id)->name), id);
    assert_int_equal(metric_find("cache.nix"), METRIC_COUNT);
    assert_int_equal(metric_find("cache"), METRIC_COUNT);
}

/* "cache-x" and "cache.x" would be the same for Prometheus. */
static void
names_differ_also_without_their_punctuation(void **state UNUSED)
{
    char names[METRIC_COUNT][64];

    for (enum metric id = 0; id < METRIC_COUNT; id++) {
        snprintf(names[id], sizeof(names[id]), "%s", metric_info(id)->name);
        for (char *p = names[id]; *p; p++)
            *p = isalnum((unsigned char)*p) ? *p : '_';
        for (enum metric other = 0; other < id; other++)
            assert_string_not_equal(names[id], names[other]);
    }
}

static void
rows_of_a_group_stand_together(void **state UNUSED)
{
    for (enum metric id = 0; id < METRIC_COUNT; id++) {
        const char *name = metric_info(id)->name;
        size_t length = metric_group_length(name);
        bool left = false;

        for (enum metric later = id; later < METRIC_COUNT; later++) {
            const char *next = metric_info(later)->name;
            bool same = metric_group_length(next) == length && strncmp(name, next, length) == 0;

            assert_false(same && left);
            left = left || !same;
        }
    }
}

static void
kinds_and_units_go_together(void **state UNUSED)
{
    for (enum metric id = 0; id < METRIC_COUNT; id++) {
        const struct metric_info *info = metric_info(id);

        assert_int_equal(info->unit == METRIC_BYTES, ends_with(info->name, "bytes"));
        if (info->unit == METRIC_US)
            assert_int_equal(info->kind, METRIC_HISTOGRAM);
        if (info->unit == METRIC_SECONDS)
            assert_int_equal(info->kind, METRIC_STATE);
    }
}

/* Prometheus would want some characters escaped, and mdoc others. */
static void
help_is_a_plain_sentence(void **state UNUSED)
{
    for (enum metric id = 0; id < METRIC_COUNT; id++) {
        const char *help = metric_info(id)->help;

        assert_true(isupper((unsigned char)help[0]));
        assert_null(strpbrk(help, "\\\n\"\t"));
        assert_false(ends_with(help, "."));
    }
}

/* --- sets --- */

static void
nobody_may_want_them(void **state UNUSED)
{
    metrics_set(NULL, METRIC_CLIENTS, 1);
    metrics_add(NULL, METRIC_CLIENTS, 1);
    metrics_observe(NULL, METRIC_LATENCY_STORE, 1);
}

static void
sums_leave_out_what_cannot_be_added(void **state UNUSED)
{
    AUTO(metrics) struct metrics *sum = metrics_new();
    AUTO(metrics) struct metrics *a = metrics_new();
    AUTO(metrics) struct metrics *b = metrics_new();

    metrics_show(a, "cache");
    metrics_show(a, "process");
    metrics_show(a, "latency");
    metrics_show(b, "cache");
    metrics_show(b, "latency");
    metrics_set(a, METRIC_CACHE_HITS, 3);
    metrics_set(b, METRIC_CACHE_HITS, 4);
    metrics_set(a, METRIC_PROCESS_UPTIME, 100);
    metrics_set(a, METRIC_PROCESS_RESIDENT, 5000);
    metrics_observe(a, METRIC_LATENCY_STORE, 10);
    metrics_observe(b, METRIC_LATENCY_STORE, 30);
    metrics_merge(sum, a);
    metrics_merge(sum, b);
    assert_int_equal(sum->values[METRIC_CACHE_HITS], 7);
    assert_int_equal(sum->values[METRIC_PROCESS_RESIDENT], 5000);
    assert_false(sum->shown[METRIC_PROCESS_UPTIME]);
    assert_true(sum->shown[METRIC_PROCESS_RESIDENT]);
    assert_false(sum->shown[METRIC_STORE_ROWS]);
    assert_int_equal(metrics_hist(sum, METRIC_LATENCY_STORE)->count, 2);
    assert_int_equal(metrics_hist(sum, METRIC_LATENCY_STORE)->sum, 40);
    assert_int_equal(metrics_hist(sum, METRIC_LATENCY_COMMIT)->count, 0);
}

static void
json_is_an_object_for_each_group(void **state UNUSED)
{
    AUTO(metrics) struct metrics *m = metrics_new();
    AUTO(buf) struct buf text = BUF_INIT;

    metrics_write_json(m, &text);
    assert_string_equal(buf_str(&text), "");
    metrics_show(m, "");
    metrics_show(m, "process");
    m->shown[METRIC_KVS_COMMITS_PER_ROOT] = true;
    metrics_set(m, METRIC_CLIENTS, 2);
    metrics_set(m, METRIC_PROCESS_RESIDENT, UINT64_MAX);
    metrics_observe(m, METRIC_KVS_COMMITS_PER_ROOT, 1);
    metrics_observe(m, METRIC_KVS_COMMITS_PER_ROOT, 1);
    metrics_observe(m, METRIC_KVS_COMMITS_PER_ROOT, 1001);
    metrics_write_json(m, &text);
    assert_string_equal(
        buf_str(&text),
        "\"clients\":2,\"process\":{\"uptime\":0,\"resident-bytes\":9223372036854775807},"
        "\"kvs\":{\"commits-per-root\":{\"count\":3,\"sum\":1003,\"min\":1,\"max\":1001,"
        "\"p50\":1,\"p90\":1001,\"p99\":1001,\"p999\":1001,"
        "\"buckets\":[[1,2],[1007,1]]}}");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_words_with_at_most_one_dot),
        cmocka_unit_test(every_name_is_there_once),
        cmocka_unit_test(names_differ_also_without_their_punctuation),
        cmocka_unit_test(rows_of_a_group_stand_together),
        cmocka_unit_test(kinds_and_units_go_together),
        cmocka_unit_test(help_is_a_plain_sentence),
        cmocka_unit_test(nobody_may_want_them),
        cmocka_unit_test(sums_leave_out_what_cannot_be_added),
        cmocka_unit_test(json_is_an_object_for_each_group),
    };

    return cmocka_run_group_tests_name("metric", tests, NULL, NULL);
}
