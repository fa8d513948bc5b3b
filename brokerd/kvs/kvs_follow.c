/* SPDX-License-Identifier: MPL-2.0 */
/* kvs_follow.c - keeping up with the versions of every namespace, one by one (kvs_versions.h), so that
 * watches miss none; and kvs.history, by which a rank that was cut off learns what it has not heard.
 *
 * a namespace is   event: the next   event: a later one   parent is back   answer to kvs.history
 * FOLLOWED         add               ask; CAUGHT UP WITH  ask; CAUGHT UP   -
 *                                                         WITH
 * CAUGHT UP WITH   ignored           ignored              -                add all of it; FOLLOWED
 *                                                                          (an error: the next event shows
 *                                                                          that something is missing)
 *
 * Events and answers come by the same link in the order they were sent, so what an ignored event told is in
 * the answer.  Whoever asks us for the history of a namespace that is being caught up with waits for that; what
 * we do not remember ourselves, as we have just been started, say, is asked of the parent: its answer comes
 * behind the events that it tells of, too.  What we have missed the ranks below have missed as well: it is
 * announced to them as it is learnt. */
#include "elog.h"
#include "kvs_history.h"
#include "kvs_json.h"
#include "kvs_priv.h"
#include "waiter.h"
#include "xmem.h"

#include <errno.h>

/* A namespace that is being caught up with. */
struct catch_up {
    struct list node;    // on kvs.catch_ups
    struct kvs *kvs;     // borrowed
    struct list waiting; // struct waiting: who asked for its history meanwhile
    char ns[STORE_NAMESPACE_MAX];
};

struct waiting {
    struct list node;
    struct request *request; // owned
    struct kvs_history_spec spec;
};

/* --- adding versions --- */

static bool
comes_next(const struct kvs_version *newest, const struct store_root *root)
{
    return newest && root->epoch == newest->root.epoch &&
           root->sequence == newest->root.sequence + 1;
}

void
kvs_follow_made(struct kvs *k, const struct store_root *root, double time, struct keyset **keys)
{
    const struct kvs_version *newest = kvs_versions_newest(k->versions, root->name);

    if (kvs_versions_is_news(k->versions, root))
        kvs_versions_add(k->versions, root, time, keys, comes_next(newest, root));
    keyset_free(keys);
}

/* What was recorded of a namespace may be of an earlier one of that name. */
static void
add_recorded(struct kvs *k, const struct store_history *entry)
{
    const struct store_root *known = kvs_roots_get(k->roots, entry->root.name);
    struct store_root root = entry->root;
    struct keyset *none = NULL;

    if (!known || root.sequence > known->sequence)
        return;
    root.epoch = known->epoch;
    if (!kvs_versions_is_news(k->versions, &root))
        kvs_versions_drop(k->versions, root.name);
    kvs_follow_made(k, &root, entry->time, &none);
}

/* The newest version is the root, whatever was recorded. */
static void
add_root(struct kvs *k, const struct store_root *root)
{
    const struct kvs_version *newest = kvs_versions_newest(k->versions, root->name);
    struct keyset *none = NULL;

    if (newest && newest->root.sequence == root->sequence &&
        digest_equal(&newest->root.root, &root->root))
        return;
    if (!kvs_versions_is_news(k->versions, root))
        kvs_versions_drop(k->versions, root->name);
    kvs_follow_made(k, root, 0, &none);
}

void
kvs_follow_recorded(struct kvs *k, const struct store_history *history, size_t count)
{
    for (size_t i = 0; i < count; i++)
        add_recorded(k, &history[i]);
    for (size_t i = 0; i < kvs_roots_count(k->roots); i++)
        add_root(k, kvs_roots_at(k->roots, i));
}

void
kvs_follow_first(struct kvs *k, const struct store_root *root)
{
    struct keyset *none = NULL;

    if (!kvs_versions_newest(k->versions, root->name))
        kvs_versions_add(k->versions, root, 0, &none, false);
}

static struct catch_up *
find_catch_up(struct kvs *k, const char *ns)
{
    LIST_FOR_EACH (node, &k->catch_ups) {
        struct catch_up *c = list_entry(node, struct catch_up, node);

        if (strcmp(c->ns, ns) == 0)
            return c;
    }
    return NULL;
}

