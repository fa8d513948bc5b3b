/* SPDX-License-Identifier: MPL-2.0 */
/* walk.c - the tree walk.
 *
 * The walk is a list of nodes in the order in which they come out.  A loaded directory is one RANGE
 * node, which puts its entries in front of itself one at a time, so a directory of a million
 * entries is never a million nodes.
 *
 *  state    walk_want()             load given        load failed   at the head, walk_next()
 *  DIR      a load -> LOADING       -                 -             WAIT
 *  LOADING  -                       RANGE, GATHER or  FAILED        WAIT
 *                                   FAILED
 *  GATHER   loads of its parts      part is here      part is lost  WAIT
 *           the last part has come: RANGE; if some are lost, a FAILED node is put before it
 *  RANGE    next entry before it    -                 -             next entry before it; end: gone
 *  VALUE    loads of its blobs      piece is here     piece is bad  piece; WAIT; FAILED; last: gone
 *  READY    -                       -                 -             one item; gone
 *  FAILED   -                       -                 -             FAILED; gone
 *
 * Looking ahead: `frontier` is the first node that may still want something.
 *  I1  no node before the frontier is DIR or RANGE or has blobs not asked for that are known.
 *  I2  at most maxreqs loads are out.
 *  I3  beyond the head the walk looks ahead only while it holds < NODES_MAX nodes and < HELD_MAX
 *      bytes; what the head needs next may always be asked for, so the walk cannot get stuck.
 * Together: memory is bounded by HELD_MAX, maxreqs blobs and the open directories.
 */
#include "walk.h"
#include "blobref.h"
#include "gather.h"
#include "key.h"
#include "level.h"
#include "list.h"
#include "xmem.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define NODES_MAX 4096              // keeps --maxreqs of the thousands busy; a node is ~150 bytes
#define HELD_MAX (16 * 1024 * 1024) // bytes of loaded blobs that wait for their turn

enum node_state {
    NODE_DIR,
    NODE_LOADING,
    NODE_GATHER,
    NODE_RANGE,
    NODE_VALUE,
    NODE_READY,
    NODE_FAILED,
};

struct node {
    struct list link;          // on walk.nodes, or walk.spare
    enum node_state state;     // see the table
    bool passed;               // before the frontier
    struct level *in;          // owned reference; the directory it is an entry of; NULL = the root
    const char *name;          // borrowed from `in`
    const struct treeobj *obj; // borrowed from `in`; NULL = the root
    struct gather *gather;     // GATHER: owned; parts of a wide directory
    uint64_t lost;             // GATHER, FAILED: entries of parts that are lost
    struct level *range;       // RANGE: owned reference; the directory it stands for
    const struct digest *refs; // DIR, LOADING, VALUE: borrowed from obj, or walk.root
    size_t count;              // number of refs
    size_t wanted;             // refs asked for so far
    size_t yielded;            // pieces yielded so far
    struct list loads;         // walk_load.link; VALUE: in the order of refs
    struct err *err;           // FAILED: owned; GATHER: why the first part is lost, or NULL
};

enum load_state { LOAD_OUT, LOAD_HERE, LOAD_BAD };

struct walk_load {
    struct list link;  // on node.loads, or walk.spare_loads
    struct walk *walk; // borrowed
    struct node *node; // borrowed; NULL = the node is gone, drop the answer
    enum load_state state;
    struct digest digest; // what to load
    void *data;           // HERE: owned
    size_t size;          // HERE: bytes of data
    struct err *err;      // BAD: owned
};

struct walk {
    enum digest_alg alg;     // of all digests
    struct digest root;      // of the tree
    size_t maxreqs;          // loads out at most
    size_t out;              // loads out
    size_t held;             // bytes of loads that are HERE
    size_t node_count;       // on nodes
    struct list nodes;       // node.link, in walking order
    struct list *frontier;   // a node of nodes, or &nodes: nothing left to want
    struct list spare;       // nodes to use again
    struct list spare_loads; // loads to use again
    struct walk_item item;   // what the last walk_next() returned
    struct buf path;         // item.path
    void *piece;             // owned: decoded or loaded bytes that item.data points to
    struct err *item_err;    // owned: what item.error points to
};

static struct node *
node_of(struct list *link)
{
    return list_entry(link, struct node, link);
}

static bool
is_head(const struct walk *w, const struct node *n)
{
    return w->nodes.next == &n->link;
}

static struct node *
insert_node(struct walk *w, struct list *before, enum node_state state)
{
    struct list *spare = list_pop_front(&w->spare);
    struct node *n = spare ? node_of(spare) : xmalloc(sizeof(*n));

    *n = (struct node){.state = state};
    list_init(&n->link);
    list_init(&n->loads);
    list_insert_before(before, &n->link);
    w->node_count++;
    return n;
}

static void
recycle_load(struct walk_load *l)
{
    struct walk *w = l->walk;

    if (l->state == LOAD_HERE)
        w->held -= l->size;
    free(l->data);
    free(l->err);
    list_remove(&l->link);
    list_push_front(&w->spare_loads, &l->link);
}

