/* SPDX-License-Identifier: MPL-2.0 */
/* launch_respawn.c - both ends of `xylem-launch --respawn`.
 *
 * Model: the launch listens at a UNIX socket in its run directory.  A request is one line with the
 * rank's number; the answer is one line, "0 " or an errno and a text.  So the new process is a child
 * of the launch, as the old one was: it ends with the launch, however that ends, and what the launch
 * knows of the rank (its place, its key) does not have to be anywhere else.
 *
 *   state    line read   rank is gone        rank is ready   rank has ended   the asker hangs up
 *   NONE     -           -                   -               -                -
 *   READING  DYING       -                   -               -                NONE
 *   DYING    -           STARTING            -               -                NONE
 *   STARTING -           -                   NONE, "0"       NONE, -ECHILD    NONE, rank is killed
 *
 * DYING takes GRACE_MS at most: a rank that is still there then is alive, -EBUSY.
 */
#include "launch_respawn.h"

#include "clock.h"
#include "units.h"
#include "xmem.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define GRACE_MS 1000 // SIGKILL is not instant, and harnesses are quick
#define LINE_BYTES 32 // a number
#define ANSWER_BYTES (ERR_TEXT_MAX + LINE_BYTES)

enum request_state { NONE, READING, DYING, STARTING };

static void
fill_address(const struct launch_dir *d, struct sockaddr_un *addr)
{
    *addr = (struct sockaddr_un){.sun_family = AF_UNIX};
    snprintf(addr->sun_path, sizeof(addr->sun_path), "%s/" LAUNCH_SOCKET, d->path);
}

/* ---- in the running launch ---- */

int
launch_respawn_open(struct launch_respawn *s, struct err *err)
{
    struct sockaddr_un addr;
    mode_t old = umask(0177);
    int rc = 0;

    fill_address(s->dir, &addr);
    unlink(addr.sun_path); // of a launch that was killed
    s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (s->fd < 0 || bind(s->fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
        listen(s->fd, LAUNCH_REQUESTS_MAX) < 0)
        rc = err_set(err, -errno, "%s: %s", addr.sun_path, err_name(errno));
    umask(old);
    if (rc < 0)
        launch_respawn_close(s);
    return rc;
}

static void
drop(struct launch_request *q)
{
    close(q->fd);
    *q = (struct launch_request){.state = NONE};
}

void
launch_respawn_close(struct launch_respawn *s)
{
    for (unsigned i = 0; i < LAUNCH_REQUESTS_MAX; i++) {
        if (s->requests[i].state != NONE)
            drop(&s->requests[i]);
    }
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
}

/* One that does not take a line of some hundred bytes goes without. */
static void
answer(struct launch_request *q, int code, const char *text)
{
    char line[ANSWER_BYTES];
    int size = snprintf(line, sizeof(line), "%d %s\n", code, text);

    send(q->fd, line, MIN((size_t)size, sizeof(line) - 1), MSG_DONTWAIT | MSG_NOSIGNAL);
    drop(q);
}

static void
on_connection(void *owner, void *item UNUSED, short revents UNUSED)
{
    struct launch_respawn *s = owner;
    struct launch_request *q = s->requests;
    int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd < 0)
        return;
    while (q->state != NONE)
        q++; // there is one: launch_respawn_add() has seen to it
    *q = (struct launch_request){.state = READING, .fd = fd};
}

/* The line comes in one piece: it is shorter than any buffer, and sent at once. */
static void
read_line(struct launch_respawn *s, struct launch_request *q, char *line, size_t size)
{
    long rank;

    line[size] = '\0';
    line[strcspn(line, "\n")] = '\0';
    if (units_parse_long(line, 0, (long)s->size - 1, &rank) < 0) {
        answer(q, -EINVAL, "there is no such rank");
        return;
    }
    q->rank = (unsigned)rank;
    q->state = DYING;
    q->deadline = clock_ms() + GRACE_MS;
}

