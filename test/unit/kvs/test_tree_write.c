/* SPDX-License-Identifier: MPL-2.0 */
/* All or nothing, loading what is missing, writing what changed. */
#include "treetest.h"

/* --- all or nothing --- */

static void
failing_transaction_changes_nothing(void **state)
{
    struct rig *r = *state;
    struct txn txn = TXN_INIT;
    struct digest before;
    struct digest after;
    struct err err;
    size_t memory;

    put(r, "d.e", "1");
    put(r, "v", LONG);
    put(r, "gone", "1");
    append(r, "v", "2");
    write_out(r, &before);
    memory = tree_memory(r->tree);
    add_op(&txn, "v", TXN_APPEND, new_val("3"));
    add_op(&txn, "v", TXN_APPEND, new_val("4"));
    add_op(&txn, "new.x.y", 0, new_val(LONG "!"));
    add_op(&txn, "gone", 0, NULL);
    add_op(&txn, "gone.again", 0, new_val("2"));
    add_op(&txn, "d.e", 0, new_val("2"));
    add_op(&txn, "d", 0, new_val("x"));
    add_op(&txn, "d.f", 0, new_val("y"));
    add_op(&txn, "new", TXN_APPEND, new_val("z"));
    assert_int_equal(store_apply(&r->store, r->tree, &txn, &err), -EISDIR);
    assert_non_null(strstr(err.text, "'new'"));
    assert_in_range(tree_memory(r->tree), memory, memory + 256); // arrays keep their spare room
    r->store.emitted = 0;
    write_out(r, &after);
    assert_true(digest_equal(&before, &after));
    assert_int_equal(r->store.emitted, 0);
    txn_fini(&txn);
}

/* 100 directories three deep, a fresh tree: a round trip for each level, not for each directory. */
static void
directories_are_asked_for_together(void **state)
{
    struct rig *r = *state;
    struct txn txn = TXN_INIT;
    struct digest root;
    size_t loads;

    for (int i = 0; i < 1000; i++) {
        char key[32];

        snprintf(key, sizeof(key), "a.d%d.k%d", i % 100, i);
        add_op(&txn, key, 0, new_val("1"));
    }
    assert_int_equal(store_apply(&r->store, r->tree, &txn, NULL), 0);
    write_out(r, &root);
    tree_free(&r->tree);
    r->tree = tree_new(ALG, &root);
    loads = r->store.loads;
    assert_int_equal(store_apply(&r->store, r->tree, &txn, NULL), 0);
    assert_int_equal(r->store.loads - loads, 3);
    txn_fini(&txn);
}

/* Directories that only exist once earlier operations of the same transaction are applied. */
static void
grafted_trees_are_loaded_in_the_same_transaction(void **state)
{
    struct rig *r = *state;
    struct txn txn = TXN_INIT;
    struct digest deep;
    struct digest got;
    struct digest want;

    put(r, "p.q.r", "1");
    write_out(r, &deep);
    put(r, "g.p.q.r", "1");
    put(r, "g.p.q.s", "2");
    put(r, "g.t", "3");
    write_out(r, &want);
    tree_free(&r->tree);
    r->tree = tree_new(ALG, &deep);
    add_op(&txn, "g", 0, treeobj_new_dirref(&deep));
    add_op(&txn, "g.p.q.s", 0, new_val("2"));
    add_op(&txn, "g.t", 0, new_val("3"));
    assert_int_equal(store_apply(&r->store, r->tree, &txn, NULL), 0);
    write_out(r, &got);
    assert_true(digest_equal(&got, &want));
    txn_fini(&txn);
}

static void
missing_directory_leaves_the_tree_alone(void **state)
{
    struct rig *r = *state;
    struct txn txn = TXN_INIT;
    struct digest before;
    struct digest after;
    size_t count;

    put(r, "d.e", "1");
    write_out(r, &before);
    tree_trim(r->tree, 0);
    add_op(&txn, "new", 0, new_val("1"));
    add_op(&txn, "d.f", 0, new_val("1"));
    assert_int_equal(tree_apply(r->tree, &txn, NULL), 1);
    assert_true(digest_equal(tree_needs(r->tree, &count), &before));
    assert_int_equal(count, 1);
    tree_write(r->tree, store_put, &r->store, &after);
    assert_true(digest_equal(&before, &after));
    txn_fini(&txn);
}

