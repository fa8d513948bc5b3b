/* SPDX-License-Identifier: MPL-2.0 */
/* test_mark.c - what is reachable, and what is known about it when objects are missing. */
#include "gctest.h"

#include "mark.h"
#include "rowset.h"

static int
set_up(void **state)
{
    struct world *w = xmalloc(sizeof(*w));

    world_init(w, 7);
    *state = w;
    return 0;
}

static int
tear_down(void **state)
{
    world_fini(*state);
    free(*state);
    return 0;
}

static void
mark_all(struct mark *m, struct world *w)
{
    assert_int_equal(mark_add_roots(m, w->db), 0);
    assert_int_equal(mark_step(m, w->db, SIZE_MAX), 0);
    assert_true(mark_is_complete(m));
}

/* The marks are those of the model. */
static void
assert_marks(struct world *w, const struct mark *m)
{
    AUTO(reach) struct reach r = reach_all(w);

    for (size_t i = 0; i < w->count; i++) {
        if (has_node(w, i) && mark_has(m, id_of(w, i)) != r.kept[i])
            fail_msg("node %zu: the model says %s", i, r.kept[i] ? "kept" : "garbage");
    }
}

static void
a_set_holds_what_was_added(void **state)
{
    static const int64_t ids[] = {1, 2, 64, 32767, 32768, 1000000, (int64_t)1 << 62, INT64_MAX};
    struct rowset s;

    (void)state;
    rowset_init(&s);
    for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
        assert_false(rowset_has(&s, ids[i]));
        assert_true(rowset_add(&s, ids[i]));
        assert_false(rowset_add(&s, ids[i]));
        assert_false(rowset_has(&s, ids[i] - 1 == ids[i ? i - 1 : 0] ? 0 : ids[i] - 1));
    }
    for (size_t i = 0; i < ARRAY_SIZE(ids); i++)
        assert_true(rowset_has(&s, ids[i]));
    assert_int_equal(s.count, ARRAY_SIZE(ids));
    assert_true(rowset_memory(&s) < 100000);
    rowset_fini(&s);
}

static void
a_bit_is_enough_for_a_row(void **state)
{
    struct rowset s;

    (void)state;
    rowset_init(&s);
    for (int64_t id = 1; id <= 1000000; id++)
        rowset_add(&s, id);
    assert_int_equal(s.count, 1000000);
    assert_true(rowset_memory(&s) < 1000000 / 8 * 11 / 10);
    rowset_fini(&s);
}

static void
random_trees_are_marked_as_the_model_says(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct world w;
        struct mark *m = mark_new(DIGEST_BLAKE2B);

        world_init(&w, seed);
        make_world(&w);
        mark_all(m, &w);
        assert_marks(&w, m);
        mark_free(&m);
        world_fini(&w);
    }
}

static void
small_steps_mark_the_same(void **state)
{
    struct world *w = *state;
    struct mark *m = mark_new(DIGEST_BLAKE2B);
    struct mark_stats stats;
    size_t steps = 0;
    int rc;

    make_world(w);
    assert_int_equal(mark_add_roots(m, w->db), 0);
    while ((rc = mark_step(m, w->db, 1)) == 1)
        steps++;
    assert_int_equal(rc, 0);
    mark_stats(m, &stats);
    assert_true(steps >= stats.trees);
    assert_marks(w, m);
    mark_free(&m);
}

static void
shared_trees_are_read_once(void **state)
{
    struct world *w = *state;
    struct mark *m = mark_new(DIGEST_BLAKE2B);
    struct mark_stats stats;
    size_t top;

    /* Each level refers twice to the one below: 2^30 paths. */
    top = add_dir(w);
    for (int i = 0; i < 30; i++) {
        AUTO(treeobj) struct treeobj *dir = treeobj_new_dir();
        struct node node = {.is_tree = true};

        put_entry(dir, treeobj_new_dirref(&w->nodes[top].digest));
        put_entry(dir, treeobj_new_dirref(&w->nodes[top].digest));
        add_dep(&node, top, true);
        top = add_encoded(w, &node, dir);
    }
    set_root(w, "primary", top);
    mark_all(m, w);
    mark_stats(m, &stats);
    assert_int_equal(stats.trees, 31);
    assert_marks(w, m);
    mark_free(&m);
}

/* A key may have the bytes of a directory as its value, and be met first. */
static void
a_directory_that_is_also_a_value_is_walked(void **state)
{
    struct world *w = *state;
    struct mark *m = mark_new(DIGEST_BLAKE2B);
    AUTO(treeobj) struct treeobj *dir = treeobj_new_dir();
    struct node node = {.is_tree = true};
    size_t leaf = add_leaf(w), child = add_parent(w, leaf);

    put_entry(dir, treeobj_new_valref(&w->nodes[child].digest, 1));
    put_entry(dir, treeobj_new_dirref(&w->nodes[child].digest));
    put_entry(dir, treeobj_new_valref(&w->nodes[child].digest, 1));
    add_dep(&node, child, true);
    set_root(w, "primary", add_encoded(w, &node, dir));
    mark_all(m, w);
    assert_true(mark_has(m, id_of(w, leaf)));
    mark_free(&m);
}

