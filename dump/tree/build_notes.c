/* SPDX-License-Identifier: MPL-2.0 */
/* build_notes.c - what was said about each path, and what it comes to.
 *
 * While names arrive they are only noted down: no tree of nodes, no look-ups.  In the end notes are
 *   1. sorted by path, and by age where paths are equal (archives are mostly sorted: one pass finds that
 *      out);
 *   2. settled: of the notes of one path, from the newest on,
 *        LEAF, HARDLINK   is what is there, unless a REMOVED_KEY is newer
 *        DIR              is what is there, unless a REMOVED_DIR is newer
 *        FORM             is the form of a directory, if it is newer than what is there;
 *   3. freed from forms of directories that do not exist.
 *
 * Because BUILD_SEPARATOR sorts lowest, everything below "a" comes directly behind "a" and the
 * entries of a directory close in name order, which is the order of their encoding.  For the same
 * reason a value with keys below it is noticed by looking at its neighbour.
 */
#include "blobref.h"
#include "build_priv.h"
#include "xmem.h"

#include <string.h>

#define ARENA_BLOCK (64 * 1024) // bytes of path text allocated at once
#define ENTRY_SIZE 256 // bytes of an entry without its name and what it refers to; a dirref is less
#define HARDLINK_HOPS 16 // links to links to ...; more is a loop

void
build_notes_fini(struct notes *n)
{
    for (size_t i = 0; i < n->count; i++)
        treeobj_unref(&n->list[i].obj);
    free(n->list);
    while (n->arena) {
        struct block *next = n->arena->next;

        free(n->arena);
        n->arena = next;
    }
}

/* ---- noting down ---- */

static char *
arena_take(struct notes *n, size_t size)
{
    struct block *block = n->arena;

    if (!block || block->used + size > ARENA_BLOCK) {
        block = xmalloc(sizeof(*block) + MAX(size, (size_t)ARENA_BLOCK));
        block->next = n->arena;
        block->used = 0;
        n->arena = block;
    }
    block->used += size;
    n->memory += size;
    return block->text + block->used - size;
}

static size_t
path_size(const struct key *key)
{
    size_t size = 1;

    for (size_t i = 0; i < key->count; i++)
        size += strlen(key->names[i]) + 1;
    return size;
}

static void
format_path(const struct key *key, char *text)
{
    for (size_t i = 0; i < key->count; i++) {
        if (i > 0)
            *text++ = BUILD_SEPARATOR;
        text = stpcpy(text, key->names[i]);
    }
    *text = '\0';
}

static const char *
keep_path(struct notes *n, const struct key *key)
{
    char *text = arena_take(n, path_size(key));

    format_path(key, text);
    return text;
}

static struct note *
add_note(struct notes *n, const struct key *key, enum note_kind kind)
{
    struct note *note;

    if (n->count == n->capacity) {
        n->capacity = n->capacity ? n->capacity * 2 : 1024;
        n->list = xrealloc(n->list, n->capacity * sizeof(n->list[0]));
    }
    note = &n->list[n->count];
    *note = (struct note){
        .path = keep_path(n, key), .age = n->count, .kind = kind, .is_base = n->is_base};
    n->count++;
    n->memory += sizeof(*note);
    return note;
}

size_t
build_add(struct build *b, const struct key *key)
{
    return add_note(&b->notes, key, NOTE_EMPTY)->age;
}

/* Encoded, at most: all but the name, and references or a target, is short. */
static size_t
entry_size(const char *path, const struct treeobj *obj)
{
    const char *name = strrchr(path, BUILD_SEPARATOR);
    size_t size = ENTRY_SIZE + 2 * strlen(name ? name : path);
    size_t count;

    if (treeobj_type(obj) == TREEOBJ_VALREF) {
        treeobj_refs(obj, &count);
        size += count * (BLOBREF_MAX + 3);
    } else if (treeobj_type(obj) == TREEOBJ_SYMLINK) {
        size += 2 * strlen(treeobj_link_target(obj));
    } else if (treeobj_type(obj) == TREEOBJ_VAL) {
        treeobj_val_base64(obj, &count);
        size += count;
    }
    return size;
}

