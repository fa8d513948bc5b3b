/* SPDX-License-Identifier: MPL-2.0 */
/* ascent.c - see ascent.h.
 *
 * A round is `left` candidates from `next` on; with none left it is over, and `due` is when the next
 * one begins.  Rounds are the same in all states but for round_size(), round_pause() and
 * may_greet(). */
#include "ascent.h"

#include <assert.h>

#define OVER INT64_MIN // patient_until, from the first full round on

/* --- chance --- */

/* A counter through a mixer of bits: each step is new, whatever the seed. */
static uint64_t
draw(struct ascent *a)
{
    uint64_t x = a->chance += UINT64_C(0x9e3779b97f4a7c15);

    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

/* A quarter more or less. */
static int64_t
vary(struct ascent *a, int64_t ms)
{
    return ms - ms / 4 + (int64_t)(draw(a) % ((uint64_t)ms / 2 + 1));
}

static int64_t
doubled(int64_t ms, unsigned times, int64_t max)
{
    for (; times > 0 && ms < max; times--)
        ms *= 2;
    return MIN(ms, max);
}

/* --- rounds --- */

/* No round through all of them has begun yet. */
static bool
awaits_first(const struct ascent *a)
{
    return a->patient_until != OVER;
}

/* How many candidates a round has. */
static uint32_t
round_size(const struct ascent *a)
{
    switch (a->state) {
    case ASCENT_ALONE:
        return awaits_first(a) ? 1 : a->conf.count;
    case ASCENT_STRANDED:
        return a->conf.count;
    case ASCENT_ADOPTED:
        return a->current;
    case ASCENT_HOME:
        break;
    }
    return 0;
}

/* How long to wait before the next one. */
static int64_t
round_pause(const struct ascent *a)
{
    const struct ascent_conf *conf = &a->conf;

    if (a->state == ASCENT_ALONE)
        return doubled(conf->retry_ms, a->round, conf->retry_max_ms);
    return doubled(conf->probe_ms, a->round + 1, conf->probe_max_ms);
}

/* Patience ends what it finds: nothing is waited for beyond it. */
static void
wait_until(struct ascent *a, int64_t due, int64_t now)
{
    a->due = awaits_first(a) ? MIN(due, MAX(a->patient_until, now)) : due;
}

static void
begin_round(struct ascent *a, int64_t now)
{
    if (awaits_first(a) && now >= a->patient_until) {
        a->patient_until = OVER;
        a->round = 0;
    }
    a->next = 0;
    a->left = round_size(a);
}

static void
end_round(struct ascent *a, int64_t now)
{
    int64_t pause = vary(a, round_pause(a));

    a->left = 0;
    a->round++;
    wait_until(a, now + pause, now);
}

/* Who is alone passes over those only who came and went more than once, and not a second time. */
static bool
may_greet(const struct ascent *a, uint32_t candidate, int64_t now)
{
    const struct ascent_candidate *c = &a->candidates[candidate];

    if (candidate == a->current)
        return false;
    if (now >= c->not_before)
        return true;
    return a->state == ASCENT_ALONE && (a->round > 0 || c->penalty_ms <= a->conf.probe_ms);
}

/* The next one of this round, or ASCENT_NONE. */
static uint32_t
take_next(struct ascent *a, int64_t now)
{
    while (a->left > 0) {
        uint32_t candidate = a->next;

        a->next = (candidate + 1) % round_size(a);
        a->left--;
        if (may_greet(a, candidate, now))
            return candidate;
    }
    return ASCENT_NONE;
}

/* --- events --- */

void
ascent_init(struct ascent *a, const struct ascent_conf *conf, int64_t now)
{
    assert(conf->count > 0 && conf->count <= ASCENT_COUNT_MAX);
    assert(conf->retry_ms > 0 && conf->greet_ms > 0 && conf->probe_ms > 0);
    *a = (struct ascent){.conf = *conf,
                         .current = ASCENT_NONE,
                         .trial = ASCENT_NONE,
                         .due = now,
                         .chance = conf->seed};
    for (uint32_t i = 0; i < conf->count; i++)
        a->candidates[i].not_before = now;
    a->patient_until = now + vary(a, conf->patience_ms);
}

/* Below the current one. */
static void
settle(struct ascent *a, int64_t now)
{
    a->round = 0;
    a->left = 0;
    a->state = a->current == 0 ? ASCENT_HOME : ASCENT_ADOPTED;
    a->due = a->current == 0 ? INT64_MAX : now + vary(a, a->conf.probe_ms);
}

void
ascent_welcomed(struct ascent *a, int64_t now)
{
    if (a->trial == ASCENT_NONE)
        return;
    a->current = a->trial;
    a->trial = ASCENT_NONE;
    a->candidates[a->current].joined_at = now;
    a->patient_until = OVER;
    settle(a, now);
}

/* All kinds of failure are the same here: the next one is greeted at once. */
void
ascent_failed(struct ascent *a, enum ascent_end why UNUSED, int64_t now)
{
    if (a->trial == ASCENT_NONE)
        return;
    a->trial = ASCENT_NONE;
    a->due = now;
    if (a->left == 0)
        end_round(a, now);
}

/* One that was lost soon after it let us in is left alone for a while. */
static void
remember_loss(struct ascent *a, struct ascent_candidate *c, int64_t now)
{
    bool was_steady = now - c->joined_at >= a->conf.steady_ms;

    c->penalty_ms = was_steady           ? 0
                    : c->penalty_ms == 0 ? MIN(a->conf.probe_ms, a->conf.probe_max_ms)
                                         : doubled(c->penalty_ms, 1, a->conf.probe_max_ms);
    c->not_before = now + (was_steady ? 0 : vary(a, c->penalty_ms));
}

void
ascent_lost(struct ascent *a, enum ascent_end why, int64_t now)
{
    uint32_t lost = a->current;

    if (lost == ASCENT_NONE)
        return;
    remember_loss(a, &a->candidates[lost], now);
    a->current = ASCENT_NONE;
    a->state = ASCENT_ALONE;
    a->round = 0;
    a->left = a->conf.count;
    if (why == ASCENT_SILENT)
        a->next = (lost + 1) % a->conf.count;
    else
        a->next = a->trial == ASCENT_NONE ? 0 : (a->trial + 1) % a->conf.count;
    a->due = a->trial == ASCENT_NONE ? now : MIN(a->due, now + a->conf.greet_ms);
}

void
ascent_hint(struct ascent *a, uint32_t candidate, int64_t now)
{
    int64_t not_before = a->candidates[candidate].not_before;

    if (a->state != ASCENT_ADOPTED || candidate >= a->current || candidate == a->trial)
        return;
    if (now < not_before) {
        if (a->left == 0 && a->trial == ASCENT_NONE) // the next round need not be later
            a->due = MIN(a->due, not_before);
        return;
    }
    a->next = candidate;
    a->left = 1;
    a->round = 0;
    a->due = now;
}

bool
ascent_stranded(struct ascent *a, bool stranded, int64_t now)
{
    if (stranded && (a->state == ASCENT_HOME || a->state == ASCENT_ADOPTED)) {
        a->state = ASCENT_STRANDED;
        a->round = 0;
        a->next = 0;
        a->left = a->conf.count;
        if (a->trial == ASCENT_NONE)
            a->due = now + vary(a, a->conf.retry_ms);
    } else if (!stranded && a->state == ASCENT_STRANDED) {
        bool drops = a->trial != ASCENT_NONE;

        a->trial = ASCENT_NONE;
        settle(a, now);
        return drops;
    }
    return false;
}

bool
ascent_has_no_way(const struct ascent *a)
{
    return (a->state == ASCENT_ALONE || a->state == ASCENT_STRANDED) && !awaits_first(a) &&
           a->round > 0;
}

bool
ascent_is_stranded(const struct ascent *a)
{
    return a->state == ASCENT_STRANDED;
}

bool
ascent_is_home(const struct ascent *a)
{
    return a->state == ASCENT_HOME;
}

bool
ascent_is_patient(const struct ascent *a, int64_t now)
{
    return a->conf.count == 1 || now < a->patient_until;
}

/* --- what to do --- */

static struct ascent_step
greet(struct ascent *a, uint32_t candidate, int64_t now)
{
    a->trial = candidate;
    wait_until(a, now + doubled(a->conf.greet_ms, a->round, a->conf.greet_max_ms), now);
    return (struct ascent_step){ASCENT_GREET, candidate, now};
}

struct ascent_step
ascent_tick(struct ascent *a, int64_t now)
{
    uint32_t silent = a->trial;
    uint32_t next;

    if (now < a->due)
        return (struct ascent_step){ASCENT_WAIT, ASCENT_NONE, a->due};
    a->trial = ASCENT_NONE;
    if (a->left == 0 && silent == ASCENT_NONE)
        begin_round(a, now);
    next = take_next(a, now);
    if (next != ASCENT_NONE)
        return greet(a, next, now);
    end_round(a, now);
    if (silent != ASCENT_NONE)
        return (struct ascent_step){ASCENT_DROP, silent, now};
    return (struct ascent_step){ASCENT_WAIT, ASCENT_NONE, a->due};
}
