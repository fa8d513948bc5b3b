/* SPDX-License-Identifier: MPL-2.0 */
/* changes.c - loads go out whenever the comparison wants some; waiting happens only when it has nothing to
 * yield. */
#include "changes.h"
#include "xmem.h"

#include <errno.h>

#define GROUP_LOADS 32          // blobs that one request brings
#define LOADS_MAX ((size_t)512) // out, unless maxreqs is larger: more make nothing faster

/* A load that is on its way. */
struct request {
    struct changes *changes; // borrowed
    struct diff_load *load;  // borrowed; of the comparison
};

void
changes_init(struct changes *c, enum digest_alg alg, const struct digest *old_root,
             const struct digest *new_root, size_t maxreqs)
{
    size_t loads = MAX(maxreqs, MIN(MIN(maxreqs, LOADS_MAX) * GROUP_LOADS, LOADS_MAX));

    *c = (struct changes){.depot = NULL};
    c->diff = diff_new(alg, old_root, new_root, loads);
}

void
changes_fini(struct changes *c)
{
    while (c->out > 0 && depot_dispatch(c->depot, NULL) == 0)
        continue;
    if (c->diff)
        diff_free(&c->diff);
}

static bool
find_in_trees(const struct changes *c, const struct digest *d, const void **ret_data,
              size_t *ret_size)
{
    for (size_t i = 0; i < CHANGES_TREES; i++) {
        if (c->trees[i] && archive_tree_find(c->trees[i], d, ret_data, ret_size))
            return true;
    }
    return false;
}

/* The depot cannot give it. */
static void
lose(const struct changes *c, struct diff_load *l, int errnum, const char *why)
{
    const void *data;
    size_t size;

    if (c->spare && c->spare(c->spare_arg, diff_load_digest(l), &data, &size))
        diff_give(l, data, size);
    else
        diff_fail(l, errnum, why);
}

static void
on_loaded(void *arg, const struct depot_reply *reply)
{
    struct request *r = arg;

    r->changes->out--;
    if (reply->rc == 0)
        diff_give(r->load, reply->data, reply->size);
    else if (reply->rc == -ENOENT || reply->rc == -EIO)
        lose(r->changes, r->load, reply->rc, reply->error);
    else
        diff_fail(r->load, reply->rc, reply->error);
    free(r);
}

static bool
load_from_depot(struct changes *c, struct diff_load *l)
{
    struct request *r = xmalloc(sizeof(*r));
    struct err why;
    int rc;

    *r = (struct request){c, l};
    rc = depot_load_async(c->depot, diff_load_digest(l), on_loaded, r, &why);
    if (rc == 0) {
        c->out++;
        return true;
    }
    free(r);
    lose(c, l, rc, why.text);
    return false;
}

/* true: it is on its way; false: it is done. */
static bool
start_load(struct changes *c, struct diff_load *l)
{
    const void *data;
    size_t size;

    if (find_in_trees(c, diff_load_digest(l), &data, &size)) {
        diff_give(l, data, size);
        return false;
    }
    if (c->depot)
        return load_from_depot(c, l);
    lose(c, l, -ENOENT, err_name(ENOENT));
    return false;
}

/* How many are done already? */
static size_t
start_loads(struct changes *c)
{
    struct diff_load *l;
    size_t done = 0;

    while ((l = diff_want(c->diff)))
        done += !start_load(c, l);
    return done;
}

int
changes_next(struct changes *c, const struct diff_item **ret, struct err *err)
{
    for (;;) {
        int rc;

        start_loads(c);
        *ret = diff_next(c->diff);
        if ((*ret)->kind != DIFF_WAIT)
            return 0;
        if (start_loads(c) > 0)
            continue;
        rc = depot_dispatch(c->depot, err); // not NULL: all else would be done
        if (rc < 0)
            return rc;
    }
}
