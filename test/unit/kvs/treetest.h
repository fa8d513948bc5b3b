/* SPDX-License-Identifier: MPL-2.0 */
/* treetest.h - a tree over a store, and the text its root is expected to have. */
#ifndef XYLEM_TREETEST_H
#define XYLEM_TREETEST_H

#include "kvstest.h"

#define LONG "0123456789012345678901234567890123456789012345678901234" // 55 bytes: a blob
#define EMPTY "sha1-c0a9faf907dda6216fd73bf81d0b3b21a1a8cb91"

struct rig {
    struct store store; // of all blobs
    struct tree *tree;  // under test
};

static inline int
set_up(void **state)
{
    struct rig *r = xcalloc(1, sizeof(*r));

    store_init(&r->store);
    r->tree = store_new_tree(&r->store);
    *state = r;
    return 0;
}

static inline int
tear_down(void **state)
{
    struct rig *r = *state;

    tree_free(&r->tree);
    store_fini(&r->store);
    free(r);
    return 0;
}

static inline struct treeobj *
link_to(const char *target)
{
    return treeobj_new_symlink(NULL, target);
}

static inline int
apply(struct rig *r, const char *key, int flags, struct treeobj *dirent)
{
    return apply_one(&r->store, r->tree, key, flags, dirent);
}

static inline void
put(struct rig *r, const char *key, const char *text)
{
    put_text(&r->store, r->tree, key, text);
}

static inline void
append(struct rig *r, const char *key, const char *text)
{
    assert_int_equal(apply(r, key, TXN_APPEND, new_val(text)), 0);
}

static inline void
write_out(struct rig *r, struct digest *ret)
{
    store_write(&r->store, r->tree, ret);
    assert_true(digest_equal(ret, tree_root(r->tree)));
}

/* The root, once written, is this text, and has the digest of this text. */
static inline void
assert_root(struct rig *r, const char *text)
{
    struct digest root;
    struct digest want;

    write_out(r, &root);
    digest_compute(ALG, text, strlen(text), &want);
    assert_blob_text(&r->store, &root, text);
    assert_true(digest_equal(&root, &want));
}

/* The blobref of a text. */
static inline const char *
ref_of(const char *text, char out[BLOBREF_MAX])
{
    struct digest d;

    digest_compute(ALG, text, strlen(text), &d);
    return blobref_format(ALG, &d, out);
}

#define DIR(entries) "{\"data\":{" entries "},\"type\":\"dir\",\"ver\":1}"
#define VAL(name, base64) "\"" name "\":{\"data\":\"" base64 "\",\"type\":\"val\",\"ver\":1}"
#define REF(type, name) "\"" name "\":{\"data\":[\"%s\"],\"type\":\"" type "\",\"ver\":1}"

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

#endif
