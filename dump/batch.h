/* SPDX-License-Identifier: MPL-2.0 */
/* batch.h - objects at any keys, whose values are loaded together: what a walk of the whole tree would yield of
 * them.
 *
 *     while there are objects:  batch_add(), and when it is full: batch_next() until WALK_END
 *     batch_next() until WALK_END
 */
#ifndef XYLEM_BATCH_H
#define XYLEM_BATCH_H

#include "fetch.h"

struct batch {
    struct depot *depot;     // borrowed
    size_t maxreqs;          // requests under way at the same time
    bool is_exact;           // the walk is an exact one
    struct treeobj *objects; // owned: a dir of what was added; names are paths
    size_t memory;           // bytes of it
    struct walk *walk;       // owned; through what was added; NULL: more can be added
    struct fetch fetch;      // feeds walk
};

void batch_init(struct batch *b, struct depot *depot, size_t maxreqs);
void batch_fini(struct batch *b); // after the depot was closed, or when it has come to its end

/* What is at a path that was not added yet; anything but a directory that has entries. */
void batch_add(struct batch *b, const char *path, const struct treeobj *obj);

/* Should it be gone through before more is added? */
bool batch_is_full(const struct batch *b);

/* What comes next, in the order of paths, as fetch_next().  After WALK_END nothing is in it. */
int batch_next(struct batch *b, const struct walk_item **ret, struct err *err);

#endif
