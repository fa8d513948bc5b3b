/* SPDX-License-Identifier: MPL-2.0 */
/* store_db.h - content.sqlite: the only SQL in the tree (DESIGN: xylem-content(7), "Backing
 * store"). Blocking; used by one thread at a time. */
#ifndef XYLEM_STORE_DB_H
#define XYLEM_STORE_DB_H

#include "blob.h"
#include "checkpoint.h"
#include "digest.h"
#include "xerr.h"

enum store_durability { STORE_MEMORY, STORE_COMMIT, STORE_FSYNC };

/* What decides, beside its keys and values, which blobs a tree is made of. */
struct store_layout {
    int64_t maxdirent; // entries of a directory that is not a wide one; 0: none is
    int64_t blob_size; // bytes; larger values are cut; 0 in store_conf: not to be recorded
};

struct store_conf {
    const char *statedir; // exists; borrowed during the call
    enum digest_alg alg;
    enum store_durability durability;
    int max_checkpoints;        // newest N are kept
    bool read_only;             // open an existing file without changing anything
    bool for_repair;            // also one of which a part cannot be read, or a root is lost
    struct store_layout layout; // recorded by a writer, for tools that have nobody to ask
};

#define STORE_NAMESPACE_MAX 64

/* The current root of a namespace. */
struct store_root {
    char name[STORE_NAMESPACE_MAX];
    uint32_t owner; // uid
    int64_t sequence;
    struct digest root;
    int64_t epoch; // run of rank 0 that made it (its start, ms); not stored
};

/* A root that a namespace had. */
struct store_history {
    struct store_root root;
    double time; // when it was made, seconds since the epoch
};

#define STORE_COMMIT_ID_MAX 64 // bytes for an id and its NUL

/* A commit with an id, and the root that came of it. */
struct store_commit {
    char id[STORE_COMMIT_ID_MAX];
    struct store_root root; // its epoch is -1 if the namespace was removed since
};

struct store_db;

/* Open or create STATEDIR/content.sqlite and take its lock.  Nothing is changed on failure:
 * -EBUSY in use by another broker, -EINVAL another hash algorithm, -EILSEQ damaged or not ours,
 * -EACCES/-EROFS/-ENOENT from the file system; text says which file and why.  Time does not grow
 * with the size of the file. */
int store_db_open(struct store_db **ret, const struct store_conf *conf, struct err *err);
/* The hash algorithm of the file that is there, without opening it: for tools that are not told.
 * -ENOENT, -EILSEQ and so on, as above. */
int store_db_read_alg(const char *statedir, enum digest_alg *ret, struct err *err);
/* Orderly close: checkpoints the WAL. */
void store_db_close(struct store_db **db);

/* As the last one said who has recorded it.  -ENOENT: nobody has. */
int store_db_layout(struct store_db *db, struct store_layout *ret);

/* Unique id given to the file when it was created (hex text). */
const char *store_db_id(const struct store_db *db);

/* Verified bytes.  -ENOENT, -EIO (damaged or unreadable; logged with the blobref). */
int store_db_load(struct store_db *db, const struct digest *d, struct blob **ret);
/* The same without the bytes, only their number: in memory there is never more than a piece of them. */
int store_db_check(struct store_db *db, const struct digest *d, int64_t *ret_size);
/* 0, -ENOENT: is there a row?  (Reads no blob.) */
int store_db_exists(struct store_db *db, const struct digest *d);
/* Around a number of loads: cheaper, and all see the same rows.  Not to be held long. */
int store_db_begin_reading(struct store_db *db);
void store_db_end_reading(struct store_db *db);

/* One transaction around any number of the calls below.  -ENOSPC, -EIO, -EROFS ...: after any error
 * the transaction has been rolled back as a whole and db is ready for the next begin. */
int store_db_begin(struct store_db *db);
/* A blob that is there keeps its row.  But that is read first, once, if it is from an earlier run; and if
 * it is damaged the blob gets a new one.  -EUCLEAN: damage was found which does not let this
 * transaction go on; the next one knows of it. */
int store_db_put(struct store_db *db, const struct digest *d, const struct blob *b);
int store_db_put_root(struct store_db *db, const struct store_root *root);
int store_db_remove_root(struct store_db *db, const char *name);
/* Note a root in the history, and the ids of the commits that made it (one space between two; NULL: none
 * has one).  time 0: now.  Of all namespaces together STORE_DB_HISTORY_KEPT roots and STORE_DB_IDS_KEPT
 * ids are kept, and a number of older ones. */
int store_db_put_history(struct store_db *db, const struct store_root *root, double time,
                         const char *ids);
#define STORE_DB_HISTORY_KEPT 16384
#define STORE_DB_IDS_KEPT 16384
/* Blobs are being removed: roots of the history that are neither current nor a checkpoint are not listed any
 * more.  Their ids stay. */
int store_db_collect_history(struct store_db *db);
int store_db_put_checkpoint(struct store_db *db, const struct checkpoint *c); // prunes to newest N
int store_db_commit(struct store_db *db);
void store_db_rollback(struct store_db *db); // fine when none is open

