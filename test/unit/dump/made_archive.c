/* SPDX-License-Identifier: MPL-2.0 */
/* made_archive.c - see made_archive.h. */
#include "made_archive.h"

#include "cmocka_all.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

void
made_archive_init(struct made_archive *a, const struct archive_header *header)
{
    struct archive_stamp stamp = {.mtime = 1700000000};

    *a = (struct made_archive){.fd = memfd_create("test", MFD_CLOEXEC)};
    assert_true(a->fd >= 0);
    snprintf(a->path, sizeof(a->path), "/proc/self/fd/%d", a->fd);
    assert_int_equal(archive_writer_open(&a->writer, archive_format_tar(), a->fd, &stamp, NULL), 0);
    if (header)
        assert_int_equal(archive_writer_header(a->writer, header, NULL), 0);
}

void
made_archive_fini(struct made_archive *a)
{
    archive_writer_free(&a->writer);
    close(a->fd);
}

void
made_archive_file(struct made_archive *a, const char *path, const void *data, size_t size)
{
    assert_int_equal(archive_writer_file(a->writer, path, size, NULL), 0);
    assert_int_equal(archive_writer_data(a->writer, data, size, NULL), 0);
}

void
made_archive_link(struct made_archive *a, const char *path, const char *target)
{
    assert_int_equal(archive_writer_symlink(a->writer, path, target, NULL), 0);
}

void
made_archive_close(struct made_archive *a)
{
    assert_int_equal(archive_writer_close(a->writer, &a->end, NULL), 0);
}
