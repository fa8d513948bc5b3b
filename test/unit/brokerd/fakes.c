/* SPDX-License-Identifier: MPL-2.0 */
/* fakes.c - see fakes.h. */
#include "fakes.h"

#include <errno.h>
#include <string.h>

/* --- the overlay and the connector, as a router knows them --- */

static void
note(struct outbox *out, enum sent_to to, uint64_t whom, struct msg *m)
{
    struct sent *s = &out->items[out->count++];

    assert_true(out->count < OUTBOX_MAX);
    s->to = to;
    s->whom = whom;
    msg_move(&s->msg, m);
}

int
overlay_send_parent(struct overlay *o, struct msg *m)
{
    if (!o->parent_online) {
        msg_fini(m);
        return -EHOSTUNREACH;
    }
    note(o->out, TO_PARENT, 0, m);
    return 0;
}

int
overlay_answer_parent(struct overlay *o, uint64_t joined, struct msg *m)
{
    if (joined == o->joined)
        return overlay_send_parent(o, m);
    msg_fini(m);
    return -EHOSTUNREACH;
}

int
overlay_send_child(struct overlay *o, uint32_t rank, struct msg *m)
{
    assert_int_equal(topo_parent(&o->topo, rank), o->rank);
    if (rank == o->offline) {
        msg_fini(m);
        return -EHOSTUNREACH;
    }
    note(o->out, TO_CHILD, rank, m);
    return 0;
}

int
overlay_answer_child(struct overlay *o, uint32_t rank, const struct msg_zmq_peer *peer,
                     struct msg *m)
{
    if (peer->id[0] == o->run)
        return overlay_send_child(o, rank, m);
    msg_fini(m);
    return -EHOSTUNREACH;
}

int
overlay_send_client(struct overlay *o, const struct msg_zmq_peer *peer, struct msg *m)
{
    note(o->out, TO_CLIENT, peer->id[0], m);
    return 0;
}

void
overlay_cut_client(struct overlay *o, const struct msg_zmq_peer *peer UNUSED)
{
    o->cut++;
}

void
overlay_send_down(struct overlay *o, const struct msg *m)
{
    for (uint32_t i = 0; i < topo_child_count(&o->topo, o->rank); i++) {
        struct msg copy;

        msg_copy(&copy, m);
        overlay_send_child(o, topo_child(&o->topo, o->rank, i), &copy);
    }
}

int
overlay_next_hop(const struct overlay *o, uint32_t rank, const struct overlay_from *asker UNUSED,
                 uint32_t *ret_child)
{
    uint32_t hop = topo_next_hop_down(&o->topo, o->rank, rank);

    if (rank >= o->topo.size || rank == o->rank || (hop != TOPO_NONE && hop == o->offline))
        return -EHOSTUNREACH;
    *ret_child = hop;
    return 0;
}

int
overlay_other_hop(const struct overlay *o UNUSED, uint32_t tried UNUSED,
                  const struct overlay_from *asker UNUSED, uint32_t *ret_child UNUSED)
{
    return -EHOSTUNREACH;
}

const struct peer *
overlay_blamed(const struct overlay *o, uint32_t rank)
{
    uint32_t hop = topo_next_hop_down(&o->topo, o->rank, rank);

    return hop != TOPO_NONE && hop == o->offline ? &o->children[hop - o->children[0].rank] : NULL;
}

uint64_t
overlay_parent_joined(const struct overlay *o)
{
    return o->joined;
}

uint32_t
overlay_parent_rank(const struct overlay *o)
{
    return topo_parent(&o->topo, o->rank);
}

size_t
overlay_child_count(const struct overlay *o)
{
    return topo_child_count(&o->topo, o->rank);
}

struct overlay_child
overlay_child(const struct overlay *o, size_t i)
{
    const struct peer *peer = &o->children[i];

    return (struct overlay_child){peer, o->hostname, topo_parent(&o->topo, peer->rank) != o->rank};
}

