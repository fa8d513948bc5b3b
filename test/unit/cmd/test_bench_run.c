/* SPDX-License-Identifier: MPL-2.0 */
/* test_bench_run.c - the engine, on handles of our own that answer in a shuffled order. */
#include "bench_run.h"
#include "xmem.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#define CLIENTS 3
#define N 1000
#define WINDOW 16

/* A handle: what is pending, and what goes wrong. */
struct xylem {
    struct {
        xylem_fn fn;
        void *arg; // borrowed, for fn
    } pending[WINDOW];
    size_t count;         // of pending
    size_t most;          // that were ever pending
    uint32_t seed;        // which one is answered next
    bool is_lost;         // the rank is gone
    uint64_t loss_in;     // dispatches until that happens; 0 = never
    uint64_t sent[N];     // how often each operation was
    uint64_t refused_mod; // operations with a multiple of this number are not sent; 0 = none
    uint64_t failing_mod; // ... are answered with an error
};

static struct xylem handles[CLIENTS];
static struct bench_client clients[CLIENTS];
static struct bench_outcome out;

size_t
xylem_pending(const xylem_t *x)
{
    return x->count;
}

const char *
xylem_error(const xylem_t *x)
{
    return x->is_lost ? "lost" : "refused";
}

static void
answer(struct xylem *x, size_t at, int rc, const char *error)
{
    xylem_fn fn = x->pending[at].fn;
    void *arg = x->pending[at].arg;
    struct xylem_reply reply = {.rc = rc, .error = error, .data = ""};

    x->pending[at] = x->pending[--x->count];
    fn(arg, &reply);
}

int
xylem_dispatch(xylem_t *x, int timeout_ms UNUSED)
{
    if (x->loss_in > 0 && --x->loss_in == 0)
        x->is_lost = true;
    while (x->is_lost && x->count > 0)
        answer(x, 0, -ECONNRESET, "lost");
    if (x->is_lost)
        return -ECONNRESET;
    assert_true(x->count > 0);
    x->seed = x->seed * 1664525 + 1013904223;
    answer(x, (x->seed >> 8) % x->count, 0, "");
    return 1;
}

static bool
is_multiple(uint64_t i, uint64_t of)
{
    return of > 0 && i % of == 0;
}

static int
send_one(void *arg, struct bench_client *client, uint64_t i, xylem_fn fn, void *fn_arg)
{
    struct xylem *x = client->x;

    assert_ptr_equal(arg, handles);
    assert_true(i < N);
    x->sent[i]++;
    if (x->is_lost || is_multiple(i, x->refused_mod))
        return -ECONNRESET;
    assert_true(x->count < WINDOW);
    x->pending[x->count].fn = fn;
    x->pending[x->count].arg = fn_arg;
    x->count++;
    x->most = MAX(x->most, x->count);
    return 0;
}

/* Is called from several threads, but all that it reads stays as it is. */
static bool
take_one(void *arg UNUSED, uint64_t i, const struct xylem_reply *reply)
{
    return reply->rc == 0 && !is_multiple(i, handles[0].failing_mod);
}

static int
clear(void **state UNUSED)
{
    memset(handles, 0, sizeof(handles));
    for (uint32_t i = 0; i < CLIENTS; i++) {
        handles[i].seed = i;
        clients[i] = (struct bench_client){.x = &handles[i]};
    }
    return 0;
}

static void
run(uint64_t n, size_t window, size_t count)
{
    const struct bench_job job = {send_one, take_one, handles, n, window};

    bench_run(&job, clients, count, &out);
    assert_int_equal(out.done + out.failed, n);
    assert_int_equal(out.latency.count, out.done);
    assert_true(out.seconds > 0);
    for (uint64_t i = 0; i < N; i++)
        assert_int_equal(handles[0].sent[i] + handles[1].sent[i] + handles[2].sent[i], i < n);
}

static void
every_operation_is_done_once(void **state UNUSED)
{
    run(N, WINDOW, CLIENTS);
    assert_int_equal(out.done, N);
    assert_string_equal(out.error, "");
}

static void
clients_share_the_work(void **state UNUSED)
{
    run(N, WINDOW, CLIENTS);
    for (size_t i = 0; i < CLIENTS; i++) {
        uint64_t sum = 0;

        for (size_t k = 0; k < N; k++)
            sum += handles[i].sent[k];
        assert_in_range(sum, N / CLIENTS, N / CLIENTS + 1);
    }
}

static void
the_window_is_full_and_never_more(void **state UNUSED)
{
    for (size_t window = 1; window <= WINDOW; window++) {
        clear(NULL);
        run(N, window, 1);
        assert_int_equal(handles[0].most, window);
    }
}

static void
fewer_operations_than_clients_or_window_are_fine(void **state UNUSED)
{
    for (uint64_t n = 1; n <= 5; n++) {
        clear(NULL);
        run(n, WINDOW, CLIENTS);
        assert_int_equal(out.done, n);
    }
}

static void
what_cannot_be_sent_has_failed(void **state UNUSED)
{
    handles[0].refused_mod = 10;
    run(N, WINDOW, 1);
    assert_int_equal(out.failed, N / 10);
    assert_string_equal(out.error, "refused");
}

static void
a_wrong_answer_is_a_failure(void **state UNUSED)
{
    handles[0].failing_mod = 4;
    run(N, WINDOW, CLIENTS);
    assert_int_equal(out.failed, N / 4);
    assert_non_null(strstr(out.error, "not what was asked for"));
}

static void
a_lost_connection_fails_all_that_is_left(void **state UNUSED)
{
    handles[0].loss_in = 101;
    run(N, WINDOW, 1);
    assert_int_equal(out.done, 100);
    assert_string_equal(out.error, "lost");
}

static void
the_other_clients_go_on_when_one_is_lost(void **state UNUSED)
{
    handles[1].loss_in = 1;
    run(N, WINDOW, CLIENTS);
    assert_in_range(out.failed, N / CLIENTS, N / CLIENTS + 1);
    assert_string_equal(out.error, "lost");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(every_operation_is_done_once, clear),
        cmocka_unit_test_setup(clients_share_the_work, clear),
        cmocka_unit_test_setup(the_window_is_full_and_never_more, clear),
        cmocka_unit_test_setup(fewer_operations_than_clients_or_window_are_fine, clear),
        cmocka_unit_test_setup(what_cannot_be_sent_has_failed, clear),
        cmocka_unit_test_setup(a_wrong_answer_is_a_failure, clear),
        cmocka_unit_test_setup(a_lost_connection_fails_all_that_is_left, clear),
        cmocka_unit_test_setup(the_other_clients_go_on_when_one_is_lost, clear),
    };

    return cmocka_run_group_tests_name("bench_run", tests, NULL, NULL);
}
