/* SPDX-License-Identifier: MPL-2.0 */
/* test_window.c - a remote client keeps a window of requests under way, and sends again what its rank
 * refuses. */
#include "cmocka_all.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>

#include "client_window.h"
#include "clock.h"
#include "control.h"
#include "fake_rank.h"
#include "xylem.h"

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)
#define PATIENCE_MS 10000

/* --- the window --- */

static void
window_has_room_up_to_its_limits(void **state UNUSED)
{
    struct client_window w;

    client_window_init(&w, 4 * MIB);
    assert_true(client_window_has_room(&w, 100 * MIB)); // alone
    client_window_sent(&w, 3 * MIB);
    assert_true(client_window_has_room(&w, MIB));
    assert_false(client_window_has_room(&w, MIB + 1));
    client_window_sent(&w, 2 * MIB); // one that took the chance to be alone
    assert_false(client_window_has_room(&w, 0));
    client_window_done(&w, 2 * MIB);
    client_window_done(&w, 3 * MIB);
    for (int i = 0; i < CONTROL_CLIENT_REQUESTS; i++) {
        assert_true(client_window_has_room(&w, 64));
        client_window_sent(&w, 64);
    }
    assert_false(client_window_has_room(&w, 64));
}

static void
window_shrinks_to_what_was_let_in_and_grows_again(void **state UNUSED)
{
    struct client_window w;

    client_window_init(&w, 4 * MIB);
    for (int i = 0; i < 4; i++)
        client_window_sent(&w, MIB);
    client_window_refused(&w, MIB);
    client_window_refused(&w, MIB);
    assert_int_equal(w.limit, 2 * MIB);
    assert_false(client_window_has_room(&w, KIB));
    client_window_done(&w, MIB);
    assert_int_equal(w.limit, 2 * MIB + MIB / 4);
    assert_true(client_window_has_room(&w, MIB));
    client_window_refused(&w, MIB);
    assert_int_equal(w.limit, CLIENT_WINDOW_MIN);
    for (int i = 0; i < 20; i++) {
        client_window_sent(&w, MIB);
        client_window_done(&w, MIB);
    }
    assert_int_equal(w.limit, 4 * MIB);
}

/* --- a handle, and a rank that holds what it is asked --- */

#define HELD_MAX 4096

static struct {
    struct msg held[HELD_MAX];
    struct msg_zmq_peer peer; // who sent them
    unsigned count;           // held
    char order[HELD_MAX + 1]; // first byte of each request that came
    atomic_uint came;
    atomic_ullong bytes;
    atomic_uint refuse; // so many after the first that is held
    const char *why;    // with this text, or NULL
} rank_;

static void
answer_held(struct fake_rank *f)
{
    for (unsigned i = 0; i < rank_.count; i++) {
        fake_rank_reply(f, &rank_.held[i], 0, NULL, 0);
        msg_fini(&rank_.held[i]);
    }
    rank_.count = 0;
    atomic_store(&rank_.bytes, 0);
}

static void
hold(struct fake_rank *f, struct msg *m)
{
    unsigned came = atomic_load(&rank_.came);

    if (strcmp(m->topic, "x.go") == 0) {
        struct msg_zmq_peer other = fake_rank_peer(f);

        fake_rank_turn_to(f, &rank_.peer);
        answer_held(f);
        fake_rank_turn_to(f, &other);
        fake_rank_reply(f, m, 0, NULL, 0);
        return;
    }
    rank_.peer = fake_rank_peer(f);
    rank_.order[came % HELD_MAX] = msg_size(m) > 0 ? *(const char *)msg_data(m) : '-';
    if (rank_.count > 0 && atomic_load(&rank_.refuse) > 0) {
        atomic_fetch_sub(&rank_.refuse, 1);
        fake_rank_reply(f, m, EAGAIN, rank_.why, rank_.why ? strlen(rank_.why) + 1 : 0);
    } else {
        atomic_fetch_add(&rank_.bytes, msg_size(m));
        msg_move(&rank_.held[rank_.count++], m);
    }
    atomic_store(&rank_.came, came + 1);
}

struct rig {
    struct fake_rank *rank;
    xylem_t *x;
    unsigned done;
    int rc; // of the last
};

static void
set_up(struct rig *rig, int greeting)
{
    memset(&rank_, 0, sizeof(rank_));
    *rig = (struct rig){.rank = fake_rank_start(greeting, hold, NULL)};
    assert_int_equal(xylem_open(&rig->x, fake_rank_uri(rig->rank), NULL, NULL), 0);
}

