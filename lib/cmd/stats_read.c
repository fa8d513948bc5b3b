/* SPDX-License-Identifier: MPL-2.0 */
/* stats_read.c - see stats_read.h. */
#include "stats_read.h"
#include "xmem.h"

#include <errno.h>
#include <jansson.h>

/* NULL when there is none. */
static const json_t *
find_value(const json_t *json, const char *name)
{
    size_t length = metric_group_length(name);
    AUTO(free) char *group = xstrndup(name, length);

    if (length == 0)
        return json_object_get(json, name);
    return json_object_get(json_object_get(json, group), name + length + 1);
}

static int
read_number(const json_t *value, uint64_t *ret)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return -EPROTO;
    *ret = (uint64_t)json_integer_value(value);
    return 0;
}

static int
read_buckets(const json_t *buckets, struct hist *h)
{
    size_t i;
    json_t *bucket;
    uint64_t last, count;

    if (!json_is_array(buckets))
        return -EPROTO;
    json_array_foreach(buckets, i, bucket)
    {
        if (json_array_size(bucket) != 2 || read_number(json_array_get(bucket, 0), &last) < 0 ||
            read_number(json_array_get(bucket, 1), &count) < 0)
            return -EPROTO;
        hist_add_to_bucket(h, last, count);
    }
    return 0;
}

static int
read_hist(const json_t *value, struct hist *h)
{
    if (read_number(json_object_get(value, "sum"), &h->sum) < 0 ||
        read_number(json_object_get(value, "min"), &h->min) < 0 ||
        read_number(json_object_get(value, "max"), &h->max) < 0)
        return -EPROTO;
    return read_buckets(json_object_get(value, "buckets"), h);
}

static int
read_rows(const json_t *json, struct metrics *m)
{
    int rc = 0;

    for (enum metric id = 0; rc == 0 && id < METRIC_COUNT; id++) {
        const struct metric_info *info = metric_info(id);
        const json_t *value = find_value(json, info->name);

        m->shown[id] = value != NULL;
        if (!value)
            continue;
        rc = info->kind == METRIC_HISTOGRAM ? read_hist(value, metrics_make_hist(m, id))
                                            : read_number(value, &m->values[id]);
    }
    return rc;
}

int
stats_read(const char *text, uint32_t *ret_rank, struct metrics **ret)
{
    json_t *json = json_loads(text, 0, NULL);
    struct metrics *m = metrics_new();
    uint64_t rank = 0;
    int rc = read_number(json_object_get(json, "rank"), &rank);

    if (rc == 0)
        rc = rank > UINT32_MAX ? -EPROTO : read_rows(json, m);
    json_decref(json);
    if (rc < 0) {
        metrics_free(&m);
        return rc;
    }
    *ret_rank = (uint32_t)rank;
    *ret = m;
    return 0;
}
