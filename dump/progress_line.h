/* SPDX-License-Identifier: MPL-2.0 */
/* progress_line.h - one line that tells how far a job has come.  Pure: knows neither clock nor terminal. */
#ifndef XYLEM_PROGRESS_LINE_H
#define XYLEM_PROGRESS_LINE_H

#include "base.h"
#include "buf.h"

struct progress_line {
    const char *program; // "xylem-restore"
    const char *verb;    // "restored"
    uint64_t keys;       // so far
    uint64_t bytes;      // of their values; 0: not told
    uint64_t rate;       // bytes of values in a second, lately; 0: not told
    uint64_t done;       // bytes of the file that were read
    uint64_t total;      // bytes of the file; 0: nobody knows
    int64_t elapsed_ms;  // since it was begun to be read
};

/* The line, in ASCII, at most `columns` of them: with a bar where the total is known and there is room.  What
 * matters least is left out first. */
void progress_line_format(const struct progress_line *line, size_t columns, struct buf *out);

/* The same as text for a file: no bar, any length. */
void progress_line_format_plain(const struct progress_line *line, struct buf *out);

/* "1023 bytes", "1.0 KiB", "12.3 GiB" */
void progress_line_format_bytes(uint64_t bytes, struct buf *out);

#endif
