/* SPDX-License-Identifier: MPL-2.0 */
/* cachetest.h - a cache with recording effects, and waiters that count their answers. */
#ifndef CACHETEST_H
#define CACHETEST_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_WAITERS = 4096, MAX_REQUESTS = 4096 };

struct rig;

struct waiter {
    int calls;    // of done()
    int rc;       // of the last call
    bool strict;  // asked for verified bytes
    bool is_load; // expects a blob with rc 0
    struct digest digest;
    void (*then)(struct rig *r); // what to do from inside done()
};

/* Tags asked for below, oldest first. */
struct requests {
    uint32_t tags[MAX_REQUESTS];
    struct digest digests[MAX_REQUESTS];
    size_t first, count; // unanswered ones; all ever made
};

struct rig {
    struct cache *cache;
    struct requests fetches, puts;
    struct waiter waiters[MAX_WAITERS];
    size_t nwaiters;
    size_t order[MAX_WAITERS]; // waiters in the order they were answered
    size_t nanswers;
    int put_now; // 1: puts are answered with put_rc from inside put()
    int put_rc;
    int put_depth; // calls of put() on the stack
};

/* Digest i stands for the text "good i". */
static inline struct digest
digest_of(int i)
{
    struct digest d = {{0}};

    d.bytes[0] = (uint8_t)i;
    d.bytes[1] = (uint8_t)(i >> 8);
    d.bytes[2] = (uint8_t)(i >> 16);
    d.bytes[9] = 1;
    return d;
}

static inline bool
is_good(const struct digest *d, const struct blob *b)
{
    return blob_size(b) >= 1 && ((const uint8_t *)blob_data(b))[0] == d->bytes[0];
}

/* Size differs with i; bad: bytes of no digest. */
static inline struct blob *
blob_of(int i, bool good)
{
    uint8_t bytes[4096];
    size_t size = 1 + (size_t)(i * 37) % 300;

    memset(bytes, good ? (uint8_t)i : 0xEE, size);
    return blob_new(bytes, size);
}

static inline void
rig_fetch(void *arg, const struct digest *d, uint32_t tag)
{
    struct rig *r = arg;

    assert_true(r->fetches.count < MAX_REQUESTS);
    r->fetches.digests[r->fetches.count] = *d;
    r->fetches.tags[r->fetches.count++] = tag;
}

static inline void
rig_put(void *arg, const struct digest *d, const struct blob *b, uint32_t tag)
{
    struct rig *r = arg;

    assert_non_null(b);
    assert_true(r->puts.count < MAX_REQUESTS);
    r->puts.digests[r->puts.count] = *d;
    r->puts.tags[r->puts.count++] = tag;
    assert_int_equal(r->put_depth++, 0);
    if (r->put_now)
        cache_stored(r->cache, tag, r->put_rc);
    r->put_depth--;
}

static inline bool
rig_verify(void *arg UNUSED, const struct digest *d, const struct blob *b)
{
    return is_good(d, b);
}

static inline void
rig_done(void *arg, void *waiter, int rc, const struct blob *b)
{
    struct rig *r = arg;
    struct waiter *w = waiter;

    assert_int_equal(w->calls++, 0);
    w->rc = rc;
    r->order[r->nanswers++] = (size_t)(w - r->waiters);
    assert_true((b != NULL) == (w->is_load && rc == 0));
    if (b && w->strict)
        assert_true(is_good(&w->digest, b));
    if (r->cache)
        cache_check(r->cache);
    if (w->then)
        w->then(r);
}

static const struct cache_ops rig_ops = {rig_fetch, rig_put, rig_verify, rig_done};

static inline void
rig_start(struct rig *r, enum cache_policy policy, size_t limit, unsigned max_puts)
{
    struct cache_conf conf = {policy, limit, max_puts, .max_put_bytes = 4096, .max_dirty = 1500};

    r->fetches.first = r->fetches.count = 0;
    r->puts.first = r->puts.count = 0;
    r->nwaiters = r->nanswers = 0;
    r->put_now = r->put_rc = 0;
    r->cache = cache_new(&conf, &rig_ops, r);
}

static inline struct rig *
rig_new(enum cache_policy policy, size_t limit, unsigned max_puts)
{
    struct rig *r = calloc(1, sizeof(*r));

    rig_start(r, policy, limit, max_puts);
    return r;
}

/* Everybody has one answer when the cache is gone. */
static inline void
rig_end(struct rig *r)
{
    struct cache *c = r->cache;

    r->cache = NULL;
    cache_free(&c);
    for (size_t i = 0; i < r->nwaiters; i++)
        assert_int_equal(r->waiters[i].calls, 1);
}

static inline void
rig_free(struct rig *r)
{
    rig_end(r);
    free(r);
}

static inline struct waiter *
add_waiter(struct rig *r, int i, bool is_load, bool strict)
{
    struct waiter *w = &r->waiters[r->nwaiters++];

    assert_true(r->nwaiters <= MAX_WAITERS);
    memset(w, 0, sizeof(*w));
    w->digest = digest_of(i);
    w->is_load = is_load;
    w->strict = strict;
    return w;
}

static inline struct waiter *
load(struct rig *r, int i, bool strict)
{
    struct digest d = digest_of(i);
    struct waiter *w = add_waiter(r, i, true, strict);

    cache_load(r->cache, &d, strict, w);
    return w;
}

static inline struct waiter *
store(struct rig *r, int i, bool good, bool verified)
{
    struct digest d = digest_of(i);
    struct waiter *w = add_waiter(r, i, false, false);
    struct blob *b = blob_of(i, good);

    cache_store(r->cache, &d, b, verified, w);
    blob_unref(&b);
    return w;
}

static inline struct waiter *
flush(struct rig *r)
{
    struct waiter *w = add_waiter(r, 0, false, false);

    cache_flush(r->cache, w);
    return w;
}

static inline void
insert(struct rig *r, int i)
{
    struct digest d = digest_of(i);
    struct blob *b = blob_of(i, true);

    cache_insert(r->cache, &d, b);
    blob_unref(&b);
}

/* Answer the oldest unanswered fetch; nothing (but a stale tag) when there is none. */
static inline void
fetched(struct rig *r, int rc, bool good, bool verified)
{
    struct requests *q = &r->fetches;
    bool any = q->first < q->count;
    int i = any ? q->digests[q->first].bytes[0] : 0;
    struct blob *b = rc == 0 ? blob_of(i, good) : NULL;

    cache_fetched(r->cache, any ? q->tags[q->first++] : UINT32_MAX, rc, b, verified);
    blob_unref(&b);
}

static inline void
stored(struct rig *r, int rc)
{
    struct requests *q = &r->puts;

    cache_stored(r->cache, q->first < q->count ? q->tags[q->first++] : UINT32_MAX, rc);
}

#endif
