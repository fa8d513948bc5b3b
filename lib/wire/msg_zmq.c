/* SPDX-License-Identifier: MPL-2.0 */
/* msg_zmq.c - messages over ZeroMQ: [identity] [packed parts] [payload].
 *
 * Never blocks.  libzmq passes a multi-part message on whole or not at all, so only the first frame
 * can be refused for want of room, and once the first frame of a message has been received the
 * others are there.  The number of frames is the peer's choice: surplus ones are consumed.
 *
 * Thread: the one that owns the socket.  See xylem-message(7).
 */
#include "msg_zmq.h"

#include <errno.h>

/* Longest frame of packed parts. */
#define PACKED_MAX (MSG_HEAD_MAX + MSG_ZMQ_PACK_MAX)

/* --- send --- */

/* The frame is gone afterwards, also on failure. */
static int
send_frame(void *zsock, zmq_msg_t *frame, int more)
{
    int rc;

    do {
        rc = zmq_msg_send(frame, zsock, ZMQ_DONTWAIT | more);
    } while (rc < 0 && zmq_errno() == EINTR);
    if (rc >= 0)
        return 0;
    rc = -zmq_errno();
    zmq_msg_close(frame);
    return rc;
}

static int
send_bytes(void *zsock, const void *bytes, size_t size, int more)
{
    zmq_msg_t frame;
    int rc = zmq_msg_init_size(&frame, size);

    assert(rc == 0);
    memcpy(zmq_msg_data(&frame), bytes, size);
    return send_frame(zsock, &frame, more);
}

static int
send_packed(void *zsock, const struct msg *m)
{
    uint8_t before[MSG_HEAD_MAX];
    uint8_t after[MSG_HEADER_SIZE + 1];
    size_t before_size;
    size_t after_size;
    zmq_msg_t frame;
    uint8_t *p;
    int rc;

    msg_encode_around(m, before, &before_size, after, &after_size);
    rc = zmq_msg_init_size(&frame, before_size + msg_size(m) + after_size);
    assert(rc == 0);
    p = zmq_msg_data(&frame);
    memcpy(p, before, before_size);
    memcpy(p + before_size, msg_data(m), msg_size(m));
    memcpy(p + before_size + msg_size(m), after, after_size);
    return send_frame(zsock, &frame, 0);
}

static int
send_split(void *zsock, const struct msg *m)
{
    uint8_t head[MSG_HEAD_MAX];
    zmq_msg_t frame;
    int rc = send_bytes(zsock, head, msg_encode_head(m, head), ZMQ_SNDMORE);

    if (rc < 0)
        return rc;
    blob_to_zmq(m->payload, &frame);
    return send_frame(zsock, &frame, 0);
}

int
msg_zmq_send(void *zsock, const struct msg_zmq_peer *peer, struct msg *m)
{
    int rc = peer ? send_bytes(zsock, peer->id, peer->len, ZMQ_SNDMORE) : 0;

    if (rc < 0)
        return rc;
    rc = msg_size(m) <= MSG_ZMQ_PACK_MAX ? send_packed(zsock, m) : send_split(zsock, m);
    if (rc == 0)
        msg_fini(m);
    return rc;
}

/* --- receive --- */

/* A message while it is being taken off the socket. */
struct intake {
    void *zsock;     // borrowed
    zmq_msg_t frame; // the last frame received; always initialised
    bool more;       // frames of this message are left on the socket
};

static int
next_frame(struct intake *in)
{
    int rc;

    do {
        rc = zmq_msg_recv(&in->frame, in->zsock, ZMQ_DONTWAIT);
    } while (rc < 0 && zmq_errno() == EINTR);
    in->more = rc >= 0 && zmq_msg_more(&in->frame);
    return rc >= 0 ? 0 : -zmq_errno();
}

static int
take_peer(struct intake *in, struct msg_zmq_peer *ret_peer)
{
    size_t len = zmq_msg_size(&in->frame);

    ret_peer->len = 0;
    if (len == 0 || len > MSG_ZMQ_PEER_MAX)
        return -EPROTO;
    ret_peer->len = (uint8_t)len;
    memcpy(ret_peer->id, zmq_msg_data(&in->frame), len);
    return in->more ? next_frame(in) : -EPROTO;
}

/* The frame at hand holds packed parts and no frame follows. */
static int
take_packed(struct intake *in, size_t max_payload, struct msg *ret_m)
{
    return msg_decode(zmq_msg_data(&in->frame), zmq_msg_size(&in->frame), NULL, max_payload, ret_m);
}

static int
take_split(struct intake *in, size_t max_payload, struct msg *ret_m)
{
    uint8_t head[MSG_HEAD_MAX];
    size_t size = zmq_msg_size(&in->frame);
    struct blob *payload;
    int rc;

    if (size > sizeof(head))
        return -EPROTO;
    memcpy(head, zmq_msg_data(&in->frame), size);
    rc = next_frame(in);
    if (rc < 0)
        return rc;
    if (in->more)
        return -EPROTO;
    if (zmq_msg_size(&in->frame) > max_payload)
        return -EMSGSIZE;
    payload = blob_from_zmq(&in->frame);
    return msg_decode(head, size, &payload, max_payload, ret_m);
}

static int
take_message(struct intake *in, struct msg_zmq_peer *ret_peer, size_t max_payload,
             struct msg *ret_m)
{
    int rc = ret_peer ? take_peer(in, ret_peer) : 0;

    if (rc < 0)
        return rc;
    if (zmq_msg_size(&in->frame) > PACKED_MAX)
        return -EMSGSIZE;
    return in->more ? take_split(in, max_payload, ret_m) : take_packed(in, max_payload, ret_m);
}

int
msg_zmq_recv(void *zsock, struct msg_zmq_peer *ret_peer, size_t max_payload, struct msg *ret_m)
{
    struct intake in = {.zsock = zsock};
    int rc;

    zmq_msg_init(&in.frame);
    rc = next_frame(&in);
    if (rc == 0) {
        rc = take_message(&in, ret_peer, max_payload, ret_m);
        while (in.more && next_frame(&in) == 0)
            ;
        rc = rc == 0 ? 1 : rc;
    } else if (rc == -EAGAIN) {
        rc = 0;
    }
    zmq_msg_close(&in.frame);
    return rc;
}
