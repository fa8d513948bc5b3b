/* SPDX-License-Identifier: MPL-2.0 */
/* archive_writer.h - write an archive to a file descriptor, one entry after the other.
 * Hides libarchive: this, archive_sink and archive_reader are its only users. */
#ifndef XYLEM_ARCHIVE_WRITER_H
#define XYLEM_ARCHIVE_WRITER_H

#include "archive_format.h"
#include "archive_header.h"

#include <sys/types.h>

struct archive_writer;

struct archive_stamp { // the same for every entry
    uid_t uid;         // owner; no names are stored
    gid_t gid;
    int64_t mtime; // seconds since the epoch
};

/* fd is borrowed.  LC_CTYPE must be UTF-8.  -errno with text. */
int archive_writer_open(struct archive_writer **ret, const struct archive_format *format, int fd,
                        const struct archive_stamp *stamp, struct err *err);

/* Before the first entry: what the archive is going to hold.  Only tar has a place for it; for the others
 * nothing is written. */
int archive_writer_header(struct archive_writer *w, const struct archive_header *h,
                          struct err *err);

/* Begin a regular file (mode 0644) of exactly `size` bytes, which archive_writer_data() brings.
 * -errno with text; -EINVAL: the format cannot hold this name or size. */
int archive_writer_file(struct archive_writer *w, const char *path, uint64_t size, struct err *err);
int archive_writer_data(struct archive_writer *w, const void *data, size_t size, struct err *err);

int archive_writer_symlink(struct archive_writer *w, const char *path, const char *target,
                           struct err *err);

/* A directory; path: with a '/' at its end, "./" = the root.  -ENOTSUP: not tar. */
int archive_writer_dir(struct archive_writer *w, const char *path, struct err *err);

/* The next entry has this attribute, too; name: what follows "user.xylem." (exact.h).  -ENOTSUP: not tar. */
int archive_writer_attribute(struct archive_writer *w, const char *name, const void *value,
                             size_t size, struct err *err);

/* Write what is left.  Without it the archive is not complete.  end: what it does hold, when it has a
 * header; may be NULL. */
int archive_writer_close(struct archive_writer *w, const struct archive_end *end, struct err *err);

void archive_writer_free(struct archive_writer **w); // NULL is fine

#endif
