/* SPDX-License-Identifier: MPL-2.0 */
/* cmd_kvs_eventlog.c - xylem kvs eventlog: append events to a log, print them, wait for one.
 *
 * A log comes in pieces: as the blobs of a value, or as what is appended while it is watched.  They
 * all go through one reader, and each event is shown, or compared, as soon as its line is whole. */
#include "cmd_kvs_util.h"
#include "clock.h"
#include "eventlog_text.h"
#include "follow.h"
#include "xmem.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* --- options that get and wait-event share --- */

static bool waitcreate;
static bool unformatted;
static bool human;
static long count;
static const char *color = "auto";

#define OPTION_WAITCREATE \
    { \
        'W', "waitcreate", NULL, OPT_FLAG, &waitcreate, "wait for a log that does not exist", 0, 0 \
    }
#define OPTIONS_FORM \
    {'u', "unformatted", NULL, OPT_FLAG, &unformatted, "print events as they are stored", 0, 0}, \
        {'H', "human", NULL, OPT_FLAG, &human, "print dates, and seconds within a minute", 0, 0}, \
    { \
        'L', "color", "WHEN", OPT_STRING, &color, \
            "colours: always, never or auto (default: auto; without WHEN: always)", 0, 0 \
    }

/* -L and --color may stand alone. */
static void
complete_color(int argc, char **argv)
{
    static char always[] = "--color=always";

    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "-L") == 0 || strcmp(argv[i], "--color") == 0)
            argv[i] = always;
    }
}

static struct eventlog_style
choose_style(const struct opt_program *prog)
{
    struct eventlog_style s = {.form = EVENTLOG_PLAIN};

    if (unformatted && human)
        opt_usage_error(prog, "--unformatted and --human exclude each other");
    if (unformatted || human)
        s.form = human ? EVENTLOG_HUMAN : EVENTLOG_RAW;
    if (strcmp(color, "auto") == 0)
        s.color = isatty(STDOUT_FILENO);
    else if (strcmp(color, "always") == 0)
        s.color = true;
    else if (strcmp(color, "never") != 0)
        opt_usage_error(prog, "--color: '%s' is not always, never or auto", color);
    return s;
}

/* --- a log that is read --- */

struct view {
    const struct opt_program *prog; // borrowed
    xylem_t *x;                     // owned
    const char *key;                // borrowed
    struct eventlog log;            // owned
    struct eventlog_style style;
    /* FOLLOW_ON, or the exit status: no more events are wanted. */
    int (*take)(struct view *v, const struct eventlog_entry *e);
    const char *event; // borrowed; wait-event: the one to wait for
    long left;         // events still to print, or to wait for; 0 = no limit
    int status;        // FOLLOW_ON, or the exit status
};

static void
open_view(struct view *v, const struct opt_program *prog, char *const *operands)
{
    *v = (struct view){.prog = prog, .log = EVENTLOG_INIT, .status = FOLLOW_ON};
    v->style = choose_style(prog);
    v->key = operands[0];
    v->left = count;
    v->x = cmd_open(prog);
}

static int
close_view(struct view *v, int status)
{
    xylem_close(v->x);
    eventlog_fini(&v->log);
    return status;
}

static void
print_event(struct view *v, const struct eventlog_entry *e)
{
    AUTO(buf) struct buf line = BUF_INIT;

    eventlog_format(&v->style, e, &line);
    cmd_write(line.data, line.size);
}

/* One more piece of the log.  Returns the view's status. */
static int
feed(struct view *v, const void *data, size_t size)
{
    struct eventlog_entry e;
    struct err err;
    int rc = 1;

    eventlog_feed(&v->log, data, size);
    while (v->status == FOLLOW_ON && (rc = eventlog_next(&v->log, &e, &err)) == 1)
        v->status = v->take(v, &e);
    if (rc < 0)
        v->status = cmd_fail_about(v->prog, v->key, err.text);
    if (v->status == FOLLOW_ON && cmd_output_failed())
        v->status = CMD_FAILED;
    return v->status;
}

/* All of the log has come. */
static int
finish(struct view *v)
{
    struct err err;

    if (v->status == FOLLOW_ON && eventlog_finish(&v->log, &err) < 0)
        v->status = cmd_fail_about(v->prog, v->key, err.text);
    return v->status == FOLLOW_ON ? CMD_OK : v->status;
}

