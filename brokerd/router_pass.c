/* SPDX-License-Identifier: MPL-2.0 */
/* router_pass.c - a request that is passed on becomes a call of this rank; the answer to the call is the
 * answer to the request.  A request that wants no answer is sent on and forgotten. */
#include "router_priv.h"
#include "xmem.h"

struct pass {
    struct router *router;   // borrowed
    struct request *request; // owned
    void (*look)(void *arg, const struct msg *response);
    void *arg; // of look
};

static void
on_answer(void *arg, struct msg *response)
{
    struct pass *p = arg;
    bool goes_on = (p->request->msg.flags & MSG_STREAMING) && msg_is_more(response);

    if (p->look)
        p->look(p->arg, response);
    router_relay(p->router, p->request, response);
    if (goes_on)
        return;
    request_free(&p->request);
    free(p);
}

static void
make_onward(const struct request *req, const struct router_pass *how, struct msg *ret)
{
    msg_copy(ret, &req->msg);
    ret->nroutes = 0; // our own answer finds its way by the request we keep
    ret->flags &= (uint8_t)~MSG_UPSTREAM;
    ret->nodeid = MSG_NODEID_ANY; // the parent is to serve it, not to send it back
    if (how->topic)
        msg_set_topic(ret, how->topic);
}

/* No call, so nothing is kept: what gets lost is lost, which is what its sender said. */
static void
send_quietly(struct router *r, uint32_t rank, struct msg *onward)
{
    uint32_t hop = TOPO_NONE;

    if (rank != TOPO_NONE) {
        onward->nodeid = rank;
        if (overlay_next_hop(r->overlay, rank, &hop) < 0) {
            msg_fini(onward);
            return;
        }
    }
    if (hop == TOPO_NONE)
        overlay_send_parent(r->overlay, onward);
    else
        overlay_send_child(r->overlay, hop, onward);
}

void
router_tell_parent(struct router *r, struct msg *request)
{
    assert(request->flags & MSG_NORESPONSE);
    send_quietly(r, TOPO_NONE, request);
}

void
router_pass_on(struct router *r, struct request *req, const struct router_pass *how)
{
    struct msg onward;
    struct pass *p;

    r->stats.forwarded++;
    make_onward(req, how, &onward);
    if (req->msg.flags & MSG_NORESPONSE) {
        send_quietly(r, how->rank, &onward);
        request_finish(req);
        return;
    }
    p = xmalloc(sizeof(*p));
    *p = (struct pass){r, request_keep(req), how->look, how->arg};
    if (how->rank == TOPO_NONE)
        router_call_parent(r, &onward, how->flags, on_answer, p);
    else
        router_call_rank(r, how->rank, &onward, on_answer, p);
}
