/* SPDX-License-Identifier: MPL-2.0 */
/* router_priv.h - what the files of the router share:
 *
 * router.c        requests in, answers out, events
 * router_call.c   calls of our own to a neighbour, until they are answered
 * router_pass.c   requests that become calls: passing on, and the answer back
 */
#ifndef XYLEM_ROUTER_PRIV_H
#define XYLEM_ROUTER_PRIV_H

#include "list.h"
#include "router.h"

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

/* --- router_call.c --- */
/* Call the next hop toward a rank.  A rank that cannot be reached answers EHOSTUNREACH from inside. */
void router_call_rank(struct router *r, uint32_t rank, struct msg *request, rpc_fn fn, void *arg);

#endif
