/* SPDX-License-Identifier: MPL-2.0 */
/* router_pass.c - a request that is passed on becomes a call of this rank; the answer to the call is the
 * answer to the request.  A request that wants no answer is sent on and forgotten; while its hop is full it
 * waits, and what it is charged waits with it.  Those of other ranks are charged to nobody here: beyond
 * QUIET_MAX they are dropped. */
#include "router_priv.h"
#include "xmem.h"

#include <string.h>

#define QUIET_MAX ((size_t)16 << 20) // bytes of requests of other ranks that wait

/* A request that wants no answer and waits for its hop. */
struct quiet {
    struct list node;            // on router.quiet
    uint32_t hop;                // the child's rank, TOPO_NONE: the parent
    struct msg onward;           // owned
    size_t cost;                 // bytes of it in quiet_bytes
    struct credit_charge charge; // owned: of the request
};

struct pass {
    struct router *router;  // borrowed
    struct request request; // owned
    void (*look)(void *arg, const struct msg *response);
    void *arg; // of look
};

static void
on_answer(void *arg, struct msg *response)
{
    struct pass *p = arg;
    bool goes_on = (p->request.msg.flags & MSG_STREAMING) && msg_is_more(response);

    if (p->look)
        p->look(p->arg, response);
    router_relay(p->router, &p->request, response);
    if (goes_on)
        return;
    request_finish(&p->request);
    spares_give(&p->router->spare_passes, p);
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

/* --- without answer --- */

static struct overlay_from
neighbour_at(const struct router *r, uint32_t hop)
{
    if (hop == TOPO_NONE)
        return (struct overlay_from){.kind = OVERLAY_PARENT,
                                     .rank = overlay_parent_rank(r->overlay)};
    return (struct overlay_from){.kind = OVERLAY_CHILD, .rank = hop};
}

/* No call, so nothing is kept: what gets lost is lost, which is what its sender said. */
static void
send_to_hop(struct router *r, uint32_t hop, struct msg *onward)
{
    if (hop == TOPO_NONE)
        overlay_send_parent(r->overlay, onward);
    else
        overlay_send_child(r->overlay, hop, onward);
}

void
router_tell_parent(struct router *r, struct msg *request)
{
    assert(request->flags & MSG_NORESPONSE);
    send_to_hop(r, TOPO_NONE, request);
}

static void
wait_for_hop(struct router *r, struct request *req, uint32_t hop, struct msg *onward)
{
    struct quiet *q;

    if (!req->charge.account && r->quiet_bytes >= QUIET_MAX) {
        elog_limited(&r->strange, ELOG_WARN,
                     "%s, which wants no answer, has to wait too long: dropped", onward->topic);
        msg_fini(onward);
        return;
    }
    q = xcalloc(1, sizeof(*q));
    q->hop = hop;
    q->cost = req->charge.account ? 0 : control_cost(onward);
    q->charge = req->charge;
    req->charge = (struct credit_charge){0};
    msg_move(&q->onward, onward);
    r->quiet_bytes += q->cost;
    list_init(&q->node);
    list_push_back(&r->quiet, &q->node);
}

static void
free_quiet(struct router *r, struct quiet *q)
{
    list_remove(&q->node);
    r->quiet_bytes -= q->cost;
    msg_fini(&q->onward);
    credit_settle(&q->charge);
    free(q);
}

void
router_send_quiet(struct router *r, const struct overlay_from *to)
{
    uint32_t hop = to->kind == OVERLAY_PARENT ? TOPO_NONE : to->rank;

    if (to->kind == OVERLAY_CLIENT)
        return;
    LIST_FOR_EACH (node, &r->quiet) {
        struct quiet *q = list_entry(node, struct quiet, node);
        struct msg onward;

        if (q->hop != hop)
            continue;
        if (overlay_is_full(r->overlay, to))
            return;
        msg_move(&onward, &q->onward);
        send_to_hop(r, hop, &onward);
        free_quiet(r, q);
    }
}

void
router_forget_quiet(struct router *r)
{
    LIST_FOR_EACH (node, &r->quiet)
        free_quiet(r, list_entry(node, struct quiet, node));
}

static void
pass_on_quietly(struct router *r, struct request *req, uint32_t rank,
                const struct overlay_from *asker, struct msg *onward)
{
    uint32_t hop = TOPO_NONE;
    struct overlay_from to;

    if (rank != TOPO_NONE) {
        onward->nodeid = rank;
        if (overlay_next_hop(r->overlay, rank, asker, &hop) < 0) {
            msg_fini(onward);
            return;
        }
    }
    to = neighbour_at(r, hop);
    if (overlay_is_full(r->overlay, &to))
        wait_for_hop(r, req, hop, onward);
    else
        send_to_hop(r, hop, onward);
}

/* --- with an answer --- */

/* What must not be done twice: when it is lost under way, nobody can tell whether it was done. */
static bool
is_repeatable(const char *topic)
{
    static const char *const once[] = {"kvs.commit", "kvs.fence",        "kvs.namespace-",
                                       "event.",     "content-backing.", "shutdown."};

    for (size_t i = 0; i < ARRAY_SIZE(once); i++) {
        if (strncmp(topic, once[i], strlen(once[i])) == 0)
            return false;
    }
    return true;
}

/* The rank whose client asks is the one that waits for a way. */
static int
flags_of(const struct request *req)
{
    int repeat = is_repeatable(req->msg.topic) ? ROUTER_REPLAY : 0;

    return (request_is_from_client(req) ? ROUTER_WAIT : ROUTER_HOP) | repeat;
}

/* The neighbour that asked, if one did. */
static const struct overlay_from *
asker_of(const struct request *req, struct overlay_from *memory)
{
    if (request_is_from_client(req))
        return NULL;
    *memory = (struct overlay_from){
        .kind = req->from.kind == ORIGIN_CHILD ? OVERLAY_CHILD : OVERLAY_PARENT,
        .rank = req->from.rank,
        .joined = req->from.joined,
        .peer = req->from.peer,
    };
    return memory;
}

static struct pass *
new_pass(struct router *r, const struct router_pass *how)
{
    struct pass *p = spares_take(&r->spare_passes, sizeof(*p));

    p->router = r;
    p->look = how->look;
    p->arg = how->arg;
    return p;
}

void
router_pass_on(struct router *r, struct request *req, const struct router_pass *how)
{
    struct overlay_from neighbour;
    struct router_asker asker = {flags_of(req), asker_of(req, &neighbour)};
    struct msg onward;
    struct pass *p;

    r->stats.forwarded++;
    make_onward(req, how, &onward);
    if (req->msg.flags & MSG_NORESPONSE) {
        pass_on_quietly(r, req, how->rank, asker.from, &onward);
        request_finish(req);
        return;
    }
    p = new_pass(r, how);
    request_keep_in(&p->request, req);
    if (how->rank == TOPO_NONE)
        router_call_parent(r, &onward, how->flags, on_answer, p);
    else
        router_call_rank(r, how->rank, &onward, &asker, on_answer, p);
}
