/* SPDX-License-Identifier: MPL-2.0 */
/* router_way.c - what becomes of a call to a rank when there is no way.
 *
 * The rank whose client asks waits (WAIT), with patience, as long as a way may be found when others have
 * healed theirs; those between (HOP) only say that they have none:
 *   ENETUNREACH   it was not sent on: it may be sent again
 *   ENETRESET     it was, and the hop was lost: only with REPLAY
 *   EHOSTUNREACH  that rank is lost, has left, or never came: for good
 * When a child has no way, the next one up from there is asked: it may have adopted who came back later than
 * the one between them.  Only who asks a second time, a moment later, takes it for true that a rank is lost.
 * Clients see the last of these only, with a text that names who is lost. */
#include "router_priv.h"

#include <errno.h>
#include <stdio.h>

#define RETRY_MS 50  // between looks for a way
#define DOUBT_MS 200 // for so long nobody is believed that a rank is lost

static bool
is_no_way(uint32_t errnum)
{
    return errnum == ENETUNREACH || errnum == ENETRESET;
}

/* --- blame --- */

static int64_t
now_of(const struct router *r)
{
    return overlay_now(r->overlay);
}

/* Is it known here that the rank is gone, and not only for a moment? */
static bool
is_gone(const struct router *r, const struct peer *p, uint32_t rank)
{
    return p && p->rank == rank &&
           now_of(r) - p->since > (p->was_here ? r->patience.lost : r->patience.late);
}

static const char *
how_gone(const struct peer *p)
{
    return p->state == PEER_LOST ? "is lost" : "is not online";
}

/* Why there is no way to it, as far as this rank knows.  p: the one to blame, or NULL. */
static void
blame(const struct router *r, const struct peer *p, uint32_t rank, char text[ROUTER_TEXT_MAX])
{
    if (p && p->rank == rank)
        snprintf(text, ROUTER_TEXT_MAX, "rank %u %s", rank, how_gone(p));
    else if (p)
        snprintf(text, ROUTER_TEXT_MAX, "no way to rank %u: rank %u %s", rank, p->rank,
                 how_gone(p));
    else if (r->rank > 0 && !overlay_parent_is_online(r->overlay))
        snprintf(text, ROUTER_TEXT_MAX, "no way to rank %u: nobody above rank %u is in reach", rank,
                 r->rank);
    else
        snprintf(text, ROUTER_TEXT_MAX, "no way to rank %u", rank);
}

/* The answer of a call to a rank that goes back to whoever asked: name who is lost, in the errno that
 * they know. */
static void
settle(struct call *c, struct msg *response)
{
    const struct router *r = c->router;
    const struct peer *blamed = overlay_blamed(r->overlay, c->rank);
    char text[ROUTER_TEXT_MAX];

    if (!is_no_way(response->errnum))
        return;
    if (!(c->flags & ROUTER_HOP) || is_gone(r, blamed, c->rank))
        response->errnum = EHOSTUNREACH;
    if (blamed || !msg_text(response)) {
        blame(r, blamed, c->rank, text);
        msg_set_text(response, text);
    }
}

/* --- another way --- */

/* Has that child no way to the rank?  What is lost for it may be below another one: it may have come back
 * elsewhere than those who were below it. */
static bool
had_no_way(const struct call *c, uint32_t errnum)
{
    if (c->hop == TOPO_NONE || c->hop == c->rank || c->answered)
        return false;
    return errnum == ENETUNREACH ||
           ((errnum == ENETRESET || errnum == EHOSTUNREACH) && (c->flags & ROUTER_REPLAY));
}

/* true: the call goes on, under another tag. */
static bool
try_another(struct call *c, const struct msg *response)
{
    struct router *r = c->router;
    uint32_t tag;

    if (!had_no_way(c, response->errnum))
        return false;
    c->is_lost = c->is_lost || response->errnum == EHOSTUNREACH;
    c->tried = c->hop;
    tag = router_call_tag(c);
    if (tag == 0)
        return false;
    router_call_send_again(c);
    if (c->state == UNDER_WAY)
        return true;
    rpc_cancel(r->rpcs, tag);
    return false;
}

/* --- waiting for a way --- */

/* Patience begins with a loss, and anew with the next one: what was under way for some heartbeats meanwhile has
 * found its way before. */
static void
note_loss(struct call *c)
{
    const struct router *r = c->router;
    bool is_new = c->state == UNDER_WAY && now_of(r) - c->sent_at > r->patience.lost / 4;

    if (c->until == 0 || is_new)
        c->until = now_of(r) + r->patience.way;
}

static bool
may_wait(const struct call *c, uint32_t errnum)
{
    const struct router *r = c->router;

    if (!(c->flags & ROUTER_WAIT) || !r->loop || c->answered || r->is_stopping)
        return false;
    if (errnum == ENETRESET && !(c->flags & ROUTER_REPLAY))
        return false;
    return now_of(r) < c->until && !is_gone(r, overlay_blamed(r->overlay, c->rank), c->rank);
}

static void
wait_for_way(struct call *c)
{
    struct router *r = c->router;

    c->state = WAITING;
    c->tried = TOPO_NONE;
    c->is_lost = false;
    if (!loop_timer_is_running(&r->retry))
        loop_timer_start(r->loop, &r->retry, RETRY_MS);
}

/* A rank further on says that it is lost. */
static bool
may_doubt(struct call *c, uint32_t errnum)
{
    if (errnum != EHOSTUNREACH || c->hop == c->rank || !(c->flags & ROUTER_REPLAY))
        return false;
    if (c->doubted == 0)
        c->doubted = now_of(c->router);
    return now_of(c->router) - c->doubted < DOUBT_MS;
}

/* There was no way further on.  true: the call goes on, under another tag. */
static bool
retry_later(struct call *c, const struct msg *response)
{
    if (!is_no_way(response->errnum) && !may_doubt(c, response->errnum))
        return false;
    note_loss(c);
    if (!may_wait(c, response->errnum))
        return false;
    if (router_call_tag(c) == 0)
        return false;
    wait_for_way(c);
    return true;
}

/* It could not be sent on, or its hop is lost: the tag is still ours. */
bool
router_way_wait(struct call *c, uint32_t errnum)
{
    note_loss(c);
    if (!may_wait(c, errnum))
        return false;
    wait_for_way(c);
    return true;
}

bool
router_way_goes_on(struct call *c, struct msg *response)
{
    if (try_another(c, response))
        return true;
    if (c->is_lost && is_no_way(response->errnum))
        response->errnum = EHOSTUNREACH;
    if (retry_later(c, response))
        return true;
    settle(c, response);
    return false;
}
