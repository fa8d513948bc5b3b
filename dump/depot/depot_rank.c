/* SPDX-License-Identifier: MPL-2.0 */
/* depot_rank.c - the rank of a running instance as a depot. */
#include "depot_rank.h"
#include "blobref.h"
#include "clock.h"
#include "units.h"
#include "xmem.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define KEEP_SECONDS 240 // a tree stays for so long after the rank has heard from us

/* One load or store under way. */
struct rank_call {
    struct rank_call *next;  // on depot_rank.spare
    struct depot_rank *rank; // borrowed
    depot_fn fn;
    void *arg; // of fn
    bool is_store;
};

/* ---- blobs ---- */

static struct rank_call *
take_call(struct depot_rank *r, depot_fn fn, void *arg, bool is_store)
{
    struct rank_call *call = r->spare;

    if (call)
        r->spare = call->next;
    else
        call = xmalloc(sizeof(*call));
    *call = (struct rank_call){NULL, r, fn, arg, is_store};
    return call;
}

static void
spare_call(struct rank_call *call)
{
    call->next = call->rank->spare;
    call->rank->spare = call;
}

static int
read_name(const struct depot_rank *r, const struct xylem_reply *reply, struct digest *ret)
{
    enum digest_alg alg;

    return blobref_parse(reply->data, &alg, ret) < 0 || alg != r->base.layout.alg ? -EPROTO : 0;
}

static void
on_answer(void *arg, const struct xylem_reply *reply)
{
    struct rank_call *call = arg;
    struct rank_call done = *call;
    struct depot_reply out = {.rc = reply->rc, .error = reply->error, .data = ""};

    spare_call(call); // fn may start the next one
    if (reply->rc == 0 && !done.is_store) {
        out.data = reply->data;
        out.size = reply->size;
    } else if (reply->rc == 0 && (out.rc = read_name(done.rank, reply, &out.digest)) < 0) {
        out.error = "the answer is no blobref";
    }
    done.fn(done.arg, &out);
}

static int
fail_start(struct rank_call *call, int rc, struct err *err)
{
    spare_call(call);
    return err_set(err, rc, "%s", xylem_error(call->rank->x));
}

static int
rank_load(struct depot *d, const struct digest *digest, depot_fn fn, void *arg, struct err *err)
{
    struct depot_rank *r = rank_of(d);
    struct rank_call *call = take_call(r, fn, arg, false);
    char ref[BLOBREF_MAX];
    int rc;

    blobref_format(d->layout.alg, digest, ref);
    rc = xylem_load_async(r->x, ref, r->flags, on_answer, call);
    return rc < 0 ? fail_start(call, rc, err) : 0;
}

static int
rank_store(struct depot *d, const void *data, size_t size, depot_fn fn, void *arg, struct err *err)
{
    struct depot_rank *r = rank_of(d);
    struct rank_call *call = take_call(r, fn, arg, true);
    int rc = xylem_store_async(r->x, data, size, r->flags, on_answer, call);

    return rc < 0 ? fail_start(call, rc, err) : 0;
}

/* ---- what is to stay ---- */

static char *
format_pin(const struct depot_rank *r, size_t i)
{
    char ref[BLOBREF_MAX];

    return xasprintf("{\"root\":\"%s\",\"seconds\":%d}",
                     blobref_format(r->base.layout.alg, &r->kept[i], ref), KEEP_SECONDS);
}

/* The first time it has to be known before the first load.  What does not collect garbage has no such
 * service. */
static void
rank_keep(struct depot *d, const struct digest *root)
{
    struct depot_rank *r = rank_of(d);
    AUTO(free) char *json = NULL;

    if (r->nkept == KEPT_MAX)
        return;
    r->kept[r->nkept++] = *root;
    json = format_pin(r, r->nkept - 1);
    xylem_rpc(r->x, "content-backing.pin", XYLEM_RANK_ANY, json, NULL);
    if (r->nkept == 1)
        r->kept_ms = clock_ms();
}

static void
on_kept(void *arg UNUSED, const struct xylem_reply *reply UNUSED)
{
}

