/* SPDX-License-Identifier: MPL-2.0 */
/* The handle against a fake rank: connecting, matching answers, batching, losing the rank. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base.h"
#include "fake_rank.h"
#include "xylem.h"

#define REF "blake2b-00000000000000000000000000000000000000000000000000000000000000"

/* Blobref number i: 30 zero bytes and i. */
static char *
nth_ref(unsigned i, char out[XYLEM_BLOBREF_MAX])
{
    snprintf(out, XYLEM_BLOBREF_MAX, REF "%02x", i & 0xff);
    return out;
}

/* --- what completions saw --- */

struct seen {
    unsigned count;      // completions
    int rc;              // of the last
    char data[64];       // of the last, as text
    char error[128];     // of the last
    unsigned order[256]; // the first byte of each
};

static void
see(void *arg, const struct xylem_reply *reply)
{
    struct seen *s = arg;

    s->order[s->count % ARRAY_SIZE(s->order)] = reply->size ? *(const uint8_t *)reply->data : 0;
    s->count++;
    s->rc = reply->rc;
    snprintf(s->data, sizeof(s->data), "%.*s", (int)MIN(reply->size, sizeof(s->data)),
             (const char *)reply->data);
    snprintf(s->error, sizeof(s->error), "%s", reply->error);
}

/* --- what ranks do --- */

/* A load is answered with the last byte of its digest; any other request with its own payload. */
static void
echo(struct fake_rank *f, struct msg *m)
{
    const uint8_t *bytes = msg_data(m);

    if (strcmp(m->topic, "content.load") == 0)
        fake_rank_reply(f, m, 0, bytes + 31, 1);
    else
        fake_rank_reply(f, m, 0, bytes, msg_size(m));
}

static void
refuse(struct fake_rank *f, struct msg *m)
{
    if (strcmp(m->topic, "content.load") == 0)
        fake_rank_reply(f, m, ENOENT, NULL, 0);
    else
        fake_rank_reply_text(f, m, ENOSPC, "the store is full");
}

static void
be_silent(struct fake_rank *f UNUSED, struct msg *m UNUSED)
{
}

static void
die(struct fake_rank *f, struct msg *m UNUSED)
{
    fake_rank_hang_up(f);
}

/* --- a rank and a handle for each test --- */

struct rig {
    struct fake_rank *rank;
    xylem_t *x;
};

static void
set_up(struct rig *rig, int greeting, fake_rank_fn serve)
{
    char error[XYLEM_ERROR_MAX] = "";

    rig->rank = fake_rank_start(greeting, serve, NULL);
    if (xylem_open(&rig->x, fake_rank_uri(rig->rank), NULL, error) < 0)
        fail_msg("%s", error);
}

static void
tear_down(struct rig *rig)
{
    xylem_close(rig->x);
    fake_rank_stop(&rig->rank);
}

/* --- connecting --- */

static void
open_without_uri_says_what_to_set(void **state UNUSED)
{
    char error[XYLEM_ERROR_MAX] = "";
    xylem_t *x;

    unsetenv("XYLEM_URI");
    assert_int_equal(xylem_open(&x, NULL, NULL, error), -EINVAL);
    assert_non_null(strstr(error, "XYLEM_URI"));
}

static void
open_where_nobody_listens_is_told(void **state UNUSED)
{
    char error[XYLEM_ERROR_MAX] = "";
    xylem_t *x;

    assert_int_equal(xylem_open(&x, "local:///nonexistent/rank", NULL, error), -ENOENT);
    assert_non_null(strstr(error, "no rank listens there"));
    assert_int_equal(xylem_open(&x, "ipc:///nonexistent/rank", NULL, error), -ENOENT);
    assert_non_null(strstr(error, "no rank listens there"));
    assert_int_equal(xylem_open(&x, "tcp://127.0.0.1:1", NULL, error), -ECONNREFUSED);
    assert_non_null(strstr(error, "no rank listens there"));
}

static void
a_greeting_other_than_zero_is_the_error(void **state UNUSED)
{
    struct fake_rank *rank = fake_rank_start(EPERM, be_silent, NULL);
    char error[XYLEM_ERROR_MAX] = "";
    xylem_t *x;

    assert_int_equal(xylem_open(&x, fake_rank_uri(rank), NULL, error), -EPERM);
    assert_non_null(strstr(error, "not permitted"));
    fake_rank_stop(&rank);
}

