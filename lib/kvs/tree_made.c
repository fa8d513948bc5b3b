/* SPDX-License-Identifier: MPL-2.0 */
/* tree_made.c - see tree_made.h.
 * I1 items and index hold the same, and no digest twice
 */
#include "tree_made.h"

#include "xmem.h"

struct made {
    struct digest digest; // key in `index`
    struct blob *blob;    // owned reference
};

void
tree_made_init(struct tree_made *m, enum digest_alg alg)
{
    *m = (struct tree_made){.alg = alg};
    map_init(&m->index, offsetof(struct made, digest), sizeof(struct digest));
}

void
tree_made_fini(struct tree_made *m)
{
    tree_made_truncate(m, 0);
    map_fini(&m->index);
    free(m->items);
    m->items = NULL;
}

static void
add_item(struct tree_made *m, const struct digest *d, struct blob **b)
{
    struct made *item = xmalloc(sizeof(*item));

    if (m->count == m->capacity) {
        m->capacity = m->capacity ? m->capacity * 2 : 16;
        m->items = xrealloc(m->items, m->capacity * sizeof(struct made *));
    }
    *item = (struct made){*d, TAKE(*b)};
    m->items[m->count++] = item;
    map_put(&m->index, item);
}

void
tree_made_add(struct tree_made *m, struct blob **b, struct digest *ret)
{
    digest_compute(m->alg, blob_data(*b), blob_size(*b), ret);
    if (!map_get(&m->index, ret))
        add_item(m, ret, b); /* I1 */
    blob_unref(b);
}

void
tree_made_truncate(struct tree_made *m, size_t count)
{
    while (m->count > count) {
        struct made *item = m->items[--m->count];

        map_remove(&m->index, &item->digest);
        blob_unref(&item->blob);
        free(item);
    }
}

const struct blob *
tree_made_get(const struct tree_made *m, size_t i, const struct digest **ret)
{
    assert(i < m->count);
    *ret = &m->items[i]->digest;
    return m->items[i]->blob;
}