static void
keep_on(struct depot_rank *r)
{
    int64_t now = clock_ms();

    if (r->nkept == 0 || now - r->kept_ms < KEEP_SECONDS * 1000 / 4)
        return;
    r->kept_ms = now;
    for (size_t i = 0; i < r->nkept; i++) {
        AUTO(free) char *json = format_pin(r, i);

        xylem_rpc_async(r->x, "content-backing.pin", XYLEM_RANK_ANY, json, strlen(json), XYLEM_TEXT,
                        on_kept, NULL, NULL);
    }
}

static int
rank_dispatch(struct depot *d, struct err *err)
{
    struct depot_rank *r = rank_of(d);
    int rc;

    keep_on(r);
    rc = xylem_dispatch(r->x, -1);
    return rc < 0 ? err_set(err, rc, "%s", xylem_error(r->x)) : 0;
}

/* ---- roots ---- */

static int
rank_root(struct depot *d, const char *ns, struct depot_root *ret, struct err *err)
{
    struct depot_rank *r = rank_of(d);
    struct xylem_root root;
    enum digest_alg alg;
    int rc = xylem_getroot(r->x, ns, &root);

    if (rc < 0)
        return err_set(err, rc, "current root of %s: %s", ns, xylem_error(r->x));
    if (blobref_parse(root.rootref, &alg, &ret->root) < 0 || alg != d->layout.alg)
        return err_set(err, -EPROTO, "current root of %s: %s is no blobref of this instance", ns,
                       root.rootref);
    snprintf(ret->ns, sizeof(ret->ns), "%s", ns);
    ret->owner = root.owner;
    ret->sequence = root.sequence;
    return 0;
}

static int
compare_names(const void *a, const void *b)
{
    return strcmp(((const struct depot_root *)a)->ns, ((const struct depot_root *)b)->ns);
}

static int
read_roots(struct depot *d, const json_t *list, struct depot_root **ret, size_t *ret_count,
           struct err *err)
{
    AUTO(free) struct depot_root *roots = xcalloc(json_array_size(list) + 1, sizeof(*roots));
    size_t count = 0;
    int rc;

    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *ns = json_string_value(json_object_get(json_array_get(list, i), "namespace"));

        if (!ns || strlen(ns) >= DEPOT_NAMESPACE_MAX)
            return err_set(err, -EPROTO, "malformed answer to kvs.namespace-list");
        rc = rank_root(d, ns, &roots[count], err);
        if (rc == -ENOTSUP)
            continue; // removed since
        if (rc < 0)
            return rc;
        count++;
    }
    qsort(roots, count, sizeof(*roots), compare_names);
    *ret = TAKE(roots);
    *ret_count = count;
    return 0;
}

static int
rank_roots(struct depot *d, struct depot_root **ret, size_t *ret_count, struct err *err)
{
    struct depot_rank *r = rank_of(d);
    AUTO(free) char *text = NULL;
    int rc = xylem_rpc(r->x, "kvs.namespace-list", XYLEM_RANK_ANY, NULL, &text);
    json_t *json;

    if (rc < 0)
        return err_set(err, rc, "namespaces: %s", xylem_error(r->x));
    json = json_loads(text, 0, NULL);
    if (json_is_array(json_object_get(json, "namespaces")))
        rc = read_roots(d, json_object_get(json, "namespaces"), ret, ret_count, err);
    else
        rc = err_set(err, -EPROTO, "malformed answer to kvs.namespace-list");
    json_decref(json);
    return rc;
}

/* {"value":[RECORD, ...]}, newest first; Flux also has {"value":RECORD}. */
static int
read_checkpoints(struct depot *d, const json_t *value, struct checkpoint **ret, size_t *ret_count,
                 struct err *err)
{
    size_t count = json_is_array(value) ? json_array_size(value) : value != NULL;
    AUTO(free) struct checkpoint *list = xcalloc(count + 1, sizeof(*list));

    for (size_t i = 0; i < count; i++) {
        const json_t *record = json_is_array(value) ? json_array_get(value, i) : value;
        int rc = checkpoint_from_json(d->layout.alg, record, &list[i], err);

        if (rc < 0)
            return err_prefix(err, rc, "checkpoint");
    }
    *ret = TAKE(list);
    *ret_count = count;
    return 0;
}

