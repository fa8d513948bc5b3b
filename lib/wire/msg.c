/* SPDX-License-Identifier: MPL-2.0 */
/* msg.c - one message: a value, and its encoding.
 *
 * On the wire: [identity ... empty part] [topic] [payload] header.  The flags that say which parts
 * there are come last, in the header, so decoding starts at the end and then walks the parts from
 * the front; it must arrive at the header exactly.
 *
 * I1 MSG_TOPIC is set exactly when topic_len > 0, MSG_PAYLOAD exactly when payload is not NULL.
 * I2 A payload is never empty.
 * I3 A message has one encoding: what decodes also encodes to the same bytes, but for an empty
 *    payload part, which is dropped.
 *
 * Thread: any; a message belongs to one thread at a time.  Pure.  See xylem-message(7).
 */
#include "msg.h"
#include "part.h"

#include <errno.h>

#define MAGIC 0x8e
#define VERSION 1
#define HEADER_PART_SIZE (1 + MSG_HEADER_SIZE)

/* The part of a message that has not been decoded yet. */
struct cursor {
    const uint8_t *next; // borrowed
    size_t left;         // bytes from next on
};

static_assert(MSG_ROUTES_MAX * (1 + MSG_ROUTE_ID_MAX) + 1 + PART_PREFIX_MAX + MSG_TOPIC_MAX +
                      PART_PREFIX_MAX + HEADER_PART_SIZE <=
                  MSG_HEAD_MAX,
              "the longest head fits");

/* --- value --- */

void
msg_init(struct msg *m, enum msg_type type)
{
    /* Field by field: the arrays need no clearing, and messages are made by the million. */
    m->type = (uint8_t)type;
    m->flags = 0;
    m->oversized = false;
    m->userid = MSG_USERID_UNKNOWN;
    m->rolemask = 0;
    m->aux1 = type == MSG_REQUEST ? MSG_NODEID_ANY : 0;
    m->aux2 = 0;
    m->payload = NULL;
    m->nroutes = 0;
    m->topic_len = 0;
    m->topic[0] = '\0';
}

void
msg_fini(struct msg *m)
{
    blob_unref(&m->payload);
    m->flags &= (uint8_t)~MSG_PAYLOAD;
}

/* Everything but the payload. */
static void
copy_head(struct msg *to, const struct msg *from)
{
    to->type = from->type;
    to->flags = from->flags;
    to->oversized = from->oversized;
    to->userid = from->userid;
    to->rolemask = from->rolemask;
    to->aux1 = from->aux1;
    to->aux2 = from->aux2;
    to->nroutes = from->nroutes;
    to->topic_len = from->topic_len;
    memcpy(to->topic, from->topic, from->topic_len + 1u);
    memcpy(to->routes, from->routes, from->nroutes * sizeof(from->routes[0]));
}

void
msg_move(struct msg *to, struct msg *from)
{
    copy_head(to, from);
    to->payload = TAKE(from->payload);
    msg_fini(from);
}

void
msg_copy(struct msg *to, const struct msg *from)
{
    copy_head(to, from);
    to->payload = blob_ref(from->payload);
}

static void
set_flag(struct msg *m, unsigned flag, bool on)
{
    m->flags = (uint8_t)(on ? m->flags | flag : m->flags & ~flag);
}

static bool
is_topic(const void *bytes, size_t len)
{
    const uint8_t *c = bytes;

    for (size_t i = 0; i < len; i++) {
        if (c[i] < 0x20 || c[i] > 0x7e)
            return false;
    }
    return true;
}

int
msg_set_topic(struct msg *m, const char *topic)
{
    size_t len = strlen(topic);

    if (len > MSG_TOPIC_MAX)
        return -EMSGSIZE;
    if (!is_topic(topic, len))
        return -EINVAL;
    memcpy(m->topic, topic, len + 1);
    m->topic_len = (uint8_t)len;
    set_flag(m, MSG_TOPIC, len > 0);
    return 0;
}

void
msg_set_payload(struct msg *m, struct blob **payload)
{
    struct blob *b = TAKE(*payload);

    if (blob_size(b) == 0)
        blob_unref(&b);
    blob_unref(&m->payload);
    m->payload = b;
    set_flag(m, MSG_PAYLOAD, b != NULL);
}

void
msg_set_text(struct msg *m, const char *text)
{
    struct blob *b = blob_new(text, strlen(text) + 1);

    msg_set_payload(m, &b);
}

const char *
msg_text(const struct msg *m)
{
    const char *text = msg_data(m);
    size_t size = msg_size(m);

    if (size == 0 || memchr(text, '\0', size) != text + size - 1)
        return NULL;
    return text;
}

