/* SPDX-License-Identifier: MPL-2.0 */
/* overlay.h - the tree as one rank sees it: the rank it is below, its children, its remote clients.
 * Protocol: xylem-overlay(7).  One thread, that of the loop.
 *
 * The parent is the nearest ancestor that lives: the one of the tree (topo.h), or who has adopted us.
 * Each time that one lets us in is a join, numbered from 1.  When a nearer one lets us in, the link to
 * the former is drained: nothing is asked there any more, but what was is answered, in both directions,
 * until it ends with parent_gone().  Children are those of the tree, and descendants we have adopted.
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
    uint64_t joined;          // PARENT: the join it came by
    struct msg_zmq_peer peer; // CHILD, CLIENT: the connection it came by
};

struct overlay_conf {
    uint32_t rank;
    struct topo topo;
    const char *instance; // id of the cluster; equal on all ranks
    const char *hash;     // name of the hash algorithm; equal on all ranks
    /* URI of every rank, `topo.size` of them, NULL: that of one that is neither above nor below;
     * borrowed for life. */
    const char *const *endpoints;
    const char *const *listen; // URIs to bind
    size_t nlisten;
    int64_t heartbeat_ms; // a ping is due this often
    int64_t torpid_ms;    // a neighbour silent for this long is slow; 0: two heartbeats and a half
    int64_t timeout_ms;   // a neighbour silent for this long is lost
    int64_t patience_ms; // at the start nobody but the parent is greeted for so long; 0: 2 timeouts
    int64_t client_ms;   // a remote client that is full and so long silent is cut off; 0: 30 s
    size_t max_payload;  // bytes
    const struct cert *cert; // our key pair, borrowed for life; NULL: without CURVE
    /* Public key of every rank, as `endpoints`; an entry that is NULL, or a NULL array: ours. */
    const char *const *keys;
    const char *authorized; // directory with public keys of others; NULL: none
    uint64_t seed;          // of the chance in pauses; 0: any
};

/* What a rank notices of its neighbours, for people. */
enum overlay_event {
    OVERLAY_JOINED, // a child was let in
    OVERLAY_LEFT,   // a child left in order, or went home to a nearer parent
    OVERLAY_LOST,   // a child was lost
    OVERLAY_TORPID, // a neighbour is slow
    OVERLAY_LIVELY, // it is not any more
};

struct overlay_ops {
    /* Requests, responses and events; *m is finished by the caller afterwards unless consumed. */
    void (*received)(void *arg, const struct overlay_from *from, struct msg *m);
    /* Somebody above let us in: what is not on its way may be sent. */
    void (*parent_online)(void *arg, uint64_t joined);
    /* That join is over: what was asked by it and is unanswered is to be sent again later. */
    void (*parent_gone)(void *arg, uint64_t joined);
    /* For people; `rank` is a child or the parent.  Never from inside a send. */
    void (*noticed)(void *arg, enum overlay_event what, uint32_t rank);
    /* The child left, was lost, or began anew: what it was asked will not be answered. */
    void (*child_gone)(void *arg, uint32_t rank);
    /* The status of our own subtree changed. */
    void (*status_changed)(void *arg, enum subtree_status status);
    /* The parent refused us for good; text says why. */
    void (*refused)(void *arg, const char *text);
    /* A neighbour that was full has room again, or is gone: once each time that it has become full.
     * For one that is gone, after parent_gone(), child_gone() or client_gone(); sending to it fails.
     * Also once for each time that overlay_must_wait() was said of it. */
    void (*drained)(void *arg, const struct overlay_from *from);
    /* A remote client has left or was cut off: what it asked need not be answered.  Once, and never from
     * inside a send. */
    void (*client_gone)(void *arg, const struct msg_zmq_peer *peer);
};

/* Binds, and starts to greet the parent.  -errno with text when binding fails. */
int overlay_new(struct overlay **ret, const struct overlay_conf *conf, struct loop *loop,
                const struct overlay_ops *ops, void *arg, struct err *err);
/* What conf.keys points to has been filled since: let these in.  -EINVAL with text: one is no key. */
int overlay_learn_keys(struct overlay *o, struct err *err);
/* Says goodbye to parent and children. */
void overlay_free(struct overlay **o);

/* As after a kill: nobody is told anything any more, nor heard, not even told goodbye, and nothing is
 * called back.  Sending is -EHOSTUNREACH from here on.  Only overlay_free() is left to do. */
void overlay_mute(struct overlay *o);

/* Sending: *m is finished in any case.  0, or -EHOSTUNREACH: that neighbour is not online.  Never calls
 * back: a child found to be gone is reported by child_gone() in a later turn. */
int overlay_send_parent(struct overlay *o, struct msg *m);
/* The same, but only by that join, which may be one that is drained. */
int overlay_answer_parent(struct overlay *o, uint64_t joined, struct msg *m);
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

/* The neighbour to go through for `rank`: a child's rank, or TOPO_NONE for the parent, be it online or
 * not.  Below us it is the nearest to `rank` of our children that are online; when there is none, one above
 * may have adopted it, and the way is up.  asker: the neighbour that asked us, which is no way; NULL: none
 * did.  -EHOSTUNREACH: no such rank, or no way is left. */
int overlay_next_hop(const struct overlay *o, uint32_t rank, const struct overlay_from *asker,
                     uint32_t *ret_child);
/* The next one, when `tried`, a child, had no way: one between it and us may have adopted the rank, or one
 * above. */
int overlay_other_hop(const struct overlay *o, uint32_t tried, const struct overlay_from *asker,
                      uint32_t *ret_child);
/* Of our children, the one nearest to `rank` on the way down there, if it is not online; else NULL. */
const struct peer *overlay_blamed(const struct overlay *o, uint32_t rank);

bool overlay_parent_is_online(const struct overlay *o);
/* The number of the last join; 0: none yet. */
uint64_t overlay_parent_joined(const struct overlay *o);
/* Who has let us in; while nobody has, the parent in the tree.  TOPO_NONE at rank 0. */
uint32_t overlay_parent_rank(const struct overlay *o);
/* The link to who has let us in, for people; NULL: there is none. */
const struct peer *overlay_parent(const struct overlay *o);
enum subtree_status overlay_status(const struct overlay *o);
/* The loop's clock, to which peer.since refers. */
int64_t overlay_now(const struct overlay *o);
/* ms since the status of our own subtree last changed. */
int64_t overlay_status_age(const struct overlay *o);
/* Those of the tree first, in rank order, then those that are adopted. */
size_t overlay_child_count(const struct overlay *o);
struct overlay_child {
    const struct peer *peer; // borrowed: rank, state, status, since, is_torpid
    const char *hostname;    // borrowed; "" when it never was here
    bool adopted;
};
struct overlay_child overlay_child(const struct overlay *o, size_t i);
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
    uint64_t let_in;      // connections let in by their key
    uint64_t refused;     // connections refused for want of the right one
};
const struct overlay_stats *overlay_stats(struct overlay *o);

/* The endpoint others connect to, wildcards resolved; "" when not listening. */
const char *overlay_uri(const struct overlay *o);

#endif
