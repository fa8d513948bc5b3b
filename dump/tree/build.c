/* SPDX-License-Identifier: MPL-2.0 */
/* build.c - sorted notes become directories, in one pass.
 *
 * build_finish() has the notes sorted and settled (build_notes.c), lets every hard link share its
 * target's object, and goes through the rest with a stack of open directories.  A directory whose last
 * entry has been seen is encoded, emitted, and becomes a dirref in the one below it on the stack.  A
 * wide one is cut into parts then (hdir.h): where its entries begin has been noted.
 *
 * form of a directory    when it is closed
 * AS_LAID_OUT            wide if it has more entries than the layout has in one blob
 * DIR, HDIR              not wide; wide, also where the layout would make none: there was one
 * INLINE                 becomes an entry of the one below it as it is, and no blob
 */
#include "build_priv.h"
#include "xmem.h"

#include <errno.h>
#include <string.h>

/* What build_finish() passes along. */
struct pass {
    const struct build_ops *ops; // borrowed
    void *arg;                   // of ops
    struct build_result *result; // being filled
    struct err *err;             // of the caller
};

struct build *
build_new(enum digest_alg alg)
{
    struct build *b = xcalloc(1, sizeof(*b));

    b->alg = alg;
    b->form = hdir_form(alg, 0);
    b->notes.is_plain = true;
    return b;
}

struct build *
build_new_laid_out(enum digest_alg alg, uint64_t maxdirent)
{
    struct build *b = build_new(alg);

    b->form = hdir_form(alg, maxdirent);
    return b;
}

void
build_set_form(struct build *b, const struct hdir_form *form)
{
    b->form = *form;
}

void
build_free(struct build **bp)
{
    struct build *b = TAKE(*bp);

    if (!b)
        return;
    build_notes_fini(&b->notes);
    for (size_t i = 0; i < ARRAY_SIZE(b->stack); i++) {
        buf_fini(&b->stack[i].json);
        buf_fini(&b->stack[i].names);
        free(b->stack[i].places);
    }
    buf_fini(&b->path);
    free(b);
}

/* ---- building ---- */

void
build_format_key(const char *path, struct buf *out)
{
    AUTO(buf) struct buf name = BUF_INIT;

    if (!*path)
        buf_add_char(out, '.');
    while (*path) {
        size_t len = strcspn(path, (const char[]){BUILD_SEPARATOR, 0});

        buf_reset(&name);
        buf_add(&name, path, len);
        key_quote_name(buf_str(&name), out);
        path += len;
        if (*path) {
            buf_add_char(out, '.');
            path++;
        }
    }
}

static int
report_clash(const char *value, const char *below, struct err *err)
{
    AUTO(buf) struct buf a = BUF_INIT;
    AUTO(buf) struct buf b = BUF_INIT;

    build_format_key(value, &a);
    build_format_key(below, &b);
    return err_set(err, -EEXIST, "%s and %s: a value cannot also be a directory", buf_str(&a),
                   buf_str(&b));
}

static void
add_entry(struct build *b, const char *name, const struct treeobj *obj)
{
    struct open_dir *d = &b->stack[b->depth];
    struct place *p;

    if (d->count == d->capacity) {
        d->capacity = d->capacity ? d->capacity * 2 : 16;
        d->places = xrealloc(d->places, d->capacity * sizeof(*d->places));
    }
    p = &d->places[d->count];
    *p = (struct place){d->names.size, d->json.size + (d->count > 0), 0}; // behind a comma
    buf_add(&d->names, name, strlen(name) + 1);
    treeobj_encode_dir_entry(b->alg, name, obj, d->count == 0, &d->json);
    p->size = d->json.size - p->text;
    d->count++;
}

static void
open_dir(struct build *b, const char *path, size_t path_len)
{
    struct open_dir *d = &b->stack[b->depth];

    buf_reset(&d->json);
    d->path_len = path_len;
    d->form = EXACT_AS_LAID_OUT;
    buf_reset(&d->names);
    d->count = 0;
    treeobj_encode_dir_begin(&d->json);
    buf_reset(&b->path);
    buf_add(&b->path, path, path_len);
}

/* Last name of a path of names. */
static const char *
last_name(const char *path)
{
    const char *separator = strrchr(path, BUILD_SEPARATOR);

    return separator ? separator + 1 : path;
}

/* What emit_part() needs. */
struct emission {
    const struct build *build;
    const struct pass *pass;
};

static int
emit_part(void *arg, const void *data, size_t size)
{
    const struct emission *e = arg;
    const struct pass *p = e->pass;

    return p->ops->emit(p->arg, buf_str(&e->build->path), data, size);
}

