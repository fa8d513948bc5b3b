/* SPDX-License-Identifier: MPL-2.0 */
/* tar_block.h - the 512-byte blocks that a tar archive is made of (POSIX.1-2001, "pax Interchange
 * Format").  Pure: only appends to buffers, or looks at bytes. */
#ifndef XYLEM_TAR_BLOCK_H
#define XYLEM_TAR_BLOCK_H

#include "buf.h"

#define TAR_BLOCK 512
#define TAR_END (2 * TAR_BLOCK) // zero bytes at the end of an archive

enum tar_type { TAR_FILE = '0', TAR_SYMLINK = '2', TAR_DIR = '5' };

struct tar_entry {
    enum tar_type type;
    const char *path;   // UTF-8, relative, not empty; ends with '/' if it is a DIR, and only then
    const char *target; // SYMLINK: UTF-8
    uint64_t size;      // FILE: bytes of content, which follow, and then tar_padding()
    uint32_t uid;       // owner; no names are stored
    uint32_t gid;
    int64_t mtime;             // seconds since the epoch
    const struct buf *records; // borrowed; tar_add_attribute() has put them there; NULL = none
};

/* Append the header of an entry: plain ustar where it holds all of it, else a pax header in front has
 * what does not fit. */
void tar_add_entry(const struct tar_entry *e, struct buf *out);

/* Append an extended attribute of the entry that the records are for.  name: without '='. */
void tar_add_attribute(const char *name, const void *value, size_t size, struct buf *records);

/* Bytes that bring `size` bytes of content to the end of a block. */
size_t tar_padding(uint64_t size);

/* Append a pax global header of one record, a comment: text without NULs, which tar programs
 * overlook. */
void tar_add_comment(const char *text, struct buf *out);

/* The comment of a global header at the start of `data`: a malloc()ed text, or NULL when there is none
 * or not all of it. */
char *tar_find_comment(const void *data, size_t size);

#endif
