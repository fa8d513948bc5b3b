/* SPDX-License-Identifier: MPL-2.0 */
/* target.c - the last step of a restore.
 *
 * target        how
 * --key=KEY     one transaction that puts a dirref at KEY
 * --key=.       one transaction that puts every entry of the new root and unlinks every other one
 *               (the root itself is no key that can be put)
 * --checkpoint  a checkpoint record of sequence 0, for a rank 0 whose key-value store is not
 *               running: it will start from there
 */
#include "target.h"
#include "checkpoint.h"
#include "clock.h"
#include "gather.h"
#include "key.h"
#include "treeobj.h"
#include "xmem.h"

#include <errno.h>
#include <string.h>

static bool
is_whole_root(const struct target *t)
{
    return strspn(t->key, ".") == strlen(t->key);
}

int
target_check(const struct target *t, xylem_t *x, struct err *err)
{
    struct xylem_root root;
    int rc = xylem_getroot(x, t->ns, &root);

    if (!t->key && rc == 0)
        return err_set(err, -EEXIST,
                       "a checkpoint cannot be restored under a running kvs: please unload kvs");
    if (!t->key && rc == -ENOSYS)
        return 0;
    if (rc < 0)
        return err_set(err, rc, "current root of %s: %s", t->ns, xylem_error(x));
    return 0;
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
    tree->wide[tree->nwide++] = (struct target_wide){xstrdup(key), xstrndup(data, size)};
}

/* ---- transactions ---- */

static int
put_object(const struct target *t, xylem_txn_t *txn, const char *key, const struct treeobj *obj,
           struct err *err)
{
    AUTO(buf) struct buf json = BUF_INIT;
    int rc;

    treeobj_encode(t->alg, obj, &json);
    rc = xylem_txn_put_treeobj(txn, key, buf_str(&json), digest_name(t->alg));
    return rc < 0 ? err_set(err, rc, "%s: %s", key, xylem_txn_error(txn)) : 0;
}

static int
put_entries(const struct target *t, xylem_txn_t *txn, const struct treeobj *dir, struct err *err)
{
    AUTO(buf) struct buf key = BUF_INIT;
    int rc = 0;

    for (size_t i = 0; i < treeobj_dir_count(dir) && rc == 0; i++) {
        buf_reset(&key);
        key_quote_name(treeobj_dir_name(dir, i), &key);
        rc = put_object(t, txn, buf_str(&key), treeobj_dir_entry(dir, i), err);
    }
    return rc;
}

static int
unlink_others(xylem_txn_t *txn, const struct treeobj *old, const struct treeobj *dir,
              struct err *err)
{
    AUTO(buf) struct buf key = BUF_INIT;

    for (size_t i = 0; i < treeobj_dir_count(old); i++) {
        const char *name = treeobj_dir_name(old, i);
        int rc;

        if (treeobj_dir_get(dir, name))
            continue;
        buf_reset(&key);
        key_quote_name(name, &key);
        if ((rc = xylem_txn_unlink(txn, buf_str(&key))) < 0)
            return err_set(err, rc, "%s: %s", buf_str(&key), xylem_txn_error(txn));
    }
    return 0;
}

static int
decode_root(const struct target *t, const void *data, size_t size, struct treeobj **ret,
            struct err *err)
{
    AUTO(treeobj) struct treeobj *dir = NULL;
    int rc = treeobj_decode(t->alg, data, size, &dir, err);

    if (rc == 0 && treeobj_type(dir) != TREEOBJ_DIR)
        rc = err_set(err, -EPROTO, "not a directory object");
    if (rc == 0)
        *ret = TAKE(dir);
    return rc < 0 ? err_prefix(err, rc, "root directory") : 0;
}

static int
load_object(const struct target *t, xylem_t *x, const char *ref, struct treeobj **ret,
            struct err *err)
{
    AUTO(free) void *data = NULL;
    size_t size;
    int rc = xylem_load(x, ref, 0, &data, &size);

    if (rc < 0)
        return err_set(err, rc, "%s", xylem_error(x));
    return treeobj_decode(t->alg, data, size, ret, err);
}

/* All parts of a wide directory. */
static int
load_parts(const struct target *t, xylem_t *x, const struct treeobj *hdir, struct treeobj **ret,
           struct err *err)
{
    AUTO(gather) struct gather *g = NULL;
    const struct digest *wanted;
    int rc = gather_new(hdir, &g, err);

    while (rc == 0 && (wanted = gather_next(g))) {
        AUTO(treeobj) struct treeobj *part = NULL;
        struct digest d = *wanted;
        char ref[BLOBREF_MAX];

        rc = load_object(t, x, blobref_format(t->alg, &d, ref), &part, err);
        if (rc == 0)
            rc = gather_give(g, &d, part, err);
    }
    return rc < 0 ? rc : gather_finish(g, ret, err);
}

