/* SPDX-License-Identifier: MPL-2.0 */
/* router_call.c - calls of this rank to a neighbour: to the parent, for what it serves, or through the
 * next hop to a rank.
 *
 * state       answered      "no way"        hop lost            parent online,    patience is over
 *             for good                                          time to retry
 * UNDER_WAY   fn, gone      WAITING, or     WAITING, or         -                 -
 *                           fn, gone        fn, gone
 * WAITING     -             -               -                   UNDER_WAY, if     fn(EHOSTUNREACH), gone
 *                                                               there is a way
 * (any: rank stops: fn(ECANCELED), gone)
 *
 * To the parent: with REPLAY a call waits for as long as there is no parent; else it fails.
 * To a rank: router_way.c says whether it waits.
 *
 * A call is gone before its fn is called, and fn may make new calls.  Calls that fail together are
 * collected by tag first: a tag outlives whatever the fns before it did. */
#include "router_priv.h"
#include "xmem.h"

#include <errno.h>
#include <stdio.h>

static void
free_call(struct call *c)
{
    list_remove(&c->node);
    msg_fini(&c->request);
    spares_give(&c->router->spare_calls, c);
}

static void
on_answer(void *arg, struct msg *response)
{
    struct call *c = arg;
    rpc_fn fn = c->fn;
    void *fn_arg = c->arg;

    if (c->rank != TOPO_NONE && response->errnum != 0 && router_way_goes_on(c, response))
        return;
    c->answered = true;
    if (!c->streaming || !msg_is_more(response))
        free_call(c);
    fn(fn_arg, response);
}

/* More calls are pending than there are match tags. */
static void
answer_too_many(rpc_fn fn, void *arg)
{
    struct msg response;

    msg_init(&response, MSG_RESPONSE);
    response.errnum = EAGAIN;
    fn(arg, &response);
    msg_fini(&response);
}

/* NULL: there was no tag left, and fn has been called. */
static struct call *
add_call(struct router *r, uint32_t rank, struct msg *request, int flags, rpc_fn fn, void *arg)
{
    struct call *c = spares_take(&r->spare_calls, sizeof(*c));
    uint32_t tag = rpc_add(r->rpcs, (request->flags & MSG_STREAMING) != 0, on_answer, c);

    if (tag == 0) {
        spares_give(&r->spare_calls, c);
        msg_fini(request);
        answer_too_many(fn, arg);
        return NULL;
    }
    c->router = r;
    c->state = WAITING;
    c->rank = rank;
    c->tried = TOPO_NONE;
    c->is_lost = false;
    c->doubted = 0;
    c->tag = tag;
    c->flags = flags;
    c->streaming = (request->flags & MSG_STREAMING) != 0;
    c->answered = false;
    c->from_neighbour = false;
    c->until = 0;
    c->fn = fn;
    c->arg = arg;
    list_init(&c->node);
    list_push_back(&r->calls, &c->node);
    request->matchtag = tag;
    if (flags & (ROUTER_REPLAY | ROUTER_WAIT | ROUTER_HOP))
        msg_copy(&c->request, request);
    else
        msg_init(&c->request, MSG_REQUEST);
    r->stats.calls++;
    return c;
}

uint32_t
router_call_tag(struct call *c)
{
    uint32_t tag = rpc_add(c->router->rpcs, c->streaming, on_answer, c);

    if (tag != 0)
        c->tag = tag;
    return tag;
}

/* --- failing --- */

static void
fail_call(struct router *r, uint32_t tag, int errnum, const char *text)
{
    struct msg response;

    msg_init(&response, MSG_RESPONSE);
    response.matchtag = tag;
    response.errnum = (uint32_t)errnum;
    if (text)
        msg_set_text(&response, text);
    rpc_deliver(r->rpcs, &response);
    msg_fini(&response);
}

/* --- sending --- */

static bool
send_up(struct call *c, struct msg *m)
{
    struct router *r = c->router;

    c->hop = TOPO_NONE;
    c->joined = overlay_parent_joined(r->overlay);
    return overlay_send_parent(r->overlay, m) == 0;
}

static bool
send_routed(struct call *c, struct msg *m)
{
    struct router *r = c->router;
    const struct overlay_from *asker = c->from_neighbour ? &c->asker : NULL;
    int rc = c->tried == TOPO_NONE ? overlay_next_hop(r->overlay, c->rank, asker, &c->hop)
                                   : overlay_other_hop(r->overlay, c->tried, asker, &c->hop);

    if (rc < 0) {
        msg_fini(m);
        return false;
    }
    if (c->hop == TOPO_NONE)
        return send_up(c, m);
    return overlay_send_child(r->overlay, c->hop, m) == 0;
}

