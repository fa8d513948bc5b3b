/* SPDX-License-Identifier: MPL-2.0 */
/* store_db_priv.h - what the files store_db*.c share.  Nobody else includes it, or sqlite3.h. */
#ifndef XYLEM_STORE_DB_PRIV_H
#define XYLEM_STORE_DB_PRIV_H

#include "rowset.h"
#include "store_db.h"
#include "store_db_tail.h"
#include "store_db_wal.h"

#include <sqlite3.h>

#define STORE_DB_APPLICATION_ID 0x58796c6d /* "Xylm", in the header of the file */
#define STORE_DB_VERSION 2                 /* of the schema: user_version */
#define STORE_DB_PAGE_SIZE 16384
#define STORE_DB_ID_MAX 40
/* Of the blob: larger ones are cut (store_db_pieces.c). */
#define STORE_DB_PIECE_SIZE ((size_t)16 << 20)
#define STORE_DB_PIECE_TABLE \
    "CREATE TABLE piece (blob INTEGER NOT NULL, number INTEGER NOT NULL," \
    " size INTEGER NOT NULL, data BLOB NOT NULL, UNIQUE (blob, number));"
#define STORE_DB_HISTORY_TABLE \
    "CREATE TABLE history (id INTEGER PRIMARY KEY, name TEXT NOT NULL, owner INTEGER NOT NULL," \
    " sequence INTEGER NOT NULL, digest BLOB NOT NULL, time REAL NOT NULL," \
    " collected INTEGER NOT NULL, count INTEGER NOT NULL, size INTEGER NOT NULL, ids BLOB);"

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
    STMT_PLACES,
    STMT_HAS_PLACE,
    STMT_SCAN_PLACE,
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
    STMT_FIRST_OF_PIECES, // those from here on need the table of pieces
    STMT_PUT_PIECE = STMT_FIRST_OF_PIECES,
    STMT_PIECES,
    STMT_SUM_PIECES,
    STMT_REMOVE_PIECES,
    STMT_NEWEST_PIECE,
    STMT_HAS_STRAYS,
    STMT_REMOVE_STRAYS,
    STMT_FIRST_OF_HISTORY, // and those from here on that of the history
    STMT_HISTORY_COUNTS = STMT_FIRST_OF_HISTORY,
    STMT_SETTLE_HISTORY,
    STMT_PUT_HISTORY,
    STMT_PRUNE_HISTORY,
    STMT_CLEAR_IDS,
    STMT_COLLECT_HISTORY,
    STMT_END_HISTORY,
    STMT_HISTORY,
    STMT_COMMITS,
    STMT_COUNT_OF,
};

/* See store_db_history.c. */
struct store_db_history {
    int64_t oldest, newest; // rows; when there are none, newest + 1 and newest
    int64_t cleared;        // rows up to it have no ids
    int64_t mark;           // rows up to it may lose theirs when there are enough behind it
    uint64_t ids;           // in rows behind mark
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
    struct store_db_history history;
};

/* A blob whose row has other bytes. */
struct store_db_damage {
    struct digest digest;
    int64_t id;    // of the row
    bool is_stuck; // SQLite cannot follow its pages
};

/* See store_db_age.c. */
struct store_db_age {
    double stored;      // when the last blob was stored, as far as known
    int64_t stored_id;  // its id
    double noted;       // when the newest id was last recorded
    double known;       // when touch_time was last looked up
    int64_t touch_time; // of touches that are made now
    bool has_stale;     // there are touches and they may be old
};

struct store_db_lock {
    int fd;      // locked; -1 = none
    char *path;  // owned
    bool is_new; // this process has created the file, and is to remove it
};

