/* SPDX-License-Identifier: MPL-2.0 */
/* archive_file.h - where an archive is read from: a file, or standard input, which is "-". */
#ifndef XYLEM_ARCHIVE_FILE_H
#define XYLEM_ARCHIVE_FILE_H

#include "archive_header.h"
#include "layout.h"
#include "xerr.h"

/* What it is called in a message; borrowed. */
const char *archive_file_name(const char *path);

/* 0 and *ret_fd; -errno with text, naming the file: *ret_fd is -1. */
int archive_file_open(const char *path, int *ret_fd, struct err *err);

/* The layout of the trees in an archive with this header. */
struct layout archive_file_layout(const struct archive_header *h);

/* Standard input stays open; harmless when nothing is open. */
void archive_file_close(int *fd);

#endif
