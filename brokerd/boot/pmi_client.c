/* SPDX-License-Identifier: MPL-2.0 */
/* pmi_client.c - see pmi_client.h.
 *
 * state    question     answer     anything wrong
 * IDLE     ASKED        -          BROKEN
 * ASKED    -            IDLE       BROKEN (but for a barrier that is not over yet)
 * BROKEN   fails at once
 */
#include "pmi_client.h"
#include "buf.h"
#include "clock.h"
#include "pmi.h"
#include "units.h"
#include "xmem.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define NAME "PMI: "
#define FINALIZE_MS 5000 // at the end nobody waits long
#define MAX_UNSET 1024   // of a limit that the process manager does not tell

enum state { IDLE, ASKED, BROKEN };

struct pmi_client {
    struct pmi_fds fds; // owned
    int stop;           // borrowed, or -1
    int64_t timeout_ms;
    enum state state;
    char *job; // owned
    size_t key_max;
    size_t value_max;
    struct buf in;          // what was read and is not used up
    struct buf line;        // the last answer: the words point into it
    struct pmi_words words; // of the last answer
};

/* --- descriptors --- */

int
pmi_fds_from_environment(struct pmi_fds *ret, struct err *err)
{
    const char *text = getenv("PMI_FD");
    long fd;

    if (!text)
        return err_set(err, -ENOENT, NAME "PMI_FD is not set: no process manager has started us");
    if (units_parse_long(text, 0, INT_MAX, &fd) < 0)
        return err_set(err, -EINVAL, NAME "PMI_FD=%s is not a number", text);
    if (fcntl((int)fd, F_SETFD, FD_CLOEXEC) < 0)
        return err_set(err, -errno, NAME "PMI_FD=%s: %s", text, err_name(errno));
    *ret = (struct pmi_fds){(int)fd, (int)fd};
    return 0;
}

