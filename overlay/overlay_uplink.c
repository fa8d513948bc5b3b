/* SPDX-License-Identifier: MPL-2.0 */
/* overlay_uplink.c - one link upward: what is counted on it, and what its control messages are.
 *
 * I1  a link that is not OFFLINE has a connection, and the other way round.
 * I2  awaited and owed count requests that want an answer; the last answer takes one away. */
#include "overlay_priv.h"

#include <errno.h>

int
uplink_open(struct uplink *u, struct overlay *o, uint32_t rank, struct err *err)
{
    const char *key = o->conf.keys ? o->conf.keys[rank] : NULL;
    int64_t now = loop_now(o->loop);
    int rc;

    assert(!u->link);
    *u = (struct uplink){0};
    if (!o->conf.endpoints[rank])
        return err_set(err, -EHOSTUNREACH, "where rank %u listens is not known", rank);
    rc = links_up_open(o->links, o->conf.endpoints[rank], key, &u->link, err);
    if (rc < 0)
        return rc;
    peer_init(&u->peer, rank, now);
    peer_on(&u->peer, PEER_EV_GREETED, now);
    return 0;
}

void
uplink_close(struct uplink *u)
{
    links_up_close(&u->link);
    *u = (struct uplink){0};
}

void
uplink_drop(struct uplink *u)
{
    links_up_drop(&u->link);
    *u = (struct uplink){0};
}

void
uplink_control(struct uplink *u, enum control what, uint32_t status, const char *text)
{
    struct msg m;

    msg_init(&m, MSG_CONTROL);
    m.control = what;
    m.status = status;
    if (text)
        msg_set_text(&m, text);
    links_send(links_up_outlet(u->link), &m);
}

void
uplink_credit(struct uplink *u, struct overlay *o)
{
    struct msg m;

    if (!receipt_has_news(&u->flow.in))
        return;
    o->stats.credits_sent[OVERLAY_PARENT]++;
    control_init_credit(&m, receipt_tell(&u->flow.in));
    links_send(links_up_outlet(u->link), &m);
}

static bool
wants_answer(const struct msg *m)
{
    return m->type == MSG_REQUEST && !(m->flags & MSG_NORESPONSE);
}

static bool
is_last_answer(const struct msg *m)
{
    return m->type == MSG_RESPONSE && !msg_is_more(m);
}

int
uplink_send(struct uplink *u, struct overlay *o, struct msg *m)
{
    if (wants_answer(m))
        u->awaited++;
    else if (is_last_answer(m) && u->owed > 0)
        u->owed--;
    if (u->peer.state == PEER_LEAVING)
        loop_timer_start(o->loop, &o->reap, 0); // that may have been the last
    return overlay_send_counted(o, OVERLAY_PARENT, links_up_outlet(u->link), &u->flow.out, m);
}

void
uplink_took(struct uplink *u, struct overlay *o, const struct msg *m)
{
    if (wants_answer(m))
        u->owed++;
    else if (is_last_answer(m) && u->awaited > 0)
        u->awaited--;
    if (u->peer.state == PEER_LEAVING)
        loop_timer_start(o->loop, &o->reap, 0);
    if (control_is_counted(m) && receipt_took(&u->flow.in, control_cost(m)))
        uplink_credit(u, o);
}

struct overlay_from
uplink_from(const struct uplink *u)
{
    return (struct overlay_from){.kind = OVERLAY_PARENT, .rank = u->peer.rank, .joined = u->joined};
}

bool
uplink_is_drained(const struct uplink *u)
{
    return u->is_quiet && u->awaited == 0 && u->owed == 0;
}
