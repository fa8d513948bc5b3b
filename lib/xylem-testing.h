/* SPDX-License-Identifier: MPL-2.0 */
/* xylem-testing.h - a whole Xylem instance inside a test program: see xylem-testing(3).
 *
 *     xylem_cluster_t *c;
 *     struct xylem_testing_conf conf = {.size = 8};
 *     char why[XYLEM_ERROR_MAX];
 *
 *     if (xylem_testing_start(&c, &conf, why) < 0) ...
 *     xylem_testing_open(c, 7, &x);                   a handle of xylem.h, to rank 7
 *     xylem_testing_kill(c, 1);                       as kill -9
 *     xylem_testing_restart(c, 1);
 *     xylem_testing_wait(c, "full", 10000);
 *     xylem_testing_stop(&c);
 *
 * Each rank is a thread, and its clients use a UNIX socket as ever.  A cluster is used by one thread at
 * a time; there may be several.  Functions return 0 or a negative errno; xylem_testing_error() then has
 * a sentence about it.  Link with pkg-config's xylem-testing.
 */
#ifndef XYLEM_TESTING_H
#define XYLEM_TESTING_H

#include "xylem.h"

#ifdef __cplusplus
extern "C" {
#endif

#define XYLEM_TESTING_SIZE_MAX 256 /* ranks */

typedef struct xylem_cluster xylem_cluster_t;

/* All borrowed for the call of xylem_testing_start().  Zero and NULL: what is said in (). */
struct xylem_testing_conf {
    uint32_t size;    /* ranks (4) */
    uint32_t fanout;  /* children of a rank (2) */
    const char *hash; /* "blake2b", "sha256" or "sha1" ("blake2b") */
    const char
        *statedir; /* of rank 0, made if it is not there (a private one, removed at the end) */
    const char *durability; /* "memory", "commit" or "fsync" ("memory"; with a statedir "commit") */
    uint64_t cache_size;    /* bytes of clean blobs that a rank keeps (16 MiB) */
    uint64_t blob_size_limit; /* bytes (1 MiB) */
    int64_t heartbeat_ms;     /* how often neighbours are pinged (100) */
    int64_t timeout_ms;       /* a neighbour silent for this long is lost (1000); >= 2 heartbeats */
    int network;              /* 1: there is a network that xylem_testing_cut() can cut (0) */
    const char *log_file;     /* what the ranks log is appended there; "-": stderr (nowhere) */
    const char *log_level;    /* "err", "warn", "info" or "debug" ("info") */
};

/* Start all ranks and wait until the tree is complete.  conf NULL: the defaults.  errors: where to put a
 * sentence when this fails (XYLEM_ERROR_MAX bytes), or NULL; then nothing is left behind.
 * -EINVAL a value in conf, -ENAMETOOLONG $TMPDIR is too long for a socket, -EMFILE too few descriptors,
 * -ETIMEDOUT a rank did not join within 30 s, or what happened to a file. */
XYLEM_API int xylem_testing_start(xylem_cluster_t **ret, const struct xylem_testing_conf *conf,
                                  char *errors);

/* Heal the network, let paused ranks go on, stop all in order, and remove all files but those of a
 * statedir that was named.  Handles to the ranks are closed by their owner, before or after. */
XYLEM_API void xylem_testing_stop(xylem_cluster_t **c);

/* Sentence about the last failure; "" if there was none.  Valid until the next call. */
XYLEM_API const char *xylem_testing_error(const xylem_cluster_t *c);

XYLEM_API uint32_t xylem_testing_size(const xylem_cluster_t *c);

/* For xylem_open(), or $XYLEM_URI of a program that is run.  The same for the life of the cluster; NULL:
 * there is no such rank. */
XYLEM_API const char *xylem_testing_uri(const xylem_cluster_t *c, uint32_t rank);

/* Connect to a rank; to be closed with xylem_close().  -EINVAL no such rank, -ESRCH it is down, -EAGAIN
 * it is paused, else as xylem_open(). */
XYLEM_API int xylem_testing_open(xylem_cluster_t *c, uint32_t rank, xylem_t **ret);

/* Wait until the tree is as rank 0 sees it in that state: "full", "partial", "degraded" or "lost" (see
 * overlay.health in xylem-message(7)).  "full" is also that every rank runs, and has joined since it was
 * restarted.  "down": every rank has ended, after a shutdown of the instance.
 * -EINVAL no such state, -ETIMEDOUT it did not come, -EPERM a rank was refused by its parent. */
XYLEM_API int xylem_testing_wait(xylem_cluster_t *c, const char *state, int timeout_ms);

/* What can be done to a rank.  -EINVAL there is no such rank.
 *
 * kill     as kill -9: its sockets are closed, nobody is told, and what it had not written is lost.
 *          -ESRCH it is down
 * leave    as SIGTERM: it flushes to its parent, or the disk, and says goodbye.  -ESRCH it is down
 * restart  one that is down, as it was configured.  -EBUSY it is not down, or what happened to a file
 * pause    as SIGSTOP: it stands still with all sockets open; a rank that is paused may be paused again.
 *          -ESRCH it is down
 * resume   as SIGCONT: a rank that is not paused goes on, too.  -ESRCH it is down
 */
XYLEM_API int xylem_testing_kill(xylem_cluster_t *c, uint32_t rank);
XYLEM_API int xylem_testing_leave(xylem_cluster_t *c, uint32_t rank);
XYLEM_API int xylem_testing_restart(xylem_cluster_t *c, uint32_t rank);
XYLEM_API int xylem_testing_pause(xylem_cluster_t *c, uint32_t rank);
XYLEM_API int xylem_testing_resume(xylem_cluster_t *c, uint32_t rank);

/* What can be done to the network, with conf.network: from now on nothing that `from` sends arrives at
 * `to`, as if a cable were cut in that direction; it is not lost, but waits for the heal, or for the end
 * of the connection.  To cut two ranks off each other takes two calls.  XYLEM_RANK_ANY: from all, or to
 * all.  Only ranks above and below each other have links.  -EINVAL there is no such rank, -ENOTSUP there
 * is no network. */
XYLEM_API int xylem_testing_cut(xylem_cluster_t *c, uint32_t from, uint32_t to);
XYLEM_API int xylem_testing_heal(xylem_cluster_t *c, uint32_t from, uint32_t to);

#ifdef __cplusplus
}
#endif

#endif
