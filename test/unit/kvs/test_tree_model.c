/* SPDX-License-Identifier: MPL-2.0 */
/* Random histories against a model.
 *
 * The model is the simplest thing that can be right: a whole tree of treeobj dirs, changed in place
 * by recursion, copied before every transaction and hashed anew after it.  No links (the model
 * would have to know how they are followed; test_tree.c does), everything else.
 */
#include "kvstest.h"

#define LONG "012345678901234567890123456789012345678901234567890123456789"

/* --- model --- */

static struct treeobj *
model_copy(const struct treeobj *obj)
{
    struct treeobj *dir;

    if (treeobj_type(obj) != TREEOBJ_DIR)
        return treeobj_ref(obj);
    dir = treeobj_new_dir();
    for (size_t i = 0; i < treeobj_dir_count(obj); i++) {
        struct treeobj *entry = model_copy(treeobj_dir_entry(obj, i));

        treeobj_dir_put(dir, treeobj_dir_name(obj, i), &entry);
    }
    return dir;
}

static void
hash_val(const struct treeobj *val, struct digest *ret)
{
    void *data;
    size_t size;

    assert_int_equal(treeobj_val_decode(val, &data, &size), 0);
    digest_compute(ALG, data, size, ret);
    free(data);
}

static struct treeobj *
model_stored(const struct treeobj *val)
{
    struct digest d;
    size_t len;

    treeobj_val_base64(val, &len);
    if (len <= 72)
        return treeobj_ref(val);
    hash_val(val, &d);
    return treeobj_new_valref(&d, 1);
}

/* What the entry is after the append. */
static struct treeobj *
model_append(const struct treeobj *old, const struct treeobj *val)
{
    struct digest refs[64];
    const struct digest *had;
    size_t count = 1;

    if (treeobj_type(old) == TREEOBJ_VAL) {
        hash_val(old, &refs[0]);
    } else {
        had = treeobj_refs(old, &count);
        assert_true(count < ARRAY_SIZE(refs));
        memcpy(refs, had, count * sizeof(*had));
    }
    hash_val(val, &refs[count]);
    return treeobj_new_valref(refs, count + 1);
}

static int
model_last(struct treeobj *dir, const char *name, const struct txn_op *op)
{
    const struct treeobj *old = treeobj_dir_get(dir, name);
    struct treeobj *entry;

    if (!op->dirent) {
        entry = treeobj_dir_take(dir, name);
        treeobj_unref(&entry);
        return 0;
    }
    if ((op->flags & TXN_APPEND) && old && treeobj_type(old) == TREEOBJ_DIR)
        return -EISDIR;
    if ((op->flags & TXN_APPEND) && old)
        entry = model_append(old, op->dirent);
    else if (treeobj_type(op->dirent) == TREEOBJ_VAL)
        entry = model_stored(op->dirent);
    else
        entry = model_copy(op->dirent);
    treeobj_dir_put(dir, name, &entry);
    return 0;
}

static int
model_op(struct treeobj *dir, const struct txn_op *op, size_t depth)
{
    const char *name = op->key.names[depth];
    struct treeobj *entry = treeobj_dir_get(dir, name);

    if (depth + 1 == op->key.count)
        return model_last(dir, name, op);
    if (!entry || treeobj_type(entry) != TREEOBJ_DIR) {
        struct treeobj *made = treeobj_new_dir();

        if (!op->dirent) {
            treeobj_unref(&made);
            return 0;
        }
        entry = made;
        treeobj_dir_put(dir, name, &made);
    }
    return model_op(entry, op, depth + 1);
}

/* Applies all operations to *root, or none. */
static int
model_apply(struct treeobj **root, const struct txn *txn)
{
    struct treeobj *copy = model_copy(*root);
    int rc = 0;

    for (size_t i = 0; i < txn->count && rc == 0; i++)
        rc = model_op(copy, &txn->ops[i], 0);
    if (rc == 0) {
        struct treeobj *old = *root;

        *root = copy;
        copy = old;
    }
    treeobj_unref(&copy);
    return rc;
}

static void
model_hash(const struct treeobj *dir, struct digest *ret)
{
    struct treeobj *flat = treeobj_new_dir();
    struct buf text = BUF_INIT;

    for (size_t i = 0; i < treeobj_dir_count(dir); i++) {
        struct treeobj *entry = treeobj_ref(treeobj_dir_entry(dir, i));

        if (treeobj_type(entry) == TREEOBJ_DIR) {
            struct digest d;

            model_hash(entry, &d);
            treeobj_unref(&entry);
            entry = treeobj_new_dirref(&d);
        }
        treeobj_dir_put(flat, treeobj_dir_name(dir, i), &entry);
    }
    treeobj_encode(ALG, flat, &text);
    digest_compute(ALG, text.data, text.size, ret);
    buf_fini(&text);
    treeobj_unref(&flat);
}

/* --- random transactions --- */

static void
draw_key(uint64_t *seed, char out[16])
{
    size_t names = 1 + draw_below(seed, 4);

    for (size_t i = 0; i < names; i++) {
        *out++ = (char)('a' + draw_below(seed, 4));
        *out++ = '.';
    }
    *out = '\0';
}

