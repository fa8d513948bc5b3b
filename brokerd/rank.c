/* SPDX-License-Identifier: MPL-2.0 */
/* rank.c - see rank.h.  Builds the parts of a rank bottom up, wires them together, and takes them
 * down in the opposite order.  Everything here runs on the rank's thread.
 *
 *                 connector (local clients)      overlay (parent, children, remote clients)
 *                          \                      /
 *                           router  ->  services: content  kvs  checkpoints  attrs  health
 *                                                    |      |        |
 *                                                    store (rank 0), kvs actor (rank 0)
 *
 * state      started        stop asked                     nothing dirty, or none less in FLUSH_MS
 * STARTING   SERVING        -                              -
 * SERVING    -              FLUSHING (rank > 0), STOPPED   -
 * FLUSHING   -              -                              STOPPED
 *
 * A shutdown of the instance (shutdown.c) is served while SERVING; its end is news for the starter, who
 * asks for the stop.
 */
#include "rank.h"
#include "actor.h"
#include "attrs.h"
#include "checker.h"
#include "checkpoints.h"
#include "clock.h"
#include "collector.h"
#include "elog.h"
#include "health.h"
#include "kvs.h"
#include "scrub.h"
#include "shutdown.h"
#include "stats.h"
#include "stop_gc.h"
#include "waiter.h"
#include "xmem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define FLUSH_MS 5000     // an orderly stop waits this long for the parent to take more blobs
#define CHILDREN_MS 10000 // a shutdown waits this long for each level below: longer than a flush
#define STALL_MS 30000    // a client that lets others wait for the rest of its message
/* A message may carry more than a blob: a commit of many small values. */
#define PAYLOAD_MIN ((size_t)64 << 20)

/* What local clients may have in flight (I5). */
static const struct credit_limits client_limits = {
    .bytes = (size_t)16 << 20,
    .messages = 16384,
    .account_bytes = (size_t)8 << 20,
    .account_messages = 4096,
};

enum rank_state { RANK_STARTING, RANK_SERVING, RANK_FLUSHING, RANK_STOPPED };

struct rank {
    struct rank_conf conf; // strings borrowed
    struct actor *actor;   // owned by the starter's side
    void *pipe;            // the thread's end
    enum rank_state state;
    int lock;          // owned fd of RUNDIR/rank-R.lock, or -1
    struct loop *loop; // owned, like all that follow
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
    struct stats *stats;
    struct shutdown *shutdown;
    struct kvs *kvs;     // NULL with --no-kvs
    struct store *store; // rank 0 with a backing store
    struct overlay *overlay;
    struct connector *connector;
    struct loop_source *commands; // the pipe
    struct content_waiter flushed;
    struct loop_timer flush_limit;
    struct stop_gc *stop_gc; // from collect_garbage() on
    size_t unflushed;        // bytes: what was dirty when flush_limit was started
};

/* --- news for the starter --- */

static void
report(struct rank *r, enum rank_news news, const char *text)
{
    struct rank_report *item = xmalloc(sizeof(*item));

    *item = (struct rank_report){news, xstrdup(text)};
    actor_post(r->pipe, item);
}

void
rank_report_free(struct rank_report **item)
{
    if (!*item)
        return;
    free((*item)->text);
    free(TAKE(*item));
}

static void
report_if_complete(struct rank *r)
{
    bool joined = r->conf.rank == 0 || overlay_parent_is_online(r->overlay);

    if (joined && overlay_status(r->overlay) == SUBTREE_FULL)
        report(r, RANK_COMPLETE, "");
}

/* --- events of the overlay and the connector --- */

/* Clients must not make more of what is to be flushed. */
static bool
is_leaving(const struct rank *r)
{
    return r->state == RANK_FLUSHING || shutdown_is_under_way(r->shutdown);
}

static void
on_message(void *arg, const struct overlay_from *from, struct msg *m)
{
    struct rank *r = arg;
    struct origin client = {.kind = ORIGIN_CLIENT, .peer = from->peer};

    if (from->kind == OVERLAY_CLIENT && is_leaving(r) &&
        shutdown_turn_away(r->shutdown, &client, m))
        return;
    router_from_overlay(r->router, from, m);
}

