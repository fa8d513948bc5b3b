/* SPDX-License-Identifier: MPL-2.0 */
/* diff.c - see diff.h.
 *
 * The comparison is a list of nodes in the order in which they come out.  Two directories that have been
 * loaded and compared are one RANGE node, which puts the entries that differ in front of itself one at a
 * time, so a directory of a million changes is never a million nodes.
 *
 *  state    diff_want()             all loads given       load failed   at the head, diff_next()
 *  DIR      loads of its parts      RANGE, or FAILED; an  FAILED        WAIT
 *                                   empty one puts a
 *                                   CHANGE before it
 *  RANGE    next entry before it    -                     -             next entry before it; end: gone
 *  CHANGE   -                       -                     -             CHANGE; gone
 *  TOLD     -                       -                     -             DIR; gone
 *  FAILED   -                       -                     -             FAILED; gone
 *
 * Looking ahead: `frontier` is the first node that may still want something.
 *  I1  no node before the frontier is RANGE, or is DIR and has parts not asked for that are known.
 *  I2  at most maxreqs loads are out.
 *  I3  beyond the head the comparison looks ahead only while it holds < NODES_MAX nodes and < HELD_MAX
 *      bytes of directories that the head has not come to; what the head needs next may always be
 *      asked for, so it cannot get stuck.
 * Together: memory is bounded by HELD_MAX, maxreqs blobs and the directories above the head.
 */
#include "diff.h"
#include "blobref.h"
#include "diff_dir.h"
#include "key.h"
#include "list.h"
#include "xmem.h"

#include <errno.h>
#include <string.h>

#define NODES_MAX 4096              // keeps maxreqs of the thousands busy; a node is ~150 bytes
#define HELD_MAX (16 * 1024 * 1024) // bytes of directories that wait for their turn

/* Two directories that are gone through.  Nodes borrow names and entries from it. */
struct level {
    struct diff_dir *dir; // owned
    char *path;           // owned: "" for the root, else "a/b/", in front of every entry's name
    size_t path_len;      // bytes of path
    unsigned depth;       // names in path
    unsigned refs;        // holders
    size_t held;          // bytes of it that count in diff.held; 0 since the head has come to it
};

enum node_state { NODE_DIR, NODE_RANGE, NODE_CHANGE, NODE_TOLD, NODE_FAILED };

struct node {
    struct list link;                  // on diff.nodes, or diff.spare
    enum node_state state;             // see the table
    bool passed;                       // DIR: before the frontier
    struct level *in;                  // owned reference; where it is an entry; NULL = the root
    const char *name;                  // borrowed from `in`
    struct treeobj *obj[DIFF_SIDES];   // borrowed from `in`, or diff.roots; NULL: not there
    struct diff_dir *dir;              // DIR: owned; what is being loaded
    size_t held;                       // DIR: bytes of it that count in diff.held
    struct level *range;               // RANGE: owned reference
    struct diff_form form[DIFF_SIDES]; // TOLD
    struct list loads;                 // DIR: diff_load.link; those that are out
    struct err *err;                   // FAILED: owned
};

struct diff_load {
    struct list link;       // on node.loads, or diff.spare_loads
    struct diff *diff;      // borrowed
    struct node *node;      // borrowed; NULL = the node is gone, drop the answer
    struct diff_part *part; // borrowed from node->dir
    struct digest digest;   // what to load
};

struct diff {
    enum digest_alg alg;               // of all digests
    struct treeobj *roots[DIFF_SIDES]; // owned references; dirrefs, NULL: none
    size_t maxreqs;                    // loads out at most
    size_t out;                        // loads out
    size_t held;                       // bytes of nodes and levels that count
    size_t node_count;                 // on nodes
    struct list nodes;                 // node.link, in the order they come out
    struct list *frontier;             // a node of nodes, or &nodes: nothing left to want
    struct list spare;                 // nodes to use again
    struct list spare_loads;           // loads to use again
    bool tells_dirs;                   // see diff_tell_dirs()
    struct diff_item item;             // what the last diff_next() returned
    struct buf path;                   // item.path
};

static struct node *
node_of(struct list *link)
{
    return list_entry(link, struct node, link);
}

static bool
is_head(const struct diff *d, const struct node *n)
{
    return d->nodes.next == &n->link;
}

static void
unhold(struct diff *d, size_t *held)
{
    d->held -= *held;
    *held = 0;
}

