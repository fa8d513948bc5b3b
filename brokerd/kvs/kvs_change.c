/* SPDX-License-Identifier: MPL-2.0 */
/* kvs_change.c - rank 0: new roots on their way to the disk.  What is durable is first taken into the
 * cache, then announced, and only then is whoever asked for it told: when a client hears of its
 * commit, the announcement is on its way to every rank already. */
#include "kvs_history.h"
#include "kvs_priv.h"
#include "waiter.h"
#include "xmem.h"

#include <stdio.h>

struct change {
    struct change_waiter waiter;
    struct kvs *kvs;    // borrowed
    kvs_change_fn done; // may be NULL
    void *arg;          // of done
};

void
kvs_change_announce(struct kvs *k, const struct store_root *root, double time,
                    const struct keyset *keys, const char *what)
{
    AUTO(buf) struct buf json = BUF_INIT;
    char topic[MSG_TOPIC_MAX + 1];
    struct msg m;

    kvs_event_encode(k->conf.alg, root, time, keys, &json);
    snprintf(topic, sizeof(topic), "kvs.namespace-%s-%s", root->name, what);
    msg_init(&m, MSG_EVENT);
    m.flags |= MSG_PRIVATE;
    msg_set_topic(&m, topic);
    msg_set_text(&m, buf_str(&json));
    router_send_down(k->router, &m);
    msg_fini(&m);
}

/* The version is there before the root is adopted, so that it is known with its keys. */
static void
take_in_root(struct kvs *k, const struct store_root *root, double time, struct keyset **keys)
{
    const char *what = kvs_versions_newest(k->versions, root->name) ? "setroot" : "created";

    kvs_change_announce(k, root, time, *keys, what);
    kvs_follow_made(k, root, time, keys);
    kvs_root_adopt(k, root);
    kvs_watch_run(k, root->name);
}

static void
take_in(struct kvs *k, struct store_change *made)
{
    struct keyset *keys = made->keys ? keyset_from_text(&made->keys) : NULL;

    for (size_t i = 0; k->store && i < made->nblobs; i++)
        content_insert(k->content, &made->digests[i], made->blobs[i]);
    for (size_t i = 0; i < made->nroots; i++)
        take_in_root(k, &made->roots[i], made->time, &keys);
    keyset_free(&keys);
}

static void
count(struct kvs *k, const struct store_change *made)
{
    metrics_add(k->conf.metrics, METRIC_KVS_ROOTS, made->nroots);
    metrics_add(k->conf.metrics, METRIC_KVS_COMMITS, made->ncommits);
    if (made->ncommits > 0)
        metrics_observe(k->conf.metrics, METRIC_KVS_COMMITS_PER_ROOT, (int64_t)made->ncommits);
}

static void
on_changed(struct change_waiter *w, int rc, struct store_change **made)
{
    struct change *change = container_of(w, struct change, waiter);

    if (rc == 0) {
        count(change->kvs, *made);
        take_in(change->kvs, *made);
    }
    store_change_free(made);
    if (change->done)
        change->done(change->arg, rc);
    free(change);
}

/* Without a store the cache retains everything: a change is as durable as it gets at once. */
void
kvs_change_apply(struct kvs *k, struct store_change **made, kvs_change_fn done, void *arg)
{
    struct change *change = xmalloc(sizeof(*change));

    *change = (struct change){{on_changed}, k, done, arg};
    if (k->store) {
        store_apply(k->store, made, &change->waiter);
        return;
    }
    for (size_t i = 0; i < (*made)->nblobs; i++)
        content_store(k->content, &(*made)->digests[i], (*made)->blobs[i], NULL);
    on_changed(&change->waiter, 0, made);
}
