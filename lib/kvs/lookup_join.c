/* SPDX-License-Identifier: MPL-2.0 */
/* lookup_join.c - the blobs of a valref, in any order, become one val.
 *
 * Model: a piece for each different digest; the order comes from the valref.  A value may refer to
 * one blob many times (a log of equal lines): it is asked for once.
 */
#include "lookup_join.h"

#include "map.h"
#include "xmem.h"

#include <errno.h>
#include <string.h>

struct piece {
    struct digest digest; // key in `index`
    struct blob *blob;    // owned reference; NULL until given
};

struct lookup_join {
    struct treeobj *valref; // owned reference; tells the order
    struct piece *pieces;   // owned array
    struct digest *wanted;  // owned array, parallel to pieces
    size_t count;           // pieces
    size_t missing;         // pieces without a blob
    struct map index;       // digest -> piece
};

static void
add_piece(struct lookup_join *j, const struct digest *d)
{
    struct piece *p = &j->pieces[j->count];

    if (map_get(&j->index, d))
        return;
    p->digest = *d;
    j->wanted[j->count++] = *d;
    map_put(&j->index, p);
}

struct lookup_join *
lookup_join_new(const struct treeobj *valref)
{
    struct lookup_join *j = xcalloc(1, sizeof(*j));
    size_t count;
    const struct digest *refs = treeobj_refs(valref, &count);

    j->valref = treeobj_ref(valref);
    j->pieces = xcalloc(count, sizeof(*j->pieces));
    j->wanted = xcalloc(count, sizeof(*j->wanted));
    map_init(&j->index, offsetof(struct piece, digest), sizeof(struct digest));
    for (size_t i = 0; i < count; i++)
        add_piece(j, &refs[i]);
    j->missing = j->count;
    return j;
}

void
lookup_join_free(struct lookup_join **j)
{
    struct lookup_join *old = TAKE(*j);

    if (!old)
        return;
    for (size_t i = 0; i < old->count; i++)
        blob_unref(&old->pieces[i].blob);
    map_fini(&old->index);
    free(old->pieces);
    free(old->wanted);
    treeobj_unref(&old->valref);
    free(old);
}

const struct digest *
lookup_join_wanted(const struct lookup_join *j, size_t *ret_count)
{
    *ret_count = j->count;
    return j->wanted;
}

void
lookup_join_give(struct lookup_join *j, const struct digest *d, const struct blob *b)
{
    struct piece *p = map_get(&j->index, d);

    if (!p || p->blob)
        return;
    p->blob = b ? blob_ref(b) : blob_empty();
    j->missing--;
}

bool
lookup_join_is_complete(const struct lookup_join *j)
{
    return j->missing == 0;
}

static const struct blob *
blob_at(const struct lookup_join *j, size_t i)
{
    size_t count;
    const struct piece *p = map_get(&j->index, &treeobj_refs(j->valref, &count)[i]);

    return p->blob;
}

static int
sum_sizes(const struct lookup_join *j, size_t count, size_t *ret)
{
    size_t total = 0;

    for (size_t i = 0; i < count; i++) {
        size_t size = blob_size(blob_at(j, i));

        if (size > LOOKUP_VALUE_MAX - total)
            return -EOVERFLOW;
        total += size;
    }
    *ret = total;
    return 0;
}

int
lookup_join_value(const struct lookup_join *j, struct treeobj **ret, struct err *err)
{
    AUTO(free) char *joined = NULL;
    size_t count;
    size_t total;
    char *out;

    assert(j->missing == 0);
    treeobj_refs(j->valref, &count);
    if (sum_sizes(j, count, &total) < 0)
        return err_set(err, -EOVERFLOW, "value larger than %zu bytes", LOOKUP_VALUE_MAX);
    out = joined = xmem_try(total + 1);
    if (!joined)
        return err_set(err, -ENOMEM, "no memory for a value of %zu bytes", total);
    for (size_t i = 0; i < count; i++)
        out = mempcpy(out, blob_data(blob_at(j, i)), blob_size(blob_at(j, i)));
    *ret = treeobj_new_val(joined, total);
    return 0;
}
