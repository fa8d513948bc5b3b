/* SPDX-License-Identifier: MPL-2.0 */
/* window.h - the two ends of a link's byte window (xylem-overlay(7), "Credits").  Pure.
 *
 * The sender has a struct window, the receiver a struct receipt; both begin at 0 with the link.  The
 * receiver tells the total of what it has taken; the difference is what is on its way.
 *
 * window     sent, `limit` reached    acknowledged, half of `limit` or less is left
 * has room   full                     -
 * full       -                        has room, also when released
 *
 * Nothing is refused here: the sender asks first, and one message may always go beyond the limit.
 */
#ifndef XYLEM_WINDOW_H
#define XYLEM_WINDOW_H

#include "base.h"

struct window {
    uint64_t limit; // bytes; may be changed at any time, counts from the next call on
    uint64_t sent;  // bytes since the link began
    uint64_t acked; // of these: taken by the receiver
    bool is_full;   // see the table
};

void window_init(struct window *w, uint64_t limit);
/* true: this made it full. */
bool window_sent(struct window *w, uint64_t bytes);
/* 1: it was full and has room again; 0: that has not changed; -EPROTO: a total beyond what was sent, or
 * less than the one before: ignored. */
int window_acked(struct window *w, uint64_t total);
/* Nobody is to wait for room any more: has room, however much is on its way.  true: it was full. */
bool window_release(struct window *w);
bool window_is_full(const struct window *w);
uint64_t window_unacked(const struct window *w); // bytes

struct receipt {
    uint64_t step;  // bytes: tell after so many
    uint64_t taken; // bytes since the link began
    uint64_t told;  // of these: acknowledged
};

/* window: the sender's limit; a quarter of it is the step. */
void receipt_init(struct receipt *r, uint64_t window);
/* true: it is time to tell. */
bool receipt_took(struct receipt *r, uint64_t bytes);
bool receipt_has_news(const struct receipt *r);
/* The total to tell now. */
uint64_t receipt_tell(struct receipt *r);

#endif
