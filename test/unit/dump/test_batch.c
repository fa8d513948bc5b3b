/* SPDX-License-Identifier: MPL-2.0 */
/* Objects at any keys are yielded in order, their values loaded many at a time, batch after batch. */
#include "batch.h"
#include "fake_depot.h"
#include "xmem.h"

#include "cmocka_all.h"

#include <errno.h>
#include <stdio.h>

struct rig {
    struct fake_depot depot;
    struct batch batch;
    struct buf seen; // paths, those of a value of many pieces as often
    struct err err;
};

static int
set_up(void **state)
{
    struct rig *r = xcalloc(1, sizeof(*r));

    fake_depot_init(&r->depot, 9);
    batch_init(&r->batch, &r->depot.base, 2);
    *state = r;
    return 0;
}

static int
tear_down(void **state)
{
    struct rig *r = *state;

    batch_fini(&r->batch);
    fake_depot_fini(&r->depot);
    buf_fini(&r->seen);
    free(r);
    return 0;
}

static void
add_value(struct rig *r, const char *path, unsigned seed, size_t blobs, size_t size)
{
    AUTO(treeobj) struct treeobj *obj = memstore_value(&r->depot.store, seed, blobs, size);

    batch_add(&r->batch, path, obj);
}

static int
run(struct rig *r)
{
    const struct walk_item *item;
    int rc;

    buf_reset(&r->seen);
    while ((rc = batch_next(&r->batch, &item, &r->err)) == 0 && item->kind != WALK_END)
        buf_printf(&r->seen, "%s%s ", item->path,
                   item->kind == WALK_FAILED ? "!"
                   : item->kind == WALK_LINK ? "@"
                   : item->kind == WALK_DIR  ? "/"
                                             : "");
    return rc;
}

static void
what_was_added_comes_out_in_the_order_of_paths(void **state)
{
    AUTO(treeobj) struct treeobj *link = treeobj_new_symlink(NULL, "x");
    struct rig *r = *state;

    add_value(r, "a/b/c", 1, 2, 100);
    add_value(r, "a-b", 2, 0, 10);
    batch_add(&r->batch, "a/link", link);
    add_value(r, "a/b", 3, 1, 100); // as paths, not as names
    assert_int_equal(run(r), 0);
    assert_string_equal(buf_str(&r->seen), "a-b a/b a/b/c a/b/c a/link@ ");
    assert_int_equal(run(r), 0);
    assert_string_equal(buf_str(&r->seen), "");
    add_value(r, "again", 4, 1, 100);
    assert_int_equal(run(r), 0);
    assert_string_equal(buf_str(&r->seen), "again ");
}

static void
values_are_loaded_many_at_a_time(void **state)
{
    struct rig *r = *state;
    unsigned count;

    for (count = 0; count < 500; count++) {
        char path[32];

        snprintf(path, sizeof(path), "dir%u/key", count);
        add_value(r, path, count, 1, 200);
    }
    assert_int_equal(run(r), 0);
    assert_int_equal(r->depot.loads, count);
    assert_true(r->depot.most > 30 && r->depot.most <= 64);
}

static void
a_batch_is_full_at_some_time(void **state)
{
    struct rig *r = *state;
    size_t count = 0;

    for (; !batch_is_full(&r->batch); count++) {
        char path[32];

        snprintf(path, sizeof(path), "%zu", count);
        add_value(r, path, 1, 0, 10);
    }
    assert_true(count > 1000 && count < 10000);
    assert_int_equal(run(r), 0);
    assert_false(batch_is_full(&r->batch));
}

static void
a_value_that_is_lost_does_not_keep_the_others(void **state)
{
    struct rig *r = *state;
    AUTO(treeobj) struct treeobj *lost = memstore_value(&r->depot.store, 8, 3, 100);
    size_t count;

    memstore_remove(&r->depot.store, &treeobj_refs(lost, &count)[0]);
    batch_add(&r->batch, "lost", lost);
    add_value(r, "other", 1, 1, 100);
    assert_int_equal(run(r), 0);
    assert_string_equal(buf_str(&r->seen), "lost! other ");
    assert_int_equal(r->depot.count, 0); // nothing is under way that nobody waits for
}

static void
a_depot_that_is_gone_ends_it(void **state)
{
    struct rig *r = *state;

    add_value(r, "a", 1, 1, 100);
    r->depot.is_lost = true;
    assert_int_equal(run(r), -ECONNRESET);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_added_comes_out_in_the_order_of_paths, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(values_are_loaded_many_at_a_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_batch_is_full_at_some_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_value_that_is_lost_does_not_keep_the_others, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_depot_that_is_gone_ends_it, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
