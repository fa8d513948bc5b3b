/* SPDX-License-Identifier: MPL-2.0 */
/* test_stats_text.c - the forms of figures: JSON read back, the table, and the text for Prometheus, which
 * a small parser of its format goes through line by line. */
#include "stats_prometheus.h"
#include "stats_read.h"
#include "stats_table.h"
#include "xmem.h"

#include <ctype.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

/* A rank with something in each kind of row. */
static struct metrics *
make_metrics(uint64_t seed)
{
    struct metrics *m = metrics_new();

    for (enum metric id = 0; id < METRIC_COUNT; id++) {
        m->shown[id] = true;
        if (metric_info(id)->kind != METRIC_HISTOGRAM)
            m->values[id] = seed * 1000 + id;
        else
            for (uint64_t i = 0; i < 100; i++)
                metrics_observe(m, id, (int64_t)(i * i * i * seed));
    }
    return m;
}

/* --- reading --- */

static char *
to_json(const struct metrics *m, uint32_t rank)
{
    struct buf out = BUF_INIT;

    buf_printf(&out, "{\"rank\":%u,", rank);
    metrics_write_json(m, &out);
    buf_add_char(&out, '}');
    return buf_detach(&out, NULL);
}

static void
json_is_read_back(void **state UNUSED)
{
    AUTO(metrics) struct metrics *m = make_metrics(3);
    AUTO(metrics) struct metrics *back = NULL;
    AUTO(free) char *text = to_json(m, 17);
    uint32_t rank;

    assert_int_equal(stats_read(text, &rank, &back), 0);
    assert_int_equal(rank, 17);
    for (enum metric id = 0; id < METRIC_COUNT; id++) {
        assert_true(back->shown[id]);
        if (metric_info(id)->kind == METRIC_HISTOGRAM)
            assert_memory_equal(back->hists[id], m->hists[id], sizeof(*m->hists[id]));
        else
            assert_int_equal(back->values[id], m->values[id]);
    }
}

static void
rows_may_be_absent_and_others_there(void **state UNUSED)
{
    AUTO(metrics) struct metrics *m = NULL;
    uint32_t rank;

    assert_int_equal(
        stats_read("{\"rank\":1,\"new\":{\"thing\":[]},\"cache\":{\"hits\":5}}", &rank, &m), 0);
    assert_true(m->shown[METRIC_CACHE_HITS]);
    assert_int_equal(m->values[METRIC_CACHE_HITS], 5);
    assert_false(m->shown[METRIC_CACHE_MISSES]);
    assert_false(m->shown[METRIC_CLIENTS]);
}

static void
nonsense_is_refused(void **state UNUSED)
{
    static const char *const texts[] = {
        "",
        "{}",
        "[]",
        "{\"rank\":-1}",
        "{\"rank\":4294967296}",
        "{\"rank\":1,\"cache\":{\"hits\":\"5\"}}",
        "{\"rank\":1,\"cache\":{\"hits\":-5}}",
        "{\"rank\":1,\"latency\":{\"store\":5}}",
        "{\"rank\":1,\"latency\":{\"store\":{\"sum\":1,\"min\":1,\"max\":1}}}",
        "{\"rank\":1,\"latency\":{\"store\":{\"sum\":1,\"min\":1,\"max\":1,\"buckets\":[[1]]}}}",
        "{\"rank\":1,\"latency\":{\"store\":{\"sum\":1,\"min\":1,\"max\":1,\"buckets\":[[1,-1]]}}}",
    };

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct metrics *m = NULL;
        uint32_t rank;

        assert_int_equal(stats_read(texts[i], &rank, &m), -EPROTO);
        assert_null(m);
    }
}

/* --- the table --- */

static void
check_value(enum metric_unit unit, double value, const char *expected)
{
    AUTO(buf) struct buf out = BUF_INIT;

    stats_table_value(&out, unit, value);
    assert_string_equal(buf_str(&out), expected);
}

static void
values_are_easy_to_read(void **state UNUSED)
{
    check_value(METRIC_ONE, 1234567, "1234567");
    check_value(METRIC_BYTES, 0, "0");
    check_value(METRIC_BYTES, 1023, "1023");
    check_value(METRIC_BYTES, 1024, "1k");
    check_value(METRIC_BYTES, 1536, "1.5k");
    check_value(METRIC_BYTES, 5.0 * 1024 * 1024 * 1024, "5G");
    check_value(METRIC_SECONDS, 0, "0s");
    check_value(METRIC_SECONDS, 59, "59s");
    check_value(METRIC_SECONDS, 5400, "1.5h");
    check_value(METRIC_US, 12.5, "12.5us");
    check_value(METRIC_US, 999, "999us");
    check_value(METRIC_US, 1500, "1.5ms");
    check_value(METRIC_US, 2e6, "2s");
}

