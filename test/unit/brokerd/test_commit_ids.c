/* SPDX-License-Identifier: MPL-2.0 */
#include "cmocka_all.h"

#include "commit_ids.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define REMEMBERED 16384 // finished ones that are remembered at least

static const struct store_root root = {.name = "primary", .sequence = 12};

/* A request whose payload is that text. */
static bool
add_waiter(struct commit_id *id, uint32_t tag, const char *text)
{
    struct request req = {.from = {.kind = ORIGIN_CONN, .conn = tag}};
    bool repeated;

    msg_init(&req.msg, MSG_REQUEST);
    req.msg.matchtag = tag;
    msg_set_text(&req.msg, text);
    repeated = commit_ids_add_waiter(id, &req);
    assert_null(req.msg.payload);
    return repeated;
}

static void
drop_waiters(struct commit_id *id)
{
    struct request *req;

    while ((req = commit_ids_next_waiter(id)))
        request_free(&req);
}

static void
finish(struct commit_ids *c, const char *name)
{
    commit_ids_finish(c, commit_ids_get(c, name), &root);
}

static void
only_finished_ones_are_found(void **state UNUSED)
{
    struct commit_ids *c = commit_ids_new();
    char overlong[2 * STORE_COMMIT_ID_MAX] = "";

    memset(overlong, 'x', sizeof(overlong) - 1);
    assert_null(commit_ids_find(c, "abc"));
    assert_null(commit_ids_find(c, ""));
    assert_null(commit_ids_find(c, overlong));
    assert_false(add_waiter(commit_ids_get(c, "abc"), 1, "first"));
    assert_null(commit_ids_find(c, "abc"));
    drop_waiters(commit_ids_get(c, "abc"));
    finish(c, "abc");
    assert_int_equal(commit_ids_find(c, "abc")->sequence, 12);
    assert_null(commit_ids_find(c, "ab"));
    commit_ids_free(&c);
}

static void
repeated_commit_waits_for_the_first(void **state UNUSED)
{
    struct commit_ids *c = commit_ids_new();
    struct commit_id *id = commit_ids_get(c, "abc");

    assert_false(commit_ids_is_finished(id));
    assert_false(add_waiter(id, 1, "first"));
    assert_ptr_equal(commit_ids_get(c, "abc"), id);
    assert_true(add_waiter(id, 2, "again"));
    assert_string_equal(blob_data(commit_ids_payload(id)), "first");
    for (uint32_t tag = 1; tag <= 2; tag++) {
        struct request *req = commit_ids_next_waiter(id);

        assert_int_equal(req->msg.matchtag, tag);
        assert_int_equal(req->from.conn, tag);
        request_free(&req);
    }
    assert_null(commit_ids_next_waiter(id));
    commit_ids_free(&c);
    assert_null(c);
}

static void
finished_commit_is_answered_from_memory(void **state UNUSED)
{
    struct commit_ids *c = commit_ids_new();
    struct commit_id *id = commit_ids_get(c, "abc");

    add_waiter(id, 1, "x");
    drop_waiters(id);
    commit_ids_finish(c, id, &root);
    id = commit_ids_get(c, "abc");
    assert_true(commit_ids_is_finished(id));
    assert_int_equal(commit_ids_result(id)->sequence, 12);
    commit_ids_free(&c);
}

/* Nothing was applied: it may succeed the next time. */
static void
failure_is_forgotten(void **state UNUSED)
{
    struct commit_ids *c = commit_ids_new();

    commit_ids_finish(c, commit_ids_get(c, "abc"), NULL);
    assert_false(commit_ids_is_finished(commit_ids_get(c, "abc")));
    commit_ids_free(&c);
}

