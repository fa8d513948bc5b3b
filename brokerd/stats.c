/* SPDX-License-Identifier: MPL-2.0 */
/* stats.c - see stats.h; the rows are in metric_table.h. */
#include "stats.h"
#include "clock.h"
#include "xmem.h"

#include <stdio.h>
#include <unistd.h>

struct stats {
    uint32_t rank;
    int64_t started;              // ms
    struct router *router;        // borrowed
    struct content *content;      // borrowed
    struct stats_sources sources; // all NULL until attached
    struct metrics *metrics;      // owned
};

/* --- collecting --- */

/* 0 if the system does not tell. */
static uint64_t
resident_bytes(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    unsigned long long size, resident;
    bool known = file && fscanf(file, "%llu %llu", &size, &resident) == 2;

    if (file)
        fclose(file);
    return known ? resident * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

static void
collect_process(struct stats *s, struct metrics *m)
{
    metrics_set(m, METRIC_PROCESS_UPTIME, (uint64_t)(clock_ms() - s->started) / 1000);
    metrics_set(m, METRIC_PROCESS_RESIDENT, resident_bytes());
}

static void
collect_cache(const struct cache_stats *c, struct metrics *m)
{
    metrics_set(m, METRIC_CACHE_LOADS, c->loads);
    metrics_set(m, METRIC_CACHE_HITS, c->hits);
    metrics_set(m, METRIC_CACHE_MISSES, c->misses);
    metrics_set(m, METRIC_CACHE_COALESCED, c->coalesced);
    metrics_set(m, METRIC_CACHE_STORES, c->stores);
    metrics_set(m, METRIC_CACHE_STORES_CLEAN, c->stores_clean);
    metrics_set(m, METRIC_CACHE_EVICTIONS, c->evictions);
    metrics_set(m, METRIC_CACHE_VERIFY_FAILURES, c->verify_failures);
    metrics_set(m, METRIC_CACHE_FETCHES, c->fetches);
    metrics_set(m, METRIC_CACHE_PUTS, c->puts);
    metrics_set(m, METRIC_CACHE_ENTRIES, c->entries);
    metrics_set(m, METRIC_CACHE_BYTES, c->bytes);
    metrics_set(m, METRIC_CACHE_DIRTY_ENTRIES, c->dirty_entries);
    metrics_set(m, METRIC_CACHE_DIRTY_BYTES, c->dirty_bytes);
    metrics_set(m, METRIC_CACHE_LOADING, c->loading);
    metrics_set(m, METRIC_CACHE_STORING, c->storing);
    metrics_set(m, METRIC_CACHE_STORING_BYTES, c->storing_bytes);
}

static void
collect_content(const struct content_stats *c, struct metrics *m)
{
    metrics_set(m, METRIC_CONTENT_HEALED, c->healed);
    metrics_set(m, METRIC_CONTENT_SALVAGES, c->salvages);
    metrics_set(m, METRIC_CONTENT_HELD, c->held);
}

static void
collect_router(const struct router_stats *r, struct metrics *m)
{
    metrics_set(m, METRIC_ROUTER_REQUESTS, r->requests);
    metrics_set(m, METRIC_ROUTER_RESPONSES, r->responses);
    metrics_set(m, METRIC_ROUTER_ERRORS, r->errors);
    metrics_set(m, METRIC_ROUTER_FORWARDED, r->forwarded);
    metrics_set(m, METRIC_ROUTER_CALLS, r->calls);
    metrics_set(m, METRIC_ROUTER_REPLAYED, r->replayed);
    metrics_set(m, METRIC_ROUTER_PARKINGS, r->parkings);
    metrics_set(m, METRIC_ROUTER_PARKED, r->parked);
    metrics_set(m, METRIC_ROUTER_REFUSED, r->refused);
    metrics_set(m, METRIC_ROUTER_PENDING, r->pending);
}

struct neighbour_rows {
    enum metric in_messages, in_bytes, out_messages, out_bytes, full, unacked;
};

static const struct neighbour_rows neighbours[] = {
    [OVERLAY_PARENT] = {METRIC_PARENT_IN_MESSAGES, METRIC_PARENT_IN_BYTES,
                        METRIC_PARENT_OUT_MESSAGES, METRIC_PARENT_OUT_BYTES, METRIC_PARENT_FULL,
                        METRIC_PARENT_UNACKED_BYTES},
    [OVERLAY_CHILD] = {METRIC_CHILDREN_IN_MESSAGES, METRIC_CHILDREN_IN_BYTES,
                       METRIC_CHILDREN_OUT_MESSAGES, METRIC_CHILDREN_OUT_BYTES,
                       METRIC_CHILDREN_FULL, METRIC_CHILDREN_UNACKED_BYTES},
    [OVERLAY_CLIENT] = {METRIC_REMOTE_IN_MESSAGES, METRIC_REMOTE_IN_BYTES,
                        METRIC_REMOTE_OUT_MESSAGES, METRIC_REMOTE_OUT_BYTES, METRIC_REMOTE_FULL,
                        METRIC_REMOTE_UNACKED_BYTES},
};

static void
collect_overlay(const struct overlay_stats *o, struct metrics *m)
{
    for (size_t kind = 0; kind < ARRAY_SIZE(neighbours); kind++) {
        const struct neighbour_rows *rows = &neighbours[kind];

        metrics_set(m, rows->in_messages, o->received[kind].messages);
        metrics_set(m, rows->in_bytes, o->received[kind].bytes);
        metrics_set(m, rows->out_messages, o->sent[kind].messages);
        metrics_set(m, rows->out_bytes, o->sent[kind].bytes);
        metrics_set(m, rows->full, o->full[kind]);
        metrics_set(m, rows->unacked, o->unacked[kind]);
    }
    metrics_set(m, METRIC_REMOTE_CLIENTS, o->clients);
    metrics_set(m, METRIC_REMOTE_CUT, o->clients_cut);
    metrics_set(m, METRIC_REMOTE_LET_IN, o->let_in);
    metrics_set(m, METRIC_REMOTE_REFUSED, o->refused);
}

static void
collect_local(const struct connector_stats *c, const struct credit_stats *credit, struct metrics *m)
{
    metrics_set(m, METRIC_CLIENTS, c->clients);
    metrics_set(m, METRIC_LOCAL_IN_MESSAGES, c->messages_in);
    metrics_set(m, METRIC_LOCAL_IN_BYTES, c->bytes_in);
    metrics_set(m, METRIC_LOCAL_OUT_MESSAGES, c->messages_out);
    metrics_set(m, METRIC_LOCAL_OUT_BYTES, c->bytes_out);
    metrics_set(m, METRIC_LOCAL_HELD, c->held);
    metrics_set(m, METRIC_LOCAL_OUTPUT_BYTES, c->output_bytes);
    metrics_set(m, METRIC_LOCAL_CUT, c->cut_off);
    metrics_set(m, METRIC_LOCAL_REFUSED, c->refused);
    metrics_set(m, METRIC_LOCAL_PENDING, credit->messages);
    metrics_set(m, METRIC_LOCAL_PENDING_BYTES, credit->bytes);
    metrics_set(m, METRIC_LOCAL_WAITING, credit->waiting);
    metrics_set(m, METRIC_LOCAL_REFUSALS, credit->refusals);
}

static void
collect_store(const struct store *store, struct metrics *m)
{
    struct store_stats s;

    store_stats(store, &s);
    metrics_set(m, METRIC_STORE_BATCHES, s.batches);
    metrics_set(m, METRIC_STORE_ROWS, s.rows);
    metrics_set(m, METRIC_STORE_LOADS, s.loads);
    metrics_set(m, METRIC_STORE_LOAD_FAILURES, s.load_failures);
    metrics_set(m, METRIC_STORE_PUT_FAILURES, s.put_failures);
    metrics_set(m, METRIC_STORE_READ_BYTES, s.bytes_read);
    metrics_set(m, METRIC_STORE_WRITTEN_BYTES, s.bytes_written);
    metrics_set(m, METRIC_STORE_QUEUED, s.queued);
}

static void
collect_scrub(const struct scrub *scrub, struct metrics *m)
{
    struct scrub_stats s;

    scrub_stats(scrub, &s);
    metrics_set(m, METRIC_SCRUB_BLOBS, s.blobs);
    metrics_set(m, METRIC_SCRUB_BYTES, s.bytes);
    metrics_set(m, METRIC_SCRUB_DAMAGED, s.damaged);
    metrics_set(m, METRIC_SCRUB_PASSES, s.passes);
}

static void
collect_kvs(const struct kvs *k, struct metrics *m)
{
    metrics_set(m, METRIC_KVS_VERSION_WAITS, kvs_waits(k));
    metrics_set(m, METRIC_KVS_WATCHES, kvs_watches(k, NULL));
    metrics_set(m, METRIC_KVS_VERSIONS, kvs_version_count(k));
}

static void
collect(struct stats *s)
{
    const struct stats_sources *from = &s->sources;
    struct metrics *m = s->metrics;

    collect_process(s, m);
    collect_cache(content_cache_stats(s->content), m);
    collect_content(content_stats(s->content), m);
    collect_router(router_stats(s->router), m);
    if (from->overlay)
        collect_overlay(overlay_stats(from->overlay), m);
    if (from->connector)
        collect_local(connector_stats(from->connector), credit_stats(from->credit), m);
    if (from->kvs)
        collect_kvs(from->kvs, m);
    if (from->store)
        collect_store(from->store, m);
    if (from->scrub)
        collect_scrub(from->scrub, m);
}

/* --- stats.get --- */

static void
serve_stats(void *arg, struct request *req)
{
    struct stats *s = arg;
    AUTO(buf) struct buf json = BUF_INIT;

    collect(s);
    buf_printf(&json, "{\"rank\":%u,", s->rank);
    metrics_write_json(s->metrics, &json);
    buf_add_char(&json, '}');
    router_respond_text(s->router, req, buf_str(&json));
}

static const struct service services[] = {{"stats.get", serve_stats}};

/* --- life --- */

struct stats *
stats_new(uint32_t rank, struct router *router, struct content *content,
          struct service_table *table)
{
    static const char *const groups[] = {"", "process", "cache", "content", "router", "latency"};
    struct stats *s = xcalloc(1, sizeof(*s));

    s->rank = rank;
    s->started = clock_ms();
    s->router = router;
    s->content = content;
    s->metrics = metrics_new();
    for (size_t i = 0; i < ARRAY_SIZE(groups); i++)
        metrics_show(s->metrics, groups[i]);
    service_table_add(table, services, ARRAY_SIZE(services), s);
    return s;
}

void
stats_free(struct stats **stats)
{
    struct stats *s = TAKE(*stats);

    if (!s)
        return;
    metrics_free(&s->metrics);
    free(s);
}

void
stats_attach(struct stats *s, const struct stats_sources *sources)
{
    static const char *const groups[] = {"parent", "children", "remote", "local"};

    s->sources = *sources;
    for (size_t i = 0; i < ARRAY_SIZE(groups); i++)
        metrics_show(s->metrics, groups[i]);
    if (sources->kvs)
        metrics_show(s->metrics, "kvs");
    if (sources->store)
        metrics_show(s->metrics, "store");
    if (sources->scrub)
        metrics_show(s->metrics, "scrub");
}

struct metrics *
stats_metrics(struct stats *s)
{
    return s->metrics;
}
