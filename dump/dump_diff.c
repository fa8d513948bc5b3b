/* SPDX-License-Identifier: MPL-2.0 */
/* dump_diff.c - two sides become trees, and the trees are compared (changes).
 *
 * An archive becomes a tree in the layout of the depot, or of its own if there is no root to compare it with.
 * Its values are cut by their size, while those of a root may be stored in any way.  So where a value of a root
 * has other blobs than the archive's, its bytes are looked at: they are loaded, many at a time, while the lines
 * behind wait in a queue.
 *
 * What an archive cannot tell makes no difference: without exactness, empty directories and some details of
 * links.
 */
#include "dump_diff.h"
#include "archive_file.h"
#include "batch.h"
#include "changes.h"
#include "diff_dir.h"
#include "diff_text.h"
#include "link_text.h"
#include "recut.h"
#include "source.h"
#include "xmem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define LINES_MAX 4096 // that wait

/* What is compared: a root of the depot, or an archive. */
struct side {
    const char *text; // borrowed; as it was given
    bool is_archive;
    bool is_exact;            // it tells all about its tree
    struct digest root;       // of the tree
    enum digest_alg alg;      // of a root
    struct archive_tree tree; // of an archive
};

/* A difference, if the bytes of the value are different. */
struct line {
    char *path;                // owned
    struct treeobj *old, *new; // owned references, or NULL
    bool is_asked;             // the bytes are being loaded
};

struct comparison {
    struct dump_diff *diff; // borrowed
    struct side old, new;
    struct layout layout; // of both
    struct changes changes;
    struct batch batch; // values that are being loaded
    struct line *lines; // owned array; that wait
    size_t count;       // lines
};

static const struct layout any_layout = {DIGEST_BLAKE2B, 0, LAYOUT_BLOB_SIZE};

/* ---- the two sides ---- */

static int
check_archive(const struct side *s, struct err *err)
{
    const struct archive_header *h = archive_tree_header(&s->tree);

    if (!h || h->kind == ARCHIVE_FULL || h->kind == ARCHIVE_ALL)
        return 0;
    return err_set(err, -EINVAL, "%s: an archive of kind \"%s\" does not hold a whole tree",
                   archive_file_name(s->text), archive_kind_name(h->kind));
}

static int
open_side(struct comparison *c, struct side *s, const char *text, struct err *err)
{
    const struct archive_header *h;
    int rc;

    s->text = text;
    if (blobref_parse(text, &s->alg, &s->root) == 0) {
        s->is_exact = true;
        return 0;
    }
    if ((rc = source_check_text(text, err)) < 0)
        return rc;
    s->is_archive = true;
    rc = archive_tree_open(&s->tree, text, &c->diff->job.progress, err);
    if (rc == 0)
        rc = check_archive(s, err);
    if (rc < 0)
        return rc;
    h = archive_tree_header(&s->tree);
    s->is_exact = h && h->is_exact;
    return 0;
}

/* The depot's, or what the first of the archives that has a header says. */
static int
find_layout(struct comparison *c, struct err *err)
{
    const struct side *sides[] = {&c->old, &c->new};
    bool has_root = !c->old.is_archive || !c->new.is_archive;
    int rc = has_root ? job_open(&c->diff->job, err) : 0;

    if (rc < 0)
        return rc;
    c->layout = has_root ? c->diff->job.depot->layout : any_layout;
    for (size_t i = ARRAY_SIZE(sides); i-- > 0 && !has_root;) {
        const struct archive_header *h = archive_tree_header(&sides[i]->tree);

        if (h)
            c->layout = archive_file_layout(h);
    }
    return 0;
}

static int
read_side(const struct comparison *c, struct side *s, struct err *err)
{
    int rc;

    if (!s->is_archive && s->alg != c->layout.alg)
        return err_set(err, -EINVAL, "%s is of another instance, whose hash is not %s", s->text,
                       digest_name(c->layout.alg));
    if (!s->is_archive)
        return 0;
    rc = archive_tree_read(&s->tree, &c->layout, ARCHIVE_TREE_RECUT, err);
    s->root = s->tree.result.root;
    return rc;
}

