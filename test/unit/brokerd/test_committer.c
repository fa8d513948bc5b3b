/* SPDX-License-Identifier: MPL-2.0 */
/* test_committer.c - the committer with a store that is an array, and effects that are only written
 * down: the test says when a directory has been loaded and when a root is durable. */
#include "committertest.h"

/* --- merging --- */

static void
commits_that_came_together_are_one_root(void **state)
{
    struct rig *r = *state;

    submit(r, 0, 1, "a", "1");
    submit(r, 0, 2, "b", "2");
    submit(r, 0, 3, "c.d", "3");
    run(r);
    assert_int_equal(r->writes, 1);
    assert_done(r, "");
    finish_write(r, 0);
    assert_done(r, "1:0:11 2:0:11 3:0:11 ");
    assert_int_equal(r->writes, 1);
    assert_value(r, "a", "1");
    assert_value(r, "b", "2");
    assert_value(r, "c.d", "3");
}

static void
commits_are_applied_in_the_order_they_came(void **state)
{
    struct rig *r = *state;

    submit(r, 0, 1, "a", "first");
    submit(r, 0, 2, "a", "second");
    submit(r, 0, 3, "gone", "x");
    submit(r, 0, 4, "gone", NULL);
    settle(r);
    assert_done(r, "1:0:11 2:0:11 3:0:11 4:0:11 ");
    assert_value(r, "a", "second");
    assert_value(r, "gone", NULL);
}

static void
commits_during_a_write_are_merged_into_the_next_root(void **state)
{
    struct rig *r = *state;

    submit(r, 0, 1, "a", "1");
    run(r);
    submit(r, 0, 2, "b", "2");
    submit(r, 0, 3, "c", "3");
    run(r);
    assert_int_equal(r->writes, 1);
    finish_write(r, 0);
    assert_done(r, "1:0:11 ");
    finish_write(r, 0);
    assert_done(r, "2:0:12 3:0:12 ");
    assert_value(r, "a", "1");
    assert_value(r, "c", "3");
}

static void
commit_that_wants_to_be_alone_is(void **state)
{
    struct rig *r = *state;

    submit(r, 0, 1, "a", "1");
    submit(r, 0, 2, "b", "2");
    submit(r, COMMIT_NO_MERGE, 3, "c", "3");
    submit(r, COMMIT_NO_MERGE, 4, "d", "4");
    submit(r, 0, 5, "e", "5");
    submit(r, 0, 6, "f", "6");
    settle(r);
    assert_done(r, "1:0:11 2:0:11 3:0:12 4:0:13 5:0:14 6:0:14 ");
    assert_int_equal(r->writes, 4);
}

static void
empty_commit_makes_a_root_too(void **state)
{
    struct rig *r = *state;
    struct txn t = TXN_INIT;

    committer_submit(r->committer, "primary", 0, &t, "", NULL);
    settle(r);
    assert_done(r, "0:0:11 ");
    assert_true(digest_equal(&r->root, &r->initial.root));
}

static void
sync_makes_a_checkpoint_of_the_new_root(void **state)
{
    struct rig *r = *state;
    struct digest root;

    submit(r, 0, 1, "a", "1");
    run(r);
    assert_null(r->change->checkpoint);
    finish_write(r, 0);
    submit(r, 0, 2, "b", "2");
    submit(r, COMMIT_SYNC, 3, "c", "3");
    run(r);
    assert_non_null(r->change->checkpoint);
    root = r->change->checkpoint->root;
    assert_true(digest_equal(&root, &r->change->roots[0].root));
    assert_int_equal(r->change->checkpoint->sequence, 12);
    assert_true(r->change->checkpoint->timestamp == NOW);
    finish_write(r, 0);
    assert_true(digest_equal(&root, &r->root));
}

static void
everything_may_be_answered_from_inside(void **state)
{
    struct rig *r = *state;

    r->at_once = true;
    for (int i = 0; i < 5; i++)
        submit(r, COMMIT_NO_MERGE, i, "a", "v");
    committer_run(r->committer, NOW);
    assert_done(r, "0:0:11 1:0:12 2:0:13 3:0:14 4:0:15 ");
}

/* --- failures --- */

