/* SPDX-License-Identifier: MPL-2.0 */
/* test_elog.c - logging, into a file that is read back. */
#include "cmocka_all.h"

#include "buf.h"
#include "elog.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <regex.h>
#include <signal.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char path[] = "/tmp/xylem-test-elog-XXXXXX";

static void
read_log(struct buf *text)
{
    int fd = open(path, O_RDONLY);

    assert_true(fd >= 0);
    assert_int_equal(buf_read_fd(text, fd, 1 << 24), 0);
    close(fd);
}

static int
setup(void **state UNUSED)
{
    struct err err;

    assert_int_equal(truncate(path, 0), 0);
    assert_int_equal(elog_open(path, &err), 0);
    elog_set_level(ELOG_INFO);
    elog_set_name(NULL);
    return 0;
}

static void
assert_log_matches(const char *pattern)
{
    AUTO(buf) struct buf text = BUF_INIT;
    regex_t re;

    read_log(&text);
    assert_int_equal(regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB), 0);
    if (regexec(&re, buf_str(&text), 0, NULL, 0) != 0)
        fail_msg("'%s' does not match '%s'", buf_str(&text), pattern);
    regfree(&re);
}

#define STAMP "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z "

static void
line_has_time_level_name_and_text(void **state UNUSED)
{
    elog_set_name("rank 3");
    elog(ELOG_WARN, "disk %d%% full", 91);
    assert_log_matches("^" STAMP "warn  rank 3: disk 91% full\n$");
}

static void
nameless_thread_has_no_prefix(void **state UNUSED)
{
    elog(ELOG_ERR, "text");
    assert_log_matches("^" STAMP "err   text\n$");
}

static void
lines_above_the_level_are_left_out(void **state UNUSED)
{
    elog(ELOG_DEBUG, "not this");
    elog(ELOG_INFO, "this");
    elog_set_level(ELOG_DEBUG);
    elog(ELOG_DEBUG, "and this");
    assert_log_matches("^" STAMP "info  this\n" STAMP "debug and this\n$");
}

static void
lines_that_others_cause_are_limited_and_counted(void **state UNUSED)
{
    struct elog_limit limit = {0};

    for (int i = 0; i < 1000; i++)
        elog_limited(&limit, ELOG_WARN, "line %d", i);
    elog_limit_tell(&limit); // too early
    assert_log_matches("^(" STAMP "warn  line [0-9]\n){10}$");
    limit.since -= ELOG_LIMIT_MS;
    elog_limit_tell(&limit);
    elog_limit_tell(&limit); // once
    elog_limited(&limit, ELOG_WARN, "a new one");
    assert_log_matches("line 9\n" STAMP
                       "warn  990 more lines like the last ones were left out\n" STAMP
                       "warn  a new one\n$");
}

static void
peers_cannot_forge_lines(void **state UNUSED)
{
    elog(ELOG_INFO, "got '%s'\n\n", "x\nforged\x1b[1m\r");
    assert_log_matches("^" STAMP "info  got 'x forged \\[1m '\n$");
}

static void
long_lines_are_cut(void **state UNUSED)
{
    AUTO(buf) struct buf text = BUF_INIT;

    elog(ELOG_INFO, "%5000s", "end");
    elog(ELOG_INFO, "next");
    read_log(&text);
    assert_true(text.size < 1200);
    assert_log_matches("^" STAMP "info  +\n" STAMP "info  next\n$");
}

static void
errno_survives(void **state UNUSED)
{
    errno = ENOTTY;
    elog(ELOG_INFO, "text");
    assert_int_equal(errno, ENOTTY);
}

static void
file_that_cannot_be_opened_is_named(void **state UNUSED)
{
    struct err err;

    assert_int_equal(elog_open("/nonexistent/dir/log", &err), -ENOENT);
    assert_non_null(strstr(err.text, "/nonexistent/dir/log"));
    elog(ELOG_INFO, "still the old file");
    assert_log_matches("still the old file");
}

static void
level_names_are_known(void **state UNUSED)
{
    static const char *const names[] = {"err", "warn", "info", "debug"};
    enum elog_level level = ELOG_DEBUG;

    for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
        assert_int_equal(elog_level_parse(names[i], &level), 0);
        assert_int_equal(level, i);
    }
    assert_int_equal(elog_level_parse("error", &level), -EINVAL);
    assert_int_equal(elog_level_parse("", &level), -EINVAL);
    assert_int_equal(level, ELOG_DEBUG);
}

static void *
log_from_thread(void *arg)
{
    elog_set_name(arg);
    for (int i = 0; i < 1000; i++)
        elog(ELOG_INFO, "line %s", (const char *)arg);
    return NULL;
}

/* Every line must be whole, with the name of its own thread. */
static void
threads_do_not_mix_their_lines(void **state UNUSED)
{
    AUTO(buf) struct buf text = BUF_INIT;
    char names[2][8] = {"one", "two"};
    pthread_t threads[2];
    int count = 0;

    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, log_from_thread, names[i]), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    read_log(&text);
    for (char *line = strtok(text.data, "\n"); line; line = strtok(NULL, "\n"), count++) {
        const char *body = strstr(line, "info  ");

        assert_non_null(body);
        assert_true(!strcmp(body, "info  one: line one") || !strcmp(body, "info  two: line two"));
    }
    assert_int_equal(count, 2000);
}

static void
abort_after_logging(int stderr_fd)
{
    dup2(stderr_fd, STDERR_FILENO);
    elog_dump_on_abort();
    for (int i = 0; i < 300; i++)
        elog(ELOG_DEBUG, "number %d", i);
    abort();
}

static void
abort_prints_the_ring(void **state UNUSED)
{
    AUTO(buf) struct buf text = BUF_INIT;
    int fds[2], status;
    pid_t pid;

    assert_int_equal(pipe(fds), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        abort_after_logging(fds[1]);
    close(fds[1]);
    assert_int_equal(buf_read_fd(&text, fds[0], 1 << 20), 0);
    close(fds[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    assert_null(strstr(buf_str(&text), "debug number 43\n"));
    assert_non_null(strstr(buf_str(&text), "debug number 44\n"));
    assert_non_null(strstr(buf_str(&text), "debug number 299\n"));
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
    elog_open(NULL, NULL);
    return unlink(path);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(line_has_time_level_name_and_text, setup),
        cmocka_unit_test_setup(nameless_thread_has_no_prefix, setup),
        cmocka_unit_test_setup(lines_above_the_level_are_left_out, setup),
        cmocka_unit_test_setup(peers_cannot_forge_lines, setup),
        cmocka_unit_test_setup(lines_that_others_cause_are_limited_and_counted, setup),
        cmocka_unit_test_setup(long_lines_are_cut, setup),
        cmocka_unit_test_setup(errno_survives, setup),
        cmocka_unit_test_setup(file_that_cannot_be_opened_is_named, setup),
        cmocka_unit_test_setup(level_names_are_known, setup),
        cmocka_unit_test_setup(threads_do_not_mix_their_lines, setup),
        cmocka_unit_test_setup(abort_prints_the_ring, setup),
    };

    return cmocka_run_group_tests_name("elog", tests, make_file, remove_file);
}
