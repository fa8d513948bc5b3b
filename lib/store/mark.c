/* SPDX-License-Identifier: MPL-2.0 */
/* mark.c - see mark.h.
 *
 * Two stacks of digests are what is left to do: `values`, to be marked, and `trees`, to be read.
 * Values come first, so that no more waits than the tree objects on the way down have references.
 * What roots reach is STRONG and comes first; what only mark_add_row() or mark_add_pin() has brought is WEAK.
 *
 * I1  A row in `walked` is in `kept`, and everything it refers to is marked or on a stack.
 * I2  What cannot be read for want of a working disk stays on its stack.
 *
 * `kept` alone does not say that a row was walked: the bytes of a tree object may also be the value
 * of a key.
 */
#include "mark.h"
#include "rowset.h"
#include "treeobj.h"
#include "xmem.h"

#include <errno.h>

#define BYTES_PER_OBJECT 1024 // a tree object counts as one reference for each of these

struct stack {
    struct digest *items; // owned array
    size_t count;
    size_t capacity;
};

enum strength { STRONG, WEAK };

struct todo {
    struct stack trees;  // dirrefs to follow
    struct stack values; // valrefs to follow
};

struct mark {
    enum digest_alg alg;
    struct rowset kept;   // reachable
    struct rowset walked; // tree objects that were read
    struct todo todo[2];  // by strength
    struct stack roots;   // as of the last mark_add_roots(): what need not be looked up again
    struct mark_stats stats;
    struct digest first_damage; // while stats.damaged > 0
    int first_damage_rc;        // why
};

/* --- stacks --- */

static void
push(struct stack *s, const struct digest *d)
{
    if (s->count == s->capacity) {
        s->capacity = MAX((size_t)64, 2 * s->capacity);
        s->items = xrealloc(s->items, s->capacity * sizeof(*s->items));
    }
    s->items[s->count++] = *d;
}

/* A directory of a million keys must not be paid for until the end. */
static void
pop(struct stack *s)
{
    s->count--;
    if (s->capacity > 4096 && s->count < s->capacity / 4) {
        s->capacity /= 2;
        s->items = xrealloc(s->items, s->capacity * sizeof(*s->items));
    }
}

/* --- life --- */

struct mark *
mark_new(enum digest_alg alg)
{
    struct mark *m = xcalloc(1, sizeof(*m));

    m->alg = alg;
    rowset_init(&m->kept);
    rowset_init(&m->walked);
    return m;
}

void
mark_free(struct mark **mark)
{
    struct mark *m = TAKE(*mark);

    if (!m)
        return;
    rowset_fini(&m->kept);
    rowset_fini(&m->walked);
    for (size_t i = 0; i < ARRAY_SIZE(m->todo); i++) {
        free(m->todo[i].trees.items);
        free(m->todo[i].values.items);
    }
    free(m->roots.items);
    free(m);
}

/* --- roots --- */

/* The digests of all roots and checkpoints. */
static int
read_roots(struct store_db *db, struct stack *ret)
{
    AUTO(free) struct store_root *roots = NULL;
    AUTO(free) struct checkpoint *checkpoints = NULL;
    size_t nroots = 0, ncheckpoints = 0;
    int rc = store_db_roots(db, &roots, &nroots);

    if (rc == 0)
        rc = store_db_checkpoints(db, &checkpoints, &ncheckpoints);
    for (size_t i = 0; rc == 0 && i < nroots; i++)
        push(ret, &roots[i].root);
    for (size_t i = 0; rc == 0 && i < ncheckpoints; i++)
        push(ret, &checkpoints[i].root);
    return rc;
}

/* Most roots stay while others change: those at the same place are not looked up again. */
static bool
was_there(const struct stack *before, size_t i, const struct digest *root)
{
    return i < before->count && digest_equal(&before->items[i], root);
}

int
mark_add_roots(struct mark *m, struct store_db *db)
{
    struct stack now = {NULL, 0, 0};
    int rc = read_roots(db, &now);

    if (rc < 0) {
        free(now.items);
        return rc;
    }
    for (size_t i = 0; i < now.count; i++) {
        if (!was_there(&m->roots, i, &now.items[i]))
            push(&m->todo[STRONG].trees, &now.items[i]);
    }
    free(m->roots.items);
    m->roots = now;
    return 0;
}

size_t
mark_root_count(const struct mark *m)
{
    return m->roots.count;
}

void
mark_add_row(struct mark *m, const struct store_db_row *row)
{
    rowset_add(&m->kept, row->id);
    push(&m->todo[WEAK].trees, &row->digest);
}

void
mark_add_pin(struct mark *m, const struct digest *root)
{
    push(&m->todo[WEAK].trees, root);
}

/* --- values --- */

static int
keep_value(struct mark *m, struct store_db *db, enum strength strength)
{
    struct stack *values = &m->todo[strength].values;
    int64_t id;
    int rc = store_db_find(db, &values->items[values->count - 1], &id);

    if (rc < 0 && rc != -ENOENT)
        return rc; /* I2 */
    if (rc == 0)
        rowset_add(&m->kept, id);
    else if (strength == STRONG)
        m->stats.missing_values++;
    pop(values);
    return 0;
}

/* --- tree objects --- */

static void
push_slots(struct stack *stack, const struct treeobj *hdir)
{
    const struct treeobj_slot *slots = treeobj_hdir_slots(hdir);

    for (size_t i = 0; i < TREEOBJ_SLOTS; i++) {
        if (slots[i].count > 0)
            push(stack, &slots[i].ref);
    }
}

static void
push_refs(struct stack *stack, const struct treeobj *obj)
{
    size_t count;
    const struct digest *refs = treeobj_refs(obj, &count);

    for (size_t i = 0; i < count; i++)
        push(stack, &refs[i]);
}

