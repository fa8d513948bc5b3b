/* SPDX-License-Identifier: MPL-2.0 */
/* store_db_list.c - rows by id: what scrub, fsck and gc walk over and take away. */
#include "store_db_priv.h"
#include "elog.h"

#include <errno.h>
#include <stdio.h>

static int
max_of(struct store_db *db, enum store_db_statement which, int64_t *ret)
{
    sqlite3_stmt *st = db->statements[which];
    int step = sqlite3_step(st);

    if (step == SQLITE_ROW)
        *ret = sqlite3_column_int64(st, 0);
    store_db_release(st);
    return step == SQLITE_ROW ? 0 : store_db_errno(step);
}

int
store_db_newest(struct store_db *db, int64_t *ret_id)
{
    int64_t of_piece = 0;
    int rc = max_of(db, STMT_NEWEST, ret_id);

    if (rc == 0 && db->has_pieces)
        rc = max_of(db, STMT_NEWEST_PIECE, &of_piece);
    *ret_id = MAX(*ret_id, of_piece);
    return rc;
}

int64_t
store_db_newest_known(const struct store_db *db)
{
    return db->now.newest;
}

bool
store_db_is_hurt(const struct store_db *db)
{
    return db->is_hurt;
}

/* --- walking --- */

struct walk {
    int64_t after, upto;        // ids: exclusive, inclusive
    size_t max_rows, max_bytes; // to look at
    store_db_row_fn fn;         // to be told
    void *arg;                  // of fn
};

static int
verify_row(struct store_db *db, sqlite3_stmt *st, const struct store_db_row *row, size_t *bytes,
           bool *ret_is_stuck)
{
    AUTO(blob) struct blob *b = NULL;
    int rc;

    if (store_db_is_split(st, 2)) {
        rc = store_db_check_pieces(db, row->id, row->size, &row->digest);
        *bytes += (size_t)row->size;
    } else {
        rc = store_db_unpack(st, 2, &b);
        *bytes += blob_size(b);
        if (rc == 0 && !store_db_is_whole(db, &row->digest, b))
            rc = -EIO;
    }
    *ret_is_stuck = rc == -EIO && sqlite3_errcode(db->sql) == SQLITE_CORRUPT;
    if (rc == 0)
        store_db_note_good(db, row->id);
    else if (*ret_is_stuck)
        store_db_note_stuck(db, &row->digest, row->id);
    else if (rc == -EIO)
        store_db_note_damage(db, &row->digest, row->id);
    return rc;
}

/* Id, digest and size of the row that st is at. */
static void
read_row(struct store_db *db, sqlite3_stmt *st, struct store_db_row *ret)
{
    *ret = (struct store_db_row){.id = sqlite3_column_int64(st, 0),
                                 .size = sqlite3_column_int64(st, 2)};
    if (store_db_column_digest(db, st, 1, &ret->digest) == 0)
        return;
    ret->rc = -EIO;
    elog(ELOG_ERR, "%s: row %lld has no digest", db->path, (long long)ret->id);
}

/* 1 at the end; 0 when a limit was reached; -errno. */
static int
walk_rows(struct store_db *db, sqlite3_stmt *st, const struct walk *w, int64_t *last)
{
    size_t rows = 0, bytes = 0;
    int step = SQLITE_ROW;

    while (rows < w->max_rows && bytes < w->max_bytes && (step = sqlite3_step(st)) == SQLITE_ROW) {
        struct store_db_row row;

        read_row(db, st, &row);
        if (row.rc == 0 && st == db->statements[STMT_READ])
            row.rc = verify_row(db, st, &row, &bytes, &row.is_stuck);
        rows++;
        *last = row.id;
        w->fn(w->arg, &row);
    }
    return step == SQLITE_DONE ? 1 : store_db_errno(step);
}

static int
walk(struct store_db *db, enum store_db_statement which, const struct walk *w, int64_t *ret_last)
{
    sqlite3_stmt *st = db->statements[which];
    int64_t last = w->after;
    int rc;

    sqlite3_bind_int64(st, 1, w->after + 1);
    sqlite3_bind_int64(st, 2, w->upto);
    rc = walk_rows(db, st, w, &last);
    store_db_release(st);
    *ret_last = rc == 1 ? w->upto : last;
    return MIN(rc, 0);
}

