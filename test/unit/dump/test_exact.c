/* SPDX-License-Identifier: MPL-2.0 */
/* The texts of attributes come back as what they were made of; others are refused, and none makes its reader
 * allocate much. */
#include "exact.h"
#include "xmem.h"

#include "cmocka_all.h"
#include "draw.h"

#include <errno.h>
#include <stdio.h>

static const char *
format(const struct exact_sizes *s, struct buf *out)
{
    buf_reset(out);
    return exact_sizes_format(s, out) ? buf_str(out) : NULL;
}

static void
equal_sizes_in_a_row_are_one_run(void **state UNUSED)
{
    static const uint64_t sizes[] = {5, 5, 5, 0, 7, 5};
    AUTO(exact_sizes) struct exact_sizes s = {.runs = NULL};
    AUTO(buf) struct buf text = BUF_INIT;

    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
        exact_sizes_add(&s, sizes[i]);
    assert_string_equal(format(&s, &text), "5*3,0,7,5");
    exact_sizes_reset(&s);
    exact_sizes_add(&s, 0);
    assert_string_equal(format(&s, &text), "0");
}

static void
sizes_come_back(void **state UNUSED)
{
    for (unsigned round = 0; round < 300; round++) {
        AUTO(exact_sizes) struct exact_sizes s = {.runs = NULL};
        AUTO(exact_sizes) struct exact_sizes got = {.runs = NULL};
        AUTO(buf) struct buf text = BUF_INIT;
        uint64_t sizes[40], size, total = 0;
        uint64_t dice = round + 1;
        size_t count = 1 + draw_below(&dice, 40);

        for (size_t i = 0; i < count; i++) {
            sizes[i] = draw_below(&dice, 3);
            total += sizes[i];
            exact_sizes_add(&s, sizes[i]);
        }
        format(&s, &text);
        assert_int_equal(exact_sizes_parse(text.data, text.size, total, 2, &got, NULL), 0);
        for (size_t i = 0; i < count; i++) {
            assert_true(exact_sizes_next(&got, &size));
            assert_int_equal(size, sizes[i]);
        }
        assert_false(exact_sizes_next(&got, &size));
    }
}

static void
texts_that_are_no_sizes_are_refused(void **state UNUSED)
{
    static const char *const good[] = {"10", "5*2", "1,9", "0,10", "10,0*65536", "1*10,0"};
    static const char *const bad[] = {
        "",
        ",",
        "10,",
        ",10",
        "9",
        "11",
        "010",
        "+10",
        "-1",
        "5*",
        "5*0",
        "5*3",
        "5*2*1",
        "5 *2",
        "5,5x",
        "5,,5",
        "10,0*65537",
        "10,0*65536,0",
        "2*5,0*99999999999999999999",
        "18446744073709551626",
        "1*18446744073709551626",
        "5*9223372036854775809",
        "inline",
    };

    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        AUTO(exact_sizes) struct exact_sizes s = {.runs = NULL};

        if (exact_sizes_parse(good[i], strlen(good[i]), 10, 10, &s, NULL) != 0)
            fail_msg("%s", good[i]);
    }
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct exact_sizes s;
        struct err err = {0};

        if (exact_sizes_parse(bad[i], strlen(bad[i]), 10, 10, &s, &err) != -EINVAL || !err.text[0])
            fail_msg("%s", bad[i]);
    }
}

static void
blobs_above_the_limit_are_refused(void **state UNUSED)
{
    struct exact_sizes s;

    assert_int_equal(exact_sizes_parse("5,5", 3, 10, 5, &s, NULL), 0);
    exact_sizes_fini(&s);
    assert_int_equal(exact_sizes_parse("4,6", 3, 10, 5, &s, NULL), -EINVAL);
}

/* Of sizes that change all the time, and of very many blobs without a byte. */
static void
what_is_too_long_is_not_told(void **state UNUSED)
{
    AUTO(exact_sizes) struct exact_sizes s = {.runs = NULL};
    AUTO(buf) struct buf text = BUF_INIT;

    for (uint64_t i = 0; i < 300000; i++)
        exact_sizes_add(&s, 1 + i % 2);
    assert_null(format(&s, &text));
    assert_int_equal(text.size, 0);
    exact_sizes_reset(&s);
    for (uint64_t i = 0; i < 65536; i++)
        exact_sizes_add(&s, 0);
    assert_string_equal(format(&s, &text), "0*65536");
    exact_sizes_add(&s, 0);
    assert_null(format(&s, &text));
    exact_sizes_reset(&s);
    for (uint64_t i = 0; i < EXACT_BLOBS_MAX / 2; i++)
        exact_sizes_add(&s, i % 2);
    assert_null(format(&s, &text)); // more than so many empty ones
}

static void
forms_have_names(void **state UNUSED)
{
    static const enum exact_form forms[] = {EXACT_AS_LAID_OUT, EXACT_DIR, EXACT_HDIR, EXACT_INLINE};
    enum exact_form form;

    for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
        const char *name = exact_form_name(forms[i]);

        assert_int_equal(exact_form_parse(name, strlen(name), &form), 0);
        assert_int_equal(form, forms[i]);
        assert_int_equal(exact_form_parse(name, strlen(name) - 1, &form), -EINVAL);
    }
    assert_int_equal(exact_form_parse("", 0, &form), -EINVAL);
}

static void
removed_keys_come_back_until_the_list_is_full(void **state UNUSED)
{
    AUTO(buf) struct buf list = BUF_INIT;
    AUTO(buf) struct buf path = BUF_INIT;
    size_t at = 0, count = 0, got = 0;
    char name[32];
    bool is_dir;

    do {
        snprintf(name, sizeof(name), "dir/%zu", count);
    } while (exact_removed_add(&list, name, count++ % 3 == 0));
    assert_in_range(list.size, EXACT_REMOVED_MAX - 12, EXACT_REMOVED_MAX);
    while (exact_removed_next(list.data, list.size, &at, &path, &is_dir)) {
        snprintf(name, sizeof(name), "dir/%zu", got);
        assert_string_equal(buf_str(&path), name);
        assert_int_equal(is_dir, got++ % 3 == 0);
        buf_reset(&path);
    }
    assert_int_equal(got, count - 1);
    assert_false(exact_removed_next("", 0, &(size_t){0}, &path, &is_dir));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_sizes_in_a_row_are_one_run),
        cmocka_unit_test(sizes_come_back),
        cmocka_unit_test(texts_that_are_no_sizes_are_refused),
        cmocka_unit_test(blobs_above_the_limit_are_refused),
        cmocka_unit_test(what_is_too_long_is_not_told),
        cmocka_unit_test(forms_have_names),
        cmocka_unit_test(removed_keys_come_back_until_the_list_is_full),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
