/* SPDX-License-Identifier: MPL-2.0 */
/* test_bench_data.c - numbered blobs and keys differ where they must. */
#include "bench_data.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#define SIZE 100
#define COUNT 300

static void
blobs_differ_from_number_to_number(void **state UNUSED)
{
    static uint8_t blobs[COUNT][SIZE];
    struct bench_data d;

    bench_data_init(&d, SIZE, COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        bench_data_fill(&d, blobs[i]);
        bench_data_stamp(&d, i, blobs[i]);
        for (size_t k = 0; k < i; k++)
            assert_memory_not_equal(blobs[i], blobs[k], SIZE);
    }
    bench_data_fini(&d);
}

static void
a_blob_is_known_by_its_number(void **state UNUSED)
{
    uint8_t blob[SIZE];
    struct bench_data d;

    bench_data_init(&d, SIZE, COUNT);
    bench_data_fill(&d, blob);
    bench_data_stamp(&d, 7, blob);
    assert_true(bench_data_is(&d, 7, blob, SIZE));
    assert_false(bench_data_is(&d, 8, blob, SIZE));
    assert_false(bench_data_is(&d, 7, blob, SIZE - 1));
    assert_false(bench_data_is(&d, 7, blob, 0));
    bench_data_fini(&d);
}

static void
no_run_has_the_blobs_or_keys_of_another(void **state UNUSED)
{
    char key_a[BENCH_KEY_MAX], key_b[BENCH_KEY_MAX];
    struct bench_data a, b;

    bench_data_init(&a, SIZE, COUNT);
    bench_data_init(&b, SIZE, COUNT);
    assert_memory_not_equal(a.noise, b.noise, SIZE);
    assert_string_not_equal(bench_data_dir(&a, key_a), bench_data_dir(&b, key_b));
    bench_data_fini(&a);
    bench_data_fini(&b);
}

static void
the_smallest_blob_is_a_stamp(void **state UNUSED)
{
    uint8_t blob[BENCH_DATA_MIN];
    struct bench_data d;

    bench_data_init(&d, sizeof(blob), 1);
    bench_data_fill(&d, blob);
    bench_data_stamp(&d, 0, blob);
    assert_true(bench_data_is(&d, 0, blob, sizeof(blob)));
    bench_data_fini(&d);
}

static void
keys_fill_small_directories_below_one(void **state UNUSED)
{
    struct bench_data d = {.base = 0xabc, .size = SIZE};
    char key[BENCH_KEY_MAX];

    assert_string_equal(bench_data_dir(&d, key), "xylem-bench-0000000000000abc");
    assert_string_equal(bench_data_key(&d, 0, key), "xylem-bench-0000000000000abc.0.0");
    assert_string_equal(bench_data_key(&d, 255, key), "xylem-bench-0000000000000abc.0.255");
    assert_string_equal(bench_data_key(&d, 256, key), "xylem-bench-0000000000000abc.1.0");
    assert_true(strlen(bench_data_key(&d, UINT64_MAX, key)) < BENCH_KEY_MAX - 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blobs_differ_from_number_to_number),
        cmocka_unit_test(a_blob_is_known_by_its_number),
        cmocka_unit_test(no_run_has_the_blobs_or_keys_of_another),
        cmocka_unit_test(the_smallest_blob_is_a_stamp),
        cmocka_unit_test(keys_fill_small_directories_below_one),
    };

    return cmocka_run_group_tests_name("bench_data", tests, NULL, NULL);
}
