/* SPDX-License-Identifier: MPL-2.0 */
/* What a comparison yields, and what it costs.  Damage: test_diff_damage.c. */
#include "difftest.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

/* --- what is yielded --- */

static void
keys_are_added_removed_and_changed(void **state)
{
    struct rig *r = *state;
    struct digest old, new;

    put(r, "a.same", "0");
    put(r, "a.b", "1");
    put(r, "a.c", "1");
    old = root(r);
    put(r, "a.c", "2");
    put(r, "a.d", "1");
    put_object(r, "a.b", NULL);
    new = root(r);
    assert_diff(r, &old, &new,
                "a/b" OBJECT("MQ==") " -\na/c" OBJECT("MQ==")
                    OBJECT("Mg==") "\na/d -" OBJECT("MQ==") "\n");
    assert_diff(r, &new, &old,
                "a/b -" OBJECT("MQ==") "\na/c" OBJECT("Mg==")
                    OBJECT("MQ==") "\na/d" OBJECT("MQ==") " -\n");
}

static void
equal_roots_need_no_load(void **state)
{
    struct rig *r = *state;
    struct digest d = {.bytes = {1}}; // of nothing that is stored

    assert_diff(r, &d, &d, "");
    assert_diff(r, NULL, NULL, "");
}

static void
a_root_that_is_not_there_has_no_keys(void **state)
{
    struct rig *r = *state;
    struct digest d;

    put(r, "a.b", "1");
    d = root(r);
    assert_diff(r, NULL, &d, "a/b -" OBJECT("MQ==") "\n");
    assert_diff(r, &d, NULL, "a/b" OBJECT("MQ==") " -\n");
}

static void
empty_directories_are_members(void **state)
{
    struct rig *r = *state;
    struct digest empty = root(r);
    struct digest one, full;

    put_object(r, "a.b", treeobj_new_dir());
    one = root(r);
    put(r, "a.b.c", "1");
    full = root(r);
    assert_diff(r, &empty, &one, "a/b/ - {}\n");
    assert_diff(r, &one, &empty, "a/b/ {} -\n");
    assert_diff(r, &one, &full, "a/b/ {} -\na/b/c -" OBJECT("MQ==") "\n");
    assert_diff(r, &full, &one, "a/b/ - {}\na/b/c" OBJECT("MQ==") " -\n");
    assert_diff(r, &full, &empty, "a/b/c" OBJECT("MQ==") " -\n");
}

static void
a_value_that_becomes_a_directory_is_removed(void **state)
{
    struct rig *r = *state;
    struct digest old, new;

    put(r, "a", "1");
    put(r, "a-", "1");
    old = root(r);
    put_object(r, "a", NULL);
    put(r, "a.b", "1");
    put(r, "a-", "2");
    new = root(r);
    assert_diff(r, &old, &new,
                "a" OBJECT("MQ==") " -\na-" OBJECT("MQ==")
                    OBJECT("Mg==") "\na/b -" OBJECT("MQ==") "\n");
    assert_diff(r, &new, &old,
                "a -" OBJECT("MQ==") "\na-" OBJECT("Mg==")
                    OBJECT("MQ==") "\na/b" OBJECT("MQ==") " -\n");
}

