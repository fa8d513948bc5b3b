/* SPDX-License-Identifier: MPL-2.0 */
/* eventlog_text.c - see eventlog_text.h. */
#include "eventlog_text.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define LATEST 1e11 // seconds; beyond it, about the year 5000, there are no dates

/* Colours are those of Flux. */
#define RESET "\033[0m"
#define NAME "\033[33m"
#define EXCEPTION "\033[1m\033[31m"
#define TIME "\033[32m"
#define DATE "\033[1m\033[32m"
#define KEY "\033[34m"
#define VALUE "\033[35m"
#define NUMBER "\033[37m"

static const char *
paint(const struct eventlog_style *s, const char *code)
{
    return s->color ? code : "";
}

static void
add_text(const char *text, struct buf *out)
{
    for (; *text; text++)
        buf_add_char(out, (unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text);
}

/* --- time --- */

static bool
is_same_minute(const struct tm *a, const struct tm *b)
{
    return a->tm_year == b->tm_year && a->tm_yday == b->tm_yday && a->tm_hour == b->tm_hour &&
           a->tm_min == b->tm_min;
}

static void
add_date(struct eventlog_style *s, double timestamp, const struct tm *minute, struct buf *out)
{
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

    s->minute = *minute;
    s->since = timestamp;
    buf_printf(out, "%s[%s%02d %02d:%02d]%s", paint(s, DATE), months[minute->tm_mon],
               minute->tm_mday, minute->tm_hour, minute->tm_min, paint(s, RESET));
}

static void
add_human_time(struct eventlog_style *s, double timestamp, struct buf *out)
{
    bool has_date = timestamp < LATEST;
    time_t seconds = has_date ? (time_t)timestamp : 0;
    struct tm minute;

    has_date = has_date && localtime_r(&seconds, &minute);
    if (has_date && !is_same_minute(&minute, &s->minute)) {
        add_date(s, timestamp, &minute, out);
        return;
    }
    buf_printf(out, "%s[%+11.6f]%s", paint(s, TIME), has_date ? timestamp - s->since : timestamp,
               paint(s, RESET));
}

static void
add_time(struct eventlog_style *s, double timestamp, struct buf *out)
{
    if (s->form == EVENTLOG_HUMAN)
        add_human_time(s, timestamp, out);
    else
        buf_printf(out, "%s%f%s", paint(s, TIME), timestamp, paint(s, RESET));
}

/* --- the rest --- */

static void
add_name(const struct eventlog_style *s, const char *name, struct buf *out)
{
    buf_add_str(out, paint(s, strcmp(name, "exception") == 0 ? EXCEPTION : NAME));
    add_text(name, out);
    buf_add_str(out, paint(s, RESET));
}

static void
add_member(const struct eventlog_style *s, const char *key, const json_t *value, struct buf *out)
{
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);

    buf_printf(out, " %s", paint(s, KEY));
    add_text(key, out);
    buf_printf(out, "%s=%s", paint(s, RESET), paint(s, json_is_number(value) ? NUMBER : VALUE));
    add_text(text, out);
    buf_add_str(out, paint(s, RESET));
    free(text);
}

void
eventlog_format(struct eventlog_style *s, const struct eventlog_entry *e, struct buf *out)
{
    json_t *context = (json_t *)(uintptr_t)e->context; // only read
    const char *key;
    json_t *value;

    if (s->form == EVENTLOG_RAW) {
        buf_add(out, e->line, e->size);
        buf_add_char(out, '\n');
        return;
    }
    add_time(s, e->timestamp, out);
    buf_add_char(out, ' ');
    add_name(s, e->name, out);
    json_object_foreach(context, key, value) add_member(s, key, value, out);
    buf_add_char(out, '\n');
}
