/* SPDX-License-Identifier: MPL-2.0 */
/* kvs_watcher.c - one watch: a look-up that is made again for each version of the namespace that matters.
 * What is said about what is found is decided by watch.h; this file brings the versions, in order, and carries
 * the answers.
 *
 * state     event                         becomes
 * STARTING  the root becomes known        LOOKING
 * LOOKING   the object, or none           SENDING, IDLE (nothing to say), ENDED
 * SENDING   all of it has been sent       IDLE, ENDED (nothing more to be said)
 * IDLE      a version that matters        LOOKING
 * LOOKING, SENDING: blobs cannot be had   IDLE if there is a later version, else ENDED
 * any       cancelled, removed, error     ENDED
 *
 * I1  versions are looked at in their order; one is looked at when what was said about the one before has
 *     been sent, so a client that does not read holds up its own watches only
 * I2  a version that is known to have been missed, or of which the keys are not known, always matters */
#include "kvs_watcher.h"
#include "value_feed.h"

#include "xmem.h"

#include <errno.h>

/* --- answering --- */

static bool
is_stream(const struct watcher *w)
{
    return (w->request->msg.flags & MSG_STREAMING) != 0;
}

static void
stop_work(struct watcher *w)
{
    walk_abandon(&w->walk);
    value_feed_abandon(&w->feed);
    treeobj_unref(&w->step.object);
}

void
watcher_free(struct watcher *w)
{
    stop_work(w);
    list_remove(&w->node);
    request_free(&w->request);
    kvs_watch_spec_fini(&w->spec);
    watch_free(&w->watch);
    free(w);
}

void
watcher_end(struct watcher *w, int errnum, const char *text)
{
    if (w->state == WATCHER_ENDED)
        return;
    stop_work(w);
    router_respond_error(w->kvs->router, w->request, errnum, text ? "%s" : NULL, text);
    w->state = WATCHER_ENDED;
}

/* A request that takes one answer only has got it. */
static void
send_object(struct watcher *w, const struct treeobj *object)
{
    struct blob *payload = walk_encode(w->kvs->conf.alg, object);

    if (is_stream(w)) {
        router_stream(w->kvs->router, w->request, &payload);
        return;
    }
    router_respond(w->kvs->router, w->request, &payload);
    stop_work(w);
    w->state = WATCHER_ENDED;
}

/* All of what there was to be said about a version has been. */
static void
finish_step(struct watcher *w)
{
    bool first = w->step.is_first;
    bool last = w->step.is_last;

    if (w->state == WATCHER_ENDED)
        return;
    treeobj_unref(&w->step.object);
    w->state = WATCHER_IDLE;
    if (first && (w->spec.flags & LOOKUP_INITIAL_SENTINEL))
        router_stream_text(w->kvs->router, w->request, "{\"val\":null}");
    if (last)
        watcher_end(w, ENODATA, NULL);
}

/* A version whose blobs cannot be had, because they were collected, say: later ones tell more.  false: there
 * is none. */
static bool
skip_lost(struct watcher *w, int rc)
{
    if (rc != -EIO || w->spec.has_root ||
        !kvs_versions_after(w->kvs->versions, w->spec.ns, &w->seen))
        return false;
    treeobj_unref(&w->step.object);
    w->is_blind = true;
    w->state = WATCHER_IDLE;
    return true;
}

/* --- sending --- */

static bool
has_room(void *arg, size_t bytes)
{
    struct watcher *w = arg;

    return !router_stream_must_wait(w->kvs->router, w->request, bytes);
}

static void
on_piece(void *arg, const struct treeobj *piece)
{
    struct watcher *w = arg;

    send_object(w, piece);
    if (w->state == WATCHER_ENDED) // the feed is abandoned already
        watcher_run(w);
}

static void
on_fed(void *arg, int rc, const char *text)
{
    struct watcher *w = arg;

    w->feed = NULL;
    rc = rc == -ENOENT ? -EIO : rc; // a blob, not the key
    if (rc == 0)
        finish_step(w);
    else if (!skip_lost(w, rc))
        watcher_end(w, -rc, text);
    watcher_run(w);
}

static bool
needs_feed(const struct watcher *w)
{
    bool as_stored = (w->spec.flags & LOOKUP_TREEOBJ) != 0;

    return w->step.say == WATCH_SAY_PARTS ||
           (!as_stored && treeobj_type(w->step.object) == TREEOBJ_VALREF);
}

static bool
needs_listing(const struct watcher *w)
{
    return (w->spec.flags & (LOOKUP_READDIR | LOOKUP_TREEOBJ | LOOKUP_READLINK)) ==
               LOOKUP_READDIR &&
           treeobj_type(w->step.object) == TREEOBJ_DIRREF;
}

