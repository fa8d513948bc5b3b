/* SPDX-License-Identifier: MPL-2.0 */
/* uri.c - parse the address of a rank.
 *
 * Only the form is checked: whether the host exists, or the path, shows when connecting.  A path
 * must be absolute, because a process started elsewhere must find the same socket. */
#include "uri.h"
#include "units.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/un.h>

static const struct {
    const char *prefix;
    enum uri_kind kind;
} schemes[] = {
    {"local://", URI_LOCAL},
    {"ipc://", URI_IPC},
    {"tcp://", URI_TCP},
};

static int
check_path(const struct uri *uri, struct err *err)
{
    size_t max = sizeof(((struct sockaddr_un *)0)->sun_path) - 1;

    if (uri->path[0] != '/')
        return err_set(err, -EINVAL, "%s: the path must be absolute", uri->text);
    if (strlen(uri->path) > max)
        return err_set(err, -ENAMETOOLONG, "%s: socket paths have at most %zu characters",
                       uri->text, max);
    return 0;
}

static int
check_host_port(const struct uri *uri, struct err *err)
{
    const char *colon = strrchr(uri->path, ':');
    long port;

    if (!colon || colon == uri->path || units_parse_long(colon + 1, 1, 65535, &port) < 0)
        return err_set(err, -EINVAL, "%s: expected tcp://HOST:PORT", uri->text);
    return 0;
}

bool
uri_is_local(const struct uri *uri)
{
    const char *colon = strrchr(uri->path, ':');
    struct in_addr ip;
    char host[64];

    if (uri->kind != URI_TCP)
        return true;
    if (!colon || (size_t)(colon - uri->path) >= sizeof(host))
        return false;
    memcpy(host, uri->path, (size_t)(colon - uri->path));
    host[colon - uri->path] = '\0';
    if (strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0)
        return true;
    return inet_pton(AF_INET, host, &ip) == 1 && ntohl(ip.s_addr) >> 24 == 127;
}

static int
find_scheme(struct uri *uri, struct err *err)
{
    for (size_t i = 0; i < ARRAY_SIZE(schemes); i++) {
        size_t len = strlen(schemes[i].prefix);

        if (strncmp(uri->text, schemes[i].prefix, len) != 0)
            continue;
        uri->kind = schemes[i].kind;
        uri->path = uri->text + len;
        return 0;
    }
    return err_set(err, -EINVAL, "%s: expected local:///PATH, ipc:///PATH or tcp://HOST:PORT",
                   uri->text);
}

int
uri_parse(const char *text, struct uri *ret, struct err *err)
{
    size_t len = strlen(text);
    int rc;

    if (len >= URI_TEXT_MAX)
        return err_set(err, -ENAMETOOLONG, "URI of %zu characters is too long", len);
    memcpy(ret->text, text, len + 1);
    rc = find_scheme(ret, err);
    if (rc < 0)
        return rc;
    return ret->kind == URI_TCP ? check_host_port(ret, err) : check_path(ret, err);
}
