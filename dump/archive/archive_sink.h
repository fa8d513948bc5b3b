/* SPDX-License-Identifier: MPL-2.0 */
/* archive_sink.h - bytes to a file descriptor, compressed on the way or as they are.
 * With archive_writer and archive_reader the only user of libarchive. */
#ifndef XYLEM_ARCHIVE_SINK_H
#define XYLEM_ARCHIVE_SINK_H

#include "archive_format.h"

struct archive_sink;

/* fd is borrowed.  -errno with text. */
int archive_sink_open(struct archive_sink **ret, enum archive_filter filter, int fd,
                      struct err *err);

/* -errno with text. */
int archive_sink_write(struct archive_sink *s, const void *data, size_t size, struct err *err);

/* Write what is left. */
int archive_sink_close(struct archive_sink *s, struct err *err);

/* Without a close before, what has not been written yet is dropped.  NULL is fine. */
void archive_sink_free(struct archive_sink **s);

#endif
