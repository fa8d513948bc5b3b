/* SPDX-License-Identifier: MPL-2.0 */
/* upload.h - store many blobs, a bounded number of them at a time. */
#ifndef XYLEM_UPLOAD_H
#define XYLEM_UPLOAD_H

#include "depot.h"

/* A blob has been stored under *d, or (d NULL) could not be; `index` as given with it. */
typedef void (*upload_fn)(void *arg, size_t index, const struct digest *d);

struct upload_job;

struct upload {
    struct depot *depot;      // borrowed; NULL: blobs get their names, and are stored nowhere
    enum digest_alg alg;      // of the names
    size_t maxreqs;           // stores under way at most
    size_t out;               // stores under way
    size_t out_bytes;         // and their bytes
    struct err err;           // the first failure; code 0 = none
    struct upload_job *spare; // owned list, to use again
};

void upload_init(struct upload *u, struct depot *depot, enum digest_alg alg, size_t maxreqs);
void upload_fini(struct upload *u); // after the depot was closed

/* Store a blob; waits while too many are under way.  When it returns 0, fn (may be NULL) is called
 * exactly once: from here, from a later call, from upload_finish() or when the depot is closed.
 * -errno with text: this or an earlier one failed. */
int upload_store(struct upload *u, const void *data, size_t size, upload_fn fn, void *arg,
                 size_t index, struct err *err);

/* Wait for all.  -errno with text: one failed. */
int upload_finish(struct upload *u, struct err *err);

#endif
