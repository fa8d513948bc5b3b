/* SPDX-License-Identifier: MPL-2.0 */
/* rank_build.c - the parts of a rank:
 *
 *                 connector (local clients)      overlay (parent, children, remote clients)
 *                          \                      /
 *                           router  ->  services: content  kvs  checkpoints  attrs  health
 *                                                    |      |        |
 *                                                    store (rank 0), kvs actor (rank 0)
 */
#include "clock.h"
#include "elog.h"
#include "filelock.h"
#include "greeting.h"
#include "rank_priv.h"
#include "rundir.h"
#include "xmem.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define CHILDREN_MS 10000 // a shutdown waits this long for each level below: longer than a flush
#define STALL_MS 30000    // a client that lets others wait for the rest of its message
/* A message may carry more than a blob: a commit of many small values. */
#define PAYLOAD_MIN ((size_t)64 << 20)
#define STORE_PUT_BYTES ((size_t)8 << 20) // as much as the store takes into one group

/* What local clients may have in flight (I5). */
static const struct credit_limits client_limits = {
    .bytes = (size_t)16 << 20,
    .messages = 16384,
    .account_bytes = (size_t)8 << 20,
    .account_messages = 4096,
};

static void
on_distrust(void *arg)
{
    content_distrust_all(arg);
}

static void
on_removed(void *arg)
{
    kvs_collected(arg);
}

/* What the store takes at a time, or the window of the link to the parent (xylem-overlay(7)): all its
 * children together must not send a parent more than it has room for. */
static size_t
put_bytes(const struct rank *r)
{
    const struct topo *topo = &r->conf.topo;

    if (r->conf.rank == 0)
        return STORE_PUT_BYTES;
    return MAX(GREETING_WINDOW_MAX / topo_child_count(topo, topo_parent(topo, r->conf.rank)),
               GREETING_WINDOW_MIN);
}

/* Not so high that the numbers wrap soon. */
static uint32_t
anywhere(void)
{
    uint32_t number = 0;

    if (getrandom(&number, sizeof(number), GRND_NONBLOCK) != sizeof(number))
        number = (uint32_t)clock_ms();
    return number >> 2;
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
        .put_bytes = put_bytes(r),
    };
    struct kvs_conf kvs = {
        .rank = r->conf.rank,
        .alg = r->conf.hash,
        .blob_size_limit = r->conf.blob_size_limit,
        .maxdirent = r->conf.maxdirent,
    };
    struct router_patience patience = router_patience_of(r->conf.heartbeat_ms, r->conf.timeout_ms);

    r->services = service_table_new();
    r->credit = credit_new(&client_limits);
    r->router = router_new(r->conf.rank, r->services);
    router_serve_once(r->router, r->services);
    router_set_event_handler(r->router, rank_on_event, r);
    router_number_events(r->router, anywhere());
    router_set_patience(r->router, r->loop, &patience);
    r->content = content_new(&content, r->loop, r->router, r->services);
    r->checkpoints =
        checkpoints_new(r->conf.rank, r->conf.hash, r->router, r->content, r->services);
    r->collector = collector_new(r->conf.rank, r->conf.hash, r->loop, r->router, r->services);
    collector_set_distrust_handler(r->collector, on_distrust, r->content);
    r->checker = checker_new(r->conf.rank, r->conf.hash, r->router, r->content, r->services);
    r->attrs = attrs_new(r->router, r->services);
    r->health = health_new(r->conf.rank, &r->conf.topo, r->router, r->services);
    r->members = members_new(&(struct members_conf){r->conf.rank, r->conf.topo}, r->loop, r->router,
                             r->services);
    r->stats = stats_new(r->conf.rank, r->router, r->content, r->services);
    r->stats_get = stats_get_new(r->conf.hash, r->router, r->services);
    r->events = events_new(r->conf.rank, r->router, r->services);
    r->absent = absent_new(r->conf.rank, r->conf.backing, r->router, r->services);
    r->notifier = notifier_new(r->conf.rank, r->conf.notify_socket, r->router, r->services);
    r->shutdown =
        shutdown_new(r->conf.rank, &r->conf.topo, CHILDREN_MS, r->loop, r->router, r->services);
    router_set_metrics(r->router, stats_metrics(r->stats));
    kvs.metrics = stats_metrics(r->stats);
    if (r->conf.kvs)
        r->kvs = kvs_new(&kvs, r->router, r->content, r->services);
    if (r->kvs)
        collector_set_removed_handler(r->collector, on_removed, r->kvs);
    content_set_drop_handler(r->content, rank_on_drop_cache, r);
}

static size_t
max_payload(const struct rank *r)
{
    return MAX(r->conf.blob_size_limit, PAYLOAD_MIN);
}

static int
build_overlay(struct rank *r, struct err *err)
{
    struct overlay_conf conf = {
        .rank = r->conf.rank,
        .topo = r->conf.topo,
        .instance = r->conf.instance,
        .hash = digest_name(r->conf.hash),
        .endpoints = r->conf.endpoints,
        .listen = r->conf.listen,
        .nlisten = r->conf.nlisten,
        .heartbeat_ms = r->conf.heartbeat_ms,
        .torpid_ms = r->conf.torpid_ms,
        .timeout_ms = r->conf.timeout_ms,
        .cert = r->conf.cert,
        .keys = r->conf.keys,
        .authorized = r->conf.authorized,
        .max_payload = max_payload(r),
    };

    return overlay_new(&r->overlay, &conf, r->loop, &rank_overlay_ops, r, err);
}

