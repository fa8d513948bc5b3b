/* SPDX-License-Identifier: MPL-2.0 */
/* client_request.c - one request of a handle, from sending it to its completion.
 *
 * state      room in the window   answered    EAGAIN, others are under way   cancelled
 * WAITING    UNDER_WAY: sent      -           -                              gone
 * UNDER_WAY  -                    gone, fn    WAITING                        gone; the rank is told
 *
 * Over a transport without a window a request is UNDER_WAY from the start.  Streams are sent in their
 * turn, but not counted: many that wait for something must not keep back the request that makes it
 * happen.  They are not sent again either, for some of the stream may have come.
 *
 * I1 A request lives exactly while its tag is in x->rpcs, whose args are the requests.
 * I2 A request is freed before its last completion runs, so a completion may cancel, ask again, or
 *    dispatch as it likes; only closing the handle inside a completion is not allowed.
 */
#include "client.h"
#include "blobref.h"
#include "control.h"
#include "xmem.h"

#include <errno.h>
#include <stdio.h>

enum request_state { UNDER_WAY, WAITING };

struct request {
    struct xylem *x; // borrowed
    enum request_state state;
    uint32_t tag;          // in x->rpcs
    uint64_t number;       // in the order of the calls
    struct list waiting;   // on x->waiting when WAITING
    char *topic;           // owned; to send it (again), NULL without a window
    struct blob *payload;  // a reference, owned; likewise
    uint64_t cost;         // bytes, in the window
    uint32_t rank;         // where it went, or XYLEM_RANK_ANY
    bool streaming;        // more than one answer
    enum client_form form; // of the answer
    char *cancel_topic;    // owned; where to tell that nobody listens any more, or NULL
    xylem_fn fn;           // the completion
    void *arg;             // borrowed, for fn
};

/* Does it take room in the window while it is UNDER_WAY? */
static bool
is_counted(const struct request *r)
{
    return r->topic && !r->streaming;
}

static void
free_request(struct request *r)
{
    if (r->state == WAITING)
        list_remove(&r->waiting);
    else if (is_counted(r))
        client_window_done(&r->x->window, r->cost);
    free(r->topic);
    blob_unref(&r->payload);
    free(r->cancel_topic);
    free(r);
}

static void send_waiting(struct xylem *x);

/* --- answers --- */

static void
set_error(struct xylem_reply *reply, int errnum, const char *text)
{
    reply->rc = -errnum;
    reply->error = text && text[0] ? text : err_name(errnum);
    reply->data = "";
    reply->size = 0;
}

static void
set_blobref(struct xylem_reply *reply, const struct request *r, const struct msg *m,
            char text[BLOBREF_MAX])
{
    struct digest d;

    if (!r->x->has_alg || digest_from_bytes(r->x->alg, msg_data(m), msg_size(m), &d) < 0) {
        set_error(reply, EPROTO, "the rank's answer is not a digest");
        return;
    }
    reply->data = blobref_format(r->x->alg, &d, text);
    reply->size = strlen(text) + 1;
}

static void
set_bytes(struct xylem_reply *reply, const struct request *r, const struct msg *m)
{
    if (r->form == CLIENT_TEXT && msg_size(m) > 0 && !msg_text(m)) {
        set_error(reply, EPROTO, "the rank's answer is not text");
        return;
    }
    reply->data = msg_size(m) > 0 ? msg_data(m) : "";
    reply->size = msg_size(m);
}

static void
on_response(void *arg, struct msg *m)
{
    struct request *request = arg;
    const struct request r = *request;
    struct xylem_reply reply = {.error = ""};
    char text[BLOBREF_MAX];

    if (m->errnum != 0)
        set_error(&reply, (int)(m->errnum & INT32_MAX), msg_text(m));
    else if (r.form == CLIENT_BLOBREF)
        set_blobref(&reply, &r, m, text);
    else
        set_bytes(&reply, &r, m);
    if (!r.streaming || !msg_is_more(m)) {
        rpc_cancel(r.x->rpcs, r.tag);
        free_request(request);
        send_waiting(r.x);
    }
    r.x->completed++;
    r.fn(r.arg, &reply); /* I2 */
}

/* --- sending --- */

static int
send_message(struct xylem *x, struct msg *m)
{
    int rc = x->transport->ops->send(x->transport, m);

    if (x->depth == 0)
        x->transport->ops->settle(x->transport);
    return rc;
}

/* The route delimiter is always there: Flux's brokers expect it, and so do ours. */
static int
init_message(struct msg *m, const char *topic, uint32_t rank, struct blob **payload)
{
    struct blob *p = TAKE(*payload);

    msg_init(m, MSG_REQUEST);
    m->flags |= MSG_ROUTE;
    m->nodeid = rank;
    msg_set_payload(m, &p);
    return msg_set_topic(m, topic);
}

/* --- waiting for room --- */

static int
send_kept(const struct request *r)
{
    struct blob *payload = blob_ref(r->payload);
    AUTO(msg) struct msg m;
    int rc = init_message(&m, r->topic, r->rank, &payload);

    assert(rc == 0); // it was made once before
    m.matchtag = r->tag;
    m.flags |= r->streaming ? MSG_STREAMING : 0;
    return send_message(r->x, &m);
}