const void *
msg_data(const struct msg *m)
{
    return blob_data(m->payload);
}

size_t
msg_size(const struct msg *m)
{
    return blob_size(m->payload);
}

int
msg_push_route(struct msg *m, const void *id, size_t len)
{
    struct msg_route *r;

    assert(len > 0 && len <= MSG_ROUTE_ID_MAX);
    if (m->nroutes == MSG_ROUTES_MAX)
        return -EMSGSIZE;
    r = &m->routes[m->nroutes];
    r->len = (uint8_t)len;
    memcpy(r->id, id, len);
    m->nroutes++;
    set_flag(m, MSG_ROUTE, true);
    return 0;
}

const struct msg_route *
msg_top_route(const struct msg *m)
{
    return m->nroutes > 0 ? &m->routes[m->nroutes - 1] : NULL;
}

bool
msg_pop_route(struct msg *m, struct msg_route *ret)
{
    if (m->nroutes == 0)
        return false;
    m->nroutes--;
    if (ret) {
        ret->len = m->routes[m->nroutes].len;
        memcpy(ret->id, m->routes[m->nroutes].id, ret->len);
    }
    return true;
}

void
msg_init_response(struct msg *response, const struct msg *request, int errnum)
{
    assert(errnum >= 0);
    copy_head(response, request);
    response->type = MSG_RESPONSE;
    response->flags = (request->flags & (MSG_TOPIC | MSG_STREAMING)) | MSG_ROUTE;
    response->oversized = false;
    response->userid = MSG_USERID_UNKNOWN;
    response->rolemask = 0;
    response->errnum = (uint32_t)errnum;
    response->payload = NULL;
}

/* --- encode --- */

static uint8_t *
put_part(uint8_t *out, const void *bytes, size_t size)
{
    out += part_put_size(out, size);
    memcpy(out, bytes, size);
    return out + size;
}

/* The parts in front of the payload. */
static uint8_t *
put_routes_and_topic(uint8_t *out, const struct msg *m)
{
    assert(m->nroutes == 0 || (m->flags & MSG_ROUTE));
    if (m->flags & MSG_ROUTE) {
        for (size_t i = m->nroutes; i-- > 0;)
            out = put_part(out, m->routes[i].id, m->routes[i].len);
        out = put_part(out, "", 0);
    }
    if (m->flags & MSG_TOPIC)
        out = put_part(out, m->topic, m->topic_len);
    return out;
}

static uint8_t *
put_header(uint8_t *out, const struct msg *m)
{
    assert(((m->flags & MSG_TOPIC) != 0) == (m->topic_len > 0));     /* I1 */
    assert(((m->flags & MSG_PAYLOAD) != 0) == (m->payload != NULL)); /* I1 */
    out[0] = MSG_HEADER_SIZE;
    out[1] = MAGIC;
    out[2] = VERSION;
    out[3] = m->type;
    out[4] = m->flags;
    part_put_u32(out + 5, m->userid);
    part_put_u32(out + 9, m->rolemask);
    part_put_u32(out + 13, m->aux1);
    part_put_u32(out + 17, m->aux2);
    return out + HEADER_PART_SIZE;
}

size_t
msg_encode_head(const struct msg *m, uint8_t head[MSG_HEAD_MAX])
{
    uint8_t *end = put_header(put_routes_and_topic(head, m), m);

    return (size_t)(end - head);
}

void
msg_encode_around(const struct msg *m, uint8_t before[MSG_HEAD_MAX], size_t *ret_before,
                  uint8_t after[MSG_HEADER_SIZE + 1], size_t *ret_after)
{
    uint8_t *end = put_routes_and_topic(before, m);

    if (m->payload)
        end += part_put_size(end, msg_size(m));
    *ret_before = (size_t)(end - before);
    *ret_after = (size_t)(put_header(after, m) - after);
}

void
msg_encode(const struct msg *m, bool with_payload, struct buf *out)
{
    uint8_t before[MSG_HEAD_MAX];
    uint8_t after[HEADER_PART_SIZE];
    size_t before_size;
    size_t after_size;

    if (!with_payload) {
        buf_add(out, before, msg_encode_head(m, before));
        return;
    }
    msg_encode_around(m, before, &before_size, after, &after_size);
    buf_add(out, before, before_size);
    buf_add(out, msg_data(m), msg_size(m));
    buf_add(out, after, after_size);
}

/* --- decode --- */

static bool
is_type(uint8_t type)
{
    return type == MSG_REQUEST || type == MSG_RESPONSE || type == MSG_EVENT || type == MSG_CONTROL;
}

