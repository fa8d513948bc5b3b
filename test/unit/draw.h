/* SPDX-License-Identifier: MPL-2.0 */
/* draw.h - random numbers from a fixed seed: xorshift64*, the same ones on every machine. */
#ifndef XYLEM_TEST_DRAW_H
#define XYLEM_TEST_DRAW_H

#include <stddef.h>
#include <stdint.h>

static inline uint64_t
draw(uint64_t *seed)
{
    *seed ^= *seed >> 12;
    *seed ^= *seed << 25;
    *seed ^= *seed >> 27;
    return *seed * UINT64_C(2685821657736338717) >> 16;
}

static inline size_t
draw_below(uint64_t *seed, size_t limit)
{
    return (size_t)(draw(seed) % limit);
}

#endif
