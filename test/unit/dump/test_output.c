/* SPDX-License-Identifier: MPL-2.0 */
/* A file appears under its name only when it is complete, and nothing else is left behind. */
#include "output.h"
#include "xmem.h"

#include "cmocka_all.h"

#include <dirent.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[] = "/tmp/xylem-test-output-XXXXXX";

static int
make_dir(void **state UNUSED)
{
    return mkdtemp(dir) ? 0 : -1;
}

static int
remove_dir(void **state UNUSED)
{
    return rmdir(dir);
}

static size_t
count_files(void)
{
    DIR *d = opendir(dir);
    size_t count = 0;

    while (readdir(d))
        count++;
    closedir(d);
    return count - 2;
}

static void
nothing_is_there_before_the_commit(void **state UNUSED)
{
    AUTO(free) char *path = xasprintf("%s/a.tar", dir);
    struct output o;

    assert_int_equal(output_open(&o, path, NULL), 0);
    assert_int_equal(write(o.fd, "x", 1), 1);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(output_commit(&o, NULL), 0);
    output_discard(&o);
    assert_int_equal(access(path, F_OK), 0);
    assert_int_equal(count_files(), 1);
    unlink(path);
}

static void
a_discarded_file_leaves_the_old_one(void **state UNUSED)
{
    AUTO(free) char *path = xasprintf("%s/a.tar", dir);
    struct stat st;
    struct output o;

    assert_int_equal(output_open(&o, path, NULL), 0);
    assert_int_equal(output_commit(&o, NULL), 0);
    assert_int_equal(output_open(&o, path, NULL), 0);
    assert_int_equal(write(o.fd, "x", 1), 1);
    output_discard(&o);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, 0);
    assert_int_equal(count_files(), 1);
    unlink(path);
}

static void
impossible_places_are_named(void **state UNUSED)
{
    struct err err = {0};
    struct output o;

    assert_int_equal(output_open(&o, dir, &err), -EISDIR);
    assert_non_null(strstr(err.text, dir));
    assert_int_equal(output_open(&o, "/nonexistent/a.tar", &err), -ENOENT);
    assert_non_null(strstr(err.text, "/nonexistent/a.tar"));
}

static void
a_signal_removes_the_temporary_file(void **state UNUSED)
{
    static const int signals[] = {SIGHUP, SIGINT, SIGTERM};

    for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
        pid_t pid = fork();
        int status;

        if (pid == 0) {
            AUTO(free) char *path = xasprintf("%s/a.tar", dir);
            struct output o;

            signal(signals[i], SIG_DFL); // whatever the test was started under
            if (output_open(&o, path, NULL) == 0 && count_files() == 1)
                raise(signals[i]);
            _exit(0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), signals[i]);
        assert_int_equal(count_files(), 0);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_there_before_the_commit),
        cmocka_unit_test(a_discarded_file_leaves_the_old_one),
        cmocka_unit_test(impossible_places_are_named),
        cmocka_unit_test(a_signal_removes_the_temporary_file),
    };

    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
