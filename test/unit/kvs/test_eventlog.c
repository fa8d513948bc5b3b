/* SPDX-License-Identifier: MPL-2.0 */
/* Eventlogs: lines that are written, logs that come in pieces, logs that are none, and their forms for
 * people. */
#include "kvstest.h"
#include "eventlog_text.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>

#define LINE_1 "{\"timestamp\":1.0,\"name\":\"start\",\"context\":{\"rank\":3,\"host\":\"a\"}}\n"
#define LINE_2 "{\"timestamp\":2.5,\"name\":\"stop\"}\n"

/* --- writing --- */

static void
assert_line(double timestamp, const char *name, const char *context, const char *expected)
{
    AUTO(buf) struct buf out = BUF_INIT;
    struct err err;

    assert_int_equal(eventlog_encode(timestamp, name, context, &out, &err), 0);
    assert_string_equal(buf_str(&out), expected);
}

static void
events_become_lines(void **state UNUSED)
{
    assert_line(1, "start", "{ \"rank\": 3, \"host\": \"a\" }", LINE_1);
    assert_line(2.5, "stop", NULL, LINE_2);
    assert_line(0, "a\nb", "{}", "{\"timestamp\":0.0,\"name\":\"a\\nb\",\"context\":{}}\n");
}

static void
what_is_no_event_is_not_written(void **state UNUSED)
{
    static const struct {
        double timestamp;
        const char *name;
        const char *context;
    } cases[] = {
        {-1, "a", NULL},
        {(double)NAN, "a", NULL},
        {(double)INFINITY, "a", NULL},
        {1, "", NULL},
        {1, "\xff", NULL},
        {1, "a", ""},
        {1, "a", "7"},
        {1, "a", "[]"},
        {1, "a", "{"},
        {1, "a", "{} {}"},
        {1, "a", "{\"a\":1,\"a\":2}"},
        {1, "a", "name"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        AUTO(buf) struct buf out = BUF_INIT;
        struct err err = {0};

        assert_int_equal(
            eventlog_encode(cases[i].timestamp, cases[i].name, cases[i].context, &out, &err),
            -EINVAL);
        assert_int_equal(out.size, 0);
        assert_true(err.text[0]);
    }
}

/* --- reading --- */

/* The names of all events, with commas; -EPROTO as "!". */
static char *
names_of(const char *text, size_t size, size_t piece)
{
    AUTO(eventlog) struct eventlog l = EVENTLOG_INIT;
    struct buf names = BUF_INIT;
    struct eventlog_entry e;
    struct err err = {0};
    int rc = 0;

    for (size_t at = 0; rc >= 0 && at < size; at += piece) {
        eventlog_feed(&l, text + at, MIN(piece, size - at));
        while ((rc = eventlog_next(&l, &e, &err)) == 1)
            buf_printf(&names, "%s,", e.name);
    }
    if (rc < 0 || eventlog_finish(&l, &err) < 0)
        buf_add_char(&names, '!');
    assert_int_equal(!!err.text[0], names.size > 0 && names.data[names.size - 1] == '!');
    return buf_detach(&names, NULL);
}

static void
logs_come_in_pieces_of_any_size(void **state UNUSED)
{
    static const char text[] = LINE_1 LINE_2 LINE_1 LINE_2;

    for (size_t piece = 1; piece <= sizeof(text); piece++) {
        AUTO(free) char *names = names_of(text, sizeof(text) - 1, piece);

        assert_string_equal(names, "start,stop,start,stop,");
    }
}

static void
an_entry_has_its_line(void **state UNUSED)
{
    AUTO(eventlog) struct eventlog l = EVENTLOG_INIT;
    struct eventlog_entry e;

    eventlog_feed(&l, LINE_1 LINE_2, strlen(LINE_1 LINE_2));
    assert_int_equal(eventlog_next(&l, &e, NULL), 1);
    assert_true(e.timestamp == 1.0);
    assert_int_equal(json_integer_value(json_object_get((json_t *)(uintptr_t)e.context, "rank")),
                     3);
    assert_int_equal(e.size, strlen(LINE_1) - 1);
    assert_memory_equal(e.line, LINE_1, e.size);
    assert_int_equal(eventlog_next(&l, &e, NULL), 1);
    assert_null(e.context);
    assert_int_equal(eventlog_next(&l, &e, NULL), 0);
    assert_int_equal(eventlog_finish(&l, NULL), 0);
}

static void
hostile_logs_are_refused(void **state UNUSED)
{
    static const struct {
        const char *text;
        const char *names;
    } cases[] = {
        {"", ""},
        {"\n", "!"},
        {"foo\n", "!"},
        {"foo", "!"},
        {LINE_2 "{\"timestamp\":1", "stop,!"},
        {LINE_2 "\n" LINE_2, "stop,!"},
        {"{}\n", "!"},
        {"[]\n", "!"},
        {"7\n", "!"},
        {"{\"timestamp\":\"1\",\"name\":\"a\"}\n", "!"},
        {"{\"timestamp\":-1,\"name\":\"a\"}\n", "!"},
        {"{\"timestamp\":1e999,\"name\":\"a\"}\n", "!"},
        {"{\"timestamp\":1,\"name\":\"\"}\n", "!"},
        {"{\"timestamp\":1,\"name\":7}\n", "!"},
        {"{\"timestamp\":1,\"name\":\"a\",\"name\":\"b\"}\n", "!"},
        {"{\"timestamp\":1,\"name\":\"a\\u0000b\"}\n", "!"},
        {"{\"timestamp\":1,\"name\":\"\xff\"}\n", "!"},
        {"{\"timestamp\":1,\"name\":\"a\",\"context\":null}\n", "!"},
        {"{\"timestamp\":1,\"name\":\"a\",\"context\":[]}\n", "!"},
        {"{\"timestamp\":1,\"name\":\"a\"} x\n", "!"},
        {"{\"timestamp\":1,\"name\":\"a\",\"more\":[{}]}\n", "a,"}, // others may know more
        {" {\"name\":\"a\", \"timestamp\":1}\r\n", "a,"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        AUTO(free) char *names = names_of(cases[i].text, strlen(cases[i].text), 7);

        assert_string_equal(names, cases[i].names);
    }
}

static void
a_line_has_a_greatest_length(void **state UNUSED)
{
    size_t size = EVENTLOG_LINE_MAX + 2;
    char *text = malloc(size);
    char *names;

    memset(text, ' ', size);
    memcpy(text, LINE_2, strlen(LINE_2) - 1);
    text[EVENTLOG_LINE_MAX - 1] = '\n';
    names = names_of(text, EVENTLOG_LINE_MAX, 1 << 20);
    assert_string_equal(names, "stop,");
    free(names);
    text[EVENTLOG_LINE_MAX - 1] = ' ';
    text[EVENTLOG_LINE_MAX + 1] = '\n';
    names = names_of(text, size, 1 << 20);
    assert_string_equal(names, "!");
    free(names);
    free(text);
}

/* --- forms --- */

static void
assert_form(struct eventlog_style *s, const char *log, const char *expected)
{
    AUTO(eventlog) struct eventlog l = EVENTLOG_INIT;
    AUTO(buf) struct buf out = BUF_INIT;
    struct eventlog_entry e;

    eventlog_feed(&l, log, strlen(log));
    while (eventlog_next(&l, &e, NULL) == 1)
        eventlog_format(s, &e, &out);
    assert_string_equal(buf_str(&out), expected);
}

static void
events_have_forms(void **state UNUSED)
{
    struct eventlog_style raw = {.form = EVENTLOG_RAW, .color = true};
    struct eventlog_style plain = {.form = EVENTLOG_PLAIN};

    assert_form(&raw, LINE_1 LINE_2, LINE_1 LINE_2);
    assert_form(&plain, LINE_1 LINE_2, "1.000000 start rank=3 host=\"a\"\n2.500000 stop\n");
}

static void
people_get_dates(void **state UNUSED)
{
    static const char log[] = "{\"timestamp\":120,\"name\":\"primus\"}\n"
                              "{\"timestamp\":121,\"name\":\"secundus\"}\n"
                              "{\"timestamp\":179.25,\"name\":\"tertius\"}\n"
                              "{\"timestamp\":180,\"name\":\"quartus\"}\n"
                              "{\"timestamp\":31536180,\"name\":\"next_year\"}\n"
                              "{\"timestamp\":1e300,\"name\":\"never\"}\n";
    struct eventlog_style human = {.form = EVENTLOG_HUMAN};
    AUTO(eventlog) struct eventlog l = EVENTLOG_INIT;
    AUTO(buf) struct buf out = BUF_INIT;
    struct eventlog_entry e;

    setenv("TZ", "UTC", 1);
    eventlog_feed(&l, log, strlen(log));
    while (eventlog_next(&l, &e, NULL) == 1)
        eventlog_format(&human, &e, &out);
    assert_ptr_equal(strstr(buf_str(&out), "[Jan01 00:02] primus\n[  +1.000000] secundus\n"
                                           "[ +59.250000] tertius\n[Jan01 00:03] quartus\n"
                                           "[Jan01 00:03] next_year\n[+1000000"),
                     buf_str(&out));
}

static void
colours_are_those_of_terminals(void **state UNUSED)
{
    struct eventlog_style s = {.form = EVENTLOG_PLAIN, .color = true};

    assert_form(&s, "{\"timestamp\":1,\"name\":\"a\",\"context\":{\"n\":1,\"s\":\"t\"}}\n",
                "\033[32m1.000000\033[0m \033[33ma\033[0m"
                " \033[34mn\033[0m=\033[37m1\033[0m \033[34ms\033[0m=\033[35m\"t\"\033[0m\n");
    assert_form(&s, "{\"timestamp\":1,\"name\":\"exception\"}\n",
                "\033[32m1.000000\033[0m \033[1m\033[31mexception\033[0m\n");
}

static void
nothing_is_said_to_the_terminal(void **state UNUSED)
{
    struct eventlog_style plain = {.form = EVENTLOG_PLAIN};

    assert_form(
        &plain,
        "{\"timestamp\":1,\"name\":\"a\\u001b[2Jb\\nc\",\"context\":{\"\\u0007\":\"\\u001b\"}}\n",
        "1.000000 a?[2Jb?c ?=\"\\u001B\"\n");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_become_lines),
        cmocka_unit_test(what_is_no_event_is_not_written),
        cmocka_unit_test(logs_come_in_pieces_of_any_size),
        cmocka_unit_test(an_entry_has_its_line),
        cmocka_unit_test(hostile_logs_are_refused),
        cmocka_unit_test(a_line_has_a_greatest_length),
        cmocka_unit_test(events_have_forms),
        cmocka_unit_test(people_get_dates),
        cmocka_unit_test(colours_are_those_of_terminals),
        cmocka_unit_test(nothing_is_said_to_the_terminal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
