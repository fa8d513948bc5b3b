/* SPDX-License-Identifier: MPL-2.0 */
/* stats_prometheus.h - figures in the text format of Prometheus, version 0.0.4.  Pure. */
#ifndef XYLEM_STATS_PROMETHEUS_H
#define XYLEM_STATS_PROMETHEUS_H

#include "metric.h"

struct stats_rank {
    uint32_t rank;
    struct metrics *metrics; // owned by whoever has the array; NULL: did not answer
};

/* Append a family for each row that one of the ranks shows, with a sample, or a histogram, for each
 * rank that does.  There is no sum: that is for the reader to make. */
void stats_prometheus(struct buf *out, const struct stats_rank *ranks, size_t count);

/* Append the name of a row's family: "xylem_", the name with '_' for other characters, the unit
 * (seconds or bytes), and _total for counters. */
void stats_prometheus_name(struct buf *out, enum metric id);

#endif
