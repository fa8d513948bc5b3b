/* SPDX-License-Identifier: MPL-2.0 */
#include "wiretest.h"
#include "blobref.h"

#include <errno.h>

static const char sha1_of_abc[] = "sha1-a9993e364706816aba3e25717850c26c9cd0d89d";

static void
text_and_digest_lead_to_each_other(void **state UNUSED)
{
    for (enum digest_alg alg = DIGEST_BLAKE2B; alg <= DIGEST_SHA1; alg++) {
        char text[BLOBREF_MAX];
        enum digest_alg got_alg;
        struct digest d;
        struct digest got;

        digest_compute(alg, "x", 1, &d);
        assert_ptr_equal(blobref_format(alg, &d, text), text);
        assert_true(strlen(text) < BLOBREF_MAX);
        assert_int_equal(blobref_parse(text, &got_alg, &got), 0);
        assert_int_equal(got_alg, alg);
        assert_true(digest_equal(&got, &d));
    }
}

/* Every single character replaced by every other one: either refused or another digest. */
static void
no_two_texts_mean_the_same_digest(void **state UNUSED)
{
    struct digest want;
    struct digest got;
    enum digest_alg alg;
    char text[sizeof(sha1_of_abc)];

    assert_int_equal(blobref_parse(sha1_of_abc, &alg, &want), 0);
    for (size_t i = 0; i < sizeof(text) - 1; i++) {
        for (unsigned c = 0; c < 256; c++) {
            memcpy(text, sha1_of_abc, sizeof(text));
            text[i] = (char)c;
            if (memcmp(text, sha1_of_abc, sizeof(text)) == 0)
                continue;
            if (blobref_parse_n(text, sizeof(text) - 1, &alg, &got) == 0)
                assert_false(digest_equal(&got, &want));
            else
                assert_true(i < 5 || !strchr("0123456789abcdef", (int)c) || c == 0);
        }
    }
}

static void
length_must_be_exact(void **state UNUSED)
{
    size_t len = strlen(sha1_of_abc);
    enum digest_alg alg;
    struct digest d;
    char longer[sizeof(sha1_of_abc) + 2];

    snprintf(longer, sizeof(longer), "%s00", sha1_of_abc);
    for (size_t n = 0; n <= len + 2; n++)
        assert_int_equal(blobref_parse_n(longer, n, &alg, &d), n == len ? 0 : -EINVAL);
    assert_int_equal(blobref_parse(longer, &alg, &d), -EINVAL);
}

static void
nul_in_the_name_is_refused(void **state UNUSED)
{
    static const char text[] = "sha1\0-a9993e364706816aba3e25717850c26c9cd0d89d";
    enum digest_alg alg;
    struct digest d;

    assert_int_equal(blobref_parse_n(text, sizeof(text) - 1, &alg, &d), -EINVAL);
}

static void
other_forms_are_refused(void **state UNUSED)
{
    static const char *const bad[] = {
        "",
        "-",
        "sha1",
        "sha1-",
        "-a9993e364706816aba3e25717850c26c9cd0d89d",
        "sha1-A9993E364706816ABA3E25717850C26C9CD0D89D",
        "sha1:a9993e364706816aba3e25717850c26c9cd0d89d",
        " sha1-a9993e364706816aba3e25717850c26c9cd0d89d",
        "sha256-a9993e364706816aba3e25717850c26c9cd0d89d",
        "sha1--9993e364706816aba3e25717850c26c9cd0d89d",
        "a-very-long-algorithm-name-that-nobody-has-a9993e364706816aba3e25717850c26c9cd0d89d",
    };
    enum digest_alg alg;
    struct digest d;

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(blobref_parse(bad[i], &alg, &d), -EINVAL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_and_digest_lead_to_each_other),
        cmocka_unit_test(no_two_texts_mean_the_same_digest),
        cmocka_unit_test(length_must_be_exact),
        cmocka_unit_test(nul_in_the_name_is_refused),
        cmocka_unit_test(other_forms_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
