/* SPDX-License-Identifier: MPL-2.0 */
/* stats_read.h - the answer of stats.get (xylem-message(7)) as a set of figures.  Pure. */
#ifndef XYLEM_STATS_READ_H
#define XYLEM_STATS_READ_H

#include "metric.h"

/* Rows that this program does not know, of a newer rank, are left out.  *ret_rank: who it is of.
 * -EPROTO: not JSON, or not what stats.get answers. */
int stats_read(const char *text, uint32_t *ret_rank, struct metrics **ret);

#endif
