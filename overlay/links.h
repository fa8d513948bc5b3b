/* SPDX-License-Identifier: MPL-2.0 */
/* links.h - the sockets of the tree: a ROUTER that children and remote clients connect to, and a
 * DEALER to the parent with a monitor beside it.  Knows nothing of ranks and states (overlay.c).
 *
 * Small messages for a neighbour gather in an outlet and leave as a bundle at the end of the loop's
 * turn, or when a large one follows.
 *
 * Never blocks.  There are no high-water marks for sending: what may be in flight is bounded by the
 * protocol above.  What comes from below is bounded for each connection.
 * The DEALER is thrown away and made anew whenever the parent is lost: that drops what was queued
 * for a parent that may never read it, and revives a socket that libzmq has given up.
 */
#ifndef XYLEM_LINKS_H
#define XYLEM_LINKS_H

#include "loop.h"
#include "msg_zmq.h"
#include "xerr.h"

struct links;

struct links_ops {
    /* May this connection send bundles?  If not, the one that came from it is dropped. */
    bool (*may_bundle)(void *arg, const struct msg_zmq_peer *peer);
    /* *m is to be consumed or is finished by the caller afterwards. */
    void (*from_below)(void *arg, const struct msg_zmq_peer *peer, struct msg *m);
    /* What was in the outlet for this connection could not be sent: it is gone. */
    void (*below_cut)(void *arg, const struct msg_zmq_peer *peer);
    void (*from_parent)(void *arg, struct msg *m);
    /* The connection to the parent broke (an accelerator: silence is noticed by others). */
    void (*parent_cut)(void *arg);
};

/* ops, arg, loop are borrowed. */
struct links *links_new(struct loop *loop, size_t max_payload, const struct links_ops *ops,
                        void *arg);
void links_free(struct links **l);

/* Bind.  *ret_uri (malloc()ed): the endpoint in full, wildcards resolved.  -errno with text. */
int links_listen(struct links *l, const char *uri, char **ret_uri, struct err *err);

/* To be called now and then: tells of lines that were left out of the log. */
void links_tell_log(struct links *l);

/* Connect to the parent; a connection that existed is dropped with all that was queued for it.
 * -EINVAL with text for a malformed URI; that nobody listens there is no error. */
int links_connect(struct links *l, const char *uri, struct err *err);
void links_disconnect(struct links *l);

/* One neighbour's.  All zero: none. */
struct links_outlet {
    struct links *links;      // borrowed
    struct msg_zmq_peer peer; // len 0: the parent
    bool takes_bundles;       // if not, every message leaves at once
    struct bundle bundle;     // what waits for the end of the turn
    struct loop_flush flush;  // asked for while something waits
};
void links_outlet_init(struct links_outlet *o, struct links *l, const struct msg_zmq_peer *peer,
                       bool takes_bundles);
void links_outlet_fini(struct links_outlet *o); // drops what is in it
int links_outlet_flush(struct links_outlet *o); // before the turn ends; as links_send()

/* *m is finished in any case.  0, -EHOSTUNREACH.  To an outlet 0 only means that the connection was
 * not known to be gone: else below_cut() follows. */
int links_send(struct links_outlet *to, struct msg *m);
/* The one to the parent: borrowed, for as long as the links. */
struct links_outlet *links_up(struct links *l);
/* At once: to somebody who has no outlet. */
int links_send_down(struct links *l, const struct msg_zmq_peer *peer, struct msg *m);

#endif
