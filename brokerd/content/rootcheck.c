/* SPDX-License-Identifier: MPL-2.0 */
/* rootcheck.c - see rootcheck.h. */
#include "rootcheck.h"
#include "treeobj.h"

#include <errno.h>

static void
on_loaded(struct content_waiter *w, int rc, const struct blob *b)
{
    struct rootcheck *c = container_of(w, struct rootcheck, waiter);
    AUTO(treeobj) struct treeobj *dir = NULL;

    if (rc == 0)
        rc = treeobj_decode(c->alg, blob_data(b), blob_size(b), &dir, NULL);
    if (rc == 0 && treeobj_type(dir) != TREEOBJ_DIR && treeobj_type(dir) != TREEOBJ_HDIR)
        rc = -EPROTO;
    c->fn(c, rc);
}

void
rootcheck_start(struct rootcheck *c, struct content *content, enum digest_alg alg,
                const struct digest *root, void (*fn)(struct rootcheck *c, int rc))
{
    c->waiter.fn = on_loaded;
    c->alg = alg;
    c->fn = fn;
    content_load(content, root, &c->waiter);
}
