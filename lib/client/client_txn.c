/* SPDX-License-Identifier: MPL-2.0 */
/* client_txn.c - build a KVS transaction.  No connection is needed for that. */
#include "client_txn.h"
#include "xmem.h"

#include <errno.h>

xylem_txn_t *
xylem_txn_new(void)
{
    xylem_txn_t *t = xcalloc(1, sizeof(*t));

    t->ops = (struct txn)TXN_INIT;
    return t;
}

void
xylem_txn_free(xylem_txn_t *t)
{
    if (t)
        txn_fini(&t->ops);
    free(t);
}

const char *
xylem_txn_error(const xylem_txn_t *t)
{
    return t->error.text;
}

static int
add(xylem_txn_t *t, const char *key, int flags, struct treeobj *dirent)
{
    return txn_add(&t->ops, key, flags, &dirent, &t->error);
}

int
xylem_txn_put(xylem_txn_t *t, const char *key, const void *data, size_t size)
{
    return add(t, key, 0, treeobj_new_val(data, size));
}

int
xylem_txn_append(xylem_txn_t *t, const char *key, const void *data, size_t size)
{
    return add(t, key, TXN_APPEND, treeobj_new_val(data, size));
}

/* A tree object that a transaction is to hold. */
static int
decode(xylem_txn_t *t, const char *key, const char *treeobj, const char *hash, struct treeobj **ret)
{
    enum digest_alg alg;

    if (!hash || digest_alg_parse(hash, &alg) < 0)
        return err_set(&t->error, -EINVAL, "unknown hash algorithm");
    if (t->has_alg && t->alg != alg)
        return err_set(&t->error, -EINVAL, "hash algorithms are mixed");
    if (treeobj_decode(alg, treeobj, strlen(treeobj), ret, &t->error) < 0) {
        err_prefix(&t->error, -EINVAL, "key '%.128s'", key);
        return -EINVAL;
    }
    t->has_alg = true;
    t->alg = alg;
    return 0;
}

int
xylem_txn_put_treeobj(xylem_txn_t *t, const char *key, const char *treeobj, const char *hash)
{
    struct treeobj *obj = NULL;
    int rc = decode(t, key, treeobj, hash, &obj);

    return rc < 0 ? rc : add(t, key, 0, obj);
}

int
xylem_txn_unlink(xylem_txn_t *t, const char *key)
{
    return add(t, key, 0, NULL);
}

int
xylem_txn_mkdir(xylem_txn_t *t, const char *key)
{
    return add(t, key, 0, treeobj_new_dir());
}

int
xylem_txn_symlink(xylem_txn_t *t, const char *key, const char *target_ns, const char *target)
{
    return add(t, key, 0, treeobj_new_symlink(target_ns, target));
}

/* --- what is expected, and the id --- */

int
xylem_txn_expect_version(xylem_txn_t *t, int64_t version)
{
    if (version < 0)
        return err_set(&t->error, -EINVAL, "%lld is no version", (long long)version);
    t->ops.version = version;
    return 0;
}

int
xylem_txn_expect(xylem_txn_t *t, const char *key, const char *treeobj, const char *hash)
{
    struct treeobj *obj = NULL;
    int rc = treeobj ? decode(t, key, treeobj, hash, &obj) : 0;

    return rc < 0 ? rc : txn_expect(&t->ops, key, &obj, &t->error);
}

int
xylem_txn_set_id(xylem_txn_t *t, const char *id)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    size_t len = strlen(id);

    if (len == 0 || len >= sizeof(t->id) || strspn(id, allowed) != len)
        return err_set(&t->error, -EINVAL, "id '%.64s': not 1 to %zu letters, digits, - and _", id,
                       sizeof(t->id) - 1);
    memcpy(t->id, id, len + 1);
    return 0;
}