static void
on_parent_changed(void *arg, bool online)
{
    struct rank *r = arg;

    router_parent_changed(r->router, online);
    if (!online)
        return;
    content_distrust_all(r->content);
    if (r->kvs)
        kvs_parent_online(r->kvs);
    report_if_complete(r);
}

static void
on_child_gone(void *arg, uint32_t rank)
{
    struct rank *r = arg;

    router_child_gone(r->router, rank);
    shutdown_child_gone(r->shutdown);
}

static void
on_status_changed(void *arg, enum subtree_status status)
{
    struct rank *r = arg;

    health_status_changed(r->health, status);
    report_if_complete(r);
}

static void
on_refused(void *arg, const char *text)
{
    struct rank *r = arg;

    elog(ELOG_ERR, "the parent refused this rank: %s", text);
    report(r, RANK_REFUSED, text);
}

static void
on_drained(void *arg, const struct overlay_from *from)
{
    struct rank *r = arg;

    router_neighbour_drained(r->router, from);
}

static void
on_client_message(void *arg, uint64_t conn, struct msg *m, struct credit_charge *charge)
{
    struct rank *r = arg;
    struct origin client = {.kind = ORIGIN_CONN, .conn = conn};

    if (is_leaving(r) && shutdown_turn_away(r->shutdown, &client, m))
        return;
    router_from_conn(r->router, conn, m, charge);
}

static void
on_client_drained(void *arg, uint64_t conn)
{
    struct rank *r = arg;

    router_conn_drained(r->router, conn);
}

static void
on_client_closed(void *arg, uint64_t conn)
{
    struct rank *r = arg; // answers under way are dropped by the connector

    router_conn_closed(r->router, conn);
    health_forget(r->health, conn);
    checker_forget(r->checker, conn);
    collector_forget(r->collector, conn);
    if (r->kvs)
        kvs_forget(r->kvs, conn);
}

static void
on_event(void *arg, const struct msg *event)
{
    struct rank *r = arg;

    if (shutdown_on_event(r->shutdown, event) || content_on_event(r->content, event))
        return;
    if (r->kvs)
        kvs_on_event(r->kvs, event);
}

static void
on_drop_cache(void *arg)
{
    struct rank *r = arg;

    if (r->kvs)
        kvs_drop_cache(r->kvs);
}

/* --- answers of the store --- */

static void
on_loaded(void *arg, uint32_t tag, int rc, const struct blob *b)
{
    content_store_loaded(((struct rank *)arg)->content, tag, rc, b);
}

static void
on_stored(void *arg, uint32_t tag, int rc)
{
    content_store_stored(((struct rank *)arg)->content, tag, rc);
}

static void
on_changed(void *arg, void *cookie, int rc, struct store_change **change)
{
    struct change_waiter *w = cookie;

    (void)arg;
    w->fn(w, rc, change);
}

static void
on_checkpoints(void *arg, void *cookie, int rc, const struct checkpoint *list, size_t count)
{
    struct checkpoints_waiter *w = cookie;

    (void)arg;
    w->fn(w, rc, list, count);
}

static void
on_validated(void *arg, void *cookie, int rc)
{
    struct validate_waiter *w = cookie;

    (void)arg;
    w->fn(w, rc);
}

static void
on_ran(void *arg, void *cookie, int rc)
{
    struct task_waiter *w = cookie;

    (void)arg;
    w->fn(w, rc);
}

/* The scrub has found a row that is not what it was. */
static void
on_damaged(void *arg, const struct digest *d)
{
    struct rank *r = arg;

    content_heal(r->content, d);
}

/* --- building --- */

/* Is the file we have locked still the one at `path`?  Another broker may have removed it between our
 * open and our lock. */
static bool
is_same_file(int fd, const char *path)
{
    struct stat ours;
    struct stat there;

    return fstat(fd, &ours) == 0 && stat(path, &there) == 0 && ours.st_ino == there.st_ino;
}

/* One process for a rank and run directory: binding an ipc:// or UNIX socket would otherwise take it
 * away from a living one. */
static int
lock_rundir(struct rank *r, struct err *err)
{
    AUTO(free) char *path = xasprintf("%s/rank-%u.lock", r->conf.rundir, r->conf.rank);

    for (;;) {
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

        if (fd < 0)
            return err_set(err, -errno, "%s: %s", path, err_name(errno));
        if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
            close(fd);
            return err_set(err, -EBUSY, "%s: another broker runs as rank %u here", path,
                           r->conf.rank);
        }
        if (is_same_file(fd, path)) {
            r->lock = fd;
            return 0;
        }
        close(fd);
    }
}

