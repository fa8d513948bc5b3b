/* SPDX-License-Identifier: MPL-2.0 */
/* What goes into a spool comes out, whether or not it fits into memory. */
#include "spool.h"
#include "xmem.h"

#include "cmocka_all.h"

#define LIMIT 1000

static void
fill(char *data, size_t size, unsigned seed)
{
    for (size_t i = 0; i < size; i++)
        data[i] = (char)(i * 31 + i / 251 + seed);
}

/* Add `size` bytes in pieces of `piece`, read them back, compare. */
static void
check_round_trip(struct spool *s, size_t size, size_t piece)
{
    AUTO(free) char *data = xmalloc(size + 1);
    const void *got;
    size_t n, at = 0;

    fill(data, size, (unsigned)piece);
    spool_reset(s);
    for (size_t i = 0; i < size; i += piece)
        assert_int_equal(spool_add(s, data + i, MIN(piece, size - i), NULL), 0);
    assert_int_equal(spool_size(s), size);
    while (spool_next(s, &got, &n, NULL) == 1) {
        assert_true(n > 0 && at + n <= size);
        assert_memory_equal(got, data + at, n);
        at += n;
    }
    assert_int_equal(at, size);
}

static void
content_comes_back_at_every_size(void **state UNUSED)
{
    static const size_t sizes[] = {0, 1, 999, 1000, 1001, 1999, 2000, 300000, 900001};
    static const size_t pieces[] = {100000, 1000, 333};
    AUTO(spool) struct spool s;

    spool_init(&s, LIMIT);
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        for (size_t j = 0; j < ARRAY_SIZE(pieces); j++)
            check_round_trip(&s, sizes[i], pieces[j]);
    }
}

static void
small_content_needs_no_file(void **state UNUSED)
{
    AUTO(spool) struct spool s;

    spool_init(&s, LIMIT);
    check_round_trip(&s, LIMIT, 10);
    assert_int_equal(s.fd, -1);
}

static void
memory_stays_within_the_limit_and_a_window(void **state UNUSED)
{
    AUTO(spool) struct spool s;

    spool_init(&s, LIMIT);
    check_round_trip(&s, 4 << 20, 65536);
    assert_true(s.fd >= 0);
    assert_true(s.memory.capacity < 1 << 20);
}

static void
missing_directory_is_named(void **state UNUSED)
{
    AUTO(spool) struct spool s;
    struct err err = {0};
    char data[LIMIT + 1] = {0};

    setenv("TMPDIR", "/nonexistent/dir", 1);
    spool_init(&s, LIMIT);
    assert_int_equal(spool_add(&s, data, sizeof(data), &err), -ENOENT);
    unsetenv("TMPDIR");
    assert_non_null(strstr(err.text, "/nonexistent/dir"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(content_comes_back_at_every_size),
        cmocka_unit_test(small_content_needs_no_file),
        cmocka_unit_test(memory_stays_within_the_limit_and_a_window),
        cmocka_unit_test(missing_directory_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
