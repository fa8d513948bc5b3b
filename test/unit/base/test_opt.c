/* SPDX-License-Identifier: MPL-2.0 */
/* test_opt.c - command lines and configuration files.  What ends the process is run in a child. */
#include "cmocka_all.h"

#include "buf.h"
#include "opt.h"
#include "xmem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static bool flag;
static const char *text;
static long number;
static uint64_t size;
static int64_t duration;
static int verbose;
static struct opt_list list;

static const struct opt options[] = {
    {'f', "flag", NULL, OPT_FLAG, &flag, "switch it on", 0, 0},
    {'t', "text", "TEXT", OPT_STRING, &text, "some text (default none)", 0, 0},
    {'n', "number", "N", OPT_LONG, &number, "a number", 1, 9},
    {0, "size", "SIZE", OPT_SIZE, &size, "a size", 0, 0},
    {0, "a-quite-long-name-of-an-option", "DURATION", OPT_DURATION, &duration,
     "how long, told in so many words that they do not fit on one line", 0, 0},
    {'v', "verbose", NULL, OPT_COUNT, &verbose, "say more", 0, 0},
    {'o', "option", "X", OPT_LIST, &list, "may be repeated", 0, 0},
    {0, "secret", NULL, OPT_FLAG, &flag, NULL, 0, 0},
    {0, "limit", "SIZE", OPT_SIZE, &size, NULL, 1, 1024},
    {0, "pause", "TIME", OPT_DURATION, &duration, NULL, 2, 60000},
    {0, NULL, NULL, OPT_FLAG, NULL, NULL, 0, 0},
};

static const struct opt_program program = {"prog", "[OPTIONS] FILE", "Does this and that.", options,
                                           false};
static const struct opt_program stopping = {"prog", "COMMAND", NULL, options, true};

static int
reset(void **state UNUSED)
{
    flag = false;
    text = NULL;
    number = 5;
    size = 0;
    duration = -1;
    verbose = 0;
    free(list.values);
    list = (struct opt_list){NULL, 0};
    return 0;
}

#define WORDS_MAX 20

/* A command line in one string, cut at its blanks. */
struct words {
    char line[256];
    char *argv[WORDS_MAX + 1]; // into line; NULL at the end
    int argc;
};

static void
split(struct words *w, const char *line)
{
    snprintf(w->line, sizeof(w->line), "%s", line);
    w->argc = 0;
    for (char *word = strtok(w->line, " "); word; word = strtok(NULL, " ")) {
        assert_true(w->argc < WORDS_MAX);
        w->argv[w->argc++] = word;
    }
    w->argv[w->argc] = NULL;
}

static struct words last; // of the last parse(): the values point into it

static int
parse(const struct opt_program *prog, const char *line)
{
    split(&last, line);
    return opt_parse(prog, last.argc, last.argv);
}

static void
every_kind_is_set(void **state UNUSED)
{
    assert_int_equal(parse(&program, "prog -f --text=abc -n 7 --size 2k -vv -v "
                                     "--a-quite-long-name-of-an-option=1.5s -oa --option=b"),
                     12);
    assert_true(flag);
    assert_string_equal(text, "abc");
    assert_int_equal(number, 7);
    assert_int_equal(size, 2048);
    assert_int_equal(duration, 1500);
    assert_int_equal(verbose, 3);
    assert_int_equal(list.count, 2);
    assert_string_equal(list.values[0], "a");
    assert_string_equal(list.values[1], "b");
}

static void
options_not_given_stay_untouched(void **state UNUSED)
{
    parse(&program, "prog -f");
    assert_null(text);
    assert_int_equal(number, 5);
    assert_int_equal(duration, -1);
}

static void
given_tells_which_rows_were_set(void **state UNUSED)
{
    parse(&program, "prog -v --size=1");
    assert_false(opt_given()[0]);
    assert_true(opt_given()[3]);
    assert_true(opt_given()[5]);
    parse(&program, "prog -f");
    assert_true(opt_given()[0]);
    assert_false(opt_given()[3]);
}

static void
operands_go_behind_the_options(void **state UNUSED)
{
    assert_int_equal(parse(&program, "prog file -f"), 2);
    assert_string_equal(last.argv[2], "file");
    assert_true(flag);
}

static void
parsing_can_stop_at_the_operand(void **state UNUSED)
{
    assert_int_equal(parse(&stopping, "prog -f command -n 7"), 2);
    assert_int_equal(number, 5);
}

static void
two_dashes_end_the_options(void **state UNUSED)
{
    assert_int_equal(parse(&program, "prog -- -f"), 2);
    assert_false(flag);
}

static void
parse_or_exit(const struct opt_program *prog, int out, int errors, const char *line)
{
    dup2(out, STDOUT_FILENO);
    dup2(errors, STDERR_FILENO);
    parse(prog, line);
    _exit(99);
}

