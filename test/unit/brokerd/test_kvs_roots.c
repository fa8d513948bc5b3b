/* SPDX-License-Identifier: MPL-2.0 */
#include "cmocka_all.h"

#include "kvs_roots.h"

#include <stdio.h>
#include <string.h>

static struct store_root
make_root(const char *name, int64_t sequence)
{
    struct store_root root = {.owner = 7, .sequence = sequence};

    snprintf(root.name, sizeof(root.name), "%s", name);
    root.root.bytes[0] = (uint8_t)sequence;
    return root;
}

static bool
set(struct kvs_roots *r, const char *name, int64_t sequence)
{
    struct store_root root = make_root(name, sequence);

    return kvs_roots_set(r, &root);
}

static void
roots_only_move_forward(void **state UNUSED)
{
    struct kvs_roots *r = kvs_roots_new();

    assert_true(set(r, "primary", 5));
    assert_false(set(r, "primary", 5));
    assert_false(set(r, "primary", 4));
    assert_int_equal(kvs_roots_get(r, "primary")->sequence, 5);
    assert_int_equal(kvs_roots_get(r, "primary")->root.bytes[0], 5);
    assert_true(set(r, "primary", 9));
    assert_int_equal(kvs_roots_get(r, "primary")->sequence, 9);
    assert_int_equal(kvs_roots_get(r, "primary")->root.bytes[0], 9);
    assert_int_equal(kvs_roots_count(r), 1);
    kvs_roots_free(&r);
    assert_null(r);
}

static void
namespaces_are_apart(void **state UNUSED)
{
    struct kvs_roots *r = kvs_roots_new();

    assert_null(kvs_roots_get(r, "a"));
    assert_true(set(r, "a", 5));
    assert_true(set(r, "ab", 0));
    assert_true(set(r, "b", 1));
    assert_int_equal(kvs_roots_get(r, "a")->sequence, 5);
    assert_int_equal(kvs_roots_get(r, "ab")->sequence, 0);
    assert_null(kvs_roots_get(r, ""));
    assert_null(kvs_roots_get(r, "abc"));
    assert_int_equal(kvs_roots_count(r), 3);
    for (size_t i = 0; i < 3; i++) {
        const struct store_root *root = kvs_roots_at(r, i);

        assert_ptr_equal(kvs_roots_get(r, root->name), root);
    }
    kvs_roots_free(&r);
}

static void
new_run_of_rank_0_may_begin_at_a_lower_sequence(void **state UNUSED)
{
    struct kvs_roots *r = kvs_roots_new();
    struct store_root root = {.name = "primary", .sequence = 9, .epoch = 1};

    assert_true(kvs_roots_set(r, &root));
    root.epoch = 2;
    root.sequence = 1;
    assert_true(kvs_roots_set(r, &root));
    root.epoch = 1; // an announcement of the former run comes late
    root.sequence = 10;
    assert_false(kvs_roots_set(r, &root));
    assert_int_equal(kvs_roots_get(r, "primary")->sequence, 1);
    kvs_roots_remove(r, "primary");
    assert_null(kvs_roots_get(r, "primary"));
    kvs_roots_remove(r, "primary");
    kvs_roots_free(&r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(roots_only_move_forward),
        cmocka_unit_test(new_run_of_rank_0_may_begin_at_a_lower_sequence),
        cmocka_unit_test(namespaces_are_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
