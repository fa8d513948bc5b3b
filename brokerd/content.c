/* SPDX-License-Identifier: MPL-2.0 */
/* content.c - see content.h.
 *
 * topic                     payload -> answer              served by
 * content.load              digest -> blob                 any rank
 * content.store             blob -> digest                 any rank
 * content.put.HEX           blob -> nothing                a parent, for its child: the digest is
 *                                                          in the topic, so that ranks which only
 *                                                          pass a blob on need not hash it
 * content.flush, .dropcache nothing -> nothing             any rank
 * content-backing.load, .store, .validate                  rank 0
 *
 * Where bytes are verified (I3): a client's store is hashed here; a child's put is taken as
 * unverified, and hashed before it goes to the disk (rank 0) or to a client (cache.c asks).
 */
#include "content.h"
#include "blobref.h"
#include "elog.h"
#include "waiter.h"
#include "xmem.h"

#include <errno.h>
#include <stdio.h>

#define MAX_PUTS 256  // puts to the parent or the store in flight
#define RETRY_MS 1000 // how long a put that failed waits to be tried again
#define PUT_TOPIC "content.put."

struct content {
    struct content_conf conf;
    struct router *router;      // borrowed
    struct store *store;        // borrowed; NULL: rank > 0, or no backing
    struct cache *cache;        // owned
    struct loop *loop;          // borrowed
    struct loop_timer retry;    // puts that failed are tried again (write-back)
    void (*on_drop)(void *arg); // may be NULL
    void *on_drop_arg;          // borrowed
};

/* A client's or child's request that waits for the cache. */
struct pending {
    struct content_waiter waiter;
    struct validate_waiter validate;
    struct content *content; // borrowed
    struct request *request; // owned
    struct digest digest;    // of a store: what is answered
};

/* --- below the cache --- */

struct below {
    struct content *content; // borrowed
    uint32_t tag;            // the cache's
};

static struct below *
new_below(struct content *c, uint32_t tag)
{
    struct below *b = xmalloc(sizeof(*b));

    *b = (struct below){c, tag};
    return b;
}

static void
on_fetch_answer(void *arg, struct msg *response)
{
    struct below *below = arg;
    AUTO(blob) struct blob *b = blob_ref(response->payload);

    if (response->errnum == 0 && !b)
        b = blob_empty();
    cache_fetched(below->content->cache, below->tag, -(int)response->errnum, b, false);
    free(below);
}

static void
fetch(void *arg, const struct digest *d, uint32_t tag)
{
    struct content *c = arg;
    struct blob *payload;
    struct msg m;

    if (c->store) {
        store_load(c->store, d, tag);
        return;
    }
    if (c->conf.rank == 0) {
        cache_fetched(c->cache, tag, -ENOENT, NULL, false);
        return;
    }
    msg_init(&m, MSG_REQUEST);
    msg_set_topic(&m, "content.load");
    payload = blob_new(d->bytes, digest_size(c->conf.alg));
    msg_set_payload(&m, &payload);
    router_call_parent(c->router, &m, ROUTER_REPLAY, on_fetch_answer, new_below(c, tag));
}

static void
on_put_answer(void *arg, struct msg *response)
{
    struct below *below = arg;

    cache_stored(below->content->cache, below->tag, -(int)response->errnum);
    free(below);
}

static void
format_put_topic(const struct content *c, const struct digest *d, char topic[MSG_TOPIC_MAX])
{
    static const char hex[] = "0123456789abcdef";
    char *p = topic + sizeof(PUT_TOPIC) - 1;

    memcpy(topic, PUT_TOPIC, sizeof(PUT_TOPIC) - 1);
    for (size_t i = 0; i < digest_size(c->conf.alg); i++) {
        *p++ = hex[d->bytes[i] >> 4];
        *p++ = hex[d->bytes[i] & 15];
    }
    *p = '\0';
}

static void
put(void *arg, const struct digest *d, const struct blob *b, uint32_t tag)
{
    struct content *c = arg;
    struct blob *payload;
    char topic[MSG_TOPIC_MAX];
    struct msg m;

    if (c->store) {
        store_put(c->store, d, b, tag);
        return;
    }
    assert(c->conf.rank > 0);
    format_put_topic(c, d, topic);
    msg_init(&m, MSG_REQUEST);
    msg_set_topic(&m, topic);
    payload = blob_ref(b);
    msg_set_payload(&m, &payload);
    router_call_parent(c->router, &m, ROUTER_REPLAY, on_put_answer, new_below(c, tag));
}

static bool
verify(void *arg, const struct digest *d, const struct blob *b)
{
    struct content *c = arg;
    char expected[BLOBREF_MAX];
    struct digest actual;

    digest_compute(c->conf.alg, blob_data(b), blob_size(b), &actual);
    if (digest_equal(&actual, d))
        return true;
    elog(ELOG_ERR, "%s: the bytes received do not match the digest: dropped",
         blobref_format(c->conf.alg, d, expected));
    return false;
}

