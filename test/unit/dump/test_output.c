/* SPDX-License-Identifier: MPL-2.0 */
/* A file appears under its name only when it is complete, and nothing else is left behind. */
#include "output.h"
#include "archive_writer.h"
#include "xmem.h"

#include "cmocka_all.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <sys/random.h>
#include <sys/resource.h>
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
    assert_string_equal(err.text, "/nonexistent/a.tar: No such file or directory");
}

static void
what_is_open_has_a_name_for_messages(void **state UNUSED)
{
    AUTO(free) char *path = xasprintf("%s/a.tar", dir);
    struct output o;
    int fd;

    assert_int_equal(output_open(&o, path, NULL), 0);
    fd = o.fd;
    assert_string_equal(output_name(fd), path);
    assert_string_equal(output_name(STDOUT_FILENO), "standard output");
    assert_string_equal(output_name(fd + 1), "output");
    output_discard(&o);
    assert_string_equal(output_name(fd), "output");
    assert_string_equal(output_name(-1), "output");
}

/* A file that must not grow, of each of the three that write: tar as it is, compressed, not tar. */
static void
a_failed_write_names_the_file(void **state UNUSED)
{
    static const char *const endings[] = {"tar", "tar.gz", "zip"};
    static char noise[1 << 20]; // does not get smaller
    const struct rlimit small = {4096, RLIM_INFINITY};
    const struct archive_stamp stamp = {0};
    struct rlimit old;

    getrandom(noise, sizeof(noise), 0);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    for (size_t i = 0; i < ARRAY_SIZE(endings); i++) {
        AUTO(free) char *path = xasprintf("%s/a.%s", dir, endings[i]);
        AUTO(free) char *text = xasprintf("%s: File too large", path);
        const struct archive_format *format;
        struct archive_writer *w;
        struct err err = {0};
        struct output o;
        int rc;

        assert_int_equal(archive_format_by_path(path, &format, NULL), 0);
        assert_int_equal(output_open(&o, path, NULL), 0);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
        assert_int_equal(archive_writer_open(&w, format, o.fd, &stamp, NULL), 0);
        rc = archive_writer_file(w, "k", sizeof(noise), &err);
        if (rc == 0)
            rc = archive_writer_data(w, noise, sizeof(noise), &err);
        if (rc == 0)
            rc = archive_writer_close(w, NULL, &err);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
        assert_int_equal(rc, -EFBIG);
        assert_string_equal(err.text, text);
        archive_writer_free(&w);
        output_discard(&o);
    }
    signal(SIGXFSZ, SIG_DFL);
    assert_int_equal(count_files(), 0);
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
        cmocka_unit_test(what_is_open_has_a_name_for_messages),
        cmocka_unit_test(a_failed_write_names_the_file),
        cmocka_unit_test(a_signal_removes_the_temporary_file),
    };

    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
