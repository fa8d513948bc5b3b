/* SPDX-License-Identifier: MPL-2.0 */
/* prefix.c - feeds a lookup with directories. */
#include "prefix.h"
#include "lookup.h"
#include "xmem.h"

#include <errno.h>

static int
load_object(const struct source *s, xylem_t *x, int flags, const struct digest *d,
            struct treeobj **ret, struct err *err)
{
    AUTO(free) void *data = NULL;
    char ref[BLOBREF_MAX];
    size_t size;
    int rc;

    blobref_format(s->alg, d, ref);
    rc = xylem_load(x, ref, flags, &data, &size);
    if (rc < 0)
        return err_set(err, rc, "%s: %s", ref, xylem_error(x));
    rc = treeobj_decode(s->alg, data, size, ret, err);
    return rc < 0 ? err_prefix(err, rc, "%s", ref) : 0;
}

static void
give_wanted(struct lookup *l, const struct source *s, xylem_t *x, int flags)
{
    AUTO(treeobj) struct treeobj *dir = NULL;
    struct err reason = {0};
    size_t count;
    const struct digest *d = lookup_wanted(l, &count);
    int rc = load_object(s, x, flags, d, &dir, &reason);

    if (rc < 0)
        lookup_fail(l, -rc, reason.text);
    else
        lookup_give_dir(l, dir);
}

int
prefix_find(const struct source *s, xylem_t *x, int flags, const char *key, struct treeobj **ret,
            struct err *err)
{
    struct lookup *l = lookup_new(s->alg, s->ns ? s->ns : "primary", &s->root, key, LOOKUP_TREEOBJ);
    enum lookup_want want;
    int rc;

    while ((want = lookup_step(l)) == LOOKUP_WANT_DIR || want == LOOKUP_WANT_ROOT) {
        if (want == LOOKUP_WANT_DIR)
            give_wanted(l, s, x, flags);
        else
            lookup_fail(l, ENOTSUP, "a link leads into another namespace");
    }
    assert(want == LOOKUP_DONE);
    rc = lookup_result(l, ret, err);
    lookup_free(&l);
    return rc;
}
