/* SPDX-License-Identifier: MPL-2.0 */
/* memstore.h - blobs in memory, trees made from lists of keys, and a seeded dice: what the tests of
 * walk, build and intake stand on. */
#ifndef XYLEM_TEST_MEMSTORE_H
#define XYLEM_TEST_MEMSTORE_H

#include "buf.h"
#include "map.h"
#include "treeobj.h"

#define ALG DIGEST_BLAKE2B

struct memstore {
    struct map blobs;
};

void memstore_init(struct memstore *s);
void memstore_fini(struct memstore *s);
void memstore_put(struct memstore *s, const void *data, size_t size, struct digest *ret);
const struct buf *memstore_get(const struct memstore *s, const struct digest *d); // NULL: absent
void memstore_remove(struct memstore *s, const struct digest *d);
size_t memstore_count(const struct memstore *s);

/* Store an object's encoding. */
void memstore_put_obj(struct memstore *s, const struct treeobj *obj, struct digest *ret);

/* A value of `blobs` blobs of `size` bytes each (0 blobs: a val); consumed by treeobj_dir_put(). */
struct treeobj *memstore_value(struct memstore *s, unsigned seed, size_t blobs, size_t size);

/* Store dir, put a dirref to it into parent. */
void memstore_link_dir(struct memstore *s, struct treeobj *parent, const char *name,
                       struct treeobj **dir);

/* Same seed, same numbers: 0 <= result < n. */
unsigned dice_roll(unsigned *seed, unsigned n);

#endif
