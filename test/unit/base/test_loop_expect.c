/* SPDX-License-Identifier: MPL-2.0 */
/* test_loop_expect.c - a loop that is told to expect input, with real pairs of sockets: what comes is
 * served, and the ZeroMQ sockets, which are asked less often then, are not forgotten. */
#include "cmocka_all.h"

#include "loop.h"

#include <sys/socket.h>
#include <unistd.h>
#include <zmq.h>

#define TURN_MS 2000 // a turn that lasts this long has failed

struct fixture {
    struct loop *loop;
    void *context;    // owned
    void *near, *far; // owned: a connected pair of PAIR sockets
    int fds[2];       // owned: a socket pair
    struct loop_source *sources[2];
    struct loop_timer timer;
    unsigned bytes, messages, ticks; // that were served
};

static void
send_byte(struct fixture *f)
{
    assert_int_equal(send(f->fds[1], "x", 1, 0), 1);
}

static void
on_byte(void *arg, unsigned events UNUSED)
{
    struct fixture *f = arg;
    char byte;

    assert_int_equal(recv(f->fds[0], &byte, 1, 0), 1);
    f->bytes++;
    loop_expect(f->loop);
}

static bool
on_message(void *arg)
{
    struct fixture *f = arg;

    if (zmq_recv(f->near, NULL, 0, ZMQ_DONTWAIT) < 0)
        return false;
    f->messages++;
    return true;
}

static void
on_tick(void *arg)
{
    struct fixture *f = arg;

    f->ticks++;
}

static int
setup(void **state)
{
    static struct fixture f;

    f = (struct fixture){.loop = loop_new(), .context = zmq_ctx_new()};
    f.near = zmq_socket(f.context, ZMQ_PAIR);
    f.far = zmq_socket(f.context, ZMQ_PAIR);
    assert_int_equal(zmq_bind(f.near, "inproc://pair"), 0);
    assert_int_equal(zmq_connect(f.far, "inproc://pair"), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, f.fds), 0);
    f.sources[0] = loop_add_fd(f.loop, f.fds[0], LOOP_READ, on_byte, &f);
    f.sources[1] = loop_add_zmq(f.loop, f.near, on_message, &f);
    loop_timer_init(&f.timer, on_tick, &f);
    *state = &f;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *f = *state;

    loop_free(&f->loop);
    zmq_close(f->near);
    zmq_close(f->far);
    zmq_ctx_term(f->context);
    close(f->fds[0]);
    close(f->fds[1]);
    return 0;
}

/* A message that the descriptor of `near` does not tell of: the one who was told is not the loop. */
static void
send_unseen(struct fixture *f)
{
    int events;
    size_t size = sizeof(events);

    assert_int_equal(zmq_send(f->far, "", 0, 0), 0);
    assert_int_equal(zmq_getsockopt(f->near, ZMQ_EVENTS, &events, &size), 0);
    assert_true(events & ZMQ_POLLIN);
}

static void
what_was_expected_is_served(void **state)
{
    struct fixture *f = *state;

    for (unsigned i = 1; i <= 100; i++) {
        send_byte(f);
        loop_turn(f->loop, TURN_MS);
        assert_int_equal(f->bytes, i);
    }
}

static void
what_does_not_come_is_waited_for(void **state)
{
    struct fixture *f = *state;

    loop_turn(f->loop, 0); // the sockets' own greetings
    for (unsigned i = 1; i <= 3; i++) {
        loop_expect(f->loop);
        loop_timer_start(f->loop, &f->timer, 2);
        loop_turn(f->loop, TURN_MS);
        assert_int_equal(f->ticks, i);
    }
}

static void
zmq_is_served_while_input_keeps_coming(void **state)
{
    struct fixture *f = *state;
    unsigned turns = 0;

    send_byte(f);
    loop_turn(f->loop, TURN_MS);
    send_unseen(f);
    while (f->messages == 0) {
        send_byte(f);
        loop_turn(f->loop, TURN_MS);
        assert_in_range(++turns, 1, LOOP_UNASKED_MAX + 1);
    }
}

/* What the handler leaves behind is not waited for until something else happens. */
static void
zmq_is_drained_while_input_keeps_coming(void **state)
{
    struct fixture *f = *state;

    for (unsigned i = 0; i < 3 * LOOP_BUDGET; i++)
        assert_int_equal(zmq_send(f->far, "", 0, 0), 0);
    for (unsigned i = 1; i <= 3; i++) {
        send_byte(f);
        loop_turn(f->loop, TURN_MS);
        assert_int_equal(f->messages, i * LOOP_BUDGET);
    }
}

static void
zmq_is_asked_before_every_sleep(void **state)
{
    struct fixture *f = *state;

    send_byte(f);
    loop_turn(f->loop, TURN_MS);
    send_unseen(f);
    loop_turn(f->loop, TURN_MS);
    assert_int_equal(f->messages, 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_expected_is_served, setup, teardown),
        cmocka_unit_test_setup_teardown(what_does_not_come_is_waited_for, setup, teardown),
        cmocka_unit_test_setup_teardown(zmq_is_served_while_input_keeps_coming, setup, teardown),
        cmocka_unit_test_setup_teardown(zmq_is_drained_while_input_keeps_coming, setup, teardown),
        cmocka_unit_test_setup_teardown(zmq_is_asked_before_every_sleep, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
