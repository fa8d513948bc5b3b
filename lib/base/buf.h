/* SPDX-License-Identifier: MPL-2.0 */
/* buf.h - growable byte buffer.
 *
 * Invariants: size <= capacity; data is NULL only while capacity is 0; when capacity > 0 there is
 * always a NUL at data[size], so text built here can be used as a C string.
 */
#ifndef XYLEM_BUF_H
#define XYLEM_BUF_H

#include "base.h"

struct buf {
    char *data;      // owned
    size_t size;     // bytes in use
    size_t capacity; // bytes allocated, less one for the NUL
};

#define BUF_INIT \
    { \
        NULL, 0, 0 \
    }

void buf_fini(struct buf *b);
void buf_reset(struct buf *b); // size = 0, memory kept
void buf_reserve(struct buf *b, size_t extra);
void buf_add(struct buf *b, const void *data, size_t size);
void buf_add_str(struct buf *b, const char *s);
void buf_add_char(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* The text so far; "" when nothing was added. */
const char *buf_str(const struct buf *b);

/* Hand the memory to the caller (free()); the buffer is empty afterwards.  Never NULL. */
char *buf_detach(struct buf *b, size_t *ret_size);

/* Append the next bytes of fd, at most max.  1: that many came, 0: end of file, or the -errno of
 * read(2). */
int buf_fill_fd(struct buf *b, int fd, size_t max);

/* Append all of fd until end of file.  0, the -errno of read(2), or -EFBIG when there are more than
 * max bytes; then the buffer holds the first max. */
int buf_read_fd(struct buf *b, int fd, size_t max);

static inline void
buf_auto(struct buf *b)
{
    buf_fini(b);
}

#endif