static void
commit_that_cannot_be_applied_fails_alone(void **state)
{
    struct rig *r = *state;
    struct txn t = TXN_INIT;

    submit(r, 0, 1, "dir.a", "1");
    add_put(&t, 0, "b", "never seen");
    add_put(&t, TXN_APPEND, "dir", "x");
    committer_submit(r->committer, "primary", 0, &t, "", (void *)(intptr_t)2);
    submit(r, 0, 3, "c", "3");
    settle(r);
    assert_done(r, "2:-21:0 1:0:11 3:0:11 "); // EISDIR
    assert_non_null(strstr(r->text, "dir"));
    assert_value(r, "b", NULL);
    assert_value(r, "c", "3");
}

static void
failed_write_falls_back_to_the_last_durable_root(void **state)
{
    struct rig *r = *state;

    submit(r, 0, 1, "a", "kept");
    settle(r);
    submit(r, 0, 2, "a", "lost");
    submit(r, 0, 3, "b", "lost");
    run(r);
    submit(r, 0, 4, "c", "after");
    finish_write(r, -ENOSPC);
    assert_done(r, "1:0:11 2:-28:0 3:-28:0 ");
    finish_write(r, 0);
    assert_done(r, "4:0:12 ");
    assert_value(r, "a", "kept");
    assert_value(r, "b", NULL);
    assert_value(r, "c", "after");
}

static void
unknown_namespace_fails_at_once(void **state)
{
    struct rig *r = *state;

    submit_to(r, "nowhere", 0, 1, "a", "1");
    assert_done(r, "1:-95:0 "); // ENOTSUP
    assert_string_equal(r->text, "namespace nowhere does not exist");
}

static void
root_that_cannot_be_loaded_fails_the_commit_that_needs_it(void **state)
{
    struct rig *r = *state;

    submit(r, 0, 1, "a", "1");
    submit(r, 0, 2, "b", "2");
    committer_run(r->committer, NOW);
    assert_int_equal(r->nneeds, 1);
    r->nneeds = 0;
    committer_provide(r->committer, &r->initial.root, -EIO, NULL);
    assert_done(r, "1:-5:0 ");
    assert_non_null(strstr(r->text, "directory blake2b-"));
    settle(r);
    assert_done(r, "2:0:11 ");
}

/* A committer that has nothing in memory, at a root with the directories "a" and "b". */
static void
start_cold(struct rig *r)
{
    submit(r, 0, 1, "a.x", "1");
    submit(r, 0, 2, "b.x", "another");
    submit(r, 0, 3, "c", "1");
    settle(r);
    buf_reset(&r->done);
    committer_free(&r->committer);
    r->committer = committer_new(ALG, 1u << 20, 0, &ops, r);
    add_namespace(r, "primary", &r->root, 20);
}

/* One that writes to both directories, with the needs for them left unanswered. */
static void
submit_to_both(struct rig *r)
{
    struct txn t = TXN_INIT;

    add_put(&t, 0, "a.y", "2");
    add_put(&t, 0, "b.y", "2");
    committer_submit(r->committer, "primary", 0, &t, "", (void *)(intptr_t)5);
    committer_run(r->committer, NOW);
    assert_int_equal(r->nneeds, 1);
    r->nneeds = 0;
    committer_provide(r->committer, &r->needs[0], 0, find_blob(r, &r->needs[0]));
    committer_run(r->committer, NOW);
    assert_int_equal(r->nneeds, 2);
}

static void
directories_are_loaded_as_they_are_needed(void **state)
{
    struct rig *r = *state;

    start_cold(r);
    submit_to_both(r);
    settle(r);
    assert_done(r, "5:0:21 ");
    assert_value(r, "a.x", "1");
    assert_value(r, "a.y", "2");
    assert_value(r, "b.y", "2");
}

static void
two_lost_directories_fail_one_commit_once(void **state)
{
    struct rig *r = *state;

    start_cold(r);
    submit_to_both(r);
    submit(r, 0, 6, "c", "2");
    submit(r, 0, 7, "c", "3");
    r->nneeds = 0;
    committer_provide(r->committer, &r->needs[0], -ENOENT, NULL);
    committer_provide(r->committer, &r->needs[1], -ENOENT, NULL);
    assert_done(r, "5:-2:0 ");
    settle(r);
    assert_done(r, "6:0:21 7:0:21 ");
    assert_value(r, "c", "3");
}

