/* SPDX-License-Identifier: MPL-2.0 */
/* testing_net.c - see testing_net.h.
 *
 *   rank below            wire                                    rank above
 *   DEALER  ------------  ROUTER (front)   DEALER (back)  ------  ROUTER
 *
 * A rank has one connection to an ancestor at a time, and a new one for each greeting: what comes to the
 * front from somebody else than before is a new connection, and gets a new back, so that the rank above
 * sees one, too.
 *
 * A direction that is cut is not read from: what is sent waits, in order, as it does in a host whose
 * cable is out.
 *
 * Thread: its own; testing_net_*() are called by the owner, who waits until an order is carried out.
 */
#include "testing_net.h"
#include "actor.h"
#include "loop.h"
#include "xmem.h"

#include <czmq.h>
#include <errno.h>

#define LINGER_MS 500 // for goodbyes
#define ID_MAX 32     // bytes of a connection's identity, libzmq's own
#define BIND_TRIES 2000

struct wire {
    struct testing_net *net;          // borrowed
    uint32_t below, above;            // ranks
    char *uri;                        // owned
    char *real;                       // owned: where `above` listens
    bool is_cut_up, is_cut_down;      // held up
    zsock_t *front;                   // owned
    struct loop_source *front_source; // owned; NULL while cut upward
    zsock_t *back;                    // owned; NULL: there is no connection
    struct loop_source *back_source;  // owned; NULL while cut downward
    uint8_t id[ID_MAX];               // of the connection at the front
    size_t id_size;
};

struct testing_net {
    struct wire *wires; // owned array
    size_t nwires;
    struct actor *actor;          // owned
    struct loop *loop;            // owned, by the thread
    void *pipe;                   // the thread's end
    struct loop_source *commands; // owned, by the thread
};

/* Posted to the thread, and back when it is done; owned by who waits. */
struct order {
    enum { ORDER_CUT, ORDER_HEAL, ORDER_RESET } what;
    uint32_t from, to;
};

/* --- passing on --- */

static void
drop_rest(zsock_t *from)
{
    zmq_msg_t frame;

    zmq_msg_init(&frame);
    while (zsock_rcvmore(from) && zmq_msg_recv(&frame, zsock_resolve(from), ZMQ_DONTWAIT) >= 0)
        continue;
    zmq_msg_close(&frame);
}

/* The frames that are left of a message.  -errno: nobody is there to take them. */
static int
pass_rest(zsock_t *from, zsock_t *to)
{
    int rc = 0;

    while (rc >= 0 && zsock_rcvmore(from)) {
        zmq_msg_t frame;

        zmq_msg_init(&frame);
        rc = zmq_msg_recv(&frame, zsock_resolve(from), ZMQ_DONTWAIT);
        assert(rc >= 0); // a message comes as a whole
        rc = zmq_msg_send(&frame, zsock_resolve(to),
                          ZMQ_DONTWAIT | (zsock_rcvmore(from) ? ZMQ_SNDMORE : 0));
        if (rc < 0)
            zmq_msg_close(&frame);
    }
    if (rc < 0)
        drop_rest(from);
    return rc < 0 ? -EHOSTUNREACH : 0;
}

static void
unplug_back(struct wire *w)
{
    loop_remove(&w->back_source);
    zsock_destroy(&w->back);
    w->id_size = 0;
}

static bool
send_id(const struct wire *w)
{
    int flags = ZMQ_DONTWAIT | ZMQ_SNDMORE;

    return zmq_send(zsock_resolve(w->front), w->id, w->id_size, flags) == (int)w->id_size;
}

