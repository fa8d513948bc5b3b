/* SPDX-License-Identifier: MPL-2.0 */
/* batch.c - a walk through a directory that is made up, for a bounded number of objects at a time. */
#include "batch.h"
#include "xmem.h"

#include <string.h>

#define OBJECTS_MAX 4096             // far more than are loaded at a time
#define MEMORY_MAX (4 * 1024 * 1024) // bytes of them; one may have more
#define GROUP_LOADS 32               // blobs that one request brings, at most
#define GROUP_BYTES (512 * 1024)     // and their bytes, about

void
batch_init(struct batch *b, struct depot *depot, size_t maxreqs)
{
    *b = (struct batch){.depot = depot, .maxreqs = maxreqs};
    b->objects = treeobj_new_dir();
}

void
batch_fini(struct batch *b)
{
    walk_free(&b->walk);
    treeobj_unref(&b->objects);
}

void
batch_add(struct batch *b, const char *path, const struct treeobj *obj)
{
    struct treeobj *own = treeobj_ref(obj);

    assert(!b->walk);
    b->memory += treeobj_memory(obj) + strlen(path);
    treeobj_dir_put(b->objects, path, &own);
}

bool
batch_is_full(const struct batch *b)
{
    return treeobj_dir_count(b->objects) >= OBJECTS_MAX || b->memory >= MEMORY_MAX;
}

static void
begin(struct batch *b)
{
    const struct layout *layout = &b->depot->layout;

    b->walk = walk_new_of(layout->alg, &b->objects, b->maxreqs);
    walk_set_group(b->walk, GROUP_LOADS, GROUP_BYTES);
    walk_set_maxdirent(b->walk, layout->maxdirent ? layout->maxdirent : UINT64_MAX);
    if (b->is_exact)
        walk_set_exact(b->walk);
    b->fetch = (struct fetch){b->depot, b->walk};
}

static int
end(struct batch *b, struct err *err)
{
    int rc = 0;

    while (rc == 0 && !walk_is_idle(b->walk))
        rc = depot_dispatch(b->depot, err);
    if (rc < 0)
        return rc;
    walk_free(&b->walk);
    b->objects = treeobj_new_dir();
    b->memory = 0;
    return 0;
}

int
batch_next(struct batch *b, const struct walk_item **ret, struct err *err)
{
    static const struct walk_item at_end = {.kind = WALK_END, .path = "", .data = ""};
    int rc;

    if (!b->walk)
        begin(b);
    rc = fetch_next(&b->fetch, ret, err);
    if (rc < 0 || (*ret)->kind != WALK_END)
        return rc;
    *ret = &at_end;
    return end(b, err);
}
