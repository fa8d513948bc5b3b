/* SPDX-License-Identifier: MPL-2.0 */
/* gather.c - see gather.h.
 *
 * Model: every blob that some hdir of the directory names is a part.  `todo` is a stack of those not
 * asked for; asked for ones are told apart by their digest.
 *
 * part      asked for by    becomes
 * TODO      gather_next     ASKED
 * ASKED     give, skip      GIVEN (a dir is kept, an hdir has left its parts), LOST
 *
 * I1 no digest is there twice: two parts of one directory never hold the same names.  So damage
 *    cannot make a small number of blobs look like a large directory.
 */
#include "gather.h"

#include "map.h"
#include "xmem.h"

#include <errno.h>
#include <string.h>

enum part_state { PART_TODO, PART_ASKED, PART_GIVEN, PART_LOST };

struct part {
    struct treeobj_slot slot; // key in gather.parts: slot.ref
    unsigned level;           // of the hdir that names it
    enum part_state state;    // see the table
    struct treeobj *dir;      // owned reference; GIVEN: a dir, or NULL
};

struct gather {
    struct map parts;   // digest -> struct part, owned
    struct part **todo; // owned array of borrowed parts; the last one is asked for first
    size_t count;       // todo
    size_t capacity;    // allocated elements of todo
    size_t asked;       // parts that are ASKED
    size_t entries;     // of the dirs given
};

static int
add_part(struct gather *g, const struct treeobj_slot *slot, unsigned level, struct err *err)
{
    struct part *p;

    if (map_get(&g->parts, &slot->ref)) /* I1 */
        return err_set(err, -EPROTO, "a blob is twice in one directory");
    if (g->count == g->capacity) {
        g->capacity = g->capacity ? g->capacity * 2 : TREEOBJ_SLOTS;
        g->todo = xrealloc(g->todo, g->capacity * sizeof(struct part *));
    }
    p = xcalloc(1, sizeof(*p));
    p->slot = *slot;
    p->level = level;
    map_put(&g->parts, p);
    g->todo[g->count++] = p;
    return 0;
}

/* Slots in reverse, so that they are asked for in order. */
static int
add_parts(struct gather *g, const struct treeobj *hdir, unsigned level, struct err *err)
{
    const struct treeobj_slot *slots = treeobj_hdir_slots(hdir);
    int rc = 0;

    for (size_t i = TREEOBJ_SLOTS; i-- > 0;) {
        int added = slots[i].count > 0 ? add_part(g, &slots[i], level, err) : 0;

        rc = added < 0 ? added : rc;
    }
    return rc;
}

int
gather_new(const struct treeobj *hdir, struct gather **ret, struct err *err)
{
    AUTO(gather) struct gather *g = xcalloc(1, sizeof(*g));
    int rc;

    map_init(&g->parts, offsetof(struct part, slot.ref), sizeof(struct digest));
    rc = add_parts(g, hdir, 0, err);
    if (rc == 0)
        *ret = TAKE(g);
    return rc;
}

void
gather_free(struct gather **gp)
{
    struct gather *g = TAKE(*gp);
    struct part *p;
    size_t pos = 0;

    if (!g)
        return;
    while ((p = map_next(&g->parts, &pos))) {
        treeobj_unref(&p->dir);
        free(p);
    }
    map_fini(&g->parts);
    free(g->todo);
    free(g);
}

const struct digest *
gather_next(struct gather *g)
{
    struct part *p;

    if (g->count == 0)
        return NULL;
    p = g->todo[--g->count];
    p->state = PART_ASKED;
    g->asked++;
    return &p->slot.ref;
}

bool
gather_has_next(const struct gather *g)
{
    return g->count > 0;
}

uint64_t
gather_entries(const struct gather *g, const struct digest *d)
{
    const struct part *p = map_get(&g->parts, d);

    return p ? p->slot.count : 0;
}

/* NULL: nobody waits for it. */
static struct part *
take_asked(struct gather *g, const struct digest *d, enum part_state state)
{
    struct part *p = map_get(&g->parts, d);

    if (!p || p->state != PART_ASKED)
        return NULL;
    p->state = state;
    g->asked--;
    return p;
}

int
gather_give(struct gather *g, const struct digest *d, const struct treeobj *obj, struct err *err)
{
    struct part *p = take_asked(g, d, PART_GIVEN);
    int rc = p ? hdir_check_count(p->slot.count, obj, err) : 0;

    if (!p)
        return 0;
    if (rc == 0 && treeobj_type(obj) == TREEOBJ_DIR) {
        p->dir = treeobj_ref(obj);
        g->entries += treeobj_dir_count(obj);
        return 0;
    }
    if (rc == 0 && p->level + 1 == HDIR_LEVELS)
        rc = err_set(err, -EPROTO, "hdirs are nested too deep");
    if (rc == 0)
        rc = add_parts(g, obj, p->level + 1, err);
    if (rc < 0)
        p->state = PART_LOST;
    return rc;
}

uint64_t
gather_skip(struct gather *g, const struct digest *d)
{
    const struct part *p = take_asked(g, d, PART_LOST);

    return p ? p->slot.count : 0;
}

bool
gather_is_complete(const struct gather *g)
{
    return g->count == 0 && g->asked == 0;
}

/* --- one dir of many --- */

struct member {
    const char *name;      // borrowed
    struct treeobj *entry; // borrowed
};

static int
compare_members(const void *a, const void *b)
{
    return strcmp(((const struct member *)a)->name, ((const struct member *)b)->name);
}

static struct member *
sort_members(const struct gather *g)
{
    struct member *members = xcalloc(g->entries + 1, sizeof(*members));
    const struct part *p;
    size_t count = 0;
    size_t pos = 0;

    while ((p = map_next(&g->parts, &pos))) {
        for (size_t i = 0; p->dir && i < treeobj_dir_count(p->dir); i++)
            members[count++] =
                (struct member){treeobj_dir_name(p->dir, i), treeobj_dir_entry(p->dir, i)};
    }
    assert(count == g->entries);
    qsort(members, count, sizeof(*members), compare_members);
    return members;
}

int
gather_finish(struct gather *g, struct treeobj **ret, struct err *err)
{
    AUTO(treeobj) struct treeobj *dir = treeobj_new_dir();
    AUTO(free) struct member *members = sort_members(g);

    assert(gather_is_complete(g));
    for (size_t i = 0; i < g->entries; i++) {
        struct treeobj *entry;

        if (i > 0 && strcmp(members[i - 1].name, members[i].name) == 0)
            return err_set(err, -EPROTO, "entry '%.128s' is twice in one directory",
                           members[i].name);
        entry = treeobj_ref(members[i].entry);
        treeobj_dir_put(dir, members[i].name, &entry);
    }
    *ret = TAKE(dir);
    return 0;
}