int
pmi_fds_from_stdio(struct pmi_fds *ret, struct err *err)
{
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

    ret->in = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    ret->out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (null < 0 || ret->in < 0 || ret->out < 0 || dup2(null, STDIN_FILENO) < 0 ||
        dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
        return err_set(err, -errno, NAME "standard input and output: %s", err_name(errno));
    close(null);
    return 0;
}

/* --- lines --- */

static int
broken(struct pmi_client *c, int rc)
{
    c->state = BROKEN;
    return rc;
}

static int
gone(struct pmi_client *c, int code, struct err *err)
{
    broken(c, 0);
    if (code == 0)
        return err_set(err, -EPIPE, NAME "the process manager has closed the connection");
    return err_set(err, -EPIPE, NAME "the process manager cannot be reached: %s", err_name(code));
}

static int
write_all(struct pmi_client *c, const struct buf *text, struct err *err)
{
    size_t done = 0;

    while (done < text->size) {
        ssize_t n = write(c->fds.out, text->data + done, text->size - done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return gone(c, errno, err);
        done += (size_t)n;
    }
    return 0;
}

/* One line with "cmd=" and what follows. */
__attribute__((format(printf, 3, 4))) static int
ask(struct pmi_client *c, struct err *err, const char *fmt, ...)
{
    AUTO(buf) struct buf line = BUF_INIT;
    char text[PMI_LINE_MAX];
    va_list ap;
    int len;
    int rc;

    if (c->state != IDLE)
        return err_set(err, -EPIPE, NAME "the conversation has broken off");
    va_start(ap, fmt);
    len = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (len < 0 || (size_t)len + 1 >= sizeof(text))
        return err_set(err, -EMSGSIZE, NAME "a request of %d bytes", len);
    buf_printf(&line, "%s\n", text);
    rc = write_all(c, &line, err);
    if (rc == 0)
        c->state = ASKED;
    return rc;
}

/* 1: there is something to read, 0: not in time. */
static int
wait_input(struct pmi_client *c, int64_t deadline, struct err *err)
{
    struct pollfd fds[2] = {{.fd = c->fds.in, .events = POLLIN}, {.fd = c->stop, .events = POLLIN}};

    for (;;) {
        int64_t left = MAX(deadline - clock_ms(), 0);
        int n = poll(fds, ARRAY_SIZE(fds), (int)MIN(left, INT_MAX));

        if (n < 0 && errno != EINTR)
            return err_set(err, broken(c, -errno), NAME "%s", err_name(errno));
        if (n > 0 && fds[1].revents)
            return err_set(err, broken(c, -EINTR), NAME "stopped by a signal");
        if (n > 0)
            return 1;
        if (left == 0)
            return 0;
    }
}

/* The first line of what was read, to c->line. */
static bool
has_line(struct pmi_client *c)
{
    const char *end = c->in.size > 0 ? memchr(c->in.data, '\n', c->in.size) : NULL;
    size_t len;

    if (!end)
        return false;
    len = (size_t)(end - c->in.data);
    buf_reset(&c->line);
    buf_add(&c->line, c->in.data, len);
    memmove(c->in.data, end + 1, c->in.size - len - 1);
    c->in.size -= len + 1;
    c->in.data[c->in.size] = '\0';
    return true;
}

/* What there is, after wait_input(): no more, as nothing may follow. */
static int
read_some(struct pmi_client *c, struct err *err)
{
    char text[1024];
    ssize_t n = read(c->fds.in, text, sizeof(text));

    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return 0;
    if (n <= 0)
        return gone(c, n < 0 ? errno : 0, err);
    buf_add(&c->in, text, (size_t)n);
    return 0;
}

static int
read_line(struct pmi_client *c, int64_t deadline, struct err *err)
{
    while (!has_line(c)) {
        int rc = wait_input(c, deadline, err);

        if (rc <= 0)
            return rc < 0 ? rc : -EAGAIN;
        if (c->in.size >= PMI_LINE_MAX)
            return err_set(err, broken(c, -EPROTO), NAME "a line of more than %d bytes",
                           PMI_LINE_MAX);
        rc = read_some(c, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* --- answers --- */

static int
parse_answer(struct pmi_client *c, const char *cmd, struct err *err)
{
    int rc = strlen(buf_str(&c->line)) == c->line.size
                 ? 0
                 : err_set(err, -EPROTO, "a line of PMI with a NUL");

    if (rc == 0 && c->line.size > 0)
        rc = pmi_parse(c->line.data, &c->words, err);
    else if (rc == 0)
        rc = err_set(err, -EPROTO, "an empty line");
    if (rc == 0 && strcmp(pmi_word(&c->words, "cmd"), cmd) != 0)
        rc = err_set(err, -EPROTO, "'%s' is expected, and '%.40s' is there", cmd,
                     pmi_word(&c->words, "cmd"));
    return rc < 0 ? err_prefix(err, broken(c, rc), "PMI: the process manager does not speak PMI-1")
                  : 0;
}

/* -EAGAIN: it has not come yet. */
static int
take_answer(struct pmi_client *c, const char *cmd, int64_t ms, struct err *err)
{
    int rc = c->state == ASKED ? read_line(c, clock_ms() + ms, err)
                               : err_set(err, -EPIPE, NAME "the conversation has broken off");

    if (rc == 0)
        rc = parse_answer(c, cmd, err);
    if (rc == 0)
        c->state = IDLE;
    return rc;
}

static int
answer(struct pmi_client *c, const char *cmd, struct err *err)
{
    int rc = take_answer(c, cmd, c->timeout_ms, err);

    if (rc != -EAGAIN)
        return rc;
    return err_set(err, broken(c, -ETIMEDOUT), NAME "no '%s' from the process manager in %g s", cmd,
                   (double)c->timeout_ms / 1000);
}

static bool
is_refused(const struct pmi_client *c)
{
    const char *rc = pmi_word(&c->words, "rc");
    long value;

    return rc && (units_parse_long(rc, 0, 0, &value) < 0);
}

static int
refused(const struct pmi_client *c, const char *what, struct err *err)
{
    const char *msg = pmi_word(&c->words, "msg");

    return err_set(err, -EREMOTEIO, NAME "%s: the process manager refuses: %.100s", what,
                   msg ? msg : "no reason given");
}

/* A question whose answer says whether it worked. */
static int
check_answer(struct pmi_client *c, const char *cmd, const char *what, struct err *err)
{
    int rc = answer(c, cmd, err);

    return rc == 0 && is_refused(c) ? refused(c, what, err) : rc;
}

/* --- the beginning --- */

static size_t
limit_of(const struct pmi_client *c, const char *name)
{
    const char *text = pmi_word(&c->words, name);
    long value;

    return text && units_parse_long(text, 1, PMI_LINE_MAX, &value) == 0 ? (size_t)value : MAX_UNSET;
}

static int
greet(struct pmi_client *c, struct err *err)
{
    const char *job;
    int rc;

    if ((rc = ask(c, err, "cmd=init pmi_version=1 pmi_subversion=1")) < 0 ||
        (rc = check_answer(c, "response_to_init", "init", err)) < 0 ||
        (rc = ask(c, err, "cmd=get_maxes")) < 0 || (rc = answer(c, "maxes", err)) < 0)
        return rc;
    c->key_max = limit_of(c, "keylen_max");
    c->value_max = limit_of(c, "vallen_max");
    if ((rc = ask(c, err, "cmd=get_my_kvsname")) < 0 || (rc = answer(c, "my_kvsname", err)) < 0)
        return rc;
    job = pmi_word(&c->words, "kvsname");
    if (!job || !pmi_is_word(job))
        return err_set(err, broken(c, -EPROTO), NAME "the process manager names no kvsname");
    c->job = xstrdup(job);
    return 0;
}

int
pmi_client_new(struct pmi_client **ret, const struct pmi_fds *fds, int stop, int64_t timeout_ms,
               struct err *err)
{
    struct pmi_client *c = xcalloc(1, sizeof(*c));
    int rc;

    *c = (struct pmi_client){.fds = *fds, .stop = stop, .timeout_ms = timeout_ms};
    rc = greet(c, err);
    if (rc < 0)
        pmi_client_free(&c);
    else
        *ret = c;
    return rc;
}

void
pmi_client_free(struct pmi_client **client)
{
    struct pmi_client *c = TAKE(*client);

    if (!c)
        return;
    if (c->fds.out != c->fds.in)
        close(c->fds.out);
    close(c->fds.in);
    buf_fini(&c->in);
    buf_fini(&c->line);
    free(c->job);
    free(c);
}

const char *
pmi_client_job(const struct pmi_client *c)
{
    return c->job;
}

/* --- in between --- */

static int
check_key(const struct pmi_client *c, const char *key, struct err *err)
{
    if (!pmi_is_word(key) || strlen(key) > c->key_max)
        return err_set(err, -EINVAL, NAME "'%s' is not a key of at most %zu bytes", key,
                       c->key_max);
    return 0;
}

int
pmi_client_put(struct pmi_client *c, const char *key, const char *value, struct err *err)
{
    int rc = check_key(c, key, err);

    if (rc < 0)
        return rc;
    if (!pmi_is_text(value))
        return err_set(err, -EINVAL, NAME "%s: not plain text: %s", key, value);
    if (strlen(value) >= c->value_max) // the limit may count a NUL
        return err_set(err, -EMSGSIZE,
                       NAME "%s: a value of %zu bytes, and the process manager takes less than %zu",
                       key, strlen(value), c->value_max);
    rc = ask(c, err, "cmd=put kvsname=%s key=%s value=%s", c->job, key, value);
    return rc < 0 ? rc : check_answer(c, "put_result", key, err);
}

int
pmi_client_get(struct pmi_client *c, const char *key, char **ret, struct err *err)
{
    const char *value;
    int rc = check_key(c, key, err);

    if (rc < 0 || (rc = ask(c, err, "cmd=get kvsname=%s key=%s", c->job, key)) < 0 ||
        (rc = answer(c, "get_result", err)) < 0)
        return rc;
    if (is_refused(c))
        return err_set(err, -ENOENT, NAME "%s: there is no such key", key);
    value = pmi_word(&c->words, "value");
    if (!value)
        return err_set(err, broken(c, -EPROTO), NAME "%s: an answer without a value", key);
    *ret = xstrdup(value);
    return 0;
}

int
pmi_client_barrier_begin(struct pmi_client *c, struct err *err)
{
    return ask(c, err, "cmd=barrier_in");
}

int
pmi_client_barrier_wait(struct pmi_client *c, int64_t ms, struct err *err)
{
    int rc = take_answer(c, "barrier_out", ms, err);

    return rc == 0 && is_refused(c) ? refused(c, "barrier", err) : rc;
}

/* --- the end --- */

int
pmi_client_finalize(struct pmi_client *c, struct err *err)
{
    int rc = ask(c, err, "cmd=finalize");

    c->timeout_ms = MIN(c->timeout_ms, FINALIZE_MS);
    return rc < 0 ? rc : answer(c, "finalize_ack", err);
}

int
pmi_client_fd(const struct pmi_client *c)
{
    return c->fds.in;
}

bool
pmi_client_is_gone(struct pmi_client *c)
{
    char dropped[512];
    ssize_t n = read(c->fds.in, dropped, sizeof(dropped));

    if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
        c->state = BROKEN;
    return c->state == BROKEN;
}
