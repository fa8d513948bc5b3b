/* SPDX-License-Identifier: MPL-2.0 */
/* launch_pmi.h - the conversations with ranks on other hosts, over the standard input and output of the
 * processes that lead there: PMI-1, by which the ranks find each other and tell that they are ready. */
#ifndef XYLEM_LAUNCH_PMI_H
#define XYLEM_LAUNCH_PMI_H

#include "cert.h"
#include "launch_hosts.h"
#include "launch_polls.h"
#include "launch_rank.h"
#include "pmi_server.h"

struct launch_pmi {
    const struct launch_dir *dir; // borrowed
    struct launch_rank *ranks;    // borrowed array
    unsigned size;                // of ranks
    struct pmi_server *server;    // owned
};

/* Make the key pair of the instance, for the ranks and, as a file in the run directory, for clients. */
int launch_pmi_open(struct launch_pmi *p, const struct launch_dir *dir,
                    const struct hostlist *hosts, struct launch_rank *ranks, unsigned size,
                    struct err *err);
void launch_pmi_close(struct launch_pmi *p);

/* Before a rank is started. */
void launch_pmi_expect(struct launch_pmi *p, const struct launch_rank *r);

/* Before a wait: what to wait for.  The handlers set ranks ONLINE that say they are, and write
 * rank-R.host; a rank that breaks the protocol is told to end, and so is one that gives up. */
void launch_pmi_add(struct launch_pmi *p, struct launch_polls *polls);

/* Has it told where it is?  Before, it has not arrived. */
bool launch_pmi_has_arrived(const struct launch_pmi *p, const struct launch_rank *r);

/* Has it said anything? */
bool launch_pmi_has_spoken(const struct launch_pmi *p, const struct launch_rank *r);

/* Path of the socket for clients on its host: "" while it is not known. */
const char *launch_pmi_local(const struct launch_pmi *p, unsigned rank);

/* How a process here reaches that rank: local://, else tcp://.  The caller's to free(). */
char *launch_pmi_uri(const struct launch_pmi *p, unsigned rank);

/* Was the instance shut down? */
bool launch_pmi_is_shut_down(const struct launch_pmi *p);

#endif
