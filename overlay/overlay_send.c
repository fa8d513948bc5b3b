/* SPDX-License-Identifier: MPL-2.0 */
/* overlay_send.c - to a neighbour: sending, what windows and statistics count, and which neighbour is the
 * next hop (I3 of overlay.c).
 *
 * Nothing calls back from inside a send: who is found to be gone is lost in the next turn. */
#include "elog.h"
#include "overlay_priv.h"

#include <errno.h>
#include <string.h>

/* --- counting --- */

static void
count(struct overlay_traffic *t, uint64_t bytes)
{
    t->messages++;
    t->bytes += bytes;
}

int
overlay_send_counted(struct overlay *o, enum overlay_neighbour kind, struct links_outlet *to,
                     struct window *w, struct msg *m)
{
    uint64_t bytes = control_cost(m);
    bool counted = control_is_counted(m);
    int rc = links_send(to, m);

    if (rc < 0)
        return rc;
    count(&o->stats.sent[kind], bytes);
    if (!counted || !window_sent(w, bytes))
        return 0;
    o->stats.full[kind]++;
    return 1;
}

void
overlay_count_received(struct overlay *o, enum overlay_neighbour kind, struct msg *m)
{
    struct blob *none = NULL;

    count(&o->stats.received[kind], control_cost(m));
    if (msg_size(m) <= o->conf.max_payload)
        return;
    elog_limited(&o->strange, ELOG_WARN, "%s: a payload of %zu bytes is beyond the limit: dropped",
                 m->topic, msg_size(m));
    msg_set_payload(m, &none);
    if (m->type == MSG_REQUEST)
        m->oversized = true;
    else if (m->type == MSG_RESPONSE)
        m->errnum = EFBIG;
}

int
overlay_take_credit(struct overlay *o, enum overlay_neighbour kind, struct window *w,
                    const struct msg *m)
{
    uint64_t total;
    int rc;

    o->stats.credits_received[kind]++;
    rc = control_get_total(m, &total) ? window_acked(w, total) : -EPROTO;
    if (rc < 0)
        elog_limited(&o->strange, ELOG_WARN,
                     "a neighbour acknowledges what it was not sent: ignored");
    return rc;
}

void
overlay_release(struct overlay *o, struct window *w, const struct overlay_from *from)
{
    if (window_release(w))
        o->ops->drained(o->arg, from);
}

/* --- sending --- */

int
overlay_answer_parent(struct overlay *o, uint64_t joined, struct msg *m)
{
    struct uplink *u = overlay_parent_link(o, joined);

    if (u)
        return MIN(uplink_send(u, o, m), 0);
    msg_fini(m);
    return -EHOSTUNREACH;
}

int
overlay_send_parent(struct overlay *o, struct msg *m)
{
    return overlay_answer_parent(o, 0, m);
}

static int
send_to(struct overlay *o, struct child *c, struct msg *m)
{
    int rc = overlay_send_counted(o, OVERLAY_CHILD, &c->outlet, &c->flow.out, m);

    if (rc == -EHOSTUNREACH)
        overlay_children_cut(o, c);
    return MIN(rc, 0);
}

int
overlay_send_child(struct overlay *o, uint32_t rank, struct msg *m)
{
    struct child *c = overlay_children_find(o, rank);

    if (c && c->peer.state == PEER_ONLINE)
        return send_to(o, c, m);
    msg_fini(m);
    return -EHOSTUNREACH;
}

int
overlay_answer_child(struct overlay *o, uint32_t rank, const struct msg_zmq_peer *peer,
                     struct msg *m)
{
    struct child *c = overlay_children_find(o, rank);

    if (c && peer_is_linked(&c->peer) && memcmp(&c->identity, peer, sizeof(*peer)) == 0)
        return send_to(o, c, m);
    msg_fini(m);
    return -EHOSTUNREACH;
}

int
overlay_send_client(struct overlay *o, const struct msg_zmq_peer *peer, struct msg *m)
{
    return overlay_clients_send(o, peer, m);
}

void
overlay_send_down(struct overlay *o, const struct msg *m)
{
    for (size_t i = 0; i < o->nchildren; i++) {
        struct msg copy;

        if (o->children[i]->peer.state != PEER_ONLINE)
            continue;
        msg_copy(&copy, m);
        send_to(o, o->children[i], &copy);
    }
}

bool
overlay_is_full(const struct overlay *o, const struct overlay_from *to)
{
    const struct child *child;
    const struct client *client;

    switch (to->kind) {
    case OVERLAY_PARENT:
        return overlay_parent_is_full(o, to->joined);
    case OVERLAY_CHILD:
        child = overlay_children_find(o, to->rank);
        return child && window_is_full(&child->flow.out);
    default:
        client = overlay_clients_find(o, &to->peer);
        return client && window_is_full(&client->out);
    }
}

bool
overlay_must_wait(struct overlay *o, const struct overlay_from *to, uint64_t bytes)
{
    if (to->kind == OVERLAY_CLIENT)
        return overlay_clients_must_wait(o, &to->peer, bytes);
    return overlay_is_full(o, to);
}

/* --- the next hop --- */

/* Who asked is no way: it has none itself. */
static bool
is_way(const struct overlay_from *asker, enum overlay_neighbour kind, uint32_t rank)
{
    return !asker || asker->kind != kind || (kind == OVERLAY_CHILD && asker->rank != rank);
}

/* The first online child that is a way, from `rank` on upward. */
static int
find_hop(const struct overlay *o, uint32_t rank, const struct overlay_from *asker,
         uint32_t *ret_child)
{
    const struct child *c = overlay_children_toward(o, rank);

    while (c && !is_way(asker, OVERLAY_CHILD, c->peer.rank))
        c = overlay_children_toward(o, topo_parent(&o->conf.topo, c->peer.rank));
    *ret_child = c ? c->peer.rank : TOPO_NONE;
    return c || (o->conf.rank != 0 && is_way(asker, OVERLAY_PARENT, 0)) ? 0 : -EHOSTUNREACH;
}

int
overlay_next_hop(const struct overlay *o, uint32_t rank, const struct overlay_from *asker,
                 uint32_t *ret_child)
{
    if (rank >= o->conf.topo.size || rank == o->conf.rank)
        return -EHOSTUNREACH;
    return find_hop(o, rank, asker, ret_child);
}

int
overlay_other_hop(const struct overlay *o, uint32_t tried, const struct overlay_from *asker,
                  uint32_t *ret_child)
{
    return find_hop(o, topo_parent(&o->conf.topo, tried), asker, ret_child);
}

static const struct peer *
find_blamed(const struct overlay *o, uint32_t rank)
{
    for (; rank != TOPO_NONE && rank > o->conf.rank; rank = topo_parent(&o->conf.topo, rank)) {
        const struct child *c = overlay_children_find(o, rank);

        if (c)
            return &c->peer;
    }
    return NULL;
}

const struct peer *
overlay_blamed(const struct overlay *o, uint32_t rank)
{
    const struct peer *p = find_blamed(o, rank);

    return p && !peer_is_linked(p) ? p : NULL;
}
