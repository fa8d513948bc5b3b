/* SPDX-License-Identifier: MPL-2.0 */
/* timers.c - binary heap of timers.
 *
 * Invariants
 *   I1  heap[i]->heap_index == i
 *   I2  no timer is before its parent, (i - 1) / 2; "before" compares (due, order), so timers
 *       that are due in the same millisecond run in the order in which they were armed
 */
#include "timers.h"

#include "xmem.h"

#define FIRST_CAPACITY 16

static bool
is_before(const struct loop_timer *a, const struct loop_timer *b)
{
    return a->due != b->due ? a->due < b->due : a->order < b->order;
}

static void
place(struct timers *ts, size_t i, struct loop_timer *t)
{
    ts->heap[i] = t;
    t->heap_index = i; /* I1 */
}

/* Put t where it belongs on the way from slot i to the root. */
static void
sift_up(struct timers *ts, size_t i, struct loop_timer *t)
{
    while (i > 0 && is_before(t, ts->heap[(i - 1) / 2])) {
        place(ts, i, ts->heap[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    place(ts, i, t);
}

/* Put t where it belongs on the way from slot i to the leaves. */
static void
sift_down(struct timers *ts, size_t i, struct loop_timer *t)
{
    for (size_t child = 2 * i + 1; child < ts->count; child = 2 * i + 1) {
        if (child + 1 < ts->count && is_before(ts->heap[child + 1], ts->heap[child]))
            child++;
        if (!is_before(ts->heap[child], t))
            break;
        place(ts, i, ts->heap[child]);
        i = child;
    }
    place(ts, i, t);
}

void
timers_fini(struct timers *ts)
{
    for (size_t i = 0; i < ts->count; i++)
        ts->heap[i]->loop = NULL;
    free(ts->heap);
    *ts = (struct timers)TIMERS_INIT;
}

void
timers_insert(struct timers *ts, struct loop_timer *t)
{
    if (ts->count == ts->capacity) {
        ts->capacity = MAX(ts->capacity * 2, FIRST_CAPACITY);
        ts->heap = xrealloc(ts->heap, ts->capacity * sizeof(struct loop_timer *));
    }
    t->order = ts->next_order++;
    sift_up(ts, ts->count++, t);
}

void
timers_remove(struct timers *ts, struct loop_timer *t)
{
    size_t i = t->heap_index;
    struct loop_timer *last;

    assert(i < ts->count && ts->heap[i] == t); /* I1 */
    last = ts->heap[--ts->count];
    if (last == t)
        return;
    if (is_before(last, t))
        sift_up(ts, i, last);
    else
        sift_down(ts, i, last);
}

struct loop_timer *
timers_first(const struct timers *ts)
{
    return ts->count > 0 ? ts->heap[0] : NULL;
}