static void
open_finds_the_uri_in_the_environment(void **state UNUSED)
{
    struct fake_rank *rank = fake_rank_start(0, echo, NULL);
    xylem_t *x;

    setenv("XYLEM_URI", fake_rank_uri(rank), 1);
    assert_int_equal(xylem_open(&x, NULL, NULL, NULL), 0);
    assert_string_equal(xylem_hash(x), "blake2b");
    xylem_close(x);
    unsetenv("XYLEM_URI");
    fake_rank_stop(&rank);
}

/* --- blobs, over both transports --- */

static void
check_load(int greeting)
{
    struct rig rig;
    char ref[XYLEM_BLOBREF_MAX];
    void *data;
    size_t size;

    set_up(&rig, greeting, echo);
    assert_int_equal(xylem_load(rig.x, nth_ref('x', ref), 0, &data, &size), 0);
    assert_int_equal(size, 1);
    assert_memory_equal(data, "x", 1);
    free(data);
    tear_down(&rig);
}

static void
load_returns_the_bytes(void **state UNUSED)
{
    check_load(0);
    check_load(-1);
}

static void
wrong_blobrefs_are_refused_without_asking(void **state UNUSED)
{
    struct rig rig;
    void *data;
    size_t size;

    set_up(&rig, 0, be_silent);
    assert_int_equal(xylem_load(rig.x, "nonsense", 0, &data, &size), -EINVAL);
    assert_int_equal(
        xylem_load(rig.x, "sha1-c0a9faf907dda6216fd73bf81d0b3b21a1a8cb91", 0, &data, &size),
        -EINVAL);
    assert_non_null(strstr(xylem_error(rig.x), "blake2b"));
    tear_down(&rig);
}

static void
store_returns_the_digest_as_text(void **state UNUSED)
{
    struct rig rig;
    char expected[XYLEM_BLOBREF_MAX];
    char ref[XYLEM_BLOBREF_MAX];
    uint8_t digest[32] = {0};

    digest[31] = 7;
    set_up(&rig, 0, echo);
    assert_int_equal(xylem_store(rig.x, digest, sizeof(digest), 0, ref), 0);
    assert_string_equal(ref, nth_ref(7, expected));
    assert_int_equal(xylem_store(rig.x, "no digest", 9, 0, ref), -EPROTO);
    tear_down(&rig);
}

static void
errors_carry_the_ranks_text_or_the_systems(void **state UNUSED)
{
    struct rig rig;
    char ref[XYLEM_BLOBREF_MAX];
    void *data;
    size_t size;

    set_up(&rig, 0, refuse);
    assert_int_equal(xylem_load(rig.x, nth_ref(1, ref), 0, &data, &size), -ENOENT);
    assert_string_equal(xylem_error(rig.x), "No such file or directory");
    assert_int_equal(xylem_store(rig.x, "x", 1, 0, ref), -ENOSPC);
    assert_string_equal(xylem_error(rig.x), "the store is full");
    tear_down(&rig);
}

/* Both socket buffers are full many times over: the rank answers while it is still being sent to.
 */
static void
check_large(int greeting)
{
    enum { SIZE = 4 << 20, COUNT = 6 };
    struct rig rig;
    struct seen seen = {0};
    char *data = calloc(1, SIZE);

    memset(data, 'z', SIZE);
    set_up(&rig, greeting, echo);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(
            xylem_rpc_async(rig.x, "x.echo", XYLEM_RANK_ANY, data, SIZE, 0, see, &seen, NULL), 0);
    while (xylem_pending(rig.x) > 0)
        assert_true(xylem_dispatch(rig.x, -1) >= 0);
    assert_int_equal(seen.count, COUNT);
    assert_int_equal(seen.rc, 0);
    assert_int_equal(seen.data[0], 'z');
    free(data);
    tear_down(&rig);
}

static void
large_payloads_both_ways_do_not_deadlock(void **state UNUSED)
{
    check_large(0);
    check_large(-1);
}

/* --- many at once --- */

static void
load_many(xylem_t *x, unsigned count, struct seen *seen)
{
    char ref[XYLEM_BLOBREF_MAX];

    for (unsigned i = 0; i < count; i++)
        assert_int_equal(xylem_load_async(x, nth_ref(i, ref), 0, see, seen), 0);
}

