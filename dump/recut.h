/* SPDX-License-Identifier: MPL-2.0 */
/* recut.h - has a value these bytes?  What is known of them is the object that a restore makes: the bytes
 * themselves when they are few, else the names of the blobs that they are cut into by their number alone.  The
 * value may be stored in any other way.  Pure. */
#ifndef XYLEM_RECUT_H
#define XYLEM_RECUT_H

#include "treeobj.h"

struct recut {
    enum digest_alg alg;
    size_t blob_size;            // bytes of a blob
    const struct digest *refs;   // borrowed; of the blobs; NULL: the bytes are few
    size_t count;                // refs
    void *few;                   // owned; the bytes
    size_t few_size;             // of them
    uint64_t size;               // bytes of the value so far
    struct digest_stream *piece; // owned; of the blob that is coming in, or NULL
    bool differs;                // it has other bytes
};

/* known: borrowed; a val or valref. */
void recut_init(struct recut *r, enum digest_alg alg, size_t blob_size,
                const struct treeobj *known);
void recut_fini(struct recut *r);

/* The bytes of the value, in order. */
void recut_add(struct recut *r, const void *data, size_t size);

/* After the last ones. */
bool recut_is_same(struct recut *r);

#endif
