/* SPDX-License-Identifier: MPL-2.0 */
/* fsck_walk.c - go through all trees and find the keys that need a blob that is lost.
 *
 * Model: a stack of the directories the walk is in, the root first, instead of recursion.  A directory
 * below which nothing is wrong is remembered in `sound`, so a second tree costs what differs from the
 * first.  One that is not whole is walked again for each key that leads to it: each is a finding.
 *
 * A wide directory is an hdir, and its parts are walked like directories, but with the key of the whole.
 *
 * I1  f->key is the key of the innermost directory, except while a finding is told.
 * I2  What is in `sound` was whole when it was walked, and what a tree needs is not removed.
 *
 * A broker may commit and collect garbage meanwhile.  So when a blob is missing, the tree is looked up
 * again: one that is gone is left, and one that has moved on is walked anew (at most RESTARTS_MAX
 * times: then what is missing is told all the same). */
#include "fsck_priv.h"
#include "xmem.h"

#include <errno.h>

/* As in fsck.c. */
#define STEP_ENTRIES 200
#define STEP_BYTES ((size_t)256 << 10)
#define RESTARTS_MAX 3
#define NAMES_MAX (KEY_DEPTH_MAX + 1) // directories inside one another

/* Results of what may tell a finding. */
enum { LEFT = 0, GO_ON = 1 };

struct budget {
    size_t entries; // spent
    size_t bytes;   // spent
};

static struct frame *
top_frame(struct fsck *f)
{
    return &f->frames[f->depth - 1];
}

static void
cut_key(struct fsck *f, size_t size)
{
    f->key.size = size;
    if (f->key.data)
        f->key.data[size] = '\0';
}

/* The key of an entry of the innermost directory. */
static void
add_to_key(struct fsck *f, const char *name)
{
    if (f->key.size > 0)
        buf_add_char(&f->key, '.');
    key_quote_name(name, &f->key);
}

/* --- roots --- */

static void
drop_frames(struct fsck *f)
{
    while (f->depth > 0)
        treeobj_unref(&f->frames[--f->depth].dir);
    f->names = 0;
    cut_key(f, 0);
}

static void
finish_root(struct fsck *f, uint64_t keys)
{
    if (f->roots[f->current].kind != FSCK_CHECKPOINT)
        f->stats.keys += keys;
    f->current++;
    f->restarts = 0;
    f->root_lost = 0;
}

static uint64_t *
lost_counter(struct fsck *f)
{
    bool is_older = f->roots[f->current].kind == FSCK_CHECKPOINT;

    return is_older ? &f->stats.lost_older : &f->stats.lost;
}

/* The tree was another one: what was found in it does not count. */
static void
restart_root(struct fsck *f, const struct digest *now)
{
    struct fsck_root *r = &f->roots[f->current];

    drop_frames(f);
    *lost_counter(f) -= f->root_lost;
    f->root_lost = 0;
    r->digest = *now;
    r->state = FSCK_WHOLE;
    f->restarts++;
}

/* GO_ON: the tree is as it was; LEFT: its walk has been ended, or begins anew; -errno. */
static int
look_again(struct fsck *f, struct store_db *db)
{
    struct digest now;
    int rc = fsck_find_root(f, db, f->current, &now);

    if (rc < 0)
        return rc;
    if (rc == 0) {
        restart_root(f, &f->roots[f->current].digest);
        finish_root(f, 0);
        return LEFT;
    }
    if (digest_equal(&now, &f->roots[f->current].digest) || f->restarts == RESTARTS_MAX)
        return GO_ON;
    restart_root(f, &now);
    return LEFT;
}

/* --- findings --- */

static enum fsck_problem
problem_of(int rc)
{
    return rc == -ENOENT ? FSCK_MISSING : rc == -EIO ? FSCK_DAMAGED : FSCK_MALFORMED;
}

