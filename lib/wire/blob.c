/* SPDX-License-Identifier: MPL-2.0 */
/* blob.c - immutable bytes with an atomic reference count.
 *
 *   BEHIND    header and bytes in one allocation
 *   ADOPTED   bytes in malloc()ed memory of their own
 *   FRAME     bytes in a zmq_msg_t that lives behind the header (struct framed_blob)
 *   STATIC    the empty blob; its count never reaches zero
 *
 * I1 Nothing but the count changes once the creator has handed the blob out.
 * I2 The zmq_msg_t of a FRAME is touched again only by whoever drops the last reference:
 *    zmq_msg_copy() writes to its source, so it may not be used on an object threads share.
 *
 * Thread: any.  ZeroMQ drops the references of sent frames in its I/O thread.
 */
#include "blob.h"
#include "xmem.h"

#include <stdatomic.h>
#include <string.h>

/* Received frames up to this size are copied: a small one pins libzmq's 8 KiB receive buffer, and
 * copying 16 KiB takes about a microsecond. */
#define COPY_IN_MAX ((size_t)16 * 1024)
/* Frames up to this size are copied on sending: cheaper than a hand-over between threads. */
#define COPY_OUT_MAX 512

enum kind { BEHIND, ADOPTED, FRAME, STATIC };

struct blob {
    atomic_uint refs;    // owners; the last one frees
    enum kind kind;      // where data lives
    size_t size;         // bytes
    const uint8_t *data; // never NULL; owned, as kind says
};

struct framed_blob {
    struct blob blob; // kind FRAME
    zmq_msg_t frame;  // holds the bytes; owned
};

static struct blob the_empty_blob = {1, STATIC, 0, (const uint8_t *)""};

static void
init_blob(struct blob *b, enum kind kind, const void *data, size_t size)
{
    atomic_init(&b->refs, 1);
    b->kind = kind;
    b->size = size;
    b->data = data;
}

/* Only counts and ownership are reached through this, never the bytes. */
static struct blob *
unconst(const struct blob *b)
{
    return (struct blob *)(uintptr_t)b;
}

struct blob *
blob_new(const void *data, size_t size)
{
    struct blob *b;

    if (size == 0)
        return blob_empty();
    b = xmalloc(sizeof(*b) + size);
    memcpy(b + 1, data, size);
    init_blob(b, BEHIND, b + 1, size);
    return b;
}

struct blob *
blob_alloc(size_t size, uint8_t **ret_data)
{
    struct blob *b = size <= SIZE_MAX - sizeof(*b) ? xmem_try(sizeof(*b) + size) : NULL;

    if (!b)
        return NULL;
    init_blob(b, BEHIND, b + 1, size);
    *ret_data = (uint8_t *)(b + 1);
    return b;
}

struct blob *
blob_adopt(void **data, size_t size)
{
    struct blob *b = xmalloc(sizeof(*b));

    assert(*data);
    init_blob(b, ADOPTED, TAKE(*data), size);
    return b;
}

static struct blob *
keep_frame(zmq_msg_t *frame)
{
    struct framed_blob *f = xmalloc(sizeof(*f));
    int rc;

    zmq_msg_init(&f->frame);
    rc = zmq_msg_move(&f->frame, frame);
    assert(rc == 0);
    init_blob(&f->blob, FRAME, zmq_msg_data(&f->frame), zmq_msg_size(&f->frame));
    return &f->blob;
}

struct blob *
blob_from_zmq(zmq_msg_t *frame)
{
    struct blob *b;

    if (zmq_msg_size(frame) > COPY_IN_MAX)
        return keep_frame(frame);
    b = blob_new(zmq_msg_data(frame), zmq_msg_size(frame));
    zmq_msg_close(frame);
    zmq_msg_init(frame);
    return b;
}

static void
drop_sent_frame(void *data UNUSED, void *hint)
{
    struct blob *b = hint;

    blob_unref(&b);
}

void
blob_to_zmq(const struct blob *b, zmq_msg_t *ret_frame)
{
    int rc;

    if (blob_size(b) <= COPY_OUT_MAX) {
        rc = zmq_msg_init_size(ret_frame, blob_size(b));
        assert(rc == 0);
        memcpy(zmq_msg_data(ret_frame), blob_data(b), blob_size(b));
        return;
    }
    rc = zmq_msg_init_data(ret_frame, (void *)(uintptr_t)b->data, b->size, drop_sent_frame,
                           blob_ref(b));
    assert(rc == 0);
}

struct blob *
blob_ref(const struct blob *b)
{
    struct blob *mine = unconst(b);

    if (mine)
        atomic_fetch_add_explicit(&mine->refs, 1, memory_order_relaxed);
    return mine;
}

static void
free_blob(struct blob *b)
{
    assert(b->kind != STATIC);
    if (b->kind == ADOPTED)
        free((void *)(uintptr_t)b->data);
    else if (b->kind == FRAME)
        zmq_msg_close(&container_of(b, struct framed_blob, blob)->frame);
    free(b);
}

void
blob_unref(struct blob **b)
{
    struct blob *mine = TAKE(*b);

    /* acq_rel: what other owners read from the bytes happens before they are freed. */
    if (mine && atomic_fetch_sub_explicit(&mine->refs, 1, memory_order_acq_rel) == 1)
        free_blob(mine);
}

const void *
blob_data(const struct blob *b)
{
    return b ? b->data : the_empty_blob.data;
}

size_t
blob_size(const struct blob *b)
{
    return b ? b->size : 0;
}

/* What malloc(size) costs: glibc puts 8 bytes in front and rounds up to 16. */
static size_t
allocation(size_t size)
{
    return (size + 8 + 15) / 16 * 16;
}

size_t
blob_memory(const struct blob *b)
{
    /* libzmq keeps a large content behind a descriptor of about this size. */
    const size_t zmq_descriptor = 48;

    switch (b->kind) {
    case BEHIND:
        return allocation(sizeof(*b) + b->size);
    case ADOPTED:
        return allocation(sizeof(*b)) + allocation(b->size);
    case FRAME:
        return allocation(sizeof(struct framed_blob)) + allocation(zmq_descriptor + b->size);
    case STATIC:
        break;
    }
    return 0;
}

struct blob *
blob_empty(void)
{
    return blob_ref(&the_empty_blob);
}
