/* SPDX-License-Identifier: MPL-2.0 */
/* run.c - see run.h.
 *
 * A run: ranks are started in any order; faults follow each other as the scenario's row has them, with
 * pauses from nothing to longer than healing takes; what was cut off, frozen or broken is mended, and
 * of those that were killed some are left so.  Then the tree has to settle.  Then the others are started
 * again, while clients go on: they go home, and no request may fail of it. */
#include "run.h"

#include "agenda.h"
#include "check.h"
#include "cluster.h"
#include "net.h"
#include "sim_links.h"
#include "trace.h"

#include <stdlib.h>
#include <string.h>

enum fault {
    FAULT_KILL,
    FAULT_POWER,
    FAULT_LEAVE,
    FAULT_START,
    FAULT_FREEZE,
    FAULT_THAW,
    FAULT_PART,
    FAULT_BLOCK,
    FAULT_MUTE,
    FAULT_HEAL,
    FAULT_BREAK,
    FAULT_ROOT,
    FAULT_COUNT,
};

struct scenario {
    const char *name;
    uint8_t weights[FAULT_COUNT];
    uint8_t faults_max;
    uint32_t gap_ms;              // at most, between faults
    uint8_t refuse, ignore, late; // percent
    bool silence_only;
    bool settles_cut; // it has to settle before paths are mended, too
};

static const struct scenario scenarios[] = {
    {"boot", {0}, 0, 0, 5, 5, 5, false, false},
    {"kill", {[FAULT_KILL] = 3, [FAULT_START] = 2}, 8, 4000, 0, 0, 1, false, false},
    {"power", {[FAULT_POWER] = 3, [FAULT_START] = 2}, 5, 10000, 0, 0, 1, false, false},
    {"leave", {[FAULT_LEAVE] = 3, [FAULT_START] = 2}, 6, 4000, 0, 0, 1, false, false},
    {"freeze", {[FAULT_FREEZE] = 3, [FAULT_THAW] = 2}, 6, 9000, 0, 0, 0, true, false},
    {"part", {[FAULT_PART] = 3, [FAULT_HEAL] = 2}, 4, 12000, 0, 0, 1, false, true},
    {"oneway", {[FAULT_BLOCK] = 3, [FAULT_HEAL] = 2}, 5, 10000, 0, 0, 1, false, false},
    {"break", {[FAULT_BREAK] = 1}, 30, 1500, 10, 5, 5, false, false},
    {"root",
     {[FAULT_ROOT] = 2, [FAULT_KILL] = 1, [FAULT_START] = 1},
     6,
     6000,
     0,
     0,
     1,
     false,
     false},
    {"flap", {[FAULT_KILL] = 1, [FAULT_START] = 1}, 20, 1500, 0, 0, 1, false, false},
    {"mute", {[FAULT_MUTE] = 2, [FAULT_BLOCK] = 1}, 3, 8000, 0, 0, 1, false, true},
    {"storm", {3, 2, 1, 5, 3, 3, 1, 2, 1, 2, 4, 1}, 30, 3000, 5, 5, 5, false, false},
};

struct run {
    const struct scenario *scenario;
    const struct run_conf *conf;
    struct run_result *result;
    int64_t began;     // us
    bool is_off[4096]; // hosts without power
};

/* --- who --- */

static uint32_t
size_of_tree(void)
{
    return cluster_topo()->size;
}

/* Some rank but 0 in that state; TOPO_NONE. */
static uint32_t
draw_rank(enum member_state state)
{
    uint32_t found = TOPO_NONE;
    uint32_t seen = 0;

    for (uint32_t r = 1; r < size_of_tree(); r++) {
        if (cluster_member(r)->state == state && draw_below(++seen) == 0)
            found = r;
    }
    return found;
}

static void
trouble_all(void)
{
    for (uint32_t r = 0; r < size_of_tree(); r++)
        cluster_trouble(r);
}

/* --- faults --- */

static void
start_rank(struct run *run, uint32_t rank)
{
    if (run->is_off[rank])
        net_set_on(rank, true);
    run->is_off[rank] = false;
    cluster_start(rank);
}

static void
lose_power(struct run *run, uint32_t rank)
{
    run->is_off[rank] = true;
    net_set_on(rank, false);
    cluster_kill(rank);
}

