/* SPDX-License-Identifier: MPL-2.0 */
/* rank.h - one rank, as an actor: start it, hear from it, stop it.  xylem-brokerd is one of these and
 * signal handling; a test may have many in one process. */
#ifndef XYLEM_RANK_H
#define XYLEM_RANK_H

#include "store_db.h"
#include "topo.h"
#include "xerr.h"

struct cert; // cert.h

/* Everything is borrowed and must outlive the rank. */
struct rank_conf {
    uint32_t rank;
    struct topo topo;
    const char *instance;         // id of the cluster
    const char *rundir;           // exists
    const char *statedir;         // exists; rank 0 only
    const char *local;            // path of the UNIX socket
    const char *notify_socket;    // of the service manager; NULL: there is none
    const char *const *endpoints; // URI of every rank; with `exchange`, only after it
    const char *const *hosts;     // names, NULL: see its URI; likewise; NULL array: all
    const char *const *listen;    // URIs to bind; usually endpoints[rank]
    size_t nlisten;
    /* Called once by the rank's thread when its tree socket is bound, before anybody is greeted: tell
     * the others our `uri`, and fill what `endpoints` and `keys` point to.  -errno with text; NULL: that
     * is known already. */
    int (*exchange)(void *arg, const char *uri, struct err *err);
    /* Called behind it, with the same argument, when this rank lets in those that exchange() has named:
     * nobody is greeted before it returns.  -errno with text; NULL: nothing to do. */
    int (*settled)(void *arg, struct err *err);
    void *exchange_arg;
    const struct cert *cert; // our key pair: links are secured with CURVE; NULL: they are not
    const char *const
        *keys;              // Z85 public key of every rank, NULL: the same as ours; NULL array: all
    const char *authorized; // directory with public keys of others who may connect; NULL: none
    enum digest_alg hash;
    enum store_durability durability;
    bool backing;             // rank 0: keep blobs in SQLite
    bool kvs;                 // serve kvs.*
    uint64_t cache_size;      // bytes
    uint64_t blob_size_limit; // bytes
    uint64_t maxdirent;       // entries of a plain directory; 0 = any number
    uint64_t scrub_rate;      // bytes per second; 0 = off
    long max_checkpoints;
    int64_t checkpoint_period_ms; // rank 0: record one so often; 0 = at an orderly stop only
    int64_t heartbeat_ms;
    int64_t torpid_ms; // a neighbour silent for this long is reported as slow; 0: 2.5 heartbeats
    int64_t timeout_ms;
};

/* What a rank tells whoever started it; received with actor_recv() on rank_pipe(), to be freed with
 * rank_report_free(). */
enum rank_news {
    RANK_COMPLETE, // joined, and every rank of its subtree is online
    RANK_REFUSED,  // the parent refused it for good
    RANK_SHUTDOWN, // the instance is shut down, and all ranks below have left: stop this one
};
struct rank_report {
    enum rank_news news;
    char *text; // owned; "" or why
};
void rank_report_free(struct rank_report **r);

struct rank;

/* Returns when the rank serves: its sockets exist.  -errno with text: the rank's lock, the state
 * directory, a socket. */
int rank_start(struct rank **ret, const struct rank_conf *conf, struct err *err);

/* Orderly: flush to the parent or the disk, record a checkpoint, close. */
void rank_stop(struct rank **r);

/* For tests.  As after kill -9: nobody is told, and no more is written down than the store has been
 * asked to already. */
void rank_kill(struct rank **r);
/* As SIGSTOP and SIGCONT: the rank's thread stands still.  One that is stopped or killed goes on. */
void rank_pause(struct rank *r);
void rank_resume(struct rank *r);

void *rank_pipe(struct rank *r);

#endif
