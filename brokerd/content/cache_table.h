/* SPDX-License-Identifier: MPL-2.0 */
/* cache_table.h - the entries of a cache: look-up, states, lists, figures, eviction.
 * Knows nothing of policies and waiters' answers: cache.c is its only user. */
#ifndef XYLEM_CACHE_TABLE_H
#define XYLEM_CACHE_TABLE_H

#include "cache.h"
#include "list.h"
#include "map.h"
#include "spares.h"
#include "waitq.h"

enum cache_state { CACHE_LOADING, CACHE_CLEAN, CACHE_DIRTY, CACHE_STORING, CACHE_STATES };

struct cache_entry {
    struct digest digest; // key
    struct list link;     // in the list of its state (I1)
    struct blob *blob;    // a reference, owned; NULL while CACHE_LOADING
    struct waitq waiters; // loads or stores, by state; cache.c
    uint32_t tag;         // of the live request, 0 = none (I2)
    int16_t error;        // -errno of the last put, 0 = none; CACHE_DIRTY only
    uint8_t state;        // enum cache_state
    bool verified : 1;    // the bytes are known to match the digest
    bool owed : 1;        // a store of it was answered before it was put; DIRTY and STORING only
    unsigned trust : 6;   // CLEAN: period of the last acknowledged put, 0 = none that counts
};

struct cache_table {
    size_t limit;                    // bytes; clean entries are evicted above it
    struct map entries;              // struct cache_entry by digest, owned
    struct map requests;             // live requests by tag, owned
    struct spares spare_requests;    // of them
    struct list lists[CACHE_STATES]; // entries by state; CLEAN: most recently used first
    struct list failed;              // DIRTY entries with an error
    struct cache_stats stats;        // sizes and evictions are counted here, requests in cache.c
    uint32_t last_tag;               // tag of the newest request
    uint8_t period;                  // 1 to CACHE_PERIODS
};

/* trust must hold them; and the more of them, the rarer all entries are looked at to forget the oldest */
enum { CACHE_PERIODS = 63 };

void cache_table_init(struct cache_table *t, size_t limit);
void cache_table_fini(struct cache_table *t); // the entries must be gone

struct cache_entry *cache_table_get(const struct cache_table *t, const struct digest *d);

/* A new entry.  DIRTY needs a blob at once: cache_table_set_blob(). */
struct cache_entry *cache_table_add(struct cache_table *t, const struct digest *d,
                                    enum cache_state state);
/* Forget the entry, and its request.  Its waiters must have been taken. */
void cache_table_remove(struct cache_table *t, struct cache_entry *e);

/* Change state, and with it the list and the figures; the old state's request is forgotten. */
void cache_table_set_state(struct cache_table *t, struct cache_entry *e, enum cache_state state,
                           int error);
void cache_table_set_blob(struct cache_table *t, struct cache_entry *e, const struct blob *b,
                          bool verified);
/* To CLEAN, and down to the limit: e may be gone afterwards.  acknowledged: it was put now. */
void cache_table_make_clean(struct cache_table *t, struct cache_entry *e, bool acknowledged);
/* Was it put in this period or the one before? */
bool cache_table_trusts(const struct cache_table *t, const struct cache_entry *e);
void cache_table_next_period(struct cache_table *t);
void cache_table_distrust(struct cache_table *t);
/* Evict clean entries, the least recently used first, down to the limit. */
void cache_table_shrink(struct cache_table *t);
/* The entry was used. */
void cache_table_touch(struct cache_table *t, struct cache_entry *e);

/* Give the entry the tag of a new request, instead of the one it has. */
uint32_t cache_table_add_request(struct cache_table *t, struct cache_entry *e);
/* The entry in this state whose live request it is; NULL: the tag is stale. */
struct cache_entry *cache_table_find_request(const struct cache_table *t, uint32_t tag,
                                             enum cache_state state);

/* How many waiters were there when the live request of the entry was made. */
size_t cache_table_covered(const struct cache_table *t, const struct cache_entry *e);

/* Assert the invariants of cache_table.c. */
void cache_table_check(const struct cache_table *t);

static inline bool
cache_entry_is_dirty(const struct cache_entry *e)
{
    return e->state == CACHE_DIRTY || e->state == CACHE_STORING;
}

#endif
