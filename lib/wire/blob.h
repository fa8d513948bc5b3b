/* SPDX-License-Identifier: MPL-2.0 */
/* blob.h - immutable bytes with an atomic reference count: the only object threads share.
 *
 * A payload is copied at most once on its way through a rank: it is received into a blob, and the
 * cache, the store actor and every outgoing message hold references to that one blob.
 * Small bytes live behind the header in one allocation; large ones received from ZeroMQ stay in the
 * zmq_msg_t they came in.
 */
#ifndef XYLEM_BLOB_H
#define XYLEM_BLOB_H

#include "base.h"
#include <zmq.h>

struct blob;

/* Copies. */
struct blob *blob_new(const void *data, size_t size);

/* Uninitialised bytes for the caller to fill through *ret_data before anybody else sees the blob.
 * NULL when there is no memory (size may come from a peer). */
struct blob *blob_alloc(size_t size, uint8_t **ret_data);

/* Takes over malloc()ed memory; *data becomes NULL. */
struct blob *blob_adopt(void **data, size_t size);

/* Takes the content of *frame, which is empty (zmq_msg_init) afterwards; small content is copied,
 * because a received frame pins libzmq's 8 KiB buffer. */
struct blob *blob_from_zmq(zmq_msg_t *frame);

/* Make *frame refer to the blob's bytes: no copy above a few hundred bytes.  *frame must not be
 * initialised.  Takes a reference of its own. */
void blob_to_zmq(const struct blob *b, zmq_msg_t *ret_frame);

struct blob *blob_ref(const struct blob *b); // returns b; NULL is fine
void blob_unref(struct blob **b);            // *b becomes NULL; NULL is fine

const void *blob_data(const struct blob *b); // never NULL, also when empty
size_t blob_size(const struct blob *b);      // 0 for NULL

/* Bytes of memory the blob holds, with its header and the allocator's overhead (estimate). */
size_t blob_memory(const struct blob *b);

/* The one empty blob (a new reference). */
struct blob *blob_empty(void);

static inline void
blob_auto(struct blob **b)
{
    blob_unref(b);
}

#endif
