/* SPDX-License-Identifier: MPL-2.0 */
/* output.h - a file that appears under its name only when it is complete.
 * One per process: signal handlers know it, so that an interrupted program leaves nothing. */
#ifndef XYLEM_OUTPUT_H
#define XYLEM_OUTPUT_H

#include "base.h"
#include "xerr.h"

struct output {
    const char *path; // borrowed; NULL = standard output
    int fd;           // open, or -1
};

/* path "-": standard output, refused if it is a terminal.  Else PATH.tmp.PID is made.  From now on
 * SIGHUP, SIGINT, SIGPIPE and SIGTERM remove it.  -errno with text. */
int output_open(struct output *o, const char *path, struct err *err);

/* What is written to fd, for messages: the path of output_open(), "standard output", or "output" for one
 * that was opened elsewhere.  Borrowed until output_commit() or output_discard(). */
const char *output_name(int fd);

/* fsync, rename, fsync of the directory.  The file is closed whatever happens. */
int output_commit(struct output *o, struct err *err);

/* Remove it; harmless after output_commit(). */
void output_discard(struct output *o);

#endif
