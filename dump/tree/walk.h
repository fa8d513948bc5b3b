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

#include "exact.h"
#include "filter.h"
#include "key.h"
#include "treeobj.h"

struct walk;
struct walk_load;

enum walk_kind {
    WALK_DATA, // bytes of a value; a value comes in one or more pieces
    WALK_LINK, // a symlink
    WALK_DIR,  // with walk_set_exact(): a directory of which its keys do not tell all
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
    bool is_inline;             // DATA: it was in the directory, not in blobs
    struct digest ref;          // DATA: if not, the blob that the piece is
    const struct treeobj *link; // LINK
    bool is_empty;              // DIR: nothing is in it
    enum exact_form form;       // DIR: how it is stored, if its number of entries does not tell
    bool is_part;               // FAILED: only a part of the directory; the rest comes next
    int errnum;                 // FAILED: negative errno
    const char *error;          // FAILED: a sentence, with the blobref
};

/* maxreqs: loads wanted and not finished at any time, >= 1; see walk_set_group(). */
struct walk *walk_new(enum digest_alg alg, const struct digest *root, size_t maxreqs);

/* Only what is at `key` and below it, which *obj is (consumed); the key has names.  Paths are the same as in
 * the whole tree. */
struct walk *walk_new_at(enum digest_alg alg, const struct key *key, struct treeobj **obj,
                         size_t maxreqs);

/* Only these: *objects (consumed) is a dir that is made up, in which names are whole paths. */
struct walk *walk_new_of(enum digest_alg alg, struct treeobj **objects, size_t maxreqs);

/* Before the first walk_want(): leave out what the filter (borrowed) does not let through. */
void walk_set_filter(struct walk *w, const struct filter *filter);

/* Before the first walk_want(): directories of more entries than this are wide ones (UINT64_MAX: none). */
void walk_set_maxdirent(struct walk *w, uint64_t max);

/* Before the first walk_want(), with walk_set_maxdirent(): yield empty directories, and those of a form that does
 * not follow from the number of their entries, before what is in them.  Not the root when it is only
 * empty. */
void walk_set_exact(struct walk *w);

/* At the end: were all directories of a form that follows from the keys alone?  Not when one is empty, not
 * a blob of its own, or not as wide as it should be; with walk_set_exact() always, for they were yielded. */
bool walk_is_canonical(const struct walk *w);

/* Before the first walk_want(): a request is a group of loads: `loads` blobs at most, and as many as make
 * `bytes` if they are like those that came last, but one at least.  maxreqs groups can be out then. */
void walk_set_group(struct walk *w, size_t loads, size_t bytes);

/* Has every load been finished?  At the end some may still be out whose answers nobody needs. */
bool walk_is_idle(const struct walk *w);

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
