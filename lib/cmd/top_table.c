/* SPDX-License-Identifier: MPL-2.0 */
/* top_table.c - see top_table.h.  What cannot be known is "-": a rate of a rank that was not there before,
 * or has been started again; a share of nothing. */
#include "top_table.h"
#include "stats_table.h"
#include "xmem.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <strings.h>

enum column_kind { COLUMN_RANK, COLUMN_RATE, COLUMN_SHARE, COLUMN_GAUGE, COLUMN_STATE };

#define PARTS_MAX 4

struct column {
    const char *name;
    int width;
    enum column_kind kind;
    enum metric_unit unit;
    enum metric parts[PARTS_MAX]; // added up; of a share: part and whole
    size_t nparts;
};

static const struct column columns[] = {
    {"RANK", 7, COLUMN_RANK, METRIC_ONE, {0}, 0},
    {"REQ/S", 8, COLUMN_RATE, METRIC_ONE, {METRIC_ROUTER_REQUESTS}, 1},
    {"LOAD/S", 8, COLUMN_RATE, METRIC_ONE, {METRIC_CACHE_LOADS}, 1},
    {"HIT%", 5, COLUMN_SHARE, METRIC_ONE, {METRIC_CACHE_HITS, METRIC_CACHE_LOADS}, 2},
    {"STORE/S", 8, COLUMN_RATE, METRIC_ONE, {METRIC_CACHE_STORES}, 1},
    {"LOOKUP/S", 9, COLUMN_RATE, METRIC_ONE, {METRIC_KVS_LOOKUPS}, 1},
    {"COMMIT/S", 9, COLUMN_RATE, METRIC_ONE, {METRIC_KVS_COMMITS}, 1},
    {"IN/S",
     8,
     COLUMN_RATE,
     METRIC_BYTES,
     {METRIC_LOCAL_IN_BYTES, METRIC_REMOTE_IN_BYTES, METRIC_CHILDREN_IN_BYTES,
      METRIC_PARENT_IN_BYTES},
     4},
    {"OUT/S",
     8,
     COLUMN_RATE,
     METRIC_BYTES,
     {METRIC_LOCAL_OUT_BYTES, METRIC_REMOTE_OUT_BYTES, METRIC_CHILDREN_OUT_BYTES,
      METRIC_PARENT_OUT_BYTES},
     4},
    {"CACHE", 8, COLUMN_GAUGE, METRIC_BYTES, {METRIC_CACHE_BYTES}, 1},
    {"DIRTY", 8, COLUMN_GAUGE, METRIC_BYTES, {METRIC_CACHE_DIRTY_BYTES}, 1},
    {"MEMORY", 8, COLUMN_GAUGE, METRIC_BYTES, {METRIC_PROCESS_RESIDENT}, 1},
    {"CLIENTS", 8, COLUMN_GAUGE, METRIC_ONE, {METRIC_CLIENTS, METRIC_REMOTE_CLIENTS}, 2},
    {"UPTIME", 8, COLUMN_STATE, METRIC_SECONDS, {METRIC_PROCESS_UPTIME}, 1},
};

void
top_sample_init(struct top_sample *s, size_t count)
{
    *s = (struct top_sample){.count = count};
    s->ranks = xcalloc(count, sizeof(*s->ranks));
}

void
top_sample_fini(struct top_sample *s)
{
    for (size_t i = 0; i < s->count; i++) {
        metrics_free(&s->ranks[i].metrics);
        free(s->ranks[i].error);
    }
    free(s->ranks);
    *s = (struct top_sample){0};
}

int
top_column_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(columns); i++) {
        if (strcasecmp(columns[i].name, name) == 0)
            return (int)i;
    }
    return -EINVAL;
}

void
top_column_names(struct buf *out)
{
    for (size_t i = 0; i < ARRAY_SIZE(columns); i++) {
        if (i > 0)
            buf_add_char(out, ',');
        for (const char *c = columns[i].name; *c; c++)
            buf_add_char(out, *c >= 'A' && *c <= 'Z' ? (char)(*c - 'A' + 'a') : *c);
    }
}

/* --- values --- */

static uint64_t
add_parts(const struct column *c, const struct metrics *m)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < c->nparts; i++)
        sum += m->values[c->parts[i]];
    return sum;
}

static double
growth(const struct metrics *before, const struct metrics *now, enum metric id)
{
    return (double)now->values[id] - (double)before->values[id];
}

static double
rate(const struct column *c, const struct metrics *before, const struct metrics *now,
     double seconds)
{
    double grown = 0;

    for (size_t i = 0; i < c->nparts; i++)
        grown += growth(before, now, c->parts[i]);
    return grown < 0 || seconds <= 0 ? NAN : grown / seconds;
}

static double
share(const struct column *c, const struct metrics *before, const struct metrics *now)
{
    double whole = growth(before, now, c->parts[1]);

    return whole <= 0 ? NAN : 100 * growth(before, now, c->parts[0]) / whole;
}

