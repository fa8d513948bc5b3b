/* SPDX-License-Identifier: MPL-2.0 */
/* cmd_overlay_status.c - xylem overlay status and errors: the tree of ranks as it is now.
 *
 * A rank knows its own children only, so all are asked (rank_survey.h).  One that is lost, or does not
 * answer, is shown as its parent sees it. */
#include "clock.h"
#include "cmd_overlay.h"
#include "rank_survey.h"
#include "xmem.h"

#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ANSWER_MS 3000      // patience with a rank
#define LATE_ANSWER_MS 1000 // the same, when a wait has taken its time
#define RETRY_MS 100        // a rank that one waits for may not be there yet

static const char *rank_text = "0";
static const char *wait_for;
static int64_t timeout_ms = -1;
static bool as_json;
static const char *color = "auto";
static bool down;
static bool verbose;

static const struct opt options[] = {
    {'r', "rank", "R", OPT_STRING, &rank_text, "the tree below this rank (default: 0)", 0, 0},
    {'w', "wait", "STATE", OPT_STRING, &wait_for,
     "wait for full, partial, degraded, lost or offline", 0, 0},
    {'t', "timeout", "TIME", OPT_DURATION, &timeout_ms, "wait no longer than that", 0, 0},
    {'v', "verbose", NULL, OPT_FLAG, &verbose, "draw every rank, however many there are", 0, 0},
    {0, "down", NULL, OPT_FLAG, &down, "leave out what is full", 0, 0},
    {0, "json", NULL, OPT_FLAG, &as_json, "print JSON", 0, 0},
    {'L', "color", "WHEN", OPT_STRING, &color, "colours: always, never or auto (default: auto)", 0,
     0},
    {0},
};
static const struct opt_program program = {
    .name = "xylem overlay status",
    .synopsis = "[OPTIONS]",
    .description = "Draw the tree of ranks with the state of each.",
    .options = options,
};

/* Some reasons name the rank by themselves. */
static int
fail_of(const struct opt_program *prog, uint32_t rank, const char *why)
{
    if (strncmp(why, "rank ", 5) == 0)
        return cmd_fail(prog, "%s", why);
    return cmd_fail(prog, "rank %u: %s", rank, why);
}

/* --- waiting --- */

struct wait {
    bool done;
    int rc;
    char error[XYLEM_ERROR_MAX];
};

