/* SPDX-License-Identifier: MPL-2.0 */
/* overlay_priv.h - what the files of the overlay share:
 *
 * overlay.c           life, time, sending, our own status
 * overlay_children.c  what comes from below: greetings of children, their control messages, clients
 * overlay_parent.c    the way up: greeting the parent, losing it, finding it again
 */
#ifndef XYLEM_OVERLAY_PRIV_H
#define XYLEM_OVERLAY_PRIV_H

#include "greeting.h"
#include "links.h"
#include "map.h"
#include "overlay.h"

/* xylem-overlay(7), "Control messages" */
enum control {
    CONTROL_HELLO = 1,
    CONTROL_WELCOME = 2,
    CONTROL_REFUSE = 3,
    CONTROL_PING = 4,
    CONTROL_PONG = 5,
    CONTROL_STATE = 6,
    CONTROL_WHO = 7,
    CONTROL_BYE = 8,
};

struct child {
    struct peer peer;
    struct msg_zmq_peer identity; // key of by_identity while ONLINE; zero-padded
    bool cut;                     // its connection is gone: to be lost in the next turn
};

struct overlay {
    struct overlay_conf conf;      // strings borrowed
    const struct overlay_ops *ops; // borrowed
    void *arg;                     // borrowed
    struct loop *loop;             // borrowed
    struct links *links;           // owned
    struct greeting greeting;      // what we say of ourselves
    struct peer parent;            // unused at rank 0
    int64_t greet_ms;              // how long the last hello may stay unanswered
    uint64_t joined;               // times the parent has let us in
    int64_t complain_at;           // ms: when to log again that the parent is out of reach
    struct child *children;        // owned array, in rank order
    size_t nchildren;
    struct map by_identity;      // struct child by identity (I1)
    enum subtree_status status;  // of our own subtree
    int64_t status_since;        // ms
    struct loop_timer heartbeat; // ping, look for silence
    struct loop_timer reap;      // lose the children that are cut
    struct loop_timer greet;     // greet (again)
    char *uri;                   // owned: first endpoint bound, or NULL
};

/* --- overlay.c --- */
void overlay_control_up(struct overlay *o, enum control what, uint32_t status, const char *text);
/* A child's status changed: so may ours. */
void overlay_update_status(struct overlay *o);

/* --- overlay_children.c --- */
struct child *overlay_children_find(const struct overlay *o, uint32_t rank); // NULL
void overlay_children_lose(struct overlay *o, struct child *c, const char *why);
/* Lose it, but not from inside a send. */
void overlay_children_cut(struct overlay *o, struct child *c);
void overlay_children_reap(void *overlay);
void overlay_children_receive(void *overlay, const struct msg_zmq_peer *peer, struct msg *m);
void overlay_control_down(struct overlay *o, const struct msg_zmq_peer *to, enum control what,
                          const char *text);

/* --- overlay_parent.c --- */
/* Greet on a fresh connection, and again until there is an answer. */
void overlay_parent_greet(void *overlay);
void overlay_parent_lose(struct overlay *o, const char *why);
void overlay_parent_receive(void *overlay, struct msg *m);
void overlay_parent_cut(void *overlay);

#endif