/* Loads still out are told that nobody waits for them. */
static void
abandon_loads(struct node *n)
{
    LIST_FOR_EACH (it, &n->loads) {
        struct walk_load *l = list_entry(it, struct walk_load, link);

        l->node = NULL;
        if (l->state == LOAD_OUT)
            list_remove(&l->link);
        else
            recycle_load(l);
    }
}

static void
remove_node(struct walk *w, struct node *n)
{
    if (w->frontier == &n->link)
        w->frontier = n->link.next;
    abandon_loads(n);
    level_unref(&n->in);
    level_unref(&n->range);
    gather_free(&n->gather);
    free(TAKE(n->err));
    list_remove(&n->link);
    list_push_front(&w->spare, &n->link);
    w->node_count--;
}

static struct err *
make_error(int errnum, const char *text)
{
    struct err *err = xmalloc(sizeof(*err));

    err_set(err, errnum, "%s", text);
    return err;
}

/* ---- directories turn into entries ---- */

static void
fail_node(struct node *n, struct err **err)
{
    n->state = NODE_FAILED;
    n->err = TAKE(*err);
}

static void
open_range(struct node *n, struct treeobj **dir)
{
    struct err *err;

    if (n->in && n->in->depth + 1 >= KEY_DEPTH_MAX) {
        treeobj_unref(dir);
        err = make_error(-EPROTO, "directories are nested too deep");
        fail_node(n, &err);
        return;
    }
    n->range = level_new(dir, n->in, n->name);
    n->state = NODE_RANGE;
}

static void
set_entry(struct node *n, struct treeobj *entry)
{
    struct treeobj *dir;

    switch (treeobj_type(entry)) {
    case TREEOBJ_VAL:
    case TREEOBJ_SYMLINK:
        n->state = NODE_READY;
        break;
    case TREEOBJ_VALREF:
        n->state = NODE_VALUE;
        n->refs = treeobj_refs(entry, &n->count);
        break;
    case TREEOBJ_DIRREF:
        n->state = NODE_DIR;
        n->refs = treeobj_refs(entry, &n->count);
        break;
    case TREEOBJ_HDIR: // never an entry
        assert(false);
        break;
    case TREEOBJ_DIR: // RFC 11 allows a directory in place, although nobody writes one
        dir = treeobj_ref(entry);
        open_range(n, &dir);
        break;
    }
}

/* The RANGE node at the frontier: its next entry becomes the frontier, or the node goes. */
static void
expand_range(struct walk *w, struct node *range)
{
    const char *name;
    struct treeobj *entry;
    struct node *n;

    assert(w->frontier == &range->link); /* I1 */
    if (!level_next(range->range, &name, &entry)) {
        remove_node(w, range);
        return;
    }
    n = insert_node(w, &range->link, NODE_READY);
    n->in = level_ref(range->range);
    n->name = name;
    n->obj = entry;
    set_entry(n, entry);
    w->frontier = &n->link;
}

/* A directory behind the frontier has been loaded: the frontier goes back to it. */
static void
move_frontier_back(struct walk *w, struct node *n)
{
    if (!n->passed)
        return;
    for (struct list *it = &n->link; it != w->frontier; it = it->next)
        node_of(it)->passed = false;
    w->frontier = &n->link;
}

/* ---- loads ---- */

static struct walk_load *
new_load(struct walk *w, struct node *n, const struct digest *d)
{
    struct list *spare = list_pop_front(&w->spare_loads);
    struct walk_load *l = spare ? list_entry(spare, struct walk_load, link) : xmalloc(sizeof(*l));

    *l = (struct walk_load){.walk = w, .node = n, .digest = *d};
    list_init(&l->link);
    list_push_back(&n->loads, &l->link);
    w->out++;
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
    while (w->out < w->maxreqs && w->frontier != &w->nodes) {
        struct node *n = node_of(w->frontier);
        struct walk_load *l;

        if (!may_look_at(w, n))
            return NULL;
        if (n->state == NODE_RANGE)
            expand_range(w, n);
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
    struct err *err = make_error(errnum, text);
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
        fail_node(n, &err);
    } else if (n->gather) {
        n->state = NODE_GATHER;
    } else {
        open_range(n, &dir);
    }
    if (n->state != NODE_FAILED)
        move_frontier_back(l->walk, n);
    recycle_load(l);
}

/* A directory of which parts are lost fails, and goes on with what is left of it. */
static void
insert_failure(struct walk *w, struct node *n)
{
    struct node *failed = insert_node(w, &n->link, NODE_FAILED);

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
        err = make_error(-EPROTO, reason.text);
        fail_node(n, &err);
    } else {
        open_range(n, &dir);
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
        move_frontier_back(w, n);
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
    recycle_load(l);
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
    assert(l->state == LOAD_OUT && l->walk->out > 0);
    l->walk->out--;
    if (!l->node)
        recycle_load(l);
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

    assert(l->state == LOAD_OUT && l->walk->out > 0);
    l->walk->out--;
    if (!l->node) {
        recycle_load(l);
        return;
    }
    if (l->node->state == NODE_GATHER) {
        lose_part(l, errnum, text, gather_skip(l->node->gather, &l->digest));
        go_on_gathering(l->walk, l->node);
        recycle_load(l);
        return;
    }
    err = make_load_error(l, errnum, text);
    if (l->node->state == NODE_LOADING) {
        fail_node(l->node, &err);
        recycle_load(l);
    } else {
        l->err = err;
        l->state = LOAD_BAD;
    }
}

