/* SPDX-License-Identifier: MPL-2.0 */
/* cluster.c - see cluster.h. */
#include "cluster.h"

#include "agenda.h"
#include "net.h"
#include "overlay_priv.h" // how it climbs
#include "sim_links.h"
#include "trace.h"
#include "xmem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define PAYLOAD_MAX (1 << 20)

struct torpid {
    struct list node;
    uint32_t rank;
};

struct cluster_counts cluster_counts;

static struct cluster_conf conf;
static struct ascent_conf ascent; // of all ranks but 0
static struct topo topo;
static struct member *members;
static const char **endpoints;
static bool clients_are_on;
static char first_complaint[512];

/* --- complaints --- */

void
complain(const char *fmt, ...)
{
    va_list ap;

    if (first_complaint[0])
        return;
    va_start(ap, fmt);
    vsnprintf(first_complaint, sizeof(first_complaint), fmt, ap);
    va_end(ap);
    trace("WRONG: %s", first_complaint);
}

const char *
complaint(void)
{
    return first_complaint[0] ? first_complaint : NULL;
}

void
complain_reset(void)
{
    first_complaint[0] = '\0';
}

/* --- what an overlay calls --- */

static void
on_received(void *arg, const struct overlay_from *from, struct msg *m)
{
    router_from_overlay(((struct member *)arg)->router, from, m);
}

static struct torpid *
find_torpid(struct member *m, uint32_t rank)
{
    LIST_FOR_EACH (node, &m->torpid) {
        struct torpid *t = list_entry(node, struct torpid, node);

        if (t->rank == rank)
            return t;
    }
    return NULL;
}

static void
forget_torpid(struct member *m, uint32_t rank)
{
    struct torpid *t = find_torpid(m, rank);

    if (!t)
        return;
    list_remove(&t->node);
    free(t);
}

/* What was known of those above is known of the link only. */
static void
forget_above(struct member *m)
{
    LIST_FOR_EACH (node, &m->torpid) {
        struct torpid *t = list_entry(node, struct torpid, node);

        if (t->rank < m->rank)
            forget_torpid(m, t->rank);
    }
}

static void
on_parent_online(void *arg, uint64_t joined UNUSED)
{
    struct member *m = arg;

    forget_above(m);
    router_parent_online(m->router);
}

static void
on_parent_gone(void *arg, uint64_t joined)
{
    struct member *m = arg;

    forget_above(m);
    router_parent_gone(m->router, joined);
}

static void
note_torpid(struct member *m, uint32_t rank)
{
    struct torpid *t = xcalloc(1, sizeof(*t));

    if (find_torpid(m, rank))
        complain("rank %u: rank %u is reported as torpid twice", m->rank, rank);
    t->rank = rank;
    list_init(&t->node);
    list_push_back(&m->torpid, &t->node);
}

static void
on_noticed(void *arg, enum overlay_event what, uint32_t rank)
{
    struct member *m = arg;

    switch (what) {
    case OVERLAY_TORPID:
        note_torpid(m, rank);
        return;
    case OVERLAY_LOST:
        if (conf.troubles == TROUBLES_SILENCE && agenda_now() > m->trouble_until &&
            !find_torpid(m, rank))
            complain("rank %u: rank %u is lost and was not torpid before", m->rank, rank);
        break;
    default:
        break;
    }
    forget_torpid(m, rank);
}

static void
on_child_gone(void *arg, uint32_t rank)
{
    struct member *m = arg;
    const struct member *child = &members[rank];

    if (conf.troubles == TROUBLES_NONE && child->state == RUNNING &&
        overlay_parent_is_online(child->overlay) && overlay_parent_rank(child->overlay) == m->rank)
        complain("rank %u gives up its child %u, which is below it", m->rank, rank);
    router_child_gone(m->router, rank);
}

static void
on_status_changed(void *arg UNUSED, enum subtree_status status)
{
    trace_note(status);
}

static void
on_refused(void *arg, const char *text)
{
    complain("rank %u was refused: %s", ((struct member *)arg)->rank, text);
}

static void
on_drained(void *arg, const struct overlay_from *from)
{
    router_neighbour_drained(((struct member *)arg)->router, from);
}

static void
on_client_gone(void *arg UNUSED, const struct msg_zmq_peer *peer UNUSED)
{
}

static const struct overlay_ops ops = {
    .received = on_received,
    .parent_online = on_parent_online,
    .parent_gone = on_parent_gone,
    .noticed = on_noticed,
    .child_gone = on_child_gone,
    .status_changed = on_status_changed,
    .refused = on_refused,
    .drained = on_drained,
    .client_gone = on_client_gone,
};

/* --- ranks --- */

static void
build_overlay(struct member *m)
{
    struct overlay_conf c = {
        .rank = m->rank,
        .topo = topo,
        .instance = "oak",
        .hash = "blake2b",
        .endpoints = endpoints,
        .listen = &endpoints[m->rank],
        .nlisten = 1,
        .heartbeat_ms = conf.heartbeat_ms,
        .timeout_ms = conf.timeout_ms,
        .max_payload = PAYLOAD_MAX,
        .seed = draw() | 1,
    };
    struct err err = {0};

    if (overlay_new(&m->overlay, &c, m->loop, &ops, m, &err) < 0)
        complain("rank %u does not start: %s", m->rank, err.text);
    else if (m->rank > 0)
        ascent = m->overlay->ascent.conf;
}

