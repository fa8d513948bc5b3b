/* SPDX-License-Identifier: MPL-2.0 */
/* test_loop.c - the reactor, with real pipes and inproc sockets.  Nothing here waits for time,
 * except for timers of a few milliseconds. */
#include "cmocka_all.h"

#include "buf.h"
#include "clock.h"
#include "loop.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include <zmq.h>

#define TURN_MS 2000 // a turn that lasts this long has failed

struct fixture {
    struct loop *loop;
    void *context;          // owned
    void *near[2], *far[2]; // owned: two connected pairs of PAIR sockets
    int fds[2];             // owned: a socket pair
    struct buf trace;       // one letter for each thing that happened
    struct loop_source *sources[3];
    struct loop_timer timers[3];
};

static int
setup(void **state)
{
    static struct fixture f;

    memset(&f, 0, sizeof(f));
    f.loop = loop_new();
    f.context = zmq_ctx_new();
    for (int i = 0; i < 2; i++) {
        char address[] = "inproc://0";

        address[9] = (char)('0' + i);
        f.near[i] = zmq_socket(f.context, ZMQ_PAIR);
        f.far[i] = zmq_socket(f.context, ZMQ_PAIR);
        assert_int_equal(zmq_bind(f.near[i], address), 0);
        assert_int_equal(zmq_connect(f.far[i], address), 0);
    }
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, f.fds), 0);
    *state = &f;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *f = *state;

    loop_free(&f->loop);
    for (int i = 0; i < 2; i++) {
        zmq_close(f->near[i]);
        zmq_close(f->far[i]);
        close(f->fds[i]);
    }
    zmq_ctx_term(f->context);
    buf_fini(&f->trace);
    return 0;
}

static void
send_to(void *zsock, char what)
{
    assert_int_equal(zmq_send(zsock, &what, 1, ZMQ_DONTWAIT), 1);
}

static bool
take_from(struct fixture *f, void *zsock)
{
    char what;

    if (zmq_recv(zsock, &what, 1, ZMQ_DONTWAIT) < 0)
        return false;
    buf_add_char(&f->trace, what);
    return true;
}

static bool
on_near0(void *arg)
{
    struct fixture *f = arg;

    return take_from(f, f->near[0]);
}

static bool
on_near1(void *arg)
{
    struct fixture *f = arg;

    return take_from(f, f->near[1]);
}

static void
on_fd(void *arg, unsigned events)
{
    struct fixture *f = arg;
    char what;

    buf_printf(&f->trace, "%s%s%s", events & LOOP_READ ? "R" : "", events & LOOP_WRITE ? "W" : "",
               events & LOOP_HANGUP ? "H" : "");
    if (events & LOOP_READ && read(f->fds[0], &what, 1) == 1)
        buf_add_char(&f->trace, what);
}

static void
assert_trace(struct fixture *f, const char *expected)
{
    assert_string_equal(buf_str(&f->trace), expected);
    buf_reset(&f->trace);
}

/* --- sources --- */

static void
message_is_taken_in_one_turn(void **state)
{
    struct fixture *f = *state;

    f->sources[0] = loop_add_zmq(f->loop, f->near[0], on_near0, f);
    send_to(f->far[0], 'a');
    send_to(f->far[0], 'b');
    loop_turn(f->loop, TURN_MS);
    assert_trace(f, "ab");
}

static void *
send_from_thread(void *zsock)
{
    send_to(zsock, 'x');
    return NULL;
}

static void
sleeping_loop_wakes_for_a_message(void **state)
{
    struct fixture *f = *state;
    pthread_t thread;

    f->sources[0] = loop_add_zmq(f->loop, f->near[0], on_near0, f);
    for (int i = 0; i < 200; i++) {
        assert_int_equal(pthread_create(&thread, NULL, send_from_thread, f->far[0]), 0);
        while (f->trace.size == 0)
            loop_turn(f->loop, TURN_MS);
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_trace(f, "x");
    }
}

