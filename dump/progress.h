/* SPDX-License-Identifier: MPL-2.0 */
/* progress.h - what xylem-dump and xylem-restore say on stderr while they work and at the end. */
#ifndef XYLEM_PROGRESS_H
#define XYLEM_PROGRESS_H

#include "base.h"
#include "notify.h"

struct progress {
    const char *program;   // "xylem-dump"
    const char *verb;      // "archived"
    bool verbose;          // one line per key instead of a count
    bool quiet;            // only errors and warnings
    bool is_tty;           // stderr is a terminal: a count that changes in place
    bool is_painted;       // such a count is on the current line
    uint64_t count;        // keys so far
    int64_t painted_ms;    // when it was last painted, monotonic
    struct notify *notify; // borrowed; NULL = not wanted
};

void progress_init(struct progress *p, const char *program, const char *verb, bool verbose,
                   bool quiet);

/* One more key; path has '/' between names. */
void progress_key(struct progress *p, const char *path);

/* "PROGRAM: TEXT" on a line of its own, also when quiet. */
void progress_warn(struct progress *p, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* The last line. */
void progress_finish(struct progress *p, uint64_t keys, uint64_t bytes, const char *rootref);

#endif
