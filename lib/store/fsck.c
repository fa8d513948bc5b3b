/* SPDX-License-Identifier: MPL-2.0 */
/* fsck.c - the steps of a check (fsck.h).
 *
 * state     does                                             until                     then
 * BLOBS     reads rows in the order of their ids             the newest at the start   INDEX
 * INDEX     reads the index of the database                its end                   ROOTS
 * ROOTS     reads which trees there are                      at once                   WALK
 * WALK      walks them, one after the other (fsck_walk.c)    the last has been walked  ORPHANS
 * ORPHANS   tells damaged blobs that no key needs            the last has been told    DONE
 *
 * I1  Each row up to `verified` has been read, and is in `whole` or `damaged`.  Others came later, or
 *     cannot be listed, and are read when a key needs them.
 * I2  Only what is wrong with the data is a finding; a database that does not answer is an error.
 * I3  What is whole counts as whole for the keys, though the index does not lead to it. */
#include "fsck_priv.h"
#include "xmem.h"

#include <errno.h>

/* Half a millisecond: what waits behind a step waits no longer.  A larger blob takes its time. */
#define STEP_ROWS 64
#define STEP_BYTES ((size_t)256 << 10)
#define STEP_SKIPS 200
#define STEP_PLACES 2000

const char *
fsck_object_name(enum fsck_object object)
{
    static const char *const names[] = {"value", "directory", "blob", "part"};

    return names[object];
}

const char *
fsck_problem_name(enum fsck_problem problem)
{
    static const char *const names[] = {"missing", "damaged", "malformed"};

    return names[problem];
}

const char *
fsck_state_name(const struct fsck *f)
{
    static const char *const names[] = {"blobs", "index", "roots", "keys", "orphans", "done"};

    return names[f->state];
}

void
fsck_report(struct fsck *f, const struct fsck_finding *finding)
{
    if (f->stats.findings == FSCK_FINDINGS_MAX) {
        f->stats.is_truncated = true;
        f->state = STATE_DONE;
        return;
    }
    f->stats.findings++;
    f->fn(f->arg, finding);
}

/* --- BLOBS --- */

static void
add_damaged(struct fsck *f, const struct store_db_row *row)
{
    struct damaged *d;

    f->stats.damaged++;
    if (map_get(&f->damaged, &row->digest))
        return;
    d = xcalloc(1, sizeof(*d));
    d->digest = row->digest;
    d->id = row->id;
    map_put(&f->damaged, d);
}

static void
on_row(void *arg, const struct store_db_row *row)
{
    struct fsck *f = arg;
    int rc;

    f->stats.blobs++;
    f->stats.bytes += (uint64_t)MAX(0, row->size);
    if (row->is_stuck)
        f->stats.stuck++;
    if (row->rc < 0) {
        add_damaged(f, row);
        return;
    }
    rowset_add(&f->whole, row->id);
    rc = store_db_reindex(f->db, row); /* I3 */
    if (rc == 1)
        f->stats.unindexed++;
    f->rc = MIN(rc, f->rc);
}

static int
begin_blobs(struct fsck *f, struct store_db *db)
{
    int rc = store_db_newest(db, &f->upto);

    if (rc == -EIO)
        f->upto = store_db_newest_known(db);
    if (rc == -EIO || store_db_is_hurt(db))
        f->stats.is_unreadable = true;
    return rc == -EIO ? 0 : rc;
}

/* Where pages are that SQLite cannot follow, it goes on behind them (I1). */
static int
read_blobs(struct fsck *f, struct store_db *db)
{
    uint64_t blobs;
    int rc = -EIO;

    if (f->failures == 0)
        rc = store_db_verify(db, f->verified, f->upto, STEP_ROWS, STEP_BYTES, on_row, f,
                             &f->verified);
    if (rc != -EIO)
        return rc;
    blobs = f->stats.blobs;
    rc = store_db_skip(db, f->verified, f->upto, &f->failures, STEP_SKIPS, on_row, f, &f->verified);
    if (f->stats.blobs == blobs)
        f->stats.is_unreadable = true;
    return rc;
}

