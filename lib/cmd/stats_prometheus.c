/* SPDX-License-Identifier: MPL-2.0 */
/* stats_prometheus.c - see stats_prometheus.h.
 *
 * The bounds of buckets are the same at all times and ranks, so that they can be added and compared:
 * powers of two, of which the histograms count exactly what is below.  A duration of n us is one
 * that was not n + 1 us long, so those below 2^k us are those up to le="2^k us"; of whole numbers the
 * last one below 2^k is 2^k - 1. */
#include "stats_prometheus.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#define TIME_POWERS 27  // up to 134 s
#define COUNT_POWERS 14 // up to 16383

/* --- names --- */

static void
add_unit(struct buf *out, const char *unit)
{
    size_t length = strlen(unit);

    if (out->size < length || strcmp(out->data + out->size - length, unit) != 0)
        buf_printf(out, "_%s", unit);
}

void
stats_prometheus_name(struct buf *out, enum metric id)
{
    const struct metric_info *info = metric_info(id);

    buf_add_str(out, "xylem_");
    for (const char *p = info->name; *p; p++)
        buf_add_char(out, isalnum((unsigned char)*p) ? *p : '_');
    if (info->unit == METRIC_BYTES)
        add_unit(out, "bytes");
    else if (info->unit != METRIC_ONE)
        add_unit(out, "seconds");
    if (info->kind == METRIC_COUNTER)
        buf_add_str(out, "_total");
}

static const char *
type_name(enum metric_kind kind)
{
    return kind == METRIC_STATE ? "gauge" : metric_kind_name(kind);
}

/* --- histograms --- */

static double
bound(enum metric_unit unit, unsigned power)
{
    double value = (double)(UINT64_C(1) << power);

    return unit == METRIC_US ? value / 1e6 : value - 1;
}

static void
add_hist(struct buf *out, const char *name, enum metric_unit unit, uint32_t rank,
         const struct hist *h)
{
    unsigned powers = unit == METRIC_US ? TIME_POWERS : COUNT_POWERS;
    double scale = unit == METRIC_US ? 1e6 : 1;

    for (unsigned power = 0; power <= powers; power++)
        buf_printf(out, "%s_bucket{rank=\"%u\",le=\"%.9g\"} %" PRIu64 "\n", name, rank,
                   bound(unit, power), hist_count_below(h, power));
    buf_printf(out, "%s_bucket{rank=\"%u\",le=\"+Inf\"} %" PRIu64 "\n", name, rank, h->count);
    buf_printf(out, "%s_sum{rank=\"%u\"} %.15g\n", name, rank, (double)h->sum / scale);
    buf_printf(out, "%s_count{rank=\"%u\"} %" PRIu64 "\n", name, rank, h->count);
}

/* --- families --- */

static bool
is_shown(enum metric id, const struct stats_rank *r)
{
    return r->metrics && r->metrics->shown[id];
}

static void
add_family(struct buf *out, enum metric id, const struct stats_rank *ranks, size_t count)
{
    const struct metric_info *info = metric_info(id);
    AUTO(buf) struct buf name = BUF_INIT;

    stats_prometheus_name(&name, id);
    buf_printf(out, "# HELP %s %s.\n", buf_str(&name), info->help);
    buf_printf(out, "# TYPE %s %s\n", buf_str(&name), type_name(info->kind));
    for (const struct stats_rank *r = ranks; r < ranks + count; r++) {
        if (!is_shown(id, r))
            continue;
        if (info->kind == METRIC_HISTOGRAM)
            add_hist(out, buf_str(&name), info->unit, r->rank, metrics_hist(r->metrics, id));
        else
            buf_printf(out, "%s{rank=\"%u\"} %" PRIu64 "\n", buf_str(&name), r->rank,
                       r->metrics->values[id]);
    }
}

void
stats_prometheus(struct buf *out, const struct stats_rank *ranks, size_t count)
{
    for (enum metric id = 0; id < METRIC_COUNT; id++) {
        bool any = false;

        for (size_t i = 0; i < count; i++)
            any = any || is_shown(id, &ranks[i]);
        if (any)
            add_family(out, id, ranks, count);
    }
}
