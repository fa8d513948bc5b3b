/* SPDX-License-Identifier: MPL-2.0 */
/* latency.c - see latency.h.  The most frequent topics stand first: this runs for each request. */
#include "latency.h"

struct row {
    const char *topic; // or its beginning, where it ends with '.'
    enum metric class;
};

static const struct row rows[] = {
    {"content.load", METRIC_LATENCY_LOAD_MISS},
    {"content.store", METRIC_LATENCY_STORE},
    {"content.put.", METRIC_LATENCY_STORE},
    {"kvs.lookup", METRIC_LATENCY_LOOKUP},
    {"kvs.commit", METRIC_LATENCY_COMMIT},
    {"kvs.commit.", METRIC_LATENCY_COMMIT},
    {"content-backing.load", METRIC_LATENCY_LOAD_MISS},
    {"content-backing.store", METRIC_LATENCY_STORE},
    {"kvs.wait-version", METRIC_COUNT},
    {"overlay.wait", METRIC_COUNT},
    {"overlay.history", METRIC_COUNT},
};

static bool
matches(const char *pattern, const char *topic)
{
    for (; *pattern && *pattern == *topic; pattern++)
        topic++;
    return *pattern == '\0' && (*topic == '\0' || pattern[-1] == '.');
}

enum metric
latency_class(const char *topic, bool waited)
{
    enum metric class = METRIC_LATENCY_OTHER;

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        if (!matches(rows[i].topic, topic))
            continue;
        class = rows[i].class;
        break;
    }
    return class == METRIC_LATENCY_LOAD_MISS && !waited ? METRIC_LATENCY_LOAD_HIT : class;
}

void
latency_observe(struct metrics *m, const struct msg *request, bool waited, int64_t us)
{
    enum metric class;

    if (request->flags & (MSG_STREAMING | MSG_NORESPONSE))
        return;
    class = latency_class(request->topic, waited);
    if (class != METRIC_COUNT)
        metrics_observe(m, class, us);
}