static struct treeobj *
draw_val(uint64_t *seed)
{
    char text[128];

    snprintf(text, sizeof(text), "%s%zu", draw_below(seed, 3) ? "" : LONG, draw_below(seed, 100));
    return new_val(text);
}

static struct treeobj *
draw_nested_dir(uint64_t *seed)
{
    struct treeobj *dir = treeobj_new_dir();
    struct treeobj *inner = treeobj_new_dir();
    struct treeobj *val = new_val("v");

    treeobj_dir_put(inner, draw_below(seed, 2) ? "a" : "c", &val);
    if (draw_below(seed, 2))
        treeobj_dir_put(dir, "b", &inner);
    treeobj_unref(&inner);
    return dir;
}

static void
draw_txn(uint64_t *seed, struct txn *ret)
{
    for (size_t n = draw_below(seed, 6); n > 0; n--) {
        char key[16];

        draw_key(seed, key);
        switch (draw_below(seed, 10)) {
        case 0:
        case 1:
            add_op(ret, key, 0, NULL);
            break;
        case 2:
            add_op(ret, key, 0, draw_nested_dir(seed));
            break;
        case 3:
        case 4:
            add_op(ret, key, TXN_APPEND, draw_val(seed));
            break;
        default:
            add_op(ret, key, 0, draw_val(seed));
        }
    }
}

/* --- property --- */

struct history {
    uint64_t seed;         // of the generator
    struct store store;    // of all blobs
    struct tree *tree;     // under test
    struct treeobj *model; // the same, simply
    struct treeobj *saved; // model at the last accepted root
    size_t failed;         // transactions refused
};

static void
check_equal(struct history *h)
{
    struct digest got;
    struct digest want;

    tree_write(h->tree, store_put, &h->store, &got);
    model_hash(h->model, &want);
    assert_true(digest_equal(&got, &want));
}

static void
step(struct history *h)
{
    struct txn txn = TXN_INIT;
    int want;

    draw_txn(&h->seed, &txn);
    want = model_apply(&h->model, &txn);
    assert_int_equal(store_apply(&h->store, h->tree, &txn, NULL), want);
    h->failed += want < 0;
    txn_fini(&txn);
    if (draw_below(&h->seed, 3) == 0)
        check_equal(h);
}

static void
accept_or_discard(struct history *h)
{
    bool is_accepted = draw_below(&h->seed, 4) > 0;

    check_equal(h);
    if (is_accepted)
        tree_accept(h->tree);
    else
        tree_discard(h->tree);
    treeobj_unref(is_accepted ? &h->saved : &h->model);
    if (is_accepted)
        h->saved = model_copy(h->model);
    else
        h->model = model_copy(h->saved);
    check_equal(h);
    if (draw_below(&h->seed, 2))
        tree_trim(h->tree, draw_below(&h->seed, tree_memory(h->tree) + 1));
}

static size_t
run_history(uint64_t seed)
{
    struct history h = {.seed = seed};

    store_init(&h.store);
    h.tree = store_new_tree(&h.store);
    h.model = treeobj_new_dir();
    h.saved = treeobj_new_dir();
    for (int i = 0; i < 40; i++) {
        step(&h);
        if (draw_below(&h.seed, 5) == 0)
            accept_or_discard(&h);
    }
    check_equal(&h);
    tree_free(&h.tree);
    treeobj_unref(&h.model);
    treeobj_unref(&h.saved);
    store_fini(&h.store);
    return h.failed;
}

static void
every_history_gives_the_root_of_the_model(void **state UNUSED)
{
    size_t failed = 0;

    for (uint64_t seed = 1; seed <= 300; seed++)
        failed += run_history(seed);
    assert_true(failed > 100);
}

/* The same operations in one transaction, one by one, and one commit each. */
static void
grouping_does_not_change_the_root(void **state UNUSED)
{
    for (uint64_t seed = 1; seed <= 100; seed++) {
        uint64_t one = seed;
        struct store s;
        struct tree *merged;
        struct tree *single;
        struct digest a;
        struct digest b;

        store_init(&s);
        merged = store_new_tree(&s);
        single = store_new_tree(&s);
        for (int i = 0; i < 10; i++) {
            struct txn txn = TXN_INIT;

            draw_txn(&one, &txn);
            if (store_apply(&s, merged, &txn, NULL) == 0) {
                for (size_t k = 0; k < txn.count; k++) {
                    struct txn part = {.ops = &txn.ops[k], .count = 1, .version = TXN_ANY_VERSION};

                    assert_int_equal(store_apply(&s, single, &part, NULL), 0);
                    store_write(&s, single, &b);
                    tree_trim(single, 0);
                }
            }
            txn_fini(&txn);
        }
        store_write(&s, merged, &a);
        store_write(&s, single, &b);
        assert_true(digest_equal(&a, &b));
        tree_free(&merged);
        tree_free(&single);
        store_fini(&s);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_history_gives_the_root_of_the_model),
        cmocka_unit_test(grouping_does_not_change_the_root),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
