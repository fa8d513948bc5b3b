/* SPDX-License-Identifier: MPL-2.0 */
/* xylem.c - the `xylem` command, xylem(1): options in front, the table of commands, the end. */
#include "cmd.h"
#include "xerr.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>

static const struct opt options[] = {
    {'u', "uri", "URI", OPT_STRING, &cmd_uri, "which rank to talk to (default: $XYLEM_URI)", 0, 0},
    {0, "cert", "FILE", OPT_STRING, &cmd_cert, "certificate for tcp:// ($XYLEM_CERT)", 0, 0},
    {0},
};

static const struct command commands[] = {
    {"content", "blobs: store, load, validate, flush, checkpoints", cmd_content},
    {"kvs", "keys: get, put, ls, dir, unlink, link, mkdir, ...", cmd_kvs},
    {"stats", "counters of one rank or all", cmd_stats},
    {"top", "what all ranks do, again and again", cmd_top},
    {"overlay", "the tree of ranks: status, errors, events, parentof, lookup", cmd_overlay},
    {"ping", "measure the way to a rank and back", cmd_ping},
    {"getattr", "print an attribute of a rank", cmd_getattr},
    {"lsattr", "list the attributes of a rank", cmd_lsattr},
    {"shutdown", "stop all ranks, leaves first", cmd_shutdown},
    {"keygen", "make a certificate for tcp://", cmd_keygen},
    {"dump", "archive the key-value store: xylem-dump(1)", NULL},
    {"restore", "fill the key-value store: xylem-restore(1)", NULL},
    {"gc", "remove what no root reaches from the store: xylem-gc(1)", NULL},
    {"fsck", "check every blob and every key of the store: xylem-fsck(1)", NULL},
    {"launch", "start some ranks: xylem-launch(1)", NULL},
    {"bench", "measure throughput and latency: xylem-bench(1)", NULL},
    {0},
};

static const struct command_group group = {
    .program =
        {
            .name = "xylem",
            .synopsis = "[-u URI] COMMAND [ARG...]",
            .description = "Work with a Xylem instance, a content-addressed distributed cache for "
                           "clusters.",
            .options = options,
            .stop_at_operand = true,
        },
    .commands = commands,
    .other = cmd_exec,
    .exists = cmd_exec_exists,
};

/* A full disk or a closed pipe must not look like success. */
static int
finish_output(int status)
{
    bool failed = ferror(stdout);

    if (fflush(stdout) == 0 && !failed)
        return status;
    fprintf(stderr, "xylem: standard output: %s\n", err_name(errno ? errno : EIO));
    return status == CMD_OK ? CMD_FAILED : status;
}

int
main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    return finish_output(cmd_run_group(&group, argc, argv));
}
