/* SPDX-License-Identifier: MPL-2.0 */
#include "cmocka_all.h"

#include "blobref.h"
#include "kvs_json.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define ALG DIGEST_SHA1
#define REF "sha1-000102030405060708090a0b0c0d0e0f10111213"

static struct store_root
make_root(void)
{
    struct store_root root = {.name = "job-7", .owner = 1000, .sequence = INT64_C(1) << 40};
    enum digest_alg alg;

    assert_int_equal(blobref_parse(REF, &alg, &root.root), 0);
    return root;
}

static void
root_has_the_members_of_flux_and_its_epoch(void **state UNUSED)
{
    AUTO(buf) struct buf text = BUF_INIT;
    struct store_root root = make_root();

    kvs_json_encode_root(ALG, &root, &text);
    assert_string_equal(buf_str(&text),
                        "{\"owner\":1000,\"rootseq\":1099511627776,\"rootref\":\"" REF
                        "\",\"flags\":0,\"namespace\":\"job-7\",\"epoch\":0}");
    buf_reset(&text);
    kvs_json_encode_version(ALG, &root, &text);
    assert_string_equal(buf_str(&text), "{\"rootref\":\"" REF "\",\"rootseq\":1099511627776}");
}

static void
root_decodes_to_itself(void **state UNUSED)
{
    AUTO(buf) struct buf text = BUF_INIT;
    struct store_root root = make_root();
    struct store_root got = {0};

    kvs_json_encode_root(ALG, &root, &text);
    assert_int_equal(kvs_json_decode_root(ALG, buf_str(&text), NULL, &got), 0);
    assert_string_equal(got.name, "job-7");
    assert_int_equal(got.owner, 1000);
    assert_true(got.sequence == root.sequence);
    assert_true(digest_equal(&got.root, &root.root));
}

static void
version_takes_its_namespace_from_the_caller(void **state UNUSED)
{
    static const char text[] = "{\"rootref\":\"" REF "\",\"rootseq\":3}";
    struct store_root got = {0};

    assert_int_equal(kvs_json_decode_root(ALG, text, "mine", &got), 0);
    assert_string_equal(got.name, "mine");
    assert_int_equal(got.sequence, 3);
    assert_int_equal(kvs_json_decode_root(ALG, text, NULL, &got), -EPROTO);
}

static void
malformed_roots_are_refused(void **state UNUSED)
{
    static const char *const texts[] = {
        NULL,
        "",
        "[]",
        "{}",
        "{\"rootref\":\"" REF "\"}",
        "{\"rootseq\":3}",
        "{\"rootref\":7,\"rootseq\":3}",
        "{\"rootref\":\"" REF "\",\"rootseq\":\"3\"}",
        "{\"rootref\":\"" REF "00\",\"rootseq\":3}",
        "{\"rootref\":\"sha256-0001020304050607080900010203040506070809000102030405060708090001\","
        "\"rootseq\":3}",
        "{\"rootref\":\"" REF "\",\"rootseq\":3,\"namespace\":7}",
        "{\"rootref\":\"" REF "\",\"rootseq\":3,\"owner\":\"me\"}",
    };
    struct store_root got;

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        assert_int_equal(kvs_json_decode_root(ALG, texts[i], "ns", &got), -EPROTO);
}

static int
decode_long_namespace(size_t len)
{
    char name[100] = {0};
    char text[200];
    char got[STORE_NAMESPACE_MAX];

    memset(name, 'n', len);
    snprintf(text, sizeof(text), "{\"namespace\":\"%s\"}", name);
    return kvs_json_decode_namespace(text, got, NULL);
}

static void
namespace_and_sequence_are_read(void **state UNUSED)
{
    char ns[STORE_NAMESPACE_MAX];
    int64_t sequence;

    assert_int_equal(kvs_json_decode_namespace("{}", ns, NULL), 0);
    assert_string_equal(ns, "primary");
    assert_int_equal(
        kvs_json_decode_namespace("{\"namespace\":\"a\",\"rootseq\":9}", ns, &sequence), 0);
    assert_string_equal(ns, "a");
    assert_int_equal(sequence, 9);
    assert_int_equal(decode_long_namespace(STORE_NAMESPACE_MAX - 1), 0);
    assert_int_equal(decode_long_namespace(STORE_NAMESPACE_MAX), -EPROTO);
}

