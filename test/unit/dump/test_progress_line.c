/* SPDX-License-Identifier: MPL-2.0 */
/* test_progress_line.c - what the line about progress says, at any width. */
#include "cmocka_all.h"
#include "progress_line.h"

#include <string.h>

static const struct progress_line known = {.program = "xylem-restore",
                                           .verb = "restored",
                                           .keys = 1234,
                                           .bytes = 5 * 1024 * 1024,
                                           .rate = 1536 * 1024,
                                           .done = 3000,
                                           .total = 12000,
                                           .elapsed_ms = 10000};

static const char *
format(const struct progress_line *line, size_t columns)
{
    static struct buf text;

    buf_reset(&text);
    progress_line_format(line, columns, &text);
    return buf_str(&text);
}

static void
bytes_have_units(void **state UNUSED)
{
    static const struct {
        uint64_t bytes;
        const char *text;
    } cases[] = {
        {0, "0 bytes"},          {1023, "1023 bytes"},         {1024, "1.0 KiB"},
        {1536, "1.5 KiB"},       {1024 * 1024 - 1, "1.0 MiB"}, {UINT64_C(8500) << 20, "8.3 GiB"},
        {UINT64_MAX, "16.0 EiB"}};

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        AUTO(buf) struct buf text = BUF_INIT;

        progress_line_format_bytes(cases[i].bytes, &text);
        assert_string_equal(buf_str(&text), cases[i].text);
    }
}

static void
all_is_told_when_there_is_room(void **state UNUSED)
{
    assert_string_equal(format(&known, 200),
                        "xylem-restore: 25% [##########..............................] restored "
                        "1234 keys, 5.0 MiB, 1.5 MiB/s, ETA 0:30");
}

static void
the_bar_takes_the_room_that_is_left(void **state UNUSED)
{
    const char *text = format(&known, 90);

    assert_int_equal(strlen(text), 90);
    assert_non_null(strstr(text, "25% [####"));
    assert_non_null(strstr(text, "1234 keys, 5.0 MiB, 1.5 MiB/s, ETA 0:30"));
}

static void
without_a_total_there_is_neither_bar_nor_share(void **state UNUSED)
{
    struct progress_line line = known;

    line.total = 0;
    assert_string_equal(format(&line, 200),
                        "xylem-restore: restored 1234 keys, 5.0 MiB, 1.5 MiB/s");
    line.rate = line.bytes = 0;
    assert_string_equal(format(&line, 200), "xylem-restore: restored 1234 keys");
}

static void
it_is_never_wider_than_asked(void **state UNUSED)
{
    struct progress_line line = known;

    for (size_t columns = 0; columns < 200; columns++) {
        assert_in_range(strlen(format(&known, columns)), 0, columns);
        line.keys = UINT64_MAX;
        line.bytes = UINT64_MAX;
        line.rate = UINT64_MAX;
        assert_in_range(strlen(format(&line, columns)), 0, columns);
    }
}

static void
what_matters_least_is_left_out_first(void **state UNUSED)
{
    struct progress_line line = known;

    assert_string_equal(format(&known, 59),
                        "xylem-restore: 25% restored 1234 keys, 5.0 MiB, ETA 0:30");
    assert_string_equal(format(&known, 44), "25% restored 1234 keys, 5.0 MiB, ETA 0:30");
    assert_string_equal(format(&known, 34), "25% 1234 keys, 5.0 MiB, ETA 0:30");
    assert_string_equal(format(&known, 24), "25% 1234 keys, ETA 0:30");
    assert_string_equal(format(&known, 14), "25% 1234 keys");
    assert_string_equal(format(&known, 9), "1234 keys");
    assert_string_equal(format(&known, 4), "1234");
    assert_string_equal(format(&known, 0), "");
    line.total = 0;
    assert_string_equal(format(&line, 19), "1234 keys, 5.0 MiB");
}

static void
the_rest_of_the_time_is_told_when_it_can_be_known(void **state UNUSED)
{
    struct progress_line line = known;

    line.elapsed_ms = 999;
    assert_null(strstr(format(&line, 200), "ETA"));
    line.elapsed_ms = 5000000;
    assert_non_null(strstr(format(&line, 200), "ETA 4:10:00"));
    line.elapsed_ms = INT64_MAX / 2;
    assert_null(strstr(format(&line, 200), "ETA"));
    line.elapsed_ms = 10000;
    line.done = 0;
    assert_null(strstr(format(&line, 200), "ETA"));
    assert_non_null(strstr(format(&line, 200), " 0% [....."));
    line.done = line.total;
    assert_null(strstr(format(&line, 200), "ETA"));
    assert_non_null(strstr(format(&line, 200), "100% [#####"));
}

static void
a_file_that_grows_is_never_more_than_all(void **state UNUSED)
{
    struct progress_line line = known;

    line.done = line.total + 5;
    assert_non_null(strstr(format(&line, 200), "100% ["));
    line.total = UINT64_MAX;
    line.done = UINT64_MAX;
    assert_non_null(strstr(format(&line, 200), "100% ["));
}

static void
plain_text_has_no_bar(void **state UNUSED)
{
    AUTO(buf) struct buf text = BUF_INIT;

    progress_line_format_plain(&known, &text);
    assert_string_equal(buf_str(&text), "xylem-restore: 25% restored 1234 keys, 5.0 MiB, "
                                        "1.5 MiB/s, ETA 0:30");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_have_units),
        cmocka_unit_test(all_is_told_when_there_is_room),
        cmocka_unit_test(the_bar_takes_the_room_that_is_left),
        cmocka_unit_test(without_a_total_there_is_neither_bar_nor_share),
        cmocka_unit_test(it_is_never_wider_than_asked),
        cmocka_unit_test(what_matters_least_is_left_out_first),
        cmocka_unit_test(the_rest_of_the_time_is_told_when_it_can_be_known),
        cmocka_unit_test(a_file_that_grows_is_never_more_than_all),
        cmocka_unit_test(plain_text_has_no_bar),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
