/* SPDX-License-Identifier: MPL-2.0 */
/* The digest of the content is the same however the bytes come, and another one for other content. */
#include "content.h"
#include "xmem.h"

#include "cmocka_all.h"

#define ALG DIGEST_BLAKE2B
#define BLOB_SIZE 1000

static void
fill(char *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        data[i] = (char)(i * 7 + i / 256);
}

static struct digest
digest_pieces(const char *data, size_t size, size_t piece)
{
    struct content *c = content_new(ALG, BLOB_SIZE);
    struct digest d;

    content_begin_value(c, "a/b", size);
    for (size_t at = 0; at < size; at += piece)
        content_add_bytes(c, data + at, MIN(piece, size - at));
    content_end_value(c);
    content_finish(c, &d);
    content_free(&c);
    return d;
}

static struct digest
digest_refs(const char *data, size_t size)
{
    struct content *c = content_new(ALG, BLOB_SIZE);
    AUTO(free) struct digest *refs = xcalloc(size / BLOB_SIZE + 1, sizeof(*refs));
    struct digest d;
    size_t count = 0;

    for (size_t at = 0; at < size; at += BLOB_SIZE)
        digest_compute(ALG, data + at, MIN((size_t)BLOB_SIZE, size - at), &refs[count++]);
    content_add_refs(c, "a/b", refs, count);
    content_finish(c, &d);
    content_free(&c);
    return d;
}

static void
pieces_do_not_matter(void **state UNUSED)
{
    static const size_t sizes[] = {0, 1, 54, 55, 999, 1000, 1001, 2000, 4321};
    char data[5000];

    fill(data, sizeof(data));
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        struct digest whole = digest_pieces(data, sizes[i], sizeof(data));
        struct digest refs = digest_refs(data, sizes[i]);

        for (size_t piece = 1; piece < 1500; piece += 333) {
            struct digest d = digest_pieces(data, sizes[i], piece);

            assert_true(digest_equal(&d, &whole));
        }
        assert_int_equal(digest_equal(&refs, &whole), sizes[i] > 54);
    }
}

static void
every_byte_matters(void **state UNUSED)
{
    char data[2500];
    struct digest whole;

    fill(data, sizeof(data));
    whole = digest_pieces(data, sizeof(data), 77);
    for (size_t i = 0; i < sizeof(data); i += 50) {
        struct digest d;

        data[i] ^= 1;
        d = digest_pieces(data, sizeof(data), 77);
        assert_false(digest_equal(&d, &whole));
        data[i] ^= 1;
    }
}

/* kind 0: a value, 1: a link, 2: something else. */
static struct digest
digest_two(const char *path_a, int kind_a, const char *path_b, int kind_b)
{
    const char *const paths[] = {path_a, path_b};
    const int kinds[] = {kind_a, kind_b};
    struct content *c = content_new(ALG, BLOB_SIZE);
    struct digest d;

    for (size_t i = 0; i < 2; i++) {
        if (kinds[i] == 0) {
            content_begin_value(c, paths[i], 1);
            content_add_bytes(c, "x", 1);
            content_end_value(c);
        } else if (kinds[i] == 1) {
            content_add_link(c, paths[i], "x");
        } else {
            content_add_other(c, paths[i]);
        }
    }
    content_finish(c, &d);
    content_free(&c);
    return d;
}

static struct digest
digest_attribute(const char *name, const char *value)
{
    struct content *c = content_new(ALG, BLOB_SIZE);
    struct digest d;

    if (name)
        content_add_attribute(c, name, value, strlen(value));
    content_add_other(c, "a/");
    content_finish(c, &d);
    content_free(&c);
    return d;
}

static void
attributes_matter(void **state UNUSED)
{
    const struct digest all[] = {
        digest_attribute(NULL, NULL),  digest_attribute("a", ""),  digest_attribute("a", "b"),
        digest_attribute("a", "c"),    digest_attribute("b", "c"), digest_attribute("a", "bb"),
        digest_attribute("form", "a"),
    };

    for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
        for (size_t j = 0; j < i; j++)
            assert_false(digest_equal(&all[i], &all[j]));
    }
}

static void
names_kinds_and_order_matter(void **state UNUSED)
{
    const struct digest all[] = {
        digest_two("a", 0, "b", 0), digest_two("b", 0, "a", 0), digest_two("a", 1, "b", 0),
        digest_two("a", 0, "b", 1), digest_two("a", 0, "c", 0), digest_two("a", 2, "b", 0),
    };

    for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
        for (size_t j = 0; j < i; j++)
            assert_false(digest_equal(&all[i], &all[j]));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_do_not_matter),
        cmocka_unit_test(every_byte_matters),
        cmocka_unit_test(names_kinds_and_order_matter),
        cmocka_unit_test(attributes_matter),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
