/* SPDX-License-Identifier: MPL-2.0 */
/* overlay_clients.c - remote clients: who has not greeted, and has sent a request.
 *
 * state    it speaks      holds up others, or sends on   is full, and is sent     cannot be   greets as
 *                         beyond its measure             a window more            sent to     a child
 * (none)   KNOWN          -                              -                        -           -
 * KNOWN    KNOWN          CUT: it is told BYE            GREEDY                   GONE        forgotten
 * GREEDY   - (dropped)    CUT                            -                        -           forgotten
 * CUT      - (dropped)    -                              -                        GONE        forgotten
 * GONE     -              -                              -                        -           forgotten
 *
 * GREEDY and GONE last until the next turn, because they begin inside a send.
 *
 * It holds up others when it is full, and silent for client_ms; or when large answers of others wait for
 * room and it is silent for a part of that.
 *
 * A client that is cut off stays in the table as long as its connection: what was queued for it stays
 * in memory as long, and it must not get another window by asking again.
 *
 * Nobody tells when a client has left.  It shows when it is sent to, so those that are silent are sent
 * a PING, at growing intervals; those that wait for an answer sooner, for what they wait for takes room.  A PING is also sent when one becomes full: the CREDIT in answer says
 * all that it has taken, also when that is less than the step at which it speaks by itself.
 *
 * Room of all: as long as CLIENTS_WINDOW bytes are on their way, large answers wait, and are let go one by
 * one in the order of their clients, each with a grant: bytes that count as if they were on their way, until
 * they are or GRANT_MS are over.  What clients that are cut off have not taken is in memory all the same, and
 * beyond another CLIENTS_WINDOW it takes room from the others; but one answer may always be on its way.
 *
 * I1  clients_unacked is the sum of window_unacked() over the table; cut_unacked over those that were cut
 *     off, clients_granted that of `granted`.
 */
#include "overlay_priv.h"
#include "xmem.h"

#include <errno.h>

#define CLIENTS_MAX 4096                    // known at the same time
#define CLIENTS_WINDOW ((uint64_t)16 << 20) // bytes, of all together
#define LARGE ((uint64_t)64 << 10)          // bytes of an answer that waits for room of all
#define GRANT_MS 2000                       // what is not used in this time is given to others
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
take_grant(struct overlay *o, struct client *c)
{
    o->clients_granted -= c->granted; /* I1 */
    c->granted = 0;
}

/* It gets no more answers. */
static void
give_up(struct overlay *o, struct client *c)
{
    list_remove(&c->waiting);
    take_grant(o, c);
    if (!c->is_over)
        o->ops->client_gone(o->arg, &c->identity);
    c->is_over = true;
}

static void serve_waiting(struct overlay *o);

static void
forget(struct overlay *o, struct client *c)
{
    struct overlay_from from = from_client(c);

    o->clients_unacked -= window_unacked(&c->out); /* I1 */
    if (c->is_over)
        o->cut_unacked -= window_unacked(&c->out);
    map_remove(&o->clients, &c->identity);
    list_remove(&c->node);
    give_up(o, c);
    overlay_release(o, &c->out, &from);
    free(c);
}

/* May be inside a send. */
static void
set_state_soon(struct overlay *o, struct client *c, enum client_state state)
{
    c->state = state;
    loop_timer_start(o->loop, &o->reap, 0);
}

