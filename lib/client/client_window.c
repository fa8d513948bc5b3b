/* SPDX-License-Identifier: MPL-2.0 */
/* client_window.c - see client_window.h. */
#include "client_window.h"
#include "control.h"

void
client_window_init(struct client_window *w, uint64_t max)
{
    assert(max >= CLIENT_WINDOW_MIN);
    *w = (struct client_window){.max = max, .limit = max};
}

bool
client_window_has_room(const struct client_window *w, uint64_t bytes)
{
    if (w->requests == 0) /* I1 */
        return true;
    return w->requests < CONTROL_CLIENT_REQUESTS && w->bytes <= w->limit &&
           bytes <= w->limit - w->bytes;
}

void
client_window_sent(struct client_window *w, uint64_t bytes)
{
    w->bytes += bytes;
    w->requests++;
}

static void
take_out(struct client_window *w, uint64_t bytes)
{
    assert(w->requests > 0 && w->bytes >= bytes);
    w->bytes -= bytes;
    w->requests--;
}

void
client_window_done(struct client_window *w, uint64_t bytes)
{
    take_out(w, bytes);
    w->limit = MIN(w->limit + bytes / 4, w->max);
}

void
client_window_refused(struct client_window *w, uint64_t bytes)
{
    take_out(w, bytes);
    w->limit = MIN(w->limit, MAX(w->bytes, CLIENT_WINDOW_MIN));
}
