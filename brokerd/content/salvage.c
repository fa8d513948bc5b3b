/* SPDX-License-Identifier: MPL-2.0 */
/* salvage.c - see salvage.h.
 *
 * search     a child answers with the bytes    another answer, not the last    the last one
 * ASKING     fn(bytes), FOUND                  -                               fn(NULL), gone
 * FOUND      -                                 -                               gone */
#include "salvage.h"
#include "xmem.h"

#include <errno.h>

#define TOPIC "content.salvage"

struct salvage {
    struct cache *cache; // borrowed
    enum digest_alg alg;
    struct router *router; // borrowed
};

enum search_state { ASKING, FOUND };

struct search {
    struct salvage *salvage; // borrowed
    enum search_state state;
    struct digest digest;
    size_t pending; // children that have not answered, and one while they are being asked
    salvage_fn fn;
    void *arg; // borrowed
};

static void
settle(struct search *s)
{
    if (--s->pending > 0)
        return;
    if (s->state == ASKING)
        s->fn(s->arg, NULL);
    free(s);
}

static bool
is_right(const struct search *s, const struct blob *b)
{
    struct digest found;

    digest_compute(s->salvage->alg, blob_data(b), blob_size(b), &found);
    return digest_equal(&found, &s->digest);
}

static void
on_answer(void *arg, struct msg *response)
{
    struct search *s = arg;
    AUTO(blob) struct blob *b = response->payload ? blob_ref(response->payload) : blob_empty();

    if (s->state == ASKING && response->errnum == 0 && is_right(s, b)) {
        s->state = FOUND;
        s->fn(s->arg, b);
    }
    settle(s);
}

static void
ask_child(struct search *s, uint32_t rank)
{
    struct blob *payload = blob_new(s->digest.bytes, digest_size(s->salvage->alg));
    struct msg m;

    msg_init(&m, MSG_REQUEST);
    msg_set_topic(&m, TOPIC);
    msg_set_payload(&m, &payload);
    s->pending++;
    router_call_rank(s->salvage->router, rank, &m, NULL, on_answer, s);
}

void
salvage_start(struct salvage *salvage, const struct digest *d, salvage_fn fn, void *arg)
{
    struct search *s = xcalloc(1, sizeof(*s));
    size_t count = router_child_count(salvage->router);

    s->salvage = salvage;
    s->digest = *d;
    s->fn = fn;
    s->arg = arg;
    s->pending = 1;
    for (size_t i = 0; i < count; i++)
        ask_child(s, router_child(salvage->router, i));
    settle(s);
}

/* --- a parent's search --- */

struct inquiry {
    struct salvage *salvage; // borrowed
    struct request *request; // owned
};

static void
respond(struct salvage *s, struct request *req, const struct blob *b)
{
    struct blob *payload = blob_size(b) > 0 ? blob_ref(b) : NULL;

    if (b)
        router_respond(s->router, req, &payload);
    else
        router_respond_error(s->router, req, ENOENT, NULL);
}

static void
on_found(void *arg, const struct blob *b)
{
    struct inquiry *q = arg;

    respond(q->salvage, q->request, b);
    request_free(&q->request);
    free(q);
}

static void
serve(void *arg, struct request *req)
{
    struct salvage *s = arg;
    const struct blob *b;
    struct inquiry *q;
    struct digest d;

    if (digest_from_bytes(s->alg, msg_data(&req->msg), msg_size(&req->msg), &d) < 0) {
        router_respond_error(s->router, req, EPROTO, "not a digest");
        return;
    }
    b = cache_peek(s->cache, &d, true);
    if (b) {
        respond(s, req, b);
        return;
    }
    q = xmalloc(sizeof(*q));
    *q = (struct inquiry){s, request_keep(req)};
    salvage_start(s, &d, on_found, q);
}

static const struct service services[] = {{TOPIC, serve}};

struct salvage *
salvage_new(struct cache *cache, enum digest_alg alg, struct router *router,
            struct service_table *table)
{
    struct salvage *s = xmalloc(sizeof(*s));

    *s = (struct salvage){cache, alg, router};
    service_table_add(table, services, ARRAY_SIZE(services), s);
    return s;
}

void
salvage_free(struct salvage **salvage)
{
    free(TAKE(*salvage));
}
