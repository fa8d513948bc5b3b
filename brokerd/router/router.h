/* SPDX-License-Identifier: MPL-2.0 */
/* router.h - every message of a rank passes here: requests to the services or onward to another
 * rank, answers back to whoever asked, calls of our own to a neighbour.
 *
 * Ranks talk hop by hop: a request that is passed on becomes a call of this rank to the next one,
 * with a match tag of this rank's, and its answer is given to the previous hop under the old tag.
 * So each rank answers for its own calls: what it asked of a parent that is lost it asks the next one; a
 * request for another rank is sent again by the rank whose client asked, while others heal their ways
 * (router_call.c).
 *
 * Somebody who asks and does not read is answered when he reads again (router_park.c).
 */
#ifndef XYLEM_ROUTER_H
#define XYLEM_ROUTER_H

#include "connector.h"
#include "metric.h"
#include "overlay.h"
#include "rpc.h"
#include "service.h"

struct router;

/* services is borrowed. */
struct router *router_new(uint32_t rank, const struct service_table *services);
/* No call may be pending: see router_cancel_calls(). */
void router_free(struct router **r);
/* The rank stops: every call of ours that is pending is answered with ECANCELED; what is parked is
 * forgotten. */
void router_cancel_calls(struct router *r);

/* The two ways out, borrowed; set once both exist.  connector may be NULL (tests). */
void router_attach(struct router *r, struct overlay *overlay, struct connector *connector);

/* --- answering: each finishes req --- */
/* *payload may hold NULL; it becomes NULL. */
void router_respond(struct router *r, struct request *req, struct blob **payload);
void router_respond_text(struct router *r, struct request *req, const char *text);
/* errnum positive.  fmt may be NULL: the client shows its own text for errnum then. */
void router_respond_error(struct router *r, struct request *req, int errnum, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
/* One answer of a stream; req stays open until an error is sent (ENODATA ends it in order).
 * *payload becomes NULL. */
void router_stream(struct router *r, struct request *req, struct blob **payload);
void router_stream_text(struct router *r, struct request *req, const char *text);
/* Should an answer of so many bytes wait, because the asker does not read?  Then the drain handler is called
 * with the asker later. */
bool router_stream_must_wait(struct router *r, const struct request *req, size_t bytes);
void router_set_drain_handler(struct router *r, void (*fn)(void *arg, const struct origin *asker),
                              void *arg);
/* Pass on the answer to a call: its errnum and payload become the answer to req.  Keeps req open
 * while the stream goes on. */
void router_relay(struct router *r, struct request *req, struct msg *response);

/* Before a large answer is made: would it have to wait for its asker?  Then req is finished, and served again
 * later: true. */
bool router_park_if_it_must(struct router *r, struct request *req, size_t answer_bytes);

/* --- calling --- */
enum {
    ROUTER_REPLAY = 1, // may be done twice: sent again after the hop it went by was lost
    ROUTER_WAIT = 2,   // to a rank: waits when there is no way, for the patience of the router
    ROUTER_HOP = 4,    // to a rank: on behalf of a rank that does
};
/* How long calls wait for a way to a rank (ms); without this they do not. */
struct router_patience {
    int64_t way;  // as long as nobody knows more
    int64_t lost; // after the rank was lost, or left
    int64_t late; // after its parent started, when it has not come
};
void router_set_patience(struct router *r, struct loop *loop, const struct router_patience *p);
/* What fits the heartbeat and the timeout of the overlay. */
struct router_patience router_patience_of(int64_t heartbeat_ms, int64_t timeout_ms);

/* Call the parent; *request is finished.  fn as in rpc.h: exactly one call of it, or a stream's; it may
 * come from inside, with EHOSTUNREACH (no parent, and not ROUTER_REPLAY) or EAGAIN (too many calls). */
void router_call_parent(struct router *r, struct msg *request, int flags, rpc_fn fn, void *arg);

/* Send it a request that wants no answer; *request is finished.  It is lost if there is no parent. */
void router_tell_parent(struct router *r, struct msg *request);

/* On whose behalf a rank is called. */
struct router_asker {
    int flags;                       // ROUTER_REPLAY, ROUTER_WAIT, ROUTER_HOP
    const struct overlay_from *from; // borrowed for the call: the neighbour that asked; NULL: none
};
/* Call a rank through the next hop toward it; *request is finished.  asker NULL: ourselves, without
 * patience.  EHOSTUNREACH when it cannot be reached, maybe from inside. */
void router_call_rank(struct router *r, uint32_t rank, struct msg *request,
                      const struct router_asker *asker, rpc_fn fn, void *arg);

/* The ranks of our children, online or not. */
size_t router_child_count(const struct router *r);
uint32_t router_child(const struct router *r, size_t i);

/* Pass a request on and its answer back; finishes req. */
struct router_pass {
    uint32_t rank;     // whom it is for; TOPO_NONE: the parent
    const char *topic; // to send it under; NULL = its own
    int flags;         // ROUTER_REPLAY, to the parent only: to a rank it follows from the topic
    /* Sees each answer before it goes back; may be NULL. */
    void (*look)(void *arg, const struct msg *response);
    void *arg; // of look
};
void router_pass_on(struct router *r, struct request *req, const struct router_pass *how);

/* Rank 0: the next event has the number behind that one. */
void router_number_events(struct router *r, uint32_t last);

/* Pass a request up to rank 0 that must not be done twice; finishes req.  Its topic has at most 100 characters. */
void router_pass_once(struct router *r, struct request *req);
/* The id of a request that came so; "": it did not.  Whoever records it knows the request also after a
 * restart. */
const char *router_once_id(const struct request *req);
/* Serve once.*. */
void router_serve_once(struct router *r, struct service_table *table);

/* Announce an event made here: to all ranks below, and to who listens.  At rank 0 it gets its number. */
void router_send_down(struct router *r, struct msg *event);

/* --- events from below (wired up by rank.c) --- */
/* *charge is taken. */
void router_from_conn(struct router *r, uint64_t conn, struct msg *m, struct credit_charge *charge);
void router_conn_drained(struct router *r, uint64_t conn);
/* A local or remote client. */
void router_client_gone(struct router *r, const struct origin *client);
void router_neighbour_drained(struct router *r, const struct overlay_from *from);
void router_from_overlay(struct router *r, const struct overlay_from *from, struct msg *m);
void router_parent_online(struct router *r);
void router_parent_gone(struct router *r, uint64_t joined);
void router_child_gone(struct router *r, uint32_t rank);

/* To count latencies into; borrowed. */
void router_set_metrics(struct router *r, struct metrics *metrics);

/* Called for every event from the parent, before it is passed on to the children.  false: who listens here is
 * not to hear of it. */
void router_set_event_handler(struct router *r, bool (*fn)(void *arg, const struct msg *event),
                              void *arg);

/* Called for every event, from the parent (after its handler) or made here. */
void router_set_event_listener(struct router *r, void (*fn)(void *arg, const struct msg *event),
                               void *arg);

struct router_stats {
    uint64_t requests, responses, errors, forwarded, calls, replayed;
    uint64_t refused;  // requests of remote clients that were too much
    uint64_t parkings; // answers that had to wait for their asker
    size_t parked;     // requests that wait for it now
    size_t pending;    // calls not answered
};
const struct router_stats *router_stats(struct router *r);

#endif
