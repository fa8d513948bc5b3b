/* SPDX-License-Identifier: MPL-2.0 */
/* loop.h - the reactor.  One per thread; nothing here is thread-safe.
 *
 * A turn, in this order (a contract, users depend on it):
 *   1. the before-sleep hooks run (flush replies, kick the store), then the flushes asked for;
 *   2. sources removed so far are freed;
 *   3. the loop sleeps until something is ready or a timer is due; after loop_expect() it may keep
 *      asking for some tens of microseconds first (spin.h);
 *   4. timers that are due run, each at most once, however late the turn is;
 *   5. ready sources are served in rotating order; a ZeroMQ source is drained by calling its
 *      handler until it says false, at most LOOP_BUDGET times.
 * After the last turn (and after a single loop_turn()) steps 1 and 2 are done once more, so nothing
 * stays unflushed.  Adding, removing and re-arming is allowed anywhere, also from inside a handler:
 * a removed source is never called again.  Turns do not nest: no loop_run() or loop_turn() from
 * inside a handler or hook.  Signals do not end the loop (EINTR is retried).
 *
 * ZeroMQ descriptors are edge-triggered: the loop re-reads ZMQ_EVENTS of every ZeroMQ source after
 * step 1 and sleeps only when none is ready, so sends made anywhere cannot lose a wake-up.  While plain
 * descriptors bring what was expected, turn by turn, it asks in every LOOP_UNASKED_MAX-th turn at least.
 */
#ifndef XYLEM_LOOP_H
#define XYLEM_LOOP_H

#include "base.h"
#include "list.h"

#define LOOP_BUDGET 64 // messages; draining pays 50x against one per wake-up, more starves others

#define LOOP_UNASKED_MAX 8 // asking four sockets costs as much as serving a small request

enum { LOOP_READ = 1, LOOP_WRITE = 2, LOOP_HANGUP = 4 };

struct loop;
struct loop_source;

/* Drain handler: take one message.  false: nothing was there (it happens).  A handler that leaves
 * messages behind keeps the loop from sleeping: remove the source to stop reading. */
typedef bool (*loop_zmq_fn)(void *arg);
/* events: LOOP_READ | LOOP_WRITE | LOOP_HANGUP (also errors: the next read or write tells). */
typedef void (*loop_fd_fn)(void *arg, unsigned events);
typedef void (*loop_hook_fn)(void *arg);

/* A timer is embedded in its owner; init once, stop before the owner goes away. */
struct loop_timer {
    struct loop *loop; // borrowed; NULL while not running
    int64_t due;       // ms, monotonic
    uint64_t order;    // when it was armed, counted by the loop: equal dues run in this order
    size_t heap_index; // position in the loop's heap while running
    loop_hook_fn fn;   // called when due
    void *arg;         // borrowed, for fn
};

struct loop *loop_new(void);
/* Sources still there are dropped, their sockets not touched; running timers are stopped. */
void loop_free(struct loop **loop);

/* Turn until loop_stop(), which may also have been called before: then one turn without sleep. */
void loop_run(struct loop *loop);
/* One turn, sleeping at most max_ms (-1: as long as it takes): for tests and dispatch calls. */
void loop_turn(struct loop *loop, int64_t max_ms);
void loop_stop(struct loop *loop); // the turn under way is finished first

/* ms, monotonic, as of the last wake-up. */
int64_t loop_now(const struct loop *loop);

/* What comes next is likely to come at once, on a plain descriptor: a peer that got an answer asks
 * again.  Holds for the next sleep. */
void loop_expect(struct loop *loop);

/* zsock: a raw libzmq socket, borrowed; must outlive the source; once per loop. */
struct loop_source *loop_add_zmq(struct loop *loop, void *zsock, loop_zmq_fn fn, void *arg);
/* fd: anything epoll takes (no regular files), borrowed; remove the source before closing it. */
struct loop_source *loop_add_fd(struct loop *loop, int fd, unsigned events, loop_fd_fn fn,
                                void *arg);
/* Change what an fd source waits for; 0 = nothing but hang-up and errors. */
void loop_set_events(struct loop_source *source, unsigned events);
/* *source becomes NULL; NULL is fine.  Does not close anything. */
void loop_remove(struct loop_source **source);

void loop_timer_init(struct loop_timer *t, loop_hook_fn fn, void *arg);
/* Call fn once, delay_ms (>= 0) from now.  One that is running gets the new time. */
void loop_timer_start(struct loop *loop, struct loop_timer *t, int64_t delay_ms);
void loop_timer_stop(struct loop_timer *t);
bool loop_timer_is_running(const struct loop_timer *t);

/* Run before every sleep, in the order added.  Cannot be removed. */
void loop_add_hook(struct loop *loop, loop_hook_fn fn, void *arg);

/* Run before the next sleep, once, behind all hooks: for what gathers during a turn.  Embedded in its
 * owner; init once, cancel before the owner goes away.  None is asked for while they run. */
struct loop_flush {
    struct list node; // in the loop while asked for
    loop_hook_fn fn;
    void *arg; // borrowed, for fn
};
void loop_flush_init(struct loop_flush *f, loop_hook_fn fn, void *arg);
void loop_flush_start(struct loop *loop, struct loop_flush *f); // nothing if it was already
void loop_flush_cancel(struct loop_flush *f);

#endif
