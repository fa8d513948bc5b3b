/* SPDX-License-Identifier: MPL-2.0 */
/* tree_expect.c - what a transaction expects of keys, compared with what they hold.
 *
 * Nothing is changed, so all keys can be looked at in one round, and what is missing is asked for
 * together.
 *
 * expected      missing   val, valref, link   directory              directory, not written yet
 * nothing       holds     no                  no                     no
 * dirref        no        no                  if it is the same      UNWRITTEN
 * another       no        if it is the same   no                     no; inline: if it is the same
 *
 * A directory that is not written while the root is, lies inline in the blob of another one, as Flux
 * could have it: no write will change that. */
#include "tree_walk.h"

#include <errno.h>

/* As deep as TREEOBJ_DEPTH_MAX. */
static struct treeobj *
inline_dir(const struct tree_dir *d)
{
    struct treeobj *obj = treeobj_new_dir();

    for (size_t i = 0; i < d->count; i++) {
        const struct tree_node *n = d->nodes[i];
        struct treeobj *entry = n->entry ? treeobj_ref(n->entry) : inline_dir(n->dir);

        treeobj_dir_put(obj, n->name, &entry);
    }
    return obj;
}

/* With a node whose directory has no digest: 0, -EAGAIN, TREE_EXPECT_UNWRITTEN. */
static int
compare_unwritten(const struct tree *t, const struct tree_node *n, const struct treeobj *expected)
{
    AUTO(treeobj) struct treeobj *obj = NULL;

    if (tree_node_is_changed(t->root))
        return treeobj_type(expected) == TREEOBJ_DIRREF ? TREE_EXPECT_UNWRITTEN : -EAGAIN;
    obj = inline_dir(n->dir);
    return treeobj_equal(obj, expected) ? 0 : -EAGAIN;
}

static int
compare(const struct tree *t, const struct tree_node *n, const struct treeobj *expected,
        struct err *err)
{
    int rc = 0;

    if (!n)
        return expected ? err_set(err, -EAGAIN, "does not exist, but was expected to") : 0;
    if (!expected)
        return err_set(err, -EAGAIN, "exists, but was expected not to");
    if (!n->entry)
        rc = compare_unwritten(t, n, expected);
    else if (!treeobj_equal(n->entry, expected))
        rc = -EAGAIN;
    return rc < 0 ? err_set(err, rc, "is not what was expected") : rc;
}

static int
look_up(struct tree *t, const struct txn_expect *e, struct err *err)
{
    const struct tree_node *n = NULL;
    struct tree_walk w;
    int rc;

    if (e->key.count == 0)
        return compare(t, t->root, e->dirent, err);
    tree_walk_init(&w, t, &e->key);
    rc = tree_walk_to_last(&w, t, false, err);
    if (rc == 0)
        n = tree_dir_find(tree_walk_dir(&w), w.names[w.count - 1]);
    if (rc == 0 || rc == -ENOENT)
        rc = compare(t, n, e->dirent, err);
    tree_walk_fini(&w);
    return rc;
}

static int
expect_one(struct tree *t, const struct txn_expect *e, struct err *err)
{
    AUTO(buf) struct buf text = BUF_INIT;
    int rc;

    t->load.key = &e->key;
    rc = look_up(t, e, err);
    t->load.key = NULL;

    if (rc >= 0)
        return rc;
    key_format(&e->key, &text);
    return err_prefix(err, rc, "key '%.128s'", buf_str(&text));
}

int
tree_expect(struct tree *t, const struct txn *txn, struct err *err)
{
    int result = 0;
    size_t made;

    if (txn->nexpects == 0)
        return 0;
    tree_begin(t, &made);
    for (size_t i = 0; i < txn->nexpects && result >= 0; i++) {
        int rc = expect_one(t, &txn->expects[i], err);

        /* What is not loaded is asked for before a write is. */
        if (rc < 0 || (rc > 0 && result != TREE_MISSING))
            result = rc;
    }
    /* What tree_apply() has missed and was given is still to be taken: it is called again after this. */
    if (result < 0 || result == TREE_EXPECT_UNWRITTEN)
        tree_load_clear(&t->load);
    return result;
}
