/* SPDX-License-Identifier: MPL-2.0 */
/* sim_links.c - all of overlay/links.h, on the wires of net.h.
 *
 * What arrives waits in the inbox of the host until the loop takes a turn.  As with ZeroMQ, the news
 * that a connection broke may overtake what came by it, and who listens learns of an end only when he
 * sends.
 *
 * I1  A connection that is closed by a handler of its own stays in memory until the handler returns. */
#include "sim_links.h"

#include "sim_loop.h"
#include "trace.h"
#include "xmem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define OVERTAKES_PERCENT 50

struct links {
    struct list node; // on `all`
    struct links_conf conf;
    struct loop *loop;           // borrowed
    const struct links_ops *ops; // borrowed
    void *arg;                   // borrowed
    uint32_t host;
    bool is_muted;     // nothing from below and to there
    bool is_dead;      // its wires are nobody's
    struct list inbox; // struct parcel, owned
};

struct links_up {
    struct links *links; // borrowed
    struct links_outlet outlet;
    struct wire *wire; // NULL: over
    struct loop_timer failed;
    unsigned busy;
    bool is_closed;
};

/* Something that has arrived. */
struct parcel {
    struct list node;
    struct links_up *up; // borrowed: by this one; NULL: from below
    uint32_t wire;       // from below: by this one
    bool is_refusal;
    struct frame *frame; // owned; NULL for a refusal
};

static struct list all = LIST_INIT(all);

/* --- the inbox --- */

static void
free_parcel(struct parcel *p)
{
    list_remove(&p->node);
    frame_free(p->frame);
    free(p);
}

static void
put_into_inbox(struct links *l, struct parcel parcel, bool in_front)
{
    struct parcel *p = xmalloc(sizeof(*p));

    *p = parcel;
    list_init(&p->node);
    if (in_front)
        list_push_front(&l->inbox, &p->node);
    else
        list_push_back(&l->inbox, &p->node);
    sim_loop_wake(l->loop);
}

static void
forget_parcels(struct links *l, const struct links_up *up)
{
    LIST_FOR_EACH (node, &l->inbox) {
        struct parcel *p = list_entry(node, struct parcel, node);

        if (p->up == up)
            free_parcel(p);
    }
}

static void
on_arrived(void *end, struct wire *w, enum net_side side, struct frame *f)
{
    if (side == NET_CALLER) {
        struct links_up *up = end;

        if (f->is_end)
            up->wire = NULL;
        put_into_inbox(up->links, (struct parcel){.up = up, .frame = f},
                       f->is_end && draw_percent(OVERTAKES_PERCENT));
    } else if (f->is_end) {
        frame_free(f);
    } else {
        put_into_inbox(end, (struct parcel){.wire = w->id, .frame = f}, false);
    }
}

static void
on_refused(void *end, struct wire *w UNUSED)
{
    struct links_up *up = end;

    put_into_inbox(up->links, (struct parcel){.up = up, .is_refusal = true}, false);
}

const struct net_ops sim_links_net_ops = {on_arrived, on_refused};

/* --- identities --- */

static struct msg_zmq_peer
identity_of(uint32_t wire)
{
    struct msg_zmq_peer peer = {.len = 5};

    for (int i = 4; i > 0; i--, wire >>= 8)
        peer.id[i] = (uint8_t)wire;
    return peer;
}

static struct wire *
wire_of(const struct links *l, const struct msg_zmq_peer *peer)
{
    uint32_t id = 0;
    struct wire *w;

    for (int i = 1; i < 5; i++)
        id = id << 8 | peer->id[i];
    w = peer->len == 5 && !l->is_muted ? net_find(id) : NULL;
    return w && w->is_known && w->hosts[NET_LISTENER] == l->host ? w : NULL;
}

/* --- what arrived is taken --- */

static void
take_from_below(struct links *l, struct parcel *p)
{
    struct msg_zmq_peer peer = identity_of(p->wire);

    if (p->frame->count > 1 && !l->ops->may_bundle(l->arg, &peer))
        return;
    for (size_t i = 0; i < p->frame->count && !l->is_muted; i++)
        l->ops->from_below(l->arg, &peer, &p->frame->messages[i]);
}

