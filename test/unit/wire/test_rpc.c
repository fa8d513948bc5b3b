/* SPDX-License-Identifier: MPL-2.0 */
#include "wiretest.h"
#include "rpc.h"
#include "xmem.h"

#include <errno.h>

struct waiter {
    struct rpc_table *table; // for what a callback does to the table
    uint32_t tag;            // what rpc_add gave
    int calls;               // of the callback
    int errnum;              // of the last response
};

static void
note(void *arg, struct msg *response)
{
    struct waiter *w = arg;

    w->calls++;
    w->errnum = (int)response->errnum;
}

static bool
deliver_flagged(struct rpc_table *t, uint32_t tag, int errnum, uint8_t flags)
{
    AUTO(msg) struct msg response;

    msg_init(&response, MSG_RESPONSE);
    response.flags |= flags;
    response.matchtag = tag;
    response.errnum = (uint32_t)errnum;
    return rpc_deliver(t, &response);
}

static bool
deliver(struct rpc_table *t, uint32_t tag, int errnum)
{
    return deliver_flagged(t, tag, errnum, 0);
}

static void
response_reaches_the_one_that_waits(void **state UNUSED)
{
    struct rpc_table *t = rpc_table_new();
    struct waiter w[100] = {{0}};

    for (size_t i = 0; i < ARRAY_SIZE(w); i++) {
        w[i].tag = rpc_add(t, false, note, &w[i]);
        assert_int_not_equal(w[i].tag, 0);
    }
    assert_int_equal(rpc_pending(t), ARRAY_SIZE(w));
    assert_true(deliver(t, w[42].tag, 0));
    for (size_t i = 0; i < ARRAY_SIZE(w); i++)
        assert_int_equal(w[i].calls, i == 42);
    assert_int_equal(rpc_pending(t), ARRAY_SIZE(w) - 1);
    rpc_table_free(&t);
    assert_null(t);
}

static void
late_reply_is_ignored(void **state UNUSED)
{
    struct rpc_table *t = rpc_table_new();
    struct waiter old = {0};
    struct waiter young = {0};

    old.tag = rpc_add(t, false, note, &old);
    assert_true(deliver(t, old.tag, 0));
    for (int i = 0; i < 100000; i++) {
        young.tag = rpc_add(t, false, note, &young);
        assert_int_not_equal(young.tag, old.tag);
        assert_false(deliver(t, old.tag, 0));
        assert_true(deliver(t, young.tag, 0));
    }
    assert_int_equal(old.calls, 1);
    assert_int_equal(young.calls, 100000);
    rpc_table_free(&t);
}

static void
late_reply_is_ignored_also_in_a_full_table(void **state UNUSED)
{
    struct rpc_table *t = rpc_table_new();
    struct waiter w = {0};
    uint32_t old;

    for (int i = 0; i < 1000; i++)
        rpc_add(t, false, note, &w);
    old = rpc_add(t, false, note, &w);
    rpc_cancel(t, old);
    for (int i = 0; i < 100000; i++) {
        uint32_t tag = rpc_add(t, false, note, &w);

        assert_int_not_equal(tag, old);
        rpc_cancel(t, tag);
    }
    assert_int_equal(w.calls, 0);
    rpc_table_free(&t);
}

static void
invented_tags_are_ignored(void **state UNUSED)
{
    struct rpc_table *t = rpc_table_new();
    struct waiter w = {0};

    assert_false(deliver(t, 0, 0));
    assert_false(deliver(t, UINT32_MAX, 0));
    w.tag = rpc_add(t, true, note, &w);
    for (int bit = 0; bit < 32; bit++) {
        rpc_cancel(t, w.tag ^ 1u << bit);
        assert_false(deliver(t, w.tag ^ 1u << bit, 0));
    }
    assert_false(deliver(t, 0, 0));
    assert_true(deliver(t, w.tag, 0));
    assert_int_equal(w.calls, 1);
    rpc_table_free(&t);
}

static void
stream_goes_on_until_an_error(void **state UNUSED)
{
    struct rpc_table *t = rpc_table_new();
    struct waiter w = {0};

    w.tag = rpc_add(t, true, note, &w);
    for (int i = 0; i < 3; i++)
        assert_true(deliver_flagged(t, w.tag, 0, MSG_STREAMING));
    assert_int_equal(rpc_pending(t), 1);
    assert_true(deliver_flagged(t, w.tag, ENODATA, MSG_STREAMING));
    assert_int_equal(rpc_pending(t), 0);
    assert_false(deliver(t, w.tag, 0));
    assert_int_equal(w.calls, 4);
    assert_int_equal(w.errnum, ENODATA);
    rpc_table_free(&t);
}

static void
single_response_ends_what_might_have_been_a_stream(void **state UNUSED)
{
    struct rpc_table *t = rpc_table_new();
    struct waiter w = {0};

    w.tag = rpc_add(t, true, note, &w);
    assert_true(deliver(t, w.tag, 0));
    assert_int_equal(rpc_pending(t), 0);
    assert_int_equal(w.calls, 1);
    rpc_table_free(&t);
}

static void
cancelled_request_is_never_called(void **state UNUSED)
{
    struct rpc_table *t = rpc_table_new();
    struct waiter w = {0};

    w.tag = rpc_add(t, false, note, &w);
    assert_ptr_equal(rpc_cancel(t, w.tag), &w);
    assert_null(rpc_cancel(t, w.tag));
    assert_int_equal(rpc_pending(t), 0);
    assert_false(deliver(t, w.tag, 0));
    rpc_fail(t, w.tag, EIO);
    rpc_fail_all(t, EIO);
    assert_int_equal(w.calls, 0);
    rpc_table_free(&t);
}

