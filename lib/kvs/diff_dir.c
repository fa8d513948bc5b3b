/* SPDX-License-Identifier: MPL-2.0 */
/* diff_dir.c - see diff_dir.h.
 *
 * Model: a place is where in the two tries the comparison is: the directory itself, or one slot of hdirs
 * that are at the same place.  Each side has at most one blob there, a part.  When both have come:
 *
 *     old     new       becomes
 *     hdir    hdir      a place for each slot in which the two differ
 *     else              of each side: the entries of a dir are kept; of an hdir, a place for each slot,
 *                       which has this side only
 *
 * So it does not matter whether a directory is a dir here and an hdir there, nor at which level.
 *
 *  part     asked for by     becomes
 *  TODO     diff_dir_next    ASKED
 *  ASKED    diff_dir_give    GIVEN
 *
 * I1 on one side, no digest is there twice: two parts of one directory never hold the same names.  So
 *    damage cannot make a small number of blobs look like a large directory.
 * I2 after finish, the members of a side are in walking order, and no name is there twice.
 */
#include "diff_dir.h"

#include "hdir.h"
#include "map.h"
#include "xmem.h"

#include <errno.h>
#include <string.h>

#define ANY_COUNT UINT64_MAX // of the directory itself: nobody has said how many entries it has

enum part_state { PART_TODO, PART_ASKED, PART_GIVEN };

struct place {
    unsigned level;                  // hdirs above it
    struct treeobj *obj[DIFF_SIDES]; // owned references; NULL: not there, or not yet
    struct digest ref[DIFF_SIDES];   // of obj, where it has come
    unsigned missing;                // parts that are not given
};

struct diff_part {
    struct treeobj_slot slot; // key in list.parts: slot.ref
    enum diff_side side;
    enum part_state state; // see the table
    struct place *place;   // owned by the last part of it that is given; NULL then
};

struct member {
    const char *name;      // borrowed from a dir of the list
    struct treeobj *entry; // borrowed, likewise
};

/* One side. */
struct list {
    struct diff_form form;  // of the directory, if there is one
    struct map parts;       // digest -> struct diff_part, owned
    struct treeobj **dirs;  // owned array of owned references: what has been kept
    size_t count;           // dirs
    size_t capacity;        // allocated elements of dirs
    size_t entries;         // of all dirs
    struct member *members; // owned array; after finish
    size_t next;            // first member not handed out
};

struct diff_dir {
    struct list lists[DIFF_SIDES];
    struct diff_part **todo; // owned array of borrowed parts; the last one is asked for first
    size_t count;            // todo
    size_t capacity;         // allocated elements of todo
    size_t asked;            // parts that are ASKED
    enum diff_side bad;      // after an error: whose part is wrong
};

bool
diff_is_dir(const struct treeobj *entry)
{
    enum treeobj_type type = treeobj_type(entry);

    return type == TREEOBJ_DIRREF || type == TREEOBJ_DIR;
}

/* --- places and parts --- */

static struct place *
new_place(unsigned level)
{
    struct place *pl = xcalloc(1, sizeof(*pl));

    pl->level = level;
    return pl;
}

static void
free_place(struct place **pp)
{
    struct place *pl = TAKE(*pp);

    for (size_t i = 0; i < DIFF_SIDES; i++)
        treeobj_unref(&pl->obj[i]);
    free(pl);
}

static void
add_part(struct diff_dir *d, struct place *pl, enum diff_side side, const struct treeobj_slot *slot)
{
    struct diff_part *p = xcalloc(1, sizeof(*p));

    if (d->count == d->capacity) {
        d->capacity = d->capacity ? d->capacity * 2 : 2 * TREEOBJ_SLOTS;
        d->todo = xrealloc(d->todo, d->capacity * sizeof(*d->todo));
    }
    p->slot = *slot;
    p->side = side;
    p->place = pl;
    pl->missing++;
    map_put(&d->lists[side].parts, p);
    d->todo[d->count++] = p;
}

