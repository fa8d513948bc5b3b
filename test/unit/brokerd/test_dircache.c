/* SPDX-License-Identifier: MPL-2.0 */
#include "cmocka_all.h"

#include "dircache.h"

#include <stdio.h>

/* Directory i, with one entry of its own. */
static struct treeobj *
make_dir(int i, struct digest *ret)
{
    AUTO(buf) struct buf text = BUF_INIT;
    struct treeobj *dir = treeobj_new_dir();
    struct treeobj *val = treeobj_new_val(&i, sizeof(i));

    treeobj_dir_put(dir, "number", &val);
    treeobj_encode(DIGEST_BLAKE2B, dir, &text);
    digest_compute(DIGEST_BLAKE2B, text.data, text.size, ret);
    return dir;
}

static void
put(struct dircache *c, int i)
{
    struct digest d;
    AUTO(treeobj) struct treeobj *dir = make_dir(i, &d);

    dircache_put(c, &d, dir);
}

static bool
has(struct dircache *c, int i)
{
    struct digest d;
    struct treeobj *dir = make_dir(i, &d);

    treeobj_unref(&dir);
    return dircache_get(c, &d) != NULL;
}

/* What `count` directories are accounted with. */
static size_t
memory_of(int count)
{
    struct dircache *c = dircache_new(SIZE_MAX);
    size_t memory;

    for (int i = 0; i < count; i++)
        put(c, i);
    memory = dircache_memory(c);
    dircache_free(&c);
    return memory;
}

static void
directory_put_is_the_one_got(void **state UNUSED)
{
    struct dircache *c = dircache_new(1 << 20);
    struct digest d;
    struct treeobj *dir = make_dir(1, &d);
    const struct treeobj *same = dir;

    assert_null(dircache_get(c, &d));
    dircache_put(c, &d, dir);
    treeobj_unref(&dir);
    assert_ptr_equal(dircache_get(c, &d), same);
    assert_int_equal(treeobj_dir_count(same), 1);
    dircache_free(&c);
    assert_null(c);
}

static void
directory_put_twice_counts_once(void **state UNUSED)
{
    struct dircache *c = dircache_new(1 << 20);
    size_t memory;

    put(c, 1);
    memory = dircache_memory(c);
    assert_true(memory > 0);
    put(c, 1);
    assert_int_equal(dircache_memory(c), memory);
    dircache_free(&c);
}

static void
least_recently_used_goes_first(void **state UNUSED)
{
    struct dircache *c = dircache_new(memory_of(3));

    for (int i = 0; i < 3; i++)
        put(c, i);
    assert_true(has(c, 0));
    put(c, 3);
    assert_true(has(c, 0));
    assert_false(has(c, 1));
    assert_true(has(c, 2));
    assert_true(has(c, 3));
    assert_true(dircache_memory(c) <= memory_of(3));
    dircache_free(&c);
}

static void
newest_stays_even_when_it_is_too_large(void **state UNUSED)
{
    struct dircache *c = dircache_new(0);

    put(c, 1);
    assert_true(has(c, 1));
    put(c, 2);
    assert_false(has(c, 1));
    assert_true(has(c, 2));
    dircache_free(&c);
}

static void
memory_stays_within_the_limit(void **state UNUSED)
{
    size_t limit = memory_of(50);
    struct dircache *c = dircache_new(limit);

    for (int i = 0; i < 1000; i++) {
        put(c, i * 7 % 300);
        assert_true(dircache_memory(c) <= limit);
    }
    dircache_free(&c);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(directory_put_is_the_one_got),
        cmocka_unit_test(directory_put_twice_counts_once),
        cmocka_unit_test(least_recently_used_goes_first),
        cmocka_unit_test(newest_stays_even_when_it_is_too_large),
        cmocka_unit_test(memory_stays_within_the_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
