/* SPDX-License-Identifier: MPL-2.0 */
/* depot_rank_write.c - a tree becomes visible at a rank.
 *
 * target        how
 * a key         one transaction that puts a dirref there
 * "."           one transaction that puts every entry which the root has not yet and unlinks every other one
 *               (the root itself is no key that can be put); applied only to the root it was made for, and made
 *               again when another commit was first
 * a checkpoint  a record for a rank 0 whose key-value store is not running: it will start from there
 */
#include "blobref.h"
#include "buf.h"
#include "depot_rank.h"
#include "key.h"
#include "xmem.h"

#include <errno.h>
#include <string.h>

#define REPLACE_TRIES 100 // commits of others may come first so often

static bool
is_whole_root(const struct depot_change *c)
{
    return strspn(c->key, ".") == strlen(c->key);
}

/* ---- transactions ---- */

static int
fail_txn(const xylem_txn_t *txn, int rc, const char *key, struct err *err)
{
    return err_set(err, rc, "%s: %s", key, xylem_txn_error(txn));
}

static int
put_object(const struct depot *d, xylem_txn_t *txn, const char *key, const struct treeobj *obj,
           struct err *err)
{
    AUTO(buf) struct buf json = BUF_INIT;
    int rc;

    treeobj_encode(d->layout.alg, obj, &json);
    rc = xylem_txn_put_treeobj(txn, key, buf_str(&json), digest_name(d->layout.alg));
    return rc < 0 ? fail_txn(txn, rc, key, err) : 0;
}

static int
expect_dir(const struct depot *d, xylem_txn_t *txn, const char *key, const struct digest *dir,
           struct err *err)
{
    AUTO(treeobj) struct treeobj *ref = treeobj_new_dirref(dir);
    AUTO(buf) struct buf json = BUF_INIT;
    int rc;

    treeobj_encode(d->layout.alg, ref, &json);
    rc = xylem_txn_expect(txn, key, buf_str(&json), digest_name(d->layout.alg));
    return rc < 0 ? fail_txn(txn, rc, key, err) : 0;
}

static int
put_changed(const struct depot *d, xylem_txn_t *txn, const struct treeobj *old,
            const struct treeobj *dir, size_t *changes, struct err *err)
{
    AUTO(buf) struct buf key = BUF_INIT;
    int rc = 0;

    for (size_t i = 0; i < treeobj_dir_count(dir) && rc == 0; i++) {
        const char *name = treeobj_dir_name(dir, i);
        const struct treeobj *entry = treeobj_dir_entry(dir, i);
        const struct treeobj *there = treeobj_dir_get(old, name);

        if (there && treeobj_equal(there, entry))
            continue;
        buf_reset(&key);
        key_quote_name(name, &key);
        rc = put_object(d, txn, buf_str(&key), entry, err);
        ++*changes;
    }
    return rc;
}

static int
unlink_others(xylem_txn_t *txn, const struct treeobj *old, const struct treeobj *dir,
              size_t *changes, struct err *err)
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
            return fail_txn(txn, rc, buf_str(&key), err);
        ++*changes;
    }
    return 0;
}

/* Where a directory of the tree is, once the tree is at its place. */
static void
format_wide_key(const struct depot_change *c, const struct depot_wide *wide, struct buf *out)
{
    if (!is_whole_root(c))
        buf_add_str(out, c->key);
    if (!is_whole_root(c) && *wide->key)
        buf_add_char(out, '.');
    buf_add_str(out, wide->key);
}

/* The directory above holds a reference to the object already: putting the object there changes
 * nothing but that it is stored.  Parents come first, for the way to a child leads through them. */
static int
put_wide(const struct depot *d, xylem_txn_t *txn, const struct depot_change *c, size_t *changes,
         struct err *err)
{
    for (size_t i = c->nwide; i-- > 0;) {
        AUTO(buf) struct buf key = BUF_INIT;
        int rc;

        format_wide_key(c, &c->wide[i], &key);
        if (key.size == 0)
            continue; // the whole root: its entries are put one by one
        rc = xylem_txn_put_treeobj(txn, buf_str(&key), c->wide[i].json, digest_name(d->layout.alg));
        if (rc < 0)
            return fail_txn(txn, rc, buf_str(&key), err);
        ++*changes;
    }
    return 0;
}

static int
commit(struct depot *d, const char *ns, const xylem_txn_t *txn, struct depot_root *ret,
       struct err *err)
{
    xylem_t *x = rank_of(d)->x;
    struct xylem_root root;
    enum digest_alg alg;
    int rc = xylem_commit(x, ns, txn, 0, &root);

    if (rc < 0)
        return err_set(err, rc, "commit: %s", xylem_error(x));
    if (blobref_parse(root.rootref, &alg, &ret->root) < 0 || alg != d->layout.alg)
        return err_set(err, -EPROTO, "commit: %s is no blobref of this instance", root.rootref);
    strcpy(ret->ns, ns);
    ret->owner = root.owner;
    ret->sequence = root.sequence;
    return 0;
}

/* ---- the two ways ---- */

