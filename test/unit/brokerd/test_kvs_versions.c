/* SPDX-License-Identifier: MPL-2.0 */
#include "cmocka_all.h"

#include "kvs_versions.h"

#include <jansson.h>
#include <stdio.h>

static struct store_root
make_root(const char *ns, int64_t epoch, int64_t sequence)
{
    struct store_root root = {.epoch = epoch, .sequence = sequence};

    snprintf(root.name, sizeof(root.name), "%s", ns);
    return root;
}

static void
add(struct kvs_versions *v, const char *ns, int64_t epoch, int64_t sequence, bool follows)
{
    struct store_root root = make_root(ns, epoch, sequence);
    struct keyset *none = NULL;

    assert_true(kvs_versions_is_news(v, &root));
    kvs_versions_add(v, &root, 1.5, &none, follows);
}

static int64_t
after(const struct kvs_versions *v, const char *ns, int64_t epoch, int64_t sequence)
{
    const struct kvs_version *version =
        kvs_versions_after(v, ns, &(struct kvs_place){epoch, sequence});

    return version ? version->root.sequence : -1;
}

static void
versions_are_gone_through_in_order(void **state UNUSED)
{
    struct kvs_versions *v = kvs_versions_new(100, 1 << 20);
    const struct kvs_version *version;

    add(v, "a", 1, 5, false);
    add(v, "b", 1, 1, false);
    add(v, "a", 1, 6, true);
    add(v, "a", 1, 9, false);
    assert_int_equal(after(v, "a", 1, 4), 5);
    assert_int_equal(after(v, "a", 1, 5), 6);
    assert_int_equal(after(v, "a", 1, 7), 9);
    assert_int_equal(after(v, "a", 1, 9), -1);
    assert_int_equal(after(v, "c", 1, 0), -1);
    version = kvs_versions_oldest(v, "a");
    assert_int_equal(version->root.sequence, 5);
    version = kvs_versions_next(v, version);
    assert_true(version->follows);
    version = kvs_versions_next(v, version);
    assert_int_equal(version->root.sequence, 9);
    assert_ptr_equal(version, kvs_versions_newest(v, "a"));
    assert_null(kvs_versions_next(v, version));
    assert_null(kvs_versions_oldest(v, "c"));
    kvs_versions_free(&v);
    assert_null(v);
}

static void
an_epoch_counts_before_the_sequence(void **state UNUSED)
{
    struct kvs_versions *v = kvs_versions_new(100, 1 << 20);
    struct store_root old = make_root("a", 1, 10);

    add(v, "a", 1, 9, false);
    add(v, "a", 2, 1, false);
    assert_false(kvs_versions_is_news(v, &old));
    assert_int_equal(after(v, "a", 1, 9), 1);
    assert_int_equal(after(v, "a", 2, 1), -1);
    assert_int_equal(kvs_versions_find(v, "a", 9)->root.epoch, 1);
    add(v, "a", 2, 9, false);
    assert_int_equal(kvs_versions_find(v, "a", 9)->root.epoch, 2);
    assert_null(kvs_versions_find(v, "a", 3));
    assert_null(kvs_versions_find(v, "b", 9));
    kvs_versions_free(&v);
}

static void
the_oldest_is_forgotten_but_never_the_newest_of_a_namespace(void **state UNUSED)
{
    struct kvs_versions *v = kvs_versions_new(4, 1 << 20);

    add(v, "quiet", 1, 1, false);
    for (int64_t i = 1; i <= 10; i++)
        add(v, "busy", 1, i, i > 1);
    assert_int_equal(kvs_versions_count(v), 4);
    assert_int_equal(kvs_versions_newest(v, "quiet")->root.sequence, 1);
    assert_int_equal(kvs_versions_oldest(v, "busy")->root.sequence, 8);
    assert_int_equal(after(v, "busy", 1, 2), 8);
    for (int i = 0; i < 6; i++) {
        char name[] = "n0";

        name[1] = (char)('0' + i);
        add(v, name, 1, 1, false);
    }
    assert_int_equal(kvs_versions_count(v), 8); // one each
    assert_int_equal(kvs_versions_newest(v, "busy")->root.sequence, 10);
    kvs_versions_free(&v);
}

static void
memory_is_bounded_too(void **state UNUSED)
{
    struct kvs_versions *v = kvs_versions_new(1000, 4096);
    size_t all = 0;

    for (int64_t i = 1; i <= 100; i++) {
        json_t *json = json_pack("{s:n,s:n}", "some.key.of.this.commit", "and.another.one");
        struct keyset *keys = keyset_from_json(json);
        struct store_root root = make_root("a", 1, i);

        all += keyset_memory(keys);
        kvs_versions_add(v, &root, 0, &keys, i > 1);
        assert_null(keys);
        json_decref(json);
        assert_true(kvs_versions_memory(v) <= 4096);
    }
    assert_true(all > 4096);
    assert_true(kvs_versions_count(v) > 4);
    assert_true(keyset_has(kvs_versions_newest(v, "a")->keys, "and.another.one"));
    kvs_versions_free(&v);
}

static bool
is_even(void *arg UNUSED, const struct kvs_version *version)
{
    return version->root.sequence % 2 == 0;
}

static void
what_is_not_kept_is_forgotten_but_for_the_newest(void **state UNUSED)
{
    struct kvs_versions *v = kvs_versions_new(100, 1 << 20);

    for (int64_t i = 1; i <= 5; i++)
        add(v, "a", 1, i, i > 1);
    add(v, "b", 1, 1, false);
    kvs_versions_keep(v, is_even, NULL);
    assert_int_equal(after(v, "a", 1, 0), 2);
    assert_int_equal(after(v, "a", 1, 2), 4);
    assert_int_equal(after(v, "a", 1, 4), 5);
    assert_int_equal(after(v, "b", 1, 0), 1);
    assert_int_equal(kvs_versions_count(v), 4);
    kvs_versions_free(&v);
}

static void
a_removed_namespace_has_no_history(void **state UNUSED)
{
    struct kvs_versions *v = kvs_versions_new(100, 1 << 20);

    add(v, "a", 1, 1, false);
    add(v, "a", 1, 2, true);
    add(v, "b", 1, 7, false);
    kvs_versions_drop(v, "a");
    kvs_versions_drop(v, "a");
    assert_null(kvs_versions_newest(v, "a"));
    assert_int_equal(kvs_versions_count(v), 1);
    add(v, "a", 1, 0, false);
    assert_int_equal(kvs_versions_oldest(v, "a")->root.sequence, 0);
    kvs_versions_free(&v);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(versions_are_gone_through_in_order),
        cmocka_unit_test(an_epoch_counts_before_the_sequence),
        cmocka_unit_test(the_oldest_is_forgotten_but_never_the_newest_of_a_namespace),
        cmocka_unit_test(memory_is_bounded_too),
        cmocka_unit_test(what_is_not_kept_is_forgotten_but_for_the_newest),
        cmocka_unit_test(a_removed_namespace_has_no_history),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
