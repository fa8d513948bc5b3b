/* SPDX-License-Identifier: MPL-2.0 */
/* test_committer_cas.c - commits that expect something, the ids and the keys of a group. */
#include "committertest.h"

#include "draw.h"

#define CLIENTS 6
#define KEYS 3

/* What a commit expects of one key: a value, or NULL for nothing. */
static void
submit_if(struct rig *r, int cookie, const char *key, const char *value, const char *expected)
{
    struct txn t = TXN_INIT;
    struct treeobj *e = expected ? treeobj_new_val(expected, strlen(expected)) : NULL;

    add_put(&t, 0, key, value);
    assert_int_equal(txn_expect(&t, key, &e, NULL), 0);
    committer_submit(r->committer, "primary", 0, &t, "", (void *)(intptr_t)cookie);
}

static void
submit_at(struct rig *r, int cookie, const char *key, int64_t version)
{
    struct txn t = TXN_INIT;

    add_put(&t, 0, key, "x");
    t.version = version;
    committer_submit(r->committer, "primary", 0, &t, "", (void *)(intptr_t)cookie);
}

/* --- values --- */

static void
commit_whose_expectation_holds_is_like_any_other(void **state)
{
    struct rig *r = *state;

    submit(r, 0, 1, "a", "1");
    submit_if(r, 2, "a", "2", "1"); // what the one before it has put
    submit_if(r, 3, "b", "1", NULL);
    settle(r);
    assert_done(r, "1:0:11 2:0:11 3:0:11 ");
    assert_int_equal(r->writes, 1);
    assert_value(r, "a", "2");
    assert_value(r, "b", "1");
}

static void
commit_whose_expectation_does_not_hold_changes_nothing(void **state)
{
    struct rig *r = *state;

    submit(r, 0, 1, "a", "1");
    settle(r);
    submit_if(r, 2, "a", "3", "2");
    submit_if(r, 3, "a", "3", NULL);
    settle(r);
    assert_done(r, "1:0:11 2:-11:0 3:-11:0 "); // EAGAIN
    assert_string_equal(r->text, "key 'a': exists, but was expected not to");
    assert_int_equal(r->writes, 1);
    assert_value(r, "a", "1");
}

static void
first_of_two_alike_wins(void **state)
{
    struct rig *r = *state;

    submit_if(r, 1, "a", "1", NULL);
    submit_if(r, 2, "a", "2", NULL);
    settle(r);
    assert_done(r, "2:-11:0 1:0:11 ");
    assert_value(r, "a", "1");
}

static void
directories_that_a_comparison_needs_are_loaded(void **state)
{
    struct rig *r = *state;
    struct digest root;

    submit(r, 0, 1, "a.b.c", "1");
    settle(r);
    root = r->root;
    add_namespace(r, "cold", &root, 0); // a tree that has nothing in memory
    r->root = root;
    {
        struct txn t = TXN_INIT;
        struct treeobj *e = treeobj_new_val("1", 1);

        add_put(&t, 0, "x", "1");
        assert_int_equal(txn_expect(&t, "a.b.c", &e, NULL), 0);
        committer_submit(r->committer, "cold", 0, &t, "", (void *)(intptr_t)2);
    }
    committer_run(r->committer, NOW);
    assert_int_equal(r->nneeds, 1);
    settle(r);
    assert_done(r, "1:0:11 2:0:1 ");
}

static void
comparison_that_needs_a_lost_directory_fails_its_commit(void **state)
{
    struct rig *r = *state;

    submit_if(r, 1, "a", "1", NULL);
    submit(r, 0, 2, "b", "2");
    committer_run(r->committer, NOW);
    assert_int_equal(r->nneeds, 1);
    r->nneeds = 0;
    committer_provide(r->committer, &r->initial.root, -EIO, NULL);
    assert_done(r, "1:-5:0 ");
    settle(r);
    assert_done(r, "2:0:11 ");
}

/* --- directories, and the root --- */

static void
digest_of_a_changed_directory_is_known_when_the_group_is_written(void **state)
{
    struct rig *r = *state;
    struct txn t = TXN_INIT;
    struct treeobj *e;
    struct digest dir;
    static const char text[] = "{\"data\":{\"a\":{\"data\":\"MQ==\",\"type\":\"val\",\"ver\":1}},"
                               "\"type\":\"dir\",\"ver\":1}";

    digest_compute(ALG, text, sizeof(text) - 1, &dir);
    e = treeobj_new_dirref(&dir);
    submit(r, 0, 1, "d.a", "1");
    add_put(&t, 0, "seen", "1");
    assert_int_equal(txn_expect(&t, "d", &e, NULL), 0);
    committer_submit(r->committer, "primary", 0, &t, "", (void *)(intptr_t)2);
    submit(r, 0, 3, "d.b", "2");
    settle(r);
    assert_done(r, "1:0:11 2:0:12 3:0:12 ");
    assert_int_equal(r->writes, 2);
    assert_value(r, "seen", "1");
}

