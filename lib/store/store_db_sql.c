/* SPDX-License-Identifier: MPL-2.0 */
/* store_db_sql.c - statements and transactions of content.sqlite: what all its tables share.
 *
 * I1  Every statement is reset before the function that stepped it returns: an unfinished SELECT
 *     would keep the write-ahead log from ever being moved.
 * I2  After an error inside a transaction there is none: SQLite itself rolls back on some errors
 *     (a full disk) and not on others, so we always do.
 * I3  What is kept in memory of the rows (the tail, db->now) follows: a transaction that failed has
 *     left no trace there.
 * I4  A page that SQLite cannot follow, met in a transaction, makes that unfit for writing. */
#include "store_db_priv.h"
#include "elog.h"

#include <errno.h>

/* Pieces of blobs ?1 < id <= ?2 that have no row, or one that has its data itself. */
#define STRAYS \
    "blob > ?1 AND blob <= ?2 AND NOT EXISTS (SELECT 1 FROM blob b WHERE b.id = piece.blob" \
    " AND b.size > 0 AND length(b.data) = 0)"

static const char *const statement_text[STMT_COUNT_OF] = {
    [STMT_BEGIN] = "BEGIN IMMEDIATE",
    [STMT_COMMIT] = "COMMIT",
    [STMT_BEGIN_READ] = "BEGIN",
    [STMT_GET_META] = "SELECT value FROM meta WHERE name = ?1",
    [STMT_PUT_META] = "INSERT OR REPLACE INTO meta (name, value) VALUES (?1, ?2)",
    [STMT_PUT] = "INSERT INTO blob (id, digest, size, data) VALUES (?1, ?2, ?3, ?4)",
    [STMT_LOAD_ROW] = "SELECT id, size, data FROM blob WHERE id = ?1",
    [STMT_LOAD] = "SELECT b.id, b.size, b.data FROM place p CROSS JOIN blob b ON b.id = p.id"
                  " WHERE p.prefix = ?1 AND b.digest = ?2",
    [STMT_HAS_ROW] = "SELECT 1 FROM blob WHERE id = ?1",
    [STMT_FIND] = "SELECT b.id FROM place p CROSS JOIN blob b ON b.id = p.id"
                  " WHERE p.prefix = ?1 AND b.digest = ?2",
    [STMT_PLACES] = "SELECT id FROM place WHERE prefix = ?1",
    [STMT_SCAN_PLACE] = "SELECT prefix, id FROM place WHERE (prefix, id) > (?1, ?2)"
                        " ORDER BY prefix, id LIMIT ?3",
    [STMT_HAS_PLACE] = "SELECT 1 FROM place WHERE prefix = ?1 AND id = ?2",
    /* A tail that was read from the file may be in place in part. */
    [STMT_PUT_PLACE] = "INSERT OR IGNORE INTO place (prefix, id) VALUES (?1, ?2)",
    [STMT_REMOVE_PLACE] = "DELETE FROM place WHERE prefix = ?1 AND id = ?2",
    [STMT_NEWEST] = "SELECT ifnull(max(id), 0) FROM blob",
    /* Not "id > ?1": in a damaged table that looks for ?1 itself, which may lie in a lost page. */
    [STMT_LIST] = "SELECT id, digest, size FROM blob WHERE id >= ?1 AND id <= ?2 ORDER BY id",
    [STMT_READ] = "SELECT id, digest, size, data FROM blob WHERE id >= ?1 AND id <= ?2"
                  " ORDER BY id",
    [STMT_DIGEST_OF] = "SELECT digest FROM blob WHERE id = ?1",
    [STMT_REMOVE] = "DELETE FROM blob WHERE id = ?1",
    [STMT_PUT_AGE] = "INSERT OR IGNORE INTO age (id, time) VALUES (?1, ?2)",
    [STMT_PRUNE_AGES] = "DELETE FROM age WHERE time > ?2 OR id < (SELECT max(id) FROM age"
                        " WHERE time <= ?1)",
    [STMT_ID_AT] = "SELECT ifnull(max(id), 0) FROM age WHERE time <= ?1",
    [STMT_TOUCH] = "INSERT OR IGNORE INTO touched (time, id) VALUES (?1, ?2)",
    [STMT_TOUCH_AFTER] = "SELECT min(time) FROM touched WHERE time > ?1",
    [STMT_HAS_TOUCH] = "SELECT 1 FROM touched WHERE time = ?1 AND id = ?2",
    [STMT_PRUNE_TOUCHES] = "DELETE FROM touched WHERE (time, id) IN"
                           " (SELECT time, id FROM touched WHERE time < ?1 LIMIT ?2)",
    [STMT_PUT_ROOT] = "INSERT INTO root (name, owner, sequence, digest) VALUES (?1, ?2, ?3, ?4)"
                      " ON CONFLICT (name) DO UPDATE SET owner = excluded.owner,"
                      " sequence = excluded.sequence, digest = excluded.digest",
    [STMT_REMOVE_ROOT] = "DELETE FROM root WHERE name = ?1",
    [STMT_ROOTS] = "SELECT name, owner, sequence, digest FROM root ORDER BY name",
    [STMT_PUT_CHECKPOINT] =
        "INSERT INTO checkpoint (sequence, timestamp, digest) VALUES (?1, ?2, ?3)",
    [STMT_PRUNE_CHECKPOINTS] = ("DELETE FROM checkpoint WHERE id <= (SELECT id FROM checkpoint"
                                " ORDER BY id DESC LIMIT 1 OFFSET ?1)"),
    [STMT_CHECKPOINTS] = "SELECT sequence, timestamp, digest FROM checkpoint ORDER BY id DESC",
    [STMT_PUT_PIECE] = "INSERT INTO piece (blob, number, size, data) VALUES (?1, ?2, ?3, ?4)",
    [STMT_PIECES] = "SELECT number, size, data FROM piece WHERE blob = ?1 ORDER BY number",
    /* LZ4 cannot shrink by more than 256. */
    [STMT_SUM_PIECES] = "SELECT ifnull(min(size <= (length(data) + 1) * 256), 0), sum(size)"
                        " FROM piece WHERE blob = ?1",
    [STMT_REMOVE_PIECES] = "DELETE FROM piece WHERE blob = ?1",
    [STMT_NEWEST_PIECE] = "SELECT ifnull(max(blob), 0) FROM piece",
    [STMT_HAS_STRAYS] = "SELECT 1 FROM piece WHERE " STRAYS " LIMIT 1",
    [STMT_REMOVE_STRAYS] = "DELETE FROM piece WHERE " STRAYS,
    [STMT_HISTORY_COUNTS] = "SELECT id, count FROM history ORDER BY id DESC",
    [STMT_SETTLE_HISTORY] = "UPDATE history SET collected = 1 WHERE collected = 0 AND NOT EXISTS"
                            " (SELECT 1 FROM root r WHERE r.name = history.name"
                            " AND r.sequence >= history.sequence)",
    [STMT_PUT_HISTORY] = "INSERT INTO history (id, name, owner, sequence, digest, time, collected,"
                         " count, size, ids) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, ?7, ?8, ?9)",
    [STMT_PRUNE_HISTORY] = "DELETE FROM history WHERE id <= ?1",
    [STMT_CLEAR_IDS] = "UPDATE history SET ids = NULL, size = 0, count = 0"
                       " WHERE id > ?1 AND id <= ?2 AND count > 0",
    [STMT_COLLECT_HISTORY] =
        "UPDATE history SET collected = 1 WHERE collected = 0 AND digest"
        " NOT IN (SELECT digest FROM root UNION SELECT digest FROM checkpoint)",
    [STMT_END_HISTORY] = "UPDATE history SET collected = 2 WHERE collected < 2 AND name = ?1",
    [STMT_HISTORY] = "SELECT name, owner, sequence, digest, time FROM history"
                     " WHERE id > ?1 AND collected = 0 ORDER BY id",
    [STMT_COMMITS] = "SELECT name, owner, sequence, digest, size, ids, collected FROM history"
                     " WHERE count > 0 ORDER BY id DESC",
};

