/* SPDX-License-Identifier: MPL-2.0 */
/* cache.c - the blobs one rank holds, and everybody who waits for one (xylem-content(7)).
 *
 * An entry exists for each digest that is here, on its way here, or on its way below:
 *
 *          load           store          insert  fetched     slot     stored          full
 * (absent) LOADING,fetch  DIRTY          CLEAN   -           -        -               -
 * LOADING  join           DIRTY,answer   CLEAN   CLEAN/drop  -        -               -
 * CLEAN    hit, to front  answer/DIRTY   -       -           -        -               drop
 * DIRTY    hit            join (answer)  CLEAN   -           STORING  -               -
 * STORING  hit            join (answer)  -       -           -        CLEAN/see text  -
 *
 * slot: less than max_puts and max_put_bytes are in flight.  join (answer): under write-through, and
 * beyond max_dirty, the store waits for the put; otherwise it is answered at once, and owed.  A failed
 * put makes an entry that is owed DIRTY with the error (it waits for cache_retry()) and drops one that
 * is not: its clients are told.  A store of a CLEAN entry is answered at once when it is trusted: put
 * in this period or the last; else it is put again.  Under CACHE_RETAIN nothing is below: a miss is
 * -ENOENT, DIRTY is final.
 * Not found is the answer to the loads that were there when it was asked; for later ones it is asked
 * again, because the blob may have been stored meanwhile.
 * Bytes nobody hashed are `verified` on demand; a mismatch drops the entry in whatever state.
 *
 * I1  Load waiters are in LOADING only; store waiters in DIRTY and STORING.
 * I2  At most max_puts entries are STORING, and max_put_bytes of them, but for a single one.
 * I3  Only what is owed has an error.
 * I4  Waiters are taken out and the entry is updated before any of them is called, so done() may do
 *     anything but free the cache.  No entry is touched after a call to done(), fetch() or put().
 * Those of the entries themselves are in cache_table.c.
 */
#include "cache_table.h"
#include "xmem.h"

#include <errno.h>

struct cache {
    struct cache_conf conf;
    const struct cache_ops *ops; // borrowed
    void *arg;                   // for ops, borrowed
    struct cache_table table;    // entries, requests below, figures
    struct waitq flushes;        // waiters of cache_flush()
    unsigned answering;          // calls of done() on the stack
    bool is_pumping;             // puts are being started further up the stack
    bool is_closing;             // every request is cancelled
};

/* --- answers --- */

static void
answer(struct cache *c, void *waiter, int rc, const struct blob *b)
{
    if (!waiter)
        return;
    c->answering++;
    c->ops->done(c->arg, waiter, rc, b);
    c->answering--;
}

/* Answer everybody in q. */
static void
wake(struct cache *c, struct waitq *q, int rc, const struct blob *b)
{
    struct waitq waiters = waitq_take(q);
    void *waiter;

    while ((waiter = waitq_pop(&waiters)))
        answer(c, waiter, rc, b);
}

static bool
matches(struct cache *c, const struct digest *d, const struct blob *b)
{
    if (c->ops->verify(c->arg, d, b))
        return true;
    c->table.stats.verify_failures++;
    return false;
}

/* May a caller that asks for `verified` bytes have these? */
static bool
is_usable(struct cache *c, struct cache_entry *e, bool verified)
{
    if (verified && !e->verified)
        e->verified = matches(c, &e->digest, e->blob);
    return e->verified || !verified;
}

/* --- puts --- */

static bool
may_put(const struct cache *c, const struct cache_entry *e)
{
    const struct cache_stats *s = &c->table.stats;

    return s->storing == 0 || (s->storing < c->conf.max_puts &&
                               s->storing_bytes + blob_memory(e->blob) <= c->conf.max_put_bytes);
}

static void
start_put(struct cache *c, struct cache_entry *e)
{
    struct digest d = e->digest;
    struct blob *b = blob_ref(e->blob);
    uint32_t tag;

    cache_table_set_state(&c->table, e, CACHE_STORING, 0);
    tag = cache_table_add_request(&c->table, e);
    c->table.stats.puts++;
    c->ops->put(c->arg, &d, b, tag);
    blob_unref(&b);
}

/* Start puts while slots are free.  Answers from inside put() come back here: the loop furthest
 * out goes on, so that the stack does not grow with the queue. */
static void
pump(struct cache *c)
{
    struct list *queue = &c->table.lists[CACHE_DIRTY];

    if (c->conf.policy == CACHE_RETAIN || c->is_pumping)
        return;
    c->is_pumping = true;
    while (!list_is_empty(queue) && may_put(c, list_entry(queue->next, struct cache_entry, link)))
        start_put(c, list_entry(queue->next, struct cache_entry, link));
    c->is_pumping = false;
}