static void
tear_down(struct rig *rig)
{
    xylem_close(rig->x);
    fake_rank_stop(&rig->rank);
    while (rank_.count > 0)
        msg_fini(&rank_.held[--rank_.count]);
}

static void
count_one(void *arg, const struct xylem_reply *reply)
{
    struct rig *rig = arg;

    rig->done++;
    rig->rc = reply->rc;
}

static uint32_t
ask(struct rig *rig, char first, size_t size, int flags)
{
    static char data[8 * MIB];
    uint32_t tag;

    data[0] = first;
    assert_int_equal(
        xylem_rpc_async(rig->x, "x.y", XYLEM_RANK_ANY, data, size, flags, count_one, rig, &tag), 0);
    return tag;
}

/* Another handle has the rank answer what it holds. */
static void
release(struct rig *rig)
{
    xylem_t *other;

    assert_int_equal(xylem_open(&other, fake_rank_uri(rig->rank), NULL, NULL), 0);
    assert_int_equal(xylem_rpc(other, "x.go", XYLEM_RANK_ANY, NULL, NULL), 0);
    xylem_close(other);
}

static void
wait_for(struct rig *rig, unsigned came)
{
    int64_t start = clock_ms();

    while (atomic_load(&rank_.came) < came) {
        assert_true(clock_ms() - start < PATIENCE_MS);
        xylem_dispatch(rig->x, 0);
        poll(NULL, 0, 1);
    }
}

/* No more comes than that: looked at for a while. */
static void
assert_no_more_come(struct rig *rig, unsigned came)
{
    wait_for(rig, came);
    for (int i = 0; i < 30; i++) {
        xylem_dispatch(rig->x, 0);
        poll(NULL, 0, 1);
    }
    assert_int_equal(atomic_load(&rank_.came), came);
}

static void
wait_for_answers(struct rig *rig, unsigned done)
{
    int64_t start = clock_ms();

    while (rig->done < done) {
        assert_true(clock_ms() - start < PATIENCE_MS);
        xylem_dispatch(rig->x, 10);
    }
}

static void
requests_beyond_the_window_wait_in_the_client(void **state UNUSED)
{
    struct rig rig;

    set_up(&rig, -1);
    for (int i = 0; i < 10; i++)
        ask(&rig, (char)('a' + i), MIB, 0);
    assert_no_more_come(&rig, 3); // 4 MiB, and 64 bytes each
    assert_int_equal(xylem_pending(rig.x), 10);
    release(&rig);
    wait_for_answers(&rig, 3);
    assert_no_more_come(&rig, 6);
    while (rig.done < 10) {
        release(&rig);
        wait_for_answers(&rig, rig.done + 1);
        wait_for(&rig, (unsigned)MIN(rig.done + 3, 10));
    }
    assert_memory_equal(rank_.order, "abcdefghij", 10);
    assert_int_equal(rig.rc, 0);
    tear_down(&rig);
}

static void
requests_are_counted_too(void **state UNUSED)
{
    enum { MORE = 10 };
    struct rig rig;

    set_up(&rig, -1);
    for (int i = 0; i < CONTROL_CLIENT_REQUESTS + MORE; i++)
        ask(&rig, 'x', 1, 0);
    assert_no_more_come(&rig, CONTROL_CLIENT_REQUESTS);
    release(&rig);
    wait_for(&rig, CONTROL_CLIENT_REQUESTS + MORE);
    release(&rig);
    wait_for_answers(&rig, CONTROL_CLIENT_REQUESTS + MORE);
    tear_down(&rig);
}

static void
one_request_is_sent_however_large(void **state UNUSED)
{
    struct rig rig;

    set_up(&rig, -1);
    ask(&rig, 'a', 8 * MIB, 0);
    ask(&rig, 'b', 1, 0);
    assert_no_more_come(&rig, 1);
    release(&rig);
    wait_for_answers(&rig, 1);
    assert_no_more_come(&rig, 2);
    tear_down(&rig);
    assert_int_equal(rig.done, 2);
    assert_int_equal(rig.rc, -ECANCELED);
}

static void
streams_take_no_room(void **state UNUSED)
{
    struct rig rig;

    set_up(&rig, -1);
    for (int i = 0; i < CONTROL_CLIENT_REQUESTS + 10; i++)
        ask(&rig, 's', 1, XYLEM_STREAMING);
    ask(&rig, 'x', 1, 0);
    assert_no_more_come(&rig, CONTROL_CLIENT_REQUESTS + 11);
    tear_down(&rig);
}

