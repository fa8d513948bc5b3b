/* SPDX-License-Identifier: MPL-2.0 */
/* level.c - the order of a walk.
 *
 * Paths come out in bytewise order of the whole path, as `LC_ALL=C sort` has it.  For that a
 * directory takes the place of its name with a '/' behind it: the value "a-b" comes before the
 * directory "a", because "a-b" < "a/x".  (git orders its trees the same way.)  A treeobj is sorted
 * by bare name, so only directories among the entries can be out of place; mostly none is.
 */
#include "level.h"
#include "xmem.h"

#include <string.h>

static bool
is_dir(const struct treeobj *entry)
{
    enum treeobj_type type = treeobj_type(entry);

    return type == TREEOBJ_DIRREF || type == TREEOBJ_DIR;
}

static int
compare_entries(const struct treeobj *dir, size_t a, size_t b)
{
    const char *x = treeobj_dir_name(dir, a);
    const char *y = treeobj_dir_name(dir, b);
    unsigned char cx, cy;

    while (*x == *y && *x)
        x++, y++;
    cx = (unsigned char)*x;
    cy = (unsigned char)*y;
    if (cx == 0 && is_dir(treeobj_dir_entry(dir, a)))
        cx = '/';
    if (cy == 0 && is_dir(treeobj_dir_entry(dir, b)))
        cy = '/';
    return (int)cx - (int)cy;
}

static int
compare_order(const void *a, const void *b, void *dir)
{
    return compare_entries(dir, *(const uint32_t *)a, *(const uint32_t *)b);
}

static void
sort_entries(struct level *l)
{
    size_t i = 1;

    assert(l->count <= UINT32_MAX);
    while (i < l->count && compare_entries(l->dir, i - 1, i) < 0)
        i++;
    if (i >= l->count)
        return;
    l->order = xmalloc(l->count * sizeof(l->order[0]));
    for (i = 0; i < l->count; i++)
        l->order[i] = (uint32_t)i;
    qsort_r(l->order, l->count, sizeof(l->order[0]), compare_order, l->dir);
}

/* Consumes *dir and *path. */
static struct level *
make_level(struct treeobj **dir, char **path, unsigned depth)
{
    struct level *l = xcalloc(1, sizeof(*l));

    assert(treeobj_type(*dir) == TREEOBJ_DIR);
    l->dir = TAKE(*dir);
    l->count = treeobj_dir_count(l->dir);
    l->path = TAKE(*path);
    l->path_len = strlen(l->path);
    l->depth = depth;
    l->refs = 1;
    sort_entries(l);
    return l;
}

struct level *
level_new(struct treeobj **dir, const struct level *parent, const char *name)
{
    char *path = parent ? xasprintf("%s%s/", parent->path, name) : xstrdup("");

    return make_level(dir, &path, parent ? parent->depth + 1 : 0);
}

struct level *
level_new_at(struct treeobj **dir, const char *path, unsigned depth)
{
    char *copy = xstrdup(path);

    return make_level(dir, &copy, depth);
}

struct level *
level_ref(struct level *l)
{
    l->refs++;
    return l;
}

void
level_unref(struct level **lp)
{
    struct level *l = TAKE(*lp);

    if (!l || --l->refs > 0)
        return;
    treeobj_unref(&l->dir);
    free(l->order);
    free(l->path);
    free(l);
}

bool
level_next(struct level *l, const char **ret_name, struct treeobj **ret_entry)
{
    size_t i;

    if (l->next == l->count)
        return false;
    i = l->order ? l->order[l->next] : l->next;
    l->next++;
    *ret_name = treeobj_dir_name(l->dir, i);
    *ret_entry = treeobj_dir_entry(l->dir, i);
    return true;
}
