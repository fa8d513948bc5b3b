/* SPDX-License-Identifier: MPL-2.0 */
/* kvs.c - see kvs.h.
 *
 * topic               rank 0                           other ranks
 * kvs.lookup          walk (kvs_walk.c)                the same
 * kvs.getroot         newest root                      newest root known; asked for above if none
 * is kvs.wait-version    when the sequence is reached     the same kvs.commit[.ID]     kvs actor
 * passed up; the answer's root is kept kvs.namespace-list  namespaces                       asked
 * for above
 *
 * The first rank of a client's commit gives it an id, as the end of its topic.  A commit that is
 * sent again after a parent was lost is thereby recognised at rank 0 (commit_ids.h) and answered,
 * not applied, a second time.
 */
#include "kvs.h"
#include "commit_ids.h"
#include "elog.h"
#include "kvs_actor.h"
#include "kvs_json.h"
#include "kvs_roots.h"
#include "kvs_walk.h"
#include "list.h"
#include "tree.h"
#include "waiter.h"
#include "xmem.h"

#include <czmq.h>
#include <errno.h>
#include <inttypes.h>

#define COMMIT_TOPIC "kvs.commit."

struct kvs {
    struct kvs_conf conf;
    struct router *router;     // borrowed
    struct content *content;   // borrowed
    struct store *store;       // borrowed; rank 0 only, may be NULL there
    struct walker *walker;     // owned
    struct kvs_roots *roots;   // owned
    struct kvs_actor *actor;   // owned; rank 0 only
    struct commit_ids *ids;    // owned; rank 0 only
    struct list version_waits; // struct version_wait
    struct list root_asks;     // struct root_ask: calls to the parent in progress
    char *uuid;                // owned; of this run, in front of commit ids
    uint64_t last_commit;      // number of the last commit given an id here
};

/* A client that waits for a sequence to be reached. */
struct version_wait {
    struct list node;
    struct request *request; // owned
    char ns[STORE_NAMESPACE_MAX];
    int64_t sequence;
};

/* A question to the parent for the root of a namespace. */
struct root_ask {
    struct list node;
    struct kvs *kvs;      // borrowed
    struct list getroots; // struct getroot: clients that asked the same
    char ns[STORE_NAMESPACE_MAX];
};

struct getroot {
    struct list node;
    struct request *request; // owned
};

/* --- roots --- */

static void
respond_root(struct kvs *k, struct request *req, const struct store_root *root)
{
    AUTO(buf) struct buf text = BUF_INIT;

    kvs_json_encode_root(k->conf.alg, root, &text);
    router_respond_text(k->router, req, buf_str(&text));
}

static void
respond_version(struct kvs *k, struct request *req, const struct store_root *root)
{
    AUTO(buf) struct buf text = BUF_INIT;

    kvs_json_encode_version(k->conf.alg, root, &text);
    router_respond_text(k->router, req, buf_str(&text));
}

static void
wake_version_waits(struct kvs *k, const struct store_root *root)
{
    LIST_FOR_EACH (node, &k->version_waits) {
        struct version_wait *w = list_entry(node, struct version_wait, node);

        if (strcmp(w->ns, root->name) != 0 || w->sequence > root->sequence)
            continue;
        list_remove(node);
        respond_version(k, w->request, root);
        request_free(&w->request);
        free(w);
    }
}

/* A root was made, announced, or learnt from an answer. */
static bool
adopt_root(struct kvs *k, const struct store_root *root)
{
    if (!kvs_roots_set(k->roots, root))
        return false;
    wake_version_waits(k, root);
    walker_root_known(k->walker, root->name);
    return true;
}

static void
finish_ask(struct root_ask *ask, const struct store_root *root, int errnum, const char *text)
{
    struct kvs *k = ask->kvs;
    struct list *node;

    list_remove(&ask->node);
    while ((node = list_pop_front(&ask->getroots))) {
        struct getroot *g = list_entry(node, struct getroot, node);

        if (root)
            respond_root(k, g->request, root);
        else
            router_respond_error(k->router, g->request, errnum, "%s", text);
        request_free(&g->request);
        free(g);
    }
    if (!root)
        walker_root_failed(k->walker, ask->ns, errnum, text);
    free(ask);
}

