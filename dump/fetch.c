/* SPDX-License-Identifier: MPL-2.0 */
/* fetch.c - loads go out whenever the walk wants some; waiting happens only when it has nothing to
 * yield, so the archive is written while blobs are on their way. */
#include "fetch.h"

#define GROUP_LOADS 256          // blobs that one request brings, at most
#define GROUP_BYTES (512 * 1024) // and their bytes, about

void
fetch_init(struct fetch *f, struct depot *depot, struct walk *walk)
{
    uint64_t max = depot->layout.maxdirent;

    walk_set_group(walk, GROUP_LOADS, GROUP_BYTES);
    walk_set_maxdirent(walk, max ? max : UINT64_MAX);
    *f = (struct fetch){depot, walk};
}

static void
on_loaded(void *arg, const struct depot_reply *reply)
{
    struct walk_load *l = arg;

    if (reply->rc == 0)
        walk_give(l, reply->data, reply->size);
    else
        walk_fail(l, reply->rc, reply->error);
}

static void
start_loads(struct fetch *f)
{
    struct walk_load *l;

    while ((l = walk_want(f->walk))) {
        struct err err;
        int rc = depot_load_async(f->depot, walk_load_digest(l), on_loaded, l, &err);

        if (rc < 0)
            walk_fail(l, rc, err.text);
    }
}

int
fetch_next(struct fetch *f, const struct walk_item **ret, struct err *err)
{
    for (;;) {
        int rc;

        start_loads(f);
        *ret = walk_next(f->walk);
        if ((*ret)->kind != WALK_WAIT)
            return 0;
        start_loads(f);
        if ((rc = depot_dispatch(f->depot, err)) < 0)
            return rc;
    }
}
