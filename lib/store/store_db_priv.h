/* SPDX-License-Identifier: MPL-2.0 */
/* store_db_priv.h - what the files store_db*.c share.  Nobody else includes it, or sqlite3.h. */
#ifndef XYLEM_STORE_DB_PRIV_H
#define XYLEM_STORE_DB_PRIV_H

#include "store_db.h"
#include "store_db_tail.h"
#include "store_db_wal.h"

#include <sqlite3.h>

#define STORE_DB_APPLICATION_ID 0x58796c6d /* "Xylm", in the header of the file */
#define STORE_DB_VERSION 2                 /* of the schema: user_version */
#define STORE_DB_PAGE_SIZE 16384
#define STORE_DB_ID_MAX 40

enum store_db_statement {
    STMT_BEGIN,
    STMT_BEGIN_READ,
    STMT_COMMIT,
    STMT_GET_META,
    STMT_PUT_META,
    STMT_PUT,
    STMT_LOAD_ROW,
    STMT_LOAD,
    STMT_HAS_ROW,
    STMT_FIND,
    STMT_PUT_PLACE,
    STMT_REMOVE_PLACE,
    STMT_NEWEST,
    STMT_LIST,
    STMT_READ,
    STMT_DIGEST_OF,
    STMT_REMOVE,
    STMT_PUT_AGE,
    STMT_PRUNE_AGES,
    STMT_ID_AT,
    STMT_TOUCH,
    STMT_TOUCH_AFTER,
    STMT_HAS_TOUCH,
    STMT_PRUNE_TOUCHES,
    STMT_PUT_ROOT,
    STMT_REMOVE_ROOT,
    STMT_ROOTS,
    STMT_PUT_CHECKPOINT,
    STMT_PRUNE_CHECKPOINTS,
    STMT_CHECKPOINTS,
    STMT_COUNT_OF,
};

/* What is known of the rows; see store_db_index.c.  An error restores what was at begin. */
struct store_db_counts {
    int64_t blobs;         // rows
    int64_t newest;        // id; of a row that is there or was
    int64_t indexed;       // rows up to this id are in place
    int64_t after_indexed; // rows behind it
    int64_t turn;          // newest when the turn of the partitions began
    int64_t after_turn;    // rows behind it
    size_t part;           // to be merged next
    size_t due_rows;       // stored and not paid for with merges
    size_t due_bytes;      // of leaf pages, likewise
};

/* A blob whose row has other bytes. */
struct store_db_damage {
    struct digest digest;
    int64_t id; // of the row
};

/* See store_db_age.c. */
struct store_db_age {
    double stored;      // when the last blob was stored, as far as known
    int64_t stored_id;  // its id
    double noted;       // when the newest id was last recorded
    double known;       // when old_id was last looked up
    int64_t old_id;     // rows up to it are to be touched when they are stored again
    int64_t touch_time; // of touches that are made now
    bool has_stale;     // there are touches and they may be old
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
    bool is_follower;                        // opened to read: another process may be writing
    bool in_transaction;                     // between begin and commit, without an error since
    int failing;                             // -errno of writes since the last commit; 0 = none
    struct wal wal;                          // of a writer
    struct tail tail;                        // rows that place does not have
    struct store_db_counts now, saved;       // now; and when the transaction began
    struct map damaged;                      // struct store_db_damage by digest, owned
    double (*wall)(void);                    // the time; tests have their own
    double grace;                            // seconds; see store_db_set_grace()
    struct store_db_age age;                 // what was when
    union LZ4_stream_u *lz4;                 // its tables, owned
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

/* --- store_db_sql.c --- */
int store_db_prepare(struct store_db *db, struct err *err);
void store_db_finalize(struct store_db *db);
void store_db_release(sqlite3_stmt *st); // when its rows have been taken
/* Run a statement that returns no rows; an error is logged ("cannot WHAT") and ends the
 * transaction. */
int store_db_run(struct store_db *db, enum store_db_statement which, const char *what);
void store_db_bind_digest(struct store_db *db, sqlite3_stmt *st, int index, const struct digest *d);
/* -EPROTO: the column has another length. */
int store_db_column_digest(struct store_db *db, sqlite3_stmt *st, int column, struct digest *ret);
/* Once for a disk that does not work, until it does. */
void store_db_log_failure(struct store_db *db, const char *what, int sqlite_rc);

/* --- store_db_index.c --- */
int store_db_open_index(struct store_db *db, struct err *err);
/* Parameters 1 and 2 of a statement that looks for a digest through place. */
void store_db_bind_place(struct store_db *db, sqlite3_stmt *st, const struct digest *d);
/* store_db_find() for a writer: does not look whether a row of the tail is still there. */
int store_db_find_known(struct store_db *db, const struct digest *d, int64_t *ret_id);
/* A row has been stored, which takes leaf_bytes of a leaf page. */
void store_db_index_add(struct store_db *db, const struct digest *d, int64_t id, size_t leaf_bytes);
/* A row is being removed. */
int store_db_index_remove(struct store_db *db, const struct digest *d, int64_t id);
/* Before a commit: put into place what this transaction pays for. */
int store_db_index_merge(struct store_db *db);
/* After rows have been removed: what is recorded must say so. */
int store_db_put_counts(struct store_db *db);

/* --- store_db_pack.c --- */
void store_db_free_packer(struct store_db *db);
/* What to store for b: *ret_data is borrowed from db or from b. */
size_t store_db_pack(struct store_db *db, const struct blob *b, const void **ret_data);
/* The bytes of a row with its size in column size_at and its data behind it, not verified yet.
 * -EIO: they cannot be right; -ENOMEM. */
int store_db_unpack(sqlite3_stmt *st, int size_at, struct blob **ret);

/* --- store_db_blobs.c --- */
/* Are these the bytes that d names? */
bool store_db_is_whole(const struct store_db *db, const struct digest *d, const struct blob *b);
/* Log it, once, and remember it: the next put replaces the row. */
void store_db_note_damage(struct store_db *db, const struct digest *d, int64_t id);
void store_db_free_damages(struct store_db *db);
/* Take a row out of the file, the index and the counts. */
int store_db_remove_row(struct store_db *db, const struct digest *d, int64_t id);

/* --- store_db_age.c --- */
/* A transaction begins, ends well; a blob that is there is stored again. */
int store_db_age_begin(struct store_db *db);
void store_db_age_commit(struct store_db *db);
int store_db_touch(struct store_db *db, int64_t id);

#endif
