/* SPDX-License-Identifier: MPL-2.0 */
/* store.h - the store actor of rank 0: SQLite on a thread of its own, with group commit.
 *
 * Calls are collected during a turn of the owner's loop and posted as one batch when it turns next
 * (without sleeping in between); the actor drains what is there, does it in one transaction,
 * commits, and only then answers.  Answers arrive in the owner's loop, in no particular order.
 * Loads never wait for a commit that they do not depend on longer than one batch.
 *
 * At most STORE_LOADED_MAX bytes and one blob that were loaded wait to be taken by the owner; then the
 * actor reads no further until it has.
 */
#ifndef XYLEM_STORE_H
#define XYLEM_STORE_H

#include "loop.h"
#include "metric.h"
#include "store_db.h"

#define STORE_LOADED_MAX ((size_t)8 << 20)

struct store;

/* What a KVS commit makes durable in one transaction: new blobs and the roots that name them. */
struct store_change {
    size_t nblobs;
    struct digest *digests; // owned array
    struct blob **blobs;    // owned array of owned references
    size_t nroots;
    struct store_root *roots;      // owned array
    char *remove_root;             // owned; namespace to remove, or NULL
    struct checkpoint *checkpoint; // owned; to record as well, or NULL
    size_t ncommits;               // of the KVS that it holds
    double time;                   // when the roots were made, seconds since the epoch; 0: now
    char *ids;  // owned; of the commits, one space between two; NULL: none has one
    char *keys; // owned; JSON {"a.b":null,...}: what the commits write; NULL: unknown
};
struct store_change *store_change_new(void); // empty
void store_change_add_blob(struct store_change *c, const struct digest *d, const struct blob *b);
void store_change_add_root(struct store_change *c, const struct store_root *root);
void store_change_free(struct store_change **c);

struct store_ops {
    void (*loaded)(void *arg, uint32_t tag, int rc, const struct blob *b); // verified bytes
    void (*stored)(void *arg, uint32_t tag, int rc);
    /* change is handed back (owned by the callee: store_change_free). */
    void (*changed)(void *arg, void *cookie, int rc, struct store_change **change);
    /* array is borrowed; newest first. */
    void (*checkpoints)(void *arg, void *cookie, int rc, const struct checkpoint *list, size_t n);
    void (*validated)(void *arg, void *cookie, int rc);
    void (*ran)(void *arg, void *cookie, int rc); // rc: what the task returned
};

/* Runs on the store's thread, with db to itself and no transaction open; it must leave none open. */
typedef int (*store_task_fn)(void *task, struct store_db *db);

/* What an instance goes on with: owned arrays. */
struct store_recorded {
    struct store_root
        *roots;    // of the namespaces; without any, "primary" at the newest checkpoint, if
    size_t nroots; // there is one
    struct store_history *history; // roots they had, these included; the oldest first
    size_t nhistory;
    struct store_commit *commits; // with ids; the oldest first
    size_t ncommits;
};
void store_recorded_fini(struct store_recorded *r);

/* Opens the database (all errors of store_db_open) and starts the thread.  *recorded: what was there;
 * nothing on failure. */
int store_start(struct store **ret, const struct store_conf *conf, struct loop *loop,
                const struct store_ops *ops, void *arg, struct store_recorded *recorded,
                struct err *err);

/* Finishes what was asked, commits, closes the file in order.  Callbacks still come for what was
 * in flight, from inside the call; what they ask in turn is finished as well.  Not from inside a
 * callback. */
void store_stop(struct store **s);

const char *store_id(const struct store *s); // see store_db_id()

void store_load(struct store *s, const struct digest *d, uint32_t tag);
void store_put(struct store *s, const struct digest *d, const struct blob *b, uint32_t tag);
void store_apply(struct store *s, struct store_change **change, void *cookie); // consumed
void store_list_checkpoints(struct store *s, void *cookie);
/* Is the blob there?  rc 0 or -ENOENT; bytes are read and verified (-EIO). */
void store_validate(struct store *s, const struct digest *d, void *cookie);

/* Have fn(task, db) run after the writes asked before it; writes asked later may come first.  Loads
 * and puts go on between two tasks, so a long piece of work is a series of short ones.  task is
 * borrowed until `ran` is called. */
void store_run(struct store *s, store_task_fn fn, void *task, void *cookie);

struct store_stats {
    uint64_t batches;         // transactions, since start
    uint64_t rows;            // blobs, roots and checkpoints written by them
    uint64_t loads;           // answered, since start
    uint64_t load_failures;   // of them, for another reason than -ENOENT
    uint64_t put_failures;    // puts and changes answered with an error, since start
    uint64_t bytes_read;      // of blobs loaded and validated, since start
    uint64_t bytes_written;   // of blobs put, since start
    uint64_t commit_us_total; // of all transactions, since start
    size_t queued;            // asked, not answered
};
void store_stats(const struct store *s, struct store_stats *ret);
/* To count into: times, and rows per transaction; borrowed. */
void store_set_metrics(struct store *s, struct metrics *metrics);

static inline void
store_recorded_auto(struct store_recorded *r)
{
    store_recorded_fini(r);
}

#endif
