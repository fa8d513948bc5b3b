/* SPDX-License-Identifier: MPL-2.0 */
/* kvs_root.c - which root of a namespace is newest, as far as this rank knows.
 *
 * Rank 0 knows all.  Other ranks learn a root from the first question (one call to the parent however
 * many ask), and from then on from announcements and from the answers to commits passing by. */
#include "kvs_json.h"
#include "kvs_priv.h"
#include "xmem.h"

#include <errno.h>

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

/* --- the newest root --- */

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
free_version_wait(struct version_wait *w)
{
    list_remove(&w->node);
    request_free(&w->request);
    free(w);
}

static void
wake_version_waits(struct kvs *k, const struct store_root *root)
{
    LIST_FOR_EACH (node, &k->version_waits) {
        struct version_wait *w = list_entry(node, struct version_wait, node);

        if (strcmp(w->ns, root->name) != 0 || w->sequence > root->sequence)
            continue;
        respond_version(k, w->request, root);
        free_version_wait(w);
    }
}

static void
cancel_version_wait(struct kvs *k, struct version_wait *w, int errnum, const char *text)
{
    router_respond_error(k->router, w->request, errnum, "%s", text);
    free_version_wait(w);
}

static void
cancel_version_waits(struct kvs *k, const char *ns, int errnum, const char *text)
{
    LIST_FOR_EACH (node, &k->version_waits) {
        struct version_wait *w = list_entry(node, struct version_wait, node);

        if (strcmp(w->ns, ns) == 0)
            cancel_version_wait(k, w, errnum, text);
    }
}

bool
kvs_root_adopt(struct kvs *k, const struct store_root *root)
{
    if (!kvs_roots_set(k->roots, root))
        return false;
    kvs_follow_first(k, root);
    wake_version_waits(k, root);
    walker_root_known(k->walker, root->name);
    kvs_watch_root_known(k, root);
    return true;
}

/* The client that asked first; NULL: no more. */
static struct getroot *
pop_getroot(struct root_ask *ask)
{
    struct list *node = list_pop_front(&ask->getroots);

    return node ? list_entry(node, struct getroot, node) : NULL;
}

static void
free_getroot(struct getroot *g)
{
    request_free(&g->request);
    free(g);
}

static void
answer_ask(struct root_ask *ask, const struct store_root *root)
{
    struct getroot *g;

    list_remove(&ask->node);
    while ((g = pop_getroot(ask))) {
        respond_root(ask->kvs, g->request, root);
        free_getroot(g);
    }
    free(ask);
}

static void
fail_ask(struct root_ask *ask, int errnum, const char *text)
{
    struct kvs *k = ask->kvs;
    struct getroot *g;

    list_remove(&ask->node);
    while ((g = pop_getroot(ask))) {
        router_respond_error(k->router, g->request, errnum, "%s", text);
        free_getroot(g);
    }
    walker_root_failed(k->walker, ask->ns, errnum, text);
    kvs_watch_root_failed(k, ask->ns, errnum, text);
    cancel_version_waits(k, ask->ns, errnum, text);
    free(ask);
}

/* It was removed while we were cut off. */
void
kvs_root_is_gone(struct kvs *k, const char *ns)
{
    const struct store_root *known = kvs_roots_get(k->roots, ns);
    struct store_root gone;

    if (!known)
        return;
    gone = *known;
    kvs_root_drop(k, ns);
    kvs_change_announce(k, &gone, 0, NULL, "removed");
}

static void
on_root_answer(void *arg, struct msg *response)
{
    struct root_ask *ask = arg;
    struct kvs *k = ask->kvs;
    struct store_root root;
    const char *text = msg_text(response);

    if (response->errnum == ENOTSUP)
        kvs_root_is_gone(k, ask->ns);
    if (response->errnum != 0) {
        fail_ask(ask, (int)response->errnum, text ? text : err_name((int)response->errnum));
    } else if (kvs_json_decode_root(k->conf.alg, text, ask->ns, &root) < 0 ||
               strcmp(root.name, ask->ns) != 0) {
        fail_ask(ask, EPROTO, "the parent's answer to kvs.getroot makes no sense");
    } else {
        if (kvs_root_adopt(k, &root)) // the ranks below may have missed it too
            kvs_change_announce(k, &root, 0, NULL, "setroot");
        walker_root_known(k->walker, ask->ns);
        answer_ask(ask, kvs_roots_get(k->roots, ask->ns)); // it, or a newer one
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

void
kvs_root_ask(struct kvs *k, const char *ns)
{
    char text[ERR_TEXT_MAX];

    if (k->conf.rank > 0 && kvs_json_is_namespace(ns)) {
        ask_root(k, ns, NULL);
        return;
    }
    snprintf(text, sizeof(text), "namespace %s does not exist", ns);
    walker_root_failed(k->walker, ns, ENOTSUP, text);
    kvs_watch_root_failed(k, ns, ENOTSUP, text);
}

/* For a walk. */
static const struct digest *
root_for_walk(void *arg, const char *ns)
{
    struct kvs *k = arg;
    const struct store_root *root = kvs_roots_get(k->roots, ns);

    if (root)
        return &root->root;
    kvs_root_ask(k, ns);
    return NULL;
}

const struct walker_ops kvs_root_walker_ops = {root_for_walk};

void
kvs_root_drop(struct kvs *k, const char *ns)
{
    kvs_roots_remove(k->roots, ns);
    kvs_versions_drop(k->versions, ns);
    kvs_watch_removed(k, ns);
    cancel_version_waits(k, ns, ENOTSUP, "the namespace was removed");
}

size_t
kvs_root_waits(const struct kvs *k)
{
    size_t count = 0;

    LIST_FOR_EACH (node, &k->version_waits)
        count++;
    return count;
}

size_t
kvs_root_waits_of(const struct kvs *k, const char *ns)
{
    size_t count = 0;

    LIST_FOR_EACH (node, &k->version_waits)
        count += strcmp(list_entry(node, struct version_wait, node)->ns, ns) == 0;
    return count;
}

void
kvs_root_forget(struct kvs *k, const struct origin *client)
{
    LIST_FOR_EACH (node, &k->version_waits) {
        struct version_wait *w = list_entry(node, struct version_wait, node);

        if (request_is_from(w->request, client))
            free_version_wait(w);
    }
}

/* --- questions of clients --- */

static bool
read_namespace(struct kvs *k, struct request *req, char ns[STORE_NAMESPACE_MAX], int64_t *ret_seq)
{
    if (kvs_json_decode_namespace(msg_text(&req->msg), ns, ret_seq) == 0)
        return true;
    router_respond_error(k->router, req, EPROTO, "%s: malformed payload", req->msg.topic);
    return false;
}

void
kvs_root_serve_getroot(void *arg, struct request *req)
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

void
kvs_root_serve_wait_version(void *arg, struct request *req)
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

/* --- life --- */

void
kvs_root_init(struct kvs *k)
{
    list_init(&k->version_waits);
    list_init(&k->root_asks);
    k->roots = kvs_roots_new();
}

void
kvs_root_fini(struct kvs *k)
{
    LIST_FOR_EACH (node, &k->root_asks)
        fail_ask(list_entry(node, struct root_ask, node), ECANCELED, "the rank stops");
    LIST_FOR_EACH (node, &k->version_waits)
        cancel_version_wait(k, list_entry(node, struct version_wait, node), ECANCELED,
                            "the rank stops");
    kvs_roots_free(&k->roots);
}
