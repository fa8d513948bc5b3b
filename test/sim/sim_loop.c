/* SPDX-License-Identifier: MPL-2.0 */
/* sim_loop.c - all of loop.h, on the agenda: a loop sleeps by not being in it.
 *
 * A turn: timers that are due, what came from outside, hooks, flushes.  The order is that of loop.h,
 * begun behind the sleep.  Descriptors and sockets there are none. */
#include "sim_loop.h"

#include "agenda.h"
#include "xmem.h"

struct hook {
    struct list node;
    loop_hook_fn fn;
    void *arg;
};

struct loop {
    uint32_t owner;
    struct timers timers;
    struct list hooks;   // struct hook, owned
    struct list flushes; // struct loop_flush.node
    struct event turn;
    bool is_frozen;
    bool is_awake; // in a turn
    struct sim_pace pace;
    int64_t now;     // ms
    int64_t free_at; // us: when the last turn is over
    bool (*source)(void *arg);
    void *source_arg; // borrowed
};

static uint32_t running = SIM_NOBODY;

static void take_turn(void *arg);

/* --- time --- */

static int64_t
read_clock(const struct loop *loop)
{
    int64_t ms = agenda_now() / 1000;

    return ms - ms % loop->pace.granule_ms;
}

/* When the clock shows that much. */
static int64_t
shows_at(const struct loop *loop, int64_t ms)
{
    int64_t granule = loop->pace.granule_ms;

    return (ms + granule - 1) / granule * granule * 1000;
}

static void
turn_in(struct loop *loop, int64_t delay_us)
{
    if (!loop->is_frozen && !loop->is_awake)
        event_hasten(&loop->turn, MAX(delay_us, loop->free_at - agenda_now()));
}

static void
turn_for_timers(struct loop *loop)
{
    struct loop_timer *t = timers_first(&loop->timers);

    if (t)
        turn_in(loop, shows_at(loop, t->due) - agenda_now());
}

void
sim_loop_wake(struct loop *loop)
{
    turn_in(loop, 0);
}

void
sim_loop_freeze(struct loop *loop, bool frozen)
{
    loop->is_frozen = frozen;
    if (frozen)
        event_cancel(&loop->turn);
    else
        turn_in(loop, 0);
}

void
sim_loop_set_pace(struct loop *loop, const struct sim_pace *pace)
{
    loop->pace = *pace;
}

void
sim_loop_set_source(struct loop *loop, bool (*fn)(void *arg), void *arg)
{
    loop->source = fn;
    loop->source_arg = arg;
}

void
sim_loop_set_owner(struct loop *loop, uint32_t rank)
{
    loop->owner = rank;
}

uint32_t
sim_loop_owner(const struct loop *loop)
{
    return loop->owner;
}

uint32_t
sim_loop_running(void)
{
    return running;
}

/* --- a turn --- */

static void
run_timers(struct loop *loop)
{
    uint64_t limit = loop->timers.next_order; // those armed meanwhile wait for the next turn
    struct loop_timer *t;

    while ((t = timers_first(&loop->timers)) && t->due <= loop->now && t->order < limit) {
        loop_timer_stop(t);
        t->fn(t->arg);
    }
}

static bool
take_what_came(struct loop *loop)
{
    for (int i = 0; i < LOOP_BUDGET; i++) {
        if (!loop->source || !loop->source(loop->source_arg))
            return false;
    }
    return true;
}

static void
flush(struct loop *loop)
{
    LIST_FOR_EACH (node, &loop->hooks) {
        struct hook *h = list_entry(node, struct hook, node);

        h->fn(h->arg);
    }
    while (!list_is_empty(&loop->flushes)) {
        struct loop_flush *f = list_entry(list_pop_front(&loop->flushes), struct loop_flush, node);

        f->fn(f->arg);
    }
}