/* Answers on the same socket inside its own handler: the classic way to lose an edge. */
static bool
answer_and_count(void *arg)
{
    struct fixture *f = arg;

    if (!take_from(f, f->near[0]))
        return false;
    send_to(f->near[0], 'r');
    return true;
}

static void
sends_inside_handlers_lose_no_wakeup(void **state)
{
    struct fixture *f = *state;

    f->sources[0] = loop_add_zmq(f->loop, f->near[0], answer_and_count, f);
    f->sources[1] = loop_add_zmq(f->loop, f->near[1], on_near1, f);
    for (int i = 0; i < 1000; i++) {
        char reply;

        send_to(f->far[0], 'q');
        send_to(f->near[1], 'n');
        loop_turn(f->loop, TURN_MS);
        assert_trace(f, "q");
        assert_int_equal(zmq_recv(f->far[0], &reply, 1, 0), 1);
        assert_int_equal(zmq_recv(f->far[1], &reply, 1, 0), 1);
    }
}

static void
busy_source_stops_at_its_budget(void **state)
{
    struct fixture *f = *state;

    f->sources[0] = loop_add_zmq(f->loop, f->near[0], on_near0, f);
    for (int i = 0; i < LOOP_BUDGET + 1; i++)
        send_to(f->far[0], 'a');
    loop_turn(f->loop, TURN_MS);
    assert_int_equal(f->trace.size, LOOP_BUDGET);
    loop_turn(f->loop, TURN_MS);
    assert_int_equal(f->trace.size, LOOP_BUDGET + 1);
}

static void
first_place_rotates(void **state)
{
    struct fixture *f = *state;
    bool was_first[2] = {false, false};

    f->sources[0] = loop_add_zmq(f->loop, f->near[0], on_near0, f);
    f->sources[1] = loop_add_zmq(f->loop, f->near[1], on_near1, f);
    for (int i = 0; i < 4; i++) {
        send_to(f->far[0], '0');
        send_to(f->far[1], '1');
        loop_turn(f->loop, TURN_MS);
        assert_int_equal(f->trace.size, 2);
        was_first[f->trace.data[0] - '0'] = true;
        buf_reset(&f->trace);
    }
    assert_true(was_first[0] && was_first[1]);
}

static void
descriptor_reports_what_is_wanted(void **state)
{
    struct fixture *f = *state;

    f->sources[0] = loop_add_fd(f->loop, f->fds[0], LOOP_READ, on_fd, f);
    loop_turn(f->loop, 0);
    assert_trace(f, "");
    assert_int_equal(write(f->fds[1], "xy", 2), 2);
    loop_turn(f->loop, TURN_MS);
    loop_turn(f->loop, TURN_MS);
    assert_trace(f, "RxRy");
    loop_set_events(f->sources[0], LOOP_READ | LOOP_WRITE);
    loop_turn(f->loop, TURN_MS);
    assert_trace(f, "W");
    loop_set_events(f->sources[0], 0);
    assert_int_equal(write(f->fds[1], "z", 1), 1);
    loop_turn(f->loop, 0);
    assert_trace(f, "");
}

static void
hangup_is_reported_unasked(void **state)
{
    struct fixture *f = *state;

    f->sources[0] = loop_add_fd(f->loop, f->fds[0], 0, on_fd, f);
    assert_int_equal(shutdown(f->fds[1], SHUT_RDWR), 0);
    loop_turn(f->loop, TURN_MS);
    assert_trace(f, "H");
}

/* More than one epoll_wait() takes, each of them ready for ever. */
static void
count_write(void *arg, unsigned events UNUSED)
{
    int *served = arg;

    ++*served;
}

static void
many_ready_descriptors_all_get_their_turn(void **state)
{
    struct fixture *f = *state;
    struct loop_source *sources[200];
    int fds[200], served[200] = {0};

    for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
        fds[i] = dup(f->fds[0]);
        sources[i] = loop_add_fd(f->loop, fds[i], LOOP_WRITE, count_write, &served[i]);
    }
    for (int i = 0; i < 4; i++)
        loop_turn(f->loop, TURN_MS);
    for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
        assert_true(served[i] > 0);
        loop_remove(&sources[i]);
        close(fds[i]);
    }
}

