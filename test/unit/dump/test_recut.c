/* SPDX-License-Identifier: MPL-2.0 */
/* A value is told from others by what a restore would make of its bytes, however they come. */
#include "recut.h"
#include "memstore.h"
#include "xmem.h"

#include "cmocka_all.h"

#define BLOB_SIZE 100

static void
fill(char *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        data[i] = (char)(i * 7 + i / 256);
}

/* What a restore makes of them. */
static struct treeobj *
make_known(const char *data, size_t size)
{
    struct digest refs[16];
    size_t count = 0;

    if (size <= 54)
        return treeobj_new_val(data, size);
    for (size_t at = 0; at < size; at += BLOB_SIZE)
        digest_compute(ALG, data + at, MIN(size - at, (size_t)BLOB_SIZE), &refs[count++]);
    return treeobj_new_valref(refs, count);
}

/* In pieces of `piece` bytes. */
static bool
is_same(const struct treeobj *known, const char *data, size_t size, size_t piece)
{
    struct recut r;
    bool same;

    recut_init(&r, ALG, BLOB_SIZE, known);
    for (size_t at = 0; at < size; at += piece)
        recut_add(&r, data + at, MIN(size - at, piece));
    same = recut_is_same(&r);
    recut_fini(&r);
    return same;
}

static void
the_pieces_do_not_matter(void **state UNUSED)
{
    static const size_t sizes[] = {0, 1, 54, 55, 99, 100, 101, 200, 201, 1000, 1234};
    static const size_t pieces[] = {1, 7, 54, 100, 101, 250, 5000};
    char data[1300];

    fill(data, sizeof(data));
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        AUTO(treeobj) struct treeobj *known = make_known(data, sizes[i]);

        for (size_t j = 0; j < ARRAY_SIZE(pieces); j++)
            assert_true(is_same(known, data, sizes[i], pieces[j]));
    }
}

static void
every_other_value_is_another_one(void **state UNUSED)
{
    static const size_t sizes[] = {1, 54, 55, 100, 200, 250};
    char data[300], other[300];

    fill(data, sizeof(data));
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        AUTO(treeobj) struct treeobj *known = make_known(data, sizes[i]);

        assert_false(is_same(known, data, sizes[i] - 1, 30)); // one byte less
        assert_false(is_same(known, data, sizes[i] + 1, 30)); // one more
        assert_false(is_same(known, data, sizes[i] + 50, 300));
        for (size_t at = 0; at < sizes[i]; at += 9) { // one that is different
            memcpy(other, data, sizeof(other));
            other[at]++;
            assert_false(is_same(known, other, sizes[i], 30));
        }
    }
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) { // nothing at all
        AUTO(treeobj) struct treeobj *known = make_known(data, sizes[i]);

        assert_false(is_same(known, data, 0, 1));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_pieces_do_not_matter),
        cmocka_unit_test(every_other_value_is_another_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
