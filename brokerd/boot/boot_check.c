/* SPDX-License-Identifier: MPL-2.0 */
/* boot_check.c - which endpoints a rank may use (boot.h). */
#include "boot.h"
#include "units.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <string.h>

#define HOST_SIZE 64 // of an address or interface, with the NUL
#define IPC "ipc://"
#define TCP "tcp://"

/* The host of HOST:PORT.  "": there is none, or more of it than any has. */
static void
copy_host(const char *address, char host[HOST_SIZE])
{
    const char *colon = strrchr(address, ':');
    size_t size = colon ? (size_t)(colon - address) : 0;

    if (size >= HOST_SIZE)
        size = 0;
    memcpy(host, address, size);
    host[size] = '\0';
}

/* Is it this one, whatever a resolver says? */
static bool
is_loopback(const char *host)
{
    struct in_addr ip;

    if (strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0)
        return true;
    return inet_pton(AF_INET, host, &ip) == 1 && ntohl(ip.s_addr) >> 24 == 127;
}

/* What zmq_tcp(7) binds: an address, an interface, or all of them.  A name is not looked up. */
static bool
can_be_bound(const char *host)
{
    struct in_addr ip;

    return strcmp(host, "*") == 0 || host[0] == '[' || inet_pton(AF_INET, host, &ip) == 1 ||
           if_nametoindex(host) != 0;
}

/* HOST:PORT with a port there is.  ZeroMQ would take the lower 16 bits of any number. */
static bool
has_port(const char *address, enum boot_use use)
{
    const char *colon = strrchr(address, ':');
    long port;

    if (!colon || colon == address)
        return false;
    if (use == BOOT_LISTEN && strcmp(colon + 1, "*") == 0)
        return true;
    return units_parse_long(colon + 1, use == BOOT_LISTEN ? 0 : 1, UINT16_MAX, &port) == 0;
}

static int
check_tcp(const char *uri, enum boot_use use, bool is_secured, struct err *err)
{
    const char *address = uri + sizeof(TCP) - 1;
    char host[HOST_SIZE];

    copy_host(address, host);
    if (!is_secured && !is_loopback(host))
        return err_set(err, -EPERM,
                       "%s: without a certificate (--cert) tcp:// is for loopback addresses only",
                       uri);
    if (!has_port(address, use))
        return err_set(err, -EINVAL, "%s: a port is a number from %s", uri,
                       use == BOOT_LISTEN ? "0 to 65535, or *" : "1 to 65535");
    if (use == BOOT_LISTEN && !can_be_bound(host))
        return err_set(err, -EINVAL,
                       "%s: a rank listens at an address or an interface of this host, not at a "
                       "name: tcp://127.0.0.1:7000, tcp://eth0:7000, tcp://*:7000",
                       uri);
    return 0;
}

int
boot_check(const char *uri, enum boot_use use, bool is_secured, struct err *err)
{
    if (strncmp(uri, TCP, sizeof(TCP) - 1) == 0)
        return check_tcp(uri, use, is_secured, err);
    if (strncmp(uri, IPC, sizeof(IPC) - 1) != 0)
        return err_set(err, -EINVAL, "%s: an endpoint is ipc://PATH or tcp://IP:PORT", uri);
    if (strlen(uri) - (sizeof(IPC) - 1) > BOOT_IPC_PATH_MAX)
        return err_set(err, -ENAMETOOLONG, "%s: path too long for a socket (at most %d bytes)", uri,
                       BOOT_IPC_PATH_MAX);
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

static int
check_rank(const struct boot *b, uint32_t rank, const char *uri, enum boot_use use, struct err *err)
{
    int rc = boot_check(uri, use, b->has_cert, err);

    if (rc < 0 && is_named(b, rank))
        return err_prefix(err, rc, "%s: endpoint.%u", b->source, rank);
    if (rc < 0 && b->hosts.count > 0)
        return err_prefix(err, rc, "%s: hosts", b->source);
    return rc;
}

int
boot_check_endpoints(const struct boot *b, bool checks_listen, struct err *err)
{
    uint32_t parent = topo_parent(&b->topo, b->rank);
    int rc = 0;

    if (parent != TOPO_NONE && b->endpoints[parent])
        rc = check_rank(b, parent, b->endpoints[parent], BOOT_CONNECT, err);
    if (rc == 0 && checks_listen)
        rc = check_rank(b, b->rank, b->listen, BOOT_LISTEN, err);
    return rc;
}