/* The loop does not run yet, so nobody has been greeted. */
static int
exchange(struct rank *r, struct err *err)
{
    const struct rank_conf *c = &r->conf;

    int rc = c->exchange ? c->exchange(c->exchange_arg, overlay_uri(r->overlay), err) : 0;

    if (rc == 0)
        rc = overlay_learn_keys(r->overlay, err);
    if (rc == 0 && c->settled)
        rc = c->settled(c->exchange_arg, err);
    return rc;
}

static int
build_connector(struct rank *r, struct err *err)
{
    struct connector_conf conf = {.path = r->conf.local,
                                  .max_payload = max_payload(r),
                                  .credit = r->credit,
                                  .stall_ms = STALL_MS};

    return connector_new(&r->connector, &conf, r->loop, &rank_connector_ops, r, err);
}

/* Rank 0: the store, and the KVS on its roots. */
static int
build_lead(struct rank *r, struct err *err)
{
    struct store_conf conf = {
        .statedir = r->conf.statedir,
        .alg = r->conf.hash,
        .durability = r->conf.durability,
        .max_checkpoints = (int)r->conf.max_checkpoints,
        .layout = {(int64_t)r->conf.maxdirent, (int64_t)r->conf.blob_size_limit},
    };
    AUTO(store_recorded) struct store_recorded recorded = {.roots = NULL};

    if (r->conf.backing) {
        int rc = store_start(&r->store, &conf, r->loop, &rank_store_ops, r, &recorded, err);

        if (rc < 0)
            return rc;
        store_set_metrics(r->store, stats_metrics(r->stats));
        content_set_store(r->content, r->store);
        checkpoints_set_store(r->checkpoints, r->store);
        if (!r->conf.kvs)
            checkpoints_move_root(r->checkpoints, recorded.roots, recorded.nroots);
        checker_set_store(r->checker, r->store);
        if (r->conf.scrub_rate > 0)
            r->scrub = scrub_start(r->conf.hash, r->conf.scrub_rate, r->loop, r->store,
                                   rank_on_damaged, r);
        collector_set_store(r->collector, r->store, r->conf.statedir);
    }
    return r->kvs ? kvs_lead(r->kvs, r->store, &recorded, r->loop, err) : 0;
}

static void
record_checkpoint(struct rank *r)
{
    const struct store_root *root = r->kvs ? kvs_primary(r->kvs) : NULL;
    struct checkpoint checkpoint;

    if (!root || !r->store || root->sequence == 0)
        return;
    r->recorded = root->sequence;
    checkpoint = (struct checkpoint){root->root, root->sequence, clock_wall()};
    checkpoints_record(r->checkpoints, &checkpoint);
}

/* An idle instance does not push old checkpoints out with copies of the newest. */
static void
on_checkpoint_due(void *arg)
{
    struct rank *r = arg;
    const struct store_root *root = kvs_primary(r->kvs);

    if (root && root->sequence != r->recorded)
        record_checkpoint(r);
    loop_timer_start(r->loop, &r->checkpoint_due, r->conf.checkpoint_period_ms);
}

static void
start_checkpoints(struct rank *r)
{
    loop_timer_init(&r->checkpoint_due, on_checkpoint_due, r);
    if (r->conf.checkpoint_period_ms > 0 && r->store && r->kvs)
        loop_timer_start(r->loop, &r->checkpoint_due, r->conf.checkpoint_period_ms);
}

/* Of tcp://HOST:PORT, also tcp://[HOST]:PORT; what has another form is on this machine.  Where nothing is
 * known, nothing is said. */
static void
add_host(struct buf *list, const char *uri, const char *here)
{
    const char *host = uri && strncmp(uri, "tcp://", 6) == 0 ? uri + 6 : NULL;
    const char *end = host ? strrchr(host, ':') : NULL;

    if (!uri)
        return;
    if (!end) {
        buf_add_str(list, here);
    } else if (host[0] == '[' && end[-1] == ']') {
        buf_add(list, host + 1, (size_t)(end - host - 2));
    } else {
        buf_add(list, host, (size_t)(end - host));
    }
}

static void
set_hostlist(struct rank *r)
{
    AUTO(buf) struct buf list = BUF_INIT;
    char here[256] = "unknown";

    gethostname(here, sizeof(here) - 1);
    for (uint32_t i = 0; i < r->conf.topo.size; i++) {
        if (i > 0)
            buf_add_char(&list, ',');
        if (r->conf.hosts && r->conf.hosts[i])
            buf_add_str(&list, r->conf.hosts[i]);
        else
            add_host(&list, r->conf.endpoints[i], here);
    }
    attrs_set(r->attrs, "hostlist", buf_str(&list));
}

