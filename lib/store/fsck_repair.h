/* SPDX-License-Identifier: MPL-2.0 */
/* fsck_repair.h - mend a store that nobody else uses, after a check (fsck.h).
 *
 * All in one transaction: either everything below is done, or nothing is changed.
 *
 * tree         HURT                                   LOST
 * namespace    lost keys removed, what is left of     the same, from the newest checkpoint that is
 *              them below lost+found (fsck_plan.h)    not lost (primary), or an empty directory
 * checkpoint   the same; it names the new root        its record is removed
 *
 * A namespace that was mended has the next sequence, and primary also gets a checkpoint.  What is
 * whole keeps its tree objects.  Rows with damaged bytes are removed: then no tree names them.
 */
#ifndef XYLEM_FSCK_REPAIR_H
#define XYLEM_FSCK_REPAIR_H

#include "fsck_plan.h"

enum fsck_fix {
    FSCK_FIX_MENDED,     // keys moved or removed
    FSCK_FIX_CHECKPOINT, // a namespace, from the newest checkpoint
    FSCK_FIX_EMPTY,      // a namespace, now empty
    FSCK_FIX_REMOVED,    // a checkpoint
};

/* What was done to one tree. */
struct fsck_fixed {
    const struct fsck_root *root; // of the fsck, with the digest it had
    enum fsck_fix fix;
    struct digest now; // root; not with REMOVED
    struct fsck_mended mended;
};

/* f is done, with db; plans has all its findings; now: seconds since the epoch.  *ret: malloc()ed
 * array.  -errno with text; nothing is changed then. */
int fsck_repair(struct store_db *db, enum digest_alg alg, const struct fsck *f,
                const struct fsck_plans *plans, double now, struct fsck_fixed **ret,
                size_t *ret_count, struct err *err);

#endif
