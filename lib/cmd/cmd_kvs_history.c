/* SPDX-License-Identifier: MPL-2.0 */
/* cmd_kvs_history.c - xylem kvs history: the roots that a namespace has had. */
#include "cmd_kvs_util.h"
#include "root_arg.h"

#include <jansson.h>
#include <stdio.h>

static long max_count; // 0: all
static bool as_json;
static bool print_keys;

static const struct opt options[] = {
    KVS_OPTION_NS,
    {'n', "count", "N", OPT_LONG, &max_count, "only the newest N (0: all)", 0, INT32_MAX},
    {'k', "keys", NULL, OPT_FLAG, &print_keys, "print the keys that each commit has named", 0, 0},
    {'j', "json", NULL, OPT_FLAG, &as_json, "one JSON object per line", 0, 0},
    {0},
};
static const struct opt_program program = {
    .name = "xylem kvs history",
    .synopsis = "[OPTIONS]",
    .description = "List the roots a namespace has had, the newest first.",
    .options = options,
};

static void
print_json(json_t *version)
{
    json_dumpf(version, stdout, JSON_COMPACT | JSON_SORT_KEYS);
    putchar('\n');
}

static void
print_time(json_t *version)
{
    json_t *timestamp = json_object_get(version, "timestamp");
    char text[CMD_TIME_MAX] = "?";

    if (timestamp)
        cmd_format_time(json_number_value(timestamp), text);
    printf("%-20s", text);
}

/* "?": not known. */
static void
print_changed_keys(json_t *version)
{
    json_t *keys = json_object_get(version, "keys");
    const char *key;
    json_t *value;

    if (!keys)
        printf(" ?");
    json_object_foreach(keys, key, value) printf(" %s", key);
}

static void
print_row(json_t *version)
{
    const char *ref = json_string_value(json_object_get(version, "rootref"));

    printf("%8lld ", (long long)json_integer_value(json_object_get(version, "rootseq")));
    print_time(version);
    printf(" %s", ref ? ref : "?");
    if (print_keys)
        print_changed_keys(version);
    putchar('\n');
}

static void
print_versions(json_t *versions)
{
    size_t count = json_array_size(versions);
    size_t first = max_count > 0 && (size_t)max_count < count ? count - (size_t)max_count : 0;

    if (!as_json)
        printf("%8s %-20s %s%s\n", "Sequence", "Time", "Rootref", print_keys ? " Keys" : "");
    for (size_t i = count; i-- > first;) {
        json_t *version = json_array_get(versions, i);

        if (as_json)
            print_json(version);
        else
            print_row(version);
    }
}

int
kvs_history(int argc, char **argv)
{
    json_t *versions;
    xylem_t *x;

    cmd_parse(&program, argc, argv, 0, 0);
    x = cmd_open(&program);
    versions = root_arg_history(&program, x, ROOT_ARG_ALL, 0);
    xylem_close(x);
    if (!versions)
        return CMD_FAILED;
    print_versions(versions);
    json_decref(versions);
    return CMD_OK;
}