/* ---- levels ---- */

/* Takes over what the node has loaded. */
static struct level *
new_level(struct node *n)
{
    struct level *l = xcalloc(1, sizeof(*l));

    l->dir = TAKE(n->dir);
    l->path = n->in ? xasprintf("%s%s/", n->in->path, n->name) : xstrdup("");
    l->path_len = strlen(l->path);
    l->depth = n->in ? n->in->depth + 1 : 0;
    l->refs = 1;
    l->held = n->held;
    n->held = 0;
    return l;
}

static struct level *
level_ref(struct level *l)
{
    l->refs++;
    return l;
}

static void
level_unref(struct diff *d, struct level **lp)
{
    struct level *l = TAKE(*lp);

    if (!l || --l->refs > 0)
        return;
    unhold(d, &l->held);
    diff_dir_free(&l->dir);
    free(l->path);
    free(l);
}

/* ---- nodes ---- */

static struct node *
insert_node(struct diff *d, struct list *before, struct level *in, const char *name,
            struct treeobj *const obj[DIFF_SIDES])
{
    struct list *spare = list_pop_front(&d->spare);
    struct node *n = spare ? node_of(spare) : xmalloc(sizeof(*n));

    *n = (struct node){.state = NODE_CHANGE, .in = in ? level_ref(in) : NULL, .name = name};
    for (size_t i = 0; i < DIFF_SIDES; i++)
        n->obj[i] = obj[i];
    list_init(&n->link);
    list_init(&n->loads);
    list_insert_before(before, &n->link);
    d->node_count++;
    return n;
}

static void
recycle_load(struct diff_load *l)
{
    list_remove(&l->link);
    list_push_front(&l->diff->spare_loads, &l->link);
}

/* Nothing of it is needed any more; loads that are out find nobody who waits for them. */
static void
drop_dir(struct diff *d, struct node *n)
{
    LIST_FOR_EACH (it, &n->loads) {
        list_entry(it, struct diff_load, link)->node = NULL;
        list_remove(it);
    }
    diff_dir_free(&n->dir);
    unhold(d, &n->held);
}

static void
remove_node(struct diff *d, struct node *n)
{
    if (d->frontier == &n->link)
        d->frontier = n->link.next;
    drop_dir(d, n);
    level_unref(d, &n->in);
    level_unref(d, &n->range);
    free(TAKE(n->err));
    list_remove(&n->link);
    list_push_front(&d->spare, &n->link);
    d->node_count--;
}

/* why: a text without the blobref; ref: NULL if there is none to name. */
static void
fail_node(struct diff *d, struct node *n, const struct digest *ref, int errnum, const char *why)
{
    char text[BLOBREF_MAX];

    drop_dir(d, n);
    n->state = NODE_FAILED;
    n->err = xmalloc(sizeof(*n->err));
    err_set(n->err, errnum, "%s", why);
    if (ref)
        err_prefix(n->err, errnum, "%s", blobref_format(d->alg, ref, text));
}

/* One of the two directories is wrong as a whole. */
static void
fail_dir(struct diff *d, struct node *n, enum diff_side side, const char *why)
{
    bool has_ref = treeobj_type(n->obj[side]) == TREEOBJ_DIRREF;
    size_t count;

    fail_node(d, n, has_ref ? treeobj_refs(n->obj[side], &count) : NULL, -EPROTO, why);
}

/* ---- directories turn into entries ---- */

/* A directory that is empty here, and has entries there or is missing, is a member of its tree here only. */
static void
report_if_empty(struct diff *d, struct node *n)
{
    struct treeobj *obj[DIFF_SIDES] = {NULL, NULL};

    for (size_t i = 0; i < DIFF_SIDES; i++) {
        if (diff_dir_is_empty(n->range->dir, (enum diff_side)i))
            obj[i] = n->obj[i];
    }
    if (n->in && !obj[DIFF_OLD] != !obj[DIFF_NEW])
        insert_node(d, &n->link, n->in, n->name, obj);
}

static void
tell_dir(struct diff *d, struct node *n)
{
    struct treeobj *none[DIFF_SIDES] = {NULL, NULL};
    struct node *told = insert_node(d, &n->link, n->in, n->name, none);

    told->state = NODE_TOLD;
    for (size_t i = 0; i < DIFF_SIDES; i++)
        told->form[i] = diff_dir_form(n->range->dir, (enum diff_side)i);
}

