/* SPDX-License-Identifier: MPL-2.0 */
/* store_db_meta.c - numbers by name, in the table meta. */
#include "store_db_priv.h"

int
store_db_get_meta(struct store_db *db, const char *name, int64_t *ret)
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

int
store_db_put_meta(struct store_db *db, const char *name, int64_t value, const char *what)
{
    sqlite3_stmt *st = db->statements[STMT_PUT_META];

    sqlite3_bind_text(st, 1, name, -1, SQLITE_STATIC);
    sqlite3_bind_int64(st, 2, value);
    return store_db_run(db, STMT_PUT_META, what);
}