/* The first frame is not there yet when send_id() says that the rank below has gone. */
static bool
pass_down(void *arg)
{
    struct wire *w = arg;
    zmq_msg_t first;
    int rc;

    zmq_msg_init(&first);
    rc = zmq_msg_recv(&first, zsock_resolve(w->back), ZMQ_DONTWAIT);
    if (rc >= 0) {
        int more = zsock_rcvmore(w->back) ? ZMQ_SNDMORE : 0;

        if (!send_id(w) || zmq_msg_send(&first, zsock_resolve(w->front), ZMQ_DONTWAIT | more) < 0 ||
            pass_rest(w->back, w->front) < 0) {
            zmq_msg_close(&first);
            unplug_back(w);
            return false;
        }
    }
    zmq_msg_close(&first);
    return rc >= 0;
}

static void
plug_back(struct wire *w, const void *id, size_t size)
{
    int rc;

    unplug_back(w);
    memcpy(w->id, id, size);
    w->id_size = size;
    w->back = zsock_new(ZMQ_DEALER);
    assert(w->back);
    zsock_set_sndhwm(w->back, 0);
    zsock_set_rcvhwm(w->back, 0);
    zsock_set_linger(w->back, LINGER_MS);
    rc = zmq_connect(zsock_resolve(w->back), w->real);
    assert(rc == 0);
    if (!w->is_cut_down)
        w->back_source = loop_add_zmq(w->net->loop, zsock_resolve(w->back), pass_down, w);
}

/* A back that takes nothing has lost the rank above: that one is greeted anew sooner or later. */
static bool
pass_up(void *arg)
{
    struct wire *w = arg;
    zmq_msg_t id;

    zmq_msg_init(&id);
    if (zmq_msg_recv(&id, zsock_resolve(w->front), ZMQ_DONTWAIT) < 0) {
        zmq_msg_close(&id);
        return false;
    }
    assert(zmq_msg_size(&id) <= ID_MAX);
    if (zmq_msg_size(&id) != w->id_size || memcmp(zmq_msg_data(&id), w->id, w->id_size) != 0)
        plug_back(w, zmq_msg_data(&id), zmq_msg_size(&id));
    zmq_msg_close(&id);
    pass_rest(w->front, w->back);
    return true;
}

/* --- wires --- */

/* A socket that was closed keeps its name for a moment. */
static int
bind_again(zsock_t *sock, const char *uri)
{
    int rc = -1;

    for (int i = 0; rc < 0 && i < BIND_TRIES; i++) {
        if (i > 0)
            zclock_sleep(1);
        rc = zmq_bind(zsock_resolve(sock), uri);
        if (rc < 0 && errno != EADDRINUSE)
            break;
    }
    return rc < 0 ? -errno : 0;
}

static void
plug_front(struct wire *w)
{
    int rc;

    w->front = zsock_new(ZMQ_ROUTER);
    assert(w->front);
    zsock_set_sndhwm(w->front, 0);
    zsock_set_rcvhwm(w->front, 0);
    zsock_set_linger(w->front, LINGER_MS);
    zsock_set_router_mandatory(w->front, 1);
    rc = bind_again(w->front, w->uri);
    assert(rc == 0);
    if (!w->is_cut_up)
        w->front_source = loop_add_zmq(w->net->loop, zsock_resolve(w->front), pass_up, w);
}

static void
unplug_front(struct wire *w)
{
    loop_remove(&w->front_source);
    zsock_destroy(&w->front);
}

static void
set_cut_up(struct wire *w, bool cut)
{
    w->is_cut_up = cut;
    if (cut)
        loop_remove(&w->front_source);
    else if (!w->front_source)
        w->front_source = loop_add_zmq(w->net->loop, zsock_resolve(w->front), pass_up, w);
}

static void
set_cut_down(struct wire *w, bool cut)
{
    w->is_cut_down = cut;
    if (cut)
        loop_remove(&w->back_source);
    else if (w->back && !w->back_source)
        w->back_source = loop_add_zmq(w->net->loop, zsock_resolve(w->back), pass_down, w);
}

/* --- orders --- */

static bool
is_meant(uint32_t wanted, uint32_t rank)
{
    return wanted == rank || wanted == TESTING_NET_ANY;
}

