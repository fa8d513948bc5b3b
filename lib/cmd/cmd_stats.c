/* SPDX-License-Identifier: MPL-2.0 */
/* cmd_stats.c - xylem stats: the counters of one rank or of all.
 *
 * The answer of stats.get is an object of numbers, texts and further objects.  As text, and for
 * Prometheus, nested names are joined: {"cache":{"hits":1}} is "cache.hits 1". */
#include "cmd.h"
#include "buf.h"
#include "units.h"
#include "xmem.h"

#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

static const char *rank_text;
static bool as_json;
static bool as_prometheus;

static const struct opt options[] = {
    {'r', "rank", "R", OPT_STRING, &rank_text, "which rank, or 'all' (default: the connected one)",
     0, 0},
    {0, "json", NULL, OPT_FLAG, &as_json, "print JSON", 0, 0},
    {0, "prometheus", NULL, OPT_FLAG, &as_prometheus, "print the text form of Prometheus", 0, 0},
    {0},
};
static const struct opt_program program = {
    .name = "xylem stats",
    .synopsis = "[OPTIONS]",
    .description = "Print the counters of a rank.",
    .options = options,
};

/* rank < 0: no label. */
static void
print_prometheus(const char *name, long rank, const json_t *value)
{
    double number = json_is_true(value) ? 1 : json_number_value(value);

    if (json_is_string(value))
        return;
    printf("xylem_");
    for (; *name; name++)
        putchar(isalnum((unsigned char)*name) ? *name : '_');
    if (rank >= 0)
        printf("{rank=\"%ld\"}", rank);
    printf(" %.15g\n", number);
}

static void
print_text(const char *name, const json_t *value)
{
    AUTO(free)
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(9));

    if (json_is_string(value))
        printf("%-32s %s\n", name, json_string_value(value));
    else
        printf("%-32s %s\n", name, text ? text : "");
}

static void
print_flat(struct buf *name, long rank, json_t *object)
{
    size_t length = name->size;
    const char *key;
    json_t *value;

    json_object_foreach(object, key, value)
    {
        buf_printf(name, "%s%s", length > 0 ? "." : "", key);
        if (json_is_object(value))
            print_flat(name, rank, value);
        else if (as_prometheus)
            print_prometheus(buf_str(name), rank, value);
        else
            print_text(buf_str(name), value);
        name->size = length;
        name->data[length] = '\0';
    }
}

static void
print_stats(long rank, json_t *stats)
{
    AUTO(buf) struct buf name = BUF_INIT;

    if (rank >= 0 && !as_prometheus)
        printf("rank %ld\n", rank);
    print_flat(&name, rank, stats);
}

static void
print_json(const json_t *json)
{
    json_dumpf(json, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(9));
    putchar('\n');
}

static int
print_one(xylem_t *x)
{
    uint32_t rank = cmd_rank(&program, rank_text);
    json_t *stats = cmd_rpc_json(&program, x, "stats.get", rank, "{}", rank_text);

    if (!stats)
        return CMD_FAILED;
    if (as_json)
        print_json(stats);
    else
        print_stats(as_prometheus && rank_text ? (long)rank : -1, stats);
    json_decref(stats);
    return CMD_OK;
}

/* A rank that does not answer does not keep the others from being shown. */
static int
collect(xylem_t *x, long size, json_t *list)
{
    int status = CMD_OK;

    for (long rank = 0; rank < size; rank++) {
        AUTO(free) char *what = xasprintf("%ld", rank);
        json_t *stats = cmd_rpc_json(&program, x, "stats.get", (uint32_t)rank, "{}", what);

        if (!stats) {
            status = CMD_FAILED;
            continue;
        }
        if (!as_json)
            print_stats(rank, stats);
        json_array_append_new(list,
                              json_pack("{s:I,s:o}", "rank", (json_int_t)rank, "stats", stats));
    }
    return status;
}

static int
print_all(xylem_t *x)
{
    AUTO(free) char *text = NULL;
    json_t *list;
    long size;
    int status;

    if (xylem_getattr(x, "size", &text) < 0)
        return cmd_fail_x(&program, x, "size");
    if (units_parse_long(text, 1, INT32_MAX, &size) < 0)
        return cmd_fail(&program, "size: '%s' is not a number", text);
    list = json_array();
    status = collect(x, size, list);
    if (as_json)
        print_json(list);
    json_decref(list);
    return status;
}

int
cmd_stats(int argc, char **argv)
{
    bool all;
    xylem_t *x;
    int status;

    cmd_parse(&program, argc, argv, 0, 0);
    all = rank_text && strcmp(rank_text, "all") == 0;
    if (!all)
        cmd_rank(&program, rank_text);
    x = cmd_open(&program);
    status = all ? print_all(x) : print_one(x);
    xylem_close(x);
    return status;
}