/* true: it is under way. */
static bool
send_call(struct call *c, struct msg *m)
{
    bool sent = c->rank == TOPO_NONE ? send_up(c, m) : send_routed(c, m);

    c->state = sent ? UNDER_WAY : WAITING;
    c->sent_at = overlay_now(c->router->overlay);
    return sent;
}

void
router_call_send_again(struct call *c)
{
    struct msg again;

    msg_copy(&again, &c->request);
    again.matchtag = c->tag;
    if (send_call(c, &again))
        c->router->stats.replayed++;
}

/* --- calling --- */

void
router_call_parent(struct router *r, struct msg *request, int flags, rpc_fn fn, void *arg)
{
    struct call *c = add_call(r, TOPO_NONE, request, flags, fn, arg);

    if (c && !send_call(c, request) && !(flags & ROUTER_REPLAY))
        fail_call(r, c->tag, EHOSTUNREACH, NULL);
}

void
router_call_rank(struct router *r, uint32_t rank, struct msg *request,
                 const struct router_asker *asker, rpc_fn fn, void *arg)
{
    struct call *c;

    request->nodeid = rank;
    c = add_call(r, rank, request, asker ? asker->flags : 0, fn, arg);
    if (!c)
        return;
    c->from_neighbour = asker && asker->from;
    if (c->from_neighbour)
        c->asker = *asker->from;
    if (!send_call(c, request) && !router_way_wait(c, ENETUNREACH))
        fail_call(r, c->tag, ENETUNREACH, NULL);
}

void
router_cancel_calls(struct router *r)
{
    router_forget_all_parked(r);
    r->is_stopping = true;
    router_forget_quiet(r);
    loop_timer_stop(&r->retry);
    rpc_fail_all(r->rpcs, ECANCELED);
}

/* --- losses and returns --- */

static bool
is_by(const struct call *c, uint32_t hop, uint64_t joined)
{
    return c->state == UNDER_WAY && c->hop == hop && (hop != TOPO_NONE || c->joined == joined);
}

static int
errnum_of(struct router *r, uint32_t tag)
{
    const struct call *c = rpc_peek(r->rpcs, tag);

    if (!c || c->rank == TOPO_NONE)
        return EHOSTUNREACH;
    return c->state == UNDER_WAY ? ENETRESET : ENETUNREACH;
}

/* Goes on with a call that it is about, and says whether that has to fail. */
typedef bool (*call_fn)(struct call *c, uint32_t hop, uint64_t joined);

/* Answers may start new calls, which go to the end of the list: so who fails is collected first. */
static void
fail_where(struct router *r, call_fn fails, uint32_t hop, uint64_t joined)
{
    uint32_t *tags = xmalloc((rpc_pending(r->rpcs) + 1) * sizeof(*tags));
    size_t count = 0;

    LIST_FOR_EACH (node, &r->calls) {
        struct call *c = list_entry(node, struct call, node);

        if (fails(c, hop, joined))
            tags[count++] = c->tag;
    }
    for (size_t i = 0; i < count; i++)
        fail_call(r, tags[i], errnum_of(r, tags[i]), NULL);
    free(tags);
}

/* It was under way by a hop that is lost: sent again, or failed. */
static bool
fails_with_hop(struct call *c, uint32_t hop, uint64_t joined)
{
    if (!is_by(c, hop, joined))
        return false;
    if (c->rank == TOPO_NONE && (c->flags & ROUTER_REPLAY) && !c->answered) {
        router_call_send_again(c); // or wait, for the next parent
        return false;
    }
    return c->rank == TOPO_NONE || !router_way_wait(c, ENETRESET);
}

/* It waits for a way: is there one now? */
static bool
fails_to_wait(struct call *c, uint32_t hop UNUSED, uint64_t joined UNUSED)
{
    if (c->state != WAITING || c->rank == TOPO_NONE)
        return false;
    router_call_send_again(c);
    return c->state == WAITING && !router_way_wait(c, ENETUNREACH);
}

static void
retry(void *arg)
{
    fail_where(arg, fails_to_wait, TOPO_NONE, 0);
}

void
router_set_patience(struct router *r, struct loop *loop, const struct router_patience *p)
{
    r->loop = loop;
    r->patience = *p;
    loop_timer_init(&r->retry, retry, r);
}

void
router_parent_online(struct router *r)
{
    LIST_FOR_EACH (node, &r->calls) {
        struct call *c = list_entry(node, struct call, node);

        if (c->state == WAITING && (c->flags & (ROUTER_REPLAY | ROUTER_WAIT)))
            router_call_send_again(c);
    }
}

void
router_parent_gone(struct router *r, uint64_t joined)
{
    fail_where(r, fails_with_hop, TOPO_NONE, joined);
}

void
router_child_gone(struct router *r, uint32_t rank)
{
    fail_where(r, fails_with_hop, rank, 0);
    router_forget_parked(r, &(struct origin){.kind = ORIGIN_CHILD, .rank = rank});
}
