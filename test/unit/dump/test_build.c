/* SPDX-License-Identifier: MPL-2.0 */
/* Names in any order become the tree that putting them one by one would make. */
#include "build.h"
#include "memstore.h"
#include "tree.h"
#include "xmem.h"

#include "cmocka_all.h"

#include <stdio.h>

struct rig {
    struct build *build;
    struct memstore store;
    struct build_result result;
    struct err err;
    struct buf skipped;   // "link>target " for each
    size_t directories;   // emitted
    char last_path[4096]; // emitted last
    size_t wholes;        // directories given as one object
    struct buf whole;     // the last one
};

static void
rig_init(struct rig *r)
{
    memset(r, 0, sizeof(*r));
    memstore_init(&r->store);
    r->build = build_new(ALG);
}

static void
rig_fini(struct rig *r)
{
    build_free(&r->build);
    memstore_fini(&r->store);
    buf_fini(&r->skipped);
    buf_fini(&r->whole);
}

static int
on_emit(void *arg, const char *path, const void *data, size_t size)
{
    struct rig *r = arg;
    struct digest d;

    memstore_put(&r->store, data, size, &d);
    strcpy(r->last_path, path);
    r->directories++;
    return 0;
}

static void
on_skip(void *arg, const char *path, const char *target)
{
    struct rig *r = arg;

    build_format_key(path, &r->skipped);
    buf_add_char(&r->skipped, '>');
    build_format_key(target, &r->skipped);
    buf_add_char(&r->skipped, ' ');
}

static int
on_whole(void *arg, const char *path UNUSED, const void *data, size_t size)
{
    struct rig *r = arg;

    buf_reset(&r->whole);
    buf_add(&r->whole, data, size);
    r->wholes++;
    return 0;
}

static int
finish(struct rig *r)
{
    static const struct build_ops ops = {on_emit, on_skip, on_whole};

    return build_finish(r->build, &ops, r, &r->result, &r->err);
}

static void
add(struct rig *r, const char *path, const char *value)
{
    AUTO(key) struct key key;
    struct treeobj *obj = treeobj_new_val(value, strlen(value));

    assert_int_equal(key_from_path(path, &key, NULL), 0);
    build_set(r->build, build_add(r->build, &key), &obj, strlen(value));
}

static void
add_dir(struct rig *r, const char *path)
{
    AUTO(key) struct key key;

    assert_int_equal(key_from_path(path, &key, NULL), 0);
    build_add_dir(r->build, &key);
}

static void
add_hardlink(struct rig *r, const char *path, const char *target)
{
    AUTO(key) struct key key;
    AUTO(key) struct key to;

    assert_int_equal(key_from_path(path, &key, NULL), 0);
    assert_int_equal(key_from_path(target, &to, NULL), 0);
    build_add_hardlink(r->build, &key, &to);
}

/* Append "a/b=value\n" for every value below the stored directory, "a/ \n" for empty ones. */
static void
list_tree(const struct rig *r, const struct digest *d, const char *prefix, struct buf *out)
{
    const struct buf *bytes = memstore_get(&r->store, d);
    AUTO(treeobj) struct treeobj *dir = NULL;
    size_t n;

    assert_non_null(bytes);
    assert_int_equal(treeobj_decode(ALG, bytes->data, bytes->size, &dir, NULL), 0);
    if (treeobj_dir_count(dir) == 0)
        buf_printf(out, "%s \n", prefix);
    for (size_t i = 0; i < treeobj_dir_count(dir); i++) {
        struct treeobj *e = treeobj_dir_entry(dir, i);
        AUTO(free) char *path = xasprintf("%s%s", prefix, treeobj_dir_name(dir, i));
        AUTO(free) char *below = xasprintf("%s/", path);
        AUTO(free) void *value = NULL;

        if (treeobj_type(e) == TREEOBJ_DIRREF) {
            list_tree(r, treeobj_refs(e, &n), below, out);
            continue;
        }
        assert_int_equal(treeobj_val_decode(e, &value, &n), 0);
        buf_printf(out, "%s=%.*s\n", path, (int)n, (const char *)value);
    }
}

static void
assert_tree(struct rig *r, const char *expected)
{
    AUTO(buf) struct buf out = BUF_INIT;

    assert_int_equal(finish(r), 0);
    list_tree(r, &r->result.root, "", &out);
    assert_string_equal(buf_str(&out), expected);
    assert_string_equal(r->last_path, ""); // the root comes last
}

static void
nothing_becomes_the_empty_directory(void **state UNUSED)
{
    struct treeobj *dir = treeobj_new_dir();
    struct digest d;
    struct rig r;

    rig_init(&r);
    assert_tree(&r, " \n");
    memstore_put_obj(&r.store, dir, &d);
    assert_true(digest_equal(&d, &r.result.root));
    assert_int_equal(r.result.keys, 0);
    treeobj_unref(&dir);
    rig_fini(&r);
}

