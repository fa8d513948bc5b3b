/* SPDX-License-Identifier: MPL-2.0 */
/* testing_net.h - a network between the ranks of one process, that can be cut.
 *
 * There is a wire between each rank and each of its ancestors, which the rank connects to in the
 * ancestor's stead.  A thread passes on what comes, in either direction on its own. */
#ifndef XYLEM_TESTING_NET_H
#define XYLEM_TESTING_NET_H

#include "topo.h"
#include "xerr.h"

struct testing_net;

#define TESTING_NET_ANY 0xffffffffu // all ranks

/* id: unique in the process.  real: where each rank listens, inproc:// URIs; all borrowed for the call.
 * -errno with text. */
int testing_net_start(struct testing_net **ret, const struct topo *topo, const char *id,
                      const char *const *real, struct err *err);
/* *net becomes NULL; NULL is fine. */
void testing_net_stop(struct testing_net **net);

/* Where `rank` reaches `above`: borrowed, for the life of the network; NULL: that is no ancestor. */
const char *testing_net_uri(const struct testing_net *net, uint32_t rank, uint32_t above);

/* Each returns when it is done.  cut: hold up what comes that way; what has been held up is passed on
 * when it is healed, if the connection is still there. */
void testing_net_cut(struct testing_net *net, uint32_t from, uint32_t to, bool cut);
/* The connections of a rank that was killed end at their other sides, too. */
void testing_net_reset(struct testing_net *net, uint32_t rank);

#endif
