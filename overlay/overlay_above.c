/* SPDX-License-Identifier: MPL-2.0 */
/* overlay_above.c - what comes from above, by one of the three links upward:
 *
 * message         trial        up                        old
 * WELCOME         moves in     -                         -
 * REFUSE          given up     -                         -
 * PONG, NEARER    -            told to the ascent        -
 * CREDIT          -            room                      room
 * WHO             given up     lost                      lost
 * BYE             given up     lost                      no more requests will come
 * any other       dropped      to the router             to the router
 *
 * What follows from that for the links overlay_parent.c decides.
 */
#include "overlay_priv.h"
#include "xmem.h"

#include <errno.h>
#include <string.h>

static void
on_welcome(struct overlay *o, const struct msg *m)
{
    const char *text = msg_text(m);
    struct greeting g = {0};
    struct err err = {0};

    if (!text)
        err_set(&err, -EPROTO, "not a text");
    else if (greeting_decode(text, strlen(text), &g, &err) == 0 && g.window == 0)
        err_set(&err, -EPROTO, "no window");
    if (err.code != 0)
        elog(ELOG_ERR, "the welcome of rank %u makes no sense: %s", o->trial.peer.rank, err.text);
    else
        overlay_parent_welcome(o, &g);
}

/* The link goes, and may take the message with it. */
static void
on_refuse(struct overlay *o, const struct msg *m)
{
    AUTO(free) char *text = xstrdup(msg_text(m) ? msg_text(m) : "no reason given");

    overlay_parent_refused(o, text);
}

static void
on_credit(struct overlay *o, struct uplink *u, const struct msg *m)
{
    struct overlay_from from = uplink_from(u);

    if (!peer_is_linked(&u->peer))
        return;
    if (overlay_take_credit(o, OVERLAY_PARENT, &u->flow.out, m) == 1)
        o->ops->drained(o->arg, &from);
}

static void
on_bye(struct overlay *o, struct uplink *u)
{
    if (u->peer.state == PEER_LEAVING) {
        u->is_quiet = true;
        loop_timer_start(o->loop, &o->reap, 0);
    } else {
        overlay_parent_lose(o, u, ASCENT_BROKEN, "it stopped");
    }
}

static void
on_pong(struct overlay *o, uint32_t status)
{
    if (ascent_stranded(&o->ascent, status & CONTROL_NO_WAY, loop_now(o->loop)))
        uplink_drop(&o->trial);
    overlay_parent_climb(o);
}

/* A nearer ancestor is there again. */
static void
on_nearer(struct overlay *o, uint32_t rank)
{
    for (uint32_t i = 0; i < o->nancestors; i++) {
        if (o->ancestors[i] == rank)
            ascent_hint(&o->ascent, i, loop_now(o->loop));
    }
    overlay_parent_climb(o);
}

static void
on_control(struct overlay *o, struct uplink *u, const struct msg *m)
{
    switch (m->control) {
    case CONTROL_WELCOME:
        if (u == &o->trial)
            on_welcome(o, m);
        break;
    case CONTROL_REFUSE:
        if (u == &o->trial)
            on_refuse(o, m);
        break;
    case CONTROL_PONG:
        if (u == &o->up)
            on_pong(o, m->status);
        break;
    case CONTROL_CREDIT:
        on_credit(o, u, m);
        break;
    case CONTROL_NEARER:
        if (u == &o->up)
            on_nearer(o, m->status);
        break;
    case CONTROL_WHO:
        overlay_parent_lose(o, u, ASCENT_BROKEN, "it does not know us any more");
        break;
    case CONTROL_BYE:
        on_bye(o, u);
        break;
    default:
        elog(ELOG_WARN, "rank %u above sent unknown control message %u", u->peer.rank, m->control);
    }
}

static void
from_above(struct overlay *o, struct uplink *u, struct msg *m)
{
    struct overlay_from from = uplink_from(u);

    uplink_took(u, o, m); // before a payload that is too large goes
    overlay_count_received(o, OVERLAY_PARENT, m);
    o->ops->received(o->arg, &from, m);
}

static struct uplink *
find(struct overlay *o, const struct links_up *link)
{
    struct uplink *all[] = {&o->up, &o->trial, &o->old};

    for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
        if (all[i]->link == link)
            return all[i];
    }
    return NULL;
}

void
overlay_above_receive(void *arg, struct links_up *link, struct msg *m)
{
    struct overlay *o = arg;
    struct uplink *u = find(o, link);

    if (!u)
        return;
    peer_heard(&u->peer, loop_now(o->loop));
    if (m->type == MSG_CONTROL)
        on_control(o, u, m);
    else if (peer_is_linked(&u->peer)) // I2 of overlay.c, the other way round
        from_above(o, u, m);
}

void
overlay_above_cut(void *arg, struct links_up *link, enum links_end why)
{
    struct overlay *o = arg;
    struct uplink *u = find(o, link);

    if (!u)
        return;
    if (why == LINKS_UNAUTHORISED)
        elog_limited(&o->strange, ELOG_ERR, "rank %u at %s does not accept our key, or has another",
                     u->peer.rank, o->conf.endpoints[u->peer.rank]);
    if (why == LINKS_CLOSED && u == &o->trial && ascent_is_patient(&o->ascent, loop_now(o->loop)))
        return; // there is nobody else to try: ZeroMQ tries again by itself
    if (u == &o->trial)
        o->is_turned_away = o->conf.cert && why != LINKS_CLOSED;
    if (why != LINKS_CLOSED || u == &o->trial)
        overlay_parent_lose(o, u, why == LINKS_CLOSED ? ASCENT_CLOSED : ASCENT_BROKEN,
                            "the connection broke");
}
