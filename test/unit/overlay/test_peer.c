/* SPDX-License-Identifier: MPL-2.0 */
/* test_peer.c - the transition table of peer.h, cell by cell, and what follows from the states. */
#include "cmocka_all.h"

#include "peer.h"

#include <errno.h>

#define OFF PEER_OFFLINE
#define GRE PEER_GREETING
#define ONL PEER_ONLINE
#define LEA PEER_LEAVING
#define LOS PEER_LOST
#define REF PEER_REFUSED

static struct peer
peer_in(enum peer_state state)
{
    struct peer p;

    peer_init(&p, 3, 100);
    p.state = state;
    return p;
}

static void
every_cell_of_the_table_holds(void **state UNUSED)
{
    static const enum peer_state after[6][6] = {
        /*        GREETED ACCEPTED LOST LEFT LEAVING REFUSED */
        [OFF] = {GRE, ONL, OFF, OFF, OFF, REF}, [GRE] = {GRE, ONL, LOS, OFF, GRE, REF},
        [ONL] = {GRE, ONL, LOS, OFF, LEA, REF}, [LEA] = {GRE, ONL, LOS, OFF, LEA, REF},
        [LOS] = {GRE, ONL, LOS, LOS, LOS, REF}, [REF] = {REF, REF, REF, REF, REF, REF},
    };

    for (int from = 0; from < 6; from++) {
        for (int event = 0; event < 6; event++) {
            struct peer p = peer_in((enum peer_state)from);
            bool changes = after[from][event] != (enum peer_state)from;

            assert_int_equal(peer_on(&p, (enum peer_event)event, 200), changes);
            assert_int_equal(p.state, after[from][event]);
            assert_int_equal(p.since, changes ? 200 : 100);
        }
    }
}

static void
only_those_who_should_speak_are_silent(void **state UNUSED)
{
    for (int s = 0; s < 6; s++) {
        struct peer p = peer_in((enum peer_state)s);
        bool speaks = s == PEER_ONLINE || s == PEER_GREETING || s == PEER_LEAVING;

        peer_heard(&p, 1000);
        assert_false(peer_is_silent(&p, 50, 1050));
        assert_int_equal(peer_is_silent(&p, 50, 1051), speaks);
        peer_heard(&p, 1040);
        assert_false(peer_is_silent(&p, 50, 1051));
    }
}

static void
one_that_is_silent_is_slow_first(void **state UNUSED)
{
    struct peer p = peer_in(PEER_ONLINE);

    peer_heard(&p, 1000);
    assert_false(peer_watch(&p, 20, 1020));
    assert_true(peer_watch(&p, 20, 1021));
    assert_true(p.is_torpid);
    assert_false(peer_watch(&p, 20, 1022));
    assert_false(peer_is_silent(&p, 50, 1022));
    peer_heard(&p, 1030);
    assert_true(peer_watch(&p, 20, 1030));
    assert_false(p.is_torpid);
    assert_false(peer_watch(&p, 20, 1040));
    assert_true(peer_watch(&p, 20, 1060));
    peer_on(&p, PEER_EV_LOST, 1100);
    assert_false(p.is_torpid);
}

static void
change_of_state_is_a_sign_of_life(void **state UNUSED)
{
    struct peer p = peer_in(PEER_OFFLINE);

    peer_on(&p, PEER_EV_ACCEPTED, 5000);
    assert_false(peer_is_silent(&p, 50, 5050));
}

static void
reported_status_counts_while_online_only(void **state UNUSED)
{
    struct peer p = peer_in(PEER_ONLINE);

    assert_true(peer_report(&p, SUBTREE_DEGRADED, 300));
    assert_int_equal(p.since, 300);
    assert_false(peer_report(&p, SUBTREE_DEGRADED, 400));
    assert_int_equal(p.since, 300);
    assert_int_equal(peer_status(&p), SUBTREE_DEGRADED);
    p.state = PEER_LOST;
    assert_int_equal(peer_status(&p), SUBTREE_LOST);
    p.state = PEER_OFFLINE;
    assert_int_equal(peer_status(&p), SUBTREE_OFFLINE);
    p.state = PEER_GREETING;
    assert_int_equal(peer_status(&p), SUBTREE_OFFLINE);
}

static void
status_from_outside_the_list_is_ignored(void **state UNUSED)
{
    struct peer p = peer_in(PEER_ONLINE);

    assert_false(peer_report(&p, SUBTREE_OFFLINE + 1, 300));
    assert_false(peer_report(&p, UINT32_MAX, 300));
    assert_int_equal(p.status, SUBTREE_PARTIAL);
}

static enum subtree_status
status_over(struct peer a, struct peer b)
{
    const struct peer *children[] = {&a, &b};

    return peer_status_over(children, 2);
}

static struct peer
online_with(enum subtree_status status)
{
    struct peer p = peer_in(PEER_ONLINE);

    p.status = status;
    return p;
}

static void
loss_outweighs_absence_and_absence_presence(void **state UNUSED)
{
    struct peer full = online_with(SUBTREE_FULL);

    assert_int_equal(peer_status_over(NULL, 0), SUBTREE_FULL);
    assert_int_equal(status_over(full, full), SUBTREE_FULL);
    assert_int_equal(status_over(full, online_with(SUBTREE_PARTIAL)), SUBTREE_PARTIAL);
    assert_int_equal(status_over(peer_in(PEER_OFFLINE), full), SUBTREE_PARTIAL);
    assert_int_equal(status_over(peer_in(PEER_OFFLINE), peer_in(PEER_LOST)), SUBTREE_DEGRADED);
    assert_int_equal(status_over(full, online_with(SUBTREE_DEGRADED)), SUBTREE_DEGRADED);
    /* Nobody says so of himself, but a peer may send anything. */
    assert_int_equal(status_over(full, online_with(SUBTREE_LOST)), SUBTREE_DEGRADED);
    assert_int_equal(status_over(full, online_with(SUBTREE_OFFLINE)), SUBTREE_PARTIAL);
}

static void
names_parse_back(void **state UNUSED)
{
    enum subtree_status parsed;

    for (int s = SUBTREE_FULL; s <= SUBTREE_OFFLINE; s++) {
        assert_int_equal(peer_status_parse(peer_status_name((enum subtree_status)s), &parsed), 0);
        assert_int_equal(parsed, s);
    }
    assert_string_equal(peer_status_name(SUBTREE_DEGRADED), "degraded");
    assert_int_equal(peer_status_parse("Full", &parsed), -EINVAL);
    assert_int_equal(peer_status_parse("", &parsed), -EINVAL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_cell_of_the_table_holds),
        cmocka_unit_test(only_those_who_should_speak_are_silent),
        cmocka_unit_test(one_that_is_silent_is_slow_first),
        cmocka_unit_test(change_of_state_is_a_sign_of_life),
        cmocka_unit_test(reported_status_counts_while_online_only),
        cmocka_unit_test(status_from_outside_the_list_is_ignored),
        cmocka_unit_test(loss_outweighs_absence_and_absence_presence),
        cmocka_unit_test(names_parse_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