/* before may be NULL.  NAN: it cannot be known. */
static double
value_of(const struct column *c, const struct metrics *before, const struct metrics *now,
         double seconds)
{
    switch (c->kind) {
    case COLUMN_RATE:
        return before && now->shown[c->parts[0]] ? rate(c, before, now, seconds) : NAN;
    case COLUMN_SHARE:
        return before ? share(c, before, now) : NAN;
    case COLUMN_GAUGE:
        return (double)add_parts(c, now);
    case COLUMN_STATE:
        return now->shown[c->parts[0]] ? (double)add_parts(c, now) : NAN;
    case COLUMN_RANK:
        break;
    }
    return NAN;
}

/* NULL: it was not there, or it is another run of it now. */
static const struct metrics *
same_before(const struct top_sample *before, const struct top_sample *now, size_t rank)
{
    const struct metrics *old = before->ranks[rank].metrics;
    const struct metrics *new = now->ranks[rank].metrics;

    if (!old || !new)
        return NULL;
    return new->values[METRIC_PROCESS_UPTIME] < old->values[METRIC_PROCESS_UPTIME] ? NULL : old;
}

/* --- lines --- */

static void
add_cell(struct buf *out, const struct column *c, double value)
{
    AUTO(buf) struct buf text = BUF_INIT;

    if (isnan(value))
        buf_add_char(&text, '-');
    else if (c->unit == METRIC_ONE && c->kind == COLUMN_RATE && value > 0 && value < 10)
        buf_printf(&text, "%.1f", value);
    else
        stats_table_value(&text, c->unit, c->unit == METRIC_BYTES ? floor(value) : value);
    buf_printf(out, "%*s", c->width, buf_str(&text));
}

static void
add_values(struct buf *out, const struct metrics *before, const struct metrics *now, double seconds)
{
    for (size_t i = 1; i < ARRAY_SIZE(columns); i++)
        add_cell(out, &columns[i], value_of(&columns[i], before, now, seconds));
    buf_add_char(out, '\n');
}

static void
add_heading(struct buf *out)
{
    for (size_t i = 0; i < ARRAY_SIZE(columns); i++)
        buf_printf(out, "%*s", columns[i].width, columns[i].name);
    buf_add_char(out, '\n');
}

static void
add_rank(struct buf *out, const struct top_sample *before, const struct top_sample *now,
         size_t rank, double seconds)
{
    const struct top_rank *r = &now->ranks[rank];

    buf_printf(out, "%*zu", columns[0].width, rank);
    if (r->metrics)
        add_values(out, same_before(before, now, rank), r->metrics, seconds);
    else
        buf_printf(out, "  %s\n", r->error ? r->error : "no answer");
}

/* Of the ranks that are in both samples, so that nobody who comes or goes makes a rate. */
static void
add_sum(struct buf *out, const struct top_sample *before, const struct top_sample *now,
        double seconds)
{
    AUTO(metrics) struct metrics *old = metrics_new();
    AUTO(metrics) struct metrics *new = metrics_new();

    for (size_t i = 0; i < now->count; i++) {
        const struct metrics *same = same_before(before, now, i);

        if (same) {
            metrics_merge(old, same);
            metrics_merge(new, now->ranks[i].metrics);
        }
    }
    buf_printf(out, "%*s", columns[0].width, "all");
    add_values(out, old, new, seconds);
}

/* --- order --- */

struct key {
    size_t rank;
    double value;
};

/* Those without a value last; equal ones by rank. */
static int
compare_keys(const void *a, const void *b)
{
    const struct key *x = a;
    const struct key *y = b;
    double left = isnan(x->value) ? -1 : x->value;
    double right = isnan(y->value) ? -1 : y->value;

    if (left != right)
        return left > right ? -1 : 1;
    return x->rank < y->rank ? -1 : 1;
}

static struct key *
sort_ranks(const struct top_sample *before, const struct top_sample *now, int column,
           double seconds)
{
    struct key *keys = xcalloc(now->count, sizeof(*keys));

    for (size_t i = 0; i < now->count; i++) {
        keys[i] = (struct key){i, NAN};
        if (now->ranks[i].metrics)
            keys[i].value = value_of(&columns[column], same_before(before, now, i),
                                     now->ranks[i].metrics, seconds);
    }
    if (column > 0)
        qsort(keys, now->count, sizeof(*keys), compare_keys);
    return keys;
}

void
top_table(struct buf *out, const struct top_sample *before, const struct top_sample *now,
          const struct top_style *style)
{
    double seconds = (double)(now->at - before->at) / 1e6;
    AUTO(free) struct key *keys = sort_ranks(before, now, style->sort, seconds);
    size_t room = style->lines > 4 ? style->lines - 2 : 2; // without heading and sum
    size_t count = style->lines == 0 || now->count <= room ? now->count : room - 1;

    add_heading(out);
    add_sum(out, before, now, seconds);
    for (size_t i = 0; i < count; i++)
        add_rank(out, before, now, keys[i].rank, seconds);
    if (count < now->count)
        buf_printf(out, "%*s %zu more\n", columns[0].width, "...", now->count - count);
}