static void
only_directories_are_accepted(void **state)
{
    struct rig *r = *state;
    struct txn txn = TXN_INIT;
    struct digest d;
    struct digest other = {{1}};
    size_t count;
    struct err err;
    struct blob *val = blob_new("{\"data\":\"\",\"type\":\"val\",\"ver\":1}", 32);
    struct blob *junk = blob_new("junk", 4);
    struct blob *dir = tree_empty_dir(ALG, &d);

    add_op(&txn, "a", 0, new_val("1"));
    assert_int_equal(tree_apply(r->tree, &txn, NULL), 1);
    assert_int_equal(tree_provide(r->tree, &other, junk, NULL), 0);
    assert_int_equal(tree_provide(r->tree, &d, junk, &err), -EPROTO);
    assert_non_null(strstr(err.text, EMPTY));
    assert_int_equal(tree_provide(r->tree, &d, val, &err), -EPROTO);
    assert_int_equal(tree_provide(r->tree, &d, dir, &err), 0);
    assert_int_equal(tree_provide(r->tree, &d, junk, NULL), 0);
    assert_int_equal(tree_apply(r->tree, &txn, NULL), 0);
    assert_non_null(tree_needs(r->tree, &count));
    assert_int_equal(count, 0);
    blob_unref(&val);
    blob_unref(&junk);
    blob_unref(&dir);
    txn_fini(&txn);
}

/* --- writing --- */

static void
unchanged_directories_are_not_written_again(void **state)
{
    struct rig *r = *state;
    struct digest root;

    put(r, "a.x", "1");
    put(r, "b.x", "2");
    put(r, "b.c.x", "2");
    write_out(r, &root);
    r->store.emitted = 0;
    put(r, "b.x", "3");
    write_out(r, &root);
    assert_int_equal(r->store.emitted, 2);
    write_out(r, &root);
    assert_int_equal(r->store.emitted, 2);
}

static void
equal_blobs_are_written_once(void **state)
{
    struct rig *r = *state;
    struct digest root;

    r->store.emitted = 0;
    put(r, "a.x", LONG);
    put(r, "b.x", LONG);
    put(r, "c.x", LONG);
    write_out(r, &root);
    assert_int_equal(r->store.emitted, 3);
}

/* Emits into the store, and insists that every directory named is there already. */
static void
put_after_children(void *arg, const struct digest *d, const struct blob *b)
{
    struct store *s = arg;
    struct treeobj *dir = NULL;

    if (treeobj_decode(ALG, blob_data(b), blob_size(b), &dir, NULL) == 0) {
        for (size_t i = 0; i < treeobj_dir_count(dir); i++) {
            size_t count;
            struct treeobj *entry = treeobj_dir_entry(dir, i);

            if (treeobj_type(entry) != TREEOBJ_VAL)
                assert_non_null(store_get(s, treeobj_refs(entry, &count)));
        }
    }
    treeobj_unref(&dir);
    store_put(s, d, b);
}

static void
children_are_written_before_parents(void **state)
{
    struct rig *r = *state;
    struct digest root;

    put(r, "a.b.c.d", LONG);
    put(r, "a.b.e", "1");
    put(r, "f.g", LONG "!");
    tree_write(r->tree, put_after_children, &r->store, &root);
    assert_non_null(store_get(&r->store, &root));
}

static void
discard_goes_back_to_the_accepted_root(void **state)
{
    struct rig *r = *state;
    struct digest accepted;
    struct digest lost;
    struct digest again;

    put(r, "a.b", "1");
    write_out(r, &accepted);
    put(r, "a.b", "2");
    tree_write(r->tree, store_put, &r->store, &lost);
    put(r, "a.c", LONG);
    tree_discard(r->tree);
    assert_true(digest_equal(tree_root(r->tree), &accepted));
    r->store.emitted = 0;
    put(r, "a.b", "2");
    write_out(r, &again);
    assert_true(digest_equal(&again, &lost));
    assert_int_equal(r->store.emitted, 2);
}

static void
trim_keeps_what_is_not_durable(void **state)
{
    struct rig *r = *state;
    struct digest root;
    size_t loads;

    put(r, "a.b", "1");
    tree_trim(r->tree, 0);
    tree_write(r->tree, store_put, &r->store, &root);
    tree_trim(r->tree, 0);
    loads = r->store.loads;
    put(r, "a.b", "2");
    assert_int_equal(r->store.loads, loads);
    write_out(r, &root);
    tree_trim(r->tree, 0);
    assert_true(tree_memory(r->tree) < 200);
    put(r, "a.b", "3");
    assert_int_equal(r->store.loads, loads + 2);
}

static void
trim_drops_the_least_used_first(void **state)
{
    struct rig *r = *state;
    struct digest root;
    size_t loads;

    put(r, "new.x", "1");
    put(r, "old.x", "1");
    put(r, "new.x", "2");
    write_out(r, &root);
    tree_trim(r->tree, tree_memory(r->tree) - 1);
    loads = r->store.loads;
    put(r, "new.x", "3");
    assert_int_equal(r->store.loads, loads);
    put(r, "old.x", "3");
    assert_int_equal(r->store.loads, loads + 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(failing_transaction_changes_nothing),
        T(directories_are_asked_for_together),
        T(grafted_trees_are_loaded_in_the_same_transaction),
        T(missing_directory_leaves_the_tree_alone),
        T(only_directories_are_accepted),
        T(unchanged_directories_are_not_written_again),
        T(equal_blobs_are_written_once),
        T(children_are_written_before_parents),
        T(discard_goes_back_to_the_accepted_root),
        T(trim_keeps_what_is_not_durable),
        T(trim_drops_the_least_used_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
