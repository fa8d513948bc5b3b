/* SPDX-License-Identifier: MPL-2.0 */
/* tree_made.h - blobs a tree has made and not yet handed out, in order, each once. */
#ifndef XYLEM_TREE_MADE_H
#define XYLEM_TREE_MADE_H

#include "blob.h"
#include "digest.h"
#include "map.h"

struct made;

struct tree_made {
    enum digest_alg alg; // of the instance
    struct map index;    // digest -> struct made
    struct made **items; // owned array of owned items, oldest first
    size_t count;        // items
    size_t capacity;     // allocated elements of items
};

void tree_made_init(struct tree_made *m, enum digest_alg alg);
void tree_made_fini(struct tree_made *m);

/* Consumes *b; *ret is its digest. */
void tree_made_add(struct tree_made *m, struct blob **b, struct digest *ret);

/* Forget all but the first `count`. */
void tree_made_truncate(struct tree_made *m, size_t count);

/* Borrowed. */
const struct blob *tree_made_get(const struct tree_made *m, size_t i, const struct digest **ret);

#endif
