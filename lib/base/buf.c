/* SPDX-License-Identifier: MPL-2.0 */
/* buf.c - growable byte buffer.
 *
 * Model: one allocation of capacity + 1 bytes that at least doubles when it must grow, so that n
 * bytes added one at a time cost O(n).
 * Invariants (buf.h): size <= capacity; a NUL at data[size] whenever there is memory.
 */
#include "buf.h"

#include "xmem.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FIRST_CAPACITY 63 // a 64-byte allocation: most texts fit
#define READ_CHUNK 65536  // bytes asked of read(2) at a time

void
buf_fini(struct buf *b)
{
    free(b->data);
    *b = (struct buf)BUF_INIT;
}

static void
set_size(struct buf *b, size_t size)
{
    assert(size <= b->capacity);
    b->size = size;
    if (b->data)
        b->data[size] = '\0';
}

void
buf_reset(struct buf *b)
{
    set_size(b, 0);
}

void
buf_reserve(struct buf *b, size_t extra)
{
    size_t capacity;

    if (extra <= b->capacity - b->size && b->data)
        return;
    assert(extra < SIZE_MAX / 4 && b->size < SIZE_MAX / 4);
    capacity = MAX(b->size + extra, MAX(b->capacity * 2, FIRST_CAPACITY));
    b->data = xrealloc(b->data, capacity + 1);
    b->capacity = capacity;
    set_size(b, b->size);
}

void
buf_add(struct buf *b, const void *data, size_t size)
{
    buf_reserve(b, size);
    if (size > 0)
        memcpy(b->data + b->size, data, size);
    set_size(b, b->size + size);
}

void
buf_add_str(struct buf *b, const char *s)
{
    buf_add(b, s, strlen(s));
}

void
buf_add_char(struct buf *b, char c)
{
    buf_add(b, &c, 1);
}

void
buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap, again;
    int needed;

    assert(fmt); // gcc looks at the case when it checks for undefined behaviour
    va_start(ap, fmt);
    va_copy(again, ap);
    needed = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    assert(needed >= 0);
    buf_reserve(b, (size_t)needed);
    vsnprintf(b->data + b->size, (size_t)needed + 1, fmt, again);
    va_end(again);
    set_size(b, b->size + (size_t)needed);
}

const char *
buf_str(const struct buf *b)
{
    return b->data ? b->data : "";
}

char *
buf_detach(struct buf *b, size_t *ret_size)
{
    char *data;

    buf_reserve(b, 0);
    data = b->data;
    if (ret_size)
        *ret_size = b->size;
    *b = (struct buf)BUF_INIT;
    return data;
}

int
buf_fill_fd(struct buf *b, int fd, size_t max)
{
    while (max > 0) {
        size_t want = MIN(max, READ_CHUNK);
        ssize_t n;

        buf_reserve(b, want);
        n = read(fd, b->data + b->size, want);
        if (n < 0 && errno == EINTR)
            continue;
        set_size(b, b->size + (size_t)MAX(n, 0));
        if (n <= 0)
            return n < 0 ? -errno : 0;
        max -= (size_t)n;
    }
    return 1;
}

int
buf_read_fd(struct buf *b, int fd, size_t max)
{
    size_t before = b->size;
    int rc = buf_fill_fd(b, fd, max < SIZE_MAX ? max + 1 : max);

    if (rc <= 0)
        return rc;
    set_size(b, before + max);
    return -EFBIG;
}
