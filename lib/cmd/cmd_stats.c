/* SPDX-License-Identifier: MPL-2.0 */
/* cmd_stats.c - xylem stats: the figures of one rank, or of all and their sum.
 *
 * All ranks are asked at once.  One that does not answer in time does not keep the others from being
 * shown; it is named on standard error, and the exit status is 1. */
#include "cmd.h"
#include "clock.h"
#include "stats_prometheus.h"
#include "stats_read.h"
#include "stats_table.h"
#include "units.h"
#include "xmem.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *rank_text;
static int64_t timeout_ms = 10000;
static bool as_json;
static bool as_prometheus;

static const struct opt options[] = {
    {'r', "rank", "R", OPT_STRING, &rank_text, "which rank, or 'all' (default: the connected one)",
     0, 0},
    {'t', "timeout", "TIME", OPT_DURATION, &timeout_ms, "wait no longer for answers (default: 10s)",
     0, 0},
    {0, "json", NULL, OPT_FLAG, &as_json, "print JSON", 0, 0},
    {0, "prometheus", NULL, OPT_FLAG, &as_prometheus, "print the text form of Prometheus", 0, 0},
    {0},
};
static const struct opt_program program = {
    .name = "xylem stats",
    .synopsis = "[OPTIONS]",
    .description = "Print the figures of a rank, or of all.",
    .options = options,
};

/* What one rank was asked. */
struct question {
    struct survey *survey;    // borrowed
    uint32_t tag;             // of the request
    bool answered;            // or failed
    char *text;               // owned; the answer
    char *error;              // owned; why there is none
    struct stats_rank result; // of it; rank: who was asked, XYLEM_RANK_ANY included
};

struct survey {
    xylem_t *x;                 // borrowed
    struct question *questions; // owned array
    size_t count;
    size_t unanswered;
};

/* --- asking --- */

static void
finish(struct question *q, const char *text, const char *error)
{
    q->answered = true;
    q->survey->unanswered--;
    if (!text)
        q->error = xstrdup(error);
    else if (stats_read(text, &q->result.rank, &q->result.metrics) < 0)
        q->error = xstrdup("malformed answer to stats.get");
    else
        q->text = xstrdup(text);
}

static void
on_answer(void *arg, const struct xylem_reply *reply)
{
    if (reply->rc < 0)
        finish(arg, NULL, reply->error);
    else
        finish(arg, reply->size > 0 ? reply->data : "", NULL);
}

static void
ask(struct survey *s, size_t i, uint32_t rank)
{
    struct question *q = &s->questions[i];

    q->survey = s;
    q->result.rank = rank;
    if (xylem_rpc_async(s->x, "stats.get", rank, "{}", 2, XYLEM_TEXT, on_answer, q, &q->tag) < 0)
        finish(q, NULL, xylem_error(s->x));
}

static void
give_up(struct survey *s)
{
    for (size_t i = 0; i < s->count; i++) {
        struct question *q = &s->questions[i];

        if (q->answered)
            continue;
        xylem_cancel(s->x, q->tag);
        finish(q, NULL, "no answer in time");
    }
}

static void
wait_for_answers(struct survey *s)
{
    int64_t deadline = clock_ms() + timeout_ms;
    int rc = 0;

    while (s->unanswered > 0 && rc >= 0 && clock_ms() < deadline)
        rc = xylem_dispatch(s->x, (int)MIN(deadline - clock_ms(), INT32_MAX));
    give_up(s);
}

static void
survey_fini(struct survey *s)
{
    for (size_t i = 0; i < s->count; i++) {
        free(s->questions[i].text);
        free(s->questions[i].error);
        metrics_free(&s->questions[i].result.metrics);
    }
    free(s->questions);
}

/* --- printing --- */

static void
flush(struct buf *out)
{
    cmd_write(buf_str(out), out->size);
    buf_reset(out);
}

static struct metrics *
add_up(const struct survey *s)
{
    struct metrics *total = metrics_new();

    for (size_t i = 0; i < s->count; i++) {
        if (s->questions[i].result.metrics)
            metrics_merge(total, s->questions[i].result.metrics);
    }
    return total;
}

