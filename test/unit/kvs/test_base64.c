/* SPDX-License-Identifier: MPL-2.0 */
#include "kvstest.h"
#include "base64.h"

static void
vectors_of_the_rfc_hold(void **state UNUSED)
{
    static const char *const pairs[][2] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
        char text[16] = "";

        base64_encode(pairs[i][0], strlen(pairs[i][0]), text);
        assert_string_equal(text, pairs[i][1]);
        assert_int_equal(base64_encoded_size(strlen(pairs[i][0])), strlen(text));
    }
}

static void
bytes_come_back(void **state UNUSED)
{
    uint64_t seed = 1;

    for (size_t size = 0; size < 300; size++) {
        uint8_t in[300];
        uint8_t out[300];
        char text[400];
        size_t got;

        for (size_t i = 0; i < size; i++)
            in[i] = (uint8_t)draw(&seed);
        base64_encode(in, size, text);
        assert_int_equal(base64_check(text, base64_encoded_size(size), &got), 0);
        assert_int_equal(got, size);
        base64_decode(text, base64_encoded_size(size), out);
        assert_memory_equal(out, in, size);
    }
}

/* All texts of four characters from a small alphabet: accepted exactly when encoding the decoded
 * bytes gives the text again. */
static void
each_value_has_one_text(void **state UNUSED)
{
    static const char alphabet[] = "AQgwBz/+=-\n\x80";
    size_t n = sizeof(alphabet) - 1;
    size_t accepted = 0;

    for (size_t i = 0; i < n * n * n * n; i++) {
        const char text[4] = {alphabet[i % n], alphabet[i / n % n], alphabet[i / n / n % n],
                              alphabet[i / n / n / n]};
        uint8_t bytes[3] = {0};
        char again[4];
        size_t size;

        if (base64_check(text, 4, &size) < 0)
            continue;
        accepted++;
        base64_decode(text, 4, bytes);
        base64_encode(bytes, size, again);
        assert_memory_equal(again, text, 4);
    }
    /* Eight of the characters are digits; four of them end in four zero bits, and so in two. */
    assert_int_equal(accepted, 8 * 8 * 8 * 8 + 8 * 8 * 4 + 8 * 4);
}

static void
other_lengths_are_refused(void **state UNUSED)
{
    size_t size;

    assert_int_equal(base64_check("Zg=", 3, &size), -EPROTO);
    assert_int_equal(base64_check("Zg", 2, &size), -EPROTO);
    assert_int_equal(base64_check("=", 1, &size), -EPROTO);
    assert_int_equal(base64_check("====", 4, &size), -EPROTO);
    assert_int_equal(base64_check("Z===", 4, &size), -EPROTO);
    assert_int_equal(base64_check("Zg==Zg==", 8, &size), -EPROTO);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_of_the_rfc_hold),
        cmocka_unit_test(bytes_come_back),
        cmocka_unit_test(each_value_has_one_text),
        cmocka_unit_test(other_lengths_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
