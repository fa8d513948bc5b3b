/* SPDX-License-Identifier: MPL-2.0 */
/* stats_get.h - the figures of a rank as Flux's clients ask for them: X.stats-get (xylem-message(7), "Figures
 * as in Flux").  All of them are in stats.get as well, under other names. */
#ifndef XYLEM_STATS_GET_H
#define XYLEM_STATS_GET_H

#include "kvs.h"
#include "metric.h"

struct stats_get;

/* All borrowed. */
struct stats_get *stats_get_new(enum digest_alg alg, struct router *router,
                                struct service_table *services);
/* No question may be at the store. */
void stats_get_free(struct stats_get **s);

/* Who is asked; all borrowed. */
struct stats_get_sources {
    const struct content *content;
    const struct metrics *metrics; // that others count into
    const struct kvs *kvs;         // may be NULL, like all that follow
    struct store *store;
    enum store_durability durability;
    /* Clients that watch something in a namespace; NULL: nobody knows. */
    size_t (*watchers)(const struct kvs *k, const char *ns);
};
/* Once they exist, and again when one goes. */
void stats_get_attach(struct stats_get *s, const struct stats_get_sources *sources);

#endif
