/* SPDX-License-Identifier: MPL-2.0 */
/* overlay_clients.c - remote clients: who has not greeted, and has sent a request.
 *
 * state    it speaks      full, and silent for client_ms   cannot be sent to   greets as a child
 *                         or sends on beyond its measure
 * (none)   KNOWN          -                                -                   -
 * KNOWN    KNOWN          CUT: it is told BYE              GONE                forgotten
 * CUT      - (dropped)    -                                GONE                forgotten
 * GONE     -              -                                -                   forgotten, in the next turn
 *
 * A client that is cut off stays in the table as long as its connection: what was queued for it stays
 * in memory as long, and it must not get another window by asking again.
 *
 * Nobody tells when a client has left.  It shows when it is sent to, so those that are silent are sent
 * a PING, at growing intervals.  A PING is also sent when one becomes full: the CREDIT in answer says
 * all that it has taken, also when that is less than the step at which it speaks by itself.
 *
 * I1  clients_unacked is the sum of window_unacked() over the table.
 */
#include "elog.h"
#include "overlay_priv.h"
#include "xmem.h"

#include <errno.h>

#define CLIENTS_MAX 4096                    // known at the same time
#define CLIENTS_WINDOW ((uint64_t)16 << 20) // bytes, of all together
#define PURGE_MS 1000 // look for those that have left this often, when there are too many

struct client *
overlay_clients_find(const struct overlay *o, const struct msg_zmq_peer *identity)
{
    return map_get(&o->clients, identity);
}

static struct overlay_from
from_client(const struct client *c)
{
    return (struct overlay_from){.kind = OVERLAY_CLIENT, .rank = TOPO_NONE, .peer = c->identity};
}

static void
forget(struct overlay *o, struct client *c)
{
    struct overlay_from from = from_client(c);

    o->clients_unacked -= window_unacked(&c->out); /* I1 */
    map_remove(&o->clients, &c->identity);
    list_remove(&c->node);
    overlay_release(o, &c->out, &from);
    free(c);
}

/* May be inside a send. */
static void
set_gone(struct overlay *o, struct client *c)
{
    c->state = CLIENT_GONE;
    loop_timer_start(o->loop, &o->reap, 0);
}

void
overlay_clients_reap(struct overlay *o)
{
    LIST_FOR_EACH (node, &o->client_list) {
        struct client *c = list_entry(node, struct client, node);

        if (c->state == CLIENT_GONE)
            forget(o, c);
    }
}

void
overlay_clients_forget(struct overlay *o, const struct msg_zmq_peer *identity)
{
    struct client *c = overlay_clients_find(o, identity);

    if (c)
        forget(o, c);
}

void
overlay_clients_free(struct overlay *o)
{
    struct list *node;

    while ((node = list_pop_front(&o->client_list)))
        free(list_entry(node, struct client, node));
    map_fini(&o->clients);
}

/* --- is it there? --- */

/* Silent for so long: see whether it is still there. */
static int64_t
probe_ms(const struct overlay *o)
{
    return 2 * o->conf.client_ms;
}

/* Each time later, so that little is queued for one that never reads. */
static void
probe(struct overlay *o, struct client *c, int64_t now)
{
    c->probe_at = now + MAX(probe_ms(o), now - c->heard);
    if (overlay_control_down(o, &c->identity, CONTROL_PING, NULL) == -EHOSTUNREACH)
        set_gone(o, c);
}

static void
cut(struct overlay *o, struct client *c)
{
    struct overlay_from from = from_client(c);

    elog(ELOG_WARN,
         "a remote client does not read its answers: cut off, %llu bytes were on their way",
         (unsigned long long)window_unacked(&c->out));
    o->stats.clients_cut++;
    c->state = CLIENT_CUT;
    overlay_control_down(o, &c->identity, CONTROL_BYE, NULL);
    overlay_release(o, &c->out, &from);
}

void
overlay_cut_client(struct overlay *o, const struct msg_zmq_peer *identity)
{
    struct client *c = overlay_clients_find(o, identity);

    if (c && c->state == CLIENT_KNOWN)
        cut(o, c);
}

