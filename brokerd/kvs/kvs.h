/* SPDX-License-Identifier: MPL-2.0 */
/* kvs.h - the KVS service of a rank (RFC 11; xylem-kvs(7)): the topics kvs.*.
 *
 * Look-ups are served by every rank from its own cache.  Commits go up to rank 0, whose kvs actor
 * makes new roots; each new root is announced down the tree, and every rank keeps the newest. */
#ifndef XYLEM_KVS_H
#define XYLEM_KVS_H

#include "content.h"

struct kvs;

struct kvs_conf {
    uint32_t rank;
    enum digest_alg alg;
    size_t blob_size_limit;  // bytes
    uint64_t maxdirent;      // entries of a plain directory; 0 = any number
    struct metrics *metrics; // to count into; borrowed
};

/* All borrowed. */
struct kvs *kvs_new(const struct kvs_conf *conf, struct router *router, struct content *content,
                    struct service_table *services);
void kvs_free(struct kvs **k);

/* Rank 0: begin to serve commits on the roots recorded (a fresh instance has none: "primary" is made).
 * store may be NULL (no backing). */
int kvs_lead(struct kvs *k, struct store *store, const struct store_recorded *recorded,
             struct loop *loop, struct err *err);
/* Rank 0: no more commits; what is queued is answered with ECANCELED. */
void kvs_stop_leading(struct kvs *k);

/* --- wired up by rank.c --- */
/* false: clients that listen for it have heard, or will hear, of it in its turn. */
bool kvs_on_event(struct kvs *k, const struct msg *event);
void kvs_parent_online(struct kvs *k);

/* Clients that watch something in a namespace; NULL: in any. */
size_t kvs_watches(const struct kvs *k, const char *ns);

/* Recent versions that are remembered, of all namespaces. */
size_t kvs_version_count(const struct kvs *k);

/* Clients that wait for a version. */
size_t kvs_waits(const struct kvs *k);

/* Rank 0: garbage was collected, and with it roots of old. */
void kvs_collected(struct kvs *k);

/* A client is gone. */
void kvs_forget(struct kvs *k, const struct origin *client);
/* Forget the directories that look-ups have parsed (content.dropcache). */
void kvs_drop_cache(struct kvs *k);

/* The root of the primary namespace; NULL before it is known.  Borrowed. */
const struct store_root *kvs_primary(const struct kvs *k);

#endif
