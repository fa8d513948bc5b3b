/* SPDX-License-Identifier: MPL-2.0 */
/* hist.c - buckets whose width grows with their value.
 *
 * Below 2 * EXACT each value has a bucket.  Above, each power of two is cut into EXACT buckets of
 * equal width: bucket number = (shift + 1) * EXACT + the bits of the value behind its leading one,
 * after `shift` low bits were dropped.  A bucket stands for its middle, so what is told is off by
 * at most half a width, 1 / (2 * EXACT) of the value.
 */
#include "hist.h"

#include <math.h>

#define EXACT_BITS 6 // EXACT = 1 << EXACT_BITS

static size_t
find_bucket(uint64_t value)
{
    size_t shift = 0;

    if (value >= 2 * HIST_EXACT)
        shift = 63 - (size_t)__builtin_clzll(value) - EXACT_BITS;
    return MIN(shift * HIST_EXACT + (size_t)(value >> shift), HIST_BUCKETS - 1);
}

static size_t
shift_of(size_t bucket)
{
    return bucket < HIST_EXACT ? 0 : bucket / HIST_EXACT - 1;
}

static uint64_t
first_of(size_t bucket)
{
    size_t shift = shift_of(bucket);

    return (uint64_t)(bucket - shift * HIST_EXACT) << shift;
}

uint64_t
hist_bucket_last(size_t bucket)
{
    return first_of(bucket) + ((UINT64_C(1) << shift_of(bucket)) - 1);
}

void
hist_add(struct hist *h, int64_t value)
{
    uint64_t v = value < 0 ? 0 : (uint64_t)value;

    h->buckets[find_bucket(v)]++;
    if (h->count++ == 0 || v < h->min)
        h->min = v;
    h->max = MAX(h->max, v);
    h->sum += v;
}

void
hist_add_to_bucket(struct hist *h, uint64_t value, uint64_t n)
{
    h->buckets[find_bucket(value)] += n;
    h->count += n;
}

void
hist_merge(struct hist *h, const struct hist *other)
{
    if (other->count == 0)
        return;
    for (size_t i = 0; i < HIST_BUCKETS; i++)
        h->buckets[i] += other->buckets[i];
    h->min = h->count == 0 ? other->min : MIN(h->min, other->min);
    h->max = MAX(h->max, other->max);
    h->sum += other->sum;
    h->count += other->count;
}

/* No quantile is beyond the samples: the ends are known better than their buckets. */
static double
middle_of(const struct hist *h, size_t bucket)
{
    double first = (double)first_of(bucket);
    double middle = first + ((double)hist_bucket_last(bucket) - first) / 2;

    return MIN(MAX(middle, (double)h->min), (double)h->max);
}

double
hist_quantile(const struct hist *h, unsigned thousandths)
{
    uint64_t seen = 0;

    assert(thousandths >= 1 && thousandths <= 1000);
    for (size_t i = 0; i < HIST_BUCKETS; i++) {
        seen += h->buckets[i];
        if (seen > 0 && (double)seen * 1000 >= (double)h->count * thousandths)
            return middle_of(h, i);
    }
    return 0;
}

double
hist_stddev(const struct hist *h)
{
    double mean = h->count > 0 ? (double)h->sum / (double)h->count : 0;
    double squares = 0;

    for (size_t i = 0; i < HIST_BUCKETS; i++) {
        double far = h->buckets[i] > 0 ? middle_of(h, i) - mean : 0;

        squares += far * far * (double)h->buckets[i];
    }
    return h->count > 0 ? sqrt(squares / (double)h->count) : 0;
}

uint64_t
hist_count_below(const struct hist *h, unsigned power)
{
    size_t end = power > EXACT_BITS ? (power - EXACT_BITS + 1) * HIST_EXACT : (size_t)1 << power;
    uint64_t count = 0;

    for (size_t i = 0; i < MIN(end, HIST_BUCKETS); i++)
        count += h->buckets[i];
    return count;
}
