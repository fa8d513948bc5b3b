/* SPDX-License-Identifier: MPL-2.0 */
/* content.h - the content service of a rank (RFC 10; xylem-content(7)): the topics content.* and
 * content-backing.*, between the cache above and the parent or the store below. */
#ifndef XYLEM_CONTENT_H
#define XYLEM_CONTENT_H

#include "cache.h"
#include "router.h"
#include "store.h"

struct content;

struct content_conf {
    uint32_t rank;
    enum digest_alg alg;
    enum store_durability durability;
    bool retain;            // rank 0 without a backing store: the cache keeps everything
    size_t cache_limit;     // bytes
    size_t blob_size_limit; // bytes
    size_t put_bytes; // on their way to the parent or the store; one that is larger goes alone
};

/* A party inside this rank that waits for a blob or a store; embed it.  fn is called exactly once. */
struct content_waiter {
    /* rc 0 or -errno; b (loads only) is borrowed. */
    void (*fn)(struct content_waiter *w, int rc, const struct blob *b);
};

/* All borrowed. */
struct content *content_new(const struct content_conf *conf, struct loop *loop,
                            struct router *router, struct service_table *services);
void content_free(struct content **c);
/* The rank stops: whoever waits is answered with ECANCELED. */
void content_cancel(struct content *c);

/* An event from the parent; true: it was ours. */
bool content_on_event(struct content *c, const struct msg *event);
/* Garbage is going to be collected (rank 0), or the parent was away, and may have lost what it has
 * acknowledged.  What this rank and those below know to be kept is not taken on trust any more: a store
 * goes all the way to the disk again. */
void content_distrust_all(struct content *c);

/* Rank 0: the row of a blob is damaged; if any rank has it in its cache, it is stored again. */
void content_heal(struct content *c, const struct digest *d);

/* Called at content.dropcache, for what others keep of blobs' content.  One at most. */
void content_set_drop_handler(struct content *c, void (*fn)(void *arg), void *arg);

/* Rank 0: what is below the cache; NULL = nothing.  Borrowed. */
void content_set_store(struct content *c, struct store *store);

/* Load for use inside this rank: the bytes are verified.  May call w->fn before it returns. */
void content_load(struct content *c, const struct digest *d, struct content_waiter *w);
/* Keep bytes hashed by the caller; answered when they are as durable as a store is here. */
void content_store(struct content *c, const struct digest *d, const struct blob *b,
                   struct content_waiter *w);
/* The blob if it is in the cache, verified; else NULL.  Borrowed. */
const struct blob *content_peek(struct content *c, const struct digest *d);
/* Take in a blob that is durable already. */
void content_insert(struct content *c, const struct digest *d, const struct blob *b);
/* w->fn when nothing is dirty here. */
void content_flush(struct content *c, struct content_waiter *w);

/* --- answers of the store (wired up by rank.c) --- */
void content_store_loaded(struct content *c, uint32_t tag, int rc, const struct blob *b);
void content_store_stored(struct content *c, uint32_t tag, int rc);

struct content_stats {
    uint64_t healed;   // damaged rows stored again
    uint64_t salvages; // blobs other ranks were asked for
    size_t held;       // stores that wait for a flush to end
};
const struct content_stats *content_stats(const struct content *c);
const struct cache_stats *content_cache_stats(const struct content *c);

#endif
