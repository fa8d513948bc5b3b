/* SPDX-License-Identifier: MPL-2.0 */
/* pins.h - trees that somebody is reading for a while, though nothing may refer to them any more.  Pure. */
#ifndef XYLEM_PINS_H
#define XYLEM_PINS_H

#include "digest.h"

#define PINS_MAX 1024

struct pin {
    struct digest root; // of the tree
    int64_t until_ms;   // on the clock of the caller
};

struct pins {
    struct pin list[PINS_MAX];
    size_t count;
};

/* Nothing reachable from `root` is garbage until then; a later time replaces an earlier one.  -ENOSPC:
 * there are PINS_MAX that still hold. */
int pins_add(struct pins *p, const struct digest *root, int64_t until_ms, int64_t now_ms);

/* Forget those whose time is over. */
void pins_expire(struct pins *p, int64_t now_ms);

#endif
