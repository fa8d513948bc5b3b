/* SPDX-License-Identifier: MPL-2.0 */
/* tree.c - a namespace's tree: its life, writing, forgetting.
 *
 * Model: nodes (tree_node.h) with the directories loaded so far.  tree_apply() edits them and
 * remembers value blobs; tree_write() turns changed directories into blobs from the leaves up and
 * hands out all of them.  Directories that did not change keep their digest and are not looked at.
 *
 * I1 no edit is pending between two calls
 * I2 after tree_write() no directory on the way from the root to it is changed
 * I3 nothing is dropped from memory that may not be stored yet
 * Thread: any, but one at a time.  See xylem-kvs(7), "Commits".
 */
#include "tree_priv.h"

#include "blobref.h"
#include "xmem.h"

#include <errno.h>
#include <string.h>

static struct tree_node *
new_root(struct tree *t, const struct digest *d)
{
    struct treeobj *ref = treeobj_new_dirref(d);
    struct tree_dir *unloaded = NULL;

    return tree_node_new(&t->pool, "", &ref, &unloaded);
}

struct tree *
tree_new(enum digest_alg alg, const struct digest *root)
{
    struct tree *t = xcalloc(1, sizeof(*t));

    t->alg = alg;
    t->blob_limit = SIZE_MAX;
    t->form = hdir_form(alg, 0);
    t->form.max = HDIR_AS_FOUND;
    t->written = t->accepted = *root;
    tree_node_init_pool(&t->pool);
    tree_edit_init(&t->edit, &t->pool);
    tree_load_init(&t->load);
    tree_made_init(&t->made, alg);
    t->root = new_root(t, root);
    return t;
}

void
tree_free(struct tree **t)
{
    struct tree *old = TAKE(*t);

    if (!old)
        return;
    tree_edit_fini(&old->edit); /* I1 */
    tree_load_fini(&old->load);
    tree_made_fini(&old->made);
    tree_node_free(&old->pool, &old->root);
    assert(old->pool.memory == 0);
    free(old->wide);
    free(old->ns);
    free(old);
}

void
tree_set_blob_limit(struct tree *t, size_t bytes)
{
    assert(bytes > 0);
    t->blob_limit = bytes;
}

void
tree_set_form(struct tree *t, const struct hdir_form *form)
{
    t->form = *form;
}

void
tree_set_namespace(struct tree *t, const char *ns)
{
    free(t->ns);
    t->ns = xstrdup(ns);
}

/* --- directories from outside --- */

const struct digest *
tree_needs(const struct tree *t, size_t *ret_count)
{
    *ret_count = t->load.count;
    return t->load.missing;
}

const char *
tree_need_key(const struct tree *t, const struct digest *d)
{
    return tree_load_key(&t->load, d);
}

int
tree_provide(struct tree *t, const struct digest *d, const struct blob *b, struct err *err)
{
    AUTO(treeobj) struct treeobj *obj = NULL;
    char ref[BLOBREF_MAX];
    int rc;

    if (!tree_load_is_missing(&t->load, d))
        return 0;
    rc = treeobj_decode(t->alg, blob_data(b), blob_size(b), &obj, err);
    if (rc < 0)
        return err_prefix(err, rc, "%s", blobref_format(t->alg, d, ref));
    if (treeobj_type(obj) != TREEOBJ_DIR && treeobj_type(obj) != TREEOBJ_HDIR)
        return err_set(err, -EPROTO, "%s: a %s, not a dir", blobref_format(t->alg, d, ref),
                       treeobj_type_name(treeobj_type(obj)));
    tree_load_give(&t->load, d, &obj);
    return 0;
}

/* --- writing --- */

static struct blob *
encode_dir(const struct tree *t, const struct tree_dir *dir)
{
    AUTO(buf) struct buf text = BUF_INIT;
    void *data;
    size_t size;

    tree_dir_encode(t->alg, dir, &text);
    data = buf_detach(&text, &size);
    return blob_adopt(&data, size);
}