static void
only_what_is_shown_has_a_line(void **state UNUSED)
{
    AUTO(metrics) struct metrics *m = metrics_new();
    AUTO(buf) struct buf out = BUF_INIT;

    metrics_show(m, "");
    m->shown[METRIC_CACHE_HITS] = true;
    m->shown[METRIC_CACHE_BYTES] = true;
    m->shown[METRIC_LATENCY_STORE] = true;
    m->shown[METRIC_LATENCY_COMMIT] = true;
    metrics_set(m, METRIC_CLIENTS, 2);
    metrics_set(m, METRIC_CACHE_BYTES, 2048);
    metrics_observe(m, METRIC_LATENCY_STORE, 5);
    stats_table(&out, m);
    assert_string_equal(buf_str(&out),
                        "clients                        2\n"
                        "\n"
                        "cache.hits                     0\n"
                        "cache.bytes                    2k\n"
                        "\n"
                        "latency.store                  1          p50 5us  p99 5us  max 5us\n"
                        "latency.commit                 0\n");
}

/* --- Prometheus --- */

/* What the parser has seen of the family it is in. */
struct family {
    char help[128]; // of "# HELP"
    char name[128]; // of "# TYPE"
    char type[16];
    size_t samples;
    double last_le;      // of a histogram: of the line before; below 0 at its beginning
    uint64_t last_count; // likewise
    bool has_infinity;
};

static bool
is_name(const char *text)
{
    if (!isalpha((unsigned char)*text) && *text != '_')
        return false;
    for (; *text; text++) {
        if (!isalnum((unsigned char)*text) && *text != '_' && *text != ':')
            return false;
    }
    return true;
}

static void
parse_type(struct family *f, const char *line, char seen[][128], size_t *nseen)
{
    assert_int_equal(sscanf(line, "# TYPE %127s %15s", f->name, f->type), 2);
    assert_string_equal(f->name, f->help); // HELP stands in front
    assert_true(is_name(f->name));
    for (size_t i = 0; i < *nseen; i++)
        assert_string_not_equal(seen[i], f->name); // once for each family
    assert_true(*nseen < 2 * METRIC_COUNT);
    memcpy(seen[(*nseen)++], f->name, sizeof(f->name));
    f->samples = 0;
    f->last_le = -1;
    f->last_count = 0;
}

static void
parse_bucket(struct family *f, const char *le, uint64_t count)
{
    bool infinite = strcmp(le, "+Inf") == 0;
    double bound = infinite ? 1e300 : strtod(le, NULL);

    assert_true(bound > f->last_le);
    assert_true(count >= f->last_count);
    f->last_le = bound;
    f->last_count = count;
    f->has_infinity = infinite;
}

static void
parse_histogram(struct family *f, const char *suffix, const char *labels, double value)
{
    char le[32];

    if (strcmp(suffix, "_bucket") == 0) {
        assert_int_equal(sscanf(labels, "rank=\"%*u\",le=\"%31[^\"]\"", le), 1);
        parse_bucket(f, le, (uint64_t)value);
    } else if (strcmp(suffix, "_sum") == 0) {
        assert_true(f->has_infinity);
    } else {
        assert_string_equal(suffix, "_count");
        assert_true(f->last_count == (uint64_t)value);
        f->last_le = -1; // of the next rank
        f->last_count = 0;
        f->has_infinity = false;
        f->samples++;
    }
}

static void
parse_sample(struct family *f, const char *line)
{
    char name[128], labels[128], rest[8];
    double value;

    assert_int_equal(sscanf(line, "%127[^{]{%127[^}]} %lf%7s", name, labels, &value, rest), 3);
    assert_true(is_name(name));
    assert_memory_equal(name, f->name, strlen(f->name));
    assert_memory_equal(labels, "rank=\"", 6);
    assert_true(value >= 0);
    if (strcmp(f->type, "histogram") == 0) {
        parse_histogram(f, name + strlen(f->name), labels, value);
    } else {
        assert_string_equal(name, f->name);
        assert_int_equal(strcmp(f->type, "counter") == 0,
                         strcmp(name + strlen(name) - 6, "_total") == 0);
        f->samples++;
    }
}

/* Returns the number of families, each with samples of nranks ranks. */
static size_t
parse(char *text, size_t nranks)
{
    static char seen[2 * METRIC_COUNT][128];
    struct family f = {0};
    size_t nseen = 0;
    char *rest = text;
    char *line;

    assert_int_equal(text[strlen(text) - 1], '\n');
    while ((line = strtok_r(rest, "\n", &rest))) {
        if (strncmp(line, "# HELP ", 7) == 0) {
            assert_true(nseen == 0 || f.samples == nranks);
            assert_int_equal(sscanf(line, "# HELP %127s", f.help), 1);
        } else if (line[0] == '#') {
            parse_type(&f, line, seen, &nseen);
        } else {
            parse_sample(&f, line);
        }
    }
    assert_int_equal(f.samples, nranks);
    return nseen;
}

