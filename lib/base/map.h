/* SPDX-License-Identifier: MPL-2.0 */
/* map.h - hash table of objects that carry a fixed-size binary key inside themselves.
 *
 * Open addressing, linear probing, load <= 0.75, deletion by shifting back (no tombstones).
 * The table holds pointers and a 32-bit tag for each, so that a look-up touches the object only
 * when it is almost surely the right one.  The hash is seeded per process: keys come from peers.
 */
#ifndef XYLEM_MAP_H
#define XYLEM_MAP_H

#include "base.h"

struct map {
    void **items;      // owned array, capacity entries; NULL = free slot.  Objects are borrowed
    uint32_t *tags;    // owned array, parallel to items
    size_t capacity;   // power of two, or 0 before the first insert
    size_t count;      // objects in the table
    size_t key_offset; // of the key inside an object
    size_t key_size;   // bytes; at least 8
};

/* Objects have their key of key_size bytes at key_offset. */
void map_init(struct map *m, size_t key_offset, size_t key_size);

/* Frees the table, not the objects. */
void map_fini(struct map *m);

/* NULL when absent. */
void *map_get(const struct map *m, const void *key);

/* The key must not be in the table yet (asserted).  The key must not change while it is. */
void map_put(struct map *m, void *item);

/* Returns the object taken out, NULL when absent. */
void *map_remove(struct map *m, const void *key);

/* Walk: `size_t pos = 0; while ((p = map_next(&m, &pos)))`.  The table must not change meanwhile. */
void *map_next(const struct map *m, size_t *pos);

/* Bytes the table itself has allocated. */
size_t map_memory(const struct map *m);

#endif
