/* SPDX-License-Identifier: MPL-2.0 */
/* launch_args.h - what is run: the command line of each rank, and the environment of COMMAND. */
#ifndef XYLEM_LAUNCH_ARGS_H
#define XYLEM_LAUNCH_ARGS_H

#include "launch_dir.h"
#include "launch_hosts.h"
#include "opt.h"

#define LAUNCH_READY_FD 3 // where a rank finds the pipe for its one ready byte

struct launch_conf {
    long size;                 // ranks; 0 = not given
    long fanout;               // children of a rank
    const char *rundir;        // borrowed; NULL = a private directory
    const char *statedir;      // borrowed; NULL = in the run directory, lost at the end
    bool tcp;                  // ranks talk over loopback TCP
    const char *host_list;     // borrowed; NULL = all on this host
    const char *rsh;           // borrowed; how to run a command on another host; NULL = ssh
    const char *broker;        // borrowed; program on the hosts; NULL = the one that is used here
    const char *remote_rundir; // borrowed; NULL = rundir
    struct opt_list options;   // handed to every broker
    int64_t start_timeout_ms;  // until the tree must be complete
    long respawn;              // rank to start again; -1 = this is a launch
    bool verbose;
};

/* Write rank-R.cmd of every rank, and cluster.conf with --tcp.  hosts: NULL = all on this host. */
int launch_args_write(const struct launch_conf *conf, const struct launch_dir *d,
                      const struct hostlist *hosts, struct err *err);

/* The arguments in rank-R.cmd: a NULL-terminated array that lives in *memory. */
int launch_args_read(const struct launch_dir *d, unsigned rank, struct buf *memory,
                     char ***ret_argv, struct err *err);

/* Set XYLEM_URI and its companions in this process, and put Xylem's programs first in PATH. */
void launch_args_export(const struct launch_conf *conf, const struct launch_dir *d,
                        const char *uri);

#endif
