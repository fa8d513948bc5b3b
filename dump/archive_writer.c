/* SPDX-License-Identifier: MPL-2.0 */
/* archive_writer.c - libarchive, with its traps closed.
 *
 * libarchive keeps an entry without a size as empty, pads a short one with zeros and cuts a long
 * one, all without an error: so sizes are always set, every count is compared, and what is left of
 * an entry is known here (I1: left == 0 whenever a header is written or the archive is closed).
 * A warning is a failure: it means that a name or a link was changed to fit the format.
 *
 * The same entries give the same bytes: no time stamp in the gzip header, no padding that depends
 * on where the bytes go.  (An ISO image has the time of its making in it; libarchive insists.)
 */
#include "archive_writer.h"
#include "xmem.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#define BLOCK_SIZE (64 * 1024) // bytes per write(2); larger pieces of data are written directly
#define ZIP_STORE_MAX 1024     // setting deflate up for an entry costs more than this can save
#define ISO_NAME_MAX 248       // bytes of a name in Rock Ridge; libarchive cuts longer ones

struct archive_writer {
    struct archive *archive;             // owned
    struct archive_entry *entry;         // owned; used for every header
    const struct archive_format *format; // borrowed (static)
    struct archive_stamp stamp;          // of every entry
    uint64_t left;                       // bytes of the current entry still to come
    int fd;                              // borrowed; -1 = the rest goes nowhere
};

static int
set_error(struct archive_writer *w, const char *what, struct err *err)
{
    int errnum = archive_errno(w->archive);
    const char *text = archive_error_string(w->archive);

    return err_set(err, errnum > 0 ? -errnum : -EINVAL, "%s: %s", what,
                   text ? text : "archive format error");
}

static la_ssize_t
write_block(struct archive *a, void *arg, const void *data, size_t size)
{
    struct archive_writer *w = arg;
    ssize_t n;

    if (w->fd < 0)
        return (la_ssize_t)size;
    do {
        n = write(w->fd, data, size);
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        archive_set_error(a, errno, "%s", err_name(errno));
    return n;
}

static int
set_container(struct archive *a, enum archive_container container)
{
    switch (container) {
    case CONTAINER_TAR:
        return archive_write_set_format_pax_restricted(a);
    case CONTAINER_ZIP:
        return archive_write_set_format_zip(a);
    case CONTAINER_CPIO:
        return archive_write_set_format_cpio(a);
    case CONTAINER_7ZIP:
        return archive_write_set_format_7zip(a);
    case CONTAINER_ISO:
        if (archive_write_set_format_iso9660(a) != ARCHIVE_OK)
            return ARCHIVE_FATAL;
        return archive_write_set_options(a, "rockridge,!joliet,iso-level=3");
    }
    assert(false);
}

static int
set_filter(struct archive *a, enum archive_filter filter)
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
open_archive(struct archive_writer *w)
{
    int rc = set_container(w->archive, w->format->container);

    if (rc == ARCHIVE_OK)
        rc = set_filter(w->archive, w->format->filter);
    if (rc == ARCHIVE_OK)
        rc = archive_write_set_bytes_per_block(w->archive, BLOCK_SIZE);
    if (rc == ARCHIVE_OK)
        rc = archive_write_set_bytes_in_last_block(w->archive, 1);
    if (rc == ARCHIVE_OK)
        rc = archive_write_open(w->archive, w, NULL, write_block, NULL);
    return rc;
}

int
archive_writer_open(struct archive_writer **ret, const struct archive_format *format, int fd,
                    const struct archive_stamp *stamp, struct err *err)
{
    struct archive_writer *w = xcalloc(1, sizeof(*w));

    w->archive = archive_write_new();
    w->entry = archive_entry_new();
    assert(w->archive && w->entry);
    w->format = format;
    w->stamp = *stamp;
    w->fd = fd;
    if (open_archive(w) != ARCHIVE_OK) {
        int rc = set_error(w, format->extension, err);

        archive_writer_free(&w);
        return rc;
    }
    *ret = w;
    return 0;
}

/* Rock Ridge would cut these without a word. */
static int
check_iso_path(const char *path, struct err *err)
{
    for (const char *name = path; *name; name += strspn(name, "/")) {
        size_t len = strcspn(name, "/");

        if (len > ISO_NAME_MAX)
            return err_set(err, -EINVAL, "%s: ISO9660 has no room for a name of %zu bytes", path,
                           len);
        name += len;
    }
    return 0;
}

static int
write_header(struct archive_writer *w, const char *path, struct err *err)
{
    int rc;

    assert(w->left == 0); /* I1 */
    if (w->format->container == CONTAINER_ISO && (rc = check_iso_path(path, err)) < 0)
        return rc;
    archive_entry_copy_pathname(w->entry, path);
    archive_entry_set_uid(w->entry, w->stamp.uid);
    archive_entry_set_gid(w->entry, w->stamp.gid);
    archive_entry_set_mtime(w->entry, w->stamp.mtime, 0);
    if (archive_write_header(w->archive, w->entry) != ARCHIVE_OK)
        return set_error(w, path, err);
    return 0;
}

int
archive_writer_file(struct archive_writer *w, const char *path, uint64_t size, struct err *err)
{
    int rc;

    if (size > INT64_MAX)
        return err_set(err, -EFBIG, "%s: too large", path);
    if (w->format->container == CONTAINER_ZIP && size <= ZIP_STORE_MAX)
        archive_write_zip_set_compression_store(w->archive);
    else if (w->format->container == CONTAINER_ZIP)
        archive_write_zip_set_compression_deflate(w->archive);
    archive_entry_clear(w->entry);
    archive_entry_set_filetype(w->entry, AE_IFREG);
    archive_entry_set_perm(w->entry, 0644);
    archive_entry_set_size(w->entry, (la_int64_t)size);
    if ((rc = write_header(w, path, err)) == 0)
        w->left = size;
    return rc;
}

int
archive_writer_data(struct archive_writer *w, const void *data, size_t size, struct err *err)
{
    const char *from = data;

    assert(size <= w->left); /* I1 */
    while (size > 0) {
        la_ssize_t n = archive_write_data(w->archive, from, size);

        if (n <= 0)
            return set_error(w, "write", err);
        from += n;
        size -= (size_t)n;
        w->left -= (uint64_t)n;
    }
    return 0;
}

int
archive_writer_symlink(struct archive_writer *w, const char *path, const char *target,
                       struct err *err)
{
    archive_entry_clear(w->entry);
    archive_entry_set_filetype(w->entry, AE_IFLNK);
    archive_entry_set_perm(w->entry, 0644);
    archive_entry_set_size(w->entry, 0); // cpio refuses a header without
    archive_entry_copy_symlink(w->entry, target);
    return write_header(w, path, err);
}

int
archive_writer_close(struct archive_writer *w, struct err *err)
{
    assert(w->left == 0); /* I1 */
    if (archive_write_close(w->archive) != ARCHIVE_OK)
        return set_error(w, "write", err);
    return 0;
}

void
archive_writer_free(struct archive_writer **wp)
{
    struct archive_writer *w = TAKE(*wp);

    if (!w)
        return;
    w->fd = -1; // freeing an archive completes it: a failed one must not look complete
    archive_write_free(w->archive);
    archive_entry_free(w->entry);
    free(w);
}