static bool
is_problem(int rc)
{
    return rc == -ENOENT || rc == -EIO || rc == -EPROTO;
}

static void
count_lost(struct fsck *f, uint64_t keys)
{
    struct fsck_root *r = &f->roots[f->current];

    r->state = f->depth == 0 ? FSCK_LOST : FSCK_HURT;
    *lost_counter(f) += keys;
    f->root_lost += keys;
}

/* name: of the entry of the innermost directory; NULL: the root, or a part of that directory, which has
 * so many entries.  Results of look_again(). */
static int
tell(struct fsck *f, struct store_db *db, const char *name, enum fsck_object object, int problem,
     const struct digest *d, uint64_t entries)
{
    struct damaged *row = map_get(&f->damaged, d);
    size_t size = f->key.size;
    int rc = problem == -ENOENT ? look_again(f, db) : GO_ON;

    if (rc != GO_ON)
        return rc;
    if (row)
        row->is_needed = true;
    if (object != FSCK_VALUE || !top_frame(f)->is_lost)
        count_lost(f, object == FSCK_PART ? entries : 1);
    if (name)
        add_to_key(f, name);
    fsck_report(f, &(struct fsck_finding){.root = &f->roots[f->current],
                                          .root_index = f->current,
                                          .key = f->key.size > 0 ? buf_str(&f->key) : ".",
                                          .object = object,
                                          .problem = problem_of(problem),
                                          .digest = *d,
                                          .entries = entries});
    cut_key(f, size);
    return GO_ON;
}

/* --- blobs --- */

/* 0: the row has been read and was whole; 1: it has not been read; -ENOENT, -EIO, -errno. */
static int
find_row(struct fsck *f, struct store_db *db, const struct digest *d)
{
    const struct damaged *row = map_get(&f->damaged, d);
    int64_t id;
    int rc = store_db_find(db, d, &id);

    if (rc < 0)
        return rc;
    if (row && row->id == id)
        return -EIO;
    return !rowset_has(&f->whole, id);
}

static int
check_blob(struct fsck *f, struct store_db *db, const struct digest *d, struct budget *spent)
{
    int64_t size = 0;
    int rc = find_row(f, db, d);

    if (rc == 1)
        rc = store_db_check(db, d, &size);
    spent->bytes += (size_t)MAX(0, size);
    return rc;
}

/* 0 and a reference; -ENOENT, -EIO, -EPROTO; -errno. */
static int
load_dir(struct fsck *f, struct store_db *db, const struct digest *d, struct budget *spent,
         struct treeobj **ret)
{
    AUTO(treeobj) struct treeobj *obj = NULL;
    AUTO(blob) struct blob *b = NULL;
    int rc = find_row(f, db, d);

    if (rc >= 0)
        rc = store_db_load(db, d, &b);
    if (rc < 0)
        return rc;
    spent->bytes += blob_size(b);
    if (treeobj_decode(f->alg, blob_data(b), blob_size(b), &obj, NULL) < 0 ||
        (treeobj_type(obj) != TREEOBJ_DIR && treeobj_type(obj) != TREEOBJ_HDIR))
        return -EPROTO;
    *ret = TAKE(obj);
    return 0;
}

/* --- directories --- */

/* What was seen in a directory goes to the one above, or to the tree. */
static void
add_below(struct fsck *f, uint64_t keys, size_t height)
{
    if (f->depth == 0) {
        finish_root(f, keys);
        return;
    }
    top_frame(f)->keys += keys;
    top_frame(f)->height = MAX(top_frame(f)->height, height);
}

/* Consumes *dir.  d: of the blob it lies in; the key is its own already. */
static void
push(struct fsck *f, struct treeobj **dir, const struct digest *d, bool has_blob)
{
    struct frame *fr = &f->frames[f->depth++];

    f->names++;
    *fr = (struct frame){.dir = TAKE(*dir), .digest = *d, .has_blob = has_blob};
    fr->prefix = f->key.size;
    fr->findings = f->stats.findings;
}

