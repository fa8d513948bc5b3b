/* SPDX-License-Identifier: MPL-2.0 */
/* test_actor.c - actors: start that fails, stop that waits, nothing lost. */
#include "cmocka_all.h"

#include "actor.h"
#include "loop.h"
#include "xmem.h"

#include <czmq.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/resource.h>

struct worker {
    atomic_int received;   // items run() has taken
    atomic_bool has_left;  // run() returned
    atomic_bool may_leave; // run() lingers after the stop until this is set
    int start_rc;          // what start() shall return
    bool signals_blocked;  // as seen in the thread
    char name[16];         // as seen in the thread
};

static int
start_worker(void *arg, void *pipe UNUSED, struct err *err)
{
    struct worker *w = arg;
    sigset_t mask;

    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    w->signals_blocked = sigismember(&mask, SIGTERM) && sigismember(&mask, SIGUSR1);
    pthread_getname_np(pthread_self(), w->name, sizeof(w->name));
    if (w->start_rc < 0)
        return err_set(err, w->start_rc, "no such store");
    return 0;
}

/* Every item goes back to the sender. */
static void
run_echo(void *arg, void *pipe)
{
    struct worker *w = arg;
    void *item;

    while (actor_recv(pipe, true, &item) == 0) {
        atomic_fetch_add(&w->received, 1);
        actor_post(pipe, item);
    }
    while (!atomic_load(&w->may_leave))
        sched_yield();
    atomic_store(&w->has_left, true);
}

static const struct actor_ops echo_ops = {"echo", start_worker, run_echo};

static void
init_worker(struct worker *w)
{
    memset(w, 0, sizeof(*w));
    atomic_store(&w->may_leave, true);
}

static struct actor *
start_echo(struct worker *w)
{
    struct actor *actor = NULL;
    struct err err;

    assert_int_equal(actor_start(&actor, &echo_ops, w, &err), 0);
    assert_non_null(actor);
    return actor;
}

static void
count_drained(void *arg, void *item)
{
    int *count = arg;

    assert_non_null(item);
    free(item);
    ++*count;
}

static void
thread_has_its_name_and_blocks_signals(void **state UNUSED)
{
    struct worker w;
    struct actor *actor;

    init_worker(&w);
    actor = start_echo(&w);
    assert_true(w.signals_blocked);
    assert_string_equal(w.name, "echo");
    actor_stop(&actor, NULL, NULL);
    assert_null(actor);
    actor_stop(&actor, NULL, NULL);
}

static void
mask_of_the_owner_is_restored(void **state UNUSED)
{
    struct worker w;
    struct actor *actor;
    sigset_t mask;

    init_worker(&w);
    actor = start_echo(&w);
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    assert_false(sigismember(&mask, SIGTERM));
    actor_stop(&actor, NULL, NULL);
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    assert_false(sigismember(&mask, SIGTERM));
}

static void
failed_start_says_why(void **state UNUSED)
{
    struct actor *actor = NULL;
    struct worker w;
    struct err err;

    init_worker(&w);
    w.start_rc = -ENOENT;
    assert_int_equal(actor_start(&actor, &echo_ops, &w, &err), -ENOENT);
    assert_string_equal(err.text, "no such store");
    assert_null(actor);
    assert_false(atomic_load(&w.has_left));
    assert_int_equal(actor_start(&actor, &echo_ops, &w, NULL), -ENOENT);
}

static void
start_may_be_missing(void **state UNUSED)
{
    static const struct actor_ops ops = {"plain", NULL, run_echo};
    struct actor *actor;
    struct worker w;

    init_worker(&w);
    assert_int_equal(actor_start(&actor, &ops, &w, NULL), 0);
    actor_stop(&actor, NULL, NULL);
    assert_true(atomic_load(&w.has_left));
}

static void
items_come_back_in_order(void **state UNUSED)
{
    struct worker w;
    struct actor *actor;
    int numbers[1000];
    void *item;

    init_worker(&w);
    actor = start_echo(&w);
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
        actor_post(actor_pipe(actor), &numbers[i]);
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        assert_int_equal(actor_recv(actor_pipe(actor), true, &item), 0);
        assert_ptr_equal(item, &numbers[i]);
    }
    assert_int_equal(actor_recv(actor_pipe(actor), false, &item), -EAGAIN);
    actor_stop(&actor, NULL, NULL);
}

