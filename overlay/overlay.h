/* SPDX-License-Identifier: MPL-2.0 */
/* overlay.h - the tree as one rank sees it: its parent, its children, its remote clients.
 * Protocol: xylem-overlay(7).  One thread, that of the loop.
 */
#ifndef XYLEM_OVERLAY_H
#define XYLEM_OVERLAY_H

#include "loop.h"
#include "msg_zmq.h"
#include "peer.h"
#include "topo.h"
#include "xerr.h"

struct overlay;

/* Where a message came from, and where an answer goes. */
enum overlay_neighbour { OVERLAY_PARENT, OVERLAY_CHILD, OVERLAY_CLIENT };
struct overlay_from {
    enum overlay_neighbour kind;
    uint32_t rank;            // PARENT, CHILD
    struct msg_zmq_peer peer; // CHILD, CLIENT: the connection it came by
};

struct overlay_conf {
    uint32_t rank;
    struct topo topo;
    const char *instance;         // id of the cluster; equal on all ranks
    const char *hash;             // name of the hash algorithm; equal on all ranks
    const char *const *endpoints; // URI of every rank, `topo.size` of them; borrowed for life
    const char *const *listen;    // URIs to bind
    size_t nlisten;
    int64_t heartbeat_ms; // a ping is due this often
    int64_t timeout_ms;   // a neighbour silent for this long is lost
    int64_t
        client_ms; // a remote client that is full, and silent for this long, is cut off; 0: 30 s
    size_t max_payload; // bytes
};

struct overlay_ops {
    /* Requests, responses and events; *m is finished by the caller afterwards unless consumed. */
    void (*received)(void *arg, const struct overlay_from *from, struct msg *m);
    /* The parent let us in (again) / is gone: what was unanswered is to be sent again later. */
    void (*parent_changed)(void *arg, bool online);
    /* The child left, was lost, or began anew: what it was asked will not be answered. */
    void (*child_gone)(void *arg, uint32_t rank);
    /* The status of our own subtree changed. */
    void (*status_changed)(void *arg, enum subtree_status status);
    /* The parent refused us for good; text says why. */
    void (*refused)(void *arg, const char *text);
    /* A neighbour that was full has room again, or is gone: once each time that it has become full.
     * For one that is gone, after parent_changed(), child_gone() or client_gone(); sending to it fails.
     * Also once for each time that overlay_must_wait() was said of it. */
    void (*drained)(void *arg, const struct overlay_from *from);
    /* A remote client has left or was cut off: what it asked need not be answered.  Once, and never from
     * inside a send. */
    void (*client_gone)(void *arg, const struct msg_zmq_peer *peer);
};

/* Binds, and starts to greet the parent.  -errno with text when binding fails. */
int overlay_new(struct overlay **ret, const struct overlay_conf *conf, struct loop *loop,
                const struct overlay_ops *ops, void *arg, struct err *err);
/* Says goodbye to parent and children. */
void overlay_free(struct overlay **o);

/* Sending: *m is finished in any case.  0, or -EHOSTUNREACH: that neighbour is not online.  Never calls
 * back: a child found to be gone is reported by child_gone() in a later turn. */
int overlay_send_parent(struct overlay *o, struct msg *m);
int overlay_send_child(struct overlay *o, uint32_t rank, struct msg *m);
/* The same, but only to the run of the child that `peer` belongs to. */
int overlay_answer_child(struct overlay *o, uint32_t rank, const struct msg_zmq_peer *peer,
                         struct msg *m);
int overlay_send_client(struct overlay *o, const struct msg_zmq_peer *peer, struct msg *m);
/* A client that is full and sends on: it is told BYE and not heard any more.  Calls drained(). */
void overlay_cut_client(struct overlay *o, const struct msg_zmq_peer *peer);
/* A copy to every child that is online. */
void overlay_send_down(struct overlay *o, const struct msg *m);

/* Is a window of bytes on its way to that neighbour?  Then send it no requests and no responses until
 * drained() (xylem-overlay(7), "Credits").  Of `to` count: kind; rank (CHILD); peer (CLIENT). */
bool overlay_is_full(const struct overlay *o, const struct overlay_from *to);
/* Should an answer of so many bytes that can be made again wait for drained()?  Because it is full, or
 * for a client also because all of them together have too much on its way. */
bool overlay_must_wait(struct overlay *o, const struct overlay_from *to, uint64_t bytes);

/* The neighbour to go through for `rank`: a child's rank, or TOPO_NONE for the parent.
 * -EHOSTUNREACH: no such rank, or the child is not online. */
int overlay_next_hop(const struct overlay *o, uint32_t rank, uint32_t *ret_child);

bool overlay_parent_is_online(const struct overlay *o);
/* How many times the parent has let us in. */
uint64_t overlay_parent_joined(const struct overlay *o);
/* TOPO_NONE at rank 0. */
uint32_t overlay_parent_rank(const struct overlay *o);
enum subtree_status overlay_status(const struct overlay *o);
/* The loop's clock, to which peer.since refers. */
int64_t overlay_now(const struct overlay *o);
/* ms since the status of our own subtree last changed. */
int64_t overlay_status_age(const struct overlay *o);
size_t overlay_child_count(const struct overlay *o);
const struct peer *overlay_child(const struct overlay *o, size_t i); // borrowed
/* Requests, responses and events since the start, each array by enum overlay_neighbour.  Bytes are
 * payload and 64 for each message. */
struct overlay_traffic {
    uint64_t messages;
    uint64_t bytes;
};
struct overlay_stats {
    struct overlay_traffic sent[3];
    struct overlay_traffic received[3];
    uint64_t credits_sent[3];
    uint64_t credits_received[3];
    uint64_t full[3];     // times that one became full
    uint64_t unacked[3];  // bytes on their way now
    uint64_t clients;     // remote clients known now
    uint64_t clients_cut; // remote clients given up because they did not read
};
const struct overlay_stats *overlay_stats(struct overlay *o);

/* The endpoint others connect to, wildcards resolved; "" when not listening. */
const char *overlay_uri(const struct overlay *o);

#endif
