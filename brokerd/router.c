/* SPDX-License-Identifier: MPL-2.0 */
/* router.c - see router.h. */
#include "router.h"
#include "elog.h"
#include "list.h"
#include "xmem.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#define ERROR_TEXT_MAX 512

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

struct router {
    uint32_t rank;
    const struct service_table *services; // borrowed
    struct overlay *overlay;              // borrowed
    struct connector *connector;          // borrowed; may be NULL
    struct rpc_table *rpcs;               // owned: match tag -> struct call
    struct list calls;                    // every struct call, in the order they were made
    void (*on_event)(void *arg, const struct msg *event);
    void *on_event_arg; // borrowed
    struct router_stats stats;
};

struct router *
router_new(uint32_t rank, const struct service_table *services)
{
    struct router *r = xcalloc(1, sizeof(*r));

    r->rank = rank;
    r->services = services;
    r->rpcs = rpc_table_new();
    list_init(&r->calls);
    return r;
}

static void
free_call(struct call *c)
{
    list_remove(&c->node);
    msg_fini(&c->request);
    free(c);
}

void
router_free(struct router **router)
{
    struct router *r = TAKE(*router);

    if (!r)
        return;
    assert(list_is_empty(&r->calls));
    rpc_table_free(&r->rpcs);
    free(r);
}

void
router_cancel_calls(struct router *r)
{
    rpc_fail_all(r->rpcs, ECANCELED);
}

void
router_attach(struct router *r, struct overlay *overlay, struct connector *connector)
{
    r->overlay = overlay;
    r->connector = connector;
}

void
router_set_event_handler(struct router *r, void (*fn)(void *arg, const struct msg *event),
                         void *arg)
{
    r->on_event = fn;
    r->on_event_arg = arg;
}

const struct router_stats *
router_stats(struct router *r)
{
    r->stats.pending = rpc_pending(r->rpcs);
    return &r->stats;
}

/* --- answering --- */

/* An answer that cannot be delivered has nobody waiting for it any more. */
static void
send_back(struct router *r, const struct origin *to, struct msg *m)
{
    r->stats.responses++;
    switch (to->kind) {
    case ORIGIN_CONN:
        if (r->connector)
            connector_send(r->connector, to->conn, m);
        break;
    case ORIGIN_CLIENT:
        overlay_send_client(r->overlay, &to->peer, m);
        break;
    case ORIGIN_CHILD:
        overlay_send_child(r->overlay, to->rank, m);
        break;
    case ORIGIN_PARENT:
        overlay_send_parent(r->overlay, m);
        break;
    }
    msg_fini(m);
}

/* The one place where a response is made; consumes *payload. */
static void
answer(struct router *r, struct request *req, int errnum, struct blob **payload)
{
    struct msg m;

    if (req->msg.flags & MSG_NORESPONSE) {
        blob_unref(payload);
        return;
    }
    msg_init_response(&m, &req->msg, errnum);
    m.rolemask = req->msg.rolemask;
    m.userid = req->msg.userid;
    if (*payload)
        msg_set_payload(&m, payload);
    send_back(r, &req->from, &m);
}

void
router_respond(struct router *r, struct request *req, struct blob **payload)
{
    answer(r, req, 0, payload);
    msg_fini(&req->msg);
}

static struct blob *
text_blob(const char *text)
{
    return blob_new(text, strlen(text) + 1); // the NUL travels too, as in Flux
}

void
router_respond_text(struct router *r, struct request *req, const char *text)
{
    struct blob *payload = text_blob(text);

    router_respond(r, req, &payload);
}

void
router_stream_text(struct router *r, struct request *req, const char *text)
{
    struct blob *payload = text_blob(text);

    answer(r, req, 0, &payload);
}

void
router_respond_error(struct router *r, struct request *req, int errnum, const char *fmt, ...)
{
    struct blob *payload = NULL;

    assert(errnum > 0);
    r->stats.errors++;
    if (fmt) {
        char text[ERROR_TEXT_MAX];
        va_list ap;

        va_start(ap, fmt);
        vsnprintf(text, sizeof(text), fmt, ap);
        va_end(ap);
        payload = text_blob(text);
    }
    answer(r, req, errnum, &payload);
    msg_fini(&req->msg);
}

void
router_relay(struct router *r, struct request *req, struct msg *response)
{
    bool goes_on = (req->msg.flags & MSG_STREAMING) && response->errnum == 0;
    struct blob *payload = blob_ref(response->payload);

    answer(r, req, (int)response->errnum, &payload);
    if (!goes_on)
        msg_fini(&req->msg);
}

/* --- calling --- */

static void
on_answer(void *arg, struct msg *response)
{
    struct call *c = arg;
    rpc_fn fn = c->fn;
    void *fn_arg = c->arg;

    if (!c->streaming || response->errnum != 0)
        free_call(c);
    fn(fn_arg, response);
}

/* Returns the call's tag: the call itself may have failed by the time a send returns. */
static uint32_t
add_call(struct router *r, uint32_t hop, struct msg *request, int flags, rpc_fn fn, void *arg)
{
    struct call *c = xcalloc(1, sizeof(*c));

    c->router = r;
    c->hop = hop;
    c->flags = flags;
    c->streaming = (request->flags & MSG_STREAMING) != 0;
    c->fn = fn;
    c->arg = arg;
    c->tag = rpc_add(r->rpcs, c->streaming, on_answer, c);
    list_init(&c->node);
    list_push_back(&r->calls, &c->node);
    request->matchtag = c->tag;
    if (flags & ROUTER_REPLAY)
        msg_copy(&c->request, request);
    r->stats.calls++;
    return c->tag;
}