static int
prepare_some(struct store_db *db, int first, int end, struct err *err)
{
    for (int i = first; i < end; i++) {
        int rc = sqlite3_prepare_v3(db->sql, statement_text[i], -1, SQLITE_PREPARE_PERSISTENT,
                                    &db->statements[i], NULL);

        if (rc != SQLITE_OK)
            return err_set(err, -EILSEQ, "%s: damaged: %s", db->path, sqlite3_errmsg(db->sql));
    }
    return 0;
}

int
store_db_prepare_pieces(struct store_db *db, struct err *err)
{
    db->has_pieces = true;
    return prepare_some(db, STMT_FIRST_OF_PIECES, STMT_FIRST_OF_HISTORY, err);
}

int
store_db_prepare_history(struct store_db *db, struct err *err)
{
    db->has_history = true;
    return prepare_some(db, STMT_FIRST_OF_HISTORY, STMT_COUNT_OF, err);
}

static bool
has_table(struct store_db *db, const char *name)
{
    return sqlite3_table_column_metadata(db->sql, NULL, name, NULL, NULL, NULL, NULL, NULL, NULL) ==
           SQLITE_OK;
}

int
store_db_prepare(struct store_db *db, struct err *err)
{
    int rc = prepare_some(db, 0, STMT_FIRST_OF_PIECES, err);

    db->has_pieces = db->has_history = false;
    if (rc == 0 && has_table(db, "piece"))
        rc = store_db_prepare_pieces(db, err);
    if (rc == 0 && has_table(db, "history"))
        rc = store_db_prepare_history(db, err);
    return rc;
}