static int
open_sides(struct comparison *c, struct err *err)
{
    int rc = open_side(c, &c->old, c->diff->old, err);

    if (rc == 0)
        rc = open_side(c, &c->new, c->diff->new, err);
    if (rc == 0)
        rc = find_layout(c, err);
    if (rc == 0)
        rc = read_side(c, &c->old, err);
    return rc < 0 ? rc : read_side(c, &c->new, err);
}

/* ---- lines ---- */

static int
print(const struct comparison *c, const struct diff_item *item, struct err *err)
{
    AUTO(buf) struct buf line = BUF_INIT;

    if (c->diff->as_json) {
        diff_text_json(c->layout.alg, item, &line);
    } else {
        buf_printf(&line, "%c ", diff_text_sign(item));
        diff_text_key(item, &line);
    }
    if (puts(buf_str(&line)) == EOF)
        return err_set(err, -errno, "write: %s", err_name(errno));
    return 0;
}

static int
print_line(const struct comparison *c, const struct line *l, struct err *err)
{
    struct diff_item item = {.kind = DIFF_CHANGE, .path = l->path, .old = l->old, .new = l->new};

    return print(c, &item, err);
}

static void
drop_lines(struct comparison *c)
{
    for (size_t i = 0; i < c->count; i++) {
        free(c->lines[i].path);
        treeobj_unref(&c->lines[i].old);
        treeobj_unref(&c->lines[i].new);
    }
    c->count = 0;
}

/* ---- values ---- */

/* The object that is stored, and the one of which only the size decides how it is cut. */
static const struct treeobj *
stored_object(const struct comparison *c, const struct diff_item *item)
{
    return c->old.is_archive ? item->new : item->old;
}

static const struct treeobj *
known_object(const struct comparison *c, const struct line *l)
{
    return c->old.is_archive ? l->old : l->new;
}

static int
fail_value(const struct walk_item *item, struct err *err)
{
    AUTO(buf) struct buf key = BUF_INIT;

    diff_text_key(&(struct diff_item){.path = item->path}, &key);
    return err_set(err, item->errnum, "%.200s: %s", buf_str(&key), item->error);
}

/* 1: the value has other bytes; 0: it has not. */
static int
compare_value(struct comparison *c, const struct line *l, struct err *err)
{
    const struct walk_item *item;
    struct recut recut;
    int rc;

    recut_init(&recut, c->layout.alg, (size_t)c->layout.blob_size, known_object(c, l));
    do {
        rc = batch_next(&c->batch, &item, err);
        if (rc == 0 && item->kind == WALK_FAILED)
            rc = fail_value(item, err);
        if (rc < 0)
            break;
        assert(item->kind == WALK_DATA && strcmp(item->path, l->path) == 0);
        recut_add(&recut, item->data, item->size);
    } while (!item->is_last);
    if (rc == 0)
        rc = recut_is_same(&recut) ? 0 : 1;
    recut_fini(&recut);
    return rc;
}

/* All lines that wait. */
static int
drain(struct comparison *c, struct err *err)
{
    const struct walk_item *item;
    int rc = 0;

    for (size_t i = 0; i < c->count && rc == 0; i++) {
        const struct line *l = &c->lines[i];
        int differs = l->is_asked ? compare_value(c, l, err) : 1;

        rc = differs > 0 ? print_line(c, l, err) : differs;
    }
    if (rc == 0 && c->count > 0)
        rc = batch_next(&c->batch, &item, err); // its end
    drop_lines(c);
    return rc;
}

/* ---- differences ---- */

static bool
is_value(const struct treeobj *obj)
{
    return obj && (treeobj_type(obj) == TREEOBJ_VAL || treeobj_type(obj) == TREEOBJ_VALREF);
}

static bool
is_link(const struct treeobj *obj)
{
    return obj && treeobj_type(obj) == TREEOBJ_SYMLINK;
}

