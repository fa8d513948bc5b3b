/* SPDX-License-Identifier: MPL-2.0 */
/* tree_edit.h - changes to a tree in memory that can be taken back. */
#ifndef XYLEM_TREE_EDIT_H
#define XYLEM_TREE_EDIT_H

#include "tree_node.h"

struct edit_step;

struct tree_edit {
    struct tree_pool *pool;  // borrowed
    struct edit_step *steps; // owned array, oldest first
    size_t count;            // steps
    size_t capacity;         // allocated elements of steps
};

void tree_edit_init(struct tree_edit *e, struct tree_pool *pool);
void tree_edit_fini(struct tree_edit *e); // nothing may be pending

/* Mark a loaded directory as changed; nothing if it is already. */
void tree_edit_change(struct tree_edit *e, struct tree_node *n);

/* Add an entry / replace its content / remove it.  *entry and *dir are consumed. */
struct tree_node *tree_edit_add(struct tree_edit *e, struct tree_dir *parent, const char *name,
                                struct treeobj **entry, struct tree_dir **dir);
void tree_edit_replace(struct tree_edit *e, struct tree_node *n, struct treeobj **entry,
                       struct tree_dir **dir);
void tree_edit_remove(struct tree_edit *e, struct tree_dir *parent, struct tree_node *n);

/* One more reference for a VALREF. */
void tree_edit_add_ref(struct tree_edit *e, struct tree_node *n, const struct digest *ref);

/* Take all back / keep all.  Nothing is pending afterwards. */
void tree_edit_rollback(struct tree_edit *e);
void tree_edit_commit(struct tree_edit *e);

#endif
