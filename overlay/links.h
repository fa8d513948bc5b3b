/* SPDX-License-Identifier: MPL-2.0 */
/* links.h - the sockets of the tree: a ROUTER that children and remote clients connect to, and a
 * DEALER to the parent with a monitor beside it.  Knows nothing of ranks and states (overlay.c).
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
    /* *m is to be consumed or is finished by the caller afterwards. */
    void (*from_below)(void *arg, const struct msg_zmq_peer *peer, struct msg *m);
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

/* Connect to the parent; a connection that existed is dropped with all that was queued for it.
 * -EINVAL with text for a malformed URI; that nobody listens there is no error. */
int links_connect(struct links *l, const char *uri, struct err *err);
void links_disconnect(struct links *l);

/* *m is finished in any case.  0, -EHOSTUNREACH, -EAGAIN. */
int links_send_up(struct links *l, struct msg *m);
int links_send_down(struct links *l, const struct msg_zmq_peer *peer, struct msg *m);

#endif
