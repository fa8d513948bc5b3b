/* SPDX-License-Identifier: MPL-2.0 */
/* cmd_top.c - xylem top: what all ranks do, again and again.
 *
 * On a terminal each table takes the place of the one before, and has as many lines as there is room for;
 * elsewhere they follow each other, with an empty line between.  The terminal itself is left as it is, so there
 * is nothing to be restored when the program is interrupted. */
#include "clock.h"
#include "cmd.h"
#include "stats_read.h"
#include "top_table.h"
#include "units.h"
#include "xmem.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define WINDOW 64           // questions at a time
#define ANSWER_MS 2000      // patience with the ranks
#define FIRST_MS 500        // the first table comes soon
#define HOME "\x1b[H"       // cursor to the upper left corner
#define END_LINE "\x1b[K\n" // the rest of the line is cleared
#define CLEAR "\x1b[J"      // all behind the cursor

static int64_t interval_ms = 2000;
static long count;
static bool once;
static const char *sort = "rank";

static const struct opt options[] = {
    {'i', "interval", "TIME", OPT_DURATION, &interval_ms, "time between tables (default: 2s)", 100,
     3600000},
    {'n', "count", "N", OPT_LONG, &count, "stop after N tables (default: go on for ever)", 1,
     INT32_MAX},
    {0, "once", NULL, OPT_FLAG, &once, "one table, as --count=1", 0, 0},
    {'s', "sort", "COLUMN", OPT_STRING, &sort, "the largest of that column first", 0, 0},
    {0},
};
static const struct opt_program program = {
    .name = "xylem top",
    .synopsis = "[OPTIONS]",
    .description = "Show what all ranks do: requests, hits, bytes, memory.",
    .options = options,
};

/* --- asking --- */

struct question {
    struct round *round; // borrowed
    uint32_t tag;
    bool is_over;
};

struct round {
    xylem_t *x;                 // borrowed
    struct top_sample *sample;  // borrowed
    struct question *questions; // owned array, by rank
    size_t sent;
    size_t open;
};

static void
finish(struct question *q, const char *error)
{
    struct top_rank *r = &q->round->sample->ranks[q - q->round->questions];

    q->is_over = true;
    q->round->open--;
    if (error)
        r->error = xstrdup(error);
}

static void
on_answer(void *arg, const struct xylem_reply *reply)
{
    struct question *q = arg;
    struct top_rank *r = &q->round->sample->ranks[q - q->round->questions];
    uint32_t rank;

    if (reply->rc < 0)
        finish(q, reply->error);
    else if (stats_read(reply->size > 0 ? reply->data : "", &rank, &r->metrics) < 0)
        finish(q, "malformed answer to stats.get");
    else
        finish(q, NULL);
}

static void
send_some(struct round *r)
{
    while (r->sent < r->sample->count && r->open < WINDOW) {
        struct question *q = &r->questions[r->sent];

        q->round = r;
        r->open++;
        if (xylem_rpc_async(r->x, "stats.get", (uint32_t)r->sent, "{}", 2, XYLEM_TEXT, on_answer, q,
                            &q->tag) < 0)
            finish(q, xylem_error(r->x));
        r->sent++;
    }
}

static void
give_up(struct round *r)
{
    for (size_t i = 0; i < r->sent; i++) {
        if (r->questions[i].is_over)
            continue;
        xylem_cancel(r->x, r->questions[i].tag);
        finish(&r->questions[i], "no answer in time");
    }
}

/* All ranks.  A negative errno when the connection breaks. */
static int
take_sample(xylem_t *x, size_t ranks, struct top_sample *ret)
{
    struct round r = {.x = x, .sample = ret};
    int64_t deadline = clock_ms() + ANSWER_MS;
    int rc = 0;

    top_sample_init(ret, ranks);
    r.questions = xcalloc(ranks, sizeof(*r.questions));
    send_some(&r);
    while (r.open > 0 && rc >= 0 && clock_ms() < deadline) {
        rc = xylem_dispatch(x, (int)MAX(deadline - clock_ms(), 0));
        if (rc >= 0)
            send_some(&r);
    }
    give_up(&r);
    free(r.questions);
    ret->at = clock_us();
    return rc < 0 ? rc : 0;
}

/* --- showing --- */

/* Lines of the terminal; 0: it is none. */
static size_t
terminal_lines(void)
{
    struct winsize size;

    if (!isatty(STDOUT_FILENO))
        return 0;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_row == 0)
        return 24;
    return size.ws_row;
}

static void
print_over(const char *text)
{
    cmd_write(HOME, strlen(HOME));
    for (; *text; text++) {
        if (*text == '\n')
            cmd_write(END_LINE, strlen(END_LINE));
        else
            putchar(*text);
    }
    cmd_write(CLEAR, strlen(CLEAR));
}

static void
show(const struct top_sample *before, const struct top_sample *now, int column, bool is_first)
{
    size_t lines = once || count == 1 ? 0 : terminal_lines();
    struct top_style style = {.sort = column, .lines = lines > 1 ? lines - 1 : lines};
    AUTO(buf) struct buf out = BUF_INIT;

    top_table(&out, before, now, &style);
    if (lines > 0) {
        print_over(buf_str(&out));
    } else {
        if (!is_first)
            putchar('\n');
        cmd_write(buf_str(&out), out.size);
    }
    fflush(stdout);
}

static int
watch(xylem_t *x, size_t ranks, int column)
{
    struct top_sample before;
    int rc = take_sample(x, ranks, &before);

    for (long i = 0; rc >= 0 && (count == 0 || i < count) && !cmd_output_failed(); i++) {
        struct top_sample now;
        int64_t pause = i == 0 ? MIN(interval_ms, FIRST_MS) : interval_ms;

        usleep((useconds_t)(pause * 1000));
        rc = take_sample(x, ranks, &now);
        if (rc >= 0)
            show(&before, &now, column, i == 0);
        top_sample_fini(&before);
        before = now;
    }
    top_sample_fini(&before);
    return rc < 0 ? cmd_fail_x(&program, x, NULL) : CMD_OK;
}

static int
find_column(void)
{
    int column = top_column_find(sort);

    if (column < 0) {
        AUTO(buf) struct buf names = BUF_INIT;

        top_column_names(&names);
        opt_usage_error(&program, "--sort: '%s' is not one of %s", sort, buf_str(&names));
    }
    return column;
}

int
cmd_top(int argc, char **argv)
{
    AUTO(free) char *text = NULL;
    xylem_t *x;
    long size;
    int column;
    int status;

    cmd_parse(&program, argc, argv, 0, 0);
    column = find_column();
    if (once)
        count = 1;
    x = cmd_open(&program);
    if (xylem_getattr(x, "size", &text) < 0)
        status = cmd_fail_x(&program, x, "size");
    else if (units_parse_long(text, 1, INT32_MAX, &size) < 0)
        status = cmd_fail(&program, "size: '%s' is not a number", text);
    else
        status = watch(x, (size_t)size, column);
    xylem_close(x);
    return status;
}
