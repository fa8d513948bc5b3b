/* SPDX-License-Identifier: MPL-2.0 */
/* router.c - requests in, answers out (see router.h).
 *
 * origin of a request     how its answer goes back            and if it is gone
 * local client            connector, by connection id         dropped: ids are never used again
 * remote client           tree socket, by identity            dropped: identities are not either
 * child                   tree socket, by the identity the    dropped: a child that was restarted
 *                         request came with                   must not get its former self's answers
 * parent                  the way up, while the same join     dropped, for the same reason
 *                         lasts
 *
 * Sending never calls back: a child found to be gone while it is sent to is reported in a later turn
 * (overlay.h), so handlers may answer from anywhere. */
#include "router_priv.h"
#include "elog.h"
#include "xmem.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#define ERROR_TEXT_MAX 512

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
        overlay_answer_child(r->overlay, to->rank, &to->peer, m);
        break;
    case ORIGIN_PARENT:
        if (to->joined == overlay_parent_joined(r->overlay))
            overlay_send_parent(r->overlay, m);
        break;
    }
    msg_fini(m);
}

/* The one place where a response is made; consumes *payload.  more: others will follow. */
static void
answer(struct router *r, struct request *req, int errnum, bool more, struct blob **payload)
{
    struct msg m;

    if (req->msg.flags & MSG_NORESPONSE) {
        blob_unref(payload);
        return;
    }
    msg_init_response(&m, &req->msg, errnum);
    if (errnum == 0 && !more)
        m.flags &=
            (uint8_t)~MSG_STREAMING; // the only answer of a request that might have been a stream
    m.rolemask = req->msg.rolemask;
    m.userid = req->msg.userid;
    if (*payload)
        msg_set_payload(&m, payload);
    send_back(r, &req->from, &m);
}

void
router_respond(struct router *r, struct request *req, struct blob **payload)
{
    answer(r, req, 0, false, payload);
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

    answer(r, req, 0, true, &payload);
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
    answer(r, req, errnum, false, &payload);
    msg_fini(&req->msg);
}

void
router_relay(struct router *r, struct request *req, struct msg *response)
{
    bool goes_on = (req->msg.flags & MSG_STREAMING) && msg_is_more(response);
    struct blob *payload = blob_ref(response->payload);

    answer(r, req, (int)response->errnum, goes_on, &payload);
    if (!goes_on)
        msg_fini(&req->msg);
}

/* --- requests --- */

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
        router_pass_on(r, req, &(struct router_pass){.rank = overlay_parent_rank(r->overlay)});
    } else if (!here) {
        router_pass_on(r, req, &(struct router_pass){.rank = m->nodeid});
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
        req.from =
            (struct origin){.kind = ORIGIN_PARENT, .joined = overlay_parent_joined(r->overlay)};
        break;
    case OVERLAY_CHILD:
        req.from = (struct origin){.kind = ORIGIN_CHILD, .rank = from->rank, .peer = from->peer};
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
router_send_down(struct router *r, const struct msg *event)
{
    overlay_send_down(r->overlay, event);
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
