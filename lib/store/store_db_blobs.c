/* SPDX-License-Identifier: MPL-2.0 */
/* store_db_blobs.c - blobs by digest: put, load, exists.
 *
 * I1  No byte leaves here unless its digest is right: SQLite does not notice a flipped bit.
 * I2  A digest has at most one row that the index leads to.
 * I3  No put is done because there is a row, but because there is a good one: one of this run, or one
 *     that was read in it (store_db_damage.c). */
#include "store_db_priv.h"

#include <errno.h>

/* --- put --- */

/* A row without bytes, if they are in pieces. */
static int
insert_row(struct store_db *db, const struct digest *d, const struct blob *b, bool is_split)
{
    sqlite3_stmt *st = db->statements[STMT_PUT];
    int64_t id = db->now.newest + 1;
    const void *data = "";
    size_t length = is_split ? 0 : store_db_pack(db, blob_data(b), blob_size(b), &data);
    int rc;

    sqlite3_bind_int64(st, 1, id);
    store_db_bind_digest(db, st, 2, d);
    sqlite3_bind_int64(st, 3, (int64_t)blob_size(b));
    rc = sqlite3_bind_blob64(st, 4, data, length, SQLITE_STATIC);
    assert(rc == SQLITE_OK); // a piece is no larger than a row may be
    rc = store_db_run(db, STMT_PUT, "store a blob");
    if (rc == 0)
        store_db_index_add(db, d, id, MIN(length, (size_t)STORE_DB_PAGE_SIZE));
    return rc;
}

static int
insert(struct store_db *db, const struct digest *d, const struct blob *b)
{
    bool is_split = blob_size(b) > db->piece_size;
    int rc = is_split ? store_db_put_pieces(db, db->now.newest + 1, b) : 0;

    return rc == 0 ? insert_row(db, d, b, is_split) : rc;
}

int
store_db_remove_row(struct store_db *db, const struct digest *d, int64_t id)
{
    int rc = store_db_index_remove(db, d, id);

    if (rc == 0)
        rc = store_db_remove_pieces(db, id);
    if (rc < 0)
        return rc;
    sqlite3_bind_int64(db->statements[STMT_REMOVE], 1, id);
    return store_db_run(db, STMT_REMOVE, "remove a blob");
}

/* The damaged row goes, or is left without a place; the blob gets a new one. */
static int
replace_row(struct store_db *db, const struct digest *d, int64_t id, const struct blob *b)
{
    bool is_stuck = store_db_is_stuck(db, d, id);
    int rc = is_stuck ? store_db_index_unlink(db, d, id) : store_db_remove_row(db, d, id);

    if (rc == -EIO && !is_stuck && store_db_note_stuck(db, d, id))
        return -EUCLEAN;
    if (rc == 0)
        rc = store_db_put_counts(db);
    return rc == 0 ? insert(db, d, b) : rc;
}

/* The row that the index has cannot be looked at. */
static int
note_suspect(struct store_db *db, const struct digest *d)
{
    int64_t id;

    return store_db_find_suspect(db, d, &id) && store_db_note_stuck(db, d, id) ? -EUCLEAN : -EIO;
}

int
store_db_put(struct store_db *db, const struct digest *d, const struct blob *b)
{
    int64_t id = 0;
    int rc;

    assert(db->in_transaction);
    rc = store_db_find_known(db, d, &id);
    if (rc == -ENOENT)
        return insert(db, d, b);
    if (rc == 0)
        rc = store_db_check_row(db, d, id); /* I3 */
    else if (rc == -EIO)
        rc = note_suspect(db, d);
    if (rc == 0)
        return store_db_touch(db, id);
    if (rc == 1)
        return replace_row(db, d, id, b);
    if (rc != -EUCLEAN)
        store_db_log_failure(db, "look for a blob", sqlite3_extended_errcode(db->sql));
    store_db_rollback(db);
    return rc;
}

