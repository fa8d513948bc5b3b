/* SPDX-License-Identifier: MPL-2.0 */
/* fake_handle.c - see fake_handle.h. */
#include "fake_handle.h"
#include "blobref.h"
#include "xmem.h"

#include <errno.h>

struct fake_call {
    xylem_fn fn;
    void *arg;
    struct digest digest;
    bool is_store;
    bool is_failed;
};

void
fake_handle_init(xylem_t *x, unsigned seed)
{
    *x = (xylem_t){.seed = seed};
    memstore_init(&x->store);
}

void
fake_handle_fini(xylem_t *x)
{
    assert(x->count == 0);
    memstore_fini(&x->store);
    free(x->calls);
}

static struct fake_call *
add_call(xylem_t *x, xylem_fn fn, void *arg, int flags)
{
    if (x->count == x->capacity) {
        x->capacity = x->capacity * 2 + 16;
        x->calls = xrealloc(x->calls, x->capacity * sizeof(x->calls[0]));
    }
    x->calls[x->count] = (struct fake_call){.fn = fn, .arg = arg};
    x->count++;
    x->most = MAX(x->most, x->count);
    x->last_flags = flags;
    return &x->calls[x->count - 1];
}

int
xylem_store_async(xylem_t *x, const void *data, size_t size, int flags, xylem_fn fn, void *arg)
{
    struct fake_call *call = add_call(x, fn, arg, flags);

    call->is_store = true;
    call->is_failed = ++x->stores == x->fail_store;
    memstore_put(&x->store, data, size, &call->digest);
    return 0;
}

int
xylem_load_async(xylem_t *x, const char *blobref, int flags, xylem_fn fn, void *arg)
{
    struct fake_call *call = add_call(x, fn, arg, flags);
    enum digest_alg alg;

    x->loads++;
    return blobref_parse(blobref, &alg, &call->digest);
}

static void
complete(xylem_t *x, const struct fake_call *call, int rc)
{
    char ref[BLOBREF_MAX];
    const struct buf *bytes = memstore_get(&x->store, &call->digest);
    struct xylem_reply reply = {.rc = rc, .error = "", .data = ""};

    if (rc == 0 && call->is_failed)
        reply.rc = -ENOSPC;
    else if (rc == 0 && call->is_store)
        reply.data = blobref_format(ALG, &call->digest, ref);
    else if (rc == 0 && !bytes)
        reply.rc = -ENOENT;
    else if (rc == 0) {
        reply.data = bytes->data;
        reply.size = bytes->size;
    }
    if (reply.rc < 0)
        reply.error = err_name(reply.rc);
    call->fn(call->arg, &reply);
}

int
xylem_dispatch(xylem_t *x, int timeout_ms UNUSED)
{
    int rc = x->is_lost ? -ECONNRESET : 0;

    assert(x->count > 0); // else it would wait for ever
    do {
        size_t i = dice_roll(&x->seed, (unsigned)x->count);
        struct fake_call call = x->calls[i];

        x->calls[i] = x->calls[--x->count];
        complete(x, &call, rc);
    } while (x->count > 0 && (rc < 0 || dice_roll(&x->seed, 3) > 0));
    return rc < 0 ? rc : 1;
}

const char *
xylem_error(const xylem_t *x)
{
    return x->is_lost ? "the rank is gone" : "";
}
