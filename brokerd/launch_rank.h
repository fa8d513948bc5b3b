/* SPDX-License-Identifier: MPL-2.0 */
/* launch_rank.h - the process that runs one rank.  States: launch_rank.c. */
#ifndef XYLEM_LAUNCH_RANK_H
#define XYLEM_LAUNCH_RANK_H

#include "launch_dir.h"

enum launch_rank_state {
    LAUNCH_RANK_GONE,     // no process of ours that we know of
    LAUNCH_RANK_STARTING, // runs, has not said that it is ready
    LAUNCH_RANK_ONLINE,   // ready, and so is everything below it
};

struct launch_rank {
    unsigned rank;
    enum launch_rank_state state;
    pid_t pid;    // the last process known; 0 = none yet
    int ready_fd; // pipe for the ready byte while STARTING, else -1; owned
    int pid_fd;   // pidfd of a process somebody else started again, else -1; owned
};

void launch_rank_init(struct launch_rank *r, unsigned rank);

/* Run rank-R.cmd and write the pid file: GONE -> STARTING.  is_tied: it gets SIGTERM when this
 * process ends. */
int launch_rank_start(struct launch_rank *r, const struct launch_dir *d, bool is_tied,
                      struct err *err);

/* Read the ready pipe: STARTING -> ONLINE, or stays STARTING when the process closed it without a
 * word, which means it is about to end. */
void launch_rank_read_ready(struct launch_rank *r);

/* The process has ended: -> GONE. */
void launch_rank_set_gone(struct launch_rank *r);

/* If the rank runs as another process than the one known, take note of that one: -> ONLINE. */
void launch_rank_refresh(struct launch_rank *r, const struct launch_dir *d);

/* Signal the process, if there is one. */
void launch_rank_kill(const struct launch_rank *r, int signum);

/* "was killed by signal 9", "exited with status 1": returns text. */
#define LAUNCH_STATUS_MAX 64
const char *launch_rank_format_status(int wait_status, char text[LAUNCH_STATUS_MAX]);

#endif
