/* SPDX-License-Identifier: MPL-2.0 */
/* router.c - requests in, answers out (see router.h).
 *
 * origin of a request     how its answer goes back            and if it is gone
 * local client            connector, by connection id         dropped: ids are never used again
 * remote client           tree socket, by identity            dropped: identities are not either
 * child                   tree socket, by the identity the    dropped: a child that was restarted
 *                         request came with                   must not get its former self's answers
 * parent                  the link of the join it came by     dropped, for the same reason
 *
 * Sending never calls back: a child found to be gone while it is sent to is reported in a later turn
 * (overlay.h), so handlers may answer from anywhere. */
#include "router_priv.h"
#include "clock.h"
#include "elog.h"
#include "latency.h"
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
    list_init(&r->lots);
    list_init(&r->quiet);
    router_once_init(&r->once);
    router_remotes_init(&r->remotes);
    return r;
}

void
router_free(struct router **router)
{
    struct router *r = TAKE(*router);

    if (!r)
        return;
    assert(list_is_empty(&r->calls));
    router_forget_all_parked(r);
    router_forget_quiet(r);
    router_once_fini(&r->once);
    router_remotes_fini(&r->remotes);
    rpc_table_free(&r->rpcs);
    spares_fini(&r->spare_calls);
    spares_fini(&r->spare_passes);
    free(r);
}

void
router_attach(struct router *r, struct overlay *overlay, struct connector *connector)
{
    r->overlay = overlay;
    r->connector = connector;
}

void
router_set_event_handler(struct router *r, bool (*fn)(void *arg, const struct msg *event),
                         void *arg)
{
    r->on_event = fn;
    r->on_event_arg = arg;
}

void
router_set_event_listener(struct router *r, void (*fn)(void *arg, const struct msg *event),
                          void *arg)
{
    r->listen = fn;
    r->listen_arg = arg;
}

void
router_set_drain_handler(struct router *r, void (*fn)(void *arg, const struct origin *asker),
                         void *arg)
{
    r->on_drained = fn;
    r->on_drained_arg = arg;
}

void
router_set_metrics(struct router *r, struct metrics *metrics)
{
    r->metrics = metrics;
}

size_t
router_child_count(const struct router *r)
{
    return overlay_child_count(r->overlay);
}

uint32_t
router_child(const struct router *r, size_t i)
{
    return overlay_child(r->overlay, i).peer->rank;
}

void
router_number_events(struct router *r, uint32_t last)
{
    r->events = last;
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
        overlay_answer_parent(r->overlay, to->joined, m);
        break;
    }
    msg_fini(m);
}

/* A rank that stops has cancelled what neighbours asked: they hear of its end, and ask the next one. */
static bool
is_left_to_others(const struct router *r, const struct request *req, int errnum)
{
    return r->is_stopping && errnum == ECANCELED && !request_is_from_client(req);
}

