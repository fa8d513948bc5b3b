/* SPDX-License-Identifier: MPL-2.0 */
/* store_db_pieces.c - blobs larger than a piece (16 MiB): the table `piece`.
 *
 * A row of SQLite ends at 10^9 bytes, and is in memory as a whole, twice if it is compressed, while it
 * is written or read.  So a large blob has a row in `blob` with its size and no data, and its bytes in
 * pieces, which are packed each for itself.
 *
 * I1  The pieces of a blob have the numbers from 0 without a gap, none is empty, and their sizes add
 *     up to that of the blob.  Anything else is damage of the blob.
 * I2  Row and pieces come and go in one transaction.
 * I3  An id is not used again while pieces bear it (store_db_newest()), so those that have lost their
 *     row are in nobody's way.  A collection of garbage removes them.
 * I4  How large a piece may be is not said by the file: this process reads what another has cut. */
#include "store_db_priv.h"
#include "elog.h"

#include <errno.h>

/* For each piece: a row of it, to be read with column_*(), of size bytes. */
typedef int (*piece_fn)(void *arg, struct store_db *db, sqlite3_stmt *st, size_t size);

enum { AT_NUMBER, AT_SIZE, AT_DATA };

/* --- the table --- */

int
store_db_add_pieces(struct store_db *db, struct err *err)
{
    int rc;

    if (db->has_pieces)
        return 0;
    rc = sqlite3_exec(db->sql, STORE_DB_PIECE_TABLE, NULL, NULL, NULL);
    if (rc != SQLITE_OK)
        return err_set(err, store_db_errno(rc), "%s: cannot add the table of pieces: %s", db->path,
                       sqlite3_errmsg(db->sql));
    return store_db_prepare_pieces(db, err);
}

/* --- put --- */

static int
put_piece(struct store_db *db, int64_t id, int64_t number, const void *bytes, size_t size)
{
    sqlite3_stmt *st = db->statements[STMT_PUT_PIECE];
    const void *data;
    size_t length = store_db_pack(db, bytes, size, &data);
    int rc;

    sqlite3_bind_int64(st, 1, id);
    sqlite3_bind_int64(st, 2, number);
    sqlite3_bind_int64(st, 3, (int64_t)size);
    rc = sqlite3_bind_blob64(st, 4, data, length, SQLITE_STATIC);
    assert(rc == SQLITE_OK); // a piece is no larger than a row may be
    return store_db_run(db, STMT_PUT_PIECE, "store a piece of a blob");
}

int
store_db_put_pieces(struct store_db *db, int64_t id, const struct blob *b)
{
    const uint8_t *bytes = blob_data(b);
    size_t size = blob_size(b);
    int64_t number = 0;
    int rc = 0;

    assert(db->has_pieces);
    for (size_t at = 0; rc == 0 && at < size; at += db->piece_size)
        rc = put_piece(db, id, number++, bytes + at, MIN(db->piece_size, size - at));
    return rc;
}

/* --- load --- */

bool
store_db_is_split(sqlite3_stmt *st, int size_at)
{
    return sqlite3_column_int64(st, size_at) > 0 && sqlite3_column_bytes(st, size_at + 1) == 0;
}

/* I1, as far as it can be told without reading the bytes: before memory is asked for. */
static int
check_sizes(struct store_db *db, int64_t id, int64_t size)
{
    sqlite3_stmt *st = db->statements[STMT_SUM_PIECES];
    int step, rc;

    sqlite3_bind_int64(st, 1, id);
    step = sqlite3_step(st);
    rc = store_db_errno(step);
    if (step == SQLITE_ROW && (sqlite3_column_int64(st, 0) == 0 || // one claims too much
                               sqlite3_column_int64(st, 1) != size))
        rc = -EIO;
    store_db_release(st);
    return rc;
}

