/* SPDX-License-Identifier: MPL-2.0 */
/* walk_node.c - the list of nodes, and how directories turn into entries of it (see walk.c). */
#include "walk_priv.h"
#include "key.h"
#include "xmem.h"

#include <errno.h>

struct node *
walk_insert_node(struct walk *w, struct list *before, enum node_state state)
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

void
walk_recycle_load(struct walk_load *l)
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
            walk_recycle_load(l);
    }
}

void
walk_remove_node(struct walk *w, struct node *n)
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

struct err *
walk_make_error(int errnum, const char *text)
{
    struct err *err = xmalloc(sizeof(*err));

    err_set(err, errnum, "%s", text);
    return err;
}

/* ---- directories turn into entries ---- */

void
walk_fail_node(struct node *n, struct err **err)
{
    n->state = NODE_FAILED;
    n->err = TAKE(*err);
}

/* The form, unless it follows from the number of entries. */
static enum exact_form
find_form(const struct walk *w, const struct node *n, size_t entries, bool is_inline)
{
    if (w->maxdirent == 0) // it does not matter whether one is wide
        return is_inline ? EXACT_INLINE : EXACT_AS_LAID_OUT;
    return exact_form_of(is_inline, n->gather != NULL, entries, w->maxdirent);
}

static bool
is_told(struct walk *w, const struct node *n)
{
    if (!w->filter || !n->in)
        return true;
    buf_reset(&w->filtered);
    buf_printf(&w->filtered, "%s%s/", n->in->path, n->name);
    return filter_wants_key(w->filter, buf_str(&w->filtered));
}

/* Before the frontier, if the directory is at it or before it. */
static void
insert_told(struct walk *w, struct node *n, bool is_empty, enum exact_form form)
{
    struct node *told;

    if (!is_told(w, n))
        return;
    told = walk_insert_node(w, &n->link, NODE_TOLD);
    told->passed = n->passed || w->frontier == &n->link;
    told->in = n->in ? level_ref(n->in) : NULL;
    told->name = n->name;
    told->is_empty = is_empty;
    told->form = form;
}

static void
check_form(struct walk *w, struct node *n, size_t entries, bool is_inline)
{
    enum exact_form form = find_form(w, n, entries, is_inline);
    bool is_empty = entries == 0 && n->in;

    if (!is_empty && form == EXACT_AS_LAID_OUT)
        return;
    if (w->is_exact)
        insert_told(w, n, is_empty, form);
    else
        w->is_canonical = false;
}

void
walk_open_range(struct walk *w, struct node *n, struct treeobj **dir, bool is_inline)
{
    size_t entries = treeobj_dir_count(*dir);
    struct err *err;

    if (entries > 0 && n->in && n->in->depth + 1 >= KEY_DEPTH_MAX) {
        treeobj_unref(dir);
        err = walk_make_error(-EPROTO, "directories are nested too deep");
        walk_fail_node(n, &err);
        return;
    }
    check_form(w, n, entries, is_inline);
    n->range = level_new(dir, n->in, n->name);
    n->state = NODE_RANGE;
}

static void
set_entry(struct walk *w, struct node *n, struct treeobj *entry)
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
        walk_open_range(w, n, &dir, true);
        break;
    }
}

static bool
is_wanted(struct walk *w, const struct level *in, const char *name, const struct treeobj *entry)
{
    enum treeobj_type type = treeobj_type(entry);
    bool is_dir = type == TREEOBJ_DIRREF || type == TREEOBJ_DIR;

    if (!w->filter)
        return true;
    buf_reset(&w->filtered);
    buf_add(&w->filtered, in->path, in->path_len);
    buf_add_str(&w->filtered, name);
    if (!is_dir)
        return filter_wants_key(w->filter, buf_str(&w->filtered));
    buf_add_char(&w->filtered, '/');
    return filter_wants_below(w->filter, buf_str(&w->filtered));
}

void
walk_expand_range(struct walk *w, struct node *range)
{
    const char *name;
    struct treeobj *entry;
    struct node *n;

    assert(w->frontier == &range->link); /* I1 */
    do {
        if (!level_next(range->range, &name, &entry)) {
            walk_remove_node(w, range);
            return;
        }
    } while (!is_wanted(w, range->range, name, entry));
    n = walk_insert_node(w, &range->link, NODE_READY);
    n->in = level_ref(range->range);
    n->name = name;
    n->obj = entry;
    set_entry(w, n, entry);
    w->frontier = &n->link;
}

void
walk_move_frontier_back(struct walk *w, struct node *n)
{
    if (!n->passed)
        return;
    for (struct list *it = &n->link; it != w->frontier; it = it->next)
        node_of(it)->passed = false;
    w->frontier = &n->link;
}
