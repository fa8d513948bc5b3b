/* SPDX-License-Identifier: MPL-2.0 */
/* connector.c - see connector.h.
 *
 * state     request in                 answer out          too much output,           peer closes,
 *                                                          or no credit               bad bytes
 * OPEN      pass it on                 queue               HELD                       CLOSED
 * HELD      (neither read nor decoded) queue; OPEN again   -                          CLOSED
 *                                      when neither holds
 * CLOSED    -                          dropped             -                          -
 *
 * While more than OUTPUT_TOTAL_MAX bytes are queued for all together, large answers wait (they are parked
 * by the router), and are let go one by one in the order of their clients, each with a grant: bytes that
 * count as if they were queued, until they are or GRANT_MS are over.  Who does not read meanwhile is cut off
 * in the end.
 *
 * Credit is asked for when the header of a message has come, before memory is taken for the rest.  Who
 * then lets the rest wait, while others wait for credit, is cut off in the end.
 *
 * A connection that closes is unlinked at once and freed at the end of the turn, so that a handler
 * up the stack may go on using it.
 */
#include "connector.h"
#include "elog.h"
#include "list.h"
#include "map.h"
#include "msg_stream.h"
#include "xmem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define OUTPUT_MAX ((size_t)4 << 20)        // bytes queued for a client that does not read
#define OUTPUT_TOTAL_MAX ((size_t)16 << 20) // for all of them; beyond it OUTPUT_MAX shrinks
#define OUTPUT_MIN ((size_t)256 << 10)      // to this
#define OUTPUT_LARGE ((size_t)64 << 10)     // bytes of an answer that waits while there is more
#define UNREAD_MS 5000
#define GRANT_MS 1000     // what is not used in this time is given to others
#define MESSAGE_COST 256  // bytes of memory a request takes beside its payload: a guess
#define READ_ROUNDS 4     // reads per turn and client, so that one client cannot hold the loop
#define STALL_BYTES 65536 // progress that saves a message from being called stalled
#define BACKLOG 512
#define PAUSE_MS 100 // no accept for so long after one failed: descriptors have run out

enum conn_state { CONN_OPEN, CONN_HELD, CONN_CLOSED };

struct conn {
    uint64_t id;             // key of connector.by_id
    struct connector *owner; // borrowed
    int fd;                  // owned; -1 when closed
    enum conn_state state;
    uint32_t uid;                   // of the peer
    bool waits_for_room;            // LOOP_WRITE is set: the kernel's buffer was full
    bool lacks_credit;              // the next message has to wait
    bool was_full;                  // somebody waits for drained()
    size_t queued;                  // bytes of output, as counted in stats.output_bytes
    size_t progress;                // bytes read since stalls were looked for
    struct credit_account *account; // owned
    struct credit_charge charge;    // of the message that is coming in, owned
    struct msg_reader *reader;      // owned
    struct msg_writer *writer;      // owned
    struct loop_source *source;     // owned
    struct list output;             // on connector.output while something is queued this turn
    struct list resumed;            // on connector.resumed when there is credit again
    struct list closed;             // on connector.closed when CLOSED
    struct list waiting; // on connector.waiting while a large answer waits for room of all
    size_t wanted;       // bytes of that answer
    size_t granted;      // bytes that may be queued in one answer, whatever others have
    int64_t granted_at;  // ms
    int64_t moved_at;    // ms: when it last took something, or had nothing queued
};

struct connector {
    struct loop *loop;               // borrowed
    const struct connector_ops *ops; // borrowed
    void *arg;                       // borrowed
    int fd;                          // owned: the listening socket
    char *path;                      // owned
    size_t max_payload;              // bytes
    struct loop_source *source;      // owned
    struct credit *credit;           // borrowed
    int64_t stall_ms;                // see connector.h
    struct loop_timer pause;         // runs while nobody is accepted
    struct loop_timer stalls;        // runs while clients wait for credit
    struct map by_id;                // struct conn
    struct conn *found;              // the last one looked up there; NULL: none
    uint64_t last_id;
    struct list output;       // conns to be written before the loop sleeps
    struct list resumed;      // conns to be read from again, likewise
    struct list closed;       // conns to be freed
    struct list waiting;      // conns with answers that wait for room of all
    size_t granted;           // bytes: sum over the conns
    int64_t short_since;      // ms: when the first of these began to wait
    int64_t unread_ms;        // see connector.h
    struct loop_timer unread; // runs while any wait
    struct loop_timer room;   // there is room for some that wait
    struct elog_limit cuts;   // of those that are cut off
    struct connector_stats stats;
};