static void
on_root_answer(void *arg, struct msg *response)
{
    struct root_ask *ask = arg;
    struct kvs *k = ask->kvs;
    struct store_root root;
    const char *text = msg_text(response);

    if (response->errnum != 0) {
        finish_ask(ask, NULL, (int)response->errnum, text ? text : err_name((int)response->errnum));
    } else if (kvs_json_decode_root(k->conf.alg, text, ask->ns, &root) < 0) {
        finish_ask(ask, NULL, EPROTO, "the parent's answer to kvs.getroot makes no sense");
    } else {
        adopt_root(k, &root);
        walker_root_known(k->walker, ask->ns);
        finish_ask(ask, kvs_roots_get(k->roots, ask->ns), 0, NULL);
    }
}

static struct root_ask *
find_ask(struct kvs *k, const char *ns)
{
    LIST_FOR_EACH (node, &k->root_asks) {
        struct root_ask *ask = list_entry(node, struct root_ask, node);

        if (strcmp(ask->ns, ns) == 0)
            return ask;
    }
    return NULL;
}

/* Ask the parent, unless that is being done.  req (may be NULL) is answered with the root. */
static void
ask_root(struct kvs *k, const char *ns, struct request *req)
{
    struct root_ask *ask = find_ask(k, ns);
    AUTO(free) char *json = NULL;
    bool is_new = !ask;
    struct msg m;

    if (is_new) {
        ask = xcalloc(1, sizeof(*ask));
        ask->kvs = k;
        snprintf(ask->ns, sizeof(ask->ns), "%s", ns);
        list_init(&ask->getroots);
        list_init(&ask->node);
        list_push_back(&k->root_asks, &ask->node);
    }
    if (req) {
        struct getroot *g = xmalloc(sizeof(*g));

        g->request = request_keep(req);
        list_init(&g->node);
        list_push_back(&ask->getroots, &g->node);
    }
    if (!is_new)
        return;
    json = xasprintf("{\"namespace\":\"%s\",\"flags\":0}", ns);
    msg_init(&m, MSG_REQUEST);
    msg_set_topic(&m, "kvs.getroot");
    msg_set_text(&m, json);
    router_call_parent(k->router, &m, ROUTER_REPLAY, on_root_answer, ask);
}

static bool
leads(const struct kvs *k)
{
    return k->actor != NULL;
}

/* For a walk. */
static const struct digest *
root_for_walk(void *arg, const char *ns)
{
    struct kvs *k = arg;
    const struct store_root *root = kvs_roots_get(k->roots, ns);

    if (root)
        return &root->root;
    if (k->conf.rank > 0)
        ask_root(k, ns, NULL);
    else
        walker_root_failed(k->walker, ns, ENOTSUP, "namespace does not exist");
    return NULL;
}

static const struct walker_ops walker_ops = {root_for_walk};

/* --- look-ups --- */

static void
serve_lookup(void *arg, struct request *req)
{
    struct kvs *k = arg;
    struct lookup *l = NULL;
    struct err err = {0};
    int rc = kvs_json_decode_lookup(k->conf.alg, msg_text(&req->msg), &l, &err);

    if (rc < 0)
        router_respond_error(k->router, req, -rc, "%s", err.text);
    else
        walker_start(k->walker, req, &l);
}

static bool
read_namespace(struct kvs *k, struct request *req, char ns[STORE_NAMESPACE_MAX], int64_t *ret_seq)
{
    if (kvs_json_decode_namespace(msg_text(&req->msg), ns, ret_seq) == 0)
        return true;
    router_respond_error(k->router, req, EPROTO, "%s: malformed payload", req->msg.topic);
    return false;
}

static void
serve_getroot(void *arg, struct request *req)
{
    struct kvs *k = arg;
    const struct store_root *root;
    char ns[STORE_NAMESPACE_MAX];

    if (!read_namespace(k, req, ns, NULL))
        return;
    root = kvs_roots_get(k->roots, ns);
    if (root)
        respond_root(k, req, root);
    else if (k->conf.rank > 0)
        ask_root(k, ns, req);
    else
        router_respond_error(k->router, req, ENOTSUP, "namespace %s does not exist", ns);
}

