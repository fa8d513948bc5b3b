/* SPDX-License-Identifier: MPL-2.0 */
/* stats_table.c - see stats_table.h. */
#include "stats_table.h"

#include <inttypes.h>
#include <string.h>

#define NAME_WIDTH 30

struct scale {
    double factor; // of the one before it
    const char *name;
};

static const struct scale size_scales[] = {{1, ""},     {1024, "k"}, {1024, "M"},
                                           {1024, "G"}, {1024, "T"}, {0, NULL}};
static const struct scale time_scales[] = {{1, "us"},   {1000, "ms"}, {1000, "s"},
                                           {60, "min"}, {60, "h"},    {0, NULL}};

/* In the largest scale, from that of the value on, in which it is at least 1. */
static void
add_scaled(struct buf *out, const struct scale *scale, double value)
{
    while (scale[1].name && value >= scale[1].factor) {
        scale++;
        value /= scale->factor;
    }
    if (value == (double)(uint64_t)value)
        buf_printf(out, "%.0f%s", value, scale->name);
    else
        buf_printf(out, "%.1f%s", value, scale->name);
}

void
stats_table_value(struct buf *out, enum metric_unit unit, double value)
{
    switch (unit) {
    case METRIC_ONE:
        buf_printf(out, "%.0f", value);
        break;
    case METRIC_BYTES:
        add_scaled(out, size_scales, value);
        break;
    case METRIC_SECONDS:
        add_scaled(out, time_scales + 2, value);
        break;
    case METRIC_US:
        add_scaled(out, time_scales, value);
        break;
    }
}

static void
add_hist(struct buf *out, enum metric_unit unit, const struct hist *h)
{
    buf_printf(out, "%-10" PRIu64 " p50 ", h->count);
    stats_table_value(out, unit, hist_quantile(h, 500));
    buf_add_str(out, "  p99 ");
    stats_table_value(out, unit, hist_quantile(h, 990));
    buf_add_str(out, "  max ");
    stats_table_value(out, unit, (double)h->max);
}

static void
add_row(struct buf *out, const struct metrics *m, enum metric id)
{
    const struct metric_info *info = metric_info(id);

    buf_printf(out, "%-*s ", NAME_WIDTH, info->name);
    if (info->kind != METRIC_HISTOGRAM)
        stats_table_value(out, info->unit, (double)m->values[id]);
    else if (metrics_hist(m, id)->count == 0)
        buf_add_char(out, '0');
    else
        add_hist(out, info->unit, metrics_hist(m, id));
    buf_add_char(out, '\n');
}

void
stats_table(struct buf *out, const struct metrics *m)
{
    const char *last = NULL; // name of the row before

    for (enum metric id = 0; id < METRIC_COUNT; id++) {
        const char *name = metric_info(id)->name;

        if (!m->shown[id])
            continue;
        if (last && strncmp(last, name, metric_group_length(name) + 1) != 0)
            buf_add_char(out, '\n');
        add_row(out, m, id);
        last = name;
    }
}
