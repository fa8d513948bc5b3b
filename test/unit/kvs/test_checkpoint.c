/* SPDX-License-Identifier: MPL-2.0 */
#include "kvstest.h"
#include "checkpoint.h"

#include <jansson.h>

#define ROOT "sha1-c0a9faf907dda6216fd73bf81d0b3b21a1a8cb91"

static int
decode(const char *text, struct checkpoint *ret, struct err *err)
{
    json_t *json = json_loads(text, 0, NULL);
    int rc;

    assert_non_null(json);
    rc = checkpoint_from_json(ALG, json, ret, err);
    json_decref(json);
    return rc;
}

static void
text_comes_back(void **state UNUSED)
{
    static const char text[] = "{\"version\":1,\"rootref\":\"" ROOT "\",\"sequence\":7,"
                               "\"timestamp\":1795244624.33}";
    struct checkpoint c;
    struct buf out = BUF_INIT;

    assert_int_equal(decode(text, &c, NULL), 0);
    assert_blobref(&c.root, ROOT);
    assert_int_equal(c.sequence, 7);
    assert_true(c.timestamp == 1795244624.33);
    checkpoint_encode(ALG, &c, &out);
    assert_string_equal(buf_str(&out), text);
    buf_fini(&out);
}

static void
old_records_have_no_sequence(void **state UNUSED)
{
    struct checkpoint c;

    assert_int_equal(decode("{\"version\":0,\"rootref\":\"" ROOT "\",\"timestamp\":5}", &c, NULL),
                     0);
    assert_int_equal(c.sequence, 0);
    assert_true(c.timestamp == 5.0);
}

static void
other_shapes_are_refused(void **state UNUSED)
{
    static const char *const bad[] = {
        "[]",
        "{}",
        "{\"version\":2,\"rootref\":\"" ROOT "\"}",
        "{\"version\":-1,\"rootref\":\"" ROOT "\"}",
        "{\"version\":\"1\",\"rootref\":\"" ROOT "\"}",
        "{\"rootref\":\"" ROOT "\"}",
        "{\"version\":1}",
        "{\"version\":1,\"rootref\":\"sha1-1\"}",
        "{\"version\":1,\"rootref\":"
        "\"sha256-0000000000000000000000000000000000000000000000000000000000000000\"}",
        "{\"version\":1,\"rootref\":\"" ROOT "\",\"sequence\":-1}",
        "{\"version\":1,\"rootref\":\"" ROOT "\",\"sequence\":1.5}",
        "{\"version\":1,\"rootref\":\"" ROOT "\",\"timestamp\":\"now\"}",
    };

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct checkpoint c;
        struct err err = {0, ""};

        assert_int_equal(decode(bad[i], &c, &err), -EPROTO);
        assert_true(strlen(err.text) > 0);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_comes_back),
        cmocka_unit_test(old_records_have_no_sequence),
        cmocka_unit_test(other_shapes_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
