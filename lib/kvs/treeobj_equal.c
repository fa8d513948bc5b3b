/* SPDX-License-Identifier: MPL-2.0 */
/* treeobj_equal.c - are two tree objects the same?  Their encodings are equal exactly then. */
#include "treeobj.h"

#include <string.h>

static bool
equal_vals(const struct treeobj *a, const struct treeobj *b)
{
    size_t na;
    size_t nb;
    const char *left = treeobj_val_base64(a, &na);
    const char *right = treeobj_val_base64(b, &nb);

    return na == nb && memcmp(left, right, na) == 0;
}

static bool
equal_refs(const struct treeobj *a, const struct treeobj *b)
{
    size_t na;
    size_t nb;
    const struct digest *left = treeobj_refs(a, &na);
    const struct digest *right = treeobj_refs(b, &nb);

    return na == nb && memcmp(left, right, na * sizeof(*left)) == 0;
}

static bool
equal_texts(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool
equal_links(const struct treeobj *a, const struct treeobj *b)
{
    return equal_texts(treeobj_link_target(a), treeobj_link_target(b)) &&
           equal_texts(treeobj_link_namespace(a), treeobj_link_namespace(b));
}

/* As deep as TREEOBJ_DEPTH_MAX. */
static bool
equal_dirs(const struct treeobj *a, const struct treeobj *b)
{
    size_t count = treeobj_dir_count(a);

    if (count != treeobj_dir_count(b))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(treeobj_dir_name(a, i), treeobj_dir_name(b, i)) != 0 ||
            !treeobj_equal(treeobj_dir_entry(a, i), treeobj_dir_entry(b, i)))
            return false;
    }
    return true;
}

static bool
equal_hdirs(const struct treeobj *a, const struct treeobj *b)
{
    const struct treeobj_slot *left = treeobj_hdir_slots(a);
    const struct treeobj_slot *right = treeobj_hdir_slots(b);

    for (size_t i = 0; i < TREEOBJ_SLOTS; i++) {
        if (left[i].count != right[i].count ||
            (left[i].count > 0 && !digest_equal(&left[i].ref, &right[i].ref)))
            return false;
    }
    return true;
}

bool
treeobj_equal(const struct treeobj *a, const struct treeobj *b)
{
    if (a == b)
        return true;
    if (treeobj_type(a) != treeobj_type(b))
        return false;
    switch (treeobj_type(a)) {
    case TREEOBJ_VAL:
        return equal_vals(a, b);
    case TREEOBJ_VALREF:
    case TREEOBJ_DIRREF:
        return equal_refs(a, b);
    case TREEOBJ_SYMLINK:
        return equal_links(a, b);
    case TREEOBJ_DIR:
        return equal_dirs(a, b);
    case TREEOBJ_HDIR:
        return equal_hdirs(a, b);
    }
    assert(false);
}
