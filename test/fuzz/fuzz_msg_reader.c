/* SPDX-License-Identifier: MPL-2.0 */
/* The first two bytes are the limit of a payload, the third a portion; the rest is a stream.  The
 * same messages, and the same end, must come out of it in portions of any size. */
#include "digest.h"
#include "fuzz.h"
#include "msg_stream.h"

static void
add_message(struct digest_stream *s, const struct msg *m, size_t limit)
{
    AUTO(buf) struct buf out = BUF_INIT;

    assert(msg_size(m) <= limit);
    assert(!m->oversized || (m->type == MSG_REQUEST && !m->payload));
    msg_encode(m, true, &out);
    buf_add_char(&out, (char)m->oversized);
    digest_stream_add(s, out.data, out.size);
}

/* Take all messages there are; returns what msg_reader_next() said last. */
static int
take_messages(struct msg_reader *r, struct digest_stream *s, size_t limit)
{
    struct msg m;
    int rc;

    while ((rc = msg_reader_next(r, &m)) == 1) {
        add_message(s, &m, limit);
        msg_fini(&m);
    }
    return rc;
}

static struct digest
read_stream(const uint8_t *data, size_t size, size_t limit, size_t portion)
{
    struct digest_stream *s = digest_stream_new(DIGEST_SHA1);
    struct msg_reader *r = msg_reader_new(limit);
    struct digest d;
    int rc = 0;

    while (rc == 0 && size > 0) {
        uint8_t *where;
        size_t room = msg_reader_space(r, &where);
        size_t n = MIN(MIN(portion, size), room);

        assert(room > 0);
        memcpy(where, data, n);
        msg_reader_filled(r, n);
        data += n;
        size -= n;
        rc = take_messages(r, s, limit);
    }
    digest_stream_add(s, &rc, sizeof(rc));
    digest_stream_finish(&s, &d);
    msg_reader_free(&r);
    return d;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct digest whole;
    struct digest parts;
    size_t limit;

    if (size < 3)
        return 0;
    limit = (size_t)data[0] << 8 | data[1];
    whole = read_stream(data + 3, size - 3, limit, SIZE_MAX);
    parts = read_stream(data + 3, size - 3, limit, 1 + data[2]);
    assert(digest_equal(&whole, &parts));
    return 0;
}