static int
rank_checkpoints(struct depot *d, struct checkpoint **ret, size_t *ret_count, struct err *err)
{
    struct depot_rank *r = rank_of(d);
    AUTO(free) char *text = NULL;
    int rc = xylem_rpc(r->x, "content.checkpoint-get", 0, NULL, &text);
    json_t *json;

    *ret = NULL;
    *ret_count = 0;
    if (rc == -ENOENT)
        return 0;
    if (rc < 0)
        return err_set(err, rc, "checkpoint: %s", xylem_error(r->x));
    json = json_loads(text, 0, NULL);
    if (json)
        rc = read_checkpoints(d, json_object_get(json, "value"), ret, ret_count, err);
    else
        rc = err_set(err, -EPROTO, "checkpoint: the answer is not JSON");
    json_decref(json);
    return rc;
}

/* ---- opening ---- */

int
depot_rank_hash(xylem_t *x, enum digest_alg *ret, struct err *err)
{
    const char *name = xylem_hash(x);

    if (!name)
        return err_set(err, -EIO, "hash algorithm of the instance: %s", xylem_error(x));
    if (digest_alg_parse(name, ret) < 0)
        return err_set(err, -EINVAL, "%s: unknown hash algorithm", name);
    return 0;
}

static int
ask_blob_size(xylem_t *x, uint64_t *ret, struct err *err)
{
    AUTO(free) char *text = NULL;
    int rc = xylem_getattr(x, "content.blob-size-limit", &text);

    *ret = LAYOUT_BLOB_SIZE;
    if (rc < 0 && rc != -ENOENT)
        return err_set(err, rc, "blob size limit: %s", xylem_error(x));
    if (rc == 0 && (units_parse_size(text, ret) < 0 || *ret == 0 || *ret > SIZE_MAX / 2))
        return err_set(err, -EPROTO, "blob size limit: %s is no size", text);
    return 0;
}

/* An instance that does not tell has no wide directories. */
static int
ask_maxdirent(xylem_t *x, uint64_t *ret, struct err *err)
{
    AUTO(free) char *text = NULL;
    long value;
    int rc = xylem_getattr(x, "kvs.maxdirent", &text);

    *ret = 0;
    if (rc == -ENOENT)
        return 0;
    if (rc < 0)
        return err_set(err, rc, "kvs.maxdirent: %s", xylem_error(x));
    if (units_parse_long(text, 0, LONG_MAX, &value) < 0)
        return err_set(err, -EPROTO, "kvs.maxdirent: %s is no number", text);
    *ret = (uint64_t)value;
    return 0;
}

/* What an instance does not tell is as in Flux. */
static int
ask_layout(xylem_t *x, struct layout *ret, struct err *err)
{
    int rc = depot_rank_hash(x, &ret->alg, err);

    if (rc == 0)
        rc = ask_blob_size(x, &ret->blob_size, err);
    return rc < 0 ? rc : ask_maxdirent(x, &ret->maxdirent, err);
}

static void
rank_close(struct depot *d)
{
    struct depot_rank *r = rank_of(d);

    xylem_close(r->x);
    while (r->spare) {
        struct rank_call *next = r->spare->next;

        free(r->spare);
        r->spare = next;
    }
    free(r);
}

static const struct depot_ops rank_ops = {
    .load = rank_load,
    .store = rank_store,
    .dispatch = rank_dispatch,
    .keep = rank_keep,
    .root = rank_root,
    .roots = rank_roots,
    .checkpoints = rank_checkpoints,
    .change = depot_rank_change,
    .create = depot_rank_create,
    .put_checkpoint = depot_rank_put_checkpoint,
    .flush = depot_rank_flush,
    .close = rank_close,
};

int
depot_open_rank(struct depot **ret, const char *uri, bool no_cache, struct err *err)
{
    struct depot_rank *r = xcalloc(1, sizeof(*r));
    char text[XYLEM_ERROR_MAX];
    int rc = xylem_open(&r->x, uri, NULL, text);

    r->base.ops = &rank_ops;
    r->base.is_live = true;
    r->flags = no_cache ? XYLEM_BYPASS : 0;
    if (rc < 0)
        err_set(err, rc, "%s", text);
    else
        rc = ask_layout(r->x, &r->base.layout, err);
    if (rc < 0)
        rank_close(&r->base);
    else
        *ret = &r->base;
    return rc;
}
