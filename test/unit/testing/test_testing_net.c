/* SPDX-License-Identifier: MPL-2.0 */
/* test_testing_net.c - the network between the ranks, cut and healed. */
#include "testing_help.h"

static void
test_through_the_network(void **state)
{
    struct xylem_testing_conf conf = {.size = 8, .network = 1};
    xylem_cluster_t *c = start(&conf);
    char ref[XYLEM_BLOBREF_MAX];

    (void)state;
    store_text(c, 7, "passed on", ref);
    check_load(c, 6, ref, "passed on");
    xylem_testing_stop(&c);
}

/* Short enough that nobody is given up: what was sent comes later, and nothing is lost. */
static void
test_a_short_cut(void **state)
{
    struct xylem_testing_conf conf = {.size = 4, .network = 1, .timeout_ms = 60000};
    xylem_cluster_t *c = start(&conf);
    xylem_t *x = open_rank(c, 3);

    (void)state;
    for (int direction = 0; direction < 2; direction++) {
        uint32_t from = direction == 0 ? 3 : 1;
        uint32_t to = direction == 0 ? 1 : 3;
        struct outcome o[2] = {{.done = false}};

        check_done(c, xylem_testing_cut(c, from, to));
        assert_int_equal(xylem_store_async(x, "one", 3 - (size_t)direction, 0, on_done, &o[0]), 0);
        assert_int_equal(xylem_store_async(x, "two", 3 - (size_t)direction, 0, on_done, &o[1]), 0);
        assert_false(is_done(x, &o[0], NEVER_MS));
        check_done(c, xylem_testing_heal(c, from, to));
        assert_true(is_done(x, &o[0], SOON_MS));
        assert_true(is_done(x, &o[1], SOON_MS));
        assert_int_equal(o[0].rc, 0);
        assert_int_equal(o[1].rc, 0);
    }
    xylem_close(x);
    xylem_testing_stop(&c);
}

/* Both sides notice a partition, also one that lets one direction through. */
static void
test_partitions(void **state)
{
    static const struct {
        uint32_t from, to;
    } cuts[] = {{2, XYLEM_RANK_ANY}, {XYLEM_RANK_ANY, 2}, {XYLEM_RANK_ANY, XYLEM_RANK_ANY}};
    struct xylem_testing_conf conf = {
        .size = 4, .network = 1, .heartbeat_ms = 50, .timeout_ms = 400};
    xylem_cluster_t *c = start(&conf);
    char ref[XYLEM_BLOBREF_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
        check_done(c, xylem_testing_cut(c, cuts[i].from, cuts[i].to));
        check_done(c, xylem_testing_wait(c, "degraded", SOON_MS));
        check_done(c, xylem_testing_heal(c, XYLEM_RANK_ANY, XYLEM_RANK_ANY));
        check_done(c, xylem_testing_wait(c, "full", SOON_MS));
        store_text(c, 2, "joined again", ref);
    }
    xylem_testing_stop(&c);
}

/* An inner rank is cut off from all: those below it find another one. */
static void
test_an_inner_rank_is_cut_off(void **state)
{
    struct xylem_testing_conf conf = {
        .size = 8, .network = 1, .heartbeat_ms = 50, .timeout_ms = 400};
    xylem_cluster_t *c = start(&conf);
    xylem_t *x = open_rank(c, 7);
    struct outcome stored = {.done = false};

    (void)state;
    check_done(c, xylem_testing_cut(c, 1, XYLEM_RANK_ANY));
    check_done(c, xylem_testing_cut(c, XYLEM_RANK_ANY, 1));
    assert_int_equal(xylem_store_async(x, "around it", 9, 0, on_done, &stored), 0);
    assert_true(is_done(x, &stored, SOON_MS));
    assert_int_equal(stored.rc, 0);
    check_load(c, 2, stored.data, "around it");
    check_done(c, xylem_testing_heal(c, XYLEM_RANK_ANY, XYLEM_RANK_ANY));
    check_done(c, xylem_testing_wait(c, "full", SOON_MS));
    check_load(c, 1, stored.data, "around it");
    xylem_close(x);
    xylem_testing_stop(&c);
}

static void
test_killed_behind_the_network(void **state)
{
    struct xylem_testing_conf conf = {.size = 8, .network = 1};
    xylem_cluster_t *c = start(&conf);
    char ref[XYLEM_BLOBREF_MAX];

    (void)state;
    for (uint32_t rank = 0; rank < 8; rank += 3) {
        check_done(c, xylem_testing_kill(c, rank));
        check_done(c, xylem_testing_restart(c, rank));
        check_done(c, xylem_testing_wait(c, "full", SOON_MS));
        store_text(c, 7, "back", ref);
    }
    check_done(c, xylem_testing_leave(c, 1));
    check_done(c, xylem_testing_restart(c, 1));
    check_done(c, xylem_testing_wait(c, "full", SOON_MS));
    xylem_testing_stop(&c);
}

/* "full" is not what rank 0 still believes of the former run of a rank that does not reach it. */
static void
test_full_is_no_memory(void **state)
{
    struct xylem_testing_conf conf = {.size = 4, .network = 1, .timeout_ms = 60000};
    xylem_cluster_t *c = start(&conf);

    (void)state;
    check_done(c, xylem_testing_cut(c, 1, 0));
    check_done(c, xylem_testing_kill(c, 1));
    check_done(c, xylem_testing_restart(c, 1));
    assert_int_equal(xylem_testing_wait(c, "full", NEVER_MS), -ETIMEDOUT);
    check_done(c, xylem_testing_heal(c, 1, 0));
    check_done(c, xylem_testing_wait(c, "full", SOON_MS));
    xylem_testing_stop(&c);
}

static void
test_stopped_while_cut(void **state)
{
    struct xylem_testing_conf conf = {.size = 4, .network = 1};
    xylem_cluster_t *c = start(&conf);

    (void)state;
    assert_int_equal(xylem_testing_cut(c, 0, 4), -EINVAL);
    check_done(c, xylem_testing_cut(c, 0, 1));
    check_done(c, xylem_testing_cut(c, 2, 0));
    check_done(c, xylem_testing_cut(c, 2, 3)); // no link
    xylem_testing_stop(&c);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_through_the_network),
        cmocka_unit_test(test_a_short_cut),
        cmocka_unit_test(test_partitions),
        cmocka_unit_test(test_an_inner_rank_is_cut_off),
        cmocka_unit_test(test_killed_behind_the_network),
        cmocka_unit_test(test_full_is_no_memory),
        cmocka_unit_test(test_stopped_while_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
