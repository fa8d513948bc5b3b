/* SPDX-License-Identifier: MPL-2.0 */
/* walk.h - go through a KVS tree in key order, many loads at a time.
 *
 * Pull-style and pure: the walk says which blobs it wants, is given them in any order, and yields
 * values and links in bytewise order of their paths ('/' between names).  What it yields does not
 * depend on how many loads are allowed or on the order of their answers.
 *
 *     while ((load = walk_want(w)))      start loading walk_load_digest(load)
 *     item = walk_next(w)                WALK_WAIT: let a load finish, then go on from the top
 */
#ifndef XYLEM_WALK_H
#define XYLEM_WALK_H

#include "treeobj.h"

struct walk;
struct walk_load;

enum walk_kind {
    WALK_DATA, // bytes of a value; a value comes in one or more pieces
    WALK_LINK, // a symlink
    WALK_FAILED, // a key, or all below a directory or a part of one, could not be loaded; what is left
                 // of it is skipped
    WALK_WAIT, // nothing to yield before a load has finished
    WALK_END,  // all has been yielded
};

struct walk_item {
    enum walk_kind kind;
    const char *path;           // of the key, or of the directory that failed; "" = the root
    const void *data;           // DATA: the piece; never NULL
    size_t size;                // DATA: its bytes
    bool is_first;              // DATA: a value begins
    bool is_last;               // DATA: it ends
    const struct treeobj *link; // LINK
    bool is_part;               // FAILED: only a part of the directory; the rest comes next
    int errnum;                 // FAILED: negative errno
    const char *error;          // FAILED: a sentence, with the blobref
};

/* maxreqs: loads wanted and not finished at any time, >= 1. */
struct walk *walk_new(enum digest_alg alg, const struct digest *root, size_t maxreqs);

/* Every load must have been finished (given, or failed with -ECANCELED). */
void walk_free(struct walk **w);

/* A load to start now, NULL if there is none (until the next walk_next() or finished load). */
struct walk_load *walk_want(struct walk *w);
const struct digest *walk_load_digest(const struct walk_load *l);

/* Finish a load: exactly one of these, once; `l` is gone afterwards.  The bytes are copied. */
void walk_give(struct walk_load *l, const void *data, size_t size);
void walk_fail(struct walk_load *l, int errnum, const char *text);

/* What comes next; valid until the next walk_next(). */
const struct walk_item *walk_next(struct walk *w);

#endif
