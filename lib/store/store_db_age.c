/* SPDX-License-Identifier: MPL-2.0 */
/* store_db_age.c - how old is a blob?
 *
 * Ids grow with time, so a few notes of the newest id and when it was stored date every row: `age`
 * gets one in the transaction of a write, at most each AGE_INTERVAL, and loses those of yesterday but
 * the last.
 *
 * A blob that is stored again keeps its row, and `touched` gets its id.  All touches of half a grace
 * period have the same time, that of its beginning: so a blob is noted once in it, and there are only
 * a few times to look at and to prune.
 *
 * I1  A row with an id up to age.id was stored at age.time or before.
 * I2  A clock that was set back makes notes of the future, which are dropped: they say less than
 *     the next one will.
 * I3  Whatever is stored again at a time t has a touch that is younger than t - grace / 2 -
 *     PERIOD_CHECKED, however young its row was: a collector with a short grace period must know. */
#include "store_db_priv.h"

#include <errno.h>

#define AGE_INTERVAL 60.0
#define AGE_KEPT 86400.0
/* Seconds: so often it is looked which half of a grace period this is. */
#define PERIOD_CHECKED 10.0
/* Touches pruned by one transaction. */
#define PRUNED_AT_ONCE 1000

void
store_db_set_grace(struct store_db *db, double seconds)
{
    db->grace = MAX(seconds, 0);
    db->age.known = 0;
}

/* --- notes --- */

static int
note_age(struct store_db *db, double now)
{
    sqlite3_stmt *st = db->statements[STMT_PRUNE_AGES];
    int rc;

    sqlite3_bind_double(st, 1, now - AGE_KEPT);
    sqlite3_bind_double(st, 2, now); /* I2 */
    rc = store_db_run(db, STMT_PRUNE_AGES, "forget old times");
    if (rc < 0)
        return rc;
    st = db->statements[STMT_PUT_AGE];
    sqlite3_bind_int64(st, 1, db->now.newest);
    sqlite3_bind_double(st, 2, MIN(now, db->age.stored));
    return store_db_run(db, STMT_PUT_AGE, "record the time");
}

/* The first number of a SELECT with one row. */
static int
ask(sqlite3_stmt *st, double time, int64_t *ret)
{
    int step;

    sqlite3_bind_double(st, 1, time);
    step = sqlite3_step(st);
    if (step == SQLITE_ROW)
        *ret = sqlite3_column_int64(st, 0);
    store_db_release(st);
    return step == SQLITE_ROW ? 0 : store_db_errno(step);
}

int
store_db_id_at(struct store_db *db, double time, int64_t *ret_id)
{
    const struct store_db_age *age = &db->age;
    int64_t id = 0;
    int rc = ask(db->statements[STMT_ID_AT], time, &id);

    if (age->stored < time)
        id = MAX(id, age->stored_id);
    *ret_id = id;
    return rc;
}

/* --- touches --- */

static int
prune_touches(struct store_db *db, double before)
{
    sqlite3_stmt *st = db->statements[STMT_PRUNE_TOUCHES];
    int rc;

    sqlite3_bind_double(st, 1, before);
    sqlite3_bind_int(st, 2, PRUNED_AT_ONCE);
    rc = store_db_run(db, STMT_PRUNE_TOUCHES, "forget old touches");
    db->age.has_stale = rc == 0 && sqlite3_changes(db->sql) == PRUNED_AT_ONCE;
    return rc;
}

static void
look_up_period(struct store_db *db, double now)
{
    double half = MAX(1.0, db->grace / 2);

    db->age.known = now;
    db->age.touch_time = (int64_t)((double)(int64_t)(now / half) * half);
    db->age.has_stale = true;
}

int
store_db_touch(struct store_db *db, int64_t id)
{
    sqlite3_stmt *st = db->statements[STMT_TOUCH];

    sqlite3_bind_int64(st, 1, db->age.touch_time);
    sqlite3_bind_int64(st, 2, id);
    return store_db_run(db, STMT_TOUCH, "note that a blob was stored again");
}

/* I3 */
int
store_db_was_touched(struct store_db *db, int64_t id, double since)
{
    int64_t time = (int64_t)(since - MAX(1.0, db->grace / 2) - PERIOD_CHECKED) - 1;
    int rc = 0;

    while (rc == 0) {
        int64_t next = 0;

        rc = ask(db->statements[STMT_TOUCH_AFTER], (double)time, &next);
        if (rc < 0 || next == 0)
            return rc;
        time = next;
        rc = store_db_finds(db, STMT_HAS_TOUCH, time, id);
    }
    return rc;
}

/* --- transactions --- */

int
store_db_age_begin(struct store_db *db)
{
    double now = db->wall();
    struct store_db_age *age = &db->age;
    int rc = 0;

    if (now - age->noted >= AGE_INTERVAL || now < age->noted) {
        rc = note_age(db, now);
        age->noted = now;
    }
    if (now - age->known >= PERIOD_CHECKED || now < age->known)
        look_up_period(db, now);
    if (rc == 0 && age->has_stale)
        rc = prune_touches(db, now - 2.5 * db->grace - PERIOD_CHECKED);
    return rc;
}

void
store_db_age_commit(struct store_db *db)
{
    if (db->now.newest == db->age.stored_id)
        return;
    db->age.stored = db->wall();
    db->age.stored_id = db->now.newest;
}
