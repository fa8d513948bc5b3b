/* SPDX-License-Identifier: MPL-2.0 */
/* depot_offline.h - what depot_store*.c and depot_flux.c share: depots in files that this process reads itself.
 *
 * A load or store is put in a queue and completes, in order, in dispatch.  A store has been done by then: only
 * its name has to be told.  A load is done there. */
#ifndef XYLEM_DEPOT_OFFLINE_H
#define XYLEM_DEPOT_OFFLINE_H

#include "blob.h"
#include "depot.h"

struct offline_call {
    struct digest digest;
    depot_fn fn;
    void *arg; // of fn
    bool is_store;
};

struct depot_offline {
    struct depot base;
    struct offline_call *calls; // owned ring
    size_t first, count;        // of the queue in it
    size_t capacity;            // power of two, or 0
    /* Verified bytes; the text does not name the blob. */
    int (*read)(struct depot_offline *d, const struct digest *digest, struct blob **ret,
                struct err *err);
};

static inline struct depot_offline *
offline_of(struct depot *d)
{
    return container_of(d, struct depot_offline, base);
}

/* For depot_ops. */
int depot_offline_load(struct depot *d, const struct digest *digest, depot_fn fn, void *arg,
                       struct err *err);
int depot_offline_dispatch(struct depot *d, struct err *err);

/* A blob has been stored: tell fn in dispatch. */
void depot_offline_stored(struct depot_offline *d, const struct digest *digest, depot_fn fn,
                          void *arg);
/* Completes all that is left with -ECANCELED, and frees the queue. */
void depot_offline_fini(struct depot_offline *d);

/* The two kinds.  `layout`: NULL = only read; else written to, and of one that is made anew. */
int depot_open_store(struct depot **ret, const char *statedir, const struct layout *layout,
                     struct err *err);
int depot_open_flux(struct depot **ret, const char *statedir, struct err *err);

#endif
