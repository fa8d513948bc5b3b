/* SPDX-License-Identifier: MPL-2.0 */
/* tree_apply.c - what the operations of a transaction do to a tree.
 *
 * Model: each operation walks its key down to the directory of its last name, following links, and
 * then changes one entry there.  All changes go through tree_edit, so that they can be taken back.
 * An operation that meets a directory that is not loaded is skipped, and the walk goes on with the
 * next: so one round collects nearly all directories the transaction needs.  Then everything is
 * taken back, and the caller comes again with the directories.
 *
 * operation   missing        val                 valref          directory   link
 * put         add            replace             replace         replace     replace
 * unlink      -              remove              remove          remove      remove
 * append      add            valref [old, new]   one more ref    EISDIR      EOPNOTSUPP
 * in the middle of a key:
 * put, append make dir       replace by dir      replace by dir  go down     follow
 * unlink      -              -                   -               go down     follow
 * Appending nothing to a value changes nothing.
 *
 * I1 what is put is in stored form: no val longer than TREEOBJ_INLINE_MAX, no inline dir
 */
#include "tree_priv.h"
#include "tree_walk.h"
#include "xmem.h"

#include <errno.h>

/* --- stored form (I1) --- */

/* The bytes of a val as blobs of at most the limit, one after the other, and at least one. */
static struct treeobj *
store_value(struct tree *t, const struct treeobj *val)
{
    AUTO(free) struct digest *refs = NULL;
    AUTO(free) void *data = NULL;
    size_t count;
    size_t size;
    int rc = treeobj_val_decode(val, &data, &size);

    assert(rc == 0);
    count = size == 0 ? 1 : (size - 1) / t->blob_limit + 1;
    refs = xcalloc(count, sizeof(*refs));
    for (size_t i = 0; i < count; i++) {
        size_t from = i * t->blob_limit;
        struct blob *b = blob_new((char *)data + from, MIN(size - from, t->blob_limit));

        tree_made_add(&t->made, &b, &refs[i]);
    }
    return treeobj_new_valref(refs, count);
}

static struct treeobj *stored_form(struct tree *t, const struct treeobj *obj);

static struct treeobj *
stored_dir(struct tree *t, const struct treeobj *obj)
{
    struct treeobj *dir = treeobj_new_dir();

    for (size_t i = 0; i < treeobj_dir_count(obj); i++) {
        struct treeobj *entry = stored_form(t, treeobj_dir_entry(obj, i));

        treeobj_dir_put(dir, treeobj_dir_name(obj, i), &entry);
    }
    return dir;
}

/* A new reference; large values have become blobs. */
static struct treeobj *
stored_form(struct tree *t, const struct treeobj *obj)
{
    size_t len;

    if (treeobj_type(obj) == TREEOBJ_DIR)
        return stored_dir(t, obj);
    if (treeobj_type(obj) != TREEOBJ_VAL)
        return treeobj_ref(obj);
    treeobj_val_base64(obj, &len);
    if (len <= TREEOBJ_INLINE_MAX)
        return treeobj_ref(obj);
    return store_value(t, obj);
}

/* --- operations --- */

/* Consumes *obj, which is in stored form. */
static void
put_stored(struct tree *t, struct tree_walk *w, struct tree_node *child, struct treeobj **obj)
{
    const char *name = w->names[w->count - 1];
    struct tree_dir *dir = NULL;

    if (treeobj_type(*obj) == TREEOBJ_DIR) {
        dir = tree_dir_from_treeobj(&t->pool, *obj);
        treeobj_unref(obj);
    }
    tree_walk_change(w, t);
    if (child)
        tree_edit_replace(&t->edit, child, obj, &dir);
    else
        tree_edit_add(&t->edit, tree_walk_dir(w), name, obj, &dir);
}

static void
put(struct tree *t, struct tree_walk *w, struct tree_node *child, const struct treeobj *dirent)
{
    struct treeobj *obj = stored_form(t, dirent);

    put_stored(t, w, child, &obj);
}

static void
unlink_entry(struct tree *t, struct tree_walk *w, struct tree_node *child)
{
    if (!child)
        return;
    tree_walk_change(w, t);
    tree_edit_remove(&t->edit, tree_walk_dir(w), child);
    t->removed++;
}

