/* SPDX-License-Identifier: MPL-2.0 */
/* checkpoints.c - see checkpoints.h.  A checkpoint must never name a blob that is not on the disk, so
 * a put flushes the cache first, and makes sure that its root is a directory there. */
#include "checkpoints.h"
#include "elog.h"
#include "rootcheck.h"
#include "waiter.h"
#include "xmem.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>
#include <unistd.h>

struct checkpoints {
    uint32_t rank;
    enum digest_alg alg;
    struct router *router;   // borrowed
    struct content *content; // borrowed
    struct store *store;     // borrowed; NULL: not here
    bool moves_root;         // a put sets the primary root too
    int64_t sequence;        // if moves_root: of the last one; -1: there is none
};

/* A request on its way: first the flush (put only), then the store. */
struct ask {
    struct content_waiter flushed;
    struct rootcheck rootcheck;
    struct checkpoints_waiter listed;
    struct change_waiter changed;
    struct checkpoints *owner;    // borrowed
    struct request *request;      // owned; NULL: nobody asked (an orderly stop)
    struct checkpoint checkpoint; // put only
};

static void
free_ask(struct ask *ask)
{
    request_free(&ask->request);
    free(ask);
}

static struct ask *
new_ask(struct checkpoints *c, struct request *request)
{
    struct ask *ask = xcalloc(1, sizeof(*ask));

    ask->owner = c;
    ask->request = request;
    return ask;
}

/* false: the request has been passed up or answered. */
static bool
at_store(struct checkpoints *c, struct request *req)
{
    if (c->store)
        return true;
    if (c->rank > 0) // a checkpoint sent twice is the same checkpoint
        router_pass_on(c->router, req,
                       &(struct router_pass){.rank = TOPO_NONE, .flags = ROUTER_REPLAY});
    else
        router_respond_error(c->router, req, ENOSYS, "there is no backing store for checkpoints");
    return false;
}

/* --- get --- */

static void
on_listed(struct checkpoints_waiter *w, int rc, const struct checkpoint *list, size_t count)
{
    struct ask *ask = container_of(w, struct ask, listed);
    struct checkpoints *c = ask->owner;
    AUTO(buf) struct buf text = BUF_INIT;

    if (rc == 0 && count == 0)
        rc = -ENOENT;
    if (rc < 0) {
        router_respond_error(c->router, ask->request, -rc, NULL);
    } else {
        buf_add_str(&text, "{\"value\":[");
        for (size_t i = 0; i < count; i++) {
            if (i > 0)
                buf_add_char(&text, ',');
            checkpoint_encode(c->alg, &list[i], &text);
        }
        buf_add_str(&text, "]}");
        router_respond_text(c->router, ask->request, buf_str(&text));
    }
    free_ask(ask);
}

static void
serve_get(void *arg, struct request *req)
{
    struct checkpoints *c = arg;
    struct ask *ask;

    if (!at_store(c, req))
        return;
    ask = new_ask(c, request_keep(req));
    ask->listed.fn = on_listed;
    store_list_checkpoints(c->store, &ask->listed);
}

/* --- put --- */

static void
finish_put(struct ask *ask, int rc)
{
    struct router *router = ask->owner->router;
    struct blob *none = NULL;

    if (!ask->request) {
        if (rc < 0)
            elog(ELOG_ERR, "the checkpoint could not be stored: %s", err_name(rc));
    } else if (rc < 0) {
        router_respond_error(router, ask->request, -rc, NULL);
    } else {
        router_respond(router, ask->request, &none);
    }
    free_ask(ask);
}

static void
on_changed(struct change_waiter *w, int rc, struct store_change **change)
{
    store_change_free(change);
    finish_put(container_of(w, struct ask, changed), rc);
}

/* Numbers go on where they were, so that the history does too. */
static void
add_primary(struct checkpoints *c, struct store_change *change, const struct checkpoint *checkpoint)
{
    struct store_root root = {.name = "primary", .owner = geteuid(), .root = checkpoint->root};

    c->sequence = MAX(checkpoint->sequence, MIN(c->sequence, INT64_MAX - 1) + 1);
    root.sequence = c->sequence;
    store_change_add_root(change, &root);
}

static void
on_checked(struct rootcheck *check, int rc)
{
    struct ask *ask = container_of(check, struct ask, rootcheck);
    struct store_change *change;

    if (rc < 0) {
        finish_put(ask, rc);
        return;
    }
    change = store_change_new();
    change->checkpoint = xmalloc(sizeof(*change->checkpoint));
    *change->checkpoint = ask->checkpoint;
    if (ask->owner->moves_root)
        add_primary(ask->owner, change, &ask->checkpoint);
    ask->changed.fn = on_changed;
    store_apply(ask->owner->store, &change, &ask->changed);
}

static void
on_flushed(struct content_waiter *w, int rc, const struct blob *none)
{
    struct ask *ask = container_of(w, struct ask, flushed);
    struct checkpoints *c = ask->owner;

    (void)none;
    if (rc < 0)
        finish_put(ask, rc);
    else
        rootcheck_start(&ask->rootcheck, c->content, c->alg, &ask->checkpoint.root, on_checked);
}

static void
start_put(struct checkpoints *c, struct request *request, const struct checkpoint *checkpoint)
{
    struct ask *ask = new_ask(c, request);

    ask->checkpoint = *checkpoint;
    ask->flushed.fn = on_flushed;
    content_flush(c->content, &ask->flushed);
}

static int
decode_put(struct checkpoints *c, const char *text, struct checkpoint *ret, struct err *err)
{
    json_t *json = text ? json_loads(text, 0, NULL) : NULL;
    json_t *value = json_object_get(json, "value");
    int rc = value ? checkpoint_from_json(c->alg, (const struct json_t *)value, ret, err)
                   : err_set(err, -EPROTO, "checkpoint-put: no value");

    json_decref(json);
    return rc;
}

static void
serve_put(void *arg, struct request *req)
{
    struct checkpoints *c = arg;
    struct checkpoint checkpoint;
    struct err err = {0};
    int rc;

    if (!at_store(c, req))
        return;
    rc = decode_put(c, msg_text(&req->msg), &checkpoint, &err);
    if (rc < 0)
        router_respond_error(c->router, req, -rc, "%s", err.text);
    else
        start_put(c, request_keep(req), &checkpoint);
}

void
checkpoints_record(struct checkpoints *c, const struct checkpoint *checkpoint)
{
    start_put(c, NULL, checkpoint);
}

/* --- life --- */

static const struct service services[] = {
    {"content.checkpoint-get", serve_get},
    {"content.checkpoint-put", serve_put},
    {"content-backing.checkpoint-get", serve_get},
    {"content-backing.checkpoint-put", serve_put},
};

struct checkpoints *
checkpoints_new(uint32_t rank, enum digest_alg alg, struct router *router, struct content *content,
                struct service_table *table)
{
    struct checkpoints *c = xcalloc(1, sizeof(*c));

    c->rank = rank;
    c->alg = alg;
    c->router = router;
    c->content = content;
    service_table_add(table, services, ARRAY_SIZE(services), c);
    return c;
}

void
checkpoints_free(struct checkpoints **checkpoints)
{
    free(TAKE(*checkpoints));
}

void
checkpoints_set_store(struct checkpoints *c, struct store *store)
{
    c->store = store;
}

void
checkpoints_move_root(struct checkpoints *c, const struct store_root *recorded, size_t count)
{
    c->moves_root = true;
    c->sequence = -1;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(recorded[i].name, "primary") == 0)
            c->sequence = recorded[i].sequence;
    }
}
