/* SPDX-License-Identifier: MPL-2.0 */
/* tree_dir.c - loaded directories: a sorted array of nodes.
 *
 * A wide directory, which is stored as an hdir, is a directory of directories: its nodes are its slots.
 * Whoever looks for an entry goes through them; all else treats them like any other directory.
 *
 * I1 nodes are sorted bytewise by name, and no name is there twice
 * I2 on the pool's list a directory comes after all that are below it, once a walk has touched
 *    what it went through: dropping from the front never frees a directory further back
 */
#include "tree_node.h"

#include "xmem.h"

#include <string.h>

#define ENTRY_SIZE_GUESS 96 // bytes of text for one directory entry
#define ALLOC_OVERHEAD 16   // bytes that malloc() adds to a block, about

struct tree_dir *
tree_dir_new(struct tree_pool *pool)
{
    struct tree_dir *d = xcalloc(1, sizeof(*d));

    d->pool = pool;
    list_init(&d->used);
    list_push_back(&pool->used, &d->used);
    pool->memory += sizeof(*d) + ALLOC_OVERHEAD;
    return d;
}

struct tree_dir *
tree_dir_new_wide(struct tree_pool *pool, unsigned level, uint64_t prefix)
{
    struct tree_dir *d = tree_dir_new(pool);

    d->slots = xcalloc(1, sizeof(*d->slots));
    d->slots->level = level;
    d->slots->prefix = prefix;
    pool->memory += sizeof(*d->slots) + ALLOC_OVERHEAD;
    return d;
}

void
tree_dir_free(struct tree_dir **d)
{
    struct tree_dir *old = TAKE(*d);

    if (!old)
        return;
    for (size_t i = 0; i < old->count; i++)
        tree_node_free(old->pool, &old->nodes[i]);
    list_remove(&old->used);
    old->pool->memory -= sizeof(*old) + ALLOC_OVERHEAD + old->capacity * sizeof(*old->nodes);
    if (old->slots)
        old->pool->memory -= sizeof(*old->slots) + ALLOC_OVERHEAD;
    free(old->slots);
    free(old->nodes);
    free(old);
}

struct tree_dir *
tree_dir_from_treeobj(struct tree_pool *pool, const struct treeobj *obj)
{
    struct tree_dir *d = tree_dir_new(pool);

    for (size_t i = 0; i < treeobj_dir_count(obj); i++) {
        const char *name = treeobj_dir_name(obj, i);
        struct treeobj *entry = treeobj_dir_entry(obj, i);
        bool is_inline = treeobj_type(entry) == TREEOBJ_DIR;
        struct tree_dir *sub = is_inline ? tree_dir_from_treeobj(pool, entry) : NULL;
        struct treeobj *held = is_inline ? NULL : treeobj_ref(entry);

        tree_dir_insert(d, tree_node_new(pool, name, &held, &sub));
    }
    tree_dir_touch(d); /* I2 */
    return d;
}

struct tree_dir *
tree_dir_from_hdir(struct tree_pool *pool, const struct treeobj *obj, unsigned level,
                   uint64_t prefix)
{
    struct tree_dir *d = tree_dir_new_wide(pool, level, prefix);
    const struct treeobj_slot *slots = treeobj_hdir_slots(obj);

    for (unsigned i = 0; i < TREEOBJ_SLOTS; i++) {
        struct tree_dir *unloaded = NULL;
        struct treeobj *ref;
        char name[2];

        if (slots[i].count == 0)
            continue;
        ref = treeobj_new_dirref(&slots[i].ref);
        tree_slot_name(i, name);
        tree_dir_insert(d, tree_node_new(pool, name, &ref, &unloaded));
        d->slots->below[i] = slots[i].count;
    }
    d->slots->written = treeobj_hdir_count(obj);
    return d;
}

void
tree_slot_name(unsigned slot, char ret[2])
{
    assert(slot < TREEOBJ_SLOTS);
    ret[0] = "0123456789abcdef"[slot];
    ret[1] = '\0';
}