static void
done(void *arg, void *waiter, int rc, const struct blob *b)
{
    struct content_waiter *w = waiter;

    (void)arg;
    w->fn(w, rc, b);
}

static const struct cache_ops cache_ops = {fetch, put, verify, done};

void
content_store_loaded(struct content *c, uint32_t tag, int rc, const struct blob *b)
{
    cache_fetched(c->cache, tag, rc, b, true);
}

void
content_store_stored(struct content *c, uint32_t tag, int rc)
{
    cache_stored(c->cache, tag, rc);
    if (rc < 0 && !loop_timer_is_running(&c->retry))
        loop_timer_start(c->loop, &c->retry, RETRY_MS);
}

static void
retry_puts(void *arg)
{
    struct content *c = arg;

    cache_retry(c->cache);
}

/* --- inside this rank --- */

void
content_load(struct content *c, const struct digest *d, struct content_waiter *w)
{
    cache_load(c->cache, d, true, w);
}

void
content_store(struct content *c, const struct digest *d, const struct blob *b,
              struct content_waiter *w)
{
    cache_store(c->cache, d, b, true, w);
}

const struct blob *
content_peek(struct content *c, const struct digest *d)
{
    return cache_peek(c->cache, d, true);
}

void
content_insert(struct content *c, const struct digest *d, const struct blob *b)
{
    cache_insert(c->cache, d, b);
}

void
content_flush(struct content *c, struct content_waiter *w)
{
    cache_flush(c->cache, w);
}

/* --- requests --- */

static void
respond_rc(struct content *c, struct request *req, int rc)
{
    struct blob *none = NULL;

    if (rc == 0)
        router_respond(c->router, req, &none);
    else
        router_respond_error(c->router, req, -rc, NULL);
}

static struct pending *
new_pending(struct content *c, struct request *req,
            void (*fn)(struct content_waiter *w, int rc, const struct blob *b))
{
    struct pending *p = xmalloc(sizeof(*p));

    p->waiter.fn = fn;
    p->content = c;
    p->request = request_keep(req);
    return p;
}

static void
free_pending(struct pending *p)
{
    request_free(&p->request);
    free(p);
}

static void
respond_blob(struct content *c, struct request *req, const struct blob *b)
{
    struct blob *payload = blob_size(b) > 0 ? blob_ref(b) : NULL;

    router_respond(c->router, req, &payload);
}

static void
on_loaded(struct content_waiter *w, int rc, const struct blob *b)
{
    struct pending *p = container_of(w, struct pending, waiter);

    if (rc == 0)
        respond_blob(p->content, p->request, b);
    else
        respond_rc(p->content, p->request, rc);
    free_pending(p);
}

static bool
read_digest(struct content *c, struct request *req, struct digest *ret)
{
    if (digest_from_bytes(c->conf.alg, msg_data(&req->msg), msg_size(&req->msg), ret) == 0)
        return true;
    router_respond_error(c->router, req, EPROTO, "a %s digest has %zu bytes, not %zu",
                         digest_name(c->conf.alg), digest_size(c->conf.alg), msg_size(&req->msg));
    return false;
}

static void
serve_load(void *arg, struct request *req)
{
    struct content *c = arg;
    bool verified = request_is_from_client(req);
    const struct blob *b;
    struct digest d;

    if (!read_digest(c, req, &d))
        return;
    b = cache_peek(c->cache, &d, verified);
    if (b)
        respond_blob(c, req, b);
    else
        cache_load(c->cache, &d, verified, &new_pending(c, req, on_loaded)->waiter);
}

static bool
check_size(struct content *c, struct request *req)
{
    if (msg_size(&req->msg) <= c->conf.blob_size_limit)
        return true;
    router_respond_error(c->router, req, EFBIG, NULL);
    return false;
}

static struct blob *
take_blob(struct request *req)
{
    return req->msg.payload ? blob_ref(req->msg.payload) : blob_empty();
}

static void
on_stored(struct content_waiter *w, int rc, const struct blob *none)
{
    struct pending *p = container_of(w, struct pending, waiter);
    struct content *c = p->content;

    (void)none;
    if (rc == 0) {
        struct blob *digest = blob_new(p->digest.bytes, digest_size(c->conf.alg));

        router_respond(c->router, p->request, &digest);
    } else {
        respond_rc(c, p->request, rc);
    }
    free_pending(p);
}

static void
serve_store(void *arg, struct request *req)
{
    struct content *c = arg;
    AUTO(blob) struct blob *b = NULL;
    struct pending *p;

    if (!check_size(c, req))
        return;
    b = take_blob(req);
    p = new_pending(c, req, on_stored);
    digest_compute(c->conf.alg, blob_data(b), blob_size(b), &p->digest);
    cache_store(c->cache, &p->digest, b, true, &p->waiter);
}

