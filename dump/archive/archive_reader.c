/* SPDX-License-Identifier: MPL-2.0 */
/* archive_reader.c - libarchive for reading, with as little of it as possible.
 *
 * Two stages: `filters` takes compression away, and `archive` finds entries in the bytes that come out.
 * In between they can be looked at: for a header at the start, for the end mark, and for what is behind
 * it.  A file that is not compressed needs no filters, and can be sought in, as zip and 7zip have to; if they
 * come from a pipe they are put into a file first.
 *
 *   stage      bytes come from
 *   FILTERED   what was looked at first, then `filters`
 *   DIRECT     fd, from the start
 *
 * Only the formats that xylem-dump writes are switched on, and only filters that run in this
 * process: libarchive's security history is in the rest.  Nothing is ever unpacked to disk.
 *
 * libarchive gives names of pax headers back in Unicode's form C, so that two keys could become one; but in a
 * locale that has no other characters than ASCII it cannot, and gives them back as they are.  So a tar archive
 * is read in that locale.  (zip and 7zip have no such way.)
 *
 * libarchive takes the end of the file between two entries for the end of a tar archive, so one cut
 * off there would be restored in part without a word.  A complete archive ends with zero blocks,
 * which libarchive takes: so behind the last entry it has to have taken something.
 */
#include "archive_reader.h"
#include "spool.h"
#include "tar_block.h"
#include "xmem.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCK_SIZE (64 * 1024) // bytes per read(2)

struct archive_reader {
    struct archive *archive;      // owned
    struct archive *filters;      // FILTERED: owned; NULL = DIRECT
    struct archive_entry *entry;  // borrowed from archive; the current one
    int fd;                       // borrowed
    locale_t raw;                 // owned; tar: to be read in; else none
    bool is_compressed;           // fd has other bytes than archive
    bool has_header;              // is there a header?
    bool has_end;                 // and an end?
    struct archive_header header; // valid if has_header
    struct archive_end end;       // valid if has_end
    struct spool spool;           // what fd is when it came from a pipe and has to be sought in
    struct buf head;              // FILTERED: the first bytes, until archive has got them
    bool at_eof;                  // there are no more bytes
    char tail[ARCHIVE_END_SIZE];  // the last bytes that archive has got
    size_t tail_size;             // of them
    la_int64_t entry_end;         // bytes that archive had taken when the last entry was over
    uint64_t left;                // bytes of the current entry still to come, if has_size
    bool has_size;                // of the current entry
    char block[BLOCK_SIZE];       // what read_block() gets from fd
};

static int
set_error(struct archive *a, struct err *err)
{
    int errnum = archive_errno(a);
    const char *text = archive_error_string(a);

    return err_set(err, errnum > 0 ? -errnum : -EIO, "%s", text ? text : "archive format error");
}

/* ---- bytes ---- */

static void
keep_tail(struct archive_reader *r, const char *data, size_t size)
{
    size_t n = MIN(size, sizeof(r->tail));
    size_t kept = MIN(r->tail_size, sizeof(r->tail) - n);

    memmove(r->tail, r->tail + r->tail_size - kept, kept);
    memcpy(r->tail + kept, data + size - n, n);
    r->tail_size = kept + n;
}

