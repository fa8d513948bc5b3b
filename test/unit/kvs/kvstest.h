/* SPDX-License-Identifier: MPL-2.0 */
/* kvstest.h - what the tests of this folder share: a store of blobs in memory,
 * transactions from short text, and a tree that is fed from the store. */
#ifndef XYLEM_KVSTEST_H
#define XYLEM_KVSTEST_H

#include "cmocka_all.h"

#include "blobref.h"
#include "draw.h"
#include "map.h"
#include "tree.h"
#include "xmem.h"

/* Flux's algorithm, so that digests can be compared with known ones. */
#define ALG DIGEST_SHA1

/* --- store --- */

struct stored {
    struct digest digest; // key in `blobs`
    struct blob *blob;    // owned reference
};

struct store {
    struct map blobs; // digest -> struct stored
    size_t emitted;   // blobs put so far, repeated ones too
    size_t loads;     // round trips of store_apply()
};

static inline void
store_init(struct store *s)
{
    memset(s, 0, sizeof(*s));
    map_init(&s->blobs, offsetof(struct stored, digest), sizeof(struct digest));
}

static inline void
store_fini(struct store *s)
{
    struct stored *item;
    size_t pos = 0;

    while ((item = map_next(&s->blobs, &pos))) {
        blob_unref(&item->blob);
        free(item);
    }
    map_fini(&s->blobs);
}

/* A tree_emit_fn. */
static inline void
store_put(void *arg, const struct digest *d, const struct blob *b)
{
    struct store *s = arg;
    struct stored *item;
    struct digest check;

    digest_compute(ALG, blob_data(b), blob_size(b), &check);
    assert_true(digest_equal(&check, d));
    s->emitted++;
    if (map_get(&s->blobs, d))
        return;
    item = xmalloc(sizeof(*item));
    *item = (struct stored){*d, blob_ref(b)};
    map_put(&s->blobs, item);
}

static inline const struct blob *
store_get(const struct store *s, const struct digest *d)
{
    const struct stored *item = map_get(&s->blobs, d);

    return item ? item->blob : NULL;
}

static inline void
store_put_text(struct store *s, const char *text, struct digest *ret)
{
    struct blob *b = blob_new(text, strlen(text));

    digest_compute(ALG, text, strlen(text), ret);
    store_put(s, ret, b);
    blob_unref(&b);
}

static inline struct tree *
store_new_tree(struct store *s)
{
    struct digest d;
    struct blob *b = tree_empty_dir(ALG, &d);

    store_put(s, &d, b);
    blob_unref(&b);
    return tree_new(ALG, &d);
}

/* tree_apply() with all it needs; the transaction's result. */
static inline int
store_apply(struct store *s, struct tree *t, const struct txn *txn, struct err *err)
{
    int rc;

    while ((rc = tree_apply(t, txn, err)) == 1) {
        size_t count;
        const struct digest *needs = tree_needs(t, &count);

        assert_true(count > 0);
        s->loads++;
        for (size_t i = 0; i < count; i++) {
            const struct blob *b = store_get(s, &needs[i]);

            assert_non_null(b);
            assert_int_equal(tree_provide(t, &needs[i], b, NULL), 0);
        }
    }
    return rc;
}

static inline void
store_write(struct store *s, struct tree *t, struct digest *ret)
{
    tree_write(t, store_put, s, ret);
    tree_accept(t);
}

/* --- objects and transactions --- */

static inline struct treeobj *
new_val(const char *text)
{
    return treeobj_new_val(text, strlen(text));
}

static inline void
add_op(struct txn *t, const char *key, int flags, struct treeobj *dirent)
{
    assert_int_equal(txn_add(t, key, flags, &dirent, NULL), 0);
    assert_null(dirent);
}

/* One operation as a transaction of its own, applied. */
static inline int
apply_one(struct store *s, struct tree *t, const char *key, int flags, struct treeobj *dirent)
{
    struct txn txn = TXN_INIT;
    int rc;

    add_op(&txn, key, flags, dirent);
    rc = store_apply(s, t, &txn, NULL);
    txn_fini(&txn);
    return rc;
}

static inline void
put_text(struct store *s, struct tree *t, const char *key, const char *text)
{
    assert_int_equal(apply_one(s, t, key, 0, new_val(text)), 0);
}

/* The JSON of a stored blob, as text. */
static inline void
assert_blob_text(const struct store *s, const struct digest *d, const char *text)
{
    const struct blob *b = store_get(s, d);

    assert_non_null(b);
    assert_int_equal(blob_size(b), strlen(text));
    assert_memory_equal(blob_data(b), text, strlen(text));
}

static inline void
assert_blobref(const struct digest *d, const char *want)
{
    char text[BLOBREF_MAX];

    assert_string_equal(blobref_format(ALG, d, text), want);
}

/* The text of an object. */
static inline void
assert_json(const struct treeobj *obj, const char *want)
{
    struct buf text = BUF_INIT;

    treeobj_encode(ALG, obj, &text);
    assert_string_equal(buf_str(&text), want);
    buf_fini(&text);
}

#endif
