/* SPDX-License-Identifier: MPL-2.0 */
/* control.h - control messages: their numbers, and what a CREDIT carries (xylem-overlay(7), "Control
 * messages" and "Credits").  Pure. */
#ifndef XYLEM_CONTROL_H
#define XYLEM_CONTROL_H

#include "msg.h"

enum control {
    CONTROL_HELLO = 1,
    CONTROL_WELCOME = 2,
    CONTROL_REFUSE = 3,
    CONTROL_PING = 4,
    CONTROL_PONG = 5,
    CONTROL_STATE = 6,
    CONTROL_WHO = 7,
    CONTROL_BYE = 8,
    CONTROL_CREDIT = 9,
    CONTROL_LEAVE = 10,
    CONTROL_NEARER = 11,
};

#define CONTROL_NO_WAY 1u // status of a PONG, a bit: who sends it has no way up

#define CONTROL_COST 64                           // bytes that a message counts beside its payload
#define CONTROL_CLIENT_WINDOW ((uint64_t)4 << 20) // bytes, of a remote client, each way
#define CONTROL_CLIENT_REQUESTS 1024              // of a remote client, not answered

/* Requests and responses are counted, events and control messages are not. */
static inline bool
control_is_counted(const struct msg *m)
{
    return m->type == MSG_REQUEST || m->type == MSG_RESPONSE;
}

static inline uint64_t
control_cost(const struct msg *m)
{
    return msg_size(m) + CONTROL_COST;
}

/* total: bytes taken out of the socket since the link began. */
static inline void
control_init_credit(struct msg *m, uint64_t total)
{
    uint8_t bytes[8];
    struct blob *payload;

    for (int i = 7; i >= 0; i--, total >>= 8)
        bytes[i] = (uint8_t)total;
    payload = blob_new(bytes, sizeof(bytes));
    msg_init(m, MSG_CONTROL);
    m->control = CONTROL_CREDIT;
    msg_set_payload(m, &payload);
}

/* false: the payload is no total. */
static inline bool
control_get_total(const struct msg *m, uint64_t *ret)
{
    const uint8_t *bytes = msg_data(m);
    uint64_t total = 0;

    if (msg_size(m) != 8)
        return false;
    for (int i = 0; i < 8; i++)
        total = total << 8 | bytes[i];
    *ret = total;
    return true;
}

#endif
