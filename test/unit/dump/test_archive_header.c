/* SPDX-License-Identifier: MPL-2.0 */
/* A header comes back as it was; one that is damaged or of another version is an error. */
#include "archive_header.h"
#include "tar_block.h"
#include "xmem.h"

#include "cmocka_all.h"

#include <errno.h>

static struct archive_header
make_header(void)
{
    struct archive_header h = {
        .kind = ARCHIVE_PARTIAL,
        .alg = DIGEST_SHA256,
        .ns = xstrdup("job-1"),
        .has_sequence = true,
        .sequence = 1234567890123,
        .maxdirent = 1024,
        .blob_size_limit = 1048576,
        .prefix = xstrdup("a.b\"größe"),
        .is_exact = true,
    };

    memset(h.root.bytes, 0xa5, sizeof(h.root.bytes));
    return h;
}

static void
a_header_comes_back(void **state UNUSED)
{
    AUTO(buf) struct buf out = BUF_INIT;
    struct archive_header h = make_header();
    struct archive_header got;

    archive_header_encode(&h, &out, &h.digest);
    assert_int_equal(archive_header_decode(out.data, out.size, &got, NULL), 1);
    assert_int_equal(got.kind, h.kind);
    assert_int_equal(got.alg, h.alg);
    assert_true(digest_equal(&got.root, &h.root));
    assert_string_equal(got.ns, h.ns);
    assert_true(got.has_sequence);
    assert_int_equal(got.sequence, h.sequence);
    assert_int_equal(got.maxdirent, h.maxdirent);
    assert_int_equal(got.blob_size_limit, h.blob_size_limit);
    assert_string_equal(got.prefix, h.prefix);
    assert_true(got.is_exact);
    archive_header_fini(&got);
    archive_header_fini(&h);
}

static void
what_is_not_told_is_not_there(void **state UNUSED)
{
    AUTO(buf) struct buf out = BUF_INIT;
    struct archive_header h = {.blob_size_limit = 1};
    struct archive_header got;

    archive_header_encode(&h, &out, &h.digest);
    assert_int_equal(archive_header_decode(out.data, out.size, &got, NULL), 1);
    assert_null(got.ns);
    assert_null(got.prefix);
    assert_false(got.has_sequence);
    assert_false(got.is_exact);
    archive_header_fini(&got);
}

static void
an_incremental_archive_says_since_when(void **state UNUSED)
{
    AUTO(buf) struct buf out = BUF_INIT;
    struct archive_header h = {
        .kind = ARCHIVE_INCREMENTAL, .alg = DIGEST_SHA1, .blob_size_limit = 1};
    struct archive_header got;

    h.since.bytes[0] = 7;
    archive_header_encode(&h, &out, &h.digest);
    assert_int_equal(archive_header_decode(out.data, out.size, &got, NULL), 1);
    assert_true(digest_equal(&got.since, &h.since));
    archive_header_fini(&got);
}

static int
decode_text(const char *comment, struct err *err)
{
    AUTO(buf) struct buf out = BUF_INIT;
    struct archive_header got;
    int rc;

    tar_add_comment(comment, &out);
    rc = archive_header_decode(out.data, out.size, &got, err);
    if (rc == 1)
        archive_header_fini(&got);
    return rc;
}

#define REF "blake2b-0000000000000000000000000000000000000000000000000000000000000000"
#define REST "\"hash\":\"blake2b\",\"root\":\"" REF "\",\"maxdirent\":0,\"blob_size_limit\":"

static void
damaged_headers_are_errors(void **state UNUSED)
{
    static const char *const damaged[] = {
        "xylem-archive ",
        "xylem-archive {",
        "xylem-archive []",
        "xylem-archive {}",
        "xylem-archive {\"version\":1}",
        "xylem-archive {\"version\":1,\"kind\":\"odd\"," REST "1}",
        "xylem-archive {\"version\":1,\"kind\":\"full\"," REST "0}",
        "xylem-archive {\"version\":1,\"kind\":\"full\"," REST "9223372036854775807}",
        "xylem-archive {\"version\":1,\"kind\":\"full\"," REST "-1}",
        "xylem-archive {\"version\":1,\"kind\":\"full\"," REST "\"1\"}",
        "xylem-archive {\"version\":1,\"kind\":\"incremental\"," REST "1}",
        "xylem-archive {\"version\":1,\"kind\":\"incremental\"," REST "1,\"since\":7}",
        "xylem-archive {\"version\":1,\"kind\":\"incremental\"," REST "1,\"since\":\"blake2b-00\"}",
    };
    struct err err = {0};

    for (size_t i = 0; i < ARRAY_SIZE(damaged); i++)
        assert_int_equal(decode_text(damaged[i], NULL), -EPROTO);
    assert_int_equal(decode_text("xylem-archive {\"version\":1,\"kind\":\"full\"," REST "1}", NULL),
                     1);
    assert_int_equal(decode_text("xylem-archive {\"version\":1,\"kind\":\"full\",\"new\":[]"
                                 ",\"since\":7," REST "1}",
                                 NULL),
                     1);
    assert_int_equal(decode_text("xylem-archive {\"version\":2}", &err), -EPROTO);
    assert_non_null(strstr(err.text, "version 2"));
    assert_int_equal(decode_text("somebody else's", NULL), 0);
    assert_int_equal(archive_header_decode("", 0, NULL, NULL), 0);
}

static void
an_end_comes_back_from_the_last_bytes(void **state UNUSED)
{
    const struct archive_end e = {UINT64_C(1) << 60, UINT64_C(1) << 62, 3,          true,
                                  DIGEST_SHA1,       {{4, 5, 6}},       {{7, 8, 9}}};
    AUTO(buf) struct buf out = BUF_INIT;
    struct archive_end got;

    archive_end_encode(&e, &out);
    assert_int_equal(out.size, ARCHIVE_END_SIZE);
    assert_int_equal(archive_end_decode(out.data, out.size, &got), 0);
    assert_int_equal(got.keys, e.keys);
    assert_int_equal(got.bytes, e.bytes);
    assert_int_equal(got.failed, 3);
    assert_true(got.is_exact);
    assert_int_equal(got.alg, DIGEST_SHA1);
    assert_int_equal(got.header.bytes[1], 5);
    assert_true(digest_equal(&got.content, &e.content));
    for (size_t size = 0; size < out.size; size += 64)
        assert_int_equal(archive_end_decode(out.data, size, &got), -ENOENT);
    memset(out.data, 0, out.size);
    assert_int_equal(archive_end_decode(out.data, out.size, &got), -ENOENT);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_header_comes_back),
        cmocka_unit_test(what_is_not_told_is_not_there),
        cmocka_unit_test(an_incremental_archive_says_since_when),
        cmocka_unit_test(damaged_headers_are_errors),
        cmocka_unit_test(an_end_comes_back_from_the_last_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