void
overlay_clients_forget(struct overlay *o, const struct msg_zmq_peer *identity)
{
    struct client *c = overlay_clients_find(o, identity);

    if (c)
        forget(o, c);
    serve_waiting(o);
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

/* Silent for so long: see whether it is still there.  Each time later, so that little is queued for one
 * that never reads. */
static int64_t
probe_ms(const struct overlay *o, const struct client *c)
{
    int64_t most = 2 * o->conf.client_ms;

    if (c->pending > 0)
        return MIN(MAX(o->conf.heartbeat_ms, c->silence), most);
    return MAX(most, c->silence);
}

static void
ask(struct overlay *o, struct client *c)
{
    c->asked = c->out.sent;
    if (overlay_control_down(o, &c->identity, CONTROL_PING, NULL) == -EHOSTUNREACH)
        set_state_soon(o, c, CLIENT_GONE);
}

static void
probe(struct overlay *o, struct client *c, int64_t now)
{
    c->probed = now;
    c->silence = now - c->heard;
    ask(o, c);
}

static void
cut(struct overlay *o, struct client *c)
{
    struct overlay_from from = from_client(c);

    elog_limited(&o->strange, ELOG_WARN,
                 "a remote client does not read its answers: cut off, %llu bytes were on their way",
                 (unsigned long long)window_unacked(&c->out));
    o->stats.clients_cut++;
    o->cut_unacked += window_unacked(&c->out); /* I1 */
    c->state = CLIENT_CUT;
    overlay_control_down(o, &c->identity, CONTROL_BYE, NULL);
    give_up(o, c);
    overlay_release(o, &c->out, &from);
}

void
overlay_cut_client(struct overlay *o, const struct msg_zmq_peer *identity)
{
    struct client *c = overlay_clients_find(o, identity);

    if (c && c->state == CLIENT_KNOWN)
        cut(o, c);
}

/* --- room of all --- */

/* On its way to those who may still take it, or about to be. */
static uint64_t
live_bytes(const struct overlay *o)
{
    return o->clients_unacked - o->cut_unacked + o->clients_granted;
}

static bool
has_room(const struct overlay *o)
{
    uint64_t live = live_bytes(o);

    return live == 0 ||
           live + MAX(o->cut_unacked, CLIENTS_WINDOW) - CLIENTS_WINDOW < CLIENTS_WINDOW;
}

/* Not from inside a send. */
static void
serve_waiting(struct overlay *o)
{
    while (!list_is_empty(&o->clients_waiting) && has_room(o)) {
        struct list *node = list_pop_front(&o->clients_waiting);
        struct client *c = list_entry(node, struct client, waiting);
        struct overlay_from from = from_client(c);

        c->granted = c->wanted;
        c->granted_at = loop_now(o->loop);
        o->clients_granted += c->granted; /* I1 */
        o->ops->drained(o->arg, &from);
    }
}

/* What they have taken is not known before they are asked. */
static void
ask_all(struct overlay *o)
{
    LIST_FOR_EACH (node, &o->client_list) {
        struct client *c = list_entry(node, struct client, node);

        if (c->state == CLIENT_KNOWN && window_unacked(&c->out) > 0 && c->asked != c->out.sent)
            ask(o, c);
    }
}

bool
overlay_clients_must_wait(struct overlay *o, const struct msg_zmq_peer *identity, uint64_t bytes)
{
    struct client *c = overlay_clients_find(o, identity);

    if (!c || window_is_full(&c->out))
        return c != NULL;
    if (c->state != CLIENT_KNOWN || bytes <= LARGE || c->granted > 0)
        return false;
    if (list_is_empty(&o->clients_waiting)) {
        if (has_room(o))
            return false;
        o->short_since = loop_now(o->loop);
    }
    if (!list_is_linked(&c->waiting)) {
        c->wanted = bytes;
        list_push_back(&o->clients_waiting, &c->waiting);
    }
    loop_timer_start(o->loop, &o->reap, 0);
    return true;
}

/* How long it may be silent while others wait.  What is less than a client acknowledges by itself may have
 * been taken: then it has more time.  It has less when those that were cut off have left room for one only. */
static int64_t
patience_ms(const struct overlay *o, const struct client *c)
{
    if (window_unacked(&c->out) < CONTROL_CLIENT_WINDOW / 4)
        return o->conf.client_ms;
    return o->conf.client_ms / (o->cut_unacked < 2 * CLIENTS_WINDOW ? 6 : 30);
}

/* What is on its way to it is not taken, and others need the room. */
static bool
is_in_the_way(const struct overlay *o, const struct client *c, int64_t now)
{
    if (c->state != CLIENT_KNOWN || window_unacked(&c->out) == 0)
        return false;
    if (window_is_full(&c->out) && now - c->heard > o->conf.client_ms)
        return true;
    return !list_is_empty(&o->clients_waiting) &&
           now - MAX(c->heard, o->short_since) > patience_ms(o, c);
}

/* --- time --- */

void
overlay_clients_reap(struct overlay *o)
{
    LIST_FOR_EACH (node, &o->client_list) {
        struct client *c = list_entry(node, struct client, node);

        if (c->state == CLIENT_GONE)
            forget(o, c);
        else if (c->state == CLIENT_GREEDY)
            cut(o, c);
    }
    serve_waiting(o);
    if (!list_is_empty(&o->clients_waiting))
        ask_all(o);
}

void
overlay_clients_beat(struct overlay *o)
{
    int64_t now = loop_now(o->loop);

    LIST_FOR_EACH (node, &o->client_list) {
        struct client *c = list_entry(node, struct client, node);

        if (is_in_the_way(o, c, now))
            cut(o, c);
        if (c->granted > 0 && now - c->granted_at > GRANT_MS)
            take_grant(o, c);
        if (now >= c->probed + probe_ms(o, c) && c->state != CLIENT_GONE)
            probe(o, c, now);
    }
    serve_waiting(o);
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
    elog_limited(&o->strange, ELOG_WARN, "there are %d remote clients: others are not heard",
                 CLIENTS_MAX);
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
    list_init(&c->waiting);
    list_init(&c->node);
    list_push_back(&o->client_list, &c->node);
    map_put(&o->clients, c);
    return c;
}

static void
heard(struct overlay *o, struct client *c)
{
    c->heard = loop_now(o->loop);
    c->probed = c->heard;
    c->silence = 0;
}

bool
overlay_clients_meet(struct overlay *o, const struct msg_zmq_peer *identity, const struct msg *m)
{
    struct client *c = overlay_clients_find(o, identity);

    if (!c && make_room(o))
        c = add(o, identity);
    if (!c || c->state != CLIENT_KNOWN)
        return false;
    heard(o, c);
    if (!(m->flags & MSG_NORESPONSE))
        c->pending++;
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
    if (rc == 1) {
        c->beyond = 0;
        o->ops->drained(o->arg, &from);
    }
    serve_waiting(o);
}

/* --- what it is told --- */

/* As long as all together have room, a whole window; then no more than an equal share. */
static uint64_t
share(const struct overlay *o)
{
    if (o->clients_unacked - o->cut_unacked < CLIENTS_WINDOW)
        return CONTROL_CLIENT_WINDOW;
    return MIN(CONTROL_CLIENT_WINDOW, CLIENTS_WINDOW / o->clients.count);
}

/* Before it is sent: what it does beside taking room. */
static void
count_answer(struct overlay *o, struct client *c, const struct msg *m)
{
    if (msg_size(m) > LARGE)
        take_grant(o, c);
    if (msg_is_more(m))
        return; // a stream cannot wait: there are few
    if (c->pending > 0)
        c->pending--;
    if (window_is_full(&c->out))
        c->beyond += control_cost(m);
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
    count_answer(o, c, m);
    before = window_unacked(&c->out);
    c->out.limit = share(o);
    rc = overlay_send_counted(o, OVERLAY_CLIENT, &c->outlet, &c->out, m);
    o->clients_unacked += window_unacked(&c->out) - before; /* I1 */
    if (rc == -EHOSTUNREACH)
        set_state_soon(o, c, CLIENT_GONE);
    else if (c->beyond > CONTROL_CLIENT_WINDOW)
        set_state_soon(o, c, CLIENT_GREEDY);
    else if (rc == 1)
        ask(o, c);
    return c->state == CLIENT_GONE ? -EHOSTUNREACH : MIN(rc, 0);
}