/* Nobody writes directories in place, but RFC 11 allows them. */
static void
a_directory_in_place_is_compared_with_a_stored_one(void **state)
{
    struct rig *r = *state;
    struct digest stored, in_place, deep;

    put(r, "a.b", "1");
    put_object(r, "e", treeobj_new_dir());
    stored = root(r);
    store_put_text(
        &r->store,
        "{\"data\":{\"a\":{\"data\":{\"b\":{\"data\":\"MQ==\",\"type\":\"val\",\"ver\":1}},"
        "\"type\":\"dir\",\"ver\":1},\"e\":{\"data\":{},\"type\":\"dir\",\"ver\":1}},"
        "\"type\":\"dir\",\"ver\":1}",
        &in_place);
    store_put_text(
        &r->store,
        "{\"data\":{\"a\":{\"data\":{\"b\":{\"data\":{\"c\":{\"data\":{},\"type\":\"dir\","
        "\"ver\":1}},\"type\":\"dir\",\"ver\":1}},\"type\":\"dir\",\"ver\":1}},"
        "\"type\":\"dir\",\"ver\":1}",
        &deep);
    assert_diff(r, &stored, &in_place, "");
    assert_diff(r, &in_place, &stored, "");
    assert_diff(r, &stored, &deep, "a/b" OBJECT("MQ==") " -\na/b/c/ - {}\ne/ {} -\n");
    assert_diff(r, &in_place, &deep, "a/b" OBJECT("MQ==") " -\na/b/c/ - {}\ne/ {} -\n");
}

static void
add_form(struct buf *out, const struct diff_form *form)
{
    if (!form->is_there)
        buf_add_str(out, " -");
    else
        buf_printf(out, " %s%" PRIu64,
                   form->is_inline ? "inline"
                   : form->is_wide ? "hdir"
                                   : "dir",
                   form->entries);
}

/* The directories that are told, and in between the keys. */
static void
assert_told(struct rig *r, const struct digest *old, const struct digest *new, const char *want)
{
    for (uint64_t seed = 1; seed < 20; seed++) {
        struct feed f = {.store = &r->store, .seed = seed};
        struct buf out = BUF_INIT;
        const struct diff_item *item;

        f.diff = diff_new(ALG, old, new, 1 + draw_below(&f.seed, LOADS_MAX));
        diff_tell_dirs(f.diff);
        while ((item = feed_next(&f))->kind != DIFF_END) {
            buf_add_str(&out, item->path);
            for (size_t i = 0; i < DIFF_SIDES && item->kind == DIFF_DIR; i++)
                add_form(&out, &item->form[i]);
            buf_add_char(&out, '\n');
        }
        diff_free(&f.diff);
        assert_string_equal(buf_str(&out), want);
        buf_fini(&out);
    }
}

static void
directories_are_told_before_what_is_below_them(void **state)
{
    struct rig *r = *state;
    struct hdir_form form = hdir_form(ALG, 3);
    struct digest old, new, in_place;

    tree_set_form(r->tree, &form);
    put(r, "same.a", "1");
    for (unsigned i = 0; i < 4; i++) {
        char key[16];

        snprintf(key, sizeof(key), "wide.k%u", i);
        put(r, key, "1");
    }
    put(r, "gone.x.y", "1");
    old = root(r);
    put_object(r, "gone", NULL);
    put_object(r, "wide.k1", NULL);
    put_object(r, "void", treeobj_new_dir());
    new = root(r);
    assert_told(r, &old, &new,
                " dir3 dir3\n"
                "gone dir1 -\ngone/x dir1 -\ngone/x/y\n"
                "void - dir0\nvoid\n"
                "wide hdir4 dir3\nwide/k1\n");
    store_put_text(&r->store,
                   "{\"data\":{\"void\":{\"data\":{},\"type\":\"dir\",\"ver\":1}},"
                   "\"type\":\"dir\",\"ver\":1}",
                   &in_place);
    assert_told(r, NULL, &in_place, " - dir1\nvoid - inline0\nvoid\n");
    assert_told(r, &new, &new, "");
}

/* --- what it costs --- */

static void
fill(struct rig *r, const char *dir, size_t count)
{
    struct txn txn = TXN_INIT;

    for (size_t i = 0; i < count; i++) {
        char key[64];

        snprintf(key, sizeof(key), "%s.key%zu", dir, i);
        add_op(&txn, key, 0, new_val("1"));
    }
    assert_int_equal(store_apply(&r->store, r->tree, &txn, NULL), 0);
    txn_fini(&txn);
}

