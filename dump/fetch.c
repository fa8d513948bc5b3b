/* SPDX-License-Identifier: MPL-2.0 */
/* fetch.c - loads go out whenever the walk wants some; waiting happens only when it has nothing to
 * yield, so the archive is written while blobs are on their way. */
#include "fetch.h"
#include "blobref.h"

static void
on_loaded(void *arg, const struct xylem_reply *reply)
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
        char ref[BLOBREF_MAX];
        int rc;

        blobref_format(f->alg, walk_load_digest(l), ref);
        rc = xylem_load_async(f->x, ref, f->flags, on_loaded, l);
        if (rc < 0)
            walk_fail(l, rc, xylem_error(f->x));
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
        rc = xylem_dispatch(f->x, -1);
        if (rc < 0)
            return err_set(err, rc, "%s", xylem_error(f->x));
    }
}
