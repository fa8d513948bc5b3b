/* SPDX-License-Identifier: MPL-2.0 */
/* msg_reader.c - messages out of a byte stream.
 *
 * Bytes are read into one buffer and decoded where they lie.  The payload of a message that does
 * not fit the buffer is read straight into its blob: only a payload can be longer than a topic, so
 * it is recognised before the flags at the end of the message are known.
 *
 *   state     waits for                        then
 *   HEADER    magic and body length, then      BODY when the whole message fits the buffer,
 *             the gate                         else HEAD
 *   HEAD      the size of the payload          PAYLOAD, or SKIP when it is beyond the limit
 *   PAYLOAD   the rest of the payload          BODY: what is left of it fits the buffer
 *   SKIP      the same, thrown away            BODY
 *   BODY      all parts (but a payload that    a message; HEADER
 *             is in its blob already or gone)
 *   BROKEN    nothing; entered on any error
 *
 * I1 `payload` is set only in PAYLOAD and BODY.
 * I2 In BODY, header and body together fit the buffer.
 * I3 Lengths are checked before memory is allocated for them.
 * I4 In SKIP, the parts in front of the payload are at `start`, `skip_at` bytes of them, and what
 *    follows them in the buffer has not been looked at.
 *
 * Thread: any; pure.  See xylem-message(7).
 */
#include "msg_stream.h"
#include "part.h"
#include "xmem.h"

#include <errno.h>

#define BUFFER_SIZE ((size_t)64 * 1024)

enum state { HEADER, HEAD, PAYLOAD, SKIP, BODY, BROKEN };

struct msg_reader {
    enum state state;            // see the table
    size_t max_payload;          // bytes, from the owner
    msg_gate_fn gate;            // NULL: every message may come in
    void *gate_arg;              // borrowed
    size_t body;                 // bytes of parts to come in the buffer; HEAD: with the payload
    struct blob *payload;        // owned; being filled, or complete in BODY
    uint8_t *payload_data;       // its bytes
    size_t payload_got;          // bytes of it that have arrived
    size_t skip;                 // SKIP: bytes of the payload still to be thrown away
    size_t skip_at;              // SKIP: where they are, relative to start
    bool oversized;              // SKIP, BODY: the message has lost its payload
    size_t start;                // first byte in the buffer that is not decoded yet
    size_t end;                  // behind the last byte in the buffer
    int error;                   // BROKEN: why
    uint8_t buffer[BUFFER_SIZE]; // start .. end are in use
};

struct msg_reader *
msg_reader_new(size_t max_payload)
{
    struct msg_reader *r = xmalloc(sizeof(*r));

    memset(r, 0, offsetof(struct msg_reader, buffer));
    r->max_payload = max_payload;
    return r;
}

void
msg_reader_free(struct msg_reader **r)
{
    struct msg_reader *reader = TAKE(*r);

    if (reader)
        blob_unref(&reader->payload);
    free(reader);
}

void
msg_reader_set_gate(struct msg_reader *r, msg_gate_fn fn, void *arg)
{
    r->gate = fn;
    r->gate_arg = arg;
}

/* Moves at most one incomplete message, once for each read. */
static void
compact(struct msg_reader *r)
{
    if (r->start == 0)
        return;
    memmove(r->buffer, r->buffer + r->start, r->end - r->start);
    r->end -= r->start;
    r->start = 0;
}

size_t
msg_reader_space(struct msg_reader *r, uint8_t **ret_where)
{
    if (r->state == PAYLOAD) {
        *ret_where = r->payload_data + r->payload_got;
        return blob_size(r->payload) - r->payload_got;
    }
    if (r->state == BROKEN)
        r->start = r->end = 0;
    compact(r);
    assert(r->end < BUFFER_SIZE); /* I2, when the owner took all messages before it came back */
    *ret_where = r->buffer + r->end;
    return BUFFER_SIZE - r->end;
}

void
msg_reader_filled(struct msg_reader *r, size_t bytes)
{
    if (r->state == PAYLOAD) {
        assert(bytes <= blob_size(r->payload) - r->payload_got);
        r->payload_got += bytes;
        return;
    }
    assert(bytes <= BUFFER_SIZE - r->end);
    r->end += bytes;
}

/* The steps below return 1 when the state has changed (or, in BODY, when there is a message), 0
 * when they need more bytes, else -errno. */

static int
read_header(struct msg_reader *r)
{
    const uint8_t *p = r->buffer + r->start;

    if (r->end - r->start < MSG_STREAM_HEADER_SIZE)
        return 0;
    if (part_get_u32(p) != MSG_STREAM_MAGIC)
        return -EPROTO;
    r->body = part_get_u32(p + 4);
    if (r->body > MSG_HEAD_MAX && r->body - MSG_HEAD_MAX > MAX(r->max_payload, MSG_STREAM_SKIP_MAX))
        return -EMSGSIZE;
    if (r->gate && !r->gate(r->gate_arg, r->body))
        return 0;
    r->start += MSG_STREAM_HEADER_SIZE;
    r->state = r->body <= BUFFER_SIZE - MSG_STREAM_HEADER_SIZE ? BODY : HEAD;
    return 1;
}

