/* SPDX-License-Identifier: MPL-2.0 */
/* topo.c - see topo.h.  Ranks are numbered level by level, so the parent of r > 0 is (r-1)/k, and
 * a subtree is one contiguous range of ranks on each level. */
#include "topo.h"

uint32_t
topo_parent(const struct topo *t, uint32_t rank)
{
    return rank == 0 ? TOPO_NONE : (rank - 1) / t->fanout;
}

uint32_t
topo_child_count(const struct topo *t, uint32_t rank)
{
    uint64_t first = (uint64_t)rank * t->fanout + 1;

    if (first >= t->size)
        return 0;
    return (uint32_t)MIN((uint64_t)t->fanout, t->size - first);
}

uint32_t
topo_child(const struct topo *t, uint32_t rank, uint32_t i)
{
    assert(i < topo_child_count(t, rank));
    return rank * t->fanout + 1 + i;
}

uint32_t
topo_level(const struct topo *t, uint32_t rank)
{
    uint32_t level = 0;

    for (; rank != 0; rank = topo_parent(t, rank))
        level++;
    return level;
}

uint32_t
topo_subtree_size(const struct topo *t, uint32_t rank)
{
    uint64_t first = rank;
    uint64_t width = 1; // ranks of the subtree on this level, were the level complete
    uint64_t total = 0;

    while (first < t->size) {
        total += MIN(width, t->size - first);
        first = first * t->fanout + 1;
        width *= t->fanout;
    }
    return (uint32_t)total;
}

bool
topo_is_below(const struct topo *t, uint32_t rank, uint32_t top)
{
    while (rank != TOPO_NONE && rank > top)
        rank = topo_parent(t, rank);
    return rank == top;
}

uint32_t
topo_next_hop_down(const struct topo *t, uint32_t from, uint32_t to)
{
    while (to != TOPO_NONE && to > from) {
        uint32_t parent = topo_parent(t, to);

        if (parent == from)
            return to;
        to = parent;
    }
    return TOPO_NONE;
}
