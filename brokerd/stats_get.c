/* SPDX-License-Identifier: MPL-2.0 */
/* stats_get.c - see stats_get.h.  Members are named as Flux names them, and have its units: MiB, and
 * milliseconds.  What is not known here is left out; no client needs it.
 *
 * The figures of the database are asked of its thread: one question at a time for each request. */
#include "stats_get.h"
#include "json_reply.h"
#include "kvs_priv.h"
#include "waiter.h"
#include "xmem.h"

#include <errno.h>

struct stats_get {
    enum digest_alg alg;
    struct router *router;            // borrowed
    struct stats_get_sources sources; // all NULL until attached
};

/* --- content.stats-get --- */

static void
serve_content(void *arg, struct request *req)
{
    struct stats_get *s = arg;
    const struct cache_stats *c = content_cache_stats(s->sources.content);
    json_t *json =
        json_pack("{s:I s:I s:I s:I s:I s:{s:{} s:i}}", "count", (json_int_t)c->entries, "valid",
                  (json_int_t)(c->entries - c->loading), "dirty", (json_int_t)c->dirty_entries,
                  "size", (json_int_t)c->bytes, "flush-batch-count", (json_int_t)c->storing, "mmap",
                  "tags", "blobs", 0);

    json_reply(s->router, req, &json);
}

/* --- content-sqlite.stats-get --- */

/* A question to the store's thread. */
struct ask {
    struct task_waiter asked;
    struct stats_get *owner;  // borrowed
    struct request *request;  // owned
    struct store_db_stats db; // these are the thread's while it works
    int64_t free_bytes;
    struct checkpoint *checkpoints; // owned array
    size_t count;
};

static int
ask_db(void *task, struct store_db *db)
{
    struct ask *ask = task;
    int rc = store_db_stats(db, &ask->db);

    if (rc == 0)
        rc = store_db_free_bytes(db, &ask->free_bytes);
    return rc == 0 ? store_db_checkpoints(db, &ask->checkpoints, &ask->count) : rc;
}

/* Microseconds in, milliseconds out. */
static json_t *
describe_times(const struct stats_get *s, enum metric id)
{
    static const struct hist none;
    const struct hist *h = s->sources.metrics ? s->sources.metrics->hists[id] : NULL;

    if (!h)
        h = &none;
    return json_pack("{s:I s:f s:f s:f s:f}", "count", (json_int_t)h->count, "min",
                     (double)h->min / 1000, "max", (double)h->max / 1000, "mean",
                     h->count ? (double)h->sum / (double)h->count / 1000 : 0.0, "stddev",
                     hist_stddev(h) / 1000);
}

static json_t *
describe_config(const struct stats_get *s)
{
    static const char *const synchronous[] = {
        [STORE_MEMORY] = "OFF", [STORE_COMMIT] = "NORMAL", [STORE_FSYNC] = "FULL"};

    return json_pack("{s:s s:s}", "journal_mode", "WAL", "synchronous",
                     synchronous[s->sources.durability]);
}

static json_t *
describe_checkpoints(const struct ask *ask)
{
    json_t *list = json_array();

    for (size_t i = 0; i < ask->count; i++) {
        AUTO(buf) struct buf text = BUF_INIT;

        checkpoint_encode(ask->owner->alg, &ask->checkpoints[i], &text);
        json_array_append_new(list,
                              json_pack("{s:o}", "value", json_loads(buf_str(&text), 0, NULL)));
    }
    return list;
}

static void
on_asked(struct task_waiter *w, int rc)
{
    struct ask *ask = container_of(w, struct ask, asked);
    struct stats_get *s = ask->owner;
    json_t *json;

    if (rc < 0) {
        router_respond_error(s->router, ask->request, -rc, NULL);
    } else {
        json = json_pack("{s:I s:I s:I s:o s:o s:o s:o}", "object_count", (json_int_t)ask->db.blobs,
                         "dbfile_size", (json_int_t)ask->db.file_bytes, "dbfile_free",
                         (json_int_t)ask->free_bytes, "load_time",
                         describe_times(s, METRIC_STORE_LOAD_TIME), "store_time",
                         describe_times(s, METRIC_STORE_COMMIT_TIME), "config", describe_config(s),
                         "checkpoints", describe_checkpoints(ask));
        json_reply(s->router, ask->request, &json);
    }
    request_free(&ask->request);
    free(ask->checkpoints);
    free(ask);
}

