/* SPDX-License-Identifier: MPL-2.0 */
/* watch_lines.c - see watch_lines.h.
 *
 * Model: a queue of lines.  Of a value that is in blobs so many are loaded, one after the other, as are
 * needed for its line.  A line is printed when it is the first and nothing of it is missing.
 *
 *   state     event                                       becomes
 *   PRINTING  a value is lost, no more can be written     FAILED; fail is called
 *   PRINTING  watch_lines_finish() is done                DONE
 *   FAILED, DONE: nothing is printed or loaded any more
 *
 * I1 only the first LOADS_MAX lines load, a blob each
 * I2 a line lives until its load has completed
 */
#include "watch_lines.h"
#include "blobref.h"
#include "cmd.h"
#include "list.h"
#include "value_line.h"
#include "xmem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define LOADS_MAX 64
#define VALUE_MAX ((size_t)256 << 20) // bytes, as of a value in an answer

struct line {
    struct list link;          // on watch_lines.queue
    struct watch_lines *owner; // borrowed
    char *text;                // owned; the line, or the key of a value
    struct treeobj *value;     // owned reference; NULL: text is the line
    struct buf data;           // of a valref: what is loaded
    size_t next;               // of a valref: the blob to load next
    bool loading;
};

struct watch_lines {
    xylem_t *x; // borrowed
    enum digest_alg alg;
    enum { PRINTING, FAILED, DONE } state;
    size_t width;
    watch_lines_fail_fn fail;
    void *arg;         // borrowed, for fail
    struct list queue; // line.link
};

static void
free_line(struct line *line)
{
    list_remove(&line->link);
    treeobj_unref(&line->value);
    buf_fini(&line->data);
    free(line->text);
    free(line);
}

static void
lose(struct watch_lines *l, const char *key, const char *why)
{
    if (l->state != PRINTING)
        return;
    l->state = FAILED;
    l->fail(l->arg, key, why);
}

static struct line *
first_line(const struct watch_lines *l)
{
    return list_is_empty(&l->queue) ? NULL : list_entry(l->queue.next, struct line, link);
}

/* --- loads --- */

static bool
has_more(const struct line *line)
{
    size_t count;

    if (!line->value || treeobj_type(line->value) != TREEOBJ_VALREF)
        return false;
    treeobj_refs(line->value, &count);
    return line->next < count;
}

static bool
is_ready(const struct line *line)
{
    if (line->loading)
        return false;
    return !has_more(line) ||
           (line->next > 0 &&
            value_line_is_enough(buf_str(&line->data), line->data.size, line->owner->width));
}

static void move_on(struct watch_lines *l);

static void
on_loaded(void *arg, const struct xylem_reply *reply)
{
    struct line *line = arg;
    struct watch_lines *l = line->owner;

    line->loading = false;
    if (l->state != PRINTING)
        return;
    if (reply->rc < 0) {
        lose(l, line->text, reply->error);
        return;
    }
    if (reply->size > VALUE_MAX - line->data.size) {
        lose(l, line->text, err_name(EOVERFLOW));
        return;
    }
    buf_add(&line->data, reply->data, reply->size);
    line->next++;
    move_on(l);
}

static void
load_next(struct line *line)
{
    struct watch_lines *l = line->owner;
    char ref[BLOBREF_MAX];
    size_t count;
    const struct digest *refs = treeobj_refs(line->value, &count);

    blobref_format(l->alg, &refs[line->next], ref);
    if (xylem_load_async(l->x, ref, 0, on_loaded, line) < 0)
        lose(l, line->text, xylem_error(l->x));
    else
        line->loading = true;
}

static void
load_ahead(struct watch_lines *l)
{
    int n = 0;

    LIST_FOR_EACH (it, &l->queue) {
        struct line *line = list_entry(it, struct line, link);

        if (l->state != PRINTING || n++ == LOADS_MAX) /* I1 */
            return;
        if (!line->loading && !is_ready(line))
            load_next(line);
    }
}

/* --- printing --- */

static void
print_val(struct watch_lines *l, const struct line *line)
{
    AUTO(free) void *data = NULL;
    size_t size;

    if (treeobj_val_decode(line->value, &data, &size) < 0)
        lose(l, line->text, err_name(EPROTO));
    else
        value_line_print(line->text, data, size, l->width, false);
}

static void
print_line(struct watch_lines *l, const struct line *line)
{
    if (!line->value)
        puts(line->text);
    else if (treeobj_type(line->value) == TREEOBJ_VAL)
        print_val(l, line);
    else
        value_line_print(line->text, buf_str(&line->data), line->data.size, l->width,
                         has_more(line));
}

/* Print what is ready, and load more. */
static void
move_on(struct watch_lines *l)
{
    bool any = false;
    struct line *line;

    while (l->state == PRINTING && (line = first_line(l)) && is_ready(line)) {
        print_line(l, line);
        free_line(line);
        any = true;
    }
    if (any && fflush(stdout) != 0)
        lose(l, NULL, ""); // main() says why
    load_ahead(l);
}

static void
add_line(struct watch_lines *l, char **text, const struct treeobj *value)
{
    struct line *line = xcalloc(1, sizeof(*line));

    line->owner = l;
    line->text = TAKE(*text);
    line->value = treeobj_ref(value);
    list_init(&line->link);
    list_push_back(&l->queue, &line->link);
    move_on(l);
}

/* --- interface --- */

struct watch_lines *
watch_lines_new(xylem_t *x, enum digest_alg alg, size_t width, watch_lines_fail_fn fail, void *arg)
{
    struct watch_lines *l = xcalloc(1, sizeof(*l));

    l->x = x;
    l->alg = alg;
    l->width = width;
    l->fail = fail;
    l->arg = arg;
    list_init(&l->queue);
    return l;
}

void
watch_lines_free(struct watch_lines **lp)
{
    struct watch_lines *l = TAKE(*lp);
    struct line *line;

    while (l && (line = first_line(l)))
        free_line(line);
    free(l);
}

void
watch_lines_add(struct watch_lines *l, char **text)
{
    add_line(l, text, NULL);
}

void
watch_lines_add_value(struct watch_lines *l, const char *key, const struct treeobj *value)
{
    char *copy = xstrdup(key);

    add_line(l, &copy, value);
}

int
watch_lines_finish(struct watch_lines *l)
{
    while (l->state == PRINTING && !list_is_empty(&l->queue)) {
        if (xylem_dispatch(l->x, -1) < 0)
            lose(l, first_line(l)->text, xylem_error(l->x));
    }
    if (l->state == PRINTING)
        l->state = DONE;
    return l->state == DONE ? 0 : -1;
}
