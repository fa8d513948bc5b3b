/* SPDX-License-Identifier: MPL-2.0 */
/* fsck.h - is everything in the store whole?  (normative: xylem-content(7), "Fsck and scrub".)
 *
 * Reads every blob and checks its digest; then walks every namespace and every checkpoint and tells
 * which keys need a blob that is lost.  Pull-style, in short steps, so that a broker can do it between
 * the groups of its store:
 *
 *     while ((rc = fsck_step(f, db)) > 0)
 *         ;
 */
#ifndef XYLEM_FSCK_H
#define XYLEM_FSCK_H

#include "blobref.h"
#include "store_db.h"

/* Findings told; there may be more in a tree that is badly damaged: repair, and check again. */
#define FSCK_FINDINGS_MAX 250000

enum fsck_root_kind {
    FSCK_NAMESPACE,  // `name` is its name
    FSCK_CHECKPOINT, // `name` is "checkpoint N", N counted from 0, the newest
    FSCK_ROOTREF,    // `name` is the blobref
};

/* WHOLE -> HURT: keys are lost; -> LOST: its root object is. */
enum fsck_root_state { FSCK_WHOLE, FSCK_HURT, FSCK_LOST };

/* A tree that is checked. */
struct fsck_root {
    enum fsck_root_kind kind;
    enum fsck_root_state state;
    char name[STORE_NAMESPACE_MAX + BLOBREF_MAX];
    struct digest digest; // of the root object
    uint32_t owner;       // uid, of a namespace
    int64_t sequence;
    double timestamp; // of a checkpoint
};

enum fsck_object { FSCK_VALUE, FSCK_DIRECTORY, FSCK_BLOB, FSCK_PART }; // PART: of a wide directory
enum fsck_problem { FSCK_MISSING, FSCK_DAMAGED, FSCK_MALFORMED };

/* Borrowed during the call. */
struct fsck_finding {
    const struct fsck_root *root; // the tree; NULL: no key needs the blob
    size_t root_index;            // of it, in fsck_roots()
    const char *key;              // in key text, "." is the root; "" without a root
    enum fsck_object object;      // what the blob is to the key; BLOB: nothing
    enum fsck_problem problem;
    struct digest digest; // of the blob
    uint64_t entries;     // PART: of the directory, lost with it
};
typedef void (*fsck_fn)(void *arg, const struct fsck_finding *finding);

const char *fsck_object_name(enum fsck_object object);    // "value", "directory", "blob", "part"
const char *fsck_problem_name(enum fsck_problem problem); // "missing", "damaged", "malformed"

struct fsck_stats {
    uint64_t blobs;   // read
    uint64_t bytes;   // of them
    uint64_t damaged; // of them
    uint64_t keys;    // values and links in the namespaces
    uint64_t
        lost; // keys lost in them; a lost directory counts as one, and so does each entry of a part
    uint64_t lost_older; // keys lost in checkpoints
    uint64_t findings;   // told
    uint64_t unindexed;  // whole blobs that the index of the database does not lead to
    uint64_t stuck;      // damaged blobs that cannot be removed from the file
    bool is_unreadable;  // a part of the table of blobs cannot be read
    bool is_truncated;   // FSCK_FINDINGS_MAX reached
};

struct fsck;

/* fn is called from inside fsck_step(). */
struct fsck *fsck_new(enum digest_alg alg, fsck_fn fn, void *arg);
void fsck_free(struct fsck **f);

/* Check this tree instead of all namespaces and checkpoints.  Before the first step. */
void fsck_set_rootref(struct fsck *f, const struct digest *root);

/* A little work, about a millisecond.  1: there is more; 0: done; -errno: the database cannot be read.  The
 * database may change between two steps. */
int fsck_step(struct fsck *f, struct store_db *db);

const struct fsck_stats *fsck_stats(const struct fsck *f);
const char *fsck_state_name(const struct fsck *f); // "blobs", "roots", ...

/* Namespaces by name, then checkpoints, the newest first.  Without a namespace the newest checkpoint
 * is "primary", as for a broker.  Empty until the blobs have been read. */
const struct fsck_root *fsck_roots(const struct fsck *f, size_t *ret_count);

/* Has it been seen that the file needs store_db_salvage() before anything else?  Known when the blobs have
 * been read. */
bool fsck_needs_salvage(const struct fsck *f);

/* Ids of damaged rows: malloc()ed. */
int64_t *fsck_damaged_ids(const struct fsck *f, size_t *ret_count);

#endif
