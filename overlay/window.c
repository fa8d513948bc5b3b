/* SPDX-License-Identifier: MPL-2.0 */
/* window.c - see window.h.
 *
 * I1  acked <= sent, whatever the receiver says.
 * I2  told <= taken, and taken - told < step after a tell.
 */
#include "window.h"

#include <errno.h>

void
window_init(struct window *w, uint64_t limit)
{
    *w = (struct window){.limit = limit};
}

uint64_t
window_unacked(const struct window *w)
{
    return w->sent - w->acked;
}

bool
window_is_full(const struct window *w)
{
    return w->is_full;
}

bool
window_sent(struct window *w, uint64_t bytes)
{
    w->sent += bytes;
    if (w->is_full || window_unacked(w) < w->limit)
        return false;
    w->is_full = true;
    return true;
}

int
window_acked(struct window *w, uint64_t total)
{
    if (total > w->sent || total < w->acked) /* I1 */
        return -EPROTO;
    w->acked = total;
    if (!w->is_full || window_unacked(w) > w->limit / 2)
        return 0;
    w->is_full = false;
    return 1;
}

bool
window_release(struct window *w)
{
    bool was_full = w->is_full;

    w->is_full = false;
    return was_full;
}

void
receipt_init(struct receipt *r, uint64_t window)
{
    *r = (struct receipt){.step = window / 4};
}

bool
receipt_took(struct receipt *r, uint64_t bytes)
{
    r->taken += bytes;
    return r->taken - r->told >= r->step;
}

bool
receipt_has_news(const struct receipt *r)
{
    return r->taken != r->told;
}

uint64_t
receipt_tell(struct receipt *r)
{
    r->told = r->taken;
    return r->told;
}
