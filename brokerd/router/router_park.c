/* SPDX-License-Identifier: MPL-2.0 */
/* router_park.c - requests whose answers their askers cannot take now (I5).
 *
 * Somebody asks for much and does not read: what is queued for it is bounded, so the next answers have
 * to wait.  Those of requests that only read are not kept: the request is parked, the answer dropped,
 * and the request is served anew when the asker reads again.  The bytes are then most likely in the
 * cache, where they count.  Other answers are small, and are queued.
 *
 * The same is done for large answers while too much is queued for all askers together, be there anything for
 * this one or not: connector_must_wait() and overlay_must_wait() say so.
 *
 * A parking lot exists for each asker with parked requests.  Requests leave it in the order they came,
 * UNPARK_SOME for each time its asker has drained, and one more for each answer it gets meanwhile.
 *
 * A request of a remote client that is full is parked as it comes, whatever it asks for: nothing has been
 * done for it yet.
 *
 * I1  A lot is not empty, but while serve_parked() works on it.
 * I2  A parked request keeps its charge, so their number is bounded by credit and windows. */
#include "router_priv.h"
#include "xmem.h"

#define PARK_MIN 1024                 // smaller answers are queued: making them again costs more
#define PARK_LARGE ((size_t)64 << 10) // larger ones may have to wait for room of all

struct lot {
    struct list node;   // on router.lots
    struct origin from; // whose
    struct list parked; // struct parked, in the order they came
    unsigned allowed;   // so many may be served now: what they bring is not known before
    bool is_served;     // serve_parked() is further up the stack
};

struct parked {
    struct list node;
    struct request *request; // owned
};

/* --- askers --- */

static struct overlay_from
neighbour_of(const struct origin *from)
{
    struct overlay_from to = {.rank = from->rank, .joined = from->joined, .peer = from->peer};

    to.kind = from->kind == ORIGIN_CHILD    ? OVERLAY_CHILD
              : from->kind == ORIGIN_CLIENT ? OVERLAY_CLIENT
                                            : OVERLAY_PARENT;
    return to;
}

static bool
is_full(struct router *r, const struct origin *from)
{
    struct overlay_from to;

    if (from->kind == ORIGIN_CONN)
        return r->connector && connector_is_full(r->connector, from->conn);
    to = neighbour_of(from);
    return overlay_is_full(r->overlay, &to);
}

/* The same, for an answer of so many bytes: which may also have to wait because of what others do not take. */
static bool
must_wait(struct router *r, const struct origin *from, size_t bytes)
{
    struct overlay_from to;

    if (from->kind == ORIGIN_CONN)
        return r->connector && connector_must_wait(r->connector, from->conn, bytes);
    to = neighbour_of(from);
    return overlay_must_wait(r->overlay, &to, bytes);
}

/* --- lots --- */

static struct lot *
find_lot(const struct router *r, const struct origin *from)
{
    LIST_FOR_EACH (it, &r->lots) {
        struct lot *lot = list_entry(it, struct lot, node);

        if (origin_is_same(&lot->from, from))
            return lot;
    }
    return NULL;
}

static struct lot *
new_lot(struct router *r, const struct origin *from)
{
    struct lot *lot = xcalloc(1, sizeof(*lot));

    lot->from = *from;
    list_init(&lot->parked);
    list_init(&lot->node);
    list_push_back(&r->lots, &lot->node);
    return lot;
}

static struct request *
take_parked(struct router *r, struct lot *lot)
{
    struct parked *p = list_entry(list_pop_front(&lot->parked), struct parked, node);
    struct request *req = p->request;

    free(p);
    r->stats.parked--;
    return req;
}

static void
free_if_empty(struct lot *lot)
{
    if (lot->is_served || !list_is_empty(&lot->parked))
        return;
    list_remove(&lot->node);
    free(lot);
}

static void
serve_parked(struct router *r, struct lot *lot)
{
    lot->is_served = true;
    while (lot->allowed > 0 && !list_is_empty(&lot->parked) && !is_full(r, &lot->from)) {
        struct request *req = take_parked(r, lot);

        lot->allowed--;
        router_serve(r, req);
        request_free(&req);
    }
    lot->is_served = false;
    free_if_empty(lot);
}

/* --- for the router --- */

bool
router_must_park(struct router *r, const struct request *req, size_t answer_bytes)
{
    if (answer_bytes < PARK_MIN || (req->msg.flags & (MSG_NORESPONSE | MSG_STREAMING)))
        return false;
    if (answer_bytes <= PARK_LARGE && !is_full(r, &req->from))
        return false; // as nearly always
    return service_table_is_reader(r->services, req->msg.topic) &&
           must_wait(r, &req->from, answer_bytes);
}

bool
router_park_if_it_must(struct router *r, struct request *req, size_t answer_bytes)
{
    if (!router_must_park(r, req, answer_bytes))
        return false;
    router_park(r, req);
    return true;
}

bool
router_stream_must_wait(struct router *r, const struct request *req, size_t bytes)
{
    return must_wait(r, &req->from, bytes);
}

bool
router_must_park_unserved(struct router *r, const struct request *req)
{
    if (req->from.kind == ORIGIN_CONN)
        return false; // it is held back in another way
    if ((req->msg.flags & (MSG_NORESPONSE | MSG_STREAMING)) || !is_full(r, &req->from))
        return false;
    return req->from.kind == ORIGIN_CLIENT || service_table_is_reader(r->services, req->msg.topic);
}

void
router_park(struct router *r, struct request *req)
{
    struct lot *lot = find_lot(r, &req->from);
    struct parked *p = xmalloc(sizeof(*p));

    if (!lot)
        lot = new_lot(r, &req->from);
    p->request = request_keep(req);
    list_init(&p->node);
    list_push_back(&lot->parked, &p->node);
    r->stats.parked++;
    r->stats.parkings++;
}

void
router_unpark(struct router *r, const struct origin *from, unsigned count)
{
    struct lot *lot = list_is_empty(&r->lots) ? NULL : find_lot(r, from);

    if (!lot)
        return;
    lot->allowed = MIN(lot->allowed + count, UNPARK_SOME);
    if (!lot->is_served)
        serve_parked(r, lot);
}

static void
empty_lot(struct router *r, struct lot *lot)
{
    while (!list_is_empty(&lot->parked)) {
        struct request *req = take_parked(r, lot);

        request_free(&req);
    }
    free_if_empty(lot);
}

void
router_forget_parked(struct router *r, const struct origin *from)
{
    struct lot *lot = list_is_empty(&r->lots) ? NULL : find_lot(r, from);

    if (lot)
        empty_lot(r, lot);
}

void
router_forget_all_parked(struct router *r)
{
    LIST_FOR_EACH (it, &r->lots)
        empty_lot(r, list_entry(it, struct lot, node));
}
