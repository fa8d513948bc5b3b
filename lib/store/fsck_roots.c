/* SPDX-License-Identifier: MPL-2.0 */
/* fsck_roots.c - which trees are checked, and whether they still are what they were: a broker may
 * commit, remove old checkpoints and collect garbage while a check goes on. */
#include "fsck_priv.h"
#include "xmem.h"

#include <stdio.h>
#include <unistd.h>

static struct fsck_root *
add_root(struct fsck *f, enum fsck_root_kind kind, const struct digest *digest, int64_t sequence)
{
    struct fsck_root *r = &f->roots[f->nroots++];

    r->kind = kind;
    r->digest = *digest;
    r->sequence = sequence;
    r->owner = geteuid();
    return r;
}

static void
add_namespace(struct fsck *f, const struct store_root *root)
{
    struct fsck_root *r = add_root(f, FSCK_NAMESPACE, &root->root, root->sequence);

    r->owner = root->owner;
    snprintf(r->name, sizeof(r->name), "%s", root->name);
}

static void
add_checkpoint(struct fsck *f, const struct checkpoint *c, size_t index)
{
    struct fsck_root *r = add_root(f, FSCK_CHECKPOINT, &c->root, c->sequence);

    r->timestamp = c->timestamp;
    snprintf(r->name, sizeof(r->name), "checkpoint %zu", index);
}

static void
add_rootref(struct fsck *f)
{
    char ref[BLOBREF_MAX];
    struct fsck_root *r;

    f->roots = xcalloc(1, sizeof(*f->roots));
    r = add_root(f, FSCK_ROOTREF, &f->rootref, 0);
    snprintf(r->name, sizeof(r->name), "%s", blobref_format(f->alg, &f->rootref, ref));
}

static void
add_all(struct fsck *f, const struct store_root *roots, size_t nroots,
        const struct checkpoint *checkpoints, size_t ncheckpoints)
{
    f->roots = xcalloc(nroots + ncheckpoints + 1, sizeof(*f->roots));
    for (size_t i = 0; i < nroots; i++)
        add_namespace(f, &roots[i]);
    if (nroots == 0 && ncheckpoints > 0) // what a broker would start from
        snprintf(add_root(f, FSCK_NAMESPACE, &checkpoints[0].root, checkpoints[0].sequence)->name,
                 sizeof(f->roots->name), "primary");
    for (size_t i = 0; i < ncheckpoints; i++)
        add_checkpoint(f, &checkpoints[i], i);
}

int
fsck_read_roots(struct fsck *f, struct store_db *db)
{
    AUTO(free) struct store_root *roots = NULL;
    AUTO(free) struct checkpoint *checkpoints = NULL;
    size_t nroots = 0, ncheckpoints = 0;
    int rc;

    if (f->has_rootref) {
        add_rootref(f);
        return 0;
    }
    rc = store_db_roots(db, &roots, &nroots);
    if (rc == 0)
        rc = store_db_checkpoints(db, &checkpoints, &ncheckpoints);
    if (rc == 0)
        add_all(f, roots, nroots, checkpoints, ncheckpoints);
    return rc;
}

static int
find_namespace(struct store_db *db, const struct fsck_root *r, struct digest *ret)
{
    AUTO(free) struct store_root *roots = NULL;
    size_t count = 0;
    int rc = store_db_roots(db, &roots, &count);

    for (size_t i = 0; rc == 0 && i < count; i++) {
        if (strcmp(roots[i].name, r->name) == 0) {
            *ret = roots[i].root;
            return 1;
        }
    }
    /* There was none, and there is none: it is the newest checkpoint's. */
    if (rc == 0 && count == 0) {
        *ret = r->digest;
        return 1;
    }
    return rc;
}

static int
find_checkpoint(struct store_db *db, const struct fsck_root *r, struct digest *ret)
{
    AUTO(free) struct checkpoint *list = NULL;
    size_t count = 0;
    int rc = store_db_checkpoints(db, &list, &count);

    for (size_t i = 0; rc == 0 && i < count; i++) {
        if (digest_equal(&list[i].root, &r->digest)) {
            *ret = r->digest;
            return 1;
        }
    }
    return rc;
}

int
fsck_find_root(struct fsck *f, struct store_db *db, size_t i, struct digest *ret)
{
    const struct fsck_root *r = &f->roots[i];

    if (r->kind == FSCK_NAMESPACE)
        return find_namespace(db, r, ret);
    if (r->kind == FSCK_CHECKPOINT)
        return find_checkpoint(db, r, ret);
    *ret = r->digest;
    return 1;
}
