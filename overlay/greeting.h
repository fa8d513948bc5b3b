/* SPDX-License-Identifier: MPL-2.0 */
/* greeting.h - what a rank tells its parent when it joins, and what the parent answers
 * (xylem-overlay(7), "Hello").  Pure. */
#ifndef XYLEM_GREETING_H
#define XYLEM_GREETING_H

#include "base.h"
#include "buf.h"
#include "xerr.h"

#define GREETING_PROTOCOL 3  // version of the link protocol; must be equal
#define GREETING_WORD_MAX 64 // bytes of an id or a name, with the NUL
#define GREETING_WINDOW_MIN (1u << 20)
#define GREETING_WINDOW_MAX (16u << 20)

struct greeting {
    uint32_t rank;
    uint32_t size;
    uint32_t fanout;
    int protocol;                     // GREETING_PROTOCOL
    char version[GREETING_WORD_MAX];  // of the program, for people
    char instance[GREETING_WORD_MAX]; // which cluster
    char hash[GREETING_WORD_MAX];     // hash algorithm
    char uuid[GREETING_WORD_MAX];     // of this run of this rank
    char hostname[GREETING_WORD_MAX];
    uint32_t attempt; // counts the hellos of this run: in a hello; 0: not told
    uint32_t window;  // bytes, of the link: in a welcome; 0: not told
    uint32_t placed;  // in a hello; 1: somebody has let this rank in already, 0: not, or not told
};

/* Append as JSON. */
void greeting_encode(const struct greeting *g, struct buf *out);

/* -EPROTO with text: not JSON, a member is missing, of the wrong type or too long. */
int greeting_decode(const char *json, size_t size, struct greeting *ret, struct err *err);

/* May `child` join under `parent`?  0, or -EPERM with a sentence that both sides print. */
int greeting_check(const struct greeting *parent, const struct greeting *child, struct err *err);

#endif
