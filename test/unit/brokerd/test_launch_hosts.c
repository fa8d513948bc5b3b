/* SPDX-License-Identifier: MPL-2.0 */
/* test_launch_hosts.c - lists of hosts, which ranks are where, and words on their way through a
 * shell. */
#include "cmocka_all.h"

#include "launch_hosts.h"
#include "xmem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The names, with a blank behind each. */
static char *
names_of(const char *text)
{
    AUTO(hostlist) struct hostlist h;
    AUTO(buf) struct buf out = BUF_INIT;

    assert_int_equal(launch_hosts_parse(&h, text, NULL), 0);
    for (size_t i = 0; i < h.count; i++)
        buf_printf(&out, "%s ", h.names[i]);
    return buf_detach(&out, NULL);
}

static void
lists_are_read(void **state UNUSED)
{
    static const struct {
        const char *text;
        const char *names;
    } rows[] = {
        {"a", "a "},
        {"a,b,a", "a b a "},
        {"h[1-3]", "h1 h2 h3 "},
        {"h[1-3,7],x", "h1 h2 h3 h7 x "},
        {"r[08-11]-n", "r08-n r09-n r10-n r11-n "},
        {"me@h[1-2].net", "me@h1.net me@h2.net "},
        {"[1-2]", "1 2 "},
        {"fe80::1%eth0", "fe80::1%eth0 "},
        {" a, b c,,d,", "a b c d "},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        AUTO(free) char *names = names_of(rows[i].text);

        assert_string_equal(names, rows[i].names);
    }
}

static void
wrong_lists_are_refused(void **state UNUSED)
{
    static const char *const rows[] = {
        "",          ",",     "-oProxyCommand=x",
        "a;b",       "h[",    "h]",
        "h[]",       "h[a]",  "h[3-1]",
        "h[1-]",     "h[1,]", "h[1-2",
        "h[-1]",     "$(id)", "`a`",
        "h[1-2][3]", "h[1 ]", "h[1]\n",
        "h[1-2]'",   "a/b",   "a,-b",
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct hostlist h;
        struct err err = {.text = ""};

        if (launch_hosts_parse(&h, rows[i], &err) != -EINVAL)
            fail_msg("'%s' is taken", rows[i]);
        assert_true(err.text[0] != '\0');
        assert_int_equal(h.count, 0);
    }
}

static void
there_are_not_too_many(void **state UNUSED)
{
    struct hostlist h;

    assert_int_equal(launch_hosts_parse(&h, "h[1-4096]", NULL), 0);
    assert_int_equal(h.count, 4096);
    hostlist_fini(&h);
    assert_int_equal(launch_hosts_parse(&h, "h[1-4097]", NULL), -E2BIG);
    assert_int_equal(launch_hosts_parse(&h, "h[1-999999999]", NULL), -E2BIG);
    assert_int_equal(launch_hosts_parse(&h, "h[1-9999999999]", NULL), -EINVAL);
}

/* ---- places ---- */

