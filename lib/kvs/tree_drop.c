/* SPDX-License-Identifier: MPL-2.0 */
/* tree_drop.c - take lost parts out of a wide directory.
 *
 * A repair cannot unlink what it has no names of.  The key leads to the directory; from there all its
 * hdirs are searched.  All parts of a directory go at once: what is left may have to become a plain one,
 * for which nothing of it may be lost.
 */
#include "tree_priv.h"

#include "xmem.h"

#include <errno.h>

struct drop {
    struct tree *tree;          // borrowed
    const struct digest *parts; // borrowed; what is looked for
    size_t count;               // parts
    struct tree_node *path[1 + KEY_DEPTH_MAX * (1 + HDIR_LEVELS) + HDIR_LEVELS];
    size_t depth;     // path[depth] is the last one
    uint64_t entries; // below the parts that were found
    struct err *err;  // of the caller
};

static struct tree_dir *
drop_dir(const struct drop *p)
{
    return p->path[p->depth]->dir;
}

/* 0, TREE_MISSING, -EPROTO. */
static int
load_here(struct drop *p)
{
    const struct tree_dir *parent = p->depth > 0 ? p->path[p->depth - 1]->dir : NULL;

    return tree_load_dir(p->tree, parent, p->path[p->depth], p->err);
}

/* To the entry with that name, through slots.  -ENOENT: there is no such directory. */
static int
go_to(struct drop *p, const char *name)
{
    uint64_t hash = p->tree->form.hash(p->tree->alg, name);
    bool is_slot;

    do {
        const struct tree_slots *s = drop_dir(p)->slots;
        struct tree_node *child;
        char digit[2];
        int rc;

        is_slot = s != NULL;
        if (is_slot)
            tree_slot_name(hdir_slot(hash, s->level), digit);
        child = tree_dir_find(drop_dir(p), is_slot ? digit : name);
        if (!child || !tree_node_is_dir(child))
            return -ENOENT;
        p->path[++p->depth] = child;
        rc = load_here(p);
        if (rc != 0)
            return rc;
    } while (is_slot);
    return 0;
}

static void
remove_slot(struct drop *p, struct tree_node *slot)
{
    struct tree *t = p->tree;

    p->entries += drop_dir(p)->slots->below[tree_slot_number(slot)];
    for (size_t i = 0; i <= p->depth; i++) {
        tree_edit_change(&t->edit, p->path[i]);
        if (p->path[i]->dir->slots)
            tree_wide_changed(t, p->path[i]->dir);
    }
    tree_edit_remove(&t->edit, drop_dir(p), slot);
    t->removed += drop_dir(p)->slots->below[tree_slot_number(slot)];
}

static bool
is_part(const struct drop *p, const struct tree_node *n)
{
    size_t count;

    const struct digest *ref = n->entry ? treeobj_refs(n->entry, &count) : NULL;

    for (size_t i = 0; ref && i < p->count; i++) {
        if (digest_equal(ref, &p->parts[i]))
            return true;
    }
    return false;
}

static int search(struct drop *p);

/* Only an hdir has parts, and the number of entries tells which is one. */
static int
search_slot(struct drop *p, struct tree_node *n)
{
    const struct tree_slots *s = drop_dir(p)->slots;
    int rc;

    if (n->entry && s->below[tree_slot_number(n)] <= hdir_limit(&p->tree->form, s->level + 1))
        return 0;
    p->path[++p->depth] = n;
    rc = load_here(p);
    if (rc == 0)
        rc = search(p);
    p->depth--;
    return rc;
}

/* As deep as HDIR_LEVELS.  Backwards, because nodes go. */
static int
search(struct drop *p)
{
    struct tree_dir *d = drop_dir(p);
    bool is_missing = false;

    for (size_t i = d->slots ? d->count : 0; i-- > 0;) {
        int rc = 0;

        if (is_part(p, d->nodes[i]))
            remove_slot(p, d->nodes[i]);
        else
            rc = search_slot(p, d->nodes[i]);
        if (rc < 0)
            return rc;
        is_missing = is_missing || rc == TREE_MISSING;
    }
    tree_dir_touch(d); // behind what was loaded (tree_dir.c, I2)
    return is_missing ? TREE_MISSING : 0;
}

static int
drop(struct drop *p, const struct key *key)
{
    int rc = load_here(p);

    for (size_t i = 0; rc == 0 && i < key->count; i++)
        rc = go_to(p, key->names[i]);
    if (rc == 0)
        rc = search(p);
    for (size_t i = p->depth + 1; i-- > 0;) {
        if (p->path[i]->dir)
            tree_dir_touch(p->path[i]->dir);
    }
    return rc == -ENOENT ? 0 : rc;
}

int
tree_drop_parts(struct tree *t, const struct key *key, const struct digest *parts, size_t count,
                uint64_t *ret_entries, struct err *err)
{
    struct drop p = {.tree = t, .parts = parts, .count = count, .path = {t->root}, .err = err};
    size_t made;
    int rc;

    tree_begin(t, &made);
    rc = tree_end(t, made, drop(&p, key), err);
    *ret_entries = rc == 0 ? p.entries : 0;
    return rc;
}