unsigned
tree_slot_number(const struct tree_node *n)
{
    return (unsigned)(n->name[0] <= '9' ? n->name[0] - '0' : n->name[0] - 'a' + 10);
}

uint64_t
tree_dir_entries(const struct tree_dir *d)
{
    uint64_t total = 0;

    if (!d->slots)
        return d->count;
    for (size_t i = 0; i < d->count; i++) {
        const struct tree_node *n = d->nodes[i];

        total += tree_node_is_changed(n) ? tree_dir_entries(n->dir)
                                         : d->slots->below[tree_slot_number(n)];
    }
    return total;
}

/* Index of the first node whose name is not less than `name`. */
static size_t
lower_bound(const struct tree_dir *d, const char *name)
{
    size_t low = 0;
    size_t high = d->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (strcmp(d->nodes[middle]->name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Names mostly come in order: look at the end before searching. */
static size_t
find_place(const struct tree_dir *d, const char *name)
{
    if (d->count == 0 || strcmp(d->nodes[d->count - 1]->name, name) < 0)
        return d->count;
    return lower_bound(d, name);
}

static bool
is_at(const struct tree_dir *d, size_t i, const char *name)
{
    return i < d->count && strcmp(d->nodes[i]->name, name) == 0;
}

struct tree_node *
tree_dir_find(const struct tree_dir *d, const char *name)
{
    size_t i = find_place(d, name);

    return is_at(d, i, name) ? d->nodes[i] : NULL;
}

static void
grow(struct tree_dir *d)
{
    size_t capacity = d->capacity ? d->capacity * 2 : 4;

    d->nodes = xrealloc(d->nodes, capacity * sizeof(*d->nodes));
    d->pool->memory += (capacity - d->capacity) * sizeof(*d->nodes);
    d->capacity = capacity;
}

void
tree_dir_insert(struct tree_dir *d, struct tree_node *n)
{
    size_t i = find_place(d, n->name);

    assert(!is_at(d, i, n->name)); /* I1 */
    if (d->count == d->capacity)
        grow(d);
    memmove(d->nodes + i + 1, d->nodes + i, (d->count - i) * sizeof(struct tree_node *));
    d->nodes[i] = n;
    n->in = d;
    d->count++;
}

void
tree_dir_remove(struct tree_dir *d, struct tree_node *n)
{
    size_t i = lower_bound(d, n->name);

    assert(i < d->count && d->nodes[i] == n);
    d->count--;
    memmove(d->nodes + i, d->nodes + i + 1, (d->count - i) * sizeof(struct tree_node *));
}

void
tree_dir_touch(struct tree_dir *d)
{
    list_remove(&d->used);
    list_push_back(&d->pool->used, &d->used);
}

static void
encode_slots(enum digest_alg alg, const struct tree_dir *d, struct buf *out)
{
    struct treeobj_slot slots[TREEOBJ_SLOTS] = {{.count = 0}};
    AUTO(treeobj) struct treeobj *obj = NULL;

    for (size_t i = 0; i < d->count; i++) {
        unsigned slot = tree_slot_number(d->nodes[i]);
        size_t count;

        slots[slot].ref = *treeobj_refs(d->nodes[i]->entry, &count);
        slots[slot].count = d->slots->below[slot];
    }
    obj = treeobj_new_hdir(slots);
    treeobj_encode(alg, obj, out);
}

void
tree_dir_encode(enum digest_alg alg, const struct tree_dir *d, struct buf *out)
{
    if (d->slots) {
        encode_slots(alg, d, out);
        return;
    }
    buf_reserve(out, d->count * ENTRY_SIZE_GUESS);
    treeobj_encode_dir_begin(out);
    for (size_t i = 0; i < d->count; i++) {
        const struct tree_node *n = d->nodes[i];

        assert(n->entry);
        treeobj_encode_dir_entry(alg, n->name, n->entry, i == 0, out);
    }
    treeobj_encode_dir_end(out);
}
