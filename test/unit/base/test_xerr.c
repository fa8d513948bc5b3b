/* SPDX-License-Identifier: MPL-2.0 */
/* test_xerr.c - error texts. */
#include "cmocka_all.h"

#include "xerr.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

static void
set_fills_code_and_text(void **state UNUSED)
{
    struct err err;

    assert_int_equal(err_set(&err, -EIO, "cannot read %s", "x"), -EIO);
    assert_int_equal(err.code, -EIO);
    assert_string_equal(err.text, "cannot read x");
}

static void
null_is_allowed(void **state UNUSED)
{
    assert_int_equal(err_set(NULL, -EIO, "text %d", 1), -EIO);
    assert_int_equal(err_prefix(NULL, -ENOENT, "text %d", 1), -ENOENT);
}

static void
prefix_goes_in_front_and_keeps_the_code(void **state UNUSED)
{
    struct err err;

    err_set(&err, -EIO, "inner");
    assert_int_equal(err_prefix(&err, -EINVAL, "file %s", "a"), -EIO);
    assert_string_equal(err.text, "file a: inner");
    assert_int_equal(err.code, -EIO);
}

static void
own_text_may_be_an_argument(void **state UNUSED)
{
    struct err err;

    err_set(&err, -EIO, "inner");
    err_set(&err, -EPROTO, "outer: %s", err.text);
    assert_string_equal(err.text, "outer: inner");
}

static void
newlines_at_the_end_are_cut(void **state UNUSED)
{
    struct err err;

    err_set(&err, -EIO, "two\nlines\n\n");
    assert_string_equal(err.text, "two\nlines");
}

static void
long_texts_are_cut(void **state UNUSED)
{
    char text[ERR_TEXT_MAX * 3];
    struct err err;

    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    err_set(&err, -EIO, "%s", text);
    assert_int_equal(strlen(err.text), ERR_TEXT_MAX - 1);
    err_prefix(&err, -EIO, "front");
    assert_int_equal(strlen(err.text), ERR_TEXT_MAX - 1);
    assert_memory_equal(err.text, "front: xxx", 10);
    err_prefix(&err, -EIO, "%s", text);
    assert_int_equal(strlen(err.text), ERR_TEXT_MAX - 1);
}

static void
names_do_not_depend_on_the_sign(void **state UNUSED)
{
    assert_string_equal(err_name(ENOENT), "No such file or directory");
    assert_string_equal(err_name(-ENOENT), "No such file or directory");
}

static void
unknown_numbers_have_names_too(void **state UNUSED)
{
    assert_string_equal(err_name(-54321), "error -54321");
    assert_string_equal(err_name(INT_MIN), "error -2147483648");
    assert_non_null(err_name(INT_MAX));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(set_fills_code_and_text),
        cmocka_unit_test(null_is_allowed),
        cmocka_unit_test(prefix_goes_in_front_and_keeps_the_code),
        cmocka_unit_test(own_text_may_be_an_argument),
        cmocka_unit_test(newlines_at_the_end_are_cut),
        cmocka_unit_test(long_texts_are_cut),
        cmocka_unit_test(names_do_not_depend_on_the_sign),
        cmocka_unit_test(unknown_numbers_have_names_too),
    };

    return cmocka_run_group_tests_name("xerr", tests, NULL, NULL);
}