static void
requests_go_out_together(void **state UNUSED)
{
    struct rig rig;
    struct seen seen = {0};
    unsigned reads;

    set_up(&rig, 0, echo);
    reads = fake_rank_reads(rig.rank);
    load_many(rig.x, 64, &seen);
    while (xylem_pending(rig.x) > 0)
        assert_true(xylem_dispatch(rig.x, -1) >= 0);
    assert_int_equal(fake_rank_reads(rig.rank), reads + 1);
    for (unsigned i = 0; i < 64; i++)
        assert_int_equal(seen.order[i], i);
    tear_down(&rig);
}

/* An event loop of the user's own: only poll(2) and dispatch without waiting. */
static void
check_event_loop(int greeting)
{
    struct rig rig;
    struct seen seen = {0};
    struct pollfd pfd = {.events = POLLIN};

    set_up(&rig, greeting, echo);
    pfd.fd = xylem_fd(rig.x);
    for (unsigned round = 1; round <= 50; round++) {
        load_many(rig.x, 3, &seen);
        while (seen.count < 3 * round) {
            assert_int_equal(poll(&pfd, 1, 5000), 1);
            assert_true(xylem_dispatch(rig.x, 0) >= 0);
        }
    }
    assert_int_equal(poll(&pfd, 1, 0), 0);
    tear_down(&rig);
}

static void
poll_and_dispatch_are_enough(void **state UNUSED)
{
    check_event_loop(0);
    check_event_loop(-1);
}

static void
dispatch_counts_completions_and_obeys_its_timeout(void **state UNUSED)
{
    struct rig rig;
    struct seen seen = {0};

    set_up(&rig, 0, be_silent);
    assert_int_equal(xylem_dispatch(rig.x, -1), 0); // nothing is pending
    load_many(rig.x, 1, &seen);
    assert_int_equal(xylem_dispatch(rig.x, 20), 0);
    assert_int_equal(xylem_pending(rig.x), 1);
    tear_down(&rig);
    assert_int_equal(seen.count, 1);
}

/* A completion that calls synchronously. */
struct nested {
    xylem_t *x;
    int rc;
};

static void
load_again(void *arg, const struct xylem_reply *reply UNUSED)
{
    struct nested *n = arg;
    char ref[XYLEM_BLOBREF_MAX];
    void *data = NULL;
    size_t size;

    n->rc = xylem_load(n->x, nth_ref(9, ref), 0, &data, &size);
    free(data);
}

static void
completions_may_call_synchronously(void **state UNUSED)
{
    struct rig rig;
    struct nested nested = {.rc = -1};
    char ref[XYLEM_BLOBREF_MAX];

    set_up(&rig, 0, echo);
    nested.x = rig.x;
    assert_int_equal(xylem_load_async(rig.x, nth_ref(1, ref), 0, load_again, &nested), 0);
    while (xylem_pending(rig.x) > 0)
        assert_true(xylem_dispatch(rig.x, -1) >= 0);
    assert_int_equal(nested.rc, 0);
    tear_down(&rig);
}

/* --- streams and cancelling --- */

static void
count_to_three(struct fake_rank *f, struct msg *m)
{
    assert_true(m->flags & MSG_STREAMING);
    for (int i = 0; i < 3; i++)
        fake_rank_reply_text(f, m, 0, "item");
    fake_rank_reply(f, m, ENODATA, NULL, 0);
}

static void
a_stream_completes_for_each_answer_until_the_end(void **state UNUSED)
{
    struct rig rig;
    struct seen seen = {0};

    set_up(&rig, 0, count_to_three);
    assert_int_equal(xylem_rpc_async(rig.x, "x.watch", XYLEM_RANK_ANY, NULL, 0,
                                     XYLEM_STREAMING | XYLEM_TEXT, see, &seen, NULL),
                     0);
    while (xylem_pending(rig.x) > 0)
        assert_true(xylem_dispatch(rig.x, -1) >= 0);
    assert_int_equal(seen.count, 4);
    assert_int_equal(seen.rc, -ENODATA);
    tear_down(&rig);
}