void
store_db_finalize(struct store_db *db)
{
    for (int i = 0; i < STMT_COUNT_OF; i++) {
        sqlite3_finalize(db->statements[i]);
        db->statements[i] = NULL;
    }
}

/* --- statements --- */

void
store_db_release(sqlite3_stmt *st)
{
    sqlite3_reset(st); /* I1 */
    sqlite3_clear_bindings(st);
}

void
store_db_bind_digest(struct store_db *db, sqlite3_stmt *st, int index, const struct digest *d)
{
    sqlite3_bind_blob(st, index, d->bytes, (int)digest_size(db->alg), SQLITE_STATIC);
}

int
store_db_column_digest(struct store_db *db, sqlite3_stmt *st, int column, struct digest *ret)
{
    const void *bytes = sqlite3_column_blob(st, column);

    return digest_from_bytes(db->alg, bytes, (size_t)sqlite3_column_bytes(st, column), ret);
}

/* A disk that does not work is told once, when it begins: each commit fails then. */
static bool
is_of_the_disk(int rc)
{
    return rc == -ENOSPC || rc == -EIO || rc == -EROFS;
}

void
store_db_log_failure(struct store_db *db, const char *what, int sqlite_rc)
{
    int rc = store_db_errno(sqlite_rc);

    if (db->failing != 0 && db->failing == rc)
        return;
    if (is_of_the_disk(rc))
        db->failing = rc;
    elog(ELOG_ERR, "%s: cannot %s: %s (%d)", db->path, what, sqlite3_errmsg(db->sql), sqlite_rc);
}

static void
log_recovery(struct store_db *db)
{
    if (db->failing != 0)
        elog(ELOG_WARN, "%s: writing works again", db->path);
    db->failing = 0;
}

/* I3 */
void
store_db_rollback(struct store_db *db)
{
    if (db->in_transaction) {
        tail_rollback(&db->tail);
        db->now = db->saved;
    }
    db->in_transaction = false;
    if (!sqlite3_get_autocommit(db->sql))
        sqlite3_exec(db->sql, "ROLLBACK", NULL, NULL, NULL);
}

int
store_db_run(struct store_db *db, enum store_db_statement which, const char *what)
{
    sqlite3_stmt *st = db->statements[which];
    int rc = sqlite3_step(st);

    if (rc != SQLITE_DONE)
        store_db_log_failure(db, what, sqlite3_extended_errcode(db->sql));
    store_db_release(st);
    if (rc == SQLITE_DONE)
        return 0;
    store_db_rollback(db); /* I2 */
    return store_db_errno(rc);
}

int
store_db_finds(struct store_db *db, enum store_db_statement which, int64_t a, int64_t b)
{
    sqlite3_stmt *st = db->statements[which];
    int step;

    sqlite3_bind_int64(st, 1, a);
    sqlite3_bind_int64(st, 2, b);
    step = sqlite3_step(st);
    store_db_release(st);
    return step == SQLITE_ROW ? 1 : store_db_errno(step);
}

int
store_db_begin(struct store_db *db)
{
    int rc;

    assert(!db->in_transaction);
    rc = store_db_run(db, STMT_BEGIN, "begin");
    if (rc < 0)
        return rc;
    db->in_transaction = true;
    db->saved = db->now;
    return store_db_age_begin(db);
}

int
store_db_commit(struct store_db *db)
{
    int rc;

    assert(db->in_transaction);
    rc = store_db_index_merge(db);
    if (rc == 0)
        rc = store_db_run(db, STMT_COMMIT, "commit");
    if (rc < 0)
        return rc;
    db->in_transaction = false;
    tail_commit(&db->tail); /* I3 */
    store_db_age_commit(db);
    log_recovery(db);
    wal_after_commit(&db->wal, db->sql);
    return 0;
}

int
store_db_begin_reading(struct store_db *db)
{
    assert(!db->in_transaction);
    return store_db_run(db, STMT_BEGIN_READ, "begin to read");
}

void
store_db_end_reading(struct store_db *db)
{
    if (!sqlite3_get_autocommit(db->sql))
        sqlite3_exec(db->sql, "ROLLBACK", NULL, NULL, NULL); // COMMIT would leave I4 in force
}
