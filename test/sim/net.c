/* SPDX-License-Identifier: MPL-2.0 */
/* net.c - see net.h.
 *
 * wire       answered   refused        closed by caller   ends have both arrived
 * dialling   open       dials again    lingers            -
 * open       -          -              an end is sent     forgotten
 */
#include "net.h"

#include "paths.h"
#include "pipes.h"
#include "trace.h"
#include "traffic.h"
#include "xmem.h"

#define LINGER_US 500000
#define REDIAL_MIN_US 20000
#define REDIAL_MAX_US 1000000
#define UNANSWERED_US 1000000 // another call when the one before was not answered

static struct net_conf conf;
static const struct net_ops *ops;
static struct wire **wires; // by id
static size_t nwires, wires_capacity;
static struct list open_wires;

static void dial(void *wire);
static void give_up(void *wire);
static void end_linger(void *wire);
static void arrive_above(void *wire);
static void arrive_below(void *wire);
static void start_arrival(struct wire *w, enum net_side side);

static enum net_side
other(enum net_side side)
{
    return side == NET_CALLER ? NET_LISTENER : NET_CALLER;
}

/* --- paths --- */

static bool
gets_through(const struct wire *w, enum net_side from)
{
    uint32_t to = w->hosts[other(from)];

    return hosts[to].is_on && !net_is_blocked(w->hosts[from], to);
}

/* What is held finds out, sooner or later. */
static void
try_again(void)
{
    LIST_FOR_EACH (node, &open_wires) {
        struct wire *w = list_entry(node, struct wire, node);

        for (int side = 0; side < 2; side++) {
            if (w->pipes[side].is_held)
                event_enter(&w->pipes[side].arrival, draw_between(0, conf.resend_max_us));
        }
    }
}

void
net_unblock_all(void)
{
    paths_open();
    try_again();
}

/* --- wires --- */

static void
forget_if_over(struct wire *w)
{
    if (w->ends[0] || w->ends[1] || w->is_dialling)
        return;
    for (int side = 0; side < 2; side++) {
        struct pipe *p = &w->pipes[side];

        event_cancel(&p->arrival);
        pipe_drop(p, 0);
        frame_free(TAKE(p->staged));
    }
    event_cancel(&w->dial);
    event_cancel(&w->give_up);
    event_cancel(&w->linger);
    list_remove(&w->node);
    wires[w->id] = NULL;
    free(w);
}

static uint32_t
new_id(struct wire *w)
{
    if (nwires == wires_capacity) {
        wires_capacity = MAX(wires_capacity * 2, (size_t)64);
        wires = xrealloc(wires, wires_capacity * sizeof(struct wire *));
    }
    wires[nwires] = w;
    return (uint32_t)nwires++;
}

struct wire *
net_dial(uint32_t from, uint32_t to, void *end)
{
    struct wire *w = xcalloc(1, sizeof(*w));

    list_init(&w->node);
    list_push_back(&open_wires, &w->node);
    w->id = new_id(w);
    w->hosts[NET_CALLER] = from;
    w->hosts[NET_LISTENER] = to;
    w->ends[NET_CALLER] = end;
    w->is_dialling = true;
    w->delay_us = draw_between(conf.delay_min_us, conf.delay_max_us);
    pipe_init(&w->pipes[NET_CALLER], arrive_above, w);
    pipe_init(&w->pipes[NET_LISTENER], arrive_below, w);
    event_init(&w->dial, dial, w);
    event_init(&w->give_up, give_up, w);
    event_init(&w->linger, end_linger, w);
    event_enter(&w->dial, w->delay_us);
    traffic_count_wire();
    return w;
}

struct wire *
net_find(uint32_t id)
{
    return id < nwires ? wires[id] : NULL;
}

struct wire *
net_any_wire(void)
{
    struct wire *ret = NULL;
    uint32_t seen = 0;

    LIST_FOR_EACH (node, &open_wires) {
        struct wire *w = list_entry(node, struct wire, node);

        if (!w->is_dialling && w->ends[0] && w->ends[1] && draw_below(++seen) == 0)
            ret = w;
    }
    return ret;
}