/* --- state --- */

static void
set_events(struct conn *c)
{
    unsigned events =
        (c->state == CONN_OPEN ? LOOP_READ : 0) | (c->waits_for_room ? LOOP_WRITE : 0);

    loop_set_events(c->source, events);
}

static void
set_state(struct conn *c, enum conn_state state)
{
    if (c->state == CONN_HELD)
        c->owner->stats.held--;
    if (state == CONN_HELD)
        c->owner->stats.held++;
    c->state = state;
}

/* What is queued for the client has changed. */
static void
count_output(struct conn *c)
{
    size_t now = msg_writer_pending(c->writer);

    c->owner->stats.output_bytes += now - c->queued; // unsigned arithmetic wraps as wanted
    c->queued = now;
}

static void
take_grant(struct conn *c)
{
    c->owner->granted -= c->granted;
    c->granted = 0;
}

static void
close_conn(struct conn *c)
{
    struct connector *owner = c->owner;

    if (c->state == CONN_CLOSED)
        return;
    set_state(c, CONN_CLOSED);
    loop_remove(&c->source);
    close(c->fd);
    c->fd = -1;
    map_remove(&owner->by_id, &c->id);
    owner->found = NULL;
    list_remove(&c->output);
    list_remove(&c->resumed);
    list_remove(&c->waiting);
    take_grant(c);
    list_push_back(&owner->closed, &c->closed);
    owner->stats.output_bytes -= c->queued;
    owner->stats.clients--;
    owner->ops->closed(owner->arg, c->id);
    credit_settle(&c->charge);
    credit_close(&c->account);
}

static void
free_conn(struct conn *c)
{
    msg_reader_free(&c->reader);
    msg_writer_free(&c->writer);
    list_remove(&c->closed);
    free(c);
}

static size_t
output_limit(const struct connector *owner)
{
    return owner->stats.output_bytes > OUTPUT_TOTAL_MAX ? OUTPUT_MIN : OUTPUT_MAX;
}

/* Hold a client back, or let it go on, by what it has outstanding. */
static void
regulate(struct conn *c)
{
    bool over = c->queued > output_limit(c->owner) || c->lacks_credit;
    enum conn_state next = over ? CONN_HELD : CONN_OPEN;

    if (c->state == CONN_CLOSED || c->state == next)
        return;
    set_state(c, next);
    set_events(c);
}

/* NULL: it is gone.  Requests come in batches, and so does what they ask of their connection. */
static struct conn *
find_conn(struct connector *owner, uint64_t id)
{
    if (!owner->found || owner->found->id != id)
        owner->found = map_get(&owner->by_id, &id);
    return owner->found;
}

/* --- output --- */

static void decode_input(struct conn *c);

/* What could be answered again may be answered now. */
static void
tell_drained(struct conn *c)
{
    struct connector *owner = c->owner;

    if (!c->was_full || c->state == CONN_CLOSED || c->queued > output_limit(owner) / 2)
        return;
    c->was_full = false;
    owner->ops->drained(owner->arg, c->id);
}

/* Whoever reads is likely to ask again, or to read on.  But with requests under way it is other threads
 * or ranks that need the processor. */
static void
expect_more(struct connector *owner)
{
    if (credit_stats(owner->credit)->messages == 0)
        loop_expect(owner->loop);
}

static void
write_out(struct conn *c)
{
    size_t before = c->queued;
    int rc = msg_writer_flush(c->writer, c->fd);
    bool full = rc == -EAGAIN;

    if (rc < 0 && !full) {
        close_conn(c);
        return;
    }
    count_output(c);
    c->owner->stats.bytes_out += before - c->queued;
    if (c->queued < before) {
        c->moved_at = loop_now(c->owner->loop);
        expect_more(c->owner);
    }
    if (full != c->waits_for_room) {
        c->waits_for_room = full;
        set_events(c);
    }
    regulate(c);
    tell_drained(c);
    decode_input(c); // what was left undecoded while it was held
}

