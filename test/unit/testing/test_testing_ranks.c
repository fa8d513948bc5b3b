/* SPDX-License-Identifier: MPL-2.0 */
/* test_testing_ranks.c - ranks that are killed, stopped, started and paused. */
#include "testing_help.h"

#include <unistd.h>

/* Recorded checkpoints. */
static size_t
count_checkpoints(xylem_cluster_t *c)
{
    xylem_t *x = open_rank(c, 0);
    char *answer = NULL;
    size_t count = 0;

    if (xylem_rpc(x, "content.checkpoint-get", 0, NULL, &answer) == 0) {
        for (const char *p = answer; (p = strstr(p, "rootref")); p++)
            count++;
    }
    free(answer);
    xylem_close(x);
    return count;
}

static void
put_something(xylem_cluster_t *c)
{
    xylem_t *x = open_rank(c, 0);

    assert_int_equal(xylem_put(x, NULL, "key", "value", 5), 0);
    xylem_close(x);
}

static void
test_an_inner_rank_comes_back(void **state)
{
    struct xylem_testing_conf conf = {.size = 8};
    xylem_cluster_t *c = start(&conf);
    char old_ref[XYLEM_BLOBREF_MAX];
    char ref[XYLEM_BLOBREF_MAX];

    (void)state;
    store_text(c, 7, "before", old_ref);
    check_done(c, xylem_testing_kill(c, 1));
    check_done(c, xylem_testing_restart(c, 1));
    check_done(c, xylem_testing_wait(c, "full", SOON_MS));
    check_load(c, 3, old_ref, "before");
    store_text(c, 7, "after", ref);
    check_load(c, 2, ref, "after");
    xylem_testing_stop(&c);
}

/* Those below a rank that was killed are taken in by one above it, and go home when it is back. */
static void
test_orphans_are_adopted(void **state)
{
    struct xylem_testing_conf conf = {.size = 8};
    xylem_cluster_t *c = start(&conf);
    xylem_t *x = open_rank(c, 7);
    struct outcome stored = {.done = false};

    (void)state;
    check_done(c, xylem_testing_kill(c, 1));
    assert_int_equal(xylem_store_async(x, "adopted", 7, 0, on_done, &stored), 0);
    assert_true(is_done(x, &stored, SOON_MS));
    assert_int_equal(stored.rc, 0);
    check_load(c, 2, stored.data, "adopted");
    check_done(c, xylem_testing_restart(c, 1));
    check_done(c, xylem_testing_wait(c, "full", SOON_MS));
    check_load(c, 1, stored.data, "adopted");
    xylem_close(x);
    xylem_testing_stop(&c);
}

/* What is asked of a rank below goes on when the rank above is there again. */
static void
test_requests_wait(void **state)
{
    struct xylem_testing_conf conf = {.size = 8};
    xylem_cluster_t *c = start(&conf);
    xylem_t *x = open_rank(c, 7);
    struct outcome stored = {.done = false};

    (void)state;
    check_done(c, xylem_testing_kill(c, 0));
    assert_int_equal(xylem_store_async(x, "late", 4, 0, on_done, &stored), 0);
    assert_false(is_done(x, &stored, NEVER_MS));
    check_done(c, xylem_testing_restart(c, 0));
    assert_true(is_done(x, &stored, SOON_MS));
    assert_int_equal(stored.rc, 0);
    check_done(c, xylem_testing_wait(c, "full", SOON_MS));
    check_load(c, 2, stored.data, "late");
    xylem_close(x);
    xylem_testing_stop(&c);
}

static void
test_a_killed_rank_is_missed(void **state)
{
    struct xylem_testing_conf conf = {.size = 4};
    xylem_cluster_t *c = start(&conf);
    xylem_t *x = open_rank(c, 3);
    struct outcome o = {.done = false};

    (void)state;
    check_done(c, xylem_testing_kill(c, 3));
    assert_int_equal(xylem_store_async(x, "lost", 4, 0, on_done, &o), 0);
    while (xylem_dispatch(x, 100) >= 0)
        continue;
    assert_true(o.done);
    assert_int_equal(o.rc, -ECONNRESET);
    xylem_close(x);
    check_done(c, xylem_testing_wait(c, "degraded", SOON_MS));
    assert_int_equal(xylem_testing_wait(c, "full", 50), -ETIMEDOUT);
    assert_string_equal(xylem_testing_error(c), "not full after 50 ms: rank 3 is down");
    check_done(c, xylem_testing_restart(c, 3));
    check_done(c, xylem_testing_wait(c, "full", SOON_MS));
    xylem_testing_stop(&c);
}