int
store_db_list(struct store_db *db, int64_t after, int64_t upto, size_t max_rows, store_db_row_fn fn,
              void *arg, int64_t *ret_last)
{
    const struct walk w = {after, upto, max_rows, SIZE_MAX, fn, arg};

    return walk(db, STMT_LIST, &w, ret_last);
}

int
store_db_verify(struct store_db *db, int64_t after, int64_t upto, size_t max_rows, size_t max_bytes,
                store_db_row_fn fn, void *arg, int64_t *ret_last)
{
    const struct walk w = {after, upto, max_rows, max_bytes, fn, arg};

    return walk(db, STMT_READ, &w, ret_last);
}

/* --- removing --- */

/* -ENOENT: no such row.  A row without a proper digest cannot be in the index: all zeros. */
static int
digest_of(struct store_db *db, int64_t id, struct digest *ret)
{
    sqlite3_stmt *st = db->statements[STMT_DIGEST_OF];
    int step, rc;

    sqlite3_bind_int64(st, 1, id);
    step = sqlite3_step(st);
    rc = step == SQLITE_DONE ? -ENOENT : store_db_errno(step);
    *ret = (struct digest){{0}};
    if (step == SQLITE_ROW && store_db_column_digest(db, st, 0, ret) < 0)
        *ret = (struct digest){{0}};
    if (rc < 0 && rc != -ENOENT)
        store_db_log_failure(db, "read a row", sqlite3_extended_errcode(db->sql));
    store_db_release(st);
    return rc;
}

static int
remove_id(struct store_db *db, int64_t id)
{
    struct digest d;
    int rc = digest_of(db, id, &d);

    if (rc == 0)
        return store_db_remove_row(db, &d, id);
    if (rc != -ENOENT)
        store_db_rollback(db);
    return rc == -ENOENT ? 0 : rc;
}

int
store_db_remove(struct store_db *db, const int64_t *ids, size_t count)
{
    int64_t before = db->now.blobs;
    int rc = 0;

    assert(db->in_transaction);
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = remove_id(db, ids[i]);
    return rc == 0 && db->now.blobs != before ? store_db_put_counts(db) : rc;
}

/* --- shrinking --- */

static int
read_pragma(struct store_db *db, const char *text, int64_t *ret)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(db->sql, text, -1, &st, NULL);

    if (rc == SQLITE_OK)
        rc = sqlite3_step(st);
    if (rc == SQLITE_ROW)
        *ret = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    return store_db_errno(rc);
}

/* Free pages of the file. */
static int
count_free_pages(struct store_db *db, int64_t *ret)
{
    return read_pragma(db, "PRAGMA freelist_count", ret);
}

int
store_db_free_bytes(struct store_db *db, int64_t *ret)
{
    int64_t page = 0;
    int rc = count_free_pages(db, ret);

    if (rc == 0)
        rc = read_pragma(db, "PRAGMA page_size", &page);
    *ret *= page;
    return rc;
}

static int
free_pages(struct store_db *db, int max_pages)
{
    char text[64];
    int rc;

    snprintf(text, sizeof(text), "PRAGMA incremental_vacuum(%d)", max_pages);
    rc = sqlite3_exec(db->sql, text, NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        wal_after_commit(&db->wal, db->sql);
    else
        store_db_log_failure(db, "shrink", sqlite3_extended_errcode(db->sql));
    return store_db_errno(rc);
}

int
store_db_shrink(struct store_db *db, int max_pages)
{
    int64_t pages = 0;
    int rc;

    assert(!db->in_transaction);
    rc = count_free_pages(db, &pages);
    if (rc == 0 && pages > 0)
        rc = free_pages(db, max_pages);
    if (rc < 0)
        return rc;
    if (pages > max_pages)
        return 1;
    /* A reader keeps the log from being emptied; then the next checkpoint does. */
    rc = wal_empty(&db->wal, db->sql);
    return rc == SQLITE_BUSY ? 0 : store_db_errno(rc);
}
