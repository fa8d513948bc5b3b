/* SPDX-License-Identifier: MPL-2.0 */
/* router_priv.h - what the files of the router share:
 *
 * router.c        requests in, answers out, events
 * router_call.c   calls of our own to a neighbour, until they are answered
 * router_way.c    calls to a rank, while there is no way
 * router_pass.c   requests that become calls: passing on, and the answer back
 * router_once.c   requests to rank 0 that must not be done twice
 * router_park.c   requests whose answers their askers cannot take now
 * router_remote.c what remote clients have in flight
 */
#ifndef XYLEM_ROUTER_PRIV_H
#define XYLEM_ROUTER_PRIV_H

#include "control.h"
#include "elog.h"
#include "list.h"
#include "map.h"
#include "router.h"
#include "spares.h"

#define ROUTER_TEXT_MAX 96 // of an error

/* router_remote.c */
struct remotes {
    struct credit *credit; // owned
    struct map by_peer;    // struct remote, owned
    size_t sweep_at;       // accounts
};

/* router_once.c */
struct once {
    struct map by_id;     // struct once_record, owned
    struct list finished; // the same, oldest first
    size_t nfinished;
    char uuid[40];   // in front of our ids
    uint64_t passed; // so many requests
};

struct router {
    uint32_t rank;
    const struct service_table *services; // borrowed
    struct overlay *overlay;              // borrowed
    struct connector *connector;          // borrowed; may be NULL
    struct rpc_table *rpcs;               // owned: match tag -> struct call
    struct list calls;                    // every struct call, in the order they were made
    struct spares spare_calls;            // struct call
    struct spares spare_passes;           // struct pass
    struct list lots;                     // requests that wait for their asker, by asker
    struct once once;
    struct remotes remotes;    // accounts of remote clients
    struct list quiet;         // requests without answer that wait for their hop
    size_t quiet_bytes;        // of these: what no account is charged for
    struct elog_limit strange; // of what remote clients do
    void (*on_drained)(void *arg, const struct origin *asker);
    void *on_drained_arg; // borrowed
    bool (*on_event)(void *arg, const struct msg *event);
    void *on_event_arg; // borrowed
    void (*listen)(void *arg, const struct msg *event);
    void *listen_arg;  // borrowed
    uint32_t events;   // numbered here
    struct loop *loop; // borrowed; NULL: calls do not wait for a way
    struct router_patience patience;
    struct loop_timer retry; // while some do
    bool is_stopping;        // calls were cancelled
    uint32_t heard;          // number of the last event that came from above
    struct metrics *metrics; // borrowed
    struct router_stats stats;
};

/* --- router.c --- */
/* Serve a request, or pass it on; finishes *req. */
void router_serve(struct router *r, struct request *req);
/* The last answer; *payload becomes NULL, req is finished. */
void router_answer(struct router *r, struct request *req, int errnum, struct blob **payload);

/* --- router_call.c, which has the table of states --- */
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

/* The call goes on under another match tag.  0: there is none left. */
uint32_t router_call_tag(struct call *c);
/* UNDER_WAY, if there is a way. */
void router_call_send_again(struct call *c);

/* --- router_way.c --- */
/* It was answered with an error: does it go on?  If not, the response is what its asker is to get. */
bool router_way_goes_on(struct call *c, struct msg *response);
/* It could not be sent on, or its hop is lost: may it wait? */
bool router_way_wait(struct call *c, uint32_t errnum);

/* --- router_once.c --- */
void router_once_init(struct once *o);
void router_once_fini(struct once *o);
/* The answer is known: it is kept, and given to those that came again. */
void router_once_finish(struct router *r, struct once_record *rec, int errnum,
                        const struct blob *payload);

/* --- router_park.c --- */
/* Should the answer wait, because the asker does not read and can be answered again later? */
bool router_must_park(struct router *r, const struct request *req, size_t answer_bytes);
/* The same for one that has just come: nothing has been done for it yet, so a remote client's may wait
 * whatever it is. */
bool router_must_park_unserved(struct router *r, const struct request *req);
/* Keep the request, to be served again; *req is finished. */
void router_park(struct router *r, struct request *req);
/* The asker reads again (UNPARK_SOME), or has just been answered (1): so many more requests that wait
 * for it are served. */
enum { UNPARK_SOME = 8 };
void router_unpark(struct router *r, const struct origin *from, unsigned count);
/* Forget what waits for it. */
void router_forget_parked(struct router *r, const struct origin *from);
void router_forget_all_parked(struct router *r);

/* --- router_pass.c --- */
/* The neighbour has room again, or is gone: send what waits for it. */
void router_send_quiet(struct router *r, const struct overlay_from *to);
void router_forget_quiet(struct router *r);

/* --- router_remote.c --- */
void router_remotes_init(struct remotes *all);
/* No request may be left that was charged. */
void router_remotes_fini(struct remotes *all);
/* It is gone: its account goes when nothing is charged to it any more. */
void router_forget_remote(struct router *r, const struct msg_zmq_peer *peer);
/* A request of a remote client: charge it.  false: it is too much, and *req is finished. */
bool router_admit_remote(struct router *r, struct request *req);

#endif