static void
set_attrs(struct rank *r)
{
    char number[32];
    AUTO(free) char *uri = xasprintf("local://%s", r->conf.local);

    snprintf(number, sizeof(number), "%u", r->conf.rank);
    attrs_set(r->attrs, "rank", number);
    snprintf(number, sizeof(number), "%u", r->conf.topo.size);
    attrs_set(r->attrs, "size", number);
    snprintf(number, sizeof(number), "%u", r->conf.topo.fanout);
    attrs_set(r->attrs, "tbon.fanout", number);
    attrs_set(r->attrs, "tbon.endpoint", overlay_uri(r->overlay));
    snprintf(number, sizeof(number), "%llu", (unsigned long long)r->conf.blob_size_limit);
    attrs_set(r->attrs, "content.blob-size-limit", number);
    snprintf(number, sizeof(number), "%llu", (unsigned long long)r->conf.maxdirent);
    attrs_set(r->attrs, "kvs.maxdirent", number);
    attrs_set(r->attrs, "content.hash", digest_name(r->conf.hash));
    snprintf(number, sizeof(number), "%d", (int)getpid());
    attrs_set(r->attrs, "broker.pid", number);
    set_hostlist(r);
    attrs_set(r->attrs, "version", XYLEM_VERSION);
    attrs_set(r->attrs, "instance", r->conf.instance);
    attrs_set(r->attrs, "instance-level", "0");
    attrs_set(r->attrs, "local-uri", uri);
    attrs_set(r->attrs, "rundir", r->conf.rundir);
    if (r->conf.rank == 0 && r->conf.statedir)
        attrs_set(r->attrs, "statedir", r->conf.statedir);
}

int
rank_build(struct rank *r, struct err *err)
{
    int rc;

    r->loop = loop_new();
    heap_watch(&r->heap, r->loop);
    build_services(r);
    if ((rc = rundir_lock(&r->lock, r->conf.rundir, r->conf.rank, FILELOCK_DYING_MS, err)) < 0 ||
        (rc = build_overlay(r, err)) < 0 || (rc = exchange(r, err)) < 0)
        return rc;
    router_attach(r->router, r->overlay, NULL);
    if (r->conf.rank == 0 && (rc = build_lead(r, err)) < 0)
        return rc;
    if ((rc = build_connector(r, err)) < 0)
        return rc;
    router_attach(r->router, r->overlay, r->connector);
    health_attach(r->health, r->overlay);
    members_attach(r->members, r->overlay);
    stats_attach(r->stats, &(struct stats_sources){r->overlay, r->connector, r->credit, r->kvs,
                                                   r->store, r->scrub});
    stats_get_attach(r->stats_get,
                     &(struct stats_get_sources){r->content, stats_metrics(r->stats), r->kvs,
                                                 r->store, r->conf.durability, kvs_watches});
    events_attach(r->events, r->overlay, r->connector);
    shutdown_attach(r->shutdown, r->overlay, r->store != NULL, rank_on_shutdown_ready, r);
    set_attrs(r);
    start_checkpoints(r);
    return 0;
}

/* --- taking down --- */

/* Rank 0, asked to by a shutdown. */
static void
collect_garbage(struct rank *r)
{
    if (r->store && shutdown_wants_gc(r->shutdown))
        r->stop_gc = stop_gc_start(r->conf.hash, r->content, r->store);
}

/* What is ended behind it is not heard of by anybody. */
static void
fall_silent(struct rank *r)
{
    connector_free(&r->connector);
    router_attach(r->router, r->overlay, NULL);
    events_attach(r->events, r->overlay, NULL);
    overlay_mute(r->overlay);
}

/* Clients are answered as long as possible: what fails below them ends as an error they see. */
void
rank_take_down(struct rank *r)
{
    if (r->state == RANK_KILLED)
        fall_silent(r);
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
    checkpoints_set_store(r->checkpoints, NULL);
    collector_set_store(r->collector, NULL, NULL);
    stats_get_attach(r->stats_get, &(struct stats_get_sources){.content = r->content});
    content_cancel(r->content);
    stop_gc_free(&r->stop_gc);
    connector_free(&r->connector);
    router_attach(r->router, r->overlay, NULL);
    events_attach(r->events, r->overlay, NULL);
    content_free(&r->content);
    kvs_free(&r->kvs);
    health_free(&r->health);
    members_free(&r->members);
    shutdown_free(&r->shutdown);
    attrs_free(&r->attrs);
    checkpoints_free(&r->checkpoints);
    checker_free(&r->checker);
    scrub_free(&r->scrub);
    collector_free(&r->collector);
    loop_timer_stop(&r->flush_limit);
    loop_timer_stop(&r->checkpoint_due);
    loop_remove(&r->commands);
    overlay_free(&r->overlay);
    events_free(&r->events);
    stats_get_free(&r->stats_get);
    absent_free(&r->absent);
    notifier_free(&r->notifier);
    router_free(&r->router);
    credit_free(&r->credit);
    stats_free(&r->stats); // others have counted into it
    service_table_free(&r->services);
    loop_free(&r->loop);
    rundir_unlock(&r->lock, r->conf.rundir, r->conf.rank);
}
