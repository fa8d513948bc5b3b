/* SPDX-License-Identifier: MPL-2.0 */
/* build.c - sort first, then build in one pass.
 *
 * While names arrive they are only noted down: no tree of nodes, no look-ups.  build_finish() then
 *   1. sorts the notes by path, and by age where paths are equal (archives are mostly sorted: one
 *      pass finds that out);
 *   2. keeps the newest note of each path;
 *   3. lets every hard link share its target's object;
 *   4. goes through the rest with a stack of open directories.  A directory whose last entry has
 *      been seen is encoded, emitted, and becomes a dirref in the one below it on the stack.  A wide
 *      one is cut into parts then (hdir.h): where its entries begin has been noted.
 *
 * Because BUILD_SEPARATOR sorts lowest, everything below "a" comes directly behind "a" and the
 * entries of a directory close in name order, which is the order of their encoding.  For the same
 * reason a value with keys below it is noticed by looking at its neighbour.
 */
#include "build.h"
#include "xmem.h"

#include <errno.h>
#include <string.h>

#define ARENA_BLOCK (64 * 1024) // bytes of path text allocated at once
#define HARDLINK_HOPS 16        // links to links to ...; more is a loop

enum note_kind { NOTE_EMPTY, NOTE_LEAF, NOTE_DIR, NOTE_HARDLINK };

struct note {
    const char *path;    // in the arena
    const char *target;  // HARDLINK: in the arena
    struct treeobj *obj; // LEAF: owned reference
    uint64_t size;       // LEAF: bytes of the value
    size_t age;          // its number
    enum note_kind kind; // EMPTY: only reserved, or given up
};

struct block {
    struct block *next; // owned
    size_t used;        // bytes of text
    char text[];        // ARENA_BLOCK bytes, or one longer path
};

/* Where an entry is. */
struct place {
    size_t name; // in open_dir.names
    size_t text; // in open_dir.json
    size_t size; // bytes of it
};

struct open_dir {
    struct buf json;      // encoding so far
    size_t path_len;      // bytes of the path of this directory
    struct buf names;     // of its entries, each with a NUL
    struct place *places; // owned array; of its entries
    size_t count;         // entries
    size_t capacity;      // allocated places
};

struct build {
    enum digest_alg alg;   // of the tree
    struct hdir_form form; // of directories
    struct note *notes;    // owned array; sorted and thinned out by build_finish()
    size_t count;          // notes in use
    size_t capacity;       // notes allocated
    struct block *arena;   // owned; the newest block first
    struct open_dir stack[KEY_DEPTH_MAX + 1]; // the root, and the directories open inside it
    size_t depth;                             // index of the innermost open one
    struct buf path;                          // scratch: path of the innermost open one
};

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
    for (size_t i = 0; i < b->count; i++)
        treeobj_unref(&b->notes[i].obj);
    free(b->notes);
    for (size_t i = 0; i < ARRAY_SIZE(b->stack); i++) {
        buf_fini(&b->stack[i].json);
        buf_fini(&b->stack[i].names);
        free(b->stack[i].places);
    }
    buf_fini(&b->path);
    while (b->arena) {
        struct block *next = b->arena->next;

        free(b->arena);
        b->arena = next;
    }
    free(b);
}

/* ---- noting down ---- */

static char *
arena_take(struct build *b, size_t size)
{
    struct block *block = b->arena;

    if (!block || block->used + size > ARENA_BLOCK) {
        block = xmalloc(sizeof(*block) + MAX(size, (size_t)ARENA_BLOCK));
        block->next = b->arena;
        block->used = 0;
        b->arena = block;
    }
    block->used += size;
    return block->text + block->used - size;
}

static const char *
keep_path(struct build *b, const struct key *key)
{
    char *text, *end;
    size_t size = 1;

    for (size_t i = 0; i < key->count; i++)
        size += strlen(key->names[i]) + 1;
    text = end = arena_take(b, size);
    for (size_t i = 0; i < key->count; i++) {
        if (i > 0)
            *end++ = BUILD_SEPARATOR;
        end = stpcpy(end, key->names[i]);
    }
    *end = '\0';
    return text;
}

static struct note *
add_note(struct build *b, const struct key *key, enum note_kind kind)
{
    struct note *n;

    if (b->count == b->capacity) {
        b->capacity = b->capacity ? b->capacity * 2 : 1024;
        b->notes = xrealloc(b->notes, b->capacity * sizeof(b->notes[0]));
    }
    n = &b->notes[b->count];
    *n = (struct note){.path = keep_path(b, key), .age = b->count, .kind = kind};
    b->count++;
    return n;
}

size_t
build_add(struct build *b, const struct key *key)
{
    return add_note(b, key, NOTE_EMPTY)->age;
}

void
build_set(struct build *b, size_t place, struct treeobj **obj, uint64_t size)
{
    struct note *n = &b->notes[place];

    assert(place < b->count && n->kind == NOTE_EMPTY);
    n->kind = NOTE_LEAF;
    n->obj = TAKE(*obj);
    n->size = size;
}

