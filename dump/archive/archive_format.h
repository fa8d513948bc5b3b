/* SPDX-License-Identifier: MPL-2.0 */
/* archive_format.h - which archive format a file name asks for.  Pure: knows names, not libarchive.
 * man page: xylem-dump(1), the list behind OUTFILE. */
#ifndef XYLEM_ARCHIVE_FORMAT_H
#define XYLEM_ARCHIVE_FORMAT_H

#include "base.h"
#include "xerr.h"

enum archive_container {
    CONTAINER_TAR,
    CONTAINER_ZIP,
    CONTAINER_CPIO,
    CONTAINER_7ZIP,
    CONTAINER_ISO
};

enum archive_filter { FILTER_NONE, FILTER_GZIP, FILTER_BZIP2, FILTER_XZ, FILTER_ZSTD, FILTER_LZ4 };

struct archive_format {
    const char *extension;            // with its dot
    enum archive_container container; // what the entries are kept in
    enum archive_filter filter;       // what the whole of it is compressed with
};

/* The row for the ending of `path`; -EINVAL with a text that lists the endings known. */
int archive_format_by_path(const char *path, const struct archive_format **ret, struct err *err);

/* Uncompressed tar: what goes to standard output. */
const struct archive_format *archive_format_tar(void);

#endif
