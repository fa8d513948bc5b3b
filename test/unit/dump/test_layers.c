/* SPDX-License-Identifier: MPL-2.0 */
/* A tree is the same however many layers it is made in. */
#include "fake_depot.h"
#include "layers.h"
#include "xmem.h"

#include "cmocka_all.h"

#include <errno.h>
#include <stdio.h>

struct rig {
    struct fake_depot depot;
    struct upload upload;
    struct progress progress;
    struct intake intake;
    struct layers layers;
    struct target_tree tree;
    size_t made; // layers
};

static void
rig_init(struct rig *r, size_t notes_max)
{
    memset(r, 0, sizeof(*r));
    fake_depot_init(&r->depot, 3);
    r->depot.base.layout.maxdirent = 10;
    progress_init(&r->progress, "test", "restored", false, true);
    upload_init(&r->upload, &r->depot.base, ALG, 4);
    intake_init(&r->intake, NULL, &r->upload, &r->progress);
    layers_init(&r->layers, &r->depot.base, &r->upload, &r->intake);
    r->layers.notes_max = notes_max;
}

static void
rig_fini(struct rig *r)
{
    upload_fini(&r->upload);
    layers_fini(&r->layers);
    intake_fini(&r->intake);
    target_tree_fini(&r->tree);
    fake_depot_fini(&r->depot);
}

static int
end_entry(struct rig *r, struct err *err)
{
    int rc = r->intake.on_entry(r->intake.on_entry_arg, err);

    r->made += build_memory(r->intake.build) == 0;
    return rc;
}

static int
put(struct rig *r, const char *path, const char *value, struct err *err)
{
    AUTO(key) struct key key = {.count = 0};
    struct treeobj *obj = treeobj_new_val(value, strlen(value));

    assert_int_equal(key_from_path(path, &key, NULL), 0);
    build_set(r->intake.build, build_add(r->intake.build, &key), &obj, strlen(value));
    return end_entry(r, err);
}

static void
note(struct rig *r, const char *path, void (*add)(struct build *b, const struct key *key))
{
    AUTO(key) struct key key = {.count = 0};

    assert_int_equal(key_from_path(path, &key, NULL), 0);
    add(r->intake.build, &key);
    assert_int_equal(end_entry(r, NULL), 0);
}

static void
remove_key(struct build *b, const struct key *key)
{
    build_add_removed(b, key, false);
}

static void
link_to_first(struct build *b, const struct key *key)
{
    AUTO(key) struct key target = {.count = 0};

    assert_int_equal(key_from_path("a1/b1/first", &target, NULL), 0);
    build_add_hardlink(b, key, &target);
}

/* The same notes for the same seed. */
static void
fill(struct rig *r, unsigned seed)
{
    char path[64], value[32];

    assert_int_equal(put(r, "a1/b1/first", "1", NULL), 0);
    for (unsigned i = 0; i < 2000; i++) {
        unsigned n = dice_roll(&seed, 40);

        snprintf(path, sizeof(path), "a%u/b%u/c%u", dice_roll(&seed, 4), dice_roll(&seed, 5), n);
        snprintf(value, sizeof(value), "value %u", i);
        if (n == 0)
            note(r, path, build_add_dir);
        else if (n % 5 == 0)
            note(r, path, remove_key);
        else
            assert_int_equal(put(r, path, value, NULL), 0);
    }
    note(r, "a3/hard", link_to_first);
}

static void
the_tree_does_not_depend_on_layers(void **state UNUSED)
{
    for (unsigned seed = 1; seed <= 20; seed++) {
        struct rig whole, layered;

        rig_init(&whole, SIZE_MAX);
        rig_init(&layered, 1000 + seed * 700);
        fill(&whole, seed);
        fill(&layered, seed);
        assert_int_equal(layers_finish(&whole.layers, &whole.tree, NULL), 0);
        assert_int_equal(layers_finish(&layered.layers, &layered.tree, NULL), 0);
        assert_int_equal(whole.made, 0);
        assert_true(layered.made >= 5);
        assert_true(digest_equal(&whole.tree.root, &layered.tree.root));
        assert_int_equal(whole.tree.dir.size, layered.tree.dir.size);
        assert_int_equal(whole.intake.skipped, 0);
        assert_int_equal(layered.intake.skipped, 0);
        rig_fini(&whole);
        rig_fini(&layered);
    }
}

/* In either order, and far apart. */
static void
a_clash_with_a_lower_layer_names_both(void **state UNUSED)
{
    static const char *const pairs[][2] = {{"x/y", "x/y/z"}, {"x/y/z", "x/y"}};

    for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
        struct err err = {0};
        struct rig r;

        rig_init(&r, 1);
        assert_int_equal(put(&r, pairs[i][0], "1", NULL), 0);
        assert_int_equal(put(&r, "between", "2", NULL), 0);
        assert_int_equal(put(&r, pairs[i][1], "3", &err), -EEXIST);
        assert_non_null(strstr(err.text, "x.y and x.y.z"));
        rig_fini(&r);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_tree_does_not_depend_on_layers),
        cmocka_unit_test(a_clash_with_a_lower_layer_names_both),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
