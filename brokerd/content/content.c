/* SPDX-License-Identifier: MPL-2.0 */
/* content.c - see content.h.
 *
 * topic                     payload -> answer              served by
 * content.load              digest -> blob                 any rank
 * content.store             blob -> digest                 any rank
 * content.put.HEX           blob -> nothing                a parent, for its child: the digest is
 *                                                          in the topic, so that ranks which only
 *                                                          pass a blob on need not hash it
 * content.verify            digest -> nothing          a parent, for its child, which got wrong bytes
 *                                                          from here: what is here is hashed as well
 * content.flush, .dropcache nothing -> nothing             any rank
 * content.salvage           digest -> blob                 any rank, for its parent: see salvage.h
 * content-backing.load, .store, .validate                  rank 0
 *
 * Where bytes are verified (I3): a client's store is hashed here; a child's put is taken as
 * unverified, and hashed before it goes to the disk (rank 0) or to a client (cache.c asks).
 *
 * While a flush is under way new stores are held: otherwise a rank that is stored to all the time would
 * never have nothing dirty.
 */
#include "content_priv.h"
#include "blobref.h"
#include "waiter.h"
#include "xmem.h"

#include <errno.h>
#include <stdio.h>

#define MAX_PUTS 256                   // puts to the parent or the store in flight
#define DIRTY_BYTES ((size_t)16 << 20) // beyond it stores wait also under write-back
#define AGE_MS 30000 // a put that was acknowledged is trusted for one or two of these
#define DISTRUST_EVENT "content.distrust"

/* A client's or child's request that waits for the cache. */
struct pending {
    struct list node; // on content.held
    struct content_waiter waiter;
    struct validate_waiter validate;
    struct content *content; // borrowed
    struct request request;  // owned
    struct digest digest;    // of a store: what is answered
    bool verified;           // of a store: the bytes were hashed
};

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
    struct pending *p = spares_take(&c->pendings, sizeof(*p));

    p->waiter.fn = fn;
    p->content = c;
    request_keep_in(&p->request, req);
    list_init(&p->node);
    return p;
}

static void
free_pending(struct pending *p)
{
    request_finish(&p->request);
    spares_give(&p->content->pendings, p);
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
        respond_blob(p->content, &p->request, b);
    else
        respond_rc(p->content, &p->request, rc);
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

        router_respond(c->router, &p->request, &digest);
    } else {
        respond_rc(c, &p->request, rc);
    }
    free_pending(p);
}

/* Into the cache, or to those that wait for the end of a flush. */
static void
store_pending(struct pending *p)
{
    struct content *c = p->content;
    AUTO(blob) struct blob *b = NULL;

    if (c->flushes > 0) {
        list_push_back(&c->held, &p->node);
        c->stats.held++;
        return;
    }
    b = take_blob(&p->request);
    cache_store(c->cache, &p->digest, b, p->verified, &p->waiter);
}

static void
release_held(struct content *c)
{
    while (c->flushes == 0 && !list_is_empty(&c->held)) {
        struct list *node = list_pop_front(&c->held);

        c->stats.held--;
        store_pending(list_entry(node, struct pending, node));
    }
}

static void
serve_store(void *arg, struct request *req)
{
    struct content *c = arg;
    struct pending *p;

    if (!check_size(c, req))
        return;
    p = new_pending(c, req, on_stored);
    p->verified = true;
    digest_compute(c->conf.alg, msg_data(&p->request.msg), msg_size(&p->request.msg), &p->digest);
    store_pending(p);
}

static void
on_done(struct content_waiter *w, int rc, const struct blob *none)
{
    struct pending *p = container_of(w, struct pending, waiter);

    (void)none;
    respond_rc(p->content, &p->request, rc);
    free_pending(p);
}

static bool
parse_put_topic(struct content *c, const struct request *req, struct digest *ret)
{
    char text[BLOBREF_MAX];
    enum digest_alg alg;
    int len = snprintf(text, sizeof(text), "%s-%s", digest_name(c->conf.alg),
                       req->msg.topic + sizeof(CONTENT_PUT_TOPIC) - 1);

    return len < (int)sizeof(text) && blobref_parse(text, &alg, ret) == 0;
}

static void
serve_put(void *arg, struct request *req)
{
    struct content *c = arg;
    AUTO(blob) struct blob *b = NULL;
    bool verify = c->conf.rank == 0 || request_is_from_client(req);
    struct pending *p;
    struct digest d;

    if (!parse_put_topic(c, req, &d)) {
        router_respond_error(c->router, req, EPROTO, "malformed digest in %s", req->msg.topic);
        return;
    }
    if (!check_size(c, req))
        return;
    b = take_blob(req);
    if (verify && !content_verify(c, &d, b)) {
        respond_rc(c, req, -EIO);
        return;
    }
    p = new_pending(c, req, on_done);
    p->digest = d;
    p->verified = verify;
    store_pending(p);
}

