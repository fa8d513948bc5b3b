/* SPDX-License-Identifier: MPL-2.0 */
/* boot_conf.c - endpoints and hosts of a configuration file (boot.h). */
#include "address.h"
#include "boot_priv.h"
#include "units.h"
#include "xmem.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#define ENDPOINT "endpoint."
#define HOST_SIZE 256

static int
take_endpoint(struct boot *b, const char *number, const char *uri)
{
    long rank;

    if (units_parse_long(number, 0, UINT32_MAX, &rank) < 0)
        return err_set(&b->wrong, -EINVAL, "'%.100s' is not the number of a rank", number);
    b->named = xrealloc(b->named, (b->nnamed + 1) * sizeof(*b->named));
    b->named[b->nnamed++] = (struct boot_named){(uint32_t)rank, xstrdup(uri)};
    return 0;
}

static int
take_port(struct boot *b, const char *value)
{
    int rc = units_parse_long(value, 1, UINT16_MAX, &b->port);

    return rc < 0 ? err_set(&b->wrong, rc, "'%.100s': a port is a number from 1 to 65535", value)
                  : 0;
}

static int
take(struct boot *b, const char *name, const char *value)
{
    if (strncmp(name, ENDPOINT, sizeof(ENDPOINT) - 1) == 0)
        return take_endpoint(b, name + sizeof(ENDPOINT) - 1, value);
    if (strcmp(name, "port") == 0)
        return take_port(b, value);
    if (strcmp(name, "hosts") == 0)
        return hostlist_add(&b->hosts, value, TOPO_SIZE_MAX, &b->wrong);
    return err_set(&b->wrong, -EINVAL, "there is no such option");
}

int
boot_on_conf(void *arg, const char *name, const char *value)
{
    struct boot *b = arg;
    int rc = take(b, name, value);

    return rc < 0 ? err_prefix(&b->wrong, rc, "%s", name) : 0;
}

/* --- which of the hosts are we? --- */

/* Hosts may be named by address, which is not what they call themselves. */
static int
find_by_address(const struct hostlist *l, size_t *ret)
{
    int rc = -ENOENT;

    for (size_t i = 0; i < l->count; i++) {
        if (!address_is_ours(l->names[i]))
            continue;
        if (rc == 0)
            return -EEXIST;
        *ret = i;
        rc = 0;
    }
    return rc;
}

static int
find_rank(struct boot *b, struct err *err)
{
    char host[HOST_SIZE] = "";
    size_t index = 0;
    int rc;

    gethostname(host, sizeof(host) - 1);
    rc = hostlist_find(&b->hosts, host, &index);
    if (rc == -ENOENT)
        rc = find_by_address(&b->hosts, &index);
    if (rc == -EEXIST)
        return err_set(err, rc, "%s: hosts: this host, %s, is there more than once: give --rank",
                       b->source, host);
    if (rc < 0)
        return err_set(err, rc,
                       "%s: hosts: this host, %s, is not among the %zu hosts there: give --rank",
                       b->source, host, b->hosts.count);
    b->rank = (uint32_t)index;
    return 0;
}

int
boot_settle_hosts(struct boot *b, struct err *err)
{
    if (b->asked.size >= 0 && (size_t)b->asked.size != b->hosts.count)
        return err_set(err, -EINVAL, "%s: hosts: there are %zu hosts, and size is %ld", b->source,
                       b->hosts.count, b->asked.size);
    b->topo.size = (uint32_t)b->hosts.count;
    if (b->asked.rank < 0)
        return find_rank(b, err);
    if (b->asked.rank >= (long)b->topo.size)
        return err_set(err, -EINVAL, "%s: hosts: there are %zu hosts, and rank is %ld", b->source,
                       b->hosts.count, b->asked.rank);
    return 0;
}

/* --- endpoints --- */

static void
fill_from_hosts(struct boot *b)
{
    long port = b->port > 0 ? b->port : BOOT_PORT;

    for (size_t r = 0; r < b->hosts.count; r++) {
        boot_set(&b->endpoints[r], xasprintf("tcp://%s:%ld", b->hosts.names[r], port));
        boot_set(&b->hostnames[r], xstrdup(b->hosts.names[r]));
    }
}

/* A host listens at its address if that is what it is named by, or else at all it has: a name cannot be
 * bound. */
static int
listen_as_host(struct boot *b, struct err *err)
{
    const char *name = b->hosts.names[b->rank];
    long port = b->port > 0 ? b->port : BOOT_PORT;
    char address[ADDRESS_SIZE];
    int rc;

    if (!b->asked.interface) {
        b->listen = xasprintf("tcp://%s:%ld", address_is_ours(name) ? name : "*", port);
        return 0;
    }
    rc = address_pick(b->asked.interface, address, err);
    if (rc == 0)
        b->listen = xasprintf("tcp://%s:%ld", address, port);
    return rc;
}

int
boot_fill_from_conf(struct boot *b, struct err *err)
{
    bool is_host = b->hosts.count > 0;

    fill_from_hosts(b);
    for (size_t i = 0; i < b->nnamed; i++) {
        uint32_t rank = b->named[i].rank;

        if (rank >= b->topo.size)
            return err_set(err, -EINVAL, "%s: " ENDPOINT "%u: there %s only %u %s", b->source, rank,
                           b->topo.size == 1 ? "is" : "are", b->topo.size,
                           b->topo.size == 1 ? "rank" : "ranks");
        boot_set(&b->endpoints[rank], xstrdup(b->named[i].uri));
        is_host = is_host && rank != b->rank;
    }
    if (is_host)
        return listen_as_host(b, err);
    b->listen = xstrdup(b->endpoints[b->rank]);
    return 0;
}
