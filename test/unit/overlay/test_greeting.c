/* SPDX-License-Identifier: MPL-2.0 */
#include "cmocka_all.h"

#include "greeting.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct greeting parent = {.rank = 1,
                                       .size = 10,
                                       .fanout = 2,
                                       .protocol = GREETING_PROTOCOL,
                                       .version = "1.0",
                                       .instance = "oak",
                                       .hash = "blake2b",
                                       .uuid = "u-parent",
                                       .hostname = "host-p"};

static struct greeting
child(void)
{
    struct greeting g = parent;

    g.rank = 3;
    strcpy(g.hostname, "host-c");
    return g;
}

static int
decode(const char *text, struct err *err)
{
    struct greeting g;

    return greeting_decode(text, strlen(text), &g, err);
}

static void
encoded_greeting_decodes_to_itself(void **state UNUSED)
{
    AUTO(buf) struct buf text = BUF_INIT;
    struct greeting g = child();
    struct greeting got = {0};

    snprintf(g.hostname, sizeof(g.hostname), "a \"quoted\" host\\n\xc3\xa9");
    memset(g.uuid, 'u', sizeof(g.uuid) - 1);
    greeting_encode(&g, &text);
    assert_int_equal(greeting_decode(text.data, text.size, &got, NULL), 0);
    assert_int_equal(got.rank, g.rank);
    assert_int_equal(got.size, g.size);
    assert_int_equal(got.fanout, g.fanout);
    assert_int_equal(got.protocol, g.protocol);
    assert_string_equal(got.version, g.version);
    assert_string_equal(got.instance, g.instance);
    assert_string_equal(got.hash, g.hash);
    assert_string_equal(got.uuid, g.uuid);
    assert_string_equal(got.hostname, g.hostname);
    assert_int_equal(got.window, 0);
}

static void
welcome_tells_a_window_within_limits(void **state UNUSED)
{
    static const uint32_t good[] = {GREETING_WINDOW_MIN, 5000000, GREETING_WINDOW_MAX};
    static const uint32_t bad[] = {1, GREETING_WINDOW_MIN - 1, GREETING_WINDOW_MAX + 1, UINT32_MAX};
    struct greeting g = child();
    struct greeting got = {0};

    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        AUTO(buf) struct buf text = BUF_INIT;

        g.window = good[i];
        greeting_encode(&g, &text);
        assert_int_equal(greeting_decode(text.data, text.size, &got, NULL), 0);
        assert_int_equal(got.window, good[i]);
    }
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        AUTO(buf) struct buf text = BUF_INIT;
        struct err err = {0};

        g.window = bad[i];
        greeting_encode(&g, &text);
        assert_int_equal(greeting_decode(text.data, text.size, &got, &err), -EPROTO);
        assert_non_null(strstr(err.text, "window"));
    }
}

static const char *const members[] = {"rank",     "size", "fanout", "protocol", "version",
                                      "instance", "hash", "uuid",   "hostname"};

/* A good greeting in which `member` has that value; NULL: is missing. */
static void
write_greeting(const char *member, const char *value, struct buf *out)
{
    buf_add_char(out, '{');
    for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
        const char *usual = i < 4 ? "1" : "\"w\"";
        bool is_it = strcmp(members[i], member) == 0;

        if (is_it && !value)
            continue;
        buf_printf(out, "%s\"%s\":%s", out->size > 1 ? "," : "", members[i], is_it ? value : usual);
    }
    buf_add_char(out, '}');
}

static int
decode_with(const char *member, const char *value, struct err *err)
{
    AUTO(buf) struct buf text = BUF_INIT;

    write_greeting(member, value, &text);
    return decode(buf_str(&text), err);
}

static void
every_member_is_needed_and_typed(void **state UNUSED)
{
    assert_int_equal(decode_with("none", NULL, NULL), 0);
    for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
        const char *const bad[] = {NULL, "null", "[]", "1.5", i < 4 ? "\"1\"" : "1"};

        for (size_t k = 0; k < ARRAY_SIZE(bad); k++) {
            struct err err = {0};

            assert_int_equal(decode_with(members[i], bad[k], &err), -EPROTO);
            assert_non_null(strstr(err.text, members[i]));
        }
    }
}

