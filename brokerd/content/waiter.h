/* SPDX-License-Identifier: MPL-2.0 */
/* waiter.h - what a part of a rank gives the store as its cookie: whom to tell, and how.  Embedded in
 * the asker's own struct; fn is called exactly once. */
#ifndef XYLEM_WAITER_H
#define XYLEM_WAITER_H

#include "store.h"

struct change_waiter {
    /* *change is the waiter's to free. */
    void (*fn)(struct change_waiter *w, int rc, struct store_change **change);
};

struct checkpoints_waiter {
    /* list is borrowed, newest first. */
    void (*fn)(struct checkpoints_waiter *w, int rc, const struct checkpoint *list, size_t count);
};

struct validate_waiter {
    void (*fn)(struct validate_waiter *w, int rc);
};

/* Of store_run(). */
struct task_waiter {
    void (*fn)(struct task_waiter *w, int rc);
};

#endif
