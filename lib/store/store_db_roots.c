/* SPDX-License-Identifier: MPL-2.0 */
/* store_db_roots.c - the roots of the namespaces, and checkpoints.  Former roots: store_db_history.c. */
#include "store_db_priv.h"
#include "xmem.h"

#include <errno.h>
#include <stdio.h>

/* --- roots --- */

int
store_db_put_root(struct store_db *db, const struct store_root *root)
{
    sqlite3_stmt *st = db->statements[STMT_PUT_ROOT];

    assert(db->in_transaction);
    sqlite3_bind_text(st, 1, root->name, -1, SQLITE_STATIC);
    sqlite3_bind_int64(st, 2, root->owner);
    sqlite3_bind_int64(st, 3, root->sequence);
    store_db_bind_digest(db, st, 4, &root->root);
    return store_db_run(db, STMT_PUT_ROOT, "record a root");
}

int
store_db_remove_root(struct store_db *db, const char *name)
{
    sqlite3_stmt *st = db->statements[STMT_REMOVE_ROOT];
    int rc;

    assert(db->in_transaction);
    sqlite3_bind_text(st, 1, name, -1, SQLITE_STATIC);
    rc = store_db_run(db, STMT_REMOVE_ROOT, "remove a root");
    return rc == 0 ? store_db_end_history(db, name) : rc;
}

int
store_db_read_root(struct store_db *db, sqlite3_stmt *st, struct store_root *root)
{
    const char *name = (const char *)sqlite3_column_text(st, 0);
    int64_t owner = sqlite3_column_int64(st, 1);

    if (!name || strlen(name) >= sizeof(root->name) || owner < 0 || owner > UINT32_MAX)
        return -EIO;
    snprintf(root->name, sizeof(root->name), "%s", name);
    root->owner = (uint32_t)owner;
    root->sequence = sqlite3_column_int64(st, 2);
    return store_db_column_digest(db, st, 3, &root->root) < 0 ? -EIO : 0;
}

static int
read_root(struct store_db *db, sqlite3_stmt *st, void *ret)
{
    return store_db_read_root(db, st, ret);
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
    store_db_bind_digest(db, st, 3, &c->root);
    rc = store_db_run(db, STMT_PUT_CHECKPOINT, "record a checkpoint");
    if (rc < 0)
        return rc;
    sqlite3_bind_int(db->statements[STMT_PRUNE_CHECKPOINTS], 1, db->max_checkpoints);
    return store_db_run(db, STMT_PRUNE_CHECKPOINTS, "remove old checkpoints");
}

static int
read_checkpoint(struct store_db *db, sqlite3_stmt *st, void *ret)
{
    struct checkpoint *c = ret;

    c->sequence = sqlite3_column_int64(st, 0);
    c->timestamp = sqlite3_column_double(st, 1);
    return store_db_column_digest(db, st, 2, &c->root) < 0 ? -EIO : 0;
}

/* --- lists --- */

int
store_db_read_rows(struct store_db *db, enum store_db_statement which, size_t size,
                   int (*read)(struct store_db *db, sqlite3_stmt *st, void *item), void **ret,
                   size_t *ret_count)
{
    sqlite3_stmt *st = db->statements[which];
    AUTO(buf) struct buf rows = BUF_INIT;
    size_t count = 0;
    int step, rc = 0;

    while (rc >= 0 && (step = sqlite3_step(st)) == SQLITE_ROW) {
        buf_reserve(&rows, size);
        memset(rows.data + rows.size, 0, size);
        rc = read(db, st, rows.data + rows.size);
        rows.size += rc == 0 ? size : 0;
        count += rc == 0 ? 1 : 0;
    }
    if (rc >= 0)
        rc = store_db_errno(step);
    store_db_release(st);
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
    int rc = store_db_read_rows(db, STMT_ROOTS, sizeof(**ret), read_root, &rows, ret_count);

    *ret = rows;
    return rc;
}

int
store_db_checkpoints(struct store_db *db, struct checkpoint **ret, size_t *ret_count)
{
    void *rows = NULL;
    int rc =
        store_db_read_rows(db, STMT_CHECKPOINTS, sizeof(**ret), read_checkpoint, &rows, ret_count);

    *ret = rows;
    return rc;
}