static void
version_is_that_of_the_root_before(void **state)
{
    struct rig *r = *state;

    submit_at(r, 1, "a", 10);
    submit_at(r, 2, "b", 10);
    settle(r);
    assert_done(r, "2:-11:0 1:0:11 ");
    assert_string_equal(r->text, "version 10 was expected, but it is 11");
    submit_at(r, 3, "c", 10);
    submit_at(r, 4, "d", 11);
    settle(r);
    assert_done(r, "3:-11:0 4:0:12 ");
}

/* Else two commits could both expect the root that is being made, and both be in it. */
static void
version_that_is_being_made_is_waited_for(void **state)
{
    struct rig *r = *state;

    submit(r, 0, 1, "a", "1");
    submit_at(r, 2, "b", 11);
    submit_at(r, 3, "c", 11);
    submit_at(r, 4, "d", 12);
    settle(r);
    assert_done(r, "1:0:11 3:-11:0 2:0:12 4:0:13 ");
}

static void
version_that_could_not_be_made_is_not_there(void **state)
{
    struct rig *r = *state;

    submit(r, 0, 1, "a", "1");
    submit_at(r, 2, "b", 11);
    run(r);
    finish_write(r, -ENOSPC);
    settle(r);
    assert_done(r, "1:-28:0 2:-11:0 ");
}

/* --- no update is lost --- */

/* Each client reads a counter at some root and puts one more, if the counter is still that.  What a client
 * believes may be old: it has not always heard of the newest root. */
static void
concurrent_increments_are_all_counted(void **state)
{
    struct rig *r = *state;
    uint64_t seed = 11;
    int counters[KEYS] = {0};    // as durable
    int believed[CLIENTS] = {0}; // counter, as the client has read it
    size_t key_of[CLIENTS];
    bool is_out[CLIENTS] = {false}; // has a commit under way
    int won = 0;

    for (int step = 0; step < 3000; step++) {
        size_t c = draw_below(&seed, CLIENTS);
        char *at;

        if (!is_out[c]) {
            char key[16], old[16], new[16];

            key_of[c] = draw_below(&seed, KEYS);
            believed[c] = MAX(0, counters[key_of[c]] - (int)draw_below(&seed, 2));
            snprintf(key, sizeof(key), "n.k%zu", key_of[c]);
            snprintf(old, sizeof(old), "%d", believed[c]);
            snprintf(new, sizeof(new), "%d", believed[c] + 1);
            submit_if(r, (int)c, key, new, believed[c] ? old : NULL);
            is_out[c] = true;
        }
        if (draw_below(&seed, 3) > 0)
            continue;
        run(r);
        if (r->change && draw_below(&seed, 2) == 0)
            finish_write(r, draw_below(&seed, 6) == 0 ? -ENOSPC : 0);
        for (at = (char *)(uintptr_t)buf_str(&r->done); *at; at = strchr(at, ' ') + 1) {
            int cookie, rc, sequence;

            assert_int_equal(sscanf(at, "%d:%d:%d", &cookie, &rc, &sequence), 3);
            is_out[cookie] = false;
            if (rc == 0) { // nobody else has counted from the same number
                assert_int_equal(counters[key_of[cookie]], believed[cookie]);
                counters[key_of[cookie]]++;
                won++;
            } else {
                assert_true(rc == -EAGAIN || rc == -ENOSPC);
            }
        }
        buf_reset(&r->done);
    }
    assert_true(won > 300);
}

/* --- what is recorded with a root --- */

static void
group_has_its_time_its_ids_and_its_keys(void **state)
{
    struct rig *r = *state;
    struct txn t = TXN_INIT;

    submit(r, 0, 1, "a.b", "1");
    add_put(&t, 0, "c", "1");
    add_put(&t, 0, "a.b", "2");
    committer_submit(r->committer, "primary", 0, &t, "id-2", (void *)(intptr_t)2);
    submit_if(r, 3, "d", "1", "never");
    add_put(&t, 0, "e", NULL);
    committer_submit(r->committer, "primary", 0, &t, "id-4", (void *)(intptr_t)4);
    run(r);
    assert_true(r->change->time == NOW);
    assert_string_equal(r->change->ids, "id-2 id-4");
    assert_string_equal(r->change->keys, "{\"a.b\":null,\"c\":null,\"e\":null}");
    finish_write(r, 0);
    submit(r, 0, 5, "f", "1");
    run(r);
    assert_null(r->change->ids);
    assert_string_equal(r->change->keys, "{\"f\":null}");
    finish_write(r, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(commit_whose_expectation_holds_is_like_any_other),
        TEST(commit_whose_expectation_does_not_hold_changes_nothing),
        TEST(first_of_two_alike_wins),
        TEST(directories_that_a_comparison_needs_are_loaded),
        TEST(comparison_that_needs_a_lost_directory_fails_its_commit),
        TEST(digest_of_a_changed_directory_is_known_when_the_group_is_written),
        TEST(version_is_that_of_the_root_before),
        TEST(version_that_is_being_made_is_waited_for),
        TEST(version_that_could_not_be_made_is_not_there),
        TEST(concurrent_increments_are_all_counted),
        TEST(group_has_its_time_its_ids_and_its_keys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
