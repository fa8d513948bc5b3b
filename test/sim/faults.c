/* SPDX-License-Identifier: MPL-2.0 */
/* faults.c - see faults.h. */
#include "faults.h"

#include "agenda.h"
#include "cluster.h"
#include "net.h"
#include "run.h"
#include "trace.h"

#include <string.h>

static bool is_off[RUN_RANKS_MAX]; // hosts without power

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

void
fault_start_rank(uint32_t rank)
{
    if (is_off[rank])
        net_set_on(rank, true);
    is_off[rank] = false;
    cluster_start(rank);
}

static void
lose_power(uint32_t rank)
{
    is_off[rank] = true;
    net_set_on(rank, false);
    cluster_kill(rank);
}

static bool
part(void)
{
    uint32_t count = 1 + draw_below(3);

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
    if (net_is_whole())
        return false;
    trouble_all();
    return true;
}

static bool
block(void)
{
    uint32_t a = draw_below(size_of_tree());
    uint32_t b = topo_parent(cluster_topo(), a);

    if (b == TOPO_NONE)
        b = draw_below(size_of_tree());
    if (a == b)
        return false;
    if (draw_percent(50)) {
        uint32_t c = a;

        a = b;
        b = c;
    }
    if (!net_block(a, b))
        return false;
    trace("nothing gets from rank %u to rank %u", a, b);
    trouble_all();
    return true;
}

/* A rank does not get through to those above it, or does not hear them; those below it do. */
static bool
mute(void)
{
    uint32_t rank = 1 + draw_below(size_of_tree() - 1);
    bool is_deaf = draw_percent(50);
    bool is_done = false;

    for (uint32_t up = topo_parent(cluster_topo(), rank); up != TOPO_NONE;
         up = topo_parent(cluster_topo(), up)) {
        is_done |= is_deaf ? net_block(up, rank) : net_block(rank, up);
    }
    if (!is_done)
        return false;
    trace("rank %u %s all above", rank, is_deaf ? "does not hear" : "does not get through to");
    trouble_all();
    return true;
}

static bool
heal(void)
{
    if (net_is_whole())
        return false;
    trace("all paths are open");
    net_unblock_all();
    return true;
}

static bool
break_some(void)
{
    uint32_t count = 1 + draw_below(3);
    struct wire *w = net_any_wire();

    if (!w)
        return false;
    trouble_all();
    for (; w && count > 0; count--) {
        trace("the connection of rank %u to rank %u breaks", w->hosts[NET_CALLER],
              w->hosts[NET_LISTENER]);
        net_break(w);
        w = net_any_wire();
    }
    return true;
}

static void
restart_root(void)
{
    if (cluster_member(0)->state == GONE) {
        fault_start_rank(0);
        return;
    }
    if (draw_percent(20))
        cluster_leave(0);
    else if (draw_percent(20))
        lose_power(0);
    else
        cluster_kill(0);
}

bool
fault_do(enum fault fault)
{
    static const enum member_state whom[FAULT_COUNT] = {
        [FAULT_KILL] = RUNNING, [FAULT_POWER] = RUNNING,  [FAULT_LEAVE] = RUNNING,
        [FAULT_START] = GONE,   [FAULT_FREEZE] = RUNNING, [FAULT_THAW] = FROZEN,
    };
    uint32_t rank = fault <= FAULT_THAW ? draw_rank(whom[fault]) : 0;

    if (rank == TOPO_NONE)
        return false;
    switch (fault) {
    case FAULT_KILL:
        cluster_kill(rank);
        break;
    case FAULT_POWER:
        lose_power(rank);
        break;
    case FAULT_LEAVE:
        cluster_leave(rank);
        break;
    case FAULT_START:
        fault_start_rank(rank);
        break;
    case FAULT_FREEZE:
        cluster_freeze(rank);
        break;
    case FAULT_THAW:
        cluster_thaw(rank);
        break;
    case FAULT_PART:
        return part();
    case FAULT_BLOCK:
        return block();
    case FAULT_MUTE:
        return mute();
    case FAULT_HEAL:
        return heal();
    case FAULT_BREAK:
        return break_some();
    case FAULT_ROOT:
        restart_root();
        break;
    default:
        break;
    }
    return true;
}

void
faults_begin(void)
{
    memset(is_off, 0, sizeof(is_off));
}