static void
names_may_come_in_any_order(void **state UNUSED)
{
    struct rig r;

    rig_init(&r);
    add(&r, "b/c/d", "1");
    add(&r, "a-x", "2");
    add(&r, "a/z", "3");
    add(&r, "b/a", "4");
    add(&r, "a/a/a", "5");
    add(&r, "a.c", "6");
    add(&r, "stdio.h", "7");
    assert_tree(&r, "a/a/a=5\na/z=3\na-x=2\na.c=6\nb/a=4\nb/c/d=1\nstdio.h=7\n");
    assert_int_equal(r.result.keys, 7);
    assert_int_equal(r.result.bytes, 7);
    assert_int_equal(r.directories, 5);
    rig_fini(&r);
}

static void
the_last_of_equal_names_wins(void **state UNUSED)
{
    struct rig r;

    rig_init(&r);
    add(&r, "a", "first");
    add(&r, "b", "x");
    add(&r, "a", "last");
    assert_tree(&r, "a=last\nb=x\n");
    assert_int_equal(r.result.keys, 2);
    assert_int_equal(r.result.bytes, 5);
    rig_fini(&r);
}

static void
a_place_without_object_is_left_out(void **state UNUSED)
{
    AUTO(key) struct key key;
    struct rig r;

    rig_init(&r);
    add(&r, "a/b", "kept");
    assert_int_equal(key_from_path("a/b", &key, NULL), 0);
    build_add(r.build, &key);
    assert_tree(&r, "a/b=kept\n");
    rig_fini(&r);
}

static void
directories_exist_even_if_empty(void **state UNUSED)
{
    struct rig r;

    rig_init(&r);
    add_dir(&r, "./");
    add_dir(&r, "full");
    add_dir(&r, "empty/inner");
    add(&r, "full/x", "1");
    add_dir(&r, "full");
    assert_tree(&r, "empty/inner/ \nfull/x=1\n");
    assert_int_equal(r.result.keys, 1);
    rig_fini(&r);
}

static void
a_file_may_turn_into_a_directory(void **state UNUSED)
{
    struct rig r;

    rig_init(&r);
    add(&r, "a", "old");
    add_dir(&r, "a");
    add(&r, "a/b", "new");
    assert_tree(&r, "a/b=new\n");
    rig_fini(&r);
}

