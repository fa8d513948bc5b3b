/* SPDX-License-Identifier: MPL-2.0 */
/* test_ascent.c - stories of a rank on its way up, row by row, and the invariants of ascent.h under
 * whatever may happen. */
#include "cmocka_all.h"

#include "ascent.h"

#define GREET_MS 1000
#define GREET_MAX_MS 4000
#define PATIENCE_MS 10000
#define RETRY_MS 100
#define RETRY_MAX_MS 1000
#define PROBE_MS 2000
#define PROBE_MAX_MS 16000
#define STEADY_MS 5000

static const struct ascent_conf usual = {.count = 3,
                                         .greet_ms = GREET_MS,
                                         .greet_max_ms = GREET_MAX_MS,
                                         .patience_ms = PATIENCE_MS,
                                         .retry_ms = RETRY_MS,
                                         .retry_max_ms = RETRY_MAX_MS,
                                         .probe_ms = PROBE_MS,
                                         .probe_max_ms = PROBE_MAX_MS,
                                         .steady_ms = STEADY_MS,
                                         .seed = 1};

/* --- stories --- */

enum deed { END, START, TIME, AFTER, WELCOMED, FAILED, LOST, HINT, STRANDED };

/* Something happens, and then this is to be done. */
struct row {
    enum deed deed; // TIME: as late as was said; AFTER: `arg` ms later
    int64_t arg;    // FAILED, LOST: why; HINT: of whom; STRANDED: or not
    enum ascent_what what;
    uint32_t candidate; // GREET
    int64_t ms;         // WAIT: how long, a quarter more or less when `varies`; -1: for ever
    bool varies;
};

#define GREETS(c) .what = ASCENT_GREET, .candidate = (c)
#define DROPS .what = ASCENT_DROP
#define WAITS(t) .what = ASCENT_WAIT, .ms = (t)
#define PAUSES(t) .what = ASCENT_WAIT, .ms = (t), .varies = true
#define WAITS_FOR_EVER .what = ASCENT_WAIT, .ms = -1

static void
apply(struct ascent *a, const struct row *row, const struct ascent_conf *conf, int64_t *now)
{
    switch (row->deed) {
    case START:
        ascent_init(a, conf, *now);
        break;
    case AFTER:
        *now += row->arg;
        break;
    case WELCOMED:
        ascent_welcomed(a, *now);
        break;
    case FAILED:
        ascent_failed(a, (enum ascent_end)row->arg, *now);
        break;
    case LOST:
        ascent_lost(a, (enum ascent_end)row->arg, *now);
        break;
    case HINT:
        ascent_hint(a, (uint32_t)row->arg, *now);
        break;
    case STRANDED:
        ascent_stranded(a, row->arg != 0, *now);
        break;
    default:
        break;
    }
}

static void
check_wait(const struct row *row, size_t number, int64_t ms)
{
    int64_t slack = row->varies ? row->ms / 4 + 1 : 0;

    if (ms < row->ms - slack || ms > row->ms + slack)
        fail_msg("row %zu: waits %lld ms", number, (long long)ms);
}

static void
tell_count(uint32_t count, const struct row *rows)
{
    struct ascent_conf conf = usual;
    struct ascent_step step = {0};
    struct ascent a;
    int64_t now = 50000;

    conf.count = count;
    for (size_t i = 0; rows[i].deed != END; i++) {
        const struct row *row = &rows[i];

        if (row->deed == TIME)
            now = step.at;
        apply(&a, row, &conf, &now);
        step = ascent_tick(&a, now);
        if (step.what != row->what)
            fail_msg("row %zu: does %d", i, step.what);
        if (row->what == ASCENT_GREET && step.candidate != row->candidate)
            fail_msg("row %zu: greets %u", i, step.candidate);
        if (row->what == ASCENT_WAIT && row->ms < 0)
            assert_true(step.at == INT64_MAX);
        else if (row->what == ASCENT_WAIT)
            check_wait(row, i, step.at - now);
    }
}

static void
tell(const struct row *rows)
{
    tell_count(usual.count, rows);
}

static void
at_first_only_the_parent_is_greeted(void **state UNUSED)
{
    tell((const struct row[]){
        {START, GREETS(0)},
        {FAILED, ASCENT_CLOSED, PAUSES(RETRY_MS)},
        {TIME, GREETS(0)},
        {FAILED, ASCENT_CLOSED, PAUSES(2 * RETRY_MS)},
        {TIME, GREETS(0)},
        {AFTER, 0, WAITS(4 * GREET_MS)},
        {WELCOMED, WAITS_FOR_EVER},
        {.deed = END},
    });
}

