/* SPDX-License-Identifier: MPL-2.0 */
/* cache.h - the blobs one rank holds: LRU, write policy, coalescing of requests.
 * Pure: no sockets, no threads, no clock, no logging.  States and invariants: cache.c; protocol:
 * xylem-content(7).
 */
#ifndef XYLEM_CACHE_H
#define XYLEM_CACHE_H

#include "blob.h"
#include "digest.h"

enum cache_policy {
    CACHE_WRITE_THROUGH, // a store is answered when the put below was acknowledged
    CACHE_WRITE_BACK,    // a store is answered at once and put in the background (rank 0, memory)
    CACHE_RETAIN,        // there is nothing below: entries stay dirty for ever (rank 0, no backing)
};

struct cache_conf {
    enum cache_policy policy;
    size_t limit;         // bytes, with overhead; clean entries are evicted above it
    unsigned max_puts;    // puts in flight; further dirty entries wait their turn
    size_t max_put_bytes; // the same in bytes; a larger one goes alone
    size_t max_dirty; // bytes; beyond it stores wait for their put under every policy but RETAIN
};

/* No request ever has this tag. */
#define CACHE_NO_TAG UINT32_MAX

/* Effects.  fetch and put answer later through cache_fetched()/cache_stored(), or at once from
 * inside the call.  done() may call back into the cache,
 * but not free it; the others may not call it but to answer. */
struct cache_ops {
    void (*fetch)(void *arg, const struct digest *d, uint32_t tag);
    void (*put)(void *arg, const struct digest *d, const struct blob *b, uint32_t tag);
    /* Do the bytes match the digest?  (Hashes; logs a mismatch.) */
    bool (*verify)(void *arg, const struct digest *d, const struct blob *b);
    /* Exactly once for each waiter.  rc 0 or -errno.  b: the blob of a load (borrowed: blob_ref()
     * to keep), else NULL. */
    void (*done)(void *arg, void *waiter, int rc, const struct blob *b);
};

struct cache_stats {
    uint64_t loads, hits, misses, coalesced, stores, stores_clean, evictions, verify_failures;
    uint64_t fetches, puts;            // requests below
    size_t entries, bytes;             // all entries; bytes with overhead
    size_t dirty_entries, dirty_bytes; // DIRTY and STORING
    size_t loading, storing;           // requests below, in flight
    size_t storing_bytes;              // STORING
};

struct cache;

/* ops and arg are borrowed and must outlive the cache. */
struct cache *cache_new(const struct cache_conf *conf, const struct cache_ops *ops, void *arg);

/* Every waiter gets done(-ECANCELED). */
void cache_free(struct cache **c);

/* --- requests --- */

/* Ask for a blob.  verified: bytes that came from a peer unchecked are hashed before this waiter
 * gets them (-EIO and the entry dropped on a mismatch).  -ENOENT at once when absent under
 * CACHE_RETAIN; otherwise the rc of cache_fetched(). */
void cache_load(struct cache *c, const struct digest *d, bool verified, void *waiter);

/* Keep a blob under its digest.  verified: the caller has hashed it.  waiter may be NULL.  Answered at
 * once when a put of it was acknowledged lately (cache_age()); older ones are put again. */
void cache_store(struct cache *c, const struct digest *d, const struct blob *b, bool verified,
                 void *waiter);

/* Insert bytes already durable below (a KVS commit's blobs): CLEAN at once. */
void cache_insert(struct cache *c, const struct digest *d, const struct blob *b);

/* done(waiter) when nothing is dirty; with the error of a put that failed meanwhile; -ENOSYS under
 * CACHE_RETAIN. */
void cache_flush(struct cache *c, void *waiter);

/* Put dirty entries whose put failed again (CACHE_WRITE_BACK keeps them).  A timer calls this;
 * cache_flush() does it as well. */
void cache_retry(struct cache *c);

/* Forget all clean entries. */
void cache_drop(struct cache *c);

/* A period has passed: what was acknowledged below before the last one is not taken on trust any more
 * by cache_store(), because below it may have been collected as garbage since. */
void cache_age(struct cache *c);
/* Nothing that was acknowledged so far is. */
void cache_distrust(struct cache *c);

/* --- answers from below; stale tags are ignored --- */
void cache_fetched(struct cache *c, uint32_t tag, int rc, const struct blob *b, bool verified);
void cache_stored(struct cache *c, uint32_t tag, int rc);

/* --- questions --- */
/* The blob if it is here and needs no waiting (counts as a hit and a use), else NULL.  Borrowed. */
const struct blob *cache_peek(struct cache *c, const struct digest *d, bool verified);
/* Is it here, or on its way here? */
bool cache_has(const struct cache *c, const struct digest *d);
/* What a fetch is for; NULL: the tag is stale.  Borrowed. */
const struct digest *cache_fetching(const struct cache *c, uint32_t tag);
const struct cache_stats *cache_stats(const struct cache *c);

/* Recount everything and assert every invariant.  Tests call it after each step. */
void cache_check(const struct cache *c);

#endif
