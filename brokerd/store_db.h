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

struct store_conf {
    const char *statedir; // exists; borrowed during the call
    enum digest_alg alg;
    enum store_durability durability;
    int max_checkpoints; // newest N are kept
    bool read_only;      // open an existing file without changing anything
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

struct store_db;

/* Open or create STATEDIR/content.sqlite and take its lock.  Nothing is changed on failure:
 * -EBUSY in use by another broker, -EINVAL another hash algorithm, -EILSEQ damaged or not ours,
 * -EACCES/-EROFS/-ENOENT from the file system; text says which file and why.  Time does not grow
 * with the size of the file. */
int store_db_open(struct store_db **ret, const struct store_conf *conf, struct err *err);
/* Orderly close: checkpoints the WAL. */
void store_db_close(struct store_db **db);

/* Unique id given to the file when it was created (hex text). */
const char *store_db_id(const struct store_db *db);

/* Verified bytes.  -ENOENT, -EIO (damaged or unreadable; logged with the blobref). */
int store_db_load(struct store_db *db, const struct digest *d, struct blob **ret);
/* 0, -ENOENT: is there a row?  (Reads no blob.) */
int store_db_exists(struct store_db *db, const struct digest *d);

/* One transaction around any number of the calls below.  -ENOSPC, -EIO, -EROFS ...: after any error
 * the transaction has been rolled back as a whole and db is ready for the next begin. */
int store_db_begin(struct store_db *db);
int store_db_put(struct store_db *db, const struct digest *d, const struct blob *b);
int store_db_put_root(struct store_db *db, const struct store_root *root);
int store_db_remove_root(struct store_db *db, const char *name);
int store_db_put_checkpoint(struct store_db *db, const struct checkpoint *c); // prunes to newest N
int store_db_commit(struct store_db *db);
void store_db_rollback(struct store_db *db); // fine when none is open

/* All namespaces, by name.  *ret: malloc()ed array. */
int store_db_roots(struct store_db *db, struct store_root **ret, size_t *ret_count);
/* Newest first.  *ret: malloc()ed array. */
int store_db_checkpoints(struct store_db *db, struct checkpoint **ret, size_t *ret_count);

struct store_db_stats {
    int64_t blobs, file_bytes, wal_bytes;
};
int store_db_stats(struct store_db *db, struct store_db_stats *ret);

#endif
