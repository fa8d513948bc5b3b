/* SPDX-License-Identifier: MPL-2.0 */
/* Patterns choose keys by their whole path; renaming moves whole names. */
#include "filter.h"
#include "rename.h"
#include "xmem.h"

#include "cmocka_all.h"

#include <errno.h>

static struct opt_list
make_list(const char *a, const char *b)
{
    struct opt_list list = {xcalloc(2, sizeof(char *)), 0};

    if (a)
        list.values[list.count++] = a;
    if (b)
        list.values[list.count++] = b;
    return list;
}

static void
patterns_match_the_whole_path(void **state UNUSED)
{
    static const struct {
        const char *include, *also, *exclude, *path;
        bool wanted;
    } cases[] = {
        {NULL, NULL, NULL, "a/b", true},     {"a/*", NULL, NULL, "a/b/c", true},
        {"a/*", NULL, NULL, "ab", false},    {"a", NULL, NULL, "a/b", false},
        {"*.h", NULL, NULL, "a/b.h", true},  {"*.h", "*.c", NULL, "x.c", true},
        {NULL, NULL, "a/*", "a/b/c", false}, {NULL, NULL, "a/?", "a/bc", true},
        {"a*", NULL, "*b", "a/b", false},    {"[ab]/x", NULL, NULL, "b/x", true},
        {"gr*e", NULL, NULL, "größe", true}, {"*", NULL, NULL, ".hidden", true},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct filter f = {make_list(cases[i].include, cases[i].also),
                           make_list(cases[i].exclude, NULL)};

        if (filter_wants_key(&f, cases[i].path) != cases[i].wanted)
            fail_msg("%s", cases[i].path);
        filter_fini(&f);
    }
}

static void
directories_are_passed_by_only_if_nothing_below_is_wanted(void **state UNUSED)
{
    static const struct {
        const char *exclude, *path;
        bool wanted;
    } cases[] = {
        {"a/*", "a/", false}, {"a/*", "a/b/", false}, {"a/*", "ab/", true},
        {"a/b", "a/", true},  {"a/?*", "a/", true},   {"*", "a/", false},
        {"a*", "ab/", false}, {"a/\\*", "a/", true},  {"a/*x", "a/", true},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct filter f = {{NULL, 0}, make_list(cases[i].exclude, NULL)};

        if (filter_wants_below(&f, cases[i].path) != cases[i].wanted)
            fail_msg("%s of %s", cases[i].path, cases[i].exclude);
        filter_fini(&f);
    }
}

static void
check_renamed(const struct rename *r, const char *from, const char *to)
{
    AUTO(key) struct key key = {.count = 0};
    AUTO(buf) struct buf text = BUF_INIT;

    assert_int_equal(key_parse(from, &key, NULL), 0);
    assert_int_equal(rename_key(r, &key, NULL), 0);
    key_format(&key, &text);
    assert_string_equal(buf_str(&text), to);
}

static void
the_first_rule_that_fits_renames(void **state UNUSED)
{
    struct opt_list texts = make_list("a.b=x", "a=y.z%2Eh");
    struct rename r;

    assert_int_equal(rename_parse(&texts, &r, NULL), 0);
    check_renamed(&r, "a.b", "x");
    check_renamed(&r, "a.b.c", "x.c");
    check_renamed(&r, "a.bc", "y.z%2Eh.bc");
    check_renamed(&r, "a", "y.z%2Eh");
    check_renamed(&r, "ab.c", "ab.c");
    check_renamed(&r, ".", ".");
    check_renamed(NULL, "a.b", "a.b");
    rename_fini(&r);
    free(texts.values);
}

static void
the_root_can_be_put_below_and_taken_away(void **state UNUSED)
{
    struct opt_list texts = make_list("a=.", ".=below");
    struct rename r;

    assert_int_equal(rename_parse(&texts, &r, NULL), 0);
    check_renamed(&r, "a.b", "b");
    check_renamed(&r, "a", ".");
    check_renamed(&r, "c.d", "below.c.d");
    rename_fini(&r);
    free(texts.values);
}

static void
what_is_no_rule_is_refused(void **state UNUSED)
{
    static const char *const bad[] = {"a", "=b", "a=", "=", "a\x01=b", "a=b/c"};

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct opt_list texts = make_list("x=y", bad[i]);
        struct rename r;

        assert_int_equal(rename_parse(&texts, &r, NULL), -EINVAL);
        free(texts.values);
    }
}

static void
too_long_keys_are_left_as_they_are(void **state UNUSED)
{
    struct opt_list texts = make_list(".=a.a.a.a", NULL);
    AUTO(key) struct key key = {.count = 0};
    AUTO(buf) struct buf text = BUF_INIT;
    struct rename r;

    for (int i = 0; i < KEY_DEPTH_MAX - 3; i++)
        buf_add_str(&text, "k.");
    assert_int_equal(rename_parse(&texts, &r, NULL), 0);
    assert_int_equal(key_parse(buf_str(&text), &key, NULL), 0);
    assert_int_equal(rename_key(&r, &key, NULL), -ENAMETOOLONG);
    assert_int_equal(key.count, KEY_DEPTH_MAX - 3);
    rename_fini(&r);
    free(texts.values);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_match_the_whole_path),
        cmocka_unit_test(directories_are_passed_by_only_if_nothing_below_is_wanted),
        cmocka_unit_test(the_first_rule_that_fits_renames),
        cmocka_unit_test(the_root_can_be_put_below_and_taken_away),
        cmocka_unit_test(what_is_no_rule_is_refused),
        cmocka_unit_test(too_long_keys_are_left_as_they_are),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