/* Wrong bytes that nobody here has insisted on would be given to the child for ever.  Who asks next gets
 * them anew. */
static void
serve_verify(void *arg, struct request *req)
{
    struct content *c = arg;
    struct digest d;

    if (!read_digest(c, req, &d))
        return;
    if (cache_has(c->cache, &d)) {
        cache_load(c->cache, &d, true, &new_pending(c, req, on_done)->waiter);
        return;
    }
    content_doubt(c, &d); // it only went through here
    respond_rc(c, req, 0);
}

static void
on_flushed(struct content_waiter *w, int rc, const struct blob *none)
{
    struct content *c = container_of(w, struct pending, waiter)->content;

    on_done(w, rc, none);
    c->flushes--;
    release_held(c);
}

static void
serve_flush(void *arg, struct request *req)
{
    struct content *c = arg;
    struct pending *p = new_pending(c, req, on_flushed);

    c->flushes++;
    cache_flush(c->cache, &p->waiter);
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

    respond_rc(p->content, &p->request, rc);
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

static const struct service readers[] = {
    {"content.load", serve_load},
    {"content-backing.load", serve_backing_load},
};
static const struct service services[] = {
    {"content.store", serve_store},
    {CONTENT_PUT_TOPIC, serve_put},
    {CONTENT_VERIFY_TOPIC, serve_verify},
    {"content.flush", serve_flush},
    {"content.dropcache", serve_dropcache},
    {"content-backing.store", serve_backing_store},
    {"content-backing.validate", serve_validate},
};

/* --- life --- */

static void
age(void *arg)
{
    struct content *c = arg;

    cache_age(c->cache);
    loop_timer_start(c->loop, &c->age, AGE_MS);
}

struct content *
content_new(const struct content_conf *conf, struct loop *loop, struct router *router,
            struct service_table *table)
{
    struct content *c = xcalloc(1, sizeof(*c));
    struct cache_conf cache_conf = {.limit = conf->cache_limit,
                                    .max_puts = MAX_PUTS,
                                    .max_put_bytes = conf->put_bytes,
                                    .max_dirty = DIRTY_BYTES};

    if (conf->rank > 0 || conf->durability != STORE_MEMORY)
        cache_conf.policy = CACHE_WRITE_THROUGH;
    else
        cache_conf.policy = CACHE_WRITE_BACK;
    if (conf->rank == 0 && conf->retain)
        cache_conf.policy = CACHE_RETAIN;
    c->conf = *conf;
    c->router = router;
    c->loop = loop;
    list_init(&c->held);
    loop_timer_init(&c->retry, content_retry_puts, c);
    loop_timer_init(&c->age, age, c);
    loop_timer_start(loop, &c->age, AGE_MS);
    c->cache = cache_new(&cache_conf, &content_below, c);
    c->salvage = salvage_new(c->cache, conf->alg, router, table);
    service_table_add_readers(table, readers, ARRAY_SIZE(readers), c);
    service_table_add(table, services, ARRAY_SIZE(services), c);
    return c;
}

void
content_cancel(struct content *c)
{
    struct list *node;

    cache_free(&c->cache);
    while ((node = list_pop_front(&c->held)))
        on_done(&list_entry(node, struct pending, node)->waiter, -ECANCELED, NULL);
}

void
content_free(struct content **content)
{
    struct content *c = TAKE(*content);

    if (!c)
        return;
    loop_timer_stop(&c->retry);
    loop_timer_stop(&c->age);
    content_cancel(c);
    salvage_free(&c->salvage);
    spares_fini(&c->pendings);
    spares_fini(&c->belows);
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

bool
content_on_event(struct content *c, const struct msg *event)
{
    if (strcmp(event->topic, DISTRUST_EVENT) != 0)
        return false;
    cache_distrust(c->cache);
    return true;
}

void
content_distrust_all(struct content *c)
{
    struct msg event;

    cache_distrust(c->cache);
    msg_init(&event, MSG_EVENT);
    msg_set_topic(&event, DISTRUST_EVENT);
    router_send_down(c->router, &event);
    msg_fini(&event);
}

const struct content_stats *
content_stats(const struct content *c)
{
    return &c->stats;
}

const struct cache_stats *
content_cache_stats(const struct content *c)
{
    return cache_stats(c->cache);
}