static void
unlock_rundir(struct rank *r)
{
    AUTO(free) char *path = xasprintf("%s/rank-%u.lock", r->conf.rundir, r->conf.rank);

    if (r->lock < 0)
        return;
    unlink(path);
    close(r->lock);
}

static void
on_distrust(void *arg)
{
    content_distrust_all(arg);
}

static void
build_services(struct rank *r)
{
    struct content_conf content = {
        .rank = r->conf.rank,
        .alg = r->conf.hash,
        .durability = r->conf.durability,
        .retain = r->conf.rank == 0 && !r->conf.backing,
        .cache_limit = r->conf.cache_size,
        .blob_size_limit = r->conf.blob_size_limit,
    };
    struct kvs_conf kvs = {
        .rank = r->conf.rank, .alg = r->conf.hash, .blob_size_limit = r->conf.blob_size_limit};

    r->services = service_table_new();
    r->credit = credit_new(&client_limits);
    r->router = router_new(r->conf.rank, r->services);
    router_set_event_handler(r->router, on_event, r);
    r->content = content_new(&content, r->loop, r->router, r->services);
    r->checkpoints =
        checkpoints_new(r->conf.rank, r->conf.hash, r->router, r->content, r->services);
    r->collector = collector_new(r->conf.rank, r->conf.hash, r->loop, r->router, r->services);
    collector_set_distrust_handler(r->collector, on_distrust, r->content);
    r->checker = checker_new(r->conf.rank, r->conf.hash, r->router, r->content, r->services);
    r->attrs = attrs_new(r->router, r->services);
    r->health = health_new(r->conf.rank, &r->conf.topo, r->router, r->services);
    r->stats = stats_new(r->conf.rank, r->router, r->content, r->services);
    r->shutdown =
        shutdown_new(r->conf.rank, &r->conf.topo, CHILDREN_MS, r->loop, r->router, r->services);
    router_set_metrics(r->router, stats_metrics(r->stats));
    kvs.metrics = stats_metrics(r->stats);
    if (r->conf.kvs)
        r->kvs = kvs_new(&kvs, r->router, r->content, r->services);
    content_set_drop_handler(r->content, on_drop_cache, r);
}

static size_t
max_payload(const struct rank *r)
{
    return MAX(r->conf.blob_size_limit, PAYLOAD_MIN);
}

static int
build_overlay(struct rank *r, struct err *err)
{
    static const struct overlay_ops ops = {on_message,        on_parent_changed, on_child_gone,
                                           on_status_changed, on_refused,        on_drained};
    struct overlay_conf conf = {
        .rank = r->conf.rank,
        .topo = r->conf.topo,
        .instance = r->conf.instance,
        .hash = digest_name(r->conf.hash),
        .endpoints = r->conf.endpoints,
        .listen = r->conf.listen,
        .nlisten = r->conf.nlisten,
        .heartbeat_ms = r->conf.heartbeat_ms,
        .timeout_ms = r->conf.timeout_ms,
        .max_payload = max_payload(r),
    };

    return overlay_new(&r->overlay, &conf, r->loop, &ops, r, err);
}

static int
build_connector(struct rank *r, struct err *err)
{
    static const struct connector_ops ops = {on_client_message, on_client_drained,
                                             on_client_closed};

    struct connector_conf conf = {.path = r->conf.local,
                                  .max_payload = max_payload(r),
                                  .credit = r->credit,
                                  .stall_ms = STALL_MS};

    return connector_new(&r->connector, &conf, r->loop, &ops, r, err);
}