static void
patience_ends(void **state UNUSED)
{
    struct ascent_step step;
    struct ascent a;
    int64_t now = 0;

    ascent_init(&a, &usual, now);
    while ((step = ascent_tick(&a, now)).candidate != 1) {
        assert_true(now < PATIENCE_MS * 5 / 4 + GREET_MS + 1);
        assert_true(step.what != ASCENT_GREET || step.candidate == 0);
        now = step.at > now ? step.at : now + (step.what == ASCENT_GREET);
    }
    assert_true(now >= PATIENCE_MS * 3 / 4 + GREET_MS);
}

static void
a_parent_that_is_slow_at_first_gets_its_time(void **state UNUSED)
{
    tell((const struct row[]){
        {START, GREETS(0)},
        {AFTER, 0, WAITS(GREET_MS)},
        {TIME, DROPS},
        {AFTER, 0, PAUSES(RETRY_MS)},
        {TIME, GREETS(0)},
        {AFTER, 0, WAITS(2 * GREET_MS)},
        {TIME, DROPS},
        {AFTER, 0, PAUSES(2 * RETRY_MS)},
        {TIME, GREETS(0)},
        {.deed = END},
    });
}

static void
grandparent_is_greeted_at_once(void **state UNUSED)
{
    tell((const struct row[]){
        {START, GREETS(0)},
        {WELCOMED, WAITS_FOR_EVER},
        {AFTER, STEADY_MS, WAITS_FOR_EVER},
        {LOST, ASCENT_BROKEN, GREETS(0)},
        {FAILED, ASCENT_CLOSED, GREETS(1)},
        {WELCOMED, PAUSES(PROBE_MS)},
        {AFTER, STEADY_MS, GREETS(0)},
        {FAILED, ASCENT_CLOSED, PAUSES(2 * PROBE_MS)},
        {LOST, ASCENT_BROKEN, GREETS(0)},
        {FAILED, ASCENT_CLOSED, GREETS(1)},
        {FAILED, ASCENT_CLOSED, GREETS(2)},
        {WELCOMED, PAUSES(PROBE_MS)},
        {.deed = END},
    });
}

static void
who_fell_silent_is_not_greeted_first(void **state UNUSED)
{
    tell((const struct row[]){
        {START, GREETS(0)},
        {WELCOMED, WAITS_FOR_EVER},
        {AFTER, STEADY_MS, WAITS_FOR_EVER},
        {LOST, ASCENT_SILENT, GREETS(1)},
        {FAILED, ASCENT_CLOSED, GREETS(2)},
        {FAILED, ASCENT_CLOSED, GREETS(0)},
        {AFTER, GREET_MS, DROPS},
        {AFTER, 0, PAUSES(RETRY_MS)},
        {.deed = END},
    });
    tell_count(1, (const struct row[]){
                      {START, GREETS(0)},
                      {WELCOMED, WAITS_FOR_EVER},
                      {AFTER, STEADY_MS, WAITS_FOR_EVER},
                      {LOST, ASCENT_SILENT, GREETS(0)},
                      {.deed = END},
                  });
}

static void
who_does_not_answer_is_given_more_time_each_round(void **state UNUSED)
{
    tell_count(2, (const struct row[]){
                      {START, GREETS(0)},
                      {WELCOMED, WAITS_FOR_EVER},
                      {AFTER, STEADY_MS, WAITS_FOR_EVER},
                      {LOST, ASCENT_BROKEN, GREETS(0)},
                      {AFTER, 0, WAITS(GREET_MS)},
                      {TIME, GREETS(1)},
                      {AFTER, 0, WAITS(GREET_MS)},
                      {TIME, DROPS},
                      {AFTER, 0, PAUSES(RETRY_MS)},
                      {TIME, GREETS(0)},
                      {AFTER, 0, WAITS(2 * GREET_MS)},
                      {TIME, GREETS(1)},
                      {FAILED, ASCENT_REFUSED, PAUSES(2 * RETRY_MS)},
                      {TIME, GREETS(0)},
                      {FAILED, ASCENT_BROKEN, GREETS(1)},
                      {FAILED, ASCENT_BROKEN, PAUSES(4 * RETRY_MS)},
                      {TIME, GREETS(0)},
                      {AFTER, 0, WAITS(GREET_MAX_MS)},
                      {FAILED, ASCENT_CLOSED, GREETS(1)},
                      {FAILED, ASCENT_CLOSED, PAUSES(8 * RETRY_MS)},
                      {TIME, GREETS(0)},
                      {FAILED, ASCENT_CLOSED, GREETS(1)},
                      {FAILED, ASCENT_CLOSED, PAUSES(RETRY_MAX_MS)},
                      {TIME, GREETS(0)},
                      {WELCOMED, WAITS_FOR_EVER},
                      {.deed = END},
                  });
}

