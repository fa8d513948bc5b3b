/* SPDX-License-Identifier: MPL-2.0 */
/* archive_reader.c - libarchive for reading, with as little of it as possible.
 *
 * Only the formats that xylem-dump writes are switched on, and only filters that run in this
 * process: libarchive's security history is in the rest.  Nothing is ever unpacked to disk.
 *
 * libarchive takes the end of the file between two entries for the end of a tar archive, so one cut
 * off there would be restored in part without a word.  A complete archive ends with zero blocks;
 * this reader therefore counts the zeros at the end of what it has read.  (Compressed archives have
 * an end mark of their own, which the filters check.)
 */
#include "archive_reader.h"
#include "xmem.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCK_SIZE (64 * 1024) // bytes per read(2)
#define TAR_BLOCK 512          // a tar archive ends with at least one of these full of zeros

struct archive_reader {
    struct archive *archive;     // owned
    struct archive_entry *entry; // borrowed from archive; the current one
    int fd;                      // borrowed
    bool at_eof;                 // read(2) has returned 0
    size_t zeros;                // zero bytes at the end of what was read, TAR_BLOCK at most
    uint64_t left;               // bytes of the current entry still to come, if has_size
    bool has_size;               // of the current entry
    char block[BLOCK_SIZE];      // what read_block() gives to libarchive
};

static int
set_error(struct archive_reader *r, struct err *err)
{
    int errnum = archive_errno(r->archive);
    const char *text = archive_error_string(r->archive);

    return err_set(err, errnum > 0 ? -errnum : -EIO, "%s", text ? text : "archive format error");
}

static void
count_zeros(struct archive_reader *r, size_t size)
{
    size_t n = 0;

    while (n < size && n < TAR_BLOCK && r->block[size - 1 - n] == 0)
        n++;
    r->zeros = n == size ? MIN(r->zeros + n, TAR_BLOCK) : n;
}

