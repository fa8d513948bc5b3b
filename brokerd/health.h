/* SPDX-License-Identifier: MPL-2.0 */
/* health.h - what a rank says of itself and its subtree: overlay.health, overlay.topology,
 * overlay.wait, NAME.ping. */
#ifndef XYLEM_HEALTH_H
#define XYLEM_HEALTH_H

#include "router.h"

struct health;

/* All borrowed. */
struct health *health_new(uint32_t rank, const struct topo *topo, struct router *router,
                          struct service_table *services);
void health_free(struct health **h);

/* Once it exists; borrowed. */
void health_attach(struct health *h, const struct overlay *overlay);

/* The status of our subtree changed: answer those who waited for it. */
void health_status_changed(struct health *h, enum subtree_status status);
/* A client is gone: forget what it waits for. */
void health_forget(struct health *h, const struct origin *client);

#endif
