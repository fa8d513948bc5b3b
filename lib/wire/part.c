/* SPDX-License-Identifier: MPL-2.0 */
/* part.c - the size in front of every part.  A size has one encoding only, so that a message has
 * one encoding only.  Pure. */
#include "part.h"

#include <errno.h>

#define LONG_FORM 0xff

size_t
part_put_size(uint8_t *out, size_t size)
{
    if (size < LONG_FORM) {
        out[0] = (uint8_t)size;
        return 1;
    }
    assert(size <= UINT32_MAX);
    out[0] = LONG_FORM;
    part_put_u32(out + 1, (uint32_t)size);
    return PART_PREFIX_MAX;
}

int
part_get_size(const uint8_t *bytes, size_t avail, size_t *ret_prefix, size_t *ret_size)
{
    uint32_t size;

    if (avail == 0)
        return 0;
    if (bytes[0] < LONG_FORM) {
        *ret_prefix = 1;
        *ret_size = bytes[0];
        return 1;
    }
    if (avail < PART_PREFIX_MAX)
        return 0;
    size = part_get_u32(bytes + 1);
    if (size < LONG_FORM)
        return -EPROTO;
    *ret_prefix = PART_PREFIX_MAX;
    *ret_size = size;
    return 1;
}