/* The payload is the only part that can be longer than a topic.  1: *ret_offset is where its size
 * starts, relative to the body, and *ret_prefix and *ret_size what it says.  0: more bytes. */
static int
find_payload(const struct msg_reader *r, size_t *ret_offset, size_t *ret_prefix, size_t *ret_size)
{
    const uint8_t *body = r->buffer + r->start;
    size_t avail = r->end - r->start;
    size_t offset = 0;

    while (offset < avail && offset < MSG_HEAD_MAX) {
        int rc = part_get_size(body + offset, avail - offset, ret_prefix, ret_size);

        if (rc <= 0)
            return rc;
        if (*ret_size > MSG_TOPIC_MAX) {
            *ret_offset = offset;
            return 1;
        }
        offset += *ret_prefix + *ret_size;
    }
    return offset < MSG_HEAD_MAX ? 0 : -EPROTO;
}

/* Take bytes out of the buffer, `offset` behind start, so that what is around them meets. */
static void
cut_out(struct msg_reader *r, size_t offset, size_t size)
{
    uint8_t *gap = r->buffer + r->start + offset;

    r->end -= size;
    memmove(gap, gap + size, (size_t)(r->buffer + r->end - gap));
}

/* What has arrived of the payload moves from the buffer to its blob. */
static int
begin_payload(struct msg_reader *r, size_t offset, size_t size)
{
    r->payload = blob_alloc(size, &r->payload_data);
    if (!r->payload)
        return -ENOMEM;
    r->payload_got = MIN(r->end - r->start - offset, size);
    memcpy(r->payload_data, r->buffer + r->start + offset, r->payload_got);
    cut_out(r, offset, r->payload_got);
    r->state = PAYLOAD;
    return 1;
}

static int
begin_skip(struct msg_reader *r, size_t offset, size_t size)
{
    r->skip = size;
    r->skip_at = offset;
    r->oversized = true;
    r->state = SKIP;
    return 1;
}

static int
read_head(struct msg_reader *r)
{
    size_t offset;
    size_t prefix;
    size_t size;
    int rc = find_payload(r, &offset, &prefix, &size);

    if (rc <= 0)
        return rc;
    if (offset + prefix + size + 1 + MSG_HEADER_SIZE != r->body)
        return -EPROTO;
    cut_out(r, offset, prefix);
    r->body -= prefix + size;
    return size > r->max_payload ? begin_skip(r, offset, size) : begin_payload(r, offset, size);
}

static int
read_payload(struct msg_reader *r)
{
    if (r->payload_got < blob_size(r->payload))
        return 0;
    r->state = BODY;
    return 1;
}

static int
skip_payload(struct msg_reader *r)
{
    size_t there = MIN(r->end - r->start - r->skip_at, r->skip);

    cut_out(r, r->skip_at, there);
    r->skip -= there;
    if (r->skip > 0)
        return 0;
    r->payload = blob_empty(); // stands for the one that is gone
    r->state = BODY;
    return 1;
}

/* Mark a message that has lost its payload, or is to lose it. */
static int
mark_oversized(struct msg *m)
{
    struct blob *none = NULL;

    msg_set_payload(m, &none);
    m->oversized = true;
    return m->type == MSG_REQUEST ? 0 : -EMSGSIZE;
}

static int
read_body(struct msg_reader *r, struct msg *ret)
{
    const uint8_t *body = r->buffer + r->start;
    int rc;

    if (r->end - r->start < r->body)
        return 0;
    rc = msg_decode(body, r->body, &r->payload, MAX(r->max_payload, BUFFER_SIZE), ret);
    if (rc == 0 && (r->oversized || msg_size(ret) > r->max_payload))
        rc = mark_oversized(ret);
    if (rc < 0)
        return rc;
    r->oversized = false;
    r->start += r->body;
    r->state = HEADER;
    return 1;
}

static int
step(struct msg_reader *r, struct msg *ret)
{
    switch (r->state) {
    case HEADER:
        return read_header(r);
    case HEAD:
        return read_head(r);
    case PAYLOAD:
        return read_payload(r);
    case SKIP:
        return skip_payload(r);
    case BODY:
        return read_body(r, ret);
    case BROKEN:
        break;
    }
    return r->error;
}

int
msg_reader_next(struct msg_reader *r, struct msg *ret)
{
    int rc;

    do {
        bool last_step = r->state == BODY;

        rc = step(r, ret);
        if (rc == 1 && last_step)
            return 1;
    } while (rc == 1);
    if (rc < 0) {
        r->state = BROKEN;
        r->error = rc;
        blob_unref(&r->payload);
    }
    return rc;
}
