/* SPDX-License-Identifier: MPL-2.0 */
/* follow.h - look-ups with many answers, for commands that watch keys.
 *
 * There is one stream for each key.  Their answers are handed on as they come, and standard output is
 * flushed after each.  It ends when all streams have ended, when the command says so, or when the
 * time is over; SIGINT ends the process, and the rank notices. */
#ifndef XYLEM_FOLLOW_H
#define XYLEM_FOLLOW_H

#include "base.h"
#include "opt.h"
#include "xylem.h"

/* Instead of an exit status. */
enum { FOLLOW_ON = -1, FOLLOW_TIMEOUT = -2 };

struct follow;

struct stream {
    struct follow *follow; // borrowed
    const char *key;       // borrowed
    void *state;           // the command's own; NULL at first
    bool is_open;
    uint32_t tag; // while open
};

/* An answer (rc 0), or the end of the stream (-ENODATA, or an error).  FOLLOW_ON, or the exit
 * status. */
typedef int (*follow_fn)(struct stream *s, const struct xylem_reply *reply);

struct follow {
    const struct opt_program *prog; // borrowed, for error texts
    xylem_t *x;                     // borrowed
    follow_fn fn;
    void *arg;          // borrowed, for fn
    int flags;          // XYLEM_WATCH ...
    int64_t timeout_ms; // -1 = none
    /* its own */
    size_t open; // streams
    int status;  // FOLLOW_ON, or what fn has returned
};

/* Returns the exit status, or FOLLOW_TIMEOUT.  No stream is open any more then.  free_state (may be
 * NULL) is called for each stream's state that is not NULL. */
int follow_keys(struct follow *f, int count, char **keys, void (*free_state)(void *state));

/* Follow no longer: what counts is the first status that is not FOLLOW_ON.  At any time. */
void follow_stop(struct follow *f, int status);

/* In fn, when the stream has ended: look the key up again with other flags.  As fn. */
int follow_again(struct stream *s, int flags);

/* In fn, for the end of a stream: tell of an error.  As fn. */
int follow_end(const struct stream *s, const struct xylem_reply *reply);

#endif