/* Are there entries whose keys are too long? */
static int
check_depth(const struct node *n, enum diff_side *ret_side, struct err *err)
{
    if (!n->in || n->in->depth + 1 < KEY_DEPTH_MAX)
        return 0;
    *ret_side = diff_dir_has_entries(n->dir, DIFF_OLD) ? DIFF_OLD : DIFF_NEW;
    if (!diff_dir_has_entries(n->dir, *ret_side))
        return 0;
    return err_set(err, -EPROTO, "directories are nested too deep");
}

/* All parts have come. */
static void
open_dir(struct diff *d, struct node *n)
{
    struct err why = {0};
    enum diff_side side;

    if (diff_dir_finish(n->dir, &side, &why) < 0 || check_depth(n, &side, &why) < 0) {
        fail_dir(d, n, side, why.text);
        return;
    }
    n->range = new_level(n);
    n->state = NODE_RANGE;
    if (d->tells_dirs)
        tell_dir(d, n);
    report_if_empty(d, n);
}

static void
start_dir(struct diff *d, struct node *n)
{
    n->dir = diff_dir_new(n->obj);
    n->state = NODE_DIR;
    if (diff_dir_is_complete(
            n->dir)) // RFC 11 allows directories in place, although nobody writes them
        open_dir(d, n);
}

/* The RANGE node at the frontier: its next entry becomes the frontier, or the node goes. */
static void
expand_range(struct diff *d, struct node *range)
{
    struct treeobj *obj[DIFF_SIDES];
    const char *name;
    struct node *n;

    assert(d->frontier == &range->link); /* I1 */
    if (!diff_dir_step(range->range->dir, &name, obj)) {
        remove_node(d, range);
        return;
    }
    n = insert_node(d, &range->link, range->range, name, obj);
    d->frontier = &n->link;
    if (diff_is_dir(obj[DIFF_OLD] ? obj[DIFF_OLD] : obj[DIFF_NEW]))
        start_dir(d, n);
}

/* A directory behind the frontier has more to want: the frontier goes back to it. */
static void
move_frontier_back(struct diff *d, struct node *n)
{
    if (!n->passed)
        return;
    for (struct list *it = &n->link; it != d->frontier; it = it->next)
        node_of(it)->passed = false;
    d->frontier = &n->link;
}

/* ---- loads ---- */

static struct diff_load *
new_load(struct diff *d, struct node *n)
{
    struct list *spare = list_pop_front(&d->spare_loads);
    struct diff_load *l = spare ? list_entry(spare, struct diff_load, link) : xmalloc(sizeof(*l));
    struct diff_part *part = diff_dir_next(n->dir);

    *l = (struct diff_load){.diff = d, .node = n, .part = part, .digest = *diff_part_digest(part)};
    list_init(&l->link);
    list_push_back(&n->loads, &l->link);
    d->out++;
    return l;
}

/* I3 */
static bool
may_look_at(const struct diff *d, const struct node *n)
{
    return is_head(d, n) || (d->node_count < NODES_MAX && d->held < HELD_MAX);
}

struct diff_load *
diff_want(struct diff *d)
{
    while (d->out < d->maxreqs && d->frontier != &d->nodes) {
        struct node *n = node_of(d->frontier);

        if (!may_look_at(d, n))
            return NULL;
        if (n->state == NODE_DIR && diff_dir_has_next(n->dir))
            return new_load(d, n);
        if (n->state == NODE_RANGE) {
            expand_range(d, n);
        } else {
            n->passed = true;
            d->frontier = n->link.next;
        }
    }
    return NULL;
}

const struct digest *
diff_load_digest(const struct diff_load *l)
{
    return &l->digest;
}

/* Its node, which has one load less to wait for; NULL: nobody waits. */
static struct node *
end_load(struct diff_load *l)
{
    assert(l->diff->out > 0);
    l->diff->out--;
    recycle_load(l);
    return l->node;
}

