/* SPDX-License-Identifier: MPL-2.0 */
/* content_below.c - what is below the cache of a rank: its parent, or at rank 0 the store.
 *
 * A row that the store finds damaged is looked for in the caches of all ranks (salvage.h).  What is
 * found takes the place of the row and answers the load; otherwise the load is EIO. */
#include "content_priv.h"
#include "blobref.h"
#include "elog.h"
#include "xmem.h"

#include <errno.h>

#define RETRY_MS 1000 // how long a put that failed waits to be tried again

struct below {
    struct content *content; // borrowed
    uint32_t tag;            // the cache's
};

static struct below *
new_below(struct content *c, uint32_t tag)
{
    struct below *b = spares_take(&c->belows, sizeof(*b));

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
    spares_give(&below->content->belows, below);
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
    spares_give(&below->content->belows, below);
}

static void
format_put_topic(const struct content *c, const struct digest *d, char topic[MSG_TOPIC_MAX])
{
    static const char hex[] = "0123456789abcdef";
    char *p = topic + sizeof(CONTENT_PUT_TOPIC) - 1;

    memcpy(topic, CONTENT_PUT_TOPIC, sizeof(CONTENT_PUT_TOPIC) - 1);
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

bool
content_verify(struct content *c, const struct digest *d, const struct blob *b)
{
    char expected[BLOBREF_MAX];
    struct digest actual;

    digest_compute(c->conf.alg, blob_data(b), blob_size(b), &actual);
    if (digest_equal(&actual, d))
        return true;
    elog(ELOG_ERR, "%s: the bytes received do not match the digest: dropped",
         blobref_format(c->conf.alg, d, expected));
    return false;
}

void
content_doubt(struct content *c, const struct digest *d)
{
    struct blob *payload;
    struct msg m;

    if (c->conf.rank == 0)
        return;
    msg_init(&m, MSG_REQUEST);
    m.flags |= MSG_NORESPONSE;
    msg_set_topic(&m, CONTENT_VERIFY_TOPIC);
    payload = blob_new(d->bytes, digest_size(c->conf.alg));
    msg_set_payload(&m, &payload);
    router_tell_parent(c->router, &m);
}

/* Bytes that nobody had hashed: most likely they came from the parent, and are wrong there too. */
static bool
verify(void *arg, const struct digest *d, const struct blob *b)
{
    if (content_verify(arg, d, b))
        return true;
    content_doubt(arg, d);
    return false;
}

static void
done(void *arg, void *waiter, int rc, const struct blob *b)
{
    struct content_waiter *w = waiter;

    (void)arg;
    w->fn(w, rc, b);
}

const struct cache_ops content_below = {fetch, put, verify, done};

/* --- answers of the store --- */

void
content_store_stored(struct content *c, uint32_t tag, int rc)
{
    cache_stored(c->cache, tag, rc);
    if (rc < 0 && !loop_timer_is_running(&c->retry))
        loop_timer_start(c->loop, &c->retry, RETRY_MS);
}

void
content_retry_puts(void *content)
{
    struct content *c = content;

    cache_retry(c->cache);
}

/* --- damage on the disk --- */

/* A blob whose row is damaged, while other ranks are asked for it. */
struct healing {
    struct content *content; // borrowed
    struct digest digest;
    uint32_t tag; // of the load that found it; CACHE_NO_TAG: nobody waits
};

static void
on_salvaged(void *arg, const struct blob *b)
{
    struct healing *h = arg;
    struct content *c = h->content;
    char ref[BLOBREF_MAX];

    if (b && c->store) {
        elog(ELOG_WARN, "%s: damaged on the disk, whole in a cache: stored again",
             blobref_format(c->conf.alg, &h->digest, ref));
        c->stats.healed++;
        store_put(c->store, &h->digest, b, CACHE_NO_TAG);
    }
    if (h->tag != CACHE_NO_TAG)
        cache_fetched(c->cache, h->tag, b ? 0 : -EIO, b, true);
    free(h);
}

static void
heal(struct content *c, const struct digest *d, uint32_t tag)
{
    struct healing *h = xmalloc(sizeof(*h));

    *h = (struct healing){c, *d, tag};
    salvage_start(c->salvage, d, on_salvaged, h);
}

void
content_heal(struct content *c, const struct digest *d)
{
    heal(c, d, CACHE_NO_TAG);
}

void
content_store_loaded(struct content *c, uint32_t tag, int rc, const struct blob *b)
{
    const struct digest *d = cache_fetching(c->cache, tag);

    if (rc == -EIO && d)
        heal(c, d, tag);
    else
        cache_fetched(c->cache, tag, rc, b, true);
}
