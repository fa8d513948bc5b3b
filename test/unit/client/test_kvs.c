/* SPDX-License-Identifier: MPL-2.0 */
/* Transactions and look-ups: the JSON that goes out, and what is made of the JSON that comes back.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base.h"
#include "fake_rank.h"
#include "xylem.h"

#define REF "blake2b-0000000000000000000000000000000000000000000000000000000000000000"

/* One request is expected, and answered. */
struct expect {
    const char *topic;
    const char *request;
    const char *answer;
};

static void
serve(struct fake_rank *f, struct msg *m)
{
    const struct expect *e = fake_rank_arg(f);
    const char *request = msg_text(m);

    if (strcmp(m->topic, e->topic) == 0 && request && strcmp(request, e->request) == 0) {
        fake_rank_reply_text(f, m, 0, e->answer);
        return;
    }
    fprintf(stderr, "unexpected request: %s %s\n", m->topic, request ? request : "");
    fake_rank_reply_text(f, m, EBADMSG, "unexpected request");
}

struct rig {
    struct fake_rank *rank;
    xylem_t *x;
};

static void
set_up(struct rig *rig, const struct expect *expect)
{
    unsetenv("XYLEM_NAMESPACE");
    rig->rank = fake_rank_start(0, serve, (void *)(uintptr_t)expect);
    assert_int_equal(xylem_open(&rig->x, fake_rank_uri(rig->rank), NULL, NULL), 0);
}

static void
tear_down(struct rig *rig)
{
    xylem_close(rig->x);
    fake_rank_stop(&rig->rank);
}

static void
getroot_reads_the_answer(void **state UNUSED)
{
    const struct expect expect = {"kvs.getroot", "{\"namespace\":\"n1\",\"flags\":0}",
                                  "{\"owner\":5,\"rootseq\":4000000000,\"rootref\":\"" REF
                                  "\",\"flags\":0}"};
    struct xylem_root root;
    struct rig rig;

    set_up(&rig, &expect);
    assert_int_equal(xylem_getroot(rig.x, "n1", &root), 0);
    assert_int_equal(root.sequence, 4000000000);
    assert_int_equal(root.owner, 5);
    assert_string_equal(root.rootref, REF);
    tear_down(&rig);
}

static void
the_namespace_may_come_from_the_environment(void **state UNUSED)
{
    const struct expect expect = {"kvs.getroot", "{\"namespace\":\"n2\",\"flags\":0}",
                                  "{\"rootseq\":1,\"rootref\":\"" REF "\"}"};
    struct xylem_root root;
    struct rig rig;

    set_up(&rig, &expect);
    setenv("XYLEM_NAMESPACE", "n2", 1);
    assert_int_equal(xylem_getroot(rig.x, NULL, &root), 0);
    unsetenv("XYLEM_NAMESPACE");
    tear_down(&rig);
}

static void
malformed_roots_are_protocol_errors(void **state UNUSED)
{
    static const char *const answers[] = {"", "{}", "[]", "{\"rootseq\":1,\"rootref\":7}", "{"};

    for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
        const struct expect expect = {"kvs.getroot", "{\"namespace\":\"primary\",\"flags\":0}",
                                      answers[i]};
        struct xylem_root root;
        struct rig rig;

        set_up(&rig, &expect);
        assert_int_equal(xylem_getroot(rig.x, NULL, &root), -EPROTO);
        tear_down(&rig);
    }
}

static void
a_commit_sends_its_operations_in_order(void **state UNUSED)
{
    const struct expect expect = {
        "kvs.commit",
        "{\"namespace\":\"primary\",\"flags\":4,\"ops\":["
        "{\"key\":\"a.b\",\"flags\":0,\"dirent\":{\"data\":\"MQ==\",\"type\":\"val\",\"ver\":1}},"
        "{\"key\":\"log\",\"flags\":32,\"dirent\":{\"data\":\"eA==\",\"type\":\"val\",\"ver\":1}},"
        "{\"key\":\"gone\",\"flags\":0,\"dirent\":null}]}",
        "{\"rootref\":\"" REF "\",\"rootseq\":5}"};
    xylem_txn_t *t = xylem_txn_new();
    struct xylem_root root;
    struct rig rig;

    set_up(&rig, &expect);
    assert_int_equal(xylem_txn_put(t, "a.b", "1", 1), 0);
    assert_int_equal(xylem_txn_append(t, "log", "x", 1), 0);
    assert_int_equal(xylem_txn_unlink(t, "gone"), 0);
    assert_int_equal(xylem_commit(rig.x, NULL, t, XYLEM_SYNC, &root), 0);
    assert_int_equal(root.sequence, 5);
    xylem_txn_free(t);
    tear_down(&rig);
}

