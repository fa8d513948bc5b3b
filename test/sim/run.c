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
#include "faults.h"
#include "net.h"
#include "sim_links.h"
#include "trace.h"

#include <string.h>

#define DRAWS_MAX 100 // of a fault that can be done

struct scenario {
    const char *name;
    enum troubles troubles;
    uint8_t weights[FAULT_COUNT];
    uint8_t faults_max;
    uint32_t gap_ms;              // at most, between faults
    uint8_t refuse, ignore, late; // percent
};

static const struct scenario scenarios[] = {
    {
        .name = "boot",
        .troubles = TROUBLES_NONE,
        .refuse = 5,
        .ignore = 5,
        .late = 5,
    },
    {
        .name = "kill",
        .troubles = TROUBLES_LOSSES,
        .weights = {[FAULT_KILL] = 3, [FAULT_START] = 2},
        .faults_max = 8,
        .gap_ms = 4000,
        .late = 1,
    },
    {
        .name = "power",
        .troubles = TROUBLES_LOSSES,
        .weights = {[FAULT_POWER] = 3, [FAULT_START] = 2},
        .faults_max = 5,
        .gap_ms = 10000,
        .late = 1,
    },
    {
        .name = "leave",
        .troubles = TROUBLES_LOSSES,
        .weights = {[FAULT_LEAVE] = 3, [FAULT_START] = 2},
        .faults_max = 6,
        .gap_ms = 4000,
        .late = 1,
    },
    {
        .name = "freeze",
        .troubles = TROUBLES_SILENCE,
        .weights = {[FAULT_FREEZE] = 3, [FAULT_THAW] = 2},
        .faults_max = 6,
        .gap_ms = 9000,
    },
    {
        .name = "part",
        .troubles = TROUBLES_CUTS,
        .weights = {[FAULT_PART] = 3, [FAULT_HEAL] = 2},
        .faults_max = 4,
        .gap_ms = 12000,
        .late = 1,
    },
    {
        .name = "oneway",
        .troubles = TROUBLES_LOSSES,
        .weights = {[FAULT_BLOCK] = 3, [FAULT_HEAL] = 2},
        .faults_max = 5,
        .gap_ms = 10000,
        .late = 1,
    },
    {
        .name = "break",
        .troubles = TROUBLES_LOSSES,
        .weights = {[FAULT_BREAK] = 1},
        .faults_max = 30,
        .gap_ms = 1500,
        .refuse = 10,
        .ignore = 5,
        .late = 5,
    },
    {
        .name = "root",
        .troubles = TROUBLES_LOSSES,
        .weights = {[FAULT_ROOT] = 2, [FAULT_KILL] = 1, [FAULT_START] = 1},
        .faults_max = 6,
        .gap_ms = 6000,
        .late = 1,
    },
    {
        .name = "flap",
        .troubles = TROUBLES_LOSSES,
        .weights = {[FAULT_KILL] = 1, [FAULT_START] = 1},
        .faults_max = 20,
        .gap_ms = 1500,
        .late = 1,
    },
    {
        .name = "mute",
        .troubles = TROUBLES_CUTS,
        .weights = {[FAULT_MUTE] = 2, [FAULT_BLOCK] = 1},
        .faults_max = 3,
        .gap_ms = 8000,
        .late = 1,
    },
    {
        .name = "storm",
        .troubles = TROUBLES_LOSSES,
        .weights = {[FAULT_KILL] = 3,
                    [FAULT_POWER] = 2,
                    [FAULT_LEAVE] = 1,
                    [FAULT_START] = 5,
                    [FAULT_FREEZE] = 3,
                    [FAULT_THAW] = 3,
                    [FAULT_PART] = 1,
                    [FAULT_BLOCK] = 2,
                    [FAULT_MUTE] = 1,
                    [FAULT_HEAL] = 2,
                    [FAULT_BREAK] = 4,
                    [FAULT_ROOT] = 1},
        .faults_max = 30,
        .gap_ms = 3000,
        .refuse = 5,
        .ignore = 5,
        .late = 5,
    },
};

struct run {
    const struct scenario *scenario;
    const struct run_conf *conf;
    struct run_result *result;
    int64_t began; // us
};

/* --- faults --- */

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

static uint32_t
size_of_tree(void)
{
    return cluster_topo()->size;
}

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
boot(void)
{
    uint32_t size = size_of_tree();
    int64_t spread_ms = draw_percent(50) ? 0 : draw_between(0, 8000);
    uint32_t started = 0;

    while (started < size && !complaint()) {
        uint32_t rank = draw_below(size);

        while (cluster_member(rank)->state != GONE)
            rank = (rank + 1) % size;
        fault_start_rank(rank);
        started++;
        if (spread_ms > 0)
            wait_up_to(2 * spread_ms / size);
    }
    check_settles("at the start");
}

/* One that can be done now.  All may be broken already, or blocked: then none. */
static void
do_some_fault(struct run *run)
{
    for (int i = 0; i < DRAWS_MAX; i++) {
        if (fault_do(draw_fault(run->scenario))) {
            run->result->faults++;
            return;
        }
    }
}

static void
trouble(struct run *run)
{
    const struct scenario *s = run->scenario;
    uint32_t times = MAX(size_of_tree() / 50, 1u);
    uint32_t count = s->faults_max ? times * (1 + draw_below(s->faults_max)) : 0;

    set_noise(s);
    for (; count > 0 && !complaint(); count--) {
        do_some_fault(run);
        if (draw_percent(70))
            wait_up_to(s->gap_ms / times);
    }
    if (s->faults_max > 0 && run->result->faults == 0)
        complain("%s: no fault could be done", s->name);
}

/* Some that were killed are left so. */
static void
mend(unsigned percent)
{
    for (uint32_t r = 0; r < size_of_tree(); r++) {
        if (cluster_member(r)->state == FROZEN)
            cluster_thaw(r);
        else if (cluster_member(r)->state == GONE && (r == 0 || draw_percent(percent)))
            fault_start_rank(r);
    }
    trace("all is mended");
    net_unblock_all();
    set_noise(NULL);
}

static void
go_through(struct run *run)
{
    uint32_t sample = size_of_tree() <= 32 ? 32 : 2;

    boot();
    cluster_set_clients(true);
    wait_up_to(2000);
    trouble(run);
    if (run->scenario->troubles == TROUBLES_CUTS) {
        set_noise(NULL);
        check_settles("while cut off");
        check_reach(sample);
    }
    mend(40);
    if (complaint())
        return;
    run->result->healed_ms = check_settles("after the faults");
    check_reach(sample);
    mend(100);
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
    c.troubles = run->scenario->troubles;
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
    faults_begin();
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