static bool
has_same_text(const struct diff_item *item)
{
    AUTO(buf) struct buf old = BUF_INIT;
    AUTO(buf) struct buf new = BUF_INIT;

    if (!is_link(item->old) || !is_link(item->new))
        return false;
    link_text_format(item->old, &old);
    link_text_format(item->new, &new);
    return strcmp(buf_str(&old), buf_str(&new)) == 0;
}

/* Is it something that one of the two cannot tell? */
static bool
is_untold(const struct comparison *c, const struct diff_item *item)
{
    const struct treeobj *only = item->old ? item->old : item->new;
    const struct side *other = item->old ? &c->new : &c->old;

    if (item->old && item->new)
        return !(c->old.is_exact && c->new.is_exact) && has_same_text(item);
    return !other->is_exact && diff_is_dir(only);
}

/* Is one of the values from an archive, and the other one not? */
static bool
has_to_be_loaded(const struct comparison *c, const struct diff_item *item)
{
    return c->old.is_archive != c->new.is_archive &&is_value(item->old) && is_value(item->new);
}

static int
add_line(struct comparison *c, const struct diff_item *item, bool is_asked, struct err *err)
{
    if (!c->lines)
        c->lines = xcalloc(LINES_MAX, sizeof(*c->lines));
    c->lines[c->count++] = (struct line){xstrdup(item->path), treeobj_ref(item->old),
                                         treeobj_ref(item->new), is_asked};
    if (is_asked)
        batch_add(&c->batch, item->path, stored_object(c, item));
    return c->count == LINES_MAX || batch_is_full(&c->batch) ? drain(c, err) : 0;
}

static int
take_change(struct comparison *c, const struct diff_item *item, struct err *err)
{
    bool is_asked = has_to_be_loaded(c, item);

    if (is_untold(c, item) || !filter_wants_key(c->diff->filter, item->path))
        return 0;
    if (is_asked || c->count > 0)
        return add_line(c, item, is_asked, err);
    return print(c, item, err);
}

static int
take_item(struct comparison *c, const struct diff_item *item, struct err *err)
{
    AUTO(buf) struct buf key = BUF_INIT;

    if (item->kind == DIFF_CHANGE)
        return take_change(c, item, err);
    diff_text_key(item, &key);
    return err_set(err, item->errnum, "%.200s: %s", buf_str(&key), item->error);
}

static int
compare(struct comparison *c, struct err *err)
{
    const struct diff_item *item;
    int rc;

    changes_init(&c->changes, c->layout.alg, &c->old.root, &c->new.root, c->diff->maxreqs);
    c->changes.depot = c->diff->job.depot;
    c->changes.trees[0] = c->old.is_archive ? &c->old.tree : NULL;
    c->changes.trees[1] = c->new.is_archive ? &c->new.tree : NULL;
    batch_init(&c->batch, c->diff->job.depot, c->diff->maxreqs);
    while ((rc = changes_next(&c->changes, &item, err)) == 0 && item->kind != DIFF_END) {
        if ((rc = take_item(c, item, err)) < 0)
            return rc;
    }
    if (rc == 0)
        rc = drain(c, err);
    if (rc == 0 && fflush(stdout) == EOF)
        rc = err_set(err, -errno, "write: %s", err_name(errno));
    return rc;
}

static void
close_all(struct comparison *c)
{
    depot_close(&c->diff->job.depot);
    changes_fini(&c->changes);
    batch_fini(&c->batch);
    drop_lines(c);
    free(c->lines);
    if (c->old.is_archive)
        archive_tree_close(&c->old.tree);
    if (c->new.is_archive)
        archive_tree_close(&c->new.tree);
}

int
dump_diff(struct dump_diff *d)
{
    struct comparison c = {.diff = d};
    struct err err = {0};
    int rc;

    d->job.progress.verbose = false; // the keys that are read say nothing
    rc = open_sides(&c, &err);
    progress_end(&d->job.progress, rc);
    if (rc == 0)
        rc = compare(&c, &err);
    close_all(&c);
    if (rc == 0)
        return 0;
    fflush(stdout);
    progress_warn(&d->job.progress, "%s", err.text);
    return 1;
}
