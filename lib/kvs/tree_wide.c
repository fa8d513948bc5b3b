/* SPDX-License-Identifier: MPL-2.0 */
/* tree_wide.c - wide directories of a tree: loading, and the form they are written in.
 *
 * A directory changes its form only when it is written (tree_wide_form()): so an edit need not know
 * about forms, and nothing has to be taken back.  But a wide one that becomes a plain one needs all its
 * slots then.  So a transaction is applied only when those are loaded (tree_wide_settle()), and
 * they count as changed, which keeps them loaded until the tree is written.
 *
 *   entries      plain directory    wide directory
 *   <= limit     stays              becomes plain; asks for its slots
 *   >  limit     becomes wide       stays; slots without entries go
 *
 * I1 what is loaded below a slot is as the hdir says: so many entries, in that form, each with the
 *    right bits in its hash.  Then no name is in two slots.
 */
#include "tree_priv.h"

#include "blobref.h"
#include "xmem.h"

#include <errno.h>
#include <string.h>

static uint64_t
limit_of(const struct tree *t, const struct tree_dir *d, unsigned level)
{
    if (level == 0 && t->form.max == HDIR_AS_FOUND)
        return d->slots ? 0 : UINT64_MAX;
    return hdir_limit(&t->form, level);
}

/* --- loading --- */

static struct tree_dir *
make_dir(struct tree *t, const struct treeobj *obj, unsigned level, uint64_t prefix)
{
    if (treeobj_type(obj) == TREEOBJ_HDIR)
        return tree_dir_from_hdir(&t->pool, obj, level, prefix);
    return tree_dir_from_treeobj(&t->pool, obj);
}

int
tree_load_dir(struct tree *t, const struct tree_dir *parent, struct tree_node *n, struct err *err)
{
    const struct tree_slots *s = parent ? parent->slots : NULL;
    unsigned slot = s ? tree_slot_number(n) : 0;
    unsigned level = s ? s->level + 1 : 0;
    uint64_t prefix = s ? hdir_extend(s->prefix, s->level, slot) : 0;
    const struct treeobj *obj;
    char ref[BLOBREF_MAX];
    size_t count;
    int rc = 0;

    if (n->dir)
        return 0;
    obj = tree_load_get(&t->load, treeobj_refs(n->entry, &count));
    if (!obj)
        return TREE_MISSING;
    if (s)
        rc = hdir_check_part(&t->form, s->below[slot], obj, level, prefix, err);
    if (rc < 0)
        return err_prefix(err, rc, "%s",
                          blobref_format(t->alg, treeobj_refs(n->entry, &count), ref));
    n->dir = make_dir(t, obj, level, prefix);
    n->dir->node = n;
    return 0;
}

/* --- the end of a transaction --- */

void
tree_wide_changed(struct tree *t, struct tree_dir *d)
{
    if (d->round == t->round)
        return;
    d->round = t->round;
    if (t->wide_count == t->wide_capacity) {
        t->wide_capacity = t->wide_capacity ? t->wide_capacity * 2 : 16;
        t->wide = xrealloc(t->wide, t->wide_capacity * sizeof(struct tree_dir *));
    }
    t->wide[t->wide_count++] = d;
}

/* What was loaded last comes before its parents (tree_dir.c, I2). */
static void
touch_upwards(struct tree_dir *d)
{
    for (; d; d = d->node->in)
        tree_dir_touch(d);
}

/* As deep as HDIR_LEVELS. */
static int
load_slots(struct tree *t, struct tree_dir *d, struct err *err)
{
    bool is_missing = false;

    for (size_t i = 0; i < d->count; i++) {
        struct tree_node *n = d->nodes[i];
        int rc = tree_load_dir(t, d, n, err);

        if (rc < 0)
            touch_upwards(d);
        if (rc == 0)
            tree_edit_change(&t->edit, n);
        if (rc == 0 && n->dir->slots)
            rc = load_slots(t, n->dir, err);
        if (rc < 0)
            return rc;
        is_missing = is_missing || rc == TREE_MISSING;
    }
    tree_dir_touch(d);
    return is_missing ? TREE_MISSING : 0;
}