/* All namespaces, by name.  *ret: malloc()ed array. */
int store_db_roots(struct store_db *db, struct store_root **ret, size_t *ret_count);
/* Roots of the history, the oldest first, at most STORE_DB_HISTORY_KEPT of all namespaces together.  *ret:
 * malloc()ed array; may be NULL when there are none. */
int store_db_history(struct store_db *db, struct store_history **ret, size_t *ret_count);
/* The last STORE_DB_IDS_KEPT commits with ids, the oldest first; likewise. */
int store_db_commits(struct store_db *db, struct store_commit **ret, size_t *ret_count);
/* Newest first.  *ret: malloc()ed array. */
int store_db_checkpoints(struct store_db *db, struct checkpoint **ret, size_t *ret_count);

/* --- blobs by age: for scrub, fsck and gc --- */

/* Rows have ids that grow with the time they were first stored, and that are never used again.  A blob
 * that is removed and stored again has a new id.
 *
 * For a collector of garbage: it may remove a row that nothing refers to if its id is at most that of
 * store_db_id_at(START - GRACE) and store_db_was_touched(id, START - GRACE) says 0, START being when
 * it began.  So what was stored, or stored again, within the grace period stays. */
struct store_db_row {
    int64_t id;
    struct digest digest;
    int64_t size;  // bytes of the blob
    int rc;        // 0 whole, -EIO damaged (store_db_verify only)
    bool is_stuck; // damaged, and cannot be removed: SQLite cannot follow its pages
};
typedef void (*store_db_row_fn)(void *arg, const struct store_db_row *row);

/* The id of the newest row, 0 when there is none.  Or a larger one, if all that is left there is bytes
 * that have lost their row. */
int store_db_newest(struct store_db *db, int64_t *ret_id);
/* -ENOENT. */
int store_db_find(struct store_db *db, const struct digest *d, int64_t *ret_id);
/* fn for each row with after < id <= upto, in order, at most max_rows of them, without reading their
 * bytes.  *ret_last: the last id given, `upto` when there are no more. */
int store_db_list(struct store_db *db, int64_t after, int64_t upto, size_t max_rows,
                  store_db_row_fn fn, void *arg, int64_t *ret_last);
/* The same, reading and hashing every byte; ends early after max_bytes.  A damaged row is logged and
 * remembered: the next put of its digest replaces it. */
int store_db_verify(struct store_db *db, int64_t after, int64_t upto, size_t max_rows,
                    size_t max_bytes, store_db_row_fn fn, void *arg, int64_t *ret_last);
/* After store_db_verify() has failed with -EIO at `after`: on to where rows can be read again, at most
 * max_failures at a time.  fn gets a row of which only the bytes cannot be read.  *failures: 0 at first,
 * and 0 again when the gap has ended. */
int store_db_skip(struct store_db *db, int64_t after, int64_t upto, uint64_t *failures,
                  int max_failures, store_db_row_fn fn, void *arg, int64_t *ret_last);
/* store_db_newest() where that fails with -EIO: as far as it is known. */
int64_t store_db_newest_known(const struct store_db *db);
/* Are all pages of the index in order?  Looks at up to max entries from *at (zeros at first) on.  1: there
 * may be more; 0: that was all; -EIO: they are not; -errno. */
struct store_db_scan {
    int64_t prefix, id;
};
int store_db_scan_index(struct store_db *db, struct store_db_scan *at, int max);
/* Could a part of it not be read when it was opened, with for_repair? */
bool store_db_is_hurt(const struct store_db *db);
/* A row that is whole: 1, its digest does not lead to it; 0; -errno.  In memory the index is put right,
 * unless it is written by this process and has pages that are malformed. */
int store_db_reindex(struct store_db *db, const struct store_db_row *row);
/* Blobs with ids up to *ret_id were all stored (the first time) before `time` (seconds since the
 * epoch); 0 when that cannot be told. */
int store_db_id_at(struct store_db *db, double time, int64_t *ret_id);
/* 1: the blob was stored again since `time`, or up to half a grace period before; 0: not; -errno.  What
 * was longer ago than two grace periods is forgotten. */
int store_db_was_touched(struct store_db *db, int64_t id, double time);
/* Default: 600.  Each half of it, a blob that is stored again is noted once. */
void store_db_set_grace(struct store_db *db, double seconds);
/* Inside a transaction.  Ids that are not there are fine. */
int store_db_remove(struct store_db *db, const int64_t *ids, size_t count);
/* Bytes of large blobs that have lost their row with after < id <= upto, after damage of the file:
 * 1 there are, 0; -errno. */
int store_db_has_strays(struct store_db *db, int64_t after, int64_t upto);
/* Inside a transaction. */
int store_db_remove_strays(struct store_db *db, int64_t after, int64_t upto);
/* Give up to max_pages free pages back to the file system.  1: there may be more; 0: done, and the
 * write-ahead log is empty if nobody reads it.  Not inside a transaction. */
int store_db_shrink(struct store_db *db, int max_pages);

struct store_db_stats {
    int64_t blobs, file_bytes, wal_bytes;
};
int store_db_stats(struct store_db *db, struct store_db_stats *ret);
/* Of the file, that hold nothing. */
int store_db_free_bytes(struct store_db *db, int64_t *ret);

#endif
