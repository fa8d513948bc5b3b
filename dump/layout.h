/* SPDX-License-Identifier: MPL-2.0 */
/* layout.h - what decides, beside the keys and values, which blobs a tree is made of. */
#ifndef XYLEM_LAYOUT_H
#define XYLEM_LAYOUT_H

#include "digest.h"
#include "xerr.h"
#include "xylem.h"

struct layout {
    enum digest_alg alg;
    uint64_t maxdirent; // entries of a directory that is not a wide one; 0: none is
    uint64_t blob_size; // bytes; larger values are cut into blobs of this size
};

/* The layout of an instance; what it does not tell is as in Flux. */
int layout_ask(xylem_t *x, struct layout *ret, struct err *err);

#endif
