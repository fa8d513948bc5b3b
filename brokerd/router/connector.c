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
 * Credit is asked for when the header of a message has come, before memory is taken for the rest.  Who
 * then lets the rest wait, while others wait for credit, is cut off in the end.
 *
 * A connection that closes is unlinked at once and freed at the end of the turn, so that a handler
 * up the stack may go on using it.
 */
#include "connector_priv.h"
#include "xmem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define MESSAGE_COST 256 // bytes of memory a request takes beside its payload: a guess
#define READ_ROUNDS 4    // reads per turn and client, so that one client cannot hold the loop
#define UNREAD_MS 5000
#define STALL_BYTES 65536 // progress that saves a message from being called stalled
#define BACKLOG 512
#define ACCEPT_MAX 64 // connections per turn: others have theirs in between
#define PAUSE_MS 100  // no accept for so long after one failed: descriptors have run out

/* --- state --- */

void
connector_set_events(struct conn *c)
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

void
connector_close_conn(struct conn *c)
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
    connector_take_grant(c);
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

void
connector_regulate(struct conn *c)
{
    bool over = c->queued > connector_output_limit(c->owner) || c->lacks_credit;
    enum conn_state next = over ? CONN_HELD : CONN_OPEN;

    if (c->state == CONN_CLOSED || c->state == next)
        return;
    set_state(c, next);
    connector_set_events(c);
}

/* --- the end of a turn --- */

static void
resume(struct conn *c)
{
    c->lacks_credit = false;
    connector_regulate(c);
    connector_decode_input(c);
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
            connector_write_out(list_entry(node, struct conn, output));
    } while (!list_is_empty(&owner->resumed));
    if (!list_is_empty(&owner->waiting) && connector_has_room(owner))
        loop_timer_start(owner->loop, &owner->room, 0); // others have their turn in between
    while ((node = list_pop_front(&owner->closed)))
        free_conn(list_entry(node, struct conn, closed));
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

void
connector_decode_input(struct conn *c)
{
    struct msg m;
    int rc;

    while (c->state == CONN_OPEN && (rc = msg_reader_next(c->reader, &m)) != 0) {
        if (rc < 0) {
            elog(ELOG_WARN, "local client of uid %u sent bytes that are no message: closed (%s)",
                 c->uid, err_name(rc));
            connector_close_conn(c);
            return;
        }
        receive_one(c, &m);
        connector_regulate(c);
    }
    connector_regulate(c);
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
            connector_close_conn(c);
            return;
        }
        c->progress += (size_t)got;
        c->owner->stats.bytes_in += (size_t)got;
        msg_reader_filled(c->reader, (size_t)got);
        connector_decode_input(c);
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
        connector_close_conn(c);
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
        connector_write_out(c);
    if ((events & LOOP_READ) && c->state != CONN_CLOSED)
        read_input(c);
    else if ((events & LOOP_HANGUP) && c->state != CONN_CLOSED)
        connector_close_conn(c);
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

/* Lines were left out: say so later. */
static void
tell_later(struct connector *owner, const struct elog_limit *lines)
{
    if (lines->left_out > 0 && !loop_timer_is_running(&owner->tell))
        loop_timer_start(owner->loop, &owner->tell, ELOG_LIMIT_MS);
}

static void
refuse(struct connector *owner, const struct ucred *peer)
{
    owner->stats.refused++;
    elog_limited(&owner->others, ELOG_WARN, "refused a local client of uid %d (pid %d)",
                 (int)peer->uid, (int)peer->pid);
    tell_later(owner, &owner->others);
}

static void
tell_log(void *arg)
{
    struct connector *owner = arg;

    elog_limit_tell(&owner->others);
    elog_limit_tell(&owner->failures);
}

/* The greeting: one byte, 0 for welcome or an errno.  What the peer has sent already is not read. */
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
        refuse(owner, &peer);
    close(fd);
}

static void
accept_conns(void *arg, unsigned events)
{
    struct connector *owner = arg;
    int accepted = 0;
    int fd;

    (void)events;
    while ((fd = accept4(owner->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        greet(owner, fd);
        if (++accepted == ACCEPT_MAX)
            return;
    }
    if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
        return;
    elog_limited(&owner->failures, ELOG_WARN, "cannot accept a local client: %s", err_name(errno));
    tell_later(owner, &owner->failures);
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
    loop_timer_init(&c->tell, tell_log, c);
    list_init(&c->waiting);
    loop_timer_init(&c->stalls, cut_stalled, c);
    loop_timer_init(&c->unread, connector_look_for_unread, c);
    loop_timer_init(&c->room, connector_serve_waiting, c);
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
    loop_timer_stop(&c->tell);
    loop_timer_stop(&c->stalls);
    loop_timer_stop(&c->unread);
    loop_remove(&c->source);
    close(c->fd);
    unlink(c->path);
    write_all(c);
    while ((conn = map_next(&c->by_id, &pos))) {
        connector_close_conn(conn);
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
