/* SPDX-License-Identifier: MPL-2.0 */
/* poller.h - epoll in the words of loop.h.  Used by loop.c only. */
#ifndef XYLEM_POLLER_H
#define XYLEM_POLLER_H

#include "base.h"

#define POLLER_BATCH 64 // events of one poller_wait(); the rest comes with the next

struct poller {
    int epfd; // owned
};

struct poller_event {
    void *ptr;       // what poller_add() was given
    unsigned events; // LOOP_READ | LOOP_WRITE | LOOP_HANGUP
};

void poller_init(struct poller *p);
void poller_fini(struct poller *p);

/* events: LOOP_READ | LOOP_WRITE, level-triggered; hang-ups and errors are always reported.  fd is
 * borrowed; adding it twice, or one that epoll does not take, is a bug (asserted). */
void poller_add(const struct poller *p, int fd, unsigned events, void *ptr);
void poller_modify(const struct poller *p, int fd, unsigned events, void *ptr);
void poller_remove(const struct poller *p, int fd);

/* Sleep until something is ready, at most until the monotonic time `when` (ms; the past: do not
 * sleep).  Signals do not end it.  Returns how many events were filled in. */
size_t poller_wait(const struct poller *p, int64_t when, struct poller_event out[POLLER_BATCH]);

/* The same without sleeping: ask again and again until something is ready, for at most `us`. */
size_t poller_spin(const struct poller *p, int64_t us, struct poller_event out[POLLER_BATCH]);

#endif
