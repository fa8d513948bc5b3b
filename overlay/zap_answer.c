/* SPDX-License-Identifier: MPL-2.0 */
/* zap_answer.c - one request of libzmq's: is the key there that a peer has proved to have?
 *
 * It is answered with 200 or 400 and nothing else: after 300 a connection hangs.  What is no request is
 * ignored.  Nothing blocks: the socket is a ROUTER, and answers are for I/O threads of our own process, whose
 * pipes have no limit.
 */
#include "clock.h"
#include "zap_priv.h"

#include <czmq.h>
#include <limits.h>

#define VERSION "1.0" // RFC 27

/* Frames of a request, behind the identity (RFC 27). */
enum { ID, DELIMITER, PROTOCOL, REQUEST, DOMAIN, PEER, ROUTING, MECHANISM, KEY, FRAMES };

static size_t
size_of(zmq_msg_t *frame)
{
    return zmq_msg_size(frame);
}

static bool
is_text(zmq_msg_t *frame, const char *text)
{
    return size_of(frame) == strlen(text) && memcmp(zmq_msg_data(frame), text, size_of(frame)) == 0;
}

static int
receive_frame(void *zsock, zmq_msg_t *frame)
{
    int rc;

    do
        rc = zmq_msg_recv(frame, zsock, ZMQ_DONTWAIT);
    while (rc < 0 && zmq_errno() == EINTR);
    return rc;
}

/* How many frames came; those beyond FRAMES are thrown away. */
static size_t
receive(void *zsock, zmq_msg_t frames[FRAMES])
{
    zmq_msg_t rest;
    size_t count = 0;
    int more = 1;

    zmq_msg_init(&rest);
    while (more) {
        zmq_msg_t *frame = count < FRAMES ? &frames[count] : &rest;

        if (receive_frame(zsock, frame) < 0)
            break;
        more = zmq_msg_more(frame);
        count++;
    }
    zmq_msg_close(&rest);
    return count;
}

/* Is there somebody to be answered? */
static bool
is_request(zmq_msg_t *f, size_t count)
{
    return count > MECHANISM && size_of(&f[DELIMITER]) == 0 && is_text(&f[PROTOCOL], VERSION);
}

static bool
has_key(zmq_msg_t *f, size_t count)
{
    return count == FRAMES && is_text(&f[MECHANISM], "CURVE") && size_of(&f[KEY]) == CERT_KEY_BYTES;
}

/* Who is it?  As ZAP_RANK tells; false: nobody we know. */
static bool
find_key(struct zap *z, const void *key, char *user, size_t size)
{
    const char *name;

    zap_lock();
    name = keyring_find(z->ranks, key);
    zap_unlock();
    if (name)
        return snprintf(user, size, "%s", ZAP_RANK) > 0;
    keyring_refresh(z->clients, clock_ms());
    name = keyring_find(z->clients, key);
    return name && snprintf(user, size, "client %s", name) > 0;
}

static void
log_refusal(const struct zap *z, zmq_msg_t *f, size_t count, struct elog_limit *lines)
{
    char key[CERT_KEY_SIZE] = "none";

    if (has_key(f, count))
        zmq_z85_encode(key, zmq_msg_data(&f[KEY]), CERT_KEY_BYTES);
    elog_limited(lines, ELOG_WARN, "%.*s: refused a connection from %.*s: key %s",
                 z ? (int)strcspn(z->domain, "#") : INT_MAX, z ? z->domain : "unknown domain",
                 (int)MIN(size_of(&f[PEER]), (size_t)200), (const char *)zmq_msg_data(&f[PEER]),
                 key);
}

static void
count_answer(struct zap *z, bool is_known)
{
    zap_lock();
    if (is_known)
        z->stats.accepted++;
    else
        z->stats.refused++;
    zap_unlock();
}

static void
send_bytes(void *zsock, const void *bytes, size_t size, int more)
{
    int rc;

    do
        rc = zmq_send(zsock, bytes, size, ZMQ_DONTWAIT | more);
    while (rc < 0 && zmq_errno() == EINTR); // else it is gone: nobody waits
}

static void
send_frame(void *zsock, zmq_msg_t *frame)
{
    send_bytes(zsock, zmq_msg_data(frame), size_of(frame), ZMQ_SNDMORE);
}

static void
answer(void *zsock, zmq_msg_t *f, bool is_known, const char *user)
{
    const char *status = is_known ? "200" : "400";

    send_frame(zsock, &f[ID]);
    send_bytes(zsock, "", 0, ZMQ_SNDMORE);
    send_bytes(zsock, VERSION, strlen(VERSION), ZMQ_SNDMORE);
    send_frame(zsock, &f[REQUEST]);
    send_bytes(zsock, status, strlen(status), ZMQ_SNDMORE);
    send_bytes(zsock, "", 0, ZMQ_SNDMORE); // no text
    send_bytes(zsock, user, strlen(user), ZMQ_SNDMORE);
    send_bytes(zsock, "", 0, 0); // no metadata
}

static void
serve(void *zsock, zmq_msg_t *f, size_t count, struct elog_limit *lines)
{
    struct zap *z = zap_hold(zmq_msg_data(&f[DOMAIN]), size_of(&f[DOMAIN]));
    char user[CERT_NAME_SIZE + sizeof("client ")] = "";
    bool is_known =
        z && has_key(f, count) && find_key(z, zmq_msg_data(&f[KEY]), user, sizeof(user));

    answer(zsock, f, is_known, user);
    if (z)
        count_answer(z, is_known);
    if (!is_known)
        log_refusal(z, f, count, lines);
    if (z)
        zap_drop(z);
}

bool
zap_answer(void *zsock, struct elog_limit *lines)
{
    zmq_msg_t frames[FRAMES];
    size_t count;

    for (size_t i = 0; i < FRAMES; i++)
        zmq_msg_init(&frames[i]);
    count = receive(zsock, frames);
    if (is_request(frames, count))
        serve(zsock, frames, count, lines);
    for (size_t i = 0; i < FRAMES; i++)
        zmq_msg_close(&frames[i]);
    return count > 0;
}