/* `h`: the last part, with its size. */
static int
decode_header(const uint8_t h[HEADER_PART_SIZE], struct msg *m)
{
    if (h[0] != MSG_HEADER_SIZE || h[1] != MAGIC || h[2] != VERSION || !is_type(h[3]))
        return -EPROTO;
    msg_init(m, h[3]);
    m->flags = h[4];
    m->userid = part_get_u32(h + 5);
    m->rolemask = part_get_u32(h + 9);
    m->aux1 = part_get_u32(h + 13);
    m->aux2 = part_get_u32(h + 17);
    /* errno values are passed on as int, with either sign. */
    if (m->type == MSG_RESPONSE && m->errnum > INT32_MAX)
        return -EPROTO;
    return 0;
}

static int
take_part(struct cursor *c, const uint8_t **ret, size_t *ret_size)
{
    size_t prefix;
    size_t size;

    if (part_get_size(c->next, c->left, &prefix, &size) <= 0 || size > c->left - prefix)
        return -EPROTO;
    *ret = c->next + prefix;
    *ret_size = size;
    c->next += prefix + size;
    c->left -= prefix + size;
    return 0;
}

/* The identity pushed last is first on the wire and last in the array. */
static void
reverse_routes(struct msg *m)
{
    for (size_t i = 0, j = m->nroutes; i + 1 < j; i++) {
        struct msg_route r = m->routes[i];

        j--;
        m->routes[i] = m->routes[j];
        m->routes[j] = r;
    }
}

static int
decode_routes(struct cursor *c, struct msg *m)
{
    const uint8_t *id;
    size_t len;

    if (!(m->flags & MSG_ROUTE))
        return 0;
    for (;;) {
        if (take_part(c, &id, &len) < 0 || len > MSG_ROUTE_ID_MAX)
            return -EPROTO;
        if (len == 0)
            break;
        if (msg_push_route(m, id, len) < 0)
            return -EPROTO;
    }
    reverse_routes(m);
    return 0;
}

/* Requests and responses are dispatched by topic; events and control messages may have none. */
static bool
needs_topic(const struct msg *m)
{
    return m->type == MSG_REQUEST || m->type == MSG_RESPONSE;
}

static int
decode_topic(struct cursor *c, struct msg *m)
{
    const uint8_t *topic;
    size_t len;

    if (!(m->flags & MSG_TOPIC))
        return needs_topic(m) ? -EPROTO : 0;
    if (take_part(c, &topic, &len) < 0 || len == 0 || len > MSG_TOPIC_MAX || !is_topic(topic, len))
        return -EPROTO;
    memcpy(m->topic, topic, len);
    m->topic[len] = '\0';
    m->topic_len = (uint8_t)len;
    return 0;
}

/* A payload among the parts becomes a blob in *apart, as if it had come apart. */
static int
copy_payload(struct cursor *c, size_t max_payload, struct blob **apart)
{
    const uint8_t *bytes;
    uint8_t *copy;
    size_t size;

    if (take_part(c, &bytes, &size) < 0 || c->left > 0)
        return -EPROTO;
    if (size > max_payload)
        return -EMSGSIZE;
    *apart = blob_alloc(size, &copy);
    if (!*apart)
        return -ENOMEM;
    memcpy(copy, bytes, size);
    return 0;
}

static int
decode_payload(struct cursor *c, size_t max_payload, struct blob **apart, struct msg *m)
{
    int rc = 0;

    if (!(m->flags & MSG_PAYLOAD))
        return *apart || c->left > 0 ? -EPROTO : 0;
    if (!*apart)
        rc = copy_payload(c, max_payload, apart);
    else if (c->left > 0)
        rc = -EPROTO;
    else if (blob_size(*apart) > max_payload)
        rc = -EMSGSIZE;
    if (rc == 0)
        msg_set_payload(m, apart);
    return rc;
}

int
msg_decode(const void *bytes, size_t size, struct blob **payload, size_t max_payload,
           struct msg *ret)
{
    AUTO(blob) struct blob *apart = payload ? TAKE(*payload) : NULL;
    struct cursor c = {bytes, size};
    int rc;

    if (size < HEADER_PART_SIZE)
        return -EPROTO;
    c.left -= HEADER_PART_SIZE;
    rc = decode_header(c.next + c.left, ret);
    if (rc == 0)
        rc = decode_routes(&c, ret);
    if (rc == 0)
        rc = decode_topic(&c, ret);
    if (rc == 0)
        rc = decode_payload(&c, max_payload, &apart, ret);
    return rc;
}