/* A valref of our own with what the entry refers to now. */
static struct treeobj *
as_valref(struct tree *t, const struct treeobj *entry)
{
    const struct digest *refs;
    size_t count;

    if (treeobj_type(entry) != TREEOBJ_VALREF)
        return store_value(t, entry);
    refs = treeobj_refs(entry, &count);
    return treeobj_new_valref(refs, count);
}

static void
extend(struct tree *t, struct tree_walk *w, struct tree_node *child, const struct treeobj *val)
{
    AUTO(treeobj) struct treeobj *added = NULL;
    const struct digest *refs;
    size_t count;

    if (treeobj_type(child->entry) != TREEOBJ_VALREF || treeobj_is_shared(child->entry)) {
        struct treeobj *own = as_valref(t, child->entry);

        put_stored(t, w, child, &own);
    }
    tree_walk_change(w, t);
    added = store_value(t, val);
    refs = treeobj_refs(added, &count);
    for (size_t i = 0; i < count; i++)
        tree_edit_add_ref(&t->edit, child, &refs[i]);
}

static int
append(struct tree *t, struct tree_walk *w, struct tree_node *child, const struct treeobj *val,
       struct err *err)
{
    size_t len;

    if (!child) {
        put(t, w, NULL, val);
        return 0;
    }
    if (tree_node_is_dir(child))
        return err_set(err, -EISDIR, "append to a directory");
    if (tree_node_is_link(child))
        return err_set(err, -EOPNOTSUPP, "append to a symbolic link");
    treeobj_val_base64(val, &len);
    if (len > 0)
        extend(t, w, child, val);
    return 0;
}

static int
change_entry(struct tree *t, struct tree_walk *w, const struct txn_op *op, struct err *err)
{
    struct tree_node *child = tree_dir_find(tree_walk_dir(w), w->names[w->count - 1]);

    if (op->flags & TXN_APPEND)
        return append(t, w, child, op->dirent, err);
    if (op->dirent)
        put(t, w, child, op->dirent);
    else
        unlink_entry(t, w, child);
    return 0;
}

/* 0, TREE_MISSING or -errno with text. */
static int
apply_op(struct tree *t, const struct txn_op *op, struct err *err)
{
    AUTO(buf) struct buf text = BUF_INIT;
    struct tree_walk w;
    int rc;

    t->load.key = &op->key;
    tree_walk_init(&w, t, &op->key);
    rc = tree_walk_to_last(&w, t, op->dirent != NULL, err);
    if (rc == 0)
        rc = change_entry(t, &w, op, err);
    else if (rc == -ENOENT)
        rc = 0;
    tree_walk_fini(&w);
    t->load.key = NULL;
    if (rc < 0) {
        key_format(&op->key, &text);
        return err_prefix(err, rc, "key '%.128s'", buf_str(&text));
    }
    return rc;
}

static int
apply_ops(struct tree *t, const struct txn *txn, struct err *err)
{
    bool is_missing = false;

    for (size_t i = 0; i < txn->count; i++) {
        int rc = apply_op(t, &txn->ops[i], is_missing ? NULL : err);

        if (rc == TREE_MISSING)
            is_missing = true;
        else if (rc < 0 && !is_missing)
            return rc;
        /* An error behind a skipped operation may come from the skipping: not now. */
    }
    return is_missing ? TREE_MISSING : 0;
}

void
tree_begin(struct tree *t, size_t *ret_made)
{
    *ret_made = t->made.count;
    t->round++;
    t->wide_count = 0;
    tree_load_begin(&t->load);
}

int
tree_end(struct tree *t, size_t made, int rc, struct err *err)
{
    if (rc == 0 && (rc = tree_wide_settle(t, err)) < 0)
        err_prefix(err, rc, "a wide directory that changes");
    if (rc == 0) {
        tree_edit_commit(&t->edit);
    } else {
        tree_edit_rollback(&t->edit);
        tree_made_truncate(&t->made, made);
    }
    if (rc != TREE_MISSING)
        tree_load_clear(&t->load);
    return rc;
}

int
tree_apply(struct tree *t, const struct txn *txn, struct err *err)
{
    size_t made;

    tree_begin(t, &made);
    return tree_end(t, made, apply_ops(t, txn, err), err);
}
