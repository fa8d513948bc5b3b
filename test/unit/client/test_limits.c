/* SPDX-License-Identifier: MPL-2.0 */
/* What a handle refuses: too many requests, too large a payload, being closed while it is. */
#include "cmocka_all.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base.h"
#include "fake_rank.h"
#include "xylem.h"

struct rig {
    struct fake_rank *rank; // never answers
    xylem_t *x;             // under test
};

static void
be_silent(struct fake_rank *f UNUSED, struct msg *m UNUSED)
{
}

static void
set_up(struct rig *rig)
{
    rig->rank = fake_rank_start(0, be_silent, NULL);
    assert_int_equal(xylem_open(&rig->x, fake_rank_uri(rig->rank), NULL, NULL), 0);
}

static void
tear_down(struct rig *rig)
{
    xylem_close(rig->x);
    fake_rank_stop(&rig->rank);
}

static void
count(void *arg, const struct xylem_reply *reply UNUSED)
{
    unsigned *seen = arg;

    ++*seen;
}

static void
too_many_pending_requests_are_refused(void **state UNUSED)
{
    enum { LIMIT = 524288 }; // xylem.h
    struct rig rig;
    unsigned seen = 0;
    uint32_t tag;
    int rc;

    set_up(&rig);
    xylem_dispatch(rig.x, 0);
    for (size_t i = 0; i < LIMIT; i++)
        xylem_rpc_async(rig.x, "x.y", XYLEM_RANK_ANY, NULL, 0, 0, count, &seen, &tag);
    assert_int_equal(xylem_pending(rig.x), LIMIT);
    rc = xylem_rpc_async(rig.x, "x.y", XYLEM_RANK_ANY, NULL, 0, 0, count, &seen, NULL);
    assert_int_equal(rc, -ENOBUFS);
    assert_non_null(strstr(xylem_error(rig.x), "524288"));
    xylem_cancel(rig.x, tag);
    rc = xylem_rpc_async(rig.x, "x.y", XYLEM_RANK_ANY, NULL, 0, 0, count, &seen, NULL);
    assert_int_equal(rc, 0);
    tear_down(&rig);
    assert_int_equal(seen, LIMIT);
}

/* In a process of its own, which has less memory than the payload needs.  The bytes are never
 * looked at, so they need not be there. */
static int
store_without_memory(const struct rig *rig)
{
    const struct rlimit limit = {(rlim_t)1 << 30, (rlim_t)1 << 30};
    char ref[XYLEM_BLOBREF_MAX];
    char data[1] = "";
    size_t size = INT32_MAX;
    uint32_t tag;
    int topic, store;

    setrlimit(RLIMIT_AS, &limit);
    topic =
        xylem_rpc_async(rig->x, "x.y", XYLEM_RANK_ANY, data, size, XYLEM_TEXT, count, NULL, &tag);
    store = xylem_store(rig->x, data, size, 0, ref);
    return topic == -ENOMEM && store == -ENOMEM && xylem_pending(rig->x) == 0 ? 0 : 1;
}

static void
close_again(void *arg, const struct xylem_reply *reply UNUSED)
{
    xylem_close(arg);
}

static int
close_inside_of_close(const struct rig *rig)
{
    const struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    assert(freopen("/dev/null", "w", stderr));
    xylem_rpc_async(rig->x, "x.y", XYLEM_RANK_ANY, NULL, 0, 0, close_again, rig->x, NULL);
    xylem_close(rig->x);
    return 0;
}

/* The wait status of a process that calls fn. */
static int
run_apart(int (*fn)(const struct rig *rig))
{
    struct rig rig;
    pid_t pid;
    int status;

    set_up(&rig);
    pid = fork();
    if (pid == 0)
        _exit(fn(&rig));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    tear_down(&rig);
    return status;
}

static void
a_payload_that_memory_cannot_hold_is_refused(void **state UNUSED)
{
#ifdef __SANITIZE_ADDRESS__
    printf("skipped: memory cannot be limited under AddressSanitizer: its shadow needs it\n");
    skip();
#endif
    assert_int_equal(run_apart(store_without_memory), 0);
}

static void
closing_inside_of_a_completion_of_close_is_caught(void **state UNUSED)
{
    int status;

    signal(SIGABRT, SIG_DFL);
    status = run_apart(close_inside_of_close);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(too_many_pending_requests_are_refused),
        cmocka_unit_test(a_payload_that_memory_cannot_hold_is_refused),
        cmocka_unit_test(closing_inside_of_a_completion_of_close_is_caught),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
