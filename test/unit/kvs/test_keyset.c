/* SPDX-License-Identifier: MPL-2.0 */
#include "kvstest.h"
#include "keyset.h"

#include <jansson.h>

static struct keyset *
keyset_of(const char *text)
{
    json_t *json = json_loads(text, JSON_DECODE_ANY, NULL);
    struct keyset *s;

    assert_non_null(json);
    s = keyset_from_json(json);
    json_decref(json);
    return s;
}

static void
a_key_is_found_and_others_are_not(void **state UNUSED)
{
    struct keyset *s = keyset_of("{\"b\":null,\"a.b\":null,\"a.b.c\":1,\"ab\":null}");

    assert_int_equal(keyset_count(s), 4);
    assert_string_equal(keyset_at(s, 0), "a.b");
    assert_true(keyset_has(s, "a.b"));
    assert_true(keyset_has(s, "a.b.c"));
    assert_true(keyset_has(s, "b"));
    assert_false(keyset_has(s, "a"));
    assert_false(keyset_has(s, "a.b.c.d"));
    assert_false(keyset_has(s, "."));
    assert_true(keyset_memory(s) > 4 * sizeof(char *));
    keyset_free(&s);
    assert_null(s);
}

static void
other_texts_of_a_key_are_the_same_key(void **state UNUSED)
{
    struct keyset *s = keyset_of("{\"..a..b.\":null,\"a.b\":null,\"x%2Ey\":null}");

    assert_int_equal(keyset_count(s), 2);
    assert_true(keyset_has(s, "a.b"));
    assert_true(keyset_has(s, "x%2Ey"));
    keyset_free(&s);
}

static void
a_set_from_text_is_the_same(void **state UNUSED)
{
    static const char text[] = "{\"a.b\":null,\"q\\\"\":null}";
    char *copy = xstrdup(text);
    struct keyset *s = keyset_from_text(&copy);
    size_t memory = keyset_memory(s);
    struct buf out = BUF_INIT;

    assert_null(copy);
    keyset_encode(s, &out);
    assert_string_equal(buf_str(&out), text);
    assert_true(keyset_has(s, "q\""));
    assert_int_equal(keyset_count(s), 2);
    assert_int_equal(keyset_memory(s), memory);
    buf_reset(&out);
    keyset_encode(s, &out); // now from what was parsed
    assert_string_equal(buf_str(&out), text);
    buf_fini(&out);
    keyset_free(&s);
}

static void
damaged_text_is_told_when_it_is_looked_at(void **state UNUSED)
{
    static const char *const bad[] = {"{\"a\":null", "[]", "{\"a\":null,\"b/c\":null}", ""};

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        char *copy = xstrdup(bad[i]);
        struct keyset *s = keyset_from_text(&copy);

        assert_true(keyset_is_damaged(s));
        assert_false(keyset_has(s, "a"));
        assert_int_equal(keyset_count(s), 0);
        keyset_free(&s);
    }
}

static void
none_is_a_set_too(void **state UNUSED)
{
    struct keyset *s = keyset_of("{}");

    assert_int_equal(keyset_count(s), 0);
    assert_false(keyset_has(s, "a"));
    keyset_free(&s);
}

static void
what_is_no_set_of_keys_is_refused(void **state UNUSED)
{
    static const char *const bad[] = {"[]", "\"a\"", "{\"a/b\":null}", "{\"\":null}",
                                      "{\"ok\":null,\"a\\nb\":null}"};

    assert_null(keyset_from_json(NULL));
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_null(keyset_of(bad[i]));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_is_found_and_others_are_not),
        cmocka_unit_test(other_texts_of_a_key_are_the_same_key),
        cmocka_unit_test(a_set_from_text_is_the_same),
        cmocka_unit_test(damaged_text_is_told_when_it_is_looked_at),
        cmocka_unit_test(none_is_a_set_too),
        cmocka_unit_test(what_is_no_set_of_keys_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
