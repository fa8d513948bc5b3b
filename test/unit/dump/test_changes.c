/* SPDX-License-Identifier: MPL-2.0 */
/* A comparison gets its directories from archives and from a depot, and asks the depot only for what it has to
 * and many at a time. */
#include "changes.h"
#include "fake_depot.h"
#include "made_archive.h"
#include "xmem.h"

#include "cmocka_all.h"

#include <errno.h>
#include <locale.h>
#include <stdio.h>

#define DIRS 40 // in the trees, with a key in each

struct rig {
    struct fake_depot depot;
    struct made_archive made;
    struct progress progress;
    struct archive_tree tree;
    struct changes changes;
    struct buf seen; // "PATH OLD->NEW\n" for each change
    struct err err;
};

/* d00/key .. with the value 0, or 1 where `changed` has a 'x'; and a key that is the same everywhere. */
static void
make_tree(struct memstore *s, const char *changed, struct digest *ret_root)
{
    AUTO(treeobj) struct treeobj *root = treeobj_new_dir();

    for (unsigned i = 0; i < DIRS; i++) {
        bool is_changed = i < strlen(changed) && changed[i] == 'x';
        struct treeobj *dir = treeobj_new_dir();
        struct treeobj *obj = treeobj_new_val(is_changed ? "1" : "0", 1);
        char name[16];

        treeobj_dir_put(dir, "key", &obj);
        obj = treeobj_new_val(&i, sizeof(i));
        treeobj_dir_put(dir, "same", &obj);
        snprintf(name, sizeof(name), "d%02u", i);
        memstore_link_dir(s, root, name, &dir);
    }
    memstore_put_obj(s, root, ret_root);
}

/* The tree without changes. */
static void
make_archive(struct rig *r)
{
    struct layout layout = {ALG, 0, LAYOUT_BLOB_SIZE};

    made_archive_init(&r->made, NULL);
    for (unsigned i = 0; i < DIRS; i++) {
        char path[32];

        snprintf(path, sizeof(path), "d%02u/key", i);
        made_archive_file(&r->made, path, "0", 1);
        snprintf(path, sizeof(path), "d%02u/same", i);
        made_archive_file(&r->made, path, &i, sizeof(i));
    }
    made_archive_close(&r->made);
    assert_int_equal(archive_tree_open(&r->tree, r->made.path, &r->progress, &r->err), 0);
    assert_int_equal(archive_tree_read(&r->tree, &layout, ARCHIVE_TREE_DIRS, &r->err), 0);
}

static int
set_up(void **state)
{
    struct rig *r = xcalloc(1, sizeof(*r));

    fake_depot_init(&r->depot, 5);
    progress_init(&r->progress, "test", "read", false, true);
    make_archive(r);
    *state = r;
    return 0;
}

static int
tear_down(void **state)
{
    struct rig *r = *state;

    changes_fini(&r->changes);
    archive_tree_close(&r->tree);
    made_archive_fini(&r->made);
    fake_depot_fini(&r->depot);
    buf_fini(&r->seen);
    free(r);
    return 0;
}

static void
begin(struct rig *r, const struct digest *old, const struct digest *new)
{
    changes_init(&r->changes, ALG, old, new, 2);
    r->changes.depot = &r->depot.base;
}

static void
note(struct rig *r, const struct diff_item *item)
{
    if (item->kind == DIFF_FAILED)
        buf_printf(&r->seen, "%s failed %d\n", item->path, item->errnum);
    else
        buf_printf(&r->seen, "%s %s\n", item->path,
                   !item->old   ? "added"
                   : !item->new ? "removed"
                                : "changed");
}

static int
run(struct rig *r)
{
    const struct diff_item *item;
    int rc;

    while ((rc = changes_next(&r->changes, &item, &r->err)) == 0 && item->kind != DIFF_END)
        note(r, item);
    return rc;
}

