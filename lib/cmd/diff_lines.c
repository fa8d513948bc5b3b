/* SPDX-License-Identifier: MPL-2.0 */
/* diff_lines.c - see diff_lines.h.
 *
 * Model: a queue of lines.  Of a value that is in blobs only the first is loaded: more than the beginning is
 * not shown.  A line is printed when it is the first and nothing of it is missing.
 *
 * I1 at most LINES_MAX lines wait; without values to be loaded none does
 */
#include "diff_lines.h"
#include "blobref.h"
#include "cmd.h"
#include "diff_dir.h"
#include "list.h"
#include "value_line.h"
#include "xmem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define LINES_MAX 64   // wait for values
#define VALUE_WIDTH 60 // bytes of a value that are shown, about

struct value {
    struct line *line;   // borrowed; the one it is in
    struct treeobj *obj; // owned reference; NULL: there is none
    void *data;          // owned; what is shown, or the first blob of it
    size_t size;         // bytes of data
    bool has_more;       // there are more blobs
    struct err err;      // code 0, or why it cannot be had
};

struct line {
    struct list link;         // on diff_lines.queue
    struct diff_lines *owner; // borrowed
    char *key;                // owned
    struct value old, new;
    unsigned missing; // values on their way
};

struct diff_lines {
    xylem_t *x; // borrowed
    enum digest_alg alg;
    struct list queue; // line.link
    size_t count;      // on queue
};

static void
free_line(struct line *line)
{
    list_remove(&line->link);
    line->owner->count--;
    treeobj_unref(&line->old.obj);
    treeobj_unref(&line->new.obj);
    free(line->old.data);
    free(line->new.data);
    free(line->key);
    free(line);
}

/* --- values --- */

static void
lose_value(struct value *v, int errnum, const char *why)
{
    size_t count;
    const struct digest *refs = treeobj_refs(v->obj, &count);
    char ref[BLOBREF_MAX];

    err_set(&v->err, errnum, "%s: %s", blobref_format(v->line->owner->alg, &refs[0], ref), why);
}

static void
on_loaded(void *arg, const struct xylem_reply *reply)
{
    struct value *v = arg;

    v->line->missing--;
    if (reply->rc < 0) {
        lose_value(v, reply->rc, reply->error);
        return;
    }
    v->data = xmem_try(reply->size + 1);
    if (!v->data) {
        lose_value(v, -ENOMEM, err_name(ENOMEM));
        return;
    }
    memcpy(v->data, reply->data, reply->size);
    v->size = reply->size;
}

static void
load_value(struct diff_lines *d, struct value *v)
{
    size_t count;
    const struct digest *refs = treeobj_refs(v->obj, &count);
    char ref[BLOBREF_MAX];
    int rc;

    v->has_more = count > 1;
    blobref_format(d->alg, &refs[0], ref);
    rc = xylem_load_async(d->x, ref, 0, on_loaded, v);
    if (rc < 0)
        lose_value(v, rc, xylem_error(d->x));
    else
        v->line->missing++;
}

static void
set_value(struct line *line, struct value *v, const struct treeobj *obj)
{
    v->line = line;
    v->obj = treeobj_ref(obj);
    if (!obj)
        return;
    if (treeobj_type(obj) == TREEOBJ_VALREF)
        load_value(line->owner, v);
    else if (treeobj_type(obj) == TREEOBJ_VAL && treeobj_val_decode(obj, &v->data, &v->size) < 0)
        err_set(&v->err, -EPROTO, "%s", err_name(EPROTO));
}

/* --- printing --- */

/* "VALUE", "-> TARGET" */
static void
add_value(struct buf *out, const struct value *v)
{
    const char *ns;

    switch (treeobj_type(v->obj)) {
    case TREEOBJ_VAL:
    case TREEOBJ_VALREF:
        value_line_add(out, v->data, v->size, VALUE_WIDTH, v->has_more);
        break;
    case TREEOBJ_SYMLINK:
        ns = treeobj_link_namespace(v->obj);
        buf_printf(out, "-> %s%s%s", ns ? ns : "", ns ? "::" : "", treeobj_link_target(v->obj));
        break;
    case TREEOBJ_DIR:
    case TREEOBJ_DIRREF:
    case TREEOBJ_HDIR: // an empty directory: its key says so
        break;
    }
}

