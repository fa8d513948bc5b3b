/* SPDX-License-Identifier: MPL-2.0 */
/* bundle.c - a mark, and each message's parts with their size before them.
 *
 * The mark is a size that no part has (part.c): so no message begins like a bundle. */
#include "bundle.h"
#include "part.h"
#include "xmem.h"

#include <errno.h>

static const uint8_t mark[] = {0xff, 0, 0, 0, 0};

#define CAPACITY_MIN 1024
#define OVERHEAD_MAX (PART_PREFIX_MAX + MSG_HEAD_MAX)

void
bundle_fini(struct bundle *b)
{
    free(b->bytes);
    *b = (struct bundle){0};
}

/* --- writing --- */

bool
bundle_suits(const struct msg *m)
{
    return msg_size(m) <= BUNDLE_PAYLOAD_MAX;
}

bool
bundle_has_room(const struct bundle *b, const struct msg *m)
{
    return b->count == 0 || b->size + msg_size(m) + OVERHEAD_MAX <= BUNDLE_SIZE_MAX;
}

static void
append(struct bundle *b, const void *bytes, size_t size)
{
    memcpy(b->bytes + b->size, bytes, size);
    b->size += size;
}

static void
make_room(struct bundle *b, size_t size)
{
    if (b->size + size <= b->capacity)
        return;
    b->capacity = MAX(MAX(b->capacity * 2, b->size + size), MAX(b->expected, CAPACITY_MIN));
    b->bytes = xrealloc(b->bytes, b->capacity);
}

void
bundle_add(struct bundle *b, const struct msg *m)
{
    uint8_t prefix[PART_PREFIX_MAX];
    uint8_t before[MSG_HEAD_MAX];
    uint8_t after[MSG_HEADER_SIZE + 1];
    size_t before_size;
    size_t after_size;

    msg_encode_around(m, before, &before_size, after, &after_size);
    make_room(b, sizeof(mark) + msg_size(m) + OVERHEAD_MAX);
    if (b->count == 0)
        append(b, mark, sizeof(mark));
    append(b, prefix, part_put_size(prefix, before_size + msg_size(m) + after_size));
    append(b, before, before_size);
    append(b, msg_data(m), msg_size(m));
    append(b, after, after_size);
    b->count++;
}

/* Bytes before the first message's parts. */
static size_t
skip_to_first(const struct bundle *b)
{
    size_t prefix = 0;
    size_t size;

    part_get_size(b->bytes + sizeof(mark), b->size - sizeof(mark), &prefix, &size);
    return sizeof(mark) + prefix;
}

const uint8_t *
bundle_take(struct bundle *b, size_t *ret_size, void **ret_memory)
{
    size_t skip = b->count == 1 ? skip_to_first(b) : 0;
    const uint8_t *bytes = b->bytes + skip;

    assert(b->count > 0);
    *ret_size = b->size - skip;
    *ret_memory = b->bytes;
    *b = (struct bundle){.expected = b->size};
    return bytes;
}

/* --- reading --- */

bool
bundle_is(const void *bytes, size_t size)
{
    return size >= sizeof(mark) && memcmp(bytes, mark, sizeof(mark)) == 0;
}

struct bundle_cursor
bundle_begin(const void *bytes, size_t size)
{
    assert(bundle_is(bytes, size));
    return (struct bundle_cursor){(const uint8_t *)bytes + sizeof(mark), size - sizeof(mark)};
}

int
bundle_next(struct bundle_cursor *c, size_t max_payload, struct msg *ret)
{
    size_t prefix;
    size_t size;
    int rc;

    if (c->left == 0)
        return 0;
    if (part_get_size(c->next, c->left, &prefix, &size) <= 0 || size > c->left - prefix)
        return -EPROTO;
    rc = msg_decode(c->next + prefix, size, NULL, max_payload, ret);
    c->next += prefix + size;
    c->left -= prefix + size;
    return rc < 0 ? rc : 1;
}
