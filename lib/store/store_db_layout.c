/* SPDX-License-Identifier: MPL-2.0 */
/* store_db_layout.c - how the trees are laid out, in meta. */
#include "store_db_priv.h"

#include <errno.h>

/* 1; 0: nobody has said; -errno. */
static int
get_number(struct store_db *db, const char *name, int64_t *ret)
{
    sqlite3_stmt *st = db->statements[STMT_GET_META];
    int step;

    sqlite3_bind_text(st, 1, name, -1, SQLITE_STATIC);
    step = sqlite3_step(st);
    if (step == SQLITE_ROW)
        *ret = sqlite3_column_int64(st, 0);
    store_db_release(st);
    return step == SQLITE_ROW ? 1 : store_db_errno(step);
}

static int
put_number(struct store_db *db, const char *name, int64_t value)
{
    sqlite3_stmt *st = db->statements[STMT_PUT_META];

    sqlite3_bind_text(st, 1, name, -1, SQLITE_STATIC);
    sqlite3_bind_int64(st, 2, value);
    return store_db_run(db, STMT_PUT_META, "record the layout");
}

int
store_db_layout(struct store_db *db, struct store_layout *ret)
{
    int rc = get_number(db, "maxdirent", &ret->maxdirent);

    if (rc > 0)
        rc = get_number(db, "blob_size", &ret->blob_size);
    if (rc < 0)
        return rc;
    return rc > 0 && ret->maxdirent >= 0 && ret->blob_size > 0 ? 0 : -ENOENT;
}

void
store_db_record_layout(struct store_db *db, const struct store_layout *layout)
{
    struct store_layout there = {0, 0};
    int rc = store_db_layout(db, &there);

    assert(!db->in_transaction);
    if (rc == 0 && there.maxdirent == layout->maxdirent && there.blob_size == layout->blob_size)
        return;
    rc = put_number(db, "maxdirent", layout->maxdirent);
    if (rc == 0)
        put_number(db, "blob_size", layout->blob_size);
}
