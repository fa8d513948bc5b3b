/* SPDX-License-Identifier: MPL-2.0 */
/* loop.c - the reactor: one poller for file descriptors and ZeroMQ sockets.
 *
 * Model: a source is on one of the lists `fds`, `zmqs` or `dead`, and, between being found ready
 * and being served, also on the list `ready`.
 *
 *   add -> fds or zmqs --(collect)--> + ready --(serve)--> fds or zmqs
 *               \------------(remove: off all lists)------> dead --(end of turn)--> freed
 *
 * Plain descriptors are level-triggered.  The descriptor of a ZeroMQ socket only says that its
 * state may have changed: whether there is a message is asked with ZMQ_EVENTS, which also rearms
 * the descriptor. So it serves as a wake-up, and no sleep begins before every ZMQ_EVENTS was read.
 *
 * Invariants
 *   I1  a removed source is on `dead` and on no other list; its handler is not called any more
 *   I2  a timer armed while timers run does not run in the same turn (order >= the limit)
 *   I3  turns do not nest, so a source whose handler is running cannot be freed under it
 *
 * Thread: the caller's; no locks.
 */
#include "loop.h"

#include "clock.h"
#include "poller.h"
#include "spin.h"
#include "timers.h"
#include "xmem.h"

#include <errno.h>
#include <zmq.h>

#define FOREVER_MS INT32_MAX // 24 days

struct loop_source {
    struct list node;   // in loop->fds, zmqs or dead
    struct list ready;  // in loop->ready while waiting to be served
    struct loop *loop;  // borrowed
    bool is_dead;       // removed, on loop->dead (I1)
    int fd;             // borrowed: the caller's, or the socket's ZMQ_FD
    void *zsock;        // borrowed; NULL for a plain descriptor
    unsigned events;    // LOOP_*: what is wanted; plain descriptors only
    unsigned seen;      // LOOP_*: what the poller reported; plain descriptors only
    loop_zmq_fn zmq_fn; // ZeroMQ sources only
    loop_fd_fn fd_fn;   // plain descriptors only
    void *arg;          // borrowed
};

struct hook {
    struct list node; // in loop->hooks
    loop_hook_fn fn;  // called before every sleep
    void *arg;        // borrowed
};

struct loop {
    struct poller poller; // knows every source
    struct list fds;      // struct loop_source.node
    struct list zmqs;     // struct loop_source.node
    struct list ready;    // struct loop_source.ready, in the order of service
    struct list dead;     // struct loop_source.node, freed at the end of the turn
    struct list hooks;    // struct hook.node, in the order added
    struct list flushes;  // struct loop_flush.node
    struct timers timers; // running ones
    int64_t now;          // ms, monotonic, as of the last wake-up
    size_t turn;          // counts turns; rotates the order of service
    size_t unasked;       // turns since the ZeroMQ sockets were asked
    struct spin spin;     // do expectations come true?
    bool is_expecting;    // loop_expect() was called since the last sleep
    bool is_turning;      // a turn is under way (I3)
    bool is_stopping;     // loop_stop() was called
};

struct loop *
loop_new(void)
{
    struct loop *loop = xcalloc(1, sizeof(*loop));

    poller_init(&loop->poller);
    list_init(&loop->fds);
    list_init(&loop->zmqs);
    list_init(&loop->ready);
    list_init(&loop->dead);
    list_init(&loop->hooks);
    list_init(&loop->flushes);
    loop->timers = (struct timers)TIMERS_INIT;
    loop->now = clock_ms();
    return loop;
}

static void
free_sources(struct list *sources)
{
    struct list *node;

    while ((node = list_pop_front(sources)))
        free(list_entry(node, struct loop_source, node));
}

void
loop_free(struct loop **loop_p)
{
    struct loop *loop = TAKE(*loop_p);
    struct list *node;

    if (!loop)
        return;
    assert(!loop->is_turning);
    free_sources(&loop->fds);
    free_sources(&loop->zmqs);
    free_sources(&loop->dead);
    while ((node = list_pop_front(&loop->hooks)))
        free(list_entry(node, struct hook, node));
    timers_fini(&loop->timers);
    poller_fini(&loop->poller);
    free(loop);
}

/* --- sources --- */

static struct loop_source *
new_source(struct loop *loop, int fd, void *arg)
{
    struct loop_source *s = xcalloc(1, sizeof(*s));

    s->loop = loop;
    s->fd = fd;
    s->arg = arg;
    list_init(&s->node);
    list_init(&s->ready);
    return s;
}

