/* SPDX-License-Identifier: MPL-2.0 */
/* paths.c - see paths.h. */
#include "paths.h"

#include "xmem.h"

#define BLOCKS_MAX 256

struct block {
    uint32_t from, to;
};

struct host *hosts;

static uint32_t nhosts;
static struct block blocks[BLOCKS_MAX];
static size_t nblocks;

bool
net_is_blocked(uint32_t from, uint32_t to)
{
    if (hosts[from].part != hosts[to].part)
        return true;
    for (size_t i = 0; i < nblocks; i++) {
        if (blocks[i].from == from && blocks[i].to == to)
            return true;
    }
    return false;
}

bool
net_is_whole(void)
{
    for (uint32_t i = 1; i < nhosts; i++) {
        if (hosts[i].part != hosts[0].part)
            return false;
    }
    return nblocks == 0;
}

void
net_set_part(uint32_t host, uint32_t part)
{
    hosts[host].part = part;
}

bool
net_block(uint32_t from, uint32_t to)
{
    if (nblocks == BLOCKS_MAX || net_is_blocked(from, to))
        return false;
    blocks[nblocks++] = (struct block){from, to};
    return true;
}

void
net_listen(uint32_t host, void *end)
{
    hosts[host].listener = end;
}

void
net_set_frozen(uint32_t host, bool frozen)
{
    hosts[host].is_frozen = frozen;
}

void
paths_open(void)
{
    nblocks = 0;
    for (uint32_t i = 0; i < nhosts; i++)
        hosts[i].part = 0;
}

void
paths_begin(uint32_t count)
{
    nhosts = count;
    hosts = xcalloc(count, sizeof(*hosts));
    for (uint32_t i = 0; i < count; i++)
        hosts[i].is_on = true;
    nblocks = 0;
}

void
paths_end(void)
{
    free(TAKE(hosts));
}
