/* SPDX-License-Identifier: MPL-2.0 */
/* topo.h - arithmetic of the k-ary tree: rank 0 is the root, the children of rank r are
 * k*r+1 .. k*r+k, as far as they are below the size.  Pure; xylem-overlay(7), "Tree". */
#ifndef XYLEM_TOPO_H
#define XYLEM_TOPO_H

#include "base.h"

#define TOPO_NONE 0xffffffffu // no such rank
#define TOPO_SIZE_MAX 1000000u

struct topo {
    uint32_t size;   // ranks, 1 .. TOPO_SIZE_MAX
    uint32_t fanout; // k, at least 1
};

/* TOPO_NONE for rank 0. */
uint32_t topo_parent(const struct topo *t, uint32_t rank);

/* Number of children, and child i (0 .. count - 1). */
uint32_t topo_child_count(const struct topo *t, uint32_t rank);
uint32_t topo_child(const struct topo *t, uint32_t rank, uint32_t i);

/* Distance from the root. */
uint32_t topo_level(const struct topo *t, uint32_t rank);

/* Ranks in the subtree of rank, itself included. */
uint32_t topo_subtree_size(const struct topo *t, uint32_t rank);

/* Is `rank` in the subtree of `top` (or equal to it)? */
bool topo_is_below(const struct topo *t, uint32_t rank, uint32_t top);

/* The child of `from` whose subtree has `to`; TOPO_NONE when `to` is not below `from`, or is it. */
uint32_t topo_next_hop_down(const struct topo *t, uint32_t from, uint32_t to);

#endif
