/* SPDX-License-Identifier: MPL-2.0 */
/* service.c - see service.h.  Rows are kept sorted by topic: a request costs a few comparisons. */
#include "service.h"
#include "xmem.h"

#include <string.h>

struct row {
    const char *topic; // borrowed
    size_t len;        // of topic
    service_fn fn;
    void *arg;   // borrowed
    bool reader; // may be served again
};

struct service_table {
    struct row *rows; // owned, sorted by topic
    size_t count;
};

struct service_table *
service_table_new(void)
{
    return xcalloc(1, sizeof(struct service_table));
}

void
service_table_free(struct service_table **table)
{
    struct service_table *t = TAKE(*table);

    if (!t)
        return;
    free(t->rows);
    free(t);
}

static int
compare_rows(const void *a, const void *b)
{
    return strcmp(((const struct row *)a)->topic, ((const struct row *)b)->topic);
}

static void
add_rows(struct service_table *t, const struct service *services, size_t count, void *arg,
         bool reader)
{
    t->rows = xrealloc(t->rows, (t->count + count) * sizeof(*t->rows));
    for (size_t i = 0; i < count; i++)
        t->rows[t->count++] =
            (struct row){services[i].topic, strlen(services[i].topic), services[i].fn, arg, reader};
    qsort(t->rows, t->count, sizeof(*t->rows), compare_rows);
}

void
service_table_add(struct service_table *t, const struct service *services, size_t count, void *arg)
{
    add_rows(t, services, count, arg, false);
}

void
service_table_add_readers(struct service_table *t, const struct service *services, size_t count,
                          void *arg)
{
    add_rows(t, services, count, arg, true);
}

/* The last row that does not sort behind `topic`: the exact one, or the prefix that covers it. */
static const struct row *
find_row(const struct service_table *t, const char *topic)
{
    size_t low = 0;
    size_t high = t->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (strcmp(t->rows[middle].topic, topic) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 ? &t->rows[low - 1] : NULL;
}

/* The row that serves the topic, NULL if there is none. */
static const struct row *
find_server(const struct service_table *t, const char *topic)
{
    const struct row *row = find_row(t, topic);

    if (!row || strncmp(row->topic, topic, row->len) != 0)
        return NULL;
    return topic[row->len] == '\0' || row->topic[row->len - 1] == '.' ? row : NULL;
}

bool
service_table_is_reader(const struct service_table *t, const char *topic)
{
    const struct row *row = find_server(t, topic);

    return row && row->reader;
}

bool
service_table_call(const struct service_table *t, struct request *req)
{
    const struct row *row = find_server(t, req->msg.topic);

    if (!row)
        return false;
    row->fn(row->arg, req);
    return true;
}
