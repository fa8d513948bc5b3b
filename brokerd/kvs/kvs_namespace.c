/* SPDX-License-Identifier: MPL-2.0 */
/* kvs_namespace.c - kvs.namespace-create, -remove, -list.  Rank 0 keeps the namespaces, one row each
 * in the store; other ranks pass the requests up. */
#include "blobref.h"
#include "clock.h"
#include "kvs_json.h"
#include "kvs_priv.h"
#include "rootcheck.h"
#include "tree.h"
#include "xmem.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <unistd.h>

/* A namespace on its way to or from the disk. */
struct space_change {
    struct list node;        // on kvs.spaces
    struct kvs *kvs;         // borrowed
    struct request *request; // owned
    struct rootcheck check;  // of a root that the client names
    struct store_root root;
};

static struct space_change *
new_space_change(struct kvs *k, struct request *req, const struct store_root *root)
{
    struct space_change *c = xmalloc(sizeof(*c));

    c->kvs = k;
    c->request = request_keep(req);
    c->root = *root;
    list_init(&c->node);
    list_push_back(&k->spaces, &c->node);
    return c;
}

static void
finish(struct space_change *c, int rc)
{
    struct blob *none = NULL;
    char ref[BLOBREF_MAX];

    if (rc < 0)
        router_respond_error(c->kvs->router, c->request, -rc, "namespace %s, root %s: %s",
                             c->root.name, blobref_format(c->kvs->conf.alg, &c->root.root, ref),
                             err_name(rc));
    else
        router_respond(c->kvs->router, c->request, &none);
    request_free(&c->request);
    list_remove(&c->node);
    free(c);
}

static void
pass_up(struct kvs *k, struct request *req)
{
    router_pass_on(k->router, req,
                   &(struct router_pass){.rank = TOPO_NONE, .flags = ROUTER_REPLAY});
}

static bool
is_changing(const struct kvs *k, const char *ns)
{
    LIST_FOR_EACH (node, &k->spaces) {
        if (strcmp(list_entry(node, struct space_change, node)->root.name, ns) == 0)
            return true;
    }
    return false;
}

bool
kvs_namespace_is_live(const struct kvs *k, const char *ns)
{
    return kvs_roots_get(k->roots, ns) && !is_changing(k, ns);
}

/* --- create --- */

static void
set_empty(const struct kvs *k, struct digest *ret)
{
    struct blob *empty = tree_empty_dir(k->conf.alg, ret);

    blob_unref(&empty);
}

static bool
is_printable(const char *text)
{
    while (*text >= ' ' && *text < 0x7f)
        text++;
    return *text == '\0';
}

/* {"namespace":NS,"rootref":REF,"owner":UID or -1,"flags":0}; without a rootref it begins empty. */
static int
decode_create(struct kvs *k, const char *text, struct store_root *ret, struct err *err)
{
    json_t *json = text ? json_loads(text, 0, NULL) : NULL;
    const char *name = "";
    const char *ref = NULL;
    enum digest_alg alg = k->conf.alg;
    int owner = -1;
    int rc = 0;

    if (json_unpack(json, "{s:s s?s s?i}", "namespace", &name, "rootref", &ref, "owner", &owner) <
        0)
        rc = err_set(err, -EPROTO, "namespace-create: malformed payload");
    else if (!kvs_json_is_namespace(name))
        rc = err_set(err, -EINVAL, "namespace '%.64s': not 1 to %d letters, digits, -_.+@ and :",
                     is_printable(name) ? name : "?", STORE_NAMESPACE_MAX - 1);
    else if (ref && (blobref_parse(ref, &alg, &ret->root) < 0 || alg != k->conf.alg))
        rc = err_set(err, -EINVAL, "rootref is no blobref of this instance");
    if (rc == 0)
        snprintf(ret->name, sizeof(ret->name), "%s", name);
    if (!ref)
        set_empty(k, &ret->root);
    ret->owner = owner < 0 ? geteuid() : (uint32_t)owner;
    ret->sequence = 0;
    ret->epoch = kvs_next_epoch(k);
    json_decref(json);
    return rc;
}

static void
on_created(void *arg, int rc)
{
    struct space_change *c = arg;

    if (rc == 0 && c->kvs->actor)
        kvs_actor_add_root(c->kvs->actor, &c->root);
    finish(c, rc);
}

