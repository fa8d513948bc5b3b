/* SPDX-License-Identifier: MPL-2.0 */
/* kvs_watch.c - kvs-watch.lookup and kvs-watch.cancel: the watches of all clients of this rank.  See
 * kvs_watcher.c. */
#include "kvs_json.h"
#include "kvs_priv.h"
#include "kvs_watcher.h"
#include "watch.h"

#include <errno.h>
#include <jansson.h>

#define WATCHES_MAX 2048 // of one client: it may not have more requests than 4096 open

/* --- events --- */

void
kvs_watch_run(struct kvs *k, const char *ns)
{
    LIST_FOR_EACH (node, &k->watchers) {
        struct watcher *w = list_entry(node, struct watcher, node);

        if (strcmp(w->spec.ns, ns) == 0)
            watcher_run(w);
    }
}

void
kvs_watch_root_known(struct kvs *k, const struct store_root *root)
{
    LIST_FOR_EACH (node, &k->watchers) {
        struct watcher *w = list_entry(node, struct watcher, node);

        if (w->state == WATCHER_STARTING && strcmp(w->spec.ns, root->name) == 0)
            watcher_start(w, root);
    }
}

void
kvs_watch_root_failed(struct kvs *k, const char *ns, int errnum, const char *text)
{
    LIST_FOR_EACH (node, &k->watchers) {
        struct watcher *w = list_entry(node, struct watcher, node);

        if (w->state != WATCHER_STARTING || strcmp(w->spec.ns, ns) != 0 ||
            (errnum == ENOTSUP && (w->spec.flags & LOOKUP_WAITCREATE)))
            continue;
        watcher_end(w, errnum, text);
        watcher_run(w);
    }
}

void
kvs_watch_removed(struct kvs *k, const char *ns)
{
    LIST_FOR_EACH (node, &k->watchers) {
        struct watcher *w = list_entry(node, struct watcher, node);

        if (w->state == WATCHER_STARTING || strcmp(w->spec.ns, ns) != 0)
            continue;
        watcher_end(w, ENOTSUP, "the namespace was removed");
        watcher_run(w);
    }
}

void
kvs_watch_refresh(struct kvs *k)
{
    LIST_FOR_EACH (node, &k->watchers) {
        struct watcher *w = list_entry(node, struct watcher, node);

        if (w->state == WATCHER_STARTING)
            kvs_root_ask(k, w->spec.ns);
    }
}

void
kvs_watch_drained(struct kvs *k, const struct origin *client)
{
    LIST_FOR_EACH (node, &k->watchers) {
        struct watcher *w = list_entry(node, struct watcher, node);

        if (!request_is_from(w->request, client))
            continue;
        watcher_resume(w);
    }
}

void
kvs_watch_forget(struct kvs *k, const struct origin *client)
{
    LIST_FOR_EACH (node, &k->watchers) {
        struct watcher *w = list_entry(node, struct watcher, node);

        if (request_is_from(w->request, client))
            watcher_free(w);
    }
}

size_t
kvs_watch_count(const struct kvs *k, const char *ns)
{
    size_t count = 0;

    LIST_FOR_EACH (node, &k->watchers)
        count += !ns || strcmp(list_entry(node, struct watcher, node)->spec.ns, ns) == 0;
    return count;
}

/* --- requests --- */

static size_t
count_of(const struct kvs *k, const struct request *req)
{
    size_t count = 0;

    LIST_FOR_EACH (node, &k->watchers)
        count += request_is_from(list_entry(node, struct watcher, node)->request, &req->from);
    return count;
}

static int
check(const struct kvs *k, const struct request *req, const struct kvs_watch_spec *spec,
      struct err *err)
{
    if (!request_is_from_client(req)) // or nobody would end it when its client is gone
        return err_set(err, -EINVAL, "a watch is served by the rank its client is connected to");
    if (spec->has_root && (spec->flags & (LOOKUP_WATCH | LOOKUP_WAITCREATE)))
        return err_set(err, -EINVAL, "lookup: what is below one root does not change");
    if (count_of(k, req) >= WATCHES_MAX)
        return err_set(err, -EAGAIN, "a client may have %d watches, not more", WATCHES_MAX);
    return watch_check_flags(spec->flags, (req->msg.flags & MSG_STREAMING) != 0, err);
}

static void
begin(struct kvs *k, struct watcher *w)
{
    const struct store_root *root = kvs_roots_get(k->roots, w->spec.ns);

    if (w->spec.has_root)
        watcher_start(w, &(struct store_root){.root = w->spec.root});
    else if (root)
        watcher_start(w, root);
    else
        kvs_root_ask(k, w->spec.ns);
}

void
kvs_watch_serve_lookup(void *arg, struct request *req)
{
    struct kvs *k = arg;
    struct kvs_watch_spec spec = {.key = NULL};
    struct err err = {0};
    int rc = kvs_json_decode_watch(k->conf.alg, msg_text(&req->msg), &spec, &err);

    if (rc == 0)
        rc = check(k, req, &spec, &err);
    if (rc < 0)
        router_respond_error(k->router, req, -rc, "%s", err.text);
    else
        begin(k, watcher_new(k, req, &spec));
    kvs_watch_spec_fini(&spec);
}

static bool
read_matchtag(const char *text, uint32_t *ret)
{
    json_t *json = text ? json_loads(text, 0, NULL) : NULL;
    json_int_t tag = -1;
    int rc = json_unpack(json, "{s:I}", "matchtag", &tag);

    json_decref(json);
    *ret = (uint32_t)tag;
    return rc == 0;
}

/* Wants no answer; the stream that is cancelled gets its end. */
void
kvs_watch_serve_cancel(void *arg, struct request *req)
{
    struct kvs *k = arg;
    struct blob *none = NULL;
    uint32_t tag;

    if (!read_matchtag(msg_text(&req->msg), &tag)) {
        router_respond_error(k->router, req, EPROTO, "kvs-watch.cancel: malformed payload");
        return;
    }
    LIST_FOR_EACH (node, &k->watchers) {
        struct watcher *w = list_entry(node, struct watcher, node);

        if (w->request->msg.matchtag != tag || !request_is_from(w->request, &req->from))
            continue;
        watcher_end(w, ENODATA, NULL);
        watcher_run(w);
    }
    router_respond(k->router, req, &none);
}

/* --- life --- */

void
kvs_watch_fini(struct kvs *k)
{
    LIST_FOR_EACH (node, &k->watchers) {
        struct watcher *w = list_entry(node, struct watcher, node);

        watcher_end(w, ECANCELED, "the rank stops");
        watcher_free(w);
    }
}
