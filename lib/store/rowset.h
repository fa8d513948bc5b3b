/* SPDX-License-Identifier: MPL-2.0 */
/* rowset.h - a set of row ids, one bit for each.  Memory grows with the stretches of ids that are in
 * use, not with the largest id: a store that has seen many blobs go has few rows with large ids. */
#ifndef XYLEM_ROWSET_H
#define XYLEM_ROWSET_H

#include "map.h"

struct rowset_page;

struct rowset {
    struct map pages;           // number of the stretch -> struct rowset_page, owned
    struct rowset_page *recent; // in pages; ids come in neighbourhoods
    size_t count;               // ids in the set
};

void rowset_init(struct rowset *s);
void rowset_fini(struct rowset *s);

bool rowset_has(const struct rowset *s, int64_t id);
/* false: it was there already. */
bool rowset_add(struct rowset *s, int64_t id);

/* Bytes held. */
size_t rowset_memory(const struct rowset *s);

#endif
