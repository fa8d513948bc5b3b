/* SPDX-License-Identifier: MPL-2.0 */
/* fetch.h - bring a walk the blobs it wants, through a rank. */
#ifndef XYLEM_FETCH_H
#define XYLEM_FETCH_H

#include "walk.h"
#include "xylem.h"

struct fetch {
    xylem_t *x;          // borrowed; to be closed before the walk is freed
    struct walk *walk;   // borrowed
    enum digest_alg alg; // of the instance
    int flags;           // 0 or XYLEM_BYPASS
};

/* The walk's next item, never WALK_WAIT.  -errno with text: the rank is gone. */
int fetch_next(struct fetch *f, const struct walk_item **ret, struct err *err);

#endif
