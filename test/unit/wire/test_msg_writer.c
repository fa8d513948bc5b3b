/* SPDX-License-Identifier: MPL-2.0 */
#include "wiretest.h"
#include "msg_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

struct link {
    int write_fd; // non-blocking, as read_fd
    int read_fd;
    struct msg_writer *writer;
    struct msg_reader *reader;
};

static void
set_up(struct link *l, int fds[2])
{
    l->read_fd = fds[0];
    l->write_fd = fds[1];
    assert_int_equal(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
    assert_int_equal(fcntl(fds[1], F_SETFL, O_NONBLOCK), 0);
    l->writer = msg_writer_new();
    l->reader = msg_reader_new(4 * MEBI);
}

static void
open_socket(struct link *l, int sndbuf)
{
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    assert_int_equal(setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &sndbuf, sizeof(sndbuf)), 0);
    set_up(l, fds);
}

static void
open_pipe(struct link *l)
{
    int fds[2];

    assert_int_equal(pipe(fds), 0);
    set_up(l, fds);
}

static void
close_link(struct link *l)
{
    msg_writer_free(&l->writer);
    msg_reader_free(&l->reader);
    assert_null(l->writer);
    close(l->write_fd);
    close(l->read_fd);
}

/* One read; then every message in it must be the next of `sent`. */
static size_t
receive(struct link *l, struct msg *sent)
{
    uint8_t *where;
    size_t room = msg_reader_space(l->reader, &where);
    ssize_t n = read(l->read_fd, where, room);
    size_t count = 0;
    struct msg got;

    assert_true(n > 0);
    msg_reader_filled(l->reader, (size_t)n);
    while (msg_reader_next(l->reader, &got) == 1) {
        assert_msg_equal(&got, &sent[count]);
        msg_fini(&got);
        msg_fini(&sent[count++]);
    }
    return count;
}

/* Queue all, then write and read in turns until all have arrived; ret_turns: how often the
 * descriptor was full. */
static void
pass_all(struct link *l, struct msg *sent, size_t count, int *ret_full)
{
    size_t arrived = 0;

    *ret_full = 0;
    for (size_t i = 0; i < count; i++) {
        struct msg m;

        msg_copy(&m, &sent[i]);
        msg_writer_push(l->writer, &m);
        assert_null(m.payload);
    }
    while (arrived < count) {
        int rc = msg_writer_flush(l->writer, l->write_fd);

        assert_true(rc == 0 || rc == -EAGAIN);
        assert_int_equal(rc == 0, msg_writer_pending(l->writer) == 0);
        *ret_full += rc == -EAGAIN;
        arrived += receive(l, sent + arrived);
    }
    assert_int_equal(msg_writer_pending(l->writer), 0);
}

static void
pass_random_messages(struct link *l, uint64_t seed, int *ret_full)
{
    struct msg sent[60];

    for (size_t i = 0; i < ARRAY_SIZE(sent); i++)
        draw_msg(&seed, i == 30 ? 3 * MEBI : draw_size(&seed), &sent[i]);
    pass_all(l, sent, ARRAY_SIZE(sent), ret_full);
}

static void
narrow_socket_gets_everything_in_order(void **state UNUSED)
{
    struct link l;
    int full;

    open_socket(&l, 4096);
    for (uint64_t seed = 31; seed < 34; seed++) {
        pass_random_messages(&l, seed, &full);
        assert_true(full > 10);
    }
    close_link(&l);
}

static void
pipe_gets_everything_in_order(void **state UNUSED)
{
    struct link l;
    int full;

    open_pipe(&l);
    pass_random_messages(&l, 35, &full);
    assert_true(full > 10);
    close_link(&l);
}

static void
many_small_messages_fill_many_chunks(void **state UNUSED)
{
    static struct msg sent[5000];
    uint64_t seed = 36;
    struct link l;
    int full;

    open_socket(&l, 1 << 20);
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < ARRAY_SIZE(sent); i++)
            draw_msg(&seed, draw_below(&seed, 100), &sent[i]);
        pass_all(&l, sent, ARRAY_SIZE(sent), &full);
    }
    close_link(&l);
}

