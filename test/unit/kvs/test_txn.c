/* SPDX-License-Identifier: MPL-2.0 */
#include "kvstest.h"

#include <jansson.h>

static int
decode(const char *text, struct txn *ret, struct err *err)
{
    json_t *json = json_loads(text, 0, NULL);
    int rc;

    assert_non_null(json);
    rc = txn_from_json(ALG, json, ret, err);
    json_decref(json);
    return rc;
}

/* What the flux command sends for put, append, unlink, mkdir and link. */
static const char all_ops[] =
    "[{\"key\":\"a.b\",\"flags\":0,\"dirent\":{\"data\":\"MQ==\",\"type\":\"val\",\"ver\":1}},"
    "{\"key\":\"log\",\"flags\":32,\"dirent\":{\"data\":\"eA==\",\"type\":\"val\",\"ver\":1}},"
    "{\"key\":\"x%2Eh\",\"flags\":0,\"dirent\":null},"
    "{\"key\":\"d\",\"flags\":0,\"dirent\":{\"data\":{},\"type\":\"dir\",\"ver\":1}},"
    "{\"key\":\"l\",\"flags\":0,"
    "\"dirent\":{\"data\":{\"target\":\"a.b\"},\"type\":\"symlink\",\"ver\":1}}]";

static void
json_comes_back(void **state UNUSED)
{
    struct txn t;
    struct buf text = BUF_INIT;

    assert_int_equal(decode(all_ops, &t, NULL), 0);
    assert_int_equal(t.count, 5);
    assert_int_equal(t.ops[1].flags, TXN_APPEND);
    assert_null(t.ops[2].dirent);
    assert_string_equal(t.ops[2].key.names[0], "x.h");
    txn_encode(ALG, &t, &text);
    assert_string_equal(buf_str(&text), all_ops);
    buf_fini(&text);
    txn_fini(&t);
}

static void
empty_transaction_is_one(void **state UNUSED)
{
    struct txn t;
    struct buf text = BUF_INIT;

    assert_int_equal(decode("[]", &t, NULL), 0);
    assert_int_equal(t.count, 0);
    txn_encode(ALG, &t, &text);
    assert_string_equal(buf_str(&text), "[]");
    buf_fini(&text);
    txn_fini(&t);
}

static void
key_is_written_in_its_normal_form(void **state UNUSED)
{
    struct txn t = TXN_INIT;
    struct buf text = BUF_INIT;

    add_op(&t, "..a...b.", 0, NULL);
    txn_encode(ALG, &t, &text);
    assert_string_equal(buf_str(&text), "[{\"key\":\"a.b\",\"flags\":0,\"dirent\":null}]");
    buf_fini(&text);
    txn_fini(&t);
}

#define OP(key, flags, dirent) "[{\"key\":" key ",\"flags\":" flags ",\"dirent\":" dirent "}]"

static void
bad_operations_are_refused(void **state UNUSED)
{
    static const struct {
        const char *text; // of the transaction
        int rc;           // expected
    } cases[] = {
        {"{}", -EPROTO},
        {"[1]", -EPROTO},
        {"[{\"key\":\"a\",\"flags\":0}]", -EPROTO},
        {"[{\"key\":\"a\",\"dirent\":null}]", -EPROTO},
        {OP("1", "0", "null"), -EPROTO},
        {OP("\"a\"", "1", "null"), -EPROTO},
        {OP("\"a\"", "4294967296", "null"), -EPROTO},
        {OP("\"a\"", "32", "null"), -EPROTO},
        {OP("\"a\"", "32", "{\"ver\":1,\"type\":\"dir\",\"data\":{}}"), -EPROTO},
        {OP("\"a\"", "0", "{\"ver\":1,\"type\":\"dir\"}"), -EPROTO},
        {OP("\"\"", "0", "null"), -EINVAL},
        {OP("\"..\"", "0", "null"), -EINVAL},
        {OP("\"a/b\"", "0", "null"), -EINVAL},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct txn t;
        struct err err = {0, ""};

        assert_int_equal(decode(cases[i].text, &t, &err), cases[i].rc);
        assert_true(strlen(err.text) > 0);
    }
}

static void
entry_is_consumed_also_on_failure(void **state UNUSED)
{
    struct txn t = TXN_INIT;
    struct treeobj *val = new_val("v");
    struct treeobj *mine = treeobj_ref(val);

    assert_int_equal(txn_add(&t, ".", 0, &val, NULL), -EINVAL);
    assert_null(val);
    assert_false(treeobj_is_shared(mine));
    assert_int_equal(t.count, 0);
    treeobj_unref(&mine);
    txn_fini(&t);
}

/* --- what is expected --- */

static int
decode_expects(const char *text, struct txn *t, struct err *err)
{
    json_t *json = json_loads(text, 0, NULL);
    int rc;

    assert_non_null(json);
    rc = txn_expects_from_json(ALG, (const struct json_t *)json, t, err);
    json_decref(json);
    return rc;
}

static void
expectations_come_back(void **state UNUSED)
{
    static const char text[] =
        "[{\"key\":\"a.b\",\"dirent\":{\"data\":\"MQ==\",\"type\":\"val\",\"ver\":1}},"
        "{\"key\":\".\",\"dirent\":{\"data\":[\"sha1-c0a9faf907dda6216fd73bf81d0b3b21a1a8cb91\"],"
        "\"type\":\"dirref\",\"ver\":1}},"
        "{\"key\":\"x%2Eh\",\"dirent\":null}]";
    struct txn t = TXN_INIT;
    struct buf out = BUF_INIT;

    assert_true(t.version == TXN_ANY_VERSION);
    assert_int_equal(decode_expects(text, &t, NULL), 0);
    assert_int_equal(t.nexpects, 3);
    assert_int_equal(t.count, 0);
    assert_null(t.expects[2].dirent);
    txn_encode_expects(ALG, &t, &out);
    assert_string_equal(buf_str(&out), text);
    buf_fini(&out);
    txn_fini(&t);
    assert_int_equal(t.nexpects, 0);
}

static void
bad_expectations_are_refused(void **state UNUSED)
{
    static const struct {
        const char *text;
        int rc; // expected
    } cases[] = {
        {"{}", -EPROTO},
        {"[1]", -EPROTO},
        {"[{\"key\":\"a\"}]", -EPROTO},
        {"[{\"dirent\":null}]", -EPROTO},
        {"[{\"key\":\"a\",\"dirent\":{\"ver\":1,\"type\":\"dir\"}}]", -EPROTO},
        {"[{\"key\":\"a/b\",\"dirent\":null}]", -EINVAL},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct txn t = TXN_INIT;
        struct err err = {0, ""};

        assert_int_equal(decode_expects(cases[i].text, &t, &err), cases[i].rc);
        assert_true(strlen(err.text) > 0);
        txn_fini(&t);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(expectations_come_back),
        cmocka_unit_test(bad_expectations_are_refused),
        cmocka_unit_test(json_comes_back),
        cmocka_unit_test(empty_transaction_is_one),
        cmocka_unit_test(key_is_written_in_its_normal_form),
        cmocka_unit_test(bad_operations_are_refused),
        cmocka_unit_test(entry_is_consumed_also_on_failure),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