static int
on_piece(void *arg, const void *data, size_t size)
{
    return feed(arg, data, size) == FOLLOW_ON ? 0 : 1;
}

static int
read_log(struct view *v)
{
    int rc = xylem_read(v->x, kvs_ns, v->key, NULL, on_piece, v);

    return rc < 0 ? cmd_fail_x(v->prog, v->x, v->key) : finish(v);
}

static int
await_log(struct view *v)
{
    AUTO(treeobj) struct treeobj *obj = NULL;
    AUTO(free) void *data = NULL;
    const char *error = err_name(EPROTO);
    size_t size;
    int rc = kvs_read(v->x, v->key, NULL, XYLEM_WAITCREATE, &obj, &error);

    if (rc == -EOVERFLOW) // too long for an answer
        return read_log(v);
    if (rc < 0)
        return cmd_fail_about(v->prog, v->key, error);
    if (treeobj_type(obj) != TREEOBJ_VAL || treeobj_val_decode(obj, &data, &size) < 0)
        return cmd_fail_about(v->prog, v->key, err_name(EPROTO));
    feed(v, data, size);
    return finish(v);
}

static int
on_answer(struct stream *s, const struct xylem_reply *reply)
{
    AUTO(free) void *data = NULL;
    struct view *v = s->follow->arg;
    size_t size;

    if (reply->rc < 0)
        return follow_end(s, reply);
    if (xylem_lookup_value(v->x, reply, &data, &size) < 0)
        return cmd_fail_x(v->prog, v->x, v->key);
    return feed(v, data, size);
}

/* Exit status, or FOLLOW_TIMEOUT. */
static int
follow_log(struct view *v, char *key, int flags, int64_t timeout_ms)
{
    struct follow f = {.prog = v->prog,
                       .x = v->x,
                       .fn = on_answer,
                       .arg = v,
                       .flags = flags | (waitcreate ? XYLEM_WAITCREATE : 0),
                       .timeout_ms = timeout_ms};

    return follow_keys(&f, 1, &key, NULL);
}

/* --- append --- */

static const char *timestamp_text;

static const struct opt append_options[] = {
    KVS_OPTION_NS,
    {'t', "timestamp", "SECONDS", OPT_STRING, &timestamp_text, "since 1970, in UTC (default: now)",
     0, 0},
    {0},
};
static const struct opt_program append_program = {
    .name = "xylem kvs eventlog append",
    .synopsis = "[OPTIONS] KEY NAME [CONTEXT...]",
    .description = "Append an event to a log.  The context is a JSON object.",
    .options = append_options,
};

static double
choose_timestamp(void)
{
    double seconds;
    char *end;

    if (!timestamp_text)
        return clock_wall();
    seconds = strtod(timestamp_text, &end);
    if (end == timestamp_text || *end || !isfinite(seconds) || seconds < 0)
        opt_usage_error(&append_program, "--timestamp: '%s' are no seconds", timestamp_text);
    return seconds;
}

static char *
join_arguments(int argc, char **argv)
{
    struct buf b = BUF_INIT;

    if (argc == 0)
        return NULL;
    for (int i = 0; i < argc; i++)
        buf_printf(&b, "%s%s", i ? " " : "", argv[i]);
    return buf_detach(&b, NULL);
}

static int
append_line(const char *key, const struct buf *line)
{
    xylem_t *x = cmd_open(&append_program);
    xylem_txn_t *txn = xylem_txn_new();
    int status = CMD_OK;

    if (xylem_txn_append(txn, key, line->data, line->size) < 0)
        status = cmd_fail(&append_program, "%s", xylem_txn_error(txn));
    else if (xylem_commit(x, kvs_ns, txn, 0, NULL) < 0)
        status = cmd_fail_x(&append_program, x, key);
    xylem_txn_free(txn);
    xylem_close(x);
    return status;
}

static int
run_append(int argc, char **argv)
{
    int i = cmd_parse(&append_program, argc, argv, 2, CMD_MANY);
    AUTO(free) char *context = join_arguments(argc - i - 2, argv + i + 2);
    AUTO(buf) struct buf line = BUF_INIT;
    struct err err;

    if (eventlog_encode(choose_timestamp(), argv[i + 1], context, &line, &err) < 0)
        opt_usage_error(&append_program, "%s", err.text);
    return append_line(argv[i], &line);
}

/* --- get --- */

static bool watch;
static bool stream;

