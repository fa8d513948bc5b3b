/* SPDX-License-Identifier: MPL-2.0 */
/* depot_rank.h - what depot_rank.c and depot_rank_write.c share. */
#ifndef XYLEM_DEPOT_RANK_H
#define XYLEM_DEPOT_RANK_H

#include "depot.h"
#include "xylem.h"

struct rank_call;

#define KEPT_MAX 256 // trees that are read at the same time; more are not kept

struct depot_rank {
    struct depot base;
    xylem_t *x;                   // owned
    int flags;                    // of loads and stores: 0 or XYLEM_BYPASS
    struct rank_call *spare;      // owned list, to use again
    struct digest kept[KEPT_MAX]; // roots of trees that are to stay
    size_t nkept;                 // of them
    int64_t kept_ms;              // when rank 0 was told last, monotonic
};

static inline struct depot_rank *
rank_of(struct depot *d)
{
    return container_of(d, struct depot_rank, base);
}

/* The hash algorithm of the instance. */
int depot_rank_hash(xylem_t *x, enum digest_alg *ret, struct err *err);

/* ---- depot_rank_write.c ---- */

int depot_rank_change(struct depot *d, const struct depot_change *change, struct depot_root *ret,
                      struct err *err);
int depot_rank_create(struct depot *d, const struct depot_root *root, struct err *err);
int depot_rank_put_checkpoint(struct depot *d, const struct checkpoint *c, struct err *err);
int depot_rank_flush(struct depot *d, struct err *err);

#endif