/* slots: NULL or of count 0: that side has nothing there. */
static int
add_place(struct diff_dir *d, unsigned level, const struct treeobj_slot *const slots[DIFF_SIDES],
          struct err *err)
{
    struct place *pl = NULL;

    for (size_t i = 0; i < DIFF_SIDES; i++) {
        d->bad = (enum diff_side)i;
        if (slots[i] && slots[i]->count > 0 && map_get(&d->lists[i].parts, &slots[i]->ref)) /* I1 */
            return err_set(err, -EPROTO, "a blob is twice in one directory");
    }
    for (size_t i = DIFF_SIDES; i-- > 0;) { // in reverse, as todo is
        if (!slots[i] || slots[i]->count == 0)
            continue;
        pl = pl ? pl : new_place(level);
        add_part(d, pl, (enum diff_side)i, slots[i]);
    }
    return 0;
}

static void
keep_dir(struct list *l, struct treeobj *dir)
{
    if (l->count == l->capacity) {
        l->capacity = l->capacity ? l->capacity * 2 : 1;
        l->dirs = xrealloc(l->dirs, l->capacity * sizeof(*l->dirs));
    }
    l->dirs[l->count++] = treeobj_ref(dir);
    l->entries += treeobj_dir_count(dir);
}

/* Is it the same in both?  -EPROTO with text. */
static int
same_slot(const struct treeobj_slot *old, const struct treeobj_slot *new, struct err *err)
{
    if (old->count == 0 || new->count == 0)
        return old->count == new->count;
    if (!digest_equal(&old->ref, &new->ref))
        return 0;
    if (old->count != new->count)
        return err_set(err, -EPROTO, "a part of it has two counts of entries");
    return 1;
}

static int
compare_slots(struct diff_dir *d, const struct place *pl, struct err *err)
{
    const struct treeobj_slot *old = treeobj_hdir_slots(pl->obj[DIFF_OLD]);
    const struct treeobj_slot *new = treeobj_hdir_slots(pl->obj[DIFF_NEW]);
    int rc = 0;

    for (size_t i = TREEOBJ_SLOTS; i-- > 0 && rc >= 0;) {
        const struct treeobj_slot *slots[DIFF_SIDES] = {&old[i], &new[i]};

        d->bad = DIFF_NEW;
        rc = same_slot(&old[i], &new[i], err);
        if (rc == 0)
            rc = add_place(d, pl->level + 1, slots, err);
    }
    return rc < 0 ? rc : 0;
}

static int
take_side(struct diff_dir *d, const struct place *pl, enum diff_side side, struct err *err)
{
    struct treeobj *obj = pl->obj[side];
    const struct treeobj_slot *from;
    int rc = 0;

    if (treeobj_type(obj) == TREEOBJ_DIR) {
        keep_dir(&d->lists[side], obj);
        return 0;
    }
    from = treeobj_hdir_slots(obj);
    for (size_t i = TREEOBJ_SLOTS; i-- > 0 && rc == 0;) {
        const struct treeobj_slot *slots[DIFF_SIDES] = {NULL, NULL};

        slots[side] = &from[i];
        rc = add_place(d, pl->level + 1, slots, err);
    }
    return rc;
}

static bool
is_hdir(const struct treeobj *obj)
{
    return obj && treeobj_type(obj) == TREEOBJ_HDIR;
}

/* All that is there has come. */
static int
settle(struct diff_dir *d, const struct place *pl, struct err *err)
{
    bool is_old_wide = is_hdir(pl->obj[DIFF_OLD]);
    bool is_new_wide = is_hdir(pl->obj[DIFF_NEW]);
    int rc = 0;

    if (is_old_wide && is_new_wide)
        return compare_slots(d, pl, err);
    for (size_t i = 0; i < DIFF_SIDES && rc == 0; i++) {
        if (pl->obj[i])
            rc = take_side(d, pl, (enum diff_side)i, err);
    }
    return rc;
}

/* --- what is loaded --- */

