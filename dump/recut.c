/* SPDX-License-Identifier: MPL-2.0 */
/* recut.c - cuts a value anew and compares the names of the blobs as they are complete. */
#include "recut.h"
#include "xmem.h"

#include <string.h>

void
recut_init(struct recut *r, enum digest_alg alg, size_t blob_size, const struct treeobj *known)
{
    *r = (struct recut){.alg = alg, .blob_size = blob_size};
    if (treeobj_type(known) == TREEOBJ_VALREF)
        r->refs = treeobj_refs(known, &r->count);
    else if (treeobj_val_decode(known, &r->few, &r->few_size) < 0)
        r->differs = true;
}

void
recut_fini(struct recut *r)
{
    if (r->piece)
        digest_stream_finish(&r->piece, NULL);
    free(TAKE(r->few));
}

static void
end_piece(struct recut *r)
{
    uint64_t number = (r->size - 1) / r->blob_size;
    struct digest d;

    digest_stream_finish(&r->piece, &d);
    r->differs = number >= r->count || !digest_equal(&d, &r->refs[number]);
}

/* Some bytes, all of one blob. */
static void
add_to_piece(struct recut *r, const void *data, size_t size)
{
    if (!r->piece)
        r->piece = digest_stream_new(r->alg);
    digest_stream_add(r->piece, data, size);
    r->size += size;
    if (r->size % r->blob_size == 0)
        end_piece(r);
}

static void
compare_few(struct recut *r, const void *data, size_t size)
{
    const char *few = r->few;

    r->differs = size > r->few_size - r->size || memcmp(few + r->size, data, size) != 0;
    if (!r->differs)
        r->size += size;
}

void
recut_add(struct recut *r, const void *data, size_t size)
{
    const char *from = data;

    while (size > 0 && !r->differs) {
        size_t n = r->refs ? MIN(size, r->blob_size - (size_t)(r->size % r->blob_size)) : size;

        if (r->refs)
            add_to_piece(r, from, n);
        else
            compare_few(r, from, n);
        from += n;
        size -= n;
    }
}

bool
recut_is_same(struct recut *r)
{
    if (r->piece && !r->differs)
        end_piece(r);
    if (r->differs)
        return false;
    if (!r->refs)
        return r->size == r->few_size;
    return (r->size + r->blob_size - 1) / r->blob_size == r->count;
}