static void
leave(struct links_up *up)
{
    if (--up->busy == 0 && up->is_closed) /* I1 */
        free(up);
}

static void
cut(struct links_up *up, enum links_end why)
{
    up->busy++;
    up->links->ops->above_cut(up->links->arg, up, why);
    leave(up);
}

static void
take_from_above(struct links *l, struct parcel *p)
{
    struct links_up *up = p->up;

    up->busy++;
    for (size_t i = 0; i < p->frame->count && !up->is_closed; i++)
        l->ops->from_above(l->arg, up, &p->frame->messages[i]);
    leave(up);
}

static bool
take_parcel(void *arg)
{
    struct links *l = arg;
    struct list *node = list_pop_front(&l->inbox);
    struct parcel *p;

    if (!node)
        return false;
    p = list_entry(node, struct parcel, node);
    if (!p->up)
        take_from_below(l, p);
    else if (p->is_refusal)
        cut(p->up, LINKS_CLOSED);
    else if (p->frame->is_end)
        cut(p->up, LINKS_BROKEN);
    else
        take_from_above(l, p);
    free_parcel(p);
    return true;
}

/* --- life --- */

struct links *
links_new(struct loop *loop, const struct links_conf *conf, const struct links_ops *ops, void *arg)
{
    struct links *l = xcalloc(1, sizeof(*l));

    l->conf = *conf;
    l->loop = loop;
    l->ops = ops;
    l->arg = arg;
    l->host = sim_loop_owner(loop);
    list_init(&l->inbox);
    list_init(&l->node);
    list_push_back(&all, &l->node);
    sim_loop_set_source(loop, take_parcel, l);
    return l;
}

static void
close_below(struct links *l, bool in_haste)
{
    net_listen(l->host, NULL);
    net_close_below(l, in_haste);
}

void
links_free(struct links **ret)
{
    struct links *l = TAKE(*ret);

    if (!l)
        return;
    if (!l->is_muted)
        close_below(l, false);
    sim_loop_set_source(l->loop, NULL, NULL);
    LIST_FOR_EACH (node, &l->inbox)
        free_parcel(list_entry(node, struct parcel, node));
    list_remove(&l->node);
    free(l);
}

void
links_mute(struct links *l)
{
    l->is_muted = true;
    close_below(l, true);
}

void
sim_links_kill(uint32_t host)
{
    net_kill(host);
    LIST_FOR_EACH (node, &all) {
        struct links *l = list_entry(node, struct links, node);

        if (l->host == host)
            l->is_muted = l->is_dead = true;
    }
}

void
links_tell_log(struct links *l UNUSED)
{
}

static int
parse_uri(const char *uri, uint32_t *ret, struct err *err)
{
    if (sscanf(uri, "sim://%u", ret) != 1)
        return err_set(err, -EINVAL, "%s: no endpoint", uri);
    return 0;
}

int
links_listen(struct links *l, const char *uri, char **ret_uri, struct err *err)
{
    uint32_t host;
    int rc = parse_uri(uri, &host, err);

    if (rc < 0)
        return rc;
    assert(host == l->host);
    net_listen(host, l);
    *ret_uri = xstrdup(uri);
    return 0;
}

/* --- upward --- */

static void
on_failed(void *arg)
{
    cut(arg, LINKS_BROKEN);
}

int
links_up_open(struct links *l, const char *uri, const char *server_key UNUSED,
              struct links_up **ret, struct err *err)
{
    struct links_up *up;
    uint32_t host;
    int rc = parse_uri(uri, &host, err);

    if (rc < 0)
        return rc;
    up = xcalloc(1, sizeof(*up));
    up->links = l;
    loop_timer_init(&up->failed, on_failed, up);
    links_outlet_init(&up->outlet, l, NULL, true);
    up->outlet.up = up;
    up->wire = l->is_dead ? NULL : net_dial(l->host, host, up);
    *ret = up;
    return 0;
}

