/* SPDX-License-Identifier: MPL-2.0 */
/* tree_priv.h - what tree.c and tree_apply.c share. */
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
    struct tree_pool pool;  // loaded directories
    struct tree_node *root; // owned; never a LEAF
    struct tree_edit edit;  // changes of the transaction being applied
    struct tree_load load;  // directories the transaction needs
    struct tree_made made;  // blobs since the last tree_write()
    struct digest written;  // root after the last tree_write()
    struct digest accepted; // root tree_discard() goes back to
};

#endif