void
router_call_parent(struct router *r, struct msg *request, int flags, rpc_fn fn, void *arg)
{
    uint32_t tag = add_call(r, TOPO_NONE, request, flags, fn, arg);

    if (overlay_send_parent(r->overlay, request) < 0 && !(flags & ROUTER_REPLAY))
        rpc_fail(r->rpcs, tag, EHOSTUNREACH);
}

void
router_call_rank(struct router *r, uint32_t rank, struct msg *request, rpc_fn fn, void *arg)
{
    uint32_t hop = TOPO_NONE;
    int rc = overlay_next_hop(r->overlay, rank, &hop);
    uint32_t tag = add_call(r, hop, request, 0, fn, arg);

    request->nodeid = rank;
    if (rc == 0)
        rc = hop == TOPO_NONE ? overlay_send_parent(r->overlay, request)
                              : overlay_send_child(r->overlay, hop, request);
    if (rc < 0) {
        msg_fini(request);
        rpc_fail(r->rpcs, tag, EHOSTUNREACH);
    }
}

void
router_send_down(struct router *r, const struct msg *event)
{
    overlay_send_down(r->overlay, event);
}

/* --- passing on --- */

struct forward {
    struct router *router;   // borrowed
    struct request *request; // owned
};

static void
on_forward_answer(void *arg, struct msg *response)
{
    struct forward *f = arg;
    bool goes_on = (f->request->msg.flags & MSG_STREAMING) && response->errnum == 0;

    router_relay(f->router, f->request, response);
    if (goes_on)
        return;
    request_free(&f->request);
    free(f);
}

static void
ignore_answer(void *arg, struct msg *response)
{
    (void)arg;
    (void)response;
}

static void
forward_request(struct router *r, struct request *req, uint32_t rank)
{
    struct msg onward;
    struct forward *f;

    r->stats.forwarded++;
    msg_copy(&onward, &req->msg);
    onward.nroutes = 0;
    if (req->msg.flags & MSG_NORESPONSE) {
        onward.flags &= (uint8_t)~MSG_NORESPONSE; // the hop answers, so that our call ends
        router_call_rank(r, rank, &onward, ignore_answer, NULL);
        return;
    }
    f = xmalloc(sizeof(*f));
    f->router = r;
    f->request = request_keep(req);
    router_call_rank(r, rank, &onward, on_forward_answer, f);
}

static void
take_request(struct router *r, struct request *req)
{
    struct msg *m = &req->msg;
    bool here = m->nodeid == r->rank || m->nodeid == MSG_NODEID_ANY;

    r->stats.requests++;
    if (m->oversized) {
        router_respond_error(r, req, EFBIG, NULL);
    } else if ((m->flags & MSG_UPSTREAM) && m->nodeid == r->rank && r->rank > 0) {
        m->flags &= (uint8_t)~MSG_UPSTREAM;
        forward_request(r, req, overlay_parent_rank(r->overlay));
    } else if (!here) {
        forward_request(r, req, m->nodeid);
    } else if (!service_table_call(r->services, req)) {
        router_respond_error(r, req, ENOSYS, "No service matching %s is registered", m->topic);
    }
    msg_fini(m);
}

/* --- events from below --- */

void
router_from_conn(struct router *r, uint64_t conn, struct msg *m)
{
    struct request req = {.from = {.kind = ORIGIN_CONN, .conn = conn}};

    if (m->type != MSG_REQUEST)
        return;
    msg_move(&req.msg, m);
    take_request(r, &req);
}

static void
request_from_overlay(struct router *r, const struct overlay_from *from, struct msg *m)
{
    struct request req;

    switch (from->kind) {
    case OVERLAY_PARENT:
        req.from = (struct origin){.kind = ORIGIN_PARENT};
        break;
    case OVERLAY_CHILD:
        req.from = (struct origin){.kind = ORIGIN_CHILD, .rank = from->rank};
        break;
    case OVERLAY_CLIENT:
        req.from = (struct origin){.kind = ORIGIN_CLIENT, .peer = from->peer};
        m->userid = geteuid(); // whoever reaches the tree socket is the owner (I10)
        m->rolemask = MSG_ROLE_OWNER;
        break;
    }
    msg_move(&req.msg, m);
    take_request(r, &req);
}

void
router_from_overlay(struct router *r, const struct overlay_from *from, struct msg *m)
{
    if (m->type == MSG_REQUEST) {
        request_from_overlay(r, from, m);
    } else if (from->kind == OVERLAY_CLIENT) {
        elog(ELOG_WARN, "a remote client sent a message that is no request: dropped");
    } else if (m->type == MSG_RESPONSE) {
        if (!rpc_deliver(r->rpcs, m))
            elog(ELOG_DEBUG, "late answer to %s dropped", m->topic);
    } else if (m->type == MSG_EVENT && from->kind == OVERLAY_PARENT) {
        if (r->on_event)
            r->on_event(r->on_event_arg, m);
        overlay_send_down(r->overlay, m);
    }
}

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
}