static void
every_row_of_every_rank_is_there(void **state UNUSED)
{
    AUTO(metrics) struct metrics *a = make_metrics(1);
    AUTO(metrics) struct metrics *b = make_metrics(70);
    struct stats_rank ranks[] = {{0, a}, {1, NULL}, {2, b}};
    AUTO(buf) struct buf out = BUF_INIT;

    stats_prometheus(&out, ranks, ARRAY_SIZE(ranks));
    assert_int_equal(parse(out.data, 2), METRIC_COUNT);
}

static void
what_no_rank_shows_has_no_family(void **state UNUSED)
{
    AUTO(metrics) struct metrics *m = metrics_new();
    struct stats_rank rank = {7, m};
    AUTO(buf) struct buf out = BUF_INIT;

    m->shown[METRIC_CACHE_HITS] = true;
    metrics_set(m, METRIC_CACHE_HITS, 12);
    stats_prometheus(&out, &rank, 1);
    assert_string_equal(buf_str(&out),
                        "# HELP xylem_cache_hits_total Loads of a blob that was there.\n"
                        "# TYPE xylem_cache_hits_total counter\n"
                        "xylem_cache_hits_total{rank=\"7\"} 12\n");
}

static void
check_name(enum metric id, const char *expected)
{
    AUTO(buf) struct buf out = BUF_INIT;

    stats_prometheus_name(&out, id);
    assert_string_equal(buf_str(&out), expected);
}

static void
names_follow_the_rules(void **state UNUSED)
{
    check_name(METRIC_CACHE_STORES_CLEAN, "xylem_cache_stores_clean_total");
    check_name(METRIC_CACHE_DIRTY_BYTES, "xylem_cache_dirty_bytes");
    check_name(METRIC_LOCAL_IN_BYTES, "xylem_local_in_bytes_total");
    check_name(METRIC_PROCESS_UPTIME, "xylem_process_uptime_seconds");
    check_name(METRIC_LATENCY_LOAD_HIT, "xylem_latency_load_hit_seconds");
    check_name(METRIC_KVS_COMMITS_PER_ROOT, "xylem_kvs_commits_per_root");
}

static bool
has_line(const struct buf *out, const char *line)
{
    const char *at = strstr(buf_str(out), line);

    return at && at[strlen(line)] == '\n' && (at == out->data || at[-1] == '\n');
}

static void
buckets_count_what_is_at_most_their_bound(void **state UNUSED)
{
    AUTO(metrics) struct metrics *m = metrics_new();
    struct stats_rank rank = {0, m};
    AUTO(buf) struct buf out = BUF_INIT;

    m->shown[METRIC_LATENCY_STORE] = true;
    m->shown[METRIC_KVS_COMMITS_PER_ROOT] = true;
    for (int64_t us = 0; us < 1024; us++)
        metrics_observe(m, METRIC_LATENCY_STORE, us);
    for (int64_t n = 1; n <= 100; n++)
        metrics_observe(m, METRIC_KVS_COMMITS_PER_ROOT, n);
    metrics_observe(m, METRIC_LATENCY_STORE, INT64_C(1) << 40); // beyond the last bound
    stats_prometheus(&out, &rank, 1);
    assert_true(has_line(&out, "xylem_latency_store_seconds_bucket{rank=\"0\",le=\"1e-06\"} 1"));
    assert_true(
        has_line(&out, "xylem_latency_store_seconds_bucket{rank=\"0\",le=\"0.000512\"} 512"));
    assert_true(
        has_line(&out, "xylem_latency_store_seconds_bucket{rank=\"0\",le=\"0.001024\"} 1024"));
    assert_true(
        has_line(&out, "xylem_latency_store_seconds_bucket{rank=\"0\",le=\"134.217728\"} 1024"));
    assert_true(has_line(&out, "xylem_latency_store_seconds_bucket{rank=\"0\",le=\"+Inf\"} 1025"));
    assert_true(has_line(&out, "xylem_latency_store_seconds_count{rank=\"0\"} 1025"));
    assert_true(has_line(&out, "xylem_kvs_commits_per_root_bucket{rank=\"0\",le=\"0\"} 0"));
    assert_true(has_line(&out, "xylem_kvs_commits_per_root_bucket{rank=\"0\",le=\"63\"} 63"));
    assert_true(has_line(&out, "xylem_kvs_commits_per_root_sum{rank=\"0\"} 5050"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_is_read_back),
        cmocka_unit_test(rows_may_be_absent_and_others_there),
        cmocka_unit_test(nonsense_is_refused),
        cmocka_unit_test(values_are_easy_to_read),
        cmocka_unit_test(only_what_is_shown_has_a_line),
        cmocka_unit_test(every_row_of_every_rank_is_there),
        cmocka_unit_test(what_no_rank_shows_has_no_family),
        cmocka_unit_test(names_follow_the_rules),
        cmocka_unit_test(buckets_count_what_is_at_most_their_bound),
    };

    return cmocka_run_group_tests_name("stats_text", tests, NULL, NULL);
}