static void
an_adopted_one_looks_for_its_way_home(void **state UNUSED)
{
    tell((const struct row[]){
        {START, GREETS(0)},
        {WELCOMED, WAITS_FOR_EVER},
        {AFTER, STEADY_MS, WAITS_FOR_EVER},
        {LOST, ASCENT_BROKEN, GREETS(0)},
        {FAILED, ASCENT_CLOSED, GREETS(1)},
        {FAILED, ASCENT_CLOSED, GREETS(2)},
        {WELCOMED, PAUSES(PROBE_MS)},
        {TIME, GREETS(0)},
        {AFTER, 0, WAITS(GREET_MS)},
        {TIME, GREETS(1)},
        {FAILED, ASCENT_CLOSED, PAUSES(2 * PROBE_MS)},
        {TIME, GREETS(0)},
        {FAILED, ASCENT_CLOSED, GREETS(1)},
        {AFTER, 0, WAITS(2 * GREET_MS)},
        {TIME, DROPS},
        {AFTER, 0, PAUSES(4 * PROBE_MS)},
        {TIME, GREETS(0)},
        {FAILED, ASCENT_CLOSED, GREETS(1)},
        {WELCOMED, PAUSES(PROBE_MS)},
        {TIME, GREETS(0)},
        {FAILED, ASCENT_CLOSED, PAUSES(2 * PROBE_MS)},
        {TIME, GREETS(0)},
        {WELCOMED, WAITS_FOR_EVER},
        {.deed = END},
    });
}

static void
a_trial_goes_on_when_the_current_one_is_lost(void **state UNUSED)
{
    tell_count(4, (const struct row[]){
                      {START, GREETS(0)},
                      {WELCOMED, WAITS_FOR_EVER},
                      {AFTER, STEADY_MS, WAITS_FOR_EVER},
                      {LOST, ASCENT_BROKEN, GREETS(0)},
                      {FAILED, ASCENT_CLOSED, GREETS(1)},
                      {FAILED, ASCENT_CLOSED, GREETS(2)},
                      {FAILED, ASCENT_CLOSED, GREETS(3)},
                      {WELCOMED, PAUSES(PROBE_MS)},
                      {TIME, GREETS(0)},
                      {FAILED, ASCENT_CLOSED, GREETS(1)},
                      {AFTER, STEADY_MS, GREETS(2)},
                      {FAILED, ASCENT_CLOSED, PAUSES(2 * PROBE_MS)},
                      {TIME, GREETS(0)},
                      {AFTER, 0, WAITS(2 * GREET_MS)},
                      {LOST, ASCENT_BROKEN, WAITS(GREET_MS)},
                      {TIME, GREETS(1)},
                      {.deed = END},
                  });
}

/* One that lets us in and is lost again, and again: each time it is left alone for longer. */
static void
who_comes_and_goes_is_passed_over(void **state UNUSED)
{
    tell((const struct row[]){
        {START, GREETS(0)},
        {WELCOMED, WAITS_FOR_EVER},
        {LOST, ASCENT_BROKEN, GREETS(0)}, // once is nothing
        {FAILED, ASCENT_CLOSED, GREETS(1)},
        {WELCOMED, PAUSES(PROBE_MS)},
        {AFTER, PROBE_MS * 5 / 4, GREETS(0)},
        {WELCOMED, WAITS_FOR_EVER},
        {LOST, ASCENT_BROKEN, GREETS(1)},
        {WELCOMED, PAUSES(PROBE_MS)},
        {AFTER, PROBE_MS * 5 / 4, PAUSES(2 * PROBE_MS)},
        {TIME, GREETS(0)},
        {WELCOMED, WAITS_FOR_EVER},
        {AFTER, STEADY_MS, WAITS_FOR_EVER},
        {LOST, ASCENT_BROKEN, GREETS(0)},
        {.deed = END},
    });
}

