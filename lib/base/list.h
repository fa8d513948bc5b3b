/* SPDX-License-Identifier: MPL-2.0 */
/* list.h - intrusive doubly linked list.  A node that is on no list points at itself, so
 * membership can be asserted and removal is idempotent. */
#ifndef XYLEM_LIST_H
#define XYLEM_LIST_H

#include "base.h"

struct list {
    struct list *next;
    struct list *prev;
};

#define LIST_INIT(name) \
    { \
        &(name), &(name) \
    }

static inline void
list_init(struct list *l)
{
    l->next = l->prev = l;
}

static inline bool
list_is_empty(const struct list *l)
{
    return l->next == l;
}

/* For a node: is it on some list?  (A node must have been list_init()ed once.) */
static inline bool
list_is_linked(const struct list *node)
{
    return node->next != node;
}

static inline void
list_insert_before(struct list *pos, struct list *node)
{
    assert(!list_is_linked(node));
    node->prev = pos->prev;
    node->next = pos;
    pos->prev->next = node;
    pos->prev = node;
}

static inline void
list_push_back(struct list *l, struct list *node)
{
    list_insert_before(l, node);
}

static inline void
list_push_front(struct list *l, struct list *node)
{
    list_insert_before(l->next, node);
}

static inline void
list_remove(struct list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_init(node);
}

/* NULL when empty. */
static inline struct list *
list_pop_front(struct list *l)
{
    struct list *node = l->next;

    if (node == l)
        return NULL;
    list_remove(node);
    return node;
}

/* Move all nodes of `from` to the end of `to`. */
static inline void
list_splice_back(struct list *to, struct list *from)
{
    if (list_is_empty(from))
        return;
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    list_init(from);
}

#define list_entry(node, type, member) container_of(node, type, member)

/* Safe against removal of the current node. */
#define LIST_FOR_EACH(it, l) \
    for (struct list *it = (l)->next, *it##_next_ = it->next; it != (l); \
         it = it##_next_, it##_next_ = it->next)

#endif