static size_t
count_loads(struct rig *r, const struct digest *old, const struct digest *new, const char *want)
{
    struct buf out = BUF_INIT;
    size_t loads = diff_text(&r->store, old, new, 1, &out);

    assert_string_equal(buf_str(&out), want);
    buf_fini(&out);
    return loads;
}

static void
one_change_in_a_wide_directory_costs_few_loads(void **state)
{
    struct rig *r = *state;
    struct hdir_form form = hdir_form(ALG, HDIR_MAXDIRENT);
    struct digest old, new;

    tree_set_form(r->tree, &form);
    fill(r, "x.wide", 100000);
    fill(r, "x.beside", 1000);
    old = root(r);
    put(r, "x.wide.key77777", "2");
    new = root(r);
    assert_in_range(
        count_loads(r, &old, &new, "x/wide/key77777" OBJECT("MQ==") OBJECT("Mg==") "\n"), 1, 39);
    put_object(r, "x.wide.key77777", NULL);
    new = root(r);
    assert_in_range(count_loads(r, &old, &new, "x/wide/key77777" OBJECT("MQ==") " -\n"), 1, 39);
    assert_in_range(count_loads(r, &new, &old, "x/wide/key77777 -" OBJECT("MQ==") "\n"), 1, 39);
}

static void
one_change_in_a_deep_tree_costs_one_load_a_level_and_side(void **state)
{
    struct rig *r = *state;
    struct digest old, new;

    for (char c = 'a'; c < 'z'; c++) {
        char key[] = "a.b.c.d.?";

        for (size_t i = 0; i < sizeof(key); i += 2) {
            key[i] = c;
            put(r, key, "1");
            key[i] = (char)('a' + i / 2);
        }
    }
    put_object(r, "a.b.c.d", NULL);
    put(r, "a.b.c.d.e", "1");
    old = root(r);
    put(r, "a.b.c.d.e", "2");
    new = root(r);
    assert_int_equal(count_loads(r, &old, &new, "a/b/c/d/e" OBJECT("MQ==") OBJECT("Mg==") "\n"),
                     10);
}

/* Loads that can be had without anything being taken out. */
static size_t
look_ahead(struct rig *r, const struct digest *old, const struct digest *new, size_t maxreqs)
{
    struct feed f = {.store = &r->store, .seed = 1};
    struct buf out = BUF_INIT;
    size_t loads;

    f.diff = diff_new(ALG, old, new, maxreqs);
    for (feed_ask(&f); f.count > 0; feed_ask(&f)) {
        assert_true(f.count <= maxreqs);
        feed_answer(&f);
    }
    loads = f.loads;
    feed_run(&f, &out); // it goes on to the end all the same
    assert_true(out.size > 0);
    diff_free(&f.diff);
    buf_fini(&out);
    return loads;
}

/* What was gone through does not count any more. */
static size_t
most_loads_out(struct rig *r, const struct digest *old, const struct digest *new, size_t from)
{
    struct feed f = {.store = &r->store, .seed = 1};
    size_t most = 0;

    f.diff = diff_new(ALG, old, new, 8);
    while (feed_next(&f)->kind != DIFF_END) {
        if (f.loads > from)
            most = MAX(most, f.count);
    }
    diff_free(&f.diff);
    return most;
}

static void
many_changes_do_not_fill_the_memory(void **state)
{
    struct rig *r = *state;
    struct digest few, many;

    fill(r, "a", 1);
    few = root(r);
    for (size_t i = 0; i < 20000; i++) {
        char key[32];

        snprintf(key, sizeof(key), "dir%zu.key", i);
        put(r, key, key);
    }
    many = root(r);
    assert_in_range(look_ahead(r, &few, &many, 16), 1000, 4200);
    assert_in_range(look_ahead(r, &many, NULL, 1), 1000, 4200);
}

