/* SPDX-License-Identifier: MPL-2.0 */
/* store_db_priv.h - what the files store_db*.c share.  Nobody else includes it, or sqlite3.h. */
#ifndef XYLEM_STORE_DB_PRIV_H
#define XYLEM_STORE_DB_PRIV_H

#include "store_db.h"

#include <sqlite3.h>

#define STORE_DB_APPLICATION_ID 0x58796c6d /* "Xylm", in the header of the file */
#define STORE_DB_VERSION 1                 /* of the schema: user_version */
#define STORE_DB_PAGE_SIZE 16384
#define STORE_DB_ID_MAX 40

enum store_db_statement {
    STMT_BEGIN,
    STMT_COMMIT,
    STMT_PUT,
    STMT_LOAD,
    STMT_EXISTS,
    STMT_COUNT,
    STMT_PUT_ROOT,
    STMT_REMOVE_ROOT,
    STMT_ROOTS,
    STMT_PUT_CHECKPOINT,
    STMT_PRUNE_CHECKPOINTS,
    STMT_CHECKPOINTS,
    STMT_COUNT_OF,
};

struct store_db {
    sqlite3 *sql;                            // owned
    sqlite3_stmt *statements[STMT_COUNT_OF]; // owned; NULL before they are prepared
    char *path;                              // of content.sqlite, owned
    char *wal_path;                          // of its write-ahead log, owned
    char id[STORE_DB_ID_MAX];                // hex text from the file
    enum digest_alg alg;                     // of the file
    int max_checkpoints;                     // newest N are kept
    int lock_fd;                             // holds the lock of the directory; -1 = read-only
    bool in_transaction;                     // between begin and commit, without an error since
    char *scratch;                           // compression buffer, owned
    size_t scratch_size;                     // bytes of it
};

/* SQLite's result code as -errno. */
int store_db_errno(int sqlite_rc);

/* --- store_db_lock.c --- */
struct store_db_lock {
    int fd;      // locked; -1 = none
    char *path;  // owned
    bool is_new; // this process has created the file
};
int store_db_lock_take(struct store_db_lock *lock, const char *statedir, struct err *err);
/* The directory is ours: leave our pid for others to read.  Returns the descriptor. */
int store_db_lock_keep(struct store_db_lock *lock);
/* The database was refused: leave the directory as it was. */
void store_db_lock_drop(struct store_db_lock *lock);

/* --- store_db_check.c --- */
/* Is this a file of ours, of this algorithm, and whole?  Only reads, and without the help of
 * anything that could write.  -EILSEQ, -EINVAL, -errno; all with text. */
int store_db_check_file(const char *path, const char *wal_path, enum digest_alg alg,
                        struct err *err);
/* Does every root name a blob that is there?  For an open db. */
int store_db_check_roots(struct store_db *db, struct err *err);

/* --- store_db_create.c --- */
/* Make a complete new file at path, or none. */
int store_db_create(const char *path, enum digest_alg alg, struct err *err);

/* --- store_db_rows.c --- */
int store_db_prepare(struct store_db *db, struct err *err);
void store_db_finalize(struct store_db *db);
/* Rows of the blob table (walks its index); -errno. */
int64_t store_db_count(struct store_db *db);

#endif
