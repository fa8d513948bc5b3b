/* SPDX-License-Identifier: MPL-2.0 */
/* collector.h - the topics content-backing.gc and .pin: garbage collection while the instance is at work
 * (xylem-content(7), "Garbage").  Served by rank 0; other ranks pass it up.  Nothing is ever removed
 * without such a request. */
#ifndef XYLEM_COLLECTOR_H
#define XYLEM_COLLECTOR_H

#include "router.h"
#include "store.h"

struct collector;

/* All borrowed. */
struct collector *collector_new(uint32_t rank, enum digest_alg alg, struct loop *loop,
                                struct router *router, struct service_table *services);
void collector_free(struct collector **c);

/* Rank 0.  Borrowed; NULL = there is no backing store, or no longer: a collection under way is
 * answered with ECANCELED, and no step of it may be at the store. */
void collector_set_store(struct collector *c, struct store *store, const char *statedir);

/* How to make all ranks forget that they know blobs to be stored (see collector.c, "Trust").  Called
 * right before every collection, and every COLLECTOR_TRUST_MS as long as there is a store.  NULL: not
 * needed. */
#define COLLECTOR_TRUST_MS 60000 // a tenth of the default grace period
void collector_set_distrust_handler(struct collector *c, void (*distrust)(void *arg), void *arg);

/* Called once in a collection, when blobs have been removed: roots of the history may be gone with them. */
void collector_set_removed_handler(struct collector *c, void (*removed)(void *arg), void *arg);

/* A local client has gone: what it asked for ends after the step under way. */
void collector_forget(struct collector *c, const struct origin *client);

#endif
