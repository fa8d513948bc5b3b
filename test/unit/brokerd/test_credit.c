/* SPDX-License-Identifier: MPL-2.0 */
#include "cmocka_all.h"

#include "base.h"
#include "credit.h"

static const struct credit_limits limits = {
    .bytes = 100000, .messages = 1000, .account_bytes = 40000, .account_messages = 10};

/* A client that takes again what it was refused as soon as there is room. */
struct client {
    struct credit_account *account; // owned
    struct credit_charge charges[16];
    size_t count;  // of charges
    size_t wanted; // bytes, 0 = nothing
    int rooms;     // times it was told
};

static bool
take(struct client *c, size_t bytes)
{
    bool let_in = credit_take(c->account, bytes, &c->charges[c->count]);

    c->wanted = let_in ? 0 : bytes;
    c->count += let_in;
    return let_in;
}

static void
on_room(void *arg)
{
    struct client *c = arg;

    c->rooms++;
    assert_true(take(c, c->wanted)); // nobody else can have taken it
}

static void
settle(struct client *c)
{
    credit_settle(&c->charges[--c->count]);
}

static void
settle_all(struct client *c)
{
    while (c->count > 0)
        settle(c);
}

static struct client
join(struct credit *credit, struct client *where)
{
    struct client c = {.account = credit_open(credit, on_room, where)};

    return c;
}

static void
account_is_held_at_its_own_limits_only(void **state UNUSED)
{
    struct credit *credit = credit_new(&limits);
    struct client a = join(credit, &a);
    struct client b = join(credit, &b);

    assert_true(take(&a, 30000));
    assert_false(take(&a, 10001));
    assert_true(take(&b, 30000));
    assert_int_equal(credit_stats(credit)->waiting, 1);
    settle(&a); // its own room is enough
    assert_int_equal(a.rooms, 1);
    assert_int_equal(credit_stats(credit)->bytes, 40001);
    for (int i = 1; i < 10; i++)
        assert_true(take(&a, 1));
    assert_false(take(&a, 1)); // ten messages
    settle(&a);
    assert_int_equal(a.rooms, 2);
    settle_all(&a);
    settle_all(&b);
    credit_close(&a.account);
    credit_close(&b.account);
    credit_free(&credit);
}

static void
room_of_all_is_given_in_the_order_of_asking_and_small_ones_overtake(void **state UNUSED)
{
    struct credit *credit = credit_new(&limits);
    struct client a = join(credit, &a);
    struct client b = join(credit, &b);
    struct client c = join(credit, &c);
    struct client d = join(credit, &d);

    assert_true(take(&a, 40000));
    assert_true(take(&b, 40000));
    assert_false(take(&c, 30000));
    assert_false(take(&d, 10000)); // would fit, but c was first
    settle(&a);
    assert_int_equal(c.rooms, 1);
    assert_int_equal(d.rooms, 1);
    settle_all(&a);
    settle_all(&b);
    settle_all(&c);
    settle_all(&d);
    assert_int_equal(credit_stats(credit)->bytes, 0);
    assert_int_equal(credit_stats(credit)->messages, 0);
    credit_close(&a.account);
    credit_close(&b.account);
    credit_close(&c.account);
    credit_close(&d.account);
    credit_free(&credit);
}

static void
small_message_overtakes_large_ones_that_wait(void **state UNUSED)
{
    struct credit *credit = credit_new(&limits);
    struct client a = join(credit, &a);
    struct client b = join(credit, &b);
    struct client c = join(credit, &c);

    assert_true(take(&a, 200000));
    assert_false(take(&b, 2000));
    assert_true(take(&c, 100));
    settle_all(&a);
    assert_int_equal(b.rooms, 1);
    settle_all(&b);
    settle_all(&c);
    credit_close(&a.account);
    credit_close(&b.account);
    credit_close(&c.account);
    credit_free(&credit);
}

static void
message_beyond_every_limit_is_let_in_alone(void **state UNUSED)
{
    struct credit *credit = credit_new(&limits);
    struct client a = join(credit, &a);
    struct client b = join(credit, &b);

    assert_true(take(&a, 5000));
    assert_false(take(&b, 1000000));
    assert_false(take(&a, 2000)); // behind b
    settle(&a);
    assert_int_equal(b.rooms, 1);
    assert_int_equal(a.rooms, 0);
    settle(&b);
    assert_int_equal(a.rooms, 1);
    settle_all(&a);
    credit_close(&a.account);
    credit_close(&b.account);
    credit_free(&credit);
}

