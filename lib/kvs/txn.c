/* SPDX-License-Identifier: MPL-2.0 */
/* txn.c - transactions: a list of operations, a list of what must hold, and their JSON.
 *
 * I1 every key that is written has at least one name
 * I2 flags are 0 or TXN_APPEND; an append carries a val
 * What the operations do to a tree: tree_apply.c.
 */
#include "txn.h"

#include "json_text.h"
#include "xmem.h"

#include <errno.h>
#include <jansson.h>

void
txn_fini(struct txn *t)
{
    for (size_t i = 0; i < t->count; i++) {
        key_fini(&t->ops[i].key);
        treeobj_unref(&t->ops[i].dirent);
    }
    free(t->ops);
    for (size_t i = 0; i < t->nexpects; i++) {
        key_fini(&t->expects[i].key);
        treeobj_unref(&t->expects[i].dirent);
    }
    free(t->expects);
    *t = (struct txn)TXN_INIT;
}

static struct txn_op *
add_slot(struct txn *t)
{
    if (t->count == t->capacity) {
        t->capacity = t->capacity ? t->capacity * 2 : 4;
        t->ops = xrealloc(t->ops, t->capacity * sizeof(*t->ops));
    }
    return &t->ops[t->count++];
}

static bool
is_op_valid(int flags, const struct treeobj *dirent)
{
    if (flags == TXN_APPEND)
        return dirent && treeobj_type(dirent) == TREEOBJ_VAL;
    return flags == 0;
}

int
txn_add(struct txn *t, const char *key, int flags, struct treeobj **dirent, struct err *err)
{
    AUTO(treeobj) struct treeobj *taken = TAKE(*dirent);
    struct key k;
    int rc;

    assert(is_op_valid(flags, taken)); /* I2 */
    if (t->count == TXN_OPS_MAX)
        return err_set(err, -E2BIG, "key '%.128s': more than %d operations", key, TXN_OPS_MAX);
    rc = key_parse(key, &k, err);
    if (rc < 0)
        return rc;
    if (k.count == 0) {
        key_fini(&k);
        return err_set(err, -EINVAL, "key '.': the root cannot be written"); /* I1 */
    }
    *add_slot(t) = (struct txn_op){k, flags, TAKE(taken)};
    return 0;
}

int
txn_expect(struct txn *t, const char *key, struct treeobj **dirent, struct err *err)
{
    AUTO(treeobj) struct treeobj *taken = TAKE(*dirent);
    struct key k;
    int rc;

    if (t->nexpects == TXN_OPS_MAX)
        return err_set(err, -E2BIG, "key '%.128s': more than %d expected", key, TXN_OPS_MAX);
    rc = key_parse(key, &k, err);
    if (rc < 0)
        return rc;
    if (t->nexpects == t->expects_capacity) {
        t->expects_capacity = t->expects_capacity ? t->expects_capacity * 2 : 4;
        t->expects = xrealloc(t->expects, t->expects_capacity * sizeof(*t->expects));
    }
    t->expects[t->nexpects++] = (struct txn_expect){k, TAKE(taken)};
    return 0;
}

/* --- from JSON --- */

static int
decode_dirent(enum digest_alg alg, const json_t *json, struct treeobj **ret, struct err *err)
{
    return json_is_null(json) ? 0 : treeobj_from_json(alg, json, ret, err);
}

static int
decode_op(enum digest_alg alg, const json_t *op, struct txn *t, struct err *err)
{
    const json_t *key = json_object_get(op, "key");
    const json_t *flags = json_object_get(op, "flags");
    const json_t *dirent = json_object_get(op, "dirent");
    AUTO(treeobj) struct treeobj *obj = NULL;
    json_int_t bits = json_integer_value(flags);
    int rc;

    if (!json_is_string(key) || !json_is_integer(flags) || !dirent)
        return err_set(err, -EPROTO, "not an object of key, flags and dirent");
    rc = decode_dirent(alg, dirent, &obj, err);
    if (rc < 0)
        return err_prefix(err, rc, "key '%.128s'", json_string_value(key));
    if ((bits != 0 && bits != TXN_APPEND) || !is_op_valid((int)bits, obj))
        return err_set(err, -EPROTO, "key '%.128s': flags %lld do not fit what is put",
                       json_string_value(key), (long long)bits);
    return txn_add(t, json_string_value(key), (int)bits, &obj, err);
}

