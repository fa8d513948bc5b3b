/* SPDX-License-Identifier: MPL-2.0 */
/* made_archive.h - a tar archive in memory, made entry by entry, with a path to open it by. */
#ifndef XYLEM_TEST_MADE_ARCHIVE_H
#define XYLEM_TEST_MADE_ARCHIVE_H

#include "archive_writer.h"

struct made_archive {
    int fd;
    char path[64]; // of fd
    struct archive_writer *writer;
    struct archive_end end; // to be filled in before made_archive_close()
};

/* header: NULL = none. */
void made_archive_init(struct made_archive *a, const struct archive_header *header);
void made_archive_fini(struct made_archive *a);

void made_archive_file(struct made_archive *a, const char *path, const void *data, size_t size);
void made_archive_link(struct made_archive *a, const char *path, const char *target);

/* It is complete. */
void made_archive_close(struct made_archive *a);

#endif