/* --- changes from inside --- */

static bool
remove_both(void *arg)
{
    struct fixture *f = arg;

    assert_true(take_from(f, f->near[0]));
    loop_remove(&f->sources[0]);
    loop_remove(&f->sources[1]);
    return true;
}

static void
removed_source_is_never_called_again(void **state)
{
    struct fixture *f = *state;

    f->sources[0] = loop_add_zmq(f->loop, f->near[0], remove_both, f);
    f->sources[1] = loop_add_fd(f->loop, f->fds[0], LOOP_READ, on_fd, f);
    send_to(f->far[0], 'a');
    send_to(f->far[0], 'b');
    assert_int_equal(write(f->fds[1], "x", 1), 1);
    loop_turn(f->loop, TURN_MS); // turn 0 starts with the ZeroMQ sources
    assert_trace(f, "a");
    assert_null(f->sources[0]);
    assert_null(f->sources[1]);
    loop_turn(f->loop, 0);
    assert_trace(f, "");
    loop_remove(&f->sources[0]);
}

static bool
add_other(void *arg)
{
    struct fixture *f = arg;

    if (!take_from(f, f->near[0]))
        return false;
    if (!f->sources[1])
        f->sources[1] = loop_add_zmq(f->loop, f->near[1], on_near1, f);
    return true;
}

static void
source_added_inside_is_served_next_turn(void **state)
{
    struct fixture *f = *state;

    f->sources[0] = loop_add_zmq(f->loop, f->near[0], add_other, f);
    send_to(f->far[1], 'b');
    send_to(f->far[0], 'a');
    loop_turn(f->loop, TURN_MS);
    assert_trace(f, "a");
    loop_turn(f->loop, TURN_MS);
    assert_trace(f, "b");
}

static void
take_both(void *arg, unsigned events UNUSED)
{
    struct fixture *f = arg;

    buf_add_char(&f->trace, 'T');
    loop_set_events(f->sources[0], 0);
    loop_set_events(f->sources[1], 0);
}

static void
events_switched_off_in_the_same_turn_are_not_reported(void **state)
{
    struct fixture *f = *state;

    f->sources[0] = loop_add_fd(f->loop, f->fds[0], LOOP_WRITE, take_both, f);
    f->sources[1] = loop_add_fd(f->loop, f->fds[1], LOOP_WRITE, take_both, f);
    loop_turn(f->loop, TURN_MS);
    loop_turn(f->loop, 0);
    assert_trace(f, "T");
}

/* --- timers, hooks, stop --- */

static void
trace_timer(void *arg)
{
    struct fixture *f = arg;

    buf_add_char(&f->trace, 't');
}

static void
turn_until(struct fixture *f, size_t size)
{
    while (f->trace.size < size)
        loop_turn(f->loop, TURN_MS);
}

static void
timer_runs_once_and_not_early(void **state)
{
    struct fixture *f = *state;
    int64_t start = clock_ms();

    loop_timer_init(&f->timers[0], trace_timer, f);
    assert_false(loop_timer_is_running(&f->timers[0]));
    loop_timer_start(f->loop, &f->timers[0], 5);
    assert_true(loop_timer_is_running(&f->timers[0]));
    loop_turn(f->loop, 0);
    turn_until(f, 1);
    assert_true(clock_ms() - start >= 5);
    assert_true(loop_now(f->loop) - start >= 5);
    assert_false(loop_timer_is_running(&f->timers[0]));
    loop_turn(f->loop, 0);
    assert_trace(f, "t");
}

static void
stopped_timer_does_not_run(void **state)
{
    struct fixture *f = *state;

    loop_timer_init(&f->timers[0], trace_timer, f);
    loop_timer_start(f->loop, &f->timers[0], 0);
    loop_timer_stop(&f->timers[0]);
    loop_timer_stop(&f->timers[0]);
    loop_turn(f->loop, 1);
    assert_trace(f, "");
}

