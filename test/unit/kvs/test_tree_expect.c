/* SPDX-License-Identifier: MPL-2.0 */
/* test_tree_expect.c - what a transaction expects of keys, before and after what was applied is
 * written. */
#include "treetest.h"

#include <errno.h>
#include <stdio.h>

#define KEYS 12

/* tree_expect() of one key, with all that it needs. */
static int
expect(struct rig *r, const char *key, struct treeobj *dirent, struct err *err)
{
    AUTO(txn) struct txn txn = TXN_INIT;
    int rc;

    assert_int_equal(txn_expect(&txn, key, &dirent, NULL), 0);
    while ((rc = tree_expect(r->tree, &txn, err)) == 1) {
        size_t count;
        const struct digest *needs = tree_needs(r->tree, &count);

        assert_true(count > 0);
        for (size_t i = 0; i < count; i++)
            assert_int_equal(
                tree_provide(r->tree, &needs[i], store_get(&r->store, &needs[i]), NULL), 0);
    }
    return rc;
}

/* The same; it holds neither for something else nor for nothing. */
static void
assert_is(struct rig *r, const char *key, struct treeobj *dirent)
{
    assert_int_equal(expect(r, key, treeobj_new_val("else", 4), NULL), -EAGAIN);
    assert_int_equal(expect(r, key, NULL, NULL), -EAGAIN);
    assert_int_equal(expect(r, key, dirent, NULL), 0);
}

/* A tree that has nothing in memory. */
static void
forget(struct rig *r)
{
    struct digest root;

    write_out(r, &root);
    tree_free(&r->tree);
    r->tree = tree_new(ALG, &root);
}

/* Of what is written. */
static struct treeobj *
dirref_of(struct rig *r, const char *text)
{
    struct digest d;

    (void)r;
    digest_compute(ALG, text, strlen(text), &d);
    return treeobj_new_dirref(&d);
}

static void
values_are_compared_as_they_are_stored(void **state)
{
    struct rig *r = *state;
    struct digest d;
    struct digest refs[2];

    put(r, "a", "1");
    put(r, "long", LONG);
    put(r, "log", "x");
    append(r, "log", "y");
    assert_int_equal(apply(r, "link", 0, link_to("a")), 0);
    for (int round = 0; round < 2; round++) { // before it is written, and from the store
        digest_compute(ALG, LONG, strlen(LONG), &d);
        digest_compute(ALG, "x", 1, &refs[0]);
        digest_compute(ALG, "y", 1, &refs[1]);
        assert_is(r, "a", new_val("1"));
        assert_is(r, "long", treeobj_new_valref(&d, 1));
        assert_is(r, "log", treeobj_new_valref(refs, 2));
        assert_is(r, "link", link_to("a"));
        assert_int_equal(expect(r, "long", new_val(LONG), NULL), -EAGAIN);
        assert_int_equal(expect(r, "b", NULL, NULL), 0);
        assert_int_equal(expect(r, "b", new_val("1"), NULL), -EAGAIN);
        forget(r);
    }
}

static void
nothing_is_below_a_value_or_a_missing_directory(void **state)
{
    struct rig *r = *state;

    put(r, "a", "1");
    assert_int_equal(expect(r, "a.b", NULL, NULL), 0);
    assert_int_equal(expect(r, "x.y.z", NULL, NULL), 0);
    assert_int_equal(expect(r, "a.b", new_val("1"), NULL), -EAGAIN);
}

static void
directory_has_a_digest_once_it_is_written(void **state)
{
    struct rig *r = *state;

    put(r, "d.a", "1");
    assert_int_equal(expect(r, "d", dirref_of(r, DIR(VAL("a", "MQ=="))), NULL),
                     TREE_EXPECT_UNWRITTEN);
    assert_int_equal(expect(r, ".", dirref_of(r, DIR(VAL("a", "MQ=="))), NULL),
                     TREE_EXPECT_UNWRITTEN);
    assert_int_equal(expect(r, "d", NULL, NULL), -EAGAIN); // whatever it becomes
    assert_int_equal(expect(r, "d", new_val("1"), NULL), -EAGAIN);
    forget(r);
    assert_is(r, "d", dirref_of(r, DIR(VAL("a", "MQ=="))));
    assert_int_equal(expect(r, "d", dirref_of(r, DIR("")), NULL), -EAGAIN);
}

static void
root_is_the_dirref_of_the_tree(void **state)
{
    struct rig *r = *state;

    assert_is(r, ".", dirref_of(r, DIR("")));
    put(r, "a", "1");
    forget(r);
    assert_is(r, ".", dirref_of(r, DIR(VAL("a", "MQ=="))));
    assert_int_equal(expect(r, ".", dirref_of(r, DIR("")), NULL), -EAGAIN);
}

static void
links_on_the_way_are_followed_the_last_is_not(void **state)
{
    struct rig *r = *state;
    struct err err = {0};

    put(r, "d.e.a", "1");
    assert_int_equal(apply(r, "to", 0, link_to("d.e")), 0);
    assert_int_equal(apply(r, "round", 0, link_to("round.x")), 0);
    assert_int_equal(apply(r, "far", 0, treeobj_new_symlink("other", "d")), 0);
    forget(r);
    assert_is(r, "to.a", new_val("1"));
    assert_is(r, "to", link_to("d.e"));
    assert_int_equal(expect(r, "round.y", NULL, &err), -ELOOP);
    assert_non_null(strstr(err.text, "key 'round.y'"));
    assert_int_equal(expect(r, "far.a", NULL, NULL), -EINVAL);
}

