/* SPDX-License-Identifier: MPL-2.0 */
/* fsck_plan.h - from what is lost in a tree to the transactions that mend it.
 *
 * at the key             what is done
 * a value, some blobs    removed; a value of the blobs that are left is put at lost+found.KEY
 * a value, none left     removed
 * a directory            removed
 * something else by now  nothing: it is not what was found lost
 * a part of a directory  nothing: no transaction can say it, see fsck_plan_parts()
 *
 * Nothing that is there is replaced: when lost+found.KEY is taken, lost+found-2.KEY is used, and so
 * on.  A key that would become too long goes to lost+found.long-N.
 */
#ifndef XYLEM_FSCK_PLAN_H
#define XYLEM_FSCK_PLAN_H

#include "fsck.h"
#include "txn.h"

/* The losses of one tree. */
struct fsck_plan;

struct fsck_plan *fsck_plan_new(void);
void fsck_plan_free(struct fsck_plan **p);
/* A blob that the key needs is lost.  Those of one key come one after the other. */
void fsck_plan_add(struct fsck_plan *p, const char *key, enum fsck_object object,
                   const struct digest *lost);

/* What is at a key: 0 and a new reference to it; -ENOENT nothing, and nothing but directories are on
 * the way; -ENOTDIR something else is on the way; -EINVAL, -ENAMETOOLONG no key; or -errno. */
typedef int (*fsck_look_fn)(void *arg, const char *key, struct treeobj **ret);

struct fsck_mended {
    uint64_t moved;   // keys now below lost+found, with some of their blobs
    uint64_t removed; // keys of which nothing was left
    uint64_t stuck;   // keys that are too long to be removed
};

/* Add operations to txn for the next losses, from *pos (0 at first) on, until it has about max_ops.
 * m is counted up.  1: there are more; 0: that is all; -errno with text: what `look` returned, or
 * -EEXIST every name below lost+found is taken. */
int fsck_plan_next(const struct fsck_plan *p, size_t *pos, size_t max_ops, fsck_look_fn look,
                   void *arg, struct txn *txn, struct fsck_mended *m, struct err *err);

/* The next wide directory that has lost parts, from *pos (0 at first) on: its key, borrowed, and all of
 * them, malloc()ed.  false: there are no more. */
bool fsck_plan_parts(const struct fsck_plan *p, size_t *pos, const char **ret_key,
                     struct digest **ret, size_t *ret_count);

/* --- one for each tree --- */

struct fsck_plans {
    struct fsck_plan **list; // owned array of owned plans; NULL: nothing is lost
    size_t count;            // its length
};
#define FSCK_PLANS_INIT \
    { \
        NULL, 0 \
    }

/* Findings without a tree or about its root are fine: there is nothing to plan. */
void fsck_plans_add(struct fsck_plans *plans, const struct fsck_finding *finding);
const struct fsck_plan *fsck_plans_get(const struct fsck_plans *plans,
                                       size_t root_index); // or NULL
void fsck_plans_fini(struct fsck_plans *plans);

static inline void
fsck_plan_auto(struct fsck_plan **p)
{
    fsck_plan_free(p);
}

#endif
