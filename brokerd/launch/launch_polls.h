/* SPDX-License-Identifier: MPL-2.0 */
/* launch_polls.h - what the launcher waits for: rows of poll(2), each with a handler, filled anew
 * for each wait. */
#ifndef XYLEM_LAUNCH_POLLS_H
#define XYLEM_LAUNCH_POLLS_H

#include "base.h"

#include <poll.h>

typedef void (*launch_poll_fn)(void *owner, void *item, short revents);

struct launch_polls {
    struct pollfd *fds;      // owned array
    struct launch_row *rows; // owned array, parallel to fds
    size_t count;
    size_t capacity;
};

void launch_polls_fini(struct launch_polls *p);

void launch_polls_reset(struct launch_polls *p);

/* A handler may close descriptors and free items of its own row only. */
void launch_polls_add(struct launch_polls *p, int fd, short events, launch_poll_fn fn, void *owner,
                      void *item);

/* Wait and call the handlers of the rows that are ready, in the order they were added.
 * timeout_ms: -1 for ever.  false: nothing was ready in time. */
bool launch_polls_wait(struct launch_polls *p, int64_t timeout_ms);

#endif