static void
on_answer(void *arg, const struct xylem_reply *reply)
{
    struct wait *w = arg;

    w->done = true;
    w->rc = reply->rc;
    snprintf(w->error, sizeof(w->error), "%s", reply->error);
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

/* 0; -ETIMEDOUT; or w->error says why not. */
static int
wait_once(xylem_t *x, uint32_t rank, int64_t deadline, struct wait *w)
{
    AUTO(free) char *request = xasprintf("{\"status\":\"%s\"}", wait_for);
    uint32_t tag;
    int rc = xylem_rpc_async(x, "overlay.wait", rank, request, strlen(request), XYLEM_TEXT,
                             on_answer, w, &tag);

    while (rc >= 0 && !w->done && time_left(deadline) != 0)
        rc = xylem_dispatch(x, time_left(deadline));
    if (w->done)
        return w->rc;
    snprintf(w->error, sizeof(w->error), "%s", xylem_error(x));
    if (rc >= 0)
        xylem_cancel(x, tag);
    return rc < 0 ? rc : -ETIMEDOUT;
}

/* One that cannot be reached may come. */
static int
wait_for_status(xylem_t *x, uint32_t rank, struct wait *w)
{
    int64_t deadline = timeout_ms < 0 ? -1 : clock_ms() + timeout_ms;
    int rc = wait_once(x, rank, deadline, w);

    while (rc == -EHOSTUNREACH && time_left(deadline) != 0) {
        usleep(RETRY_MS * 1000);
        *w = (struct wait){0};
        rc = wait_once(x, rank, deadline, w);
    }
    return rc;
}

static void
add_list(struct buf *out, const struct rank_tree *t, const char *label,
         bool (*fn)(const struct rank_tree *t, uint32_t rank))
{
    AUTO(buf) struct buf list = BUF_INIT;

    rank_tree_list(t, fn, &list);
    if (list.size > 0)
        buf_printf(out, "; %s: rank%s %s", label, strpbrk(buf_str(&list), ",-") ? "s" : "",
                   buf_str(&list));
}

/* The wait was in vain: who is not there? */
static int
tell_missing(xylem_t *x, struct rank_tree *t)
{
    const struct rank_node *top = &t->nodes[t->top];
    AUTO(buf) struct buf more = BUF_INIT;
    double seconds = (double)timeout_ms / 1000;

    if (rank_survey(x, t, LATE_ANSWER_MS, -1) < 0)
        return cmd_fail_x(&program, x, NULL);
    if (!top->has_answered)
        return cmd_fail(&program, "not %s after %g s: rank %u does not answer: %s", wait_for,
                        seconds, t->top, top->error);
    add_list(&more, t, "missing", rank_tree_is_missing);
    add_list(&more, t, "no answer", rank_tree_is_silent);
    return cmd_fail(&program, "not %s after %g s: rank %u is %s%s", wait_for, seconds, t->top,
                    rank_state_name(top->state), buf_str(&more));
}

/* --- drawing --- */

static struct rank_tree_style
choose_style(void)
{
    const char *no_color = getenv("NO_COLOR");
    struct rank_tree_style s = {.verbose = verbose, .down = down};

    setlocale(LC_CTYPE, "");
    s.utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    if (strcmp(color, "auto") == 0)
        s.color = isatty(STDOUT_FILENO) && !(no_color && no_color[0]);
    else if (strcmp(color, "always") == 0)
        s.color = true;
    else if (strcmp(color, "never") != 0)
        opt_usage_error(&program, "--color: '%s' is not always, never or auto", color);
    return s;
}

static void
print_tree(const struct rank_tree *t, const struct rank_tree_style *style)
{
    AUTO(buf) struct buf out = BUF_INIT;

    rank_tree_draw(t, style, &out);
    cmd_write(buf_str(&out), out.size);
}

static void
print_json(const struct rank_tree *t)
{
    json_t *json = rank_tree_json(t);
    AUTO(free) char *text = json_dumps(json, JSON_INDENT(1) | JSON_REAL_PRECISION(9));

    puts(text ? text : "{}");
    json_decref(json);
}

/* All that is known.  CMD_FAILED: the top does not answer. */
static int
survey(const struct opt_program *prog, xylem_t *x, struct rank_tree *t, int64_t limit_ms)
{
    const struct rank_node *top = &t->nodes[t->top];
    int64_t answer_ms = limit_ms < 0 ? ANSWER_MS : limit_ms;

    if (rank_survey(x, t, answer_ms, limit_ms) < 0)
        return cmd_fail_x(prog, x, NULL);
    if (!top->has_answered)
        return fail_of(prog, t->top, top->error);
    return CMD_OK;
}

static int
show(xylem_t *x, struct rank_tree *t, const struct rank_tree_style *style)
{
    struct wait w = {0};
    int rc = wait_for ? wait_for_status(x, t->top, &w) : 0;
    int status;

    if (rc == -ETIMEDOUT || (rc == -EHOSTUNREACH && timeout_ms >= 0))
        return tell_missing(x, t);
    if (rc < 0)
        return fail_of(&program, t->top, w.error);
    status = survey(&program, x, t, wait_for ? -1 : timeout_ms);
    if (status != CMD_OK)
        return status;
    if (as_json)
        print_json(t);
    else
        print_tree(t, style);
    return CMD_OK;
}

static void
check_wait(void)
{
    for (int state = RANK_FULL; wait_for && state < RANK_UNKNOWN; state++) {
        if (strcmp(wait_for, rank_state_name((enum rank_state)state)) == 0)
            return;
    }
    if (wait_for)
        opt_usage_error(&program, "--wait: '%s' is not full, partial, degraded, lost or offline",
                        wait_for);
}

int
overlay_status(int argc, char **argv)
{
    AUTO(rank_tree) struct rank_tree tree = {0};
    struct rank_tree_style style;
    uint32_t rank;
    xylem_t *x;
    int status;

    cmd_parse(&program, argc, argv, 0, 0);
    check_wait();
    style = choose_style();
    rank = cmd_rank(&program, rank_text);
    x = cmd_open(&program);
    overlay_open_tree(&program, x, rank, &tree);
    status = show(x, &tree, &style);
    xylem_close(x);
    return status;
}

/* --- xylem overlay errors --- */

static const struct opt error_options[] = {
    {'t', "timeout", "TIME", OPT_DURATION, &timeout_ms, "wait no longer than that", 0, 0},
    {0},
};
static const struct opt_program error_program = {
    .name = "xylem overlay errors",
    .synopsis = "[OPTIONS]",
    .description = "List the ranks that are lost, offline or do not answer, and why.",
    .options = error_options,
};

static void
print_errors(const struct rank_tree *t)
{
    for (uint32_t i = 0; i < t->size; i++) {
        const struct rank_node *n = &t->nodes[i];
        bool is_down = n->state == RANK_LOST || n->state == RANK_OFFLINE;

        if (!is_down && !n->error)
            continue;
        printf("%u%s%s: %s", i, n->hostname ? " " : "", n->hostname ? n->hostname : "",
               is_down ? rank_state_name(n->state) : n->error);
        if (is_down && n->error)
            printf(": %s", n->error);
        putchar('\n');
    }
}

int
overlay_errors(int argc, char **argv)
{
    AUTO(rank_tree) struct rank_tree tree = {0};
    xylem_t *x;
    int status;

    cmd_parse(&error_program, argc, argv, 0, 0);
    x = cmd_open(&error_program);
    overlay_open_tree(&error_program, x, 0, &tree);
    status = survey(&error_program, x, &tree, timeout_ms);
    if (status == CMD_OK)
        print_errors(&tree);
    xylem_close(x);
    return status;
}
