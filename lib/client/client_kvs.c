/* SPDX-License-Identifier: MPL-2.0 */
/* client_kvs.c - roots, commits and look-ups (RFC 11, xylem-kvs(7)).
 *
 * Requests and answers are JSON.  Tree objects go in and out as text; only xylem_get() looks inside
 * one. */
#include "client.h"
#include "buf.h"
#include "client_txn.h"
#include "xmem.h"

#include <errno.h>
#include <jansson.h>

static const char *
namespace_or_default(const char *ns)
{
    if (!ns)
        ns = getenv("XYLEM_NAMESPACE");
    return ns && ns[0] ? ns : "primary";
}

/* Send JSON (consumed; NULL: some text in it was not UTF-8). */
static int
request_json(struct xylem *x, const char *topic, json_t *json, xylem_fn fn, void *arg)
{
    const struct client_request spec = {
        .topic = topic, .rank = XYLEM_RANK_ANY, .form = CLIENT_TEXT};
    struct blob *payload = client_json_payload(json);

    if (!payload)
        return client_fail(x, -EINVAL, "not UTF-8");
    return client_request(x, &spec, &payload, fn, arg, NULL);
}

/* --- roots --- */

static int
parse_root(struct xylem *x, const char *text, struct xylem_root *ret)
{
    json_t *json = json_loads(text, 0, NULL);
    json_int_t sequence;
    json_int_t owner = -1;
    const char *ref;
    int rc =
        json_unpack(json, "{s:I,s:s,s?I}", "rootseq", &sequence, "rootref", &ref, "owner", &owner);

    if (rc == 0 && strlen(ref) < XYLEM_BLOBREF_MAX) {
        ret->sequence = sequence;
        ret->owner = (uint32_t)owner;
        memcpy(ret->rootref, ref, strlen(ref) + 1);
    } else {
        rc = client_fail(x, -EPROTO, "the rank's answer is not a root");
    }
    json_decref(json);
    return rc;
}

int
xylem_getroot(xylem_t *x, const char *ns, struct xylem_root *ret)
{
    json_t *json = json_pack("{s:s,s:i}", "namespace", namespace_or_default(ns), "flags", 0);
    AUTO(answer) struct answer a;
    int rc;

    answer_init(&a, x);
    rc = answer_wait(&a, request_json(x, "kvs.getroot", json, answer_take, &a));
    return rc < 0 ? rc : parse_root(x, a.data, ret);
}

/* --- commits --- */

/* The operations can be many megabytes, so the text is built without a detour over json_t. */
static struct blob *
commit_payload(enum digest_alg alg, const char *ns, const struct txn *ops, int flags)
{
    json_t *name = json_string(ns);
    AUTO(free) char *quoted = name ? json_dumps(name, JSON_ENCODE_ANY) : NULL;
    struct buf b = BUF_INIT;
    char *text;

    json_decref(name);
    if (!quoted)
        return NULL;
    buf_printf(&b, "{\"namespace\":%s,\"flags\":%d,\"ops\":", quoted, flags);
    txn_encode(alg, ops, &b);
    buf_add_char(&b, '}');
    text = buf_detach(&b, NULL);
    return client_text_payload(&text);
}

int
xylem_commit_async(xylem_t *x, const char *ns, const xylem_txn_t *t, int flags, xylem_fn fn,
                   void *arg)
{
    const struct client_request spec = {
        .topic = "kvs.commit", .rank = XYLEM_RANK_ANY, .form = CLIENT_TEXT};
    struct blob *payload;

    if (t->has_alg && t->alg != x->alg)
        return client_fail(x, -EINVAL, "the transaction's hash is %s, this instance's %s",
                           digest_name(t->alg), digest_name(x->alg));
    payload = commit_payload(x->alg, namespace_or_default(ns), &t->ops, flags);
    if (!payload)
        return client_fail(x, -EINVAL, "namespace names are UTF-8");
    return client_request(x, &spec, &payload, fn, arg, NULL);
}

int
xylem_commit(xylem_t *x, const char *ns, const xylem_txn_t *t, int flags, struct xylem_root *ret)
{
    struct xylem_root root;
    AUTO(answer) struct answer a;
    int rc;

    answer_init(&a, x);
    rc = answer_wait(&a, xylem_commit_async(x, ns, t, flags, answer_take, &a));
    return rc < 0 ? rc : parse_root(x, a.data, ret ? ret : &root);
}

int
xylem_put(xylem_t *x, const char *ns, const char *key, const void *data, size_t size)
{
    xylem_txn_t *t = xylem_txn_new();
    int rc = xylem_txn_put(t, key, data, size);

    if (rc < 0)
        client_fail(x, rc, "%s", xylem_txn_error(t));
    else
        rc = xylem_commit(x, ns, t, 0, NULL);
    xylem_txn_free(t);
    return rc;
}

/* --- look-ups --- */

static json_t *
lookup_json(const char *ns, const char *key, const char *at, int flags)
{
    if (at)
        return json_pack("{s:s,s:{s:i,s:s,s:[s]},s:i}", "key", key, "rootdir", "ver", 1, "type",
                         "dirref", "data", at, "flags", flags);
    return json_pack("{s:s,s:s,s:i}", "key", key, "namespace", namespace_or_default(ns), "flags",
                     flags);
}

int
xylem_lookup_async(xylem_t *x, const char *ns, const char *key, const char *at, int flags,
                   xylem_fn fn, void *arg)
{
    return request_json(x, "kvs.lookup", lookup_json(ns, key, at, flags), fn, arg);
}

/* *ret: a new reference to what the key holds. */
static int
lookup(struct xylem *x, const char *ns, const char *key, const char *at, int flags, json_t **ret)
{
    AUTO(answer) struct answer a;
    json_t *json;
    int rc;

    answer_init(&a, x);
    rc = answer_wait(&a, xylem_lookup_async(x, ns, key, at, flags, answer_take, &a));
    if (rc < 0)
        return rc;
    json = json_loadb(a.data, strlen(a.data), 0, NULL);
    *ret = json_incref(json_object_get(json, "val"));
    json_decref(json);
    return *ret ? 0 : client_fail(x, -EPROTO, "the rank's answer is not a tree object");
}

int
xylem_lookup(xylem_t *x, const char *ns, const char *key, const char *at, int flags, char **ret)
{
    json_t *val;
    int rc = lookup(x, ns, key, at, flags, &val);

    if (rc < 0)
        return rc;
    *ret = json_dumps(val, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
    json_decref(val);
    return *ret ? 0 : client_fail(x, -ENOMEM, "%s", err_name(ENOMEM));
}

int
xylem_get(xylem_t *x, const char *ns, const char *key, void **ret_data, size_t *ret_size)
{
    AUTO(treeobj) struct treeobj *obj = NULL;
    json_t *val;
    int rc = lookup(x, ns, key, NULL, 0, &val);

    if (rc < 0)
        return rc;
    rc = treeobj_from_json(x->alg, val, &obj, &x->error);
    json_decref(val);
    if (rc < 0)
        return rc;
    if (treeobj_type(obj) != TREEOBJ_VAL)
        return client_fail(x, -EPROTO, "the rank's answer is not a value");
    rc = treeobj_val_decode(obj, ret_data, ret_size);
    return rc < 0 ? client_fail(x, rc, "%s", err_name(rc)) : 0;
}
