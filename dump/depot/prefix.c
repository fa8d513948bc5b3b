/* SPDX-License-Identifier: MPL-2.0 */
/* prefix.c - feeds a lookup with directories. */
#include "prefix.h"
#include "lookup.h"
#include "xmem.h"

#include <errno.h>

static void
give_wanted(struct lookup *l, struct depot *d)
{
    AUTO(treeobj) struct treeobj *dir = NULL;
    struct err reason = {0};
    size_t count;
    const struct digest *wanted = lookup_wanted(l, &count);
    int rc = depot_load_object(d, wanted, &dir, &reason);

    if (rc < 0)
        lookup_fail(l, -rc, reason.text);
    else
        lookup_give_dir(l, dir);
}

int
prefix_find(struct depot *d, const char *ns, const struct digest *root, const char *key,
            struct treeobj **ret, struct err *err)
{
    struct lookup *l = lookup_new(d->layout.alg, ns ? ns : "primary", root, key, LOOKUP_TREEOBJ);
    enum lookup_want want;
    int rc;

    while ((want = lookup_step(l)) == LOOKUP_WANT_DIR || want == LOOKUP_WANT_ROOT) {
        if (want == LOOKUP_WANT_DIR)
            give_wanted(l, d);
        else
            lookup_fail(l, ENOTSUP, "a link leads into another namespace");
    }
    assert(want == LOOKUP_DONE);
    rc = lookup_result(l, ret, err);
    lookup_free(&l);
    return rc;
}
