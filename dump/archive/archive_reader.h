/* SPDX-License-Identifier: MPL-2.0 */
/* archive_reader.h - read an archive from a file descriptor, entry by entry.
 * Hides libarchive: this, archive_writer and archive_sink are its only users. */
#ifndef XYLEM_ARCHIVE_READER_H
#define XYLEM_ARCHIVE_READER_H

#include "archive_header.h"

#include <sys/types.h>

struct archive_reader;

enum archive_kind { ARCHIVE_FILE, ARCHIVE_DIR, ARCHIVE_SYMLINK, ARCHIVE_HARDLINK, ARCHIVE_OTHER };

struct archive_item {
    const char *path;       // as in the archive; NULL = it cannot be read as text
    enum archive_kind kind; // OTHER: device, fifo, socket
    const char *target;     // SYMLINK, HARDLINK: text, as in the archive; NULL = cannot be read
    bool has_size;          // is the size told before the content?
    uint64_t size;          // bytes, if has_size
    int64_t mtime;          // seconds since the epoch, 0 = not told
};

/* tar (plain or compressed), zip, cpio, 7zip, iso9660.  fd is borrowed; zip and 7zip from one that cannot
 * seek go into a temporary file first.  LC_CTYPE must be UTF-8.  -errno with text: not an archive of these, or not readable. */
int archive_reader_open(struct archive_reader **ret, int fd, struct err *err);

/* What the archive says about itself, borrowed; NULL: nothing.  -EPROTO from archive_reader_open() when
 * that is damaged or of a later version. */
const struct archive_header *archive_reader_header(const struct archive_reader *r);

/* After the last entry of an archive that has a header: what it says it holds.  NULL: that is missing,
 * so the archive was changed since it was written. */
const struct archive_end *archive_reader_end(const struct archive_reader *r);

/* After the last entry.  -EIO with text: the header is not the one that was written, as the end says. */
int archive_reader_check_header(const struct archive_reader *r, struct err *err);

/* 1 and the next entry, valid until the next call; 0 at the end; -errno with text: damaged or
 * truncated. */
int archive_reader_next(struct archive_reader *r, struct archive_item *ret, struct err *err);

/* Content of the current entry, in order, holes as zeros: bytes read (less than `size` only at the
 * end), 0 at the end, -errno with text. */
ssize_t archive_reader_data(struct archive_reader *r, void *data, size_t size, struct err *err);

/* An attribute of the current entry, borrowed until the next; name: what follows "user.xylem.".  NULL: it has
 * none of that name; never NULL if it has. */
const char *archive_reader_attribute(const struct archive_reader *r, const char *name,
                                     size_t *ret_size);

void archive_reader_free(struct archive_reader **r); // NULL is fine

#endif