/* --- collected roots --- */

/* The history is read again, after a collection. */
struct reading {
    struct task_waiter waiter;
    struct kvs *kvs; // borrowed
    struct store_history *history;
    size_t count;
};

static int
compare_history(const void *a, const void *b)
{
    const struct store_root *left = &((const struct store_history *)a)->root;
    const struct store_root *right = &((const struct store_history *)b)->root;
    int order = strcmp(left->name, right->name);

    if (order == 0)
        order = (left->sequence > right->sequence) - (left->sequence < right->sequence);
    return order;
}

static bool
is_recorded(void *arg, const struct kvs_version *version)
{
    const struct reading *reading = arg;
    struct store_history wanted = {.root = version->root};
    const struct store_history *found = reading->count == 0
                                            ? NULL
                                            : bsearch(&wanted, reading->history, reading->count,
                                                      sizeof(*reading->history), compare_history);

    return found && digest_equal(&found->root.root, &version->root.root);
}

/* On the store's thread. */
static int
read_history(void *task, struct store_db *db)
{
    struct reading *reading = task;
    int rc = store_db_history(db, &reading->history, &reading->count);

    if (rc == 0 && reading->count > 1)
        qsort(reading->history, reading->count, sizeof(*reading->history), compare_history);
    return rc;
}

static void
on_history_read(struct task_waiter *w, int rc)
{
    struct reading *reading = container_of(w, struct reading, waiter);

    if (rc == 0)
        kvs_versions_keep(reading->kvs->versions, is_recorded, reading);
    free(reading->history);
    free(reading);
}

void
kvs_follow_collected(struct kvs *k)
{
    struct reading *reading;

    if (!k->store)
        return;
    reading = xcalloc(1, sizeof(*reading));
    reading->waiter.fn = on_history_read;
    reading->kvs = k;
    store_run(k->store, read_history, reading, &reading->waiter);
}

/* --- catching up --- */

static void
ask_above(struct kvs *k, struct request *req)
{
    router_pass_on(k->router, req,
                   &(struct router_pass){.rank = TOPO_NONE, .flags = ROUTER_REPLAY});
}

static void
respond_history(struct kvs *k, struct request *req, const struct kvs_history_spec *spec)
{
    const struct store_root *newest = kvs_roots_get(k->roots, spec->ns);
    AUTO(buf) struct buf text = BUF_INIT;
    bool complete = newest && kvs_history_encode(k->conf.alg, k->versions, spec, newest, &text);

    if (k->conf.rank > 0 && !complete && (!newest || spec->has_since))
        ask_above(k, req);
    else if (newest)
        router_respond_text(k->router, req, buf_str(&text));
    else
        router_respond_error(k->router, req, ENOTSUP, "namespace %s does not exist", spec->ns);
}

/* Whoever has waited is told what we know now: errnum 0, or why we know nothing new. */
static void
end_catch_up(struct catch_up *c, int errnum)
{
    struct kvs *k = c->kvs;
    struct list *node;

    list_remove(&c->node);
    while ((node = list_pop_front(&c->waiting))) {
        struct waiting *w = list_entry(node, struct waiting, node);

        if (errnum)
            router_respond_error(k->router, w->request, errnum, NULL);
        else
            respond_history(k, w->request, &w->spec);
        request_free(&w->request);
        free(w);
    }
    free(c);
}

static void
learn(struct kvs *k, struct kvs_history_entry *entry, bool follows)
{
    const struct kvs_version *version;

    if (!kvs_versions_is_news(k->versions, &entry->root))
        return;
    follows = follows && kvs_versions_newest(k->versions, entry->root.name);
    version = kvs_versions_add(k->versions, &entry->root, entry->time, &entry->keys, follows);
    kvs_change_announce(k, &entry->root, version->time, version->keys, "setroot");
    kvs_root_adopt(k, &entry->root);
}

