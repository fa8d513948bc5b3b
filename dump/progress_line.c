/* SPDX-License-Identifier: MPL-2.0 */
/* progress_line.c - see progress_line.h.
 *
 * A line is made of parts.  When it is too wide, parts go in the order of `leaves`, which are the last ones to
 * go last; when even one is too wide it is cut.  Room that is left goes to the bar.
 */
#include "progress_line.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define BAR_MIN 10         // columns of a bar without its brackets: less tells nothing
#define BAR_MAX 40         // more tells nothing more
#define ETA_AFTER_MS 1000  // before that it is a guess
#define ETA_MAX_S 359999.0 // 99:59:59

enum part { PROGRAM, SHARE, BAR, VERB, KEYS, BYTES, RATE, ETA, NPARTS };

/* What goes first.  KEYS stays. */
static const enum part leaves[] = {RATE, PROGRAM, VERB, BYTES, ETA, SHARE};

struct parts {
    char text[NPARTS][80]; // "" = is left out
};

void
progress_line_format_bytes(uint64_t bytes, struct buf *out)
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double value = (double)bytes / 1024.0;
    size_t u = 0;

    if (bytes < 1024) {
        buf_printf(out, "%" PRIu64 " bytes", bytes);
        return;
    }
    while (value >= 1023.95 && u + 1 < ARRAY_SIZE(units)) { // 1023.95 would be written 1024.0
        value /= 1024.0;
        u++;
    }
    buf_printf(out, "%.1f %s", value, units[u]);
}

/* ---- the parts ---- */

PRINTF_LIKE(3, 4) static void set(struct parts *p, enum part part, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vsnprintf(p->text[part], sizeof(p->text[part]), fmt, args);
    va_end(args);
}

/* The share of the file is the share of the time, as far as anybody knows. */
static void
set_eta(struct parts *p, const struct progress_line *line)
{
    double left_s;

    if (line->done == 0 || line->done >= line->total || line->elapsed_ms < ETA_AFTER_MS)
        return;
    left_s =
        (double)line->elapsed_ms / 1000.0 * (double)(line->total - line->done) / (double)line->done;
    if (left_s > ETA_MAX_S)
        return;
    if (left_s < 3600.0)
        set(p, ETA, ", ETA %d:%02d", (int)left_s / 60, (int)left_s % 60);
    else
        set(p, ETA, ", ETA %d:%02d:%02d", (int)left_s / 3600, (int)left_s / 60 % 60,
            (int)left_s % 60);
}

static void
set_size(struct parts *p, enum part part, uint64_t bytes, const char *per)
{
    AUTO(buf) struct buf text = BUF_INIT;

    progress_line_format_bytes(bytes, &text);
    set(p, part, ", %s%s", buf_str(&text), per);
}

/* The file may grow while it is read. */
static unsigned
percent(const struct progress_line *line)
{
    return (unsigned)((double)MIN(line->done, line->total) * 100.0 / (double)line->total);
}

static void
set_parts(struct parts *p, const struct progress_line *line)
{
    memset(p, 0, sizeof(*p));
    set(p, PROGRAM, "%s: ", line->program);
    set(p, VERB, "%s ", line->verb);
    set(p, KEYS, "%" PRIu64 " keys", line->keys);
    if (line->bytes > 0)
        set_size(p, BYTES, line->bytes, "");
    if (line->rate > 0)
        set_size(p, RATE, line->rate, "/s");
    if (line->total == 0)
        return;
    set(p, SHARE, "%u%% ", percent(line));
    set_eta(p, line);
}

/* ---- the line ---- */

static size_t
width_of(const struct parts *p)
{
    size_t width = 0;

    for (size_t i = 0; i < NPARTS; i++)
        width += strlen(p->text[i]);
    return width;
}

static void
set_bar(struct parts *p, const struct progress_line *line, size_t room)
{
    size_t columns = MIN(room, BAR_MAX + 3) - 3; // brackets and a space
    size_t filled = columns * percent(line) / 100;
    char *text = p->text[BAR];

    assert(columns + 4 <= sizeof(p->text[BAR]));
    *text++ = '[';
    memset(text, '#', filled);
    memset(text + filled, '.', columns - filled);
    memcpy(text + columns, "] ", 3);
}

static void
join(const struct parts *p, struct buf *out)
{
    for (size_t i = 0; i < NPARTS; i++)
        buf_add_str(out, p->text[i]);
}

void
progress_line_format(const struct progress_line *line, size_t columns, struct buf *out)
{
    struct parts p;
    size_t start = out->size;

    set_parts(&p, line);
    for (size_t i = 0; i < ARRAY_SIZE(leaves) && width_of(&p) > columns; i++)
        p.text[leaves[i]][0] = '\0';
    if (line->total > 0 && width_of(&p) + BAR_MIN + 3 <= columns)
        set_bar(&p, line, columns - width_of(&p));
    join(&p, out);
    if (out->size - start > columns) {
        out->size = start + columns;
        out->data[out->size] = '\0';
    }
}

void
progress_line_format_plain(const struct progress_line *line, struct buf *out)
{
    struct parts p;

    set_parts(&p, line);
    join(&p, out);
}
