/* SPDX-License-Identifier: MPL-2.0 */
/* part.h - one part of an encoded message: its size, then its bytes (xylem-message(7), "Parts").
 * The size takes 1 byte up to 254, else ff and 4 big-endian bytes.  Private to this folder. */
#ifndef XYLEM_PART_H
#define XYLEM_PART_H

#include "base.h"

#define PART_PREFIX_MAX 5

static inline uint32_t
part_get_u32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline void
part_put_u32(uint8_t *p, uint32_t value)
{
    p[0] = (uint8_t)(value >> 24);
    p[1] = (uint8_t)(value >> 16);
    p[2] = (uint8_t)(value >> 8);
    p[3] = (uint8_t)value;
}

/* Write the size of a part; returns the bytes written, at most PART_PREFIX_MAX. */
size_t part_put_size(uint8_t *out, size_t size);

/* Read the size of the part that starts at `bytes`, of which `avail` are there; the part itself may
 * go beyond them.  1: *ret_prefix bytes of size in front of a part of *ret_size bytes.  0: more
 * bytes are needed.  -EPROTO: the long form where the short one does. */
int part_get_size(const uint8_t *bytes, size_t avail, size_t *ret_prefix, size_t *ret_size);

#endif
