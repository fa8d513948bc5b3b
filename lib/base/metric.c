/* SPDX-License-Identifier: MPL-2.0 */
/* metric.c - see metric.h. */
#include "metric.h"
#include "xmem.h"

#include <inttypes.h>
#include <string.h>

#define METRIC_ROW(ident, name, kind, unit, help) {name, METRIC_##kind, METRIC_##unit, help},
static const struct metric_info table[METRIC_COUNT] = {METRIC_TABLE(METRIC_ROW)};
#undef METRIC_ROW

static const struct hist no_samples;

const struct metric_info *
metric_info(enum metric id)
{
    assert(id < METRIC_COUNT);
    return &table[id];
}

enum metric
metric_find(const char *name)
{
    enum metric id = 0;

    while (id < METRIC_COUNT && strcmp(table[id].name, name) != 0)
        id++;
    return id;
}

size_t
metric_group_length(const char *name)
{
    const char *dot = strchr(name, '.');

    return dot ? (size_t)(dot - name) : 0;
}

const char *
metric_kind_name(enum metric_kind kind)
{
    static const char *const names[] = {"counter", "gauge", "state", "histogram"};

    return names[kind];
}

const char *
metric_unit_name(enum metric_unit unit)
{
    static const char *const names[] = {"", "bytes", "s", "us"};

    return names[unit];
}

/* --- a set --- */

struct metrics *
metrics_new(void)
{
    return xcalloc(1, sizeof(struct metrics));
}

void
metrics_free(struct metrics **metrics)
{
    struct metrics *m = TAKE(*metrics);

    if (!m)
        return;
    for (enum metric id = 0; id < METRIC_COUNT; id++)
        free(m->hists[id]);
    free(m);
}

static bool
is_in_group(enum metric id, const char *group)
{
    size_t length = strlen(group);

    return metric_group_length(table[id].name) == length &&
           strncmp(table[id].name, group, length) == 0;
}

void
metrics_show(struct metrics *m, const char *group)
{
    for (enum metric id = 0; id < METRIC_COUNT; id++)
        m->shown[id] = m->shown[id] || is_in_group(id, group);
}

struct hist *
metrics_make_hist(struct metrics *m, enum metric id)
{
    assert(table[id].kind == METRIC_HISTOGRAM);
    if (!m->hists[id])
        m->hists[id] = xcalloc(1, sizeof(*m->hists[id]));
    return m->hists[id];
}

void
metrics_observe(struct metrics *m, enum metric id, int64_t value)
{
    if (m)
        hist_add(metrics_make_hist(m, id), value);
}

const struct hist *
metrics_hist(const struct metrics *m, enum metric id)
{
    assert(table[id].kind == METRIC_HISTOGRAM);
    return m->hists[id] ? m->hists[id] : &no_samples;
}

void
metrics_merge(struct metrics *m, const struct metrics *other)
{
    for (enum metric id = 0; id < METRIC_COUNT; id++) {
        if (table[id].kind == METRIC_STATE)
            continue;
        m->shown[id] = m->shown[id] || other->shown[id];
        m->values[id] += other->values[id];
        if (other->hists[id])
            hist_merge(metrics_make_hist(m, id), other->hists[id]);
    }
}

/* --- JSON --- */

static void
write_buckets(const struct hist *h, struct buf *out)
{
    const char *comma = "";

    for (size_t i = 0; i < HIST_BUCKETS; i++) {
        if (h->buckets[i] == 0)
            continue;
        buf_printf(out, "%s[%" PRIu64 ",%" PRIu64 "]", comma, hist_bucket_last(i), h->buckets[i]);
        comma = ",";
    }
}

static void
write_hist(const struct hist *h, struct buf *out)
{
    buf_printf(out,
               "{\"count\":%" PRIu64 ",\"sum\":%" PRIu64 ",\"min\":%" PRIu64 ",\"max\":%" PRIu64
               ",\"p50\":%.12g,\"p90\":%.12g,\"p99\":%.12g,\"p999\":%.12g,\"buckets\":[",
               h->count, h->sum, h->min, h->max, hist_quantile(h, 500), hist_quantile(h, 900),
               hist_quantile(h, 990), hist_quantile(h, 999));
    write_buckets(h, out);
    buf_add_str(out, "]}");
}

static void
write_row(const struct metrics *m, enum metric id, size_t group, struct buf *out)
{
    buf_printf(out, "\"%s\":", table[id].name + (group > 0 ? group + 1 : 0));
    if (table[id].kind == METRIC_HISTOGRAM)
        write_hist(metrics_hist(m, id), out);
    else
        buf_printf(out, "%" PRIu64, MIN(m->values[id], (uint64_t)INT64_MAX)); // what readers take
}

static bool
is_same_group(const char *a, const char *b, size_t length)
{
    return metric_group_length(b) == length && strncmp(a, b, length) == 0;
}

/* The rows of a group stand together in the table. */
void
metrics_write_json(const struct metrics *m, struct buf *out)
{
    const char *open = NULL; // a name in the group that is being written
    const char *comma = "";

    for (enum metric id = 0; id < METRIC_COUNT; id++) {
        const char *name = table[id].name;
        size_t group = metric_group_length(name);

        if (!m->shown[id])
            continue;
        if (open && !is_same_group(open, name, group)) {
            if (metric_group_length(open) > 0)
                buf_add_char(out, '}');
            open = NULL;
        }
        buf_add_str(out, comma);
        if (!open && group > 0)
            buf_printf(out, "\"%.*s\":{", (int)group, name);
        write_row(m, id, group, out);
        open = name;
        comma = ",";
    }
    if (open && metric_group_length(open) > 0)
        buf_add_char(out, '}');
}
