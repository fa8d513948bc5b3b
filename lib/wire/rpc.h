/* SPDX-License-Identifier: MPL-2.0 */
/* rpc.h - who waits for which answer: match tags.
 *
 * A tag is a slot number and a generation, so that a late answer to a finished request never
 * reaches the slot's next user.  Generations begin anywhere, so it does not reach the next process
 * at the same address either.  Look-up, add and finish are O(1).  Pure.
 */
#ifndef XYLEM_RPC_H
#define XYLEM_RPC_H

#include "msg.h"

#define RPC_PENDING_MAX 524288 // requests that may wait in one table

/* Called with every response; for a streaming request until the one after which there are no more
 * (msg_is_more()).  The response is borrowed: msg_copy/msg_move what is to be kept. */
typedef void (*rpc_fn)(void *arg, struct msg *response);

struct rpc_table;

struct rpc_table *rpc_table_new(void);
void rpc_table_free(struct rpc_table **t); // pending ones are dropped without a call

/* Returns a match tag; 0 when RPC_PENDING_MAX are pending, and then nothing was added. */
uint32_t rpc_add(struct rpc_table *t, bool streaming, rpc_fn fn, void *arg);

/* Deliver.  false: nobody waits for this tag (late, or invented by the peer); nothing was done.
 * The entry is gone before fn is called unless the stream goes on. */
bool rpc_deliver(struct rpc_table *t, struct msg *response);

/* The arg of the one that waits for the tag; NULL: nobody does. */
void *rpc_peek(struct rpc_table *t, uint32_t tag);

/* Forget one; its fn will not be called.  Returns its arg; NULL when nobody waits for the tag. */
void *rpc_cancel(struct rpc_table *t, uint32_t tag);

/* Deliver an error response (topic "", errnum, no payload) to all, or (rpc_fail) to one. */
void rpc_fail_all(struct rpc_table *t, int errnum);
void rpc_fail(struct rpc_table *t, uint32_t tag, int errnum);

size_t rpc_pending(const struct rpc_table *t);

#endif