static void
rearmed_timer_has_the_new_time(void **state)
{
    struct fixture *f = *state;

    loop_timer_init(&f->timers[0], trace_timer, f);
    loop_timer_start(f->loop, &f->timers[0], 3600000);
    loop_timer_start(f->loop, &f->timers[0], 1);
    turn_until(f, 1);
    loop_timer_start(f->loop, &f->timers[0], 0);
    loop_timer_start(f->loop, &f->timers[0], 3600000);
    loop_turn(f->loop, 1);
    assert_trace(f, "t");
}

static void
rearm_at_once(void *arg)
{
    struct fixture *f = arg;

    buf_add_char(&f->trace, 'z');
    loop_timer_start(f->loop, &f->timers[0], 0);
}

static void
timer_armed_by_a_timer_waits_for_the_next_turn(void **state)
{
    struct fixture *f = *state;

    loop_timer_init(&f->timers[0], rearm_at_once, f);
    loop_timer_start(f->loop, &f->timers[0], 0);
    loop_turn(f->loop, TURN_MS);
    assert_trace(f, "z");
    loop_turn(f->loop, TURN_MS);
    assert_trace(f, "z");
}

static void
stop_the_other(void *arg)
{
    struct fixture *f = arg;

    buf_add_char(&f->trace, 's');
    loop_timer_stop(&f->timers[1]);
}

static void
due_timer_can_be_stopped_by_another(void **state)
{
    struct fixture *f = *state;

    loop_timer_init(&f->timers[0], stop_the_other, f);
    loop_timer_init(&f->timers[1], trace_timer, f);
    loop_timer_start(f->loop, &f->timers[0], 0);
    loop_timer_start(f->loop, &f->timers[1], 0);
    loop_turn(f->loop, TURN_MS);
    loop_turn(f->loop, 1);
    assert_trace(f, "s");
}

static void
freeing_the_loop_stops_its_timers(void **state)
{
    struct fixture *f = *state;

    loop_timer_init(&f->timers[0], trace_timer, f);
    loop_timer_start(f->loop, &f->timers[0], 1000);
    loop_free(&f->loop);
    assert_null(f->loop);
    assert_false(loop_timer_is_running(&f->timers[0]));
    loop_timer_stop(&f->timers[0]);
}

static void
trace_hook(void *arg)
{
    struct fixture *f = arg;

    buf_add_char(&f->trace, 'h');
}

static void
trace_second_hook(void *arg)
{
    struct fixture *f = arg;

    buf_add_char(&f->trace, 'i');
}

static void
order_within_a_turn_is_kept(void **state)
{
    struct fixture *f = *state;

    loop_add_hook(f->loop, trace_hook, f);
    loop_add_hook(f->loop, trace_second_hook, f);
    f->sources[0] = loop_add_zmq(f->loop, f->near[0], on_near0, f);
    loop_timer_init(&f->timers[0], trace_timer, f);
    loop_timer_start(f->loop, &f->timers[0], 0);
    send_to(f->far[0], 'm');
    loop_turn(f->loop, TURN_MS);
    assert_trace(f, "hitmhi");
}

static void
trace_flush(void *arg)
{
    struct fixture *f = arg;

    buf_add_char(&f->trace, 'f');
}

static struct loop_flush flushes[2];

static void
ask_for_flush(void *arg)
{
    struct fixture *f = arg;

    buf_add_char(&f->trace, 'a');
    loop_flush_start(f->loop, &flushes[0]);
}

static void
flushes_run_once_behind_the_hooks(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_SIZE(flushes); i++)
        loop_flush_init(&flushes[i], trace_flush, f);
    loop_flush_start(f->loop, &flushes[0]);
    loop_flush_start(f->loop, &flushes[0]);
    loop_flush_start(f->loop, &flushes[1]);
    loop_flush_cancel(&flushes[1]);
    loop_add_hook(f->loop, trace_hook, f);
    loop_timer_init(&f->timers[0], ask_for_flush, f);
    loop_timer_start(f->loop, &f->timers[0], 0);
    loop_turn(f->loop, TURN_MS);
    assert_trace(f, "hfahf");
    loop_turn(f->loop, 0);
    assert_trace(f, "hh");
}

