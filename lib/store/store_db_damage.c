/* SPDX-License-Identifier: MPL-2.0 */
/* store_db_damage.c - which rows are known to be good, and which to be damaged.
 *
 * row            known as
 * of this run    good, as its bytes came from here
 * older          nothing, until it is read: once by a load, a check, a scrub, or before a put of its
 *                digest is done because of it
 *
 * I1  What is known to be damaged is not good, whatever it was before.
 * I2  A row that was found damaged is remembered with its id, which is never used again: so the row
 *     that replaces it is not taken for damaged, whatever becomes of the transaction.
 * I3  What SQLite cannot follow is stuck: the row is neither read nor removed again.  For once it has met
 *     such a page in a transaction, SQLite writes nothing more in it (-EUCLEAN: try another).
 *
 * Good ones are a bit each.  Damage that comes after a row was read is found by the next read. */
#include "store_db_priv.h"
#include "blobref.h"
#include "elog.h"
#include "xmem.h"

#include <errno.h>

/* Of damaged rows: they are few, or the disk is beyond that kind of help. */
#define DAMAGES_MAX 65536

bool
store_db_is_whole(const struct store_db *db, const struct digest *d, const struct blob *b)
{
    struct digest found;

    digest_compute(db->alg, blob_data(b), blob_size(b), &found);
    return digest_equal(&found, d);
}

/* --- damaged --- */

void
store_db_log_damaged(struct store_db *db, const struct digest *d, const char *why)
{
    char ref[BLOBREF_MAX];

    elog(ELOG_ERR, "%s: cannot load %s: %s", db->path, blobref_format(db->alg, d, ref), why);
}

/* NULL: there is no room for it. */
static struct store_db_damage *
note(struct store_db *db, const struct digest *d, int64_t id)
{
    struct store_db_damage *damage = map_get(&db->damaged, d);

    if (damage && damage->id == id)
        return damage;
    store_db_log_damaged(db, d, "the stored bytes are damaged");
    if (!damage && db->damaged.count == DAMAGES_MAX)
        return NULL;
    if (!damage) {
        damage = xmalloc(sizeof(*damage));
        damage->digest = *d;
        map_put(&db->damaged, damage);
    }
    damage->id = id; /* I2 */
    damage->is_stuck = false;
    return damage;
}

void
store_db_note_damage(struct store_db *db, const struct digest *d, int64_t id)
{
    note(db, d, id);
}

bool
store_db_note_stuck(struct store_db *db, const struct digest *d, int64_t id)
{
    struct store_db_damage *damage = note(db, d, id);

    if (!damage || damage->is_stuck)
        return false;
    damage->is_stuck = true; /* I3 */
    return true;
}

static bool
is_damaged(const struct store_db *db, const struct digest *d, int64_t id)
{
    const struct store_db_damage *damage = map_get(&db->damaged, d);

    return damage && damage->id == id;
}

bool
store_db_is_stuck(const struct store_db *db, const struct digest *d, int64_t id)
{
    return is_damaged(db, d, id) &&
           ((const struct store_db_damage *)map_get(&db->damaged, d))->is_stuck;
}

/* While place has it, the row that is stuck is the one that has to be replaced. */
bool
store_db_find_stuck(struct store_db *db, const struct digest *d, int64_t *ret_id)
{
    const struct store_db_damage *damage = map_get(&db->damaged, d);
    sqlite3_stmt *st = db->statements[STMT_HAS_PLACE];
    bool found;

    if (!damage || !damage->is_stuck)
        return false;
    store_db_bind_prefix(st, d);
    sqlite3_bind_int64(st, 2, damage->id);
    found = sqlite3_step(st) == SQLITE_ROW;
    store_db_release(st);
    *ret_id = damage->id;
    return found;
}

void
store_db_free_damages(struct store_db *db)
{
    size_t pos = 0;
    void *damage;

    while ((damage = map_next(&db->damaged, &pos)))
        free(damage);
    map_fini(&db->damaged);
    rowset_fini(&db->good);
}

/* Of a row that is there, but cannot be read as a whole: is it that of d?  What cannot be told from its
 * row is believed of its prefix. */
static bool
may_be_of(struct store_db *db, const struct digest *d, int64_t id)
{
    sqlite3_stmt *st = db->statements[STMT_DIGEST_OF];
    struct digest found;
    bool may_be;
    int step;

    sqlite3_bind_int64(st, 1, id);
    step = sqlite3_step(st);
    may_be = (step & 0xff) == SQLITE_CORRUPT ||
             (step == SQLITE_ROW && store_db_column_digest(db, st, 0, &found) == 0 &&
              digest_equal(&found, d));
    store_db_release(st);
    return may_be;
}

bool
store_db_find_suspect(struct store_db *db, const struct digest *d, int64_t *ret_id)
{
    const struct tail_row *row = tail_get(&db->tail, d);
    sqlite3_stmt *st = db->statements[STMT_PLACES];
    bool found = row != NULL;

    if (row)
        *ret_id = row->id;
    store_db_bind_prefix(st, d);
    while (!found && sqlite3_step(st) == SQLITE_ROW) {
        *ret_id = sqlite3_column_int64(st, 0);
        found = may_be_of(db, d, *ret_id);
    }
    store_db_release(st);
    return found;
}

/* --- good --- */

void
store_db_note_good(struct store_db *db, int64_t id)
{
    if (!db->is_follower && id <= db->newest_at_open)
        rowset_add(&db->good, id);
}

static bool
is_good(const struct store_db *db, int64_t id)
{
    return id > db->newest_at_open || rowset_has(&db->good, id);
}

/* 0: its bytes are those of d; -EIO; -ENOMEM. */
static int
read_bytes(struct store_db *db, const struct digest *d, int64_t id, bool *ret_is_stuck)
{
    sqlite3_stmt *st = db->statements[STMT_LOAD_ROW];
    int rc = -EIO;

    sqlite3_bind_int64(st, 1, id);
    if (sqlite3_step(st) == SQLITE_ROW)
        rc = store_db_take_bytes(db, st, d, NULL);
    *ret_is_stuck = rc == -EIO && sqlite3_errcode(db->sql) == SQLITE_CORRUPT;
    store_db_release(st);
    return rc;
}

static int
check_unknown(struct store_db *db, const struct digest *d, int64_t id)
{
    bool is_stuck;
    int rc = read_bytes(db, d, id, &is_stuck);

    if (rc == 0)
        store_db_note_good(db, id);
    if (is_stuck)
        return store_db_note_stuck(db, d, id) ? -EUCLEAN : -EIO;
    if (rc == -EIO)
        store_db_note_damage(db, d, id);
    return rc == -EIO ? 1 : rc;
}

int
store_db_check_row(struct store_db *db, const struct digest *d, int64_t id)
{
    int rc;

    if (is_damaged(db, d, id)) /* I1 */
        return 1;
    if (!is_good(db, id))
        return check_unknown(db, d, id);
    rc = store_db_has_row(db, id);
    if (rc == -EIO)
        return store_db_note_stuck(db, d, id) ? -EUCLEAN : -EIO;
    return rc == -ENOENT ? 1 : rc;
}
