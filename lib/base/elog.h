/* SPDX-License-Identifier: MPL-2.0 */
/* elog.h - logging.  One sink per process (stderr or a file), a level, and a name per thread.
 * The last lines of every level are kept in a ring, which an abort() prints to stderr. */
#ifndef XYLEM_ELOG_H
#define XYLEM_ELOG_H

#include "base.h"
#include "xerr.h"

enum elog_level { ELOG_ERR, ELOG_WARN, ELOG_INFO, ELOG_DEBUG };

/* "err", "warn", "info", "debug" -> level; -EINVAL. */
int elog_level_parse(const char *name, enum elog_level *ret_level);

void elog_set_level(enum elog_level level);

/* NULL: stderr.  Appends; -errno with text when the file cannot be opened. */
int elog_open(const char *path, struct err *err);

/* Prefix of this thread's lines, e.g. "rank 3"; copied.  NULL: none. */
void elog_set_name(const char *name);

/* One line, no newline needed: "2026-01-31T12:00:00.123Z warn  rank 3: TEXT".  Thread-safe. */
void elog(enum elog_level level, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Lines that others can cause as often as they like: ELOG_LIMIT_LINES in ELOG_LIMIT_MS are put out, the
 * others counted.  All zero: none yet.  Of one thread. */
#define ELOG_LIMIT_LINES 10
#define ELOG_LIMIT_MS 60000
struct elog_limit {
    int64_t since;     // ms, monotonic: when the first of them was put out
    unsigned lines;    // put out since then
    uint64_t left_out; // likewise
};
void elog_limited(struct elog_limit *limit, enum elog_level level, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
/* To be called now and then: when the time is over, say how many were left out, if any. */
void elog_limit_tell(struct elog_limit *limit);

/* Print the ring when the process aborts (assertion).  Call once from main(). */
void elog_dump_on_abort(void);

#endif