static bool
is_value(const struct treeobj *obj)
{
    return treeobj_type(obj) == TREEOBJ_VAL || treeobj_type(obj) == TREEOBJ_VALREF;
}

static char
separator(const struct treeobj *obj)
{
    return is_value(obj) ? '=' : ' ';
}

/* " (7 bytes)"; of a value of which not all is loaded, " (3 blobs)". */
static void
add_size(struct buf *out, const struct value *v)
{
    size_t count;

    if (v->has_more) {
        treeobj_refs(v->obj, &count);
        buf_printf(out, " (%zu blobs)", count);
    } else {
        buf_printf(out, " (%zu byte%s)", v->size, v->size == 1 ? "" : "s");
    }
}

/* "OLD => NEW"; with sizes when the beginnings that are shown are the same. */
static void
add_both(struct buf *out, const struct line *line)
{
    AUTO(buf) struct buf old = BUF_INIT;
    AUTO(buf) struct buf new = BUF_INIT;
    bool is_same;

    add_value(&old, &line->old);
    add_value(&new, &line->new);
    is_same = is_value(line->old.obj) && is_value(line->new.obj) &&
              strcmp(buf_str(&old), buf_str(&new)) == 0;
    buf_add(out, old.data, old.size);
    if (is_same)
        add_size(out, &line->old);
    buf_add_str(out, " => ");
    buf_add(out, new.data, new.size);
    if (is_same)
        add_size(out, &line->new);
}

static void
print_line(const struct line *line)
{
    AUTO(buf) struct buf text = BUF_INIT;
    const struct value *first = line->old.obj ? &line->old : &line->new;

    buf_printf(&text, "%c %s", !line->old.obj ? '+' : !line->new.obj ? '-' : '~', line->key);
    if (!diff_is_dir(first->obj))
        buf_add_char(&text, separator(first->obj));
    if (line->old.obj && line->new.obj)
        add_both(&text, line);
    else
        add_value(&text, first);
    buf_add_char(&text, '\n');
    cmd_write(text.data, text.size);
}

static int
print_first(struct diff_lines *d, struct err *err)
{
    struct line *line = list_entry(d->queue.next, struct line, link);
    const struct err *why = line->old.err.code < 0 ? &line->old.err : &line->new.err;
    int rc = why->code;

    if (rc < 0)
        err_set(err, rc, "%.200s: %s", line->key, why->text);
    else
        print_line(line);
    free_line(line);
    return rc;
}

/* Print what is ready; wait until at most `keep` are left. */
static int
drain(struct diff_lines *d, size_t keep, struct err *err)
{
    int rc = 0;

    while (d->count > 0 && rc == 0) {
        if (list_entry(d->queue.next, struct line, link)->missing == 0) {
            rc = print_first(d, err);
            continue;
        }
        if (d->count <= keep)
            break;
        rc = xylem_dispatch(d->x, -1);
        rc = rc < 0 ? err_set(err, rc, "%s", xylem_error(d->x)) : 0;
    }
    return rc;
}

/* --- interface --- */

struct diff_lines *
diff_lines_new(xylem_t *x, enum digest_alg alg)
{
    struct diff_lines *d = xcalloc(1, sizeof(*d));

    d->x = x;
    d->alg = alg;
    list_init(&d->queue);
    return d;
}

void
diff_lines_free(struct diff_lines **dp)
{
    struct diff_lines *d = TAKE(*dp);

    if (!d)
        return;
    while (!list_is_empty(&d->queue))
        free_line(list_entry(d->queue.next, struct line, link));
    free(d);
}

int
diff_lines_add(struct diff_lines *d, const char *key, const struct treeobj *old,
               const struct treeobj *new, struct err *err)
{
    struct line *line = xcalloc(1, sizeof(*line));

    line->owner = d;
    line->key = xstrdup(key);
    list_init(&line->link);
    list_push_back(&d->queue, &line->link);
    d->count++;
    set_value(line, &line->old, old);
    set_value(line, &line->new, new);
    return drain(d, LINES_MAX, err);
}

int
diff_lines_finish(struct diff_lines *d, struct err *err)
{
    return drain(d, 0, err);
}
