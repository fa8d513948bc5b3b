/* SPDX-License-Identifier: MPL-2.0 */
/* test_topo.c - every small tree is compared with one that is built child by child. */
#include "cmocka_all.h"

#include "topo.h"

#define SIZE_MAX_TRIED 40
#define FANOUT_MAX_TRIED 5

typedef void (*tree_fn)(const struct topo *t, const uint32_t *parents);

/* parents[r] as a breadth-first walk gives them out. */
static void
hand_out_parents(const struct topo *t, uint32_t *parents)
{
    uint32_t next = 1;

    parents[0] = TOPO_NONE;
    for (uint32_t r = 0; next < t->size; r++) {
        for (uint32_t i = 0; i < t->fanout && next < t->size; i++)
            parents[next++] = r;
    }
}

static void
for_every_tree(tree_fn check)
{
    uint32_t parents[SIZE_MAX_TRIED];

    for (uint32_t fanout = 1; fanout <= FANOUT_MAX_TRIED; fanout++) {
        for (uint32_t size = 1; size <= SIZE_MAX_TRIED; size++) {
            struct topo t = {.size = size, .fanout = fanout};

            hand_out_parents(&t, parents);
            check(&t, parents);
        }
    }
}

static bool
is_below(const uint32_t *parents, uint32_t rank, uint32_t top)
{
    while (rank != TOPO_NONE && rank != top)
        rank = parents[rank];
    return rank == top;
}

static void
check_neighbours(const struct topo *t, const uint32_t *parents)
{
    uint32_t total = 0;

    for (uint32_t r = 0; r < t->size; r++) {
        uint32_t count = topo_child_count(t, r);

        assert_int_equal(topo_parent(t, r), parents[r]);
        for (uint32_t i = 0; i < count; i++)
            assert_int_equal(parents[topo_child(t, r, i)], r);
        total += count;
    }
    assert_int_equal(total, t->size - 1);
}

static void
every_rank_but_the_root_is_one_parents_child(void **state UNUSED)
{
    for_every_tree(check_neighbours);
}

static void
check_subtrees(const struct topo *t, const uint32_t *parents)
{
    for (uint32_t top = 0; top < t->size; top++) {
        uint32_t size = 0;

        for (uint32_t r = 0; r < t->size; r++) {
            assert_int_equal(topo_is_below(t, r, top), is_below(parents, r, top));
            size += is_below(parents, r, top);
        }
        assert_int_equal(topo_subtree_size(t, top), size);
    }
}

static void
subtree_is_what_leads_up_to_its_top(void **state UNUSED)
{
    for_every_tree(check_subtrees);
}

static uint32_t
walk_to_hop(const uint32_t *parents, uint32_t from, uint32_t to)
{
    while (to != TOPO_NONE && parents[to] != from)
        to = parents[to];
    return to;
}

static void
check_hops(const struct topo *t, const uint32_t *parents)
{
    for (uint32_t from = 0; from < t->size; from++) {
        for (uint32_t to = 0; to < t->size; to++)
            assert_int_equal(topo_next_hop_down(t, from, to), walk_to_hop(parents, from, to));
    }
}

static void
next_hop_is_the_child_on_the_way(void **state UNUSED)
{
    for_every_tree(check_hops);
}

static void
level_counts_the_steps_to_the_root(void **state UNUSED)
{
    const struct topo binary = {.size = 100, .fanout = 2};
    const struct topo chain = {.size = 100, .fanout = 1};

    assert_int_equal(topo_level(&binary, 0), 0);
    assert_int_equal(topo_level(&binary, 2), 1);
    assert_int_equal(topo_level(&binary, 3), 2);
    assert_int_equal(topo_level(&binary, 62), 5);
    assert_int_equal(topo_level(&binary, 63), 6);
    assert_int_equal(topo_level(&chain, 99), 99);
}

static void
largest_trees_do_not_overflow(void **state UNUSED)
{
    const struct topo flat = {.size = TOPO_SIZE_MAX, .fanout = UINT32_MAX};
    const struct topo wide = {.size = TOPO_SIZE_MAX, .fanout = TOPO_SIZE_MAX - 1};
    const struct topo usual = {.size = TOPO_SIZE_MAX, .fanout = 2};
    const struct topo chain = {.size = TOPO_SIZE_MAX, .fanout = 1};

    assert_int_equal(topo_child_count(&flat, 0), TOPO_SIZE_MAX - 1);
    assert_int_equal(topo_child_count(&flat, TOPO_SIZE_MAX - 1), 0);
    assert_int_equal(topo_child(&wide, 0, TOPO_SIZE_MAX - 2), TOPO_SIZE_MAX - 1);
    assert_int_equal(topo_subtree_size(&flat, 0), TOPO_SIZE_MAX);
    assert_int_equal(topo_subtree_size(&flat, 1), 1);
    assert_int_equal(topo_subtree_size(&usual, 0), TOPO_SIZE_MAX);
    assert_int_equal(topo_subtree_size(&usual, 1) + topo_subtree_size(&usual, 2),
                     TOPO_SIZE_MAX - 1);
    assert_int_equal(topo_subtree_size(&chain, 10), TOPO_SIZE_MAX - 10);
    assert_true(topo_is_below(&chain, TOPO_SIZE_MAX - 1, 0));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_rank_but_the_root_is_one_parents_child),
        cmocka_unit_test(subtree_is_what_leads_up_to_its_top),
        cmocka_unit_test(next_hop_is_the_child_on_the_way),
        cmocka_unit_test(level_counts_the_steps_to_the_root),
        cmocka_unit_test(largest_trees_do_not_overflow),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