/* But not when there is nobody else. */
static void
who_comes_and_goes_is_better_than_nobody(void **state UNUSED)
{
    tell_count(1, (const struct row[]){
                      {START, GREETS(0)},
                      {WELCOMED, WAITS_FOR_EVER},
                      {LOST, ASCENT_BROKEN, GREETS(0)},
                      {WELCOMED, WAITS_FOR_EVER},
                      {LOST, ASCENT_BROKEN, PAUSES(RETRY_MS)},
                      {TIME, GREETS(0)},
                      {WELCOMED, WAITS_FOR_EVER},
                      {.deed = END},
                  });
}

static void
rank_0_comes_back_after_all_were_dead(void **state UNUSED)
{
    struct ascent_step step;
    struct ascent a;
    int64_t now = 0;

    ascent_init(&a, &usual, now);
    ascent_tick(&a, now);
    ascent_welcomed(&a, now);
    ascent_lost(&a, ASCENT_BROKEN, now += STEADY_MS);
    for (int greeted = 0; greeted < 300; now = MAX(now, step.at)) {
        step = ascent_tick(&a, now);
        if (step.what != ASCENT_GREET)
            continue;
        assert_int_equal(step.candidate, greeted++ % 3);
        ascent_failed(&a, ASCENT_CLOSED, now);
    }
    assert_true(now >= 90 * RETRY_MAX_MS && now <= 110 * RETRY_MAX_MS);
    while ((step = ascent_tick(&a, now)).candidate != 2) {
        if (step.what == ASCENT_GREET)
            ascent_failed(&a, ASCENT_CLOSED, now);
        now = MAX(now, step.at);
    }
    ascent_welcomed(&a, now);
    assert_int_equal(a.state, ASCENT_ADOPTED);
    assert_int_equal(a.current, 2);
}

static void
a_hint_is_followed_at_once(void **state UNUSED)
{
    tell_count(4, (const struct row[]){
                      {START, GREETS(0)},
                      {HINT, 0, WAITS(GREET_MS)}, // nothing to those who are alone
                      {WELCOMED, WAITS_FOR_EVER},
                      {AFTER, STEADY_MS, WAITS_FOR_EVER},
                      {LOST, ASCENT_BROKEN, GREETS(0)},
                      {FAILED, ASCENT_CLOSED, GREETS(1)},
                      {FAILED, ASCENT_CLOSED, GREETS(2)},
                      {WELCOMED, PAUSES(PROBE_MS)},
                      {HINT, 2, PAUSES(PROBE_MS)}, // no nearer one
                      {HINT, 3, PAUSES(PROBE_MS)},
                      {HINT, 1, GREETS(1)},
                      {HINT, 1, WAITS(GREET_MS)}, // that is under way
                      {FAILED, ASCENT_CLOSED, PAUSES(2 * PROBE_MS)},
                      {TIME, GREETS(0)},
                      {HINT, 1, GREETS(1)},
                      {WELCOMED, PAUSES(PROBE_MS)},
                      {.deed = END},
                  });
}

static void
a_hint_does_not_shorten_a_penalty(void **state UNUSED)
{
    tell((const struct row[]){
        {START, GREETS(0)},
        {WELCOMED, WAITS_FOR_EVER},
        {LOST, ASCENT_BROKEN, GREETS(0)},
        {FAILED, ASCENT_CLOSED, GREETS(1)},
        {WELCOMED, PAUSES(PROBE_MS)},
        {HINT, 0, PAUSES(PROBE_MS)},
        {AFTER, PROBE_MS * 5 / 4, GREETS(0)},
        {WELCOMED, WAITS_FOR_EVER},
        {.deed = END},
    });
}

/* Rounds under way go on, to those that are not left alone. */
static void
a_hint_of_one_left_alone_delays_nobody(void **state UNUSED)
{
    tell((const struct row[]){
        {START, GREETS(0)},
        {WELCOMED, WAITS_FOR_EVER},
        {LOST, ASCENT_BROKEN, GREETS(0)},
        {WELCOMED, WAITS_FOR_EVER},
        {LOST, ASCENT_BROKEN, GREETS(1)}, // 0 is left alone for twice as long now
        {FAILED, ASCENT_CLOSED, GREETS(2)},
        {WELCOMED, PAUSES(PROBE_MS)},
        {HINT, 0, PAUSES(PROBE_MS)},
        {TIME, GREETS(1)},
        {HINT, 0, WAITS(GREET_MS)},
        {FAILED, ASCENT_CLOSED, PAUSES(2 * PROBE_MS)},
        {AFTER, PROBE_MS * 5, GREETS(0)},
        {WELCOMED, WAITS_FOR_EVER},
        {.deed = END},
    });
}