int
txn_from_json(enum digest_alg alg, const struct json_t *ops, struct txn *ret, struct err *err)
{
    AUTO(txn) struct txn t = TXN_INIT;

    if (!json_is_array(ops))
        return err_set(err, -EPROTO, "ops is not an array");
    if (json_array_size(ops) > TXN_OPS_MAX)
        return err_set(err, -E2BIG, "more than %d operations", TXN_OPS_MAX);
    for (size_t i = 0; i < json_array_size(ops); i++) {
        int rc = decode_op(alg, json_array_get(ops, i), &t, err);

        if (rc < 0)
            return err_prefix(err, rc, "operation %zu", i);
    }
    *ret = t;
    t = (struct txn)TXN_INIT;
    return 0;
}

static int
decode_expect(enum digest_alg alg, const json_t *expect, struct txn *t, struct err *err)
{
    const json_t *key = json_object_get(expect, "key");
    const json_t *dirent = json_object_get(expect, "dirent");
    AUTO(treeobj) struct treeobj *obj = NULL;
    int rc;

    if (!json_is_string(key) || !dirent)
        return err_set(err, -EPROTO, "not an object of key and dirent");
    rc = decode_dirent(alg, dirent, &obj, err);
    if (rc < 0)
        return err_prefix(err, rc, "key '%.128s'", json_string_value(key));
    return txn_expect(t, json_string_value(key), &obj, err);
}

int
txn_expects_from_json(enum digest_alg alg, const struct json_t *expects, struct txn *t,
                      struct err *err)
{
    if (!json_is_array(expects))
        return err_set(err, -EPROTO, "expect is not an array");
    if (json_array_size(expects) > TXN_OPS_MAX)
        return err_set(err, -E2BIG, "more than %d keys expected", TXN_OPS_MAX);
    for (size_t i = 0; i < json_array_size(expects); i++) {
        int rc = decode_expect(alg, json_array_get(expects, i), t, err);

        if (rc < 0)
            return err_prefix(err, rc, "expect %zu", i);
    }
    return 0;
}

/* --- to JSON --- */

static void
encode_key(const struct key *key, struct buf *out)
{
    AUTO(buf) struct buf text = BUF_INIT;

    key_format(key, &text);
    buf_add_str(out, "{\"key\":");
    json_text_quote(buf_str(&text), out);
}

static void
encode_dirent(enum digest_alg alg, const struct treeobj *dirent, struct buf *out)
{
    buf_add_str(out, ",\"dirent\":");
    if (dirent)
        treeobj_encode(alg, dirent, out);
    else
        buf_add_str(out, "null");
    buf_add_char(out, '}');
}

void
txn_encode(enum digest_alg alg, const struct txn *t, struct buf *out)
{
    buf_add_char(out, '[');
    for (size_t i = 0; i < t->count; i++) {
        if (i > 0)
            buf_add_char(out, ',');
        encode_key(&t->ops[i].key, out);
        buf_printf(out, ",\"flags\":%d", t->ops[i].flags);
        encode_dirent(alg, t->ops[i].dirent, out);
    }
    buf_add_char(out, ']');
}

void
txn_encode_expects(enum digest_alg alg, const struct txn *t, struct buf *out)
{
    buf_add_char(out, '[');
    for (size_t i = 0; i < t->nexpects; i++) {
        if (i > 0)
            buf_add_char(out, ',');
        encode_key(&t->expects[i].key, out);
        encode_dirent(alg, t->expects[i].dirent, out);
    }
    buf_add_char(out, ']');
}
