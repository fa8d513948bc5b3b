/* SPDX-License-Identifier: MPL-2.0 */
/* members.h - who joins and who is lost: what ranks notice of their neighbours is told to rank 0, which
 * announces it to all and keeps the last of it.  xylem-message(7), "Membership". */
#ifndef XYLEM_MEMBERS_H
#define XYLEM_MEMBERS_H

#include "loop.h"
#include "router.h"

struct members;

struct members_conf {
    uint32_t rank;
    struct topo topo;
};

/* All borrowed. */
struct members *members_new(const struct members_conf *conf, struct loop *loop,
                            struct router *router, struct service_table *services);
void members_free(struct members **m);

/* Once it exists; borrowed. */
void members_attach(struct members *m, const struct overlay *overlay);

/* The overlay noticed something of a child or the parent. */
void members_noticed(struct members *m, enum overlay_event what, uint32_t rank);

/* A client is gone: forget what it waits for. */
void members_forget(struct members *m, const struct origin *client);

#endif
