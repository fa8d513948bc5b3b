/* SPDX-License-Identifier: MPL-2.0 */
/* depot_store.h - what depot_store.c and depot_store_write.c share. */
#ifndef XYLEM_DEPOT_STORE_H
#define XYLEM_DEPOT_STORE_H

#include "depot_offline.h"
#include "store_db.h"

/* Blobs on their way into the file. */
struct store_blobs {
    struct digest *digests; // owned array
    struct blob **blobs;    // owned array of references, parallel to digests
    size_t count, capacity;
    size_t bytes; // of all blobs
};

/* What flush makes visible. */
struct store_staged {
    struct depot_root *roots; // owned array, one of each namespace
    size_t nroots;
    struct checkpoint *checkpoints; // owned array, as they are to be written
    size_t ncheckpoints;
};

struct depot_store {
    struct depot_offline offline;
    struct store_db *db;   // owned
    char *statedir;        // owned
    struct blob *empty;    // the empty directory, owned
    struct digest nothing; // its digest
    struct store_blobs blobs;
    struct store_staged staged;
    bool is_writer;
    bool made_dir, made_file; // by us; removed again if nothing is flushed
};

static inline struct depot_store *
store_of(struct depot *d)
{
    return container_of(offline_of(d), struct depot_store, offline);
}

/* ---- depot_store.c ---- */

/* The root that is recorded, without what is staged: 1; 0: none is. */
int depot_store_recorded(struct depot_store *s, const char *ns, struct depot_root *ret,
                         struct err *err);
/* "STATEDIR: cannot WHAT: ..." */
int depot_store_fail(const struct depot_store *s, int rc, const char *what, struct err *err);

/* ---- depot_store_write.c ---- */

/* NULL: nothing is staged. */
struct depot_root *depot_store_staged(struct depot_store *s, const char *ns);
/* What loads do not see yet goes into the file. */
int depot_store_put_blobs(struct depot_store *s, struct err *err);
int depot_store_store(struct depot *d, const void *data, size_t size, depot_fn fn, void *arg,
                      struct err *err);
int depot_store_change(struct depot *d, const struct depot_change *change, struct depot_root *ret,
                       struct err *err);
int depot_store_create(struct depot *d, const struct depot_root *root, struct err *err);
int depot_store_put_checkpoint(struct depot *d, const struct checkpoint *c, struct err *err);
int depot_store_flush(struct depot *d, struct err *err);
void depot_store_discard(struct depot_store *s);

#endif