struct store_db {
    sqlite3 *sql;                            // owned
    sqlite3_stmt *statements[STMT_COUNT_OF]; // owned; NULL before they are prepared
    char *path;                              // of content.sqlite, owned
    char *wal_path;                          // of its write-ahead log, owned
    char id[STORE_DB_ID_MAX];                // hex text from the file
    enum digest_alg alg;                     // of the file
    int max_checkpoints;                     // newest N are kept
    bool has_pieces;                         // the table is there, its statements are prepared
    bool has_history;                        // likewise
    size_t piece_size;                       // of what is put; tests have their own
    struct store_db_lock lock;               // of the directory; to read: a share, or none
    bool is_follower;                        // opened to read: another process may be writing
    bool for_repair;                         // what cannot be read is left out
    bool is_hurt;                            // something was left out when it was opened
    bool in_transaction;                     // between begin and commit, without an error since
    int failing;                             // -errno of writes since the last commit; 0 = none
    struct wal wal;                          // of a writer
    struct tail tail;                        // rows that place does not have
    struct store_db_counts now, saved;       // now; and when the transaction began
    struct map damaged;                      // struct store_db_damage by digest, owned
    int64_t newest_at_open;                  // ids behind it are of this run
    struct rowset good;                      // ids up to it whose rows were read and are whole
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
int store_db_lock_take(struct store_db_lock *lock, const char *statedir, struct err *err);
/* To read: true if nobody writes, and nobody will while the lock is held.  (Of a folder where nothing
 * can be locked for want of permission to write there, that is believed.) */
bool store_db_lock_share(struct store_db_lock *lock, const char *statedir);
/* The directory is ours: leave our pid for others to read. */
void store_db_lock_keep(struct store_db_lock *lock);
/* Leave the directory as it was, unless the lock was kept.  Fine when there is none. */
void store_db_lock_drop(struct store_db_lock *lock);

/* --- store_db_connect.c --- */
/* Sets db->sql.  A SQLite result code. */
int store_db_connect(struct store_db *db, const struct store_conf *conf, bool is_at_rest);
/* The text for PRAGMA synchronous. */
const char *store_db_synchronous(enum store_durability durability);

/* --- store_db.c --- */
/* Open db->path for real; on failure the files beside it are those that were there before. */
int store_db_attach(struct store_db *db, const struct store_conf *conf, bool is_at_rest,
                    struct err *err);
/* The other way: the log has been moved into the file, if nobody else reads it. */
void store_db_detach(struct store_db *db);

/* --- store_db_check.c --- */
/* Is this a file of ours, of this algorithm, and whole?  Only reads, and without the help of
 * anything that could write.  -EILSEQ, -EINVAL, -errno; all with text. */
int store_db_check_file(const char *path, const char *wal_path, enum digest_alg alg,
                        struct err *err);
/* A connection for reading that believes the file, without its log, to be immutable. */
int store_db_open_immutable(const char *path, sqlite3 **ret);
/* Does every root name a blob that is there?  For an open db. */
int store_db_check_roots(struct store_db *db, struct err *err);

/* --- store_db_create.c --- */
/* Make a complete new file at path, or none. */
int store_db_create(const char *path, enum digest_alg alg, struct err *err);
/* Rename, and make sure that the directory knows it. */
int store_db_publish(const char *from, const char *to, struct err *err);
void store_db_unlink(const char *path); // with what SQLite may have left beside it

/* --- store_db_sql.c --- */
int store_db_prepare(struct store_db *db, struct err *err);
/* Those for the table of pieces, which is there. */
int store_db_prepare_pieces(struct store_db *db, struct err *err);
int store_db_prepare_history(struct store_db *db, struct err *err);
void store_db_finalize(struct store_db *db);
void store_db_release(sqlite3_stmt *st); // when its rows have been taken
/* Run a statement that returns no rows; an error is logged ("cannot WHAT") and ends the
 * transaction. */
int store_db_run(struct store_db *db, enum store_db_statement which, const char *what);
/* 1: a query with two numbers as parameters finds something; 0: nothing; -errno. */
int store_db_finds(struct store_db *db, enum store_db_statement which, int64_t a, int64_t b);
void store_db_bind_digest(struct store_db *db, sqlite3_stmt *st, int index, const struct digest *d);
/* -EPROTO: the column has another length. */
int store_db_column_digest(struct store_db *db, sqlite3_stmt *st, int column, struct digest *ret);
/* Once for a disk that does not work, until it does. */
void store_db_log_failure(struct store_db *db, const char *what, int sqlite_rc);

/* --- store_db_roots.c --- */
/* Columns name, owner, sequence, digest from 0 on.  -EIO. */
int store_db_read_root(struct store_db *db, sqlite3_stmt *st, struct store_root *ret);
/* All rows of a SELECT as an array of items of `size` bytes, each filled by `read`, which may refuse
 * one with 1. */
int store_db_read_rows(struct store_db *db, enum store_db_statement which, size_t size,
                       int (*read)(struct store_db *db, sqlite3_stmt *st, void *item), void **ret,
                       size_t *ret_count);

/* --- store_db_history.c --- */
/* For a file that is open; a writer makes the table if it is not there. */
int store_db_open_history(struct store_db *db, bool is_writer, struct err *err);
/* A writer: rows that are ahead of the roots are not listed any more. */
void store_db_settle_history(struct store_db *db);
/* Inside a transaction: the namespace is removed. */
int store_db_end_history(struct store_db *db, const char *name);

/* --- store_db_layout.c --- */
/* A writer, outside a transaction, says how its trees are laid out.  On a full disk nothing is recorded. */
void store_db_record_layout(struct store_db *db, const struct store_layout *layout);

/* --- store_db_index.c --- */
int store_db_open_index(struct store_db *db, struct err *err);
/* Parameters 1 and 2 of a statement that looks for a digest through place. */
void store_db_bind_place(struct store_db *db, sqlite3_stmt *st, const struct digest *d);
int64_t store_db_prefix(const struct digest *d);
void store_db_bind_prefix(sqlite3_stmt *st, const struct digest *d); // the first of these
/* -ENOENT. */
int store_db_has_row(struct store_db *db, int64_t id);
/* store_db_find() for a writer: does not look whether a row of the tail is still there. */
int store_db_find_known(struct store_db *db, const struct digest *d, int64_t *ret_id);
/* A row has been stored, which takes leaf_bytes of a leaf page. */
void store_db_index_add(struct store_db *db, const struct digest *d, int64_t id, size_t leaf_bytes);
/* A row is being removed. */
int store_db_index_remove(struct store_db *db, const struct digest *d, int64_t id);
/* It loses its place, but stays where it is. */
int store_db_index_unlink(struct store_db *db, const struct digest *d, int64_t id);
/* Before a commit: put into place what this transaction pays for. */
int store_db_index_merge(struct store_db *db);
/* After rows have been removed: what is recorded must say so. */
int store_db_put_counts(struct store_db *db);

/* --- store_db_pack.c --- */
void store_db_free_packer(struct store_db *db);
/* What to store for these bytes: *ret_data is borrowed from db, or is data. */
size_t store_db_pack(struct store_db *db, const void *data, size_t size, const void **ret_data);
/* Of a row with its size in column size_at and its data behind it, not verified yet.
 * -EIO: they cannot be right; -ENOMEM. */
int store_db_unpack(sqlite3_stmt *st, int size_at, struct blob **ret);
/* The same in steps: how large; into memory of that size; into memory of db, or where it is. */
int store_db_unpacked_size(sqlite3_stmt *st, int size_at, size_t *ret);
int store_db_unpack_to(sqlite3_stmt *st, int size_at, size_t size, void *out);
int store_db_unpack_scratch(struct store_db *db, sqlite3_stmt *st, int size_at, size_t size,
                            const void **ret);

/* --- store_db_pieces.c --- */
/* Make the table if it is not there: files of the first days lack it. */
int store_db_add_pieces(struct store_db *db, struct err *err);
/* Inside a transaction: the bytes of the blob that row id will have, or has had. */
int store_db_put_pieces(struct store_db *db, int64_t id, const struct blob *b);
int store_db_remove_pieces(struct store_db *db, int64_t id);
/* Are the bytes of the row in pieces?  Its size is in column size_at, its data behind it. */
bool store_db_is_split(sqlite3_stmt *st, int size_at);
/* While the statement that has found the row is there, so that all is read at one moment.
 * -EIO damaged; -ENOMEM.  The bytes are not verified yet. */
int store_db_join_pieces(struct store_db *db, int64_t id, int64_t size, struct blob **ret);
/* Verifies the bytes without having more than a piece in memory. */
int store_db_check_pieces(struct store_db *db, int64_t id, int64_t size, const struct digest *d);

/* --- store_db_damage.c --- */
/* Are these the bytes that d names? */
bool store_db_is_whole(const struct store_db *db, const struct digest *d, const struct blob *b);
void store_db_log_damaged(struct store_db *db, const struct digest *d, const char *why);
/* Log it, once, and remember it: the next put replaces the row. */
void store_db_note_damage(struct store_db *db, const struct digest *d, int64_t id);
void store_db_free_damages(struct store_db *db);
/* The row of d that SQLite cannot read, by what can be read of it. */
bool store_db_find_suspect(struct store_db *db, const struct digest *d, int64_t *ret_id);
/* The row has been read and was whole. */
void store_db_note_good(struct store_db *db, int64_t id);
/* Note that it cannot even be removed.  true: that is new. */
bool store_db_note_stuck(struct store_db *db, const struct digest *d, int64_t id);
bool store_db_is_stuck(const struct store_db *db, const struct digest *d, int64_t id);
/* The row of d that place has, if that is known to be stuck. */
bool store_db_find_stuck(struct store_db *db, const struct digest *d, int64_t *ret_id);
/* May a put of d rely on this row?  0: yes; 1: it is to be replaced; -EUCLEAN: likewise, but not in
 * this transaction; -errno.  Reads the row if that is not known. */
int store_db_check_row(struct store_db *db, const struct digest *d, int64_t id);

/* --- store_db_blobs.c --- */
/* Of the row that st (STMT_LOAD) is at: its bytes, unless ret is NULL.  -EIO: they are not those of d. */
int store_db_take_bytes(struct store_db *db, sqlite3_stmt *st, const struct digest *d,
                        struct blob **ret);
/* Take a row out of the file, the index and the counts. */
int store_db_remove_row(struct store_db *db, const struct digest *d, int64_t id);

/* --- store_db_age.c --- */
/* A transaction begins, ends well; a blob that is there is stored again. */
int store_db_age_begin(struct store_db *db);
void store_db_age_commit(struct store_db *db);
int store_db_touch(struct store_db *db, int64_t id);

/* ---- store_db_meta.c ---- */

/* 1; 0: there is no number of this name; -errno. */
int store_db_get_meta(struct store_db *db, const char *name, int64_t *ret);
/* what: for the log, should it fail. */
int store_db_put_meta(struct store_db *db, const char *name, int64_t value, const char *what);

#endif
