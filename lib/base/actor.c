/* SPDX-License-Identifier: MPL-2.0 */
/* actor.c - a thread with a mailbox.
 *
 * zactor gives the thread and the pair of sockets.  Its own hand-shakes are too weak: zactor_new()
 * cannot tell that the start failed, and zactor_destroy() throws away what is still in the pipe
 * and comes back early when a signal arrives.  So the pipe carries pointers (8-byte frames) and
 * two marks (1-byte frames):
 *
 *   owner                                thread
 *   actor_start   --- zactor_new --->    ops->start
 *                 <-- rc, text, signal-- (in struct launch; then the launch is gone)
 *                 <== pointers ==>       ops->run
 *   actor_stop    --- MARK_STOP --->     actor_recv says -ETERM, run() returns
 *                 <-- MARK_DONE ---      the last message
 *                 --- zactor_destroy     finds an idle thread, returns at once
 *
 * Invariants
 *   I1  whatever was posted is received before the mark that follows it: nothing is lost or leaked
 *   I2  the thread touches neither `arg` nor the launch after MARK_DONE
 */
#include "actor.h"

#include "xmem.h"

#include <czmq.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>

enum { MARK_STOP = 'S', MARK_DONE = 'D' };

struct actor {
    zactor_t *thread; // owned
    void *pipe;       // borrowed from `thread`: our end, raw
};

/* On the owner's stack while it waits in zactor_new(). */
struct launch {
    const struct actor_ops *ops; // borrowed
    void *arg;                   // borrowed
    struct err *err;             // borrowed, may be NULL
    int rc;                      // what ops->start returned
};

static void
raise_fd_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

void
actor_process_init(void)
{
    zsys_handler_set(NULL);
    zsys_set_max_sockets(0); // as many as libzmq can
    zsys_set_pipehwm(0);
    signal(SIGPIPE, SIG_IGN);
    raise_fd_limit();
}

static void
send_mark(void *pipe, char mark)
{
    int rc = zmq_send(pipe, &mark, 1, ZMQ_DONTWAIT);

    assert(rc == 1);
}

static void
run_thread(zsock_t *pipe, void *launch_arg)
{
    struct launch *launch = launch_arg;
    const struct actor_ops *ops = launch->ops;
    void *arg = launch->arg;
    void *raw = zsock_resolve(pipe);
    int rc;

    pthread_setname_np(pthread_self(), ops->name);
    rc = ops->start ? ops->start(arg, raw, launch->err) : 0;
    launch->rc = rc;
    zsock_signal(pipe, 0); // the launch belongs to the past from here on
    if (rc < 0)
        return;
    ops->run(arg, raw);
    send_mark(raw, MARK_DONE); /* I2 */
}

static void
block_signals(sigset_t *old)
{
    sigset_t all;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, old);
}

/* Signals are blocked around both, so that the thread inherits the mask and so that the waits
 * inside are not interrupted. */
static zactor_t *
create_thread(struct launch *launch)
{
    sigset_t old;
    zactor_t *thread;

    block_signals(&old);
    thread = zactor_new(run_thread, launch);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    assert(thread);
    return thread;
}

static void
destroy_thread(zactor_t **thread)
{
    sigset_t old;

    block_signals(&old);
    zactor_destroy(thread);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}

int
actor_start(struct actor **ret_actor, const struct actor_ops *ops, void *arg, struct err *err)
{
    struct launch launch = {.ops = ops, .arg = arg, .err = err};
    zactor_t *thread;
    struct actor *actor;

    assert(zsys_pipehwm() == 0); // actor_process_init() was called
    thread = create_thread(&launch);
    if (launch.rc < 0) {
        destroy_thread(&thread);
        return launch.rc;
    }
    actor = xcalloc(1, sizeof(*actor));
    actor->thread = thread;
    actor->pipe = zsock_resolve(zactor_sock(thread));
    *ret_actor = actor;
    return 0;
}

/* A pointer, a mark, or -EAGAIN.  Other sizes do not exist. */
static int
recv_frame(void *pipe, bool wait, void **ret_item, char *ret_mark)
{
    union {
        void *item; // 8 bytes
        char mark;  // 1 byte
    } frame;
    int size;

    do
        size = zmq_recv(pipe, &frame, sizeof(frame), wait ? 0 : ZMQ_DONTWAIT);
    while (size < 0 && errno == EINTR);
    if (size < 0) {
        assert(errno == EAGAIN);
        return -EAGAIN;
    }
    assert(size == 1 || size == (int)sizeof(frame.item));
    *ret_mark = size == 1 ? frame.mark : '\0';
    *ret_item = size == 1 ? NULL : frame.item;
    return 0;
}

static void
drain_until_done(void *pipe, void (*drain)(void *arg, void *item), void *arg)
{
    for (;;) {
        void *item;
        char mark;
        int rc = recv_frame(pipe, true, &item, &mark);

        assert(rc == 0);
        if (mark == MARK_DONE)
            return;
        if (drain)
            drain(arg, item);
    }
}

void
actor_stop(struct actor **actor_p, void (*drain)(void *arg, void *item), void *arg)
{
    struct actor *actor = TAKE(*actor_p);

    if (!actor)
        return;
    send_mark(actor->pipe, MARK_STOP);
    drain_until_done(actor->pipe, drain, arg); /* I1 */
    destroy_thread(&actor->thread);
    free(actor);
}

void *
actor_pipe(struct actor *actor)
{
    return actor->pipe;
}

void
actor_post(void *pipe, void *item)
{
    int rc = zmq_send(pipe, &item, sizeof(item), ZMQ_DONTWAIT);

    assert(rc == (int)sizeof(item));
}

int
actor_recv(void *pipe, bool wait, void **ret_item)
{
    void *item;
    char mark;
    int rc = recv_frame(pipe, wait, &item, &mark);

    if (rc < 0)
        return rc;
    assert(mark != MARK_DONE); // run() must not leave before it is told
    if (mark == MARK_STOP)
        return -ETERM;
    *ret_item = item;
    return 0;
}
