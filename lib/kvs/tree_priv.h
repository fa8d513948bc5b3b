/* SPDX-License-Identifier: MPL-2.0 */
/* tree_priv.h - what tree.c, tree_apply.c and tree_wide.c share. */
#ifndef XYLEM_TREE_PRIV_H
#define XYLEM_TREE_PRIV_H

#include "tree.h"
#include "tree_edit.h"
#include "tree_load.h"
#include "tree_made.h"
#include "tree_node.h"

struct tree {
    enum digest_alg alg;    // of the instance
    char *ns;               // owned; namespace of the tree, or NULL
    size_t blob_limit;      // bytes; longer values are cut
    struct hdir_form form;  // of directories
    struct tree_pool pool;  // loaded directories
    struct tree_node *root; // owned; never a LEAF
    struct tree_edit edit;  // changes of the transaction being applied
    struct tree_load load;  // directories the transaction needs
    struct tree_made made;  // blobs since the last tree_write()
    struct digest written;  // root after the last tree_write()
    struct digest accepted; // root tree_discard() goes back to
    struct tree_dir **wide; // owned array, borrowed: wide directories the transaction has changed
    size_t wide_count;      // elements
    size_t wide_capacity;   // allocated elements
    uint64_t round;         // number of tree_apply() calls
    uint64_t removed;       // entries removed since the last tree_write(), or more
};

enum { TREE_MISSING = 1 }; // a directory is not loaded

/* --- tree_apply.c --- */
/* A transaction: *made is for tree_end(), which consumes the result of its operations. */
void tree_begin(struct tree *t, size_t *ret_made);
int tree_end(struct tree *t, size_t made, int rc, struct err *err);

/* --- tree_wide.c --- */
/* Load the directory of a node of `parent` (NULL: the root).  0, TREE_MISSING, -EPROTO. */
int tree_load_dir(struct tree *t, const struct tree_dir *parent, struct tree_node *n,
                  struct err *err);

/* The transaction changes this directory, which is a wide one. */
void tree_wide_changed(struct tree *t, struct tree_dir *d);

/* At the end of a transaction: load what tree_wide_form() will need.  As tree_load_dir(). */
int tree_wide_settle(struct tree *t, struct err *err);

/* Give a changed directory the form its number of entries asks for.  level: of the directory; 0: it
 * is no slot.  true: its directory is a new one. */
bool tree_wide_form(struct tree *t, struct tree_node *n, unsigned level, uint64_t prefix);

#endif