/* "full" is not what the ranks still believe when one was killed and is started again. */
static void
test_full_is_seen_anew(void **state)
{
    struct xylem_testing_conf conf = {.size = 8};
    xylem_cluster_t *c = start(&conf);

    (void)state;
    for (int i = 0; i < 3; i++) {
        xylem_t *x;
        char *answer;

        check_done(c, xylem_testing_kill(c, 1));
        check_done(c, xylem_testing_restart(c, 1));
        check_done(c, xylem_testing_wait(c, "full", SOON_MS));
        x = open_rank(c, 0);
        assert_int_equal(xylem_rpc(x, "overlay.health", 1, NULL, &answer), 0);
        assert_null(strstr(answer, "offline"));
        assert_null(strstr(answer, "lost"));
        free(answer);
        xylem_close(x);
    }
    xylem_testing_stop(&c);
}

static void
test_killed_writes_nothing_down(void **state)
{
    xylem_cluster_t *c = start(NULL);

    (void)state;
    put_something(c);
    check_done(c, xylem_testing_kill(c, 0));
    check_done(c, xylem_testing_restart(c, 0));
    check_done(c, xylem_testing_wait(c, "full", SOON_MS));
    assert_int_equal(count_checkpoints(c), 0);
    put_something(c);
    check_done(c, xylem_testing_leave(c, 0));
    check_done(c, xylem_testing_restart(c, 0));
    check_done(c, xylem_testing_wait(c, "full", SOON_MS));
    assert_int_equal(count_checkpoints(c), 1);
    xylem_testing_stop(&c);
}

static void
test_a_commit_survives(void **state)
{
    struct xylem_testing_conf conf = {.durability = "commit"};
    xylem_cluster_t *c = start(&conf);
    xylem_t *x;
    void *value;
    size_t size;

    (void)state;
    x = open_rank(c, 3);
    assert_int_equal(xylem_put(x, NULL, "key", "value", 5), 0);
    xylem_close(x);
    check_done(c, xylem_testing_kill(c, 0));
    check_done(c, xylem_testing_restart(c, 0));
    check_done(c, xylem_testing_wait(c, "full", SOON_MS));
    x = open_rank(c, 0);
    assert_int_equal(xylem_get(x, NULL, "key", &value, &size), 0);
    assert_int_equal(size, 5);
    free(value);
    xylem_close(x);
    xylem_testing_stop(&c);
}

/* A store that waits is heard of when the rank goes on, and not before. */
static void
test_a_paused_rank_stands_still(void **state)
{
    struct xylem_testing_conf conf = {.size = 4, .timeout_ms = 60000};
    xylem_cluster_t *c = start(&conf);
    xylem_t *paused = open_rank(c, 1);
    xylem_t *below = open_rank(c, 3);
    xylem_t *other;
    struct outcome a = {.done = false};
    struct outcome b = {.done = false};

    (void)state;
    check_done(c, xylem_testing_pause(c, 1));
    check_done(c, xylem_testing_pause(c, 1));
    assert_int_equal(xylem_testing_open(c, 1, &other), -EAGAIN);
    assert_int_equal(xylem_store_async(paused, "one", 3, 0, on_done, &a), 0);
    assert_int_equal(xylem_store_async(below, "two", 3, 0, on_done, &b), 0);
    assert_false(is_done(paused, &a, NEVER_MS));
    assert_false(is_done(below, &b, NEVER_MS));
    check_done(c, xylem_testing_resume(c, 1));
    check_done(c, xylem_testing_resume(c, 1));
    assert_true(is_done(paused, &a, SOON_MS));
    assert_true(is_done(below, &b, SOON_MS));
    assert_int_equal(a.rc, 0);
    assert_int_equal(b.rc, 0);
    xylem_close(paused);
    xylem_close(below);
    xylem_testing_stop(&c);
}

static void
test_paused_for_too_long(void **state)
{
    struct xylem_testing_conf conf = {.size = 4, .heartbeat_ms = 50, .timeout_ms = 400};
    xylem_cluster_t *c = start(&conf);
    char ref[XYLEM_BLOBREF_MAX];

    (void)state;
    check_done(c, xylem_testing_pause(c, 3));
    check_done(c, xylem_testing_wait(c, "degraded", SOON_MS));
    check_done(c, xylem_testing_resume(c, 3));
    check_done(c, xylem_testing_wait(c, "full", SOON_MS));
    store_text(c, 3, "again", ref);
    xylem_testing_stop(&c);
}

