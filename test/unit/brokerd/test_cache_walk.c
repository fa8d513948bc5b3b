/* SPDX-License-Identifier: MPL-2.0 */
/* test_cache_walk.c - every sequence of events on one digest, and long random ones on several.
 * After each step the cache checks itself; at the end every waiter has had exactly one answer. */
#include "cachetest.h"

#define ROOMY ((size_t)1 << 20)

enum event {
    /* The first eight make the deep walk. */
    LOAD,
    LOAD_STRICT,
    STORE,
    FETCHED,
    FETCH_FAILED,
    STORED,
    STORE_FAILED,
    DROP,
    /* All of them make the wide walk. */
    STORE_UNVERIFIED,
    STORE_BAD,
    INSERT,
    FETCHED_UNVERIFIED,
    FETCHED_BAD,
    FLUSH,
    RETRY,
    AGE,
    DISTRUST,
    PEEK_STRICT,
    EVENTS,
};
enum { DEEP_EVENTS = DROP + 1, DEEP = 6, WIDE = 4 };

static void
peek_strict(struct rig *r, int i)
{
    struct digest d = digest_of(i);
    const struct blob *b = cache_peek(r->cache, &d, true);

    if (b)
        assert_true(is_good(&d, b));
}

static void
ask(struct rig *r, enum event e, int i)
{
    if (e == LOAD || e == LOAD_STRICT)
        load(r, i, e == LOAD_STRICT);
    else if (e == STORE || e == STORE_UNVERIFIED)
        store(r, i, true, e == STORE);
    else if (e == STORE_BAD)
        store(r, i, false, false);
    else if (e == INSERT)
        insert(r, i);
    else if (e == PEEK_STRICT)
        peek_strict(r, i);
    else if (e == FLUSH)
        flush(r);
}

static void
step(struct rig *r, enum event e, int i)
{
    if (e == FETCHED || e == FETCHED_UNVERIFIED)
        fetched(r, 0, true, e == FETCHED);
    else if (e == FETCHED_BAD)
        fetched(r, 0, false, false);
    else if (e == FETCH_FAILED)
        fetched(r, -ENOENT, false, false);
    else if (e == STORED || e == STORE_FAILED)
        stored(r, e == STORED ? 0 : -ENOSPC);
    else if (e == DROP)
        cache_drop(r->cache);
    else if (e == RETRY)
        cache_retry(r->cache);
    else if (e == AGE)
        cache_age(r->cache);
    else if (e == DISTRUST)
        cache_distrust(r->cache);
    else
        ask(r, e, i);
    cache_check(r->cache);
}

/* Under write-through a store that succeeded is below: a put or an insert said so. */
static void
check_acknowledged(const struct rig *r, const enum event *events, size_t n)
{
    bool durable = false, acknowledged = false;

    for (size_t i = 0; i < n; i++)
        durable = durable || events[i] == STORED || events[i] == INSERT;
    for (size_t i = 0; i < r->nwaiters; i++)
        acknowledged = acknowledged ||
                       (r->waiters[i].calls && !r->waiters[i].is_load && r->waiters[i].rc == 0);
    for (size_t i = 0; i < n; i++)
        acknowledged = acknowledged && events[i] != FLUSH; // of nothing, succeeds at once
    assert_true(durable || !acknowledged);
}

/* One sequence: the digits of `code` in base `base`. */
static void
run_sequence(struct rig *r, enum cache_policy policy, unsigned code, unsigned base, size_t length)
{
    enum event events[DEEP];

    rig_start(r, policy, ROOMY, 1);
    for (size_t i = 0; i < length; i++, code /= base) {
        events[i] = (enum event)(code % base);
        step(r, events[i], 1);
    }
    if (policy == CACHE_WRITE_THROUGH)
        check_acknowledged(r, events, length);
    rig_end(r);
}

static void
walk(enum cache_policy policy, unsigned base, size_t length)
{
    struct rig *r = calloc(1, sizeof(*r));
    unsigned codes = 1;

    for (size_t i = 0; i < length; i++)
        codes *= base;
    for (unsigned code = 0; code < codes; code++)
        run_sequence(r, policy, code, base, length);
    free(r);
}

static void
every_sequence_holds_under_write_through(void **state UNUSED)
{
    walk(CACHE_WRITE_THROUGH, DEEP_EVENTS, DEEP);
    walk(CACHE_WRITE_THROUGH, EVENTS, WIDE);
}

static void
every_sequence_holds_under_write_back(void **state UNUSED)
{
    walk(CACHE_WRITE_BACK, DEEP_EVENTS, DEEP);
    walk(CACHE_WRITE_BACK, EVENTS, WIDE);
}

static void
every_sequence_holds_with_nothing_below(void **state UNUSED)
{
    walk(CACHE_RETAIN, EVENTS, WIDE);
}

/* Answers come out of order here, and a small limit makes entries go. */
static void
random_walk(enum cache_policy policy, unsigned seed)
{
    struct rig *r = rig_new(policy, 2000, 3);

    for (int i = 0; i < 4000 && r->nwaiters < MAX_WAITERS - 1; i++) {
        enum event e = (enum event)(rand_r(&seed) % EVENTS);

        step(r, e, 1 + rand_r(&seed) % 12);
    }
    rig_free(r);
}

static void
long_random_sequences_hold(void **state UNUSED)
{
    for (unsigned seed = 1; seed <= 20; seed++) {
        random_walk(CACHE_WRITE_THROUGH, seed);
        random_walk(CACHE_WRITE_BACK, seed);
        random_walk(CACHE_RETAIN, seed);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_sequence_holds_under_write_through),
        cmocka_unit_test(every_sequence_holds_under_write_back),
        cmocka_unit_test(every_sequence_holds_with_nothing_below),
        cmocka_unit_test(long_random_sequences_hold),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
