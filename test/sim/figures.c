/* SPDX-License-Identifier: MPL-2.0 */
/* figures.c - see figures.h.  A quiet network of 0.1 ms one way, the default heartbeat and timeout, and no
 * clients.  Memory is what the real overlay takes from malloc(), without sockets and their buffers. */
#include "figures.h"

#include "agenda.h"
#include "check.h"
#include "cluster.h"
#include "control.h"
#include "net.h"
#include "sim_links.h"
#include "trace.h"

#include <malloc.h>
#include <stdio.h>

#define SECOND INT64_C(1000000) // us
#define IDLE_S 20
#define CALLS 200

static struct {
    uint64_t pulses, pulses_at_0; // PING, PONG
    uint64_t events, events_by_0, event_bytes;
    uint64_t others; // of the tree: greetings, states, farewells
} seen;

struct row {
    uint32_t size, fanout;
    double hello_messages, hello_bytes; // for each rank
    int64_t wired_ms;
    double pulses, pulses_at_0;              // a second
    double events, events_by_0, event_bytes; // for each announcement
    int64_t broken_ms, silent_ms;            // until all have a parent again
    int64_t told_ms;                         // until all know who is lost
    uint64_t broken_messages, silent_messages;
    double rank_bytes, child_bytes, hop_bytes;
};

static void
look(uint32_t from, uint32_t to, const struct msg *m)
{
    uint8_t head[MSG_HEAD_MAX];

    if (m->type == MSG_EVENT) {
        seen.events++;
        seen.events_by_0 += from == 0;
        seen.event_bytes += msg_encode_head(m, head) + msg_size(m);
    } else if (m->type == MSG_CONTROL) {
        bool is_pulse = m->control == CONTROL_PING || m->control == CONTROL_PONG;

        seen.pulses += is_pulse;
        seen.pulses_at_0 += is_pulse && (from == 0 || to == 0);
        seen.others += !is_pulse && m->control != CONTROL_CREDIT;
    }
}

static size_t
in_use(void)
{
    struct mallinfo2 info = mallinfo2();

    return info.uordblks + info.hblkhd;
}

static void
begin(const struct row *row)
{
    struct net_conf net = {.delay_min_us = 100,
                           .delay_max_us = 100,
                           .resend_max_us = 1000,
                           .give_up_min_us = 60 * SECOND,
                           .give_up_max_us = 60 * SECOND,
                           .measures = true};
    struct cluster_conf c = {.troubles = TROUBLES_LOSSES,
                             .is_even = true,
                             .size = row->size,
                             .fanout = row->fanout,
                             .heartbeat_ms = 1000,
                             .timeout_ms = 5000};

    complain_reset();
    trace_begin(false);
    agenda_begin(1);
    net_begin(&net, &sim_links_net_ops, row->size);
    net_on_message(look);
    cluster_begin(&c);
    seen = (__typeof__(seen)){0};
}

static void
end(void)
{
    cluster_end();
    net_end();
    agenda_end();
}

/* ms */
static int64_t
time_until(bool (*is_so)(void))
{
    int64_t start = agenda_now();

    while (!is_so() && agenda_now() < start + 600 * SECOND)
        agenda_run(agenda_now() + SECOND / 1000);
    return (agenda_now() - start) / 1000;
}

static void
wire_up(struct row *row)
{
    uint32_t links = row->size - 1;

    for (uint32_t r = 0; r < row->size; r++)
        cluster_start(r);
    row->wired_ms = time_until(check_is_settled);
    row->hello_messages = (double)net_traffic()->messages / links;
    row->hello_bytes = (double)net_traffic()->bytes / links;
}

static void
idle(struct row *row)
{
    uint64_t ticks;

    agenda_run(agenda_now() + 2 * SECOND);
    seen = (__typeof__(seen)){0};
    ticks = cluster_counts.ticks;
    agenda_run(agenda_now() + IDLE_S * SECOND);
    ticks = cluster_counts.ticks - ticks;
    row->pulses = (double)seen.pulses / IDLE_S;
    row->pulses_at_0 = (double)seen.pulses_at_0 / IDLE_S;
    row->events = (double)seen.events / (double)ticks;
    row->events_by_0 = (double)seen.events_by_0 / (double)ticks;
    row->event_bytes = (double)seen.event_bytes / (double)ticks;
}

