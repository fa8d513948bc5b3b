/* SPDX-License-Identifier: MPL-2.0 */
/* progress.c - see progress.h.  The line on a terminal is painted over with spaces, not with control sequences,
 * so that any terminal will do; it is never as wide as the terminal, which would begin another line. */
#include "progress.h"
#include "buf.h"
#include "clock.h"
#include "key.h"
#include "progress_line.h"
#include "xmem.h"

#include <errno.h>
#include <inttypes.h>
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAINT_MS 100       // between two counts on a terminal
#define LINE_MS 10000      // between two lines elsewhere
#define RATE_MS 3000.0     // the rate is that of about so long
#define COLUMNS_DEFAULT 80 // of a terminal that does not know its width

void
progress_init(struct progress *p, const char *program, const char *verb, bool verbose, bool quiet)
{
    *p = (struct progress){.program = program,
                           .verb = verb,
                           .verbose = verbose,
                           .quiet = quiet,
                           .is_tty = isatty(STDERR_FILENO),
                           .fd = -1,
                           .started_ms = clock_ms(),
                           .painted_ms = clock_ms()};
    setlocale(LC_CTYPE, "C.UTF-8"); // keys are UTF-8 whatever the user's language
}

void
progress_watch_file(struct progress *p, int fd)
{
    struct stat st;
    bool has_size = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0;

    p->fd = has_size ? fd : -1;
    p->total = has_size ? (uint64_t)st.st_size : 0;
    p->started_ms = clock_ms();
}

/* ---- the count ---- */

static uint64_t
bytes_read(const struct progress *p)
{
    off_t at = p->fd >= 0 ? lseek(p->fd, 0, SEEK_CUR) : 0;

    return at > 0 ? (uint64_t)at : 0;
}

/* What is new since the last time counts for more the longer that is. */
static void
update_rate(struct progress *p, int64_t now_ms)
{
    double passed_ms = (double)(now_ms - p->painted_ms);
    double rate;

    if (passed_ms <= 0.0)
        return;
    rate = (double)(p->bytes - p->rated_bytes) * 1000.0 / passed_ms;
    if (p->rated_bytes == 0)
        p->rate = rate;
    else
        p->rate += (rate - p->rate) * passed_ms / (passed_ms + RATE_MS);
    p->rated_bytes = p->bytes;
}

static struct progress_line
line_at(const struct progress *p, int64_t now_ms)
{
    return (struct progress_line){.program = p->program,
                                  .verb = p->verb,
                                  .keys = p->count,
                                  .bytes = p->bytes,
                                  .rate = (uint64_t)p->rate,
                                  .done = bytes_read(p),
                                  .total = p->total,
                                  .elapsed_ms = now_ms - p->started_ms};
}

/* Asked each time: it changes when the window does. */
static size_t
terminal_columns(void)
{
    struct winsize size = {.ws_col = 0};

    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
        return COLUMNS_DEFAULT;
    return size.ws_col;
}

/* A job of the shell in the background leaves the terminal to others. */
static bool
is_in_background(void)
{
    pid_t group = tcgetpgrp(STDERR_FILENO);

    return group > 0 && group != getpgrp();
}

static void
paint(struct progress *p, const struct progress_line *line)
{
    AUTO(buf) struct buf text = BUF_INIT;
    size_t columns = terminal_columns() - 1;
    size_t width;

    if (is_in_background())
        return;
    buf_add_char(&text, '\r');
    progress_line_format(line, columns, &text);
    width = text.size - 1;
    while (text.size - 1 < MIN(p->painted, columns))
        buf_add_char(&text, ' ');
    fputs(buf_str(&text), stderr);
    p->painted = width;
}

static void
print_count(const struct progress_line *line)
{
    AUTO(buf) struct buf text = BUF_INIT;

    progress_line_format_plain(line, &text);
    fprintf(stderr, "%s\n", buf_str(&text));
}

static void
tell_count(struct progress *p, int64_t now_ms)
{
    struct progress_line line;

    if (now_ms - p->painted_ms < (p->is_tty ? PAINT_MS : LINE_MS))
        return;
    update_rate(p, now_ms);
    line = line_at(p, now_ms);
    if (p->is_tty)
        paint(p, &line);
    else
        print_count(&line);
    p->painted_ms = now_ms;
}

static void
leave_count(struct progress *p)
{
    if (p->painted > 0)
        fprintf(stderr, "\r%*s\r", (int)MIN(p->painted, terminal_columns() - 1), "");
    p->painted = 0;
}

/* ---- the service manager ---- */

static void
format_status(const struct progress *p, struct buf *out)
{
    buf_printf(out, "%s(1) has %s %" PRIu64 " keys, ", p->program, p->verb, p->count);
    progress_line_format_bytes(p->bytes, out);
}

static void
tell_service_manager(struct progress *p, int64_t now_ms)
{
    AUTO(buf) struct buf status = BUF_INIT;

    if (!notify_is_due(p->notify, now_ms))
        return;
    format_status(p, &status);
    notify_status(p->notify, buf_str(&status), now_ms);
}

void
progress_end(struct progress *p, int rc)
{
    AUTO(buf) struct buf status = BUF_INIT;

    leave_count(p);
    if (!p->notify)
        return;
    format_status(p, &status);
    buf_add_str(&status, rc < 0 ? " and has failed" : " and is done");
    notify_last(p->notify, buf_str(&status));
    p->notify = NULL;
}

/* ---- what happens ---- */

void
progress_tick(struct progress *p)
{
    bool wants_count = !p->quiet && !p->verbose && !p->is_shared;
    int64_t now_ms;

    if (!wants_count && !p->notify)
        return;
    now_ms = clock_ms();
    if (wants_count)
        tell_count(p, now_ms);
    if (p->notify)
        tell_service_manager(p, now_ms);
}

static void
print_key(const char *path)
{
    AUTO(key) struct key key = {.count = 0};
    AUTO(buf) struct buf text = BUF_INIT;

    if (key_from_path(path, &key, NULL) == 0)
        key_format(&key, &text);
    else
        buf_add_str(&text, path);
    fprintf(stderr, "%s\n", buf_str(&text));
}

void
progress_key(struct progress *p, const char *path)
{
    p->count++;
    if (p->verbose && !p->quiet)
        print_key(path);
    progress_tick(p);
}

void
progress_bytes(struct progress *p, size_t size)
{
    p->bytes += size;
    progress_tick(p);
}

void
progress_warn(struct progress *p, const char *fmt, ...)
{
    va_list args;
    char *text;
    int rc;

    leave_count(p);
    va_start(args, fmt);
    rc = vasprintf(&text, fmt, args);
    va_end(args);
    assert(rc >= 0);
    for (char *c = text; *c; c++) {
        if ((unsigned char)*c < ' ' || *c == 0x7f) // a name must not play tricks on a terminal
            *c = '?';
    }
    fprintf(stderr, "%s: %s\n", p->program, text);
    free(text);
}

void
progress_finish(struct progress *p, uint64_t keys, uint64_t bytes, const char *rootref)
{
    leave_count(p);
    if (p->quiet)
        return;
    fprintf(stderr, "%s: %s %" PRIu64 " keys, %" PRIu64 " bytes, root %s\n", p->program, p->verb,
            keys, bytes, rootref);
}
