/* SPDX-License-Identifier: MPL-2.0 */
/* salvage.h - look for a blob in the caches of the ranks below (xylem-content(7), "Verification").
 *
 * Rank 0 does it when the disk has lost one.  Each rank answers content.salvage from its cache, or asks
 * its children; the first that has the bytes, whole, ends the search. */
#ifndef XYLEM_SALVAGE_H
#define XYLEM_SALVAGE_H

#include "cache.h"
#include "router.h"

struct salvage;

/* b is borrowed and verified; NULL: no rank that can be reached has it. */
typedef void (*salvage_fn)(void *arg, const struct blob *b);

/* All borrowed; the cache must outlive every search. */
struct salvage *salvage_new(struct cache *cache, enum digest_alg alg, struct router *router,
                            struct service_table *services);
/* No search may be under way: see router_cancel_calls(). */
void salvage_free(struct salvage **s);

/* fn exactly once; may come from inside. */
void salvage_start(struct salvage *s, const struct digest *d, salvage_fn fn, void *arg);

#endif
