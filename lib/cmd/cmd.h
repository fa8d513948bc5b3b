/* SPDX-License-Identifier: MPL-2.0 */
/* cmd.h - what the command files of `xylem` share.
 *
 * A command is a function with the arguments of main(): argv[0] is its own word.  It returns the
 * exit status: CMD_OK, CMD_FAILED, CMD_USAGE, or CMD_UNMET: what a commit expects does not hold.
 * Failures are one line on stderr, "xylem: COMMAND: WHAT: WHY".  main() checks that standard output
 * was written. */
#ifndef XYLEM_CMD_H
#define XYLEM_CMD_H

#include "opt.h"
#include "xylem.h"

enum { CMD_OK = 0, CMD_FAILED = 1, CMD_USAGE = 2, CMD_UNMET = 3 };

struct command {
    const char *name;
    const char *help;                  // one line; NULL: not listed
    int (*run)(int argc, char **argv); // NULL: a program of its own, see cmd_exec()
};

/* A command that only has commands below it.  commands ends with a row whose name is NULL. */
struct command_group {
    struct opt_program program;
    const struct command *commands;
    /* A command of another name (argv[0]); returns only if there is none.  May be NULL. */
    void (*other)(char **argv);
    /* Is a row without a function there to be run?  Else it is not listed. */
    bool (*exists)(const char *name);
};

/* Parse the group's own options, find the command, run it. */
int cmd_run_group(const struct command_group *group, int argc, char **argv);

/* Values of the options in front of the command; NULL = not given. */
extern const char *cmd_uri;
extern const char *cmd_cert;

/* "xylem: COMMAND: TEXT" on stderr; returns CMD_FAILED. */
int cmd_fail(const struct opt_program *prog, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* "xylem: COMMAND: WHAT: WHY", of WHAT as much as is good to read; WHY alone if it names it itself. */
int cmd_fail_about(const struct opt_program *prog, const char *what, const char *why);

/* "xylem: COMMAND: WHAT: the handle's last error", in the same way; what may be NULL. */
int cmd_fail_x(const struct opt_program *prog, const xylem_t *x, const char *what);

/* Connect, or say why not and exit with CMD_FAILED. */
xylem_t *cmd_open(const struct opt_program *prog);

/* Rank from text: a number, or NULL for XYLEM_RANK_ANY.  Exits with CMD_USAGE. */
uint32_t cmd_rank(const struct opt_program *prog, const char *text);

/* opt_parse(), then exit with CMD_USAGE unless min..max operands are left.  Returns the index of
 * the first. */
int cmd_parse(const struct opt_program *prog, int argc, char **argv, int min, int max);
#define CMD_MANY INT32_MAX

/* Run an RPC whose answer is JSON.  NULL after saying what is wrong (what as in cmd_fail_x). */
struct json_t;
struct json_t *cmd_rpc_json(const struct opt_program *prog, xylem_t *x, const char *topic,
                            uint32_t rank, const char *request, const char *what);

/* UTC with seconds, 2026-11-21T19:22:54Z.  A time that is none in the calendar leaves out as it is. */
#define CMD_TIME_MAX 32
void cmd_format_time(double seconds, char out[CMD_TIME_MAX]);

/* Standard output, checked at the end by main(): no output function needs looking at. */
void cmd_write(const void *data, size_t size);
bool cmd_output_failed(void);

/* The commands. */
int cmd_content(int argc, char **argv);
int cmd_content_checkpoint(int argc, char **argv);
int cmd_kvs(int argc, char **argv);
int cmd_stats(int argc, char **argv);
int cmd_top(int argc, char **argv);
int cmd_overlay(int argc, char **argv);
int cmd_ping(int argc, char **argv);
int cmd_getattr(int argc, char **argv);
int cmd_lsattr(int argc, char **argv);
int cmd_shutdown(int argc, char **argv);
int cmd_keygen(int argc, char **argv);

/* Replace this process by xylem-NAME, argv[0] being NAME.  Returns if there is no such program. */
void cmd_exec(char **argv);

/* Does xylem-NAME lie beside this program? */
bool cmd_exec_exists(const char *name);

#endif
