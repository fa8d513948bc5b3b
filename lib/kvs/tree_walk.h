/* SPDX-License-Identifier: MPL-2.0 */
/* tree_walk.h - the way of a key through a tree in memory, to the directory of its last name. */
#ifndef XYLEM_TREE_WALK_H
#define XYLEM_TREE_WALK_H

#include "tree_priv.h"

#define TREE_PATH_MAX (1 + KEY_DEPTH_MAX * (1 + HDIR_LEVELS)) // nodes on the way of the longest key

struct tree_walk {
    const char *names[KEY_DEPTH_MAX];      // borrowed; the key with links followed
    size_t count;                          // names
    size_t next;                           // names[next] is looked for where the walk is
    uint64_t hash;                         // of that name, in a wide directory
    struct tree_node *path[TREE_PATH_MAX]; // borrowed; from the root to where the walk is
    size_t depth;                          // path[depth] is the last one
    struct key targets[TREE_SYMLINKS_MAX]; // owned; targets of followed links, for `names`
    size_t links;                          // targets
};

void tree_walk_init(struct tree_walk *w, struct tree *t, const struct key *key);
/* Marks what was walked through as used. */
void tree_walk_fini(struct tree_walk *w);

/* To the directory of the last name; of the root, which has none, to the root.  With is_making, missing
 * directories are made, and values on the way replaced by them: changes of the transaction.
 * 0; TREE_MISSING: a directory is not loaded; -ENOENT: there is no directory, and none is to be made; or
 * -errno with text. */
int tree_walk_to_last(struct tree_walk *w, struct tree *t, bool is_making, struct err *err);

/* Where the walk is. */
struct tree_dir *tree_walk_dir(const struct tree_walk *w);

/* Make all directories on the way changed ones. */
void tree_walk_change(struct tree_walk *w, struct tree *t);

#endif
