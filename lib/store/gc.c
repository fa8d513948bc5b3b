/* SPDX-License-Identifier: MPL-2.0 */
/* gc.c - see gc.h.
 *
 *   state      a step                                          when done    when refused
 *   BEGINNING  which rows are looked at; which roots there are  MARKING      REFUSED
 *   MARKING    follow references (mark.h)                       SWEEPING     REFUSED
 *   SWEEPING   remove what is not marked, newest first          SHRINKING*   REFUSED
 *   SHRINKING  give pages back                                  DONE         -
 *   DONE, REFUSED  nothing                                      -            -
 *   (* a dry run: DONE)
 *
 * What makes it safe while the database is at work:
 * I1  Only rows that were there at the beginning are looked at (ids are not used again), and of these
 *     only those can be removed that were neither stored nor stored again in the grace period.
 * I2  In the step that removes rows, and before it does, the roots and checkpoints are read again,
 *     and everything they reach is marked.  All that writes uses the same thread, so nothing comes
 *     between.  If new roots reach too much for one step, the step ends without removing.
 * I3  Rows are removed from the newest to the oldest, and what an object refers to was stored before
 *     it (unless it had to be stored again after damage).  So of the trees that were there at the
 *     beginning, one that is not reachable but still has its top is whole, and may become reachable
 *     again.
 * I4  What the grace period spares is marked with everything it refers to, when the sweep
 *     comes to it and before it goes on: somebody may be about to use it, or be reading an old root.
 * I5  What one step removes is one transaction.
 * I6  With the first row that goes, the roots of the history that nothing protects are marked as
 *     collected.  One that is replaced later is whole until the next collector comes.
 *
 * A missing or damaged directory hides what it reaches, so nothing (more) is removed once one was
 * seen, unless forced.  A missing value hides nothing.
 */
#include "gc.h"
#include "blobref.h"
#include "mark.h"
#include "xmem.h"

#include <errno.h>

#define WIDTH_MAX ((int64_t)1 << 40)

const struct gc_limits gc_limits_offline = {20000, 4096, 64 << 20, 4096};
const struct gc_limits gc_limits_online = {500, 256, 1 << 20, 64};

struct gc {
    struct gc_conf conf;
    enum gc_state state;
    struct mark *mark;     // owned
    int64_t old;           // rows up to it were first stored before the grace period
    int64_t position;      // rows above it were looked at
    int64_t width;         // ids to look at in the next step
    bool history_knows;    // that roots of it were collected
    size_t patience;       // times the limit that I2 may mark in one step
    struct gc_stats stats; // but for what mark knows
};

struct gc *
gc_new(const struct gc_conf *conf)
{
    struct gc *gc = xcalloc(1, sizeof(*gc));

    gc->conf = *conf;
    gc->mark = mark_new(conf->alg);
    gc->patience = 1;
    return gc;
}

void
gc_free(struct gc **gc_p)
{
    struct gc *gc = TAKE(*gc_p);

    if (!gc)
        return;
    mark_free(&gc->mark);
    free(gc);
}

void
gc_pin(struct gc *gc, const struct digest *root)
{
    mark_add_pin(gc->mark, root);
}

/* --- refusals --- */

static int
refuse_damage(struct gc *gc, struct err *err)
{
    struct digest d;
    char ref[BLOBREF_MAX];
    int rc = mark_first_damage(gc->mark, &d);

    if (rc == 0 || gc->conf.force)
        return 0;
    gc->state = GC_REFUSED;
    return err_set(err, -EIO,
                   "directory %s is %s and hides what it reaches: not collecting; run xylem fsck",
                   blobref_format(gc->conf.alg, &d, ref), rc == -ENOENT ? "missing" : "damaged");
}

/* Somebody's blobs without a key-value store: rather theirs than garbage. */
static int
refuse_all(struct gc *gc, int64_t newest, struct err *err)
{
    if (mark_root_count(gc->mark) > 0 || newest == 0 || gc->conf.force)
        return 0;
    gc->state = GC_REFUSED;
    return err_set(err, -EINVAL, "there is neither a root nor a checkpoint: all blobs would go");
}

/* --- steps --- */

