/* SPDX-License-Identifier: MPL-2.0 */
/* exact.h - what an exact archive says beside paths, values and links: the texts of its attributes
 * (xylem-dump(1), "Exact archives").  Pure; texts that are read are anybody's. */
#ifndef XYLEM_EXACT_H
#define XYLEM_EXACT_H

#include "buf.h"
#include "xerr.h"

/* Names of attributes. */
#define EXACT_BLOBS "blobs"     // of a file: how its value is cut
#define EXACT_OBJECT "object"   // of a link: the tree object
#define EXACT_FORM "form"       // of a directory: how it is stored
#define EXACT_REMOVED "removed" // of a directory: keys below it that are no more
#define EXACT_SECTION "section" // of a directory: a tree begins (section.h)

#define EXACT_BLOBS_MAX (512 * 1024)  // bytes of text
#define EXACT_REMOVED_MAX (64 * 1024) // likewise

/* ---- blobs ---- */

/* "inline": the value is in its directory. */
#define EXACT_INLINE_VALUE "inline"

struct exact_run {
    uint64_t size;  // bytes of a blob
    uint64_t count; // blobs of that size in a row
};

/* The sizes of the blobs of a value, in order.  All zero is none. */
struct exact_sizes {
    struct exact_run *runs; // owned array
    size_t count;           // runs
    size_t capacity;        // allocated runs
    uint64_t empty;         // blobs without a byte
    bool is_too_long;       // more than can be told: what is here is only the first of them
    size_t next;            // run to hand out from
    uint64_t taken;         // of it
};

void exact_sizes_fini(struct exact_sizes *s);
void exact_sizes_reset(struct exact_sizes *s);
void exact_sizes_add(struct exact_sizes *s, uint64_t size);
/* Append the text.  false: it is too long, and nothing was appended. */
bool exact_sizes_format(const struct exact_sizes *s, struct buf *out);

/* -EINVAL with text: not such a text, a blob is larger than `max`, or they are not `total` bytes. */
int exact_sizes_parse(const char *text, size_t len, uint64_t total, uint64_t max,
                      struct exact_sizes *ret, struct err *err);
/* One after the other; false at the end. */
bool exact_sizes_next(struct exact_sizes *s, uint64_t *ret);

static inline void
exact_sizes_auto(struct exact_sizes *s)
{
    exact_sizes_fini(s);
}

/* ---- forms of directories ---- */

enum exact_form {
    EXACT_AS_LAID_OUT, // as its number of entries says
    EXACT_DIR,         // one blob
    EXACT_HDIR,        // a wide one
    EXACT_INLINE,      // no blob of its own
};

/* How a directory of so many entries is stored that is inline, or wide, or neither; max: entries of one that is
 * not wide where it is laid out. */
enum exact_form exact_form_of(bool is_inline, bool is_wide, uint64_t entries, uint64_t max);

const char *exact_form_name(enum exact_form form);
/* -EINVAL: none of them. */
int exact_form_parse(const char *text, size_t len, enum exact_form *ret);

/* ---- removed keys ---- */

/* Append a path.  is_dir: an empty directory is no more, not a value or link.  false: the list is full, and
 * nothing was appended. */
bool exact_removed_add(struct buf *list, const char *path, bool is_dir);

/* From *at on: the next path, appended without the '/' at its end; false at the end of the list. */
bool exact_removed_next(const char *list, size_t len, size_t *at, struct buf *path,
                        bool *ret_is_dir);

#endif
