/* SPDX-License-Identifier: MPL-2.0 */
/* test_top_table.c - what ranks do, as a table. */
#include "cmocka_all.h"

#include "top_table.h"
#include "xmem.h"

static struct top_sample before, now; // owned

static void
set_up_ranks(size_t count)
{
    top_sample_init(&before, count);
    top_sample_init(&now, count);
    now.at = 2000000;
    for (size_t i = 0; i < count; i++) {
        before.ranks[i].metrics = metrics_new();
        now.ranks[i].metrics = metrics_new();
        for (int id = 0; id < METRIC_COUNT; id++)
            before.ranks[i].metrics->shown[id] = now.ranks[i].metrics->shown[id] = true;
    }
}

static int
set_up(void **state)
{
    (void)state;
    set_up_ranks(2);
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    top_sample_fini(&before);
    top_sample_fini(&now);
    assert_null(now.ranks);
    return 0;
}

static void
set(size_t rank, enum metric id, uint64_t old, uint64_t new)
{
    before.ranks[rank].metrics->values[id] = old;
    now.ranks[rank].metrics->values[id] = new;
}

static void
check(int sort, size_t lines, const char *want)
{
    AUTO(buf) struct buf out = BUF_INIT;

    top_table(&out, &before, &now, &(struct top_style){.sort = sort, .lines = lines});
    assert_string_equal(buf_str(&out), want);
}

#define HEADING \
    "   RANK   REQ/S  LOAD/S HIT% STORE/S LOOKUP/S COMMIT/S    IN/S   OUT/S   CACHE   DIRTY" \
    "  MEMORY CLIENTS  UPTIME\n"
#define ZEROS "       0       0    -       0        0        0       0       0"

static void
test_rates_and_levels(void **state)
{
    (void)state;
    set(0, METRIC_ROUTER_REQUESTS, 1000, 3000);
    set(1, METRIC_ROUTER_REQUESTS, 10, 15);
    set(0, METRIC_CACHE_LOADS, 0, 400);
    set(0, METRIC_CACHE_HITS, 0, 300);
    set(1, METRIC_CACHE_LOADS, 0, 100);
    set(0, METRIC_LOCAL_IN_BYTES, 0, 2048);
    set(0, METRIC_PARENT_IN_BYTES, 1, 2049);
    set(1, METRIC_REMOTE_OUT_BYTES, 0, 3 << 20);
    set(0, METRIC_PROCESS_RESIDENT, 5, 30 << 20);
    set(0, METRIC_CLIENTS, 0, 2);
    set(0, METRIC_REMOTE_CLIENTS, 0, 1);
    set(0, METRIC_PROCESS_UPTIME, 98, 100);
    set(1, METRIC_PROCESS_UPTIME, 7198, 7200);
    check(0, 0,
          HEADING
          "    all    1002     250   60       0        0        0      2k    1.5M       0       0"
          "     30M       3       -\n"
          "      0    1000     200   75       0        0        0      2k       0       0       0"
          "     30M       3  1.7min\n"
          "      1     2.5      50    0       0        0        0       0    1.5M       0       0"
          "       0       0      2h\n");
}

static void
test_what_cannot_be_known(void **state)
{
    (void)state;
    now.ranks[0].metrics->shown[METRIC_KVS_COMMITS] = false;
    set(0, METRIC_ROUTER_REQUESTS, 10, 20);
    set(1, METRIC_ROUTER_REQUESTS, 1000, 500); // another run
    set(1, METRIC_PROCESS_UPTIME, 90, 1);
    check(0, 0,
          HEADING
          "    all     5.0       0    -       0        0        -       0       0       0       0"
          "       0       0       -\n"
          "      0     5.0       0    -       0        0        -       0       0       0       0"
          "       0       0      0s\n"
          "      1       -       -    -       -        -        -       -       -       0       0"
          "       0       0      1s\n");
    metrics_free(&now.ranks[1].metrics);
    now.ranks[1].error = xstrdup("rank 1 is lost");
    metrics_free(&before.ranks[0].metrics);
    check(0, 0,
          HEADING
          "    all       -       -    -       -        -        -       -       -       0       0"
          "       0       0       -\n"
          "      0       -       -    -       -        -        -       -       -       0       0"
          "       0       0      0s\n"
          "      1  rank 1 is lost\n");
}

static void
test_order_and_room(void **state)
{
    static const uint64_t bytes[] = {1, 5, 3, 5, 0};
    const int column = top_column_find("cache");

    (void)state;
    tear_down(NULL);
    set_up_ranks(5);
    for (size_t i = 0; i < ARRAY_SIZE(bytes); i++)
        set(i, METRIC_CACHE_BYTES, 0, bytes[i]);
    metrics_free(&now.ranks[4].metrics);
    check(column, 5,
          HEADING "    all" ZEROS "      14       0       0       0       -\n"
                  "      1" ZEROS "       5       0       0       0      0s\n"
                  "      3" ZEROS "       5       0       0       0      0s\n"
                  "    ... 3 more\n");
    check(column, 7,
          HEADING "    all" ZEROS "      14       0       0       0       -\n"
                  "      1" ZEROS "       5       0       0       0      0s\n"
                  "      3" ZEROS "       5       0       0       0      0s\n"
                  "      2" ZEROS "       3       0       0       0      0s\n"
                  "      0" ZEROS "       1       0       0       0      0s\n"
                  "      4  no answer\n");
}

static void
test_columns(void **state)
{
    AUTO(buf) struct buf names = BUF_INIT;

    (void)state;
    assert_int_equal(top_column_find("rank"), 0);
    assert_int_equal(top_column_find("HIT%"), 3);
    assert_int_equal(top_column_find("hit"), -EINVAL);
    top_column_names(&names);
    assert_string_equal(buf_str(&names), "rank,req/s,load/s,hit%,store/s,lookup/s,commit/s,in/s,"
                                         "out/s,cache,dirty,memory,clients,uptime");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_rates_and_levels, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_cannot_be_known, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_order_and_room, set_up, tear_down),
        cmocka_unit_test(test_columns),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