static void
remember_sound(struct fsck *f, const struct frame *fr)
{
    struct sound *s;

    if (!fr->has_blob || fr->findings != f->stats.findings || map_get(&f->sound, &fr->digest))
        return;
    s = xcalloc(1, sizeof(*s));
    s->digest = fr->digest;
    s->level = fr->level;
    s->hash = fr->hash;
    s->entries = hdir_entries(fr->dir);
    s->height = fr->height;
    s->keys = fr->keys;
    map_put(&f->sound, s);
}

static void
pop(struct fsck *f)
{
    struct frame *fr = top_frame(f);
    bool is_part = fr->level > 0;

    remember_sound(f, fr);
    treeobj_unref(&fr->dir);
    f->depth--;
    f->names -= !is_part;
    cut_key(f, f->depth > 0 ? top_frame(f)->prefix : 0);
    add_below(f, fr->keys, fr->height + !is_part);
}

static int
tell_lost_dir(struct fsck *f, struct store_db *db, const char *name, int problem,
              const struct digest *d)
{
    bool is_root = f->depth == 0;
    int rc = tell(f, db, name, FSCK_DIRECTORY, problem, d, 0);

    if (rc == GO_ON && is_root)
        finish_root(f, 0);
    return rc < 0 ? rc : GO_ON;
}

/* name: NULL for the root. */
static int
enter(struct fsck *f, struct store_db *db, const char *name, const struct digest *d,
      struct budget *spent)
{
    const struct sound *s = map_get(&f->sound, d);
    struct treeobj *dir = NULL;
    int rc;

    if (s && s->level == 0 && f->names + s->height < NAMES_MAX) {
        add_below(f, s->keys, s->height + 1);
        return GO_ON;
    }
    rc = f->names == NAMES_MAX ? -EPROTO : load_dir(f, db, d, spent, &dir);
    if (is_problem(rc))
        return tell_lost_dir(f, db, name, rc, d);
    if (rc < 0)
        return rc;
    if (name)
        add_to_key(f, name);
    push(f, &dir, d, true);
    return GO_ON;
}

/* A directory inside a directory. */
static int
enter_inline(struct fsck *f, struct store_db *db, const char *name, const struct treeobj *obj)
{
    struct digest d = top_frame(f)->digest;
    struct treeobj *dir;

    if (f->names == NAMES_MAX)
        return tell_lost_dir(f, db, name, -EPROTO, &d);
    dir = treeobj_ref(obj);
    add_to_key(f, name);
    push(f, &dir, &d, false);
    return GO_ON;
}

/* --- parts of a wide directory --- */

/* The same bytes may be sound elsewhere, and out of place here. */
static bool
is_sound_part(const struct fsck *f, const struct treeobj_slot *slot, unsigned level, uint64_t hash)
{
    const struct sound *s = map_get(&f->sound, &slot->ref);

    return s && s->level == level && s->hash == hash && s->entries == slot->count &&
           f->names + s->height <= NAMES_MAX;
}

static int
enter_part(struct fsck *f, struct store_db *db, unsigned i, struct budget *spent)
{
    const struct frame *fr = top_frame(f);
    const struct treeobj_slot *slot = &treeobj_hdir_slots(fr->dir)[i];
    uint64_t hash = hdir_extend(fr->hash, fr->level, i);
    unsigned level = fr->level + 1;
    struct hdir_form form = hdir_form(f->alg, 0);
    AUTO(treeobj) struct treeobj *obj = NULL;
    const struct sound *s = map_get(&f->sound, &slot->ref);
    int rc;

    if (is_sound_part(f, slot, level, hash)) {
        add_below(f, s->keys, s->height);
        return GO_ON;
    }
    rc = load_dir(f, db, &slot->ref, spent, &obj);
    if (rc == 0)
        rc = hdir_check_part(&form, slot->count, obj, level, hash, NULL);
    if (is_problem(rc)) {
        rc = tell(f, db, NULL, FSCK_PART, rc, &slot->ref, slot->count);
        return rc < 0 ? rc : GO_ON;
    }
    if (rc < 0)
        return rc;
    push(f, &obj, &slot->ref, true);
    top_frame(f)->level = level;
    top_frame(f)->hash = hash;
    f->names--; // it has no name
    return GO_ON;
}