/* Run opt_parse() in a child; both outputs into `output`; returns the exit status. */
static int
run_child(const struct opt_program *prog, const char *line, struct buf *output)
{
    int fds[2], status;
    pid_t pid;

    fflush(NULL);
    assert_int_equal(pipe(fds), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        parse_or_exit(prog, fds[1], fds[1], line);
    close(fds[1]);
    assert_int_equal(buf_read_fd(output, fds[0], 1 << 20), 0);
    close(fds[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void
assert_exit(const char *line, int status, const char *output)
{
    AUTO(buf) struct buf out = BUF_INIT;

    assert_int_equal(run_child(&program, line, &out), status);
    assert_string_equal(buf_str(&out), output);
}

#define HINT "\nTry 'prog --help'\n"

static void
wrong_options_exit_with_2(void **state UNUSED)
{
    assert_exit("prog --what", 2, "prog: unknown or ambiguous option '--what'" HINT);
    assert_exit("prog -fx", 2, "prog: unknown option '-x'" HINT);
    assert_exit("prog --text", 2, "prog: option '--text' needs a value (TEXT)" HINT);
    assert_exit("prog -t", 2, "prog: option '--text' needs a value (TEXT)" HINT);
    assert_exit("prog --flag=1", 2, "prog: option '--flag' takes no value" HINT);
    assert_exit("prog --help=1", 2, "prog: option '--help' takes no value" HINT);
}

static void
wrong_values_exit_with_2(void **state UNUSED)
{
    assert_exit("prog -n 10", 2, "prog: --number: '10' is not between 1 and 9" HINT);
    assert_exit("prog -n x", 2, "prog: --number: 'x' is not a whole number" HINT);
    assert_exit("prog --size 1T", 2,
                "prog: --size: '1T' is not a size like 4096, 64k, 16M or 1G" HINT);
    assert_exit("prog --size 99999999999999999999", 2,
                "prog: --size: '99999999999999999999' is out of range" HINT);
}

static void
limits_hold_for_sizes_and_times(void **state UNUSED)
{
    assert_exit("prog --limit 2G", 2, "prog: --limit: '2G' is not between 1 and 1024 bytes" HINT);
    assert_exit("prog --limit 0", 2, "prog: --limit: '0' is not between 1 and 1024 bytes" HINT);
    assert_exit("prog --pause 1ms", 2, "prog: --pause: '1ms' is not between 2 and 60000 ms" HINT);
    assert_exit("prog --pause 2m", 2, "prog: --pause: '2m' is not between 2 and 60000 ms" HINT);
    parse(&program, "prog --limit 1k --pause 1m");
    assert_int_equal(size, 1024);
    assert_int_equal(duration, 60000);
}

static void
version_is_printed(void **state UNUSED)
{
    assert_exit("prog -V", 0, "prog " XYLEM_VERSION "\n");
    assert_exit("prog --version", 0, "prog " XYLEM_VERSION "\n");
}

static const char help_text[] =
    "Usage: prog [OPTIONS] FILE\n"
    "\n"
    "Does this and that.\n"
    "\n"
    "Options:\n"
    "  -f, --flag       switch it on\n"
    "  -t, --text=TEXT  some text (default none)\n"
    "  -n, --number=N   a number\n"
    "      --size=SIZE  a size\n"
    "      --a-quite-long-name-of-an-option=DURATION\n"
    "                   how long, told in so many words that they do not fit on one\n"
    "                   line\n"
    "  -v, --verbose    say more\n"
    "  -o, --option=X   may be repeated\n"
    "  -h, --help       print this text and exit\n"
    "  -V, --version    print the version and exit\n";

static void
help_is_made_from_the_table(void **state UNUSED)
{
    assert_exit("prog --help", 0, help_text);
    assert_exit("prog -h --what", 0, help_text);
}

static void
help_into_a_full_device_fails(void **state UNUSED)
{
    int status;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        if (!freopen("/dev/full", "w", stdout))
            _exit(98);
        parse_or_exit(&program, STDOUT_FILENO, STDERR_FILENO, "prog -h");
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WEXITSTATUS(status), 1);
}

/* --- the configuration file --- */

static char path[] = "/tmp/xylem-test-opt-XXXXXX";

static void
write_conf(const char *content)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_true(fputs(content, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static int
load(const char *content, const bool *given, struct err *err)
{
    write_conf(content);
    return opt_load_conf(options, given, path, NULL, NULL, err);
}

static void
free_conf_texts(void)
{
    free((void *)(uintptr_t)text);
    for (size_t i = 0; i < list.count; i++)
        free((void *)(uintptr_t)list.values[i]);
}

static void
file_sets_every_kind(void **state UNUSED)
{
    struct err err;

    assert_int_equal(load("# comment\nflag = yes\ntext = \"two words\"\nnumber = 3\nsize = 1M\n"
                          "verbose = 2\noption = a\noption = b\n",
                          NULL, &err),
                     0);
    assert_true(flag);
    assert_string_equal(text, "two words");
    assert_int_equal(number, 3);
    assert_int_equal(size, 1 << 20);
    assert_int_equal(verbose, 2);
    assert_int_equal(list.count, 2);
    assert_string_equal(list.values[1], "b");
    free_conf_texts();
}

static void
flags_can_be_switched_off(void **state UNUSED)
{
    static const char *const off[] = {"flag = false\n", "flag = no\n", "flag = 0\n"};

    for (size_t i = 0; i < ARRAY_SIZE(off); i++) {
        flag = true;
        assert_int_equal(load(off[i], NULL, NULL), 0);
        assert_false(flag);
    }
}

static void
command_line_wins(void **state UNUSED)
{
    parse(&program, "prog -n 7");
    assert_int_equal(load("number = 3\nsize = 5\n", opt_given(), NULL), 0);
    assert_int_equal(number, 7);
    assert_int_equal(size, 5);
}

static void
assert_refused(const char *content, int rc, const char *what)
{
    char expected[ERR_TEXT_MAX];
    struct err err;

    assert_int_equal(load(content, NULL, &err), rc);
    snprintf(expected, sizeof(expected), "%s: %s", path, what);
    assert_string_equal(err.text, expected);
}

static void
wrong_files_are_refused_by_name(void **state UNUSED)
{
    assert_refused("number = x\n", -EINVAL, "number: 'x' is not a whole number");
    assert_refused("number = 10\n", -ERANGE, "number: '10' is not between 1 and 9");
    assert_refused("flag = maybe\n", -EINVAL, "flag: 'maybe' is not true or false");
    assert_refused("nonsense = 1\n", -EINVAL, "unknown name 'nonsense'");
    assert_refused("section\n    nonsense = 1\n", -EINVAL, "unknown name 'section/nonsense'");
}

static void
empty_file_sets_nothing(void **state UNUSED)
{
    struct err err;

    assert_int_equal(load("", NULL, &err), 0);
    assert_int_equal(load("# only a comment\n\n", NULL, &err), 0);
    assert_int_equal(number, 5);
}

static void
files_that_cannot_be_read_are_named(void **state UNUSED)
{
    struct err err;

    assert_int_equal(opt_load_conf(options, NULL, "/nonexistent/x", NULL, NULL, &err), -ENOENT);
    assert_string_equal(err.text, "cannot read /nonexistent/x: No such file or directory");
    assert_int_equal(opt_load_conf(options, NULL, "/tmp", NULL, NULL, &err), -EISDIR);
    assert_string_equal(err.text, "cannot read /tmp: Is a directory");
    assert_int_equal(load("a = \"unterminated\n", NULL, &err), -EINVAL);
    assert_non_null(strstr(err.text, path));
    assert_int_equal(opt_load_conf(options, NULL, "/dev/zero", NULL, NULL, &err), -EFBIG);
}

static int
collect_other(void *arg, const char *name, const char *value)
{
    struct buf *seen = arg;

    buf_printf(seen, "%s=%s;", name, value);
    return strcmp(name, "bad") == 0 ? -EPERM : 0;
}

static void
other_names_are_handed_on(void **state UNUSED)
{
    AUTO(buf) struct buf seen = BUF_INIT;
    struct err err;

    write_conf("more = 1\nhosts\n    a = x\n    b = y\nnumber = 2\n");
    assert_int_equal(opt_load_conf(options, NULL, path, collect_other, &seen, &err), 0);
    assert_string_equal(buf_str(&seen), "more=1;hosts/a=x;hosts/b=y;");
    assert_int_equal(number, 2);
    write_conf("bad = 1\nmore = 2\n");
    assert_int_equal(opt_load_conf(options, NULL, path, collect_other, &seen, &err), -EPERM);
    assert_non_null(strstr(err.text, ": bad: cannot use '1'"));
}

static int
make_file(void **state UNUSED)
{
    int fd = mkstemp(path);

    return fd < 0 ? -1 : close(fd);
}

static int
remove_file(void **state UNUSED)
{
    reset(NULL);
    return unlink(path);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(every_kind_is_set, reset),
        cmocka_unit_test_setup(options_not_given_stay_untouched, reset),
        cmocka_unit_test_setup(given_tells_which_rows_were_set, reset),
        cmocka_unit_test_setup(operands_go_behind_the_options, reset),
        cmocka_unit_test_setup(parsing_can_stop_at_the_operand, reset),
        cmocka_unit_test_setup(two_dashes_end_the_options, reset),
        cmocka_unit_test_setup(wrong_options_exit_with_2, reset),
        cmocka_unit_test_setup(wrong_values_exit_with_2, reset),
        cmocka_unit_test_setup(limits_hold_for_sizes_and_times, reset),
        cmocka_unit_test_setup(version_is_printed, reset),
        cmocka_unit_test_setup(help_is_made_from_the_table, reset),
        cmocka_unit_test_setup(help_into_a_full_device_fails, reset),
        cmocka_unit_test_setup(file_sets_every_kind, reset),
        cmocka_unit_test_setup(flags_can_be_switched_off, reset),
        cmocka_unit_test_setup(command_line_wins, reset),
        cmocka_unit_test_setup(wrong_files_are_refused_by_name, reset),
        cmocka_unit_test_setup(empty_file_sets_nothing, reset),
        cmocka_unit_test_setup(files_that_cannot_be_read_are_named, reset),
        cmocka_unit_test_setup(other_names_are_handed_on, reset),
    };

    return cmocka_run_group_tests_name("opt", tests, make_file, remove_file);
}
