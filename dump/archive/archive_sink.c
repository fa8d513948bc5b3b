/* SPDX-License-Identifier: MPL-2.0 */
/* archive_sink.c - small writes are put together, large ones are passed on as they are.
 *
 * Compression is libarchive's: an archive of format "raw", which is one file and nothing else, with a
 * filter.  The same bytes in give the same bytes out: no time stamp in the gzip header, no padding.
 */
#include "archive_sink.h"
#include "output.h"
#include "buf.h"
#include "xmem.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <sys/uio.h>
#include <unistd.h>

#define BLOCK_SIZE (128 * 1024) // bytes put together for one write(2)
#define COPY_MAX (8 * 1024)     // larger pieces are not copied

struct archive_sink {
    struct archive *archive; // owned; NULL = bytes stay as they are
    struct buf block;        // not passed on yet
    int fd;                  // borrowed; -1 = the rest goes nowhere
};

static int
set_error(const struct archive_sink *s, struct err *err)
{
    int errnum = archive_errno(s->archive);
    const char *text = archive_error_string(s->archive);

    return err_set(err, errnum > 0 ? -errnum : -EIO, "%s: %s", output_name(s->fd),
                   text ? text : "compression failed");
}

static la_ssize_t
write_block(struct archive *a, void *arg, const void *data, size_t size)
{
    struct archive_sink *s = arg;
    ssize_t n;

    if (s->fd < 0)
        return (la_ssize_t)size;
    do {
        n = write(s->fd, data, size);
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        archive_set_error(a, errno, "%s", err_name(errno));
    return n;
}

static int
add_filter(struct archive *a, enum archive_filter filter)
{
    switch (filter) {
    case FILTER_NONE:
        return ARCHIVE_OK;
    case FILTER_GZIP:
        if (archive_write_add_filter_gzip(a) != ARCHIVE_OK)
            return ARCHIVE_FATAL;
        return archive_write_set_filter_option(a, "gzip", "timestamp", NULL);
    case FILTER_BZIP2:
        return archive_write_add_filter_bzip2(a);
    case FILTER_XZ:
        return archive_write_add_filter_xz(a);
    case FILTER_ZSTD:
        return archive_write_add_filter_zstd(a);
    case FILTER_LZ4:
        return archive_write_add_filter_lz4(a);
    }
    assert(false);
}

static int
open_filter(struct archive_sink *s, enum archive_filter filter)
{
    struct archive_entry *entry = archive_entry_new();
    struct archive *a = s->archive;
    int rc = archive_write_set_format_raw(a);

    assert(entry);
    if (rc == ARCHIVE_OK)
        rc = add_filter(a, filter);
    if (rc == ARCHIVE_OK)
        rc = archive_write_set_bytes_per_block(a, BLOCK_SIZE);
    if (rc == ARCHIVE_OK)
        rc = archive_write_set_bytes_in_last_block(a, 1);
    if (rc == ARCHIVE_OK)
        rc = archive_write_open(a, s, NULL, write_block, NULL);
    archive_entry_set_filetype(entry, AE_IFREG);
    if (rc == ARCHIVE_OK)
        rc = archive_write_header(a, entry);
    archive_entry_free(entry);
    return rc;
}

int
archive_sink_open(struct archive_sink **ret, enum archive_filter filter, int fd, struct err *err)
{
    struct archive_sink *s = xcalloc(1, sizeof(*s));

    s->fd = fd;
    if (filter != FILTER_NONE) {
        s->archive = archive_write_new();
        assert(s->archive);
        if (open_filter(s, filter) != ARCHIVE_OK) {
            int rc = set_error(s, err);

            archive_sink_free(&s);
            return rc;
        }
    }
    *ret = s;
    return 0;
}

static int
compress_bytes(struct archive_sink *s, const char *data, size_t size, struct err *err)
{
    while (size > 0) {
        la_ssize_t n = archive_write_data(s->archive, data, size);

        if (n <= 0)
            return set_error(s, err);
        data += n;
        size -= (size_t)n;
    }
    return 0;
}

/* The block and the bytes behind it, with one system call if that takes them. */
static int
write_both(struct archive_sink *s, const char *data, size_t size, struct err *err)
{
    struct iovec parts[2] = {{s->block.data, s->block.size}, {(void *)(uintptr_t)data, size}};
    size_t i = 0;

    while (i < ARRAY_SIZE(parts)) {
        ssize_t n;

        if (parts[i].iov_len == 0) {
            i++;
            continue;
        }
        n = writev(s->fd, parts + i, (int)(ARRAY_SIZE(parts) - i));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set(err, -errno, "%s: %s", output_name(s->fd), err_name(errno));
        for (; i < ARRAY_SIZE(parts) && (size_t)n >= parts[i].iov_len; i++)
            n -= (ssize_t)parts[i].iov_len;
        if (i < ARRAY_SIZE(parts)) {
            parts[i].iov_base = (char *)parts[i].iov_base + n;
            parts[i].iov_len -= (size_t)n;
        }
    }
    return 0;
}

static int
pass_on(struct archive_sink *s, const void *data, size_t size, struct err *err)
{
    int rc;

    if (s->archive) {
        rc = compress_bytes(s, s->block.data, s->block.size, err);
        if (rc == 0)
            rc = compress_bytes(s, data, size, err);
    } else {
        rc = write_both(s, data, size, err);
    }
    buf_reset(&s->block);
    return rc;
}

int
archive_sink_write(struct archive_sink *s, const void *data, size_t size, struct err *err)
{
    if (size > COPY_MAX)
        return pass_on(s, data, size, err);
    buf_add(&s->block, data, size);
    return s->block.size >= BLOCK_SIZE ? pass_on(s, NULL, 0, err) : 0;
}

int
archive_sink_close(struct archive_sink *s, struct err *err)
{
    int rc = pass_on(s, NULL, 0, err);

    if (rc == 0 && s->archive && archive_write_close(s->archive) != ARCHIVE_OK)
        rc = set_error(s, err);
    return rc;
}

void
archive_sink_free(struct archive_sink **sp)
{
    struct archive_sink *s = TAKE(*sp);

    if (!s)
        return;
    s->fd = -1; // freeing an archive completes it: a failed one must not look complete
    if (s->archive)
        archive_write_free(s->archive);
    buf_fini(&s->block);
    free(s);
}
