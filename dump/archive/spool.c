/* SPDX-License-Identifier: MPL-2.0 */
/* spool.c - memory first, then a file.
 *
 * A value made of many blobs has a size only when all of them are here, but an archive wants the
 * size before the first byte.  Values of many gigabytes must not cost that much memory.
 *
 * Content = memory[0..kept) followed by file[0..size-kept).  When the file is read back, its pieces
 * go through `memory`, whose own bytes have been handed out by then.
 */
#include "spool.h"
#include "xmem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define WINDOW (256 * 1024) // bytes read from the file at once

void
spool_init(struct spool *s, size_t limit)
{
    *s = (struct spool){.memory = BUF_INIT, .limit = limit, .fd = -1};
}

void
spool_fini(struct spool *s)
{
    buf_fini(&s->memory);
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
}

void
spool_reset(struct spool *s)
{
    buf_reset(&s->memory);
    /* Gives the disk space back; if it cannot, the old bytes are overwritten and never read. */
    if (s->fd >= 0 && s->size > s->kept && ftruncate(s->fd, 0) < 0) {
        close(s->fd);
        s->fd = -1;
    }
    s->kept = 0;
    s->size = s->given = 0;
}

static int
open_file(struct spool *s, struct err *err)
{
    const char *dir = getenv("TMPDIR");
    AUTO(free) char *path = NULL;

    if (!dir || !*dir)
        dir = "/var/tmp";
    s->fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (s->fd >= 0)
        return 0;
    path = xasprintf("%s/xylem-dump-XXXXXX", dir); // not every file system knows O_TMPFILE
    s->fd = mkostemp(path, O_CLOEXEC);
    if (s->fd < 0)
        return err_set(err, -errno, "temporary file in %s: %s", dir, err_name(errno));
    unlink(path);
    return 0;
}

static int
write_file(struct spool *s, const char *data, size_t size, struct err *err)
{
    while (size > 0) {
        ssize_t n = pwrite(s->fd, data, size, (off_t)(s->size - s->kept));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set(err, -errno, "temporary file: %s", err_name(errno));
        data += n;
        size -= (size_t)n;
        s->size += (uint64_t)n;
    }
    return 0;
}

int
spool_add(struct spool *s, const void *data, size_t size, struct err *err)
{
    int rc;

    assert(s->given == 0);
    if (s->size == s->kept && s->kept + size <= s->limit) {
        buf_add(&s->memory, data, size);
        s->kept += size;
        s->size += size;
        return 0;
    }
    if (s->fd < 0 && (rc = open_file(s, err)) < 0)
        return rc;
    return write_file(s, data, size, err);
}

uint64_t
spool_size(const struct spool *s)
{
    return s->size;
}

static int
read_file(struct spool *s, const void **ret_data, size_t *ret_size, struct err *err)
{
    size_t want = (size_t)MIN(s->size - s->given, (uint64_t)WINDOW);
    ssize_t n;

    buf_reset(&s->memory);
    buf_reserve(&s->memory, want);
    do {
        n = pread(s->fd, s->memory.data, want, (off_t)(s->given - s->kept));
    } while (n < 0 && errno == EINTR);
    if (n <= 0)
        return err_set(err, n < 0 ? -errno : -EIO, "temporary file: %s",
                       n < 0 ? err_name(errno) : "it became shorter");
    s->given += (uint64_t)n;
    *ret_data = s->memory.data;
    *ret_size = (size_t)n;
    return 1;
}

int
spool_next(struct spool *s, const void **ret_data, size_t *ret_size, struct err *err)
{
    if (s->given == s->size)
        return 0;
    if (s->given >= s->kept)
        return read_file(s, ret_data, ret_size, err);
    s->given = s->kept;
    *ret_data = s->memory.data;
    *ret_size = s->kept;
    return 1;
}
