/* SPDX-License-Identifier: MPL-2.0 */
/* basis.c - goes down the tree only where something changes. */
#include "basis.h"
#include "xmem.h"

#include <errno.h>

struct basis {
    struct build *build;        // borrowed
    struct depot *depot;        // borrowed
    char *names[KEY_DEPTH_MAX]; // borrowed; of the entry that is looked at
    struct key key;             // names of it
};

static int add_dir(struct basis *b, const struct digest *digest, struct err *err);
static int add_entries(struct basis *b, const struct treeobj *dir, struct err *err);

static void
add_unchanged(struct basis *b, const struct treeobj *entry)
{
    struct treeobj *obj = treeobj_ref(entry);

    build_add_base(b->build, &b->key, &obj);
}

/* A value that is mentioned may be what a hard link is to, or in the way of keys below it. */
static int
add_entry(struct basis *b, const struct treeobj *entry, struct err *err)
{
    bool is_mentioned = build_find_notes(b->build, &b->key) != BUILD_NOWHERE;
    size_t count;

    if (is_mentioned && treeobj_type(entry) == TREEOBJ_DIRREF)
        return add_dir(b, treeobj_refs(entry, &count), err);
    if (is_mentioned && treeobj_type(entry) == TREEOBJ_DIR)
        return add_entries(b, entry, err);
    add_unchanged(b, entry);
    return 0;
}

static int
add_entries(struct basis *b, const struct treeobj *dir, struct err *err)
{
    int rc = 0;

    if (treeobj_dir_count(dir) == 0)
        build_add_dir(b->build, &b->key);
    else if (b->key.count == KEY_DEPTH_MAX)
        rc = err_set(err, -ENAMETOOLONG, "a key has more than %d names", KEY_DEPTH_MAX);
    for (size_t i = 0; i < treeobj_dir_count(dir) && rc == 0; i++) {
        b->names[b->key.count++] = (char *)(uintptr_t)treeobj_dir_name(dir, i);
        rc = add_entry(b, treeobj_dir_entry(dir, i), err);
        b->key.count--;
    }
    return rc;
}

static int
add_dir(struct basis *b, const struct digest *digest, struct err *err)
{
    AUTO(treeobj) struct treeobj *dir = NULL;
    AUTO(buf) struct buf key = BUF_INIT;
    int rc = depot_load_dir(b->depot, digest, &dir, err);

    if (rc == 0)
        return add_entries(b, dir, err);
    key_format(&b->key, &key);
    return err_prefix(err, rc, "%s", buf_str(&key));
}

int
basis_add(struct build *b, struct depot *d, const struct digest *root, struct err *err)
{
    struct basis basis = {.build = b, .depot = d};

    basis.key.names = basis.names;
    build_start_base(b);
    return add_dir(&basis, root, err);
}