/* Rank 0: the store, and the KVS on its roots. */
static int
build_lead(struct rank *r, struct err *err)
{
    static const struct store_ops ops = {on_loaded,      on_stored,    on_changed,
                                         on_checkpoints, on_validated, on_ran};
    struct store_conf conf = {
        .statedir = r->conf.statedir,
        .alg = r->conf.hash,
        .durability = r->conf.durability,
        .max_checkpoints = (int)r->conf.max_checkpoints,
    };
    AUTO(free) struct store_root *roots = NULL;
    size_t nroots = 0;

    if (r->conf.backing) {
        int rc = store_start(&r->store, &conf, r->loop, &ops, r, &roots, &nroots, err);

        if (rc < 0)
            return rc;
        store_set_metrics(r->store, stats_metrics(r->stats));
        content_set_store(r->content, r->store);
        checkpoints_set_store(r->checkpoints, r->store, !r->conf.kvs);
        checker_set_store(r->checker, r->store);
        if (r->conf.scrub_rate > 0)
            r->scrub =
                scrub_start(r->conf.hash, r->conf.scrub_rate, r->loop, r->store, on_damaged, r);
        collector_set_store(r->collector, r->store, r->conf.statedir);
    }
    return r->kvs ? kvs_lead(r->kvs, r->store, roots, nroots, r->loop, err) : 0;
}

static void
on_shutdown_ready(void *arg)
{
    report(arg, RANK_SHUTDOWN, "");
}

static void
set_attrs(struct rank *r)
{
    char number[32];
    char hostname[256] = "unknown";
    AUTO(free) char *uri = xasprintf("local://%s", r->conf.local);

    gethostname(hostname, sizeof(hostname) - 1);
    snprintf(number, sizeof(number), "%u", r->conf.rank);
    attrs_set(r->attrs, "rank", number);
    snprintf(number, sizeof(number), "%u", r->conf.topo.size);
    attrs_set(r->attrs, "size", number);
    snprintf(number, sizeof(number), "%u", r->conf.topo.fanout);
    attrs_set(r->attrs, "tbon.fanout", number);
    attrs_set(r->attrs, "tbon.endpoint", overlay_uri(r->overlay));
    snprintf(number, sizeof(number), "%llu", (unsigned long long)r->conf.blob_size_limit);
    attrs_set(r->attrs, "content.blob-size-limit", number);
    attrs_set(r->attrs, "content.hash", digest_name(r->conf.hash));
    snprintf(number, sizeof(number), "%d", (int)getpid());
    attrs_set(r->attrs, "broker.pid", number);
    attrs_set(r->attrs, "hostlist", hostname);
    attrs_set(r->attrs, "version", XYLEM_VERSION);
    attrs_set(r->attrs, "instance", r->conf.instance);
    attrs_set(r->attrs, "instance-level", "0");
    attrs_set(r->attrs, "local-uri", uri);
    attrs_set(r->attrs, "rundir", r->conf.rundir);
    if (r->conf.rank == 0 && r->conf.statedir)
        attrs_set(r->attrs, "statedir", r->conf.statedir);
}

static int
build(struct rank *r, struct err *err)
{
    int rc;

    r->loop = loop_new();
    build_services(r);
    if ((rc = lock_rundir(r, err)) < 0 || (rc = build_overlay(r, err)) < 0)
        return rc;
    router_attach(r->router, r->overlay, NULL);
    if (r->conf.rank == 0 && (rc = build_lead(r, err)) < 0)
        return rc;
    if ((rc = build_connector(r, err)) < 0)
        return rc;
    router_attach(r->router, r->overlay, r->connector);
    health_attach(r->health, r->overlay);
    stats_attach(r->stats, &(struct stats_sources){r->overlay, r->connector, r->credit, r->kvs,
                                                   r->store, r->scrub});
    shutdown_attach(r->shutdown, r->overlay, r->store != NULL, on_shutdown_ready, r);
    set_attrs(r);
    return 0;
}

/* --- taking down --- */

static void
record_checkpoint(struct rank *r)
{
    const struct store_root *root = r->kvs ? kvs_primary(r->kvs) : NULL;
    struct checkpoint checkpoint;

    if (!root || !r->store || root->sequence == 0)
        return;
    checkpoint = (struct checkpoint){root->root, root->sequence, clock_wall()};
    checkpoints_record(r->checkpoints, &checkpoint);
}

/* Rank 0, asked to by a shutdown. */
static void
collect_garbage(struct rank *r)
{
    if (r->store && shutdown_wants_gc(r->shutdown))
        r->stop_gc = stop_gc_start(r->conf.hash, r->content, r->store);
}

