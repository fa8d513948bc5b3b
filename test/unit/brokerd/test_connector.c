/* SPDX-License-Identifier: MPL-2.0 */
/* test_connector.c - the connector on a real UNIX socket, with its clients in the same thread: each
 * wait turns the loop until a condition holds. */
#include "cmocka_all.h"

#include "clock.h"
#include "connector.h"
#include "elog.h"
#include "msg_stream.h"
#include "xmem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE_MS 5000 // a condition that takes so long has failed
#define MAX_PAYLOAD 100000
#define UNANSWERED_MAX 4096 // requests of one client
#define TOTAL_BYTES ((size_t)8 << 20)
#define STALL_MS 20
#define UNREAD_MS 40
#define KEPT_MAX 20000

enum mode { ECHO, KEEP };

struct rig {
    char dir[64];
    char path[96];
    struct loop *loop;                      // owned
    struct credit *credit;                  // owned
    struct connector *connector;            // owned
    enum mode mode;                         // what is done with a request
    struct msg kept[KEPT_MAX];              // owned; KEEP: not answered
    struct credit_charge charges[KEPT_MAX]; // of those
    size_t nkept;
    size_t received;
    struct msg last;    // head of the last message
    uint64_t last_conn; // its connection
    size_t closed;
    uint64_t last_closed;
    size_t drained;
};

struct client {
    int fd;
    struct msg_reader *reader; // owned
    struct msg_writer *writer; // owned
};

/* --- what the connector calls --- */

static void
respond(struct rig *r, const struct msg *request)
{
    struct blob *payload = blob_ref(request->payload);
    struct msg m;

    msg_init_response(&m, request, 0);
    msg_set_payload(&m, &payload);
    connector_send(r->connector, r->last_conn, &m);
}

static void
on_received(void *arg, uint64_t conn, struct msg *m, struct credit_charge *charge)
{
    struct rig *r = arg;

    r->received++;
    r->last_conn = conn;
    msg_fini(&r->last);
    msg_copy(&r->last, m);
    if (r->mode == ECHO) {
        respond(r, m);
        return;
    }
    r->charges[r->nkept] = *charge;
    *charge = (struct credit_charge){0};
    msg_move(&r->kept[r->nkept++], m);
}

static void
on_drained(void *arg, uint64_t conn UNUSED)
{
    struct rig *r = arg;

    r->drained++;
}

static void
on_closed(void *arg, uint64_t conn)
{
    struct rig *r = arg;

    r->closed++;
    r->last_closed = conn;
}

static const struct connector_ops ops = {on_received, on_drained, on_closed};

/* --- the rig --- */

static int
start(struct rig *r, const char *path, struct connector **ret, struct err *err)
{
    struct connector_conf conf = {path, MAX_PAYLOAD, r->credit, STALL_MS, UNREAD_MS};

    return connector_new(ret, &conf, r->loop, &ops, r, err);
}

static int
set_up(void **state)
{
    static const struct credit_limits limits = {TOTAL_BYTES, 100000, TOTAL_BYTES / 2,
                                                UNANSWERED_MAX};
    struct rig *r = xcalloc(1, sizeof(*r));
    struct err err = {0};

    snprintf(r->dir, sizeof(r->dir), "/tmp/xylem-test.XXXXXX");
    assert_non_null(mkdtemp(r->dir));
    snprintf(r->path, sizeof(r->path), "%s/local", r->dir);
    r->loop = loop_new();
    r->credit = credit_new(&limits);
    msg_init(&r->last, MSG_CONTROL);
    if (start(r, r->path, &r->connector, &err) < 0)
        fail_msg("%s", err.text);
    *state = r;
    return 0;
}

static int
tear_down(void **state)
{
    struct rig *r = *state;

    connector_free(&r->connector);
    loop_free(&r->loop);
    for (size_t i = 0; i < r->nkept; i++) {
        msg_fini(&r->kept[i]);
        credit_settle(&r->charges[i]);
    }
    credit_free(&r->credit);
    msg_fini(&r->last);
    assert_int_equal(rmdir(r->dir), 0); // nothing is left behind
    free(r);
    return 0;
}

