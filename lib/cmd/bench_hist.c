/* SPDX-License-Identifier: MPL-2.0 */
/* bench_hist.c - buckets whose width grows with their value.
 *
 * Below 2 * EXACT each value has a bucket.  Above, each power of two is cut into EXACT buckets of
 * equal width: bucket number = (shift + 1) * EXACT + the bits of the value behind its leading one,
 * after `shift` low bits were dropped.  A bucket stands for its middle, so what is told is off by
 * at most half a width, 1 / (2 * EXACT) of the value.
 */
#include "bench_hist.h"

static size_t
find_bucket(uint64_t value)
{
    size_t shift = 0;

    while (value >> shift >= 2 * BENCH_HIST_EXACT)
        shift++;
    return MIN(shift * BENCH_HIST_EXACT + (size_t)(value >> shift), BENCH_HIST_BUCKETS - 1);
}

static double
middle_of(size_t bucket)
{
    size_t shift = bucket < BENCH_HIST_EXACT ? 0 : bucket / BENCH_HIST_EXACT - 1;
    uint64_t low = (uint64_t)(bucket - shift * BENCH_HIST_EXACT) << shift;

    return (double)low + (double)((UINT64_C(1) << shift) - 1) / 2;
}

void
bench_hist_add(struct bench_hist *h, int64_t us)
{
    h->buckets[find_bucket(us < 0 ? 0 : (uint64_t)us)]++;
    h->count++;
}

void
bench_hist_merge(struct bench_hist *h, const struct bench_hist *other)
{
    for (size_t i = 0; i < BENCH_HIST_BUCKETS; i++)
        h->buckets[i] += other->buckets[i];
    h->count += other->count;
}

double
bench_hist_percentile(const struct bench_hist *h, unsigned percent)
{
    uint64_t seen = 0;

    assert(percent >= 1 && percent <= 100);
    for (size_t i = 0; i < BENCH_HIST_BUCKETS; i++) {
        seen += h->buckets[i];
        if (seen > 0 && seen * 100 >= h->count * percent)
            return middle_of(i);
    }
    return 0;
}