static void
resume(struct conn *c)
{
    c->lacks_credit = false;
    regulate(c);
    decode_input(c);
}

/* --- room --- */

bool
connector_is_full(struct connector *owner, uint64_t id)
{
    struct conn *c = find_conn(owner, id);

    if (!c || c->queued <= output_limit(owner))
        return false;
    c->was_full = true;
    return true;
}

/* Of all. */
static bool
has_room(const struct connector *owner)
{
    return owner->stats.output_bytes + owner->granted <= OUTPUT_TOTAL_MAX;
}

static void
serve_waiting(void *arg)
{
    struct connector *owner = arg;

    while (!list_is_empty(&owner->waiting) && has_room(owner)) {
        struct conn *c = list_entry(list_pop_front(&owner->waiting), struct conn, waiting);

        c->granted = c->wanted;
        c->granted_at = loop_now(owner->loop);
        owner->granted += c->granted;
        owner->ops->drained(owner->arg, c->id);
    }
}

bool
connector_must_wait(struct connector *owner, uint64_t id, size_t bytes)
{
    struct conn *c = find_conn(owner, id);

    if (connector_is_full(owner, id))
        return true;
    if (!c || bytes <= OUTPUT_LARGE || c->granted > 0)
        return false;
    if (list_is_empty(&owner->waiting)) {
        if (has_room(owner))
            return false;
        owner->short_since = loop_now(owner->loop);
        if (!loop_timer_is_running(&owner->unread))
            loop_timer_start(owner->loop, &owner->unread, owner->unread_ms / 4);
    }
    if (!list_is_linked(&c->waiting)) {
        c->wanted = bytes;
        list_push_back(&owner->waiting, &c->waiting);
    }
    return true;
}

static void
cut_if_unread(struct conn *c, int64_t now)
{
    if (c->queued == 0 || now - MAX(c->moved_at, c->owner->short_since) < c->owner->unread_ms)
        return;
    elog_limited(&c->owner->cuts, ELOG_WARN,
                 "a local client of uid %u does not read, and others need the room: closed",
                 c->uid);
    c->owner->stats.cut_off++;
    close_conn(c);
}

/* Some wait for room that others take up. */
static void
look_for_unread(void *arg)
{
    struct connector *owner = arg;
    int64_t now = loop_now(owner->loop);
    size_t count = 0;
    size_t pos = 0;
    struct conn **all = xmalloc((owner->by_id.count + 1) * sizeof(struct conn *));
    struct conn *c;

    while ((c = map_next(&owner->by_id, &pos)))
        all[count++] = c;
    for (size_t i = 0; i < count; i++) { // what is closed stays until the end of the turn
        if (all[i]->granted > 0 && now - all[i]->granted_at > GRANT_MS)
            take_grant(all[i]);
        if (all[i]->state != CONN_CLOSED)
            cut_if_unread(all[i], now);
    }
    free(all);
    if (!list_is_empty(&owner->waiting) || owner->granted > 0)
        loop_timer_start(owner->loop, &owner->unread, owner->unread_ms / 4);
    elog_limit_tell(&owner->cuts);
}

static void
write_all(void *arg)
{
    struct connector *owner = arg;
    struct list *node;

    do {
        while ((node = list_pop_front(&owner->resumed)))
            resume(list_entry(node, struct conn, resumed));
        while ((node = list_pop_front(&owner->output)))
            write_out(list_entry(node, struct conn, output));
    } while (!list_is_empty(&owner->resumed));
    if (!list_is_empty(&owner->waiting) && has_room(owner))
        loop_timer_start(owner->loop, &owner->room, 0); // others have their turn in between
    while ((node = list_pop_front(&owner->closed)))
        free_conn(list_entry(node, struct conn, closed));
}

void
connector_send(struct connector *owner, uint64_t id, struct msg *m)
{
    struct conn *c = find_conn(owner, id);

    if (!c) {
        msg_fini(m);
        return;
    }
    owner->stats.messages_out++;
    if (msg_size(m) > OUTPUT_LARGE)
        take_grant(c);
    if (c->queued == 0)
        c->moved_at = loop_now(owner->loop);
    msg_writer_push(c->writer, m);
    count_output(c);
    if (!list_is_linked(&c->output))
        list_push_back(&owner->output, &c->output);
}

