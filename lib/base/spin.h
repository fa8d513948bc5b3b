/* SPDX-License-Identifier: MPL-2.0 */
/* spin.h - shall a wait begin with asking again and again, for some microseconds, before it sleeps?  Pure.
 *
 * To wake a thread on another core takes longer than to answer a small request.  Where the last
 * waits were that short, asking saves the wake-up; where they were not, it wastes the core.  So each
 * wait that was asked for in vain doubles the number of those which sleep at once: of many long
 * waits one in SPIN_REST_MAX costs them.  Who has nothing to wait for spends nothing. */
#ifndef XYLEM_SPIN_H
#define XYLEM_SPIN_H

#include "base.h"

/* Enough to wake the other side once, and for the answers to a batch of small requests. */
#define SPIN_US 20
#define SPIN_REST_MAX 1023 // waits

struct spin {
    unsigned rest; // waits that sleep at once after the next one in vain; all zero: none yet
    unsigned left; // of those, still to come
};

/* A wait begins: true: ask for a while, then tell spin_note(). */
static inline bool
spin_begin(struct spin *s)
{
    if (s->left == 0)
        return true;
    s->left--;
    return false;
}

/* hit: something came while it was asked for. */
static inline void
spin_note(struct spin *s, bool hit)
{
    s->rest = hit ? 0 : MIN(2 * s->rest + 1, SPIN_REST_MAX);
    s->left = s->rest;
}

#endif