static void
on_request(void *owner, void *item, short revents UNUSED)
{
    struct launch_respawn *s = owner;
    struct launch_request *q = item;
    char line[LINE_BYTES];
    ssize_t size = recv(q->fd, line, sizeof(line) - 1, 0);

    if (size < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (size > 0 && q->state == READING) {
        read_line(s, q, line, (size_t)size);
        return;
    }
    if (q->state == STARTING && s->ranks[q->rank].state == LAUNCH_RANK_STARTING)
        launch_rank_kill(&s->ranks[q->rank], SIGKILL);
    drop(q);
}

void
launch_respawn_add(struct launch_respawn *s, struct launch_polls *polls)
{
    bool is_full = true;

    if (s->fd < 0)
        return;
    for (unsigned i = 0; i < LAUNCH_REQUESTS_MAX; i++) {
        struct launch_request *q = &s->requests[i];

        is_full = is_full && q->state != NONE;
        if (q->state != NONE)
            launch_polls_add(polls, q->fd, POLLIN, on_request, s, q);
    }
    if (!is_full)
        launch_polls_add(polls, s->fd, POLLIN, on_connection, s, NULL);
}

int64_t
launch_respawn_deadline(const struct launch_respawn *s)
{
    int64_t first = INT64_MAX;

    for (unsigned i = 0; i < LAUNCH_REQUESTS_MAX; i++) {
        if (s->requests[i].state == DYING)
            first = MIN(first, s->requests[i].deadline);
    }
    return first;
}

static void
start(struct launch_respawn *s, struct launch_request *q)
{
    struct err err;

    if (s->start(s->arg, &s->ranks[q->rank], &err) < 0)
        answer(q, err.code, err.text);
    else
        q->state = STARTING;
}

static void
step_dying(struct launch_respawn *s, struct launch_request *q, bool is_serving)
{
    const struct launch_rank *r = &s->ranks[q->rank];
    char text[LINE_BYTES * 2];

    if (!is_serving) {
        answer(q, -EBUSY, "the launch is starting or ending");
    } else if (r->state == LAUNCH_RANK_GONE) {
        start(s, q);
    } else if (clock_ms() >= q->deadline) {
        snprintf(text, sizeof(text), "rank %u is alive (pid %d)", q->rank, (int)r->pid);
        answer(q, -EBUSY, text);
    }
}

static void
step_starting(struct launch_respawn *s, struct launch_request *q)
{
    char text[LINE_BYTES];

    if (s->ranks[q->rank].state == LAUNCH_RANK_ONLINE) {
        answer(q, 0, "");
    } else if (s->ranks[q->rank].state == LAUNCH_RANK_GONE) {
        snprintf(text, sizeof(text), "rank %u failed", q->rank);
        answer(q, -ECHILD, text);
    }
}

void
launch_respawn_step(struct launch_respawn *s, bool is_serving)
{
    for (unsigned i = 0; i < LAUNCH_REQUESTS_MAX; i++) {
        struct launch_request *q = &s->requests[i];

        if (q->state == DYING)
            step_dying(s, q, is_serving);
        else if (q->state == STARTING)
            step_starting(s, q);
    }
}

/* ---- in the other process ---- */

static int
connect_to(const struct launch_dir *d, int *ret_fd, struct err *err)
{
    struct sockaddr_un addr;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int code;

    fill_address(d, &addr);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0) {
        *ret_fd = fd;
        return 0;
    }
    code = errno;
    if (fd >= 0)
        close(fd);
    if (code == ENOENT) // it makes its directory before its socket
        return err_set(err, -EBUSY, "the launch is starting or ending");
    return err_set(err, -code, "%s: %s", addr.sun_path, err_name(code));
}

static int
read_answer(int fd, unsigned rank, struct err *err)
{
    AUTO(buf) struct buf line = BUF_INIT;
    char *text;
    long code;

    if (buf_read_fd(&line, fd, ANSWER_BYTES) < 0 || line.size == 0)
        return err_set(err, -ECONNRESET, "the launch ended before rank %u was ready", rank);
    line.data[strcspn(line.data, "\n")] = '\0';
    code = strtol(line.data, &text, 10);
    if (code == 0)
        return 0;
    return err_set(err, code < 0 && code > INT16_MIN ? (int)code : -EPROTO, "%s",
                   text + (*text == ' '));
}

static int
send_and_wait(int fd, unsigned rank, int64_t timeout_ms, struct err *err)
{
    struct pollfd answered = {.fd = fd, .events = POLLIN};
    char line[LINE_BYTES];
    int size = snprintf(line, sizeof(line), "%u\n", rank);

    if (send(fd, line, (size_t)size, MSG_NOSIGNAL) < 0)
        return err_set(err, -errno, "the launch does not listen: %s", err_name(errno));
    if (poll(&answered, 1, (int)MIN(timeout_ms, INT32_MAX)) == 0)
        return err_set(err, -ETIMEDOUT, "rank %u is not ready in time", rank);
    return read_answer(fd, rank, err);
}

int
launch_respawn_ask(const struct launch_dir *d, unsigned rank, int64_t timeout_ms, struct err *err)
{
    int fd = -1;
    int rc = connect_to(d, &fd, err);

    if (rc < 0)
        return rc;
    rc = send_and_wait(fd, rank, timeout_ms, err);
    close(fd);
    return rc;
}