static int
get_option(void *zsock, int option)
{
    int value;
    size_t size = sizeof(value);
    int rc;

    do
        rc = zmq_getsockopt(zsock, option, &value, &size);
    while (rc < 0 && errno == EINTR);
    assert(rc == 0);
    return value;
}

struct loop_source *
loop_add_zmq(struct loop *loop, void *zsock, loop_zmq_fn fn, void *arg)
{
    struct loop_source *s = new_source(loop, get_option(zsock, ZMQ_FD), arg);

    s->zsock = zsock;
    s->zmq_fn = fn;
    list_push_back(&loop->zmqs, &s->node);
    poller_add(&loop->poller, s->fd, LOOP_READ, s);
    return s;
}

struct loop_source *
loop_add_fd(struct loop *loop, int fd, unsigned events, loop_fd_fn fn, void *arg)
{
    struct loop_source *s = new_source(loop, fd, arg);

    s->events = events;
    s->fd_fn = fn;
    list_push_back(&loop->fds, &s->node);
    poller_add(&loop->poller, fd, events, s);
    return s;
}

void
loop_set_events(struct loop_source *s, unsigned events)
{
    assert(!s->zsock && !s->is_dead);
    if (s->events == events)
        return;
    s->events = events;
    poller_modify(&s->loop->poller, s->fd, events, s);
}

void
loop_remove(struct loop_source **source)
{
    struct loop_source *s = TAKE(*source);

    if (!s)
        return;
    assert(!s->is_dead);
    poller_remove(&s->loop->poller, s->fd);
    s->is_dead = true;
    list_remove(&s->ready);
    list_remove(&s->node);
    list_push_back(&s->loop->dead, &s->node); /* I1 */
}

/* --- timers and hooks --- */

void
loop_timer_init(struct loop_timer *t, loop_hook_fn fn, void *arg)
{
    *t = (struct loop_timer){.fn = fn, .arg = arg};
}

/* Counted from the real time, not from loop_now(): a long turn must not shorten the delay. */
void
loop_timer_start(struct loop *loop, struct loop_timer *t, int64_t delay_ms)
{
    assert(delay_ms >= 0 && delay_ms <= INT64_MAX / 2);
    loop_timer_stop(t);
    t->loop = loop;
    t->due = clock_ms() + delay_ms;
    timers_insert(&loop->timers, t);
}

void
loop_timer_stop(struct loop_timer *t)
{
    if (!t->loop)
        return;
    timers_remove(&t->loop->timers, t);
    t->loop = NULL;
}

bool
loop_timer_is_running(const struct loop_timer *t)
{
    return t->loop;
}

void
loop_add_hook(struct loop *loop, loop_hook_fn fn, void *arg)
{
    struct hook *h = xcalloc(1, sizeof(*h));

    h->fn = fn;
    h->arg = arg;
    list_init(&h->node);
    list_push_back(&loop->hooks, &h->node);
}

void
loop_flush_init(struct loop_flush *f, loop_hook_fn fn, void *arg)
{
    f->fn = fn;
    f->arg = arg;
    list_init(&f->node);
}

void
loop_flush_start(struct loop *loop, struct loop_flush *f)
{
    if (!list_is_linked(&f->node))
        list_push_back(&loop->flushes, &f->node);
}

void
loop_flush_cancel(struct loop_flush *f)
{
    list_remove(&f->node);
}

/* --- a turn --- */

static void
run_hooks(struct loop *loop)
{
    LIST_FOR_EACH (node, &loop->hooks) {
        struct hook *h = list_entry(node, struct hook, node);

        h->fn(h->arg);
    }
}

static void
run_flushes(struct loop *loop)
{
    struct list *node;

    while ((node = list_pop_front(&loop->flushes))) {
        struct loop_flush *f = list_entry(node, struct loop_flush, node);

        f->fn(f->arg);
    }
}

static void
mark_ready(struct loop_source *s)
{
    if (!list_is_linked(&s->ready))
        list_push_back(&s->loop->ready, &s->ready);
}

/* Every ZeroMQ socket is asked, also those already found: asking rearms its descriptor. */
static void
collect_zmqs(struct loop *loop)
{
    LIST_FOR_EACH (node, &loop->zmqs) {
        struct loop_source *s = list_entry(node, struct loop_source, node);

        if (get_option(s->zsock, ZMQ_EVENTS) & ZMQ_POLLIN)
            mark_ready(s);
    }
    loop->unasked = 0;
}

