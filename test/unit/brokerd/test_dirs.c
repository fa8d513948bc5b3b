/* SPDX-License-Identifier: MPL-2.0 */
/* test_dirs.c - what a broker removes when it ends, and what it leaves. */
#include "cmocka_all.h"

#include "dirs.h"
#include "elog.h"
#include "rundir.h"
#include "xmem.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static char base[] = "/tmp/xylem-test-dirs-XXXXXX"; // TMPDIR of the test
static char run[sizeof(base) + 4];                  // base/run
static char sock[sizeof(run) + 5];                  // base/run/sock

static bool
has(const char *dir, const char *name)
{
    AUTO(free) char *path = xasprintf("%s/%s", dir, name);
    struct stat st;

    return lstat(path, &st) == 0;
}

static void
make_file(const char *dir, const char *name)
{
    AUTO(free) char *path = xasprintf("%s/%s", dir, name);
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    fclose(f);
}

static void
make_socket(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    unlink(path);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    close(fd);
}

/* Times of files are those of the last tick. */
static void
wait_for_tick(void)
{
    struct timespec before;
    struct timespec now;

    clock_gettime(CLOCK_REALTIME_COARSE, &before);
    do
        clock_gettime(CLOCK_REALTIME_COARSE, &now);
    while (now.tv_sec == before.tv_sec && now.tv_nsec == before.tv_nsec);
}

static void
remove_in(const char *dir, const char *name)
{
    AUTO(free) char *path = xasprintf("%s/%s", dir, name);

    remove(path);
}

static int
count_entries(const char *dir)
{
    DIR *d = opendir(dir);
    int count = -2; // "." and ".."

    assert_non_null(d);
    while (readdir(d))
        count++;
    closedir(d);
    return count;
}

static void
expect_sock(struct dirs *d)
{
    AUTO(free) char *uri = xasprintf("ipc://%s", sock);

    assert_int_equal(dirs_expect_uri(d, uri, NULL), 0);
}

/* As a rank 0 leaves them. */
static void
make_state(const char *dir)
{
    make_file(dir, "content.sqlite");
    make_file(dir, "content.sqlite-wal");
    make_file(dir, "lock");
}

static void
a_private_directory_goes_with_all(void **state UNUSED)
{
    struct dirs d = DIRS_INIT;
    AUTO(free) char *path = NULL;

    assert_int_equal(dirs_open(&d, 0, NULL, NULL, NULL), 0);
    path = xstrdup(d.rundir);
    assert_string_equal(d.statedir, path);
    make_state(path);
    assert_int_equal(count_entries(base), 1);
    dirs_close(&d);
    assert_int_equal(count_entries(base), 0);
}

static void
a_private_directory_goes_when_the_state_directory_fails(void **state UNUSED)
{
    struct dirs d = DIRS_INIT;
    struct err err;

    assert_int_equal(dirs_open(&d, 0, NULL, "/proc/nowhere", &err), -ENOENT);
    dirs_close(&d);
    assert_int_equal(count_entries(base), 0);
}

static void
a_run_directory_we_made_goes_when_empty(void **state UNUSED)
{
    struct dirs d = DIRS_INIT;

    assert_int_equal(dirs_open(&d, 1, run, NULL, NULL), 0);
    dirs_write_pid(&d);
    assert_true(has(run, "rank-1.pid"));
    dirs_close(&d);
    assert_false(has(base, "run"));

    assert_int_equal(dirs_open(&d, 1, run, NULL, NULL), 0);
    make_file(run, "other");
    dirs_close(&d);
    assert_int_equal(count_entries(run), 1);
    remove_in(run, "other");
    rmdir(run);
}

static void
a_run_directory_that_was_there_stays(void **state UNUSED)
{
    struct dirs d = DIRS_INIT;

    mkdir(run, 0700);
    make_file(run, "rank-0.pid"); // somebody's
    assert_int_equal(dirs_open(&d, 0, run, NULL, NULL), 0);
    expect_sock(&d);
    make_socket(sock);
    make_state(run);
    dirs_close(&d);
    assert_int_equal(count_entries(run), 1);
    remove_in(run, "rank-0.pid");
    rmdir(run);
}

static void
data_that_were_there_stay(void **state UNUSED)
{
    struct dirs d = DIRS_INIT;

    mkdir(run, 0700);
    make_state(run);
    assert_int_equal(dirs_open(&d, 0, run, NULL, NULL), 0);
    dirs_close(&d);
    assert_int_equal(count_entries(run), 3);

    assert_int_equal(dirs_open(&d, 0, NULL, run, NULL), 0); // as a state directory
    dirs_close(&d);
    assert_int_equal(count_entries(run), 3);
    remove_in(run, "content.sqlite");
    remove_in(run, "content.sqlite-wal");
    remove_in(run, "lock");
    rmdir(run);
}