static int
take_pieces(struct store_db *db, sqlite3_stmt *st, size_t left, piece_fn fn, void *arg)
{
    int64_t number = 0;
    int step;

    while ((step = sqlite3_step(st)) == SQLITE_ROW) {
        size_t size;
        int rc = store_db_unpacked_size(st, AT_SIZE, &size);

        if (rc == 0 &&
            (sqlite3_column_int64(st, AT_NUMBER) != number++ || size == 0 || size > left))
            rc = -EIO;
        if (rc == 0)
            rc = fn(arg, db, st, size);
        if (rc < 0)
            return rc;
        left -= size;
    }
    return step == SQLITE_DONE ? (left == 0 ? 0 : -EIO) : store_db_errno(step);
}

static int
for_each_piece(struct store_db *db, int64_t id, size_t size, piece_fn fn, void *arg)
{
    sqlite3_stmt *st = db->statements[STMT_PIECES];
    int rc;

    sqlite3_bind_int64(st, 1, id);
    rc = take_pieces(db, st, size, fn, arg);
    store_db_release(st);
    return rc;
}

static int
copy_piece(void *arg, struct store_db *db, sqlite3_stmt *st, size_t size)
{
    uint8_t **out = arg;
    int rc = store_db_unpack_to(st, AT_SIZE, size, *out);

    (void)db;
    *out += size;
    return rc;
}

int
store_db_join_pieces(struct store_db *db, int64_t id, int64_t size, struct blob **ret)
{
    AUTO(blob) struct blob *b = NULL;
    uint8_t *out;
    int rc = db->has_pieces ? check_sizes(db, id, size) : -EIO;

    if (rc < 0)
        return rc;
    b = blob_alloc((size_t)size, &out);
    if (!b)
        return -ENOMEM;
    rc = for_each_piece(db, id, (size_t)size, copy_piece, &out);
    if (rc == 0)
        *ret = TAKE(b);
    return rc;
}

static int
hash_piece(void *arg, struct store_db *db, sqlite3_stmt *st, size_t size)
{
    const void *bytes;
    int rc = store_db_unpack_scratch(db, st, AT_SIZE, size, &bytes);

    if (rc == 0)
        digest_stream_add(arg, bytes, size);
    return rc;
}

int
store_db_check_pieces(struct store_db *db, int64_t id, int64_t size, const struct digest *d)
{
    struct digest_stream *stream;
    struct digest found;
    int rc = db->has_pieces ? check_sizes(db, id, size) : -EIO;

    if (rc < 0)
        return rc;
    stream = digest_stream_new(db->alg);
    rc = for_each_piece(db, id, (size_t)size, hash_piece, stream);
    digest_stream_finish(&stream, &found);
    return rc == 0 && !digest_equal(&found, d) ? -EIO : rc;
}

/* --- remove --- */

int
store_db_remove_pieces(struct store_db *db, int64_t id)
{
    sqlite3_bind_int64(db->statements[STMT_REMOVE_PIECES], 1, id);
    return store_db_run(db, STMT_REMOVE_PIECES, "remove the pieces of a blob");
}

int
store_db_has_strays(struct store_db *db, int64_t after, int64_t upto)
{
    return db->has_pieces ? store_db_finds(db, STMT_HAS_STRAYS, after, upto) : 0;
}

int
store_db_remove_strays(struct store_db *db, int64_t after, int64_t upto)
{
    sqlite3_stmt *st = db->statements[STMT_REMOVE_STRAYS];
    int rc;

    assert(db->in_transaction);
    if (!db->has_pieces)
        return 0;
    sqlite3_bind_int64(st, 1, after);
    sqlite3_bind_int64(st, 2, upto);
    rc = store_db_run(db, STMT_REMOVE_STRAYS, "remove pieces without a blob");
    if (rc == 0 && sqlite3_changes(db->sql) > 0)
        elog(ELOG_WARN, "%s: removed %d pieces without a blob", db->path, sqlite3_changes(db->sql));
    return rc;
}
