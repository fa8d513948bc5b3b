/* SPDX-License-Identifier: MPL-2.0 */
/* kvs_priv.h - what the files of the KVS service share:
 *
 * kvs.c            the topics, life, events from above
 * kvs_root.c       which root is newest: kvs.getroot, kvs.wait-version, asking the parent
 * kvs_commit.c     kvs.commit: passing up, or the kvs actor of rank 0
 * kvs_namespace.c  kvs.namespace-create, -remove, -list
 * kvs_change.c     rank 0: new roots on their way to the disk, and their announcement
 */
#ifndef XYLEM_KVS_PRIV_H
#define XYLEM_KVS_PRIV_H

#include "commit_ids.h"
#include "kvs.h"
#include "kvs_actor.h"
#include "kvs_roots.h"
#include "kvs_walk.h"
#include "list.h"

#define KVS_COMMIT_TOPIC "kvs.commit."

struct kvs {
    struct kvs_conf conf;
    struct router *router;     // borrowed
    struct content *content;   // borrowed
    struct store *store;       // borrowed; rank 0 only, may be NULL there
    struct walker *walker;     // owned
    struct kvs_roots *roots;   // owned
    struct kvs_actor *actor;   // owned; rank 0 only
    struct commit_ids *ids;    // owned; rank 0 only
    struct list spaces;        // namespaces being made or removed (kvs_namespace.c)
    int64_t epoch;             // rank 0: of this run
    struct list version_waits; // struct version_wait (kvs_root.c)
    struct list root_asks;     // struct root_ask: calls to the parent in progress (kvs_root.c)
    char *uuid;                // owned; of this run, in front of commit ids
    uint64_t last_commit;      // number of the last commit given an id here
};

/* --- kvs_root.c --- */
void kvs_root_init(struct kvs *k);
/* Whoever waits is answered with ECANCELED. */
void kvs_root_fini(struct kvs *k);
/* A root was made, announced, or learnt from an answer.  true: it is news. */
bool kvs_root_adopt(struct kvs *k, const struct store_root *root);
/* A namespace was removed. */
void kvs_root_drop(struct kvs *k, const char *ns);
/* Ask the parent again for every root known: some may have been announced unheard. */
void kvs_root_refresh(struct kvs *k);
size_t kvs_root_waits(const struct kvs *k);
/* A client is gone: forget what it waits for. */
void kvs_root_forget(struct kvs *k, const struct origin *client);
void kvs_root_serve_getroot(void *kvs, struct request *req);
void kvs_root_serve_wait_version(void *kvs, struct request *req);
extern const struct walker_ops kvs_root_walker_ops;

/* --- kvs_commit.c --- */
void kvs_commit_serve(void *kvs, struct request *req);
extern const struct kvs_actor_ops kvs_commit_actor_ops;

/* --- kvs_namespace.c --- */
void kvs_namespace_serve_create(void *kvs, struct request *req);
void kvs_namespace_serve_remove(void *kvs, struct request *req);
void kvs_namespace_serve_list(void *kvs, struct request *req);
/* Does it exist, and is not being removed? */
bool kvs_namespace_is_live(const struct kvs *k, const char *ns);

/* --- kvs_change.c --- */
/* Make a change durable, take it in and announce it; then done() with the result.  done may be NULL.
 * *made is consumed. */
typedef void (*kvs_change_fn)(void *arg, int rc);
void kvs_change_apply(struct kvs *k, struct store_change **made, kvs_change_fn done, void *arg);
/* Tell the ranks below.  what: "setroot", "created", "removed". */
void kvs_change_announce(struct kvs *k, const struct store_root *root, const char *what);

#endif
