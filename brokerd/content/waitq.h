/* SPDX-License-Identifier: MPL-2.0 */
/* waitq.h - who waits for the outcome of one thing, first come first served.
 * One pointer large while nobody waits, because every cache entry carries one. */
#ifndef XYLEM_WAITQ_H
#define XYLEM_WAITQ_H

#include "base.h"

struct waitq_node;

struct waitq {
    struct waitq_node *last; // owned ring; last->next is the first to be served; NULL = empty
};

/* strict: a property the owner of the queue gives a waiter and gets back. */
void waitq_add(struct waitq *q, void *waiter, bool strict);

/* The next waiter, NULL when none is left. */
void *waitq_pop(struct waitq *q);

/* Move everybody out, leaving q empty. */
struct waitq waitq_take(struct waitq *q);

/* Move everybody of `from` to the end of q. */
void waitq_splice(struct waitq *q, struct waitq *from);

/* How many there are. */
size_t waitq_count(const struct waitq *q);

bool waitq_has_strict(const struct waitq *q);

static inline bool
waitq_is_empty(const struct waitq *q)
{
    return !q->last;
}

#endif