/* Mostly it is so large that it need not be counted. */
static bool
is_to_be_plain(const struct tree *t, const struct tree_dir *d)
{
    uint64_t limit = limit_of(t, d, d->slots->level);

    if (limit < UINT64_MAX && d->slots->written > t->removed &&
        d->slots->written - t->removed > limit)
        return false;
    return tree_dir_entries(d) <= limit;
}

int
tree_wide_settle(struct tree *t, struct err *err)
{
    bool is_missing = false;

    for (size_t i = 0; i < t->wide_count; i++) {
        struct tree_dir *d = t->wide[i];
        int rc = 0;

        if (is_to_be_plain(t, d))
            rc = load_slots(t, d, err);
        touch_upwards(d);
        if (rc < 0)
            return rc;
        is_missing = is_missing || rc == TREE_MISSING;
    }
    return is_missing ? TREE_MISSING : 0;
}

/* --- the form --- */

static void
replace_dir(struct tree_node *n, struct tree_dir *dir)
{
    struct tree_dir *old = n->dir;

    n->dir = dir;
    dir->node = n;
    tree_dir_free(&old);
}

/* Takes the nodes out of the directory, or out of those below its slots. */
static void
take_nodes(struct tree_dir *d, struct tree_node **out, size_t *count)
{
    for (size_t i = 0; i < d->count; i++) {
        if (d->slots)
            take_nodes(d->nodes[i]->dir, out, count);
        else
            out[(*count)++] = d->nodes[i];
    }
    if (!d->slots)
        d->count = 0;
}

static int
compare_nodes(const void *a, const void *b)
{
    return strcmp((*(struct tree_node *const *)a)->name, (*(struct tree_node *const *)b)->name);
}

static void
make_plain(struct tree *t, struct tree_node *n, uint64_t entries)
{
    AUTO(free) struct tree_node **nodes = xcalloc(entries + 1, sizeof(*nodes));
    struct tree_dir *plain = tree_dir_new(&t->pool);
    size_t count = 0;

    take_nodes(n->dir, nodes, &count);
    assert(count == entries);
    qsort(nodes, count, sizeof(*nodes), compare_nodes);
    for (size_t i = 0; i < count; i++)
        tree_dir_insert(plain, nodes[i]);
    replace_dir(n, plain);
}

/* The directory of a slot; made where there is none. */
static struct tree_dir *
slot_dir(struct tree *t, struct tree_dir *wide, unsigned slot)
{
    struct treeobj *unwritten = NULL;
    struct tree_dir *dir;
    struct tree_node *n;
    char name[2];

    tree_slot_name(slot, name);
    n = tree_dir_find(wide, name);
    if (!n) {
        dir = tree_dir_new(&t->pool);
        n = tree_node_new(&t->pool, name, &unwritten, &dir);
        tree_dir_insert(wide, n);
    }
    return n->dir;
}

static void
make_wide(struct tree *t, struct tree_node *n, unsigned level, uint64_t prefix)
{
    struct tree_dir *wide = tree_dir_new_wide(&t->pool, level, prefix);
    struct tree_dir *old = n->dir;

    for (size_t i = 0; i < old->count; i++) {
        uint64_t hash = t->form.hash(t->alg, old->nodes[i]->name);

        tree_dir_insert(slot_dir(t, wide, hdir_slot(hash, level)), old->nodes[i]);
    }
    old->count = 0;
    replace_dir(n, wide);
}

static void
drop_empty_slots(struct tree *t, struct tree_dir *d)
{
    for (size_t i = d->count; i-- > 0;) {
        struct tree_node *n = d->nodes[i];

        if (!tree_node_is_changed(n) || tree_dir_entries(n->dir) > 0)
            continue;
        tree_dir_remove(d, n);
        tree_node_free(&t->pool, &n);
    }
}

bool
tree_wide_form(struct tree *t, struct tree_node *n, unsigned level, uint64_t prefix)
{
    uint64_t entries = tree_dir_entries(n->dir);
    bool is_wide = entries > limit_of(t, n->dir, level);
    bool was_wide = n->dir->slots != NULL;

    if (was_wide && !is_wide)
        make_plain(t, n, entries);
    else if (!was_wide && is_wide)
        make_wide(t, n, level, prefix);
    else if (n->dir->slots)
        drop_empty_slots(t, n->dir);
    return was_wide != is_wide;
}