static int
begin(struct gc *gc, struct store_db *db, const struct gc_limits *limits, struct err *err)
{
    int64_t newest;
    int rc = store_db_newest(db, &newest);

    gc->old = newest;
    if (rc == 0 && gc->conf.mode == GC_ONLINE)
        rc = store_db_id_at(db, gc->conf.spare_since, &gc->old);
    if (rc == 0)
        rc = mark_add_roots(gc->mark, db);
    if (rc == 0)
        rc = refuse_all(gc, newest, err);
    gc->position = newest;
    gc->width = (int64_t)limits->rows;
    return rc;
}

static int
mark(struct gc *gc, struct store_db *db, const struct gc_limits *limits, struct err *err)
{
    int rc = mark_add_roots(gc->mark, db);

    if (rc == 0)
        rc = mark_step(gc->mark, db, limits->objects);
    return rc == 0 ? refuse_damage(gc, err) : rc;
}

/* I2.  1: not yet, and the next try may take longer, so that a busy writer cannot keep ahead. */
static int
mark_new_roots(struct gc *gc, struct store_db *db, const struct gc_limits *limits, struct err *err)
{
    int rc = mark_add_roots(gc->mark, db);

    if (rc == 0)
        rc = mark_step(gc->mark, db, limits->objects * gc->patience);
    if (rc < 0)
        return rc;
    gc->patience = rc == 1 ? gc->patience * 2 : 1;
    return rc == 1 ? 1 : refuse_damage(gc, err);
}

/* What a stretch of rows consists of. */
struct window {
    const struct gc *gc;        // borrowed
    struct store_db *db;        // borrowed
    int64_t *ids;               // owned: those to remove
    struct store_db_row *young; // owned: those to spare, and not marked yet
    struct gc_stats stats;      // of these rows
    int rc;                     // 0, or what went wrong
};

/* I1 */
static bool
is_young(struct window *w, const struct store_db_row *row)
{
    int rc;

    if (w->gc->conf.mode == GC_OFFLINE)
        return false;
    if (row->id > w->gc->old)
        return true;
    rc = store_db_was_touched(w->db, row->id, w->gc->conf.spare_since);
    w->rc = MIN(w->rc, rc);
    return rc != 0;
}

static void
look_at(void *arg, const struct store_db_row *row)
{
    struct window *w = arg;

    w->stats.examined++;
    if (mark_has(w->gc->mark, row->id)) {
        w->stats.kept++;
    } else if (is_young(w, row)) {
        w->young[w->stats.spared++] = *row;
    } else {
        w->ids[w->stats.removed++] = row->id;
        w->stats.bytes += (uint64_t)MAX(0, row->size);
    }
}

/* Look at the rows in (*ret_after, position], `width` ids or fewer if these hold too much. */
static int
look_down(struct gc *gc, struct window *w, const struct gc_limits *limits, int64_t *ret_after)
{
    for (;;) {
        int64_t after = MAX(0, gc->position - gc->width), last = 0;
        int rc;

        w->stats = (struct gc_stats){.examined = 0};
        w->rc = 0;
        rc = store_db_list(w->db, after, gc->position, limits->rows, look_at, w, &last);
        *ret_after = after;
        if (rc < 0 || w->rc < 0)
            return MIN(rc, w->rc);
        if (gc->width == 1 || (last == gc->position && w->stats.bytes <= (uint64_t)limits->bytes))
            return 0;
        gc->width = MAX(1, gc->width / 2);
    }
}

/* I5, I6.  Bytes that have lost their row (there are none but after damage) go with the rows around. */
static int
remove_rows(struct gc *gc, const struct window *w, int64_t after)
{
    int rc = gc->conf.dry_run ? 0 : store_db_has_strays(w->db, after, gc->position);

    if (rc < 0 || gc->conf.dry_run || (rc == 0 && w->stats.removed == 0))
        return rc;
    rc = store_db_begin(w->db);
    if (rc == 0 && !gc->history_knows)
        rc = store_db_collect_history(w->db);
    if (rc == 0)
        rc = store_db_remove(w->db, w->ids, w->stats.removed);
    if (rc == 0)
        rc = store_db_remove_strays(w->db, after, gc->position);
    if (rc == 0)
        rc = store_db_commit(w->db);
    if (rc < 0)
        store_db_rollback(w->db);
    gc->history_knows = gc->history_knows || rc == 0;
    return rc;
}

