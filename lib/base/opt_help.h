/* SPDX-License-Identifier: MPL-2.0 */
/* opt_help.h - the help text made from a table of options.  Used by opt.c only. */
#ifndef XYLEM_OPT_HELP_H
#define XYLEM_OPT_HELP_H

#include "buf.h"
#include "opt.h"

/* Append the whole text of --help. */
void opt_help_format(const struct opt_program *prog, struct buf *out);

#endif
