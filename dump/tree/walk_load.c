/* SPDX-License-Identifier: MPL-2.0 */
/* walk_load.c - which blobs a walk wants, and what becomes of them (I2 and I3 of walk.c). */
#include "walk_priv.h"
#include "blobref.h"
#include "xmem.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define NODES_MAX 4096              // keeps --maxreqs of the thousands busy; a node is ~150 bytes
#define HELD_MAX (16 * 1024 * 1024) // bytes of loaded blobs that wait for their turn
#define LOADS_MAX ((size_t)512)     // out, unless maxreqs is larger: more make nothing faster
#define BYTES_MAX ((size_t)4 << 20) // of them, likewise

/* Directories are one by one much larger than most values, or much smaller. */
static size_t *
typical(struct walk *w, const struct node *n)
{
    return n->state == NODE_VALUE ? &w->typical_data : &w->typical_dir;
}

static struct walk_load *
new_load(struct walk *w, struct node *n, const struct digest *d)
{
    struct list *spare = list_pop_front(&w->spare_loads);
    struct walk_load *l = spare ? list_entry(spare, struct walk_load, link) : xmalloc(sizeof(*l));

    *l = (struct walk_load){.walk = w, .node = n, .digest = *d, .expected = *typical(w, n)};
    list_init(&l->link);
    list_push_back(&n->loads, &l->link);
    w->out++;
    w->expected += l->expected;
    return l;
}

/* I3 */
static bool
may_look_at(const struct walk *w, const struct node *n)
{
    if (w->node_count < NODES_MAX && w->held < HELD_MAX)
        return true;
    return is_head(w, n) && (n->state != NODE_VALUE || list_is_empty(&n->loads));
}

/* I2 */
static bool
may_load(struct walk *w, const struct node *n)
{
    size_t loads = MIN(w->maxreqs * w->group_loads, LOADS_MAX);
    size_t bytes = MIN(w->maxreqs * w->group_bytes, BYTES_MAX);

    return w->out < w->maxreqs || (w->out < loads && w->expected + *typical(w, n) <= bytes);
}

/* The largest so far, and slowly less. */
static void
learn_size(struct walk *w, const struct node *n, size_t size)
{
    size_t *t = typical(w, n);

    *t = MAX(size, *t - *t / 16);
}

static void
take_in(struct walk_load *l)
{
    struct walk *w = l->walk;

    assert(l->state == LOAD_OUT && w->out > 0);
    w->out--;
    w->expected -= l->expected;
}

/* One thing the node at the frontier wants; NULL when it wants no more. */
static struct walk_load *
want_from(struct walk *w, struct node *n)
{
    if (n->state == NODE_DIR) {
        n->state = NODE_LOADING;
        return new_load(w, n, &n->refs[n->wanted++]);
    }
    if (n->state == NODE_VALUE && n->wanted < n->count)
        return new_load(w, n, &n->refs[n->wanted++]);
    if (n->state == NODE_GATHER && gather_has_next(n->gather))
        return new_load(w, n, gather_next(n->gather));
    n->passed = true;
    w->frontier = n->link.next;
    return NULL;
}

struct walk_load *
walk_want(struct walk *w)
{
    while (w->frontier != &w->nodes) {
        struct node *n = node_of(w->frontier);
        struct walk_load *l;

        if (!may_look_at(w, n) || (n->state != NODE_RANGE && !may_load(w, n)))
            return NULL;
        if (n->state == NODE_RANGE)
            walk_expand_range(w, n);
        else if ((l = want_from(w, n)))
            return l;
    }
    return NULL;
}

const struct digest *
walk_load_digest(const struct walk_load *l)
{
    return &l->digest;
}

static struct err *
make_load_error(const struct walk_load *l, int errnum, const char *text)
{
    struct err *err = walk_make_error(errnum, text);
    char ref[BLOBREF_MAX];

    err_prefix(err, errnum, "%s", blobref_format(l->walk->alg, &l->digest, ref));
    return err;
}