static void
what_a_client_leaves_behind_counts_until_it_is_settled(void **state UNUSED)
{
    struct credit *credit = credit_new(&limits);
    struct client gone = join(credit, &gone);
    struct client a = join(credit, &a);

    assert_true(take(&gone, 90000));
    credit_close(&gone.account);
    assert_int_equal(credit_stats(credit)->bytes, 90000);
    assert_false(take(&a, 20000));
    settle(&gone);
    assert_int_equal(a.rooms, 1);
    settle(&a);
    credit_close(&a.account);
    credit_free(&credit);
}

static struct client *sleeper;

static void
only_count(void *arg)
{
    ((struct client *)arg)->rooms++;
}

static void
grant_is_kept_for_its_account_and_given_back_when_it_closes(void **state UNUSED)
{
    struct credit *credit = credit_new(&limits);
    struct client slow = {.account = credit_open(credit, only_count, &slow)};
    struct client a = join(credit, &a);

    sleeper = &slow;
    assert_true(take(&a, 90000));
    assert_false(take(&slow, 30000));
    settle(&a);
    assert_int_equal(sleeper->rooms, 1);
    assert_int_equal(credit_stats(credit)->bytes, 30000);
    assert_false(take(&a, 80000));
    credit_close(&slow.account);
    assert_int_equal(a.rooms, 1);
    settle(&a);
    assert_int_equal(credit_stats(credit)->waiting, 0);
    credit_close(&a.account);
    credit_free(&credit);
}

static void
who_waits_may_leave(void **state UNUSED)
{
    struct credit *credit = credit_new(&limits);
    struct client a = join(credit, &a);
    struct client b = join(credit, &b);
    struct client c = join(credit, &c);

    assert_true(take(&a, 40000));
    assert_false(take(&b, 70000));
    assert_false(take(&c, 50000)); // fits, but b waits before it
    credit_close(&b.account);
    assert_int_equal(c.rooms, 1);
    settle_all(&a);
    settle_all(&c);
    credit_close(&a.account);
    credit_close(&c.account);
    credit_free(&credit);
}

static void
who_cannot_be_held_back_is_refused_for_good(void **state UNUSED)
{
    static const struct credit_limits large = {
        .bytes = 400000, .messages = 1000, .account_bytes = 200000, .account_messages = 10};
    struct credit *credit = credit_new(&large);
    struct client a = join(credit, &a);
    struct client b = join(credit, &b);

    assert_true(credit_is_idle(a.account));
    assert_true(credit_try(a.account, 390000, &a.charges[a.count++])); // alone
    assert_false(credit_try(a.account, 1, &a.charges[a.count]));
    assert_false(credit_is_idle(a.account));
    assert_true(credit_try(b.account, CREDIT_FLOOR, &b.charges[b.count++]));
    assert_true(credit_try(b.account, 100000, &b.charges[b.count++])); // has little
    assert_false(credit_try(b.account, 2000, &b.charges[b.count]));    // there is no more
    assert_int_equal(credit_stats(credit)->refusals, 2);
    assert_int_equal(credit_stats(credit)->waiting, 0);
    settle_all(&a);
    assert_int_equal(a.rooms + b.rooms, 0);
    assert_true(credit_try(b.account, 2000, &b.charges[b.count++]));
    assert_false(credit_try(b.account, 100000, &b.charges[b.count])); // beyond its own limit
    for (int i = 0; i < 10; i++)
        assert_true(credit_try(a.account, 1, &a.charges[a.count++]));
    assert_false(credit_try(a.account, 1, &a.charges[a.count])); // ten messages
    settle_all(&a);
    settle_all(&b);
    assert_true(credit_is_idle(a.account));
    credit_close(&a.account);
    credit_close(&b.account);
    credit_free(&credit);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(account_is_held_at_its_own_limits_only),
        cmocka_unit_test(room_of_all_is_given_in_the_order_of_asking_and_small_ones_overtake),
        cmocka_unit_test(small_message_overtakes_large_ones_that_wait),
        cmocka_unit_test(message_beyond_every_limit_is_let_in_alone),
        cmocka_unit_test(what_a_client_leaves_behind_counts_until_it_is_settled),
        cmocka_unit_test(grant_is_kept_for_its_account_and_given_back_when_it_closes),
        cmocka_unit_test(who_waits_may_leave),
        cmocka_unit_test(who_cannot_be_held_back_is_refused_for_good),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