static void
serve_wait_version(void *arg, struct request *req)
{
    struct kvs *k = arg;
    const struct store_root *root;
    char ns[STORE_NAMESPACE_MAX];
    struct version_wait *w;
    int64_t sequence;

    if (!read_namespace(k, req, ns, &sequence))
        return;
    root = kvs_roots_get(k->roots, ns);
    if (root && root->sequence >= sequence) {
        respond_version(k, req, root);
        return;
    }
    if (!root && k->conf.rank == 0) {
        router_respond_error(k->router, req, ENOTSUP, "namespace %s does not exist", ns);
        return;
    }
    w = xmalloc(sizeof(*w));
    w->request = request_keep(req);
    strcpy(w->ns, ns);
    w->sequence = sequence;
    list_init(&w->node);
    list_push_back(&k->version_waits, &w->node);
    if (!root)
        ask_root(k, ns, NULL);
}

static void
add_namespace(struct buf *out, const struct store_root *root)
{
    buf_printf(out, "%s{\"namespace\":\"%s\",\"owner\":%u,\"flags\":0}",
               out->data[out->size - 1] == '[' ? "" : ",", root->name, root->owner);
}

struct relay {
    struct kvs *kvs;         // borrowed
    struct request *request; // owned
};

static void
on_relay_answer(void *arg, struct msg *response)
{
    struct relay *relay = arg;

    router_relay(relay->kvs->router, relay->request, response);
    request_free(&relay->request);
    free(relay);
}

static struct relay *
new_relay(struct kvs *k, struct request *req)
{
    struct relay *relay = xmalloc(sizeof(*relay));

    relay->kvs = k;
    relay->request = request_keep(req);
    return relay;
}

static void
serve_namespace_list(void *arg, struct request *req)
{
    struct kvs *k = arg;
    AUTO(buf) struct buf text = BUF_INIT;
    struct msg onward;

    if (k->conf.rank > 0) {
        msg_copy(&onward, &req->msg);
        onward.nroutes = 0;
        router_call_parent(k->router, &onward, ROUTER_REPLAY, on_relay_answer, new_relay(k, req));
        return;
    }
    buf_add_str(&text, "{\"namespaces\":[");
    for (size_t i = 0; i < kvs_roots_count(k->roots); i++)
        add_namespace(&text, kvs_roots_at(k->roots, i));
    buf_add_str(&text, "]}");
    router_respond_text(k->router, req, buf_str(&text));
}

/* --- commits, at ranks that pass them up --- */

/* The new root is kept before the answer goes on: a client reads its own writes at its rank. */
static void
on_commit_answer(void *arg, struct msg *response)
{
    struct relay *relay = arg;
    struct kvs *k = relay->kvs;
    struct store_root root;

    if (response->errnum == 0 &&
        kvs_json_decode_root(k->conf.alg, msg_text(response), NULL, &root) == 0)
        adopt_root(k, &root);
    on_relay_answer(relay, response);
}

static void
pass_commit_up(struct kvs *k, struct request *req)
{
    struct msg onward;

    msg_copy(&onward, &req->msg);
    onward.nroutes = 0;
    if (strncmp(req->msg.topic, COMMIT_TOPIC, sizeof(COMMIT_TOPIC) - 1) != 0) {
        char topic[MSG_TOPIC_MAX + 1];

        snprintf(topic, sizeof(topic), COMMIT_TOPIC "%s-%" PRIu64, k->uuid, ++k->last_commit);
        msg_set_topic(&onward, topic);
    }
    router_call_parent(k->router, &onward, ROUTER_REPLAY, on_commit_answer, new_relay(k, req));
}

/* --- commits, at rank 0 --- */

static void
respond_commit(struct kvs *k, struct request *req, int rc, const char *text,
               const struct store_root *root)
{
    AUTO(buf) struct buf json = BUF_INIT;

    if (rc < 0) {
        if (text[0])
            router_respond_error(k->router, req, -rc, "%s", text);
        else
            router_respond_error(k->router, req, -rc, NULL);
        return;
    }
    kvs_json_encode_root(k->conf.alg, root, &json);
    router_respond_text(k->router, req, buf_str(&json));
}

