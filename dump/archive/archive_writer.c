/* SPDX-License-Identifier: MPL-2.0 */
/* archive_writer.c - tar by hand, the other containers with libarchive, whose traps are closed.
 *
 * tar is written here because libarchive can neither write a global header nor keep up: its header of
 * a small value costs more than the value (tar_block.h, archive_sink.h).
 *
 * libarchive keeps an entry without a size as empty, pads a short one with zeros and cuts a long
 * one, all without an error: so sizes are always set, every count is compared, and what is left of
 * an entry is known here (I1: left == 0 whenever a header is written or the archive is closed).
 * A warning is a failure: it means that a name or a link was changed to fit the format.
 *
 * The same entries give the same bytes.  (An ISO image has the time of its making in it; libarchive
 * insists.)
 */
#include "archive_writer.h"
#include "archive_sink.h"
#include "output.h"
#include "tar_block.h"
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
    struct archive_sink *sink;           // tar: owned; where the blocks go
    struct buf block;                    // tar: headers being made
    struct digest header;                // tar: of the text of the archive's header
    struct buf records;                  // tar: attributes of the next entry
    struct archive *archive;             // not tar: owned
    struct archive_entry *entry;         // not tar: owned; used for every header
    const struct archive_format *format; // borrowed (static)
    struct archive_stamp stamp;          // of every entry
    uint64_t left;                       // bytes of the current entry still to come
    uint64_t size;                       // bytes of the current entry
    int fd;                              // borrowed; -1 = the rest goes nowhere
    int write_errno;                     // not tar: why a write(2) failed; 0 = none did
};

/* what: NULL = the archive. */
static int
set_error(struct archive_writer *w, const char *what, struct err *err)
{
    int errnum = archive_errno(w->archive);
    const char *text = archive_error_string(w->archive);

    if (w->write_errno) // whichever entry it came with
        return err_set(err, -w->write_errno, "%s: %s", output_name(w->fd),
                       err_name(w->write_errno));
    if (!what)
        what = output_name(w->fd);
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
    if (n < 0) {
        w->write_errno = errno;
        archive_set_error(a, errno, "%s", err_name(errno));
    }
    return n;
}

static int
set_container(struct archive *a, enum archive_container container)
{
    switch (container) {
    case CONTAINER_TAR:
        break;
    case CONTAINER_ZIP:
        return archive_write_set_format_zip(a);
    case CONTAINER_CPIO:
        return archive_write_set_format_cpio(a);
    case CONTAINER_7ZIP:
        return archive_write_set_format_7zip(a);
    case CONTAINER_ISO:
        if (archive_write_set_format_iso9660(a) != ARCHIVE_OK)
            return ARCHIVE_FATAL;
        return archive_write_set_options(a, "rockridge=strict,!joliet,iso-level=3");
    }
    assert(false);
}

static int
open_archive(struct archive_writer *w)
{
    int rc = set_container(w->archive, w->format->container);

    if (rc == ARCHIVE_OK)
        rc = archive_write_set_bytes_per_block(w->archive, BLOCK_SIZE);
    if (rc == ARCHIVE_OK)
        rc = archive_write_set_bytes_in_last_block(w->archive, 1);
    if (rc == ARCHIVE_OK)
        rc = archive_write_open(w->archive, w, NULL, write_block, NULL);
    return rc;
}

static int
open_container(struct archive_writer *w, struct err *err)
{
    w->archive = archive_write_new();
    w->entry = archive_entry_new();
    assert(w->archive && w->entry && w->format->filter == FILTER_NONE);
    return open_archive(w) == ARCHIVE_OK ? 0 : set_error(w, NULL, err);
}

int
archive_writer_open(struct archive_writer **ret, const struct archive_format *format, int fd,
                    const struct archive_stamp *stamp, struct err *err)
{
    struct archive_writer *w = xcalloc(1, sizeof(*w));
    int rc;

    w->format = format;
    w->stamp = *stamp;
    w->fd = fd;
    if (format->container == CONTAINER_TAR)
        rc = archive_sink_open(&w->sink, format->filter, fd, err);
    else
        rc = open_container(w, err);
    if (rc < 0)
        archive_writer_free(&w);
    else
        *ret = w;
    return rc;
}

