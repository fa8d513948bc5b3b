/* SPDX-License-Identifier: MPL-2.0 */
/* test_xmem.c - allocation: never NULL, and death for what cannot be had. */
#include "cmocka_all.h"

#include "xmem.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void
size_zero_gives_memory(void **state UNUSED)
{
    AUTO(free) void *a = xmalloc(0);
    AUTO(free) void *b = xcalloc(0, 8);
    AUTO(free) void *c = xrealloc(NULL, 0);
    AUTO(free) void *d = xmem_try(0);

    assert_non_null(a);
    assert_non_null(b);
    assert_non_null(c);
    assert_non_null(d);
}

static void
calloc_memory_is_zero(void **state UNUSED)
{
    static const char zeros[4096];
    AUTO(free) char *p = xcalloc(64, 64);

    assert_memory_equal(p, zeros, sizeof(zeros));
}

static void
realloc_keeps_the_content(void **state UNUSED)
{
    AUTO(free) char *p = xstrdup("abc");

    p = xrealloc(p, 100000);
    assert_string_equal(p, "abc");
}

static void
strings_are_copied_and_cut(void **state UNUSED)
{
    AUTO(free) char *whole = xstrndup("abc", 10);
    AUTO(free) char *cut = xstrndup("abcdef", 2);
    AUTO(free) char *made = xasprintf("%d-%s", 7, "x");

    assert_string_equal(whole, "abc");
    assert_string_equal(cut, "ab");
    assert_string_equal(made, "7-x");
}

static void
auto_free_takes_null(void **state UNUSED)
{
    AUTO(free) char *p = xstrdup("moved");
    AUTO(free) char *q = TAKE(p);

    assert_null(p);
    assert_string_equal(q, "moved");
}

static volatile size_t too_much = SIZE_MAX / 4; // volatile: compilers warn about the constant

static void
chosen_sizes_fail_softly(void **state UNUSED)
{
    assert_null(xmem_try(too_much));
}

static void
own_sizes_abort(void **state UNUSED)
{
    int status;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        close(STDERR_FILENO);
        free(xmalloc(too_much));
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(size_zero_gives_memory),    cmocka_unit_test(calloc_memory_is_zero),
        cmocka_unit_test(realloc_keeps_the_content), cmocka_unit_test(strings_are_copied_and_cut),
        cmocka_unit_test(auto_free_takes_null),      cmocka_unit_test(chosen_sizes_fail_softly),
        cmocka_unit_test(own_sizes_abort),
    };

    return cmocka_run_group_tests_name("xmem", tests, NULL, NULL);
}
