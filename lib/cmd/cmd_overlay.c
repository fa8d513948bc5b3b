/* SPDX-License-Identifier: MPL-2.0 */
/* cmd_overlay.c - xylem overlay status: the tree of ranks, and how each of them is.
 *
 * A rank knows its own children only (overlay.health), so the tree is walked rank by rank.  A rank
 * that is lost, or does not answer, is shown as its parent sees it. */
#include "cmd.h"
#include "clock.h"
#include "buf.h"
#include "xmem.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#define DEPTH_MAX 64 // levels shown: an answer cannot make us walk in circles

static const char *rank_text = "0";
static const char *wait_for;
static int64_t timeout_ms = -1;
static bool as_json;

static const struct opt options[] = {
    {'r', "rank", "R", OPT_STRING, &rank_text, "the tree below this rank (default: 0)", 0, 0},
    {'w', "wait", "STATE", OPT_STRING, &wait_for,
     "wait for full, partial, degraded, lost or offline", 0, 0},
    {'t', "timeout", "TIME", OPT_DURATION, &timeout_ms, "wait no longer than that", 0, 0},
    {0, "json", NULL, OPT_FLAG, &as_json, "print JSON", 0, 0},
    {0},
};
static const struct opt_program program = {
    .name = "xylem overlay status",
    .synopsis = "[OPTIONS]",
    .description = "Draw the tree of ranks with the state of each.",
    .options = options,
};

/* --- asking --- */

struct wait {
    bool done;
    int rc;
    char error[XYLEM_ERROR_MAX];
    json_t *answer; // owned
};

static void
on_answer(void *arg, const struct xylem_reply *reply)
{
    struct wait *w = arg;

    w->done = true;
    w->rc = reply->rc;
    snprintf(w->error, sizeof(w->error), "%s", reply->error);
    if (reply->rc == 0)
        w->answer = json_loads(reply->data, 0, NULL);
}

/* ms until deadline (-1: none). */
static int
time_left(int64_t deadline)
{
    int64_t left = deadline - clock_ms();

    if (deadline < 0)
        return -1;
    return left < 0 ? 0 : (int)MIN(left, INT32_MAX);
}

/* NULL and w->error when there is no answer, also when time is over. */
static json_t *
ask(xylem_t *x, const char *topic, uint32_t rank, const char *request, int64_t deadline,
    struct wait *w)
{
    uint32_t tag;
    int rc = xylem_rpc_async(x, topic, rank, request, request ? strlen(request) : 0, XYLEM_TEXT,
                             on_answer, w, &tag);

    while (rc >= 0 && !w->done && time_left(deadline) != 0)
        rc = xylem_dispatch(x, time_left(deadline));
    if (w->answer)
        return w->answer;
    if (rc < 0)
        snprintf(w->error, sizeof(w->error), "%s", xylem_error(x));
    else if (!w->done)
        snprintf(w->error, sizeof(w->error), "timed out");
    else if (w->rc == 0)
        snprintf(w->error, sizeof(w->error), "malformed answer to %s", topic);
    if (rc >= 0 && !w->done)
        xylem_cancel(x, tag);
    return NULL;
}

/* Put the answer of each child, if it has one, in the place of its row in `health`. */
static void
walk(xylem_t *x, json_t *health, int64_t deadline, int depth)
{
    json_t *children = json_object_get(health, "children");
    size_t i;
    json_t *child;

    json_array_foreach(children, i, child)
    {
        const char *status = json_string_value(json_object_get(child, "status"));
        json_int_t rank = json_integer_value(json_object_get(child, "rank"));
        struct wait w = {0};
        json_t *answer;

        if (!status || strcmp(status, "lost") == 0 || strcmp(status, "offline") == 0)
            continue;
        answer = depth > 0 ? ask(x, "overlay.health", (uint32_t)rank, NULL, deadline, &w) : NULL;
        if (!answer)
            continue;
        walk(x, answer, deadline, depth - 1);
        json_array_set_new(children, i, answer);
    }
}

/* --- drawing --- */

static void
print_line(const char *prefix, const char *branch, json_t *health)
{
    const char *status = json_string_value(json_object_get(health, "status"));
    const char *error = json_string_value(json_object_get(health, "error"));

    printf("%s%s%lld: %s", prefix, branch,
           (long long)json_integer_value(json_object_get(health, "rank")),
           status ? status : "unknown");
    if (error && error[0])
        printf(" (%s)", error);
    putchar('\n');
}

static void
print_children(struct buf *prefix, json_t *health)
{
    json_t *children = json_object_get(health, "children");
    size_t length = prefix->size;
    size_t i;
    json_t *child;

    json_array_foreach(children, i, child)
    {
        bool last = i + 1 == json_array_size(children);

        print_line(buf_str(prefix), last ? "└─ " : "├─ ", child);
        buf_add_str(prefix, last ? "   " : "│  ");
        print_children(prefix, child);
        prefix->size = length;
        prefix->data[length] = '\0';
    }
}

static void
print_tree(json_t *health)
{
    AUTO(buf) struct buf prefix = BUF_INIT;

    if (as_json) {
        json_dumpf(health, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(9));
        putchar('\n');
        return;
    }
    print_line("", "", health);
    print_children(&prefix, health);
}

/* --- the command --- */

static int
show(xylem_t *x, uint32_t rank)
{
    int64_t deadline = timeout_ms < 0 ? -1 : clock_ms() + timeout_ms;
    json_t *name = json_string(wait_for ? wait_for : "");
    AUTO(free) char *quoted = json_dumps(name, JSON_ENCODE_ANY);
    AUTO(free) char *request = xasprintf("{\"status\":%s}", quoted ? quoted : "\"\"");
    struct wait w = {0};
    json_t *health = wait_for ? ask(x, "overlay.wait", rank, request, deadline, &w)
                              : ask(x, "overlay.health", rank, NULL, deadline, &w);

    json_decref(name);
    if (!health)
        return cmd_fail(&program, "rank %s: %s", rank_text, w.error);
    walk(x, health, deadline, DEPTH_MAX);
    print_tree(health);
    json_decref(health);
    return CMD_OK;
}

static int
run_status(int argc, char **argv)
{
    uint32_t rank;
    xylem_t *x;
    int status;

    cmd_parse(&program, argc, argv, 0, 0);
    rank = cmd_rank(&program, rank_text);
    x = cmd_open(&program);
    status = show(x, rank);
    xylem_close(x);
    return status;
}

int
cmd_overlay(int argc, char **argv)
{
    static const struct opt no_options[] = {{0}};
    static const struct command commands[] = {
        {"status", "draw the tree", run_status},
        {0},
    };
    static const struct command_group group = {
        .program = {.name = "xylem overlay",
                    .synopsis = "COMMAND [ARG...]",
                    .description = "The tree of ranks.",
                    .options = no_options,
                    .stop_at_operand = true},
        .commands = commands,
    };

    return cmd_run_group(&group, argc, argv);
}
