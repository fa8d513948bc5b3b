/* SPDX-License-Identifier: MPL-2.0 */
/* cmd_kvs.c - xylem kvs: the table of its commands. */
#include "cmd_kvs_util.h"

#include <stdlib.h>

static const struct opt options[] = {KVS_OPTION_NS, {0}};

static const struct command commands[] = {
    {"get", "print values", kvs_get},
    {"put", "set keys", kvs_put},
    {"watch", "print values at each change", kvs_watch},
    {"dir", "list keys with their values", kvs_dir},
    {"ls", "list the names in directories", kvs_ls},
    {"unlink", "remove keys", kvs_unlink},
    {"link", "make a symbolic link", kvs_link},
    {"readlink", "print where symbolic links lead", kvs_readlink},
    {"mkdir", "make empty directories", kvs_mkdir},
    {"copy", "copy a key", kvs_copy},
    {"move", "rename a key", kvs_move},
    {"getroot", "print the current root", kvs_getroot},
    {"version", "print the root's sequence number", kvs_version},
    {"wait", "wait for a sequence number", kvs_wait},
    {"history", "list the roots of old", kvs_history},
    {"diff", "print what is different between two roots", kvs_diff},
    {"sync", "record a checkpoint", kvs_sync_now},
    {"eventlog", "append, get, wait-event", kvs_eventlog},
    {"namespace", "create, remove, list namespaces", kvs_namespace},
    {0},
};

static const struct command_group group = {
    .program = {.name = "xylem kvs",
                .synopsis = "[-N NS] COMMAND [ARG...]",
                .description = "Work with the key-value store.  Keys are names joined by dots; a "
                               "dot inside of a name is written %2E.",
                .options = options,
                .stop_at_operand = true},
    .commands = commands,
};

int
cmd_kvs(int argc, char **argv)
{
    if (!getenv("XYLEM_NAMESPACE"))
        kvs_ns = getenv("FLUX_KVS_NAMESPACE");
    return cmd_run_group(&group, argc, argv);
}