static void
a_commit_sends_what_it_expects_and_its_id(void **state UNUSED)
{
    const struct expect expect = {
        "kvs.commit.my-id_1",
        "{\"namespace\":\"primary\",\"flags\":0,\"ops\":["
        "{\"key\":\"a\",\"flags\":0,\"dirent\":null}],\"rootseq\":7,\"expect\":["
        "{\"key\":\"a\",\"dirent\":{\"data\":\"MQ==\",\"type\":\"val\",\"ver\":1}},"
        "{\"key\":\"b.c\",\"dirent\":null}]}",
        "{\"rootref\":\"" REF "\",\"rootseq\":8}"};
    xylem_txn_t *t = xylem_txn_new();
    struct xylem_root root;
    struct rig rig;

    set_up(&rig, &expect);
    assert_int_equal(xylem_txn_unlink(t, "a"), 0);
    assert_int_equal(xylem_txn_expect_version(t, 7), 0);
    assert_int_equal(
        xylem_txn_expect(t, "a", "{\"ver\":1,\"type\":\"val\",\"data\":\"MQ==\"}", "blake2b"), 0);
    assert_int_equal(xylem_txn_expect(t, "..b..c", NULL, NULL), 0);
    assert_int_equal(xylem_txn_set_id(t, "my-id_1"), 0);
    assert_int_equal(xylem_commit(rig.x, NULL, t, 0, &root), 0);
    assert_int_equal(root.sequence, 8);
    xylem_txn_free(t);
    tear_down(&rig);
}

static void
what_cannot_be_expected_is_refused(void **state UNUSED)
{
    xylem_txn_t *t = xylem_txn_new();
    char id[XYLEM_ID_MAX + 1];

    memset(id, 'i', sizeof(id));
    id[XYLEM_ID_MAX] = '\0';
    assert_int_equal(xylem_txn_expect_version(t, -1), -EINVAL);
    assert_int_equal(xylem_txn_expect(t, "a/b", NULL, NULL), -EINVAL);
    assert_int_equal(xylem_txn_expect(t, "a", "{}", "blake2b"), -EINVAL);
    assert_non_null(strstr(xylem_txn_error(t), "key 'a'"));
    assert_int_equal(xylem_txn_expect(t, "a", "{}", "md5"), -EINVAL);
    assert_int_equal(xylem_txn_set_id(t, id), -EINVAL);
    assert_int_equal(xylem_txn_set_id(t, ""), -EINVAL);
    assert_int_equal(xylem_txn_set_id(t, "a.b"), -EINVAL);
    id[XYLEM_ID_MAX - 1] = '\0';
    assert_int_equal(xylem_txn_set_id(t, id), 0);
    xylem_txn_free(t);
}

static void
bad_operations_leave_a_sentence(void **state UNUSED)
{
    xylem_txn_t *t = xylem_txn_new();

    assert_int_equal(xylem_txn_put(t, ".", "1", 1), -EINVAL);
    assert_true(strlen(xylem_txn_error(t)) > 0);
    assert_int_equal(xylem_txn_put_treeobj(t, "a", "{\"ver\":1}", "blake2b"), -EINVAL);
    assert_int_equal(xylem_txn_put_treeobj(t, "a", "{}", "md5"), -EINVAL);
    xylem_txn_free(t);
}