static void
commits_without_a_usable_id_are_strangers(void **state UNUSED)
{
    char longest[64];
    struct commit_ids *c = commit_ids_new();
    struct commit_id *a = commit_ids_get(c, "");
    struct commit_id *b = commit_ids_get(c, "");

    assert_ptr_not_equal(a, b);
    assert_false(add_waiter(a, 1, "x"));
    assert_false(add_waiter(b, 1, "x"));
    drop_waiters(a);
    drop_waiters(b);
    commit_ids_finish(c, a, &root);
    commit_ids_finish(c, b, NULL);
    memset(longest, 'i', sizeof(longest));
    longest[63] = '\0';
    assert_ptr_equal(commit_ids_get(c, longest), commit_ids_get(c, longest));
    commit_ids_free(&c);
}

static void
overlong_id_is_always_new(void **state UNUSED)
{
    char overlong[65];
    struct commit_ids *c = commit_ids_new();
    struct commit_id *id;

    memset(overlong, 'i', sizeof(overlong));
    overlong[64] = '\0';
    for (int i = 0; i < 2; i++) {
        id = commit_ids_get(c, overlong);
        assert_false(commit_ids_is_finished(id));
        commit_ids_finish(c, id, &root);
    }
    commit_ids_free(&c);
}

static void
oldest_finished_is_forgotten_first(void **state UNUSED)
{
    struct commit_ids *c = commit_ids_new();
    struct commit_id *pending = commit_ids_get(c, "pending");
    char name[32];

    add_waiter(pending, 1, "x");
    finish(c, "oldest");
    finish(c, "second");
    for (int i = 0; i < REMEMBERED - 1; i++) {
        snprintf(name, sizeof(name), "id-%d", i);
        finish(c, name);
    }
    assert_false(commit_ids_is_finished(commit_ids_get(c, "oldest")));
    assert_true(commit_ids_is_finished(commit_ids_get(c, "second")));
    assert_ptr_equal(commit_ids_get(c, "pending"), pending);
    assert_string_equal(blob_data(commit_ids_payload(pending)), "x");
    commit_ids_free(&c); // with a waiter still there
}

static void
what_was_recorded_is_answered(void **state UNUSED)
{
    struct commit_ids *c = commit_ids_new();
    struct store_commit commit = {.id = "abc", .root = {.name = "ns", .sequence = 7, .epoch = 3}};
    const struct store_root *result;

    commit_ids_add_recorded(c, &commit);
    commit.root.sequence = 8;
    commit_ids_add_recorded(c, &commit); // the first is the one
    strcpy(commit.id, "no id");
    commit_ids_add_recorded(c, &commit);
    assert_true(commit_ids_is_finished(commit_ids_get(c, "abc")));
    result = commit_ids_result(commit_ids_get(c, "abc"));
    assert_int_equal(result->sequence, 7);
    assert_int_equal(result->epoch, 0);
    assert_false(commit_ids_is_finished(commit_ids_get(c, "no id")));
    commit_ids_free(&c);
}

static void
ids_are_letters_digits_and_dashes(void **state UNUSED)
{
    assert_true(commit_ids_is_name("aZ09-_"));
    assert_true(
        commit_ids_is_name("123456789012345678901234567890123456789012345678901234567890123"));
    assert_false(
        commit_ids_is_name("1234567890123456789012345678901234567890123456789012345678901234"));
    assert_false(commit_ids_is_name(""));
    assert_false(commit_ids_is_name("a.b"));
    assert_false(commit_ids_is_name("a b"));
    assert_false(commit_ids_is_name("\xc3\xbc"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_recorded_is_answered),
        cmocka_unit_test(ids_are_letters_digits_and_dashes),
        cmocka_unit_test(only_finished_ones_are_found),
        cmocka_unit_test(repeated_commit_waits_for_the_first),
        cmocka_unit_test(finished_commit_is_answered_from_memory),
        cmocka_unit_test(failure_is_forgotten),
        cmocka_unit_test(commits_without_a_usable_id_are_strangers),
        cmocka_unit_test(overlong_id_is_always_new),
        cmocka_unit_test(oldest_finished_is_forgotten_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