static void
on_done(struct content_waiter *w, int rc, const struct blob *none)
{
    struct pending *p = container_of(w, struct pending, waiter);

    (void)none;
    respond_rc(p->content, p->request, rc);
    free_pending(p);
}

static bool
parse_put_topic(struct content *c, const struct request *req, struct digest *ret)
{
    char text[BLOBREF_MAX];
    enum digest_alg alg;
    int len = snprintf(text, sizeof(text), "%s-%s", digest_name(c->conf.alg),
                       req->msg.topic + sizeof(PUT_TOPIC) - 1);

    return len < (int)sizeof(text) && blobref_parse(text, &alg, ret) == 0;
}

static void
serve_put(void *arg, struct request *req)
{
    struct content *c = arg;
    AUTO(blob) struct blob *b = NULL;
    struct digest d;

    if (!parse_put_topic(c, req, &d)) {
        router_respond_error(c->router, req, EPROTO, "malformed digest in %s", req->msg.topic);
        return;
    }
    if (!check_size(c, req))
        return;
    b = take_blob(req);
    if (c->conf.rank == 0 && !verify(c, &d, b)) {
        respond_rc(c, req, -EIO);
        return;
    }
    cache_store(c->cache, &d, b, c->conf.rank == 0, &new_pending(c, req, on_done)->waiter);
}

static void
serve_flush(void *arg, struct request *req)
{
    struct content *c = arg;

    cache_flush(c->cache, &new_pending(c, req, on_done)->waiter);
}

static void
serve_dropcache(void *arg, struct request *req)
{
    struct content *c = arg;

    cache_drop(c->cache);
    if (c->on_drop)
        c->on_drop(c->on_drop_arg);
    respond_rc(c, req, 0);
}

/* --- the backing store --- */

/* Only rank 0 has a backing store.  Its own cache is asked first all the same: the bytes are verified
 * ones, and what a rank below leaves out is its own cache and those on the way. */
static bool
at_backing(struct content *c, struct request *req)
{
    if (c->store)
        return true;
    router_respond_error(c->router, req, ENOSYS,
                         c->conf.rank == 0 ? "there is no backing store"
                                           : "the backing store is at rank 0");
    return false;
}

static void
serve_backing_load(void *arg, struct request *req)
{
    struct content *c = arg;

    if (at_backing(c, req))
        serve_load(c, req);
}

static void
serve_backing_store(void *arg, struct request *req)
{
    struct content *c = arg;

    if (at_backing(c, req))
        serve_store(c, req);
}

static void
on_validated(struct validate_waiter *w, int rc)
{
    struct pending *p = container_of(w, struct pending, validate);

    respond_rc(p->content, p->request, rc);
    free_pending(p);
}

static void
serve_validate(void *arg, struct request *req)
{
    struct content *c = arg;
    struct pending *p;
    struct digest d;

    if (!at_backing(c, req) || !read_digest(c, req, &d))
        return;
    p = new_pending(c, req, NULL);
    p->validate.fn = on_validated;
    store_validate(c->store, &d, &p->validate);
}

static const struct service services[] = {
    {"content.load", serve_load},
    {"content.store", serve_store},
    {PUT_TOPIC, serve_put},
    {"content.flush", serve_flush},
    {"content.dropcache", serve_dropcache},
    {"content-backing.load", serve_backing_load},
    {"content-backing.store", serve_backing_store},
    {"content-backing.validate", serve_validate},
};

/* --- life --- */

struct content *
content_new(const struct content_conf *conf, struct loop *loop, struct router *router,
            struct service_table *table)
{
    struct content *c = xcalloc(1, sizeof(*c));
    struct cache_conf cache_conf = {.limit = conf->cache_limit, .max_puts = MAX_PUTS};

    if (conf->rank > 0 || conf->durability != STORE_MEMORY)
        cache_conf.policy = CACHE_WRITE_THROUGH;
    else
        cache_conf.policy = CACHE_WRITE_BACK;
    if (conf->rank == 0 && conf->retain)
        cache_conf.policy = CACHE_RETAIN;
    c->conf = *conf;
    c->router = router;
    c->loop = loop;
    loop_timer_init(&c->retry, retry_puts, c);
    c->cache = cache_new(&cache_conf, &cache_ops, c);
    service_table_add(table, services, ARRAY_SIZE(services), c);
    return c;
}

void
content_cancel(struct content *c)
{
    cache_free(&c->cache);
}

void
content_free(struct content **content)
{
    struct content *c = TAKE(*content);

    if (!c)
        return;
    loop_timer_stop(&c->retry);
    content_cancel(c);
    free(c);
}

void
content_set_drop_handler(struct content *c, void (*fn)(void *arg), void *arg)
{
    c->on_drop = fn;
    c->on_drop_arg = arg;
}

void
content_set_store(struct content *c, struct store *store)
{
    c->store = store;
}

const struct cache_stats *
content_cache_stats(const struct content *c)
{
    return cache_stats(c->cache);
}
