/* SPDX-License-Identifier: MPL-2.0 */
/* depot_flux.c - the state directory of a Flux that is not running, to be read.  Flux records checkpoints and no
 * namespaces: the newest is the root of primary. */
#include "depot_offline.h"
#include "flux_store.h"
#include "xmem.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

struct depot_flux {
    struct depot_offline offline;
    struct flux_store *store; // owned
};

static struct depot_flux *
flux_of(struct depot *d)
{
    return container_of(offline_of(d), struct depot_flux, offline);
}

static int
flux_read(struct depot_offline *d, const struct digest *digest, struct blob **ret, struct err *err)
{
    return flux_store_load(flux_of(&d->base)->store, digest, ret, err);
}

static int
flux_checkpoints(struct depot *d, struct checkpoint **ret, size_t *ret_count, struct err *err)
{
    return flux_store_checkpoints(flux_of(d)->store, ret, ret_count, err);
}

/* 1: there is one; 0. */
static int
find_primary(struct depot *d, struct depot_root *ret, struct err *err)
{
    AUTO(free) struct checkpoint *list = NULL;
    size_t count;
    int rc = flux_checkpoints(d, &list, &count, err);

    if (rc < 0 || count == 0)
        return rc;
    *ret = (struct depot_root){
        .ns = "primary", .owner = geteuid(), .sequence = list[0].sequence, .root = list[0].root};
    return 1;
}

static int
flux_root(struct depot *d, const char *ns, struct depot_root *ret, struct err *err)
{
    int rc;

    if (strcmp(ns, "primary") != 0)
        return err_set(err, -ENOTSUP,
                       "current root of %s: a state directory of Flux has primary alone", ns);
    rc = find_primary(d, ret, err);
    if (rc < 0)
        return err_prefix(err, rc, "current root of primary");
    return rc > 0 ? 0 : err_set(err, -ENOENT, "current root of primary: there is no checkpoint");
}

static int
flux_roots(struct depot *d, struct depot_root **ret, size_t *ret_count, struct err *err)
{
    AUTO(free) struct depot_root *root = xcalloc(1, sizeof(*root));
    int rc = find_primary(d, root, err);

    if (rc < 0)
        return rc;
    *ret = TAKE(root);
    *ret_count = (size_t)rc;
    return 0;
}

static void
flux_close(struct depot *d)
{
    struct depot_flux *f = flux_of(d);

    depot_offline_fini(&f->offline);
    flux_store_close(&f->store);
    free(f);
}

static const struct depot_ops flux_ops = {
    .load = depot_offline_load,
    .dispatch = depot_offline_dispatch,
    .root = flux_root,
    .roots = flux_roots,
    .checkpoints = flux_checkpoints,
    .close = flux_close,
};

int
depot_open_flux(struct depot **ret, const char *statedir, struct err *err)
{
    struct flux_store *store;
    struct depot_flux *f;
    int rc = flux_store_open(&store, statedir, err);

    if (rc < 0)
        return rc;
    f = xcalloc(1, sizeof(*f));
    f->store = store;
    f->offline.read = flux_read;
    f->offline.base.ops = &flux_ops;
    f->offline.base.layout = (struct layout){flux_store_alg(store), 0, LAYOUT_BLOB_SIZE};
    *ret = &f->offline.base;
    return 0;
}
