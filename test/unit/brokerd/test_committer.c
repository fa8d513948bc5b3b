/* SPDX-License-Identifier: MPL-2.0 */
/* test_committer.c - the committer with a store that is an array, and effects that are only written
 * down: the test says when a directory has been loaded and when a root is durable. */
#include "cmocka_all.h"

#include "committer.h"
#include "lookup.h"
#include "tree.h"
#include "xmem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define ALG DIGEST_BLAKE2B
#define MANY 64
#define NOW 1234.5

struct rig {
    struct committer *committer; // owned
    struct digest digests[MANY]; // of the blobs that are durable
    struct blob *blobs[MANY];    // owned
    size_t nblobs;
    struct digest needs[MANY]; // asked for, not yet provided
    size_t nneeds;
    struct store_change *change; // owned; being written
    char writing[STORE_NAMESPACE_MAX];
    size_t writes;             // so far
    bool at_once;              // answer from inside the calls
    struct buf done;           // "COOKIE:RC:SEQUENCE " for each commit
    char text[ERR_TEXT_MAX];   // of the last commit that failed
    struct digest root;        // of the last commit that succeeded
    struct store_root initial; // the empty root of "primary"
};

/* --- effects --- */

static const struct blob *
find_blob(const struct rig *r, const struct digest *d)
{
    for (size_t i = 0; i < r->nblobs; i++) {
        if (digest_equal(&r->digests[i], d))
            return r->blobs[i];
    }
    return NULL;
}

static void
keep_blob(struct rig *r, const struct digest *d, const struct blob *b)
{
    if (find_blob(r, d))
        return;
    assert_true(r->nblobs < MANY);
    r->digests[r->nblobs] = *d;
    r->blobs[r->nblobs++] = blob_ref(b);
}

static void
need(void *arg, const struct digest *d)
{
    struct rig *r = arg;

    if (r->at_once) {
        committer_provide(r->committer, d, 0, find_blob(r, d));
        return;
    }
    assert_true(r->nneeds < MANY);
    r->needs[r->nneeds++] = *d;
}

static void
end_write(struct rig *r, int rc)
{
    for (size_t i = 0; rc == 0 && i < r->change->nblobs; i++)
        keep_blob(r, &r->change->digests[i], r->change->blobs[i]);
    store_change_free(&r->change);
    committer_written(r->committer, r->writing, rc);
}

static void
begin_write(void *arg, const char *ns, struct store_change **change)
{
    struct rig *r = arg;

    assert_null(r->change);
    r->change = TAKE(*change);
    r->writes++;
    snprintf(r->writing, sizeof(r->writing), "%s", ns);
    assert_int_equal(r->change->nroots, 1);
    assert_string_equal(r->change->roots[0].name, ns);
    if (r->at_once)
        end_write(r, 0);
}

static void
done(void *arg, void *cookie, int rc, const char *text, const struct store_root *root)
{
    struct rig *r = arg;

    assert_int_equal(rc == 0, root != NULL);
    buf_printf(&r->done, "%d:%d:%d ", (int)(intptr_t)cookie, rc, root ? (int)root->sequence : 0);
    if (root)
        r->root = root->root;
    else
        snprintf(r->text, sizeof(r->text), "%s", text);
}

static const struct committer_ops ops = {need, begin_write, done};

/* --- the rig --- */

static void
add_namespace(struct rig *r, const char *name, const struct digest *root, int64_t sequence)
{
    struct store_root ns = {.sequence = sequence, .root = *root};

    snprintf(ns.name, sizeof(ns.name), "%s", name);
    committer_add_root(r->committer, &ns);
}

static int
set_up(void **state)
{
    struct rig *r = xcalloc(1, sizeof(*r));
    struct digest d;
    struct blob *empty = tree_empty_dir(ALG, &d);

    keep_blob(r, &d, empty);
    blob_unref(&empty);
    r->committer = committer_new(ALG, 1u << 20, 0, &ops, r);
    r->initial.root = d;
    add_namespace(r, "primary", &d, 10);
    *state = r;
    return 0;
}

static int
tear_down(void **state)
{
    struct rig *r = *state;

    committer_free(&r->committer);
    store_change_free(&r->change);
    for (size_t i = 0; i < r->nblobs; i++)
        blob_unref(&r->blobs[i]);
    buf_fini(&r->done);
    free(r);
    return 0;
}

static void
add_put(struct txn *t, int flags, const char *key, const char *value)
{
    struct treeobj *val = value ? treeobj_new_val(value, strlen(value)) : NULL;

    assert_int_equal(txn_add(t, key, flags, &val, NULL), 0);
}

static void
submit_to(struct rig *r, const char *ns, int flags, int cookie, const char *key, const char *value)
{
    struct txn t = TXN_INIT;

    add_put(&t, 0, key, value);
    committer_submit(r->committer, ns, flags, &t, (void *)(intptr_t)cookie);
    assert_int_equal(t.count, 0);
}

static void
submit(struct rig *r, int flags, int cookie, const char *key, const char *value)
{
    submit_to(r, "primary", flags, cookie, key, value);
}

/* Give what is asked for until nothing is, or a write is under way. */
static void
run(struct rig *r)
{
    committer_run(r->committer, NOW);
    while (r->nneeds > 0) {
        struct digest d = r->needs[--r->nneeds];

        committer_provide(r->committer, &d, 0, find_blob(r, &d));
        committer_run(r->committer, NOW);
    }
}

static void
finish_write(struct rig *r, int rc)
{
    assert_non_null(r->change);
    end_write(r, rc);
    run(r);
}

/* Run until there is nothing to do, every write succeeding. */
static void
settle(struct rig *r)
{
    run(r);
    while (r->change)
        finish_write(r, 0);
}

static void
assert_done(struct rig *r, const char *expected)
{
    assert_string_equal(buf_str(&r->done), expected);
    buf_reset(&r->done);
}

/* The value of a key under the newest root; NULL: there is none. */
static void
assert_value(struct rig *r, const char *key, const char *value)
{
    struct lookup *l = lookup_new(ALG, "primary", &r->root, key, 0);
    AUTO(treeobj) struct treeobj *val = NULL;
    AUTO(free) void *data = NULL;
    size_t count;
    size_t size;

    while (lookup_step(l) == LOOKUP_WANT_DIR) {
        const struct blob *b = find_blob(r, &lookup_wanted(l, &count)[0]);
        AUTO(treeobj) struct treeobj *dir = NULL;

        assert_int_equal(treeobj_decode(ALG, blob_data(b), blob_size(b), &dir, NULL), 0);
        lookup_give_dir(l, dir);
    }
    assert_int_equal(lookup_result(l, &val, NULL), value ? 0 : -ENOENT);
    lookup_free(&l);
    if (!value)
        return;
    assert_int_equal(treeobj_val_decode(val, &data, &size), 0);
    assert_int_equal(size, strlen(value));
    assert_memory_equal(data, value, size);
}

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

    committer_submit(r->committer, "primary", 0, &t, NULL);
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
    committer_submit(r->committer, "primary", 0, &t, (void *)(intptr_t)2);
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
    assert_string_equal(r->text, "namespace does not exist");
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
    committer_submit(r->committer, "primary", 0, &t, (void *)(intptr_t)5);
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

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

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