static void
part(void)
{
    uint32_t count = 1 + draw_below(3);

    trouble_all();
    while (count-- > 0) {
        uint32_t top = draw_below(size_of_tree());
        bool whole = draw_percent(50);
        uint32_t number = 1 + draw_below(2);

        trace("part %u: rank %u%s", number, top, whole ? " and below" : "");
        for (uint32_t r = top; r < size_of_tree(); r++) {
            if (r == top || (whole && topo_is_below(cluster_topo(), r, top)))
                net_set_part(r, number);
        }
    }
}

static void
block(void)
{
    uint32_t a = draw_below(size_of_tree());
    uint32_t b = topo_parent(cluster_topo(), a);

    if (b == TOPO_NONE)
        b = draw_below(size_of_tree());
    if (a == b)
        return;
    if (draw_percent(50)) {
        uint32_t c = a;

        a = b;
        b = c;
    }
    trouble_all();
    trace("nothing gets from rank %u to rank %u", a, b);
    net_block(a, b);
}

/* A rank does not get through to those above it, or does not hear them; those below it do. */
static void
mute(void)
{
    uint32_t rank = 1 + draw_below(size_of_tree() - 1);
    bool is_deaf = draw_percent(50);

    trouble_all();
    trace("rank %u %s all above", rank, is_deaf ? "does not hear" : "does not get through to");
    for (uint32_t up = topo_parent(cluster_topo(), rank); up != TOPO_NONE;
         up = topo_parent(cluster_topo(), up)) {
        if (is_deaf)
            net_block(up, rank);
        else
            net_block(rank, up);
    }
}

static void
break_some(void)
{
    uint32_t count = 1 + draw_below(3);

    trouble_all();
    for (; count > 0; count--) {
        struct wire *w = net_any_wire();

        if (!w)
            continue;
        trace("the connection of rank %u to rank %u breaks", w->hosts[NET_CALLER],
              w->hosts[NET_LISTENER]);
        net_break(w);
    }
}

static void
restart_root(struct run *run)
{
    if (cluster_member(0)->state == GONE) {
        start_rank(run, 0);
        return;
    }
    if (draw_percent(20))
        cluster_leave(0);
    else if (draw_percent(20))
        lose_power(run, 0);
    else
        cluster_kill(0);
}

static void
do_fault(struct run *run, enum fault fault)
{
    static const enum member_state whom[FAULT_COUNT] = {
        [FAULT_KILL] = RUNNING, [FAULT_POWER] = RUNNING,  [FAULT_LEAVE] = RUNNING,
        [FAULT_START] = GONE,   [FAULT_FREEZE] = RUNNING, [FAULT_THAW] = FROZEN,
    };
    uint32_t rank = fault <= FAULT_THAW ? draw_rank(whom[fault]) : 0;

    if (rank == TOPO_NONE)
        return;
    switch (fault) {
    case FAULT_KILL:
        cluster_kill(rank);
        break;
    case FAULT_POWER:
        lose_power(run, rank);
        break;
    case FAULT_LEAVE:
        cluster_leave(rank);
        break;
    case FAULT_START:
        start_rank(run, rank);
        break;
    case FAULT_FREEZE:
        cluster_freeze(rank);
        break;
    case FAULT_THAW:
        cluster_thaw(rank);
        break;
    case FAULT_PART:
        part();
        break;
    case FAULT_BLOCK:
        block();
        break;
    case FAULT_MUTE:
        mute();
        break;
    case FAULT_HEAL:
        trace("all paths are open");
        net_unblock_all();
        break;
    case FAULT_BREAK:
        break_some();
        break;
    case FAULT_ROOT:
        restart_root(run);
        break;
    default:
        break;
    }
}

static enum fault
draw_fault(const struct scenario *s)
{
    unsigned sum = 0;
    unsigned n;
    unsigned fault = 0;

    for (unsigned i = 0; i < FAULT_COUNT; i++)
        sum += s->weights[i];
    n = draw_below(sum);
    while (n >= s->weights[fault])
        n -= s->weights[fault++];
    return (enum fault)fault;
}

/* --- the run --- */

static void
set_noise(const struct scenario *s)
{
    struct net_conf conf = {.delay_min_us = 50,
                            .delay_max_us = draw_percent(30) ? 40000 : 1000,
                            .resend_max_us = 2000000,
                            .give_up_min_us = 2000000,
                            .give_up_max_us = 30000000};

    if (s) {
        conf.refuse_percent = s->refuse;
        conf.ignore_percent = s->ignore;
        conf.late_percent = s->late;
        conf.late_max_us = cluster_conf()->timeout_ms * (draw_percent(30) ? 500 : 60);
    }
    net_set_conf(&conf);
}