static void
print_table(const struct survey *s, bool all)
{
    AUTO(buf) struct buf out = BUF_INIT;

    for (size_t i = 0; i < s->count; i++) {
        const struct stats_rank *r = &s->questions[i].result;

        if (!r->metrics)
            continue;
        buf_printf(&out, "%-30s %u\n", "rank", r->rank);
        stats_table(&out, r->metrics);
        if (all)
            buf_add_char(&out, '\n');
        flush(&out);
    }
    if (all) {
        AUTO(metrics) struct metrics *total = add_up(s);

        buf_add_str(&out, "total\n");
        stats_table(&out, total);
        flush(&out);
    }
}

/* The answers as they came: what this program does not know, another may. */
static void
print_json(const struct survey *s, bool all)
{
    AUTO(buf) struct buf out = BUF_INIT;
    const char *comma = "";

    if (all)
        buf_add_str(&out, "{\"ranks\":[");
    for (size_t i = 0; i < s->count; i++) {
        const struct question *q = &s->questions[i];

        if (!q->text)
            continue;
        if (all)
            buf_printf(&out, "%s\n{\"rank\":%u,\"stats\":%s}", comma, q->result.rank, q->text);
        else
            buf_printf(&out, "%s\n", q->text);
        comma = ",";
        flush(&out);
    }
    if (all) {
        AUTO(metrics) struct metrics *total = add_up(s);

        buf_add_str(&out, "\n],\n\"total\":{");
        metrics_write_json(total, &out);
        buf_add_str(&out, "}}\n");
        flush(&out);
    }
}

static void
print_prometheus(const struct survey *s)
{
    AUTO(buf) struct buf out = BUF_INIT;
    AUTO(free) struct stats_rank *ranks = xcalloc(s->count, sizeof(*ranks));

    for (size_t i = 0; i < s->count; i++)
        ranks[i] = s->questions[i].result;
    stats_prometheus(&out, ranks, s->count);
    flush(&out);
}

static int
print_errors(const struct survey *s)
{
    int status = CMD_OK;

    for (size_t i = 0; i < s->count; i++) {
        const struct question *q = &s->questions[i];

        if (!q->error)
            continue;
        if (q->result.rank == XYLEM_RANK_ANY)
            status = cmd_fail(&program, "%s", q->error);
        else
            status = cmd_fail(&program, "%u: %s", q->result.rank, q->error);
    }
    return status;
}

/* --- the command --- */

/* The first rank to ask, and how many. */
static int
survey_ranks(struct survey *s, uint32_t first, size_t count, bool all)
{
    int status;

    s->count = count;
    s->unanswered = count;
    s->questions = xcalloc(count, sizeof(*s->questions));
    for (size_t i = 0; i < count; i++)
        ask(s, i, first + (uint32_t)i);
    wait_for_answers(s);
    if (as_json)
        print_json(s, all);
    else if (as_prometheus)
        print_prometheus(s);
    else
        print_table(s, all);
    status = print_errors(s);
    survey_fini(s);
    return status;
}

static int
run_all(struct survey *s)
{
    AUTO(free) char *text = NULL;
    long size;

    if (xylem_getattr(s->x, "size", &text) < 0)
        return cmd_fail_x(&program, s->x, "size");
    if (units_parse_long(text, 1, INT32_MAX, &size) < 0)
        return cmd_fail(&program, "size: '%s' is not a number", text);
    return survey_ranks(s, 0, (size_t)size, true);
}

int
cmd_stats(int argc, char **argv)
{
    struct survey survey = {0};
    uint32_t rank = 0;
    bool all;
    int status;

    cmd_parse(&program, argc, argv, 0, 0);
    if (as_json && as_prometheus)
        opt_usage_error(&program, "--json and --prometheus exclude each other");
    all = rank_text && strcmp(rank_text, "all") == 0;
    if (!all)
        rank = cmd_rank(&program, rank_text);
    survey.x = cmd_open(&program);
    status = all ? run_all(&survey) : survey_ranks(&survey, rank, 1, false);
    xylem_close(survey.x);
    return status;
}