static la_ssize_t
read_fd(struct archive *a, void *arg, const void **ret_block)
{
    struct archive_reader *r = arg;
    ssize_t n;

    do {
        n = read(r->fd, r->block, sizeof(r->block));
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        archive_set_error(a, errno, "%s", err_name(errno));
    *ret_block = r->block;
    return n;
}

static la_ssize_t
read_filters(struct archive_reader *r, struct archive *a, const void **ret_block)
{
    la_int64_t offset;
    size_t size = 0;
    int rc;

    do {
        rc = archive_read_data_block(r->filters, ret_block, &size, &offset);
    } while (rc == ARCHIVE_RETRY || (rc == ARCHIVE_OK && size == 0));
    if (rc == ARCHIVE_EOF)
        return 0;
    if (rc == ARCHIVE_OK)
        return (la_ssize_t)size;
    archive_set_error(a, archive_errno(r->filters), "%s",
                      archive_error_string(r->filters) ? archive_error_string(r->filters)
                                                       : "the compression is damaged");
    return -1;
}

/* What archive is to read next. */
static la_ssize_t
read_block(struct archive *a, void *arg, const void **ret_block)
{
    struct archive_reader *r = arg;
    la_ssize_t n;

    if (r->head.size > 0) {
        *ret_block = r->head.data;
        n = (la_ssize_t)r->head.size;
        r->head.size = 0; // the bytes stay where they are
    } else if (r->filters) {
        n = read_filters(r, a, ret_block);
    } else {
        n = read_fd(a, r, ret_block);
    }
    if (n == 0)
        r->at_eof = true;
    if (n > 0)
        keep_tail(r, *ret_block, (size_t)n);
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
    r->tail_size = 0;
    return at;
}

/* ---- opening ---- */

static void
support_filters(struct archive *a)
{
    archive_read_support_format_raw(a);
    archive_read_support_format_empty(a);
    archive_read_support_filter_gzip(a);
    archive_read_support_filter_bzip2(a);
    archive_read_support_filter_compress(a);
    archive_read_support_filter_lzma(a);
    archive_read_support_filter_xz(a);
    archive_read_support_filter_lzip(a);
    archive_read_support_filter_zstd(a);
    archive_read_support_filter_lz4(a);
}

static void
support_formats(struct archive *a)
{
    archive_read_support_format_tar(a);
    archive_read_support_format_zip_seekable(a); // as a stream it has no links
    archive_read_support_format_cpio(a);
    archive_read_support_format_7zip(a);
    archive_read_support_format_iso9660(a);
}

static int
open_filters(struct archive_reader *r, struct err *err)
{
    struct archive_entry *entry;
    int rc;

    r->filters = archive_read_new();
    assert(r->filters);
    support_filters(r->filters);
    rc = archive_read_open(r->filters, r, NULL, read_fd, NULL);
    if (rc == ARCHIVE_OK)
        rc = archive_read_next_header(r->filters, &entry);
    if (rc == ARCHIVE_EOF)
        return err_set(err, -EIO, "the archive is empty");
    if (rc != ARCHIVE_OK)
        return set_error(r->filters, err);
    r->is_compressed = archive_filter_code(r->filters, 0) != ARCHIVE_FILTER_NONE;
    return 0;
}

/* One that can have pax headers. */
static bool
is_tar(const struct buf *head)
{
    return head->size >= TAR_BLOCK && memcmp(head->data + 257, "ustar", 5) == 0;
}

/* So much from the start as a header can be long.  An error shows again when archive gets there. */
static int
look_at_head(struct archive_reader *r, struct err *err)
{
    int rc;

    while (r->head.size < ARCHIVE_HEADER_MAX) {
        const void *data;
        la_ssize_t n = read_filters(r, r->archive, &data);

        if (n <= 0)
            break;
        buf_add(&r->head, data, (size_t)n);
    }
    archive_clear_error(r->archive);
    if (is_tar(&r->head))
        r->raw = newlocale(LC_CTYPE_MASK, "C", (locale_t)0);
    rc = archive_header_decode(r->head.data, r->head.size, &r->header, err);
    r->has_header = rc == 1;
    return rc < 0 ? rc : 0;
}

/* Start again without filters, if that is possible. */
static void
go_direct(struct archive_reader *r, off_t start)
{
    if (r->is_compressed || start < 0 || lseek(r->fd, start, SEEK_SET) < 0)
        return;
    archive_read_free(TAKE(r->filters));
    buf_reset(&r->head);
    archive_read_set_seek_callback(r->archive, seek_block);
}

/* zip and 7zip tell at their end what is in them. */
static bool
is_told_at_the_end(const struct buf *head)
{
    return head->size >= 4 &&
           (memcmp(head->data, "PK", 2) == 0 || memcmp(head->data, "7z\xbc\xaf", 4) == 0);
}

/* From a pipe, or compressed once more: into a temporary file, which can be sought in. */
static int
go_through_file(struct archive_reader *r, struct err *err)
{
    const void *data = r->head.data;
    la_ssize_t n = (la_ssize_t)r->head.size;
    int rc = 0;

    while (n > 0 && (rc = spool_add(&r->spool, data, (size_t)n, err)) == 0)
        n = read_filters(r, r->filters, &data);
    if (rc == 0 && n < 0)
        rc = set_error(r->filters, err);
    if (rc < 0)
        return rc;
    r->fd = r->spool.fd;
    r->is_compressed = false;
    go_direct(r, 0);
    return 0;
}

static int
open_stages(struct archive_reader *r, struct err *err)
{
    off_t start = lseek(r->fd, 0, SEEK_CUR);
    int rc = open_filters(r, err);

    if (rc == 0)
        rc = look_at_head(r, err);
    if (rc < 0)
        return rc;
    go_direct(r, start);
    if (r->filters && is_told_at_the_end(&r->head) && (rc = go_through_file(r, err)) < 0)
        return rc;
    support_formats(r->archive);
    archive_read_set_read_callback(r->archive, read_block);
    archive_read_set_callback_data(r->archive, r);
    return archive_read_open1(r->archive) == ARCHIVE_OK ? 0 : set_error(r->archive, err);
}

int
archive_reader_open(struct archive_reader **ret, int fd, struct err *err)
{
    struct archive_reader *r = xcalloc(1, sizeof(*r));
    int rc;

    r->fd = fd;
    spool_init(&r->spool, 0);
    r->archive = archive_read_new();
    assert(r->archive);
    rc = open_stages(r, err);
    if (rc < 0)
        archive_reader_free(&r);
    else
        *ret = r;
    return rc;
}

const struct archive_header *
archive_reader_header(const struct archive_reader *r)
{
    return r->has_header ? &r->header : NULL;
}

const struct archive_end *
archive_reader_end(const struct archive_reader *r)
{
    return r->has_end ? &r->end : NULL;
}

int
archive_reader_check_header(const struct archive_reader *r, struct err *err)
{
    if (!r->has_header || !r->has_end ||
        (r->header.alg == r->end.alg && digest_equal(&r->header.digest, &r->end.header)))
        return 0;
    return err_set(err, -EIO, "its header was changed after it was written");
}

/* ---- entries ---- */

/* The checksums of a compressed file are at its end, and so is the end of an archive with a header. */
static int
read_rest(struct archive_reader *r, struct err *err)
{
    la_ssize_t n;

    do {
        const void *data;

        n = read_block(r->archive, r, &data);
    } while (n > 0);
    if (n < 0)
        return set_error(r->archive, err);
    r->has_end = archive_end_decode(r->tail, r->tail_size, &r->end) == 0;
    return 0;
}

/* After the last entry. */
static int
finish_reading(struct archive_reader *r, struct err *err)
{
    bool is_tar = (archive_format(r->archive) & ARCHIVE_FORMAT_BASE_MASK) == ARCHIVE_FORMAT_TAR;

    if (is_tar && archive_filter_bytes(r->archive, 0) < r->entry_end + TAR_BLOCK)
        return err_set(err, -EIO, "the archive ends without an end mark: it was cut off");
    return r->has_header ? read_rest(r, err) : 0;
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

static int
next_header(struct archive_reader *r)
{
    locale_t before = r->raw ? uselocale(r->raw) : (locale_t)0;
    int rc;

    if (r->entry)
        archive_read_data_skip(r->archive); // what is wrong shows in the next step
    r->entry_end = archive_filter_bytes(r->archive, 0);
    do {
        rc = archive_read_next_header(r->archive, &r->entry);
    } while (rc == ARCHIVE_RETRY);
    if (before)
        uselocale(before);
    return rc;
}

int
archive_reader_next(struct archive_reader *r, struct archive_item *ret, struct err *err)
{
    int rc = next_header(r);

    if (rc == ARCHIVE_EOF)
        return finish_reading(r, err);
    /* A warning is about a name that is not text in this locale: the caller checks names. */
    if (rc != ARCHIVE_OK && rc != ARCHIVE_WARN)
        return set_error(r->archive, err);
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

        if (n <
            0) // also RETRY, which for regions of a sparse file that overlap would come for ever
            return set_error(r->archive, err);
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

const char *
archive_reader_attribute(const struct archive_reader *r, const char *name, size_t *ret_size)
{
    static const char prefix[] = ARCHIVE_ATTRIBUTE_PREFIX;
    const char *full;
    const void *value;

    archive_entry_xattr_reset(r->entry);
    while (archive_entry_xattr_next(r->entry, &full, &value, ret_size) == ARCHIVE_OK) {
        if (full && strncmp(full, prefix, sizeof(prefix) - 1) == 0 &&
            strcmp(full + sizeof(prefix) - 1, name) == 0)
            return value && *ret_size > 0 ? value : "";
    }
    *ret_size = 0;
    return NULL;
}

void
archive_reader_free(struct archive_reader **rp)
{
    struct archive_reader *r = TAKE(*rp);

    if (!r)
        return;
    archive_read_free(r->archive);
    if (r->filters)
        archive_read_free(r->filters);
    archive_header_fini(&r->header);
    buf_fini(&r->head);
    spool_fini(&r->spool);
    if (r->raw)
        freelocale(r->raw);
    free(r);
}
