/* SPDX-License-Identifier: MPL-2.0 */
#include "cachetest.h"

#include <malloc.h>

#define ROOMY ((size_t)1 << 20)

static bool
is_here(struct rig *r, int i)
{
    struct digest d = digest_of(i);

    return cache_peek(r->cache, &d, false) != NULL;
}

/* --- loads --- */

static void
many_loads_make_one_fetch(void **state UNUSED)
{
    struct rig *r = rig_new(CACHE_WRITE_THROUGH, ROOMY, 4);

    for (int i = 0; i < 5; i++)
        load(r, 1, false);
    assert_int_equal(r->fetches.count, 1);
    fetched(r, 0, true, true);
    assert_int_equal(r->nanswers, 5);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(r->order[i], i);
    load(r, 1, false);
    assert_int_equal(r->nanswers, 6);
    assert_int_equal(r->fetches.count, 1);
    assert_int_equal(cache_stats(r->cache)->coalesced, 4);
    assert_int_equal(cache_stats(r->cache)->misses, 1);
    assert_int_equal(cache_stats(r->cache)->hits, 1);
    rig_free(r);
}

static void
not_found_is_answered_and_not_remembered(void **state UNUSED)
{
    struct rig *r = rig_new(CACHE_WRITE_THROUGH, ROOMY, 4);
    struct waiter *w = load(r, 1, false);

    fetched(r, -ENOENT, false, false);
    assert_int_equal(w->rc, -ENOENT);
    assert_int_equal(cache_stats(r->cache)->entries, 0);
    load(r, 1, false);
    assert_int_equal(r->fetches.count, 2);
    rig_free(r);
}

static void
bad_bytes_reach_nobody_when_one_insists(void **state UNUSED)
{
    struct rig *r = rig_new(CACHE_WRITE_THROUGH, ROOMY, 4);
    struct waiter *lax = load(r, 1, false);
    struct waiter *strict = load(r, 1, true);

    fetched(r, 0, false, false);
    assert_int_equal(lax->rc, -EIO);
    assert_int_equal(strict->rc, -EIO);
    assert_false(is_here(r, 1));
    assert_int_equal(cache_stats(r->cache)->verify_failures, 1);
    rig_free(r);
}

static void
unverified_bytes_are_hashed_once_and_on_demand(void **state UNUSED)
{
    struct rig *r = rig_new(CACHE_WRITE_THROUGH, ROOMY, 4);
    struct waiter *w;

    load(r, 1, false);
    fetched(r, 0, false, false);
    assert_int_equal(load(r, 1, false)->rc, 0);
    assert_int_equal(cache_stats(r->cache)->verify_failures, 0);
    w = load(r, 1, true);
    assert_int_equal(w->rc, -EIO);
    assert_false(is_here(r, 1));
    rig_free(r);
}

static void
store_answers_waiting_loads_and_late_fetch_is_ignored(void **state UNUSED)
{
    struct rig *r = rig_new(CACHE_WRITE_THROUGH, ROOMY, 4);
    struct waiter *l = load(r, 1, true);
    struct waiter *s = store(r, 1, true, false);

    assert_int_equal(l->calls, 1);
    assert_int_equal(l->rc, 0);
    assert_int_equal(s->calls, 0);
    fetched(r, -ENOENT, false, false);
    assert_true(is_here(r, 1));
    stored(r, 0);
    assert_int_equal(s->rc, 0);
    rig_free(r);
}

static void
wrong_store_does_not_fail_waiting_loads(void **state UNUSED)
{
    struct rig *r = rig_new(CACHE_WRITE_THROUGH, ROOMY, 4);
    struct waiter *l = load(r, 1, true);
    struct waiter *s = store(r, 1, false, false);

    assert_int_equal(s->rc, -EIO);
    assert_int_equal(l->calls, 0);
    fetched(r, 0, true, false);
    assert_int_equal(l->rc, 0);
    rig_free(r);
}

static void
nothing_below_means_not_found(void **state UNUSED)
{
    struct rig *r = rig_new(CACHE_RETAIN, 500, 0);

    assert_int_equal(load(r, 1, false)->rc, -ENOENT);
    for (int i = 1; i < 50; i++)
        assert_int_equal(store(r, i, true, true)->calls, 1);
    for (int i = 1; i < 50; i++)
        assert_int_equal(load(r, i, true)->rc, 0);
    assert_int_equal(cache_stats(r->cache)->dirty_entries, 49);
    assert_int_equal(flush(r)->rc, -ENOSYS);
    assert_int_equal(r->puts.count, 0);
    rig_free(r);
}

/* --- stores --- */