const struct peer *
overlay_parent(const struct overlay *o)
{
    return o->rank > 0 ? &o->parent : NULL;
}

bool
overlay_parent_is_online(const struct overlay *o)
{
    return o->parent_online;
}

enum subtree_status
overlay_status(const struct overlay *o)
{
    return o->status;
}

int64_t
overlay_now(const struct overlay *o)
{
    return o->now;
}

int64_t
overlay_status_age(const struct overlay *o)
{
    return o->age;
}

bool
overlay_is_full(const struct overlay *o, const struct overlay_from *to UNUSED)
{
    return o->full;
}

bool
overlay_must_wait(struct overlay *o, const struct overlay_from *to UNUSED, uint64_t bytes UNUSED)
{
    return o->full;
}

void
connector_send(struct connector *c, uint64_t conn, struct msg *m)
{
    note(c->out, TO_CONN, conn, m);
}

void
connector_send_event(struct connector *c, uint64_t conn, struct msg *m)
{
    c->events++;
    note(c->out, TO_CONN, conn, m);
}

bool
connector_is_full(struct connector *c, uint64_t conn UNUSED)
{
    return c->full;
}

bool
connector_must_wait(struct connector *c, uint64_t conn UNUSED, size_t bytes)
{
    return c->full || (c->is_short && bytes > c->large);
}

/* --- the station --- */

void
station_init(struct station *s, uint32_t rank)
{
    memset(s, 0, sizeof(*s));
    s->services = service_table_new();
    s->router = router_new(rank, s->services);
    s->overlay = (struct overlay){.out = &s->out,
                                  .rank = rank,
                                  .topo = {.size = 7, .fanout = 2},
                                  .parent_online = rank > 0,
                                  .offline = TOPO_NONE,
                                  .run = 'x',
                                  .hostname = ""};
    for (uint32_t i = 0; i < topo_child_count(&s->overlay.topo, rank); i++)
        s->overlay.children[i].rank = topo_child(&s->overlay.topo, rank, i);
    s->connector.out = &s->out;
    router_attach(s->router, &s->overlay, &s->connector);
}

void
station_fini(struct station *s)
{
    station_assert_quiet(s);
    router_free(&s->router);
    service_table_free(&s->services);
}

struct msg
station_take(struct station *s, enum sent_to to, uint64_t whom)
{
    struct sent *next = &s->out.items[s->out.taken];
    struct msg m;

    assert_true(s->out.taken < s->out.count);
    s->out.taken++;
    assert_int_equal(next->to, to);
    assert_int_equal(next->whom, whom);
    msg_move(&m, &next->msg);
    return m;
}

void
station_take_response(struct station *s, enum sent_to to, uint64_t whom, uint32_t matchtag,
                      int errnum, const char *text)
{
    AUTO(msg) struct msg m = station_take(s, to, whom);

    assert_int_equal(m.type, MSG_RESPONSE);
    assert_int_equal(m.matchtag, matchtag);
    assert_int_equal(m.errnum, errnum);
    if (text)
        assert_string_equal(msg_text(&m), text);
    else
        assert_null(m.payload);
}

void
station_assert_quiet(struct station *s)
{
    assert_int_equal(s->out.taken, s->out.count);
}

struct msg
make_request(const char *topic, uint32_t nodeid, uint32_t matchtag, const char *text)
{
    struct msg m;

    msg_init(&m, MSG_REQUEST);
    assert_int_equal(msg_set_topic(&m, topic), 0);
    m.nodeid = nodeid;
    m.matchtag = matchtag;
    if (text)
        msg_set_text(&m, text);
    return m;
}

void
station_answer(struct station *s, enum overlay_neighbour from, uint32_t rank, struct msg *call,
               int errnum, const char *text)
{
    struct overlay_from origin = {.kind = from, .rank = rank};
    AUTO(msg) struct msg m;

    msg_init_response(&m, call, errnum);
    if (text)
        msg_set_text(&m, text);
    msg_fini(call);
    router_from_overlay(s->router, &origin, &m);
}
