/* SPDX-License-Identifier: MPL-2.0 */
#include "wiretest.h"
#include "bundle.h"

#include <errno.h>

#define LIMIT (4 * MEBI)
#define MANY 50

/* The frame of a bundle. */
struct frame {
    const uint8_t *bytes; // in memory
    size_t size;
    void *memory; // owned
};

static struct frame
take(struct bundle *b)
{
    struct frame f;

    f.bytes = bundle_take(b, &f.size, &f.memory);
    assert_int_equal(b->count, 0);
    return f;
}

static void
draw_and_add(uint64_t *seed, struct bundle *b, size_t payload, struct msg *m)
{
    draw_msg(seed, payload, m);
    assert_true(bundle_suits(m));
    bundle_add(b, m);
}

static void
messages_come_out_as_they_went_in(void **state UNUSED)
{
    uint64_t seed = 51;
    struct bundle b = {0};

    for (int round = 0; round < 20; round++) {
        struct msg in[MANY];
        struct msg out;
        size_t n = 2 + draw_below(&seed, MANY - 1);
        struct bundle_cursor c;
        struct frame f;

        for (size_t i = 0; i < n; i++)
            draw_and_add(&seed, &b, draw_below(&seed, 1000), &in[i]);
        assert_int_equal(b.count, n);
        f = take(&b);
        assert_true(bundle_is(f.bytes, f.size));
        c = bundle_begin(f.bytes, f.size);
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(bundle_next(&c, LIMIT, &out), 1);
            assert_msg_equal(&in[i], &out);
            msg_fini(&in[i]);
            msg_fini(&out);
        }
        assert_int_equal(bundle_next(&c, LIMIT, &out), 0);
        free(f.memory);
    }
    bundle_fini(&b);
}

static void
a_bundle_of_one_is_that_message(void **state UNUSED)
{
    static const size_t sizes[] = {0, 1, 200, 254, 255, BUNDLE_PAYLOAD_MAX};
    uint64_t seed = 52;

    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        struct bundle b = {0};
        AUTO(msg) struct msg in;
        AUTO(msg) struct msg out;
        struct frame f;

        draw_and_add(&seed, &b, sizes[i], &in);
        f = take(&b);
        assert_false(bundle_is(f.bytes, f.size));
        assert_int_equal(msg_decode(f.bytes, f.size, NULL, LIMIT, &out), 0);
        assert_msg_equal(&in, &out);
        free(f.memory);
    }
}

static void
large_messages_do_not_suit(void **state UNUSED)
{
    uint64_t seed = 53;
    AUTO(msg) struct msg m;

    draw_msg(&seed, BUNDLE_PAYLOAD_MAX + 1, &m);
    assert_false(bundle_suits(&m));
}

static void
a_bundle_is_never_longer_than_said(void **state UNUSED)
{
    uint64_t seed = 54;
    struct bundle b = {0};
    size_t added = 0;
    struct frame f;

    for (bool full = false; !full;) {
        AUTO(msg) struct msg m;

        draw_msg(&seed, BUNDLE_PAYLOAD_MAX - draw_below(&seed, 100), &m);
        full = !bundle_has_room(&b, &m);
        if (!full) {
            bundle_add(&b, &m);
            added++;
        }
    }
    assert_true(added >= BUNDLE_SIZE_MAX / (BUNDLE_PAYLOAD_MAX + MSG_HEAD_MAX) - 1);
    f = take(&b);
    assert_true(f.size <= BUNDLE_SIZE_MAX);
    free(f.memory);
    bundle_fini(&b);
}

/* Every beginning of a bundle: an error, or an end between two messages. */
static void
damaged_bundles_are_refused(void **state UNUSED)
{
    uint64_t seed = 55;
    struct bundle b = {0};
    struct msg m[2];
    struct frame f;

    for (size_t i = 0; i < 2; i++)
        draw_and_add(&seed, &b, 100, &m[i]);
    f = take(&b);
    msg_fini(&m[0]);
    msg_fini(&m[1]);
    for (size_t size = 5; size < f.size; size++) {
        struct bundle_cursor c = bundle_begin(f.bytes, size);
        struct msg out;
        int rc;

        while ((rc = bundle_next(&c, LIMIT, &out)) == 1)
            msg_fini(&out);
        assert_true(rc == -EPROTO || rc == 0);
        assert_true(rc == -EPROTO || c.left == 0);
    }
    assert_false(bundle_is(f.bytes, 4));
    free(f.memory);
}

static void
limits_hold_for_each_message(void **state UNUSED)
{
    uint64_t seed = 56;
    struct bundle b = {0};
    struct msg m[2];
    AUTO(msg) struct msg out;
    struct bundle_cursor c;
    struct frame f;

    draw_and_add(&seed, &b, 100, &m[0]);
    draw_and_add(&seed, &b, 101, &m[1]);
    f = take(&b);
    msg_fini(&m[0]);
    msg_fini(&m[1]);
    c = bundle_begin(f.bytes, f.size);
    assert_int_equal(bundle_next(&c, 100, &out), 1);
    msg_fini(&out);
    assert_int_equal(bundle_next(&c, 100, &out), -EMSGSIZE);
    msg_init(&out, MSG_EVENT);
    free(f.memory);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_come_out_as_they_went_in),
        cmocka_unit_test(a_bundle_of_one_is_that_message),
        cmocka_unit_test(large_messages_do_not_suit),
        cmocka_unit_test(a_bundle_is_never_longer_than_said),
        cmocka_unit_test(damaged_bundles_are_refused),
        cmocka_unit_test(limits_hold_for_each_message),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