static void
write_root(struct space_change *c)
{
    struct kvs *k = c->kvs;
    struct store_change *made = store_change_new();
    struct digest empty;
    AUTO(blob) struct blob *b = tree_empty_dir(k->conf.alg, &empty);

    if (digest_equal(&empty, &c->root.root)) // a client may name it without having stored it
        store_change_add_blob(made, &empty, b);
    store_change_add_root(made, &c->root);
    made->time = clock_wall();
    if (commit_ids_is_name(router_once_id(c->request)))
        made->ids = xstrdup(router_once_id(c->request));
    kvs_change_apply(k, &made, on_created, c);
}

static void
on_checked(struct rootcheck *check, int rc)
{
    struct space_change *c = container_of(check, struct space_change, check);

    if (rc < 0)
        finish(c, rc);
    else
        write_root(c);
}

static void
create(struct kvs *k, struct request *req, const struct store_root *root)
{
    struct space_change *c = new_space_change(k, req, root);
    struct digest empty;

    set_empty(k, &empty);
    if (digest_equal(&empty, &root->root))
        write_root(c);
    else
        rootcheck_start(&c->check, k->content, k->conf.alg, &c->root.root, on_checked);
}

/* Did the rank 0 before this one make it, because of the same request? */
static bool
is_made(const struct kvs *k, const struct request *req, const char *name)
{
    const struct store_root *root = commit_ids_find(k->ids, router_once_id(req));

    return root && root->epoch >= 0 && strcmp(root->name, name) == 0 &&
           kvs_namespace_is_live(k, name);
}

void
kvs_namespace_serve_create(void *arg, struct request *req)
{
    struct kvs *k = arg;
    struct store_root root = {0};
    struct blob *none = NULL;
    struct err err = {0};
    int rc;

    if (k->conf.rank > 0) {
        router_pass_once(k->router, req);
        return;
    }
    rc = decode_create(k, msg_text(&req->msg), &root, &err);
    if (rc == 0 && is_made(k, req, root.name)) {
        router_respond(k->router, req, &none);
        return;
    }
    if (rc == 0 && (kvs_roots_get(k->roots, root.name) || is_changing(k, root.name)))
        rc = err_set(&err, -EEXIST, "namespace %s exists", root.name);
    if (rc < 0)
        router_respond_error(k->router, req, -rc, "%s", err.text);
    else
        create(k, req, &root);
}

/* --- remove --- */

static void
on_removed(void *arg, int rc)
{
    struct space_change *c = arg;
    struct kvs *k = c->kvs;

    if (rc == 0) {
        kvs_root_drop(k, c->root.name);
        kvs_change_announce(k, &c->root, 0, NULL, "removed");
        if (k->actor)
            kvs_actor_remove_root(k->actor, c->root.name);
    }
    finish(c, rc);
}

void
kvs_namespace_serve_remove(void *arg, struct request *req)
{
    struct kvs *k = arg;
    const struct store_root *root;
    struct store_change *made;
    struct blob *none = NULL;
    char name[STORE_NAMESPACE_MAX];

    if (k->conf.rank > 0) {
        router_pass_once(k->router, req);
        return;
    }
    if (kvs_json_decode_namespace(msg_text(&req->msg), name, NULL) < 0) {
        router_respond_error(k->router, req, EPROTO, "namespace-remove: malformed payload");
        return;
    }
    if (strcmp(name, "primary") == 0) {
        router_respond_error(k->router, req, ENOTSUP, "the primary namespace cannot be removed");
        return;
    }
    root = kvs_roots_get(k->roots, name);
    if (is_changing(k, name)) {
        router_respond_error(k->router, req, EBUSY, "namespace %s is being made or removed", name);
        return;
    }
    if (!root) {
        router_respond(k->router, req, &none);
        return;
    }
    made = store_change_new();
    made->remove_root = xstrdup(name);
    kvs_change_apply(k, &made, on_removed, new_space_change(k, req, root));
}

/* --- list --- */

void
kvs_namespace_serve_list(void *arg, struct request *req)
{
    struct kvs *k = arg;
    AUTO(buf) struct buf text = BUF_INIT;

    if (k->conf.rank > 0) {
        pass_up(k, req);
        return;
    }
    buf_add_str(&text, "{\"namespaces\":[");
    for (size_t i = 0; i < kvs_roots_count(k->roots); i++) {
        const struct store_root *root = kvs_roots_at(k->roots, i);

        buf_printf(&text, "%s{\"namespace\":\"%s\",\"owner\":%u,\"flags\":0}", i ? "," : "",
                   root->name, root->owner);
    }
    buf_add_str(&text, "]}");
    router_respond_text(k->router, req, buf_str(&text));
}