/* --- input --- */

/* May a message of that length come in?  One that is too long is thrown away as it comes. */
static bool
admit(void *arg, size_t body)
{
    struct conn *c = arg;
    struct connector *owner = c->owner;
    size_t kept = body <= owner->max_payload + MSG_HEAD_MAX ? body : 0;

    c->lacks_credit = !credit_take(c->account, kept + MESSAGE_COST, &c->charge);
    if (c->lacks_credit && !loop_timer_is_running(&owner->stalls))
        loop_timer_start(owner->loop, &owner->stalls, owner->stall_ms);
    return !c->lacks_credit;
}

static void
on_room(void *arg)
{
    struct conn *c = arg;

    list_push_back(&c->owner->resumed, &c->resumed);
}

static void
receive_one(struct conn *c, struct msg *m)
{
    struct connector *owner = c->owner;

    owner->stats.messages_in++;
    m->userid = c->uid;
    m->rolemask = MSG_ROLE_OWNER | MSG_ROLE_LOCAL;
    owner->ops->received(owner->arg, c->id, m, &c->charge);
    msg_fini(m);
    credit_settle(&c->charge);
}

static void
decode_input(struct conn *c)
{
    struct msg m;
    int rc;

    while (c->state == CONN_OPEN && (rc = msg_reader_next(c->reader, &m)) != 0) {
        if (rc < 0) {
            elog(ELOG_WARN, "local client of uid %u sent bytes that are no message: closed (%s)",
                 c->uid, err_name(rc));
            close_conn(c);
            return;
        }
        receive_one(c, &m);
        regulate(c);
    }
    regulate(c);
}

static void
read_input(struct conn *c)
{
    for (int round = 0; round < READ_ROUNDS && c->state == CONN_OPEN; round++) {
        uint8_t *where;
        size_t room = msg_reader_space(c->reader, &where);
        ssize_t got = read(c->fd, where, room);

        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (got <= 0) {
            close_conn(c);
            return;
        }
        c->progress += (size_t)got;
        c->owner->stats.bytes_in += (size_t)got;
        msg_reader_filled(c->reader, (size_t)got);
        decode_input(c);
        if ((size_t)got < room)
            return;
    }
}

static bool
has_stalled(const struct conn *c)
{
    return c->charge.account && c->progress < STALL_BYTES;
}

/* The first that has stalled, NULL if nobody has. */
static struct conn *
find_stalled(const struct connector *owner)
{
    struct conn *c;
    size_t pos = 0;

    while ((c = map_next(&owner->by_id, &pos))) {
        if (has_stalled(c))
            return c;
    }
    return NULL;
}

/* Others wait for credit that a message holds which does not come. */
static void
cut_stalled(void *arg)
{
    struct connector *owner = arg;
    struct conn *c;
    size_t pos = 0;

    while ((c = find_stalled(owner))) {
        elog(ELOG_WARN, "a local client of uid %u has stalled in the middle of a message: closed",
             c->uid);
        owner->stats.cut_off++;
        close_conn(c);
    }
    while ((c = map_next(&owner->by_id, &pos)))
        c->progress = 0;
    if (credit_stats(owner->credit)->waiting > 0)
        loop_timer_start(owner->loop, &owner->stalls, owner->stall_ms);
}

static void
on_conn_event(void *arg, unsigned events)
{
    struct conn *c = arg;

    if (events & LOOP_WRITE)
        write_out(c);
    if ((events & LOOP_READ) && c->state != CONN_CLOSED)
        read_input(c);
    else if ((events & LOOP_HANGUP) && c->state != CONN_CLOSED)
        close_conn(c);
}

/* --- listening --- */

static void
add_conn(struct connector *owner, int fd, uint32_t uid)
{
    struct conn *c = xcalloc(1, sizeof(*c));

    c->id = ++owner->last_id;
    c->owner = owner;
    c->fd = fd;
    c->state = CONN_OPEN;
    c->uid = uid;
    c->reader = msg_reader_new(owner->max_payload);
    c->writer = msg_writer_new();
    c->account = credit_open(owner->credit, on_room, c);
    msg_reader_set_gate(c->reader, admit, c);
    list_init(&c->output);
    list_init(&c->resumed);
    list_init(&c->closed);
    list_init(&c->waiting);
    c->source = loop_add_fd(owner->loop, fd, LOOP_READ, on_conn_event, c);
    map_put(&owner->by_id, c);
    owner->stats.clients++;
}