static int
walk_slot(struct fsck *f, struct store_db *db, struct budget *spent)
{
    struct frame *fr = top_frame(f);
    unsigned i = (unsigned)fr->entry++;

    if (i == TREEOBJ_SLOTS) {
        pop(f);
        return GO_ON;
    }
    return treeobj_hdir_slots(fr->dir)[i].count > 0 ? enter_part(f, db, i, spent) : GO_ON;
}

/* --- values --- */

static bool
is_repeated(const struct digest *refs, size_t i)
{
    for (size_t k = 0; k < i; k++) {
        if (digest_equal(&refs[k], &refs[i]))
            return true;
    }
    return false;
}

static void
next_entry(struct frame *fr)
{
    fr->entry++;
    fr->ref = 0;
    fr->is_lost = false;
}

/* One blob of a value. */
static int
check_ref(struct fsck *f, struct store_db *db, const char *name, const struct treeobj *entry,
          struct budget *spent)
{
    struct frame *fr = top_frame(f);
    size_t count;
    const struct digest *refs = treeobj_refs(entry, &count);
    size_t i = fr->ref++;
    int rc = check_blob(f, db, &refs[i], spent);

    if (rc < 0 && !is_problem(rc))
        return rc;
    if (rc < 0 && !is_repeated(refs, i)) {
        rc = tell(f, db, name, FSCK_VALUE, rc, &refs[i], 0);
        if (rc != GO_ON)
            return rc < 0 ? rc : GO_ON;
        fr->is_lost = true;
    }
    if (fr->ref == count) {
        fr->keys++;
        next_entry(fr);
    }
    return GO_ON;
}

/* --- walking --- */

static int
walk_entry(struct fsck *f, struct store_db *db, struct budget *spent)
{
    struct frame *fr = top_frame(f);
    const struct treeobj *entry;
    const char *name;
    size_t count;

    if (treeobj_type(fr->dir) == TREEOBJ_HDIR)
        return walk_slot(f, db, spent);
    if (fr->entry == treeobj_dir_count(fr->dir)) {
        pop(f);
        return GO_ON;
    }
    entry = treeobj_dir_entry(fr->dir, fr->entry);
    name = treeobj_dir_name(fr->dir, fr->entry);
    switch (treeobj_type(entry)) {
    case TREEOBJ_VALREF:
        return check_ref(f, db, name, entry, spent);
    case TREEOBJ_DIRREF:
        next_entry(fr);
        return enter(f, db, name, treeobj_refs(entry, &count), spent);
    case TREEOBJ_DIR:
        next_entry(fr);
        return enter_inline(f, db, name, entry);
    case TREEOBJ_VAL:
    case TREEOBJ_SYMLINK:
    case TREEOBJ_HDIR: // never an entry
        break;
    }
    fr->keys++;
    next_entry(fr);
    return GO_ON;
}

int
fsck_walk(struct fsck *f, struct store_db *db)
{
    struct budget spent = {0, 0};

    while (spent.entries++ < STEP_ENTRIES && spent.bytes < STEP_BYTES && f->state == STATE_WALK) {
        int rc;

        if (f->depth > 0)
            rc = walk_entry(f, db, &spent);
        else if (f->current < f->nroots)
            rc = enter(f, db, NULL, &f->roots[f->current].digest, &spent);
        else
            return 0;
        if (rc < 0)
            return rc;
    }
    return 1;
}

void
fsck_walk_fini(struct fsck *f)
{
    drop_frames(f);
}