static void
set_leaf(struct notes *notes, struct note *n, struct treeobj **obj, uint64_t size)
{
    notes->memory += treeobj_memory(*obj);
    notes->largest = MAX(notes->largest, entry_size(n->path, *obj));
    n->kind = NOTE_LEAF;
    n->obj = TAKE(*obj);
    n->size = size;
}

void
build_set(struct build *b, size_t place, struct treeobj **obj, uint64_t size)
{
    struct note *n = &b->notes.list[place];

    assert(place < b->notes.count && n->kind == NOTE_EMPTY);
    set_leaf(&b->notes, n, obj, size);
}

void
build_add_dir(struct build *b, const struct key *key)
{
    if (key->count > 0)
        add_note(&b->notes, key, NOTE_DIR);
}

void
build_set_dir_form(struct build *b, const struct key *key, enum exact_form form)
{
    add_note(&b->notes, key, NOTE_FORM)->form = form;
    b->notes.is_plain = false;
}

void
build_add_hardlink(struct build *b, const struct key *key, const struct key *target)
{
    const char *path = keep_path(&b->notes, target);

    add_note(&b->notes, key, NOTE_HARDLINK)->target = path;
    add_note(&b->notes, target, NOTE_ASKED);
    b->notes.is_plain = false;
}

void
build_add_removed(struct build *b, const struct key *key, bool is_dir)
{
    add_note(&b->notes, key, is_dir ? NOTE_REMOVED_DIR : NOTE_REMOVED_KEY);
}

size_t
build_memory(const struct build *b)
{
    return b->notes.memory;
}

size_t
build_largest_entry(const struct build *b)
{
    return b->notes.largest;
}

bool
build_is_plain(const struct build *b)
{
    return b->notes.is_plain;
}

/* ---- sorting ---- */

static int
compare_notes(const void *a, const void *b)
{
    const struct note *x = a;
    const struct note *y = b;
    int diff = strcmp(x->path, y->path);

    if (diff)
        return diff;
    if (x->is_base != y->is_base)
        return x->is_base ? -1 : 1;
    return (x->age > y->age) - (x->age < y->age);
}

static void
sort_notes(struct notes *n)
{
    size_t i = 1;

    while (i < n->count && compare_notes(&n->list[i - 1], &n->list[i]) < 0)
        i++;
    if (i < n->count)
        qsort(n->list, n->count, sizeof(n->list[0]), compare_notes);
    n->sorted = n->count;
}

/* ---- looking for notes ---- */

bool
build_is_below(const char *path, const char *dir, size_t len)
{
    return len == 0 || (strncmp(path, dir, len) == 0 && path[len] == BUILD_SEPARATOR);
}

void
build_start_base(struct build *b)
{
    assert(!b->notes.is_base);
    sort_notes(&b->notes);
    b->notes.is_base = true;
}

void
build_add_base(struct build *b, const struct key *key, struct treeobj **obj)
{
    assert(b->notes.is_base);
    set_leaf(&b->notes, add_note(&b->notes, key, NOTE_LEAF), obj, 0);
}

