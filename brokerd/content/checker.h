/* SPDX-License-Identifier: MPL-2.0 */
/* checker.h - content-backing.fsck: check the store while it is in use (lib/store/fsck.h).
 * Normative: xylem-message(7). */
#ifndef XYLEM_CHECKER_H
#define XYLEM_CHECKER_H

#include "content.h"
#include "router.h"
#include "store.h"

struct checker;

/* All borrowed.  Ranks above 0 pass requests up. */
struct checker *checker_new(uint32_t rank, enum digest_alg alg, struct router *router,
                            struct content *content, struct service_table *services);
/* After content was cancelled. */
void checker_free(struct checker **c);

/* Rank 0 with a backing store; borrowed. */
void checker_set_store(struct checker *c, struct store *store);
/* A local client is gone: end its check. */
void checker_forget(struct checker *c, const struct origin *client);
/* Before the store stops: whoever waits gets ECANCELED, and nothing more is asked of the store. */
void checker_stop(struct checker *c);

#endif
