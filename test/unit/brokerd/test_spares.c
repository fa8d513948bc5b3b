/* SPDX-License-Identifier: MPL-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "spares.h"

#define SIZE 40

static void
the_last_one_given_is_taken_first(void **state UNUSED)
{
    struct spares s = {NULL, 0};
    void *a = spares_take(&s, SIZE);
    void *b = spares_take(&s, SIZE);
    unsigned kept = MIN(2u, (unsigned)SPARES_MAX);

    assert_ptr_not_equal(a, b);
    spares_give(&s, a);
    spares_give(&s, b);
    assert_int_equal(s.count, kept);
    if (kept == 2) {
        assert_ptr_equal(spares_take(&s, SIZE), b);
        assert_ptr_equal(spares_take(&s, SIZE), a);
        assert_null(s.first);
        spares_give(&s, b);
        spares_give(&s, a);
    }
    spares_fini(&s);
    assert_int_equal(s.count, 0);
    assert_null(s.first);
}

static void
no_more_than_a_few_are_kept(void **state UNUSED)
{
    struct spares s = {NULL, 0};
    void *all[SPARES_MAX + 10];

    for (size_t i = 0; i < ARRAY_SIZE(all); i++)
        all[i] = spares_take(&s, SIZE);
    for (size_t i = 0; i < ARRAY_SIZE(all); i++)
        spares_give(&s, all[i]);
    assert_int_equal(s.count, SPARES_MAX);
    spares_fini(&s);
    assert_int_equal(s.count, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_one_given_is_taken_first),
        cmocka_unit_test(no_more_than_a_few_are_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
