/* SPDX-License-Identifier: MPL-2.0 */
/* progress.c - keys or a count, and a summary.
 * The clock is asked for every key up to ten and then for every hundredth: looking at it must not
 * be what takes the time. */
#include "progress.h"
#include "buf.h"
#include "clock.h"
#include "key.h"
#include "xmem.h"

#include <inttypes.h>
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#define PAINT_MS 100 // between two counts on a terminal

void
progress_init(struct progress *p, const char *program, const char *verb, bool verbose, bool quiet)
{
    *p = (struct progress){.program = program,
                           .verb = verb,
                           .verbose = verbose,
                           .quiet = quiet,
                           .is_tty = isatty(STDERR_FILENO),
                           .painted_ms = clock_ms() - PAINT_MS};
    setlocale(LC_CTYPE, "C.UTF-8"); // keys are UTF-8 whatever the user's language
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

static void
paint_count(struct progress *p, int64_t now_ms)
{
    if (p->quiet || p->verbose || !p->is_tty || now_ms - p->painted_ms < PAINT_MS)
        return;
    fprintf(stderr, "\r%s: %s %" PRIu64 " keys", p->program, p->verb, p->count);
    p->is_painted = true;
    p->painted_ms = now_ms;
}

void
progress_key(struct progress *p, const char *path)
{
    int64_t now_ms;

    p->count++;
    if (p->verbose && !p->quiet)
        print_key(path);
    if (p->count > 10 && p->count % 100 != 0)
        return;
    now_ms = clock_ms();
    paint_count(p, now_ms);
    if (p->notify)
        notify_progress(p->notify, p->program, p->verb, p->count, now_ms);
}

static void
leave_count(struct progress *p)
{
    if (p->is_painted)
        fputc('\n', stderr);
    p->is_painted = false;
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
    if (p->quiet)
        return;
    leave_count(p);
    fprintf(stderr, "%s: %s %" PRIu64 " keys, %" PRIu64 " bytes, root %s\n", p->program, p->verb,
            keys, bytes, rootref);
}