static void
learn_all(struct kvs *k, struct kvs_history *h)
{
    bool follows = h->complete;

    for (size_t i = 0; i < h->count; i++) {
        struct kvs_history_entry *entry = &h->entries[i];

        if (i > 0)
            follows = entry->root.sequence == h->entries[i - 1].root.sequence + 1;
        learn(k, entry, follows);
    }
}

static void
on_history(void *arg, struct msg *response)
{
    struct catch_up *c = arg;
    struct kvs *k = c->kvs;
    AUTO(kvs_history) struct kvs_history h = {.complete = false};
    int rc = -(int)response->errnum;

    if (rc == 0)
        rc = kvs_history_decode(k->conf.alg, msg_text(response), c->ns, &h);
    if (rc == -ENOTSUP)
        kvs_root_is_gone(k, c->ns);
    else if (rc < 0)
        elog(ELOG_WARN, "what happened in namespace %s meanwhile is not known: %s", c->ns,
             err_name(rc));
    else
        learn_all(k, &h);
    kvs_watch_run(k, c->ns);
    end_catch_up(c, -rc);
}

static void
catch_up(struct kvs *k, const char *ns)
{
    const struct kvs_version *newest = kvs_versions_newest(k->versions, ns);
    AUTO(buf) struct buf text = BUF_INIT;
    struct catch_up *c;
    struct msg m;

    if (find_catch_up(k, ns))
        return;
    c = xcalloc(1, sizeof(*c));
    c->kvs = k;
    strcpy(c->ns, ns);
    list_init(&c->waiting);
    list_init(&c->node);
    list_push_back(&k->catch_ups, &c->node);
    kvs_history_encode_request(k->conf.alg, &newest->root, &text);
    msg_init(&m, MSG_REQUEST);
    msg_set_topic(&m, "kvs.history");
    msg_set_text(&m, buf_str(&text));
    router_call_parent(k->router, &m, ROUTER_REPLAY, on_history, c);
}

void
kvs_follow_refresh(struct kvs *k)
{
    for (size_t i = 0; i < kvs_roots_count(k->roots); i++)
        catch_up(k, kvs_roots_at(k->roots, i)->name);
}

bool
kvs_follow_event(struct kvs *k, const struct store_root *root, double time, struct keyset **keys)
{
    const struct kvs_version *newest = kvs_versions_newest(k->versions, root->name);
    bool is_next = !newest || comes_next(newest, root);

    if (find_catch_up(k, root->name))
        is_next = false;
    else if (is_next)
        kvs_versions_add(k->versions, root, time, keys, newest != NULL);
    else if (kvs_versions_is_news(k->versions, root))
        catch_up(k, root->name);
    keyset_free(keys);
    return is_next;
}

/* --- kvs.history --- */

static void
wait_for_catch_up(struct catch_up *c, struct request *req, const struct kvs_history_spec *spec)
{
    struct waiting *w = xcalloc(1, sizeof(*w));

    w->request = request_keep(req);
    w->spec = *spec;
    list_init(&w->node);
    list_push_back(&c->waiting, &w->node);
}

void
kvs_follow_serve_history(void *arg, struct request *req)
{
    struct kvs *k = arg;
    struct kvs_history_spec spec;
    struct catch_up *c;

    if (kvs_history_decode_request(k->conf.alg, msg_text(&req->msg), &spec) < 0) {
        router_respond_error(k->router, req, EPROTO, "kvs.history: malformed payload");
        return;
    }
    c = find_catch_up(k, spec.ns);
    if (c)
        wait_for_catch_up(c, req, &spec);
    else
        respond_history(k, req, &spec);
}

/* --- life --- */

void
kvs_follow_init(struct kvs *k)
{
    size_t depth = k->conf.rank == 0 ? KVS_VERSIONS_LEADER : KVS_VERSIONS_FOLLOWER;

    list_init(&k->catch_ups);
    k->versions = kvs_versions_new(depth, depth * KVS_VERSION_BYTES);
}

void
kvs_follow_fini(struct kvs *k)
{
    LIST_FOR_EACH (node, &k->catch_ups)
        end_catch_up(list_entry(node, struct catch_up, node), ECANCELED);
    kvs_versions_free(&k->versions);
}
