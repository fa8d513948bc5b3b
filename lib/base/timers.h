/* SPDX-License-Identifier: MPL-2.0 */
/* timers.h - the timers of one loop, soonest first.  Used by loop.c only. */
#ifndef XYLEM_TIMERS_H
#define XYLEM_TIMERS_H

#include "base.h"
#include "loop.h"

struct timers {
    struct loop_timer **heap; // owned array of borrowed timers, count entries
    size_t count;
    size_t capacity;     // entries allocated
    uint64_t next_order; // how many timers were ever armed
};

#define TIMERS_INIT \
    { \
        NULL, 0, 0, 0 \
    }

/* Every timer is stopped. */
void timers_fini(struct timers *ts);

/* t must not be in the heap; due is set, order and heap_index are set here. */
void timers_insert(struct timers *ts, struct loop_timer *t);
void timers_remove(struct timers *ts, struct loop_timer *t);

/* The one due first; NULL when there is none.  It stays in the heap. */
struct loop_timer *timers_first(const struct timers *ts);

#endif
