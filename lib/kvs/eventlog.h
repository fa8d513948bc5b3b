/* SPDX-License-Identifier: MPL-2.0 */
/* eventlog.h - RFC 18 eventlogs: a value of lines, each a JSON object that tells one event.
 *
 *     {"timestamp":1795244624.33,"name":"start","context":{"rank":3}}
 *
 * An event is appended to the value as a line of its own.  Logs are read in pieces of any size, as the
 * blobs of a value come.  Pure. */
#ifndef XYLEM_EVENTLOG_H
#define XYLEM_EVENTLOG_H

#include "base.h"
#include "buf.h"
#include "xerr.h"

#define EVENTLOG_LINE_MAX ((size_t)16 << 20) // bytes of one event

struct json_t;

/* Append the line of an event, with its newline.  context: JSON text of an object, or NULL.  -EINVAL
 * with text: a timestamp below 0 or none at all, a name that is empty or not UTF-8, or no such
 * object. */
int eventlog_encode(double timestamp, const char *name, const char *context, struct buf *out,
                    struct err *err);

/* --- reading --- */

/* All of it is borrowed from the reader, until its next call. */
struct eventlog_entry {
    double timestamp;             // seconds since the epoch, at least 0
    const char *name;             // not empty
    const struct json_t *context; // an object, or NULL
    const char *line;             // as it is stored, without the newline
    size_t size;                  // of the line
};

struct eventlog {
    struct buf text;     // what has come and is not read yet, from `next` on
    size_t next;         // where the next line begins
    size_t scanned;      // there is no newline between `next` and this
    uint64_t lines;      // read so far
    struct json_t *json; // owned; the entry that was read last, or NULL
};

#define EVENTLOG_INIT \
    { \
        BUF_INIT, 0, 0, 0, NULL \
    }

void eventlog_fini(struct eventlog *l);

/* The next bytes of the log. */
void eventlog_feed(struct eventlog *l, const void *data, size_t size);

/* 1 and *ret; 0: no whole line is there; -EPROTO with text: a line is no event, or too long, and it
 * ends there. */
int eventlog_next(struct eventlog *l, struct eventlog_entry *ret, struct err *err);

/* Nothing more comes.  -EPROTO with text when the last line has no end. */
int eventlog_finish(const struct eventlog *l, struct err *err);

static inline void
eventlog_auto(struct eventlog *l)
{
    eventlog_fini(l);
}

#endif