static void
a_socket_is_ours_if_it_is_new(void **state UNUSED)
{
    struct dirs d = DIRS_INIT;

    mkdir(run, 0700);
    make_socket(sock);
    assert_int_equal(dirs_open(&d, 1, run, NULL, NULL), 0);
    expect_sock(&d);
    dirs_close(&d); // it was never bound
    assert_true(has(run, "sock"));

    assert_int_equal(dirs_open(&d, 1, run, NULL, NULL), 0);
    expect_sock(&d);
    wait_for_tick();
    make_socket(sock); // instead of one left behind
    dirs_close(&d);
    assert_false(has(run, "sock"));
    rmdir(run);
}

static void
nothing_goes_while_another_broker_runs(void **state UNUSED)
{
    struct dirs d = DIRS_INIT;
    int lock;

    mkdir(run, 0700);
    assert_int_equal(dirs_open(&d, 0, run, NULL, NULL), 0);
    expect_sock(&d);
    assert_int_equal(rundir_lock(&lock, run, 0, 0, NULL), 0); // it was faster
    make_state(run);
    make_socket(sock);
    dirs_close(&d);
    assert_int_equal(count_entries(run), 5);
    rundir_unlock(&lock, run, 0);
    remove_in(run, "content.sqlite");
    remove_in(run, "content.sqlite-wal");
    remove_in(run, "lock");
    remove_in(run, "sock");
    assert_int_equal(rmdir(run), 0);
}

static void
a_file_that_is_no_socket_is_in_the_way(void **state UNUSED)
{
    struct dirs d = DIRS_INIT;
    AUTO(free) char *uri = xasprintf("ipc://%s", sock);
    struct err err;

    mkdir(run, 0700);
    make_file(run, "sock");
    assert_int_equal(dirs_open(&d, 1, run, NULL, NULL), 0);
    assert_int_equal(dirs_expect_uri(&d, uri, &err), -EEXIST);
    assert_non_null(strstr(err.text, sock));
    assert_int_equal(dirs_expect_local(sock, &err), -EEXIST);
    assert_int_equal(dirs_expect_uri(&d, "tcp://127.0.0.1:1", &err), 0);
    dirs_close(&d);
    assert_true(has(run, "sock"));
    remove_in(run, "sock");
    rmdir(run);
}

static int
make_base(void **state UNUSED)
{
    if (!mkdtemp(base) || setenv("TMPDIR", base, 1) < 0)
        return -1;
    snprintf(run, sizeof(run), "%s/run", base);
    snprintf(sock, sizeof(sock), "%s/sock", run);
    return 0;
}

static int
remove_base(void **state UNUSED)
{
    return rmdir(base);
}

static bool
warns(mode_t mode)
{
    AUTO(free) char *log = xasprintf("%s/log", base);
    struct dirs d = DIRS_INIT;
    struct stat st;
    bool said;

    assert_int_equal(mkdir(run, 0700), 0);
    assert_int_equal(chmod(run, mode), 0);
    assert_int_equal(elog_open(log, NULL), 0);
    assert_int_equal(dirs_open(&d, 1, run, NULL, NULL), 0);
    assert_int_equal(elog_open(NULL, NULL), 0);
    assert_int_equal(stat(log, &st), 0);
    said = st.st_size > 0;
    dirs_close(&d);
    unlink(log);
    assert_int_equal(rmdir(run), 0);
    return said;
}

static void
a_directory_that_others_may_write_to_is_told(void **state UNUSED)
{
    assert_false(warns(0700));
    assert_false(warns(0755));
    assert_false(warns(01777));
    assert_true(warns(0777));
    assert_true(warns(0720));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_private_directory_goes_with_all),
        cmocka_unit_test(a_private_directory_goes_when_the_state_directory_fails),
        cmocka_unit_test(a_run_directory_we_made_goes_when_empty),
        cmocka_unit_test(a_run_directory_that_was_there_stays),
        cmocka_unit_test(data_that_were_there_stay),
        cmocka_unit_test(a_socket_is_ours_if_it_is_new),
        cmocka_unit_test(nothing_goes_while_another_broker_runs),
        cmocka_unit_test(a_file_that_is_no_socket_is_in_the_way),
        cmocka_unit_test(a_directory_that_others_may_write_to_is_told),
    };

    return cmocka_run_group_tests(tests, make_base, remove_base);
}