/* The first sorted note whose path is not before `path`. */
static size_t
find_first(const struct notes *n, const char *path)
{
    size_t low = 0;
    size_t high = n->sorted;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (strcmp(n->list[middle].path, path) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

enum build_where
build_find_notes(const struct build *b, const struct key *key)
{
    const struct notes *n = &b->notes;
    AUTO(free) char *path = xmalloc(path_size(key));
    enum build_where where = BUILD_NOWHERE;
    size_t i;

    assert(n->is_base);
    format_path(key, path);
    i = find_first(n, path);
    if (i < n->sorted && strcmp(n->list[i].path, path) == 0)
        where |= BUILD_AT;
    while (i < n->sorted && strcmp(n->list[i].path, path) == 0)
        i++;
    if (i < n->sorted && build_is_below(n->list[i].path, path, strlen(path)))
        where |= BUILD_BELOW;
    return where;
}

/* ---- settling ---- */

/* What has been found out about a path. */
struct outcome {
    struct note *found; // what is there, or NULL
    struct note *form;  // or NULL
    bool no_key;        // older values and links are no more
    bool no_dir;        // and directories
};

/* An older note of the same path. */
static void
hear(struct outcome *o, struct note *n)
{
    switch (n->kind) {
    case NOTE_EMPTY:
    case NOTE_ASKED:
        break;
    case NOTE_LEAF:
    case NOTE_HARDLINK:
        o->found = o->no_key ? NULL : n;
        break;
    case NOTE_DIR:
        o->found = o->no_dir ? NULL : n;
        break;
    case NOTE_FORM:
        o->form = o->form ? o->form : n;
        break;
    case NOTE_REMOVED_KEY:
        o->no_key = true;
        break;
    case NOTE_REMOVED_DIR:
        o->no_dir = true;
        break;
    }
}

/* The note that stays of `count` ones of one path, the newest of which is the last; NULL: none. */
static struct note *
settle_path(struct note *list, size_t count)
{
    struct outcome o = {.found = NULL};

    while (count-- > 0 && !o.found)
        hear(&o, &list[count]);
    if (o.found && o.form && o.found->kind == NOTE_DIR)
        o.found->form = o.form->form;
    return o.found ? o.found : o.form;
}

static size_t
count_same_path(const struct notes *n, size_t first)
{
    size_t i = first + 1;

    while (i < n->count && strcmp(n->list[i].path, n->list[first].path) == 0)
        i++;
    return i - first;
}

static void
settle_paths(struct notes *n)
{
    size_t kept = 0;

    for (size_t i = 0, same; i < n->count; i += same) {
        struct note stays = {.kind = NOTE_EMPTY};
        struct note *note;

        same = count_same_path(n, i);
        note = settle_path(&n->list[i], same);
        if (note) {
            stays = *note;
            note->obj = NULL;
        }
        for (size_t j = i; j < i + same; j++)
            treeobj_unref(&n->list[j].obj);
        if (note)
            n->list[kept++] = stays;
    }
    n->count = n->sorted = kept;
}

static int
compare_path(const void *path, const void *note)
{
    return strcmp(path, ((const struct note *)note)->path);
}

static const struct note *
find_target(const struct notes *notes, const struct note *n)
{
    for (int hops = 0; n && n->kind == NOTE_HARDLINK && hops < HARDLINK_HOPS; hops++)
        n = bsearch(n->target, notes->list, notes->count, sizeof(notes->list[0]), compare_path);
    return n && n->kind == NOTE_LEAF ? n : NULL;
}

static void
resolve_hardlinks(struct notes *notes, const struct build_ops *ops, void *arg)
{
    for (size_t i = 0; i < notes->count; i++) {
        struct note *n = &notes->list[i];
        const struct note *target;

        if (n->kind != NOTE_HARDLINK)
            continue;
        target = find_target(notes, n);
        if (target) {
            n->kind = NOTE_LEAF;
            n->obj = treeobj_ref(target->obj);
            n->size = target->size;
        } else {
            n->kind = NOTE_EMPTY;
            ops->skip(arg, n->path, n->target);
        }
    }
}

/* A form alone makes no directory, but the root, which is always there. */
static void
drop_lone_forms(struct notes *notes)
{
    const char *next = NULL; // path of the next note that counts

    for (size_t i = notes->count; i-- > 0;) {
        struct note *n = &notes->list[i];

        if (n->kind == NOTE_FORM && *n->path &&
            !(next && build_is_below(next, n->path, strlen(n->path))))
            n->kind = NOTE_EMPTY;
        if (n->kind != NOTE_EMPTY)
            next = n->path;
    }
}

void
build_notes_settle(struct notes *n, const struct build_ops *ops, void *arg)
{
    sort_notes(n);
    settle_paths(n);
    resolve_hardlinks(n, ops, arg);
    drop_lone_forms(n);
}
