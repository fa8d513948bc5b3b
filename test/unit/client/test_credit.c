/* SPDX-License-Identifier: MPL-2.0 */
/* test_credit.c - a remote client tells its rank what it has taken, and heeds a BYE. */
#include "cmocka_all.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "base.h"
#include "clock.h"
#include "control.h"
#include "fake_rank.h"
#include "xylem.h"

#define ANSWER 100000 // bytes
#define PATIENCE_MS 5000

struct rig {
    struct fake_rank *rank;
    xylem_t *x;
};

static void
set_up(struct rig *rig, fake_rank_fn serve)
{
    rig->rank = fake_rank_start(-1, serve, NULL);
    assert_int_equal(xylem_open(&rig->x, fake_rank_uri(rig->rank), NULL, NULL), 0);
}

static void
tear_down(struct rig *rig)
{
    xylem_close(rig->x);
    fake_rank_stop(&rig->rank);
}

static void
wait_for_credits(struct rig *rig, unsigned count)
{
    int64_t start = clock_ms();

    while (fake_rank_credits(rig->rank) < count) {
        assert_true(clock_ms() - start < PATIENCE_MS);
        xylem_dispatch(rig->x, 0);
        poll(NULL, 0, 1);
    }
}

static void
answer_at_length(struct fake_rank *f, struct msg *m)
{
    char text[ANSWER];

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    fake_rank_reply_text(f, m, 0, text);
}

static void
answer_in_brief(struct fake_rank *f, struct msg *m)
{
    fake_rank_reply(f, m, 0, NULL, 0);
}

static void
ask_then_answer(struct fake_rank *f, struct msg *m)
{
    fake_rank_say(f, CONTROL_PING);
    answer_in_brief(f, m);
}

static void
say_goodbye(struct fake_rank *f, struct msg *m UNUSED)
{
    fake_rank_say(f, CONTROL_BYE);
}

static void
say_what_nobody_knows(struct fake_rank *f, struct msg *m)
{
    fake_rank_say(f, CONTROL_PONG);
    fake_rank_say(f, 4711);
    answer_in_brief(f, m);
}

static void
credit_goes_out_for_each_quarter_of_the_window(void **state UNUSED)
{
    enum { CALLS = 44 };
    const uint64_t step = CONTROL_CLIENT_WINDOW / 4;
    const uint64_t cost = ANSWER + CONTROL_COST;
    const unsigned each = (unsigned)((step + cost - 1) / cost); // messages for one credit
    struct rig rig;

    set_up(&rig, answer_at_length);
    for (int i = 0; i < CALLS; i++)
        assert_int_equal(xylem_rpc(rig.x, "x.y", XYLEM_RANK_ANY, NULL, NULL), 0);
    wait_for_credits(&rig, CALLS / each);
    assert_int_equal(fake_rank_credits(rig.rank), CALLS / each);
    assert_in_range(fake_rank_credited(rig.rank), CALLS / each * each * cost,
                    CALLS / each * (each * cost + 1000)); // open asks for an attribute
    tear_down(&rig);
}

static void
rank_that_asks_is_told(void **state UNUSED)
{
    struct rig rig;
    uint64_t first;

    set_up(&rig, ask_then_answer);
    assert_int_equal(xylem_rpc(rig.x, "x.y", XYLEM_RANK_ANY, NULL, NULL), 0);
    wait_for_credits(&rig, 1);
    first = fake_rank_credited(rig.rank);
    assert_int_equal(xylem_rpc(rig.x, "x.y", XYLEM_RANK_ANY, NULL, NULL), 0);
    wait_for_credits(&rig, 2);
    assert_int_equal(fake_rank_credited(rig.rank) - first, CONTROL_COST);
    tear_down(&rig);
}

static void
client_that_is_cut_off_loses_its_rank(void **state UNUSED)
{
    struct rig rig;

    set_up(&rig, say_goodbye);
    assert_int_equal(xylem_rpc(rig.x, "x.y", XYLEM_RANK_ANY, NULL, NULL), -ECONNRESET);
    assert_int_equal(xylem_rpc(rig.x, "x.y", XYLEM_RANK_ANY, NULL, NULL), -ECONNRESET);
    tear_down(&rig);
}

static void
other_control_messages_are_ignored(void **state UNUSED)
{
    struct rig rig;

    set_up(&rig, say_what_nobody_knows);
    assert_int_equal(xylem_rpc(rig.x, "x.y", XYLEM_RANK_ANY, NULL, NULL), 0);
    assert_int_equal(fake_rank_credits(rig.rank), 0);
    tear_down(&rig);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(credit_goes_out_for_each_quarter_of_the_window),
        cmocka_unit_test(rank_that_asks_is_told),
        cmocka_unit_test(client_that_is_cut_off_loses_its_rank),
        cmocka_unit_test(other_control_messages_are_ignored),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
