/* SPDX-License-Identifier: MPL-2.0 */
/* elog.c - logging.
 *
 * Model: a line is formatted outside the lock, then put in the ring (every level) and, when its
 * level is wanted, written with one write(2), so that lines of several processes that share a file
 * or a terminal do not mix.  Control characters are replaced: texts may quote what a peer sent,
 * and a peer must not be able to forge lines.
 *
 * The ring is plain static memory, so that the SIGABRT handler can print it without allocating or
 * locking.  A line that is being changed at that moment may come out torn; nothing worse.
 *
 * Thread-safe: `lock` guards the sink and the ring.  The name is per thread.
 */
#include "elog.h"

#include "clock.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_CHARS 1024 // longer lines are cut
#define RING_LINES 256
#define NAME_MAX_CHARS 48

static const char *const level_names[] = {
    [ELOG_ERR] = "err",
    [ELOG_WARN] = "warn",
    [ELOG_INFO] = "info",
    [ELOG_DEBUG] = "debug",
};

static struct {
    pthread_mutex_t lock;
    int fd;                                // sink; owned unless it is stderr
    _Atomic(enum elog_level) level;        // lines above it only go into the ring
    uint64_t count;                        // lines ever put in the ring
    char ring[RING_LINES][LINE_MAX_CHARS]; // NUL-terminated, with newline
} sink = {.lock = PTHREAD_MUTEX_INITIALIZER, .fd = STDERR_FILENO, .level = ELOG_INFO};

static _Thread_local char thread_name[NAME_MAX_CHARS]; // "" = none

int
elog_level_parse(const char *name, enum elog_level *ret_level)
{
    for (unsigned i = 0; i < ARRAY_SIZE(level_names); i++) {
        if (strcmp(name, level_names[i]) == 0) {
            *ret_level = (enum elog_level)i;
            return 0;
        }
    }
    return -EINVAL;
}

void
elog_set_level(enum elog_level level)
{
    atomic_store(&sink.level, level);
}

void
elog_set_name(const char *name)
{
    snprintf(thread_name, sizeof(thread_name), "%s", name ? name : "");
}

static void
swap_sink(int fd)
{
    int old;

    pthread_mutex_lock(&sink.lock);
    old = sink.fd;
    sink.fd = fd;
    pthread_mutex_unlock(&sink.lock);
    if (old != STDERR_FILENO)
        close(old);
}

int
elog_open(const char *path, struct err *err)
{
    int fd = STDERR_FILENO;

    if (path) {
        fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
        if (fd < 0)
            return err_set(err, -errno, "cannot open log file %s: %s", path, err_name(errno));
    }
    swap_sink(fd);
    return 0;
}

/* Also used in the signal handler: only async-signal-safe calls. */
static void
write_all(int fd, const char *text, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, text, size);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return; // nowhere left to complain
        text += n;
        size -= (size_t)n;
    }
}

/* "2026-01-31T12:00:00.123Z warn  rank 3: ", returns its length. */
static size_t
format_head(char line[LINE_MAX_CHARS], enum elog_level level)
{
    double now = clock_wall();
    time_t seconds = (time_t)now;
    struct tm utc;
    size_t used;

    gmtime_r(&seconds, &utc);
    used = strftime(line, LINE_MAX_CHARS, "%Y-%m-%dT%H:%M:%S", &utc);
    used += (size_t)snprintf(line + used, LINE_MAX_CHARS - used, ".%03dZ %-5s %s%s",
                             (int)((now - (double)seconds) * 1000), level_names[level], thread_name,
                             thread_name[0] ? ": " : "");
    return used;
}

static void
blank_controls(char *text)
{
    for (; *text; text++) {
        if ((unsigned char)*text < ' ' || *text == '\x7f')
            *text = ' ';
    }
}

/* A newline ends the line even when it had to be cut; newlines at the end of the text are ours. */
static size_t
finish_line(char line[LINE_MAX_CHARS])
{
    size_t size = strnlen(line, LINE_MAX_CHARS - 2);

    while (size > 0 && line[size - 1] == '\n')
        size--;
    line[size] = '\0';
    blank_controls(line);
    line[size] = '\n';
    line[size + 1] = '\0';
    return size + 1;
}

static void
emit_line(enum elog_level level, const char *line, size_t size)
{
    pthread_mutex_lock(&sink.lock);
    memcpy(sink.ring[sink.count++ % RING_LINES], line, size + 1);
    if (level <= atomic_load(&sink.level))
        write_all(sink.fd, line, size);
    pthread_mutex_unlock(&sink.lock);
}

static void log_text(enum elog_level level, const char *fmt, va_list ap) PRINTF_LIKE(2, 0);

static void
log_text(enum elog_level level, const char *fmt, va_list ap)
{
    char line[LINE_MAX_CHARS];
    int saved_errno = errno; // callers often log before they look at errno
    size_t used = format_head(line, level);

    vsnprintf(line + used, sizeof(line) - used, fmt, ap);
    emit_line(level, line, finish_line(line));
    errno = saved_errno;
}

void
elog(enum elog_level level, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    log_text(level, fmt, ap);
    va_end(ap);
}

void
elog_limit_tell(struct elog_limit *limit)
{
    if (limit->lines == 0 || clock_ms() - limit->since < ELOG_LIMIT_MS)
        return;
    if (limit->left_out > 0)
        elog(ELOG_WARN, "%llu more lines like the last ones were left out",
             (unsigned long long)limit->left_out);
    *limit = (struct elog_limit){0};
}

void
elog_limited(struct elog_limit *limit, enum elog_level level, const char *fmt, ...)
{
    va_list ap;

    elog_limit_tell(limit);
    if (limit->lines >= ELOG_LIMIT_LINES) {
        limit->left_out++;
        return;
    }
    if (limit->lines++ == 0)
        limit->since = clock_ms();
    va_start(ap, fmt);
    log_text(level, fmt, ap);
    va_end(ap);
}

static void
write_ring(void)
{
    static const char head[] = "--- last log lines of every level ---\n";
    uint64_t first = sink.count > RING_LINES ? sink.count - RING_LINES : 0;

    write_all(STDERR_FILENO, head, sizeof(head) - 1);
    for (uint64_t i = first; i < sink.count; i++) {
        const char *line = sink.ring[i % RING_LINES];

        write_all(STDERR_FILENO, line, strnlen(line, LINE_MAX_CHARS));
    }
}

/* SA_RESETHAND and SA_NODEFER: the second raise really ends the process, with a core. */
static void
on_abort(int signum)
{
    write_ring();
    raise(signum);
}

void
elog_dump_on_abort(void)
{
    struct sigaction action = {.sa_handler = on_abort};

    action.sa_flags = (int)(SA_RESETHAND | SA_NODEFER);
    sigemptyset(&action.sa_mask);
    sigaction(SIGABRT, &action, NULL);
}