static int
emit_wide(const struct build *b, const struct pass *p, const struct open_dir *d)
{
    AUTO(free) struct hdir_entry *entries = xcalloc(d->count, sizeof(*entries));
    struct hdir_form form = b->form;
    struct emission e = {b, p};

    form.max = 0; // it is a wide one, however few they are

    for (size_t i = 0; i < d->count; i++) {
        const struct place *at = &d->places[i];

        entries[i] =
            (struct hdir_entry){d->names.data + at->name, d->json.data + at->text, at->size};
    }
    return hdir_write(&form, entries, d->count, emit_part, &e, &p->result->root);
}

/* Is it to be a wide one? */
static bool
is_wide(const struct build *b, const struct open_dir *d)
{
    if (d->form == EXACT_HDIR)
        return d->count > 0;
    return d->form != EXACT_DIR && d->count > hdir_limit(&b->form, 0);
}

static int
emit_dir(const struct build *b, const struct pass *p, const struct open_dir *d)
{
    const char *path = buf_str(&b->path);
    int rc;

    if (is_wide(b, d)) {
        rc = emit_wide(b, p, d);
    } else {
        digest_compute(b->alg, d->json.data, d->json.size, &p->result->root);
        rc = p->ops->emit(p->arg, path, d->json.data, d->json.size);
    }
    if (rc == 0 && p->ops->whole)
        rc = p->ops->whole(p->arg, path, d->json.data, d->json.size);
    return rc;
}

/* What stands for the innermost directory in the one around it. */
static int
make_entry(const struct build *b, const struct pass *p, struct treeobj **ret)
{
    const struct open_dir *d = &b->stack[b->depth];
    int rc;

    if (d->form == EXACT_INLINE && b->depth > 0)
        return treeobj_decode(b->alg, d->json.data, d->json.size, ret, p->err);
    rc = emit_dir(b, p, d);
    if (rc == 0)
        *ret = treeobj_new_dirref(&p->result->root);
    return rc;
}

static int
close_dir(struct build *b, const struct pass *p)
{
    AUTO(treeobj) struct treeobj *entry = NULL;
    int rc;

    treeobj_encode_dir_end(&b->stack[b->depth].json);
    rc = make_entry(b, p, &entry);
    if (rc < 0 || b->depth == 0)
        return rc;
    b->depth--;
    add_entry(b, last_name(b->path.data), entry);
    b->path.size = b->stack[b->depth].path_len;
    b->path.data[b->path.size] = '\0';
    return 0;
}

/* Close and open directories until the innermost one is the parent of `path` (or `path` itself,
 * for a directory). */
static int
go_to(struct build *b, const struct pass *p, const char *path, bool is_dir)
{
    size_t len;
    int rc;

    while (!build_is_below(path, b->path.data, b->stack[b->depth].path_len)) {
        if ((rc = close_dir(b, p)) < 0)
            return rc;
    }
    len = b->stack[b->depth].path_len;
    for (const char *s = path + len + (len > 0); *s; s++) {
        bool is_end = s[1] == '\0';

        if (s[1] == BUILD_SEPARATOR || (is_end && is_dir)) {
            b->depth++;
            open_dir(b, path, (size_t)(s + 1 - path));
        }
    }
    return 0;
}

static int
build_note(struct build *b, const struct pass *p, const struct note *n)
{
    bool is_dir = n->kind == NOTE_DIR || n->kind == NOTE_FORM;
    int rc = go_to(b, p, n->path, is_dir);

    if (rc < 0)
        return rc;
    if (is_dir) {
        b->stack[b->depth].form = n->form;
        return 0;
    }
    add_entry(b, last_name(n->path), n->obj);
    if (n->is_base)
        return 0;
    p->result->keys++;
    p->result->bytes += n->size;
    return 0;
}

static int
build_all(struct build *b, const struct pass *p)
{
    const struct note *leaf = NULL; // the last one
    int rc;

    b->depth = 0;
    open_dir(b, "", 0);
    for (size_t i = 0; i < b->notes.count; i++) {
        const struct note *n = &b->notes.list[i];

        if (n->kind == NOTE_EMPTY)
            continue;
        if (leaf && build_is_below(n->path, leaf->path, strlen(leaf->path)))
            return report_clash(leaf->path, n->path, p->err);
        if ((rc = build_note(b, p, n)) < 0)
            return rc;
        leaf = n->kind == NOTE_LEAF ? n : NULL;
    }
    while (b->depth > 0) {
        if ((rc = close_dir(b, p)) < 0)
            return rc;
    }
    return close_dir(b, p);
}

int
build_finish(struct build *b, const struct build_ops *ops, void *arg, struct build_result *ret,
             struct err *err)
{
    struct pass p = {.ops = ops, .arg = arg, .result = ret, .err = err};

    *ret = (struct build_result){.keys = 0};
    build_notes_settle(&b->notes, ops, arg);
    return build_all(b, &p);
}
