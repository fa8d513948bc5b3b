/* SPDX-License-Identifier: MPL-2.0 */
/* gc.h - the garbage collector of content.sqlite: keep what the roots of all namespaces and the
 * checkpoints reach, remove the other blobs, give their space back (xylem-content(7), "Garbage").
 *
 * It goes on only when asked to, one bounded step at a time, so that the same code serves a database
 * that nobody else uses and one that is at work.  It asks no clock and sleeps nowhere.  It may be
 * given up, or its process killed, between any two steps and inside of each: nothing reachable is
 * lost, and what was not removed yet is found by the next one.
 */
#ifndef XYLEM_GC_H
#define XYLEM_GC_H

#include "store_db.h"

enum gc_mode {
    GC_OFFLINE, // nothing is stored and no root changes between the first step and the last
    GC_ONLINE,  // anything may happen between two steps, on the thread that uses the database
};

struct gc_conf {
    enum digest_alg alg; // of the database
    enum gc_mode mode;
    bool dry_run;       // find out, write nothing
    bool force;         // go on though a directory is damaged, or nothing is a root
    double spare_since; // GC_ONLINE: blobs stored since then stay (seconds since the epoch)
};

/* How much one step may do. */
struct gc_limits {
    size_t objects; // references followed
    size_t rows;    // blobs looked at, to be kept or removed
    int64_t bytes;  // of blobs removed (but always one blob)
    int pages;      // given back to the file system
};
extern const struct gc_limits gc_limits_offline; // for speed
extern const struct gc_limits gc_limits_online;  // a few milliseconds

enum gc_state { GC_BEGINNING, GC_MARKING, GC_SWEEPING, GC_SHRINKING, GC_DONE, GC_REFUSED };

struct gc;

struct gc *gc_new(const struct gc_conf *conf);
void gc_free(struct gc **gc);

/* Between two steps: keep what is reachable from this root as well, as far as it is still there. */
void gc_pin(struct gc *gc, const struct digest *root);

/* 1: there is more to do; 0: done.
 * -EIO: refused, because a directory is missing or damaged (text names its blobref); -EINVAL:
 * refused, because there is neither a root nor a checkpoint; both are final.
 * Other -errno of the database: what was done is kept, the step may be tried again. */
int gc_step(struct gc *gc, struct store_db *db, const struct gc_limits *limits, struct err *err);

/* All steps; for callers that have the database to themselves. */
int gc_run(struct gc *gc, struct store_db *db, const struct gc_limits *limits, struct err *err);

enum gc_state gc_state(const struct gc *gc);
const char *gc_state_name(enum gc_state state); // "marking" ...

/* A dry run counts as removed what would have been. */
struct gc_stats {
    uint64_t trees;          // tree objects read
    uint64_t examined;       // blobs: removed + kept
    uint64_t removed;        // blobs
    uint64_t bytes;          // of the blobs removed
    uint64_t kept;           // blobs
    uint64_t spared;         // of those kept: not reachable, but too young to be removed
    uint64_t missing_values; // references to values that are not there
    uint64_t damaged;        // references to tree objects that are missing or damaged
};
void gc_stats(const struct gc *gc, struct gc_stats *ret);

#endif
