/* SPDX-License-Identifier: MPL-2.0 */
/* address.c - see address.h. */
#include "address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

/* NULL: it is not one of IPv4. */
static const struct in_addr *
ipv4_of(const struct ifaddrs *a)
{
    const void *address = a->ifa_addr;

    if (!address || a->ifa_addr->sa_family != AF_INET)
        return NULL;
    return &((const struct sockaddr_in *)address)->sin_addr;
}

static bool
is_usable(const struct ifaddrs *a, const char *interface)
{
    if (interface)
        return strcmp(a->ifa_name, interface) == 0;
    return (a->ifa_flags & IFF_UP) && (a->ifa_flags & IFF_RUNNING) &&
           !(a->ifa_flags & IFF_LOOPBACK);
}

static bool
find_usable(const char *interface, struct in_addr *ret)
{
    struct ifaddrs *all;
    bool found = false;

    if (getifaddrs(&all) < 0)
        return false;
    for (const struct ifaddrs *a = all; a && !found; a = a->ifa_next) {
        const struct in_addr *address = ipv4_of(a);

        found = address && is_usable(a, interface);
        if (found)
            *ret = *address;
    }
    freeifaddrs(all);
    return found;
}

static bool
has_address(const struct in_addr *wanted)
{
    struct ifaddrs *all;
    bool found = false;

    if (ntohl(wanted->s_addr) >> 24 == 127)
        return true;
    if (getifaddrs(&all) < 0)
        return false;
    for (const struct ifaddrs *a = all; a && !found; a = a->ifa_next) {
        const struct in_addr *address = ipv4_of(a);

        found = address && address->s_addr == wanted->s_addr;
    }
    freeifaddrs(all);
    return found;
}

bool
address_is_ours(const char *text)
{
    struct in_addr address;

    return inet_pton(AF_INET, text, &address) == 1 && has_address(&address);
}

int
address_pick(const char *interface, char ret[ADDRESS_SIZE], struct err *err)
{
    struct in_addr address = {htonl(INADDR_LOOPBACK)};

    if (interface && inet_pton(AF_INET, interface, &address) == 1) {
        if (!has_address(&address))
            return err_set(err, -EADDRNOTAVAIL, "%s is not an address of this host", interface);
    } else if (!find_usable(interface, &address) && interface) {
        return err_set(err, -ENODEV, "%s: no such interface, or one without an IPv4 address",
                       interface);
    }
    inet_ntop(AF_INET, &address, ret, ADDRESS_SIZE);
    return 0;
}