static bool write_node(struct tree *t, struct tree_node *n, unsigned level, uint64_t prefix);

static bool
write_slots(struct tree *t, struct tree_dir *dir)
{
    struct tree_slots *s = dir->slots;
    bool is_new = false;

    for (size_t i = 0; i < dir->count; i++) {
        struct tree_node *child = dir->nodes[i];
        unsigned slot = tree_slot_number(child);

        if (!tree_node_is_changed(child))
            continue;
        is_new |= write_node(t, child, s->level + 1, hdir_extend(s->prefix, s->level, slot));
        s->below[slot] = tree_dir_entries(child->dir);
    }
    s->written = tree_dir_entries(dir);
    return is_new;
}

static bool
write_entries(struct tree *t, struct tree_dir *dir)
{
    bool is_new = false;

    for (size_t i = 0; i < dir->count; i++) {
        if (tree_node_is_changed(dir->nodes[i]))
            is_new |= write_node(t, dir->nodes[i], 0, 0);
    }
    return is_new;
}

/* As deep as directories are loaded: keys, inline dirs and slots have a limit.  true: there are new
 * directories, here or below. */
static bool
write_node(struct tree *t, struct tree_node *n, unsigned level, uint64_t prefix)
{
    struct blob *b;
    struct digest d;
    struct treeobj *ref;
    bool is_new = tree_wide_form(t, n, level, prefix);

    is_new |= n->dir->slots ? write_slots(t, n->dir) : write_entries(t, n->dir);
    b = encode_dir(t, n->dir);
    tree_made_add(&t->made, &b, &d);
    ref = treeobj_new_dirref(&d);
    tree_node_swap_entry(&t->pool, n, &ref);
    if (is_new)
        tree_dir_touch(n->dir); // behind those below it (tree_dir.c, I2)
    return is_new;
}

static void
emit_all(struct tree *t, tree_emit_fn emit, void *arg)
{
    for (size_t i = 0; i < t->made.count; i++) {
        const struct digest *d;
        const struct blob *b = tree_made_get(&t->made, i, &d);

        emit(arg, d, b);
    }
    tree_made_truncate(&t->made, 0);
}

void
tree_write(struct tree *t, tree_emit_fn emit, void *arg, struct digest *ret_root)
{
    size_t count;

    if (tree_node_is_changed(t->root))
        write_node(t, t->root, 0, 0);
    emit_all(t, emit, arg);
    t->removed = 0;
    t->written = *treeobj_refs(t->root->entry, &count);
    *ret_root = t->written;
}

void
tree_accept(struct tree *t)
{
    t->accepted = t->written;
}

void
tree_discard(struct tree *t)
{
    tree_made_truncate(&t->made, 0);
    tree_load_clear(&t->load);
    tree_node_free(&t->pool, &t->root);
    t->root = new_root(t, &t->accepted);
    t->written = t->accepted;
}

const struct digest *
tree_root(const struct tree *t)
{
    return &t->written;
}

/* --- memory --- */

void
tree_trim(struct tree *t, size_t max_bytes)
{
    if (!digest_equal(&t->written, &t->accepted)) /* I3 */
        return;
    /* A directory comes after all below it (tree_dir.c, I2), so dropping one leaves the next on
     * the list alone. */
    LIST_FOR_EACH (it, &t->pool.used) {
        struct tree_dir *dir = list_entry(it, struct tree_dir, used);

        if (t->pool.memory <= max_bytes)
            return;
        if (!tree_node_is_changed(dir->node))
            tree_dir_free(&dir->node->dir);
    }
}

size_t
tree_memory(const struct tree *t)
{
    return t->pool.memory;
}

struct blob *
tree_empty_dir(enum digest_alg alg, struct digest *ret)
{
    static const char text[] = "{\"data\":{},\"type\":\"dir\",\"ver\":1}";

    digest_compute(alg, text, sizeof(text) - 1, ret);
    return blob_new(text, sizeof(text) - 1);
}
