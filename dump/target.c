/* SPDX-License-Identifier: MPL-2.0 */
/* target.c - the last step of a restore. */
#include "target.h"
#include "clock.h"
#include "prefix.h"
#include "xmem.h"

#include <errno.h>
#include <string.h>

static bool
is_whole_root(const struct target *t)
{
    return strspn(t->key, ".") == strlen(t->key);
}

int
target_check(const struct target *t, struct depot *d, struct err *err)
{
    struct depot_root root;
    int rc;

    if (!d->ops->change)
        return err_set(err, -EROFS, "it can only be read");
    if (!t->key && !d->is_live)
        return 0;
    rc = depot_root(d, t->ns, &root, err);
    if (!t->key && rc == 0)
        return err_set(err, -EEXIST,
                       "a checkpoint cannot be restored under a running kvs: please unload kvs");
    return !t->key && rc == -ENOSYS ? 0 : rc;
}

/* ---- trees ---- */

void
target_tree_fini(struct target_tree *tree)
{
    buf_fini(&tree->dir);
    for (size_t i = 0; i < tree->nwide; i++) {
        free(tree->wide[i].key);
        free(tree->wide[i].json);
    }
    free(tree->wide);
}

void
target_tree_add_wide(struct target_tree *tree, const char *key, const char *data, size_t size)
{
    tree->wide = xrealloc(tree->wide, (tree->nwide + 1) * sizeof(*tree->wide));
    tree->wide[tree->nwide++] = (struct depot_wide){xstrdup(key), xstrndup(data, size)};
}

/* ---- what is there ---- */

static int
find_key(const struct target *t, struct depot *d, const struct digest *root, struct digest *ret,
         struct err *err)
{
    AUTO(treeobj) struct treeobj *obj = NULL;
    size_t count;
    int rc = prefix_find(d, t->ns, root, t->key, &obj, err);

    if (rc < 0)
        return rc;
    if (treeobj_type(obj) != TREEOBJ_DIRREF)
        return err_set(err, -ENOTDIR, "%s: no directory is there", t->key);
    *ret = *treeobj_refs(obj, &count);
    return 0;
}

static int
find_checkpoint(struct depot *d, struct digest *ret, struct err *err)
{
    AUTO(free) struct checkpoint *list = NULL;
    size_t count;
    int rc = depot_checkpoints(d, &list, &count, err);

    if (rc < 0)
        return rc;
    if (count == 0)
        return err_set(err, -ENOENT, "checkpoint: there is none");
    *ret = list[0].root;
    return 0;
}

int
target_find(const struct target *t, struct depot *d, struct digest *ret, struct err *err)
{
    struct depot_root root;
    int rc;

    if (!t->key)
        return find_checkpoint(d, ret, err);
    rc = depot_root(d, t->ns, &root, err);
    if (rc == 0 && !is_whole_root(t))
        return find_key(t, d, &root.root, ret, err);
    if (rc == 0)
        *ret = root.root;
    return rc;
}

/* ---- writing ---- */

static int
write_key(const struct target *t, struct depot *d, const struct target_tree *tree,
          struct target_root *ret, struct err *err)
{
    struct depot_change change = {
        .ns = t->ns,
        .key = t->key,
        .tree = tree->root,
        .dir = tree->dir.data,
        .dir_size = tree->dir.size,
        .expected = tree->has_base ? &tree->base : NULL,
        .wide = tree->wide,
        .nwide = tree->nwide,
    };
    struct depot_root root;
    int rc = depot_change(d, &change, &root, err);

    if (rc < 0)
        return rc;
    blobref_format(d->layout.alg, &root.root, ret->rootref);
    ret->sequence = root.sequence;
    return 0;
}

static int
write_checkpoint(struct depot *d, const struct target_tree *tree, struct target_root *ret,
                 struct err *err)
{
    struct checkpoint record = {.root = tree->root, .sequence = 0};

    record.timestamp = tree->newest > 0 ? (double)tree->newest : clock_wall();
    blobref_format(d->layout.alg, &tree->root, ret->rootref);
    ret->sequence = 0;
    return depot_put_checkpoint(d, &record, err);
}

int
target_write(const struct target *t, struct depot *d, const struct target_tree *tree,
             struct target_root *ret, struct err *err)
{
    int rc;

    if (t->key)
        rc = write_key(t, d, tree, ret, err);
    else
        rc = write_checkpoint(d, tree, ret, err);
    if (rc == 0 && (rc = depot_flush(d, err)) < 0 && d->is_live)
        err_prefix(err, rc, "the new tree is there, but perhaps not on the disk yet");
    return rc;
}