static void
one_request_can_be_failed(void **state UNUSED)
{
    struct rpc_table *t = rpc_table_new();
    struct waiter a = {0};
    struct waiter b = {0};

    a.tag = rpc_add(t, true, note, &a);
    b.tag = rpc_add(t, false, note, &b);
    rpc_fail(t, a.tag, EHOSTUNREACH);
    assert_int_equal(a.calls, 1);
    assert_int_equal(a.errnum, EHOSTUNREACH);
    assert_int_equal(b.calls, 0);
    assert_int_equal(rpc_pending(t), 1);
    rpc_table_free(&t);
}

static void
try_again(void *arg, struct msg *response)
{
    struct waiter *w = arg;

    note(w, response);
    assert_false(deliver(w->table, w->tag, 0)); // the entry is gone already
    w->tag = rpc_add(w->table, false, try_again, w);
}

static void
failing_all_spares_requests_made_meanwhile(void **state UNUSED)
{
    struct rpc_table *t = rpc_table_new();
    struct waiter w[500] = {{0}};

    for (size_t i = 0; i < ARRAY_SIZE(w); i++) {
        w[i].table = t;
        w[i].tag = rpc_add(t, false, try_again, &w[i]);
    }
    rpc_fail_all(t, EHOSTUNREACH);
    for (size_t i = 0; i < ARRAY_SIZE(w); i++)
        assert_int_equal(w[i].calls, 1);
    assert_int_equal(rpc_pending(t), ARRAY_SIZE(w));
    rpc_table_free(&t);
}

static void
cancel_itself(void *arg, struct msg *response)
{
    struct waiter *w = arg;

    note(w, response);
    rpc_cancel(w->table, w->tag);
}

static void
stream_can_be_cancelled_by_its_own_callback(void **state UNUSED)
{
    struct rpc_table *t = rpc_table_new();
    struct waiter w = {.table = t};

    w.tag = rpc_add(t, true, cancel_itself, &w);
    assert_true(deliver(t, w.tag, 0));
    assert_false(deliver(t, w.tag, 0));
    assert_int_equal(w.calls, 1);
    rpc_table_free(&t);
}

static void
full_table_gives_no_tag(void **state UNUSED)
{
    struct rpc_table *t = rpc_table_new();
    struct waiter w = {0};
    uint32_t last = 0;

    for (uint32_t i = 0; i < RPC_PENDING_MAX; i++) {
        last = rpc_add(t, true, note, &w);
        assert_int_not_equal(last, 0);
    }
    assert_int_equal(rpc_add(t, false, note, &w), 0);
    assert_int_equal(rpc_pending(t), RPC_PENDING_MAX);
    rpc_cancel(t, last);
    assert_int_not_equal(rpc_add(t, false, note, &w), 0);
    assert_int_equal(rpc_add(t, false, note, &w), 0);
    rpc_table_free(&t);
}

/* As if a process was started again: twenty tables in a row agreeing by chance is out of the
 * question with 4095 generations. */
static void
another_table_has_other_tags(void **state UNUSED)
{
    struct waiter w = {0};
    uint32_t first = 0;
    int same = 0;

    for (int i = 0; i < 20; i++) {
        struct rpc_table *t = rpc_table_new();
        uint32_t tag = rpc_add(t, false, note, &w);

        first = i == 0 ? tag : first;
        same += tag == first;
        rpc_table_free(&t);
    }
    assert_true(same < 20);
}

/* Random adds, answers and cancels against a plain array. */
static void
random_use_agrees_with_a_plain_model(void **state UNUSED)
{
    struct rpc_table *t = rpc_table_new();
    struct waiter w[300] = {{0}};
    size_t in_use = 0;
    uint64_t seed = 11;

    for (int i = 0; i < 50000; i++) {
        struct waiter *one = &w[draw_below(&seed, ARRAY_SIZE(w))];

        if (one->tag == 0) {
            one->tag = rpc_add(t, false, note, one);
            in_use++;
        } else {
            int before = one->calls;
            bool cancel = draw_below(&seed, 3) == 0;

            if (cancel)
                rpc_cancel(t, one->tag);
            assert_int_equal(deliver(t, one->tag, 0), !cancel);
            assert_int_equal(one->calls, before + !cancel);
            one->tag = 0;
            in_use--;
        }
        assert_int_equal(rpc_pending(t), in_use);
    }
    rpc_table_free(&t);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(response_reaches_the_one_that_waits),
        cmocka_unit_test(late_reply_is_ignored),
        cmocka_unit_test(late_reply_is_ignored_also_in_a_full_table),
        cmocka_unit_test(invented_tags_are_ignored),
        cmocka_unit_test(stream_goes_on_until_an_error),
        cmocka_unit_test(single_response_ends_what_might_have_been_a_stream),
        cmocka_unit_test(cancelled_request_is_never_called),
        cmocka_unit_test(one_request_can_be_failed),
        cmocka_unit_test(failing_all_spares_requests_made_meanwhile),
        cmocka_unit_test(stream_can_be_cancelled_by_its_own_callback),
        cmocka_unit_test(full_table_gives_no_tag),
        cmocka_unit_test(another_table_has_other_tags),
        cmocka_unit_test(random_use_agrees_with_a_plain_model),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