static void
end(struct links_up *up, bool in_haste)
{
    struct wire *w = TAKE(up->wire);

    links_outlet_fini(&up->outlet);
    loop_timer_stop(&up->failed);
    if (w && !up->links->is_dead)
        net_close(w, NET_CALLER, in_haste);
    forget_parcels(up->links, up);
    up->is_closed = true;
    if (up->busy == 0) /* I1 */
        free(up);
}

void
links_up_close(struct links_up **link)
{
    struct links_up *up = TAKE(*link);

    if (!up)
        return;
    links_outlet_flush(&up->outlet);
    end(up, false);
}

void
links_up_drop(struct links_up **link)
{
    struct links_up *up = TAKE(*link);

    if (up)
        end(up, true);
}

struct links_outlet *
links_up_outlet(struct links_up *up)
{
    return &up->outlet;
}

/* --- outlets --- */

/* Upward, what is sent into nothing is not known to be lost. */
static struct wire *
wire_behind(const struct links_outlet *o)
{
    if (o->up)
        return o->links->is_dead ? NULL : o->up->wire;
    return wire_of(o->links, &o->peer);
}

static enum net_side
side_of(const struct links_outlet *o)
{
    return o->up ? NET_CALLER : NET_LISTENER;
}

static int
send_staged(const struct links_outlet *o)
{
    struct wire *w = wire_behind(o);

    if (w)
        net_send_staged(w, side_of(o));
    return w || o->up ? 0 : -EHOSTUNREACH;
}

static void
stage(const struct links_outlet *o, struct msg *m)
{
    struct wire *w = wire_behind(o);
    struct frame *f;

    if (!w) {
        msg_fini(m);
        return;
    }
    f = net_stage(w, side_of(o));
    if (f->count == f->capacity) {
        f->capacity = f->capacity ? 2 * f->capacity : 1;
        f->messages = xrealloc(f->messages, f->capacity * sizeof(struct msg));
    }
    msg_move(&f->messages[f->count++], m);
}

int
links_outlet_flush(struct links_outlet *o)
{
    bool has_any = o->bundle.count > 0;

    loop_flush_cancel(&o->flush);
    o->bundle.count = 0;
    o->bundle.size = 0;
    return has_any ? send_staged(o) : 0;
}

static void
on_end_of_turn(void *arg)
{
    struct links_outlet *o = arg;
    struct links *l = o->links;

    if (links_outlet_flush(o) < 0)
        l->ops->below_cut(l->arg, &o->peer);
}

void
links_outlet_init(struct links_outlet *o, struct links *l, const struct msg_zmq_peer *peer,
                  bool takes_bundles)
{
    *o = (struct links_outlet){.links = l, .takes_bundles = takes_bundles};
    if (peer)
        o->peer = *peer;
    loop_flush_init(&o->flush, on_end_of_turn, o);
}

void
links_outlet_fini(struct links_outlet *o)
{
    struct wire *w;

    if (!o->links)
        return;
    loop_flush_cancel(&o->flush);
    w = o->bundle.count > 0 ? wire_behind(o) : NULL;
    if (w)
        net_drop_staged(w, side_of(o));
    o->links = NULL;
}

int
links_send(struct links_outlet *o, struct msg *m)
{
    int rc;

    if (o->takes_bundles && bundle_suits(m)) {
        if (!bundle_has_room(&o->bundle, m) && (rc = links_outlet_flush(o)) < 0) {
            msg_fini(m);
            return rc;
        }
        o->bundle.count++;
        o->bundle.size += msg_size(m) + MSG_HEADER_SIZE + m->topic_len;
        stage(o, m);
        loop_flush_start(o->links->loop, &o->flush);
        return 0;
    }
    rc = links_outlet_flush(o);
    stage(o, m);
    return rc < 0 ? rc : send_staged(o);
}

int
links_send_down(struct links *l, const struct msg_zmq_peer *peer, struct msg *m)
{
    struct links_outlet o = {.links = l, .peer = *peer};

    stage(&o, m);
    return send_staged(&o);
}