/* When a send fails the connection is breaking: what waits then fails with it. */
static void
send_waiting(struct xylem *x)
{
    while (x->state == CLIENT_OPEN && !list_is_empty(&x->waiting)) {
        struct request *r = list_entry(x->waiting.next, struct request, waiting);

        if (is_counted(r) && !client_window_has_room(&x->window, r->cost))
            return;
        if (send_kept(r) < 0)
            return;
        list_remove(&r->waiting);
        r->state = UNDER_WAY;
        if (is_counted(r))
            client_window_sent(&x->window, r->cost);
    }
}

/* In the order of the calls: those that were refused have come before the others. */
static void
wait_in_line(struct request *r)
{
    struct list *pos = &r->x->waiting;

    LIST_FOR_EACH (it, &r->x->waiting) {
        if (list_entry(it, struct request, waiting)->number > r->number) {
            pos = it;
            break;
        }
    }
    r->state = WAITING;
    list_insert_before(pos, &r->waiting);
}

bool
client_request_take_back(struct xylem *x, const struct msg *m)
{
    /* With a text it is a service that says so: what a commit has expected does not hold. */
    struct request *r = m->errnum == EAGAIN && !m->payload ? rpc_peek(x->rpcs, m->matchtag) : NULL;

    if (!r || r->state != UNDER_WAY || !is_counted(r) || x->window.requests < 2)
        return false;
    client_window_refused(&x->window, r->cost);
    wait_in_line(r);
    return true;
}

/* Keep the request, whose message is *m, and send it when it is its turn. */
static int
send_in_turn(struct request *r, const struct msg *m)
{
    r->topic = xstrdup(m->topic);
    r->payload = blob_ref(m->payload);
    r->cost = control_cost(m);
    r->state = WAITING;
    list_push_back(&r->x->waiting, &r->waiting);
    send_waiting(r->x);
    return 0;
}

/* --- starting --- */

static char *
make_cancel_topic(const char *topic)
{
    const char *dot = strrchr(topic, '.');

    return dot ? xasprintf("%.*s.cancel", (int)(dot - topic), topic) : NULL;
}

/* NULL when too many are pending. */
static struct request *
add_request(struct xylem *x, const struct client_request *spec, xylem_fn fn, void *arg)
{
    struct request *r = xcalloc(1, sizeof(*r));

    r->x = x;
    r->rank = spec->rank;
    r->streaming = spec->streaming;
    r->form = spec->form;
    r->cancel_topic = spec->streaming || spec->waits ? make_cancel_topic(spec->topic) : NULL;
    r->fn = fn;
    r->arg = arg;
    r->number = ++x->last_number;
    list_init(&r->waiting);
    r->tag = rpc_add(x->rpcs, r->streaming, on_response, r);
    if (r->tag == 0)
        free_request(TAKE(r));
    return r;
}

static int
check_may_send(struct xylem *x)
{
    if (x->state == CLIENT_LOST)
        return client_fail(x, -ECONNRESET, "the connection to the rank is lost");
    if (x->state == CLIENT_CLOSING)
        return client_fail(x, -ECANCELED, "the handle is being closed");
    return 0;
}

int
client_request(struct xylem *x, const struct client_request *spec, struct blob **payload,
               xylem_fn fn, void *arg, uint32_t *ret_tag)
{
    AUTO(msg) struct msg m;
    int rc = init_message(&m, spec->topic, spec->rank, payload);
    struct request *r;

    if (rc < 0)
        return client_fail(x, -EINVAL, "the topic is too long");
    rc = check_may_send(x);
    if (rc < 0)
        return rc;
    r = add_request(x, spec, fn, arg);
    if (!r)
        return client_fail(x, -ENOBUFS, "%d requests are pending", RPC_PENDING_MAX);
    m.matchtag = r->tag;
    m.flags |= spec->streaming ? MSG_STREAMING : 0;
    rc = x->transport->window > 0 ? send_in_turn(r, &m) : send_message(x, &m);
    if (rc < 0) {
        rpc_cancel(x->rpcs, r->tag);
        free_request(r);
        return client_fail(x, rc, "%s: %s", spec->topic, err_name(rc));
    }
    if (ret_tag)
        *ret_tag = r->tag;
    return 0;
}

/* --- forgetting --- */

/* A stream, or the waiting for something, would go on for ever if the rank were not told. */
static void
send_cancel(struct xylem *x, const struct request *r)
{
    struct msg m;
    char *text = xasprintf("{\"matchtag\":%u}", r->tag);
    struct blob *payload = client_text_payload(&text);

    if (init_message(&m, r->cancel_topic, r->rank, &payload) == 0) {
        m.flags |= MSG_NORESPONSE;
        send_message(x, &m);
    }
    msg_fini(&m);
}

void
xylem_cancel(xylem_t *x, uint32_t tag)
{
    struct request *r = rpc_cancel(x->rpcs, tag);

    if (!r)
        return;
    if (r->state == UNDER_WAY && r->cancel_topic && x->state == CLIENT_OPEN)
        send_cancel(x, r);
    free_request(r);
    send_waiting(x);
}
