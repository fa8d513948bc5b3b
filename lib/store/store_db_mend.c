/* SPDX-License-Identifier: MPL-2.0 */
/* store_db_mend.c - see store_db_mend.h.  Statements are prepared when they are needed: once in the
 * life of a database, if at all. */
#include "store_db_mend.h"
#include "store_db_priv.h"

static const char move_text[] = "UPDATE checkpoint SET digest = ?4"
                                " WHERE digest = ?1 AND sequence = ?2 AND timestamp = ?3";
static const char remove_text[] = "DELETE FROM checkpoint"
                                  " WHERE digest = ?1 AND sequence = ?2 AND timestamp = ?3";

int
store_db_mend_checkpoint(struct store_db *db, const struct checkpoint *old,
                         const struct digest *root)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(db->sql, root ? move_text : remove_text, -1, &st, NULL);

    assert(db->in_transaction);
    if (rc == SQLITE_OK) {
        store_db_bind_digest(db, st, 1, &old->root);
        sqlite3_bind_int64(st, 2, old->sequence);
        sqlite3_bind_double(st, 3, old->timestamp);
        if (root)
            store_db_bind_digest(db, st, 4, root);
        rc = sqlite3_step(st);
    }
    if (rc != SQLITE_DONE)
        store_db_log_failure(db, "change a checkpoint", sqlite3_extended_errcode(db->sql));
    sqlite3_finalize(st);
    if (rc == SQLITE_DONE)
        return 0;
    store_db_rollback(db);
    return store_db_errno(rc);
}