static void
on_committed(void *arg, void *cookie, int rc, const char *text, const struct store_root *root)
{
    struct kvs *k = arg;
    struct commit_id *id = cookie;
    struct request *req;

    while ((req = commit_ids_next_waiter(id))) {
        respond_commit(k, req, rc, text, root);
        request_free(&req);
    }
    commit_ids_finish(k->ids, id, rc, text, root);
}

static void
serve_commit(void *arg, struct request *req)
{
    struct kvs *k = arg;
    struct commit_id *id;
    const char *name;

    if (k->conf.rank > 0) {
        pass_commit_up(k, req);
        return;
    }
    if (!leads(k)) {
        router_respond_error(k->router, req, ENOSYS, "the KVS is not loaded");
        return;
    }
    if (!req->msg.payload) {
        router_respond_error(k->router, req, EPROTO, "commit: no payload");
        return;
    }
    name = strlen(req->msg.topic) > sizeof(COMMIT_TOPIC) - 1
               ? req->msg.topic + sizeof(COMMIT_TOPIC) - 1
               : "";
    id = commit_ids_get(k->ids, name);
    if (commit_ids_is_finished(id)) {
        int rc;
        const char *text;
        const struct store_root *root = commit_ids_result(id, &rc, &text);

        respond_commit(k, req, rc, text, root);
        return;
    }
    if (commit_ids_add_waiter(id, req))
        return; // being applied already
    kvs_actor_commit(k->actor, commit_ids_payload(id), id);
}

/* --- the kvs actor's wishes --- */

struct need {
    struct content_waiter waiter;
    struct kvs *kvs; // borrowed
    struct digest digest;
};

static void
on_need_loaded(struct content_waiter *w, int rc, const struct blob *b)
{
    struct need *need = container_of(w, struct need, waiter);

    if (need->kvs->actor)
        kvs_actor_provide(need->kvs->actor, &need->digest, rc, b);
    free(need);
}

static void
on_need(void *arg, const struct digest *d)
{
    struct need *need = xmalloc(sizeof(*need));

    *need = (struct need){{on_need_loaded}, arg, *d};
    content_load(need->kvs->content, &need->digest, &need->waiter);
}

static void
announce(struct kvs *k, const struct store_root *root)
{
    AUTO(buf) struct buf json = BUF_INIT;
    char topic[MSG_TOPIC_MAX + 1];
    struct msg m;

    kvs_json_encode_root(k->conf.alg, root, &json);
    snprintf(topic, sizeof(topic), "kvs.namespace-%s-setroot", root->name);
    msg_init(&m, MSG_EVENT);
    m.flags |= MSG_PRIVATE;
    msg_set_topic(&m, topic);
    msg_set_text(&m, buf_str(&json));
    router_send_down(k->router, &m);
    msg_fini(&m);
}

/* A change on its way to the disk. */
struct change {
    struct change_waiter waiter;
    struct kvs *kvs;              // borrowed
    char ns[STORE_NAMESPACE_MAX]; // the actor is to be told; "": it did not ask
};

static void
take_in(struct kvs *k, const struct store_change *made)
{
    for (size_t i = 0; k->store && i < made->nblobs; i++)
        content_insert(k->content, &made->digests[i], made->blobs[i]);
    for (size_t i = 0; i < made->nroots; i++) {
        adopt_root(k, &made->roots[i]);
        announce(k, &made->roots[i]);
    }
}

static void
on_changed(struct change_waiter *w, int rc, struct store_change **made)
{
    struct change *change = container_of(w, struct change, waiter);
    struct kvs *k = change->kvs;

    if (rc == 0)
        take_in(k, *made);
    if (change->ns[0] && k->actor)
        kvs_actor_written(k->actor, change->ns, rc);
    else if (rc < 0)
        elog(ELOG_ERR, "a new root could not be stored: %s", err_name(rc));
    store_change_free(made);
    free(change);
}