static la_ssize_t
read_block(struct archive *a, void *arg, const void **ret_block)
{
    struct archive_reader *r = arg;
    ssize_t n;

    do {
        n = read(r->fd, r->block, sizeof(r->block));
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        archive_set_error(a, errno, "%s", err_name(errno));
    else if (n == 0)
        r->at_eof = true;
    else
        count_zeros(r, (size_t)n);
    *ret_block = r->block;
    return n;
}

static la_int64_t
seek_block(struct archive *a, void *arg, la_int64_t offset, int whence)
{
    struct archive_reader *r = arg;
    off_t at = lseek(r->fd, offset, whence);

    if (at < 0) {
        archive_set_error(a, errno, "%s", err_name(errno));
        return ARCHIVE_FATAL;
    }
    r->at_eof = false;
    return at;
}

static void
support_formats(struct archive *a)
{
    archive_read_support_format_tar(a);
    archive_read_support_format_zip(a);
    archive_read_support_format_cpio(a);
    archive_read_support_format_7zip(a);
    archive_read_support_format_iso9660(a);
    archive_read_support_filter_gzip(a);
    archive_read_support_filter_bzip2(a);
    archive_read_support_filter_compress(a);
    archive_read_support_filter_lzma(a);
    archive_read_support_filter_xz(a);
    archive_read_support_filter_lzip(a);
    archive_read_support_filter_zstd(a);
    archive_read_support_filter_lz4(a);
}

int
archive_reader_open(struct archive_reader **ret, int fd, struct err *err)
{
    struct archive_reader *r = xcalloc(1, sizeof(*r));
    int rc;

    r->fd = fd;
    r->archive = archive_read_new();
    assert(r->archive);
    support_formats(r->archive);
    archive_read_set_read_callback(r->archive, read_block);
    if (lseek(fd, 0, SEEK_CUR) >= 0)
        archive_read_set_seek_callback(r->archive, seek_block);
    archive_read_set_callback_data(r->archive, r);
    if (archive_read_open1(r->archive) != ARCHIVE_OK) {
        rc = set_error(r, err);
        archive_reader_free(&r);
        return rc;
    }
    *ret = r;
    return 0;
}

static bool
is_cut_off(const struct archive_reader *r)
{
    bool is_tar = (archive_format(r->archive) & ARCHIVE_FORMAT_BASE_MASK) == ARCHIVE_FORMAT_TAR;
    bool is_plain = archive_filter_code(r->archive, 0) == ARCHIVE_FILTER_NONE;

    return is_tar && is_plain && r->at_eof && r->zeros < TAR_BLOCK;
}

static enum archive_kind
kind_of(struct archive_entry *e)
{
    if (archive_entry_hardlink(e) || archive_entry_hardlink_utf8(e))
        return ARCHIVE_HARDLINK;
    switch (archive_entry_filetype(e)) {
    case AE_IFREG:
        return ARCHIVE_FILE;
    case AE_IFDIR:
        return ARCHIVE_DIR;
    case AE_IFLNK:
        return ARCHIVE_SYMLINK;
    default:
        return ARCHIVE_OTHER;
    }
}

static void
describe_entry(struct archive_reader *r, struct archive_item *ret)
{
    struct archive_entry *e = r->entry;
    bool has_content;

    ret->path = archive_entry_pathname(e);
    ret->kind = kind_of(e);
    ret->target = NULL;
    if (ret->kind == ARCHIVE_HARDLINK)
        ret->target = archive_entry_hardlink(e);
    else if (ret->kind == ARCHIVE_SYMLINK)
        ret->target = archive_entry_symlink(e);
    has_content =
        ret->kind == ARCHIVE_FILE || ret->kind == ARCHIVE_HARDLINK; // cpio gives links one
    ret->has_size = r->has_size = has_content && archive_entry_size_is_set(e);
    ret->size = r->left = ret->has_size ? (uint64_t)archive_entry_size(e) : 0;
    ret->mtime = archive_entry_mtime_is_set(e) ? (int64_t)archive_entry_mtime(e) : 0;
}

int
archive_reader_next(struct archive_reader *r, struct archive_item *ret, struct err *err)
{
    int rc;

    do {
        rc = archive_read_next_header(r->archive, &r->entry);
    } while (rc == ARCHIVE_RETRY);
    if (rc == ARCHIVE_EOF) {
        if (is_cut_off(r))
            return err_set(err, -EIO, "the archive ends without an end mark: it was cut off");
        return 0;
    }
    /* A warning is about a name that is not text in this locale: the caller checks names. */
    if (rc != ARCHIVE_OK && rc != ARCHIVE_WARN)
        return set_error(r, err);
    if (archive_entry_size_is_set(r->entry) && archive_entry_size(r->entry) < 0)
        return err_set(err, -EIO, "an entry has a negative size");
    describe_entry(r, ret);
    return 1;
}

/* A hole at the end of a sparse file is not told as data. */
static size_t
fill_hole(struct archive_reader *r, char *data, size_t size)
{
    size_t n = (size_t)MIN(r->left, (uint64_t)size);

    if (!r->has_size || archive_entry_sparse_count(r->entry) == 0)
        return 0;
    memset(data, 0, n);
    r->left -= n;
    return n;
}

ssize_t
archive_reader_data(struct archive_reader *r, void *data, size_t size, struct err *err)
{
    char *to = data;
    size_t got = 0;

    while (got < size) {
        la_ssize_t n = archive_read_data(r->archive, to + got, size - got);

        if (n == ARCHIVE_RETRY)
            continue;
        if (n < 0)
            return set_error(r, err);
        if (n == 0) {
            got += fill_hole(r, to + got, size - got);
            break;
        }
        got += (size_t)n;
        r->left -= MIN(r->left, (uint64_t)n);
    }
    if (got < size && r->has_size && r->left > 0)
        return err_set(err, -EIO, "an entry is shorter than its size says");
    return (ssize_t)got;
}

void
archive_reader_free(struct archive_reader **rp)
{
    struct archive_reader *r = TAKE(*rp);

    if (!r)
        return;
    archive_read_free(r->archive);
    free(r);
}
