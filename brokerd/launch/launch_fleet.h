/* SPDX-License-Identifier: MPL-2.0 */
/* launch_fleet.h - all ranks of a launch and the one COMMAND that uses them, as processes to be
 * started, waited for and stopped.  Phases: launch_fleet.c. */
#ifndef XYLEM_LAUNCH_FLEET_H
#define XYLEM_LAUNCH_FLEET_H

#include "launch_pmi.h"
#include "launch_respawn.h"

#include <signal.h>
#include <sys/resource.h>

enum launch_phase {
    LAUNCH_PHASE_START, // a rank that ends now is a failure
    LAUNCH_PHASE_SERVE, // ranks may come and go
    LAUNCH_PHASE_STOP,  // they are meant to end
};

struct launch_fleet {
    const struct launch_dir *dir; // borrowed
    enum launch_phase phase;
    struct launch_rank *ranks;     // owned array
    unsigned size;                 // of ranks
    const struct hostlist *hosts;  // borrowed; NULL: all ranks are on this one
    struct launch_pmi pmi;         // owned; with hosts
    struct launch_respawn respawn; // owned
    struct launch_polls polls;     // scratch of one wait
    int signal_fd;                 // owned
    sigset_t old_mask;             // signal mask, to be given to COMMAND
    sighandler_t old_pipe;         // disposition of SIGPIPE, likewise
    struct rlimit old_limit;       // on descriptors, likewise
    pid_t command;                 // COMMAND while it runs, else 0
    int command_status;            // of wait(2), once it has ended
    int stop_signal;               // first SIGINT, SIGTERM, ... received; 0 = none
    unsigned failed;               // ranks that ended otherwise than by being told to
    bool verbose;
};

/* Blocks the signals it will wait for.  hosts: where the ranks are, borrowed; NULL: all on this one. */
void launch_fleet_init(struct launch_fleet *f, const struct launch_dir *dir,
                       const struct hostlist *hosts, unsigned size, bool verbose);
void launch_fleet_fini(struct launch_fleet *f);

/* Start all ranks at once and wait until each has said that it is ready.  -ECHILD: one ended (its
 * log is on stderr), -ETIMEDOUT (likewise), -EINTR: a signal asks us to end. */
int launch_fleet_start(struct launch_fleet *f, int64_t timeout_ms, struct err *err);

/* How a process here reaches a rank; the caller's to free(). */
char *launch_fleet_uri(const struct launch_fleet *f, unsigned rank);

/* Run argv, pass signals on to it, and return its exit status as a shell would (128 + signal). */
int launch_fleet_run(struct launch_fleet *f, char **argv);

/* Serve until a signal asks us to end, the instance is shut down, or every rank has ended in good
 * order. */
void launch_fleet_serve(struct launch_fleet *f);

/* Ask all ranks to end, rank 0 last because the others flush to it, and make sure that they do. */
void launch_fleet_stop(struct launch_fleet *f);

#endif