static void
serve_sqlite(void *arg, struct request *req)
{
    struct stats_get *s = arg;
    struct ask *ask;

    if (!s->sources.store) {
        router_respond_error(s->router, req, ENOSYS, "there is no backing store at this rank");
        return;
    }
    ask = xcalloc(1, sizeof(*ask));
    ask->asked.fn = on_asked;
    ask->owner = s;
    ask->request = request_keep(req);
    store_run(s->sources.store, ask_db, ask, &ask->asked);
}

/* --- kvs.stats-get --- */

/* The KVS has no cache of blobs of its own. */
static json_t *
describe_cache(const struct stats_get *s)
{
    const struct cache_stats *c = content_cache_stats(s->sources.content);

    return json_pack("{s:f s:I s:I s:I}", "obj size total (MiB)", (double)c->bytes / (1 << 20),
                     "#obj dirty", (json_int_t)c->dirty_entries, "#obj incomplete",
                     (json_int_t)c->loading, "#faults", (json_int_t)c->misses);
}

static json_t *
describe_namespaces(const struct kvs *k)
{
    json_t *all = json_object();

    for (size_t i = 0; i < kvs_roots_count(k->roots); i++) {
        const struct store_root *root = kvs_roots_at(k->roots, i);

        json_object_set_new(all, root->name,
                            json_pack("{s:I s:I}", "#versionwaiters",
                                      (json_int_t)kvs_root_waits_of(k, root->name),
                                      "store revision", (json_int_t)root->sequence));
    }
    return all;
}

static void
serve_kvs(void *arg, struct request *req)
{
    struct stats_get *s = arg;
    json_t *json;

    if (!s->sources.kvs) {
        router_respond_error(s->router, req, ENOSYS, "the KVS is not loaded");
        return;
    }
    json = json_pack("{s:o s:o s:I}", "cache", describe_cache(s), "namespace",
                     describe_namespaces(s->sources.kvs), "pending_requests",
                     (json_int_t)kvs_waits(s->sources.kvs));
    json_reply(s->router, req, &json);
}

/* --- kvs-watch.stats-get --- */

static void
serve_watch(void *arg, struct request *req)
{
    struct stats_get *s = arg;
    const struct kvs *k = s->sources.kvs;
    json_t *all;
    json_t *json;
    size_t total = 0;

    if (!k || !s->sources.watchers) {
        router_respond_error(s->router, req, ENOSYS, "the KVS is not watched at this rank");
        return;
    }
    all = json_object();
    for (size_t i = 0; i < kvs_roots_count(k->roots); i++) {
        const struct store_root *root = kvs_roots_at(k->roots, i);
        size_t watchers = s->sources.watchers(k, root->name);

        total += watchers;
        if (watchers > 0)
            json_object_set_new(all, root->name,
                                json_pack("{s:I s:I s:I}", "owner", (json_int_t)root->owner,
                                          "rootseq", (json_int_t)root->sequence, "watchers",
                                          (json_int_t)watchers));
    }
    json = json_pack("{s:I s:I s:o}", "watchers", (json_int_t)total, "namespace-count",
                     (json_int_t)json_object_size(all), "namespaces", all);
    json_reply(s->router, req, &json);
}

/* --- life --- */

static const struct service services[] = {
    {"content.stats-get", serve_content},
    {"content-sqlite.stats-get", serve_sqlite},
    {"kvs.stats-get", serve_kvs},
    {"kvs-watch.stats-get", serve_watch},
};

struct stats_get *
stats_get_new(enum digest_alg alg, struct router *router, struct service_table *table)
{
    struct stats_get *s = xcalloc(1, sizeof(*s));

    s->alg = alg;
    s->router = router;
    service_table_add(table, services, ARRAY_SIZE(services), s);
    return s;
}

void
stats_get_free(struct stats_get **s)
{
    free(TAKE(*s));
}

void
stats_get_attach(struct stats_get *s, const struct stats_get_sources *sources)
{
    s->sources = *sources;
}
