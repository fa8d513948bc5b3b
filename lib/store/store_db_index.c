/* SPDX-License-Identifier: MPL-2.0 */
/* store_db_index.c - from a digest to the id of its row.
 *
 * A unique index of digests would cost a page of it for nearly every row stored: they are random.
 * So rows are appended without one, and `place` (prefix of the digest, id) gets them later and
 * sorted.  Until then they are in the tail, in memory (store_db_tail.c).
 *
 *   ids   1 ............ indexed ............ turn ............ newest
 *         all in place    those of the         none in place
 *                         partitions before
 *                         `part` in place
 *
 * The key space has TAIL_PARTS partitions.  Each commit merges as many of them as its rows pay for:
 * one for each MERGE_ROWS rows or MERGE_BYTES bytes of leaf pages.  So a commit never does much more
 * than its share, and the rows of a partition lie close together.  When the turn has come round,
 * all rows up to its start are in place: `indexed` moves there, in the file as well.  Opening reads
 * the digests of the rows behind it, which are at most some 2 * TAIL_PARTS shares.
 *
 * Prefixes may collide: place names candidates, the digest in the row decides.
 *
 * I1  A row is found in exactly one of tail and place, by this process.  In the file, place may have
 *     any row; it has those up to `indexed`.
 * I2  What is counted in db->now follows the transaction as the tail does.
 * I3  A reader of a file that another process writes finds a row by looking at: the tail, place, the
 *     rows that are newer than its tail, in this order. */
#include "store_db_skip.h"
#include "elog.h"

#include <errno.h>

#define MERGE_ROWS 256
#define MERGE_BYTES (256 << 10)
/* A transaction without bounds (a huge commit of the KVS) leaves the rest to its successors. */
#define MERGES_MAX 32
/* Ids tried behind the last row that a repair can read, at least. */
#define SKIPPED_MAX 65536

/* The first six bytes: never negative, and a byte or two smaller in the file than all of 63 bits. */
int64_t
store_db_prefix(const struct digest *d)
{
    int64_t prefix = 0;

    for (size_t i = 0; i < 6; i++)
        prefix = prefix << 8 | d->bytes[i];
    return prefix;
}

void
store_db_bind_prefix(sqlite3_stmt *st, const struct digest *d)
{
    sqlite3_bind_int64(st, 1, store_db_prefix(d));
}

void
store_db_bind_place(struct store_db *db, sqlite3_stmt *st, const struct digest *d)
{
    store_db_bind_prefix(st, d);
    store_db_bind_digest(db, st, 2, d);
}

/* --- meta --- */

static int
get_number(struct store_db *db, const char *name, int64_t *ret)
{
    int rc = store_db_get_meta(db, name, ret);

    return rc == 0 || (rc > 0 && *ret < 0) ? -EIO : MIN(rc, 0);
}

static int
put_number(struct store_db *db, const char *name, int64_t value)
{
    return store_db_put_meta(db, name, value, "record the state of the index");
}

int
store_db_put_counts(struct store_db *db)
{
    const struct store_db_counts *now = &db->now;
    int rc = put_number(db, "indexed", now->indexed);

    if (rc == 0)
        rc = put_number(db, "indexed_blobs", now->blobs - now->after_indexed);
    return rc == 0 ? put_number(db, "newest", now->newest) : rc;
}

/* --- reading the tail --- */

/* A row that the file has behind those of the tail. */
static void
take_newer(struct store_db *db, sqlite3_stmt *st)
{
    int64_t id = sqlite3_column_int64(st, 0);
    struct tail_row *old;
    struct digest d;

    db->now.newest = id;
    db->now.blobs++;
    db->now.after_indexed++;
    if (store_db_column_digest(db, st, 1, &d) < 0) {
        elog(ELOG_ERR, "%s: row %lld has no digest", db->path, (long long)id);
        return;
    }
    old = tail_get(&db->tail, &d);
    if (old)
        tail_remove(&db->tail, old); // by the writer, before it stored this one
    tail_add(&db->tail, &d, id);
}

/* Add the rows behind db->now.newest to the tail. */
static int
read_newer(struct store_db *db)
{
    sqlite3_stmt *st = db->statements[STMT_LIST];
    int step;

    sqlite3_bind_int64(st, 1, db->now.newest + 1);
    sqlite3_bind_int64(st, 2, INT64_MAX);
    while ((step = sqlite3_step(st)) == SQLITE_ROW)
        take_newer(db, st);
    store_db_release(st);
    tail_commit(&db->tail);
    return store_db_errno(step);
}

