/* SPDX-License-Identifier: MPL-2.0 */
/* store_db_rows.c - the rows of content.sqlite: blobs, roots, checkpoints, and transactions.
 *
 * I1  Every statement is reset before its function returns: an unfinished SELECT would keep the
 *     write-ahead log from ever being moved.
 * I2  After an error inside a transaction there is none: SQLite itself rolls back on some errors
 *     (a full disk) and not on others, so we always do.
 * I3  No byte leaves here unless its digest is right: SQLite does not notice a flipped bit. */
#include "store_db_priv.h"
#include "blobref.h"
#include "elog.h"
#include "xmem.h"

#include <errno.h>
#include <lz4.h>
#include <stdio.h>

/* Below this the codec's own bytes eat what it gains. */
#define COMPRESS_MIN 256
/* LZ4 cannot shrink by more than this factor: a row that claims to is damaged. */
#define LZ4_RATIO_MAX 256

static const char *const statement_text[STMT_COUNT_OF] = {
    [STMT_BEGIN] = "BEGIN IMMEDIATE",
    [STMT_COMMIT] = "COMMIT",
    [STMT_PUT] = "INSERT OR IGNORE INTO blob (digest, size, data) VALUES (?1, ?2, ?3)",
    [STMT_LOAD] = "SELECT size, data FROM blob WHERE digest = ?1",
    [STMT_EXISTS] = "SELECT 1 FROM blob WHERE digest = ?1",
    [STMT_COUNT] = "SELECT count(*) FROM blob",
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
};

