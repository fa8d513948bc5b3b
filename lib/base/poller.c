/* SPDX-License-Identifier: MPL-2.0 */
/* poller.c - epoll in the words of loop.h.
 *
 * Level-triggered: what was not read is reported again.  When more is ready than one call takes,
 * the kernel hands it out in turn, so nobody starves.
 */
#include "poller.h"

#include "clock.h"
#include "loop.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

void
poller_init(struct poller *p)
{
    p->epfd = epoll_create1(EPOLL_CLOEXEC);
    assert(p->epfd >= 0);
}

void
poller_fini(struct poller *p)
{
    close(p->epfd);
    p->epfd = -1;
}

static void
control(const struct poller *p, int op, int fd, unsigned events, void *ptr)
{
    struct epoll_event ev = {.data.ptr = ptr};
    int rc;

    ev.events = (events & LOOP_READ ? EPOLLIN : 0U) | (events & LOOP_WRITE ? EPOLLOUT : 0U);
    rc = epoll_ctl(p->epfd, op, fd, &ev);
    assert(rc == 0);
}

void
poller_add(const struct poller *p, int fd, unsigned events, void *ptr)
{
    control(p, EPOLL_CTL_ADD, fd, events, ptr);
}

void
poller_modify(const struct poller *p, int fd, unsigned events, void *ptr)
{
    control(p, EPOLL_CTL_MOD, fd, events, ptr);
}

void
poller_remove(const struct poller *p, int fd)
{
    control(p, EPOLL_CTL_DEL, fd, 0, NULL);
}

static unsigned
loop_events_of(uint32_t events)
{
    return (events & EPOLLIN ? LOOP_READ : 0U) | (events & EPOLLOUT ? LOOP_WRITE : 0U) |
           (events & (EPOLLHUP | EPOLLERR) ? LOOP_HANGUP : 0U);
}

/* -1: a signal came. */
static int
wait_once(const struct poller *p, int ms, struct poller_event out[POLLER_BATCH])
{
    struct epoll_event events[POLLER_BATCH];
    int n = epoll_wait(p->epfd, events, POLLER_BATCH, ms);

    assert(n >= 0 || errno == EINTR);
    for (int i = 0; i < n; i++)
        out[i] = (struct poller_event){events[i].data.ptr, loop_events_of(events[i].events)};
    return n;
}

size_t
poller_wait(const struct poller *p, int64_t when, struct poller_event out[POLLER_BATCH])
{
    int n;

    do {
        int64_t left = MAX(when - clock_ms(), 0);

        n = wait_once(p, (int)MIN(left, INT32_MAX), out);
    } while (n < 0);
    return (size_t)n;
}

size_t
poller_spin(const struct poller *p, int64_t us, struct poller_event out[POLLER_BATCH])
{
    int64_t end = clock_us() + us;
    int n;

    do
        n = wait_once(p, 0, out);
    while (n <= 0 && clock_us() < end);
    return n > 0 ? (size_t)n : 0;
}
