/* SPDX-License-Identifier: MPL-2.0 */
/* kvs_walk.c - see kvs_walk.h.
 *
 * A walk waits for one of: a root (it is on walker.wanting_root), a directory (its dir_waiter is
 * with the content cache), parts of a wide directory, or value blobs (each of its blob waiters is).
 * Its result is told, and it is freed, from advance(), and nowhere else.
 */
#include "kvs_walk.h"
#include "dircache.h"
#include "list.h"
#include "lookup_join.h"
#include "xmem.h"

#include <errno.h>

#define DIRCACHE_MAX (64u << 20) // bytes of parsed directories

struct walker {
    enum digest_alg alg;
    struct router *router;        // borrowed
    struct content *content;      // borrowed
    const struct walker_ops *ops; // borrowed
    void *arg;                    // borrowed
    struct dircache *dirs;        // owned
    struct list walks;            // every walk
    struct list wanting_root;     // those waiting for a root
};

struct blob_waiter {
    struct content_waiter waiter;
    struct walk *walk; // borrowed
    struct digest digest;
};

struct walk {
    struct list node;         // on walker.walks
    struct list wanting_root; // on walker.wanting_root, or on none
    struct walker *walker;    // borrowed
    struct request *request;  // owned: to be answered; NULL: fn is to be told
    walk_fn fn;               // NULL: abandoned
    void *arg;                // of fn
    struct lookup *lookup;    // owned
    struct content_waiter dir_waiter;
    struct digest dir_digest;  // the directory waited for
    struct blob_waiter *blobs; // owned array
    size_t outstanding;        // blobs not given yet, parts or pieces
    size_t bytes;              // of the pieces given
};

static void advance(struct walk *walk);

/* --- the end --- */

static void
free_walk(struct walk *walk)
{
    list_remove(&walk->node);
    list_remove(&walk->wanting_root);
    request_free(&walk->request);
    lookup_free(&walk->lookup);
    free(walk->blobs);
    free(walk);
}

struct blob *
walk_encode(enum digest_alg alg, const struct treeobj *object)
{
    struct buf text = BUF_INIT;
    size_t size;
    void *data;

    buf_add_str(&text, "{\"val\":");
    treeobj_encode(alg, object, &text);
    buf_add_char(&text, '}');
    data = buf_detach(&text, &size);
    return blob_adopt(&data, size + 1); // with the NUL
}

static void
answer(struct walk *walk, int rc, const struct err *err, const struct treeobj *object)
{
    struct walker *w = walk->walker;
    struct blob *payload;

    if (rc < 0) {
        router_respond_error(w->router, walk->request, -rc, err->text[0] ? "%s" : NULL, err->text);
        return;
    }
    payload = walk_encode(w->alg, object);
    router_respond(w->router, walk->request, &payload);
}

static void
tell(struct walk *walk)
{
    AUTO(treeobj) struct treeobj *object = NULL;
    struct err err = {0};
    int rc = lookup_result(walk->lookup, &object, &err);

    if (walk->request)
        answer(walk, rc, &err, object);
    else if (walk->fn)
        walk->fn(walk->arg, rc, err.text, object);
    free_walk(walk);
}

/* --- directories --- */

/* A new reference, or NULL: the look-up has failed. */
static struct treeobj *
parse_dir(struct walk *walk, const struct digest *d, const struct blob *b)
{
    struct walker *w = walk->walker;
    struct treeobj *dir = NULL;
    struct err err = {0};

    if (treeobj_decode(w->alg, blob_data(b), blob_size(b), &dir, &err) < 0)
        lookup_fail_blob(walk->lookup, d, EPROTO, err.text);
    else
        dircache_put(w->dirs, d, dir);
    return dir;
}

static void
give_dir(struct walk *walk, const struct digest *d, const struct blob *b)
{
    AUTO(treeobj) struct treeobj *dir = parse_dir(walk, d, b);

    if (dir)
        lookup_give_dir(walk->lookup, dir);
}

static void
on_dir(struct content_waiter *waiter, int rc, const struct blob *b)
{
    struct walk *walk = container_of(waiter, struct walk, dir_waiter);

    if (rc < 0)
        lookup_fail_blob(walk->lookup, &walk->dir_digest, -rc, err_name(rc));
    else
        give_dir(walk, &walk->dir_digest, b);
    advance(walk);
}

/* false: it has to be waited for. */
static bool
find_dir(struct walk *walk, const struct digest *wanted)
{
    struct walker *w = walk->walker;
    const struct treeobj *dir = dircache_get(w->dirs, wanted);

    if (dir) {
        lookup_give_dir(walk->lookup, dir);
        return true;
    }
    walk->dir_digest = *wanted;
    walk->dir_waiter.fn = on_dir;
    content_load(w->content, &walk->dir_digest, &walk->dir_waiter);
    return false;
}

/* --- values --- */

static void
on_blob(struct content_waiter *waiter, int rc, const struct blob *b)
{
    struct blob_waiter *bw = container_of(waiter, struct blob_waiter, waiter);
    struct walk *walk = bw->walk;

    walk->bytes += blob_size(b);
    if (walk->outstanding == 1 && walk->request &&
        router_park_if_it_must(walk->walker->router, walk->request, walk->bytes)) {
        free_walk(walk); // before the pieces are joined: many may ask for a large value at once
        return;
    }
    if (rc < 0)
        lookup_fail_blob(walk->lookup, &bw->digest, -rc, err_name(rc));
    else if (walk->bytes > LOOKUP_VALUE_MAX)
        lookup_fail(walk->lookup, EOVERFLOW, "value too large for one answer: see STREAM");
    else
        lookup_give_blob(walk->lookup, &bw->digest, b);
    if (--walk->outstanding == 0)
        advance(walk);
}

