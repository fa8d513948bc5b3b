/* SPDX-License-Identifier: MPL-2.0 */
/* router_remote.c - what remote clients have in flight through this rank (I5).
 *
 * A ROUTER socket cannot stop to read from one of its peers.  So what a client sends is in memory
 * before anybody is asked, and what goes beyond its measure is given up at once:
 *
 * the request            client takes its answers   client is full
 * fits                   served                     waits in its lot (router_park.c)
 * does not fit           answered with EAGAIN       the client is cut off
 *
 * libxylem keeps to half of what is allowed, and sends again what was refused because others had all of
 * it.
 *
 * That a client has left shows late, so accounts without charges are looked for when there are twice as
 * many accounts as were left the last time.
 *
 * I1  An account exists for every remote client that has something in flight. */
#include "router_priv.h"
#include "xmem.h"

#include <errno.h>

#define MESSAGE_COST 256 // bytes of memory a request takes beside its payload: a guess
#define SWEEP_MIN 64     // accounts

/* An account may have twice what libxylem has under way. */
static const struct credit_limits limits = {
    .bytes = (size_t)16 << 20,
    .messages = 16384,
    .account_bytes = 2 * CONTROL_CLIENT_WINDOW,
    .account_messages = 2 * CONTROL_CLIENT_REQUESTS,
};

struct remote {
    struct msg_zmq_peer peer;       // key of remotes.by_peer; zero-padded
    struct credit_account *account; // owned
    bool is_told;                   // a refusal was logged
};

void
router_remotes_init(struct remotes *all)
{
    all->credit = credit_new(&limits);
    all->sweep_at = SWEEP_MIN;
    map_init(&all->by_peer, offsetof(struct remote, peer), sizeof(struct msg_zmq_peer));
}

static void
free_remote(struct remotes *all, struct remote *c)
{
    map_remove(&all->by_peer, &c->peer);
    credit_close(&c->account);
    free(c);
}

void
router_remotes_fini(struct remotes *all)
{
    struct remote *c;
    size_t pos = 0;

    while ((c = map_next(&all->by_peer, &pos))) {
        free_remote(all, c);
        pos = 0; // the table has changed
    }
    map_fini(&all->by_peer);
    credit_free(&all->credit);
}

void
router_forget_remote(struct router *r, const struct msg_zmq_peer *peer)
{
    struct remote *c = map_get(&r->remotes.by_peer, peer);

    if (c)
        free_remote(&r->remotes, c);
}

static void
sweep(struct remotes *all)
{
    struct remote **idle = xmalloc((all->by_peer.count + 1) * sizeof(struct remote *));
    size_t count = 0;
    size_t pos = 0;
    struct remote *c;

    while ((c = map_next(&all->by_peer, &pos))) {
        if (credit_is_idle(c->account))
            idle[count++] = c;
    }
    while (count > 0)
        free_remote(all, idle[--count]);
    free(idle);
    all->sweep_at = MAX(2 * all->by_peer.count, SWEEP_MIN);
}

/* Nobody waits: see credit_try(). */
static void
on_room(void *arg UNUSED)
{
    assert(false);
}

static struct remote *
get_remote(struct remotes *all, const struct msg_zmq_peer *peer)
{
    struct remote *c = map_get(&all->by_peer, peer);

    if (c)
        return c;
    if (all->by_peer.count >= all->sweep_at)
        sweep(all);
    c = xcalloc(1, sizeof(*c));
    c->peer = *peer;
    c->account = credit_open(all->credit, on_room, NULL);
    map_put(&all->by_peer, c);
    return c;
}

/* --- refusing --- */

static bool
is_full(const struct router *r, const struct msg_zmq_peer *peer)
{
    return overlay_is_full(r->overlay,
                           &(struct overlay_from){.kind = OVERLAY_CLIENT, .peer = *peer});
}

static void
log_once(struct router *r, struct remote *c)
{
    if (!c->is_told)
        elog_limited(&r->strange, ELOG_INFO,
                     "a remote client has sent more than can be served now: refused");
    c->is_told = true;
}

bool
router_admit_remote(struct router *r, struct request *req)
{
    struct remote *c = get_remote(&r->remotes, &req->from.peer);

    if (credit_try(c->account, msg_size(&req->msg) + MESSAGE_COST, &req->charge))
        return true;
    r->stats.refused++;
    if (is_full(r, &req->from.peer)) {
        struct origin from = req->from;

        router_forget_parked(r, &from);
        overlay_cut_client(r->overlay, &from.peer);
    } else {
        log_once(r, c);
        router_respond_error(r, req, EAGAIN, NULL);
    }
    request_finish(req);
    return false;
}