/* A put ended or an entry went: whoever flushes learns the error, or that nothing is dirty. */
static void
settle_flushes(struct cache *c, int rc)
{
    if (rc < 0 || c->table.stats.dirty_entries == 0)
        wake(c, &c->flushes, rc, NULL);
}

/* The bytes of a present entry are wrong: neither its stores nor this load can succeed. */
static void
drop_damaged(struct cache *c, struct cache_entry *e, void *load)
{
    bool dirty = cache_entry_is_dirty(e);
    struct waitq waiters = waitq_take(&e->waiters);

    if (load)
        waitq_add(&waiters, load, true);
    cache_table_remove(&c->table, e);
    wake(c, &waiters, -EIO, NULL);
    if (dirty)
        settle_flushes(c, -EIO);
    pump(c);
}

/* --- loads --- */

static void
load_present(struct cache *c, struct cache_entry *e, bool verified, void *waiter)
{
    struct blob *b;

    c->table.stats.hits++;
    if (!is_usable(c, e, verified)) {
        drop_damaged(c, e, waiter);
        return;
    }
    cache_table_touch(&c->table, e);
    b = blob_ref(e->blob);
    answer(c, waiter, 0, b);
    blob_unref(&b);
}

static void
load_absent(struct cache *c, const struct digest *d, bool verified, void *waiter)
{
    struct digest key = *d; // the caller's may go away when fetch() answers at once
    struct cache_entry *e;

    c->table.stats.misses++;
    if (c->conf.policy == CACHE_RETAIN) {
        answer(c, waiter, -ENOENT, NULL);
        return;
    }
    e = cache_table_add(&c->table, &key, CACHE_LOADING);
    cache_table_shrink(&c->table);
    waitq_add(&e->waiters, waiter, verified);
    c->table.stats.fetches++;
    c->ops->fetch(c->arg, &key, cache_table_add_request(&c->table, e));
}

void
cache_load(struct cache *c, const struct digest *d, bool verified, void *waiter)
{
    struct cache_entry *e = cache_table_get(&c->table, d);

    assert(waiter);
    if (c->is_closing) {
        answer(c, waiter, -ECANCELED, NULL);
        return;
    }
    c->table.stats.loads++;
    if (!e) {
        load_absent(c, d, verified, waiter);
    } else if (e->state == CACHE_LOADING) {
        c->table.stats.coalesced++;
        waitq_add(&e->waiters, waiter, verified);
    } else {
        load_present(c, e, verified, waiter);
    }
}

const struct blob *
cache_peek(struct cache *c, const struct digest *d, bool verified)
{
    struct cache_entry *e = cache_table_get(&c->table, d);

    if (!e || e->state == CACHE_LOADING)
        return NULL;
    if (!is_usable(c, e, verified)) {
        drop_damaged(c, e, NULL);
        return NULL;
    }
    c->table.stats.loads++;
    c->table.stats.hits++;
    cache_table_touch(&c->table, e);
    return e->blob;
}

/* Bytes arrived: if anybody insists on it they are hashed, and then for everybody. */
static void
accept_fetched(struct cache *c, struct cache_entry *e, const struct blob *b, bool verified)
{
    struct waitq loads = waitq_take(&e->waiters);
    struct blob *held = blob_ref(b);

    if (!verified && waitq_has_strict(&loads)) {
        verified = matches(c, &e->digest, b);
        if (!verified) {
            cache_table_remove(&c->table, e);
            wake(c, &loads, -EIO, NULL);
            blob_unref(&held);
            return;
        }
    }
    cache_table_set_blob(&c->table, e, b, verified);
    cache_table_make_clean(&c->table, e, false);
    wake(c, &loads, 0, held);
    blob_unref(&held);
}

/* The blob was not there.  Loads that came after the question may be about one that was stored meanwhile:
 * for them it is asked again. */
static void
fetch_again(struct cache *c, struct cache_entry *e)
{
    struct digest key = e->digest;
    struct waitq early = {NULL};
    uint32_t tag;

    for (size_t n = cache_table_covered(&c->table, e); n > 0; n--)
        waitq_add(&early, waitq_pop(&e->waiters), false);
    tag = cache_table_add_request(&c->table, e);
    c->table.stats.fetches++;
    wake(c, &early, -ENOENT, NULL);
    c->ops->fetch(c->arg, &key, tag);
}

