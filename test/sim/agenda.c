/* SPDX-License-Identifier: MPL-2.0 */
/* agenda.c - see agenda.h.  Defines what clock.h has, and getrandom(2): nothing of the world outside is
 * to be seen inside. */
#include "agenda.h"

#include "clock.h"

#include <string.h>
#include <sys/random.h>

#define EPOCH_US INT64_C(1000000000) // no time is 0: that may mean never

static struct timers entries = TIMERS_INIT; // struct event.timer
static int64_t now_us = EPOCH_US;
static uint64_t chance;
static uint64_t steps;
static uint64_t random_bytes;

void
agenda_begin(uint64_t seed)
{
    agenda_end();
    now_us = EPOCH_US;
    chance = seed;
    steps = 0;
    random_bytes = 0;
}

void
agenda_end(void)
{
    struct loop_timer *t;

    while ((t = timers_first(&entries)))
        event_cancel(container_of(t, struct event, timer));
    timers_fini(&entries);
}

int64_t
agenda_now(void)
{
    return now_us;
}

uint64_t
agenda_steps(void)
{
    return steps;
}

void
event_init(struct event *e, void (*fn)(void *arg), void *arg)
{
    *e = (struct event){.timer = {.fn = fn, .arg = arg}};
}

void
event_enter(struct event *e, int64_t delay_us)
{
    event_cancel(e);
    e->timer.due = now_us + MAX(delay_us, 0);
    e->is_entered = true;
    timers_insert(&entries, &e->timer);
}

void
event_hasten(struct event *e, int64_t delay_us)
{
    if (!e->is_entered || e->timer.due > now_us + delay_us)
        event_enter(e, delay_us);
}

void
event_cancel(struct event *e)
{
    if (e->is_entered)
        timers_remove(&entries, &e->timer);
    e->is_entered = false;
}

bool
agenda_step(int64_t until_us)
{
    struct loop_timer *t = timers_first(&entries);

    if (!t || t->due > until_us)
        return false;
    assert(t->due >= now_us);
    now_us = t->due;
    steps++;
    event_cancel(container_of(t, struct event, timer));
    t->fn(t->arg);
    return true;
}

void
agenda_run(int64_t until_us)
{
    while (agenda_step(until_us))
        continue;
    now_us = MAX(now_us, until_us);
}

/* --- chance --- */

static uint64_t
mix(uint64_t x)
{
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

uint64_t
draw(void)
{
    return mix(chance += UINT64_C(0x9e3779b97f4a7c15));
}

uint32_t
draw_below(uint32_t count)
{
    return (uint32_t)(draw() % MAX(count, 1));
}

int64_t
draw_between(int64_t min, int64_t max)
{
    return min + (int64_t)(draw() % (uint64_t)(max - min + 1));
}

bool
draw_percent(unsigned percent)
{
    return draw_below(100) < percent;
}

/* --- instead of the system's --- */

int64_t
clock_us(void)
{
    return now_us;
}

int64_t
clock_ms(void)
{
    return now_us / 1000;
}

double
clock_wall(void)
{
    return (double)now_us / 1e6;
}

/* Keys of hash tables and first match tags: what they are may not matter, but a run is to be the same
 * again. */
ssize_t
getrandom(void *bytes, size_t size, unsigned flags UNUSED)
{
    for (size_t i = 0; i < size; i++)
        ((uint8_t *)bytes)[i] = (uint8_t)mix(++random_bytes);
    return (ssize_t)size;
}