static void
numbers_and_words_have_limits(void **state UNUSED)
{
    char word[2 * GREETING_WORD_MAX];

    assert_int_equal(decode_with("rank", "-1", NULL), -EPROTO);
    assert_int_equal(decode_with("rank", "1000000", NULL), 0);
    assert_int_equal(decode_with("size", "1000001", NULL), -EPROTO);
    assert_int_equal(decode_with("fanout", "4294967297", NULL), -EPROTO);
    assert_int_equal(decode_with("protocol", "9223372036854775807", NULL), -EPROTO);
    memset(word, 'x', sizeof(word));
    word[0] = '"';
    word[GREETING_WORD_MAX] = '"';
    word[GREETING_WORD_MAX + 1] = '\0';
    assert_int_equal(decode_with("hostname", word, NULL), 0);
    memcpy(word + GREETING_WORD_MAX, "x\"", 3);
    assert_int_equal(decode_with("hostname", word, NULL), -EPROTO);
}

static void
what_is_no_object_is_refused(void **state UNUSED)
{
    static const char *const texts[] = {
        "",   " ",   "{",     "[]",   "null",          "\"rank\"",
        "12", "{}}", "{} {}", "\xff", "{\"rank\":1,}", "{\"a\\u0000\":1}"};

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct err err = {0};

        assert_int_equal(decode(texts[i], &err), -EPROTO);
        assert_true(err.text[0] != '\0');
    }
}

static void
deep_nesting_is_refused(void **state UNUSED)
{
    char text[60000];

    memset(text, '[', sizeof(text));
    assert_int_equal(greeting_decode(text, sizeof(text), &(struct greeting){0}, NULL), -EPROTO);
}

static void
child_of_the_same_tree_may_join(void **state UNUSED)
{
    struct greeting g = child();

    assert_int_equal(greeting_check(&parent, &g, NULL), 0);
    strcpy(g.version, "2.7");
    g.rank = 9; // below 4, which is below 1: a grandchild may come when its own parent is lost
    assert_int_equal(greeting_check(&parent, &g, NULL), 0);
}

static void
assert_refused(const struct greeting *g, const char *said)
{
    struct err err = {0};

    assert_int_equal(greeting_check(&parent, g, &err), -EPERM);
    if (!strstr(err.text, said))
        fail_msg("\"%s\" does not say \"%s\"", err.text, said);
    assert_non_null(strstr(err.text, "host-c"));
}

static void
refusal_names_both_sides(void **state UNUSED)
{
    struct greeting g = child();

    g.protocol = 9;
    assert_refused(&g, "protocol 9");
    g = child();
    strcpy(g.instance, "elm");
    assert_refused(&g, "instance elm, rank 1 to oak");
    g = child();
    strcpy(g.hash, "sha1");
    assert_refused(&g, "hash algorithm sha1, rank 1 uses blake2b");
    g = child();
    g.size = 11;
    assert_refused(&g, "expects 11 ranks with fanout 2, rank 1 expects 10 with 2");
    g = child();
    g.fanout = 3;
    assert_refused(&g, "with fanout 3");
}

static void
rank_that_is_not_below_is_refused(void **state UNUSED)
{
    static const uint32_t ranks[] = {0, 1, 2, 5, 6, 10, 1000000};

    for (size_t i = 0; i < ARRAY_SIZE(ranks); i++) {
        struct greeting g = child();

        g.rank = ranks[i];
        assert_refused(&g, "is not below rank 1");
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encoded_greeting_decodes_to_itself),
        cmocka_unit_test(welcome_tells_a_window_within_limits),
        cmocka_unit_test(every_member_is_needed_and_typed),
        cmocka_unit_test(numbers_and_words_have_limits),
        cmocka_unit_test(what_is_no_object_is_refused),
        cmocka_unit_test(deep_nesting_is_refused),
        cmocka_unit_test(child_of_the_same_tree_may_join),
        cmocka_unit_test(refusal_names_both_sides),
        cmocka_unit_test(rank_that_is_not_below_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
