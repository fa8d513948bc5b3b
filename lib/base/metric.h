/* SPDX-License-Identifier: MPL-2.0 */
/* metric.h - the figures of a rank, by the rows of metric_table.h.
 *
 * One thread writes and reads a set; nothing here locks.  Counting is an addition, a sample is a
 * few instructions.  NULL may stand for a set that nobody wants: what is counted is lost. */
#ifndef XYLEM_METRIC_H
#define XYLEM_METRIC_H

#include "buf.h"
#include "hist.h"
#include "metric_table.h"

#define METRIC_IDENT(ident, name, kind, unit, help) METRIC_##ident,
enum metric { METRIC_TABLE(METRIC_IDENT) METRIC_COUNT };
#undef METRIC_IDENT

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE, METRIC_STATE, METRIC_HISTOGRAM };
enum metric_unit { METRIC_ONE, METRIC_BYTES, METRIC_SECONDS, METRIC_US };

struct metric_info {
    const char *name; // "group.name", or "name" without a group
    enum metric_kind kind;
    enum metric_unit unit;
    const char *help;
};

const struct metric_info *metric_info(enum metric id);
/* METRIC_COUNT: there is none of that name. */
enum metric metric_find(const char *name);
/* Length of the group in front of the name, 0 without one. */
size_t metric_group_length(const char *name);

const char *metric_kind_name(enum metric_kind kind); // "counter" ...
const char *metric_unit_name(enum metric_unit unit); // "", "bytes", "s", "us"

struct metrics {
    uint64_t values[METRIC_COUNT];    // not of histograms
    struct hist *hists[METRIC_COUNT]; // owned; of histograms with samples, else NULL
    bool shown[METRIC_COUNT];         // does this set have that row?
};

struct metrics *metrics_new(void); // no row is shown
void metrics_free(struct metrics **m);

/* The set has the rows of that group; "" are those without one. */
void metrics_show(struct metrics *m, const char *group);

static inline void
metrics_set(struct metrics *m, enum metric id, uint64_t value)
{
    if (m)
        m->values[id] = value;
}

static inline void
metrics_add(struct metrics *m, enum metric id, uint64_t n)
{
    if (m)
        m->values[id] += n;
}

/* One sample of a histogram, in its unit. */
void metrics_observe(struct metrics *m, enum metric id, int64_t value);

/* The histogram of a row that is one, empty or not. */
const struct hist *metrics_hist(const struct metrics *m, enum metric id);
/* The same, to be filled in. */
struct hist *metrics_make_hist(struct metrics *m, enum metric id);

/* Add another set: rows that only one of them has are taken over, STATE rows are left out. */
void metrics_merge(struct metrics *m, const struct metrics *other);

/* Append the rows that are shown as members of a JSON object, without its braces: groups are objects
 * in it.  A histogram is
 * {"count":N,"sum":N,"min":N,"max":N,"p50":X,"p90":X,"p99":X,"p999":X,"buckets":[[LAST,COUNT],...]};
 * LAST is the largest value of the bucket, and buckets without samples are left out. */
void metrics_write_json(const struct metrics *m, struct buf *out);

static inline void
metrics_auto(struct metrics **m)
{
    metrics_free(m);
}

#endif
