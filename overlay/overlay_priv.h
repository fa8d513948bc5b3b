/* SPDX-License-Identifier: MPL-2.0 */
/* overlay_priv.h - what the files of the overlay share:
 *
 * overlay.c           life, time, our own status, questions
 * overlay_send.c      sending, counting, the next hop
 * overlay_children.c  the children: their table, losing them
 * overlay_below.c     what comes from below: greetings of children, their control messages
 * overlay_clients.c   remote clients
 * overlay_parent.c    the way up: greeting, losing and changing parents
 * overlay_above.c     what comes from above
 * overlay_uplink.c    one link upward, whoever is at its end
 */
#ifndef XYLEM_OVERLAY_PRIV_H
#define XYLEM_OVERLAY_PRIV_H

#include "ascent.h"
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
    bool adopted;                     // it is none in the tree: it is forgotten when it is gone
    char hostname[GREETING_WORD_MAX]; // "" = it was never here
    struct msg_zmq_peer identity;     // key of by_identity while linked; zero-padded
    bool cut;                         // its connection is gone: to be lost in the next turn
    char uuid[GREETING_WORD_MAX];     // of the run that greeted last; "" = none has
    uint32_t attempt;                 // of that greeting
    struct flow flow;                 // while linked
    struct links_outlet outlet;       // while linked
};

/* A link upward: none (OFFLINE), on trial (GREETING), in use (ONLINE), or drained (LEAVING). */
struct uplink {
    struct links_up *link; // owned
    struct peer peer;
    uint64_t joined;  // number of the join, once let in
    struct flow flow; // once let in
    uint64_t awaited; // requests sent by it that are not answered
    uint64_t owed;    // requests that came by it and are not answered
    bool is_quiet;    // LEAVING: no more requests will come by it
    int64_t until;    // ms: LEAVING: then it ends in any case
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
    struct zap *zap;               // owned: who may connect; NULL without cert
    struct links *links;           // owned
    struct greeting greeting;      // what we say of ourselves
    uint32_t *ancestors;           // owned: the candidates of the ascent, by number
    uint32_t nancestors;
    struct ascent ascent;    // whom to greet; unused at rank 0
    struct uplink up;        // in use
    struct uplink trial;     // greeted
    struct uplink old;       // drained
    uint64_t joined;         // number of the last join
    bool is_turned_away;     // the last trial had a connection, which ended without a word
    int64_t complain_at;     // ms: when to log again that nobody above is in reach
    struct child **children; // owned array of owned: nhome of the tree in rank order, then adopted
    size_t nhome;
    size_t nchildren;
    uint64_t child_window;       // bytes: of each child's link, both ways
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
    int64_t beaten_at;           // ms: when the heartbeat was last due and done
    struct loop_timer heartbeat; // ping, look for silence
    struct loop_timer reap;      // what may not be done inside a send: lose those that are cut
    struct loop_timer climb;     // ask the ascent what to do
    char *uri;                   // owned: first endpoint bound, or NULL
};

/* --- overlay.c --- */
/* A child's status changed: so may ours. */
void overlay_update_status(struct overlay *o);

/* --- overlay_send.c --- */
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
void overlay_children_init(struct overlay *o);
/* Says goodbye. */
void overlay_children_free(struct overlay *o);
void overlay_children_mute(struct overlay *o);
void overlay_children_beat(struct overlay *o, int64_t now);
struct child *overlay_children_find(const struct overlay *o, uint32_t rank); // NULL
/* The online child nearest to `rank`, on the way down there or that rank itself; NULL. */
struct child *overlay_children_toward(const struct overlay *o, uint32_t rank);
/* Lose it, but not from inside a send. */
void overlay_children_cut(struct overlay *o, struct child *c);
void overlay_children_on_cut(void *overlay, const struct msg_zmq_peer *peer);
void overlay_children_reap(struct overlay *o);
/* One that is adopted. */
struct child *overlay_children_adopt(struct overlay *o, uint32_t rank);
/* One is online: of those that are adopted and LOST, those below it are its own to tell of. */
void overlay_children_forget_below(struct overlay *o, uint32_t rank);
/* It is linked, and greets again: what it was asked is over, it itself is not. */
void overlay_children_unlink(struct overlay *o, struct child *c);
/* These two may free it.  It is linked; it has left in order. */
void overlay_children_leave(struct overlay *o, struct child *c);
/* It is linked; it goes as LOST, but as one that has left if it was on its way elsewhere. */
void overlay_children_lose(struct overlay *o, struct child *c, const char *why);
struct overlay_from overlay_from_child(const struct child *c);
/* Tell what it sent and we have taken, if it does not know yet. */
void overlay_credit_child(struct overlay *o, struct child *c);

/* --- overlay_below.c --- */
void overlay_below_receive(void *overlay, const struct msg_zmq_peer *peer, struct msg *m);
bool overlay_below_may_bundle(void *overlay, const struct msg_zmq_peer *peer);
int overlay_control_down(struct overlay *o, const struct msg_zmq_peer *to, enum control what,
                         const char *text);

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
void overlay_parent_init(struct overlay *o);
void overlay_parent_free(struct overlay *o);
void overlay_parent_mute(struct overlay *o);
void overlay_parent_beat(struct overlay *o, int64_t now);
/* End the link that is drained, if it is. */
void overlay_parent_reap(struct overlay *o);
/* Have we greeted everybody above in vain, or has the one we are below, and so have we since? */
bool overlay_has_no_way(const struct overlay *o);
/* Is somebody above in reach, for all that is known? */
bool overlay_is_placed(const struct overlay *o);
/* The link of that join; 0: the one in use.  NULL: it is over. */
struct uplink *overlay_parent_link(struct overlay *o, uint64_t joined);
/* Is its window full? */
bool overlay_parent_is_full(const struct overlay *o, uint64_t joined);
/* Ask the ascent what to do, in the next turn. */
void overlay_parent_climb(struct overlay *o);
/* A trial has been let in, with that greeting. */
void overlay_parent_welcome(struct overlay *o, const struct greeting *g);
/* A trial has been refused, for the reason of that text. */
void overlay_parent_refused(struct overlay *o, const char *text);
/* One of the links upward is over; the text says why. */
void overlay_parent_lose(struct overlay *o, struct uplink *u, enum ascent_end why,
                         const char *text);

/* --- overlay_above.c --- */
void overlay_above_receive(void *overlay, struct links_up *from, struct msg *m);
void overlay_above_cut(void *overlay, struct links_up *up, enum links_end why);

/* --- overlay_uplink.c --- */
/* -errno with text; then there is no link. */
int uplink_open(struct uplink *u, struct overlay *o, uint32_t rank, struct err *err);
/* In order: what was sent leaves.  Fine without a link. */
void uplink_close(struct uplink *u);
/* With all that is queued. */
void uplink_drop(struct uplink *u);
void uplink_control(struct uplink *u, enum control what, uint32_t status, const char *text);
/* Tell what we have taken, if it is not known there. */
void uplink_credit(struct uplink *u, struct overlay *o);
/* A request or response; *m is finished.  As overlay_send_counted(). */
int uplink_send(struct uplink *u, struct overlay *o, struct msg *m);
/* A request or response has come. */
void uplink_took(struct uplink *u, struct overlay *o, const struct msg *m);
struct overlay_from uplink_from(const struct uplink *u);
/* LEAVING: has all been answered, both ways? */
bool uplink_is_drained(const struct uplink *u);

#endif
