/* SPDX-License-Identifier: MPL-2.0 */
/* target.h - where a restored tree becomes visible, in one step. */
#ifndef XYLEM_TARGET_H
#define XYLEM_TARGET_H

#include "blobref.h"
#include "buf.h"
#include "depot.h"

struct target {
    const char *ns;  // borrowed; of the key
    const char *key; // key text, "." = the whole root; NULL = a checkpoint.  Borrowed
};

struct target_tree {
    struct digest root;      // of the tree that was built; all but the wide ones is stored
    struct buf dir;          // its root directory, as one dir object
    int64_t newest;          // latest mtime in the archive, seconds since the epoch; 0 = none
    struct depot_wide *wide; // owned array, children before their parents
    size_t nwide;
    bool has_base;      // is it what has been made of another tree?
    struct digest base; // that one: what is at the target until then
};

/* What is current after target_write(). */
struct target_root {
    char rootref[BLOBREF_MAX]; // of the namespace, or of the checkpoint
    int64_t sequence;          // of that root
};

void target_tree_fini(struct target_tree *tree);
/* data: `size` bytes of text, copied. */
void target_tree_add_wide(struct target_tree *tree, const char *key, const char *data, size_t size);

/* Can this target be written at all?  -EEXIST with text: a checkpoint while the key-value store
 * runs; other -errno with text: the key-value store does not answer. */
int target_check(const struct target *t, struct depot *d, struct err *err);

/* The directory that is at the target now.  -ENOENT: nothing is there; -ENOTDIR with text. */
int target_find(const struct target *t, struct depot *d, struct digest *ret, struct err *err);

/* Make the tree visible.  -errno with text. */
int target_write(const struct target *t, struct depot *d, const struct target_tree *tree,
                 struct target_root *ret, struct err *err);

#endif