/* ---- tar ---- */

static int
write_blocks(struct archive_writer *w, struct err *err)
{
    int rc = archive_sink_write(w->sink, w->block.data, w->block.size, err);

    buf_reset(&w->block);
    return rc;
}

static int
write_tar_header(struct archive_writer *w, enum tar_type type, const char *path, const char *target,
                 uint64_t size, struct err *err)
{
    const struct tar_entry e = {type,         path,         target,         size,
                                w->stamp.uid, w->stamp.gid, w->stamp.mtime, &w->records};

    assert(w->left == 0); /* I1 */
    tar_add_entry(&e, &w->block);
    buf_reset(&w->records);
    w->left = w->size = size;
    return write_blocks(w, err);
}

static int
write_tar_data(struct archive_writer *w, const void *data, size_t size, struct err *err)
{
    static const char zeros[TAR_BLOCK];
    int rc = archive_sink_write(w->sink, data, size, err);

    w->left -= size;
    if (rc == 0 && w->left == 0)
        rc = archive_sink_write(w->sink, zeros, tar_padding(w->size), err);
    return rc;
}

int
archive_writer_header(struct archive_writer *w, const struct archive_header *h, struct err *err)
{
    if (!w->sink)
        return 0;
    archive_header_encode(h, &w->block, &w->header);
    return write_blocks(w, err);
}

static int
close_tar(struct archive_writer *w, const struct archive_end *end, struct err *err)
{
    static const char zeros[TAR_END];
    struct archive_end last;
    int rc;

    buf_add(&w->block, zeros, sizeof(zeros));
    if (end) {
        last = *end;
        last.header = w->header;
        archive_end_encode(&last, &w->block);
    }
    rc = write_blocks(w, err);
    return rc < 0 ? rc : archive_sink_close(w->sink, err);
}

int
archive_writer_dir(struct archive_writer *w, const char *path, struct err *err)
{
    if (!w->sink)
        return err_set(err, -ENOTSUP, "%s: only tar archives have directories here", path);
    return write_tar_header(w, TAR_DIR, path, NULL, 0, err);
}

int
archive_writer_attribute(struct archive_writer *w, const char *name, const void *value, size_t size,
                         struct err *err)
{
    AUTO(free) char *full = xasprintf(ARCHIVE_ATTRIBUTE_PREFIX "%s", name);

    if (!w->sink)
        return err_set(err, -ENOTSUP, "%s: only tar archives have attributes", full);
    tar_add_attribute(full, value, size, &w->records);
    return 0;
}

/* ---- other containers ---- */

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
    if (w->sink)
        return write_tar_header(w, TAR_FILE, path, NULL, size, err);
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
    if (w->sink)
        return size > 0 ? write_tar_data(w, data, size, err) : 0;
    while (size > 0) {
        la_ssize_t n = archive_write_data(w->archive, from, size);

        if (n <= 0)
            return set_error(w, NULL, err);
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
    if (w->sink)
        return write_tar_header(w, TAR_SYMLINK, path, target, 0, err);
    archive_entry_clear(w->entry);
    archive_entry_set_filetype(w->entry, AE_IFLNK);
    archive_entry_set_perm(w->entry, 0644);
    archive_entry_set_size(w->entry, 0); // cpio refuses a header without
    archive_entry_copy_symlink(w->entry, target);
    return write_header(w, path, err);
}

int
archive_writer_close(struct archive_writer *w, const struct archive_end *end, struct err *err)
{
    assert(w->left == 0); /* I1 */
    if (w->sink)
        return close_tar(w, end, err);
    if (archive_write_close(w->archive) != ARCHIVE_OK)
        return set_error(w, NULL, err);
    return 0;
}

void
archive_writer_free(struct archive_writer **wp)
{
    struct archive_writer *w = TAKE(*wp);

    if (!w)
        return;
    w->fd = -1; // freeing an archive completes it: a failed one must not look complete
    if (w->archive)
        archive_write_free(w->archive);
    if (w->entry)
        archive_entry_free(w->entry);
    archive_sink_free(&w->sink);
    buf_fini(&w->block);
    buf_fini(&w->records);
    free(w);
}
