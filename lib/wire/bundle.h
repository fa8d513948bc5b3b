/* SPDX-License-Identifier: MPL-2.0 */
/* bundle.h - several messages as one frame (xylem-message(7), "Bundles").  Pure.
 *
 * A frame costs libzmq and the system about as much as copying 16 KiB, and every frame may wake up
 * three threads.  So messages for the same neighbour gather in a bundle while there is other work.
 */
#ifndef XYLEM_BUNDLE_H
#define XYLEM_BUNDLE_H

#include "msg.h"

#define BUNDLE_PAYLOAD_MAX 16384    // bytes: what is larger travels alone, uncopied
#define BUNDLE_SIZE_MAX (128 << 10) // bytes of a bundle

/* One that grows.  All zero: empty. */
struct bundle {
    uint8_t *bytes;  // owned; NULL = none yet
    size_t size;     // bytes in use
    size_t capacity; // bytes
    size_t expected; // capacity to begin with: what the last one needed
    size_t count;    // messages
};

void bundle_fini(struct bundle *b); // drops what is in it

/* May m be part of a bundle? */
bool bundle_suits(const struct msg *m);
/* And is there room for it in this one?  There is always room in an empty one. */
bool bundle_has_room(const struct bundle *b, const struct msg *m);
/* Copies. */
void bundle_add(struct bundle *b, const struct msg *m);

/* Hand over the frame: *ret_size bytes at the result; free(*ret_memory).  A bundle of one is that
 * message's parts.  The bundle, which must not be empty, is empty afterwards. */
const uint8_t *bundle_take(struct bundle *b, size_t *ret_size, void **ret_memory);

/* Is this frame a bundle, and not the parts of one message? */
bool bundle_is(const void *bytes, size_t size);

/* What is left of a frame that is a bundle. */
struct bundle_cursor {
    const uint8_t *next; // borrowed
    size_t left;         // bytes
};
struct bundle_cursor bundle_begin(const void *bytes, size_t size);
/* 1: the next message.  0: there is none.  -EPROTO, -EMSGSIZE, -ENOMEM: as msg_decode(); what
 * follows cannot be found. */
int bundle_next(struct bundle_cursor *c, size_t max_payload, struct msg *ret);

#endif
