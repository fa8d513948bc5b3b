/* SPDX-License-Identifier: MPL-2.0 */
/* tree_walk.c - see tree_walk.h.
 *
 * The way is an array of nodes, slots of wide directories included.  A link that is met in the middle of
 * the key takes the place of the names up to it, and the walk begins again at the root.
 *
 *   next name is        to make directories        else
 *   a directory         go down                    go down
 *   a link              follow                     follow
 *   a value             replace it by one          -ENOENT
 *   missing             make one                   -ENOENT
 */
#include "tree_walk.h"
#include "xmem.h"

#include <errno.h>
#include <string.h>

void
tree_walk_init(struct tree_walk *w, struct tree *t, const struct key *key)
{
    w->count = key->count;
    w->next = 0;
    w->depth = 0;
    w->links = 0;
    w->path[0] = t->root;
    memcpy(w->names, key->names, key->count * sizeof(w->names[0]));
}

/* Marks what was walked through as recently used, deepest first (tree_dir.c, I2). */
static void
walk_touch(const struct tree_walk *w)
{
    for (size_t i = w->depth + 1; i-- > 0;) {
        if (w->path[i]->dir)
            tree_dir_touch(w->path[i]->dir);
    }
}

void
tree_walk_fini(struct tree_walk *w)
{
    walk_touch(w);
    for (size_t i = 0; i < w->links; i++)
        key_fini(&w->targets[i]);
}

struct tree_dir *
tree_walk_dir(const struct tree_walk *w)
{
    return w->path[w->depth]->dir;
}

/* Makes all directories on the way changed ones. */
void
tree_walk_change(struct tree_walk *w, struct tree *t)
{
    for (size_t i = 0; i <= w->depth; i++) {
        tree_edit_change(&t->edit, w->path[i]);
        if (w->path[i]->dir->slots)
            tree_wide_changed(t, w->path[i]->dir);
    }
}

/* --- walking --- */

/* Sets the names to those of the link's target and those left behind the link. */
static int
walk_follow(struct tree_walk *w, const struct tree *t, const struct treeobj *link, struct err *err)
{
    const char *ns = treeobj_link_namespace(link);
    size_t rest = w->count - w->next - 1;
    struct key *target = &w->targets[w->links];
    int rc;

    if (w->links == TREE_SYMLINKS_MAX)
        return err_set(err, -ELOOP, "more than %d symbolic links", TREE_SYMLINKS_MAX);
    if (ns && (!t->ns || strcmp(ns, t->ns) != 0))
        return err_set(err, -EINVAL, "a link on the way leads into another namespace");
    rc = key_parse(treeobj_link_target(link), target, err);
    if (rc < 0)
        return err_prefix(err, rc, "a link on the way");
    w->links++;
    if (target->count + rest > KEY_DEPTH_MAX)
        return err_set(err, -ENAMETOOLONG, "more than %d names with links followed", KEY_DEPTH_MAX);
    memmove(w->names + target->count, w->names + w->next + 1, rest * sizeof(w->names[0]));
    memcpy(w->names, target->names, target->count * sizeof(w->names[0]));
    w->count = target->count + rest;
    walk_touch(w);
    w->next = 0;
    w->depth = 0;
    return 0;
}

/* An empty directory as the entry `name` where the walk is, in place of `child` (or NULL). */
static struct tree_node *
make_dir(struct tree *t, struct tree_walk *w, const char *name, struct tree_node *child)
{
    struct tree_dir *dir = tree_dir_new(&t->pool);
    struct treeobj *unwritten = NULL;

    tree_walk_change(w, t);
    if (!child)
        return tree_edit_add(&t->edit, tree_walk_dir(w), name, &unwritten, &dir);
    tree_edit_replace(&t->edit, child, &unwritten, &dir);
    return child;
}

/* One name further.  -ENOENT: there is no directory, and none is to be made. */
static int
walk_down(struct tree_walk *w, struct tree *t, bool is_making, struct err *err)
{
    const char *name = w->names[w->next];
    struct tree_node *child = tree_dir_find(tree_walk_dir(w), name);

    if (child && tree_node_is_link(child))
        return walk_follow(w, t, child->entry, err);
    if (!child || !tree_node_is_dir(child)) {
        if (!is_making)
            return -ENOENT;
        child = make_dir(t, w, name, child);
    }
    w->next++;
    w->path[++w->depth] = child;
    return 0;
}

/* Into the slot of a wide directory that the name belongs to.  -ENOENT as above. */
static int
walk_into_slot(struct tree_walk *w, struct tree *t, bool is_making)
{
    const struct tree_slots *s = tree_walk_dir(w)->slots;
    struct tree_node *child;
    char name[2];

    if (s->level == 0)
        w->hash = t->form.hash(t->alg, w->names[w->next]);
    tree_slot_name(hdir_slot(w->hash, s->level), name);
    child = tree_dir_find(tree_walk_dir(w), name);
    if (!child && !is_making)
        return -ENOENT;
    if (!child)
        child = make_dir(t, w, name, NULL);
    w->path[++w->depth] = child;
    return 0;
}

static int
walk_load(struct tree_walk *w, struct tree *t, struct err *err)
{
    const struct tree_dir *parent = w->depth > 0 ? w->path[w->depth - 1]->dir : NULL;

    return tree_load_dir(t, parent, w->path[w->depth], err);
}

/* To the directory of the last name.  0, TREE_MISSING, -ENOENT as above, or -errno with text. */
int
tree_walk_to_last(struct tree_walk *w, struct tree *t, bool is_making, struct err *err)
{
    for (;;) {
        int rc = walk_load(w, t, err);

        if (rc != 0)
            return rc;
        if (tree_walk_dir(w)->slots)
            rc = walk_into_slot(w, t, is_making);
        else if (w->next + 1 < w->count)
            rc = walk_down(w, t, is_making, err);
        else
            return 0;
        if (rc < 0)
            return rc;
    }
}