static void
a_value_with_keys_below_is_a_clash(void **state UNUSED)
{
    static const char *const cases[][3] = {
        {"a", "a/b", "a and a.b:"},
        {"a/b", "a", "a and a.b:"},
        {"x/a.b", "x/a.b/c/d", "x.a%2Eb and x.a%2Eb.c.d:"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct rig r;

        rig_init(&r);
        add(&r, "a0", "beside");
        add(&r, cases[i][0], "1");
        add(&r, cases[i][1], "2");
        assert_int_equal(finish(&r), -EEXIST);
        assert_non_null(strstr(r.err.text, cases[i][2]));
        rig_fini(&r);
    }
}

static void
hard_links_share_the_content_of_their_target(void **state UNUSED)
{
    struct rig r;

    rig_init(&r);
    add_hardlink(&r, "early", "x/file");
    add(&r, "x/file", "old");
    add_hardlink(&r, "chain", "early");
    add(&r, "x/file", "new");
    assert_tree(&r, "chain=new\nearly=new\nx/file=new\n");
    assert_int_equal(r.result.keys, 3);
    assert_int_equal(r.result.bytes, 9);
    assert_int_equal(r.skipped.size, 0);
    rig_fini(&r);
}

static void
dangling_hard_links_are_told_and_left_out(void **state UNUSED)
{
    struct rig r;

    rig_init(&r);
    add_hardlink(&r, "a", "nowhere");
    add_hardlink(&r, "b", "dir");
    add_hardlink(&r, "c", "c");
    add_dir(&r, "dir");
    assert_tree(&r, "dir/ \n");
    assert_string_equal(buf_str(&r.skipped), "a>nowhere b>dir c>c ");
    rig_fini(&r);
}

/* ---- against a model ---- */

#define PATHS 40

static void
random_path(unsigned *seed, char out[64])
{
    unsigned depth = 1 + dice_roll(seed, 4);

    out[0] = '\0';
    for (unsigned i = 0; i < depth; i++) {
        static const char *const names[] = {"a", "a-", "a.b", "b", "ä", "b0"};

        sprintf(out + strlen(out), "%s%s", i ? "/" : "", names[dice_roll(seed, 6)]);
    }
    strcat(out, "!"); // values end in '!', directories never do: no clashes
}

/* Insert into a nested treeobj the slow and obvious way. */
static void
model_put(struct treeobj *dir, char *path, const char *value)
{
    char *slash = strchr(path, '/');
    struct treeobj *obj;

    if (!slash) {
        obj = treeobj_new_val(value, strlen(value));
        treeobj_dir_put(dir, path, &obj);
        return;
    }
    *slash = '\0';
    if (!treeobj_dir_get(dir, path)) {
        obj = treeobj_new_dir();
        treeobj_dir_put(dir, path, &obj);
    }
    model_put(treeobj_dir_get(dir, path), slash + 1, value);
}

/* The digest of the same tree with every directory stored on its own. */
static void
model_digest(const struct treeobj *dir, struct digest *ret)
{
    AUTO(treeobj) struct treeobj *stored = treeobj_new_dir();
    AUTO(buf) struct buf json = BUF_INIT;

    for (size_t i = 0; i < treeobj_dir_count(dir); i++) {
        struct treeobj *e = treeobj_ref(treeobj_dir_entry(dir, i));
        struct digest d;

        if (treeobj_type(e) == TREEOBJ_DIR) {
            model_digest(e, &d);
            treeobj_unref(&e);
            e = treeobj_new_dirref(&d);
        }
        treeobj_dir_put(stored, treeobj_dir_name(dir, i), &e);
    }
    treeobj_encode(ALG, stored, &json);
    digest_compute(ALG, json.data, json.size, ret);
}

static void
the_root_is_that_of_a_tree_built_one_by_one(void **state UNUSED)
{
    for (unsigned round = 0; round < 500; round++) {
        struct treeobj *model = treeobj_new_dir();
        unsigned seed = round;
        struct digest expected;
        struct rig r;

        rig_init(&r);
        for (unsigned i = dice_roll(&seed, PATHS); i > 0; i--) {
            char path[64], value[16];

            random_path(&seed, path);
            sprintf(value, "%u", i);
            add(&r, path, value);
            model_put(model, path, value);
        }
        assert_int_equal(finish(&r), 0);
        model_digest(model, &expected);
        assert_true(digest_equal(&expected, &r.result.root));
        treeobj_unref(&model);
        rig_fini(&r);
    }
}

static void
the_deepest_key_is_built(void **state UNUSED)
{
    AUTO(buf) struct buf path = BUF_INIT;
    struct rig r;

    rig_init(&r);
    for (int i = 0; i < KEY_DEPTH_MAX; i++)
        buf_add_str(&path, i ? "/d" : "d");
    add_dir(&r, buf_str(&path));
    assert_int_equal(finish(&r), 0);
    assert_int_equal(r.directories, KEY_DEPTH_MAX + 1);
    rig_fini(&r);
}

static void
provide(struct rig *r, struct tree *t)
{
    size_t count;
    const struct digest *needs = tree_needs(t, &count);

    for (size_t i = 0; i < count; i++) {
        const struct buf *bytes = memstore_get(&r->store, &needs[i]);
        struct blob *b = blob_new(bytes->data, bytes->size);

        assert_int_equal(tree_provide(t, &needs[i], b, NULL), 0);
        blob_unref(&b);
    }
}

static void
ignore_blob(void *arg UNUSED, const struct digest *d UNUSED, const struct blob *b UNUSED)
{
}

/* The root is as a tree that is told to change nothing writes it. */
static void
wide_directories_are_built_as_they_are_committed(void **state UNUSED)
{
    struct hdir_form form = {ALG, 10, 4, hdir_hash};
    struct txn txn = TXN_INIT;
    struct treeobj *val = treeobj_new_val("7", 1);
    AUTO(treeobj) struct treeobj *whole = NULL;
    struct digest root;
    struct tree *t;
    struct rig r;
    int rc;

    rig_init(&r);
    build_set_form(r.build, &form);
    for (int i = 99; i >= 0; i--) {
        char path[32];

        snprintf(path, sizeof(path), i % 10 ? "d/n%d" : "d/s%d/x", i);
        add(&r, path, i == 7 ? "7" : "1");
    }
    assert_int_equal(finish(&r), 0);
    assert_int_equal(r.wholes, 12);
    assert_true(r.directories > 12 + 16);
    assert_int_equal(r.result.keys, 100);
    t = tree_new(ALG, &r.result.root);
    tree_set_form(t, &form);
    assert_int_equal(txn_add(&txn, "d.n7", 0, &val, NULL), 0);
    while ((rc = tree_apply(t, &txn, NULL)) == 1)
        provide(&r, t);
    assert_int_equal(rc, 0);
    tree_write(t, ignore_blob, NULL, &root);
    assert_true(digest_equal(&root, &r.result.root));
    tree_free(&t);
    txn_fini(&txn);
    assert_int_equal(treeobj_decode(ALG, r.whole.data, r.whole.size, &whole, NULL), 0);
    assert_int_equal(treeobj_dir_count(whole), 1);
    rig_fini(&r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_becomes_the_empty_directory),
        cmocka_unit_test(names_may_come_in_any_order),
        cmocka_unit_test(the_last_of_equal_names_wins),
        cmocka_unit_test(a_place_without_object_is_left_out),
        cmocka_unit_test(directories_exist_even_if_empty),
        cmocka_unit_test(a_file_may_turn_into_a_directory),
        cmocka_unit_test(a_value_with_keys_below_is_a_clash),
        cmocka_unit_test(hard_links_share_the_content_of_their_target),
        cmocka_unit_test(dangling_hard_links_are_told_and_left_out),
        cmocka_unit_test(the_root_is_that_of_a_tree_built_one_by_one),
        cmocka_unit_test(the_deepest_key_is_built),
        cmocka_unit_test(wide_directories_are_built_as_they_are_committed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
