/* SPDX-License-Identifier: MPL-2.0 */
/* kvs_priv.h - what the files of the KVS service share:
 *
 * kvs.c            the topics, life, events from above
 * kvs_root.c       which root is newest: kvs.getroot, kvs.wait-version, asking the parent
 * kvs_follow.c     every version, one by one: kvs.history, what was missed
 * kvs_watch.c      kvs-watch.lookup, kvs-watch.cancel
 * kvs_watcher.c    one watch
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
#include "kvs_versions.h"
#include "kvs_walk.h"
#include "list.h"

#define KVS_COMMIT_TOPIC "kvs.commit."

/* Versions that are remembered, of all namespaces together. */
#define KVS_VERSIONS_LEADER 16384  // rank 0
#define KVS_VERSIONS_FOLLOWER 4096 // other ranks
#define KVS_VERSION_BYTES 1024     // of memory for each, on average

struct kvs {
    struct kvs_conf conf;
    struct router *router;         // borrowed
    struct content *content;       // borrowed
    struct store *store;           // borrowed; rank 0 only, may be NULL there
    struct walker *walker;         // owned
    struct kvs_roots *roots;       // owned
    struct kvs_actor *actor;       // owned; rank 0 only
    struct commit_ids *ids;        // owned; rank 0 only
    struct kvs_versions *versions; // owned
    struct list catch_ups;     // struct catch_up: namespaces being caught up with (kvs_follow.c)
    struct list watchers;      // struct watcher (kvs_watch.c)
    struct list spaces;        // namespaces being made or removed (kvs_namespace.c)
    int64_t epoch;             // rank 0: the last one given
    struct list version_waits; // struct version_wait (kvs_root.c)
    struct list root_asks;     // struct root_ask: calls to the parent in progress (kvs_root.c)
    char *uuid;                // owned; of this run, in front of commit ids
    uint64_t last_commit;      // number of the last commit given an id here
};

/* --- kvs.c --- */
/* Rank 0: when something began that has sequences of its own; ms since 1970. */
int64_t kvs_next_epoch(struct kvs *k);

/* --- kvs_root.c --- */
void kvs_root_init(struct kvs *k);
/* Whoever waits is answered with ECANCELED. */
void kvs_root_fini(struct kvs *k);
/* A root was made, announced, or learnt from an answer.  true: it is news. */
bool kvs_root_adopt(struct kvs *k, const struct store_root *root);
/* A namespace was removed. */
void kvs_root_drop(struct kvs *k, const char *ns);
/* The same, found out late: the ranks below are told. */
void kvs_root_is_gone(struct kvs *k, const char *ns);
/* The root of a namespace is wanted that is not known: ask the parent.  Walks and watches hear of the
 * result. */
void kvs_root_ask(struct kvs *k, const char *ns);
size_t kvs_root_waits(const struct kvs *k);
size_t kvs_root_waits_of(const struct kvs *k, const char *ns);
/* A client is gone: forget what it waits for. */
void kvs_root_forget(struct kvs *k, const struct origin *client);
void kvs_root_serve_getroot(void *kvs, struct request *req);
void kvs_root_serve_wait_version(void *kvs, struct request *req);
extern const struct walker_ops kvs_root_walker_ops;

/* --- kvs_follow.c --- */
void kvs_follow_init(struct kvs *k);
/* Whoever waits is answered with ECANCELED. */
void kvs_follow_fini(struct kvs *k);
/* Rank 0: the versions that were recorded, oldest first, of the namespaces whose roots are known. */
void kvs_follow_recorded(struct kvs *k, const struct store_history *history, size_t count);
/* Rank 0: a new version; *keys (may hold NULL) is consumed. */
void kvs_follow_made(struct kvs *k, const struct store_root *root, double time,
                     struct keyset **keys);
/* The same, announced by the parent.  Is it the one that comes next?  Else those between are asked for, or it is
 * known already. */
bool kvs_follow_event(struct kvs *k, const struct store_root *root, double time,
                      struct keyset **keys);
/* A root was learnt in another way: if it is the first of its namespace, versions are counted from it. */
void kvs_follow_first(struct kvs *k, const struct store_root *root);
/* The parent is back: ask it what was missed. */
void kvs_follow_refresh(struct kvs *k);
/* Rank 0: garbage was collected: forget the versions whose roots are gone. */
void kvs_follow_collected(struct kvs *k);
void kvs_follow_serve_history(void *kvs, struct request *req);

/* --- kvs_watch.c --- */
void kvs_watch_fini(struct kvs *k); // after kvs_init(); who watches is answered with ECANCELED
void kvs_watch_serve_lookup(void *kvs, struct request *req);
void kvs_watch_serve_cancel(void *kvs, struct request *req);
/* There may be new versions of the namespace. */
void kvs_watch_run(struct kvs *k, const char *ns);
/* The root of a namespace was not known and is; or cannot be had. */
void kvs_watch_root_known(struct kvs *k, const struct store_root *root);
void kvs_watch_root_failed(struct kvs *k, const char *ns, int errnum, const char *text);
void kvs_watch_removed(struct kvs *k, const char *ns);
/* The parent is back. */
void kvs_watch_refresh(struct kvs *k);
/* The client reads again / is gone. */
void kvs_watch_drained(struct kvs *k, const struct origin *client);
void kvs_watch_forget(struct kvs *k, const struct origin *client);
/* Of a namespace; NULL: all. */
size_t kvs_watch_count(const struct kvs *k, const char *ns);

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
/* Tell the ranks below.  what: "setroot", "created", "removed".  time: 0 = not known; keys may be NULL. */
void kvs_change_announce(struct kvs *k, const struct store_root *root, double time,
                         const struct keyset *keys, const char *what);

#endif