static void
give_dir(struct walk_load *l, const void *data, size_t size)
{
    struct node *n = l->node;
    AUTO(treeobj) struct treeobj *dir = NULL;
    struct err reason = {0};
    struct err *err;
    int rc = treeobj_decode(l->walk->alg, data, size, &dir, &reason);

    if (rc == 0 && treeobj_type(dir) == TREEOBJ_HDIR)
        rc = gather_new(dir, &n->gather, &reason);
    else if (rc == 0 && treeobj_type(dir) != TREEOBJ_DIR)
        rc = err_set(&reason, -EPROTO, "not a directory object");
    if (rc < 0) {
        err = make_load_error(l, -EPROTO, reason.text);
        walk_fail_node(n, &err);
    } else if (n->gather) {
        n->state = NODE_GATHER;
    } else {
        walk_open_range(l->walk, n, &dir, false);
    }
    if (n->state != NODE_FAILED)
        walk_move_frontier_back(l->walk, n);
    walk_recycle_load(l);
}

/* A directory of which parts are lost fails, and goes on with what is left of it. */
static void
insert_failure(struct walk *w, struct node *n)
{
    struct node *failed = walk_insert_node(w, &n->link, NODE_FAILED);

    failed->passed = n->passed || w->frontier == &n->link;
    failed->in = n->in ? level_ref(n->in) : NULL;
    failed->name = n->name;
    failed->err = TAKE(n->err);
    failed->lost = n->lost;
    err_prefix(failed->err, failed->err->code, "%" PRIu64 " keys are lost", n->lost);
    n->lost = 0;
}

/* All parts have come or are lost. */
static void
finish_gather(struct walk *w, struct node *n)
{
    struct treeobj *dir = NULL;
    struct err reason = {0};
    struct err *err;

    if (n->err)
        insert_failure(w, n);
    if (gather_finish(n->gather, &dir, &reason) < 0) {
        err = walk_make_error(-EPROTO, reason.text);
        walk_fail_node(n, &err);
    } else {
        walk_open_range(w, n, &dir, false);
    }
    gather_free(&n->gather);
}

/* What has come may bring more to ask for, or be the last. */
static void
go_on_gathering(struct walk *w, struct node *n)
{
    if (gather_is_complete(n->gather))
        finish_gather(w, n);
    if (n->state == NODE_RANGE || (n->state == NODE_GATHER && gather_has_next(n->gather)))
        walk_move_frontier_back(w, n);
}

static void
lose_part(struct walk_load *l, int errnum, const char *text, uint64_t entries)
{
    struct node *n = l->node;

    n->lost += entries;
    if (!n->err)
        n->err = make_load_error(l, errnum, text);
}

static void
give_part(struct walk_load *l, const void *data, size_t size)
{
    struct node *n = l->node;
    AUTO(treeobj) struct treeobj *part = NULL;
    struct err reason = {0};
    uint64_t entries = gather_entries(n->gather, &l->digest);
    int rc = treeobj_decode(l->walk->alg, data, size, &part, &reason);

    if (rc < 0)
        gather_skip(n->gather, &l->digest);
    else
        rc = gather_give(n->gather, &l->digest, part, &reason);
    if (rc < 0)
        lose_part(l, rc, reason.text, entries);
    go_on_gathering(l->walk, n);
    walk_recycle_load(l);
}

static void
keep_bytes(struct walk_load *l, const void *data, size_t size)
{
    l->data = xmem_try(size ? size : 1);
    if (!l->data) {
        l->state = LOAD_BAD;
        l->err = make_load_error(l, -ENOMEM, err_name(ENOMEM));
        return;
    }
    if (size)
        memcpy(l->data, data, size);
    l->size = size;
    l->state = LOAD_HERE;
    l->walk->held += size;
}

void
walk_give(struct walk_load *l, const void *data, size_t size)
{
    take_in(l);
    if (l->node)
        learn_size(l->walk, l->node, size);
    if (!l->node)
        walk_recycle_load(l);
    else if (l->node->state == NODE_LOADING)
        give_dir(l, data, size);
    else if (l->node->state == NODE_GATHER)
        give_part(l, data, size);
    else
        keep_bytes(l, data, size);
}

void
walk_fail(struct walk_load *l, int errnum, const char *text)
{
    struct err *err;

    take_in(l);
    if (!l->node) {
        walk_recycle_load(l);
        return;
    }
    if (l->node->state == NODE_GATHER) {
        lose_part(l, errnum, text, gather_skip(l->node->gather, &l->digest));
        go_on_gathering(l->walk, l->node);
        walk_recycle_load(l);
        return;
    }
    err = make_load_error(l, errnum, text);
    if (l->node->state == NODE_LOADING) {
        walk_fail_node(l->node, &err);
        walk_recycle_load(l);
    } else {
        l->err = err;
        l->state = LOAD_BAD;
    }
}