static void
two_trees_of_a_depot_are_compared_with_many_loads_at_a_time(void **state)
{
    AUTO(free) char *all = xmalloc(DIRS + 1);
    struct rig *r = *state;
    struct digest old, new;
    char *end;

    memset(all, 'x', DIRS);
    all[DIRS] = '\0';
    make_tree(&r->depot.store, "", &old);
    make_tree(&r->depot.store, all, &new);
    begin(r, &old, &new);
    assert_int_equal(run(r), 0);
    assert_int_equal(strncmp(buf_str(&r->seen), "d00/key changed\nd01/key changed\n", 32), 0);
    end = r->seen.data + r->seen.size - 16;
    assert_string_equal(end, "d39/key changed\n");
    assert_int_equal(r->depot.loads, 2 + 2 * DIRS);
    assert_true(r->depot.most > 20 && r->depot.most <= 64);
}

static void
what_both_have_is_not_loaded(void **state)
{
    struct rig *r = *state;
    struct digest old, new;

    make_tree(&r->depot.store, "", &old);
    make_tree(&r->depot.store, "..x.x", &new);
    begin(r, &old, &new);
    assert_int_equal(run(r), 0);
    assert_string_equal(buf_str(&r->seen), "d02/key changed\nd04/key changed\n");
    assert_int_equal(r->depot.loads, 2 + 2 * 2);
}

static void
the_directories_of_an_archive_need_no_load(void **state)
{
    struct rig *r = *state;
    struct digest new;

    make_tree(&r->depot.store, "x", &new);
    begin(r, &r->tree.result.root, &new);
    r->changes.trees[0] = &r->tree;
    assert_int_equal(run(r), 0);
    assert_string_equal(buf_str(&r->seen), "d00/key changed\n");
    assert_int_equal(r->depot.loads, 2); // the other root, and the other d00
}

static void
two_archives_need_no_depot(void **state)
{
    struct rig *r = *state;

    changes_init(&r->changes, ALG, NULL, &r->tree.result.root, 2);
    r->changes.trees[1] = &r->tree;
    assert_int_equal(run(r), 0);
    assert_int_equal(strncmp(buf_str(&r->seen), "d00/key added\nd00/same added\n", 29), 0);
    assert_int_equal(r->depot.loads, 0);
}

static bool
find_spare(void *arg, const struct digest *d, const void **ret_data, size_t *ret_size)
{
    struct rig *r = arg;

    return archive_tree_find(&r->tree, d, ret_data, ret_size);
}

static void
what_the_depot_has_lost_is_asked_for_elsewhere(void **state)
{
    struct rig *r = *state;
    struct digest old, new;

    make_tree(&r->depot.store, "", &old);
    make_tree(&r->depot.store, "x", &new);
    memstore_remove(&r->depot.store, &old);
    begin(r, &old, &new);
    r->changes.spare = find_spare;
    r->changes.spare_arg = r;
    assert_int_equal(run(r), 0);
    assert_string_equal(buf_str(&r->seen), "d00/key changed\n");
}

static void
what_nobody_has_has_failed(void **state)
{
    struct rig *r = *state;
    struct digest old, new;

    make_tree(&r->depot.store, "", &old);
    make_tree(&r->depot.store, "x", &new);
    memstore_remove(&r->depot.store, &new);
    begin(r, &old, &new);
    r->changes.spare = find_spare;
    r->changes.spare_arg = r;
    assert_int_equal(run(r), 0);
    assert_string_equal(buf_str(&r->seen), " failed -2\n");
}

static void
a_depot_that_is_gone_ends_the_comparison(void **state)
{
    struct rig *r = *state;
    struct digest old, new;

    make_tree(&r->depot.store, "", &old);
    make_tree(&r->depot.store, "x", &new);
    r->depot.is_lost = true;
    begin(r, &old, &new);
    assert_int_equal(run(r), -ECONNRESET);
    assert_int_equal(r->seen.size, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(two_trees_of_a_depot_are_compared_with_many_loads_at_a_time,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_both_have_is_not_loaded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_directories_of_an_archive_need_no_load, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(two_archives_need_no_depot, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_the_depot_has_lost_is_asked_for_elsewhere, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_nobody_has_has_failed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_depot_that_is_gone_ends_the_comparison, set_up,
                                        tear_down),
    };

    setlocale(LC_CTYPE, "C.UTF-8");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
