/* SPDX-License-Identifier: MPL-2.0 */
/* sim_links.h - links.h on net.h: an endpoint is "sim://RANK". */
#ifndef XYLEM_SIM_LINKS_H
#define XYLEM_SIM_LINKS_H

#include "links.h"
#include "net.h"

extern const struct net_ops sim_links_net_ops;

/* As after SIGKILL: nothing is sent any more, whoever says so; then free it. */
void sim_links_kill(uint32_t host);

#endif