/* More pieces than one sendmsg(2) takes. */
static void
many_large_messages_make_many_iovecs(void **state UNUSED)
{
    static struct msg sent[200];
    uint64_t seed = 37;
    struct link l;
    int full;

    open_socket(&l, 1 << 20);
    for (size_t i = 0; i < ARRAY_SIZE(sent); i++)
        draw_msg(&seed, 9000, &sent[i]);
    pass_all(&l, sent, ARRAY_SIZE(sent), &full);
    close_link(&l);
}

static void
bytes_are_those_of_flux(void **state UNUSED)
{
    static const char want[] =
        "\x12\x00\xee\xff\x00\x00\x00\x38\x00\x08"
        "attr.get"
        "\x18{\"value\":\"0\",\"flags\":1}\0"
        "\x14\x8e\x01\x02\x0b\x00\x00\x00\x00\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00\x01";
    char got[sizeof(want)];
    struct link l;
    struct msg m;

    open_socket(&l, 4096);
    msg_init(&m, MSG_RESPONSE);
    msg_set_topic(&m, "attr.get");
    msg_set_text(&m, "{\"value\":\"0\",\"flags\":1}");
    m.flags |= MSG_ROUTE;
    m.userid = 0;
    m.rolemask = MSG_ROLE_OWNER | MSG_ROLE_LOCAL;
    m.matchtag = 1;
    msg_writer_push(l.writer, &m);
    assert_int_equal(msg_writer_pending(l.writer), sizeof(want) - 1);
    assert_int_equal(msg_writer_flush(l.writer, l.write_fd), 0);
    assert_int_equal(read(l.read_fd, got, sizeof(got)), sizeof(want) - 1);
    assert_memory_equal(got, want, sizeof(want) - 1);
    close_link(&l);
}

static void
large_payload_is_not_copied(void **state UNUSED)
{
    uint64_t seed = 38;
    struct blob *payload = draw_blob(&seed, MEBI);
    struct blob *kept = blob_ref(payload);
    struct msg_writer *w = msg_writer_new();
    struct msg m;

    msg_init(&m, MSG_EVENT);
    msg_set_payload(&m, &payload);
    msg_writer_push(w, &m);
    assert_null(m.payload);
    msg_writer_free(&w); // ASan tells when the reference is not dropped, or dropped twice
    assert_int_equal(blob_size(kept), MEBI);
    blob_unref(&kept);
}

static void
closed_peer_is_an_error_without_a_signal(void **state UNUSED)
{
    struct link l;
    struct msg m;

    assert_ptr_not_equal(signal(SIGPIPE, SIG_DFL), SIG_ERR);
    open_socket(&l, 4096);
    shutdown(l.read_fd, SHUT_RDWR);
    msg_init(&m, MSG_EVENT);
    msg_writer_push(l.writer, &m);
    assert_int_equal(msg_writer_flush(l.writer, l.write_fd), -EPIPE);
    assert_int_equal(msg_writer_flush(l.writer, -1), -EBADF);
    close_link(&l);
}

static void
nothing_queued_is_all_written(void **state UNUSED)
{
    struct msg_writer *w = msg_writer_new();

    assert_int_equal(msg_writer_pending(w), 0);
    assert_int_equal(msg_writer_flush(w, -1), 0);
    msg_writer_free(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(narrow_socket_gets_everything_in_order),
        cmocka_unit_test(pipe_gets_everything_in_order),
        cmocka_unit_test(many_small_messages_fill_many_chunks),
        cmocka_unit_test(many_large_messages_make_many_iovecs),
        cmocka_unit_test(bytes_are_those_of_flux),
        cmocka_unit_test(large_payload_is_not_copied),
        cmocka_unit_test(closed_peer_is_an_error_without_a_signal),
        cmocka_unit_test(nothing_queued_is_all_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