/* Without a store the cache retains everything: a change is as durable as it gets at once. */
static void
apply_change(struct kvs *k, struct store_change **made, const char *ns)
{
    struct change *change = xcalloc(1, sizeof(*change));

    change->waiter.fn = on_changed;
    change->kvs = k;
    snprintf(change->ns, sizeof(change->ns), "%s", ns);
    if (k->store) {
        store_apply(k->store, made, &change->waiter);
        return;
    }
    for (size_t i = 0; i < (*made)->nblobs; i++)
        content_store(k->content, &(*made)->digests[i], (*made)->blobs[i], NULL);
    on_changed(&change->waiter, 0, made);
}

static void
on_write(void *arg, const char *ns, struct store_change **made)
{
    apply_change(arg, made, ns);
}

static const struct kvs_actor_ops actor_ops = {on_need, on_write, on_committed};

static struct store_root
make_primary(struct kvs *k)
{
    struct store_root primary = {.name = "primary", .owner = geteuid()};
    struct store_change *change = store_change_new();
    AUTO(blob) struct blob *empty = tree_empty_dir(k->conf.alg, &primary.root);

    store_change_add_blob(change, &primary.root, empty);
    store_change_add_root(change, &primary);
    apply_change(k, &change, "");
    return primary;
}

int
kvs_lead(struct kvs *k, struct store *store, const struct store_root *roots, size_t nroots,
         struct loop *loop, struct err *err)
{
    struct store_root primary;

    k->store = store;
    if (nroots == 0) {
        primary = make_primary(k);
        roots = &primary;
        nroots = 1;
    }
    for (size_t i = 0; i < nroots; i++)
        kvs_roots_set(k->roots, &roots[i]);
    k->ids = commit_ids_new();
    return kvs_actor_start(&k->actor, k->conf.alg, roots, nroots, loop, &actor_ops, k, err);
}

void
kvs_stop_leading(struct kvs *k)
{
    kvs_actor_stop(&k->actor);
}

/* --- from above --- */

void
kvs_on_event(struct kvs *k, const struct msg *event)
{
    static const char prefix[] = "kvs.namespace-";
    struct store_root root;

    if (strncmp(event->topic, prefix, sizeof(prefix) - 1) != 0)
        return;
    if (kvs_json_decode_root(k->conf.alg, msg_text(event), NULL, &root) < 0)
        elog(ELOG_WARN, "event %s makes no sense: ignored", event->topic);
    else
        adopt_root(k, &root);
}

/* Roots may have been announced while we were cut off. */
void
kvs_parent_online(struct kvs *k)
{
    for (size_t i = 0; i < kvs_roots_count(k->roots); i++)
        ask_root(k, kvs_roots_at(k->roots, i)->name, NULL);
}

const struct store_root *
kvs_primary(const struct kvs *k)
{
    return kvs_roots_get(k->roots, "primary");
}

/* --- life --- */

static const struct service services[] = {
    {"kvs.lookup", serve_lookup},
    {"kvs.getroot", serve_getroot},
    {"kvs.wait-version", serve_wait_version},
    {"kvs.commit", serve_commit},
    {COMMIT_TOPIC, serve_commit},
    {"kvs.namespace-list", serve_namespace_list},
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
    k->walker = walker_new(conf->alg, router, content, &walker_ops, k);
    k->roots = kvs_roots_new();
    k->uuid = xstrdup(zuuid_str(uuid));
    zuuid_destroy(&uuid);
    list_init(&k->version_waits);
    list_init(&k->root_asks);
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
    LIST_FOR_EACH (node, &k->root_asks)
        finish_ask(list_entry(node, struct root_ask, node), NULL, ECANCELED, "the rank stops");
    LIST_FOR_EACH (node, &k->version_waits) {
        struct version_wait *w = list_entry(node, struct version_wait, node);

        router_respond_error(k->router, w->request, ECANCELED, "the rank stops");
        request_free(&w->request);
        free(w);
    }
    walker_free(&k->walker);
    kvs_roots_free(&k->roots);
    free(k->uuid);
    free(k);
}
