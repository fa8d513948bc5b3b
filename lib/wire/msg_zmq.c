/* SPDX-License-Identifier: MPL-2.0 */
/* msg_zmq.c - messages over ZeroMQ: [identity] [packed parts or bundle] [payload].
 *
 * Never blocks.  libzmq passes a multi-part message on whole or not at all, so only the first frame
 * can be refused for want of room, and once the first frame of a message has been received the
 * others are there.  The number of frames is the peer's choice: surplus ones are consumed.
 *
 * Thread: the one that owns the socket.  See xylem-message(7).
 */
#include "msg_zmq.h"

#include <errno.h>
#include <stdlib.h>

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

static int
send_peer(void *zsock, const struct msg_zmq_peer *peer)
{
    return peer ? send_bytes(zsock, peer->id, peer->len, ZMQ_SNDMORE) : 0;
}

int
msg_zmq_send(void *zsock, const struct msg_zmq_peer *peer, struct msg *m)
{
    int rc = send_peer(zsock, peer);

    if (rc < 0)
        return rc;
    rc = msg_size(m) <= MSG_ZMQ_PACK_MAX ? send_packed(zsock, m) : send_split(zsock, m);
    if (rc == 0)
        msg_fini(m);
    return rc;
}

static void
free_memory(void *bytes, void *memory)
{
    (void)bytes;
    free(memory);
}

int
msg_zmq_send_bundle(void *zsock, const struct msg_zmq_peer *peer, struct bundle *b)
{
    size_t size;
    void *memory;
    const uint8_t *bytes = bundle_take(b, &size, &memory);
    zmq_msg_t frame;
    int rc = send_peer(zsock, peer);

    if (rc < 0) {
        free(memory);
        return rc;
    }
    rc = zmq_msg_init_data(&frame, (void *)(uintptr_t)bytes, size, free_memory, memory);
    assert(rc == 0);
    return send_frame(zsock, &frame, 0);
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

/* 1, or -errno. */
static int
take_message(struct intake *in, size_t max_payload, struct msg *ret_m)
{
    int rc;

    if (zmq_msg_size(&in->frame) > PACKED_MAX)
        return -EMSGSIZE;
    rc = in->more ? take_split(in, max_payload, ret_m) : take_packed(in, max_payload, ret_m);
    return rc < 0 ? rc : 1;
}

/* 1: the first frame behind the identity is at hand.  0: nothing there. */
static int
begin_intake(struct intake *in, void *zsock, struct msg_zmq_peer *ret_peer)
{
    int rc;

    *in = (struct intake){.zsock = zsock};
    zmq_msg_init(&in->frame);
    rc = next_frame(in);
    if (rc == -EAGAIN)
        return 0;
    if (rc == 0 && ret_peer)
        rc = take_peer(in, ret_peer);
    return rc < 0 ? rc : 1;
}

/* Frames that do not belong there. */
static void
drop_surplus(struct intake *in)
{
    while (in->more && next_frame(in) == 0)
        continue;
}

int
msg_zmq_recv(void *zsock, struct msg_zmq_peer *ret_peer, size_t max_payload, struct msg *ret_m)
{
    struct intake in;
    int rc = begin_intake(&in, zsock, ret_peer);

    if (rc == 1)
        rc = take_message(&in, max_payload, ret_m);
    if (rc < 0)
        drop_surplus(&in);
    zmq_msg_close(&in.frame);
    return rc;
}

static int
check_bundle(struct intake *in, const struct msg_zmq_peer *peer, msg_zmq_bundle_fn may_bundle,
             void *arg)
{
    if (in->more)
        return -EPROTO;
    if (zmq_msg_size(&in->frame) > BUNDLE_SIZE_MAX)
        return -EMSGSIZE;
    return !may_bundle || may_bundle(arg, peer) ? 0 : -EPERM;
}

static int
hand_on_bundle(struct intake *in, const struct msg_zmq_peer *peer, size_t max_payload,
               msg_zmq_fn fn, void *arg)
{
    struct bundle_cursor c = bundle_begin(zmq_msg_data(&in->frame), zmq_msg_size(&in->frame));
    bool wanted = true;
    struct msg m;
    int rc = 0;

    while (wanted && (rc = bundle_next(&c, max_payload, &m)) == 1) {
        wanted = fn(arg, peer, &m);
        msg_fini(&m);
    }
    return rc < 0 ? rc : 1;
}

static int
hand_on_message(struct intake *in, const struct msg_zmq_peer *peer, size_t max_payload,
                msg_zmq_fn fn, void *arg)
{
    struct msg m;
    int rc = take_message(in, max_payload, &m);

    if (rc < 0)
        return rc;
    if (peer && m.type == MSG_CONTROL)
        m.sender = zmq_msg_gets(&in->frame, "User-Id");
    fn(arg, peer, &m);
    msg_fini(&m);
    return rc;
}

int
msg_zmq_recv_each(void *zsock, bool is_router, size_t max_payload, msg_zmq_bundle_fn may_bundle,
                  msg_zmq_fn fn, void *arg)
{
    struct msg_zmq_peer from;
    struct msg_zmq_peer *peer = is_router ? &from : NULL;
    struct intake in;
    int rc = begin_intake(&in, zsock, peer);

    if (rc == 1 && bundle_is(zmq_msg_data(&in.frame), zmq_msg_size(&in.frame))) {
        rc = check_bundle(&in, peer, may_bundle, arg);
        if (rc == 0)
            rc = hand_on_bundle(&in, peer, max_payload, fn, arg);
    } else if (rc == 1) {
        rc = hand_on_message(&in, peer, max_payload, fn, arg);
    }
    if (rc < 0)
        drop_surplus(&in);
    zmq_msg_close(&in.frame);
    return rc;
}
