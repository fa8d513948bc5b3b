/* SPDX-License-Identifier: MPL-2.0 */
/* launch_polls.c - see launch_polls.h. */
#include "launch_polls.h"

#include "xmem.h"

#include <stdlib.h>

struct launch_row {
    launch_poll_fn fn;
    void *owner; // borrowed
    void *item;  // borrowed
};

void
launch_polls_fini(struct launch_polls *p)
{
    free(p->fds);
    free(p->rows);
    *p = (struct launch_polls){0};
}

void
launch_polls_reset(struct launch_polls *p)
{
    p->count = 0;
}

void
launch_polls_add(struct launch_polls *p, int fd, short events, launch_poll_fn fn, void *owner,
                 void *item)
{
    assert(fd >= 0);
    if (p->count == p->capacity) {
        p->capacity = p->capacity ? 2 * p->capacity : 16;
        p->fds = xrealloc(p->fds, p->capacity * sizeof(*p->fds));
        p->rows = xrealloc(p->rows, p->capacity * sizeof(*p->rows));
    }
    p->fds[p->count] = (struct pollfd){.fd = fd, .events = events};
    p->rows[p->count++] = (struct launch_row){fn, owner, item};
}

bool
launch_polls_wait(struct launch_polls *p, int64_t timeout_ms)
{
    int ready = poll(p->fds, p->count, (int)MIN(timeout_ms, INT32_MAX));

    for (size_t i = 0; i < p->count && ready > 0; i++) {
        if (p->fds[i].revents)
            p->rows[i].fn(p->rows[i].owner, p->rows[i].item, p->fds[i].revents);
    }
    return ready != 0;
}
