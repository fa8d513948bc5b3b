/* SPDX-License-Identifier: MPL-2.0 */
/* kvs_actor.c - see kvs_actor.h.  Both directions carry struct item, of which each kind uses some
 * members; whoever receives one frees it.
 *
 * The thread takes all that waits in its mailbox before it runs the committer, so commits that
 * arrive while a root is being written are merged into the next one.
 */
#include "kvs_actor.h"
#include "actor.h"
#include "clock.h"
#include "xmem.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

enum item_kind {
    ITEM_COMMIT,  // to the actor:   cookie, blob (the payload), id
    ITEM_PROVIDE, // to the actor:   digest, rc, blob
    ITEM_WRITTEN, // to the actor:   name, rc
    ITEM_ADD,     // to the actor:   root
    ITEM_REMOVE,  // to the actor:   name
    ITEM_NEED,    // from the actor: digest
    ITEM_WRITE,   // from the actor: name, change
    ITEM_DONE,    // from the actor: cookie, rc, text, root
};

struct item {
    enum item_kind kind;
    int rc;
    void *cookie;      // borrowed
    struct blob *blob; // owned
    struct digest digest;
    struct store_change *change; // owned
    struct store_root root;      // name holds a namespace also for WRITTEN and WRITE
    char *text;                  // owned
    char id[STORE_COMMIT_ID_MAX];
};

struct kvs_actor {
    enum digest_alg alg;
    bool backing;                    // checkpoints can be recorded
    const struct kvs_actor_ops *ops; // borrowed
    void *arg;                       // borrowed
    struct actor *actor;             // owned
    struct loop_source *source;      // owned: what the actor sends
    struct committer *committer;     // owned; used by the thread only, once it runs
    void *pipe;                      // the thread's end
};

static struct item *
new_item(enum item_kind kind)
{
    struct item *item = xcalloc(1, sizeof(*item));

    item->kind = kind;
    return item;
}

static void
free_item(struct item *item)
{
    blob_unref(&item->blob);
    store_change_free(&item->change);
    free(item->text);
    free(item);
}

/* --- the thread --- */

static void
send_need(void *arg, const struct digest *d)
{
    struct kvs_actor *a = arg;
    struct item *item = new_item(ITEM_NEED);

    item->digest = *d;
    actor_post(a->pipe, item);
}

static void
send_write(void *arg, const char *ns, struct store_change **change)
{
    struct kvs_actor *a = arg;
    struct item *item = new_item(ITEM_WRITE);

    snprintf(item->root.name, sizeof(item->root.name), "%s", ns);
    item->change = TAKE(*change);
    actor_post(a->pipe, item);
}

static void
send_done(void *arg, void *cookie, int rc, const char *text, const struct store_root *root)
{
    struct kvs_actor *a = arg;
    struct item *item = new_item(ITEM_DONE);

    item->cookie = cookie;
    item->rc = rc;
    if (root)
        item->root = *root;
    else
        item->text = xstrdup(text);
    actor_post(a->pipe, item);
}

static const struct committer_ops committer_ops = {send_need, send_write, send_done};

/* SYNC records a checkpoint, and checkpoints are of the primary namespace. */
static int
check_sync(const struct kvs_actor *a, const char *ns, int flags, struct err *err)
{
    if (!(flags & COMMIT_SYNC))
        return 0;
    if (strcmp(ns, "primary") != 0)
        return err_set(err, -EINVAL, "commit: SYNC is for the primary namespace");
    if (!a->backing)
        return err_set(err, -ENOSYS, "commit: SYNC, but there is no backing store");
    return 0;
}

static int
parse_flags(const struct kvs_actor *a, const char *ns, int flags, struct err *err)
{
    if (flags & ~(COMMIT_NO_MERGE | COMMIT_COMPACT | COMMIT_SYNC))
        return err_set(err, -EINVAL, "commit: unknown flags 0x%x", (unsigned)flags);
    return check_sync(a, ns, flags, err);
}

/* The members that say what is expected; either may be missing. */
static int
parse_expected(const struct kvs_actor *a, const json_t *json, struct txn *txn, struct err *err)
{
    const json_t *version = json_object_get(json, "rootseq");
    const json_t *expects = json_object_get(json, "expect");

    if (version && (!json_is_integer(version) || json_integer_value(version) < 0))
        return err_set(err, -EPROTO, "commit: rootseq is no sequence number");
    if (version)
        txn->version = json_integer_value(version);
    return expects ? txn_expects_from_json(a->alg, expects, txn, err) : 0;
}

/* A commit as it came; what points into `json` is borrowed from it. */
struct parsed {
    json_t *json; // owned
    const char *ns;
    int flags;
    struct txn txn; // owned
};

static int
parse_members(const struct kvs_actor *a, struct parsed *p, struct err *err)
{
    json_t *ops;
    int rc;

    if (json_unpack(p->json, "{s:s s?i s:o}", "namespace", &p->ns, "flags", &p->flags, "ops",
                    &ops) < 0)
        return err_set(err, -EPROTO, "commit: namespace, flags or ops is missing");
    rc = parse_flags(a, p->ns, p->flags, err);
    if (rc == 0)
        rc = txn_from_json(a->alg, ops, &p->txn, err);
    return rc == 0 ? parse_expected(a, p->json, &p->txn, err) : rc;
}

static int
parse_commit(const struct kvs_actor *a, const struct blob *payload, struct parsed *ret,
             struct err *err)
{
    const char *text = blob_data(payload);
    size_t size = blob_size(payload);
    json_error_t why;

