/* SPDX-License-Identifier: MPL-2.0 */
/* router_patience.c - for how long calls wait while others heal: a sum of what the overlay needs. */
#include "router.h"

/* Neighbours of a lost rank notice it within a heartbeat of each other, and heal at once.  Children of one that
 * was started again may notice that by its former self's silence only; and one that is started below a dead
 * parent waits for that before it looks further (overlay_parent.c). */
struct router_patience
router_patience_of(int64_t heartbeat_ms, int64_t timeout_ms)
{
    return (struct router_patience){
        .way = 5 * timeout_ms / 2 + 2 * heartbeat_ms,
        .lost = 3 * heartbeat_ms + 500,
        .late = timeout_ms + 2 * heartbeat_ms + 500,
    };
}
