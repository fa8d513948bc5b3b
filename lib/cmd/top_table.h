/* SPDX-License-Identifier: MPL-2.0 */
/* top_table.h - what ranks do, a line for each: figures of stats.get at two times, and what has become
 * of them.  Pure. */
#ifndef XYLEM_TOP_TABLE_H
#define XYLEM_TOP_TABLE_H

#include "metric.h"

struct top_rank {
    struct metrics *metrics; // owned; NULL: it has not answered
    char *error;             // owned; why
};

struct top_sample {
    struct top_rank *ranks; // owned array, by rank
    size_t count;
    int64_t at; // us, monotonic
};

void top_sample_init(struct top_sample *s, size_t count);
void top_sample_fini(struct top_sample *s);

/* Index of the column with that name, in any case; -EINVAL. */
int top_column_find(const char *name);
/* "rank,req/s,..." */
void top_column_names(struct buf *out);

struct top_style {
    int sort;     // column; 0 is the rank, upwards; others downwards
    size_t lines; // at most so many, 0: all
};

/* The heading, the sum and the ranks.  Rates are those between the two samples, which are of the same
 * ranks. */
void top_table(struct buf *out, const struct top_sample *before, const struct top_sample *now,
               const struct top_style *style);

#endif
