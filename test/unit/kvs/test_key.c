/* SPDX-License-Identifier: MPL-2.0 */
#include "kvstest.h"
#include "key.h"

/* Parses, and writes the names with a '|' behind each. */
static int
names_of(const char *text, int (*parse)(const char *, struct key *, struct err *), char *out)
{
    struct key k;
    int rc = parse(text, &k, NULL);

    *out = '\0';
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < k.count; i++)
        strcat(strcat(out, k.names[i]), "|");
    key_fini(&k);
    return 0;
}

static void
text_becomes_names(void **state UNUSED)
{
    static const char *const cases[][2] = {
        {"a", "a|"},           {"a.b.c", "a|b|c|"},
        {"..a...b..", "a|b|"}, {".", ""},
        {"...", ""},           {"stdio%2Eh", "stdio.h|"},
        {"a%2e", "a%2e|"},     {"100%", "100%|"},
        {"%252E", "%2E|"},     {"%2525", "%25|"},
        {"%%2E%", "%.%|"},     {"%2", "%2|"},
        {"%2E%2E%2E", "...|"}, {"\xc3\xa4.\xe2\x82\xac", "\xc3\xa4|\xe2\x82\xac|"},
    };
    char names[64];

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_int_equal(names_of(cases[i][0], key_parse, names), 0);
        assert_string_equal(names, cases[i][1]);
    }
}

static void
bad_names_are_refused(void **state UNUSED)
{
    static const char *const bad[] = {
        "",
        "%2E",
        "a.%2E%2E.b",
        "a/b",
        "a\nb",
        "\x7f",
        "a.\xff",
        "\xc0\x80",
        "\xed\xa0\x80",
        "\xf4\x90\x80\x80",
        "\xe2\x82",
        "\xe0\x80\x80",
        "\xf0\x80\x80\x80",
        "\xf5\x80\x80\x80",
        "\x80",
    };
    struct key k;

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(key_parse(bad[i], &k, NULL), -EINVAL);
}

static void
error_text_names_the_key_without_control_characters(void **state UNUSED)
{
    struct err err;
    struct key k;

    assert_int_equal(key_parse("a.b\nc", &k, &err), -EINVAL);
    assert_non_null(strstr(err.text, "'a.b?c'"));
}

/* n times the text, then "x". */
static char *
repeat(const char *text, size_t n)
{
    struct buf b = BUF_INIT;

    for (size_t i = 0; i < n; i++)
        buf_add_str(&b, text);
    buf_add_char(&b, 'x');
    return buf_detach(&b, &n);
}

static void
assert_length_limit(const char *piece, size_t fits)
{
    AUTO(free) char *good = repeat(piece, fits);
    AUTO(free) char *bad = repeat(piece, fits + 1);
    struct key k;

    assert_int_equal(key_parse(good, &k, NULL), 0);
    key_fini(&k);
    assert_int_equal(key_parse(bad, &k, NULL), -ENAMETOOLONG);
}

static void
limits_hold_exactly(void **state UNUSED)
{
    assert_length_limit("y", KEY_NAME_MAX - 1);
    assert_length_limit("%2E", KEY_NAME_MAX - 1);
    assert_length_limit("a.", KEY_DEPTH_MAX - 1);
    assert_length_limit(".", KEY_TEXT_MAX - 1);
}

static void
paths_hold_plain_names(void **state UNUSED)
{
    static const char *const good[][2] = {
        {"a/b", "a|b|"},     {"./a//b/", "a|b|"}, {"./././a", "a|"}, {".//a", "a|"},
        {"./", ""},          {".", ""},           {"./.", ""},       {"stdio.h", "stdio.h|"},
        {"%2E/x", "%2E|x|"}, {"...", "...|"},     {"a/./b", "a|b|"}, {"a/.", "a|"},
    };
    static const char *const bad[] = {"", "/", "/a", "..", "a/../b", "./../a", "a/./.."};
    char names[64];

    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        assert_int_equal(names_of(good[i][0], key_from_path, names), 0);
        assert_string_equal(names, good[i][1]);
    }
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(names_of(bad[i], key_from_path, names), -EINVAL);
}

/* Writes the n-th of all texts over the alphabet. */
static void
nth_text(const char *alphabet, size_t n, char *out)
{
    size_t base = strlen(alphabet);

    for (; n > 0; n = (n - 1) / base)
        *out++ = alphabet[(n - 1) % base];
    *out = '\0';
}

/* Every name of up to six of the characters that matter: quoting and parsing gives it again. */
static void
every_quoted_name_is_read_back(void **state UNUSED)
{
    for (size_t n = 1; n < 19531; n++) {
        struct buf text = BUF_INIT;
        struct key k;
        char name[8];

        nth_text("%2E5.", n, name);
        if (key_check_name(name, NULL) < 0)
            continue;
        key_quote_name(name, &text);
        assert_int_equal(key_parse(buf_str(&text), &k, NULL), 0);
        assert_int_equal(k.count, 1);
        assert_string_equal(k.names[0], name);
        key_fini(&k);
        buf_fini(&text);
    }
}

/* Every key text of up to seven of them: formatting what was read is a fixed point. */
static void
formatting_normalises(void **state UNUSED)
{
    for (size_t n = 1; n < 97656; n++) {
        struct buf once = BUF_INIT;
        struct buf twice = BUF_INIT;
        struct key k;
        char text[8];

        nth_text("%2E5.", n, text);
        if (key_parse(text, &k, NULL) < 0)
            continue;
        key_format(&k, &once);
        key_fini(&k);
        assert_int_equal(key_parse(buf_str(&once), &k, NULL), 0);
        key_format(&k, &twice);
        assert_string_equal(buf_str(&once), buf_str(&twice));
        key_fini(&k);
        buf_fini(&once);
        buf_fini(&twice);
    }
}

static void
ordinary_text_is_not_quoted(void **state UNUSED)
{
    struct buf text = BUF_INIT;

    key_quote_name("50% of %2 %2e %E", &text);
    assert_string_equal(buf_str(&text), "50% of %2 %2e %E");
    buf_fini(&text);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_becomes_names),
        cmocka_unit_test(bad_names_are_refused),
        cmocka_unit_test(error_text_names_the_key_without_control_characters),
        cmocka_unit_test(limits_hold_exactly),
        cmocka_unit_test(paths_hold_plain_names),
        cmocka_unit_test(every_quoted_name_is_read_back),
        cmocka_unit_test(formatting_normalises),
        cmocka_unit_test(ordinary_text_is_not_quoted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
