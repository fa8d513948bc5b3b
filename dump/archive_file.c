/* SPDX-License-Identifier: MPL-2.0 */
/* archive_file.c - see archive_file.h. */
#include "archive_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static bool
is_stdin(const char *path)
{
    return strcmp(path, "-") == 0;
}

const char *
archive_file_name(const char *path)
{
    return is_stdin(path) ? "standard input" : path;
}

int
archive_file_open(const char *path, int *ret_fd, struct err *err)
{
    *ret_fd = is_stdin(path) ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    return *ret_fd < 0 ? err_set(err, -errno, "%s: %s", path, err_name(errno)) : 0;
}

void
archive_file_close(int *fd)
{
    if (*fd > STDIN_FILENO)
        close(*fd);
    *fd = -1;
}

struct layout
archive_file_layout(const struct archive_header *h)
{
    return (struct layout){h->alg, h->maxdirent, h->blob_size_limit};
}
