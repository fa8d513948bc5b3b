/* SPDX-License-Identifier: MPL-2.0 */
/* cmd_overlay_events.c - xylem overlay events: ranks that joined, left or were lost.
 *
 *     2026-11-21T19:22:54Z lost rank=3 parent=1 host=n03
 *
 * Rank 0 keeps the last of them.  To follow is to ask again and again for what is newer than the newest,
 * and to be answered when there is something: so nothing is seen twice, and nothing is missed unless it
 * is more than rank 0 keeps. */
#include "cmd_overlay.h"
#include "xmem.h"

#include <stdio.h>

static bool follow;
static bool as_json;

static const struct opt options[] = {
    {'f', "follow", NULL, OPT_FLAG, &follow, "go on with those to come", 0, 0},
    {0, "json", NULL, OPT_FLAG, &as_json, "print JSON, a line for each", 0, 0},
    {0},
};
static const struct opt_program program = {
    .name = "xylem overlay events",
    .synopsis = "[OPTIONS]",
    .description = "Print which ranks joined, left or were lost, and when.",
    .options = options,
};

static void
print_rank(const char *name, json_t *rank)
{
    if (json_is_integer(rank))
        printf(" %s=%lld", name, (long long)json_integer_value(rank));
}

static void
print_event(json_t *event)
{
    const char *word = json_string_value(json_object_get(event, "event"));
    const char *host = json_string_value(json_object_get(event, "hostname"));
    json_t *parent = json_object_get(event, "parent");
    json_t *by = json_object_get(event, "by");
    char when[CMD_TIME_MAX] = "-";

    cmd_format_time(json_number_value(json_object_get(event, "time")), when);
    printf("%s %s", when, word ? word : "-");
    print_rank("rank", json_object_get(event, "rank"));
    print_rank("parent", parent);
    if (!json_equal(by, parent))
        print_rank("by", by);
    if (host && host[0])
        printf(" host=%s", host);
    if (json_is_true(json_object_get(event, "adopted")))
        printf(" adopted");
    putchar('\n');
}

static void
print_json(json_t *event)
{
    AUTO(free) char *text = json_dumps(event, JSON_COMPACT);

    puts(text ? text : "{}");
}

/* How many came between `after` and the first of them? */
static void
tell_missed(json_t *events, json_int_t after)
{
    json_int_t first = json_integer_value(json_object_get(json_array_get(events, 0), "seq"));

    if (after > 0 && first > after + 1)
        cmd_fail(&program, "%lld events were missed", (long long)(first - after - 1));
}

/* Returns the number of the newest. */
static json_int_t
print_events(json_t *answer, json_int_t after)
{
    json_t *events = json_object_get(answer, "events");
    size_t i;
    json_t *event;

    tell_missed(events, after);
    json_array_foreach(events, i, event)
    {
        if (as_json)
            print_json(event);
        else
            print_event(event);
    }
    fflush(stdout);
    return json_integer_value(json_object_get(answer, "last"));
}

static json_int_t
get_run(const json_t *answer)
{
    return json_integer_value(json_object_get(answer, "run"));
}

int
overlay_events(int argc, char **argv)
{
    json_int_t last = 0;
    json_int_t run = 0; // of rank 0, which begins to count anew
    bool again = false;
    int status = CMD_OK;
    xylem_t *x;

    cmd_parse(&program, argc, argv, 0, 0);
    x = cmd_open(&program);
    do {
        AUTO(free)
        char *request = again ? xasprintf("{\"after\":%lld,\"wait\":true,\"run\":%lld}",
                                          (long long)last, (long long)run)
                              : xstrdup("{}");
        json_t *answer =
            cmd_rpc_json(&program, x, "overlay.history", XYLEM_RANK_ANY, request, NULL);

        status = answer ? CMD_OK : CMD_FAILED;
        if (answer)
            last = print_events(answer, get_run(answer) == run ? last : 0);
        run = get_run(answer);
        json_decref(answer);
        again = true;
    } while (follow && status == CMD_OK && !cmd_output_failed());
    xylem_close(x);
    return status;
}
