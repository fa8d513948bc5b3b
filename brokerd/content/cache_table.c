/* SPDX-License-Identifier: MPL-2.0 */
/* cache_table.c - the entries of a cache.
 *
 * I1  An entry is on exactly the list of its state; DIRTY on `failed` instead iff it has an error.
 * I2  LOADING and STORING hold the tag of one live request, CLEAN and DIRTY hold none; an answer
 *     whose tag no entry holds is stale.
 * I3  LOADING has no blob; every other state has one.
 * I4  Above the limit nothing is CLEAN.
 * I5  The figures are those of the entries as they are: each change takes the entry out of them
 *     and puts it in again.
 */
#include "cache_table.h"
#include "xmem.h"

/* A request below; exists as long as its answer matters. */
struct request {
    uint64_t tag;              // key; a uint32_t, as wide as a map wants it
    struct cache_entry *entry; // borrowed
    size_t covers;             // waiters that were there when it was made
};

/* An entry, its malloc() header, and at most 8/3 slots (12 bytes) of a map at load 3/8 to 3/4. */
#define ENTRY_COST (sizeof(struct cache_entry) + 8 + 32)

/* --- accounting --- */

static size_t
entry_cost(const struct cache_entry *e)
{
    return ENTRY_COST + (e->blob ? blob_memory(e->blob) : 0);
}

/* Take the entry out of the figures, or (add) put it in, as it is now. */
static void
account(struct cache_stats *s, const struct cache_entry *e, bool add)
{
    size_t sign = add ? 1 : (size_t)-1; // unsigned arithmetic wraps as wanted

    s->entries += sign;
    s->bytes += sign * entry_cost(e);
    if (cache_entry_is_dirty(e)) {
        s->dirty_entries += sign;
        s->dirty_bytes += sign * entry_cost(e);
    }
    if (e->state == CACHE_LOADING)
        s->loading += sign;
    if (e->state == CACHE_STORING) {
        s->storing += sign;
        s->storing_bytes += sign * entry_cost(e);
    }
}

static struct list *
home_of(struct cache_table *t, const struct cache_entry *e)
{
    return e->error ? &t->failed : &t->lists[e->state];
}

/* --- requests below --- */

static void
forget_request(struct cache_table *t, struct cache_entry *e)
{
    uint64_t tag = e->tag;
    struct request *r;

    if (!tag)
        return;
    r = map_remove(&t->requests, &tag);
    assert(r); /* I2 */
    spares_give(&t->spare_requests, r);
    e->tag = 0;
}

uint32_t
cache_table_add_request(struct cache_table *t, struct cache_entry *e)
{
    struct request *r = spares_take(&t->spare_requests, sizeof(*r));

    forget_request(t, e); /* I2 */
    do {
        r->tag = ++t->last_tag;
    } while (r->tag == 0 || r->tag == CACHE_NO_TAG || map_get(&t->requests, &r->tag));
    r->entry = e;
    r->covers = waitq_count(&e->waiters);
    map_put(&t->requests, r);
    e->tag = (uint32_t)r->tag;
    return e->tag;
}

struct cache_entry *
cache_table_find_request(const struct cache_table *t, uint32_t tag, enum cache_state state)
{
    uint64_t key = tag;
    struct request *r = map_get(&t->requests, &key);

    return r && r->entry->state == state ? r->entry : NULL;
}

size_t
cache_table_covered(const struct cache_table *t, const struct cache_entry *e)
{
    uint64_t tag = e->tag;
    const struct request *r = map_get(&t->requests, &tag);

    return r ? r->covers : 0;
}

/* --- entries --- */

struct cache_entry *
cache_table_add(struct cache_table *t, const struct digest *d, enum cache_state state)
{
    struct cache_entry *e = xcalloc(1, sizeof(*e));

    e->digest = *d;
    e->state = (uint8_t)state;
    list_init(&e->link);
    map_put(&t->entries, e);
    list_push_back(home_of(t, e), &e->link);
    account(&t->stats, e, true);
    return e;
}

void
cache_table_remove(struct cache_table *t, struct cache_entry *e)
{
    assert(waitq_is_empty(&e->waiters));
    account(&t->stats, e, false);
    forget_request(t, e);
    list_remove(&e->link);
    map_remove(&t->entries, &e->digest);
    blob_unref(&e->blob);
    free(e);
}

void
cache_table_set_state(struct cache_table *t, struct cache_entry *e, enum cache_state state,
                      int error)
{
    account(&t->stats, e, false);
    forget_request(t, e);
    list_remove(&e->link);
    e->state = (uint8_t)state;
    e->error = (int16_t)error;
    e->trust = 0;
    if (state == CACHE_CLEAN)
        list_push_front(home_of(t, e), &e->link);
    else
        list_push_back(home_of(t, e), &e->link);
    account(&t->stats, e, true);
}