static void
on_listed(void *arg, int rc, const char *text, const struct treeobj *dir)
{
    struct watcher *w = arg;

    w->walk = NULL;
    rc = rc == -ENOENT ? -EIO : rc; // a blob, not the key
    if (rc == 0) {
        send_object(w, dir);
        finish_step(w);
    } else if (!skip_lost(w, rc)) {
        watcher_end(w, -rc, text);
    }
    watcher_run(w);
}

/* The directory is compared by its reference, which costs nothing, and listed only to be told. */
static void
list_dir(struct watcher *w)
{
    size_t count;
    const struct digest *dir = treeobj_refs(w->step.object, &count);
    struct lookup *l = lookup_new(w->kvs->conf.alg, w->spec.ns, dir, ".", LOOKUP_READDIR);

    walker_look(w->kvs->walker, &l, on_listed, w, &w->walk);
}

static void
send_step(struct watcher *w)
{
    static const struct value_feed_ops ops = {has_room, on_piece, on_fed};
    enum value_feed_form form =
        w->step.say == WATCH_SAY_PARTS ? VALUE_FEED_PIECES : VALUE_FEED_JOINED;

    w->state = WATCHER_SENDING;
    if (needs_feed(w)) {
        value_feed_start(w->kvs->conf.alg, w->kvs->content, w->step.object, form, w->step.from,
                         &ops, w, &w->feed);
        return;
    }
    if (needs_listing(w)) {
        list_dir(w);
        return;
    }
    send_object(w, w->step.object);
    finish_step(w);
}

/* --- looking --- */

static void
on_looked(void *arg, int rc, const char *text, const struct treeobj *object)
{
    struct watcher *w = arg;
    bool is_running = w->is_running;

    w->is_running = true; // it must not be freed before the end of this
    w->walk = NULL;
    if (skip_lost(w, rc)) {
        w->is_running = is_running;
        watcher_run(w);
        return;
    }
    w->is_blind = false;
    watch_take(w->watch, rc, text, object, w->named, &w->step);
    switch (w->step.say) {
    case WATCH_SAY_NOTHING:
        w->state = WATCHER_IDLE;
        break;
    case WATCH_SAY_END:
        watcher_end(w, w->step.errnum, w->step.text);
        break;
    case WATCH_SAY_OBJECT:
    case WATCH_SAY_PARTS:
        send_step(w);
        break;
    }
    w->is_running = is_running;
    watcher_run(w);
}

static void
look_at(struct watcher *w, const struct digest *root)
{
    struct lookup *l =
        lookup_new(w->kvs->conf.alg, w->spec.ns, root, w->spec.key, watch_lookup_flags(w->watch));

    w->state = WATCHER_LOOKING;
    walker_look(w->kvs->walker, &l, on_looked, w, &w->walk);
}

/* --- versions --- */

/* The next version, if it matters; false: there is none, or the client has to read first. */
static bool
look_at_next(struct watcher *w)
{
    const struct kvs_version *v;
    bool precise;

    if (!has_room(w, 0))
        return false;
    v = kvs_versions_after(w->kvs->versions, w->spec.ns, &w->seen);
    if (!v)
        return false;
    precise = !w->is_blind && v->follows && v->root.sequence == w->seen.sequence + 1 && v->keys &&
              !keyset_is_damaged(v->keys);
    w->seen = (struct kvs_place){v->root.epoch, v->root.sequence};
    w->named = precise && keyset_has(v->keys, w->spec.key);
    if (!precise || watch_wants(w->watch, w->named)) /* I2 */
        look_at(w, &v->root.root);
    return true;
}

void
watcher_run(struct watcher *w)
{
    if (w->is_running)
        return;
    w->is_running = true;
    while (w->state == WATCHER_IDLE && look_at_next(w))
        ;
    w->is_running = false;
    if (w->state == WATCHER_ENDED)
        watcher_free(w);
}

void
watcher_start(struct watcher *w, const struct store_root *root)
{
    w->seen = (struct kvs_place){root->epoch, root->sequence};
    w->is_running = true; // nothing is looked at before the first is
    look_at(w, &root->root);
    w->is_running = false;
    watcher_run(w);
}

void
watcher_resume(struct watcher *w)
{
    if (w->feed)
        value_feed_resume(w->feed);
    else
        watcher_run(w);
}

/* --- life --- */

struct watcher *
watcher_new(struct kvs *k, struct request *req, struct kvs_watch_spec *spec)
{
    struct watcher *w = xcalloc(1, sizeof(*w));

    w->kvs = k;
    w->spec = *spec;
    *spec = (struct kvs_watch_spec){.key = NULL};
    w->watch = watch_new(k->conf.alg, w->spec.flags);
    w->request = request_keep(req);
    list_init(&w->node);
    list_push_back(&k->watchers, &w->node);
    return w;
}
