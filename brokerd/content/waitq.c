/* SPDX-License-Identifier: MPL-2.0 */
/* waitq.c - first-in first-out ring of waiters.
 * I1  A node belongs to exactly one ring; following next from any node comes back to it. */
#include "waitq.h"
#include "xmem.h"

struct waitq_node {
    struct waitq_node *next; // in the ring, owned by it
    void *waiter;            // borrowed, never NULL
    bool strict;             // see waitq_add()
};

void
waitq_add(struct waitq *q, void *waiter, bool strict)
{
    struct waitq_node *n = xmalloc(sizeof(*n));

    assert(waiter);
    n->waiter = waiter;
    n->strict = strict;
    if (q->last) {
        n->next = q->last->next;
        q->last->next = n;
    } else {
        n->next = n;
    }
    q->last = n;
}

/* Free the node behind prev. */
static void
remove_next(struct waitq *q, struct waitq_node *prev)
{
    struct waitq_node *n = prev->next;

    prev->next = n->next;
    if (n == q->last)
        q->last = n == prev ? NULL : prev;
    free(n);
}

void *
waitq_pop(struct waitq *q)
{
    void *waiter;

    if (!q->last)
        return NULL;
    waiter = q->last->next->waiter;
    remove_next(q, q->last);
    return waiter;
}

struct waitq
waitq_take(struct waitq *q)
{
    struct waitq all = *q;

    q->last = NULL;
    return all;
}

void
waitq_splice(struct waitq *q, struct waitq *from)
{
    struct waitq_node *first;

    if (!from->last)
        return;
    if (q->last) {
        first = q->last->next;
        q->last->next = from->last->next;
        from->last->next = first;
    }
    q->last = from->last;
    from->last = NULL;
}

size_t
waitq_count(const struct waitq *q)
{
    const struct waitq_node *n = q->last;
    size_t count = 0;

    if (!n)
        return 0;
    do {
        count++;
        n = n->next;
    } while (n != q->last);
    return count;
}

bool
waitq_has_strict(const struct waitq *q)
{
    const struct waitq_node *n = q->last;

    if (!n)
        return false;
    do {
        if (n->strict)
            return true;
        n = n->next;
    } while (n != q->last);
    return false;
}
