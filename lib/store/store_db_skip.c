/* SPDX-License-Identifier: MPL-2.0 */
/* store_db_skip.c - past rows that SQLite cannot read: what fsck and a repair do with a table that is
 * damaged in the middle.
 *
 * what is lost                how it looks                           what is known of the row
 * pages behind a row          it is found, but not its data          id, digest, size
 * a page with rows            no id in its range is found            nothing
 *
 * In the second case the ids are tried one after the other until one is found again.  A page with rows
 * has some hundreds of them, but where many were removed its ids are far apart, and whole branches may be
 * lost: so the steps grow.  Then the last one is gone through again: I1  no row that can be read stays
 * behind, except between two failures that are more than a step apart. */
#include "store_db_skip.h"

#include <errno.h>

/* After so many failures the step is one more. */
#define STEP_SHIFT 12

int
store_db_probe(sqlite3_stmt *st, int64_t *after, int64_t upto, uint64_t *failures, int max_failures)
{
    while (*after < upto) {
        int64_t step = 1 + (int64_t)(*failures >> STEP_SHIFT);
        int rc;

        sqlite3_bind_int64(st, 1, *after + 1);
        sqlite3_bind_int64(st, 2, upto);
        rc = sqlite3_step(st);
        if (rc == SQLITE_ROW && *failures >> STEP_SHIFT == 0)
            return 1;
        store_db_release(st);
        if (rc == SQLITE_DONE)
            break;
        if (rc == SQLITE_ROW) { /* I1 */
            *after -= step - 1;
            *failures = 1;
            continue;
        }
        if ((rc & 0xff) != SQLITE_CORRUPT)
            return store_db_errno(rc);
        ++*failures;
        *after = upto - *after > step ? *after + step : upto;
        if (max_failures-- == 0)
            return -EAGAIN;
    }
    *after = upto;
    return 0;
}

/* The row that the probe has found: if it was found at once, it is its data that cannot be read. */
static void
tell_row(struct store_db *db, sqlite3_stmt *st, store_db_row_fn fn, void *arg, int64_t *last)
{
    struct store_db_row row = {.id = sqlite3_column_int64(st, 0),
                               .size = sqlite3_column_int64(st, 2),
                               .rc = -EIO,
                               .is_stuck = true};

    if (store_db_column_digest(db, st, 1, &row.digest) == 0)
        store_db_note_stuck(db, &row.digest, row.id);
    *last = row.id;
    fn(arg, &row);
}

int
store_db_skip(struct store_db *db, int64_t after, int64_t upto, uint64_t *failures,
              int max_failures, store_db_row_fn fn, void *arg, int64_t *ret_last)
{
    sqlite3_stmt *st = db->statements[STMT_LIST];
    bool is_first = *failures == 0;
    int64_t last = after;
    int rc = store_db_probe(st, &last, upto, failures, max_failures);

    if (rc == 1 && is_first && last == after)
        tell_row(db, st, fn, arg, &last);
    if (rc == 1)
        *failures = 0;
    store_db_release(st);
    *ret_last = last;
    return rc == -EAGAIN ? 0 : MIN(rc, 0);
}
