/* SPDX-License-Identifier: MPL-2.0 */
/* events.h - events for local clients: the topics event.subscribe, event.unsubscribe, event.publish
 * (xylem-message(7), "Events"). */
#ifndef XYLEM_EVENTS_H
#define XYLEM_EVENTS_H

#include "router.h"

struct events;

/* All borrowed. */
struct events *events_new(uint32_t rank, struct router *router, struct service_table *services);
void events_free(struct events **e);
/* Once they exist; borrowed.  connector NULL: not any more. */
void events_attach(struct events *e, const struct overlay *overlay, struct connector *connector);

/* An event of this rank, from above or made here: to all clients that have subscribed to it. */
void events_deliver(struct events *e, const struct msg *event);

/* A client is gone. */
void events_forget(struct events *e, const struct origin *client);

#endif