void
cache_fetched(struct cache *c, uint32_t tag, int rc, const struct blob *b, bool verified)
{
    struct cache_entry *e = cache_table_find_request(&c->table, tag, CACHE_LOADING);
    struct waitq loads;

    if (!e)
        return;
    if (rc == 0) {
        accept_fetched(c, e, b, verified);
    } else if (rc == -ENOENT && cache_table_covered(&c->table, e) < waitq_count(&e->waiters)) {
        fetch_again(c, e);
    } else {
        loads = waitq_take(&e->waiters);
        cache_table_remove(&c->table, e);
        wake(c, &loads, rc, NULL);
    }
}

/* --- stores --- */

/* Verified bytes take the place of bytes nobody has hashed. */
static void
heal(struct cache *c, struct cache_entry *e, const struct blob *b, bool verified)
{
    if (verified && !e->verified)
        cache_table_set_blob(&c->table, e, b, true);
}

/* The entry is DIRTY or STORING.  The store waits for the put: true; or it is to be answered now. */
static bool
await_put(struct cache *c, struct cache_entry *e, void *waiter)
{
    bool wait =
        c->conf.policy == CACHE_WRITE_THROUGH || (c->conf.policy == CACHE_WRITE_BACK && !e->owed &&
                                                  c->table.stats.dirty_bytes > c->conf.max_dirty);

    if (wait && waiter)
        waitq_add(&e->waiters, waiter, false);
    e->owed = e->owed || !wait;
    return wait;
}

/* The bytes are here before the fetch that asked for them: it does not matter any more. */
static void
store_loading(struct cache *c, struct cache_entry *e, const struct blob *b, bool verified,
              void *waiter)
{
    struct waitq loads;
    struct blob *held;
    bool waits;

    if (!verified && waitq_has_strict(&e->waiters)) {
        verified = matches(c, &e->digest, b);
        if (!verified) { // wrong bytes are no answer to the loads: their fetch goes on
            answer(c, waiter, -EIO, NULL);
            return;
        }
    }
    held = blob_ref(b);
    loads = waitq_take(&e->waiters);
    cache_table_set_blob(&c->table, e, b, verified);
    cache_table_set_state(&c->table, e, CACHE_DIRTY, 0);
    cache_table_shrink(&c->table);
    waits = await_put(c, e, waiter);
    wake(c, &loads, 0, held);
    if (!waits)
        answer(c, waiter, 0, NULL);
    blob_unref(&held);
}

/* Absent, or present in any state that has bytes. */
static void
store_settled(struct cache *c, struct cache_entry *e, const struct blob *b, bool verified,
              void *waiter)
{
    bool kept = e->state == CACHE_CLEAN && cache_table_trusts(&c->table, e);
    bool waits = false;

    heal(c, e, b, verified);
    cache_table_touch(&c->table, e);
    c->table.stats.stores_clean += kept;
    if (!kept) {
        if (e->state == CACHE_CLEAN)
            cache_table_set_state(&c->table, e, CACHE_DIRTY, 0);
        waits = await_put(c, e, waiter);
    }
    cache_table_shrink(&c->table); // may evict it
    if (!waits)
        answer(c, waiter, 0, NULL);
}

void
cache_store(struct cache *c, const struct digest *d, const struct blob *b, bool verified,
            void *waiter)
{
    struct cache_entry *e = cache_table_get(&c->table, d);

    if (c->is_closing) {
        answer(c, waiter, -ECANCELED, NULL);
        return;
    }
    c->table.stats.stores++;
    if (e && e->state == CACHE_LOADING) {
        store_loading(c, e, b, verified, waiter);
    } else {
        if (!e) {
            e = cache_table_add(&c->table, d, CACHE_DIRTY);
            cache_table_set_blob(&c->table, e, b, verified);
        }
        store_settled(c, e, b, verified, waiter);
    }
    pump(c);
}

/* An entry that waits for these bytes, or for them to be durable below. */
static void
insert_awaited(struct cache *c, struct cache_entry *e, const struct blob *b)
{
    struct waitq waiters = waitq_take(&e->waiters);
    struct blob *held = blob_ref(b);
    bool loading = e->state == CACHE_LOADING;

    cache_table_set_blob(&c->table, e, b, true);
    cache_table_make_clean(&c->table, e, true);
    wake(c, &waiters, 0, loading ? held : NULL);
    settle_flushes(c, 0);
    blob_unref(&held);
}

