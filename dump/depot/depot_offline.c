/* SPDX-License-Identifier: MPL-2.0 */
/* depot_offline.c - see depot_offline.h; and which kind of depot a state directory is. */
#include "depot_offline.h"
#include "elog.h"
#include "flux_store.h"
#include "xmem.h"

#include <errno.h>

/* ---- the queue ---- */

static void
grow(struct depot_offline *d)
{
    size_t capacity = MAX((size_t)64, 2 * d->capacity);
    struct offline_call *calls = xmalloc(capacity * sizeof(*calls));

    for (size_t i = 0; i < d->count; i++)
        calls[i] = d->calls[(d->first + i) & (d->capacity - 1)];
    free(d->calls);
    d->calls = calls;
    d->capacity = capacity;
    d->first = 0;
}

static void
push(struct depot_offline *d, const struct offline_call *call)
{
    if (d->count == d->capacity)
        grow(d);
    d->calls[(d->first + d->count++) & (d->capacity - 1)] = *call;
}

static struct offline_call
pop(struct depot_offline *d)
{
    struct offline_call call = d->calls[d->first];

    d->first = (d->first + 1) & (d->capacity - 1);
    d->count--;
    return call;
}

int
depot_offline_load(struct depot *d, const struct digest *digest, depot_fn fn, void *arg,
                   struct err *err UNUSED)
{
    push(offline_of(d), &(struct offline_call){*digest, fn, arg, false});
    return 0;
}

void
depot_offline_stored(struct depot_offline *d, const struct digest *digest, depot_fn fn, void *arg)
{
    push(d, &(struct offline_call){*digest, fn, arg, true});
}

static void
complete(struct depot_offline *d, const struct offline_call *call)
{
    AUTO(blob) struct blob *b = NULL;
    struct depot_reply reply = {.error = "", .data = "", .digest = call->digest};
    struct err err;

    if (!call->is_store && (reply.rc = d->read(d, &call->digest, &b, &err)) < 0)
        reply.error = err.text;
    if (b) {
        reply.data = blob_data(b);
        reply.size = blob_size(b);
    }
    call->fn(call->arg, &reply);
}

/* What is started meanwhile is for the next time. */
int
depot_offline_dispatch(struct depot *base, struct err *err UNUSED)
{
    struct depot_offline *d = offline_of(base);

    assert(d->count > 0);
    for (size_t n = d->count; n > 0; n--) {
        struct offline_call call = pop(d);

        complete(d, &call);
    }
    return 0;
}

void
depot_offline_fini(struct depot_offline *d)
{
    while (d->count > 0) {
        struct offline_call call = pop(d);
        struct depot_reply reply = {.rc = -ECANCELED, .error = err_name(ECANCELED), .data = ""};

        call.fn(call.arg, &reply);
    }
    free(d->calls);
}

/* ---- opening ---- */

/* Of Flux: 1; of Xylem, or there is none yet and one may be made: 0. */
static int
detect(const char *statedir, bool may_make, struct err *err)
{
    int rc = flux_store_detect(statedir, err);

    if (rc == -ENOENT && may_make)
        return 0;
    return rc == 1 && may_make
               ? err_set(err, -EROFS, "%s: content.sqlite is one of Flux, which can only be read",
                         statedir)
               : rc;
}

int
depot_open_statedir(struct depot **ret, const char *statedir, const struct layout *layout,
                    struct err *err)
{
    int rc = detect(statedir, layout != NULL, err);

    elog_open("/dev/null", NULL); // what it would say is told of the keys
    if (rc < 0)
        return rc;
    return rc == 1 ? depot_open_flux(ret, statedir, err)
                   : depot_open_store(ret, statedir, layout, err);
}
