/* SPDX-License-Identifier: MPL-2.0 */
/* stats.h - the figures of a rank: stats.get.
 *
 * What others keep already is collected when it is asked for; the rest they count themselves, into
 * stats_metrics().  All on the rank's thread. */
#ifndef XYLEM_STATS_H
#define XYLEM_STATS_H

#include "kvs.h"
#include "metric.h"
#include "scrub.h"

struct stats;

/* All borrowed. */
struct stats *stats_new(uint32_t rank, struct router *router, struct content *content,
                        struct service_table *services);
/* After everybody who counts. */
void stats_free(struct stats **s);

/* Who is asked; all borrowed. */
struct stats_sources {
    struct overlay *overlay;
    const struct connector *connector;
    const struct credit *credit; // of local clients
    const struct kvs *kvs;       // may be NULL, like all that follow
    const struct store *store;
    const struct scrub *scrub;
};
/* Once they exist. */
void stats_attach(struct stats *s, const struct stats_sources *sources);

/* To count into; as long as s lives. */
struct metrics *stats_metrics(struct stats *s);

#endif