    if (size > 0 && text[size - 1] == '\0')
        size--;
    *ret = (struct parsed){.txn = TXN_INIT};
    ret->json = json_loadb(text, size, JSON_REJECT_DUPLICATES, &why);
    if (!ret->json)
        return err_set(err, -EPROTO, "commit: not JSON: %.200s", why.text);
    return parse_members(a, ret, err);
}

static void
submit(struct kvs_actor *a, const struct item *item)
{
    struct err err = {0};
    struct parsed p;
    int rc = parse_commit(a, item->blob, &p, &err);

    if (rc < 0)
        send_done(a, item->cookie, rc, err.text, NULL);
    else
        committer_submit(a->committer, p.ns, p.flags, &p.txn, item->id, item->cookie);
    txn_fini(&p.txn);
    json_decref(p.json);
}

static void
handle(struct kvs_actor *a, struct item *item)
{
    switch (item->kind) {
    case ITEM_COMMIT:
        submit(a, item);
        break;
    case ITEM_PROVIDE:
        committer_provide(a->committer, &item->digest, item->rc, item->blob);
        break;
    case ITEM_WRITTEN:
        committer_written(a->committer, item->root.name, item->rc);
        break;
    case ITEM_ADD:
        committer_add_root(a->committer, &item->root);
        break;
    case ITEM_REMOVE:
        committer_remove_root(a->committer, item->root.name);
        break;
    default:
        assert(false && "an item that only the actor sends");
    }
    free_item(item);
}

static void
run(void *arg, void *pipe)
{
    struct kvs_actor *a = arg;
    void *item;
    int rc;

    a->pipe = pipe;
    while ((rc = actor_recv(pipe, true, &item)) == 0) {
        do
            handle(a, item);
        while ((rc = actor_recv(pipe, false, &item)) == 0);
        if (rc == -ETERM)
            break;
        committer_run(a->committer, clock_wall());
    }
    committer_free(&a->committer);
}

/* --- the owner --- */

static void
deliver(void *arg, void *received)
{
    struct kvs_actor *a = arg;
    struct item *item = received;

    switch (item->kind) {
    case ITEM_NEED:
        a->ops->need(a->arg, &item->digest);
        break;
    case ITEM_WRITE:
        a->ops->write(a->arg, item->root.name, &item->change);
        break;
    case ITEM_DONE:
        a->ops->done(a->arg, item->cookie, item->rc, item->text ? item->text : "",
                     item->rc == 0 ? &item->root : NULL);
        break;
    default:
        assert(false && "an item that only the owner sends");
    }
    free_item(item);
}

/* After the stop nothing can be loaded or written any more: only answers still matter. */
static void
deliver_last(void *arg, void *received)
{
    struct item *item = received;

    if (item->kind == ITEM_DONE)
        deliver(arg, item);
    else
        free_item(item);
}

static bool
receive(void *arg)
{
    struct kvs_actor *a = arg;
    void *item;

    if (actor_recv(actor_pipe(a->actor), false, &item) < 0)
        return false;
    deliver(a, item);
    return true;
}

int
kvs_actor_start(struct kvs_actor **ret, enum digest_alg alg, size_t blob_limit, uint64_t maxdirent,
                bool backing, const struct store_root *roots, size_t nroots, struct loop *loop,
                const struct kvs_actor_ops *ops, void *arg, struct err *err)
{
    static const struct actor_ops actor_ops = {"kvs", NULL, run};
    struct kvs_actor *a = xcalloc(1, sizeof(*a));
    int rc;

    a->alg = alg;
    a->backing = backing;
    a->ops = ops;
    a->arg = arg;
    a->committer = committer_new(alg, blob_limit, maxdirent, &committer_ops, a);
    for (size_t i = 0; i < nroots; i++)
        committer_add_root(a->committer, &roots[i]);
    rc = actor_start(&a->actor, &actor_ops, a, err);
    if (rc < 0) {
        committer_free(&a->committer);
        free(a);
        return rc;
    }
    a->source = loop_add_zmq(loop, actor_pipe(a->actor), receive, a);
    *ret = a;
    return 0;
}

void
kvs_actor_stop(struct kvs_actor **actor)
{
    struct kvs_actor *a = TAKE(*actor);

    if (!a)
        return;
    loop_remove(&a->source);
    actor_stop(&a->actor, deliver_last, a);
    free(a);
}

void
kvs_actor_add_root(struct kvs_actor *a, const struct store_root *root)
{
    struct item *item = new_item(ITEM_ADD);

    item->root = *root;
    actor_post(actor_pipe(a->actor), item);
}

void
kvs_actor_remove_root(struct kvs_actor *a, const char *ns)
{
    struct item *item = new_item(ITEM_REMOVE);

    snprintf(item->root.name, sizeof(item->root.name), "%s", ns);
    actor_post(actor_pipe(a->actor), item);
}

void
kvs_actor_commit(struct kvs_actor *a, const struct blob *payload, const char *id, void *cookie)
{
    struct item *item = new_item(ITEM_COMMIT);

    item->blob = blob_ref(payload);
    snprintf(item->id, sizeof(item->id), "%s", id);
    item->cookie = cookie;
    actor_post(actor_pipe(a->actor), item);
}

void
kvs_actor_provide(struct kvs_actor *a, const struct digest *d, int rc, const struct blob *b)
{
    struct item *item = new_item(ITEM_PROVIDE);

    item->digest = *d;
    item->rc = rc;
    item->blob = blob_ref(b);
    actor_post(actor_pipe(a->actor), item);
}

void
kvs_actor_written(struct kvs_actor *a, const char *ns, int rc)
{
    struct item *item = new_item(ITEM_WRITTEN);

    snprintf(item->root.name, sizeof(item->root.name), "%s", ns);
    item->rc = rc;
    actor_post(actor_pipe(a->actor), item);
}