int
store_db_prepare(struct store_db *db, struct err *err)
{
    for (int i = 0; i < STMT_COUNT_OF; i++) {
        int rc = sqlite3_prepare_v3(db->sql, statement_text[i], -1, SQLITE_PREPARE_PERSISTENT,
                                    &db->statements[i], NULL);

        if (rc != SQLITE_OK)
            return err_set(err, -EILSEQ, "%s: damaged: %s", db->path, sqlite3_errmsg(db->sql));
    }
    return 0;
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

static void
release(sqlite3_stmt *st)
{
    sqlite3_reset(st); /* I1 */
    sqlite3_clear_bindings(st);
}

static void
bind_digest(struct store_db *db, sqlite3_stmt *st, int index, const struct digest *d)
{
    sqlite3_bind_blob(st, index, d->bytes, (int)digest_size(db->alg), SQLITE_STATIC);
}

static int
column_digest(struct store_db *db, sqlite3_stmt *st, int column, struct digest *ret)
{
    const void *bytes = sqlite3_column_blob(st, column);

    return digest_from_bytes(db->alg, bytes, (size_t)sqlite3_column_bytes(st, column), ret);
}

static void
log_failure(struct store_db *db, const char *what, int sqlite_rc)
{
    elog(ELOG_ERR, "%s: cannot %s: %s (%d)", db->path, what, sqlite3_errmsg(db->sql), sqlite_rc);
}

void
store_db_rollback(struct store_db *db)
{
    db->in_transaction = false;
    if (!sqlite3_get_autocommit(db->sql))
        sqlite3_exec(db->sql, "ROLLBACK", NULL, NULL, NULL);
}

/* Run a statement that returns no rows; an error ends the transaction (I2). */
static int
run(struct store_db *db, enum store_db_statement which, const char *what)
{
    sqlite3_stmt *st = db->statements[which];
    int rc = sqlite3_step(st);

    if (rc != SQLITE_DONE)
        log_failure(db, what, sqlite3_extended_errcode(db->sql));
    release(st);
    if (rc == SQLITE_DONE)
        return 0;
    store_db_rollback(db);
    return store_db_errno(rc);
}

int
store_db_begin(struct store_db *db)
{
    int rc;

    assert(!db->in_transaction);
    rc = run(db, STMT_BEGIN, "begin");
    db->in_transaction = rc == 0;
    return rc;
}

int
store_db_commit(struct store_db *db)
{
    int rc;

    assert(db->in_transaction);
    rc = run(db, STMT_COMMIT, "commit");
    db->in_transaction = false;
    return rc;
}

/* --- blobs --- */

/* The compressed form in db->scratch when it saves at least an eighth, else 0. */
static int
compress(struct store_db *db, const struct blob *b)
{
    size_t size = blob_size(b);
    size_t max = size - size / 8;

    if (size < COMPRESS_MIN || size > LZ4_MAX_INPUT_SIZE)
        return 0;
    if (db->scratch_size < max) {
        free(db->scratch);
        db->scratch = xmem_try(max);
        db->scratch_size = db->scratch ? max : 0;
    }
    if (!db->scratch)
        return 0;
    return LZ4_compress_default(blob_data(b), db->scratch, (int)size, (int)max);
}

int
store_db_put(struct store_db *db, const struct digest *d, const struct blob *b)
{
    sqlite3_stmt *st = db->statements[STMT_PUT];
    int packed = compress(db, b);
    int rc;

    assert(db->in_transaction);
    bind_digest(db, st, 1, d);
    sqlite3_bind_int64(st, 2, (int64_t)blob_size(b));
    if (packed > 0)
        rc = sqlite3_bind_blob(st, 3, db->scratch, packed, SQLITE_STATIC);
    else
        rc = sqlite3_bind_blob64(st, 3, blob_data(b), blob_size(b), SQLITE_STATIC);
    if (rc == SQLITE_OK)
        return run(db, STMT_PUT, "store a blob");
    release(st);
    store_db_rollback(db);
    return store_db_errno(rc);
}

/* The bytes of a row whose columns are size and data.  -EIO: they cannot be right; -ENOMEM. */
static int
unpack(sqlite3_stmt *st, struct blob **ret)
{
    int64_t size = sqlite3_column_int64(st, 0);
    const char *data = sqlite3_column_blob(st, 1);
    int64_t length = sqlite3_column_bytes(st, 1);
    uint8_t *out;

    if (size < length || size > (length + 1) * LZ4_RATIO_MAX || size > LZ4_MAX_INPUT_SIZE)
        return -EIO;
    if (size == 0) {
        *ret = blob_empty();
        return 0;
    }
    if (!data)
        return -ENOMEM;
    *ret = blob_alloc((size_t)size, &out);
    if (!*ret)
        return -ENOMEM;
    if (size == length)
        memcpy(out, data, (size_t)size);
    else if (LZ4_decompress_safe(data, (char *)out, (int)length, (int)size) != size)
        blob_unref(ret);
    return *ret ? 0 : -EIO;
}

/* I3.  Consumes *b when the bytes are wrong. */
static int
verify(struct store_db *db, const struct digest *d, struct blob **b)
{
    struct digest found;

    digest_compute(db->alg, blob_data(*b), blob_size(*b), &found);
    if (digest_equal(&found, d))
        return 0;
    blob_unref(b);
    return -EIO;
}

static void
log_damaged(struct store_db *db, const struct digest *d, const char *why)
{
    char ref[BLOBREF_MAX];

    elog(ELOG_ERR, "%s: cannot load %s: %s", db->path, blobref_format(db->alg, d, ref), why);
}

int
store_db_load(struct store_db *db, const struct digest *d, struct blob **ret)
{
    sqlite3_stmt *st = db->statements[STMT_LOAD];
    struct blob *b = NULL;
    int step, rc;

    bind_digest(db, st, 1, d);
    step = sqlite3_step(st);
    rc = step == SQLITE_DONE ? -ENOENT : store_db_errno(step);
    if (step != SQLITE_ROW && step != SQLITE_DONE)
        log_damaged(db, d, sqlite3_errmsg(db->sql));
    if (step == SQLITE_ROW)
        rc = unpack(st, &b);
    release(st);
    if (rc == 0)
        rc = verify(db, d, &b);
    if (rc < 0 && step == SQLITE_ROW)
        log_damaged(db, d, rc == -EIO ? "the stored bytes are damaged" : err_name(rc));
    if (rc == 0)
        *ret = b;
    return rc;
}

int
store_db_exists(struct store_db *db, const struct digest *d)
{
    sqlite3_stmt *st = db->statements[STMT_EXISTS];
    int rc;

    bind_digest(db, st, 1, d);
    rc = sqlite3_step(st);
    release(st);
    return rc == SQLITE_DONE ? -ENOENT : store_db_errno(rc);
}

int64_t
store_db_count(struct store_db *db)
{
    sqlite3_stmt *st = db->statements[STMT_COUNT];
    int rc = sqlite3_step(st);
    int64_t count = rc == SQLITE_ROW ? sqlite3_column_int64(st, 0) : store_db_errno(rc);

    release(st);
    return count;
}

/* --- roots --- */

int
store_db_put_root(struct store_db *db, const struct store_root *root)
{
    sqlite3_stmt *st = db->statements[STMT_PUT_ROOT];

    assert(db->in_transaction);
    sqlite3_bind_text(st, 1, root->name, -1, SQLITE_STATIC);
    sqlite3_bind_int64(st, 2, root->owner);
    sqlite3_bind_int64(st, 3, root->sequence);
    bind_digest(db, st, 4, &root->root);
    return run(db, STMT_PUT_ROOT, "record a root");
}

int
store_db_remove_root(struct store_db *db, const char *name)
{
    sqlite3_stmt *st = db->statements[STMT_REMOVE_ROOT];

    assert(db->in_transaction);
    sqlite3_bind_text(st, 1, name, -1, SQLITE_STATIC);
    return run(db, STMT_REMOVE_ROOT, "remove a root");
}

static int
read_root(struct store_db *db, sqlite3_stmt *st, void *ret)
{
    struct store_root *root = ret;
    const char *name = (const char *)sqlite3_column_text(st, 0);
    int64_t owner = sqlite3_column_int64(st, 1);

    if (!name || strlen(name) >= sizeof(root->name) || owner < 0 || owner > UINT32_MAX)
        return -EIO;
    snprintf(root->name, sizeof(root->name), "%s", name);
    root->owner = (uint32_t)owner;
    root->sequence = sqlite3_column_int64(st, 2);
    return column_digest(db, st, 3, &root->root) < 0 ? -EIO : 0;
}

/* --- checkpoints --- */

int
store_db_put_checkpoint(struct store_db *db, const struct checkpoint *c)
{
    sqlite3_stmt *st = db->statements[STMT_PUT_CHECKPOINT];
    int rc;

    assert(db->in_transaction);
    sqlite3_bind_int64(st, 1, c->sequence);
    sqlite3_bind_double(st, 2, c->timestamp);
    bind_digest(db, st, 3, &c->root);
    rc = run(db, STMT_PUT_CHECKPOINT, "record a checkpoint");
    if (rc < 0)
        return rc;
    sqlite3_bind_int(db->statements[STMT_PRUNE_CHECKPOINTS], 1, db->max_checkpoints);
    return run(db, STMT_PRUNE_CHECKPOINTS, "remove old checkpoints");
}

static int
read_checkpoint(struct store_db *db, sqlite3_stmt *st, void *ret)
{
    struct checkpoint *c = ret;

    c->sequence = sqlite3_column_int64(st, 0);
    c->timestamp = sqlite3_column_double(st, 1);
    return column_digest(db, st, 2, &c->root) < 0 ? -EIO : 0;
}

/* --- lists --- */

/* All rows of a SELECT as an array of items of `size` bytes, each filled by `read`. */
static int
read_rows(struct store_db *db, enum store_db_statement which, size_t size,
          int (*read)(struct store_db *db, sqlite3_stmt *st, void *item), void **ret,
          size_t *ret_count)
{
    sqlite3_stmt *st = db->statements[which];
    AUTO(buf) struct buf rows = BUF_INIT;
    size_t count = 0;
    int step, rc = 0;

    while (rc == 0 && (step = sqlite3_step(st)) == SQLITE_ROW) {
        buf_reserve(&rows, size);
        memset(rows.data + rows.size, 0, size);
        rc = read(db, st, rows.data + rows.size);
        rows.size += size;
        count++;
    }
    if (rc == 0)
        rc = store_db_errno(step);
    release(st);
    if (rc < 0)
        return rc;
    *ret = buf_detach(&rows, NULL);
    *ret_count = count;
    return 0;
}

int
store_db_roots(struct store_db *db, struct store_root **ret, size_t *ret_count)
{
    void *rows = NULL;
    int rc = read_rows(db, STMT_ROOTS, sizeof(**ret), read_root, &rows, ret_count);

    *ret = rows;
    return rc;
}

int
store_db_checkpoints(struct store_db *db, struct checkpoint **ret, size_t *ret_count)
{
    void *rows = NULL;
    int rc = read_rows(db, STMT_CHECKPOINTS, sizeof(**ret), read_checkpoint, &rows, ret_count);

    *ret = rows;
    return rc;
}
