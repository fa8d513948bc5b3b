/* SPDX-License-Identifier: MPL-2.0 */
/* rollcall.c - see rollcall.h. */
#include "rollcall.h"

#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* A name that begins with a NUL is no file. */
static socklen_t
make_name(struct sockaddr_un *ret, const char *job, uint32_t rank)
{
    int len;

    *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
    len = snprintf(ret->sun_path + 1, sizeof(ret->sun_path) - 1, "xylem/%.80s/%u", job, rank);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)len);
}

int
rollcall_answer(const char *job, uint32_t rank)
{
    struct sockaddr_un name;
    socklen_t size = make_name(&name, job, rank);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd >= 0 && bind(fd, (const struct sockaddr *)&name, size) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

bool
rollcall_is_here(const char *job, uint32_t rank)
{
    struct sockaddr_un name;
    socklen_t size = make_name(&name, job, rank);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool is_here = fd >= 0 && connect(fd, (const struct sockaddr *)&name, size) == 0;

    if (fd >= 0)
        close(fd);
    return is_here;
}
