/* SPDX-License-Identifier: MPL-2.0 */
/* diff.h - what is different between two trees, in key order, many loads at a time
 * (xylem-kvs(7), "History and differences").
 *
 * Pull-style and pure: the comparison says which directories it wants, is given them in any order, and
 * yields the keys that are not the same in both.  Directories that both trees have are not asked for, so the
 * cost is that of what differs.  What it yields does not depend on how many loads are allowed or on
 * the order of their answers.
 *
 *     while ((load = diff_want(d)))      start loading diff_load_digest(load)
 *     item = diff_next(d)                DIFF_WAIT: let a load finish, then go on from the top
 *
 * A tree is seen as a set of values, links and empty directories (the root, which is always there, is no
 * member).  A key is in it once, with its tree object; so two sets and their differences say all about
 * two trees.  The order is the bytewise one of paths, where an empty directory has a '/' at its end.
 */
#ifndef XYLEM_DIFF_H
#define XYLEM_DIFF_H

#include "diff_dir.h"

struct diff;
struct diff_load;

enum diff_kind {
    DIFF_CHANGE, // a key that is not the same in both
    DIFF_DIR,    // with diff_tell_dirs(): a directory that is not the same in both
    DIFF_FAILED, // all below a directory could not be compared; it is skipped
    DIFF_WAIT,   // nothing to yield before a load has finished
    DIFF_END,    // all has been yielded
};

struct diff_item {
    enum diff_kind kind;
    const char *path;          // names joined by '/'; FAILED: of the directory; "" = the root
    const struct treeobj *old; // CHANGE: as stored; NULL: it was added
    const struct treeobj *new; // CHANGE: as stored; NULL: it was removed
    struct diff_form form[DIFF_SIDES]; // DIR: how it is stored
    int errnum;                        // FAILED: negative errno
    const char *error;                 // FAILED: a sentence, with the blobref
};

/* A root that is NULL is a tree without keys.  maxreqs: loads wanted and not finished at any time, >= 1. */
struct diff *diff_new(enum digest_alg alg, const struct digest *old_root,
                      const struct digest *new_root, size_t maxreqs);

/* Before the first diff_want(): yield directories, too, each before what is below it. */
void diff_tell_dirs(struct diff *d);

/* Every load must have been finished (given, or failed with -ECANCELED). */
void diff_free(struct diff **d);

/* A load to start now, NULL if there is none (until the next diff_next() or finished load). */
struct diff_load *diff_want(struct diff *d);
const struct digest *diff_load_digest(const struct diff_load *l);

/* Finish a load: exactly one of these, once; `l` is gone afterwards. */
void diff_give(struct diff_load *l, const void *data, size_t size);
void diff_fail(struct diff_load *l, int errnum, const char *text);

/* What comes next; valid until the next diff_next(). */
const struct diff_item *diff_next(struct diff *d);

#endif
