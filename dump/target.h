/* SPDX-License-Identifier: MPL-2.0 */
/* target.h - where a restored tree becomes visible, in one step. */
#ifndef XYLEM_TARGET_H
#define XYLEM_TARGET_H

#include "blobref.h"
#include "buf.h"
#include "xerr.h"
#include "xylem.h"

struct target {
    const char *key;     // key text, "." = the whole root; NULL = a checkpoint.  Borrowed
    enum digest_alg alg; // of the instance
};

struct target_tree {
    struct digest root; // of the tree that was built; all of it is stored
    struct buf dir;     // its root directory, encoded
    int64_t newest;     // latest mtime in the archive, seconds since the epoch; 0 = none
};

/* Can this target be written at all?  -EEXIST with text: a checkpoint while the key-value store
 * runs; other -errno with text: the key-value store does not answer. */
int target_check(const struct target *t, xylem_t *x, struct err *err);

/* Make the tree visible.  rootref gets the root that is current now: of the namespace, or of the
 * checkpoint.  -errno with text. */
int target_write(const struct target *t, xylem_t *x, const struct target_tree *tree,
                 char rootref[BLOBREF_MAX], struct err *err);

#endif