static int
step_blobs(struct fsck *f, struct store_db *db)
{
    int rc = 0;

    f->db = db;
    if (f->upto < 0)
        rc = begin_blobs(f, db);
    if (rc == 0 && f->verified < f->upto)
        rc = read_blobs(f, db);
    if (rc == 0)
        rc = f->rc;
    if (rc < 0)
        return rc;
    if (f->verified >= f->upto)
        f->state = STATE_INDEX;
    return 1;
}

/* --- INDEX --- */

static int
step_index(struct fsck *f, struct store_db *db)
{
    int rc = store_db_scan_index(db, &f->scan, STEP_PLACES);

    if (rc == -EIO)
        f->stats.is_unreadable = true;
    else if (rc < 0)
        return rc;
    if (rc != 1)
        f->state = STATE_ROOTS;
    return 1;
}

bool
fsck_needs_salvage(const struct fsck *f)
{
    return f->stats.unindexed > 0 || f->stats.stuck > 0 || f->stats.is_unreadable;
}

/* --- ORPHANS --- */

static int
step_orphans(struct fsck *f)
{
    for (int i = 0; i < STEP_ROWS && f->state == STATE_ORPHANS; i++) {
        const struct damaged *d = map_next(&f->damaged, &f->orphan);

        if (!d)
            f->state = STATE_DONE;
        else if (!d->is_needed && !f->has_rootref)
            fsck_report(f, &(struct fsck_finding){.key = "",
                                                  .object = FSCK_BLOB,
                                                  .problem = FSCK_DAMAGED,
                                                  .digest = d->digest});
    }
    return f->state != STATE_DONE;
}

/* --- all --- */

static int
step_walk(struct fsck *f, struct store_db *db)
{
    int rc = fsck_walk(f, db);

    if (rc == 0 && f->state == STATE_WALK)
        f->state = STATE_ORPHANS;
    return rc < 0 ? rc : f->state != STATE_DONE;
}

static int
step_roots(struct fsck *f, struct store_db *db)
{
    int rc = fsck_read_roots(f, db);

    f->state = STATE_WALK;
    return rc < 0 ? rc : 1;
}

int
fsck_step(struct fsck *f, struct store_db *db)
{
    switch (f->state) {
    case STATE_BLOBS:
        return step_blobs(f, db);
    case STATE_INDEX:
        return step_index(f, db);
    case STATE_ROOTS:
        return step_roots(f, db);
    case STATE_WALK:
        return step_walk(f, db);
    case STATE_ORPHANS:
        return step_orphans(f);
    case STATE_DONE:
        break;
    }
    return 0;
}

const struct fsck_stats *
fsck_stats(const struct fsck *f)
{
    return &f->stats;
}

const struct fsck_root *
fsck_roots(const struct fsck *f, size_t *ret_count)
{
    *ret_count = f->nroots;
    return f->roots;
}

int64_t *
fsck_damaged_ids(const struct fsck *f, size_t *ret_count)
{
    int64_t *ids = xcalloc(MAX((size_t)1, f->damaged.count), sizeof(*ids));
    const struct damaged *d;
    size_t pos = 0;

    *ret_count = 0;
    while ((d = map_next(&f->damaged, &pos)))
        ids[(*ret_count)++] = d->id;
    return ids;
}

/* --- life --- */

struct fsck *
fsck_new(enum digest_alg alg, fsck_fn fn, void *arg)
{
    struct fsck *f = xcalloc(1, sizeof(*f));

    f->alg = alg;
    f->fn = fn;
    f->arg = arg;
    f->upto = -1;
    map_init(&f->damaged, offsetof(struct damaged, digest), sizeof(struct digest));
    rowset_init(&f->whole);
    map_init(&f->sound, offsetof(struct sound, digest), sizeof(struct digest));
    return f;
}

void
fsck_set_rootref(struct fsck *f, const struct digest *root)
{
    f->has_rootref = true;
    f->rootref = *root;
}

static void
free_all(struct map *m)
{
    size_t pos = 0;
    void *item;

    while ((item = map_next(m, &pos)))
        free(item);
    map_fini(m);
}

void
fsck_free(struct fsck **fp)
{
    struct fsck *f = TAKE(*fp);

    if (!f)
        return;
    fsck_walk_fini(f);
    free_all(&f->damaged);
    free_all(&f->sound);
    rowset_fini(&f->whole);
    buf_fini(&f->key);
    free(f->roots);
    free(f);
}