/* The first child of rank 0 is lost, with all its children to be adopted. */
static int64_t
lose_one(struct row *row, bool with_power, uint64_t *messages)
{
    int64_t ms;

    seen = (__typeof__(seen)){0};
    net_set_on(1, !with_power);
    cluster_kill(1);
    ms = time_until(check_has_parents);
    row->told_ms = ms + time_until(check_is_settled);
    *messages = seen.others;
    net_set_on(1, true);
    cluster_start(1);
    time_until(check_is_settled);
    agenda_run(agenda_now() + SECOND);
    return ms;
}

/* Of a leaf, and what each child adds to it. */
static void
weigh_ranks(struct row *row)
{
    size_t before = in_use();
    size_t inner;

    begin(row);
    before = in_use();
    cluster_start(row->size - 1);
    row->rank_bytes = (double)(in_use() - before);
    before = in_use();
    cluster_start(0);
    inner = in_use() - before;
    row->child_bytes = ((double)inner - row->rank_bytes) / MIN(row->fanout, row->size - 1);
    end();
}

/* What calls take while they are under way, in all ranks between. */
static double
weigh_calls(uint32_t rank)
{
    size_t before = in_use();
    size_t after;

    for (int i = 0; i < CALLS; i++)
        calls_ask(cluster_member(rank), CALL_SLOW, 0, 0);
    agenda_run(agenda_now() + SECOND / 100);
    after = in_use();
    agenda_run(agenda_now() + 2 * SECOND);
    return (double)(after - before) / CALLS;
}

/* A rank on the way of both keeps what it has taken; so it does not count the second time. */
static void
weigh_hops(struct row *row)
{
    uint32_t last = row->size - 1;
    uint32_t hops = topo_level(cluster_topo(), last) - 1 - topo_is_below(cluster_topo(), last, 1);
    double near = weigh_calls(1);
    double far = weigh_calls(last);

    row->hop_bytes = hops > 0 ? (far - near) / hops : 0;
}

static void
measure(struct row *row)
{
    weigh_ranks(row);
    begin(row);
    wire_up(row);
    idle(row);
    weigh_hops(row);
    row->broken_ms = lose_one(row, false, &row->broken_messages);
    row->silent_ms = lose_one(row, true, &row->silent_messages);
    end();
}

static void
print(const struct row *r)
{
    printf("%5u ranks, fanout %2u: wired in %lld ms; %.2f messages and %.0f bytes for each hello\n",
           r->size, r->fanout, (long long)r->wired_ms, r->hello_messages, r->hello_bytes);
    printf("    an event: %.0f messages, %.0f bytes, %.0f of them by rank 0\n", r->events,
           r->event_bytes, r->events_by_0);
    printf("    pulses a second: %.0f, at rank 0 %.0f\n", r->pulses, r->pulses_at_0);
    printf("    rank 1 killed: healed after %lld ms, %llu messages; without power: %lld ms, %llu "
           "messages, known after %lld ms\n",
           (long long)r->broken_ms, (unsigned long long)r->broken_messages, (long long)r->silent_ms,
           (unsigned long long)r->silent_messages, (long long)r->told_ms);
    printf("    memory: %.0f bytes for a leaf, %.0f for each child, %.0f for a call at each hop\n",
           r->rank_bytes, r->child_bytes, r->hop_bytes);
}

void
figures_print(void)
{
    static const uint32_t sizes[] = {16, 256, 4096};
    static const uint32_t fanouts[] = {2, 16};

    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        for (size_t j = 0; j < ARRAY_SIZE(fanouts); j++) {
            struct row r = {.size = sizes[i], .fanout = fanouts[j]};

            measure(&r);
            print(&r);
        }
    }
}
