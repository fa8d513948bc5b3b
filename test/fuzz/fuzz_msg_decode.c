/* SPDX-License-Identifier: MPL-2.0 */
/* The first byte says whether the rest is one packed message, or how many bytes of it are a payload
 * that came apart.  What decodes must encode to the same bytes, but for an empty payload part. */
#include "fuzz.h"
#include "msg.h"

#define LIMIT 4096

static void
assert_encodes_back(const struct msg *m, const uint8_t *data, size_t size, bool is_packed)
{
    AUTO(buf) struct buf out = BUF_INIT;

    msg_encode(m, is_packed, &out);
    assert(out.size == size || (!m->payload && (!is_packed || out.size + 1 == size)));
    assert(out.size != size || m->payload == NULL || memcmp(out.data, data, size) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct blob *payload = NULL;
    AUTO(msg) struct msg m;
    size_t apart;

    msg_init(&m, MSG_CONTROL);
    if (size == 0)
        return 0;
    apart = MIN(data[0], size - 1);
    if (apart > 0)
        payload = blob_new(data + size - apart, apart);
    data++;
    size -= 1 + apart;
    if (msg_decode(data, size, &payload, LIMIT, &m) == 0) {
        assert(msg_size(&m) <= LIMIT);
        assert_encodes_back(&m, data, size, apart == 0);
    } else {
        msg_init(&m, MSG_CONTROL);
    }
    assert(!payload);
    return 0;
}
