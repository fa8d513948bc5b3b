/* SPDX-License-Identifier: MPL-2.0 */
#include "wiretest.h"
#include "blobref.h"

#include <errno.h>

static void
assert_digest(enum digest_alg alg, const char *text, const char *want)
{
    char ref[BLOBREF_MAX];
    struct digest d;

    digest_compute(alg, text, strlen(text), &d);
    assert_string_equal(blobref_format(alg, &d, ref), want);
}

static void
known_texts_have_their_published_digests(void **state UNUSED)
{
    assert_digest(DIGEST_BLAKE2B, "",
                  "blake2b-0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8");
    assert_digest(DIGEST_BLAKE2B, "abc",
                  "blake2b-bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319");
    assert_digest(DIGEST_SHA256, "",
                  "sha256-e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_digest(DIGEST_SHA256, "abc",
                  "sha256-ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_digest(DIGEST_SHA1, "", "sha1-da39a3ee5e6b4b0d3255bfef95601890afd80709");
    assert_digest(DIGEST_SHA1, "abc", "sha1-a9993e364706816aba3e25717850c26c9cd0d89d");
    /* The empty directory of every Flux instance. */
    assert_digest(DIGEST_SHA1, "{\"data\":{},\"type\":\"dir\",\"ver\":1}",
                  "sha1-c0a9faf907dda6216fd73bf81d0b3b21a1a8cb91");
}

static void
null_is_a_fine_empty_input(void **state UNUSED)
{
    for (enum digest_alg alg = DIGEST_BLAKE2B; alg <= DIGEST_SHA1; alg++) {
        struct digest a;
        struct digest b;

        digest_compute(alg, NULL, 0, &a);
        digest_compute(alg, "", 0, &b);
        assert_true(digest_equal(&a, &b));
    }
}

static void
stream_in_pieces_equals_one_piece(void **state UNUSED)
{
    uint64_t seed = 7;
    uint8_t bytes[5000];

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)draw(&seed);
    for (enum digest_alg alg = DIGEST_BLAKE2B; alg <= DIGEST_SHA1; alg++) {
        struct digest_stream *s = digest_stream_new(alg);
        struct digest want;
        struct digest got;

        for (size_t at = 0, n; at < sizeof(bytes); at += n) {
            n = MIN(draw_below(&seed, 300), sizeof(bytes) - at);
            digest_stream_add(s, bytes + at, n);
        }
        digest_stream_finish(&s, &got);
        assert_null(s);
        digest_compute(alg, bytes, sizeof(bytes), &want);
        assert_true(digest_equal(&want, &got));
    }
}

static void
abandoned_stream_needs_no_result(void **state UNUSED)
{
    struct digest_stream *s = digest_stream_new(DIGEST_SHA1);

    digest_stream_add(s, "abc", 3);
    digest_stream_finish(&s, NULL);
    assert_null(s);
}

static void
short_digest_is_padded_with_zeros(void **state UNUSED)
{
    static const uint8_t zeros[12];
    struct digest d;
    struct digest copy;

    memset(&d, 0xaa, sizeof(d));
    memset(&copy, 0xbb, sizeof(copy));
    digest_compute(DIGEST_SHA1, "abc", 3, &d);
    assert_memory_equal(d.bytes + 20, zeros, sizeof(zeros));
    assert_int_equal(digest_from_bytes(DIGEST_SHA1, d.bytes, 20, &copy), 0);
    assert_true(digest_equal(&d, &copy));
}

static void
raw_bytes_of_the_wrong_length_are_refused(void **state UNUSED)
{
    static const uint8_t bytes[40];
    struct digest d;

    for (enum digest_alg alg = DIGEST_BLAKE2B; alg <= DIGEST_SHA1; alg++) {
        for (size_t size = 0; size <= sizeof(bytes); size++) {
            int want = size == digest_size(alg) ? 0 : -EPROTO;

            assert_int_equal(digest_from_bytes(alg, bytes, size, &d), want);
        }
    }
}

static void
names_lead_back_to_algorithms(void **state UNUSED)
{
    enum digest_alg got;

    for (enum digest_alg alg = DIGEST_BLAKE2B; alg <= DIGEST_SHA1; alg++) {
        assert_int_equal(digest_alg_parse(digest_name(alg), &got), 0);
        assert_int_equal(got, alg);
    }
    assert_int_equal(digest_alg_parse("", &got), -EINVAL);
    assert_int_equal(digest_alg_parse("sha", &got), -EINVAL);
    assert_int_equal(digest_alg_parse("SHA1", &got), -EINVAL);
    assert_int_equal(digest_alg_parse("sha2567", &got), -EINVAL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_texts_have_their_published_digests),
        cmocka_unit_test(null_is_a_fine_empty_input),
        cmocka_unit_test(stream_in_pieces_equals_one_piece),
        cmocka_unit_test(abandoned_stream_needs_no_result),
        cmocka_unit_test(short_digest_is_padded_with_zeros),
        cmocka_unit_test(raw_bytes_of_the_wrong_length_are_refused),
        cmocka_unit_test(names_lead_back_to_algorithms),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
