/* SPDX-License-Identifier: MPL-2.0 */
/* launch_respawn.h - both ends of `xylem-launch --respawn`: the running launch starts the rank again
 * and tells how that went.  States of a request: launch_respawn.c. */
#ifndef XYLEM_LAUNCH_RESPAWN_H
#define XYLEM_LAUNCH_RESPAWN_H

#include "launch_polls.h"
#include "launch_rank.h"

/* ---- in the running launch ---- */

#define LAUNCH_REQUESTS_MAX 64 // at a time; more wait to be accepted

struct launch_request {
    int state;        // enum request_state; 0 = a free place
    int fd;           // owned
    unsigned rank;    // once it is read
    int64_t deadline; // until when the old process may take to go
};

struct launch_respawn {
    const struct launch_dir *dir; // borrowed
    struct launch_rank *ranks;    // borrowed array
    unsigned size;                // of ranks
    int fd;                       // listening socket, owned
    /* Start a rank that is GONE: -errno with text. */
    int (*start)(void *arg, struct launch_rank *r, struct err *err);
    void *arg; // borrowed, for start
    struct launch_request requests[LAUNCH_REQUESTS_MAX];
};

/* Listen in the run directory.  The caller has filled dir, ranks, size, start and arg. */
int launch_respawn_open(struct launch_respawn *s, struct err *err);
void launch_respawn_close(struct launch_respawn *s);

/* Before a wait: what to wait for, and until when at most (INT64_MAX: for ever). */
void launch_respawn_add(struct launch_respawn *s, struct launch_polls *polls);
int64_t launch_respawn_deadline(const struct launch_respawn *s);

/* After a wait: go on with the requests.  Unless ranks may come and go now, they are refused. */
void launch_respawn_step(struct launch_respawn *s, bool is_serving);

/* ---- in the other process ---- */

/* Returns when the subtree of the rank is complete.  -EBUSY it is alive, or the launch is starting or
 * ending; -ECHILD it failed; -ETIMEDOUT, then the rank is killed; all with text. */
int launch_respawn_ask(const struct launch_dir *d, unsigned rank, int64_t timeout_ms,
                       struct err *err);

#endif