/* The same for a repair: where rows cannot be read, those behind them may be. */
static int
read_what_can_be(struct store_db *db)
{
    sqlite3_stmt *st = db->statements[STMT_LIST];
    int rc;

    while ((rc = read_newer(db)) == -EIO) {
        int64_t after = db->now.newest;
        uint64_t failures = 0;

        db->is_hurt = true;
        rc = store_db_probe(st, &after, INT64_MAX, &failures, SKIPPED_MAX);
        store_db_release(st);
        if (rc == -EAGAIN) // nothing more was found
            return 0;
        if (rc != 1)
            return rc;
        db->now.newest = after;
    }
    return rc;
}

/* For a repair: without them all rows are newer. */
static int
get_numbers(struct store_db *db, struct store_db_counts *ret, int64_t *ret_newest)
{
    int rc = get_number(db, "indexed", &ret->indexed);

    if (rc == 0)
        rc = get_number(db, "indexed_blobs", &ret->blobs);
    if (rc == 0)
        rc = get_number(db, "newest", ret_newest);
    if (rc == -EIO && db->for_repair) {
        *ret = (struct store_db_counts){.indexed = 0};
        *ret_newest = 0;
        db->is_hurt = true;
        return 0;
    }
    return rc;
}

static int
read_tail(struct store_db *db)
{
    struct store_db_counts now = {.indexed = 0};
    int64_t newest = 0;
    int rc = get_numbers(db, &now, &newest);

    if (rc < 0)
        return rc;
    now.newest = now.indexed;
    tail_clear(&db->tail);
    db->now = now;
    rc = db->for_repair ? read_what_can_be(db) : read_newer(db);
    /* The newest of all may have been removed, in order or by a hand that has left its pieces. */
    db->now.newest = MAX(db->now.newest, newest);
    if (rc == 0 && !db->is_follower && (rc = store_db_newest(db, &newest)) == 0)
        db->now.newest = MAX(db->now.newest, newest);
    if (rc == -EIO && db->for_repair) {
        db->is_hurt = true;
        rc = 0;
    }
    db->now.turn = db->now.newest;
    return rc;
}

int
store_db_scan_index(struct store_db *db, struct store_db_scan *at, int max)
{
    sqlite3_stmt *st = db->statements[STMT_SCAN_PLACE];
    int count = 0, step;

    sqlite3_bind_int64(st, 1, at->prefix);
    sqlite3_bind_int64(st, 2, at->id);
    sqlite3_bind_int(st, 3, max);
    for (; (step = sqlite3_step(st)) == SQLITE_ROW; count++) {
        at->prefix = sqlite3_column_int64(st, 0);
        at->id = sqlite3_column_int64(st, 1);
    }
    store_db_release(st);
    return step == SQLITE_DONE ? count == max : store_db_errno(step);
}

/* So that what nobody can extend is not opened: a tail may hide that for long. */
static int
try_index(struct store_db *db)
{
    struct store_db_scan first = {0, 0};
    int rc = db->for_repair ? 0 : store_db_scan_index(db, &first, 1);

    return MIN(rc, 0);
}

int
store_db_open_index(struct store_db *db, struct err *err)
{
    if (try_index(db) < 0 || read_tail(db) < 0)
        return err_set(err, -EILSEQ, "%s: damaged (cannot read the index): see xylem fsck --repair",
                       db->path);
    return 0;
}

/* I3: the writer has gone on. */
static int
follow_writer(struct store_db *db)
{
    int64_t indexed = 0;
    int rc = get_number(db, "indexed", &indexed);

    if (rc < 0)
        return rc;
    return indexed == db->now.indexed ? read_newer(db) : read_tail(db);
}

/* --- finding --- */

static int
find_in_place(struct store_db *db, const struct digest *d, int64_t *ret_id)
{
    sqlite3_stmt *st = db->statements[STMT_FIND];
    int step, rc;

    store_db_bind_place(db, st, d);
    step = sqlite3_step(st);
    rc = step == SQLITE_DONE ? -ENOENT : store_db_errno(step);
    if (step == SQLITE_ROW)
        *ret_id = sqlite3_column_int64(st, 0);
    store_db_release(st);
    return rc;
}

/* Is a row of the tail still there?  Somebody may have removed it: the process that writes the file
 * we read, or a hand in the file. */
int
store_db_has_row(struct store_db *db, int64_t id)
{
    sqlite3_stmt *st = db->statements[STMT_HAS_ROW];
    int step;

    sqlite3_bind_int64(st, 1, id);
    step = sqlite3_step(st);
    store_db_release(st);
    return step == SQLITE_DONE ? -ENOENT : store_db_errno(step);
}

static int
find_in_tail(struct store_db *db, const struct digest *d, int64_t *ret_id)
{
    const struct tail_row *row = tail_get(&db->tail, d);

    if (!row)
        return -ENOENT;
    *ret_id = row->id;
    return store_db_has_row(db, row->id);
}

