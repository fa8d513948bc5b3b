/* SPDX-License-Identifier: MPL-2.0 */
/* stats_table.h - figures for people.  Pure. */
#ifndef XYLEM_STATS_TABLE_H
#define XYLEM_STATS_TABLE_H

#include "metric.h"

/* Append a line for each row that is shown, and an empty one between groups: the name, then the
 * value; of histograms the number of samples, the median, the 99th percentile and the largest. */
void stats_table(struct buf *out, const struct metrics *m);

/* Append "12", "1.5M" (powers of 1024), "3.2ms": at most a digit behind the point. */
void stats_table_value(struct buf *out, enum metric_unit unit, double value);

#endif
