/* SPDX-License-Identifier: MPL-2.0 */
/* actor.h - a thread with a mailbox (a CZMQ zactor underneath), with what zactor lacks: a start
 * that can fail with text, and a stop that really waits.
 *
 * Both ends exchange single pointers; whoever receives one owns what it points at.  The owner's end
 * is actor_pipe() (put it in a loop with loop_add_zmq), the thread's end is given to its functions.
 * All signals are blocked in actor threads.
 *
 * Life: actor_start() runs ops->start in the new thread and returns its result.  Then ops->run
 * serves until actor_recv() says -ETERM.  actor_stop() posts the stop, keeps taking what the actor
 * still sends (giving each to `drain`), and returns when the thread has left run().
 */
#ifndef XYLEM_ACTOR_H
#define XYLEM_ACTOR_H

#include "base.h"
#include "xerr.h"

struct actor;

struct actor_ops {
    const char *name; // thread name, at most 15 characters
    /* May be NULL.  0 or -errno with text; on failure run() is not called.  Must not post yet. */
    int (*start)(void *arg, void *pipe, struct err *err);
    /* Must not return before actor_recv() said -ETERM. */
    void (*run)(void *arg, void *pipe);
};

/* Call once in main() before any other thread or socket exists: takes CZMQ's signal handlers out,
 * removes the pipes' high-water mark, allows as many sockets and descriptors as the system does,
 * ignores SIGPIPE.  Without it actor_start() asserts. */
void actor_process_init(void);

/* arg is borrowed and must outlive the actor.  0 or -errno with the text ops->start gave. */
int actor_start(struct actor **ret_actor, const struct actor_ops *ops, void *arg, struct err *err);

/* What was posted before is still served.  drain (may be NULL) receives every pointer the actor had
 * sent but nobody had taken.  *actor becomes NULL; NULL is fine. */
void actor_stop(struct actor **actor, void (*drain)(void *arg, void *item), void *arg);

/* The owner's end: a raw libzmq socket, owned by the actor. */
void *actor_pipe(struct actor *actor);

/* Either side.  Never blocks, never fails: pipes are unbounded, callers bound what they post. */
void actor_post(void *pipe, void *item);

/* Either side.  0 and *ret_item; -EAGAIN when nothing is waiting and !wait; -ETERM (the actor's
 * side only): stop now. */
int actor_recv(void *pipe, bool wait, void **ret_item);

#endif
