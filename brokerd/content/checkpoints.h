/* SPDX-License-Identifier: MPL-2.0 */
/* checkpoints.h - the topics content.checkpoint-get and -put, and content-backing's (xylem-content(7),
 * "Checkpoints").  Served by rank 0; other ranks pass them up. */
#ifndef XYLEM_CHECKPOINTS_H
#define XYLEM_CHECKPOINTS_H

#include "content.h"

struct checkpoints;

/* All borrowed. */
struct checkpoints *checkpoints_new(uint32_t rank, enum digest_alg alg, struct router *router,
                                    struct content *content, struct service_table *services);
void checkpoints_free(struct checkpoints **c);

/* Rank 0.  Borrowed; NULL = there is no backing store. */
void checkpoints_set_store(struct checkpoints *c, struct store *store);

/* No KVS runs, so a checkpoint that is put is also the root the next one begins from (restore,
 * rollback): as a new one, behind that of `recorded`, which are the roots in the store. */
void checkpoints_move_root(struct checkpoints *c, const struct store_root *recorded, size_t count);

/* Record one (an orderly stop); the answer of the store is only logged. */
void checkpoints_record(struct checkpoints *c, const struct checkpoint *checkpoint);

#endif