static void
take_turn(void *arg)
{
    struct loop *loop = arg;
    bool more;

    loop->is_awake = true;
    running = loop->owner;
    loop->now = MAX(loop->now, read_clock(loop));
    run_timers(loop);
    more = take_what_came(loop);
    flush(loop);
    running = SIM_NOBODY;
    loop->is_awake = false;
    loop->free_at = agenda_now() + loop->pace.turn_us;
    if (more)
        turn_in(loop, 0);
    turn_for_timers(loop);
}

/* --- loop.h --- */

struct loop *
loop_new(void)
{
    struct loop *loop = xcalloc(1, sizeof(*loop));

    list_init(&loop->hooks);
    list_init(&loop->flushes);
    event_init(&loop->turn, take_turn, loop);
    loop->pace = (struct sim_pace){.turn_us = 10, .granule_ms = 1};
    loop->now = read_clock(loop);
    return loop;
}

void
loop_free(struct loop **ret)
{
    struct loop *loop = TAKE(*ret);

    if (!loop)
        return;
    event_cancel(&loop->turn);
    timers_fini(&loop->timers);
    LIST_FOR_EACH (node, &loop->hooks)
        free(list_entry(node, struct hook, node));
    while (list_pop_front(&loop->flushes))
        continue;
    free(loop);
}

int64_t
loop_now(const struct loop *loop)
{
    return loop->now;
}

void
loop_timer_init(struct loop_timer *t, loop_hook_fn fn, void *arg)
{
    *t = (struct loop_timer){.fn = fn, .arg = arg};
}

void
loop_timer_start(struct loop *loop, struct loop_timer *t, int64_t delay_ms)
{
    assert(delay_ms >= 0);
    loop_timer_stop(t);
    t->loop = loop;
    t->due = loop->now + delay_ms;
    timers_insert(&loop->timers, t);
    turn_for_timers(loop);
}

void
loop_timer_stop(struct loop_timer *t)
{
    if (t->loop)
        timers_remove(&t->loop->timers, t);
    t->loop = NULL;
}

bool
loop_timer_is_running(const struct loop_timer *t)
{
    return t->loop != NULL;
}

void
loop_add_hook(struct loop *loop, loop_hook_fn fn, void *arg)
{
    struct hook *h = xcalloc(1, sizeof(*h));

    h->fn = fn;
    h->arg = arg;
    list_init(&h->node);
    list_push_back(&loop->hooks, &h->node);
}

void
loop_flush_init(struct loop_flush *f, loop_hook_fn fn, void *arg)
{
    *f = (struct loop_flush){.fn = fn, .arg = arg};
    list_init(&f->node);
}

void
loop_flush_start(struct loop *loop, struct loop_flush *f)
{
    if (list_is_linked(&f->node))
        return;
    list_push_back(&loop->flushes, &f->node);
    turn_in(loop, 0);
}

void
loop_flush_cancel(struct loop_flush *f)
{
    list_remove(&f->node);
}

/* --- what nobody may call here --- */

void
loop_run(struct loop *loop UNUSED)
{
    assert(false);
}

void
loop_turn(struct loop *loop UNUSED, int64_t max_ms UNUSED)
{
    assert(false);
}

void
loop_stop(struct loop *loop UNUSED)
{
    assert(false);
}

void
loop_expect(struct loop *loop UNUSED)
{
}

struct loop_source *
loop_add_zmq(struct loop *loop UNUSED, void *zsock UNUSED, loop_zmq_fn fn UNUSED, void *arg UNUSED)
{
    assert(false);
    return NULL;
}

struct loop_source *
loop_add_fd(struct loop *loop UNUSED, int fd UNUSED, unsigned events UNUSED, loop_fd_fn fn UNUSED,
            void *arg UNUSED)
{
    assert(false);
    return NULL;
}

void
loop_set_events(struct loop_source *source UNUSED, unsigned events UNUSED)
{
    assert(false);
}

void
loop_remove(struct loop_source **source)
{
    assert(*source == NULL);
}
