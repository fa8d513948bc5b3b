/* SPDX-License-Identifier: MPL-2.0 */
/* peer.h - how one neighbour is doing.  Pure: time comes in as an argument.
 *
 * state      greeted    let in   silent > timeout, cut off   leaves in order   goes to another   refused
 * OFFLINE    GREETING   ONLINE   -                           -                 -                 REFUSED
 * GREETING   GREETING   ONLINE   LOST                        OFFLINE           -                 REFUSED
 * ONLINE     GREETING   ONLINE   LOST                        OFFLINE           LEAVING           REFUSED
 * LEAVING    GREETING   ONLINE   LOST                        OFFLINE           -                 REFUSED
 * LOST       GREETING   ONLINE   -                           -                 -                 REFUSED
 * REFUSED    (final for a parent link; a refused child has no peer)
 *
 * LEAVING: nothing is asked any more, what was asked is answered.
 */
#ifndef XYLEM_PEER_H
#define XYLEM_PEER_H

#include "base.h"

enum peer_state {
    PEER_OFFLINE,
    PEER_GREETING,
    PEER_ONLINE,
    PEER_LEAVING,
    PEER_LOST,
    PEER_REFUSED,
};

enum peer_event {
    PEER_EV_GREETED,
    PEER_EV_ACCEPTED,
    PEER_EV_LOST,
    PEER_EV_LEFT,
    PEER_EV_LEAVING,
    PEER_EV_REFUSED,
};

/* Of the subtree below and including a rank, as its parent sees it (Flux's words). */
enum subtree_status {
    SUBTREE_FULL,     // every rank of it is online
    SUBTREE_PARTIAL,  // some have not arrived yet
    SUBTREE_DEGRADED, // some were lost
    SUBTREE_LOST,     // its top rank was lost
    SUBTREE_OFFLINE,  // its top rank has not arrived
};

struct peer {
    uint32_t rank;
    enum peer_state state;
    enum subtree_status status; // reported by the peer while ONLINE
    int64_t since;              // ms: when `state` or `status` last changed
    int64_t heard;              // ms: when anything last came from it
    bool was_here;              // it was ONLINE once
    bool is_torpid;             // ONLINE, and silent for longer than it should be
};

void peer_init(struct peer *p, uint32_t rank, int64_t now);

/* Apply an event; returns true if the state changed.  Events without a cell in the table are
 * ignored. */
bool peer_on(struct peer *p, enum peer_event event, int64_t now);

void peer_heard(struct peer *p, int64_t now);
/* Take over a reported status (out of range = ignored); true if it changed. */
bool peer_report(struct peer *p, uint32_t status, int64_t now);

/* Is it slow to give a sign of life?  true: that has changed. */
bool peer_watch(struct peer *p, int64_t torpid_ms, int64_t now);

/* Is there a link to it: ONLINE, LEAVING? */
bool peer_is_linked(const struct peer *p);

/* Is it ONLINE, LEAVING or GREETING and silent for longer than timeout_ms? */
bool peer_is_silent(const struct peer *p, int64_t timeout_ms, int64_t now);

/* The status of its subtree as seen from here. */
enum subtree_status peer_status(const struct peer *p);

/* Status of a rank all of whose children are these. */
enum subtree_status peer_status_over(const struct peer *const *children, size_t count);

const char *peer_status_name(enum subtree_status status);          // "full" ...
int peer_status_parse(const char *name, enum subtree_status *ret); // -EINVAL

#endif
