/* SPDX-License-Identifier: MPL-2.0 */
/* msg_zmq.h - messages over ZeroMQ (xylem-message(7), "Framing over ZeroMQ").
 *
 * [identity, on a ROUTER only] [packed parts] [payload, only when larger than MSG_ZMQ_PACK_MAX]
 * [identity, on a ROUTER only] [bundle]
 * Frames cost 0.4 us each, so a small payload travels packed with the other parts.
 */
#ifndef XYLEM_MSG_ZMQ_H
#define XYLEM_MSG_ZMQ_H

#include "bundle.h"

#define MSG_ZMQ_PACK_MAX BUNDLE_PAYLOAD_MAX // bytes of payload that are packed with the head
#define MSG_ZMQ_PEER_MAX 32

/* ROUTER identity of a neighbour. */
struct msg_zmq_peer {
    uint8_t len;
    uint8_t id[MSG_ZMQ_PEER_MAX];
};

/* Send without blocking.  peer: NULL on a DEALER.  *m is finished on success and left as it was on
 * failure: -EAGAIN (no room), -EHOSTUNREACH (no such peer), else -errno. */
int msg_zmq_send(void *zsock, const struct msg_zmq_peer *peer, struct msg *m);

/* Send all of a bundle that is not empty, without blocking.  It is empty afterwards, also after a
 * failure: as msg_zmq_send(). */
int msg_zmq_send_bundle(void *zsock, const struct msg_zmq_peer *peer, struct bundle *b);

/* Take one message without blocking.  A bundle is none of ours.  1: *ret_m is valid, *ret_peer filled (NULL on a DEALER).
 * 0: nothing there.  -EPROTO, -EMSGSIZE, -ENOMEM: a message was consumed and was not one of ours,
 * or too large; *ret_peer says whose it was (len 0 when the identity was not valid either).
 * Other -errno (-ETERM): the socket is of no use any more. */
int msg_zmq_recv(void *zsock, struct msg_zmq_peer *ret_peer, size_t max_payload, struct msg *ret_m);

/* One of the messages that came: finished by the caller afterwards unless consumed.  peer: NULL on a
 * DEALER.  false: drop the others that came with it. */
typedef bool (*msg_zmq_fn)(void *arg, const struct msg_zmq_peer *peer, struct msg *m);

/* May a bundle come from there?  Asked before anything in it is handed on. */
typedef bool (*msg_zmq_bundle_fn)(void *arg, const struct msg_zmq_peer *peer);

/* As msg_zmq_recv(), but what comes may also be a bundle, which is not looked at further behind
 * something that is no message.  One of more than BUNDLE_SIZE_MAX bytes is -EMSGSIZE, one that may_bundle
 * (NULL: from anybody) does not want -EPERM; nothing in them is handed on.  The socket is not touched any
 * more once fn was called. */
int msg_zmq_recv_each(void *zsock, bool is_router, size_t max_payload, msg_zmq_bundle_fn may_bundle,
                      msg_zmq_fn fn, void *arg);

#endif
