/* SPDX-License-Identifier: MPL-2.0 */
/* memstore.c - see memstore.h. */
#include "memstore.h"
#include "xmem.h"

struct item {
    struct digest digest;
    struct buf bytes;
};

void
memstore_init(struct memstore *s)
{
    map_init(&s->blobs, offsetof(struct item, digest), sizeof(struct digest));
}

static void
free_item(struct item *item)
{
    buf_fini(&item->bytes);
    free(item);
}

void
memstore_fini(struct memstore *s)
{
    struct item *item;
    size_t pos = 0;

    while ((item = map_next(&s->blobs, &pos)))
        free_item(item);
    map_fini(&s->blobs);
}

void
memstore_put(struct memstore *s, const void *data, size_t size, struct digest *ret)
{
    struct item *item;

    digest_compute(ALG, data, size, ret);
    if (map_get(&s->blobs, ret))
        return;
    item = xcalloc(1, sizeof(*item));
    item->digest = *ret;
    buf_reserve(&item->bytes, size + 1);
    buf_add(&item->bytes, data, size);
    map_put(&s->blobs, item);
}

const struct buf *
memstore_get(const struct memstore *s, const struct digest *d)
{
    struct item *item = map_get(&s->blobs, d);

    return item ? &item->bytes : NULL;
}

void
memstore_remove(struct memstore *s, const struct digest *d)
{
    free_item(map_remove(&s->blobs, d));
}

size_t
memstore_count(const struct memstore *s)
{
    return s->blobs.count;
}

void
memstore_put_obj(struct memstore *s, const struct treeobj *obj, struct digest *ret)
{
    AUTO(buf) struct buf json = BUF_INIT;

    treeobj_encode(ALG, obj, &json);
    memstore_put(s, json.data, json.size, ret);
}

struct treeobj *
memstore_value(struct memstore *s, unsigned seed, size_t blobs, size_t size)
{
    AUTO(free) uint8_t *data = xmalloc(size + 1);
    AUTO(free) struct digest *refs = xcalloc(blobs + 1, sizeof(*refs));

    for (size_t i = 0; i < MAX(blobs, (size_t)1); i++) {
        for (size_t j = 0; j < size; j++)
            data[j] = (uint8_t)(seed * 7 + i * 13 + j);
        if (blobs == 0)
            return treeobj_new_val(data, size);
        memstore_put(s, data, size, &refs[i]);
    }
    return treeobj_new_valref(refs, blobs);
}

void
memstore_link_dir(struct memstore *s, struct treeobj *parent, const char *name,
                  struct treeobj **dir)
{
    struct digest d;
    struct treeobj *ref;

    memstore_put_obj(s, *dir, &d);
    treeobj_unref(dir);
    ref = treeobj_new_dirref(&d);
    treeobj_dir_put(parent, name, &ref);
}

unsigned
dice_roll(unsigned *seed, unsigned n)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (*seed >> 8) % n;
}
