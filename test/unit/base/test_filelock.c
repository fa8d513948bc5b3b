/* SPDX-License-Identifier: MPL-2.0 */
#include "cmocka_all.h"

#include "clock.h"
#include "filelock.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

struct file {
    char path[64];
    int held;  // an open file that has the lock
    int other; // another one
};

static int
set_up(void **state)
{
    static struct file f;

    snprintf(f.path, sizeof(f.path), "/tmp/xylem-filelock-XXXXXX");
    f.held = mkstemp(f.path);
    f.other = open(f.path, O_RDWR);
    assert_true(f.held >= 0 && f.other >= 0);
    assert_int_equal(filelock_take(f.held, LOCK_EX, 0), 0);
    *state = &f;
    return 0;
}

static int
tear_down(void **state)
{
    struct file *f = *state;

    if (f->held >= 0)
        close(f->held);
    close(f->other);
    unlink(f->path);
    return 0;
}

static void
a_lock_that_is_held_is_refused_when_patience_ends(void **state)
{
    struct file *f = *state;
    int64_t began = clock_ms();

    assert_int_equal(filelock_take(f->other, LOCK_EX, 0), -EWOULDBLOCK);
    assert_int_equal(filelock_take(f->other, LOCK_SH, 20), -EWOULDBLOCK);
    assert_true(clock_ms() - began >= 20);
}

static void *
let_go(void *arg)
{
    struct file *f = arg;

    usleep(20000);
    close(f->held);
    f->held = -1;
    return NULL;
}

static void
one_that_is_let_go_is_taken(void **state)
{
    struct file *f = *state;
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, let_go, f), 0);
    assert_int_equal(filelock_take(f->other, LOCK_EX, 20000), 0);
    pthread_join(thread, NULL);
}

static void
what_is_no_file_is_an_error(void **state UNUSED)
{
    assert_int_equal(filelock_take(-1, LOCK_EX, 20000), -EBADF);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_lock_that_is_held_is_refused_when_patience_ends, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(one_that_is_let_go_is_taken, set_up, tear_down),
        cmocka_unit_test(what_is_no_file_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
