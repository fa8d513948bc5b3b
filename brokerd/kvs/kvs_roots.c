/* SPDX-License-Identifier: MPL-2.0 */
/* kvs_roots.c - see kvs_roots.h.  There are few namespaces: an array will do. */
#include "kvs_roots.h"
#include "xmem.h"

#include <string.h>

struct kvs_roots {
    struct store_root *roots; // owned array
    size_t count;
};

struct kvs_roots *
kvs_roots_new(void)
{
    return xcalloc(1, sizeof(struct kvs_roots));
}

void
kvs_roots_free(struct kvs_roots **roots)
{
    struct kvs_roots *r = TAKE(*roots);

    if (!r)
        return;
    free(r->roots);
    free(r);
}

static struct store_root *
find(const struct kvs_roots *r, const char *name)
{
    for (size_t i = 0; i < r->count; i++) {
        if (strcmp(r->roots[i].name, name) == 0)
            return &r->roots[i];
    }
    return NULL;
}

const struct store_root *
kvs_roots_get(const struct kvs_roots *r, const char *name)
{
    return find(r, name);
}

static bool
is_newer(const struct store_root *root, const struct store_root *known)
{
    if (root->epoch != known->epoch)
        return root->epoch > known->epoch;
    return root->sequence > known->sequence;
}

bool
kvs_roots_set(struct kvs_roots *r, const struct store_root *root)
{
    struct store_root *known = find(r, root->name);

    if (known) {
        if (!is_newer(root, known))
            return false;
        *known = *root;
        return true;
    }
    r->roots = xrealloc(r->roots, (r->count + 1) * sizeof(*r->roots));
    r->roots[r->count++] = *root;
    return true;
}

void
kvs_roots_remove(struct kvs_roots *r, const char *name)
{
    struct store_root *known = find(r, name);

    if (known)
        *known = r->roots[--r->count];
}

size_t
kvs_roots_count(const struct kvs_roots *r)
{
    return r->count;
}

const struct store_root *
kvs_roots_at(const struct kvs_roots *r, size_t i)
{
    assert(i < r->count);
    return &r->roots[i];
}