static int
load_root(const struct target *t, xylem_t *x, struct treeobj **ret, struct err *err)
{
    AUTO(treeobj) struct treeobj *obj = NULL;
    struct xylem_root root;
    int rc = xylem_getroot(x, t->ns, &root);

    if (rc < 0)
        return err_set(err, rc, "current root: %s", xylem_error(x));
    rc = load_object(t, x, root.rootref, &obj, err);
    if (rc == 0 && treeobj_type(obj) == TREEOBJ_HDIR)
        rc = load_parts(t, x, obj, ret, err);
    else if (rc == 0 && treeobj_type(obj) != TREEOBJ_DIR)
        rc = err_set(err, -EPROTO, "not a directory object");
    else if (rc == 0)
        *ret = TAKE(obj);
    return rc < 0 ? err_prefix(err, rc, "current root") : 0;
}

static int
replace_root(const struct target *t, xylem_t *x, xylem_txn_t *txn, const struct target_tree *tree,
             struct err *err)
{
    AUTO(treeobj) struct treeobj *old = NULL;
    AUTO(treeobj) struct treeobj *dir = NULL;
    int rc = load_root(t, x, &old, err);

    if (rc == 0)
        rc = decode_root(t, tree->dir.data, tree->dir.size, &dir, err);
    if (rc == 0)
        rc = unlink_others(txn, old, dir, err);
    if (rc == 0)
        rc = put_entries(t, txn, dir, err);
    return rc;
}

/* Where a directory of the tree is, once the tree is at the target. */
static void
format_wide_key(const struct target *t, const struct target_wide *wide, struct buf *out)
{
    if (!is_whole_root(t))
        buf_add_str(out, t->key);
    if (!is_whole_root(t) && *wide->key)
        buf_add_char(out, '.');
    buf_add_str(out, wide->key);
}

/* The directory above holds a reference to the object already: putting the object there changes
 * nothing but that it is stored.  Parents come first, for the way to a child leads through them. */
static int
put_wide(const struct target *t, xylem_txn_t *txn, const struct target_tree *tree, struct err *err)
{
    int rc = 0;

    for (size_t i = tree->nwide; i-- > 0 && rc == 0;) {
        AUTO(buf) struct buf key = BUF_INIT;

        format_wide_key(t, &tree->wide[i], &key);
        if (key.size == 0)
            continue; // the whole root: its entries are put one by one
        rc = xylem_txn_put_treeobj(txn, buf_str(&key), tree->wide[i].json, digest_name(t->alg));
        if (rc < 0)
            err_set(err, rc, "%s: %s", buf_str(&key), xylem_txn_error(txn));
    }
    return rc;
}

static int
commit(const struct target *t, xylem_t *x, const xylem_txn_t *txn, struct target_root *ret,
       struct err *err)
{
    struct xylem_root root;
    int rc = xylem_commit(x, t->ns, txn, 0, &root);

    if (rc < 0)
        return err_set(err, rc, "commit: %s", xylem_error(x));
    assert(strlen(root.rootref) < BLOBREF_MAX);
    strcpy(ret->rootref, root.rootref);
    ret->sequence = root.sequence;
    return 0;
}

static int
write_key(const struct target *t, xylem_t *x, const struct target_tree *tree,
          struct target_root *ret, struct err *err)
{
    AUTO(treeobj) struct treeobj *ref = treeobj_new_dirref(&tree->root);
    xylem_txn_t *txn = xylem_txn_new();
    int rc;

    if (is_whole_root(t))
        rc = replace_root(t, x, txn, tree, err);
    else
        rc = put_object(t, txn, t->key, ref, err);
    if (rc == 0)
        rc = put_wide(t, txn, tree, err);
    if (rc == 0)
        rc = commit(t, x, txn, ret, err);
    xylem_txn_free(txn);
    return rc;
}

/* ---- checkpoint ---- */

static int
write_checkpoint(const struct target *t, xylem_t *x, const struct target_tree *tree,
                 struct target_root *ret, struct err *err)
{
    struct checkpoint record = {.root = tree->root, .sequence = 0};
    AUTO(buf) struct buf json = BUF_INIT;
    int rc;

    record.timestamp = tree->newest > 0 ? (double)tree->newest : clock_wall();
    buf_add_str(&json, "{\"value\":");
    checkpoint_encode(t->alg, &record, &json);
    buf_add_char(&json, '}');
    rc = xylem_rpc(x, "content.checkpoint-put", 0, buf_str(&json), NULL);
    if (rc < 0)
        return err_set(err, rc, "checkpoint: %s", xylem_error(x));
    blobref_format(t->alg, &tree->root, ret->rootref);
    ret->sequence = 0;
    return 0;
}

int
target_write(const struct target *t, xylem_t *x, const struct target_tree *tree,
             struct target_root *ret, struct err *err)
{
    int rc;

    if (t->key)
        rc = write_key(t, x, tree, ret, err);
    else
        rc = write_checkpoint(t, x, tree, ret, err);
    if (rc < 0)
        return rc;
    rc = xylem_flush(x, 0);
    if (rc < 0 && rc != -ENOSYS) // ENOSYS: rank 0 has no backing store to flush to
        return err_set(err, rc, "flush: %s", xylem_error(x));
    return 0;
}
