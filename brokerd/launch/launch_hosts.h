/* SPDX-License-Identifier: MPL-2.0 */
/* launch_hosts.h - the hosts of a launch: which there are, which ranks are where, and what is run to
 * have a rank started there. */
#ifndef XYLEM_LAUNCH_HOSTS_H
#define XYLEM_LAUNCH_HOSTS_H

#include "buf.h"
#include "hostlist.h"
#include "xerr.h"

#define LAUNCH_HOSTS_MAX 4096

/* A list as hostlist_add() takes it, in the order of the text, of names that can be handed to an rsh.
 * -EINVAL with text: also when there is none; -E2BIG.  Then *h is empty; else the caller's. */
int launch_hosts_parse(struct hostlist *h, const char *text, struct err *err);

/* Ranks are dealt in blocks: with 5 ranks on 2 hosts the first has 0, 1, 2.  The first hosts have one
 * rank more when it does not come out even; hosts that are too many have none. */
const char *launch_hosts_of(const struct hostlist *h, unsigned size, unsigned rank);

/* The same, for PMI: "(vector,(0,1,3),(1,1,2))". */
void launch_hosts_format_mapping(const struct hostlist *h, unsigned size, struct buf *out);

/* The words that run the command `cmd` (words, each with a NUL behind it) on a host, likewise: those of
 * rsh, which are separated by blanks, the host, and cmd.  When rsh is ssh or the like, which joins the
 * words and has a shell cut them again, they are quoted.  -EINVAL with text: with another rsh, a word
 * that a shell would change, as it is not known whether there is one. */
int launch_hosts_wrap(const char *rsh, const char *host, const struct buf *cmd, struct buf *out,
                      struct err *err);

#endif