static void
write_through_store_waits_for_its_put(void **state UNUSED)
{
    struct rig *r = rig_new(CACHE_WRITE_THROUGH, ROOMY, 4);
    struct waiter *a = store(r, 1, true, true);
    struct waiter *b = store(r, 1, true, true);

    assert_int_equal(r->puts.count, 1);
    assert_int_equal(a->calls + b->calls, 0);
    assert_int_equal(load(r, 1, true)->rc, 0);
    stored(r, 0);
    assert_int_equal(a->calls + b->calls, 2);
    assert_int_equal(store(r, 1, true, true)->calls, 1);
    assert_int_equal(cache_stats(r->cache)->stores_clean, 1);
    rig_free(r);
}

static void
failed_write_through_leaves_nothing(void **state UNUSED)
{
    struct rig *r = rig_new(CACHE_WRITE_THROUGH, ROOMY, 4);
    struct waiter *s = store(r, 1, true, true);
    struct waiter *f = flush(r);

    stored(r, -ENOSPC);
    assert_int_equal(s->rc, -ENOSPC);
    assert_int_equal(f->rc, -ENOSPC);
    assert_false(is_here(r, 1));
    assert_int_equal(flush(r)->rc, 0);
    rig_free(r);
}

static void
failed_write_back_stays_dirty_until_retried(void **state UNUSED)
{
    struct rig *r = rig_new(CACHE_WRITE_BACK, ROOMY, 4);
    struct waiter *f;

    assert_int_equal(store(r, 1, true, true)->rc, 0);
    f = flush(r);
    stored(r, -ENOSPC);
    assert_int_equal(f->rc, -ENOSPC);
    assert_int_equal(cache_stats(r->cache)->dirty_entries, 1);
    store(r, 2, true, true);
    assert_int_equal(r->puts.count, 2); // the failed one waits for the retry
    stored(r, 0);
    cache_retry(r->cache);
    assert_int_equal(r->puts.count, 3);
    stored(r, 0);
    assert_int_equal(cache_stats(r->cache)->dirty_entries, 0);
    rig_free(r);
}

static void
flush_tries_failed_puts_again(void **state UNUSED)
{
    struct rig *r = rig_new(CACHE_WRITE_BACK, ROOMY, 4);
    struct waiter *f;

    store(r, 1, true, true);
    stored(r, -EIO);
    f = flush(r);
    assert_int_equal(f->calls, 0);
    stored(r, 0);
    assert_int_equal(f->rc, 0);
    rig_free(r);
}

static void
puts_in_flight_are_bounded(void **state UNUSED)
{
    struct rig *r = rig_new(CACHE_WRITE_THROUGH, ROOMY, 3);

    for (int i = 1; i <= 10; i++)
        store(r, i, true, true);
    assert_int_equal(r->puts.count, 3);
    for (size_t i = 4; i <= 10; i++) {
        stored(r, 0);
        assert_int_equal(r->puts.count, i);
        assert_int_equal(r->puts.digests[i - 1].bytes[0], i); // first come, first served
    }
    rig_free(r);
}

static void
puts_answered_at_once_do_not_nest(void **state UNUSED)
{
    struct rig *r = rig_new(CACHE_WRITE_BACK, ROOMY, 1);

    for (int i = 1; i <= 1000; i++)
        store(r, i % 250 + 1, true, true);
    r->put_now = 1;
    stored(r, 0);
    assert_int_equal(cache_stats(r->cache)->dirty_entries, 0);
    cache_check(r->cache);
    rig_free(r);
}

static void
good_bytes_replace_unverified_ones(void **state UNUSED)
{
    struct rig *r = rig_new(CACHE_WRITE_THROUGH, ROOMY, 1);

    load(r, 1, false);
    fetched(r, 0, false, false);
    store(r, 1, true, true);
    assert_int_equal(load(r, 1, true)->rc, 0);
    rig_free(r);
}

static void
damaged_dirty_bytes_fail_their_store(void **state UNUSED)
{
    struct rig *r = rig_new(CACHE_WRITE_THROUGH, ROOMY, 1);
    struct waiter *s = store(r, 1, false, false);
    struct waiter *queued = store(r, 2, true, true);
    struct waiter *flushing;

    flushing = flush(r);
    assert_int_equal(load(r, 1, true)->rc, -EIO);
    assert_int_equal(s->rc, -EIO);
    assert_int_equal(flushing->rc, -EIO);
    assert_int_equal(r->puts.count, 2); // its slot is free again
    stored(r, 0);                       // the abandoned put: stale
    assert_int_equal(queued->calls, 0);
    stored(r, 0);
    assert_int_equal(queued->calls, 1);
    rig_free(r);
}