static void
who_is_below_a_stranded_one_looks_around(void **state UNUSED)
{
    tell((const struct row[]){
        {START, GREETS(0)},
        {WELCOMED, WAITS_FOR_EVER},
        {AFTER, STEADY_MS, WAITS_FOR_EVER},
        {STRANDED, true, PAUSES(RETRY_MS)},
        {TIME, GREETS(1)},
        {FAILED, ASCENT_REFUSED, GREETS(2)},
        {FAILED, ASCENT_REFUSED, PAUSES(2 * PROBE_MS)},
        {TIME, GREETS(1)},
        {AFTER, 0, WAITS(2 * GREET_MS)},
        {STRANDED, false, WAITS_FOR_EVER},
        {STRANDED, true, PAUSES(RETRY_MS)},
        {TIME, GREETS(1)},
        {FAILED, ASCENT_CLOSED, GREETS(2)},
        {LOST, ASCENT_SILENT, WAITS(GREET_MS)},
        {WELCOMED, PAUSES(PROBE_MS)},
        {STRANDED, true, PAUSES(RETRY_MS)},
        {TIME, GREETS(0)},
        {FAILED, ASCENT_CLOSED, GREETS(1)},
        {WELCOMED, PAUSES(PROBE_MS)},
        {TIME, GREETS(0)},
        {WELCOMED, WAITS_FOR_EVER},
        {.deed = END},
    });
}

static void
who_has_greeted_all_in_vain_has_no_way(void **state UNUSED)
{
    struct ascent a;

    ascent_init(&a, &usual, 0);
    assert_int_equal(ascent_tick(&a, 0).what, ASCENT_GREET);
    ascent_failed(&a, ASCENT_CLOSED, 0);
    assert_false(ascent_has_no_way(&a)); // it is patient
    assert_int_equal(ascent_tick(&a, 1000).what, ASCENT_GREET);
    ascent_welcomed(&a, 1000);
    assert_false(ascent_has_no_way(&a));
    ascent_lost(&a, ASCENT_BROKEN, 20000);
    for (uint32_t i = 0; i < 3; i++) {
        assert_false(ascent_has_no_way(&a));
        assert_int_equal(ascent_tick(&a, 20000).candidate, i);
        ascent_failed(&a, ASCENT_CLOSED, 20000);
    }
    assert_true(ascent_has_no_way(&a));
    assert_int_equal(ascent_tick(&a, 21000).candidate, 0);
    ascent_welcomed(&a, 21000);
    assert_false(ascent_has_no_way(&a));
}

static void
late_news_of_nobody_change_nothing(void **state UNUSED)
{
    struct ascent before;
    struct ascent a;

    ascent_init(&a, &usual, 0);
    before = a;
    ascent_welcomed(&a, 5);
    ascent_failed(&a, ASCENT_CLOSED, 5);
    ascent_lost(&a, ASCENT_BROKEN, 5);
    assert_memory_equal(&a, &before, sizeof(a));
}

/* --- whatever happens --- */

static uint64_t chance;

static uint32_t
draw(uint32_t below)
{
    chance = chance * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(chance >> 33) % below;
}

static void
check_invariants(const struct ascent *a)
{
    assert_true((a->current == ASCENT_NONE) == (a->state == ASCENT_ALONE));
    assert_true(a->state == ASCENT_STRANDED || (a->current == 0) == (a->state == ASCENT_HOME));
    assert_true(a->current == ASCENT_NONE || a->current < a->conf.count);
    assert_true(a->trial == ASCENT_NONE || a->trial < a->conf.count);
    assert_true(a->trial == ASCENT_NONE || a->trial != a->current);
    if (a->trial != ASCENT_NONE && a->current != ASCENT_NONE && a->state != ASCENT_STRANDED)
        assert_true(a->trial < a->current);
}