/* --- load --- */

/* A statement that is at the row of d, or has not found it. */
static int
step_to_row(struct store_db *db, const struct digest *d, sqlite3_stmt **ret)
{
    const struct tail_row *row = tail_get(&db->tail, d);
    int step = SQLITE_DONE;

    if (row) {
        *ret = db->statements[STMT_LOAD_ROW];
        sqlite3_bind_int64(*ret, 1, row->id);
        step = sqlite3_step(*ret);
    }
    if (step == SQLITE_DONE) {
        if (row)
            store_db_release(*ret);
        *ret = db->statements[STMT_LOAD];
        store_db_bind_place(db, *ret, d);
        step = sqlite3_step(*ret);
    }
    return step;
}

int
store_db_take_bytes(struct store_db *db, sqlite3_stmt *st, const struct digest *d,
                    struct blob **ret)
{
    AUTO(blob) struct blob *b = NULL;
    int64_t id = sqlite3_column_int64(st, 0), size = sqlite3_column_int64(st, 1);
    bool is_split = store_db_is_split(st, 1);
    int rc;

    if (is_split && !ret)
        return store_db_check_pieces(db, id, size, d);
    rc = is_split ? store_db_join_pieces(db, id, size, &b) : store_db_unpack(st, 1, &b);
    if (rc == 0 && !store_db_is_whole(db, d, b))
        rc = -EIO;
    if (rc == 0 && ret)
        *ret = TAKE(b); /* I1 */
    return rc;
}

static int
take_row(struct store_db *db, sqlite3_stmt *st, const struct digest *d, struct blob **ret,
         int64_t *ret_size)
{
    int64_t id = sqlite3_column_int64(st, 0);
    int rc = store_db_take_bytes(db, st, d, ret);

    *ret_size = sqlite3_column_int64(st, 1);
    if (rc == 0)
        store_db_note_good(db, id);
    else if (rc == -EIO)
        store_db_note_damage(db, d, id);
    else
        store_db_log_damaged(db, d, err_name(rc));
    return rc;
}

/* The row, or the index on the way to it, cannot be read. */
static void
note_unreadable(struct store_db *db, const struct digest *d, int step)
{
    int64_t id;

    store_db_log_damaged(db, d, sqlite3_errmsg(db->sql));
    if ((step & 0xff) == SQLITE_CORRUPT && store_db_find_suspect(db, d, &id))
        store_db_note_stuck(db, d, id);
}

/* -EIO: the row is damaged, or the disk is (logged). */
static int
read_row(struct store_db *db, const struct digest *d, struct blob **ret, int64_t *ret_size)
{
    sqlite3_stmt *st;
    int step = step_to_row(db, d, &st);
    int rc = step == SQLITE_DONE ? -ENOENT : store_db_errno(step);

    if (step == SQLITE_ROW)
        rc = take_row(db, st, d, ret, ret_size);
    else if (step != SQLITE_DONE)
        note_unreadable(db, d, step);
    store_db_release(st);
    return rc;
}

static int
look_up(struct store_db *db, const struct digest *d, struct blob **ret, int64_t *ret_size)
{
    int64_t id;
    int rc = read_row(db, d, ret, ret_size);

    if (rc != -ENOENT || !db->is_follower)
        return rc;
    rc = store_db_find(db, d, &id); // looks at what the writer has added
    return rc == 0 ? read_row(db, d, ret, ret_size) : rc;
}

int
store_db_load(struct store_db *db, const struct digest *d, struct blob **ret)
{
    int64_t size;

    return look_up(db, d, ret, &size);
}

int
store_db_check(struct store_db *db, const struct digest *d, int64_t *ret_size)
{
    *ret_size = 0;
    return look_up(db, d, NULL, ret_size);
}

int
store_db_exists(struct store_db *db, const struct digest *d)
{
    int64_t id;

    return store_db_find(db, d, &id);
}