static void
hashes_are_not_mixed(void **state UNUSED)
{
    const char *sha1 = "{\"ver\":1,\"type\":\"dirref\",\"data\":"
                       "[\"sha1-c0a9faf907dda6216fd73bf81d0b3b21a1a8cb91\"]}";
    const char *blake = "{\"ver\":1,\"type\":\"dirref\",\"data\":[\"" REF "\"]}";
    const struct expect expect = {"", "", ""};
    xylem_txn_t *t = xylem_txn_new();
    struct rig rig;

    set_up(&rig, &expect);
    assert_int_equal(xylem_txn_put_treeobj(t, "a", sha1, "sha1"), 0);
    assert_int_equal(xylem_txn_put_treeobj(t, "a", blake, "blake2b"), -EINVAL);
    assert_int_equal(xylem_commit(rig.x, NULL, t, 0, NULL), -EINVAL);
    xylem_txn_free(t);
    tear_down(&rig);
}

static void
get_decodes_the_value(void **state UNUSED)
{
    const struct expect expect = {"kvs.lookup",
                                  "{\"key\":\"a.b\",\"namespace\":\"primary\",\"flags\":0}",
                                  "{\"val\":{\"ver\":1,\"type\":\"val\",\"data\":\"aGVsbG8=\"}}"};
    struct rig rig;
    void *data;
    size_t size;

    set_up(&rig, &expect);
    assert_int_equal(xylem_get(rig.x, NULL, "a.b", &data, &size), 0);
    assert_int_equal(size, 5);
    assert_memory_equal(data, "hello", 5);
    free(data);
    tear_down(&rig);
}

static void
a_lookup_may_start_from_a_given_root(void **state UNUSED)
{
    const struct expect expect = {
        "kvs.lookup",
        "{\"key\":\"l\",\"rootdir\":{\"ver\":1,\"type\":\"dirref\",\"data\":[\"" REF "\"]},"
        "\"flags\":2}",
        "{\"val\":{\"ver\":1,\"type\":\"symlink\",\"data\":{\"target\":\"a\"}}}"};
    struct rig rig;
    char *text;

    set_up(&rig, &expect);
    assert_int_equal(xylem_lookup(rig.x, NULL, "l", REF, XYLEM_READLINK, &text), 0);
    assert_string_equal(text, "{\"data\":{\"target\":\"a\"},\"type\":\"symlink\",\"ver\":1}");
    free(text);
    tear_down(&rig);
}

static void
text_that_is_not_utf8_is_refused(void **state UNUSED)
{
    const struct expect expect = {"", "", ""};
    struct rig rig;
    char *text;

    set_up(&rig, &expect);
    assert_int_equal(xylem_lookup(rig.x, NULL, "\xff", NULL, 0, &text), -EINVAL);
    assert_int_equal(xylem_lookup(rig.x, "\xff", "a", NULL, 0, &text), -EINVAL);
    assert_int_equal(xylem_getattr(rig.x, "\xff", &text), -EINVAL);
    tear_down(&rig);
}

static void
getattr_returns_the_value(void **state UNUSED)
{
    const struct expect expect = {"attr.get", "{\"name\":\"size\"}",
                                  "{\"value\":\"8\",\"flags\":1}"};
    struct rig rig;
    char *text;

    set_up(&rig, &expect);
    assert_int_equal(xylem_getattr(rig.x, "size", &text), 0);
    assert_string_equal(text, "8");
    free(text);
    tear_down(&rig);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(getroot_reads_the_answer),
        cmocka_unit_test(the_namespace_may_come_from_the_environment),
        cmocka_unit_test(malformed_roots_are_protocol_errors),
        cmocka_unit_test(a_commit_sends_its_operations_in_order),
        cmocka_unit_test(a_commit_sends_what_it_expects_and_its_id),
        cmocka_unit_test(what_cannot_be_expected_is_refused),
        cmocka_unit_test(bad_operations_leave_a_sentence),
        cmocka_unit_test(hashes_are_not_mixed),
        cmocka_unit_test(get_decodes_the_value),
        cmocka_unit_test(a_lookup_may_start_from_a_given_root),
        cmocka_unit_test(text_that_is_not_utf8_is_refused),
        cmocka_unit_test(getattr_returns_the_value),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
