/* SPDX-License-Identifier: MPL-2.0 */
/* msg.h - one message, in the shape of Flux RFC 3 v1 (normative text: xylem-message(7)).
 *
 * Parts, in wire order: route identities (the one pushed last first) and an empty delimiter, both
 * only with MSG_ROUTE; topic (MSG_TOPIC); payload (MSG_PAYLOAD); the 20-byte header.
 *
 * A message is a value: it lives on the stack or inside another struct, and owns only a reference
 * to its payload.  msg_init() makes it valid; msg_fini() or moving it out ends it.
 */
#ifndef XYLEM_MSG_H
#define XYLEM_MSG_H

#include "base.h"
#include "blob.h"
#include "buf.h"
#include <string.h>

#define MSG_HEADER_SIZE 20
#define MSG_TOPIC_MAX 255
#define MSG_ROUTES_MAX 8
#define MSG_ROUTE_ID_MAX 47
/* Longest possible encoding of everything but the payload; a receiver caps lengths with it. */
#define MSG_HEAD_MAX 1024

enum msg_type { MSG_REQUEST = 1, MSG_RESPONSE = 2, MSG_EVENT = 4, MSG_CONTROL = 8 };

enum {
    MSG_TOPIC = 0x01,
    MSG_PAYLOAD = 0x02,
    MSG_NORESPONSE = 0x04,
    MSG_ROUTE = 0x08,
    MSG_UPSTREAM = 0x10,
    MSG_PRIVATE = 0x20,
    MSG_STREAMING = 0x40,
    MSG_USER1 = 0x80,
};

enum { MSG_ROLE_OWNER = 1, MSG_ROLE_USER = 2, MSG_ROLE_LOCAL = 4, MSG_ROLE_ADMIN = 8 };

#define MSG_NODEID_ANY 0xffffffffu
#define MSG_USERID_UNKNOWN 0xffffffffu

struct msg_route {
    uint8_t len; // 1 .. MSG_ROUTE_ID_MAX
    uint8_t id[MSG_ROUTE_ID_MAX];
};

struct msg {
    uint8_t type;  // enum msg_type
    uint8_t flags; // MSG_TOPIC .. MSG_USER1; the setters keep TOPIC, PAYLOAD and ROUTE in step
    const char *
        sender; // CONTROL from a ROUTER, while it is handed on: whom ZAP took its sender for, or NULL
    bool oversized;    // received without its payload, which was beyond the limit: answer EFBIG
    uint32_t userid;   // of the sender, stamped where it enters; MSG_USERID_UNKNOWN before that
    uint32_t rolemask; // MSG_ROLE_*
    union {
        uint32_t aux1;
        uint32_t nodeid;   // request: rank it is for, or MSG_NODEID_ANY
        uint32_t errnum;   // response: 0 or a positive errno
        uint32_t sequence; // event
        uint32_t control;  // control: what
    };
    union {
        uint32_t aux2;
        uint32_t matchtag; // request and response: chosen by the requester; 0 = none
        uint32_t status;   // control
    };
    struct blob *payload; // owned reference; NULL = no payload part
    uint8_t nroutes;
    uint8_t topic_len;
    char topic[MSG_TOPIC_MAX + 1];           // NUL-terminated; "" = none
    struct msg_route routes[MSG_ROUTES_MAX]; // routes[nroutes - 1] was pushed last
};

/* An empty message of that type: flags 0, userid unknown, aux1 0, in a request MSG_NODEID_ANY. */
void msg_init(struct msg *m, enum msg_type type);
void msg_fini(struct msg *m); // drops the payload; idempotent
/* *to (uninitialised) takes over everything; *from is left as after msg_fini(). */
void msg_move(struct msg *to, struct msg *from);
/* Copy with its own payload reference (also with NULL payload). */
void msg_copy(struct msg *to, const struct msg *from);

/* "": no topic part.  -EMSGSIZE: longer than MSG_TOPIC_MAX; -EINVAL: not printable ASCII. */
int msg_set_topic(struct msg *m, const char *topic);
/* Consumes *payload (may hold NULL: then there is no payload part).  An empty blob is no part:
 * RFC 10 sends an empty blob as no payload. */
void msg_set_payload(struct msg *m, struct blob **payload);
/* Text as Flux sends JSON: the NUL is part of the payload. */
void msg_set_text(struct msg *m, const char *text);

/* The payload as text.  NULL when there is none or it does not end with its only NUL. */
const char *msg_text(const struct msg *m);
const void *msg_data(const struct msg *m); // never NULL
size_t msg_size(const struct msg *m);      // payload bytes

/* Routes: a stack.  Push: -EMSGSIZE when full; sets MSG_ROUTE; len is 1 .. MSG_ROUTE_ID_MAX.
 * Pop: false when empty; ret may be NULL; MSG_ROUTE stays, for the delimiter. */
int msg_push_route(struct msg *m, const void *id, size_t len);
bool msg_pop_route(struct msg *m, struct msg_route *ret);
const struct msg_route *msg_top_route(const struct msg *m); // NULL when empty

/* A response to `request`: type, topic, matchtag, routes, STREAMING flag copied; MSG_ROUTE set, as
 * Flux clients insist on the delimiter.  errnum 0 or positive. */
void msg_init_response(struct msg *response, const struct msg *request, int errnum);

/* Of a response: will others follow?  A stream ends with an error (ENODATA: in order), or with a response
 * that lacks MSG_STREAMING: the only one of a request that need not have been a stream. */
static inline bool
msg_is_more(const struct msg *response)
{
    return response->errnum == 0 && (response->flags & MSG_STREAMING);
}

/* --- codec (pure) --- */

/* Append the parts in wire order; with_payload false leaves the payload part out (it travels in a
 * frame of its own then; the MSG_PAYLOAD flag stays). */
void msg_encode(const struct msg *m, bool with_payload, struct buf *out);

/* The same as msg_encode(m, false), into an array.  Returns the bytes written. */
size_t msg_encode_head(const struct msg *m, uint8_t head[MSG_HEAD_MAX]);

/* Encode the head in two pieces around the payload bytes: `before` gets routes .. topic and the
 * payload's length prefix, `after` the header.  For writev(2).  Returns sizes through ret_*. */
void msg_encode_around(const struct msg *m, uint8_t before[MSG_HEAD_MAX], size_t *ret_before,
                       uint8_t after[MSG_HEADER_SIZE + 1], size_t *ret_after);

/* Decode `size` bytes of parts.  `payload`: bytes that came separately (consumed; NULL or holding
 * NULL: the payload, if any, is among the parts and is copied).  Every length, count and flag is
 * checked: -EPROTO; requests and responses must have a topic.  A payload above max_payload:
 * -EMSGSIZE; no memory for it: -ENOMEM.  *ret needs no msg_fini() after a failure. */
int msg_decode(const void *bytes, size_t size, struct blob **payload, size_t max_payload,
               struct msg *ret);

static inline void
msg_auto(struct msg *m)
{
    msg_fini(m);
}

#endif