static void
malformed_namespaces_are_refused(void **state UNUSED)
{
    static const char *const texts[] = {NULL, "", "7", "{\"namespace\":7}", "{\"namespace\":null}"};
    char ns[STORE_NAMESPACE_MAX];
    int64_t sequence;

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        assert_int_equal(kvs_json_decode_namespace(texts[i], ns, NULL), -EPROTO);
    assert_int_equal(kvs_json_decode_namespace("{}", ns, &sequence), -EPROTO);
    assert_int_equal(kvs_json_decode_namespace("{\"rootseq\":\"1\"}", ns, &sequence), -EPROTO);
}

static void
lookup_asks_for_the_root_of_its_namespace(void **state UNUSED)
{
    struct lookup *l = NULL;

    assert_int_equal(
        kvs_json_decode_lookup(ALG, "{\"key\":\"a.b\",\"namespace\":\"ns\",\"flags\":0}", &l, NULL),
        0);
    assert_int_equal(lookup_step(l), LOOKUP_WANT_ROOT);
    assert_string_equal(lookup_namespace(l), "ns");
    lookup_free(&l);
    assert_int_equal(kvs_json_decode_lookup(ALG, "{\"key\":\"a\"}", &l, NULL), 0);
    assert_string_equal(lookup_namespace(l), "primary");
    lookup_free(&l);
}

static void
lookup_at_a_root_starts_there(void **state UNUSED)
{
    static const char text[] =
        "{\"key\":\"a\",\"rootdir\":{\"ver\":1,\"type\":\"dirref\",\"data\":[\"" REF "\"]}}";
    struct store_root root = make_root();
    struct lookup *l = NULL;
    size_t count;

    assert_int_equal(kvs_json_decode_lookup(ALG, text, &l, NULL), 0);
    assert_int_equal(lookup_step(l), LOOKUP_WANT_DIR);
    assert_true(digest_equal(&lookup_wanted(l, &count)[0], &root.root));
    lookup_free(&l);
}

/* WATCH and WAITCREATE are not a look-up's business: they are masked, not refused. */
static void
flags_of_a_watch_are_masked(void **state UNUSED)
{
    AUTO(treeobj) struct treeobj *dir = treeobj_new_dir();
    AUTO(treeobj) struct treeobj *result = NULL;
    struct store_root root = make_root();
    struct lookup *l = NULL;

    assert_int_equal(kvs_json_decode_lookup(ALG, "{\"key\":\"a\",\"flags\":12}", &l, NULL), 0);
    assert_int_equal(lookup_step(l), LOOKUP_WANT_ROOT);
    lookup_give_root(l, &root.root);
    assert_int_equal(lookup_step(l), LOOKUP_WANT_DIR);
    lookup_give_dir(l, dir);
    assert_int_equal(lookup_step(l), LOOKUP_DONE);
    assert_int_equal(lookup_result(l, &result, NULL), -ENOENT);
    lookup_free(&l);
}

static void
malformed_lookups_are_refused_with_text(void **state UNUSED)
{
    static const char *const texts[] = {
        NULL,
        "",
        "{",
        "{}",
        "{\"key\":7}",
        "{\"key\":\"a\",\"namespace\":[]}",
        "{\"key\":\"a\",\"flags\":\"1\"}",
        "{\"key\":\"a\",\"rootdir\":7}",
        "{\"key\":\"a\",\"rootdir\":{\"ver\":1,\"type\":\"dirref\",\"data\":[]}}",
        "{\"key\":\"a\",\"rootdir\":{\"ver\":1,\"type\":\"dir\",\"data\":{}}}",
        "{\"key\":\"a\",\"rootdir\":{\"ver\":1,\"type\":\"dirref\",\"data\":[\"sha1-00\"]}}",
    };

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct lookup *l = NULL;
        struct err err = {0};

        assert_int_equal(kvs_json_decode_lookup(ALG, texts[i], &l, &err), -EPROTO);
        assert_true(err.text[0] != '\0');
        assert_null(l);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(root_has_the_members_of_flux_and_its_epoch),
        cmocka_unit_test(root_decodes_to_itself),
        cmocka_unit_test(version_takes_its_namespace_from_the_caller),
        cmocka_unit_test(malformed_roots_are_refused),
        cmocka_unit_test(namespace_and_sequence_are_read),
        cmocka_unit_test(malformed_namespaces_are_refused),
        cmocka_unit_test(lookup_asks_for_the_root_of_its_namespace),
        cmocka_unit_test(lookup_at_a_root_starts_there),
        cmocka_unit_test(flags_of_a_watch_are_masked),
        cmocka_unit_test(malformed_lookups_are_refused_with_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
