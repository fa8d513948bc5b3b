/* SPDX-License-Identifier: MPL-2.0 */
/* fake_depot.c - see fake_depot.h. */
#include "fake_depot.h"
#include "xmem.h"

#include <errno.h>

struct fake_call {
    depot_fn fn;
    void *arg;
    struct digest digest;
    bool is_store;
    bool is_failed;
};

static struct fake_call *
add_call(struct fake_depot *x, depot_fn fn, void *arg)
{
    if (x->count == x->capacity) {
        x->capacity = x->capacity * 2 + 16;
        x->calls = xrealloc(x->calls, x->capacity * sizeof(x->calls[0]));
    }
    x->calls[x->count] = (struct fake_call){.fn = fn, .arg = arg};
    x->count++;
    x->most = MAX(x->most, x->count);
    return &x->calls[x->count - 1];
}

static struct fake_depot *
fake_of(struct depot *d)
{
    return container_of(d, struct fake_depot, base);
}

static int
fake_store(struct depot *d, const void *data, size_t size, depot_fn fn, void *arg,
           struct err *err UNUSED)
{
    struct fake_depot *x = fake_of(d);
    struct fake_call *call = add_call(x, fn, arg);

    call->is_store = true;
    call->is_failed = ++x->stores == x->fail_store;
    memstore_put(&x->store, data, size, &call->digest);
    return 0;
}

static int
fake_load(struct depot *d, const struct digest *digest, depot_fn fn, void *arg,
          struct err *err UNUSED)
{
    struct fake_depot *x = fake_of(d);

    add_call(x, fn, arg)->digest = *digest;
    x->loads++;
    return 0;
}

static void
complete(struct fake_depot *x, const struct fake_call *call, int rc)
{
    const struct buf *bytes = memstore_get(&x->store, &call->digest);
    struct depot_reply reply = {.rc = rc, .error = "", .data = "", .digest = call->digest};

    if (rc == 0 && call->is_failed)
        reply.rc = -ENOSPC;
    else if (rc == 0 && !call->is_store && !bytes)
        reply.rc = -ENOENT;
    else if (rc == 0 && !call->is_store && bytes->size > 0) {
        reply.data = bytes->data;
        reply.size = bytes->size;
    }
    if (reply.rc < 0)
        reply.error = err_name(reply.rc);
    call->fn(call->arg, &reply);
}

static int
fake_dispatch(struct depot *d, struct err *err)
{
    struct fake_depot *x = fake_of(d);
    int rc = x->is_lost ? -ECONNRESET : 0;

    assert(x->count > 0); // else it would wait for ever
    do {
        size_t i = dice_roll(&x->seed, (unsigned)x->count);
        struct fake_call call = x->calls[i];

        x->calls[i] = x->calls[--x->count];
        complete(x, &call, rc);
    } while (x->count > 0 && (rc < 0 || dice_roll(&x->seed, 3) > 0));
    return rc < 0 ? err_set(err, rc, "the rank is gone") : 0;
}

static const struct depot_ops fake_ops = {
    .load = fake_load,
    .store = fake_store,
    .dispatch = fake_dispatch,
};

void
fake_depot_init(struct fake_depot *f, unsigned seed)
{
    *f = (struct fake_depot){.seed = seed};
    f->base.ops = &fake_ops;
    f->base.layout = (struct layout){ALG, 0, LAYOUT_BLOB_SIZE};
    memstore_init(&f->store);
}

void
fake_depot_fini(struct fake_depot *f)
{
    assert(f->count == 0);
    memstore_fini(&f->store);
    free(f->calls);
}