static void
carry_out(struct wire *w, const struct order *o)
{
    bool cut = o->what == ORDER_CUT;

    if (o->what == ORDER_RESET) {
        if (w->below != o->from && w->above != o->from)
            return;
        unplug_back(w);
        unplug_front(w);
        plug_front(w);
        return;
    }
    if (is_meant(o->from, w->below) && is_meant(o->to, w->above))
        set_cut_up(w, cut);
    if (is_meant(o->from, w->above) && is_meant(o->to, w->below))
        set_cut_down(w, cut);
}

static bool
on_order(void *arg)
{
    struct testing_net *n = arg;
    void *item;
    int rc = actor_recv(n->pipe, false, &item);

    if (rc == -ETERM)
        loop_stop(n->loop);
    if (rc < 0)
        return false;
    for (size_t i = 0; i < n->nwires; i++)
        carry_out(&n->wires[i], item);
    actor_post(n->pipe, item);
    return true;
}

static void
give_order(struct testing_net *n, struct order order)
{
    struct order *o = xmalloc(sizeof(*o));
    void *done;

    *o = order;
    actor_post(actor_pipe(n->actor), o);
    actor_recv(actor_pipe(n->actor), true, &done);
    free(done);
}

void
testing_net_cut(struct testing_net *n, uint32_t from, uint32_t to, bool cut)
{
    give_order(n, (struct order){cut ? ORDER_CUT : ORDER_HEAL, from, to});
}

void
testing_net_reset(struct testing_net *n, uint32_t rank)
{
    give_order(n, (struct order){ORDER_RESET, rank, rank});
}

/* --- life --- */

static int
start(void *arg, void *pipe, struct err *err)
{
    struct testing_net *n = arg;

    (void)err;
    n->pipe = pipe;
    n->loop = loop_new();
    for (size_t i = 0; i < n->nwires; i++)
        plug_front(&n->wires[i]);
    return 0;
}

static void
run(void *arg, void *pipe)
{
    struct testing_net *n = arg;

    n->commands = loop_add_zmq(n->loop, pipe, on_order, n);
    loop_run(n->loop);
    for (size_t i = 0; i < n->nwires; i++) {
        unplug_back(&n->wires[i]);
        unplug_front(&n->wires[i]);
    }
    loop_remove(&n->commands);
    loop_free(&n->loop);
}

static void
add_wires(struct testing_net *n, const struct topo *topo, const char *id, const char *const *real)
{
    for (uint32_t rank = 1; rank < topo->size; rank++) {
        for (uint32_t above = topo_parent(topo, rank); above != TOPO_NONE;
             above = topo_parent(topo, above)) {
            n->wires = xrealloc(n->wires, (n->nwires + 1) * sizeof(*n->wires));
            n->wires[n->nwires++] =
                (struct wire){.net = n,
                              .below = rank,
                              .above = above,
                              .uri = xasprintf("inproc://%s/%u-%u", id, rank, above),
                              .real = xstrdup(real[above])};
        }
    }
}

int
testing_net_start(struct testing_net **ret, const struct topo *topo, const char *id,
                  const char *const *real, struct err *err)
{
    static const struct actor_ops ops = {"network", start, run};
    struct testing_net *n = xcalloc(1, sizeof(*n));
    int rc;

    add_wires(n, topo, id, real);
    rc = actor_start(&n->actor, &ops, n, err);
    *ret = n;
    if (rc < 0)
        testing_net_stop(ret);
    return rc;
}

void
testing_net_stop(struct testing_net **net)
{
    struct testing_net *n = TAKE(*net);

    if (!n)
        return;
    actor_stop(&n->actor, NULL, NULL);
    for (size_t i = 0; i < n->nwires; i++) {
        free(n->wires[i].uri);
        free(n->wires[i].real);
    }
    free(n->wires);
    free(n);
}

const char *
testing_net_uri(const struct testing_net *n, uint32_t rank, uint32_t above)
{
    for (size_t i = 0; i < n->nwires; i++) {
        if (n->wires[i].below == rank && n->wires[i].above == above)
            return n->wires[i].uri;
    }
    return NULL;
}
