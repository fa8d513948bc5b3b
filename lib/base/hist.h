/* SPDX-License-Identifier: MPL-2.0 */
/* hist.h - histogram: any number of samples in constant memory.
 * Pure.  Samples are whole numbers in a unit of the user's, say microseconds: those below 128 are
 * kept exactly, larger ones to within 1 %.  Histograms are merged by adding them. */
#ifndef XYLEM_HIST_H
#define XYLEM_HIST_H

#include "base.h"

#define HIST_EXACT 64 // buckets for each power of two
#define HIST_SHIFTS \
    36 // powers of two above that; in microseconds the last bucket is beyond 48 days
#define HIST_BUCKETS ((HIST_SHIFTS + 1) * HIST_EXACT)

struct hist {
    uint64_t count, sum;            // samples, and what they add up to
    uint64_t min, max;              // 0 while there are no samples
    uint64_t buckets[HIST_BUCKETS]; // samples in each
};

/* All zero is an empty histogram. */

/* Negative samples count as 0, too large ones go to the last bucket. */
void hist_add(struct hist *h, int64_t value);

/* Add the samples of another. */
void hist_merge(struct hist *h, const struct hist *other);

/* The smallest value that at least so many thousandths (1..1000) of the samples do not exceed.  0 if
 * there are no samples. */
double hist_quantile(const struct hist *h, unsigned thousandths);

/* How far samples are from their mean, as its root mean square; to within 1 %. */
double hist_stddev(const struct hist *h);

/* How many samples are below a power of two?  Exact. */
uint64_t hist_count_below(const struct hist *h, unsigned power);

/* --- to write a histogram down and read it back: of each bucket its largest value and its count --- */
uint64_t hist_bucket_last(size_t bucket);
/* Add n samples to the bucket that has `value`; sum, min and max are the caller's. */
void hist_add_to_bucket(struct hist *h, uint64_t value, uint64_t n);

#endif