/* ---- what comes out ---- */

static void
set_path(struct walk *w, const struct node *n)
{
    buf_reset(&w->path);
    if (n->in) {
        buf_add(&w->path, n->in->path, n->in->path_len);
        buf_add_str(&w->path, n->name);
    }
    w->item.path = buf_str(&w->path);
}

static void
yield_failure(struct walk *w, struct node *n, struct err **err)
{
    w->item_err = TAKE(*err);
    w->item.kind = WALK_FAILED;
    w->item.is_part = n->lost > 0;
    w->item.errnum = w->item_err->code;
    w->item.error = w->item_err->text;
    remove_node(w, n);
}

static void
yield_ready(struct walk *w, struct node *n)
{
    struct err *err;
    int rc;

    if (treeobj_type(n->obj) == TREEOBJ_SYMLINK) {
        w->item.kind = WALK_LINK;
        w->item.link = n->obj; // its level is held until the next walk_next()
        return;
    }
    rc = treeobj_val_decode(n->obj, &w->piece, &w->item.size);
    if (rc < 0) {
        err = make_error(rc, "the value is not valid base64");
        yield_failure(w, n, &err);
        return;
    }
    w->item.kind = WALK_DATA;
    w->item.data = w->piece;
    w->item.is_first = w->item.is_last = true;
}

static void
yield_piece(struct walk *w, struct node *n)
{
    struct walk_load *l;

    if (list_is_empty(&n->loads))
        return;
    l = list_entry(n->loads.next, struct walk_load, link);
    if (l->state == LOAD_BAD) {
        yield_failure(w, n, &l->err);
    } else if (l->state == LOAD_HERE) {
        w->item.kind = WALK_DATA;
        w->item.is_first = n->yielded == 0;
        w->item.is_last = ++n->yielded == n->count;
        w->item.data = w->piece = TAKE(l->data);
        w->item.size = l->size;
        recycle_load(l);
    }
}

/* The node whose last item was yielded is kept until now: the item borrows from it. */
static void
drop_last_item(struct walk *w)
{
    bool is_done = w->item.kind == WALK_LINK || (w->item.kind == WALK_DATA && w->item.is_last);

    if (is_done)
        remove_node(w, node_of(w->nodes.next));
    free(TAKE(w->piece));
    free(TAKE(w->item_err));
    w->item = (struct walk_item){.kind = WALK_WAIT, .path = "", .data = ""};
}

const struct walk_item *
walk_next(struct walk *w)
{
    struct node *n;

    drop_last_item(w);
    while (!list_is_empty(&w->nodes) && node_of(w->nodes.next)->state == NODE_RANGE)
        expand_range(w, node_of(w->nodes.next));
    if (list_is_empty(&w->nodes)) {
        w->item.kind = WALK_END;
        return &w->item;
    }
    n = node_of(w->nodes.next);
    set_path(w, n);
    if (n->state == NODE_READY)
        yield_ready(w, n);
    else if (n->state == NODE_VALUE)
        yield_piece(w, n);
    else if (n->state == NODE_FAILED)
        yield_failure(w, n, &n->err);
    return &w->item;
}

/* ---- life ---- */

struct walk *
walk_new(enum digest_alg alg, const struct digest *root, size_t maxreqs)
{
    struct walk *w = xcalloc(1, sizeof(*w));
    struct node *n;

    assert(maxreqs >= 1);
    w->alg = alg;
    w->root = *root;
    w->maxreqs = maxreqs;
    w->item.kind = WALK_WAIT;
    list_init(&w->nodes);
    list_init(&w->spare);
    list_init(&w->spare_loads);
    n = insert_node(w, &w->nodes, NODE_DIR);
    n->refs = &w->root;
    n->count = 1;
    w->frontier = &n->link;
    return w;
}

static void
free_loads(struct list *loads)
{
    struct list *it;

    while ((it = list_pop_front(loads))) {
        struct walk_load *l = list_entry(it, struct walk_load, link);

        free(l);
    }
}

void
walk_free(struct walk **wp)
{
    struct walk *w = TAKE(*wp);
    struct list *it;

    if (!w)
        return;
    while (!list_is_empty(&w->nodes))
        remove_node(w, node_of(w->nodes.next));
    while ((it = list_pop_front(&w->spare)))
        free(node_of(it));
    free_loads(&w->spare_loads);
    free(w->piece);
    free(w->item_err);
    buf_fini(&w->path);
    free(w);
}
