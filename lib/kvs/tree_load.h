/* SPDX-License-Identifier: MPL-2.0 */
/* tree_load.h - directories that a transaction needs and the tree has not got.
 *
 * Model: a table of directories asked for; each is missing until given.  Given ones are kept until
 * the transaction is decided: it may need several rounds, and each round walks anew.
 */
#ifndef XYLEM_TREE_LOAD_H
#define XYLEM_TREE_LOAD_H

#include "key.h"
#include "map.h"
#include "treeobj.h"

struct tree_load {
    struct map asked;       // digest -> struct load, owned
    struct digest *missing; // owned array; asked for in this round
    size_t count;           // missing
    size_t capacity;        // allocated elements of missing
    const struct key *key;  // borrowed; what is being walked to, or NULL: told of what is missing
};

void tree_load_init(struct tree_load *l);
void tree_load_fini(struct tree_load *l);

/* A new round: forget what was asked for and never given. */
void tree_load_begin(struct tree_load *l);
void tree_load_clear(struct tree_load *l);

/* The directory (borrowed), or NULL: then it is missing from now on. */
const struct treeobj *tree_load_get(struct tree_load *l, const struct digest *d);

bool tree_load_is_missing(const struct tree_load *l, const struct digest *d);

/* Text of the key that it is missing for; borrowed, NULL: not known. */
const char *tree_load_key(const struct tree_load *l, const struct digest *d);

/* Consumes *dir; only for what is missing. */
void tree_load_give(struct tree_load *l, const struct digest *d, struct treeobj **dir);

#endif
