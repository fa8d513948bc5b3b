/* SPDX-License-Identifier: MPL-2.0 */
/* tree_node.h - nodes and directories of a tree in memory (see tree_node.c). */
#ifndef XYLEM_TREE_NODE_H
#define XYLEM_TREE_NODE_H

#include "list.h"
#include "treeobj.h"

/* All directories of a tree, with what they hold. */
struct tree_pool {
    struct list used; // loaded directories, least recently used first (struct tree_dir.used)
    size_t memory;    // bytes in directories and their nodes
};

struct tree_node {
    struct treeobj *entry; // owned; as stored in the parent; NULL: a directory with changes
    struct tree_dir *dir;  // owned; the loaded directory, or NULL
    struct tree_dir *in;   // borrowed; the directory it is (or was) in; NULL: the root
    char name[];           // of the entry; "" for the root
};

/* What makes a directory an hdir.  Its nodes are slots then, each named by its digit in hex. */
struct tree_slots {
    uint64_t below[TREEOBJ_SLOTS]; // entries below each slot that is there and not changed
    uint64_t written;              // entries below all when it was written last; 0: never
    uint64_t prefix;               // bits of the hash that the names below have in common
    unsigned level;                // number of times four bits, from the first on
};

struct tree_dir {
    struct tree_pool *pool;   // borrowed; it is counted there
    struct list used;         // on pool->used
    struct tree_node *node;   // borrowed; the node that owns (or owned) it
    struct tree_node **nodes; // owned array, sorted by name
    size_t count;             // nodes
    size_t capacity;          // allocated elements of nodes
    struct tree_slots *slots; // owned; NULL: a plain directory
    uint64_t round;           // the last tree_apply() that has noted it (tree_wide_changed())
};

void tree_node_init_pool(struct tree_pool *p);

/* Consumes *entry and *dir; one of them may be NULL, not both. */
struct tree_node *tree_node_new(struct tree_pool *p, const char *name, struct treeobj **entry,
                                struct tree_dir **dir);
void tree_node_free(struct tree_pool *p, struct tree_node **n); // with all below; NULL is fine

/* Exchange the content of the node with that in the caller's variables. */
void tree_node_swap(struct tree_pool *p, struct tree_node *n, struct treeobj **entry,
                    struct tree_dir **dir);
void tree_node_swap_entry(struct tree_pool *p, struct tree_node *n, struct treeobj **entry);

/* The node's entry is a VALREF that nobody else holds: as treeobj_valref_add() / _truncate(). */
void tree_node_add_ref(struct tree_pool *p, struct tree_node *n, const struct digest *ref);
void tree_node_truncate(struct tree_pool *p, struct tree_node *n, size_t count);

bool tree_node_is_dir(const struct tree_node *n);     // loaded or not
bool tree_node_is_changed(const struct tree_node *n); // since it was last written
bool tree_node_is_link(const struct tree_node *n);

struct tree_dir *tree_dir_new(struct tree_pool *pool);
/* A wide one, without slots. */
struct tree_dir *tree_dir_new_wide(struct tree_pool *pool, unsigned level, uint64_t prefix);
void tree_dir_free(struct tree_dir **d); // with all below; NULL is fine

/* A directory with the entries of `obj` (a DIR).  Inline dirs become changed directories: they are
 * written as blobs of their own when this one is. */
struct tree_dir *tree_dir_from_treeobj(struct tree_pool *pool, const struct treeobj *obj);

/* The same of an HDIR. */
struct tree_dir *tree_dir_from_hdir(struct tree_pool *pool, const struct treeobj *obj,
                                    unsigned level, uint64_t prefix);

/* Slots of a wide one. */
void tree_slot_name(unsigned slot, char ret[2]);
unsigned tree_slot_number(const struct tree_node *n);

/* Entries, those below slots for a wide one. */
uint64_t tree_dir_entries(const struct tree_dir *d);

struct tree_node *tree_dir_find(const struct tree_dir *d, const char *name); // NULL: no such entry
void tree_dir_insert(struct tree_dir *d, struct tree_node *n); // takes it; must not be there yet
void tree_dir_remove(struct tree_dir *d, struct tree_node *n); // hands it back to the caller

/* Make it the most recently used one.  A directory is touched after those below it. */
void tree_dir_touch(struct tree_dir *d);

/* Append the dir or hdir object.  No child may be changed. */
void tree_dir_encode(enum digest_alg alg, const struct tree_dir *d, struct buf *out);

#endif