/* All that is wanted, each answered through fn. */
static void
load_blobs(struct walk *walk,
           void (*fn)(struct content_waiter *waiter, int rc, const struct blob *b))
{
    size_t count;
    const struct digest *wanted = lookup_wanted(walk->lookup, &count);

    free(walk->blobs);
    walk->blobs = xcalloc(count, sizeof(*walk->blobs));
    walk->outstanding = count;
    for (size_t i = 0; i < count; i++)
        walk->blobs[i] = (struct blob_waiter){{fn}, walk, wanted[i]};
    /* The last answer, which may come from inside, frees the walk: touch nothing after it. */
    for (size_t i = 0; i < count; i++)
        content_load(walk->walker->content, &walk->blobs[i].digest, &walk->blobs[i].waiter);
}

/* --- parts of a wide directory --- */

static void
on_bucket(struct content_waiter *waiter, int rc, const struct blob *b)
{
    struct blob_waiter *bw = container_of(waiter, struct blob_waiter, waiter);
    struct walk *walk = bw->walk;
    AUTO(treeobj)
    struct treeobj *dir = treeobj_ref(dircache_get(walk->walker->dirs, &bw->digest));

    if (rc < 0)
        lookup_fail_blob(walk->lookup, &bw->digest, -rc, err_name(rc));
    else if (!dir && lookup_step(walk->lookup) == LOOKUP_WANT_BUCKETS)
        dir = parse_dir(walk, &bw->digest, b);
    if (dir)
        lookup_give_bucket(walk->lookup, &bw->digest, dir);
    if (--walk->outstanding == 0)
        advance(walk);
}

/* --- the walk --- */

/* false: it has to be waited for. */
static bool
find_root(struct walk *walk)
{
    struct walker *w = walk->walker;
    const struct digest *root;

    list_push_back(&w->wanting_root, &walk->wanting_root);
    root = w->ops->root(w->arg, lookup_namespace(walk->lookup));
    if (!root)
        return false;
    list_remove(&walk->wanting_root);
    lookup_give_root(walk->lookup, root);
    return true;
}

static void
advance(struct walk *walk)
{
    for (;;) {
        size_t count;

        switch (lookup_step(walk->lookup)) {
        case LOOKUP_WANT_ROOT:
            if (!find_root(walk))
                return;
            break;
        case LOOKUP_WANT_DIR:
            if (!find_dir(walk, lookup_wanted(walk->lookup, &count)))
                return;
            break;
        case LOOKUP_WANT_BLOBS:
            load_blobs(walk, on_blob);
            return;
        case LOOKUP_WANT_BUCKETS:
            load_blobs(walk, on_bucket);
            return;
        case LOOKUP_DONE:
            tell(walk);
            return;
        }
    }
}

static struct walk *
new_walk(struct walker *w, struct lookup **l)
{
    struct walk *walk = xcalloc(1, sizeof(*walk));

    walk->walker = w;
    walk->lookup = TAKE(*l);
    list_init(&walk->node);
    list_init(&walk->wanting_root);
    list_push_back(&w->walks, &walk->node);
    return walk;
}

void
walker_start(struct walker *w, struct request *req, struct lookup **l)
{
    struct walk *walk = new_walk(w, l);

    walk->request = request_keep(req);
    advance(walk);
}

void
walker_look(struct walker *w, struct lookup **l, walk_fn fn, void *arg, struct walk **ret)
{
    struct walk *walk = new_walk(w, l);

    walk->fn = fn;
    walk->arg = arg;
    *ret = walk;
    advance(walk);
}

void
walk_abandon(struct walk **handle)
{
    struct walk *walk = TAKE(*handle);

    if (walk)
        walk->fn = NULL;
}

/* Those waiting for this namespace's root leave the list before any of them goes on. */
static void
take_waiting(struct walker *w, const char *ns, struct list *ret)
{
    LIST_FOR_EACH (node, &w->wanting_root) {
        struct walk *walk = list_entry(node, struct walk, wanting_root);

        if (strcmp(lookup_namespace(walk->lookup), ns) != 0)
            continue;
        list_remove(node);
        list_push_back(ret, node);
    }
}

void
walker_root_known(struct walker *w, const char *ns)
{
    struct list waiting = LIST_INIT(waiting);
    struct list *node;

    take_waiting(w, ns, &waiting);
    while ((node = list_pop_front(&waiting)))
        advance(list_entry(node, struct walk, wanting_root));
}

void
walker_root_failed(struct walker *w, const char *ns, int errnum, const char *text)
{
    struct list waiting = LIST_INIT(waiting);
    struct list *node;

    take_waiting(w, ns, &waiting);
    while ((node = list_pop_front(&waiting))) {
        struct walk *walk = list_entry(node, struct walk, wanting_root);

        lookup_fail(walk->lookup, errnum, text);
        advance(walk);
    }
}

/* --- life --- */

struct walker *
walker_new(enum digest_alg alg, struct router *router, struct content *content,
           const struct walker_ops *ops, void *arg)
{
    struct walker *w = xcalloc(1, sizeof(*w));

    w->alg = alg;
    w->router = router;
    w->content = content;
    w->ops = ops;
    w->arg = arg;
    w->dirs = dircache_new(DIRCACHE_MAX);
    list_init(&w->walks);
    list_init(&w->wanting_root);
    return w;
}

void
walker_free(struct walker **walker)
{
    struct walker *w = TAKE(*walker);

    if (!w)
        return;
    LIST_FOR_EACH (node, &w->walks)
        free_walk(list_entry(node, struct walk, node));
    dircache_free(&w->dirs);
    free(w);
}

void
walker_drop_cache(struct walker *w)
{
    dircache_free(&w->dirs);
    w->dirs = dircache_new(DIRCACHE_MAX);
}
