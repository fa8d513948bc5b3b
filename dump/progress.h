/* SPDX-License-Identifier: MPL-2.0 */
/* progress.h - what xylem-dump and xylem-restore say on stderr while they work and at the end, and to the
 * service manager.
 *
 *              terminal                       else
 * plain        a line that changes in place   a line every LINE_MS
 * verbose      a line for each key            a line for each key
 * quiet        nothing                        nothing
 * Warnings and errors are told in any case, on lines of their own.
 */
#ifndef XYLEM_PROGRESS_H
#define XYLEM_PROGRESS_H

#include "base.h"
#include "notify.h"

struct progress {
    const char *program;   // "xylem-dump"
    const char *verb;      // "archived"
    bool verbose;          // one line per key instead of a count
    bool quiet;            // only errors and warnings
    bool is_tty;           // stderr is a terminal
    bool is_shared;        // stderr is read by a program: no lines that it does not expect
    uint64_t count;        // keys so far
    uint64_t bytes;        // of values so far
    int fd;                // borrowed: the file that is read; -1: its size tells nothing
    uint64_t total;        // bytes of the file
    int64_t started_ms;    // when reading it began, monotonic
    int64_t painted_ms;    // when the count was told last, monotonic
    size_t painted;        // columns of the current line that show a count
    uint64_t rated_bytes;  // bytes when the rate was looked at
    double rate;           // bytes in a second, lately
    struct notify *notify; // borrowed; NULL = not wanted
};

void progress_init(struct progress *p, const char *program, const char *verb, bool verbose,
                   bool quiet);

/* The archive to be read, from where it is: if it is a regular file, its size is the total. */
void progress_watch_file(struct progress *p, int fd);

/* One more key; path has '/' between names. */
void progress_key(struct progress *p, const char *path);

/* So many more bytes of values. */
void progress_bytes(struct progress *p, size_t size);

/* Something else has been done. */
void progress_tick(struct progress *p);

/* "PROGRAM: TEXT" on a line of its own, also when quiet. */
void progress_warn(struct progress *p, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* The work is over, while there still is a rank to be told: rc < 0: it failed. */
void progress_end(struct progress *p, int rc);

/* The last line. */
void progress_finish(struct progress *p, uint64_t keys, uint64_t bytes, const char *rootref);

#endif
