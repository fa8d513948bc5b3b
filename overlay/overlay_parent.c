/* SPDX-License-Identifier: MPL-2.0 */
/* overlay_parent.c - the way up.  The states are those of peer.h:
 *
 * OFFLINE, LOST   -> the greet timer makes a fresh connection and sends HELLO: GREETING
 * GREETING        -> WELCOME: ONLINE; REFUSE: REFUSED, for good; neither within GREETING_MS: once more
 * ONLINE          -> the connection breaks, silence, BYE, WHO: LOST
 */
#include "elog.h"
#include "overlay_priv.h"
#include "xmem.h"

#include <errno.h>
#include <string.h>

#define GREETING_MS 1000 // try a fresh connection when a hello stays unanswered this long
#define GREETING_MAX_MS 8000
#define COMPLAIN_MS 10000 // say again that the parent cannot be reached

static const char *
parent_uri(const struct overlay *o)
{
    return o->conf.endpoints[o->parent.rank];
}

/* What the parent sent and we have taken, if it does not know yet. */
void
overlay_credit_up(struct overlay *o)
{
    struct msg m;

    if (!receipt_has_news(&o->up.in))
        return;
    o->stats.credits_sent[OVERLAY_PARENT]++;
    control_init_credit(&m, receipt_tell(&o->up.in));
    links_send(links_up(o->links), &m);
}

static void
complain(struct overlay *o, int64_t now)
{
    if (o->parent.state == PEER_OFFLINE || now < o->complain_at)
        return;
    elog(ELOG_WARN, "cannot reach the parent, rank %u at %s; still trying", o->parent.rank,
         parent_uri(o));
    o->complain_at = now + COMPLAIN_MS;
}

/* Greet on a fresh connection, and look again after a while: longer each time, for a parent that is
 * merely slow to answer must get its chance. */
void
overlay_parent_greet(void *arg)
{
    struct overlay *o = arg;
    int64_t now = loop_now(o->loop);
    struct buf text = BUF_INIT;
    struct err err = {0};

    complain(o, now);
    o->greet_ms = MIN(MAX(o->greet_ms * 2, GREETING_MS), GREETING_MAX_MS);
    loop_timer_start(o->loop, &o->greet, o->greet_ms);
    if (links_connect(o->links, parent_uri(o), &err) < 0) {
        elog(ELOG_ERR, "%s", err.text);
        return;
    }
    peer_on(&o->parent, PEER_EV_GREETED, now);
    o->greeting.attempt++;
    greeting_encode(&o->greeting, &text);
    overlay_control_up(o, CONTROL_HELLO, o->status, buf_str(&text));
    buf_fini(&text);
}

/* The parent is gone, or does not know us: begin anew, soon. */
void
overlay_parent_lose(struct overlay *o, const char *why)
{
    struct overlay_from from = {.kind = OVERLAY_PARENT, .rank = o->parent.rank};
    bool was_online = o->parent.state == PEER_ONLINE;

    if (o->parent.state == PEER_REFUSED)
        return;
    peer_on(&o->parent, PEER_EV_LOST, loop_now(o->loop));
    if (was_online) {
        elog(ELOG_WARN, "lost the parent, rank %u at %s: %s", o->parent.rank, parent_uri(o), why);
        o->complain_at = loop_now(o->loop) + GREETING_MS;
        o->ops->parent_changed(o->arg, false);
        overlay_release(o, &o->up.out, &from);
        o->up = (struct flow){0};
    }
    loop_timer_start(o->loop, &o->greet, was_online ? 0 : GREETING_MS / 10);
}

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
    if (err.code != 0) {
        elog(ELOG_ERR, "the parent's welcome makes no sense: %s", err.text);
        return;
    }
    loop_timer_stop(&o->greet);
    window_init(&o->up.out, g.window);
    receipt_init(&o->up.in, g.window);
    o->joined++;
    o->complain_at = 0;
    o->greet_ms = 0;
    peer_on(&o->parent, PEER_EV_ACCEPTED, loop_now(o->loop));
    elog(ELOG_INFO, "joined parent rank %u on %s", g.rank, g.hostname);
    overlay_control_up(o, CONTROL_STATE, o->status, NULL);
    o->ops->parent_changed(o->arg, true);
}

static void
on_refuse(struct overlay *o, const struct msg *m)
{
    const char *text = msg_text(m);

    loop_timer_stop(&o->greet);
    peer_on(&o->parent, PEER_EV_REFUSED, loop_now(o->loop));
    links_disconnect(o->links);
    o->ops->refused(o->arg, text ? text : "no reason given");
}

static void
on_parent_credit(struct overlay *o, const struct msg *m)
{
    struct overlay_from from = {.kind = OVERLAY_PARENT, .rank = o->parent.rank};

    if (o->parent.state != PEER_ONLINE)
        return;
    if (overlay_take_credit(o, OVERLAY_PARENT, &o->up.out, m) == 1)
        o->ops->drained(o->arg, &from);
}

static void
on_parent_control(struct overlay *o, const struct msg *m)
{
    switch (m->control) {
    case CONTROL_WELCOME:
        if (o->parent.state == PEER_GREETING)
            on_welcome(o, m);
        break;
    case CONTROL_REFUSE:
        if (o->parent.state == PEER_GREETING)
            on_refuse(o, m);
        break;
    case CONTROL_PONG:
        break;
    case CONTROL_CREDIT:
        on_parent_credit(o, m);
        break;
    case CONTROL_WHO:
        overlay_parent_lose(o, "it does not know us any more");
        break;
    case CONTROL_BYE:
        overlay_parent_lose(o, "it stopped");
        break;
    default:
        elog(ELOG_WARN, "the parent sent unknown control message %u", m->control);
    }
}

static void
from_the_parent(struct overlay *o, struct msg *m)
{
    struct overlay_from from = {.kind = OVERLAY_PARENT, .rank = o->parent.rank};
    uint64_t bytes = control_cost(m);

    overlay_count_received(o, OVERLAY_PARENT, m);
    if (control_is_counted(m) && receipt_took(&o->up.in, bytes))
        overlay_credit_up(o);
    o->ops->received(o->arg, &from, m);
}

void
overlay_parent_receive(void *arg, struct msg *m)
{
    struct overlay *o = arg;

    peer_heard(&o->parent, loop_now(o->loop));
    if (m->type == MSG_CONTROL)
        on_parent_control(o, m);
    else if (o->parent.state == PEER_ONLINE) // I2, the other way round
        from_the_parent(o, m);
}

void
overlay_parent_cut(void *arg)
{
    overlay_parent_lose(arg, "the connection broke");
}
