/* SPDX-License-Identifier: MPL-2.0 */
/* Stores are pipelined within bounds, and every completion comes exactly once. */
#include "fake_depot.h"
#include "upload.h"
#include "xmem.h"

#include "cmocka_all.h"

#define BLOBS 1000

static struct digest stored[BLOBS];
static unsigned completed[BLOBS];
static unsigned failed;

static void
on_stored(void *arg, size_t index, const struct digest *d)
{
    assert_ptr_equal(arg, stored);
    completed[index]++;
    if (d)
        stored[index] = *d;
    else
        failed++;
}

/* Store BLOBS numbers; returns how many were taken. */
static size_t
store_numbers(struct upload *u)
{
    memset(completed, 0, sizeof(completed));
    failed = 0;
    for (size_t i = 0; i < BLOBS; i++) {
        if (upload_store(u, &i, sizeof(i), on_stored, stored, i, NULL) < 0)
            return i;
    }
    return BLOBS;
}

static void
every_blob_gets_its_own_digest(void **state UNUSED)
{
    for (size_t maxreqs = 1; maxreqs <= 256; maxreqs *= 4) {
        struct upload u;
        struct fake_depot x;

        fake_depot_init(&x, (unsigned)maxreqs);
        upload_init(&u, &x.base, ALG, maxreqs);
        assert_int_equal(store_numbers(&u), BLOBS);
        assert_int_equal(upload_finish(&u, NULL), 0);
        for (size_t i = 0; i < BLOBS; i++) {
            struct digest expected;

            digest_compute(ALG, &i, sizeof(i), &expected);
            assert_int_equal(completed[i], 1);
            assert_true(digest_equal(&expected, &stored[i]));
        }
        assert_int_equal(x.most, maxreqs);
        upload_fini(&u);
        fake_depot_fini(&x);
    }
}

static void
large_blobs_are_bounded_in_bytes(void **state UNUSED)
{
    size_t size = 20 << 20;
    AUTO(free) char *data = xcalloc(1, size);
    struct upload u;
    struct fake_depot x;

    fake_depot_init(&x, 1);
    upload_init(&u, &x.base, ALG, 256);
    for (int i = 0; i < 5; i++)
        assert_int_equal(upload_store(&u, data, size, NULL, NULL, 0, NULL), 0);
    assert_int_equal(upload_finish(&u, NULL), 0);
    assert_int_equal(x.most, 3);
    upload_fini(&u);
    fake_depot_fini(&x);
}

static void
a_failure_stops_and_is_told(void **state UNUSED)
{
    struct err err = {0};
    struct upload u;
    size_t taken, total = 0;
    struct fake_depot x;

    fake_depot_init(&x, 5);
    x.fail_store = 500;
    upload_init(&u, &x.base, ALG, 16);
    taken = store_numbers(&u);
    assert_true(taken >= 500 && taken < 500 + 32);
    assert_int_equal(upload_finish(&u, &err), -ENOSPC);
    assert_non_null(strstr(err.text, err_name(ENOSPC)));
    for (size_t i = 0; i < BLOBS; i++)
        total += completed[i];
    assert_int_equal(total, taken);
    assert_int_equal(failed, 1);
    upload_fini(&u);
    fake_depot_fini(&x);
}

static void
a_lost_rank_ends_the_waiting(void **state UNUSED)
{
    struct err err = {0};
    struct upload u;
    struct fake_depot x;

    fake_depot_init(&x, 5);
    x.is_lost = true;
    upload_init(&u, &x.base, ALG, 16);
    assert_int_equal(store_numbers(&u), 16);
    assert_int_equal(upload_finish(&u, &err), -ECONNRESET);
    upload_fini(&u);
    fake_depot_fini(&x);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_blob_gets_its_own_digest),
        cmocka_unit_test(large_blobs_are_bounded_in_bytes),
        cmocka_unit_test(a_failure_stops_and_is_told),
        cmocka_unit_test(a_lost_rank_ends_the_waiting),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