/* The directory itself. */
static void
start_side(struct diff_dir *d, struct place *pl, enum diff_side side, struct treeobj *obj)
{
    struct treeobj_slot slot = {.count = ANY_COUNT};
    size_t count;

    d->lists[side].form.is_there = true;
    if (treeobj_type(obj) == TREEOBJ_DIR) {
        d->lists[side].form.is_inline = true;
        d->lists[side].form.entries = treeobj_dir_count(obj);
        pl->obj[side] = treeobj_ref(obj);
        return;
    }
    assert(treeobj_type(obj) == TREEOBJ_DIRREF);
    slot.ref = *treeobj_refs(obj, &count);
    add_part(d, pl, side, &slot);
}

struct diff_dir *
diff_dir_new(struct treeobj *const sides[DIFF_SIDES])
{
    struct diff_dir *d = xcalloc(1, sizeof(*d));
    struct place *pl = new_place(0);

    for (size_t i = DIFF_SIDES; i-- > 0;) {
        map_init(&d->lists[i].parts, offsetof(struct diff_part, slot.ref), sizeof(struct digest));
        if (sides[i])
            start_side(d, pl, (enum diff_side)i, sides[i]);
    }
    if (pl->missing > 0)
        return d;
    settle(d, pl, NULL); // of dirs: it cannot fail
    free_place(&pl);
    return d;
}

static void
free_part(struct diff_part *p)
{
    if (p->place && --p->place->missing == 0)
        free_place(&p->place);
    free(p);
}

static void
free_list(struct list *l)
{
    struct diff_part *p;
    size_t pos = 0;

    while ((p = map_next(&l->parts, &pos)))
        free_part(p);
    map_fini(&l->parts);
    for (size_t i = 0; i < l->count; i++)
        treeobj_unref(&l->dirs[i]);
    free(l->dirs);
    free(l->members);
}

void
diff_dir_free(struct diff_dir **dp)
{
    struct diff_dir *d = TAKE(*dp);

    if (!d)
        return;
    for (size_t i = 0; i < DIFF_SIDES; i++)
        free_list(&d->lists[i]);
    free(d->todo);
    free(d);
}

struct diff_part *
diff_dir_next(struct diff_dir *d)
{
    struct diff_part *p;

    if (d->count == 0)
        return NULL;
    p = d->todo[--d->count];
    p->state = PART_ASKED;
    d->asked++;
    return p;
}

bool
diff_dir_has_next(const struct diff_dir *d)
{
    return d->count > 0;
}

const struct digest *
diff_part_digest(const struct diff_part *p)
{
    return &p->slot.ref;
}

static int
check_part(struct diff_dir *d, const struct diff_part *p, const struct treeobj *obj,
           struct err *err)
{
    if (p->place->level == HDIR_LEVELS && treeobj_type(obj) == TREEOBJ_HDIR)
        return err_set(err, -EPROTO, "hdirs are nested too deep");
    if (p->slot.count != ANY_COUNT)
        return hdir_check_count(p->slot.count, obj, err);
    if (treeobj_type(obj) != TREEOBJ_DIR && treeobj_type(obj) != TREEOBJ_HDIR)
        return err_set(err, -EPROTO, "not a directory object");
    d->lists[p->side].form.is_wide = treeobj_type(obj) == TREEOBJ_HDIR;
    d->lists[p->side].form.entries = hdir_entries(obj);
    return 0;
}

int
diff_dir_give(struct diff_dir *d, struct diff_part *p, struct treeobj *obj, struct digest *ret_bad,
              struct err *err)
{
    struct place *pl = p->place;
    int rc = check_part(d, p, obj, err);

    *ret_bad = p->slot.ref;
    assert(p->state == PART_ASKED);
    p->state = PART_GIVEN;
    d->asked--;
    if (rc < 0)
        return rc;
    p->place = NULL;
    pl->obj[p->side] = treeobj_ref(obj);
    pl->ref[p->side] = p->slot.ref;
    if (--pl->missing > 0)
        return 0;
    rc = settle(d, pl, err);
    *ret_bad = pl->ref[d->bad];
    free_place(&pl);
    return rc;
}

bool
diff_dir_is_complete(const struct diff_dir *d)
{
    return d->count == 0 && d->asked == 0;
}

