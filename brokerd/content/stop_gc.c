/* SPDX-License-Identifier: MPL-2.0 */
/* stop_gc.c - see stop_gc.h.
 *
 *   stop_gc_start()   wait until nothing is dirty, as the last checkpoint does
 *   on_stored()       one task of the store, behind the writes asked so far
 *   collect()         on the store's thread, all steps at once: nothing can come between (GC_OFFLINE)
 *   on_collected()    say what came of it
 *
 * When the store stops without having got there, content_cancel() ends the wait. */
#include "stop_gc.h"
#include "elog.h"
#include "gc.h"
#include "waiter.h"
#include "xmem.h"

#include <errno.h>
#include <inttypes.h>

struct stop_gc {
    struct content_waiter stored;
    struct task_waiter collected;
    struct store *store; // borrowed
    struct gc *gc;       // owned; the store's thread's while the task is under way
    struct err err;      // likewise
};

static int
collect(void *task, struct store_db *db)
{
    struct stop_gc *g = task;

    return gc_run(g->gc, db, &gc_limits_offline, &g->err);
}

static void
on_collected(struct task_waiter *w, int rc)
{
    struct stop_gc *g = container_of(w, struct stop_gc, collected);
    struct gc_stats stats;

    gc_stats(g->gc, &stats);
    if (rc < 0)
        elog(ELOG_ERR, "collecting garbage: %s", g->err.code ? g->err.text : err_name(rc));
    elog(ELOG_INFO, "garbage: removed %" PRIu64 " blobs of %" PRIu64 " bytes, kept %" PRIu64,
         stats.removed, stats.bytes, stats.kept);
}

/* Blobs that could not be stored are no reason to keep garbage: the disk may be full of it. */
static void
on_stored(struct content_waiter *w, int rc, const struct blob *none)
{
    struct stop_gc *g = container_of(w, struct stop_gc, stored);

    (void)none;
    if (rc == -ECANCELED)
        elog(ELOG_ERR, "collecting garbage: not begun, not everything could be stored");
    else
        store_run(g->store, collect, g, &g->collected);
}

struct stop_gc *
stop_gc_start(enum digest_alg alg, struct content *content, struct store *store)
{
    struct gc_conf conf = {.alg = alg, .mode = GC_OFFLINE};
    struct stop_gc *g = xcalloc(1, sizeof(*g));

    g->stored.fn = on_stored;
    g->collected.fn = on_collected;
    g->store = store;
    g->gc = gc_new(&conf);
    content_flush(content, &g->stored);
    return g;
}

void
stop_gc_free(struct stop_gc **p)
{
    struct stop_gc *g = TAKE(*p);

    if (!g)
        return;
    gc_free(&g->gc);
    free(g);
}