/* Everything that is due is done.  Returns when to ask again. */
static int64_t
settle(struct ascent *a, int64_t now)
{
    for (unsigned steps = 0;; steps++) {
        struct ascent_step step = ascent_tick(a, now);

        check_invariants(a);
        assert_true(steps < 3);
        if (step.what == ASCENT_GREET)
            assert_int_equal(step.candidate, a->trial);
        if (step.what != ASCENT_WAIT)
            continue;
        assert_true(step.at > now);
        if (a->state == ASCENT_HOME)
            assert_true(step.at == INT64_MAX);
        else if (a->trial != ASCENT_NONE)
            assert_true(step.at <= now + GREET_MAX_MS);
        else if (a->state == ASCENT_ALONE)
            assert_true(step.at <= now + RETRY_MAX_MS * 5 / 4);
        else
            assert_true(step.at <= now + PROBE_MAX_MS * 5 / 4);
        return step.at;
    }
}

static void
something_happens(struct ascent *a, int64_t *now, int64_t at)
{
    switch (draw(9)) {
    case 7:
    case 8:
        ascent_stranded(a, draw(2) == 0, *now);
        break;
    case 6:
        ascent_hint(a, draw(a->conf.count), *now);
        break;
    case 0:
        ascent_welcomed(a, *now);
        break;
    case 1:
    case 2:
        ascent_failed(a, (enum ascent_end)draw(4), *now);
        break;
    case 3:
        ascent_lost(a, (enum ascent_end)draw(4), *now);
        break;
    case 4:
        *now = at == INT64_MAX ? *now + 1 : at;
        break;
    default:
        *now += draw(3000);
        break;
    }
}

static void
invariants_hold_whatever_happens(void **state UNUSED)
{
    chance = 7;
    for (int run = 0; run < 100; run++) {
        struct ascent_conf conf = usual;
        struct ascent a;
        int64_t now = draw(10000);

        conf.count = 1 + draw(run % 10 == 0 ? ASCENT_COUNT_MAX : 4);
        conf.seed = (uint64_t)run;
        ascent_init(&a, &conf, now);
        for (int i = 0; i < 1000; i++)
            something_happens(&a, &now, settle(&a, now));
    }
}

/* The same seed, the same story; another seed, another one. */
static int64_t
alone_for_long(uint64_t seed)
{
    struct ascent_conf conf = usual;
    struct ascent a;
    int64_t now = 0;

    conf.seed = seed;
    ascent_init(&a, &conf, now);
    for (int i = 0; i < 100; i++) {
        struct ascent_step step = ascent_tick(&a, now);

        if (step.what == ASCENT_GREET)
            ascent_failed(&a, ASCENT_CLOSED, now);
        now = step.at;
    }
    return now;
}

static void
chance_is_that_of_the_seed(void **state UNUSED)
{
    assert_true(alone_for_long(3) == alone_for_long(3));
    assert_true(alone_for_long(3) != alone_for_long(4));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(at_first_only_the_parent_is_greeted),
        cmocka_unit_test(patience_ends),
        cmocka_unit_test(a_parent_that_is_slow_at_first_gets_its_time),
        cmocka_unit_test(grandparent_is_greeted_at_once),
        cmocka_unit_test(who_fell_silent_is_not_greeted_first),
        cmocka_unit_test(who_does_not_answer_is_given_more_time_each_round),
        cmocka_unit_test(an_adopted_one_looks_for_its_way_home),
        cmocka_unit_test(a_trial_goes_on_when_the_current_one_is_lost),
        cmocka_unit_test(who_comes_and_goes_is_passed_over),
        cmocka_unit_test(who_comes_and_goes_is_better_than_nobody),
        cmocka_unit_test(rank_0_comes_back_after_all_were_dead),
        cmocka_unit_test(a_hint_is_followed_at_once),
        cmocka_unit_test(a_hint_does_not_shorten_a_penalty),
        cmocka_unit_test(a_hint_of_one_left_alone_delays_nobody),
        cmocka_unit_test(who_is_below_a_stranded_one_looks_around),
        cmocka_unit_test(who_has_greeted_all_in_vain_has_no_way),
        cmocka_unit_test(late_news_of_nobody_change_nothing),
        cmocka_unit_test(invariants_hold_whatever_happens),
        cmocka_unit_test(chance_is_that_of_the_seed),
    };

    return cmocka_run_group_tests_name("overlay/ascent", tests, NULL, NULL);
}
