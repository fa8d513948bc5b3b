/* SPDX-License-Identifier: MPL-2.0 */
/* kvs_commit.c - kvs.commit.
 *
 * A commit has an id, as the end of its topic: the client's own, or else one from the first rank.  A commit
 * that is sent again, by a rank after its parent was lost or by a client, is thereby recognised at rank 0
 * (commit_ids.h) and answered, not applied, a second time; also by a rank 0 that was started since, for the
 * ids of what was applied are recorded with it. */
#include "kvs_json.h"
#include "kvs_priv.h"
#include "xmem.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#define PREFIX_LEN (sizeof(KVS_COMMIT_TOPIC) - 1)

/* --- at ranks that pass commits up --- */

/* "": the client has given none. */
static const char *
id_of(const struct request *req)
{
    return req->msg.topic_len < PREFIX_LEN ? "" : req->msg.topic + PREFIX_LEN;
}

/* The new root is kept before the answer goes on: a client reads its own writes at its rank.  What a
 * former rank 0 has recorded has the epoch 0: it counts as one of the run that is known here.  With -1 it is
 * a root of a namespace that is no more. */
static void
look_at_answer(void *arg, const struct msg *response)
{
    struct kvs *k = arg;
    const struct store_root *known;
    struct store_root root;

    if (response->errnum != 0 ||
        kvs_json_decode_root(k->conf.alg, msg_text(response), NULL, &root) < 0 || root.epoch < 0)
        return;
    known = kvs_roots_get(k->roots, root.name);
    if (root.epoch == 0 && known)
        root.epoch = known->epoch;
    kvs_root_adopt(k, &root);
}

static void
pass_commit_up(struct kvs *k, struct request *req)
{
    struct router_pass how = {
        .rank = TOPO_NONE, .flags = ROUTER_REPLAY, .look = look_at_answer, .arg = k};
    char topic[MSG_TOPIC_MAX + 1];

    if (!id_of(req)[0]) {
        snprintf(topic, sizeof(topic), KVS_COMMIT_TOPIC "%s-%" PRIu64, k->uuid, ++k->last_commit);
        how.topic = topic;
    }
    router_pass_on(k->router, req, &how);
}

/* --- at rank 0 --- */

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
    commit_ids_finish(k->ids, id, rc == 0 ? root : NULL);
}

static void
commit_here(struct kvs *k, struct request *req, const char *name)
{
    struct commit_id *id = commit_ids_get(k->ids, name);

    if (commit_ids_is_finished(id)) {
        respond_commit(k, req, 0, "", commit_ids_result(id));
    } else if (!commit_ids_add_waiter(id, req)) { // else it is being applied already
        kvs_actor_commit(k->actor, commit_ids_payload(id), commit_ids_name(id), id);
    }
}

void
kvs_commit_serve(void *arg, struct request *req)
{
    struct kvs *k = arg;
    const char *name = id_of(req);

    if (req->msg.topic_len >= PREFIX_LEN && !commit_ids_is_name(name))
        router_respond_error(k->router, req, EINVAL,
                             "commit: the id '%s' is not 1 to %d letters, digits, - and _", name,
                             COMMIT_IDS_NAME_MAX);
    else if (k->conf.rank > 0)
        pass_commit_up(k, req);
    else if (!k->actor)
        router_respond_error(k->router, req, ENOSYS, "the KVS is not loaded");
    else if (!req->msg.payload)
        router_respond_error(k->router, req, EPROTO, "commit: no payload");
    else
        commit_here(k, req, name);
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

struct write {
    struct kvs *kvs; // borrowed
    char ns[STORE_NAMESPACE_MAX];
};

static void
on_written(void *arg, int rc)
{
    struct write *write = arg;

    if (write->kvs->actor)
        kvs_actor_written(write->kvs->actor, write->ns, rc);
    free(write);
}

static void
on_write(void *arg, const char *ns, struct store_change **made)
{
    struct kvs *k = arg;
    struct write *write;

    if (!kvs_namespace_is_live(k, ns)) { // removed while the root was being made
        store_change_free(made);
        kvs_actor_written(k->actor, ns, -ENOTSUP);
        return;
    }
    write = xcalloc(1, sizeof(*write));
    write->kvs = k;
    snprintf(write->ns, sizeof(write->ns), "%s", ns);
    kvs_change_apply(k, made, on_written, write);
}

const struct kvs_actor_ops kvs_commit_actor_ops = {on_need, on_write, on_committed};
