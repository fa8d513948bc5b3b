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
 * To a rank: the rank whose client asks waits (WAIT), with patience, as long as a way may be found when
 * others have healed theirs; those between (HOP) only say that they have none:
 *   ENETUNREACH   it was not sent on: it may be sent again
 *   ENETRESET     it was, and the hop was lost: only with REPLAY
 *   EHOSTUNREACH  that rank is lost, has left, or never came: for good
 * When a child has no way, the next one up from there is asked: it may have adopted who came back later than
 * the one between them.  Only who asks a second time, a moment later, takes it for true that a rank is lost.
 * Clients see the last of these only, with a text that names who is lost.
 *
 * A call is gone before its fn is called, and fn may make new calls.  Calls that fail together are
 * collected by tag first: a tag outlives whatever the fns before it did. */
#include "router_priv.h"
#include "xmem.h"

#include <errno.h>
#include <stdio.h>

#define RETRY_MS 50  // between looks for a way
#define DOUBT_MS 200 // for so long nobody is believed that a rank is lost

enum call_state { UNDER_WAY, WAITING };

/* A call of ours that is not answered. */
struct call {
    struct list node;      // on router.calls
    struct router *router; // borrowed
    enum call_state state;
    uint32_t rank;   // whom it is for; TOPO_NONE: the parent
    uint32_t hop;    // UNDER_WAY: child it went through; TOPO_NONE: the parent
    uint32_t tried;  // the last child that had no way; TOPO_NONE: none, since it last waited
    bool is_lost;    // one of them says that the rank is lost
    int64_t doubted; // ms: when that was heard first; 0: it was not
    uint64_t joined; // UNDER_WAY through the parent: by that join
    uint32_t tag;    // our match tag
    int flags;       // ROUTER_REPLAY, ROUTER_WAIT, ROUTER_HOP
    bool streaming;
    bool answered;             // a part of the stream has come
    bool from_neighbour;       // asker is valid
    struct overlay_from asker; // who is no way: it asked us
    int64_t sent_at;           // ms: UNDER_WAY since
    int64_t until;             // ms: WAITING for a way: then it fails; 0: has not waited yet
    struct msg request;        // kept to be sent again; empty without flags
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

static bool
is_no_way(uint32_t errnum)
{
    return errnum == ENETUNREACH || errnum == ENETRESET;
}

static bool try_another(struct call *c, const struct msg *response);
static bool retry_later(struct call *c, const struct msg *response);
static void settle(struct call *c, struct msg *response);

static void
on_answer(void *arg, struct msg *response)
{
    struct call *c = arg;
    rpc_fn fn = c->fn;
    void *fn_arg = c->arg;

    if (c->rank != TOPO_NONE && response->errnum != 0) {
        if (try_another(c, response))
            return;
        if (c->is_lost && is_no_way(response->errnum))
            response->errnum = EHOSTUNREACH;
        if (retry_later(c, response))
            return;
        settle(c, response);
    }
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
    c->sent_at = now_of(c->router);
    return sent;
}

static void
send_again(struct call *c)
{
    struct msg again;

    msg_copy(&again, &c->request);
    again.matchtag = c->tag;
    if (send_call(c, &again))
        c->router->stats.replayed++;
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
    tag = rpc_add(r->rpcs, c->streaming, on_answer, c);
    if (tag == 0)
        return false;
    c->tag = tag;
    send_again(c);
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
    struct router *r = c->router;
    uint32_t tag;

    if (!is_no_way(response->errnum) && !may_doubt(c, response->errnum))
        return false;
    note_loss(c);
    if (!may_wait(c, response->errnum))
        return false;
    tag = rpc_add(r->rpcs, c->streaming, on_answer, c);
    if (tag == 0)
        return false;
    c->tag = tag;
    wait_for_way(c);
    return true;
}

/* It could not be sent on, or its hop is lost: the tag is still ours. */
static bool
keep_waiting(struct call *c, uint32_t errnum)
{
    note_loss(c);
    if (!may_wait(c, errnum))
        return false;
    wait_for_way(c);
    return true;
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
    if (!send_call(c, request) && !keep_waiting(c, ENETUNREACH))
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
        send_again(c); // or wait, for the next parent
        return false;
    }
    return c->rank == TOPO_NONE || !keep_waiting(c, ENETRESET);
}

/* It waits for a way: is there one now? */
static bool
fails_to_wait(struct call *c, uint32_t hop UNUSED, uint64_t joined UNUSED)
{
    if (c->state != WAITING || c->rank == TOPO_NONE)
        return false;
    send_again(c);
    return c->state == WAITING && !keep_waiting(c, ENETUNREACH);
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
            send_again(c);
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
