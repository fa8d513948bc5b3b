/* SPDX-License-Identifier: MPL-2.0 */
/* txn.h - a KVS transaction: operations in order, all or nothing, and what must hold right before it
 * (xylem-kvs(7), "Commits"). */
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

/* What a look-up of a key, with TREEOBJ, must give. */
struct txn_expect {
    struct key key;         // owned; may be the root
    struct treeobj *dirent; // owned; NULL: nothing is there
};

struct txn {
    struct txn_op *ops; // owned array
    size_t count;
    size_t capacity;
    struct txn_expect *expects; // owned array
    size_t nexpects;
    size_t expects_capacity;
    int64_t version; // the sequence the root must have; TXN_ANY_VERSION: any
};

#define TXN_ANY_VERSION (-1)
#define TXN_INIT \
    { \
        .version = TXN_ANY_VERSION \
    }

void txn_fini(struct txn *t);

/* Append an operation; consumes *dirent (NULL: unlink), also on failure.  TXN_APPEND only with a
 * val.  -EINVAL / -ENAMETOOLONG for the key ("." is no key to write: -EINVAL), with text naming the
 * key; -E2BIG at TXN_OPS_MAX. */
int txn_add(struct txn *t, const char *key, int flags, struct treeobj **dirent, struct err *err);

/* Add what must hold; consumes *dirent (NULL: the key must not exist).  Errors as above, but that "." is a
 * key like any other. */
int txn_expect(struct txn *t, const char *key, struct treeobj **dirent, struct err *err);

struct json_t;
/* [{"key":K,"flags":F,"dirent":D},...]  -EPROTO (shape), else as txn_add(); -E2BIG too many.
 * *ret is valid only on success. */
int txn_from_json(enum digest_alg alg, const struct json_t *ops, struct txn *ret, struct err *err);

/* Add those of [{"key":K,"dirent":D or null},...]  Errors as above; t keeps those before. */
int txn_expects_from_json(enum digest_alg alg, const struct json_t *expects, struct txn *t,
                          struct err *err);

/* Append the JSON arrays. */
void txn_encode(enum digest_alg alg, const struct txn *t, struct buf *out);
void txn_encode_expects(enum digest_alg alg, const struct txn *t, struct buf *out);

static inline void
txn_auto(struct txn *t)
{
    txn_fini(t);
}

#endif
