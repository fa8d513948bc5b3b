/* SPDX-License-Identifier: MPL-2.0 */
/* client_kvs.c - roots and commits (RFC 11, xylem-kvs(7)).  Requests and answers are JSON. */
#include "client.h"
#include "buf.h"
#include "client_txn.h"
#include "xmem.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>

const char *
client_namespace(const char *ns)
{
    if (!ns)
        ns = getenv("XYLEM_NAMESPACE");
    return ns && ns[0] ? ns : "primary";
}

int
client_json_request(struct xylem *x, const struct client_request *r, json_t *json, xylem_fn fn,
                    void *arg, uint32_t *ret_tag)
{
    struct blob *payload = client_json_payload(json);

    if (!payload)
        return client_fail(x, -EINVAL, "not UTF-8");
    return client_request(x, r, &payload, fn, arg, ret_tag);
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
    const struct client_request spec = {
        .topic = "kvs.getroot", .rank = XYLEM_RANK_ANY, .form = CLIENT_TEXT};
    json_t *json = json_pack("{s:s,s:i}", "namespace", client_namespace(ns), "flags", 0);
    AUTO(answer) struct answer a;
    int rc;

    answer_init(&a, x);
    rc = answer_wait(&a, client_json_request(x, &spec, json, answer_take, &a, NULL));
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
    if (ops->version != TXN_ANY_VERSION)
        buf_printf(&b, ",\"rootseq\":%" PRId64, ops->version);
    if (ops->nexpects > 0) {
        buf_add_str(&b, ",\"expect\":");
        txn_encode_expects(alg, ops, &b);
    }
    buf_add_char(&b, '}');
    text = buf_detach(&b, NULL);
    return client_text_payload(&text);
}

int
xylem_commit_async(xylem_t *x, const char *ns, const xylem_txn_t *t, int flags, xylem_fn fn,
                   void *arg)
{
    AUTO(free) char *topic = xasprintf("kvs.commit%s%s", t->id[0] ? "." : "", t->id);
    const struct client_request spec = {
        .topic = topic, .rank = XYLEM_RANK_ANY, .form = CLIENT_TEXT};
    struct blob *payload;

    if (t->has_alg && t->alg != x->alg)
        return client_fail(x, -EINVAL, "the transaction's hash is %s, this instance's %s",
                           digest_name(t->alg), digest_name(x->alg));
    payload = commit_payload(x->alg, client_namespace(ns), &t->ops, flags);
    if (!payload)
        return client_fail(x, -EINVAL, "namespace names are UTF-8");
    return client_request(x, &spec, &payload, fn, arg, NULL);
}

/* The operation that brings most bytes. */
static const struct txn_op *
largest_op(const struct txn *t, size_t *ret_bytes)
{
    const struct txn_op *largest = NULL;

    *ret_bytes = 0;
    for (size_t i = 0; i < t->count; i++) {
        const struct txn_op *op = &t->ops[i];
        size_t bytes = op->dirent ? treeobj_memory(op->dirent) : 0;

        if (largest && bytes <= *ret_bytes)
            continue;
        largest = op;
        *ret_bytes = bytes;
    }
    return largest;
}

/* The rank takes no message of that size: say what is in it. */
static int
explain_size(struct xylem *x, const struct txn *t)
{
    size_t bytes;
    const struct txn_op *op = largest_op(t, &bytes);
    AUTO(buf) struct buf key = BUF_INIT;

    if (!op)
        return client_fail(x, -EFBIG, "the commit is larger than a message may be");
    key_format(&op->key, &key);
    return client_fail(
        x, -EFBIG,
        "key '%.128s': the commit is larger than a message may be (64 MiB, or the blob "
        "size limit if that is larger): about %zu bytes of it are for this key",
        buf_str(&key), bytes);
}

int
xylem_commit(xylem_t *x, const char *ns, const xylem_txn_t *t, int flags, struct xylem_root *ret)
{
    struct xylem_root root;
    AUTO(answer) struct answer a;
    int rc;

    answer_init(&a, x);
    rc = answer_wait(&a, xylem_commit_async(x, ns, t, flags, answer_take, &a));
    if (rc == -EFBIG)
        return explain_size(x, &t->ops);
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