static void
redial(struct wire *w, int64_t delay_us)
{
    if (w->ends[NET_CALLER] || w->linger.is_entered)
        event_enter(&w->dial, delay_us);
}

static int64_t
draw_late(void)
{
    return draw_percent(conf.late_percent) ? draw_between(0, conf.late_max_us) : 0;
}

static void
open_wire(struct wire *w)
{
    w->is_dialling = false;
    w->is_known = true;
    w->ends[NET_LISTENER] = hosts[w->hosts[NET_LISTENER]].listener;
    event_cancel(&w->linger);
    w->pipes[NET_CALLER].last_at = agenda_now() + w->delay_us + draw_late();
    LIST_FOR_EACH (node, &w->pipes[NET_CALLER].frames)
        list_entry(node, struct frame, node)->at = w->pipes[NET_CALLER].last_at;
    start_arrival(w, NET_CALLER);
}

static void
refuse(struct wire *w)
{
    redial(w, MIN(REDIAL_MIN_US << MIN(w->attempts, 10u), REDIAL_MAX_US));
    w->attempts++;
    if (w->ends[NET_CALLER])
        ops->refused(w->ends[NET_CALLER], w);
}

static void
dial(void *arg)
{
    struct wire *w = arg;
    const struct host *to = &hosts[w->hosts[NET_LISTENER]];

    if (!gets_through(w, NET_CALLER) || !gets_through(w, NET_LISTENER) ||
        draw_percent(conf.ignore_percent))
        redial(w, UNANSWERED_US + draw_between(0, UNANSWERED_US));
    else if (!to->listener || draw_percent(conf.refuse_percent))
        refuse(w);
    else if (to->is_frozen)
        redial(w, UNANSWERED_US / 5);
    else
        open_wire(w);
}

static void
end_linger(void *arg)
{
    struct wire *w = arg;

    w->is_dialling = false;
    forget_if_over(w);
}

/* --- what travels --- */

static void
start_arrival(struct wire *w, enum net_side side)
{
    struct pipe *p = &w->pipes[side];

    if (w->is_dialling || p->is_held || p->arrival.is_entered || list_is_empty(&p->frames))
        return;
    event_enter(&p->arrival, list_entry(p->frames.next, struct frame, node)->at - agenda_now());
}

static void
push(struct wire *w, enum net_side side, struct frame *f)
{
    struct pipe *p = &w->pipes[side];
    int64_t late = draw_late();

    f->at = MAX(agenda_now() + w->delay_us + draw_between(0, w->delay_us / 4) + late, p->last_at);
    p->last_at = f->at;
    list_push_back(&p->frames, &f->node);
    start_arrival(w, side);
}

void
net_send_staged(struct wire *w, enum net_side side)
{
    struct frame *f = TAKE(w->pipes[side].staged);

    if (!f)
        return;
    traffic_count_frame(w, side, f, conf.measures);
    if (w->pipes[side].is_ended)
        frame_free(f);
    else
        push(w, side, f);
}

static void
send_end(struct wire *w, enum net_side side)
{
    struct frame *f;

    if (w->pipes[side].is_ended)
        return;
    f = pipe_new_frame();
    f->is_end = true;
    w->pipes[side].is_ended = true;
    push(w, side, f);
}

/* Nobody is there: the sender learns it. */
static void
bounce(struct wire *w, enum net_side from)
{
    if (w->ends[from])
        send_end(w, other(from));
}

static void
deliver(struct wire *w, enum net_side from, struct frame *f)
{
    enum net_side to = other(from);
    void *end = w->ends[to];

    trace_note((uint64_t)w->id << 8 | (unsigned)from << 1 | f->is_end);
    if (!end) {
        if (!f->is_end)
            bounce(w, from);
        frame_free(f);
        return;
    }
    if (f->is_end) {
        w->ends[to] = NULL;
        w->is_known = w->is_known && to != NET_LISTENER;
        send_end(w, to);
    }
    ops->arrived(end, w, to, f);
}