struct frame {
    const struct treeobj *dir; // borrowed
    size_t next;               // entry to look at
};

/* false: it has no entries to descend into. */
static bool
take_entry(struct todo *todo, const struct treeobj *obj)
{
    switch (treeobj_type(obj)) {
    case TREEOBJ_DIR:
        return true;
    case TREEOBJ_VALREF:
        push_refs(&todo->values, obj);
        return false;
    case TREEOBJ_DIRREF:
        push_refs(&todo->trees, obj);
        return false;
    case TREEOBJ_HDIR:
        push_slots(&todo->trees, obj);
        return false;
    case TREEOBJ_VAL:
    case TREEOBJ_SYMLINK: // its target is a key, which keeps itself or is not there
        return false;
    }
    assert(false);
}

/* Everything obj refers to, also out of directories inside of it (treeobj_decode() bounds how deep
 * they are). */
static void
take_refs(struct todo *todo, const struct treeobj *obj)
{
    struct frame frames[TREEOBJ_DEPTH_MAX + 2];
    size_t depth = 0;

    if (take_entry(todo, obj))
        frames[depth++] = (struct frame){obj, 0};
    while (depth > 0) {
        struct frame *f = &frames[depth - 1];
        const struct treeobj *entry;

        if (f->next == treeobj_dir_count(f->dir)) {
            depth--;
            continue;
        }
        entry = treeobj_dir_entry(f->dir, f->next++);
        if (take_entry(todo, entry)) {
            assert(depth < ARRAY_SIZE(frames));
            frames[depth++] = (struct frame){entry, 0};
        }
    }
}

/* 0, or why it is no tree object one can read: -ENOENT, -EIO, -EPROTO; else the disk failed. */
static int
read_tree(struct mark *m, struct store_db *db, const struct digest *d, struct treeobj **ret,
          size_t *ret_size)
{
    AUTO(blob) struct blob *b = NULL;
    int rc = store_db_load(db, d, &b);

    if (rc < 0)
        return rc;
    *ret_size = blob_size(b);
    return treeobj_decode(m->alg, blob_data(b), blob_size(b), ret, NULL);
}

static void
note_damage(struct mark *m, enum strength strength, const struct digest *d, int rc)
{
    if (strength == WEAK || m->stats.damaged++ > 0)
        return;
    m->first_damage = *d;
    m->first_damage_rc = rc;
}

static bool
is_damage(int rc)
{
    return rc == -ENOENT || rc == -EIO || rc == -EPROTO;
}

/* Read the tree object d, which is the row id and the last of its stack. */
static int
walk_row(struct mark *m, struct store_db *db, enum strength strength, const struct digest *d,
         int64_t id, size_t *done)
{
    AUTO(treeobj) struct treeobj *obj = NULL;
    size_t size = 0;
    int rc = read_tree(m, db, d, &obj, &size);

    if (rc < 0 && !is_damage(rc))
        return rc; /* I2 */
    if (rc < 0)
        note_damage(m, strength, d, rc);
    rowset_add(&m->kept, id); // a damaged row too: it is evidence
    rowset_add(&m->walked, id);
    m->stats.trees++;
    *done += size / BYTES_PER_OBJECT;
    pop(&m->todo[strength].trees);
    if (obj)
        take_refs(&m->todo[strength], obj); /* I1 */
    return 0;
}

static int
walk_tree(struct mark *m, struct store_db *db, enum strength strength, size_t *done)
{
    struct stack *trees = &m->todo[strength].trees;
    struct digest d = trees->items[trees->count - 1];
    int64_t id;
    int rc = store_db_find(db, &d, &id);

    if (rc == 0 && !rowset_has(&m->walked, id))
        return walk_row(m, db, strength, &d, id, done);
    if (rc < 0 && rc != -ENOENT)
        return rc; /* I2 */
    if (rc == -ENOENT)
        note_damage(m, strength, &d, rc);
    pop(trees);
    return 0;
}

static bool
has_work(const struct mark *m, enum strength strength)
{
    return m->todo[strength].trees.count > 0 || m->todo[strength].values.count > 0;
}

static int
follow(struct mark *m, struct store_db *db, size_t max_objects)
{
    for (size_t done = 0; done < max_objects && !mark_is_complete(m); done++) {
        enum strength strength = has_work(m, STRONG) ? STRONG : WEAK;
        int rc = m->todo[strength].values.count > 0 ? keep_value(m, db, strength)
                                                    : walk_tree(m, db, strength, &done);

        if (rc < 0)
            return rc;
    }
    return mark_is_complete(m) ? 0 : 1;
}

int
mark_step(struct mark *m, struct store_db *db, size_t max_objects)
{
    int rc = store_db_begin_reading(db);

    if (rc < 0)
        return rc;
    rc = follow(m, db, max_objects);
    store_db_end_reading(db);
    return rc;
}

bool
mark_is_complete(const struct mark *m)
{
    return !has_work(m, STRONG) && !has_work(m, WEAK);
}

/* --- results --- */

bool
mark_has(const struct mark *m, int64_t id)
{
    return rowset_has(&m->kept, id);
}

void
mark_stats(const struct mark *m, struct mark_stats *ret)
{
    *ret = m->stats;
    ret->memory = rowset_memory(&m->kept) + rowset_memory(&m->walked);
    for (size_t i = 0; i < ARRAY_SIZE(m->todo); i++)
        ret->memory +=
            (m->todo[i].trees.capacity + m->todo[i].values.capacity) * sizeof(struct digest);
}

int
mark_first_damage(const struct mark *m, struct digest *ret)
{
    if (m->stats.damaged == 0)
        return 0;
    *ret = m->first_damage;
    return m->first_damage_rc;
}
