/* SPDX-License-Identifier: MPL-2.0 */
/* absent.h - topics of Flux that Xylem does not serve, answered with the reason (xylem-message(7), "Topics
 * that are not served"). */
#ifndef XYLEM_ABSENT_H
#define XYLEM_ABSENT_H

#include "router.h"

struct absent;

/* backing: this instance has a backing store.  services and router are borrowed. */
struct absent *absent_new(uint32_t rank, bool backing, struct router *router,
                          struct service_table *services);
void absent_free(struct absent **a);

#endif