void
diff_give(struct diff_load *l, const void *data, size_t size)
{
    AUTO(treeobj) struct treeobj *obj = NULL;
    struct diff *d = l->diff;
    struct diff_load done = *l;
    struct digest bad = done.digest;
    struct node *n = end_load(l);
    struct err why = {0};
    int rc;

    if (!n)
        return;
    rc = treeobj_decode(d->alg, data, size, &obj, &why);
    if (rc == 0)
        rc = diff_dir_give(n->dir, done.part, obj, &bad, &why);
    if (rc < 0) {
        fail_node(d, n, &bad, -EPROTO, why.text);
        return;
    }
    n->held += treeobj_memory(obj);
    d->held += treeobj_memory(obj);
    if (diff_dir_is_complete(n->dir))
        open_dir(d, n);
    if (n->state == NODE_RANGE || (n->state == NODE_DIR && diff_dir_has_next(n->dir)))
        move_frontier_back(d, n);
}

void
diff_fail(struct diff_load *l, int errnum, const char *text)
{
    struct diff *d = l->diff;
    struct digest bad = l->digest;
    struct node *n = end_load(l);

    if (n)
        fail_node(d, n, &bad, errnum, text);
}

/* ---- what comes out ---- */

/* The node whose item was yielded is kept until now: the item borrows from it. */
static void
drop_last_item(struct diff *d)
{
    if (d->item.kind != DIFF_WAIT && d->item.kind != DIFF_END)
        remove_node(d, node_of(d->nodes.next));
    d->item = (struct diff_item){.kind = DIFF_WAIT, .path = ""};
}

/* What the head has come to is not held for later any more. */
static void
enter(struct diff *d, struct node *n)
{
    unhold(d, &n->held);
    if (n->in)
        unhold(d, &n->in->held);
}

static void
set_path(struct diff *d, const struct node *n)
{
    buf_reset(&d->path);
    if (n->in) {
        buf_add(&d->path, n->in->path, n->in->path_len);
        buf_add_str(&d->path, n->name);
    }
    d->item.path = buf_str(&d->path);
}

static void
yield(struct diff *d, const struct node *n)
{
    if (n->state == NODE_DIR)
        return;
    set_path(d, n);
    if (n->state == NODE_CHANGE) {
        d->item.kind = DIFF_CHANGE;
        d->item.old = n->obj[DIFF_OLD];
        d->item.new = n->obj[DIFF_NEW];
    } else if (n->state == NODE_TOLD) {
        d->item.kind = DIFF_DIR;
        memcpy(d->item.form, n->form, sizeof(n->form));
    } else {
        d->item.kind = DIFF_FAILED;
        d->item.errnum = n->err->code;
        d->item.error = n->err->text;
    }
}

const struct diff_item *
diff_next(struct diff *d)
{
    drop_last_item(d);
    while (!list_is_empty(&d->nodes)) {
        struct node *n = node_of(d->nodes.next);

        enter(d, n);
        if (n->state == NODE_RANGE) {
            expand_range(d, n);
            continue;
        }
        yield(d, n);
        return &d->item;
    }
    d->item.kind = DIFF_END;
    return &d->item;
}

/* ---- life ---- */

struct diff *
diff_new(enum digest_alg alg, const struct digest *old_root, const struct digest *new_root,
         size_t maxreqs)
{
    struct diff *d = xcalloc(1, sizeof(*d));

    assert(maxreqs >= 1);
    d->alg = alg;
    d->roots[DIFF_OLD] = old_root ? treeobj_new_dirref(old_root) : NULL;
    d->roots[DIFF_NEW] = new_root ? treeobj_new_dirref(new_root) : NULL;
    d->maxreqs = maxreqs;
    d->item.kind = DIFF_WAIT;
    list_init(&d->nodes);
    list_init(&d->spare);
    list_init(&d->spare_loads);
    if (!old_root || !new_root || !digest_equal(old_root, new_root))
        start_dir(d, insert_node(d, &d->nodes, NULL, NULL, d->roots));
    d->frontier = d->nodes.next;
    return d;
}

void
diff_tell_dirs(struct diff *d)
{
    d->tells_dirs = true;
}

void
diff_free(struct diff **dp)
{
    struct diff *d = TAKE(*dp);
    struct list *it;

    if (!d)
        return;
    assert(d->out == 0);
    while (!list_is_empty(&d->nodes))
        remove_node(d, node_of(d->nodes.next));
    assert(d->held == 0);
    while ((it = list_pop_front(&d->spare)))
        free(node_of(it));
    while ((it = list_pop_front(&d->spare_loads)))
        free(list_entry(it, struct diff_load, link));
    for (size_t i = 0; i < DIFF_SIDES; i++)
        treeobj_unref(&d->roots[i]);
    buf_fini(&d->path);
    free(d);
}
