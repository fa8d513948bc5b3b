/* SPDX-License-Identifier: MPL-2.0 */
/* tree_edit.c - an undo log for one transaction.
 *
 * Model: every change appends a step that knows how to take it back, and owns what the change threw
 * out.  Rollback goes from the newest step to the oldest, so each step finds the tree as its change
 * left it.
 *
 * step       owns                  taken back by
 * CHANGED    the old dirref        putting it back: the directory is as that digest says again
 * SWAPPED    old entry, directory  swapping them in again
 * ADDED      -                     removing and freeing the node
 * REMOVED    the node              inserting it again
 * EXTENDED   -                     truncating the valref to its old count
 *
 * I1 what a step refers to stays alive as long as the step: removed nodes and replaced directories
 *    belong to steps, and nothing else frees nodes while steps are pending
 */
#include "tree_edit.h"

#include "xmem.h"

enum step_kind { CHANGED, SWAPPED, ADDED, REMOVED, EXTENDED };

struct edit_step {
    enum step_kind kind;     // see the table above
    struct tree_node *node;  // borrowed; REMOVED: owned
    struct tree_dir *parent; // ADDED, REMOVED: borrowed; where the node was put or taken
    struct treeobj *entry;   // CHANGED, SWAPPED: owned; may be NULL
    struct tree_dir *dir;    // SWAPPED: owned; may be NULL
    size_t count;            // EXTENDED: references before
};

void
tree_edit_init(struct tree_edit *e, struct tree_pool *pool)
{
    *e = (struct tree_edit){pool, NULL, 0, 0};
}

void
tree_edit_fini(struct tree_edit *e)
{
    assert(e->count == 0);
    free(e->steps);
    e->steps = NULL;
}

static void
add_step(struct tree_edit *e, struct edit_step step)
{
    if (e->count == e->capacity) {
        e->capacity = e->capacity ? e->capacity * 2 : 16;
        e->steps = xrealloc(e->steps, e->capacity * sizeof(step));
    }
    e->steps[e->count++] = step;
}

void
tree_edit_change(struct tree_edit *e, struct tree_node *n)
{
    struct treeobj *entry = NULL;

    assert(n->dir);
    if (!n->entry)
        return;
    tree_node_swap_entry(e->pool, n, &entry);
    add_step(e, (struct edit_step){.kind = CHANGED, .node = n, .entry = entry});
}

struct tree_node *
tree_edit_add(struct tree_edit *e, struct tree_dir *parent, const char *name,
              struct treeobj **entry, struct tree_dir **dir)
{
    struct tree_node *n = tree_node_new(e->pool, name, entry, dir);

    tree_dir_insert(parent, n);
    add_step(e, (struct edit_step){.kind = ADDED, .node = n, .parent = parent});
    return n;
}

void
tree_edit_replace(struct tree_edit *e, struct tree_node *n, struct treeobj **entry,
                  struct tree_dir **dir)
{
    tree_node_swap(e->pool, n, entry, dir);
    add_step(e, (struct edit_step){
                    .kind = SWAPPED, .node = n, .entry = TAKE(*entry), .dir = TAKE(*dir)});
}

void
tree_edit_remove(struct tree_edit *e, struct tree_dir *parent, struct tree_node *n)
{
    tree_dir_remove(parent, n);
    add_step(e, (struct edit_step){.kind = REMOVED, .node = n, .parent = parent});
}

void
tree_edit_add_ref(struct tree_edit *e, struct tree_node *n, const struct digest *ref)
{
    size_t count;

    treeobj_refs(n->entry, &count);
    tree_node_add_ref(e->pool, n, ref);
    add_step(e, (struct edit_step){.kind = EXTENDED, .node = n, .count = count});
}

static void
take_back(struct tree_edit *e, struct edit_step *s)
{
    switch (s->kind) {
    case CHANGED:
        tree_node_swap_entry(e->pool, s->node, &s->entry);
        break;
    case SWAPPED:
        tree_node_swap(e->pool, s->node, &s->entry, &s->dir);
        treeobj_unref(&s->entry);
        tree_dir_free(&s->dir);
        break;
    case ADDED:
        tree_dir_remove(s->parent, s->node);
        tree_node_free(e->pool, &s->node);
        break;
    case REMOVED:
        tree_dir_insert(s->parent, s->node);
        break;
    case EXTENDED:
        tree_node_truncate(e->pool, s->node, s->count);
        break;
    }
}

void
tree_edit_rollback(struct tree_edit *e)
{
    while (e->count > 0)
        take_back(e, &e->steps[--e->count]);
}

void
tree_edit_commit(struct tree_edit *e)
{
    for (size_t i = 0; i < e->count; i++) {
        struct edit_step *s = &e->steps[i];

        treeobj_unref(&s->entry);
        tree_dir_free(&s->dir);
        if (s->kind == REMOVED)
            tree_node_free(e->pool, &s->node);
    }
    e->count = 0;
}