static void
take_window(struct gc *gc, const struct window *w, const struct gc_limits *limits)
{
    gc->stats.examined += w->stats.examined;
    gc->stats.removed += w->stats.removed;
    gc->stats.bytes += w->stats.bytes;
    gc->stats.kept += w->stats.kept;
    if (w->stats.examined < limits->rows / 2 && gc->width < WIDTH_MAX)
        gc->width *= 2; // few of the ids are in use
}

/* I4.  They are marked by the next step, which then looks at the same rows again. */
static void
spare_young(struct gc *gc, const struct window *w)
{
    for (size_t i = 0; i < w->stats.spared; i++)
        mark_add_row(gc->mark, &w->young[i]);
    gc->stats.spared += w->stats.spared;
}

static int
sweep_window(struct gc *gc, struct window *w, const struct gc_limits *limits)
{
    int64_t after = 0;
    int rc = look_down(gc, w, limits, &after);

    if (rc == 0 && w->stats.spared > 0) {
        spare_young(gc, w);
        return 0;
    }
    if (rc == 0)
        rc = remove_rows(gc, w, after);
    if (rc < 0)
        return rc;
    gc->position = after; /* I3 */
    take_window(gc, w, limits);
    return 0;
}

static int
sweep(struct gc *gc, struct store_db *db, const struct gc_limits *limits, struct err *err)
{
    struct window w = {.gc = gc, .db = db};
    int rc = mark_new_roots(gc, db, limits, err); /* I2 */

    if (rc != 0 || gc->position == 0)
        return rc;
    w.ids = xmalloc(limits->rows * sizeof(*w.ids));
    w.young = xmalloc(limits->rows * sizeof(*w.young));
    rc = sweep_window(gc, &w, limits);
    free(w.ids);
    free(w.young);
    return rc < 0 ? rc : gc->position > 0;
}

static int
shrink(struct gc *gc, struct store_db *db, const struct gc_limits *limits, struct err *err)
{
    (void)err;
    return gc->conf.dry_run ? 0 : store_db_shrink(db, limits->pages);
}

/* --- the machine --- */

static const struct {
    const char *name;
    int (*step)(struct gc *gc, struct store_db *db, const struct gc_limits *limits,
                struct err *err);
    enum gc_state next;
} states[] = {
    [GC_BEGINNING] = {"beginning", begin, GC_MARKING},
    [GC_MARKING] = {"marking", mark, GC_SWEEPING},
    [GC_SWEEPING] = {"sweeping", sweep, GC_SHRINKING},
    [GC_SHRINKING] = {"shrinking", shrink, GC_DONE},
    [GC_DONE] = {"done", NULL, GC_DONE},
    [GC_REFUSED] = {"refused", NULL, GC_REFUSED},
};

int
gc_step(struct gc *gc, struct store_db *db, const struct gc_limits *limits, struct err *err)
{
    int rc;

    assert(limits->objects > 0 && limits->rows > 0 && limits->pages > 0);
    assert(states[gc->state].step);
    if (err)
        *err = (struct err){0};
    rc = states[gc->state].step(gc, db, limits, err);
    if (rc < 0 && err && !err->text[0])
        err_set(err, rc, "%s: %s", states[gc->state].name, err_name(rc));
    if (rc == 0)
        gc->state = states[gc->state].next;
    return rc < 0 ? rc : gc->state != GC_DONE;
}

int
gc_run(struct gc *gc, struct store_db *db, const struct gc_limits *limits, struct err *err)
{
    int rc;

    do
        rc = gc_step(gc, db, limits, err);
    while (rc == 1);
    return rc;
}

/* --- results --- */

enum gc_state
gc_state(const struct gc *gc)
{
    return gc->state;
}

const char *
gc_state_name(enum gc_state state)
{
    return states[state].name;
}

void
gc_stats(const struct gc *gc, struct gc_stats *ret)
{
    struct mark_stats marked;

    mark_stats(gc->mark, &marked);
    *ret = gc->stats;
    ret->trees = marked.trees;
    ret->missing_values = marked.missing_values;
    ret->damaged = marked.damaged;
}
