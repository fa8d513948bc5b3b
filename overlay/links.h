/* SPDX-License-Identifier: MPL-2.0 */
/* links.h - the sockets of the tree: a ROUTER that children and remote clients connect to, and a
 * DEALER with a monitor beside it for each rank above that we speak to.  Knows nothing of ranks and
 * states (overlay.c).
 *
 * Small messages for a neighbour gather in an outlet and leave as a bundle at the end of the loop's
 * turn, or when a large one follows.
 *
 * Never blocks.  There are no high-water marks for sending: what may be in flight is bounded by the
 * protocol above.  What comes from below is bounded for each connection.
 * A DEALER is used for one greeting and what follows from it: when it fails it is thrown away with
 * what was queued in it, and never revived.
 *
 * links.c  the ROUTER, outlets        links_up.c  the DEALERs
 */
#ifndef XYLEM_LINKS_H
#define XYLEM_LINKS_H

#include "loop.h"
#include "msg_zmq.h"
#include "xerr.h"

struct cert;
struct zap;
struct links;
struct links_up; // a connection to a rank above

/* How a connection upward came to its end. */
enum links_end {
    LINKS_CLOSED,       // nobody listens there; ZeroMQ tries again by itself
    LINKS_BROKEN,       // it was there
    LINKS_UNAUTHORISED, // the other end does not take our key, or is not who it should be
};

struct links_ops {
    /* May this connection send bundles?  If not, the one that came from it is dropped. */
    bool (*may_bundle)(void *arg, const struct msg_zmq_peer *peer);
    /* *m is to be consumed or is finished by the caller afterwards. */
    void (*from_below)(void *arg, const struct msg_zmq_peer *peer, struct msg *m);
    /* What was in the outlet for this connection could not be sent: it is gone. */
    void (*below_cut)(void *arg, const struct msg_zmq_peer *peer);
    /* May close the connection. */
    void (*from_above)(void *arg, struct links_up *from, struct msg *m);
    /* An accelerator: silence is noticed by others.  May come again; may close the connection. */
    void (*above_cut)(void *arg, struct links_up *up, enum links_end why);
};

struct links_conf {
    size_t max_payload;      // bytes
    const struct cert *cert; // borrowed: our key pair; NULL: without CURVE
    struct zap *zap;         // borrowed: who may connect; NULL without cert
};

/* ops, arg, loop are borrowed. */
struct links *links_new(struct loop *loop, const struct links_conf *conf,
                        const struct links_ops *ops, void *arg);
/* Connections upward are to be closed before. */
void links_free(struct links **l);
/* Nothing leaves any more and nothing comes, from below. */
void links_mute(struct links *l);

/* Bind.  *ret_uri (malloc()ed): the endpoint in full, wildcards resolved.  -errno with text. */
int links_listen(struct links *l, const char *uri, char **ret_uri, struct err *err);

/* To be called now and then: tells of lines that were left out of the log. */
void links_tell_log(struct links *l);

/* Connect to a rank above.  server_key: its public key in Z85, NULL without CURVE; borrowed for the
 * call.  -EINVAL with text for a malformed URI; that nobody listens there is no error. */
int links_up_open(struct links *l, const char *uri, const char *server_key, struct links_up **ret,
                  struct err *err);
/* With a goodbye: what was sent leaves, if it can within LINGER.  NULL is fine. */
void links_up_close(struct links_up **up);
/* With all that is queued for it, at once.  NULL is fine. */
void links_up_drop(struct links_up **up);

/* One neighbour's.  All zero: none. */
struct links_outlet {
    struct links *links;      // borrowed
    struct links_up *up;      // borrowed: the connection upward, or NULL: `peer`
    struct msg_zmq_peer peer; //
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
/* Borrowed, for as long as the connection. */
struct links_outlet *links_up_outlet(struct links_up *up);
/* At once: to somebody who has no outlet. */
int links_send_down(struct links *l, const struct msg_zmq_peer *peer, struct msg *m);

#endif
