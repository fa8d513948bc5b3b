/* SPDX-License-Identifier: MPL-2.0 */
/* router_call.c - calls of this rank to a neighbour.
 *
 * call       answered (last of a stream)   its hop is lost            parent online   rank stops
 * PENDING    fn, gone                      REPLAY: stays              REPLAY: sent    fn(ECANCELED),
 *                                          else fn(EHOSTUNREACH)      again           gone
 *
 * A call is gone before its fn is called, and fn may make new calls.  Calls that fail together are
 * collected by tag first: a tag outlives whatever the fns before it did. */
#include "router_priv.h"
#include "xmem.h"

#include <errno.h>

/* A call of ours that is not answered. */
struct call {
    struct list node;      // on router.calls
    struct router *router; // borrowed
    uint32_t hop;          // child it went through; TOPO_NONE: the parent
    uint32_t tag;          // our match tag
    int flags;             // ROUTER_REPLAY
    bool streaming;
    struct msg request; // kept to be sent again; empty unless ROUTER_REPLAY
    rpc_fn fn;
    void *arg; // borrowed
};

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

/* Returns the call's tag: the call itself may have failed by the time a send returns.  0: there was no
 * tag left, and fn has been called. */
static uint32_t
add_call(struct router *r, uint32_t hop, struct msg *request, int flags, rpc_fn fn, void *arg)
{
    struct call *c = spares_take(&r->spare_calls, sizeof(*c));

    c->tag = rpc_add(r->rpcs, (request->flags & MSG_STREAMING) != 0, on_answer, c);
    if (c->tag == 0) {
        spares_give(&r->spare_calls, c);
        msg_fini(request);
        answer_too_many(fn, arg);
        return 0;
    }
    c->router = r;
    c->hop = hop;
    c->flags = flags;
    c->streaming = (request->flags & MSG_STREAMING) != 0;
    c->fn = fn;
    c->arg = arg;
    list_init(&c->node);
    list_push_back(&r->calls, &c->node);
    request->matchtag = c->tag;
    if (flags & ROUTER_REPLAY)
        msg_copy(&c->request, request);
    else
        msg_init(&c->request, MSG_REQUEST);
    r->stats.calls++;
    return c->tag;
}

void
router_call_parent(struct router *r, struct msg *request, int flags, rpc_fn fn, void *arg)
{
    uint32_t tag = add_call(r, TOPO_NONE, request, flags, fn, arg);

    if (tag == 0)
        return;
    if (overlay_send_parent(r->overlay, request) < 0 && !(flags & ROUTER_REPLAY))
        rpc_fail(r->rpcs, tag, EHOSTUNREACH);
}

void
router_call_rank(struct router *r, uint32_t rank, struct msg *request, rpc_fn fn, void *arg)
{
    uint32_t hop = TOPO_NONE;
    int rc = overlay_next_hop(r->overlay, rank, &hop);
    uint32_t tag = add_call(r, hop, request, 0, fn, arg);

    if (tag == 0)
        return;
    request->nodeid = rank;
    if (rc == 0)
        rc = hop == TOPO_NONE ? overlay_send_parent(r->overlay, request)
                              : overlay_send_child(r->overlay, hop, request);
    if (rc < 0) {
        msg_fini(request);
        rpc_fail(r->rpcs, tag, EHOSTUNREACH);
    }
}

size_t
router_child_count(const struct router *r)
{
    return overlay_child_count(r->overlay);
}

uint32_t
router_child(const struct router *r, size_t i)
{
    return overlay_child(r->overlay, i)->rank;
}

void
router_cancel_calls(struct router *r)
{
    router_forget_all_parked(r);
    router_forget_quiet(r);
    rpc_fail_all(r->rpcs, ECANCELED);
}

/* --- losses and returns --- */

/* Fail every call through `hop` that is not to be sent again.  Answers may start new calls, which
 * go to the end of the list, through another hop or failed already. */
static void
fail_calls(struct router *r, uint32_t hop)
{
    uint32_t *tags = xmalloc((rpc_pending(r->rpcs) + 1) * sizeof(*tags));
    size_t count = 0;

    LIST_FOR_EACH (node, &r->calls) {
        struct call *c = list_entry(node, struct call, node);

        if (c->hop == hop && !(c->flags & ROUTER_REPLAY))
            tags[count++] = c->tag;
    }
    for (size_t i = 0; i < count; i++)
        rpc_fail(r->rpcs, tags[i], EHOSTUNREACH);
    free(tags);
}

static void
replay_calls(struct router *r)
{
    LIST_FOR_EACH (node, &r->calls) {
        struct call *c = list_entry(node, struct call, node);
        struct msg again;

        if (c->hop != TOPO_NONE || !(c->flags & ROUTER_REPLAY))
            continue;
        msg_copy(&again, &c->request);
        overlay_send_parent(r->overlay, &again);
        r->stats.replayed++;
    }
}

void
router_parent_changed(struct router *r, bool online)
{
    if (online)
        replay_calls(r);
    else
        fail_calls(r, TOPO_NONE);
}

void
router_child_gone(struct router *r, uint32_t rank)
{
    fail_calls(r, rank);
    router_forget_parked(r, &(struct origin){.kind = ORIGIN_CHILD, .rank = rank});
}