static void
nor_do_large_directories_with_few(void **state)
{
    struct rig *r = *state;
    struct digest old, new;
    char key[32];

    for (size_t i = 0; i < 20; i++) {
        snprintf(key, sizeof(key), "large.dir%zu", i);
        fill(r, key, 10000); // more than 1 MiB
    }
    old = root(r);
    for (size_t i = 0; i < 20; i++) {
        snprintf(key, sizeof(key), "large.dir%zu.key77", i);
        put(r, key, "2");
    }
    new = root(r);
    assert_in_range(look_ahead(r, &old, &new, 4), 8, 24);
}

/* The directory that is gone through may be larger than all that is held for later. */
static void
below_a_huge_directory_it_looks_ahead(void **state)
{
    struct rig *r = *state;
    struct digest roots[2];

    fill(r, "huge", 160000);
    for (size_t i = 0; i < 2; i++) {
        for (size_t k = 0; k < 100; k++) {
            char key[32];

            snprintf(key, sizeof(key), "huge.n%zu.key", k);
            put(r, key, i == 0 ? "1" : "2");
        }
        roots[i] = root(r);
    }
    assert_in_range(most_loads_out(r, &roots[0], &roots[1], 20), 5, 8);
}

/* The first directory is wide: when its parts come, there is no room left to look ahead, but it must
 * go on all the same. */
static void
what_comes_next_may_always_be_asked_for(void **state)
{
    struct rig *r = *state;
    struct hdir_form tiny = {ALG, 10, 4, hdir_hash};
    struct hdir_form plain = hdir_form(ALG, 0);
    struct digest old = root(r), new;
    struct buf out = BUF_INIT;
    size_t lines = 0;

    tree_set_form(r->tree, &tiny);
    fill(r, "a", 3000);
    root(r);
    tree_set_form(r->tree, &plain);
    for (size_t i = 0; i < 6000; i++) {
        char key[32];

        snprintf(key, sizeof(key), "b%zu", i);
        put(r, key, "1");
    }
    new = root(r);
    for (uint64_t seed = 1; seed < 5; seed++)
        diff_text(&r->store, &old, &new, seed, &out);
    for (size_t i = 0; i < out.size; i++)
        lines += out.data[i] == '\n';
    assert_int_equal(lines, 4 * 9000);
    buf_fini(&out);
}

static void
it_can_be_given_up_at_any_time(void **state)
{
    struct rig *r = *state;
    struct digest d;
    struct hdir_form form = {ALG, 10, 4, hdir_hash};

    tree_set_form(r->tree, &form);
    fill(r, "a", 200);
    fill(r, "b.c", 50);
    fill(r, "b.d", 3);
    d = root(r);
    for (size_t steps = 0; steps < 200; steps++) {
        struct feed f = {.store = &r->store, .seed = steps + 1};
        size_t i;

        f.diff = diff_new(ALG, NULL, &d, 1 + steps % 9);
        for (i = 0; i < steps; i++) {
            feed_ask(&f);
            if (diff_next(f.diff)->kind == DIFF_END)
                break;
            feed_ask(&f);
            if (f.count > 0)
                feed_answer(&f);
        }
        while (f.count > 0)
            diff_fail(f.out[--f.count], -ECANCELED, "given up");
        diff_free(&f.diff);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(keys_are_added_removed_and_changed),
        T(equal_roots_need_no_load),
        T(a_root_that_is_not_there_has_no_keys),
        T(empty_directories_are_members),
        T(a_value_that_becomes_a_directory_is_removed),
        T(a_directory_in_place_is_compared_with_a_stored_one),
        T(directories_are_told_before_what_is_below_them),
        T(one_change_in_a_wide_directory_costs_few_loads),
        T(one_change_in_a_deep_tree_costs_one_load_a_level_and_side),
        T(many_changes_do_not_fill_the_memory),
        T(nor_do_large_directories_with_few),
        T(below_a_huge_directory_it_looks_ahead),
        T(what_comes_next_may_always_be_asked_for),
        T(it_can_be_given_up_at_any_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
