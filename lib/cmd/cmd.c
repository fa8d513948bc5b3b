/* SPDX-License-Identifier: MPL-2.0 */
/* cmd.c - groups of commands, errors, and connecting. */
#include "cmd.h"
#include "buf.h"
#include "opt_help.h"
#include "units.h"
#include "xmem.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define LABEL_MAX 100 // bytes of what an error is about, with its NUL

const char *cmd_uri;
const char *cmd_cert;

/* --- errors --- */

/* The command without "xylem " in front; "" for xylem itself. */
static const char *
command_name(const struct opt_program *prog)
{
    const char *space = strchr(prog->name, ' ');

    return space ? space + 1 : "";
}

int
cmd_fail(const struct opt_program *prog, const char *fmt, ...)
{
    const char *name = command_name(prog);
    char text[2 * ERR_TEXT_MAX];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    fflush(stdout);
    fprintf(stderr, "xylem: %s%s%s\n", name, name[0] ? ": " : "", text);
    return CMD_FAILED;
}

/* What a terminal shows of it, and not too much. */
static void
format_label(const char *what, char out[LABEL_MAX])
{
    size_t i = 0;

    for (; what[i] && i + 4 < LABEL_MAX; i++)
        out[i] = (unsigned char)what[i] < ' ' || what[i] == 0x7f ? '?' : what[i];
    while (what[i] && i > 0 && ((unsigned char)what[i] & 0xc0) == 0x80)
        i--; // no part of a character
    memcpy(out + i, what[i] ? "..." : "", what[i] ? 4 : 1);
}

int
cmd_fail_about(const struct opt_program *prog, const char *what, const char *why)
{
    char label[LABEL_MAX];
    size_t length;

    format_label(what, label);
    length = strlen(label);
    if (strncmp(why, "key '", 5) == 0 || (strncmp(why, label, length) == 0 && why[length] == ':'))
        return cmd_fail(prog, "%s", why); // it tells by itself
    return cmd_fail(prog, "%s: %s", label, why);
}

int
cmd_fail_x(const struct opt_program *prog, const xylem_t *x, const char *what)
{
    if (what)
        return cmd_fail_about(prog, what, xylem_error(x));
    return cmd_fail(prog, "%s", xylem_error(x));
}

/* --- arguments --- */

int
cmd_parse(const struct opt_program *prog, int argc, char **argv, int min, int max)
{
    int first = opt_parse(prog, argc, argv);

    if (argc - first < min)
        opt_usage_error(prog, "missing argument: %s", prog->synopsis);
    if (argc - first > max)
        opt_usage_error(prog, "unexpected argument '%s'", argv[first + max]);
    return first;
}

uint32_t
cmd_rank(const struct opt_program *prog, const char *text)
{
    long rank;

    if (!text)
        return XYLEM_RANK_ANY;
    if (units_parse_long(text, 0, INT32_MAX, &rank) < 0)
        opt_usage_error(prog, "'%s' is not a rank", text);
    return (uint32_t)rank;
}

/* --- the connection --- */

xylem_t *
cmd_open(const struct opt_program *prog)
{
    char error[XYLEM_ERROR_MAX];
    const char *env = getenv("XYLEM_URI");
    xylem_t *x;

    if (!cmd_uri && !(env && env[0]))
        exit(cmd_fail(prog, "which rank? set XYLEM_URI or use -u URI"));
    if (xylem_open(&x, cmd_uri, cmd_cert, error) < 0)
        exit(cmd_fail(prog, "%s", error));
    return x;
}

json_t *
cmd_rpc_json(const struct opt_program *prog, xylem_t *x, const char *topic, uint32_t rank,
             const char *request, const char *what)
{
    AUTO(free) char *text = NULL;
    json_t *json;

    if (xylem_rpc(x, topic, rank, request, &text) < 0) {
        cmd_fail_x(prog, x, what);
        return NULL;
    }
    json = json_loads(text, 0, NULL);
    if (!json)
        cmd_fail(prog, "malformed answer to %s", topic);
    return json;
}

/* --- output --- */

void
cmd_write(const void *data, size_t size)
{
    fwrite(data, 1, size, stdout);
}

bool
cmd_output_failed(void)
{
    return ferror(stdout);
}

/* --- groups --- */

static void
print_group_help(const struct command_group *group)
{
    AUTO(buf) struct buf text = BUF_INIT;

    opt_help_format(&group->program, &text);
    buf_add_str(&text, "\nCommands:\n");
    for (const struct command *c = group->commands; c->name; c++) {
        if (c->help && (c->run || group->exists(c->name)))
            buf_printf(&text, "  %-12s %s\n", c->name, c->help);
    }
    cmd_write(buf_str(&text), text.size);
}

/* opt_parse() would print the options only. */
static bool
wants_help(int argc, char **argv)
{
    return argc > 1 && (strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--help") == 0 ||
                        strcmp(argv[1], "help") == 0);
}

int
cmd_run_group(const struct command_group *group, int argc, char **argv)
{
    int first;

    if (wants_help(argc, argv)) {
        print_group_help(group);
        return CMD_OK;
    }
    first = opt_parse(&group->program, argc, argv);
    if (first == argc)
        opt_usage_error(&group->program, "missing command");
    for (const struct command *c = group->commands; c->name; c++) {
        if (c->run && strcmp(c->name, argv[first]) == 0)
            return c->run(argc - first, argv + first);
    }
    if (group->other)
        group->other(argv + first);
    opt_usage_error(&group->program, "unknown command '%s'", argv[first]);
}

void
cmd_format_time(double seconds, char out[CMD_TIME_MAX])
{
    time_t when = (time_t)seconds;
    struct tm tm;

    if (gmtime_r(&when, &tm))
        strftime(out, CMD_TIME_MAX, "%Y-%m-%dT%H:%M:%SZ", &tm);
}
