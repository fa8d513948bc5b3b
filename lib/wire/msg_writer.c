/* SPDX-License-Identifier: MPL-2.0 */
/* msg_writer.c - messages into a byte stream.
 *
 * What is to be written is a queue of pieces, each either a chunk (bytes copied together from many
 * messages) or a reference to the blob of a large payload:
 *
 *   chunk [hdr parts parts hdr parts parts-] -> blob -> chunk [-part hdr parts ...
 *
 * A message may span chunks: the stream has no other boundaries than those in its bytes.
 *
 * I1 `pending` is the sum of what is left of all pieces.
 * I2 No piece is empty: a chunk is made when there are bytes for it, and goes when they are
 * written.
 *
 * Thread: any, one at a time.  See xylem-message(7).
 */
#include "msg_stream.h"
#include "list.h"
#include "part.h"
#include "xmem.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

/* Payloads above this are not copied: two pieces more cost about as much as copying 2 KiB, when those
 * have to come from memory. */
#define COPY_MAX ((size_t)2 * 1024)
#define CHUNK_SIZE ((size_t)64 * 1024)
/* Behind a large payload: often just its header and the next head, so 64 KiB would be waste. */
#define SMALL_CHUNK_SIZE ((size_t)256)
#define IOVECS_MAX 128

struct piece {
    struct list link;  // in msg_writer.pieces
    struct blob *blob; // owned reference; NULL = the bytes are in `bytes`
    size_t start;      // first byte not yet written
    size_t end;        // behind the last byte
    size_t capacity;   // of bytes; 0 with a blob
    uint8_t bytes[];   // of a chunk
};

struct msg_writer {
    struct list pieces;  // struct piece, in the order they are written; owned
    struct piece *spare; // an empty chunk of CHUNK_SIZE, or NULL; owned
    size_t pending;      // bytes
    bool is_pipe;        // the descriptor turned out not to be a socket
};

static struct piece *
piece_of(struct list *link)
{
    return list_entry(link, struct piece, link);
}

static void
free_piece(struct piece *p)
{
    blob_unref(&p->blob);
    free(p);
}

struct msg_writer *
msg_writer_new(void)
{
    struct msg_writer *w = xcalloc(1, sizeof(*w));

    list_init(&w->pieces);
    return w;
}

void
msg_writer_free(struct msg_writer **w)
{
    struct msg_writer *writer = TAKE(*w);
    struct list *link;

    if (!writer)
        return;
    while ((link = list_pop_front(&writer->pieces)))
        free_piece(piece_of(link));
    free(writer->spare);
    free(writer);
}

/* --- queue --- */

static struct piece *
new_piece(struct blob *blob, size_t capacity)
{
    struct piece *p = xmalloc(sizeof(*p) + capacity);

    list_init(&p->link);
    p->blob = blob;
    p->start = 0;
    p->end = blob_size(blob);
    p->capacity = capacity;
    return p;
}

static struct piece *
add_chunk(struct msg_writer *w)
{
    bool after_blob = !list_is_empty(&w->pieces) && piece_of(w->pieces.prev)->blob;
    struct piece *p = TAKE(w->spare);

    if (!p)
        p = new_piece(NULL, after_blob ? SMALL_CHUNK_SIZE : CHUNK_SIZE);
    list_push_back(&w->pieces, &p->link);
    return p;
}

/* The chunk at the end of the queue, with room for at least one byte. */
static struct piece *
last_chunk(struct msg_writer *w)
{
    struct piece *p = list_is_empty(&w->pieces) ? NULL : piece_of(w->pieces.prev);

    return p && p->end < p->capacity ? p : add_chunk(w);
}

static void
add_bytes(struct msg_writer *w, const void *data, size_t size)
{
    const uint8_t *from = data;

    w->pending += size;
    while (size > 0) {
        struct piece *p = last_chunk(w);
        size_t n = MIN(size, p->capacity - p->end);

        memcpy(p->bytes + p->end, from, n);
        p->end += n;
        from += n;
        size -= n;
    }
}

static void
add_payload(struct msg_writer *w, const struct blob *payload)
{
    if (blob_size(payload) <= COPY_MAX) {
        add_bytes(w, blob_data(payload), blob_size(payload));
        return;
    }
    list_push_back(&w->pieces, &new_piece(blob_ref(payload), 0)->link);
    w->pending += blob_size(payload);
}

void
msg_writer_push(struct msg_writer *w, struct msg *m)
{
    uint8_t head[MSG_STREAM_HEADER_SIZE + MSG_HEAD_MAX];
    uint8_t tail[MSG_HEADER_SIZE + 1];
    size_t head_size;
    size_t tail_size;
    size_t body;

    msg_encode_around(m, head + MSG_STREAM_HEADER_SIZE, &head_size, tail, &tail_size);
    body = head_size + msg_size(m) + tail_size;
    assert(body <= UINT32_MAX); // max_payload of an instance is far below
    part_put_u32(head, MSG_STREAM_MAGIC);
    part_put_u32(head + 4, (uint32_t)body);
    add_bytes(w, head, MSG_STREAM_HEADER_SIZE + head_size);
    add_payload(w, m->payload);
    add_bytes(w, tail, tail_size);
    msg_fini(m);
}

/* --- flush --- */

static size_t
fill_iovecs(struct msg_writer *w, struct iovec iov[IOVECS_MAX])
{
    size_t n = 0;

    LIST_FOR_EACH (it, &w->pieces) {
        const struct piece *p = piece_of(it);
        const uint8_t *bytes = p->blob ? blob_data(p->blob) : p->bytes;

        if (n == IOVECS_MAX)
            break;
        iov[n].iov_base = (void *)(uintptr_t)(bytes + p->start);
        iov[n].iov_len = p->end - p->start;
        n++;
    }
    return n;
}

/* MSG_NOSIGNAL spares the process SIGPIPE; only sockets have it. */
static ssize_t
write_iovecs(struct msg_writer *w, int fd, struct iovec *iov, size_t count)
{
    struct msghdr hdr = {.msg_iov = iov, .msg_iovlen = count};

    if (!w->is_pipe) {
        ssize_t n = sendmsg(fd, &hdr, MSG_NOSIGNAL);

        if (n >= 0 || errno != ENOTSOCK)
            return n;
        w->is_pipe = true;
    }
    return writev(fd, iov, (int)count);
}

static void
retire_first(struct msg_writer *w)
{
    struct piece *p = piece_of(list_pop_front(&w->pieces));

    if (p->capacity < CHUNK_SIZE || w->spare) {
        free_piece(p);
        return;
    }
    p->start = p->end = 0;
    w->spare = p;
}

static void
mark_written(struct msg_writer *w, size_t bytes)
{
    assert(bytes <= w->pending); /* I1 */
    w->pending -= bytes;
    while (bytes > 0) {
        struct piece *p = piece_of(w->pieces.next);
        size_t n = MIN(bytes, p->end - p->start);

        p->start += n;
        bytes -= n;
        if (p->start == p->end)
            retire_first(w);
    }
}

int
msg_writer_flush(struct msg_writer *w, int fd)
{
    struct iovec iov[IOVECS_MAX];

    while (w->pending > 0) {
        ssize_t n = write_iovecs(w, fd, iov, fill_iovecs(w, iov));

        if (n >= 0)
            mark_written(w, (size_t)n);
        else if (errno != EINTR)
            return errno == EWOULDBLOCK ? -EAGAIN : -errno;
    }
    return 0;
}

size_t
msg_writer_pending(const struct msg_writer *w)
{
    return w->pending;
}
