/* SPDX-License-Identifier: MPL-2.0 */
/* store_change.c - what a commit makes durable at once: a plain container.
 * I1  The arrays have room for the next power of two, so that only a count at one grows them. */
#include "store.h"
#include "xmem.h"

/* Room for one more item behind `count` items of `size` bytes (I1). */
static void *
make_room(void *array, size_t count, size_t size)
{
    if ((count & (count - 1)) != 0)
        return array;
    return xrealloc(array, MAX((size_t)1, 2 * count) * size);
}

struct store_change *
store_change_new(void)
{
    return xcalloc(1, sizeof(struct store_change));
}

void
store_change_add_blob(struct store_change *c, const struct digest *d, const struct blob *b)
{
    c->digests = make_room(c->digests, c->nblobs, sizeof(c->digests[0]));
    c->blobs = make_room(c->blobs, c->nblobs, sizeof(c->blobs[0]));
    c->digests[c->nblobs] = *d;
    c->blobs[c->nblobs] = blob_ref(b);
    c->nblobs++;
}

void
store_change_add_root(struct store_change *c, const struct store_root *root)
{
    c->roots = make_room(c->roots, c->nroots, sizeof(c->roots[0]));
    c->roots[c->nroots++] = *root;
}

void
store_change_free(struct store_change **c_p)
{
    struct store_change *c = TAKE(*c_p);

    if (!c)
        return;
    for (size_t i = 0; i < c->nblobs; i++)
        blob_unref(&c->blobs[i]);
    free(c->digests);
    free(c->blobs);
    free(c->roots);
    free(c->remove_root);
    free(c->checkpoint);
    free(c->ids);
    free(c->keys);
    free(c);
}
