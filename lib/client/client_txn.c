/* SPDX-License-Identifier: MPL-2.0 */
/* client_txn.c - build a KVS transaction.  No connection is needed for that. */
#include "client_txn.h"
#include "xmem.h"

#include <errno.h>

xylem_txn_t *
xylem_txn_new(void)
{
    return xcalloc(1, sizeof(struct xylem_txn));
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

int
xylem_txn_put_treeobj(xylem_txn_t *t, const char *key, const char *treeobj, const char *hash)
{
    enum digest_alg alg;
    struct treeobj *obj;

    if (!hash || digest_alg_parse(hash, &alg) < 0)
        return err_set(&t->error, -EINVAL, "unknown hash algorithm");
    if (t->has_alg && t->alg != alg)
        return err_set(&t->error, -EINVAL, "hash algorithms are mixed");
    if (treeobj_decode(alg, treeobj, strlen(treeobj), &obj, &t->error) < 0) {
        err_prefix(&t->error, -EINVAL, "%s", key);
        return -EINVAL;
    }
    t->has_alg = true;
    t->alg = alg;
    return add(t, key, 0, obj);
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
