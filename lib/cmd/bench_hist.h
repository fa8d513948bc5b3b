/* SPDX-License-Identifier: MPL-2.0 */
/* bench_hist.h - histogram of latencies: any number of samples in constant memory.
 * Pure.  Samples below 128 us are kept exactly, larger ones to within 1 %. */
#ifndef XYLEM_BENCH_HIST_H
#define XYLEM_BENCH_HIST_H

#include "base.h"

#define BENCH_HIST_EXACT 64  // buckets for each power of two
#define BENCH_HIST_SHIFTS 36 // powers of two above that; the last bucket is beyond 48 days
#define BENCH_HIST_BUCKETS ((BENCH_HIST_SHIFTS + 1) * BENCH_HIST_EXACT)

struct bench_hist {
    uint64_t count;                       // samples
    uint64_t buckets[BENCH_HIST_BUCKETS]; // samples in each
};

/* All zero is an empty histogram. */

/* us: microseconds; negative ones count as 0, too large ones as the largest. */
void bench_hist_add(struct bench_hist *h, int64_t us);

/* Add the samples of another. */
void bench_hist_merge(struct bench_hist *h, const struct bench_hist *other);

/* The smallest value, in microseconds, that at least so many percent (1..100) of the samples do not
 * exceed.  0 if there are no samples. */
double bench_hist_percentile(const struct bench_hist *h, unsigned percent);

#endif