static void
wait_up_to(int64_t ms)
{
    agenda_run(agenda_now() + draw_between(0, ms) * 1000);
}

/* Ranks are started in any order, within a while. */
static void
boot(struct run *run)
{
    uint32_t size = size_of_tree();
    int64_t spread_ms = draw_percent(50) ? 0 : draw_between(0, 8000);
    uint32_t started = 0;

    while (started < size && !complaint()) {
        uint32_t rank = draw_below(size);

        while (cluster_member(rank)->state != GONE)
            rank = (rank + 1) % size;
        start_rank(run, rank);
        started++;
        if (spread_ms > 0)
            wait_up_to(2 * spread_ms / size);
    }
    check_settles("at the start");
}

static void
trouble(struct run *run)
{
    const struct scenario *s = run->scenario;
    uint32_t times = MAX(size_of_tree() / 50, 1u);
    uint32_t count = s->faults_max ? times * (1 + draw_below(s->faults_max)) : 0;

    set_noise(s);
    for (; count > 0 && !complaint(); count--) {
        do_fault(run, draw_fault(s));
        if (draw_percent(70))
            wait_up_to(s->gap_ms / times);
    }
}

/* Some that were killed are left so. */
static void
mend(struct run *run, unsigned percent)
{
    for (uint32_t r = 0; r < size_of_tree(); r++) {
        if (cluster_member(r)->state == FROZEN)
            cluster_thaw(r);
        else if (cluster_member(r)->state == GONE && (r == 0 || draw_percent(percent)))
            start_rank(run, r);
    }
    trace("all is mended");
    net_unblock_all();
    set_noise(NULL);
}

static void
go_through(struct run *run)
{
    uint32_t sample = size_of_tree() <= 32 ? 32 : 2;

    boot(run);
    cluster_set_clients(true);
    wait_up_to(2000);
    trouble(run);
    if (run->scenario->settles_cut) {
        set_noise(NULL);
        check_settles("while cut off");
        check_reach(sample);
    }
    mend(run, 40);
    if (complaint())
        return;
    run->result->healed_ms = check_settles("after the faults");
    check_reach(sample);
    mend(run, 100);
    check_settles("with all back");
    check_reach(sample);
    cluster_set_clients(false);
    check_quiet();
}

static const struct scenario *
find_scenario(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(scenarios); i++) {
        if (strcmp(scenarios[i].name, name) == 0)
            return &scenarios[i];
    }
    return NULL;
}

static void
begin(const struct run *run)
{
    static const uint32_t fanouts[] = {1, 2, 2, 2, 3, 4, 8};
    struct net_conf net = {0};
    struct cluster_conf c = {.heartbeat_ms = 1000, .timeout_ms = 5000};

    c.size = run->conf->ranks ? run->conf->ranks : 2 + draw_below(23);
    c.fanout = c.size > 64 ? 2 + draw_below(15) : fanouts[draw_below(ARRAY_SIZE(fanouts))];
    c.think_ms = c.size > 64 ? 20000 : 500;
    c.silence_only = run->scenario->silence_only;
    c.has_cuts = run->scenario->settles_cut;
    c.is_steady = run->scenario->faults_max == 0;
    if (draw_percent(20)) {
        c.heartbeat_ms = 200;
        c.timeout_ms = 1000;
    }
    net_begin(&net, &sim_links_net_ops, c.size);
    cluster_begin(&c);
    set_noise(run->scenario);
    trace("%u ranks, fanout %u", c.size, c.fanout);
}

void
run_once(const struct run_conf *conf, struct run_result *ret)
{
    static struct run run;

    *ret = (struct run_result){0};
    run = (struct run){.scenario = find_scenario(conf->scenario), .conf = conf, .result = ret};
    complain_reset();
    trace_begin(conf->verbose);
    agenda_begin(conf->seed);
    run.began = agenda_now();
    begin(&run);
    go_through(&run);
    ret->complaint = complaint();
    ret->digest = trace_digest();
    ret->steps = agenda_steps();
    ret->virtual_ms = (agenda_now() - run.began) / 1000;
    ret->slowest_ms = cluster_counts.slowest_us / 1000;
    ret->asked = cluster_counts.asked;
    ret->failed = cluster_counts.failed;
    cluster_end();
    net_end();
    agenda_end();
}

const char *
run_scenario(size_t i)
{
    return i < ARRAY_SIZE(scenarios) ? scenarios[i].name : NULL;
}

bool
run_knows(const char *scenario)
{
    return find_scenario(scenario) != NULL;
}
