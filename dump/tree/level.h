/* SPDX-License-Identifier: MPL-2.0 */
/* level.h - one loaded directory while a walk goes through it: its path, and its entries in the
 * order in which they come out.  Counted references: nodes of the walk borrow names and objects. */
#ifndef XYLEM_LEVEL_H
#define XYLEM_LEVEL_H

#include "treeobj.h"

struct level {
    struct treeobj *dir; // owned reference; a dir
    uint32_t *order;     // owned: entry numbers in walking order; NULL = as they are
    size_t count;        // entries
    size_t next;         // entries handed out
    char *path;          // owned: "" for the root, else "a/b/", in front of every entry's name
    size_t path_len;     // bytes of path
    unsigned depth;      // names in path
    unsigned refs;       // holders
};

/* Consumes *dir.  parent NULL: the root; else `name` is the entry of parent that *dir is. */
struct level *level_new(struct treeobj **dir, const struct level *parent, const char *name);
/* A directory that is nobody's entry.  Consumes *dir.  path: "a/b/", in front of every entry's name. */
struct level *level_new_at(struct treeobj **dir, const char *path, unsigned depth);
struct level *level_ref(struct level *l);
void level_unref(struct level **l); // NULL is fine

/* Next entry, borrowed for as long as a reference is held; false at the end. */
bool level_next(struct level *l, const char **ret_name, struct treeobj **ret_entry);

#endif