static int64_t
draw_turn_us(void)
{
    return draw_percent(5) ? draw_between(1000, 20000) : draw_between(5, 100);
}

void
cluster_start(uint32_t rank)
{
    struct member *m = &members[rank];
    struct router_patience patience = router_patience_of(conf.heartbeat_ms, conf.timeout_ms);
    struct sim_pace even = {.turn_us = 10, .granule_ms = 1};
    struct sim_pace pace = {.turn_us = draw_turn_us(), .granule_ms = draw_percent(20) ? 10 : 1};

    assert(m->state == GONE);
    trace("start rank %u", rank);
    m->state = RUNNING;
    m->runs++;
    m->heard = 0;
    m->is_going = false;
    m->loop = loop_new();
    sim_loop_set_owner(m->loop, rank);
    sim_loop_set_pace(m->loop, conf.is_even ? &even : &pace);
    m->services = service_table_new();
    m->router = router_new(rank, m->services);
    router_set_patience(m->router, m->loop, &patience);
    router_number_events(m->router, (uint32_t)draw());
    services_add(m);
    calls_init(m);
    build_overlay(m);
    router_attach(m->router, m->overlay, &m->connector);
    calls_set_clients(m, clients_are_on);
}

static void
take_down(struct member *m)
{
    m->is_going = true;
    m->state = GONE;
    cluster_trouble(m->rank);
    services_drop(m);
    calls_drop(m);
    router_cancel_calls(m->router);
    overlay_free(&m->overlay);
    router_free(&m->router);
    service_table_free(&m->services);
    loop_free(&m->loop);
    while (!list_is_empty(&m->torpid))
        forget_torpid(m, list_entry(m->torpid.next, struct torpid, node)->rank);
}

void
cluster_kill(uint32_t rank)
{
    trace("kill rank %u", rank);
    sim_links_kill(rank);
    net_set_frozen(rank, false);
    take_down(&members[rank]);
}

void
cluster_leave(uint32_t rank)
{
    trace("rank %u leaves", rank);
    take_down(&members[rank]);
}

void
cluster_freeze(uint32_t rank)
{
    struct member *m = &members[rank];

    assert(m->state == RUNNING);
    trace("freeze rank %u", rank);
    m->state = FROZEN;
    cluster_trouble(rank);
    net_set_frozen(rank, true);
    sim_loop_freeze(m->loop, true);
}

void
cluster_thaw(uint32_t rank)
{
    struct member *m = &members[rank];

    assert(m->state == FROZEN);
    trace("thaw rank %u", rank);
    m->state = RUNNING;
    net_set_frozen(rank, false);
    sim_loop_freeze(m->loop, false);
}

void
cluster_trouble(uint32_t rank)
{
    members[rank].trouble_until = INT64_MAX;
    calls_set_calm(INT64_MAX);
}

void
cluster_calm(void)
{
    calls_set_calm(agenda_now());
    for (uint32_t i = 0; i < topo.size; i++) {
        if (members[i].trouble_until == INT64_MAX && cluster_is_connected(i))
            members[i].trouble_until = agenda_now();
    }
}

void
cluster_set_clients(bool on)
{
    clients_are_on = on && conf.think_ms > 0;
    for (uint32_t i = 0; i < topo.size; i++) {
        if (members[i].state != GONE)
            calls_set_clients(&members[i], clients_are_on);
    }
}

bool
cluster_is_connected(uint32_t rank)
{
    return members[rank].state == RUNNING && (rank == 0 || members[rank].nearest != TOPO_NONE);
}

/* Ancestors have smaller numbers. */
void
cluster_look(void)
{
    for (uint32_t r = 0; r < topo.size; r++) {
        uint32_t up = topo_parent(&topo, r);

        while (up != TOPO_NONE &&
               (!cluster_is_connected(up) || net_is_blocked(r, up) || net_is_blocked(up, r)))
            up = topo_parent(&topo, up);
        members[r].nearest = up;
    }
}

/* --- life --- */

void
cluster_begin(const struct cluster_conf *c)
{
    conf = *c;
    topo = (struct topo){.size = c->size, .fanout = c->fanout};
    members = xcalloc(c->size, sizeof(*members));
    endpoints = xcalloc(c->size, sizeof(*endpoints));
    clients_are_on = false;
    cluster_counts = (struct cluster_counts){0};
    services_begin();
    calls_begin();
    for (uint32_t i = 0; i < c->size; i++) {
        struct member *m = &members[i];

        m->rank = i;
        m->connector.member = m;
        m->trouble_until = INT64_MAX;
        list_init(&m->calls);
        list_init(&m->slow);
        list_init(&m->torpid);
        snprintf(m->uri, sizeof(m->uri), "sim://%u", i);
        endpoints[i] = m->uri;
    }
}

void
cluster_end(void)
{
    for (uint32_t i = 0; i < topo.size; i++) {
        if (members[i].state != GONE)
            cluster_kill(i);
    }
    free(TAKE(members));
    free(TAKE(endpoints));
}

const struct cluster_conf *
cluster_conf(void)
{
    return &conf;
}

const struct ascent_conf *
cluster_ascent(void)
{
    return &ascent;
}

struct member *
cluster_member(uint32_t rank)
{
    return &members[rank];
}

const struct topo *
cluster_topo(void)
{
    return &topo;
}
