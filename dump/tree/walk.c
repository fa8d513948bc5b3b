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
 *  TOLD     -                       -                 -             DIR; gone
 *  FAILED   -                       -                 -             FAILED; gone
 *
 * A TOLD node is put before the RANGE of a directory of which its keys do not tell all.
 *
 * Looking ahead: `frontier` is the first node that may still want something.
 *  I1  no node before the frontier is DIR or RANGE or has blobs not asked for that are known.
 *  I2  at most maxreqs loads are out, or as many as maxreqs groups hold.
 *  I3  beyond the head the walk looks ahead only while it holds < NODES_MAX nodes and < HELD_MAX
 *      bytes; what the head needs next may always be asked for, so the walk cannot get stuck.
 * Together: memory is bounded by HELD_MAX, maxreqs groups of blobs and the open directories.
 */
#include "walk_priv.h"
#include "xmem.h"

#define TYPICAL (16 * 1024) // bytes of a blob, before one has come

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
    walk_remove_node(w, n);
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
        err = walk_make_error(rc, "the value is not valid base64");
        yield_failure(w, n, &err);
        return;
    }
    w->item.kind = WALK_DATA;
    w->item.data = w->piece;
    w->item.is_first = w->item.is_last = w->item.is_inline = true;
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
        w->item.ref = l->digest;
        walk_recycle_load(l);
    }
}

static void
yield_dir(struct walk *w, const struct node *n)
{
    w->item.kind = WALK_DIR;
    w->item.is_empty = n->is_empty;
    w->item.form = n->form;
}

/* The node whose last item was yielded is kept until now: the item borrows from it. */
static void
drop_last_item(struct walk *w)
{
    bool is_done = w->item.kind == WALK_LINK || w->item.kind == WALK_DIR ||
                   (w->item.kind == WALK_DATA && w->item.is_last);

    if (is_done)
        walk_remove_node(w, node_of(w->nodes.next));
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
        walk_expand_range(w, node_of(w->nodes.next));
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
    else if (n->state == NODE_TOLD)
        yield_dir(w, n);
    else if (n->state == NODE_FAILED)
        yield_failure(w, n, &n->err);
    return &w->item;
}

/* ---- life ---- */

static struct walk *
new_walk(enum digest_alg alg, size_t maxreqs)
{
    struct walk *w = xcalloc(1, sizeof(*w));

    assert(maxreqs >= 1);
    w->alg = alg;
    w->maxreqs = maxreqs;
    w->group_loads = 1;
    w->typical_dir = w->typical_data = TYPICAL;
    w->item.kind = WALK_WAIT;
    w->is_canonical = true;
    list_init(&w->nodes);
    list_init(&w->spare);
    list_init(&w->spare_loads);
    return w;
}

struct walk *
walk_new(enum digest_alg alg, const struct digest *root, size_t maxreqs)
{
    struct walk *w = new_walk(alg, maxreqs);
    struct node *n = walk_insert_node(w, &w->nodes, NODE_DIR);

    w->root = *root;
    n->refs = &w->root;
    n->count = 1;
    w->frontier = &n->link;
    return w;
}

/* Consumes *dir, which is made up.  path: in front of the names in it. */
static struct walk *
new_made_up(enum digest_alg alg, struct treeobj **dir, const char *path, size_t depth,
            size_t maxreqs)
{
    struct walk *w = new_walk(alg, maxreqs);
    struct node *n = walk_insert_node(w, &w->nodes, NODE_RANGE);

    n->range = level_new_at(dir, path, (unsigned)depth);
    w->frontier = &n->link;
    return w;
}

/* It is the only entry of a directory. */
struct walk *
walk_new_at(enum digest_alg alg, const struct key *key, struct treeobj **obj, size_t maxreqs)
{
    AUTO(buf) struct buf path = BUF_INIT;
    struct treeobj *dir = treeobj_new_dir();

    assert(key->count > 0);
    for (size_t i = 0; i + 1 < key->count; i++)
        buf_printf(&path, "%s/", key->names[i]);
    treeobj_dir_put(dir, key->names[key->count - 1], obj);
    return new_made_up(alg, &dir, buf_str(&path), key->count - 1, maxreqs);
}

struct walk *
walk_new_of(enum digest_alg alg, struct treeobj **objects, size_t maxreqs)
{
    return new_made_up(alg, objects, "", 0, maxreqs);
}

void
walk_set_group(struct walk *w, size_t loads, size_t bytes)
{
    w->group_loads = loads;
    w->group_bytes = bytes;
}

void
walk_set_filter(struct walk *w, const struct filter *filter)
{
    w->filter = filter;
}

void
walk_set_maxdirent(struct walk *w, uint64_t max)
{
    w->maxdirent = max;
}

void
walk_set_exact(struct walk *w)
{
    w->is_exact = true;
}

bool
walk_is_canonical(const struct walk *w)
{
    return w->is_canonical;
}

bool
walk_is_idle(const struct walk *w)
{
    return w->out == 0;
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
        walk_remove_node(w, node_of(w->nodes.next));
    while ((it = list_pop_front(&w->spare)))
        free(node_of(it));
    free_loads(&w->spare_loads);
    free(w->piece);
    free(w->item_err);
    buf_fini(&w->path);
    buf_fini(&w->filtered);
    free(w);
}