/* Clients are answered as long as possible: what fails below them ends as an error they see. */
static void
take_down(struct rank *r)
{
    router_cancel_calls(r->router);
    if (r->kvs)
        kvs_stop_leading(r->kvs);
    if (r->state == RANK_STOPPED)
        record_checkpoint(r);
    if (r->state == RANK_STOPPED)
        collect_garbage(r);
    checker_stop(r->checker);
    scrub_stop(r->scrub);
    store_stop(&r->store);
    content_set_store(r->content, NULL);
    checkpoints_set_store(r->checkpoints, NULL, false);
    collector_set_store(r->collector, NULL, NULL);
    content_cancel(r->content);
    stop_gc_free(&r->stop_gc);
    connector_free(&r->connector);
    router_attach(r->router, r->overlay, NULL);
    content_free(&r->content);
    kvs_free(&r->kvs);
    health_free(&r->health);
    shutdown_free(&r->shutdown);
    attrs_free(&r->attrs);
    checkpoints_free(&r->checkpoints);
    checker_free(&r->checker);
    scrub_free(&r->scrub);
    collector_free(&r->collector);
    loop_timer_stop(&r->flush_limit);
    loop_remove(&r->commands);
    overlay_free(&r->overlay);
    router_free(&r->router);
    credit_free(&r->credit);
    stats_free(&r->stats); // others have counted into it
    service_table_free(&r->services);
    loop_free(&r->loop);
    unlock_rundir(r);
}

/* --- the thread --- */

static void
stop_now(struct rank *r)
{
    r->state = RANK_STOPPED;
    loop_stop(r->loop);
}

static void
on_flushed(struct content_waiter *w, int rc, const struct blob *none)
{
    struct rank *r = container_of(w, struct rank, flushed);

    (void)none;
    if (rc < 0)
        elog(ELOG_WARN, "some blobs did not reach the parent: %s", err_name(rc));
    if (r->state == RANK_FLUSHING)
        stop_now(r);
}

static void
watch_flush(struct rank *r)
{
    r->unflushed = content_cache_stats(r->content)->dirty_bytes;
    loop_timer_start(r->loop, &r->flush_limit, FLUSH_MS);
}

static void
on_flush_limit(void *arg)
{
    struct rank *r = arg;

    if (content_cache_stats(r->content)->dirty_bytes < r->unflushed) {
        watch_flush(r); // much to do, but it gets on
        return;
    }
    elog(ELOG_WARN, "gave up waiting for the parent to take the last blobs");
    stop_now(r);
}

static bool
on_command(void *arg)
{
    struct rank *r = arg;
    void *item;
    int rc = actor_recv(r->pipe, false, &item);

    if (rc != -ETERM || r->state != RANK_SERVING)
        return false;
    r->state = RANK_FLUSHING;
    r->flushed.fn = on_flushed;
    if (r->conf.rank == 0) {
        stop_now(r); // the store finishes what it was asked
    } else {
        watch_flush(r);
        content_flush(r->content, &r->flushed);
    }
    return false;
}

static int
start(void *arg, void *pipe, struct err *err)
{
    struct rank *r = arg;
    AUTO(free) char *name = xasprintf("rank %u", r->conf.rank);
    int rc;

    elog_set_name(name);
    r->pipe = pipe;
    loop_timer_init(&r->flush_limit, on_flush_limit, r);
    rc = build(r, err);
    if (rc < 0) {
        take_down(r);
        return rc;
    }
    r->state = RANK_SERVING;
    return 0;
}

static void
run(void *arg, void *pipe)
{
    struct rank *r = arg;

    r->commands = loop_add_zmq(r->loop, pipe, on_command, r);
    report_if_complete(r);
    loop_run(r->loop);
    take_down(r);
}

int
rank_start(struct rank **ret, const struct rank_conf *conf, struct err *err)
{
    static const struct actor_ops ops = {"rank", start, run};
    struct rank *r = xcalloc(1, sizeof(*r));
    int rc;

    r->conf = *conf;
    r->lock = -1;
    rc = actor_start(&r->actor, &ops, r, err);
    if (rc < 0) {
        free(r);
        return rc;
    }
    *ret = r;
    return 0;
}

static void
drop_report(void *arg, void *item)
{
    struct rank_report *unread = item;

    (void)arg;
    rank_report_free(&unread);
}

void
rank_stop(struct rank **rank)
{
    struct rank *r = TAKE(*rank);

    if (!r)
        return;
    actor_stop(&r->actor, drop_report, NULL);
    free(r);
}

void *
rank_pipe(struct rank *r)
{
    return actor_pipe(r->actor);
}