/* --- entries --- */

static int
compare_names(const void *a, const void *b)
{
    return strcmp(((const struct member *)a)->name, ((const struct member *)b)->name);
}

/* The name of a directory has a '/' behind it: what is below it has its place in the order of paths. */
static int
compare_places(const void *a, const void *b)
{
    const struct member *m = a;
    const struct member *n = b;
    const char *x = m->name;
    const char *y = n->name;
    unsigned char cx, cy;

    while (*x == *y && *x)
        x++, y++;
    cx = (unsigned char)*x;
    cy = (unsigned char)*y;
    if (cx == 0 && diff_is_dir(m->entry))
        cx = '/';
    if (cy == 0 && diff_is_dir(n->entry))
        cy = '/';
    return (int)cx - (int)cy;
}

static void
list_members(struct list *l)
{
    size_t count = 0;

    l->members = xcalloc(l->entries + 1, sizeof(*l->members));
    for (size_t i = 0; i < l->count; i++) {
        const struct treeobj *dir = l->dirs[i];

        for (size_t k = 0; k < treeobj_dir_count(dir); k++)
            l->members[count++] =
                (struct member){treeobj_dir_name(dir, k), treeobj_dir_entry(dir, k)};
    }
    assert(count == l->entries);
}

/* I2 */
static int
sort_members(struct list *l, struct err *err)
{
    size_t i = 1;

    if (l->count > 1) // else it is sorted by name already
        qsort(l->members, l->entries, sizeof(*l->members), compare_names);
    for (size_t k = 1; k < l->entries; k++) {
        if (strcmp(l->members[k - 1].name, l->members[k].name) == 0)
            return err_set(err, -EPROTO, "entry '%.128s' is twice in one directory",
                           l->members[k].name);
    }
    while (i < l->entries && compare_places(&l->members[i - 1], &l->members[i]) < 0)
        i++;
    if (i < l->entries)
        qsort(l->members, l->entries, sizeof(*l->members), compare_places);
    return 0;
}

int
diff_dir_finish(struct diff_dir *d, enum diff_side *ret_side, struct err *err)
{
    assert(diff_dir_is_complete(d));
    for (size_t i = 0; i < DIFF_SIDES; i++) {
        int rc;

        list_members(&d->lists[i]);
        rc = sort_members(&d->lists[i], err);
        *ret_side = (enum diff_side)i;
        if (rc < 0)
            return rc;
    }
    return 0;
}

bool
diff_dir_is_empty(const struct diff_dir *d, enum diff_side side)
{
    return d->lists[side].form.is_there && d->lists[side].form.entries == 0;
}

struct diff_form
diff_dir_form(const struct diff_dir *d, enum diff_side side)
{
    return d->lists[side].form;
}

bool
diff_dir_has_entries(const struct diff_dir *d, enum diff_side side)
{
    return d->lists[side].entries > 0;
}

/* Of directories whoever goes through them sees it. */
static bool
same_entry(const struct treeobj *a, const struct treeobj *b)
{
    return treeobj_type(a) != TREEOBJ_DIR && treeobj_equal(a, b);
}

static const struct member *
peek(const struct list *l)
{
    return l->next < l->entries ? &l->members[l->next] : NULL;
}

bool
diff_dir_step(struct diff_dir *d, const char **ret_name, struct treeobj *ret[DIFF_SIDES])
{
    struct list *old = &d->lists[DIFF_OLD];
    struct list *new = &d->lists[DIFF_NEW];
    const struct member *o, *n;

    while ((o = peek(old)), (n = peek(new)), o || n) {
        int order = !o ? 1 : !n ? -1 : compare_places(o, n);

        old->next += order <= 0;
        new->next += order >= 0;
        if (order == 0 && same_entry(o->entry, n->entry))
            continue;
        *ret_name = order <= 0 ? o->name : n->name;
        ret[DIFF_OLD] = order <= 0 ? o->entry : NULL;
        ret[DIFF_NEW] = order >= 0 ? n->entry : NULL;
        return true;
    }
    return false;
}
