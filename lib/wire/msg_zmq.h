/* SPDX-License-Identifier: MPL-2.0 */
/* msg_zmq.h - messages over ZeroMQ (xylem-message(7), "Framing over ZeroMQ").
 *
 * [identity, on a ROUTER only] [packed parts] [payload, only when larger than MSG_ZMQ_PACK_MAX]
 * Frames cost 0.4 us each, so a small payload travels packed with the other parts.
 */
#ifndef XYLEM_MSG_ZMQ_H
#define XYLEM_MSG_ZMQ_H

#include "msg.h"

#define MSG_ZMQ_PACK_MAX 1024 // bytes of payload that are packed with the head
#define MSG_ZMQ_PEER_MAX 32

/* ROUTER identity of a neighbour. */
struct msg_zmq_peer {
    uint8_t len;
    uint8_t id[MSG_ZMQ_PEER_MAX];
};

/* Send without blocking.  peer: NULL on a DEALER.  *m is finished on success and left as it was on
 * failure: -EAGAIN (no room), -EHOSTUNREACH (no such peer), else -errno. */
int msg_zmq_send(void *zsock, const struct msg_zmq_peer *peer, struct msg *m);

/* Take one message without blocking.  1: *ret_m is valid, *ret_peer filled (NULL on a DEALER).
 * 0: nothing there.  -EPROTO, -EMSGSIZE, -ENOMEM: a message was consumed and was not one of ours,
 * or too large; *ret_peer says whose it was (len 0 when the identity was not valid either).
 * Other -errno (-ETERM): the socket is of no use any more. */
int msg_zmq_recv(void *zsock, struct msg_zmq_peer *ret_peer, size_t max_payload, struct msg *ret_m);

#endif