int
store_db_find_known(struct store_db *db, const struct digest *d, int64_t *ret_id)
{
    const struct tail_row *row = tail_get(&db->tail, d);

    if (!row && db->damaged.count > 0 && store_db_find_stuck(db, d, ret_id))
        return 0;
    if (!row)
        return find_in_place(db, d, ret_id);
    *ret_id = row->id;
    return 0;
}

int
store_db_find(struct store_db *db, const struct digest *d, int64_t *ret_id)
{
    int rc = find_in_tail(db, d, ret_id);

    if (rc == -ENOENT)
        rc = find_in_place(db, d, ret_id);
    if (rc != -ENOENT || !db->is_follower)
        return rc;
    rc = follow_writer(db); /* I3 */
    return rc == 0 ? find_in_tail(db, d, ret_id) : rc;
}

/* --- changing --- */

void
store_db_index_add(struct store_db *db, const struct digest *d, int64_t id, size_t leaf_bytes)
{
    assert(id > db->now.newest);
    tail_add(&db->tail, d, id);
    db->now.newest = id;
    db->now.blobs++;
    db->now.after_indexed++;
    db->now.after_turn++;
    db->now.due_rows++;
    db->now.due_bytes += leaf_bytes;
}

int
store_db_index_unlink(struct store_db *db, const struct digest *d, int64_t id)
{
    sqlite3_stmt *st = db->statements[STMT_REMOVE_PLACE];
    struct tail_row *row = tail_get(&db->tail, d);

    if (row && row->id == id)
        tail_remove(&db->tail, row);
    sqlite3_bind_int64(st, 1, store_db_prefix(d));
    sqlite3_bind_int64(st, 2, id);
    return store_db_run(db, STMT_REMOVE_PLACE, "remove a blob from the index");
}

int
store_db_index_remove(struct store_db *db, const struct digest *d, int64_t id)
{
    db->now.blobs--;
    if (id > db->now.indexed)
        db->now.after_indexed--;
    if (id > db->now.turn)
        db->now.after_turn--;
    return store_db_index_unlink(db, d, id);
}

/* --- repair --- */

int
store_db_reindex(struct store_db *db, const struct store_db_row *row)
{
    const struct store_db_damage *damage;
    struct tail_row *old;
    int64_t id = 0;
    int rc = store_db_find(db, &row->digest, &id);

    assert(!db->in_transaction);
    damage = map_get(&db->damaged, &row->digest);
    if (rc == 0 && (id == row->id || !damage || damage->id != id))
        return 0;
    if (rc < 0 && rc != -ENOENT && rc != -EIO)
        return rc;
    if (rc == -EIO && !db->is_follower)
        return 1; // it could not be merged
    old = tail_get(&db->tail, &row->digest);
    if (old)
        tail_remove(&db->tail, old);
    tail_add(&db->tail, &row->digest, row->id);
    tail_commit(&db->tail);
    return 1;
}

/* --- merging --- */

static int
merge_part(struct store_db *db, size_t part)
{
    sqlite3_stmt *st = db->statements[STMT_PUT_PLACE];
    struct tail_row *const *rows;
    size_t count = tail_merge(&db->tail, part, &rows);
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < count; i++) {
        sqlite3_bind_int64(st, 1, store_db_prefix(&rows[i]->digest));
        sqlite3_bind_int64(st, 2, rows[i]->id);
        rc = store_db_run(db, STMT_PUT_PLACE, "extend the index");
    }
    return rc;
}

/* All partitions have been merged: the next turn begins with what is there now. */
static int
end_turn(struct store_db *db)
{
    struct store_db_counts *now = &db->now;

    now->part = 0;
    now->indexed = now->turn;
    now->after_indexed = now->after_turn;
    now->turn = now->newest;
    now->after_turn = 0;
    return store_db_put_counts(db);
}

static bool
take_due(struct store_db_counts *now)
{
    if (now->due_rows < MERGE_ROWS && now->due_bytes < MERGE_BYTES)
        return false;
    now->due_rows -= MIN(now->due_rows, (size_t)MERGE_ROWS);
    now->due_bytes -= MIN(now->due_bytes, (size_t)MERGE_BYTES);
    return true;
}

int
store_db_index_merge(struct store_db *db)
{
    int rc = 0;

    for (int i = 0; rc == 0 && i < MERGES_MAX && take_due(&db->now); i++) {
        rc = merge_part(db, db->now.part++);
        if (rc == 0 && db->now.part == TAIL_PARTS)
            rc = end_turn(db);
    }
    return rc;
}
