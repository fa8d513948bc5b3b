/* SPDX-License-Identifier: MPL-2.0 */
/* check.c - see check.h. */
#include "check.h"

#include "agenda.h"
#include "net.h"
#include "trace.h"

#include <errno.h>
#include <stdlib.h>

#define POLL_MS 100

/* A loss is noticed after a silence.  Then one round finds who lives; nobody is greeted for longer than
 * greet_max_ms, and the pause before it is retry_max_ms and a quarter.  The way home begins after
 * probe_max_ms and a quarter, twice if that one was left alone before, and is such a round too.  One that
 * is stuck tells so after a round in vain. */
int64_t
check_bound_ms(void)
{
    const struct cluster_conf *c = cluster_conf();
    const struct ascent_conf *ascent = cluster_ascent();
    uint32_t depth = topo_level(cluster_topo(), c->size - 1);
    int64_t notice = c->timeout_ms + 2 * c->heartbeat_ms;
    int64_t round = depth * ascent->greet_max_ms;
    int64_t pauses = (ascent->retry_max_ms + 2 * ascent->probe_max_ms) * 5 / 4;

    return 2 * notice + 3 * round + pauses;
}

/* --- the tree --- */

/* Who has no way to rank 0 is wherever it likes. */
static const char *
wrong_parent(const struct member *m)
{
    if (m->nearest == TOPO_NONE)
        return NULL;
    if (!overlay_parent_is_online(m->overlay))
        return "has no parent";
    return overlay_parent_rank(m->overlay) == m->nearest ? NULL : "is not below the nearest";
}

/* Those that are there are its children, those that are not are home or none.  *count: of the former. */
static const char *
wrong_children(const struct member *m, size_t *count)
{
    for (size_t i = 0; i < overlay_child_count(m->overlay); i++) {
        struct overlay_child c = overlay_child(m->overlay, i);
        const struct member *child = cluster_member(c.peer->rank);

        if (child->nearest == TOPO_NONE && child->state == RUNNING)
            continue;
        switch (c.peer->state) {
        case PEER_ONLINE:
            if (child->state != RUNNING || child->nearest != m->rank)
                return "has a child that is not its own";
            (*count)++;
            break;
        case PEER_LEAVING:
            return "has a child that is leaving";
        default:
            if (c.adopted && child->state == RUNNING && net_is_whole())
                return "remembers a child that lives elsewhere";
            break;
        }
    }
    return NULL;
}

/* Of the ranks below, and itself: how are those that have it worst? */
enum { ABSENT, AWAY, AT_HOME };

static int
worst_below(uint32_t rank)
{
    const struct topo *topo = cluster_topo();
    int worst = AT_HOME;

    for (uint32_t r = rank; r < topo->size; r++) {
        if (!topo_is_below(topo, r, rank))
            continue;
        if (!cluster_is_connected(r))
            return ABSENT;
        if (r != rank && cluster_member(r)->nearest != topo_parent(topo, r))
            worst = AWAY;
    }
    return worst;
}

/* Of a small tree all are looked at, of a large one, or one in parts, rank 0.  When somebody is there, but
 * away from home, a parent may miss it. */
static const char *
wrong_status(const struct member *m)
{
    bool is_full = overlay_status(m->overlay) == SUBTREE_FULL;

    if (m->rank > 0 && (cluster_topo()->size > 64 || !net_is_whole()))
        return NULL;
    switch (worst_below(m->rank)) {
    case AT_HOME:
        return is_full ? NULL : "is not full";
    case AWAY:
        return NULL;
    default:
        return is_full ? "is full, and somebody is not there" : NULL;
    }
}

static const char *
find_wrong(uint32_t *rank)
{
    uint32_t size = cluster_topo()->size;
    const char *what = NULL;
    size_t below = 0;
    size_t children = 0;

    cluster_look();
    for (uint32_t r = 0; r < size && !what; r++) {
        const struct member *m = cluster_member(r);

        *rank = r;
        if (m->state != RUNNING)
            continue;
        below += m->nearest != TOPO_NONE;
        what = wrong_parent(m);
        if (!what)
            what = wrong_children(m, &children);
        if (!what)
            what = wrong_status(m);
    }
    if (!what && below != children)
        what = "somebody is nobody's child";
    return what;
}

bool
check_is_settled(void)
{
    uint32_t rank;

    return find_wrong(&rank) == NULL;
}

bool
check_has_parents(void)
{
    cluster_look();
    for (uint32_t r = 0; r < cluster_topo()->size; r++) {
        const struct member *m = cluster_member(r);

        if (m->state == RUNNING && wrong_parent(m))
            return false;
    }
    return true;
}

int64_t
check_settles(const char *when)
{
    const struct cluster_conf *c = cluster_conf();
    int64_t start = agenda_now();
    int64_t until = start + check_bound_ms() * 1000;
    int64_t ready = 0;
    const char *what;
    uint32_t rank = 0;

    for (;;) {
        while (!check_is_settled() && agenda_now() < until && !complaint())
            agenda_run(agenda_now() + POLL_MS * 1000);
        ready = agenda_now();
        agenda_run(agenda_now() + (c->timeout_ms + 3 * c->heartbeat_ms) * 1000);
        if (complaint())
            return 0;
        if (check_is_settled())
            break;
        if (agenda_now() < until)
            continue;
        what = find_wrong(&rank);
        complain("%s: rank %u %s after %lld ms", when, rank, what, (long long)check_bound_ms());
        return 0;
    }
    cluster_calm();
    return (ready - start) / 1000;
}

/* --- calls and events --- */

/* Where who is not connected is, and what it can reach, is its own affair. */
static void
ask_for(struct member *m, uint32_t target)
{
    bool runs = cluster_member(target)->state == RUNNING;

    if (runs == cluster_is_connected(target))
        calls_ask(m, CALL_ECHO, target, runs ? 0 : EHOSTUNREACH);
}

static void
wait_for(size_t (*pending)(void))
{
    int64_t until = agenda_now() + check_bound_ms() * 1000;

    while (pending() > 0 && agenda_now() < until && !complaint())
        agenda_run(agenda_now() + POLL_MS * 1000);
    if (pending() > 0)
        complain("%zu requests are not answered", pending());
}

void
check_reach(uint32_t sample)
{
    uint32_t size = cluster_topo()->size;
    const struct cluster_conf *c = cluster_conf();
    uint64_t ticks = cluster_counts.ticks;

    cluster_look();
    for (uint32_t r = 0; r < size; r++) {
        struct member *m = cluster_member(r);

        for (uint32_t i = 0; i < MIN(size, sample) && cluster_is_connected(r); i++)
            ask_for(m, sample >= size ? i : draw_below(size));
    }
    wait_for(calls_pending_musts);
    agenda_run(agenda_now() + MAX(2 * c->heartbeat_ms, 1500) * 1000);
    for (uint32_t r = 1; r < size && ticks > 0; r++) {
        const struct member *m = cluster_member(r);

        if (cluster_is_connected(r) && m->heard <= ticks)
            complain("rank %u has heard no event for long", r);
    }
}

void
check_quiet(void)
{
    wait_for(calls_pending);
}