static void
what_was_cancelled_before_its_turn_is_not_sent(void **state UNUSED)
{
    struct rig rig;
    uint32_t tags[5];

    set_up(&rig, -1);
    for (int i = 0; i < 5; i++)
        tags[i] = ask(&rig, (char)('a' + i), 3 * MIB, i == 2 ? XYLEM_STREAMING : 0);
    wait_for(&rig, 1);
    xylem_cancel(rig.x, tags[1]);
    assert_no_more_come(&rig, 2); // the stream was behind it
    xylem_cancel(rig.x, tags[3]);
    assert_int_equal(xylem_pending(rig.x), 3);
    xylem_cancel(rig.x, tags[0]); // gives its room to the last
    wait_for(&rig, 3);
    assert_memory_equal(rank_.order, "ace", 3);
    tear_down(&rig);
}

static void
what_the_rank_refuses_is_sent_again_in_its_order(void **state UNUSED)
{
    struct rig rig;

    set_up(&rig, -1);
    atomic_store(&rank_.refuse, 2);
    for (int i = 0; i < 5; i++)
        ask(&rig, (char)('a' + i), MIB, 0);
    assert_no_more_come(&rig, 3);
    assert_memory_equal(rank_.order, "abc", 3); // b and c are refused
    assert_int_equal(rig.done, 0);
    release(&rig);
    wait_for_answers(&rig, 1);
    assert_no_more_come(&rig, 4); // less is sent at a time now
    while (rig.done < 5) {
        release(&rig);
        wait_for_answers(&rig, rig.done + 1);
        wait_for(&rig, (unsigned)MIN(rig.done + 3, 7));
    }
    assert_memory_equal(rank_.order, "abcbcde", 7);
    assert_int_equal(rig.rc, 0);
    tear_down(&rig);
}

/* As of a commit that has expected something else. */
static void
refusal_with_a_reason_is_an_answer(void **state UNUSED)
{
    struct rig rig;

    set_up(&rig, -1);
    rank_.why = "key 'a': is not what was expected";
    atomic_store(&rank_.refuse, 1);
    ask(&rig, 'a', 1, 0);
    wait_for(&rig, 1);
    ask(&rig, 'b', 1, 0);
    wait_for_answers(&rig, 1);
    assert_int_equal(rig.rc, -EAGAIN);
    assert_no_more_come(&rig, 2);
    tear_down(&rig);
}

static void
refuse_all(struct fake_rank *f, struct msg *m)
{
    fake_rank_reply(f, m, EAGAIN, NULL, 0);
}

static void
refusal_with_nothing_else_under_way_is_told(void **state UNUSED)
{
    struct fake_rank *rank = fake_rank_start(-1, refuse_all, NULL);
    xylem_t *x;

    assert_int_equal(xylem_open(&x, fake_rank_uri(rank), NULL, NULL), 0);
    assert_int_equal(xylem_rpc(x, "x.y", XYLEM_RANK_ANY, NULL, NULL), -EAGAIN);
    assert_int_equal(xylem_pending(x), 0);
    xylem_close(x);
    fake_rank_stop(&rank);
}

static void
local_client_is_held_back_by_its_rank_only(void **state UNUSED)
{
    struct rig rig;

    set_up(&rig, 0);
    for (int i = 0; i < CONTROL_CLIENT_REQUESTS + 10; i++)
        ask(&rig, 'x', 1, 0);
    wait_for(&rig, CONTROL_CLIENT_REQUESTS + 10);
    tear_down(&rig);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(window_has_room_up_to_its_limits),
        cmocka_unit_test(window_shrinks_to_what_was_let_in_and_grows_again),
        cmocka_unit_test(requests_beyond_the_window_wait_in_the_client),
        cmocka_unit_test(requests_are_counted_too),
        cmocka_unit_test(one_request_is_sent_however_large),
        cmocka_unit_test(streams_take_no_room),
        cmocka_unit_test(what_was_cancelled_before_its_turn_is_not_sent),
        cmocka_unit_test(what_the_rank_refuses_is_sent_again_in_its_order),
        cmocka_unit_test(refusal_with_a_reason_is_an_answer),
        cmocka_unit_test(refusal_with_nothing_else_under_way_is_told),
        cmocka_unit_test(local_client_is_held_back_by_its_rank_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
