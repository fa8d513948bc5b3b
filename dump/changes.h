/* SPDX-License-Identifier: MPL-2.0 */
/* changes.h - brings a comparison of two trees (diff.h) the directories it wants: from archives whose trees are
 * in memory, and else from a depot, many at a time.  Blobs are named by what they are, so it does not matter which
 * of the two trees one is of. */
#ifndef XYLEM_CHANGES_H
#define XYLEM_CHANGES_H

#include "archive_tree.h"
#include "depot.h"
#include "diff.h"

#define CHANGES_TREES 2

/* Asked for a blob that the depot cannot give: true and its bytes, borrowed until the next call; or false. */
typedef bool (*changes_spare_fn)(void *arg, const struct digest *d, const void **ret_data,
                                 size_t *ret_size);

struct changes {
    const struct archive_tree *trees[CHANGES_TREES]; // borrowed; looked at first; NULL: none
    struct depot *depot;                             // borrowed; NULL: all is in the trees
    changes_spare_fn spare;                          // NULL: what the depot has not is lost
    void *spare_arg;
    struct diff *diff; // owned
    size_t out;        // loads under way
};

/* Nothing is asked for yet: then the members above it can be set.  A root that is NULL is a tree without keys.
 * maxreqs: requests under way at the same time, of up to 32 blobs. */
void changes_init(struct changes *c, enum digest_alg alg, const struct digest *old_root,
                  const struct digest *new_root, size_t maxreqs);

/* Waits for what is under way, unless the depot was closed before. */
void changes_fini(struct changes *c);

/* CHANGE, FAILED or END, never DIFF_WAIT; valid until the next call.  -errno with text: the depot is gone. */
int changes_next(struct changes *c, const struct diff_item **ret, struct err *err);

#endif
