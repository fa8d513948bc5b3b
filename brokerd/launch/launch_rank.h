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
    const char *host; // borrowed; NULL = this one, and nobody talks with it
    enum launch_rank_state state;
    pid_t pid;    // the last process known; 0 = none yet
    int ready_fd; // pipe for the ready byte while STARTING, else -1; owned
    int talk_fd;  // its standard input and output when it has a host, else -1; owned
};

void launch_rank_init(struct launch_rank *r, unsigned rank, const char *host);

/* Run rank-R.cmd and write the pid file: GONE -> STARTING.  The process gets SIGTERM when this one
 * ends. */
int launch_rank_start(struct launch_rank *r, const struct launch_dir *d, struct err *err);

/* Read the ready pipe: STARTING -> ONLINE, or stays STARTING when the process closed it without a
 * word, which means it is about to end. */
void launch_rank_read_ready(struct launch_rank *r);

/* It has said in another way that it is ready: STARTING -> ONLINE. */
void launch_rank_set_online(struct launch_rank *r);

/* The process has ended: -> GONE. */
void launch_rank_set_gone(struct launch_rank *r);

/* Ask it to end in order, if it is there: with SIGTERM, or by the end of its standard input. */
void launch_rank_stop(struct launch_rank *r);

/* It says nothing any more: it is about to end. */
void launch_rank_hang_up(struct launch_rank *r);

/* Signal the process, if there is one; with a host, its group. */
void launch_rank_kill(const struct launch_rank *r, int signum);

/* "rank 5", "rank 5 on host h3": returns text. */
#define LAUNCH_NAME_MAX 300
const char *launch_rank_format_name(const struct launch_rank *r, char text[LAUNCH_NAME_MAX]);

/* "was killed by signal 9", "exited with status 1": returns text. */
#define LAUNCH_STATUS_MAX 64
const char *launch_rank_format_status(int wait_status, char text[LAUNCH_STATUS_MAX]);

#endif
