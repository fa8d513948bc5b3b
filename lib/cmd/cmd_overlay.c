/* SPDX-License-Identifier: MPL-2.0 */
/* cmd_overlay.c - xylem overlay: the tree of ranks. */
#include "cmd_overlay.h"
#include "units.h"
#include "xmem.h"

#include <stdlib.h>

static uint32_t
get_number(const struct opt_program *prog, xylem_t *x, const char *name)
{
    AUTO(free) char *text = NULL;
    long value;

    if (xylem_getattr(x, name, &text) < 0)
        exit(cmd_fail_x(prog, x, name));
    if (units_parse_long(text, 1, INT32_MAX, &value) < 0)
        exit(cmd_fail(prog, "%s: '%s' is not a number", name, text));
    return (uint32_t)value;
}

void
overlay_open_tree(const struct opt_program *prog, xylem_t *x, uint32_t top, struct rank_tree *ret)
{
    uint32_t size = get_number(prog, x, "size");
    uint32_t fanout = get_number(prog, x, "tbon.fanout");

    if (top >= size)
        exit(cmd_fail(prog, "%u: there is no such rank, there are %u", top, size));
    if (rank_tree_init(ret, size, fanout, top) < 0)
        exit(cmd_fail(prog, "%u ranks are more than a tree can have", size));
}

int
cmd_overlay(int argc, char **argv)
{
    static const struct opt no_options[] = {{0}};
    static const struct command commands[] = {
        {"status", "draw the tree", overlay_status},
        {"errors", "list the ranks that are lost, and why", overlay_errors},
        {"events", "ranks that joined, left or were lost", overlay_events},
        {"parentof", "the rank that a rank is below", overlay_parentof},
        {"lookup", "the hosts of ranks, or the ranks of hosts", overlay_lookup},
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
