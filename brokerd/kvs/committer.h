/* SPDX-License-Identifier: MPL-2.0 */
/* committer.h - rank 0: turns queued transactions into new roots (xylem-kvs(7), "Commits").
 *
 * Pure: it asks for directory blobs, hands out what is to be made durable, and is told when it is.
 * Runs on the kvs actor's thread, because parsing and hashing a large commit takes long.
 */
#ifndef XYLEM_COMMITTER_H
#define XYLEM_COMMITTER_H

#include "store.h"
#include "txn.h"

enum { COMMIT_NO_MERGE = 1, COMMIT_COMPACT = 2, COMMIT_SYNC = 4 }; // as in Flux

struct committer;

struct committer_ops {
    /* Answer with committer_provide(), later or from inside. */
    void (*need)(void *arg, const struct digest *d);
    /* Make this durable (consumed), then committer_written(ns).  At most one at a time for a
     * namespace. */
    void (*write)(void *arg, const char *ns, struct store_change **change);
    /* Exactly once for each commit.  rc 0: root is durable.  Else -errno; text may be "". */
    void (*done)(void *arg, void *cookie, int rc, const char *text, const struct store_root *root);
};

/* Values above blob_limit bytes are cut into several blobs. */
struct committer *committer_new(enum digest_alg alg, size_t blob_limit, uint64_t maxdirent,
                                const struct committer_ops *ops, void *arg);
/* What is queued gets done(-ECANCELED). */
void committer_free(struct committer **c);

/* A namespace and its present root. */
void committer_add_root(struct committer *c, const struct store_root *root);

/* What is queued for it gets done(-ENOTSUP); what is being written is finished first. */
void committer_remove_root(struct committer *c, const char *ns);

/* Queue a commit; *txn is consumed.  id: to be recorded, or "".  Unknown namespace: done(-ENOTSUP) at
 * once.  What txn expects is looked at when it is its turn: done(-EAGAIN) if it does not hold. */
void committer_submit(struct committer *c, const char *ns, int flags, struct txn *txn,
                      const char *id, void *cookie);

/* rc 0 and the bytes, or why there are none. */
void committer_provide(struct committer *c, const struct digest *d, int rc, const struct blob *b);
void committer_written(struct committer *c, const char *ns, int rc);

/* Work that could be done now is done: call after every call above, or after a batch of them, so
 * that what arrived together is merged. */
void committer_run(struct committer *c, double now);

#endif