static void
insert_answers_loads_and_stores(void **state UNUSED)
{
    struct rig *r = rig_new(CACHE_WRITE_THROUGH, ROOMY, 1);
    struct waiter *l = load(r, 1, true);
    struct waiter *blocker = store(r, 2, true, true);
    struct waiter *s = store(r, 3, true, true);

    insert(r, 1);
    insert(r, 3);
    assert_int_equal(l->calls, 1);
    assert_int_equal(s->calls, 1);
    assert_int_equal(blocker->calls, 0);
    assert_int_equal(cache_stats(r->cache)->dirty_entries, 1);
    rig_free(r);
}

static void
inserted_bytes_replace_unverified_ones(void **state UNUSED)
{
    struct rig *r = rig_new(CACHE_WRITE_THROUGH, ROOMY, 1);

    load(r, 1, false);
    fetched(r, 0, false, false);
    insert(r, 1);
    assert_int_equal(load(r, 1, true)->rc, 0);
    rig_free(r);
}

static void
answers_of_the_wrong_kind_are_ignored(void **state UNUSED)
{
    struct rig *r = rig_new(CACHE_WRITE_THROUGH, ROOMY, 1);
    struct waiter *l = load(r, 1, false);
    struct waiter *s = store(r, 2, true, true);

    cache_fetched(r->cache, r->puts.tags[0], -ENOENT, NULL, false);
    cache_stored(r->cache, r->fetches.tags[0], 0);
    cache_check(r->cache);
    assert_int_equal(l->calls + s->calls, 0);
    rig_free(r);
}

/* --- eviction --- */

static void
least_recently_used_goes_first(void **state UNUSED)
{
    struct rig *r = rig_new(CACHE_WRITE_THROUGH, ROOMY, 1);
    size_t one;

    insert(r, 1);
    one = cache_stats(r->cache)->bytes;
    rig_end(r);
    rig_start(r, CACHE_WRITE_THROUGH, 4 * one + one / 2 + 200, 1);
    for (int i = 1; i <= 3; i++)
        insert(r, i);
    load(r, 1, false);
    for (int i = 4; cache_stats(r->cache)->evictions == 0; i++)
        insert(r, i);
    assert_true(is_here(r, 1));
    assert_false(is_here(r, 2));
    cache_check(r->cache);
    rig_free(r);
}

static void
dirty_entries_are_never_evicted(void **state UNUSED)
{
    struct rig *r = rig_new(CACHE_WRITE_BACK, 1000, 2);

    for (int i = 1; i <= 20; i++)
        store(r, i, true, true);
    assert_int_equal(cache_stats(r->cache)->entries, 20);
    while (cache_stats(r->cache)->dirty_entries > 0)
        stored(r, 0);
    assert_true(cache_stats(r->cache)->bytes <= 1000);
    rig_free(r);
}

static void
oversized_blob_is_served_and_spares_the_others(void **state UNUSED)
{
    struct rig *r = rig_new(CACHE_WRITE_THROUGH, 500, 1);
    struct digest d = digest_of(9);
    uint8_t bytes[4096] = {9};
    struct blob *b = blob_new(bytes, sizeof(bytes));
    struct waiter *w;

    insert(r, 1);
    w = load(r, 9, true);
    cache_fetched(r->cache, r->fetches.tags[0], 0, b, false);
    assert_int_equal(w->rc, 0);
    assert_null(cache_peek(r->cache, &d, false));
    assert_true(is_here(r, 1));
    blob_unref(&b);
    rig_free(r);
}

static void
drop_forgets_clean_entries_only(void **state UNUSED)
{
    struct rig *r = rig_new(CACHE_WRITE_BACK, ROOMY, 1);

    insert(r, 1);
    load(r, 2, false);
    store(r, 3, true, true);
    store(r, 4, true, true);
    cache_drop(r->cache);
    assert_int_equal(cache_stats(r->cache)->entries, 3);
    assert_false(is_here(r, 1));
    assert_true(is_here(r, 3));
    cache_check(r->cache);
    rig_free(r);
}

/* --- waiters --- */

static void
drop_and_load_again(struct rig *r)
{
    cache_drop(r->cache);
    load(r, 1, false);
    store(r, 2, true, true);
    cache_check(r->cache);
}

static void
answered_waiter_may_change_the_cache(void **state UNUSED)
{
    struct rig *r = rig_new(CACHE_WRITE_THROUGH, ROOMY, 1);
    struct waiter *second;

    load(r, 1, true)->then = drop_and_load_again;
    second = load(r, 1, true);
    fetched(r, 0, true, false);
    assert_int_equal(second->rc, 0);
    assert_int_equal(r->fetches.count, 2);
    stored(r, 0);
    fetched(r, 0, true, false);
    assert_int_equal(r->nanswers, 4);
    rig_free(r);
}

