/* SPDX-License-Identifier: MPL-2.0 */
/* kvs.c - see kvs.h.
 *
 * topic               rank 0                           other ranks
 * kvs.lookup          walk (kvs_walk.c)                the same
 * kvs.getroot         newest root                      newest root known; asked for above if none is
 * kvs.wait-version    when the sequence is reached     the same
 * kvs.history         versions that are remembered     the same
 * kvs-watch.lookup    a look-up at each version        the same
 * kvs.commit[.ID]     kvs actor                        passed up; the answer's root is kept
 * kvs.namespace-...   kept in the roots table          passed up
 */
#include "clock.h"
#include "elog.h"
#include "kvs_history.h"
#include "kvs_json.h"
#include "kvs_priv.h"
#include "tree.h"
#include "xmem.h"

#include <czmq.h>
#include <errno.h>

/* --- look-ups --- */

static void
serve_lookup(void *arg, struct request *req)
{
    struct kvs *k = arg;
    struct lookup *l = NULL;
    struct err err = {0};
    int rc = kvs_json_decode_lookup(k->conf.alg, msg_text(&req->msg), &l, &err);

    metrics_add(k->conf.metrics, METRIC_KVS_LOOKUPS, 1);
    if (rc < 0)
        router_respond_error(k->router, req, -rc, "%s", err.text);
    else
        walker_start(k->walker, req, &l);
}

/* --- rank 0 --- */

static void
on_first_root(void *arg, int rc)
{
    (void)arg;
    if (rc < 0)
        elog(ELOG_ERR, "the first root could not be stored: %s", err_name(rc));
}

static struct store_root
make_primary(struct kvs *k)
{
    struct store_root primary = {.name = "primary", .owner = geteuid(), .epoch = k->epoch};
    struct store_change *change = store_change_new();
    AUTO(blob) struct blob *empty = tree_empty_dir(k->conf.alg, &primary.root);
    struct keyset *none = NULL;

    store_change_add_blob(change, &primary.root, empty);
    store_change_add_root(change, &primary);
    change->time = clock_wall();
    kvs_follow_made(k, &primary, change->time, &none);
    kvs_change_apply(k, &change, on_first_root, NULL);
    return primary;
}

/* Later than all before it, even if the clock was set back: ranks below go by it. */
int64_t
kvs_next_epoch(struct kvs *k)
{
    k->epoch = MAX((int64_t)(clock_wall() * 1000), k->epoch + 1);
    return k->epoch;
}

/* The last of the recorded ones; 0: there is none. */
static int64_t
last_epoch(const struct store_recorded *recorded)
{
    size_t n = recorded->nhistory;

    return n > 0 ? (int64_t)(recorded->history[n - 1].time * 1000) : 0;
}

int
kvs_lead(struct kvs *k, struct store *store, const struct store_recorded *recorded,
         struct loop *loop, struct err *err)
{
    size_t nroots = MAX(recorded->nroots, (size_t)1);
    AUTO(free) struct store_root *roots = xcalloc(nroots, sizeof(*roots));

    k->store = store;
    k->epoch = last_epoch(recorded);
    kvs_next_epoch(k);
    k->ids = commit_ids_new();
    for (size_t i = 0; i < recorded->ncommits; i++)
        commit_ids_add_recorded(k->ids, &recorded->commits[i]);
    if (recorded->nroots == 0)
        roots[0] = make_primary(k);
    else
        memcpy(roots, recorded->roots, nroots * sizeof(*roots));
    for (size_t i = 0; i < nroots; i++) {
        roots[i].epoch = k->epoch;
        kvs_roots_set(k->roots, &roots[i]);
    }
    kvs_follow_recorded(k, recorded->history, recorded->nhistory);
    return kvs_actor_start(&k->actor, k->conf.alg, k->conf.blob_size_limit, k->conf.maxdirent,
                           store != NULL, roots, nroots, loop, &kvs_commit_actor_ops, k, err);
}

void
kvs_stop_leading(struct kvs *k)
{
    kvs_actor_stop(&k->actor);
}

/* --- from above --- */

