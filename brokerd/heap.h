/* SPDX-License-Identifier: MPL-2.0 */
/* heap.h - how much freed memory malloc() may keep (invariant I5).
 *
 * Blobs come and go in all sizes.  To give each back at once would cost a page fault for every 4 KiB
 * that comes next, half of the throughput at 1 MiB; to keep what was free once would let a rank stay
 * as large as it has ever been.  So some of it is kept, and the rest given back a few times a second.
 */
#ifndef XYLEM_HEAP_H
#define XYLEM_HEAP_H

#include "loop.h"

/* For the process, before its threads start. */
void heap_init(void);

/* All zero before heap_watch(). */
struct heap {
    struct loop *loop; // borrowed
    int64_t look_at;   // ms: not before
    size_t holes;      // bytes that are free and given back
};
/* Give back what is too much while that loop turns.  As long as the loop. */
void heap_watch(struct heap *h, struct loop *loop);

#endif