/* What a hook sends must wake the loop that is about to sleep. */
static void
send_once(void *arg)
{
    struct fixture *f = arg;

    if (f->timers[2].due == 0)
        send_to(f->far[0], 'k');
    f->timers[2].due = 1;
}

static void
message_sent_by_a_hook_prevents_sleep(void **state)
{
    struct fixture *f = *state;

    f->sources[0] = loop_add_zmq(f->loop, f->near[0], on_near0, f);
    loop_add_hook(f->loop, send_once, f);
    loop_turn(f->loop, TURN_MS);
    assert_trace(f, "k");
}

static void
stop_loop(void *arg)
{
    struct fixture *f = arg;

    buf_add_char(&f->trace, 's');
    loop_stop(f->loop);
}

static void
stop_ends_the_run_after_the_hooks(void **state)
{
    struct fixture *f = *state;

    loop_add_hook(f->loop, trace_hook, f);
    loop_timer_init(&f->timers[0], stop_loop, f);
    loop_timer_start(f->loop, &f->timers[0], 0);
    loop_run(f->loop);
    assert_true(f->trace.size >= 3);
    assert_string_equal(f->trace.data + f->trace.size - 2, "sh");
    buf_reset(&f->trace);
    loop_stop(f->loop);
    loop_run(f->loop);
    assert_trace(f, "hh");
}

static volatile sig_atomic_t signals_seen;

static void
count_signal(int signum UNUSED)
{
    signals_seen++;
}

static void
signals_do_not_shorten_the_sleep(void **state)
{
    struct fixture *f = *state;
    struct sigaction action = {.sa_handler = count_signal};
    const struct itimerval every_ms = {{0, 1000}, {0, 1000}}, never = {{0, 0}, {0, 0}};
    int64_t start = clock_ms();

    sigaction(SIGALRM, &action, NULL);
    assert_int_equal(setitimer(ITIMER_REAL, &every_ms, NULL), 0);
    loop_turn(f->loop, 20);
    assert_int_equal(setitimer(ITIMER_REAL, &never, NULL), 0);
    assert_true(signals_seen > 0);
    assert_true(clock_ms() - start >= 20);
}

#define LOOP_TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        LOOP_TEST(message_is_taken_in_one_turn),
        LOOP_TEST(sleeping_loop_wakes_for_a_message),
        LOOP_TEST(sends_inside_handlers_lose_no_wakeup),
        LOOP_TEST(busy_source_stops_at_its_budget),
        LOOP_TEST(first_place_rotates),
        LOOP_TEST(descriptor_reports_what_is_wanted),
        LOOP_TEST(hangup_is_reported_unasked),
        LOOP_TEST(many_ready_descriptors_all_get_their_turn),
        LOOP_TEST(removed_source_is_never_called_again),
        LOOP_TEST(source_added_inside_is_served_next_turn),
        LOOP_TEST(events_switched_off_in_the_same_turn_are_not_reported),
        LOOP_TEST(timer_runs_once_and_not_early),
        LOOP_TEST(stopped_timer_does_not_run),
        LOOP_TEST(rearmed_timer_has_the_new_time),
        LOOP_TEST(timer_armed_by_a_timer_waits_for_the_next_turn),
        LOOP_TEST(due_timer_can_be_stopped_by_another),
        LOOP_TEST(freeing_the_loop_stops_its_timers),
        LOOP_TEST(order_within_a_turn_is_kept),
        LOOP_TEST(flushes_run_once_behind_the_hooks),
        LOOP_TEST(message_sent_by_a_hook_prevents_sleep),
        LOOP_TEST(stop_ends_the_run_after_the_hooks),
        LOOP_TEST(signals_do_not_shorten_the_sleep),
    };

    return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