static void
cancelled_requests_do_not_complete(void **state UNUSED)
{
    struct rig rig;
    struct seen cancelled = {0};
    struct seen seen = {0};
    uint32_t tag;

    set_up(&rig, 0, echo);
    assert_int_equal(
        xylem_rpc_async(rig.x, "x.echo", XYLEM_RANK_ANY, "late", 4, 0, see, &cancelled, &tag), 0);
    xylem_cancel(rig.x, tag);
    xylem_cancel(rig.x, tag);
    load_many(rig.x, 1, &seen); // answered after the cancelled one
    while (xylem_pending(rig.x) > 0)
        assert_true(xylem_dispatch(rig.x, -1) >= 0);
    assert_int_equal(cancelled.count, 0);
    assert_int_equal(seen.count, 1);
    tear_down(&rig);
}

static void
watch_for_cancel(struct fake_rank *f, struct msg *m)
{
    if (strcmp(m->topic, "x.cancel") == 0) {
        assert_true(m->flags & MSG_NORESPONSE);
        assert_int_equal(m->nodeid, 3);
        atomic_fetch_add((atomic_uint *)fake_rank_arg(f), 1);
    } else if (strcmp(m->topic, "x.echo") == 0) {
        fake_rank_reply(f, m, 0, NULL, 0);
    }
}

static void
the_streams_rank_is_told_that_it_was_cancelled(void **state UNUSED)
{
    atomic_uint cancels = 0;
    struct seen seen = {0};
    struct fake_rank *rank = fake_rank_start(0, watch_for_cancel, &cancels);
    xylem_t *x;
    uint32_t tag;

    assert_int_equal(xylem_open(&x, fake_rank_uri(rank), NULL, NULL), 0);
    assert_int_equal(xylem_rpc_async(x, "x.watch", 3, NULL, 0, XYLEM_STREAMING, see, &seen, &tag),
                     0);
    xylem_cancel(x, tag);
    assert_int_equal(xylem_rpc(x, "x.echo", XYLEM_RANK_ANY, NULL, NULL), 0);
    assert_int_equal(atomic_load(&cancels), 1);
    assert_int_equal(seen.count, 0);
    xylem_close(x);
    fake_rank_stop(&rank);
}

/* --- the end --- */

static void
check_loss(int greeting)
{
    struct rig rig;
    struct seen seen = {0};
    char ref[XYLEM_BLOBREF_MAX];

    set_up(&rig, greeting, die);
    load_many(rig.x, 5, &seen);
    while (xylem_dispatch(rig.x, -1) >= 0)
        ;
    assert_int_equal(seen.count, 5);
    assert_int_equal(seen.rc, -ECONNRESET);
    assert_int_equal(xylem_pending(rig.x), 0);
    assert_int_equal(xylem_store(rig.x, "x", 1, 0, ref), -ECONNRESET);
    assert_int_equal(xylem_dispatch(rig.x, 0), -ECONNRESET);
    assert_non_null(strstr(xylem_error(rig.x), "lost"));
    tear_down(&rig);
}

static void
a_lost_rank_completes_everything(void **state UNUSED)
{
    check_loss(0);
    check_loss(-1);
}

static void
close_completes_what_is_pending(void **state UNUSED)
{
    struct rig rig;
    struct seen seen = {0};

    set_up(&rig, 0, be_silent);
    load_many(rig.x, 2, &seen);
    tear_down(&rig);
    assert_int_equal(seen.count, 2);
    assert_int_equal(seen.rc, -ECANCELED);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(open_without_uri_says_what_to_set),
        cmocka_unit_test(open_where_nobody_listens_is_told),
        cmocka_unit_test(a_greeting_other_than_zero_is_the_error),
        cmocka_unit_test(open_finds_the_uri_in_the_environment),
        cmocka_unit_test(load_returns_the_bytes),
        cmocka_unit_test(wrong_blobrefs_are_refused_without_asking),
        cmocka_unit_test(store_returns_the_digest_as_text),
        cmocka_unit_test(errors_carry_the_ranks_text_or_the_systems),
        cmocka_unit_test(large_payloads_both_ways_do_not_deadlock),
        cmocka_unit_test(requests_go_out_together),
        cmocka_unit_test(poll_and_dispatch_are_enough),
        cmocka_unit_test(dispatch_counts_completions_and_obeys_its_timeout),
        cmocka_unit_test(completions_may_call_synchronously),
        cmocka_unit_test(a_stream_completes_for_each_answer_until_the_end),
        cmocka_unit_test(cancelled_requests_do_not_complete),
        cmocka_unit_test(the_streams_rank_is_told_that_it_was_cancelled),
        cmocka_unit_test(a_lost_rank_completes_everything),
        cmocka_unit_test(close_completes_what_is_pending),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