/* Whatever state the ranks are in. */
static void
test_stop_at_any_time(void **state)
{
    struct xylem_testing_conf conf = {.size = 4};

    (void)state;
    for (uint32_t rank = 0; rank < 4; rank++) {
        xylem_cluster_t *c = start(&conf);

        check_done(c, xylem_testing_pause(c, rank));
        xylem_testing_stop(&c);
        c = start(&conf);
        check_done(c, xylem_testing_pause(c, rank));
        check_done(c, xylem_testing_kill(c, rank));
        xylem_testing_stop(&c);
        c = start(&conf);
        check_done(c, xylem_testing_pause(c, rank));
        check_done(c, xylem_testing_leave(c, rank));
        xylem_testing_stop(&c);
    }
}

static void
test_killed_under_load(void **state)
{
    struct xylem_testing_conf conf = {.size = 4};
    xylem_cluster_t *c = start(&conf);
    char block[4096] = "";

    (void)state;
    for (int i = 0; i < 12; i++) {
        uint32_t rank = (uint32_t)i % 4;
        xylem_t *x = open_rank(c, 3);
        struct outcome o[200] = {{.done = false}};

        for (size_t k = 0; k < 200; k++) {
            snprintf(block, sizeof(block), "%d %zu", i, k);
            assert_int_equal(xylem_store_async(x, block, sizeof(block), 0, on_done, &o[k]), 0);
        }
        xylem_dispatch(x, 5);
        check_done(c, xylem_testing_kill(c, rank));
        check_done(c, xylem_testing_restart(c, rank));
        for (size_t k = 0; rank < 3 && k < 200; k++) {
            assert_true(is_done(x, &o[k], SOON_MS));
            assert_int_equal(o[k].rc, 0);
        }
        xylem_close(x);
        check_done(c, xylem_testing_wait(c, "full", SOON_MS));
    }
    xylem_testing_stop(&c);
}

static void
test_the_instance_is_shut_down(void **state)
{
    struct xylem_testing_conf conf = {.size = 8};
    xylem_cluster_t *c = start(&conf);
    xylem_t *x = open_rank(c, 5);

    (void)state;
    assert_int_equal(xylem_testing_wait(c, "down", 20), -ETIMEDOUT);
    assert_int_equal(xylem_rpc(x, "shutdown.start", XYLEM_RANK_ANY, NULL, NULL), 0);
    xylem_close(x);
    check_done(c, xylem_testing_wait(c, "down", SOON_MS));
    xylem_testing_stop(&c);
}

static void
test_what_cannot_be(void **state)
{
    xylem_cluster_t *c = start(NULL);
    xylem_t *x;

    (void)state;
    assert_string_equal(xylem_testing_error(c), "");
    assert_int_equal(xylem_testing_kill(c, 4), -EINVAL);
    assert_string_equal(xylem_testing_error(c), "there is no rank 4");
    assert_int_equal(xylem_testing_restart(c, XYLEM_RANK_ANY), -EINVAL);
    assert_int_equal(xylem_testing_restart(c, 1), -EBUSY);
    assert_int_equal(xylem_testing_wait(c, "fine", 0), -EINVAL);
    assert_int_equal(xylem_testing_cut(c, 0, 1), -ENOTSUP);
    check_done(c, xylem_testing_kill(c, 1));
    assert_int_equal(xylem_testing_kill(c, 1), -ESRCH);
    assert_int_equal(xylem_testing_leave(c, 1), -ESRCH);
    assert_int_equal(xylem_testing_pause(c, 1), -ESRCH);
    assert_int_equal(xylem_testing_resume(c, 1), -ESRCH);
    assert_int_equal(xylem_testing_open(c, 1, &x), -ESRCH);
    assert_string_equal(xylem_testing_error(c), "rank 1 is down");
    xylem_testing_stop(&c);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_inner_rank_comes_back),
        cmocka_unit_test(test_orphans_are_adopted),
        cmocka_unit_test(test_requests_wait),
        cmocka_unit_test(test_a_killed_rank_is_missed),
        cmocka_unit_test(test_full_is_seen_anew),
        cmocka_unit_test(test_killed_writes_nothing_down),
        cmocka_unit_test(test_a_commit_survives),
        cmocka_unit_test(test_a_paused_rank_stands_still),
        cmocka_unit_test(test_paused_for_too_long),
        cmocka_unit_test(test_stop_at_any_time),
        cmocka_unit_test(test_killed_under_load),
        cmocka_unit_test(test_the_instance_is_shut_down),
        cmocka_unit_test(test_what_cannot_be),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