#define TURN_UNTIL(r, condition) \
    do { \
        int64_t start_ms_ = clock_ms(); \
        while (!(condition)) { \
            if (clock_ms() - start_ms_ > PATIENCE_MS) \
                fail_msg("waited in vain for " #condition); \
            loop_turn((r)->loop, 0); \
        } \
    } while (0)

/* --- clients --- */

static int
connect_to(struct rig *r)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

    strcpy(address.sun_path, r->path);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static struct client
join(struct rig *r)
{
    struct client c = {.fd = connect_to(r)};
    uint8_t greeting = 99;

    TURN_UNTIL(r, read(c.fd, &greeting, 1) == 1);
    assert_int_equal(greeting, 0);
    c.reader = msg_reader_new(MAX_PAYLOAD);
    c.writer = msg_writer_new();
    return c;
}

static void
leave(struct client *c)
{
    close(c->fd);
    msg_reader_free(&c->reader);
    msg_writer_free(&c->writer);
}

static void
push_request(struct client *c, uint32_t tag, size_t size)
{
    uint8_t *bytes;
    struct blob *payload = blob_alloc(size, &bytes);
    struct msg m;

    memset(bytes, (int)(tag % 251), size);
    msg_init(&m, MSG_REQUEST);
    assert_int_equal(msg_set_topic(&m, "test.echo"), 0);
    m.matchtag = tag;
    msg_set_payload(&m, &payload);
    msg_writer_push(c->writer, &m);
}

static bool
flush(struct client *c)
{
    int rc = msg_writer_flush(c->writer, c->fd);

    assert_true(rc == 0 || rc == -EAGAIN);
    return rc == 0;
}

/* Take one message that has arrived; false: none has. */
static bool
poll_message(struct client *c, struct msg *ret)
{
    int rc;

    while ((rc = msg_reader_next(c->reader, ret)) == 0) {
        uint8_t *where;
        size_t room = msg_reader_space(c->reader, &where);
        ssize_t got = read(c->fd, where, room);

        if (got <= 0)
            return false;
        msg_reader_filled(c->reader, (size_t)got);
    }
    assert_int_equal(rc, 1);
    return true;
}

static void
take_response(struct rig *r, struct client *c, uint32_t tag, size_t size)
{
    struct msg m;

    TURN_UNTIL(r, poll_message(c, &m));
    assert_int_equal(m.type, MSG_RESPONSE);
    assert_int_equal(m.matchtag, tag);
    assert_int_equal(msg_size(&m), size);
    if (size > 0)
        assert_int_equal(((const uint8_t *)msg_data(&m))[size - 1], tag % 251);
    msg_fini(&m);
}

static void
ask(struct rig *r, struct client *c, uint32_t tag, size_t size)
{
    push_request(c, tag, size);
    TURN_UNTIL(r, flush(c));
    take_response(r, c, tag, size);
}

static bool
is_closed(struct client *c)
{
    char byte;

    return read(c->fd, &byte, 1) == 0 || (errno != EAGAIN && errno != EINTR);
}

/* --- tests --- */

static void
client_is_greeted_stamped_and_answered(void **state)
{
    struct rig *r = *state;
    struct client c = join(r);

    ask(r, &c, 7, 10);
    assert_int_equal(r->last.userid, geteuid());
    assert_int_equal(r->last.rolemask, MSG_ROLE_OWNER | MSG_ROLE_LOCAL);
    assert_int_equal(connector_count(r->connector), 1);
    leave(&c);
    TURN_UNTIL(r, r->closed == 1);
    assert_true(r->last_closed == r->last_conn);
    assert_int_equal(connector_count(r->connector), 0);
}

/* What another user gets by connecting: the greeting, and then the end.  As exit status: the greeting. */
static void
connect_as(struct rig *r, uid_t uid, int times)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    strcpy(address.sun_path, r->path);
    if (setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0)
        _exit(200);
    for (int i = 0; i < times; i++) {
        uint8_t bytes[64] = {99};
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);

        if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
            _exit(errno == EACCES ? 203 : 201);
        (void)!send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL);
        if (read(fd, bytes, sizeof(bytes)) != 1 || bytes[0] != EPERM)
            _exit(bytes[0]);
        if (read(fd, bytes, sizeof(bytes)) > 0)
            _exit(202);
        close(fd);
    }
    _exit(EPERM);
}

