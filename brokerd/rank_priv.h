/* SPDX-License-Identifier: MPL-2.0 */
/* rank_priv.h - what the files of a rank share:
 *
 * rank.c          its life: the thread, the states, news for the starter
 * rank_build.c    the parts: made bottom up, taken down in the opposite order
 * rank_events.c   the wires: who is told when a part has something to tell
 *
 * Everything runs on the rank's thread, but for starting and stopping it. */
#ifndef XYLEM_RANK_PRIV_H
#define XYLEM_RANK_PRIV_H

#include "absent.h"
#include "attrs.h"
#include "checker.h"
#include "checkpoints.h"
#include "collector.h"
#include "connector.h"
#include "content.h"
#include "events.h"
#include "health.h"
#include "heap.h"
#include "kvs.h"
#include "members.h"
#include "notifier.h"
#include "overlay.h"
#include "rank.h"
#include "scrub.h"
#include "shutdown.h"
#include "stats.h"
#include "stats_get.h"
#include "stop_gc.h"
#include "store.h"

/* rank.c has the table. */
enum rank_state { RANK_STARTING, RANK_SERVING, RANK_FLUSHING, RANK_STOPPED, RANK_KILLED };

struct rank {
    struct rank_conf conf; // strings borrowed
    struct actor *actor;   // owned by the starter's side
    void *pipe;            // the thread's end
    enum rank_state state;
    int lock;          // owned fd of RUNDIR/rank-R.lock, or -1
    struct loop *loop; // owned, like all that follow
    struct heap heap;
    struct service_table *services;
    struct credit *credit; // of local clients
    struct router *router;
    struct content *content;
    struct checkpoints *checkpoints;
    struct checker *checker;
    struct scrub *scrub; // NULL without --scrub-rate
    struct collector *collector;
    struct attrs *attrs;
    struct health *health;
    struct members *members;
    struct stats *stats;
    struct stats_get *stats_get;
    struct events *events;
    struct absent *absent;
    struct notifier *notifier;
    struct shutdown *shutdown;
    struct kvs *kvs;     // NULL with --no-kvs
    struct store *store; // rank 0 with a backing store
    struct overlay *overlay;
    struct connector *connector;
    struct loop_source *commands; // the pipe
    struct content_waiter flushed;
    struct loop_timer flush_limit;
    struct loop_timer checkpoint_due;
    int64_t recorded;        // sequence of the last checkpoint this rank has recorded
    struct stop_gc *stop_gc; // from collect_garbage() on
    size_t unflushed;        // bytes: what was dirty when flush_limit was started
};

/* --- rank.c --- */
void rank_report(struct rank *r, enum rank_news news, const char *text);
void rank_report_if_complete(struct rank *r);

/* --- rank_build.c --- */
/* -errno with text; then what there is so far is to be taken down. */
int rank_build(struct rank *r, struct err *err);
/* After an orderly stop also: record a checkpoint, collect garbage if asked to. */
void rank_take_down(struct rank *r);

/* --- rank_events.c: with the rank as argument --- */
extern const struct overlay_ops rank_overlay_ops;
extern const struct connector_ops rank_connector_ops;
extern const struct store_ops rank_store_ops;
bool rank_on_event(void *rank, const struct msg *event);  // that the router hears
void rank_on_drop_cache(void *rank);                      // content.dropcache
void rank_on_damaged(void *rank, const struct digest *d); // the scrub has found such a row
void rank_on_shutdown_ready(void *rank);

#endif