static void
ranks_are_dealt_in_blocks(void **state UNUSED)
{
    static const struct {
        const char *hosts;
        unsigned size;
        const char *places; // of each rank
        const char *mapping;
    } rows[] = {
        {"a,b", 4, "aabb", "(vector,(0,2,2))"},
        {"a,b", 5, "aaabb", "(vector,(0,1,3),(1,1,2))"},
        {"a,b,c", 8, "aaabbbcc", "(vector,(0,2,3),(2,1,2))"},
        {"a,b,c", 2, "ab", "(vector,(0,2,1))"},
        {"a", 3, "aaa", "(vector,(0,1,3))"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        AUTO(hostlist) struct hostlist h;
        AUTO(buf) struct buf mapping = BUF_INIT;

        assert_int_equal(launch_hosts_parse(&h, rows[i].hosts, NULL), 0);
        for (unsigned rank = 0; rank < rows[i].size; rank++)
            assert_int_equal(launch_hosts_of(&h, rows[i].size, rank)[0], rows[i].places[rank]);
        launch_hosts_format_mapping(&h, rows[i].size, &mapping);
        assert_string_equal(buf_str(&mapping), rows[i].mapping);
    }
}

/* ---- command lines ---- */

static void
add(struct buf *cmd, const char *word)
{
    buf_add(cmd, word, strlen(word) + 1);
}

/* The words of `out` with '|' behind each. */
static void
expect_words(const struct buf *out, const char *expected)
{
    AUTO(buf) struct buf text = BUF_INIT;

    for (size_t at = 0; at < out->size; at += strlen(out->data + at) + 1)
        buf_printf(&text, "%s|", out->data + at);
    assert_string_equal(buf_str(&text), expected);
}

static void
plain_words_go_as_they_are(void **state UNUSED)
{
    AUTO(buf) struct buf cmd = BUF_INIT;
    AUTO(buf) struct buf out = BUF_INIT;

    add(&cmd, "/usr/bin/xylem-brokerd");
    add(&cmd, "--rundir=/tmp/x_1.2");
    add(&cmd, "tcp://10.0.0.1:7000,a+b%c@d");
    assert_int_equal(launch_hosts_wrap("  ip  netns exec ", "h1", &cmd, &out, NULL), 0);
    expect_words(&out, "ip|netns|exec|h1|/usr/bin/xylem-brokerd|--rundir=/tmp/x_1.2|"
                       "tcp://10.0.0.1:7000,a+b%c@d|");
    buf_reset(&out);
    assert_int_equal(launch_hosts_wrap("ssh", "me@h1", &cmd, &out, NULL), 0);
    expect_words(&out, "ssh|me@h1|/usr/bin/xylem-brokerd|--rundir=/tmp/x_1.2|"
                       "tcp://10.0.0.1:7000,a+b%c@d|");
}

static const char *const evil[] = {"a b",   "",   "$(id)", "`id`",  "it's", "a;b", "a\nb",
                                   "\"q\"", "*",  "~",     "\\",    "'",    "''x", "a|b",
                                   "(x)",   "#x", "!x",    "{a,b}", "<x",   "a&b", "\t"};

/* What a shell makes of the words it gets, joined with blanks as ssh does it. */
static void
words_come_through_a_shell(void **state UNUSED)
{
    AUTO(buf) struct buf cmd = BUF_INIT;
    AUTO(buf) struct buf out = BUF_INIT;
    AUTO(buf) struct buf line = BUF_INIT;
    AUTO(buf) struct buf got = BUF_INIT;
    size_t first;
    FILE *pipe;

    add(&cmd, "printf");
    add(&cmd, "%s\\0");
    for (size_t i = 0; i < ARRAY_SIZE(evil); i++)
        add(&cmd, evil[i]);
    assert_int_equal(launch_hosts_wrap("/usr/bin/ssh -x", "h", &cmd, &out, NULL), 0);
    first = strlen("/usr/bin/ssh") + 1 + strlen("-x") + 1 + strlen("h") + 1;
    for (size_t at = first; at < out.size; at += strlen(out.data + at) + 1)
        buf_printf(&line, "%s ", out.data + at);
    pipe = popen(buf_str(&line), "r");
    assert_non_null(pipe);
    assert_int_equal(buf_read_fd(&got, fileno(pipe), 4096), 0);
    pclose(pipe);
    first = strlen("printf") + 1 + strlen("%s\\0") + 1;
    assert_int_equal(got.size, cmd.size - first);
    assert_memory_equal(got.data, cmd.data + first, got.size);
}

static void
without_a_known_shell_they_are_refused(void **state UNUSED)
{
    for (size_t i = 0; i < ARRAY_SIZE(evil); i++) {
        AUTO(buf) struct buf cmd = BUF_INIT;
        AUTO(buf) struct buf out = BUF_INIT;
        struct err err;

        add(&cmd, "broker");
        add(&cmd, evil[i]);
        assert_int_equal(launch_hosts_wrap("ip netns exec", "h", &cmd, &out, &err), -EINVAL);
        assert_non_null(strstr(err.text, "'ip'"));
    }
}

static void
an_rsh_is_needed(void **state UNUSED)
{
    AUTO(buf) struct buf cmd = BUF_INIT;
    AUTO(buf) struct buf out = BUF_INIT;

    assert_int_equal(launch_hosts_wrap("", "h", &cmd, &out, NULL), -EINVAL);
    assert_int_equal(launch_hosts_wrap("  ", "h", &cmd, &out, NULL), -EINVAL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_are_read),
        cmocka_unit_test(wrong_lists_are_refused),
        cmocka_unit_test(there_are_not_too_many),
        cmocka_unit_test(ranks_are_dealt_in_blocks),
        cmocka_unit_test(plain_words_go_as_they_are),
        cmocka_unit_test(words_come_through_a_shell),
        cmocka_unit_test(without_a_known_shell_they_are_refused),
        cmocka_unit_test(an_rsh_is_needed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
