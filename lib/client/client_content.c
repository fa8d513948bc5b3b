/* SPDX-License-Identifier: MPL-2.0 */
/* client_content.c - blobs: store, load, and the upkeep of caches (RFC 10, xylem-content(7)).
 *
 * Digests travel raw, blobs as they are.  Nothing is hashed here: the rank that answers a load has
 * verified the bytes. */
#include "client.h"
#include "blobref.h"

#include <errno.h>

#define BACKING_RANK 0u // where content-backing.* is served

static struct client_request
content_request(const char *cached, const char *backing, int flags, enum client_form form)
{
    bool bypass = flags & XYLEM_BYPASS;

    return (struct client_request){
        .topic = bypass ? backing : cached,
        .rank = bypass ? BACKING_RANK : XYLEM_RANK_ANY,
        .form = form,
    };
}

/* --- store --- */

int
xylem_store_async(xylem_t *x, const void *data, size_t size, int flags, xylem_fn fn, void *arg)
{
    const struct client_request spec =
        content_request("content.store", "content-backing.store", flags, CLIENT_BLOBREF);
    struct blob *payload;

    if (size > TRANSPORT_PAYLOAD_MAX)
        return client_fail(x, -EFBIG, "%s", err_name(EFBIG));
    payload = client_bytes_payload(data, size, false);
    if (!payload)
        return client_fail(x, -ENOMEM, "%s", err_name(ENOMEM));
    return client_request(x, &spec, &payload, fn, arg, NULL);
}

int
xylem_store(xylem_t *x, const void *data, size_t size, int flags, char *blobref)
{
    AUTO(answer) struct answer a;
    int rc;

    answer_init(&a, x);
    rc = answer_wait(&a, xylem_store_async(x, data, size, flags, answer_take, &a));
    if (rc == 0)
        memcpy(blobref, a.data, a.size);
    return rc;
}

/* --- load --- */

/* A blobref of this instance as a payload. */
static int
parse_blobref(struct xylem *x, const char *text, struct blob **ret)
{
    enum digest_alg alg;
    struct digest d;

    if (blobref_parse(text, &alg, &d) < 0)
        return client_fail(x, -EINVAL, "not a blobref");
    if (alg != x->alg)
        return client_fail(x, -EINVAL, "not a blobref of this instance, whose hash is %s",
                           digest_name(x->alg));
    *ret = blob_new(d.bytes, digest_size(alg));
    return 0;
}

int
xylem_load_async(xylem_t *x, const char *blobref, int flags, xylem_fn fn, void *arg)
{
    const struct client_request spec =
        content_request("content.load", "content-backing.load", flags, CLIENT_BYTES);
    struct blob *payload;
    int rc = parse_blobref(x, blobref, &payload);

    if (rc < 0)
        return rc;
    return client_request(x, &spec, &payload, fn, arg, NULL);
}

int
xylem_load(xylem_t *x, const char *blobref, int flags, void **ret_data, size_t *ret_size)
{
    AUTO(answer) struct answer a;
    int rc;

    answer_init(&a, x);
    rc = answer_wait(&a, xylem_load_async(x, blobref, flags, answer_take, &a));
    if (rc < 0)
        return rc;
    *ret_data = TAKE(a.data);
    *ret_size = a.size;
    return 0;
}

/* --- upkeep --- */

static int
call(struct xylem *x, const char *topic, uint32_t rank, struct blob *payload)
{
    const struct client_request spec = {.topic = topic, .rank = rank, .form = CLIENT_BYTES};
    AUTO(answer) struct answer a;

    answer_init(&a, x);
    return answer_wait(&a, client_request(x, &spec, &payload, answer_take, &a, NULL));
}

int
xylem_validate(xylem_t *x, const char *blobref)
{
    struct blob *payload = NULL;
    int rc = parse_blobref(x, blobref, &payload);

    return rc < 0 ? rc : call(x, "content-backing.validate", BACKING_RANK, payload);
}

int
xylem_flush(xylem_t *x, uint32_t rank)
{
    return call(x, "content.flush", rank, NULL);
}

int
xylem_dropcache(xylem_t *x)
{
    return call(x, "content.dropcache", XYLEM_RANK_ANY, NULL);
}

const char *
xylem_hash(xylem_t *x)
{
    return x->has_alg ? digest_name(x->alg) : NULL;
}