/* The greeting: one byte, 0 for welcome or an errno. */
static void
greet(struct connector *owner, int fd)
{
    struct ucred peer = {.uid = (uid_t)-1};
    socklen_t size = sizeof(peer);
    bool known = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0;
    uint8_t byte = known && peer.uid == geteuid() ? 0 : EPERM;

    if (send(fd, &byte, 1, MSG_NOSIGNAL) == 1 && byte == 0) {
        add_conn(owner, fd, peer.uid);
        return;
    }
    if (byte != 0)
        elog(ELOG_WARN, "refused a local client of uid %d", (int)peer.uid);
    close(fd);
}

static void
accept_conns(void *arg, unsigned events)
{
    struct connector *owner = arg;
    int fd;

    (void)events;
    while ((fd = accept4(owner->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
        greet(owner, fd);
    if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
        return;
    elog(ELOG_WARN, "cannot accept a local client: %s", err_name(errno));
    loop_set_events(owner->source, 0);
    loop_timer_start(owner->loop, &owner->pause, PAUSE_MS);
}

static void
end_pause(void *arg)
{
    struct connector *owner = arg;

    loop_set_events(owner->source, LOOP_READ);
}

static int
bind_socket(const char *path, struct err *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd;

    if (strlen(path) >= sizeof(address.sun_path))
        return err_set(err, -ENAMETOOLONG, "%s: path too long for a socket (at most %zu bytes)",
                       path, sizeof(address.sun_path) - 1);
    strcpy(address.sun_path, path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_set(err, -errno, "%s: %s", path, err_name(errno));
    unlink(path);
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || chmod(path, 0600) < 0 ||
        listen(fd, BACKLOG) < 0) {
        int rc = err_set(err, -errno, "cannot listen on %s: %s", path, err_name(errno));

        close(fd);
        return rc;
    }
    return fd;
}

int
connector_new(struct connector **ret, const struct connector_conf *conf, struct loop *loop,
              const struct connector_ops *ops, void *arg, struct err *err)
{
    int fd = bind_socket(conf->path, err);
    struct connector *c;

    if (fd < 0)
        return fd;
    c = xcalloc(1, sizeof(*c));
    c->loop = loop;
    c->ops = ops;
    c->arg = arg;
    c->fd = fd;
    c->path = xstrdup(conf->path);
    c->max_payload = conf->max_payload;
    c->credit = conf->credit;
    c->stall_ms = conf->stall_ms;
    c->unread_ms = conf->unread_ms > 0 ? conf->unread_ms : UNREAD_MS;
    map_init(&c->by_id, offsetof(struct conn, id), sizeof(uint64_t));
    list_init(&c->output);
    list_init(&c->resumed);
    list_init(&c->closed);
    loop_timer_init(&c->pause, end_pause, c);
    list_init(&c->waiting);
    loop_timer_init(&c->stalls, cut_stalled, c);
    loop_timer_init(&c->unread, look_for_unread, c);
    loop_timer_init(&c->room, serve_waiting, c);
    c->source = loop_add_fd(loop, fd, LOOP_READ, accept_conns, c);
    loop_add_hook(loop, write_all, c);
    *ret = c;
    return 0;
}

void
connector_free(struct connector **connector)
{
    struct connector *c = TAKE(*connector);
    struct conn *conn;
    size_t pos = 0;

    if (!c)
        return;
    loop_timer_stop(&c->pause);
    loop_timer_stop(&c->stalls);
    loop_timer_stop(&c->unread);
    loop_remove(&c->source);
    close(c->fd);
    unlink(c->path);
    write_all(c);
    while ((conn = map_next(&c->by_id, &pos))) {
        close_conn(conn);
        pos = 0; // the table has changed
    }
    write_all(c);
    loop_timer_stop(&c->room);
    map_fini(&c->by_id);
    free(c->path);
    free(c);
}

size_t
connector_count(const struct connector *c)
{
    return c->stats.clients;
}

const struct connector_stats *
connector_stats(const struct connector *c)
{
    return &c->stats;
}
