/* SPDX-License-Identifier: MPL-2.0 */
/* links_priv.h - what links.c and links_up.c share. */
#ifndef XYLEM_LINKS_PRIV_H
#define XYLEM_LINKS_PRIV_H

#include "elog.h"
#include "links.h"

#include <czmq.h>

#define LINKS_PAYLOAD_MAX INT32_MAX // what came is in memory already: overlay.c looks at its size

struct links {
    struct links_conf conf;           // cert and zap borrowed
    struct loop *loop;                // borrowed
    const struct links_ops *ops;      // borrowed
    void *arg;                        // borrowed
    zsock_t *below;                   // owned ROUTER; NULL until the first links_listen
    struct loop_source *below_source; // owned
    struct elog_limit strange;        // of what is dropped
};

struct links_up {
    struct links *links;                // borrowed
    struct links_outlet outlet;         // ours
    zsock_t *dealer;                    // owned; NULL once it is closed
    struct loop_source *dealer_source;  // owned
    zsock_t *monitor;                   // owned PAIR: events of `dealer`; NULL: there is none
    struct loop_source *monitor_source; // owned
    struct loop_timer failed;           // a send has failed: to be told outside of it
    unsigned busy;                      // handlers under way: it is freed behind them
};

void links_set_common_options(zsock_t *sock);
/* It could not be sent to: above_cut() follows in a later turn. */
void links_up_failed(struct links_up *up);

#endif