void
cache_insert(struct cache *c, const struct digest *d, const struct blob *b)
{
    struct cache_entry *e = cache_table_get(&c->table, d);

    if (c->is_closing)
        return;
    if (c->conf.policy == CACHE_RETAIN) {
        cache_store(c, d, b, true, NULL);
    } else if (e && e->state == CACHE_STORING) {
        heal(c, e, b, true);
        cache_table_shrink(&c->table);
    } else if (e && e->state == CACHE_CLEAN) {
        heal(c, e, b, true);
        cache_table_make_clean(&c->table, e, true);
    } else {
        insert_awaited(c, e ? e : cache_table_add(&c->table, d, CACHE_LOADING), b);
    }
}

void
cache_stored(struct cache *c, uint32_t tag, int rc)
{
    struct cache_entry *e = cache_table_find_request(&c->table, tag, CACHE_STORING);
    struct waitq stores;

    if (!e)
        return;
    stores = waitq_take(&e->waiters);
    if (rc == 0)
        cache_table_make_clean(&c->table, e, true);
    else if (e->owed)
        cache_table_set_state(&c->table, e, CACHE_DIRTY, rc);
    else
        cache_table_remove(&c->table, e);
    wake(c, &stores, rc, NULL);
    settle_flushes(c, rc);
    pump(c);
}

void
cache_retry(struct cache *c)
{
    LIST_FOR_EACH (it, &c->table.failed) {
        cache_table_set_state(&c->table, list_entry(it, struct cache_entry, link), CACHE_DIRTY, 0);
    }
    pump(c);
}

void
cache_flush(struct cache *c, void *waiter)
{
    assert(waiter);
    if (c->is_closing || c->conf.policy == CACHE_RETAIN) {
        answer(c, waiter, c->is_closing ? -ECANCELED : -ENOSYS, NULL);
        return;
    }
    waitq_add(&c->flushes, waiter, false);
    cache_retry(c);
    settle_flushes(c, 0);
}

/* --- the rest --- */

void
cache_drop(struct cache *c)
{
    LIST_FOR_EACH (it, &c->table.lists[CACHE_CLEAN]) {
        cache_table_remove(&c->table, list_entry(it, struct cache_entry, link));
    }
}

void
cache_age(struct cache *c)
{
    cache_table_next_period(&c->table);
}

void
cache_distrust(struct cache *c)
{
    cache_table_distrust(&c->table);
}

bool
cache_has(const struct cache *c, const struct digest *d)
{
    return cache_table_get(&c->table, d) != NULL;
}

const struct digest *
cache_fetching(const struct cache *c, uint32_t tag)
{
    const struct cache_entry *e = cache_table_find_request(&c->table, tag, CACHE_LOADING);

    return e ? &e->digest : NULL;
}

const struct cache_stats *
cache_stats(const struct cache *c)
{
    return &c->table.stats;
}

struct cache *
cache_new(const struct cache_conf *conf, const struct cache_ops *ops, void *arg)
{
    struct cache *c = xcalloc(1, sizeof(*c));

    c->conf = *conf;
    c->ops = ops;
    c->arg = arg;
    cache_table_init(&c->table, conf->limit);
    return c;
}

/* Move the waiters of every entry on the list to `all`, and forget the entries. */
static void
clear_list(struct cache *c, struct list *l, struct waitq *all)
{
    LIST_FOR_EACH (it, l) {
        struct cache_entry *e = list_entry(it, struct cache_entry, link);

        waitq_splice(all, &e->waiters);
        cache_table_remove(&c->table, e);
    }
}

void
cache_free(struct cache **c_p)
{
    struct cache *c = TAKE(*c_p);
    struct waitq all = {NULL};

    if (!c)
        return;
    assert(!c->answering && !c->is_pumping); /* I4 */
    c->is_closing = true;
    for (int i = 0; i < CACHE_STATES; i++)
        clear_list(c, &c->table.lists[i], &all);
    clear_list(c, &c->table.failed, &all);
    waitq_splice(&all, &c->flushes);
    wake(c, &all, -ECANCELED, NULL);
    cache_table_fini(&c->table);
    free(c);
}

/* --- self-check --- */

void
cache_check(const struct cache *c)
{
    const struct cache_stats *s = &c->table.stats;
    const struct cache_entry *e;
    size_t pos = 0;

    cache_table_check(&c->table);
    while ((e = map_next(&c->table.entries, &pos))) {
        assert(waitq_is_empty(&e->waiters) || e->state != CACHE_CLEAN); /* I1 */
        assert(!e->error || e->owed);                                   /* I3 */
    }
    assert(s->storing <= 1 || s->storing <= c->conf.max_puts); /* I2 */
}