/* The one place where a response is made; consumes *payload.  more: others will follow. */
static void
answer(struct router *r, struct request *req, int errnum, bool more, struct blob **payload)
{
    struct msg m;

    if (req->once && !more)
        router_once_finish(r, TAKE(req->once), errnum, *payload);
    if ((req->msg.flags & MSG_NORESPONSE) || is_left_to_others(r, req, errnum)) {
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

/* The last answer to req has been given. */
static void
finish(struct router *r, struct request *req)
{
    struct origin from = req->from;

    latency_observe(r->metrics, &req->msg, req->waited, clock_us() - req->began);
    request_finish(req);
    router_unpark(r, &from, 1);
}

void
router_answer(struct router *r, struct request *req, int errnum, struct blob **payload)
{
    answer(r, req, errnum, false, payload);
    finish(r, req);
}

void
router_respond(struct router *r, struct request *req, struct blob **payload)
{
    if (router_must_park(r, req, blob_size(*payload))) {
        blob_unref(payload);
        router_park(r, req);
        return;
    }
    answer(r, req, 0, false, payload);
    finish(r, req);
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
router_stream(struct router *r, struct request *req, struct blob **payload)
{
    answer(r, req, 0, true, payload);
}

void
router_stream_text(struct router *r, struct request *req, const char *text)
{
    struct blob *payload = text_blob(text);

    router_stream(r, req, &payload);
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
    finish(r, req);
}

void
router_relay(struct router *r, struct request *req, struct msg *response)
{
    bool goes_on = (req->msg.flags & MSG_STREAMING) && msg_is_more(response);
    struct blob *payload = blob_ref(response->payload);

    if (!goes_on && response->errnum == 0) {
        router_respond(r, req, &payload);
        return;
    }
    answer(r, req, (int)response->errnum, goes_on, &payload);
    if (!goes_on)
        finish(r, req);
}

/* --- requests --- */

void
router_serve(struct router *r, struct request *req)
{
    struct msg *m = &req->msg;
    bool here = m->nodeid == r->rank || m->nodeid == MSG_NODEID_ANY;

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
    request_finish(req); // one that nobody answered or kept: it wanted no answer
}

/* A neighbour that does not read is not served either. */
static void
take_request(struct router *r, struct request *req)
{
    r->stats.requests++;
    req->began = clock_us();
    if (req->from.kind == ORIGIN_CLIENT && !router_admit_remote(r, req))
        return;
    if (router_must_park_unserved(r, req))
        router_park(r, req);
    else
        router_serve(r, req);
}

/* --- events from below --- */

void
router_from_conn(struct router *r, uint64_t conn, struct msg *m, struct credit_charge *charge)
{
    struct request req = {.from = {.kind = ORIGIN_CONN, .conn = conn}, .charge = *charge};

    if (m->type != MSG_REQUEST)
        return;
    *charge = (struct credit_charge){0};
    msg_move(&req.msg, m);
    take_request(r, &req);
}

/* What was parked goes first: it came before. */
static void
asker_drained(struct router *r, const struct origin *asker)
{
    router_unpark(r, asker, UNPARK_SOME);
    if (r->on_drained)
        r->on_drained(r->on_drained_arg, asker);
}

void
router_conn_drained(struct router *r, uint64_t conn)
{
    asker_drained(r, &(struct origin){.kind = ORIGIN_CONN, .conn = conn});
}

void
router_client_gone(struct router *r, const struct origin *client)
{
    router_forget_parked(r, client);
    if (client->kind == ORIGIN_CLIENT)
        router_forget_remote(r, &client->peer);
}

static struct origin
origin_of(const struct overlay_from *from)
{
    switch (from->kind) {
    case OVERLAY_CHILD:
        return (struct origin){.kind = ORIGIN_CHILD, .rank = from->rank, .peer = from->peer};
    case OVERLAY_CLIENT:
        return (struct origin){.kind = ORIGIN_CLIENT, .peer = from->peer};
    case OVERLAY_PARENT:
        break;
    }
    return (struct origin){.kind = ORIGIN_PARENT, .joined = from->joined};
}

void
router_neighbour_drained(struct router *r, const struct overlay_from *from)
{
    struct origin origin = origin_of(from);

    elog_limit_tell(&r->strange);
    router_send_quiet(r, from);
    asker_drained(r, &origin);
}

static void
request_from_overlay(struct router *r, const struct overlay_from *from, struct msg *m)
{
    struct request req = {.from = origin_of(from)};

    if (from->kind == OVERLAY_CLIENT) {
        m->userid = geteuid(); // whoever reaches the tree socket is the owner (I10)
        m->rolemask = MSG_ROLE_OWNER;
    }
    msg_move(&req.msg, m);
    take_request(r, &req);
}

static void
announce(struct router *r, const struct msg *event)
{
    if (r->listen)
        r->listen(r->listen_arg, event);
    overlay_send_down(r->overlay, event);
}

void
router_send_down(struct router *r, struct msg *event)
{
    event->userid = geteuid();
    event->rolemask = MSG_ROLE_OWNER;
    if (r->rank == 0)
        event->sequence = ++r->events;
    announce(r, event);
}

#define HEARD_AGAIN 4096 // events that one link may be behind the other

/* A rank that goes home hears some events by both links.  Each run of rank 0 numbers them from anywhere on,
 * so those of a new run are hardly ever taken for old ones. */
static bool
is_news(struct router *r, const struct msg *event)
{
    if (event->sequence == 0)
        return true; // made between
    if (r->heard - event->sequence < HEARD_AGAIN)
        return false;
    r->heard = event->sequence;
    return true;
}

void
router_from_overlay(struct router *r, const struct overlay_from *from, struct msg *m)
{
    if (m->type == MSG_REQUEST) {
        request_from_overlay(r, from, m);
    } else if (from->kind == OVERLAY_CLIENT) {
        elog_limited(&r->strange, ELOG_WARN,
                     "a remote client sent a message that is no request: dropped");
    } else if (m->type == MSG_RESPONSE) {
        if (!rpc_deliver(r->rpcs, m))
            elog(ELOG_DEBUG, "late answer to %s dropped", m->topic);
    } else if (m->type == MSG_EVENT && from->kind == OVERLAY_PARENT && is_news(r, m)) {
        if (!r->on_event || r->on_event(r->on_event_arg, m))
            announce(r, m);
        else
            overlay_send_down(r->overlay, m);
    }
}
