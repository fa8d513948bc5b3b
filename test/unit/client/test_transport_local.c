/* SPDX-License-Identifier: MPL-2.0 */
/* test_transport_local.c - how the transport of a local client waits and reads.  The rank is the test
 * itself: it writes bytes, and closes. */
#include "cmocka_all.h"

#include "clock.h"
#include "msg_stream.h"
#include "transport.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define WAIT_MS 5000 // a wait that lasts this long has failed

struct fixture {
    char dir[32];              // holds the socket
    char path[64];             // of the socket
    int listener;              // owned
    int rank;                  // owned: the rank's end
    struct msg_writer *writer; // owned
    struct transport *t;       // owned
};

static void
listen_at(struct fixture *f)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    strcpy(f->dir, "/tmp/xylem-unit-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof(f->path), "%s/rank", f->dir);
    strcpy(address.sun_path, f->path);
    f->listener = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(f->listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(f->listener, 1), 0);
}

static void *
welcome(void *arg)
{
    struct fixture *f = arg;

    f->rank = accept(f->listener, NULL, NULL);
    assert(send(f->rank, "", 1, 0) == 1);
    return NULL;
}

static int
setup(void **state)
{
    static struct fixture f;
    char text[80];
    struct uri uri;
    struct err err;
    pthread_t thread;

    listen_at(&f);
    assert_int_equal(pthread_create(&thread, NULL, welcome, &f), 0);
    snprintf(text, sizeof(text), "local://%s", f.path);
    assert_int_equal(uri_parse(text, &uri, &err), 0);
    assert_int_equal(transport_open_local(&uri, &f.t, &err), 0);
    pthread_join(thread, NULL);
    f.writer = msg_writer_new();
    *state = &f;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *f = *state;

    f->t->ops->free(f->t);
    msg_writer_free(&f->writer);
    if (f->rank >= 0)
        close(f->rank);
    close(f->listener);
    unlink(f->path);
    rmdir(f->dir);
    return 0;
}

static void
push(struct fixture *f, uint32_t tag)
{
    struct msg m;

    msg_init(&m, MSG_RESPONSE);
    m.flags |= MSG_ROUTE;
    m.matchtag = tag;
    assert_int_equal(msg_set_topic(&m, "a.b"), 0);
    msg_writer_push(f->writer, &m);
}

static void
write_out(struct fixture *f)
{
    assert_int_equal(msg_writer_flush(f->writer, f->rank), 0);
}

static void
wait_for_it(struct fixture *f)
{
    int64_t begin = clock_ms();

    f->t->ops->wait(f->t, WAIT_MS);
    assert_in_range(clock_ms() - begin, 0, WAIT_MS / 2);
}

static void
assert_received(struct fixture *f, uint32_t tag)
{
    AUTO(msg) struct msg m;

    msg_init(&m, MSG_CONTROL);
    assert_int_equal(f->t->ops->recv(f->t, &m), 1);
    assert_int_equal(m.matchtag, tag);
}

static void
assert_no_more(struct fixture *f, int rc)
{
    struct msg m;

    assert_int_equal(f->t->ops->recv(f->t, &m), rc);
}

static void
what_comes_ends_a_wait(void **state)
{
    struct fixture *f = *state;

    for (uint32_t tag = 1; tag <= 100; tag++) {
        assert_no_more(f, 0);
        push(f, tag);
        write_out(f);
        wait_for_it(f);
        assert_received(f, tag);
    }
    assert_no_more(f, 0);
}

static void
what_is_in_hand_is_not_waited_for(void **state)
{
    struct fixture *f = *state;

    push(f, 1);
    push(f, 2);
    write_out(f);
    wait_for_it(f);
    wait_for_it(f);
    assert_received(f, 1);
    assert_received(f, 2);
    assert_no_more(f, 0);
}

static void
what_came_meanwhile_is_received_without_a_wait(void **state)
{
    struct fixture *f = *state;

    push(f, 1);
    write_out(f);
    wait_for_it(f);
    push(f, 2);
    write_out(f);
    assert_received(f, 1);
    assert_no_more(f, 0);
    assert_received(f, 2);
}

static void
a_message_in_pieces_takes_several_waits(void **state)
{
    struct fixture *f = *state;
    int pipe_fds[2];
    uint8_t bytes[256];
    ssize_t size;

    assert_int_equal(pipe(pipe_fds), 0);
    push(f, 7);
    assert_int_equal(msg_writer_flush(f->writer, pipe_fds[1]), 0);
    size = read(pipe_fds[0], bytes, sizeof(bytes));
    assert_true(size > 2);
    for (ssize_t i = 0; i < size; i++) {
        assert_no_more(f, 0);
        assert_int_equal(send(f->rank, bytes + i, 1, 0), 1);
        wait_for_it(f);
    }
    assert_received(f, 7);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
}

static void
waits_in_vain_end_in_time(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < 20; i++) {
        int64_t begin = clock_us();

        f->t->ops->wait(f->t, 1);
        assert_in_range(clock_us() - begin, 900, WAIT_MS * 1000);
        assert_no_more(f, 0);
    }
}

static void
the_end_is_told_after_what_came_before(void **state)
{
    struct fixture *f = *state;

    push(f, 1);
    write_out(f);
    close(f->rank);
    f->rank = -1;
    wait_for_it(f);
    assert_received(f, 1);
    assert_no_more(f, 0);
    wait_for_it(f);
    wait_for_it(f);
    assert_no_more(f, -ECONNRESET);
    assert_no_more(f, -ECONNRESET);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_comes_ends_a_wait, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_in_hand_is_not_waited_for, setup, teardown),
        cmocka_unit_test_setup_teardown(what_came_meanwhile_is_received_without_a_wait, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_message_in_pieces_takes_several_waits, setup, teardown),
        cmocka_unit_test_setup_teardown(waits_in_vain_end_in_time, setup, teardown),
        cmocka_unit_test_setup_teardown(the_end_is_told_after_what_came_before, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
