/* SPDX-License-Identifier: MPL-2.0 */
/* shutdown.h - the orderly end of the whole instance: topic shutdown.start, event broker.shutdown
 * (xylem-message(7), "Shutdown"). */
#ifndef XYLEM_SHUTDOWN_H
#define XYLEM_SHUTDOWN_H

#include "router.h"

struct shutdown;

/* All borrowed.  level_ms: how long nothing may come up from below, for each level there, until the
 * ranks below are not waited for any more. */
struct shutdown *shutdown_new(uint32_t rank, const struct topo *topo, int64_t level_ms,
                              struct loop *loop, struct router *router,
                              struct service_table *services);
void shutdown_free(struct shutdown **s);

/* Borrowed; set once they exist.  has_store: garbage can be collected here (rank 0).  ready is called
 * once, when all ranks below have left, or were waited for long enough: this rank is to stop now. */
void shutdown_attach(struct shutdown *s, const struct overlay *overlay, bool has_store,
                     void (*ready)(void *arg), void *arg);

bool shutdown_is_under_way(const struct shutdown *s);
/* Rank 0: was it asked to collect garbage at its end? */
bool shutdown_wants_gc(const struct shutdown *s);

/* A message of a client of this rank, when the rank is about to stop.  What could leave something
 * to be stored is answered with ECANCELED: true, and *m is finished. */
bool shutdown_turn_away(struct shutdown *s, const struct origin *from, struct msg *m);

/* --- wired up by rank.c --- */
/* false: the event is another one. */
bool shutdown_on_event(struct shutdown *s, const struct msg *event);
void shutdown_child_gone(struct shutdown *s);

#endif
