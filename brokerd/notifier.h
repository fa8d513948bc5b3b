/* SPDX-License-Identifier: MPL-2.0 */
/* notifier.h - state-machine.sd-notify: what a client does for so long that the service manager should know
 * (xylem-message(7), "Supervision"). */
#ifndef XYLEM_NOTIFIER_H
#define XYLEM_NOTIFIER_H

#include "router.h"

struct notifier;

/* address: of the service manager's socket, borrowed; NULL: there is none.  router and services are
 * borrowed. */
struct notifier *notifier_new(uint32_t rank, const char *address, struct router *router,
                              struct service_table *services);
void notifier_free(struct notifier **n);

#endif