static bool
on_new_root(struct kvs *k, const struct store_root *root, double time, struct keyset **keys)
{
    bool is_next = kvs_follow_event(k, root, time, keys);

    kvs_root_adopt(k, root);
    kvs_watch_run(k, root->name);
    return is_next;
}

bool
kvs_on_event(struct kvs *k, const struct msg *event)
{
    static const char prefix[] = "kvs.namespace-";
    static const char removed[] = "-removed";
    struct keyset *keys = NULL;
    struct store_root root;
    bool is_next = true;
    double time;
    size_t len;

    if (strncmp(event->topic, prefix, sizeof(prefix) - 1) != 0)
        return true;
    len = strlen(event->topic);
    if (kvs_event_decode(k->conf.alg, msg_text(event), &root, &time, &keys) < 0)
        elog(ELOG_WARN, "event %s makes no sense: ignored", event->topic);
    else if (len > sizeof(removed) &&
             strcmp(event->topic + len - sizeof(removed) + 1, removed) == 0)
        kvs_root_drop(k, root.name);
    else
        is_next = on_new_root(k, &root, time, &keys);
    keyset_free(&keys);
    return is_next;
}

void
kvs_parent_online(struct kvs *k)
{
    kvs_follow_refresh(k);
    kvs_watch_refresh(k);
}

size_t
kvs_watches(const struct kvs *k, const char *ns)
{
    return kvs_watch_count(k, ns);
}

size_t
kvs_version_count(const struct kvs *k)
{
    return kvs_versions_count(k->versions);
}

size_t
kvs_waits(const struct kvs *k)
{
    return kvs_root_waits(k);
}

void
kvs_forget(struct kvs *k, const struct origin *client)
{
    kvs_root_forget(k, client);
    kvs_watch_forget(k, client);
}

void
kvs_collected(struct kvs *k)
{
    kvs_follow_collected(k);
}

void
kvs_drop_cache(struct kvs *k)
{
    walker_drop_cache(k->walker);
}

const struct store_root *
kvs_primary(const struct kvs *k)
{
    return kvs_roots_get(k->roots, "primary");
}

/* --- life --- */

static void
on_drained(void *arg, const struct origin *client)
{
    kvs_watch_drained(arg, client);
}

static const struct service readers[] = {
    {"kvs.lookup", serve_lookup},
};
static const struct service services[] = {
    {"kvs.getroot", kvs_root_serve_getroot},
    {"kvs.wait-version", kvs_root_serve_wait_version},
    {"kvs.history", kvs_follow_serve_history},
    {"kvs-watch.lookup", kvs_watch_serve_lookup},
    {"kvs-watch.cancel", kvs_watch_serve_cancel},
    {"kvs.commit", kvs_commit_serve},
    {KVS_COMMIT_TOPIC, kvs_commit_serve},
    {"kvs.namespace-create", kvs_namespace_serve_create},
    {"kvs.namespace-remove", kvs_namespace_serve_remove},
    {"kvs.namespace-list", kvs_namespace_serve_list},
};

struct kvs *
kvs_new(const struct kvs_conf *conf, struct router *router, struct content *content,
        struct service_table *table)
{
    struct kvs *k = xcalloc(1, sizeof(*k));
    zuuid_t *uuid = zuuid_new();

    k->conf = *conf;
    k->router = router;
    k->content = content;
    k->walker = walker_new(conf->alg, router, content, &kvs_root_walker_ops, k);
    k->uuid = xstrdup(zuuid_str(uuid));
    zuuid_destroy(&uuid);
    list_init(&k->spaces);
    list_init(&k->watchers);
    kvs_root_init(k);
    kvs_follow_init(k);
    router_set_drain_handler(router, on_drained, k);
    service_table_add_readers(table, readers, ARRAY_SIZE(readers), k);
    service_table_add(table, services, ARRAY_SIZE(services), k);
    return k;
}

void
kvs_free(struct kvs **kvs)
{
    struct kvs *k = TAKE(*kvs);

    if (!k)
        return;
    kvs_actor_stop(&k->actor);
    commit_ids_free(&k->ids);
    router_set_drain_handler(k->router, NULL, NULL);
    kvs_watch_fini(k);
    kvs_follow_fini(k);
    kvs_root_fini(k);
    walker_free(&k->walker);
    free(k->uuid);
    free(k);
}