static int64_t
wakeup_time(const struct loop *loop, int64_t max_ms)
{
    const struct loop_timer *first = timers_first(&loop->timers);
    int64_t now = clock_ms();
    int64_t when = now + (max_ms < 0 ? FOREVER_MS : MIN(max_ms, FOREVER_MS));

    if (!list_is_empty(&loop->ready) || loop->is_stopping)
        return now;
    return first ? MIN(first->due, when) : when;
}

static bool
may_spin(struct loop *loop, int64_t max_ms)
{
    bool is_expecting = loop->is_expecting;

    loop->is_expecting = false;
    return is_expecting && max_ms != 0 && !loop->is_stopping && list_is_empty(&loop->ready) &&
           spin_begin(&loop->spin);
}

/* What is expected, if it comes without sleep.  ZeroMQ sockets that had something to say in the last
 * turn, or have gone unasked for long, come first. */
static size_t
catch_expected(struct loop *loop, int64_t max_ms, struct poller_event events[POLLER_BATCH])
{
    size_t count;

    if (loop->unasked >= LOOP_UNASKED_MAX)
        collect_zmqs(loop);
    if (!may_spin(loop, max_ms))
        return 0;
    count = poller_spin(&loop->poller, SPIN_US, events);
    spin_note(&loop->spin, count > 0);
    return count;
}

static size_t
wait_for_events(struct loop *loop, int64_t max_ms, struct poller_event events[POLLER_BATCH])
{
    size_t count = catch_expected(loop, max_ms, events);

    if (count > 0) {
        loop->unasked++;
        return count;
    }
    collect_zmqs(loop);
    return poller_wait(&loop->poller, wakeup_time(loop, max_ms), events);
}

static void
sleep_until_ready(struct loop *loop, int64_t max_ms)
{
    struct poller_event events[POLLER_BATCH];
    size_t count = wait_for_events(loop, max_ms, events);

    loop->now = clock_ms();
    for (size_t i = 0; i < count; i++) {
        struct loop_source *s = events[i].ptr;

        s->seen = events[i].events;
        mark_ready(s);
    }
}

static void
run_timers(struct loop *loop)
{
    uint64_t limit = loop->timers.next_order;
    struct loop_timer *t;

    while ((t = timers_first(&loop->timers)) && t->due <= loop->now && t->order < limit) { /* I2 */
        loop_timer_stop(t);
        t->fn(t->arg);
    }
}

static void
serve_zmq(struct loop_source *s)
{
    int left = LOOP_BUDGET;

    while (left > 0 && !s->is_dead && s->zmq_fn(s->arg))
        left--;
    s->loop->unasked = LOOP_UNASKED_MAX; // there may be more: ask before the next wait
}

/* What is wanted may have changed since the poller reported. */
static void
serve_fd(struct loop_source *s)
{
    unsigned events = s->seen & (s->events | LOOP_HANGUP);

    if (events)
        s->fd_fn(s->arg, events);
}

/* Start with another source each turn: whoever is served first may use up what others need. */
static void
rotate_ready(struct loop *loop)
{
    size_t count = 0;

    LIST_FOR_EACH (node, &loop->ready)
        count++;
    for (size_t i = count ? loop->turn % count : 0; i > 0; i--)
        list_push_back(&loop->ready, list_pop_front(&loop->ready));
}

static void
serve_ready(struct loop *loop)
{
    struct list *node;

    rotate_ready(loop);
    while ((node = list_pop_front(&loop->ready))) {
        struct loop_source *s = list_entry(node, struct loop_source, ready);

        if (s->zsock)
            serve_zmq(s);
        else
            serve_fd(s);
    }
}

static void
settle(struct loop *loop)
{
    run_hooks(loop);
    run_flushes(loop);
    free_sources(&loop->dead);
}

static void
take_turn(struct loop *loop, int64_t max_ms)
{
    settle(loop);
    sleep_until_ready(loop, max_ms);
    run_timers(loop);
    serve_ready(loop);
    loop->turn++;
}

void
loop_turn(struct loop *loop, int64_t max_ms)
{
    assert(!loop->is_turning); /* I3 */
    loop->is_turning = true;
    take_turn(loop, max_ms);
    settle(loop);
    loop->is_turning = false;
}

void
loop_run(struct loop *loop)
{
    assert(!loop->is_turning); /* I3 */
    loop->is_turning = true;
    do
        take_turn(loop, -1);
    while (!loop->is_stopping);
    settle(loop);
    loop->is_stopping = false;
    loop->is_turning = false;
}

void
loop_stop(struct loop *loop)
{
    loop->is_stopping = true;
}

int64_t
loop_now(const struct loop *loop)
{
    return loop->now;
}

void
loop_expect(struct loop *loop)
{
    loop->is_expecting = true;
}
