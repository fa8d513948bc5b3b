/* SPDX-License-Identifier: MPL-2.0 */
/* layout.h - what decides, beside the keys and values, which blobs a tree is made of. */
#ifndef XYLEM_LAYOUT_H
#define XYLEM_LAYOUT_H

#include "digest.h"

#define LAYOUT_BLOB_SIZE (1024 * 1024) // bytes, where nothing is told (RFC 10)

struct layout {
    enum digest_alg alg;
    uint64_t maxdirent; // entries of a directory that is not a wide one; 0: none is
    uint64_t blob_size; // bytes; larger values are cut into blobs of this size
};

static inline bool
layout_equal(const struct layout *a, const struct layout *b)
{
    return a->alg == b->alg && a->maxdirent == b->maxdirent && a->blob_size == b->blob_size;
}

#endif
