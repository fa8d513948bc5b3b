/* SPDX-License-Identifier: MPL-2.0 */
/* kvs_actor.h - the committer on a thread of its own (rank 0): JSON and hashing of a big commit
 * never delay a blob.  Calls are answered through the ops, in the owner's loop. */
#ifndef XYLEM_KVS_ACTOR_H
#define XYLEM_KVS_ACTOR_H

#include "committer.h"
#include "loop.h"

struct kvs_actor;

struct kvs_actor_ops {
    void (*need)(void *arg, const struct digest *d);                        // kvs_actor_provide
    void (*write)(void *arg, const char *ns, struct store_change **change); // kvs_actor_written
    void (*done)(void *arg, void *cookie, int rc, const char *text, const struct store_root *root);
};

/* blob_limit: bytes, see committer.h.  backing: is there a store, for commits with SYNC?  roots: the
 * namespaces there are; copied. */
int kvs_actor_start(struct kvs_actor **ret, enum digest_alg alg, size_t blob_limit,
                    uint64_t maxdirent, bool backing, const struct store_root *roots, size_t nroots,
                    struct loop *loop, const struct kvs_actor_ops *ops, void *arg, struct err *err);
/* What is pending gets done(-ECANCELED). */
void kvs_actor_stop(struct kvs_actor **a);

/* A namespace was made, or removed: what is queued for it gets done(-ENOTSUP). */
void kvs_actor_add_root(struct kvs_actor *a, const struct store_root *root);
void kvs_actor_remove_root(struct kvs_actor *a, const char *ns);

/* payload: JSON {"namespace":NS,"flags":F,"ops":[...],...}, parsed over there.  id: to be recorded with
 * the root, or "". */
void kvs_actor_commit(struct kvs_actor *a, const struct blob *payload, const char *id,
                      void *cookie);
void kvs_actor_provide(struct kvs_actor *a, const struct digest *d, int rc, const struct blob *b);
void kvs_actor_written(struct kvs_actor *a, const char *ns, int rc);

#endif