static void
text_says_which_key_and_why(void **state)
{
    struct rig *r = *state;
    struct err err = {0};

    put(r, "d.a%2Eb", "1");
    expect(r, "d.a%2Eb", NULL, &err);
    assert_string_equal(err.text, "key 'd.a%2Eb': exists, but was expected not to");
    expect(r, "d.x", new_val("1"), &err);
    assert_string_equal(err.text, "key 'd.x': does not exist, but was expected to");
    expect(r, "d.a%2Eb", new_val("2"), &err);
    assert_string_equal(err.text, "key 'd.a%2Eb': is not what was expected");
}

/* What Flux could have stored. */
static void
inline_directory_is_compared_by_its_entries(void **state)
{
    struct rig *r = *state;
    static const char text[] =
        DIR("\"d\":" DIR("\"e\":" DIR(VAL("a", "MQ==")) "," VAL("b", "MQ==")));
    struct digest root;
    AUTO(treeobj) struct treeobj *whole = NULL;

    store_put_text(&r->store, text, &root);
    tree_free(&r->tree);
    r->tree = tree_new(ALG, &root);
    assert_int_equal(treeobj_decode(ALG, text, strlen(text), &whole, NULL), 0);
    assert_is(r, "d", treeobj_ref(treeobj_dir_get(whole, "d")));
    assert_is(r, "d.e.a", new_val("1"));
    put(r, "top", "1"); // all becomes directories of their own
    assert_int_equal(expect(r, "d", treeobj_ref(treeobj_dir_get(whole, "d")), NULL), -EAGAIN);
    assert_int_equal(expect(r, "d.e.a", new_val("1"), NULL), 0);
}

static void
all_keys_must_hold_and_what_they_need_is_asked_for_at_once(void **state)
{
    struct rig *r = *state;
    AUTO(txn) struct txn txn = TXN_INIT;
    struct treeobj *one = new_val("1"), *two = new_val("2"), *none = NULL;
    size_t count;

    put(r, "d.a", "1");
    put(r, "e.a", "2");
    forget(r);
    assert_int_equal(expect(r, "x", NULL, NULL), 0); // now the root is loaded
    assert_int_equal(txn_expect(&txn, "d.a", &one, NULL), 0);
    assert_int_equal(txn_expect(&txn, "e.a", &two, NULL), 0);
    assert_int_equal(tree_expect(r->tree, &txn, NULL), 1);
    tree_needs(r->tree, &count);
    assert_int_equal(count, 2);
    assert_int_equal(expect(r, "d.a", new_val("1"), NULL), 0);
    assert_int_equal(expect(r, "e.a", new_val("2"), NULL), 0);
    assert_int_equal(tree_expect(r->tree, &txn, NULL), 0);
    assert_int_equal(txn_expect(&txn, "e.a", &none, NULL), 0);
    assert_int_equal(tree_expect(r->tree, &txn, NULL), -EAGAIN);
}

/* --- wide directories, against a model --- */

static void
wide_directories_are_like_others(void **state)
{
    struct rig *r = *state;
    struct hdir_form form = {ALG, 3, 2, hdir_hash};
    int model[KEYS] = {0};
    uint64_t seed = 7;

    tree_set_form(r->tree, &form);
    for (int step = 0; step < 600; step++) {
        size_t k = draw_below(&seed, KEYS);
        char key[16], value[16];
        bool is_right = draw_below(&seed, 2) == 0;
        struct treeobj *expected;

        snprintf(key, sizeof(key), "w.k%zu", k);
        snprintf(value, sizeof(value), "%d", is_right ? model[k] : model[k] + 1);
        expected = is_right && model[k] == 0 ? NULL : new_val(value);
        assert_int_equal(expect(r, key, expected, NULL), is_right ? 0 : -EAGAIN);
        model[k] = draw_below(&seed, 3) == 0 ? 0 : step + 1;
        snprintf(value, sizeof(value), "%d", model[k]);
        assert_int_equal(apply(r, key, 0, model[k] ? new_val(value) : NULL), 0);
        if (draw_below(&seed, 8) == 0) {
            forget(r);
            tree_set_form(r->tree, &form);
        }
    }
}

/* As the committer goes about it: both are called again when what either has missed is there. */
static void
directories_that_only_the_operations_need_are_loaded_too(void **state)
{
    struct rig *r = *state;
    AUTO(txn) struct txn txn = TXN_INIT;
    struct treeobj *nothing = NULL;
    int rounds = 0;
    int rc;

    put(r, "seen.x", "1");
    put(r, "plain.a.b", "1");
    forget(r);
    assert_int_equal(txn_expect(&txn, "seen.no", &nothing, NULL), 0);
    add_op(&txn, "plain.a.b", 0, new_val("2"));
    while ((rc = tree_expect(r->tree, &txn, NULL)) == 1 ||
           (rc == 0 && (rc = tree_apply(r->tree, &txn, NULL)) == 1)) {
        size_t count;
        const struct digest *needs = tree_needs(r->tree, &count);

        assert_true(count > 0);
        assert_true(++rounds < 10);
        for (size_t i = 0; i < count; i++)
            assert_int_equal(
                tree_provide(r->tree, &needs[i], store_get(&r->store, &needs[i]), NULL), 0);
    }
    assert_int_equal(rc, 0);
    assert_is(r, "plain.a.b", new_val("2"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(values_are_compared_as_they_are_stored),
        T(nothing_is_below_a_value_or_a_missing_directory),
        T(directory_has_a_digest_once_it_is_written),
        T(root_is_the_dirref_of_the_tree),
        T(links_on_the_way_are_followed_the_last_is_not),
        T(text_says_which_key_and_why),
        T(inline_directory_is_compared_by_its_entries),
        T(all_keys_must_hold_and_what_they_need_is_asked_for_at_once),
        T(wide_directories_are_like_others),
        T(directories_that_only_the_operations_need_are_loaded_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
