/* SPDX-License-Identifier: MPL-2.0 */
/* archive_format.c - the table of file name endings.
 *
 * libarchive has such a table too, but lacks zstd and lz4, and takes ".ar", which drops the
 * directories from names.  An ending not listed here is an error before any file is made.
 */
#include "archive_format.h"
#include "buf.h"

#include <errno.h>
#include <string.h>

static const struct archive_format formats[] = {
    {".tar", CONTAINER_TAR, FILTER_NONE},     {".tgz", CONTAINER_TAR, FILTER_GZIP},
    {".tar.gz", CONTAINER_TAR, FILTER_GZIP},  {".tar.bz2", CONTAINER_TAR, FILTER_BZIP2},
    {".txz", CONTAINER_TAR, FILTER_XZ},       {".tar.xz", CONTAINER_TAR, FILTER_XZ},
    {".tar.zst", CONTAINER_TAR, FILTER_ZSTD}, {".tar.lz4", CONTAINER_TAR, FILTER_LZ4},
    {".zip", CONTAINER_ZIP, FILTER_NONE},     {".cpio", CONTAINER_CPIO, FILTER_NONE},
    {".7z", CONTAINER_7ZIP, FILTER_NONE},     {".iso", CONTAINER_ISO, FILTER_NONE},
};

static bool
ends_with(const char *text, const char *end)
{
    size_t text_len = strlen(text);
    size_t end_len = strlen(end);

    return text_len > end_len && strcmp(text + text_len - end_len, end) == 0;
}

int
archive_format_by_path(const char *path, const struct archive_format **ret, struct err *err)
{
    AUTO(buf) struct buf known = BUF_INIT;

    for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
        if (ends_with(path, formats[i].extension)) {
            *ret = &formats[i];
            return 0;
        }
    }
    for (size_t i = 0; i < ARRAY_SIZE(formats); i++)
        buf_printf(&known, " %s", formats[i].extension);
    return err_set(err, -EINVAL, "%s: no format has this ending; known are%s", path,
                   buf_str(&known));
}

const struct archive_format *
archive_format_tar(void)
{
    return &formats[0];
}