static void
a_value_is_not_walked_though_it_looks_like_a_directory(void **state)
{
    struct world *w = *state;
    struct mark *m = mark_new(DIGEST_BLAKE2B);
    AUTO(treeobj) struct treeobj *dir = treeobj_new_dir();
    struct node node = {.is_tree = true};
    size_t leaf = add_value(w), child;

    put_entry(dir, treeobj_new_valref(&w->nodes[leaf].digest, 1));
    child = add_encoded(w, &node, dir);
    treeobj_unref(&dir);
    dir = treeobj_new_dir();
    put_entry(dir, treeobj_new_valref(&w->nodes[child].digest, 1));
    node = (struct node){.is_tree = true};
    add_dep(&node, child, false);
    set_root(w, "primary", add_encoded(w, &node, dir));
    mark_all(m, w);
    assert_true(mark_has(m, id_of(w, child)));
    assert_false(mark_has(m, id_of(w, leaf)));
    mark_free(&m);
}

static void
new_roots_cost_only_what_is_new(void **state)
{
    struct world *w = *state;
    struct mark *m = mark_new(DIGEST_BLAKE2B);
    struct mark_stats before, after;
    size_t top;

    make_world(w);
    top = draw_tree(w);
    set_root(w, "primary", top);
    mark_all(m, w);
    mark_stats(m, &before);
    set_root(w, "primary", add_parent(w, top));
    assert_int_equal(mark_add_roots(m, w->db), 0);
    assert_false(mark_is_complete(m));
    mark_all(m, w);
    mark_stats(m, &after);
    assert_int_equal(after.trees, before.trees + 1);
    mark_all(m, w);
    mark_stats(m, &after);
    assert_int_equal(after.trees, before.trees + 1);
    mark_free(&m);
}

static void
deep_chains_need_no_stack(void **state)
{
    struct world *w = *state;
    struct mark *m = mark_new(DIGEST_BLAKE2B);
    struct mark_stats stats;
    size_t top = add_dir(w);

    for (int i = 0; i < 3000; i++)
        top = add_parent(w, top);
    set_root(w, "primary", top);
    mark_all(m, w);
    mark_stats(m, &stats);
    assert_int_equal(stats.trees, 3001);
    mark_free(&m);
}

static void
directories_inside_are_walked_as_deep_as_they_may_be(void **state)
{
    struct world *w = *state;
    struct mark *m = mark_new(DIGEST_BLAKE2B);
    struct treeobj *top = treeobj_new_dir(), *dir = top;
    struct node node = {.is_tree = true};
    size_t leaf = add_value(w);

    for (int i = 1; i < TREEOBJ_DEPTH_MAX; i++) {
        struct treeobj *inner = treeobj_new_dir(), *borrowed = inner;

        treeobj_dir_put(dir, "d", &inner);
        dir = borrowed;
    }
    put_entry(dir, treeobj_new_valref(&w->nodes[leaf].digest, 1));
    add_dep(&node, leaf, false);
    set_root(w, "primary", add_encoded(w, &node, top));
    mark_all(m, w);
    assert_true(mark_has(m, id_of(w, leaf)));
    treeobj_unref(&top);
    mark_free(&m);
}

static void
assert_damage(struct world *w, size_t i, int why)
{
    struct mark *m = mark_new(DIGEST_BLAKE2B);
    struct mark_stats stats;
    struct digest d;

    mark_all(m, w);
    mark_stats(m, &stats);
    assert_int_equal(stats.damaged, 1);
    assert_int_equal(mark_first_damage(m, &d), why);
    assert_true(digest_equal(&d, &w->nodes[i].digest));
    mark_free(&m);
}

static void
a_missing_directory_is_remembered(void **state)
{
    struct world *w = *state;
    size_t lost = add_dir(w);

    set_root(w, "primary", add_parent(w, lost));
    remove_node(w, lost);
    assert_damage(w, lost, -ENOENT);
}

static void
a_damaged_directory_is_remembered(void **state)
{
    struct world *w = *state;
    size_t lost = add_dir(w);

    set_root(w, "primary", add_parent(w, lost));
    damage_node(w, lost);
    assert_damage(w, lost, -EIO);
}

static void
bytes_that_are_no_directory_are_remembered(void **state)
{
    struct world *w = *state;
    size_t value = add_value(w);

    set_root(w, "primary", add_parent(w, value));
    assert_damage(w, value, -EPROTO);
}

static void
a_missing_value_is_counted_and_no_obstacle(void **state)
{
    struct world *w = *state;
    struct mark *m = mark_new(DIGEST_BLAKE2B);
    AUTO(treeobj) struct treeobj *dir = treeobj_new_dir();
    struct node node = {.is_tree = true};
    struct mark_stats stats;
    struct digest d;
    size_t value = add_value(w);

    put_entry(dir, treeobj_new_valref(&w->nodes[value].digest, 1));
    add_dep(&node, value, false);
    set_root(w, "primary", add_encoded(w, &node, dir));
    remove_node(w, value);
    mark_all(m, w);
    mark_stats(m, &stats);
    assert_int_equal(stats.missing_values, 1);
    assert_int_equal(mark_first_damage(m, &d), 0);
    mark_free(&m);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_set_holds_what_was_added),
        T(a_bit_is_enough_for_a_row),
        T(random_trees_are_marked_as_the_model_says),
        T(small_steps_mark_the_same),
        T(shared_trees_are_read_once),
        T(a_directory_that_is_also_a_value_is_walked),
        T(a_value_is_not_walked_though_it_looks_like_a_directory),
        T(new_roots_cost_only_what_is_new),
        T(deep_chains_need_no_stack),
        T(directories_inside_are_walked_as_deep_as_they_may_be),
        T(a_missing_directory_is_remembered),
        T(a_damaged_directory_is_remembered),
        T(bytes_that_are_no_directory_are_remembered),
        T(a_missing_value_is_counted_and_no_obstacle),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