static void
arrive(struct wire *w, enum net_side from)
{
    struct pipe *p = &w->pipes[from];

    p->is_held = !list_is_empty(&p->frames) && !gets_through(w, from);
    if (list_is_empty(&p->frames))
        return;
    if (p->is_held) {
        if (!w->give_up.is_entered)
            event_enter(&w->give_up, draw_between(conf.give_up_min_us, conf.give_up_max_us));
        return;
    }
    deliver(w, from, list_entry(list_pop_front(&p->frames), struct frame, node));
    start_arrival(w, from);
    forget_if_over(w);
}

static void
arrive_above(void *arg)
{
    arrive(arg, NET_CALLER);
}

static void
arrive_below(void *arg)
{
    arrive(arg, NET_LISTENER);
}

/* Nothing has come through for too long: who sends learns it by himself, the other one when he can be
 * reached. */
static void
give_up(void *arg)
{
    struct wire *w = arg;

    for (int side = 0; side < 2; side++) {
        struct pipe *p = &w->pipes[side];
        struct frame *end;

        if (!p->is_held || p->is_ended || gets_through(w, (enum net_side)side))
            continue;
        pipe_drop(p, 0);
        p->is_held = false;
        send_end(w, (enum net_side)side);
        if (!w->ends[side])
            continue;
        end = pipe_new_frame();
        end->is_end = true;
        deliver(w, other((enum net_side)side), end);
        break;
    }
    forget_if_over(w);
}

/* --- ends --- */

void
net_close(struct wire *w, enum net_side side, bool in_haste)
{
    struct pipe *p = &w->pipes[side];

    w->ends[side] = NULL;
    if (side == NET_LISTENER)
        w->is_known = false;
    if (in_haste)
        net_drop_staged(w, side);
    else
        net_send_staged(w, side);
    if (w->is_dialling && in_haste) {
        w->is_dialling = false;
        forget_if_over(w);
        return;
    }
    if (in_haste)
        pipe_lose_some(p);
    send_end(w, side);
    if (w->is_dialling)
        event_enter(&w->linger, LINGER_US);
    forget_if_over(w);
}

void
net_close_below(const void *end, bool in_haste)
{
    LIST_FOR_EACH (node, &open_wires) {
        struct wire *w = list_entry(node, struct wire, node);

        if (w->ends[NET_LISTENER] == end)
            net_close(w, NET_LISTENER, in_haste);
    }
}

void
net_break(struct wire *w)
{
    for (int side = 0; side < 2; side++) {
        pipe_lose_some(&w->pipes[side]);
        send_end(w, (enum net_side)side);
    }
}

/* --- hosts --- */

void
net_set_on(uint32_t host, bool on)
{
    hosts[host].is_on = on;
    if (on)
        try_again();
}

static void
kill_end(struct wire *w, enum net_side side)
{
    struct pipe *p = &w->pipes[side];

    if (hosts[w->hosts[side]].is_on || w->is_dialling) {
        net_close(w, side, true);
        return;
    }
    pipe_lose_some(p);
    w->ends[side] = NULL;
    forget_if_over(w);
}

void
net_kill(uint32_t host)
{
    hosts[host].listener = NULL;
    LIST_FOR_EACH (node, &open_wires) {
        struct wire *w = list_entry(node, struct wire, node);

        if (w->ends[NET_CALLER] && w->hosts[NET_CALLER] == host)
            kill_end(w, NET_CALLER);
        else if (w->ends[NET_LISTENER] && w->hosts[NET_LISTENER] == host)
            kill_end(w, NET_LISTENER);
    }
}

/* --- life --- */

void
net_set_conf(const struct net_conf *c)
{
    conf = *c;
}

void
net_begin(const struct net_conf *c, const struct net_ops *o, uint32_t count)
{
    conf = *c;
    ops = o;
    paths_begin(count);
    nwires = 0;
    list_init(&open_wires);
    traffic_begin();
}

void
net_end(void)
{
    LIST_FOR_EACH (node, &open_wires) {
        struct wire *w = list_entry(node, struct wire, node);

        w->ends[0] = w->ends[1] = NULL;
        w->is_dialling = false;
        forget_if_over(w);
    }
    paths_end();
    free(TAKE(wires));
    wires_capacity = nwires = 0;
}