static const struct opt get_options[] = {
    KVS_OPTION_NS,
    OPTION_WAITCREATE,
    {'w', "watch", NULL, OPT_FLAG, &watch, "print what is appended, until interrupted", 0, 0},
    {'c', "count", "N", OPT_LONG, &count, "print at most N events (0: all)", 0, INT32_MAX},
    {'S', "stream", NULL, OPT_FLAG, &stream, "get the log blob by blob", 0, 0},
    OPTIONS_FORM,
    {0},
};
static const struct opt_program get_program = {
    .name = "xylem kvs eventlog get",
    .synopsis = "[OPTIONS] KEY",
    .description = "Print the events of a log.",
    .options = get_options,
};

static int
show_event(struct view *v, const struct eventlog_entry *e)
{
    print_event(v, e);
    return v->left > 0 && --v->left == 0 ? CMD_OK : FOLLOW_ON;
}

static int
get_log(struct view *v, char *key)
{
    int status;

    if (watch)
        return follow_log(v, key, XYLEM_WATCH | XYLEM_WATCH_APPEND, -1);
    if (!stream)
        return waitcreate ? await_log(v) : read_log(v);
    status = follow_log(v, key, XYLEM_STREAM, -1);
    return status == CMD_OK ? finish(v) : status;
}

static int
run_get(int argc, char **argv)
{
    struct view v;
    int i;

    complete_color(argc, argv);
    i = cmd_parse(&get_program, argc, argv, 1, 1);
    if (watch && stream)
        opt_usage_error(&get_program, "--watch and --stream exclude each other");
    open_view(&v, &get_program, argv + i);
    v.take = show_event;
    return close_view(&v, get_log(&v, argv[i]));
}

/* --- wait-event --- */

static int64_t timeout_ms = -1;
static bool quiet;
static bool verbose;

static const struct opt wait_options[] = {
    KVS_OPTION_NS,
    OPTION_WAITCREATE,
    {'t', "timeout", "TIME", OPT_DURATION, &timeout_ms, "wait no longer than this", 0, 0},
    {'c', "count", "N", OPT_LONG, &count, "wait for the event to come N times", 1, INT32_MAX},
    {'q', "quiet", NULL, OPT_FLAG, &quiet, "do not print the event", 0, 0},
    {'v', "verbose", NULL, OPT_FLAG, &verbose, "print the events before it, too", 0, 0},
    OPTIONS_FORM,
    {0},
};
static const struct opt_program wait_program = {
    .name = "xylem kvs eventlog wait-event",
    .synopsis = "[OPTIONS] KEY EVENT",
    .description = "Wait until an event is in a log, and print it.",
    .options = wait_options,
};

static int
compare_event(struct view *v, const struct eventlog_entry *e)
{
    bool is_it = strcmp(e->name, v->event) == 0 && --v->left == 0;

    if (is_it ? !quiet : verbose)
        print_event(v, e);
    return is_it ? CMD_OK : FOLLOW_ON;
}

static int
wait_for_event(struct view *v, char *key)
{
    int status = follow_log(v, key, XYLEM_WATCH | XYLEM_WATCH_APPEND, timeout_ms);

    if (status == FOLLOW_TIMEOUT)
        return cmd_fail(v->prog, "%s: wait-event timeout on event '%s'", key, v->event);
    if (status == CMD_OK && v->status == FOLLOW_ON)
        return cmd_fail(v->prog, "%s: event '%s' never received", key, v->event);
    return status;
}

static int
run_wait(int argc, char **argv)
{
    struct view v;
    int i;

    count = 1;
    complete_color(argc, argv);
    i = cmd_parse(&wait_program, argc, argv, 2, 2);
    open_view(&v, &wait_program, argv + i);
    v.take = compare_event;
    v.event = argv[i + 1];
    return close_view(&v, wait_for_event(&v, argv[i]));
}

/* --- the family --- */

int
kvs_eventlog(int argc, char **argv)
{
    static const struct opt no_options[] = {{0}};
    static const struct command commands[] = {
        {"append", "append an event", run_append},
        {"get", "print the events", run_get},
        {"wait-event", "wait for an event", run_wait},
        {0},
    };
    static const struct command_group group = {
        .program = {.name = "xylem kvs eventlog",
                    .synopsis = "COMMAND [ARG...]",
                    .description = "Logs of events: values of lines, each a JSON object.",
                    .options = no_options,
                    .stop_at_operand = true},
        .commands = commands,
    };

    return cmd_run_group(&group, argc, argv);
}