static void
damaged_directory_fails_the_commit_with_text(void **state)
{
    struct rig *r = *state;
    struct blob *noise = blob_new("{\"ver\":1}", 9);

    start_cold(r);
    submit_to_both(r);
    r->nneeds = 0;
    committer_provide(r->committer, &r->needs[0], 0, noise);
    committer_provide(r->committer, &r->needs[1], 0, find_blob(r, &r->needs[1]));
    blob_unref(&noise);
    assert_done(r, "5:-71:0 "); // EPROTO
    assert_non_null(strstr(r->text, "directory blake2b-"));
}

static void
commits_before_a_load_are_not_lost_by_its_failure(void **state)
{
    struct rig *r = *state;

    start_cold(r);
    submit(r, 0, 4, "c", "2");
    submit(r, 0, 5, "a.y", "2");
    committer_run(r->committer, NOW);
    committer_provide(r->committer, &r->needs[0], 0, find_blob(r, &r->needs[0]));
    r->nneeds = 0;
    committer_run(r->committer, NOW);
    assert_int_equal(r->nneeds, 1);
    r->nneeds = 0;
    committer_provide(r->committer, &r->needs[0], -EIO, NULL);
    assert_done(r, "5:-5:0 ");
    settle(r);
    assert_done(r, "4:0:21 ");
    assert_value(r, "c", "2");
    assert_value(r, "a.y", NULL);
}

static void
blob_that_nobody_waits_for_changes_nothing(void **state)
{
    struct rig *r = *state;
    struct digest d = {{1}};

    committer_provide(r->committer, &d, -EIO, NULL);
    committer_provide(r->committer, &r->initial.root, -EIO, NULL);
    submit(r, 0, 1, "a", "1");
    committer_run(r->committer, NOW);
    committer_provide(r->committer, &d, -EIO, NULL);
    assert_done(r, "");
    settle(r);
    committer_provide(r->committer, &r->initial.root, -EIO, NULL);
    assert_done(r, "1:0:11 ");
}

static void
namespaces_do_not_wait_for_each_other(void **state)
{
    struct rig *r = *state;
    struct store_change *first;

    add_namespace(r, "other", &r->initial.root, 0);
    submit(r, 0, 1, "a", "1");
    run(r);
    first = TAKE(r->change);
    submit_to(r, "other", 0, 2, "b", "2");
    run(r);
    assert_string_equal(r->writing, "other");
    finish_write(r, 0);
    assert_done(r, "2:0:1 ");
    r->change = first;
    strcpy(r->writing, "primary");
    finish_write(r, 0);
    assert_done(r, "1:0:11 ");
}

static void
what_is_pending_at_the_end_is_cancelled_once(void **state)
{
    struct rig *r = *state;

    submit(r, 0, 1, "a", "1");
    run(r);
    submit(r, 0, 2, "b", "2");
    committer_free(&r->committer);
    assert_null(r->committer);
    assert_done(r, "1:-125:0 2:-125:0 "); // ECANCELED
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(commits_that_came_together_are_one_root),
        TEST(commits_are_applied_in_the_order_they_came),
        TEST(commits_during_a_write_are_merged_into_the_next_root),
        TEST(commit_that_wants_to_be_alone_is),
        TEST(empty_commit_makes_a_root_too),
        TEST(sync_makes_a_checkpoint_of_the_new_root),
        TEST(everything_may_be_answered_from_inside),
        TEST(commit_that_cannot_be_applied_fails_alone),
        TEST(failed_write_falls_back_to_the_last_durable_root),
        TEST(unknown_namespace_fails_at_once),
        TEST(root_that_cannot_be_loaded_fails_the_commit_that_needs_it),
        TEST(directories_are_loaded_as_they_are_needed),
        TEST(two_lost_directories_fail_one_commit_once),
        TEST(damaged_directory_fails_the_commit_with_text),
        TEST(commits_before_a_load_are_not_lost_by_its_failure),
        TEST(blob_that_nobody_waits_for_changes_nothing),
        TEST(namespaces_do_not_wait_for_each_other),
        TEST(what_is_pending_at_the_end_is_cancelled_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
