/* SPDX-License-Identifier: MPL-2.0 */
/* tree_node.c - nodes: the entries of loaded directories, and what is loaded below them.
 *
 * state     entry       dir
 * LEAF      val, valref or symlink   NULL
 * STUB      dirref      NULL         a directory known by its digest
 * CLEAN     dirref      loaded       the same, its content at hand
 * CHANGED   NULL        loaded       its content is not yet written; its digest is unknown
 *
 * I1 a node has an entry or a directory
 * I2 the parent of a CHANGED node is CHANGED, unless the node came inline in the parent's blob
 * I3 pool->memory counts each node, its entry and each directory once, from creation to freeing;
 *    what is swapped out of a node is not counted until it is swapped in again
 */
#include "tree_node.h"

#include "xmem.h"

#include <string.h>

#define ALLOC_OVERHEAD 16 // bytes that malloc() adds to a block, about

void
tree_node_init_pool(struct tree_pool *p)
{
    list_init(&p->used);
    p->memory = 0;
}

static size_t
entry_memory(const struct tree_node *n)
{
    return n->entry ? treeobj_memory(n->entry) : 0;
}

static size_t
node_memory(const struct tree_node *n)
{
    return sizeof(*n) + strlen(n->name) + ALLOC_OVERHEAD + entry_memory(n);
}

struct tree_node *
tree_node_new(struct tree_pool *p, const char *name, struct treeobj **entry, struct tree_dir **dir)
{
    size_t size = strlen(name) + 1;
    struct tree_node *n = xmalloc(sizeof(*n) + size);

    assert(*entry || *dir); /* I1 */
    memcpy(n->name, name, size);
    n->entry = TAKE(*entry);
    n->dir = TAKE(*dir);
    n->in = NULL;
    if (n->dir)
        n->dir->node = n;
    p->memory += node_memory(n);
    return n;
}

void
tree_node_free(struct tree_pool *p, struct tree_node **n)
{
    struct tree_node *old = TAKE(*n);

    if (!old)
        return;
    p->memory -= node_memory(old);
    treeobj_unref(&old->entry);
    tree_dir_free(&old->dir);
    free(old);
}

void
tree_node_swap_entry(struct tree_pool *p, struct tree_node *n, struct treeobj **entry)
{
    struct treeobj *old = n->entry;

    p->memory -= entry_memory(n);
    n->entry = *entry;
    *entry = old;
    p->memory += entry_memory(n);
    assert(n->entry || n->dir); /* I1 */
}

void
tree_node_swap(struct tree_pool *p, struct tree_node *n, struct treeobj **entry,
               struct tree_dir **dir)
{
    struct tree_dir *old = n->dir;

    n->dir = *dir;
    *dir = old;
    if (n->dir)
        n->dir->node = n;
    tree_node_swap_entry(p, n, entry);
}

void
tree_node_add_ref(struct tree_pool *p, struct tree_node *n, const struct digest *ref)
{
    p->memory -= entry_memory(n);
    treeobj_valref_add(n->entry, ref);
    p->memory += entry_memory(n);
}

void
tree_node_truncate(struct tree_pool *p, struct tree_node *n, size_t count)
{
    p->memory -= entry_memory(n);
    treeobj_valref_truncate(n->entry, count);
    p->memory += entry_memory(n);
}

bool
tree_node_is_dir(const struct tree_node *n)
{
    return !n->entry || treeobj_type(n->entry) == TREEOBJ_DIRREF;
}

bool
tree_node_is_changed(const struct tree_node *n)
{
    return !n->entry;
}

bool
tree_node_is_link(const struct tree_node *n)
{
    return n->entry && treeobj_type(n->entry) == TREEOBJ_SYMLINK;
}
