/* SPDX-License-Identifier: MPL-2.0 */
/* overlay_priv.h - what the files of the overlay share:
 *
 * overlay.c           life, time, sending, our own status
 * overlay_children.c  what comes from below: greetings of children, their control messages
 * overlay_clients.c   remote clients
 * overlay_parent.c    the way up: greeting the parent, losing it, finding it again
 */
#ifndef XYLEM_OVERLAY_PRIV_H
#define XYLEM_OVERLAY_PRIV_H

#include "control.h"
#include "elog.h"
#include "greeting.h"
#include "links.h"
#include "map.h"
#include "overlay.h"
#include "window.h"

/* What goes both ways along a link to a rank, since it began. */
struct flow {
    struct window out;
    struct receipt in;
};

struct child {
    struct peer peer;
    struct msg_zmq_peer identity; // key of by_identity while ONLINE; zero-padded
    bool cut;                     // its connection is gone: to be lost in the next turn
    char uuid[GREETING_WORD_MAX]; // of the run that greeted last; "" = none has
    uint32_t attempt;             // of that greeting
    struct flow flow;             // while ONLINE
    struct links_outlet outlet;   // while ONLINE
};

/* overlay_clients.c has the table of states. */
enum client_state { CLIENT_KNOWN, CLIENT_GREEDY, CLIENT_CUT, CLIENT_GONE };

struct client {
    struct msg_zmq_peer identity; // key in clients; zero-padded
    struct list node;             // in client_list
    enum client_state state;
    struct links_outlet outlet; // plain
    struct window out;          // what it has been sent
    uint64_t pending;           // requests of it that are not answered
    uint64_t beyond;            // bytes that it was sent since it is full
    uint64_t asked;             // out.sent when it was last sent a PING
    int64_t heard;              // ms: when anything last came from it
    int64_t probed;             // ms: when it was last looked for, or heard
    int64_t silence;            // ms: how long it was silent then
    bool is_over;               // users were told that it is gone
    struct list waiting;        // on clients_waiting: a large answer waits for room of all
    uint64_t wanted;            // bytes of that answer
    uint64_t granted;           // bytes that it may be sent in one answer, whatever others have
    int64_t granted_at;         // ms
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
    uint64_t child_window;       // bytes: of each child's link, both ways
    struct flow up;              // to and from the parent, while ONLINE
    struct map by_identity;      // struct child by identity (I1)
    struct map clients;          // struct client by identity, owned
    struct list client_list;     // the same
    uint64_t clients_unacked;    // bytes: sum over the clients
    uint64_t cut_unacked;        // of these: of clients that were cut off
    uint64_t clients_granted;    // bytes: sum over the clients
    struct list clients_waiting; // clients with answers that wait for room of all
    int64_t short_since;         // ms: when the first of these began to wait
    unsigned told;               // strangers that were told something since the last heartbeat
    struct elog_limit strange;   // of what strangers do
    int64_t purge_at; // ms: when to look again for clients that have left, when there are too many
    struct overlay_stats stats;
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
/* Send and count.  1: this made the window full; 0; -errno. */
int overlay_send_counted(struct overlay *o, enum overlay_neighbour kind, struct links_outlet *to,
                         struct window *w, struct msg *m);
/* Count what came.  Its payload may be beyond our limit: then it goes, and whoever waits is told. */
void overlay_count_received(struct overlay *o, enum overlay_neighbour kind, struct msg *m);
/* A CREDIT came.  As window_acked(). */
int overlay_take_credit(struct overlay *o, enum overlay_neighbour kind, struct window *w,
                        const struct msg *m);
/* The neighbour is gone: users that wait for room are told, if there can be any. */
void overlay_release(struct overlay *o, struct window *w, const struct overlay_from *from);

/* --- overlay_children.c --- */
struct child *overlay_children_find(const struct overlay *o, uint32_t rank); // NULL
void overlay_children_lose(struct overlay *o, struct child *c, const char *why);
/* Lose it, but not from inside a send. */
void overlay_children_cut(struct overlay *o, struct child *c);
void overlay_children_on_cut(void *overlay, const struct msg_zmq_peer *peer);
void overlay_children_reap(struct overlay *o);
void overlay_children_receive(void *overlay, const struct msg_zmq_peer *peer, struct msg *m);
bool overlay_children_may_bundle(void *overlay, const struct msg_zmq_peer *peer);
int overlay_control_down(struct overlay *o, const struct msg_zmq_peer *to, enum control what,
                         const char *text);
void overlay_credit_down(struct overlay *o, struct child *c);

/* --- overlay_clients.c --- */
struct client *overlay_clients_find(const struct overlay *o, const struct msg_zmq_peer *identity);
/* It sent a request.  false: it is not to be heard. */
bool overlay_clients_meet(struct overlay *o, const struct msg_zmq_peer *identity,
                          const struct msg *m);
bool overlay_clients_must_wait(struct overlay *o, const struct msg_zmq_peer *identity,
                               uint64_t bytes);
void overlay_clients_credit(struct overlay *o, const struct msg_zmq_peer *identity,
                            const struct msg *m);
int overlay_clients_send(struct overlay *o, const struct msg_zmq_peer *identity, struct msg *m);
/* It has become a child. */
void overlay_clients_forget(struct overlay *o, const struct msg_zmq_peer *identity);
void overlay_clients_beat(struct overlay *o);
void overlay_clients_reap(struct overlay *o);
void overlay_clients_free(struct overlay *o);

/* --- overlay_parent.c --- */
/* Greet on a fresh connection, and again until there is an answer. */
void overlay_parent_greet(void *overlay);
void overlay_parent_lose(struct overlay *o, const char *why);
void overlay_parent_receive(void *overlay, struct msg *m);
void overlay_parent_cut(void *overlay);
void overlay_credit_up(struct overlay *o);

#endif
