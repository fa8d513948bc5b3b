/* SPDX-License-Identifier: MPL-2.0 */
/* archive_header.h - what a tar archive of xylem-dump says about itself (xylem-dump(1), "The header").
 *
 * Two comments that tar programs overlook: "xylem-archive {JSON}" before the first entry tells what the
 * archive is going to hold, "xylem-archive-end {JSON}" behind the end mark what it does hold.
 */
#ifndef XYLEM_ARCHIVE_HEADER_H
#define XYLEM_ARCHIVE_HEADER_H

#include "blobref.h"
#include "buf.h"
#include "xerr.h"

#define ARCHIVE_VERSION 1
#define ARCHIVE_ATTRIBUTE_PREFIX "user.xylem." // of the names of extended attributes
#define ARCHIVE_HEADER_MAX (32 * 1024)         // bytes of the blocks of a header, at most
#define ARCHIVE_END_SIZE 2048 // bytes of the blocks of an end, its end mark included

enum archive_header_kind {
    ARCHIVE_FULL,        // all keys of the root
    ARCHIVE_PARTIAL,     // some of them
    ARCHIVE_INCREMENTAL, // what has changed since another root
    ARCHIVE_ALL,         // all that the instance knows
};

struct archive_header {
    enum archive_header_kind kind;
    enum digest_alg alg;
    struct digest root;       // of the tree that was archived
    char *ns;                 // owned; its namespace; NULL = not told
    bool has_sequence;        // is it told?
    int64_t sequence;         // of the root in its namespace
    uint64_t maxdirent;       // form of directories; 0: none is a wide one
    uint64_t blob_size_limit; // bytes
    char *prefix;             // owned; PARTIAL: key below which there is everything, or NULL
    bool is_exact;            // it is meant to tell all that makes the root what it is
    struct digest since;      // INCREMENTAL: root of the tree that it is the difference from
    struct digest digest;     // of the text, when it was read
};

struct archive_end {
    uint64_t keys;   // values and links in the archive
    uint64_t bytes;  // of the values
    uint64_t failed; // keys that could not be read
    bool is_exact;   // the archive holds all that makes the root what it is
    enum digest_alg alg;
    struct digest header;  // of the text of the header
    struct digest content; // of all that is in the archive (content.h)
};

void archive_header_fini(struct archive_header *h);

/* "full" ... */
const char *archive_kind_name(enum archive_header_kind kind);

/* Append the blocks, all that is told of the end with its end mark.  *ret: the digest of the header's text. */
void archive_header_encode(const struct archive_header *h, struct buf *out, struct digest *ret);
void archive_end_encode(const struct archive_end *e, struct buf *out);

/* The first bytes of an archive: 1 and the header, 0: it has none; -EPROTO with text: it is damaged or
 * of a later version. */
int archive_header_decode(const void *data, size_t size, struct archive_header *ret,
                          struct err *err);

/* The last ARCHIVE_END_SIZE bytes of an archive.  -ENOENT: it has none. */
int archive_end_decode(const void *data, size_t size, struct archive_end *ret);

#endif