void
overlay_clients_beat(struct overlay *o)
{
    int64_t now = loop_now(o->loop);

    LIST_FOR_EACH (node, &o->client_list) {
        struct client *c = list_entry(node, struct client, node);

        if (window_is_full(&c->out) && now - c->heard > o->conf.client_ms)
            cut(o, c);
        if (now >= c->probe_at && c->state != CLIENT_GONE)
            probe(o, c, now);
    }
}

/* --- what it says --- */

static bool
make_room(struct overlay *o)
{
    int64_t now = loop_now(o->loop);

    if (o->clients.count < CLIENTS_MAX)
        return true;
    if (now < o->purge_at)
        return false;
    o->purge_at = now + PURGE_MS;
    LIST_FOR_EACH (node, &o->client_list) {
        struct client *c = list_entry(node, struct client, node);

        if (now - c->heard >= PURGE_MS && c->state != CLIENT_GONE)
            probe(o, c, now);
    }
    overlay_clients_reap(o);
    if (o->clients.count < CLIENTS_MAX)
        return true;
    elog(ELOG_WARN, "there are %d remote clients: others are not heard", CLIENTS_MAX);
    return false;
}

static struct client *
add(struct overlay *o, const struct msg_zmq_peer *identity)
{
    struct client *c = xcalloc(1, sizeof(*c));

    c->identity = *identity;
    c->state = CLIENT_KNOWN;
    links_outlet_init(&c->outlet, o->links, identity, false);
    window_init(&c->out, CONTROL_CLIENT_WINDOW);
    list_init(&c->node);
    list_push_back(&o->client_list, &c->node);
    map_put(&o->clients, c);
    return c;
}

static void
heard(struct overlay *o, struct client *c)
{
    c->heard = loop_now(o->loop);
    c->probe_at = c->heard + probe_ms(o);
}

bool
overlay_clients_meet(struct overlay *o, const struct msg_zmq_peer *identity)
{
    struct client *c = overlay_clients_find(o, identity);

    if (!c && make_room(o))
        c = add(o, identity);
    if (!c || c->state != CLIENT_KNOWN)
        return false;
    heard(o, c);
    return true;
}

void
overlay_clients_credit(struct overlay *o, const struct msg_zmq_peer *identity, const struct msg *m)
{
    struct client *c = overlay_clients_find(o, identity);
    struct overlay_from from;
    uint64_t before;
    int rc;

    if (!c || c->state != CLIENT_KNOWN)
        return;
    heard(o, c);
    from = from_client(c);
    before = window_unacked(&c->out);
    rc = overlay_take_credit(o, OVERLAY_CLIENT, &c->out, m);
    o->clients_unacked -= before - window_unacked(&c->out); /* I1 */
    if (rc == 1)
        o->ops->drained(o->arg, &from);
}

/* --- what it is told --- */

/* As long as all together have room, a whole window; then no more than an equal share. */
static uint64_t
share(const struct overlay *o)
{
    if (o->clients_unacked < CLIENTS_WINDOW)
        return CONTROL_CLIENT_WINDOW;
    return MIN(CONTROL_CLIENT_WINDOW, CLIENTS_WINDOW / o->clients.count);
}

int
overlay_clients_send(struct overlay *o, const struct msg_zmq_peer *identity, struct msg *m)
{
    struct client *c = overlay_clients_find(o, identity);
    uint64_t before;
    int rc;

    if (!c || c->state != CLIENT_KNOWN) {
        msg_fini(m);
        return -EHOSTUNREACH;
    }
    before = window_unacked(&c->out);
    c->out.limit = share(o);
    rc = overlay_send_counted(o, OVERLAY_CLIENT, &c->outlet, &c->out, m);
    o->clients_unacked += window_unacked(&c->out) - before; /* I1 */
    if (rc == 1)
        rc = overlay_control_down(o, identity, CONTROL_PING, NULL);
    if (rc == -EHOSTUNREACH)
        set_gone(o, c);
    return rc;
}