void
cache_table_set_blob(struct cache_table *t, struct cache_entry *e, const struct blob *b,
                     bool verified)
{
    struct blob *old = e->blob;

    account(&t->stats, e, false);
    e->blob = blob_ref(b);
    e->verified = verified;
    account(&t->stats, e, true);
    blob_unref(&old);
}

static void
evict(struct cache_table *t, struct cache_entry *e)
{
    t->stats.evictions++;
    cache_table_remove(t, e);
}

void
cache_table_shrink(struct cache_table *t)
{
    struct list *lru = &t->lists[CACHE_CLEAN];

    while (t->stats.bytes > t->limit && !list_is_empty(lru))
        evict(t, list_entry(lru->prev, struct cache_entry, link));
}

/* An entry that will never fit must not push everything else out on its way. */
void
cache_table_make_clean(struct cache_table *t, struct cache_entry *e, bool acknowledged)
{
    cache_table_set_state(t, e, CACHE_CLEAN, 0);
    e->owed = false;
    if (acknowledged)
        e->trust = t->period & 63u;
    if (entry_cost(e) > t->limit)
        evict(t, e);
    cache_table_shrink(t);
}

void
cache_table_touch(struct cache_table *t, struct cache_entry *e)
{
    if (e->state != CACHE_CLEAN)
        return;
    list_remove(&e->link);
    list_push_front(&t->lists[CACHE_CLEAN], &e->link);
}

/* --- trust --- */

bool
cache_table_trusts(const struct cache_table *t, const struct cache_entry *e)
{
    return e->trust != 0 && e->trust + 1 >= t->period;
}

void
cache_table_distrust(struct cache_table *t)
{
    LIST_FOR_EACH (it, &t->lists[CACHE_CLEAN])
        list_entry(it, struct cache_entry, link)->trust = 0;
}

/* Periods are counted anew after the last: those of the old count are forgotten, rather than trusted by
 * mistake. */
void
cache_table_next_period(struct cache_table *t)
{
    if (t->period == CACHE_PERIODS) {
        cache_table_distrust(t);
        t->period = 0;
    }
    t->period++;
}

/* --- life --- */

void
cache_table_init(struct cache_table *t, size_t limit)
{
    memset(t, 0, sizeof(*t));
    t->limit = limit;
    t->period = 1;
    map_init(&t->entries, offsetof(struct cache_entry, digest), sizeof(struct digest));
    map_init(&t->requests, offsetof(struct request, tag), sizeof(uint64_t));
    for (int i = 0; i < CACHE_STATES; i++)
        list_init(&t->lists[i]);
    list_init(&t->failed);
}

void
cache_table_fini(struct cache_table *t)
{
    assert(t->entries.count == 0 && t->requests.count == 0);
    map_fini(&t->entries);
    map_fini(&t->requests);
    spares_fini(&t->spare_requests);
}

struct cache_entry *
cache_table_get(const struct cache_table *t, const struct digest *d)
{
    return map_get(&t->entries, d);
}

/* --- self-check --- */

static void
check_entry(const struct cache_table *t, const struct cache_entry *e)
{
    bool waits = e->state == CACHE_LOADING || e->state == CACHE_STORING;
    uint64_t tag = e->tag;
    const struct request *r = map_get(&t->requests, &tag);

    assert(map_get(&t->entries, &e->digest) == e);
    assert(waits ? r && r->entry == e : !tag);       /* I2 */
    assert((e->state == CACHE_LOADING) == !e->blob); /* I3 */
    assert(!e->trust || (e->state == CACHE_CLEAN && e->trust <= t->period));
    assert(!e->owed || cache_entry_is_dirty(e));
}

static void
check_list(const struct cache_table *t, const struct list *l, enum cache_state state, bool failed,
           struct cache_stats *sum)
{
    LIST_FOR_EACH (it, l) {
        const struct cache_entry *e = list_entry(it, struct cache_entry, link);

        assert(e->state == state && (e->error != 0) == failed); /* I1 */
        check_entry(t, e);
        account(sum, e, true);
    }
}

void
cache_table_check(const struct cache_table *t)
{
    const struct cache_stats *s = &t->stats;
    struct cache_stats sum = {0};

    for (int i = 0; i < CACHE_STATES; i++)
        check_list(t, &t->lists[i], (enum cache_state)i, false, &sum);
    check_list(t, &t->failed, CACHE_DIRTY, true, &sum);
    assert(t->entries.count == sum.entries);                                /* I1 */
    assert(t->requests.count == sum.loading + sum.storing);                 /* I2 */
    assert(sum.bytes <= t->limit || list_is_empty(&t->lists[CACHE_CLEAN])); /* I4 */
    assert(s->entries == sum.entries && s->bytes == sum.bytes);             /* I5 */
    assert(s->dirty_entries == sum.dirty_entries && s->dirty_bytes == sum.dirty_bytes);
    assert(s->loading == sum.loading && s->storing == sum.storing);
    assert(s->storing_bytes == sum.storing_bytes);
}
