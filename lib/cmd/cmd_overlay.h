/* SPDX-License-Identifier: MPL-2.0 */
/* cmd_overlay.h - the commands of `xylem overlay`, and what they share. */
#ifndef XYLEM_CMD_OVERLAY_H
#define XYLEM_CMD_OVERLAY_H

#include "cmd.h"
#include "rank_tree.h"

int overlay_status(int argc, char **argv);
int overlay_errors(int argc, char **argv);
int overlay_events(int argc, char **argv);
int overlay_parentof(int argc, char **argv);
int overlay_lookup(int argc, char **argv);

/* The empty tree of the instance below `top`.  Exits with CMD_USAGE if there is no such rank, and with
 * CMD_FAILED if the rank does not say how many there are. */
void overlay_open_tree(const struct opt_program *prog, xylem_t *x, uint32_t top,
                       struct rank_tree *ret);

#endif