static int
status_as(struct rig *r, uid_t uid, int times)
{
    pid_t pid = fork();
    int status;

    if (pid == 0)
        connect_as(r, uid, times);
    TURN_UNTIL(r, waitpid(pid, &status, WNOHANG) == pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static size_t
count_lines(const char *path, const char *what)
{
    FILE *f = fopen(path, "r");
    char line[512];
    size_t n = 0;

    assert_non_null(f);
    while (fgets(line, sizeof(line), f))
        n += strstr(line, what) != NULL;
    fclose(f);
    return n;
}

static void
other_users_are_refused(void **state)
{
    struct rig *r = *state;
    AUTO(free) char *log = xasprintf("%s/log", r->dir);
    struct client c = join(r);

    if (geteuid() != 0) {
        print_message("skipped: to be another user needs root\n");
        leave(&c);
        skip();
    }
    assert_int_equal(elog_open(log, NULL), 0);
    assert_int_equal(chmod(r->dir, 0711), 0);
    assert_int_equal(status_as(r, 65534, 1), 203); // the mode of the socket alone keeps them out
    assert_int_equal(chmod(r->path, 0666), 0);
    assert_int_equal(status_as(r, 65534, 1000), EPERM);
    assert_int_equal(connector_stats(r->connector)->refused, 1000);
    assert_int_equal(connector_count(r->connector), 1);
    assert_int_equal(r->received, 0);
    ask(r, &c, 1, 10);
    assert_int_equal(elog_open(NULL, NULL), 0);
    assert_int_equal(count_lines(log, "refused a local client of uid 65534"), ELOG_LIMIT_LINES);
    unlink(log);
    leave(&c);
}

/* Root is no exception when it is not the owner. */
static void
root_is_another_user_too(void **state)
{
    struct rig *r = *state;

    if (geteuid() != 0) {
        print_message("skipped: to be root needs root\n");
        skip();
    }
    assert_int_equal(chmod(r->dir, 0711), 0);
    assert_int_equal(seteuid(65534), 0); // the rank's, which this thread is
    assert_int_equal(status_as(r, 0, 3), EPERM);
    assert_int_equal(seteuid(0), 0);
    assert_int_equal(connector_stats(r->connector)->refused, 3);
    assert_int_equal(r->received, 0);
}

static void
payloads_of_any_size_come_back(void **state)
{
    static const size_t sizes[] = {0, 1, 254, 255, 65536, MAX_PAYLOAD};
    struct rig *r = *state;
    struct client c = join(r);

    for (uint32_t i = 0; i < ARRAY_SIZE(sizes); i++)
        ask(r, &c, i + 1, sizes[i]);
    leave(&c);
}

static void
many_messages_in_one_write_are_all_answered_in_order(void **state)
{
    struct rig *r = *state;
    struct client c = join(r);

    for (uint32_t i = 1; i <= 900; i++)
        push_request(&c, i, i % 50);
    assert_true(flush(&c));
    for (uint32_t i = 1; i <= 900; i++)
        take_response(r, &c, i, i % 50);
    leave(&c);
}

static void
message_that_comes_byte_by_byte_is_put_together(void **state)
{
    struct rig *r = *state;
    struct client c = join(r);
    uint8_t bytes[200];
    int pipe_fds[2];
    ssize_t size;

    assert_int_equal(pipe(pipe_fds), 0);
    push_request(&c, 7, 50);
    assert_int_equal(msg_writer_flush(c.writer, pipe_fds[1]), 0);
    size = read(pipe_fds[0], bytes, sizeof(bytes));
    for (ssize_t i = 0; i < size; i++) {
        assert_int_equal(write(c.fd, bytes + i, 1), 1);
        loop_turn(r->loop, 0);
    }
    take_response(r, &c, 7, 50);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    leave(&c);
}

static void
garbage_closes_its_sender_only(void **state)
{
    struct rig *r = *state;
    struct client good = join(r);
    struct client bad = join(r);

    ask(r, &bad, 1, 3);
    assert_int_equal(write(bad.fd, "GET / HTTP/1.1\r\n", 16), 16);
    TURN_UNTIL(r, is_closed(&bad));
    assert_int_equal(r->closed, 1);
    assert_true(r->last_closed == r->last_conn);
    ask(r, &good, 2, 3);
    assert_int_equal(connector_count(r->connector), 1);
    leave(&good);
    leave(&bad);
}

static void
messages_before_garbage_are_taken(void **state)
{
    struct rig *r = *state;
    struct client c = join(r);

    push_request(&c, 1, 3);
    push_request(&c, 2, 3);
    assert_true(flush(&c));
    assert_int_equal(write(c.fd, "noise noise noise", 17), 17);
    TURN_UNTIL(r, r->closed == 1);
    assert_int_equal(r->received, 2);
    leave(&c);
}

static void
oversized_request_reaches_the_service_and_the_connection_lives(void **state)
{
    struct rig *r = *state;
    struct client c = join(r);

    push_request(&c, 7, MAX_PAYLOAD + 1);
    TURN_UNTIL(r, flush(&c) && r->received == 1);
    assert_true(r->last.oversized);
    take_response(r, &c, 7, 0);
    ask(r, &c, 8, MAX_PAYLOAD);
    leave(&c);
}

static void
answer_to_a_client_that_has_gone_is_dropped(void **state)
{
    struct rig *r = *state;
    struct client c = join(r);
    struct msg m;

    ask(r, &c, 6, 10); // so that it has been looked up
    r->mode = KEEP;
    push_request(&c, 7, 10);
    assert_true(flush(&c));
    TURN_UNTIL(r, r->nkept == 1);
    leave(&c);
    TURN_UNTIL(r, r->closed == 1);
    respond(r, &r->kept[0]);
    msg_init(&m, MSG_EVENT);
    connector_send(r->connector, 4711, &m);
    loop_turn(r->loop, 0);
    assert_int_equal(r->closed, 1);
}

/* Push requests of that size and read nothing, until nothing has moved for a while. */
static size_t
push_until_held(struct rig *r, struct client *c, size_t size, size_t count)
{
    size_t received;
    int idle = 0;

    for (uint32_t i = 1; i <= count; i++)
        push_request(c, i, size);
    do {
        received = r->received;
        flush(c);
        loop_turn(r->loop, 0);
        idle = r->received == received ? idle + 1 : 0;
    } while (idle < 10);
    return received;
}

static void
client_that_does_not_read_is_held_back(void **state)
{
    enum { SIZE = 60000, COUNT = 400, BOUND = 8 << 20 };
    struct rig *r = *state;
    struct client slow = join(r);
    struct client other = join(r);
    size_t received = push_until_held(r, &slow, SIZE, COUNT);

    assert_true(received * SIZE > 4 << 20);
    assert_true(received * SIZE < BOUND);
    ask(r, &other, 9, 1000);
    for (uint32_t i = 1; i <= COUNT; i++) {
        flush(&slow);
        take_response(r, &slow, i, SIZE);
    }
    assert_int_equal(r->closed, 0);
    leave(&slow);
    leave(&other);
}

static void
client_with_too_many_open_requests_is_held_back(void **state)
{
    enum { COUNT = 3 * UNANSWERED_MAX };
    struct rig *r = *state;
    struct client greedy = join(r);
    size_t answered = 0;
    size_t received;

    r->mode = KEEP;
    received = push_until_held(r, &greedy, 20, COUNT);
    assert_true(received >= UNANSWERED_MAX);
    assert_true(received < 2 * UNANSWERED_MAX);
    for (uint32_t i = 1; i <= COUNT; i++) {
        TURN_UNTIL(r, r->nkept > answered);
        credit_settle(&r->charges[answered]);
        respond(r, &r->kept[answered++]);
        flush(&greedy);
        take_response(r, &greedy, i, 20);
    }
    leave(&greedy);
}

static void
client_with_too_many_bytes_in_flight_is_held_back_and_others_are_not(void **state)
{
    enum { SIZE = 60000, COUNT = 300 };
    struct rig *r = *state;
    struct client greedy = join(r);
    struct client other = join(r);
    size_t received;

    r->mode = KEEP;
    received = push_until_held(r, &greedy, SIZE, COUNT);
    assert_in_range(received * SIZE, TOTAL_BYTES / 2 - 2 * SIZE, TOTAL_BYTES / 2);
    assert_int_equal(connector_stats(r->connector)->held, 1);
    r->mode = ECHO;
    ask(r, &other, 9, SIZE);
    r->mode = KEEP;
    for (uint32_t i = 0; i < COUNT; i++) {
        TURN_UNTIL(r, r->nkept > i || flush(&greedy));
        TURN_UNTIL(r, r->nkept > i);
        credit_settle(&r->charges[i]);
    }
    assert_int_equal(connector_stats(r->connector)->held, 0);
    leave(&greedy);
    leave(&other);
}

static void
client_that_stalls_in_a_message_is_cut_off_when_others_wait(void **state)
{
    enum { SIZE = 90000 };
    struct rig *r = *state;
    struct client stalled[100], patient = join(r);
    uint8_t header[8] = {0x12, 0, 0xee, 0xff, 0, 1, 0x60, 0}; // 90112 bytes will follow

    for (size_t i = 0; i < ARRAY_SIZE(stalled); i++) {
        stalled[i] = join(r);
        assert_int_equal(write(stalled[i].fd, header, 8), 8);
        loop_turn(r->loop, 0);
    }
    TURN_UNTIL(r, credit_stats(r->credit)->waiting > 0);
    push_request(&patient, 2, SIZE);
    TURN_UNTIL(r, flush(&patient));
    take_response(r, &patient, 2, SIZE);
    assert_true(connector_stats(r->connector)->cut_off > 0);
    for (size_t i = 0; i < ARRAY_SIZE(stalled); i++)
        leave(&stalled[i]);
    leave(&patient);
    TURN_UNTIL(r, r->closed == ARRAY_SIZE(stalled) + 1);
    assert_int_equal(credit_stats(r->credit)->bytes, 0);
}

static void
client_that_was_full_is_told_drained(void **state)
{
    enum { SIZE = 60000, COUNT = 400 };
    struct rig *r = *state;
    struct client slow = join(r);

    push_until_held(r, &slow, SIZE, COUNT);
    assert_true(connector_is_full(r->connector, r->last_conn));
    assert_int_equal(r->drained, 0);
    for (uint32_t i = 1; i <= COUNT; i++) {
        flush(&slow);
        take_response(r, &slow, i, SIZE);
    }
    TURN_UNTIL(r, r->drained > 0);
    assert_false(connector_is_full(r->connector, r->last_conn));
    leave(&slow);
}

static void
client_that_is_held_back_may_hang_up(void **state)
{
    struct rig *r = *state;
    struct client c = join(r);

    push_until_held(r, &c, 60000, 400);
    leave(&c);
    TURN_UNTIL(r, r->closed == 1);
}

/* --- room of all --- */

enum { GREEDY = 5, LARGE_ANSWER = 100000 };

static uint64_t
meet(struct rig *r, struct client *c)
{
    *c = join(r);
    ask(r, c, 1, 10);
    return r->last_conn;
}

static void
answer(struct rig *r, uint64_t conn, uint32_t tag, size_t size)
{
    uint8_t *bytes;
    struct blob *payload = blob_alloc(size, &bytes);
    struct msg m;

    memset(bytes, (int)(tag % 251), size);
    msg_init(&m, MSG_RESPONSE);
    assert_int_equal(msg_set_topic(&m, "test.echo"), 0);
    m.matchtag = tag;
    msg_set_payload(&m, &payload);
    connector_send(r->connector, conn, &m);
}

/* More than all of them may have: it is in the connector, but for what the kernel takes. */
static uint32_t
fill_greedy(struct rig *r, struct client greedy[GREEDY])
{
    uint64_t conns[GREEDY];
    uint32_t tag = 0;

    for (int i = 0; i < GREEDY; i++)
        conns[i] = meet(r, &greedy[i]);
    while (connector_stats(r->connector)->output_bytes < 18 << 20) {
        tag++;
        for (int i = 0; i < GREEDY; i++)
            answer(r, conns[i], tag, LARGE_ANSWER);
        loop_turn(r->loop, 0);
    }
    return tag;
}

static void
large_answers_wait_for_room_of_all(void **state)
{
    struct rig *r = *state;
    struct client greedy[GREEDY], modest;
    uint32_t tags = fill_greedy(r, greedy);
    uint64_t conn = meet(r, &modest);

    r->mode = KEEP;
    assert_false(connector_is_full(r->connector, conn));
    assert_false(connector_must_wait(r->connector, conn, 65536));
    assert_true(connector_must_wait(r->connector, conn, LARGE_ANSWER));
    assert_int_equal(r->drained, 0);
    for (uint32_t tag = 1; tag <= tags; tag++) {
        for (int i = 0; i < GREEDY; i++)
            take_response(r, &greedy[i], tag, LARGE_ANSWER);
    }
    TURN_UNTIL(r, r->drained == 1);
    assert_false(connector_must_wait(r->connector, conn, LARGE_ANSWER));
    assert_int_equal(connector_stats(r->connector)->cut_off, 0);
    for (int i = 0; i < GREEDY; i++)
        leave(&greedy[i]);
    leave(&modest);
}

static void
who_does_not_read_is_cut_off_when_others_wait_for_room(void **state)
{
    struct rig *r = *state;
    struct client greedy[GREEDY], modest;
    uint64_t conn;
    int64_t start_ms;

    fill_greedy(r, greedy);
    conn = meet(r, &modest);
    start_ms = clock_ms();
    while (clock_ms() - start_ms < 2 * UNREAD_MS)
        loop_turn(r->loop, 1);
    assert_int_equal(r->closed, 0); // nobody has waited
    assert_true(connector_must_wait(r->connector, conn, LARGE_ANSWER));
    TURN_UNTIL(r, r->drained == 1);
    assert_int_equal(connector_stats(r->connector)->cut_off, GREEDY);
    assert_int_equal(r->closed, GREEDY);
    answer(r, conn, 7, LARGE_ANSWER);
    take_response(r, &modest, 7, LARGE_ANSWER);
    for (int i = 0; i < GREEDY; i++)
        leave(&greedy[i]);
    leave(&modest);
}

#define EVENT_SIZE 20000
#define EVENTS_BOUND ((size_t)4 << 20) // bytes of them that may be queued for a client

static void
send_event(struct rig *r, uint64_t conn, uint32_t sequence)
{
    uint8_t *bytes;
    struct blob *payload = blob_alloc(EVENT_SIZE, &bytes);
    struct msg m;

    memset(bytes, 0, EVENT_SIZE);
    msg_init(&m, MSG_EVENT);
    assert_int_equal(msg_set_topic(&m, "test.event"), 0);
    m.sequence = sequence;
    msg_set_payload(&m, &payload);
    connector_send_event(r->connector, conn, &m);
}

static void
take_event(struct rig *r, struct client *c, uint32_t sequence)
{
    struct msg m;

    TURN_UNTIL(r, poll_message(c, &m));
    assert_int_equal(m.type, MSG_EVENT);
    assert_int_equal(m.sequence, sequence);
    msg_fini(&m);
}

static void
events_come_behind_what_was_queued_before(void **state)
{
    struct rig *r = *state;
    struct client c = join(r);

    ask(r, &c, 1, 10);
    respond(r, &r->last);
    send_event(r, r->last_conn, 1);
    respond(r, &r->last);
    take_response(r, &c, 1, 10);
    take_event(r, &c, 1);
    take_response(r, &c, 1, 10);
    send_event(r, r->last_conn + 1, 2); // there is no such client
    leave(&c);
}

static void
events_that_are_read_are_not_bounded(void **state)
{
    struct rig *r = *state;
    struct client c = join(r);
    uint32_t burst = (uint32_t)(EVENTS_BOUND / 2 / EVENT_SIZE);

    ask(r, &c, 1, 10);
    for (uint32_t round = 0; round < 10; round++) {
        for (uint32_t i = 0; i < burst; i++)
            send_event(r, r->last_conn, i);
        for (uint32_t i = 0; i < burst; i++)
            take_event(r, &c, i);
    }
    assert_int_equal(r->closed, 0);
    leave(&c);
}

/* The client reads all of them, but some are always queued. */
static void
events_that_are_read_late_are_not_bounded(void **state)
{
    struct rig *r = *state;
    struct client c = join(r);
    uint32_t burst = 50;

    ask(r, &c, 1, 10);
    for (uint32_t i = 0; i < burst; i++)
        send_event(r, r->last_conn, i);
    for (uint32_t round = 1; round < 20; round++) {
        for (uint32_t i = 0; i < burst; i++)
            send_event(r, r->last_conn, round * burst + i);
        for (uint32_t i = 0; i < burst; i++)
            take_event(r, &c, (round - 1) * burst + i);
        assert_true(connector_stats(r->connector)->output_bytes > 0);
    }
    assert_int_equal(r->closed, 0);
    leave(&c);
}

static void
who_does_not_read_events_is_cut_off(void **state)
{
    struct rig *r = *state;
    struct client deaf = join(r);
    struct client other = join(r);
    uint64_t conn;

    ask(r, &deaf, 1, 10);
    conn = r->last_conn;
    for (uint32_t i = 0; i < 3 * EVENTS_BOUND / EVENT_SIZE; i++) {
        send_event(r, conn, i);
        assert_int_equal(r->closed, 0); // never from inside
    }
    assert_true(connector_stats(r->connector)->output_bytes <= EVENTS_BOUND + 2 * EVENT_SIZE);
    TURN_UNTIL(r, r->closed == 1);
    assert_int_equal(r->last_closed, conn);
    assert_int_equal(connector_stats(r->connector)->cut_off, 1);
    assert_int_equal(connector_stats(r->connector)->output_bytes, 0);
    ask(r, &other, 2, 10);
    leave(&deaf);
    leave(&other);
}

/* Answers that wait to be read are no reason: events have a bound of their own. */
static void
large_answers_are_not_counted_as_events(void **state)
{
    struct rig *r = *state;
    struct client c = join(r);

    ask(r, &c, 1, MAX_PAYLOAD);
    while (connector_stats(r->connector)->output_bytes < 2 * EVENTS_BOUND)
        respond(r, &r->last);
    send_event(r, r->last_conn, 1);
    for (int i = 0; i < 10; i++)
        loop_turn(r->loop, 0);
    assert_int_equal(r->closed, 0);
    leave(&c);
}

static void
what_is_queued_is_written_before_the_end(void **state)
{
    struct rig *r = *state;
    struct client c = join(r);
    struct msg m;

    push_request(&c, 7, 10);
    assert_true(flush(&c));
    r->mode = KEEP;
    TURN_UNTIL(r, r->nkept == 1);
    respond(r, &r->kept[0]);
    connector_free(&r->connector);
    assert_true(poll_message(&c, &m));
    assert_int_equal(m.matchtag, 7);
    msg_fini(&m);
    assert_true(is_closed(&c));
    assert_int_equal(r->closed, 1);
    assert_int_equal(access(r->path, F_OK), -1);
    leave(&c);
}

static void
many_clients_come_and_go(void **state)
{
    enum { CLIENTS = 50 };
    struct rig *r = *state;
    struct client clients[CLIENTS];

    for (uint32_t i = 0; i < CLIENTS; i++) {
        clients[i] = join(r);
        ask(r, &clients[i], i + 1, i);
        assert_true(r->last_conn == i + 1);
    }
    for (size_t i = 0; i < CLIENTS; i += 2)
        leave(&clients[i]);
    TURN_UNTIL(r, connector_count(r->connector) == CLIENTS / 2);
    for (size_t i = 1; i < CLIENTS; i += 2)
        leave(&clients[i]);
}

static void
socket_is_for_the_owner_only_and_replaces_a_stale_one(void **state)
{
    struct rig *r = *state;
    struct connector *second = NULL;
    struct stat st;

    assert_int_equal(stat(r->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(start(r, r->path, &second, NULL), 0);
    connector_free(&second);
    assert_int_equal(access(r->path, F_OK), -1);
}

static void
path_that_cannot_be_bound_is_an_error_with_text(void **state)
{
    struct rig *r = *state;
    struct connector *c = NULL;
    struct err err = {0};
    char path[200];

    memset(path, 'x', sizeof(path));
    path[sizeof(path) - 1] = '\0';
    assert_int_equal(start(r, path, &c, &err), -ENAMETOOLONG);
    assert_non_null(strstr(err.text, "too long for a socket"));
    snprintf(path, sizeof(path), "%s/none/local", r->dir);
    assert_int_equal(start(r, path, &c, &err), -ENOENT);
    assert_non_null(strstr(err.text, path));
    assert_null(c);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(client_is_greeted_stamped_and_answered),
        TEST(other_users_are_refused),
        TEST(root_is_another_user_too),
        TEST(payloads_of_any_size_come_back),
        TEST(many_messages_in_one_write_are_all_answered_in_order),
        TEST(message_that_comes_byte_by_byte_is_put_together),
        TEST(garbage_closes_its_sender_only),
        TEST(messages_before_garbage_are_taken),
        TEST(oversized_request_reaches_the_service_and_the_connection_lives),
        TEST(answer_to_a_client_that_has_gone_is_dropped),
        TEST(client_that_does_not_read_is_held_back),
        TEST(client_with_too_many_open_requests_is_held_back),
        TEST(client_with_too_many_bytes_in_flight_is_held_back_and_others_are_not),
        TEST(client_that_stalls_in_a_message_is_cut_off_when_others_wait),
        TEST(client_that_was_full_is_told_drained),
        TEST(client_that_is_held_back_may_hang_up),
        TEST(large_answers_wait_for_room_of_all),
        TEST(who_does_not_read_is_cut_off_when_others_wait_for_room),
        TEST(events_come_behind_what_was_queued_before),
        TEST(events_that_are_read_are_not_bounded),
        TEST(events_that_are_read_late_are_not_bounded),
        TEST(who_does_not_read_events_is_cut_off),
        TEST(large_answers_are_not_counted_as_events),
        TEST(what_is_queued_is_written_before_the_end),
        TEST(many_clients_come_and_go),
        TEST(socket_is_for_the_owner_only_and_replaces_a_stale_one),
        TEST(path_that_cannot_be_bound_is_an_error_with_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
