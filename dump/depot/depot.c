/* SPDX-License-Identifier: MPL-2.0 */
/* depot.c - what is the same for all depots. */
#include "depot.h"
#include "blobref.h"
#include "gather.h"
#include "xmem.h"

#include <errno.h>
#include <string.h>

void
depot_close(struct depot **dp)
{
    struct depot *d = TAKE(*dp);

    if (d)
        d->ops->close(d);
}

/* ---- blobs ---- */

int
depot_load_async(struct depot *d, const struct digest *digest, depot_fn fn, void *arg,
                 struct err *err)
{
    return d->ops->load(d, digest, fn, arg, err);
}

static int
refuse(struct err *err)
{
    return err_set(err, -EROFS, "it can only be read");
}

int
depot_store_async(struct depot *d, const void *data, size_t size, depot_fn fn, void *arg,
                  struct err *err)
{
    return d->ops->store ? d->ops->store(d, data, size, fn, arg, err) : refuse(err);
}

int
depot_dispatch(struct depot *d, struct err *err)
{
    return d->ops->dispatch(d, err);
}

/* A load that is waited for. */
struct awaited {
    bool is_done;
    void *data; // owned
    size_t size;
    struct err err; // code 0, or why it failed
};

static void
on_awaited(void *arg, const struct depot_reply *reply)
{
    struct awaited *a = arg;

    a->is_done = true;
    if (reply->rc < 0) {
        err_set(&a->err, reply->rc, "%s", reply->error);
        return;
    }
    a->data = xmem_try(reply->size + 1);
    if (!a->data) {
        err_set(&a->err, -ENOMEM, "%s", err_name(ENOMEM));
        return;
    }
    memcpy(a->data, reply->data, reply->size);
    a->size = reply->size;
}

int
depot_load(struct depot *d, const struct digest *digest, void **ret_data, size_t *ret_size,
           struct err *err)
{
    struct awaited a = {.is_done = false};
    int rc = depot_load_async(d, digest, on_awaited, &a, err);

    while (rc == 0 && !a.is_done)
        rc = depot_dispatch(d, err);
    if (rc == 0 && a.err.code)
        rc = err_set(err, a.err.code, "%s", a.err.text);
    if (rc < 0) {
        free(a.data);
        return rc;
    }
    *ret_data = a.data;
    *ret_size = a.size;
    return 0;
}

int
depot_load_object(struct depot *d, const struct digest *digest, struct treeobj **ret,
                  struct err *err)
{
    AUTO(free) void *data = NULL;
    struct digest wanted = *digest;
    char ref[BLOBREF_MAX];
    size_t size;
    int rc = depot_load(d, &wanted, &data, &size, err);

    if (rc == 0)
        rc = treeobj_decode(d->layout.alg, data, size, ret, err);
    return rc < 0 ? err_prefix(err, rc, "%s", blobref_format(d->layout.alg, &wanted, ref)) : 0;
}

/* All parts of a wide directory. */
static int
load_parts(struct depot *d, const struct treeobj *hdir, struct treeobj **ret, struct err *err)
{
    AUTO(gather) struct gather *g = NULL;
    const struct digest *next;
    int rc = gather_new(hdir, &g, err);

    while (rc == 0 && (next = gather_next(g))) {
        AUTO(treeobj) struct treeobj *part = NULL;
        struct digest wanted = *next;

        rc = depot_load_object(d, &wanted, &part, err);
        if (rc == 0)
            rc = gather_give(g, &wanted, part, err);
    }
    return rc < 0 ? rc : gather_finish(g, ret, err);
}

int
depot_load_dir(struct depot *d, const struct digest *digest, struct treeobj **ret, struct err *err)
{
    AUTO(treeobj) struct treeobj *obj = NULL;
    int rc = depot_load_object(d, digest, &obj, err);

    if (rc == 0 && treeobj_type(obj) == TREEOBJ_HDIR)
        return load_parts(d, obj, ret, err);
    if (rc == 0 && treeobj_type(obj) != TREEOBJ_DIR)
        return err_set(err, -EPROTO, "not a directory object");
    if (rc == 0)
        *ret = TAKE(obj);
    return rc;
}

/* ---- roots ---- */

void
depot_keep(struct depot *d, const struct digest *root)
{
    if (d->ops->keep)
        d->ops->keep(d, root);
}

int
depot_root(struct depot *d, const char *ns, struct depot_root *ret, struct err *err)
{
    return d->ops->root(d, ns, ret, err);
}

int
depot_roots(struct depot *d, struct depot_root **ret, size_t *ret_count, struct err *err)
{
    return d->ops->roots(d, ret, ret_count, err);
}

int
depot_checkpoints(struct depot *d, struct checkpoint **ret, size_t *ret_count, struct err *err)
{
    return d->ops->checkpoints(d, ret, ret_count, err);
}

int
depot_change(struct depot *d, const struct depot_change *change, struct depot_root *ret,
             struct err *err)
{
    return d->ops->change ? d->ops->change(d, change, ret, err) : refuse(err);
}

int
depot_create(struct depot *d, const struct depot_root *root, struct err *err)
{
    return d->ops->create ? d->ops->create(d, root, err) : refuse(err);
}

int
depot_put_checkpoint(struct depot *d, const struct checkpoint *c, struct err *err)
{
    return d->ops->put_checkpoint ? d->ops->put_checkpoint(d, c, err) : refuse(err);
}

int
depot_flush(struct depot *d, struct err *err)
{
    return d->ops->flush ? d->ops->flush(d, err) : 0;
}
