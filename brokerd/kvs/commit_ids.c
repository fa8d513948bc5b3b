/* SPDX-License-Identifier: MPL-2.0 */
/* commit_ids.c - see commit_ids.h.
 *
 * A record is PENDING from commit_ids_get() to commit_ids_finish(), then FINISHED until REMEMBERED_MAX
 * others have finished after it.  Those of earlier runs are FINISHED from the start.
 */
#include "commit_ids.h"
#include "list.h"
#include "map.h"
#include "xmem.h"

#include <string.h>

#define REMEMBERED_MAX 16384 // finished commits; a client's repeat comes within seconds
#define ID_MAX (COMMIT_IDS_NAME_MAX + 1)

struct waiter {
    struct list node;        // on commit_id.waiters
    struct request *request; // owned
};

struct commit_id {
    char id[ID_MAX];      // key, zero-padded; "" = anonymous, not in the map
    struct list node;     // on commit_ids.finished when finished
    struct list waiters;  // struct waiter
    struct blob *payload; // owned; of the first request, while pending
    bool finished;
    struct store_root root; // result, when finished
};

struct commit_ids {
    struct map by_id;     // struct commit_id
    struct list finished; // oldest first
    size_t nfinished;
};

struct commit_ids *
commit_ids_new(void)
{
    struct commit_ids *c = xcalloc(1, sizeof(*c));

    map_init(&c->by_id, offsetof(struct commit_id, id), ID_MAX);
    list_init(&c->finished);
    return c;
}

static void
free_id(struct commit_ids *c, struct commit_id *id)
{
    struct request *req;

    if (id->id[0])
        map_remove(&c->by_id, id->id);
    while ((req = commit_ids_next_waiter(id)))
        request_free(&req);
    list_remove(&id->node);
    blob_unref(&id->payload);
    free(id);
}

void
commit_ids_free(struct commit_ids **ids)
{
    struct commit_ids *c = TAKE(*ids);
    struct commit_id *id;
    size_t pos = 0;

    if (!c)
        return;
    while ((id = map_next(&c->by_id, &pos))) {
        free_id(c, id);
        pos = 0; // the table has changed
    }
    map_fini(&c->by_id);
    free(c);
}

const struct store_root *
commit_ids_find(const struct commit_ids *c, const char *name)
{
    char key[ID_MAX] = {0};
    const struct commit_id *id;

    if (strlen(name) >= ID_MAX)
        return NULL;
    strcpy(key, name);
    id = map_get(&c->by_id, key);
    return id && id->finished ? &id->root : NULL;
}

struct commit_id *
commit_ids_get(struct commit_ids *c, const char *name)
{
    char key[ID_MAX] = {0};
    struct commit_id *id;

    if (strlen(name) < ID_MAX)
        strcpy(key, name);
    id = key[0] ? map_get(&c->by_id, key) : NULL;
    if (id)
        return id;
    id = xcalloc(1, sizeof(*id));
    memcpy(id->id, key, ID_MAX);
    list_init(&id->node);
    list_init(&id->waiters);
    if (key[0])
        map_put(&c->by_id, id);
    return id;
}

const char *
commit_ids_name(const struct commit_id *id)
{
    return id->id;
}

bool
commit_ids_is_finished(const struct commit_id *id)
{
    return id->finished;
}

const struct store_root *
commit_ids_result(const struct commit_id *id)
{
    assert(id->finished);
    return &id->root;
}

bool
commit_ids_add_waiter(struct commit_id *id, struct request *req)
{
    struct waiter *w = xmalloc(sizeof(*w));
    bool first = id->payload == NULL;

    assert(!id->finished);
    if (first)
        id->payload = blob_ref(req->msg.payload);
    w->request = request_keep(req);
    list_init(&w->node);
    list_push_back(&id->waiters, &w->node);
    return !first;
}

const struct blob *
commit_ids_payload(const struct commit_id *id)
{
    return id->payload;
}

struct request *
commit_ids_next_waiter(struct commit_id *id)
{
    struct list *node = list_pop_front(&id->waiters);
    struct request *req;
    struct waiter *w;

    if (!node)
        return NULL;
    w = list_entry(node, struct waiter, node);
    req = w->request;
    free(w);
    return req;
}

static void
remember(struct commit_ids *c, struct commit_id *id)
{
    id->finished = true;
    list_push_back(&c->finished, &id->node);
    if (++c->nfinished > REMEMBERED_MAX) {
        free_id(c, list_entry(c->finished.next, struct commit_id, node));
        c->nfinished--;
    }
}

void
commit_ids_finish(struct commit_ids *c, struct commit_id *id, const struct store_root *root)
{
    assert(!id->finished && list_is_empty(&id->waiters));
    if (!id->id[0] || !root) {
        free_id(c, id);
        return;
    }
    blob_unref(&id->payload);
    id->root = *root;
    remember(c, id);
}

void
commit_ids_add_recorded(struct commit_ids *c, const struct store_commit *commit)
{
    struct commit_id *id = commit_ids_is_name(commit->id) ? commit_ids_get(c, commit->id) : NULL;

    if (!id || id->finished)
        return; // nobody has written it, or twice
    id->root = commit->root;
    id->root.epoch = MIN(commit->root.epoch, 0);
    remember(c, id);
}

bool
commit_ids_is_name(const char *name)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    size_t len = strlen(name);

    return len > 0 && len <= COMMIT_IDS_NAME_MAX && strspn(name, allowed) == len;
}
