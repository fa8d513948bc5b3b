/* SPDX-License-Identifier: MPL-2.0 */
/* sd_notify.c - see sd_notify.h.  A socket for each datagram: they are few, and the other end may be another
 * one after a restart of the service manager. */
#include "sd_notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

const char *
sd_notify_socket(void)
{
    const char *address = getenv("NOTIFY_SOCKET");

    return address && *address ? address : NULL;
}

bool
sd_notify_is_value(const char *text)
{
    size_t len = 0;

    for (; text[len]; len++) {
        if ((unsigned char)text[len] < ' ' || text[len] == 0x7f)
            return false;
    }
    return len <= SD_NOTIFY_LINE_MAX;
}

/* An abstract name is as long as it is: it has a NUL in front and none behind it. */
static int
parse_address(const char *address, struct sockaddr_un *ret, socklen_t *ret_size)
{
    size_t len = strlen(address);
    bool is_abstract = address[0] == '@';

    if ((!is_abstract && address[0] != '/') || len < 2 || len >= sizeof(ret->sun_path))
        return -EAFNOSUPPORT;
    *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(ret->sun_path, address, len);
    if (is_abstract)
        ret->sun_path[0] = '\0';
    *ret_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (is_abstract ? 0 : 1));
    return 0;
}

static int
send_lines(int fd, const struct sockaddr_un *to, socklen_t size, const char *lines, int patience_ms)
{
    int flags = MSG_NOSIGNAL | (patience_ms > 0 ? 0 : MSG_DONTWAIT);
    struct timeval patience = {patience_ms / 1000, patience_ms % 1000 * 1000};

    if (patience_ms > 0 && setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0)
        return -errno;
    if (sendto(fd, lines, strlen(lines), flags, (const struct sockaddr *)to, size) < 0)
        return errno == EWOULDBLOCK ? -EAGAIN : -errno;
    return 0;
}

int
sd_notify_send(const char *address, const char *lines, int patience_ms)
{
    struct sockaddr_un to;
    socklen_t size;
    int rc = parse_address(address, &to, &size);
    int fd;

    if (rc < 0)
        return rc;
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    rc = send_lines(fd, &to, size, lines, patience_ms);
    close(fd);
    return rc;
}
