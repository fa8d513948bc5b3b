/* SPDX-License-Identifier: MPL-2.0 */
/* txn.h - a KVS transaction: operations in order, all or nothing (xylem-kvs(7), "Commit"). */
#ifndef XYLEM_TXN_H
#define XYLEM_TXN_H

#include "key.h"
#include "treeobj.h"

#define TXN_APPEND 32       // flag of an operation, as in Flux
#define TXN_OPS_MAX 1000000 // operations in one transaction

struct txn_op {
    struct key key;         // owned
    int flags;              // 0 or TXN_APPEND
    struct treeobj *dirent; // owned; NULL = unlink
};

struct txn {
    struct txn_op *ops; // owned array
    size_t count;
    size_t capacity;
};

#define TXN_INIT \
    { \
        NULL, 0, 0 \
    }

void txn_fini(struct txn *t);

/* Append an operation; consumes *dirent (NULL: unlink), also on failure.  TXN_APPEND only with a
 * val.  -EINVAL / -ENAMETOOLONG for the key ("." is no key to write: -EINVAL), with text naming the
 * key; -E2BIG at TXN_OPS_MAX. */
int txn_add(struct txn *t, const char *key, int flags, struct treeobj **dirent, struct err *err);

struct json_t;
/* [{"key":K,"flags":F,"dirent":D},...]  -EPROTO (shape), else as txn_add(); -E2BIG too many.
 * *ret is valid only on success. */
int txn_from_json(enum digest_alg alg, const struct json_t *ops, struct txn *ret, struct err *err);

/* Append the JSON array. */
void txn_encode(enum digest_alg alg, const struct txn *t, struct buf *out);

static inline void
txn_auto(struct txn *t)
{
    txn_fini(t);
}

#endif
