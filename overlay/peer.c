/* SPDX-License-Identifier: MPL-2.0 */
/* peer.c - see peer.h, which has the transition table this file spells out in data. */
#include "peer.h"

#include <errno.h>
#include <string.h>

#define STAY (-1)

static const int8_t transitions[][6] = {
    /*                 GREETED        ACCEPTED     LOST       LEFT          LEAVING       REFUSED */
    [PEER_OFFLINE] = {PEER_GREETING, PEER_ONLINE, STAY, STAY, STAY, PEER_REFUSED},
    [PEER_GREETING] = {PEER_GREETING, PEER_ONLINE, PEER_LOST, PEER_OFFLINE, STAY, PEER_REFUSED},
    [PEER_ONLINE] = {PEER_GREETING, PEER_ONLINE, PEER_LOST, PEER_OFFLINE, PEER_LEAVING,
                     PEER_REFUSED},
    [PEER_LEAVING] = {PEER_GREETING, PEER_ONLINE, PEER_LOST, PEER_OFFLINE, STAY, PEER_REFUSED},
    [PEER_LOST] = {PEER_GREETING, PEER_ONLINE, STAY, STAY, STAY, PEER_REFUSED},
    [PEER_REFUSED] = {STAY, STAY, STAY, STAY, STAY, STAY},
};

static const char *const status_names[] = {
    [SUBTREE_FULL] = "full", [SUBTREE_PARTIAL] = "partial", [SUBTREE_DEGRADED] = "degraded",
    [SUBTREE_LOST] = "lost", [SUBTREE_OFFLINE] = "offline",
};

void
peer_init(struct peer *p, uint32_t rank, int64_t now)
{
    *p = (struct peer){
        .rank = rank, .state = PEER_OFFLINE, .status = SUBTREE_PARTIAL, .since = now, .heard = now};
}

bool
peer_on(struct peer *p, enum peer_event event, int64_t now)
{
    int next = transitions[p->state][event];

    if (next == STAY || next == (int)p->state)
        return false;
    p->state = (enum peer_state)next;
    p->since = now;
    p->heard = now;
    p->is_torpid = false;
    p->was_here |= p->state == PEER_ONLINE;
    return true;
}

void
peer_heard(struct peer *p, int64_t now)
{
    p->heard = now;
}

bool
peer_report(struct peer *p, uint32_t status, int64_t now)
{
    if (status >= ARRAY_SIZE(status_names) || status == p->status)
        return false;
    p->status = (enum subtree_status)status;
    p->since = now;
    return true;
}

bool
peer_watch(struct peer *p, int64_t torpid_ms, int64_t now)
{
    bool was_torpid = p->is_torpid;

    p->is_torpid = p->state == PEER_ONLINE && now - p->heard > torpid_ms;
    return p->is_torpid != was_torpid;
}

bool
peer_is_linked(const struct peer *p)
{
    return p->state == PEER_ONLINE || p->state == PEER_LEAVING;
}

bool
peer_is_silent(const struct peer *p, int64_t timeout_ms, int64_t now)
{
    return (peer_is_linked(p) || p->state == PEER_GREETING) && now - p->heard > timeout_ms;
}

enum subtree_status
peer_status(const struct peer *p)
{
    switch (p->state) {
    case PEER_ONLINE:
        return p->status;
    case PEER_LOST:
        return SUBTREE_LOST;
    default:
        return SUBTREE_OFFLINE;
    }
}

enum subtree_status
peer_status_over(const struct peer *const *children, size_t count)
{
    enum subtree_status worst = SUBTREE_FULL;

    for (size_t i = 0; i < count; i++) {
        enum subtree_status status = peer_status(children[i]);

        if (status == SUBTREE_LOST || status == SUBTREE_DEGRADED)
            return SUBTREE_DEGRADED;
        if (status != SUBTREE_FULL)
            worst = SUBTREE_PARTIAL;
    }
    return worst;
}

const char *
peer_status_name(enum subtree_status status)
{
    return status_names[status];
}

int
peer_status_parse(const char *name, enum subtree_status *ret)
{
    for (size_t i = 0; i < ARRAY_SIZE(status_names); i++) {
        if (strcmp(name, status_names[i]) == 0) {
            *ret = (enum subtree_status)i;
            return 0;
        }
    }
    return -EINVAL;
}