/* Far more than the default high-water mark of 1000: nothing may block or be lost. */
static void
stop_drains_everything_posted_before(void **state UNUSED)
{
    const int count = 20000;
    struct worker w;
    struct actor *actor;
    int drained = 0;

    init_worker(&w);
    actor = start_echo(&w);
    for (int i = 0; i < count; i++)
        actor_post(actor_pipe(actor), xmalloc(1));
    actor_stop(&actor, count_drained, &drained);
    assert_int_equal(atomic_load(&w.received), count);
    assert_int_equal(drained, count);
}

static void *
permit_leaving(void *arg)
{
    struct worker *w = arg;

    for (int i = 0; i < 1000; i++)
        sched_yield();
    atomic_store(&w->may_leave, true);
    return NULL;
}

static void
stop_waits_until_run_has_left(void **state UNUSED)
{
    for (int i = 0; i < 20; i++) {
        struct worker w;
        struct actor *actor;
        pthread_t thread;

        init_worker(&w);
        atomic_store(&w.may_leave, false);
        actor = start_echo(&w);
        assert_int_equal(pthread_create(&thread, NULL, permit_leaving, &w), 0);
        actor_stop(&actor, NULL, NULL);
        assert_true(atomic_load(&w.has_left));
        pthread_join(thread, NULL);
    }
}

struct looper {
    struct loop *loop; // of the actor's thread
    void *pipe;        // borrowed
    int rounds;        // items taken
};

static bool
on_item(void *arg)
{
    struct looper *l = arg;
    void *item;
    int rc = actor_recv(l->pipe, false, &item);

    if (rc == -ETERM)
        loop_stop(l->loop);
    if (rc < 0)
        return false;
    l->rounds++;
    actor_post(l->pipe, item);
    return true;
}

static void
run_looper(void *arg, void *pipe)
{
    struct looper *l = arg;
    struct loop_source *source;

    l->loop = loop_new();
    l->pipe = pipe;
    source = loop_add_zmq(l->loop, pipe, on_item, l);
    loop_run(l->loop);
    loop_remove(&source);
    loop_free(&l->loop);
}

/* Both ends in a loop, each sleeping while the other works. */
static void
actor_can_run_a_loop(void **state UNUSED)
{
    static const struct actor_ops ops = {"looper", NULL, run_looper};
    struct looper far = {0}, near = {0};
    struct loop_source *source;
    struct actor *actor;
    int ball;

    assert_int_equal(actor_start(&actor, &ops, &far, NULL), 0);
    near.loop = loop_new();
    near.pipe = actor_pipe(actor);
    source = loop_add_zmq(near.loop, near.pipe, on_item, &near);
    actor_post(near.pipe, &ball);
    while (near.rounds < 1000)
        loop_turn(near.loop, 2000);
    loop_remove(&source);
    loop_free(&near.loop);
    actor_stop(&actor, NULL, NULL);
    assert_true(far.rounds >= 1000);
}

static void
process_is_made_ready(void **state UNUSED)
{
    struct sigaction action;
    struct rlimit limit;

    assert_int_equal(sigaction(SIGPIPE, NULL, &action), 0);
    assert_true(action.sa_handler == SIG_IGN);
    assert_int_equal(sigaction(SIGTERM, NULL, &action), 0);
    assert_true(action.sa_handler == SIG_DFL);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(limit.rlim_cur, limit.rlim_max);
}

/* More than libzmq's usual 1023. */
static void
many_sockets_fit(void **state UNUSED)
{
    static zsock_t *sockets[1200];

    for (size_t i = 0; i < ARRAY_SIZE(sockets); i++) {
        sockets[i] = zsock_new(ZMQ_PAIR);
        assert_non_null(sockets[i]);
    }
    for (size_t i = 0; i < ARRAY_SIZE(sockets); i++)
        zsock_destroy(&sockets[i]);
}

static int
init_process(void **state UNUSED)
{
    actor_process_init();
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(thread_has_its_name_and_blocks_signals),
        cmocka_unit_test(mask_of_the_owner_is_restored),
        cmocka_unit_test(failed_start_says_why),
        cmocka_unit_test(start_may_be_missing),
        cmocka_unit_test(items_come_back_in_order),
        cmocka_unit_test(stop_drains_everything_posted_before),
        cmocka_unit_test(stop_waits_until_run_has_left),
        cmocka_unit_test(actor_can_run_a_loop),
        cmocka_unit_test(process_is_made_ready),
        cmocka_unit_test(many_sockets_fit),
    };

    return cmocka_run_group_tests_name("actor", tests, init_process, NULL);
}
