/* SPDX-License-Identifier: MPL-2.0 */
/* fetch.h - bring a walk the blobs it wants, from a depot. */
#ifndef XYLEM_FETCH_H
#define XYLEM_FETCH_H

#include "depot.h"
#include "walk.h"

struct fetch {
    struct depot *depot; // borrowed; to be closed before the walk is freed
    struct walk *walk;   // borrowed
};

/* Before the first item.  The walk is told how the depot lays trees out, and what a request may bring. */
void fetch_init(struct fetch *f, struct depot *depot, struct walk *walk);

/* The walk's next item, never WALK_WAIT.  -errno with text: the rank is gone. */
int fetch_next(struct fetch *f, const struct walk_item **ret, struct err *err);

#endif