static int
change_key(struct depot *d, const struct depot_change *c, struct depot_root *ret, struct err *err)
{
    AUTO(treeobj) struct treeobj *ref = treeobj_new_dirref(&c->tree);
    xylem_txn_t *txn = xylem_txn_new();
    size_t changes = 0;
    int rc = 0;

    if (c->expected)
        rc = expect_dir(d, txn, c->key, c->expected, err);
    if (rc == 0)
        rc = put_object(d, txn, c->key, ref, err);
    if (rc == 0)
        rc = put_wide(d, txn, c, &changes, err);
    if (rc == 0)
        rc = commit(d, c->ns, txn, ret, err);
    xylem_txn_free(txn);
    return rc;
}

static int
commit_root(struct depot *d, const struct depot_change *c, const struct treeobj *old,
            const struct treeobj *dir, struct depot_root *ret, struct err *err)
{
    xylem_txn_t *txn = xylem_txn_new();
    size_t changes = 0;
    int rc = expect_dir(d, txn, ".", &ret->root, err);

    if (rc == 0)
        rc = unlink_others(txn, old, dir, &changes, err);
    if (rc == 0)
        rc = put_changed(d, txn, old, dir, &changes, err);
    if (rc == 0)
        rc = put_wide(d, txn, c, &changes, err);
    if (rc == 0 && changes > 0)
        rc = commit(d, c->ns, txn, ret, err);
    xylem_txn_free(txn);
    return rc;
}

static int
refuse_root(const struct depot *d, const struct depot_change *c, const struct digest *is,
            struct err *err)
{
    char ref[BLOBREF_MAX], expected[BLOBREF_MAX];

    return err_set(err, -EAGAIN, "the current root of %s is %s, not %s", c->ns,
                   blobref_format(d->layout.alg, is, ref),
                   blobref_format(d->layout.alg, c->expected, expected));
}

static int
replace_root(struct depot *d, const struct depot_change *c, const struct treeobj *dir,
             struct depot_root *ret, struct err *err)
{
    AUTO(treeobj) struct treeobj *old = NULL;
    int rc = depot_root(d, c->ns, ret, err);

    if (rc < 0)
        return rc;
    if (c->expected && !digest_equal(&ret->root, c->expected))
        return refuse_root(d, c, &ret->root, err);
    rc = depot_load_dir(d, &ret->root, &old, err);
    return rc < 0 ? err_prefix(err, rc, "current root") : commit_root(d, c, old, dir, ret, err);
}

static int
change_root(struct depot *d, const struct depot_change *c, struct depot_root *ret, struct err *err)
{
    AUTO(treeobj) struct treeobj *dir = NULL;
    int rc = treeobj_decode(d->layout.alg, c->dir, c->dir_size, &dir, err);

    if (rc == 0 && treeobj_type(dir) != TREEOBJ_DIR)
        rc = err_set(err, -EPROTO, "not a directory object");
    if (rc < 0)
        return err_prefix(err, rc, "root directory");
    for (int i = 0; i < REPLACE_TRIES; i++) {
        rc = replace_root(d, c, dir, ret, err);
        if (rc != -EAGAIN || c->expected)
            break;
    }
    return rc;
}

int
depot_rank_change(struct depot *d, const struct depot_change *change, struct depot_root *ret,
                  struct err *err)
{
    assert(strlen(change->ns) < sizeof(ret->ns));
    return is_whole_root(change) ? change_root(d, change, ret, err)
                                 : change_key(d, change, ret, err);
}

/* ---- namespaces, checkpoints ---- */

int
depot_rank_create(struct depot *d, const struct depot_root *root, struct err *err)
{
    xylem_t *x = rank_of(d)->x;
    AUTO(buf) struct buf json = BUF_INIT;
    char ref[BLOBREF_MAX];
    int rc;

    /* Names of namespaces need no quoting; one that does is refused. */
    buf_printf(&json, "{\"namespace\":\"%s\",\"rootref\":\"%s\",\"owner\":%u,\"flags\":0}",
               root->ns, blobref_format(d->layout.alg, &root->root, ref), root->owner);
    rc = xylem_rpc(x, "kvs.namespace-create", 0, buf_str(&json), NULL);
    return rc < 0 ? err_set(err, rc, "namespace %s: %s", root->ns, xylem_error(x)) : 0;
}

int
depot_rank_put_checkpoint(struct depot *d, const struct checkpoint *c, struct err *err)
{
    xylem_t *x = rank_of(d)->x;
    AUTO(buf) struct buf json = BUF_INIT;
    int rc;

    buf_add_str(&json, "{\"value\":");
    checkpoint_encode(d->layout.alg, c, &json);
    buf_add_char(&json, '}');
    rc = xylem_rpc(x, "content.checkpoint-put", 0, buf_str(&json), NULL);
    return rc < 0 ? err_set(err, rc, "checkpoint: %s", xylem_error(x)) : 0;
}

int
depot_rank_flush(struct depot *d, struct err *err)
{
    xylem_t *x = rank_of(d)->x;
    int rc = xylem_flush(x, 0);

    if (rc < 0 && rc != -ENOSYS) // ENOSYS: rank 0 has no backing store to flush to
        return err_set(err, rc, "flush: %s", xylem_error(x));
    return 0;
}
