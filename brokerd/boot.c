/* SPDX-License-Identifier: MPL-2.0 */
/* boot.c - see boot.h. */
#include "boot.h"
#include "units.h"
#include "xmem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#define IPC "ipc://"
#define TCP "tcp://"
#define ENDPOINT "endpoint."

int
boot_on_conf(void *arg, const char *name, const char *value)
{
    struct boot *b = arg;
    long rank;

    if (strncmp(name, ENDPOINT, sizeof(ENDPOINT) - 1) != 0 ||
        units_parse_long(name + sizeof(ENDPOINT) - 1, 0, UINT32_MAX, &rank) < 0)
        return -EINVAL;
    b->named = xrealloc(b->named, (b->nnamed + 1) * sizeof(*b->named));
    b->named[b->nnamed++] = (struct boot_named){(uint32_t)rank, xstrdup(value)};
    return 0;
}

int
boot_fill(struct boot *b, uint32_t size, const char *rundir, struct err *err)
{
    b->size = size;
    b->endpoints = xcalloc(size, sizeof(*b->endpoints));
    for (size_t i = 0; i < b->nnamed; i++) {
        uint32_t rank = b->named[i].rank;

        if (rank >= size)
            return err_set(err, -EINVAL, "%s: " ENDPOINT "%u: there are only %u ranks", b->source,
                           rank, size);
        free(b->endpoints[rank]);
        b->endpoints[rank] = xstrdup(b->named[i].uri);
    }
    for (uint32_t r = 0; r < size; r++) {
        if (!b->endpoints[r])
            b->endpoints[r] = xasprintf(IPC "%s/tree-%u", rundir, r);
    }
    return 0;
}

void
boot_fini(struct boot *b)
{
    for (uint32_t r = 0; r < b->size; r++)
        free(b->endpoints[r]);
    free(b->endpoints);
    for (size_t i = 0; i < b->nnamed; i++)
        free(b->named[i].uri);
    free(b->named);
}

/* HOST:PORT with a host that is this one, whatever a resolver says. */
static bool
is_loopback(const char *address)
{
    const char *colon = strrchr(address, ':');
    struct in_addr ip;
    char host[64];

    if (!colon || (size_t)(colon - address) >= sizeof(host))
        return false;
    memcpy(host, address, (size_t)(colon - address));
    host[colon - address] = '\0';
    if (strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0)
        return true;
    return inet_pton(AF_INET, host, &ip) == 1 && ntohl(ip.s_addr) >> 24 == 127;
}

/* HOST:PORT with a port there is.  ZeroMQ would take the lower 16 bits of any number. */
static bool
has_port(const char *address, enum boot_use use)
{
    const char *colon = strrchr(address, ':');
    long port;

    if (!colon)
        return false;
    if (use == BOOT_LISTEN && strcmp(colon + 1, "*") == 0)
        return true;
    return units_parse_long(colon + 1, use == BOOT_LISTEN ? 0 : 1, UINT16_MAX, &port) == 0;
}

int
boot_check(const char *uri, enum boot_use use, struct err *err)
{
    if (strncmp(uri, IPC, sizeof(IPC) - 1) == 0) {
        if (strlen(uri) - (sizeof(IPC) - 1) > BOOT_IPC_PATH_MAX)
            return err_set(err, -ENAMETOOLONG, "%s: path too long for a socket (at most %d bytes)",
                           uri, BOOT_IPC_PATH_MAX);
        return 0;
    }
    if (strncmp(uri, TCP, sizeof(TCP) - 1) != 0)
        return err_set(err, -EINVAL, "%s: an endpoint is ipc://PATH or tcp://IP:PORT", uri);
    if (!is_loopback(uri + sizeof(TCP) - 1))
        return err_set(err, -EPERM, "%s: tcp:// is for loopback addresses only", uri);
    if (!has_port(uri + sizeof(TCP) - 1, use))
        return err_set(err, -EINVAL, "%s: a port is a number from %s", uri,
                       use == BOOT_LISTEN ? "0 to 65535, or *" : "1 to 65535");
    return 0;
}

static bool
is_named(const struct boot *b, uint32_t rank)
{
    for (size_t i = 0; i < b->nnamed; i++) {
        if (b->named[i].rank == rank)
            return true;
    }
    return false;
}

int
boot_check_endpoint(const struct boot *b, uint32_t rank, enum boot_use use, struct err *err)
{
    int rc = boot_check(b->endpoints[rank], use, err);

    return rc < 0 && is_named(b, rank) ? err_prefix(err, rc, "%s: " ENDPOINT "%u", b->source, rank)
                                       : rc;
}