void
build_add_dir(struct build *b, const struct key *key)
{
    if (key->count > 0)
        add_note(b, key, NOTE_DIR);
}

void
build_add_hardlink(struct build *b, const struct key *key, const struct key *target)
{
    const char *path = keep_path(b, target);

    add_note(b, key, NOTE_HARDLINK)->target = path;
}

/* ---- sorting ---- */

static int
compare_notes(const void *a, const void *b)
{
    const struct note *x = a;
    const struct note *y = b;
    int diff = strcmp(x->path, y->path);

    return diff ? diff : (x->age > y->age) - (x->age < y->age);
}

static void
sort_notes(struct build *b)
{
    size_t i = 1;

    while (i < b->count && compare_notes(&b->notes[i - 1], &b->notes[i]) < 0)
        i++;
    if (i < b->count)
        qsort(b->notes, b->count, sizeof(b->notes[0]), compare_notes);
}

/* Drops what was given up, and all but the newest note of each path. */
static void
keep_newest(struct build *b)
{
    size_t kept = 0;

    for (size_t i = 0; i < b->count; i++) {
        struct note *n = &b->notes[i];

        if (n->kind == NOTE_EMPTY)
            continue;
        if (kept > 0 && strcmp(b->notes[kept - 1].path, n->path) == 0)
            treeobj_unref(&b->notes[--kept].obj);
        b->notes[kept++] = *n;
    }
    b->count = kept;
}

static int
compare_path(const void *path, const void *note)
{
    return strcmp(path, ((const struct note *)note)->path);
}

static const struct note *
find_target(const struct build *b, const struct note *n)
{
    for (int hops = 0; n && n->kind == NOTE_HARDLINK && hops < HARDLINK_HOPS; hops++)
        n = bsearch(n->target, b->notes, b->count, sizeof(b->notes[0]), compare_path);
    return n && n->kind == NOTE_LEAF ? n : NULL;
}

static void
resolve_hardlinks(struct build *b, const struct pass *p)
{
    for (size_t i = 0; i < b->count; i++) {
        struct note *n = &b->notes[i];
        const struct note *target;

        if (n->kind != NOTE_HARDLINK)
            continue;
        target = find_target(b, n);
        if (target) {
            n->kind = NOTE_LEAF;
            n->obj = treeobj_ref(target->obj);
            n->size = target->size;
        } else {
            n->kind = NOTE_EMPTY;
            p->ops->skip(p->arg, n->path, n->target);
        }
    }
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

/* Is `path` below the directory of which the first `len` bytes of `dir` are the path? */
static bool
is_below(const char *path, const char *dir, size_t len)
{
    return len == 0 || (strncmp(path, dir, len) == 0 && path[len] == BUILD_SEPARATOR);
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
    struct emission e = {b, p};

    for (size_t i = 0; i < d->count; i++) {
        const struct place *at = &d->places[i];

        entries[i] =
            (struct hdir_entry){d->names.data + at->name, d->json.data + at->text, at->size};
    }
    return hdir_write(&b->form, entries, d->count, emit_part, &e, &p->result->root);
}

static int
emit_dir(const struct build *b, const struct pass *p, const struct open_dir *d)
{
    const char *path = buf_str(&b->path);
    int rc;

    if (d->count > hdir_limit(&b->form, 0)) {
        rc = emit_wide(b, p, d);
    } else {
        digest_compute(b->alg, d->json.data, d->json.size, &p->result->root);
        rc = p->ops->emit(p->arg, path, d->json.data, d->json.size);
    }
    if (rc == 0 && p->ops->whole)
        rc = p->ops->whole(p->arg, path, d->json.data, d->json.size);
    return rc;
}

static int
close_dir(struct build *b, const struct pass *p)
{
    struct open_dir *d = &b->stack[b->depth];
    AUTO(treeobj) struct treeobj *ref = NULL;
    int rc;

    treeobj_encode_dir_end(&d->json);
    rc = emit_dir(b, p, d);
    if (rc < 0 || b->depth == 0)
        return rc;
    ref = treeobj_new_dirref(&p->result->root);
    b->depth--;
    add_entry(b, last_name(b->path.data), ref);
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

    while (!is_below(path, b->path.data, b->stack[b->depth].path_len)) {
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
    int rc = go_to(b, p, n->path, n->kind == NOTE_DIR);

    if (rc < 0 || n->kind == NOTE_DIR)
        return rc;
    add_entry(b, last_name(n->path), n->obj);
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
    for (size_t i = 0; i < b->count; i++) {
        const struct note *n = &b->notes[i];

        if (n->kind == NOTE_EMPTY)
            continue;
        if (leaf && is_below(n->path, leaf->path, strlen(leaf->path)))
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
    sort_notes(b);
    keep_newest(b);
    resolve_hardlinks(b, &p);
    return build_all(b, &p);
}
