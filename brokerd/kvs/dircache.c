/* SPDX-License-Identifier: MPL-2.0 */
/* dircache.c - see dircache.h. */
#include "dircache.h"
#include "list.h"
#include "map.h"
#include "xmem.h"

struct cached {
    struct digest digest; // key
    struct treeobj *dir;  // owned reference
    size_t memory;        // bytes it is accounted with
    struct list lru;      // on dircache.lru; the front was used last
};

struct dircache {
    struct map by_digest; // struct cached
    struct list lru;
    size_t memory; // sum over all
    size_t max;
};

struct dircache *
dircache_new(size_t max_bytes)
{
    struct dircache *c = xcalloc(1, sizeof(*c));

    map_init(&c->by_digest, offsetof(struct cached, digest), sizeof(struct digest));
    list_init(&c->lru);
    c->max = max_bytes;
    return c;
}

static void
drop(struct dircache *c, struct cached *e)
{
    map_remove(&c->by_digest, &e->digest);
    list_remove(&e->lru);
    c->memory -= e->memory;
    treeobj_unref(&e->dir);
    free(e);
}

void
dircache_free(struct dircache **cache)
{
    struct dircache *c = TAKE(*cache);

    if (!c)
        return;
    while (!list_is_empty(&c->lru))
        drop(c, list_entry(c->lru.next, struct cached, lru));
    map_fini(&c->by_digest);
    free(c);
}

static void
move_to_front(struct dircache *c, struct cached *e)
{
    list_remove(&e->lru);
    list_push_front(&c->lru, &e->lru);
}

const struct treeobj *
dircache_get(struct dircache *c, const struct digest *d)
{
    struct cached *e = map_get(&c->by_digest, d);

    if (!e)
        return NULL;
    move_to_front(c, e);
    return e->dir;
}

void
dircache_put(struct dircache *c, const struct digest *d, const struct treeobj *dir)
{
    struct cached *e = map_get(&c->by_digest, d);

    if (e)
        return;
    e = xcalloc(1, sizeof(*e));
    e->digest = *d;
    e->dir = treeobj_ref(dir);
    e->memory = treeobj_memory(dir) + sizeof(*e);
    list_init(&e->lru);
    list_push_front(&c->lru, &e->lru);
    map_put(&c->by_digest, e);
    c->memory += e->memory;
    while (c->memory > c->max && c->lru.prev != &e->lru)
        drop(c, list_entry(c->lru.prev, struct cached, lru));
}

size_t
dircache_memory(const struct dircache *c)
{
    return c->memory;
}