static void
store_again(struct rig *r)
{
    if (r->nwaiters < 100)
        store(r, 1, true, true)->then = store_again;
}

static void
failed_store_may_be_repeated_from_its_answer(void **state UNUSED)
{
    struct rig *r = rig_new(CACHE_WRITE_THROUGH, ROOMY, 1);

    store(r, 1, true, true)->then = store_again;
    while (r->nwaiters < 100)
        stored(r, -EIO);
    stored(r, 0);
    assert_int_equal(r->nanswers, 100);
    rig_free(r);
}

static void
freeing_cancels_everybody(void **state UNUSED)
{
    struct rig *r = rig_new(CACHE_WRITE_THROUGH, ROOMY, 1);
    struct waiter *w[] = {load(r, 1, false), load(r, 1, false), store(r, 2, true, true),
                          store(r, 3, true, true), flush(r)};

    rig_end(r);
    for (size_t i = 0; i < ARRAY_SIZE(w); i++)
        assert_int_equal(w[i]->rc, -ECANCELED);
    free(r);
}

/* --- memory --- */

static void
entry_costs_at_most_160_bytes(void **state UNUSED)
{
    enum { ENTRIES = 100000, SIZE = 64 };
    struct rig *r = rig_new(CACHE_WRITE_THROUGH, (size_t)1 << 30, 1);
    uint8_t bytes[SIZE] = {0};
    size_t before = mallinfo2().uordblks;
    size_t used;

    for (int i = 0; i < ENTRIES; i++) {
        struct digest d = digest_of(i);
        struct blob *b = blob_new(bytes, sizeof(bytes));

        cache_insert(r->cache, &d, b);
        blob_unref(&b);
    }
    used = mallinfo2().uordblks - before;
    if (used > 0) { // the sanitizers' allocator tells nothing
        used += mallinfo2().hblkhd;
        assert_in_range(used / ENTRIES, SIZE, SIZE + 160);
        assert_in_range(cache_stats(r->cache)->bytes, used * 9 / 10, used * 14 / 10);
    }
    rig_free(r);
}

static void
load_that_came_after_the_question_is_asked_again(void **state UNUSED)
{
    struct rig *r = rig_new(CACHE_WRITE_THROUGH, ROOMY, 1);
    struct waiter *early = load(r, 1, true);
    struct waiter *late = load(r, 1, true);

    assert_int_equal(r->fetches.count, 1);
    fetched(r, -ENOENT, false, false);
    assert_int_equal(early->rc, -ENOENT);
    assert_int_equal(late->calls, 0);
    assert_int_equal(r->fetches.count, 2);
    cache_check(r->cache);
    fetched(r, 0, true, true); // stored meanwhile
    assert_int_equal(late->rc, 0);
    rig_free(r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(load_that_came_after_the_question_is_asked_again),
        cmocka_unit_test(many_loads_make_one_fetch),
        cmocka_unit_test(not_found_is_answered_and_not_remembered),
        cmocka_unit_test(bad_bytes_reach_nobody_when_one_insists),
        cmocka_unit_test(unverified_bytes_are_hashed_once_and_on_demand),
        cmocka_unit_test(store_answers_waiting_loads_and_late_fetch_is_ignored),
        cmocka_unit_test(wrong_store_does_not_fail_waiting_loads),
        cmocka_unit_test(nothing_below_means_not_found),
        cmocka_unit_test(write_through_store_waits_for_its_put),
        cmocka_unit_test(failed_write_through_leaves_nothing),
        cmocka_unit_test(failed_write_back_stays_dirty_until_retried),
        cmocka_unit_test(flush_tries_failed_puts_again),
        cmocka_unit_test(puts_in_flight_are_bounded),
        cmocka_unit_test(puts_answered_at_once_do_not_nest),
        cmocka_unit_test(good_bytes_replace_unverified_ones),
        cmocka_unit_test(damaged_dirty_bytes_fail_their_store),
        cmocka_unit_test(insert_answers_loads_and_stores),
        cmocka_unit_test(inserted_bytes_replace_unverified_ones),
        cmocka_unit_test(answers_of_the_wrong_kind_are_ignored),
        cmocka_unit_test(least_recently_used_goes_first),
        cmocka_unit_test(dirty_entries_are_never_evicted),
        cmocka_unit_test(oversized_blob_is_served_and_spares_the_others),
        cmocka_unit_test(drop_forgets_clean_entries_only),
        cmocka_unit_test(answered_waiter_may_change_the_cache),
        cmocka_unit_test(failed_store_may_be_repeated_from_its_answer),
        cmocka_unit_test(freeing_cancels_everybody),
        cmocka_unit_test(entry_costs_at_most_160_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
