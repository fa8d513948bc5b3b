/* SPDX-License-Identifier: MPL-2.0 */
#include "kvstest.h"
#include "json_text.h"

#include <jansson.h>

#define REF_A "sha1-a9993e364706816aba3e25717850c26c9cd0d89d"
#define EMPTY_DIR "{\"data\":{},\"type\":\"dir\",\"ver\":1}"

static struct digest
digest_of(const char *text)
{
    struct digest d;

    digest_compute(ALG, text, strlen(text), &d);
    return d;
}

static void
empty_dir_is_the_one_flux_knows(void **state UNUSED)
{
    struct treeobj *dir = treeobj_new_dir();
    struct digest d;
    struct blob *b = tree_empty_dir(ALG, &d);

    assert_json(dir, EMPTY_DIR);
    assert_int_equal(blob_size(b), 32);
    assert_memory_equal(blob_data(b), EMPTY_DIR, 32);
    assert_blobref(&d, "sha1-c0a9faf907dda6216fd73bf81d0b3b21a1a8cb91");
    blob_unref(&b);
    treeobj_unref(&dir);
}

static void
each_type_has_its_canonical_text(void **state UNUSED)
{
    struct digest abc = digest_of("abc");
    const struct digest two[] = {abc, abc};
    struct treeobj *dir = treeobj_new_dir();
    struct treeobj *entry = treeobj_new_valref(two, 2);

    treeobj_dir_put(dir, "b", &entry);
    entry = treeobj_new_symlink("ns", "a.b");
    treeobj_dir_put(dir, "c/\"", &entry);
    entry = new_val("1");
    treeobj_dir_put(dir, "a", &entry);
    entry = treeobj_new_symlink(NULL, "x");
    treeobj_dir_put(dir, "d", &entry);
    entry = treeobj_new_dirref(&abc);
    treeobj_dir_put(dir, "\xc3\xa4", &entry);
    assert_json(dir, "{\"data\":{"
                     "\"a\":{\"data\":\"MQ==\",\"type\":\"val\",\"ver\":1},"
                     "\"b\":{\"data\":[\"" REF_A "\",\"" REF_A "\"],\"type\":\"valref\",\"ver\":1},"
                     "\"c/\\\"\":{\"data\":{\"namespace\":\"ns\",\"target\":\"a.b\"},"
                     "\"type\":\"symlink\",\"ver\":1},"
                     "\"d\":{\"data\":{\"target\":\"x\"},\"type\":\"symlink\",\"ver\":1},"
                     "\"\xc3\xa4\":{\"data\":[\"" REF_A "\"],\"type\":\"dirref\",\"ver\":1}"
                     "},\"type\":\"dir\",\"ver\":1}");
    treeobj_unref(&dir);
}

/* Every character up to U+0800 and some further ones, in one string each. */
static void
strings_are_escaped_as_by_jansson(void **state UNUSED)
{
    static const char *const more[] = {"", "\xe2\x80\xa8", "\xf0\x9f\x8c\xb3", "a/b\\\"\x7f",
                                       "\b\f\n\r\t\x01\x1f x"};

    for (unsigned c = 1; c < 0x800 + ARRAY_SIZE(more); c++) {
        char one[3] = {(char)(c < 0x80 ? c : 0xc0 | c >> 6),
                       (char)(c < 0x80 ? 0 : 0x80 | (c & 63))};
        const char *text = c < 0x800 ? one : more[c - 0x800];
        struct buf ours = BUF_INIT;
        json_t *json = json_string(text);
        char *theirs = json_dumps(json, JSON_ENCODE_ANY | JSON_COMPACT);

        json_text_quote(text, &ours);
        assert_string_equal(buf_str(&ours), theirs);
        free(theirs);
        json_decref(json);
        buf_fini(&ours);
    }
}

static struct treeobj *
draw_leaf(uint64_t *seed)
{
    static const char *const targets[] = {"a.b", "x\"y\\z", "\xe2\x82\xac/\t", "."};
    char bytes[80];
    struct digest refs[3];

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)draw(seed);
    for (size_t i = 0; i < 3; i++)
        digest_compute(ALG, bytes, i + 1, &refs[i]);
    switch (draw_below(seed, 4)) {
    case 0:
        return treeobj_new_val(bytes, draw_below(seed, sizeof(bytes)));
    case 1:
        return treeobj_new_valref(refs, 1 + draw_below(seed, 3));
    case 2:
        return treeobj_new_dirref(refs);
    default:
        return treeobj_new_symlink(draw_below(seed, 2) ? "n\ns" : NULL,
                                   targets[draw_below(seed, ARRAY_SIZE(targets))]);
    }
}

static struct treeobj *
draw_dir(uint64_t *seed, int depth)
{
    static const char letters[] = "ab.%\"\\~ 0Z";
    struct treeobj *dir = treeobj_new_dir();

    for (size_t n = draw_below(seed, 8); n > 0; n--) {
        char name[] = {letters[draw_below(seed, 10)], letters[draw_below(seed, 10)],
                       (char)('a' + draw_below(seed, 26)), '\0'};
        struct treeobj *entry =
            depth < 4 && draw_below(seed, 3) == 0 ? draw_dir(seed, depth + 1) : draw_leaf(seed);

        treeobj_dir_put(dir, name, &entry);
    }
    return dir;
}

/* Our text of a random object: jansson parses it, writes the same text, and we read it back. */
static void
encoding_is_that_of_jansson(void **state UNUSED)
{
    uint64_t seed = 2;

    for (int i = 0; i < 500; i++) {
        struct treeobj *obj = draw_dir(&seed, 0);
        struct treeobj *back;
        struct buf ours = BUF_INIT;
        json_t *json;
        char *theirs;

        treeobj_encode(ALG, obj, &ours);
        json = json_loads(buf_str(&ours), JSON_REJECT_DUPLICATES, NULL);
        assert_non_null(json);
        theirs = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);
        assert_string_equal(buf_str(&ours), theirs);
        assert_int_equal(treeobj_decode(ALG, ours.data, ours.size, &back, NULL), 0);
        assert_json(back, theirs);
        free(theirs);
        json_decref(json);
        buf_fini(&ours);
        treeobj_unref(&obj);
        treeobj_unref(&back);
    }
}

static void
any_json_of_the_same_object_is_read(void **state UNUSED)
{
    static const char text[] = " {\"ver\":1, \"type\":\"dir\", \"data\":{ "
                               "\"z\":{\"type\":\"val\",\"data\":\"\",\"ver\":1},"
                               "\"\\u0061\":{\"type\":\"val\",\"data\":\"MQ==\",\"ver\":1}}}\n";
    struct treeobj *dir;

    assert_int_equal(treeobj_decode(ALG, text, strlen(text), &dir, NULL), 0);
    assert_json(dir,
                "{\"data\":{\"a\":{\"data\":\"MQ==\",\"type\":\"val\",\"ver\":1},"
                "\"z\":{\"data\":\"\",\"type\":\"val\",\"ver\":1}},\"type\":\"dir\",\"ver\":1}");
    treeobj_unref(&dir);
}

#define OBJ(type, data) "{\"data\":" data ",\"type\":\"" type "\",\"ver\":1}"

static void
other_shapes_are_refused(void **state UNUSED)
{
    static const char *const bad[] = {
        "",
        "null",
        "[]",
        "{}",
        "{\"data\":\"\",\"type\":\"val\"}",
        "{\"data\":\"\",\"type\":\"val\",\"ver\":2}",
        "{\"data\":\"\",\"type\":\"val\",\"ver\":1.0}",
        "{\"data\":\"\",\"type\":\"val\",\"ver\":true}",
        "{\"data\":\"\",\"type\":\"val\",\"ver\":1,\"x\":0}",
        "{\"data\":\"\",\"type\":\"val\",\"ver\":1,\"ver\":1}",
        "{\"data\":\"\",\"type\":\"xdir\",\"ver\":1}",
        "{\"data\":\"\",\"type\":1,\"ver\":1}",
        OBJ("val", "\"MQ\""),
        OBJ("val", "\"MR==\""),
        OBJ("val", "1"),
        OBJ("val", "null"),
        OBJ("valref", "[]"),
        OBJ("valref", "\"" REF_A "\""),
        OBJ("valref", "[1]"),
        OBJ("valref", "[\"sha1-00\"]"),
        OBJ("valref",
            "[\"sha256-0000000000000000000000000000000000000000000000000000000000000000\"]"),
        OBJ("dirref", "[]"),
        OBJ("dirref", "[\"" REF_A "\",\"" REF_A "\"]"),
        OBJ("dir", "[]"),
        OBJ("dir", "{\"\":" OBJ("val", "\"\"") "}"),
        OBJ("dir", "{\"..\":" OBJ("val", "\"\"") "}"),
        OBJ("dir", "{\"a/b\":" OBJ("val", "\"\"") "}"),
        OBJ("dir", "{\"a\\n\":" OBJ("val", "\"\"") "}"),
        OBJ("dir", "{\"a\":1}"),
        OBJ("dir", "{\"a\":" OBJ("val", "\"\"") ",\"a\":" OBJ("val", "\"\"") "}"),
        OBJ("symlink", "\"a\""),
        OBJ("symlink", "{}"),
        OBJ("symlink", "{\"target\":1}"),
        OBJ("symlink", "{\"target\":\"a\",\"namespace\":null}"),
        OBJ("symlink", "{\"target\":\"a\",\"more\":\"b\"}"),
        OBJ("val", "\"\"") "x",
        OBJ("val", "\"\\u0000\""),
    };

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct treeobj *obj = NULL;
        struct err err = {0, ""};

        assert_int_equal(treeobj_decode(ALG, bad[i], strlen(bad[i]), &obj, &err), -EPROTO);
        assert_null(obj);
        assert_true(strlen(err.text) > 0);
    }
}

#define SHA "sha1-c0a9faf907dda6216fd73bf81d0b3b21a1a8cb91"
#define NULLS_14 ",null,null,null,null,null,null,null,null,null,null,null,null,null,null"
#define HDIR_TEXT(counts, slots) \
    OBJ("hdir", \
        "{\"counts\":[" counts ",0,0,0,0,0,0,0,0,0,0,0,0,0,0],\"slots\":[" slots NULLS_14 "]}")
#define HDIR_GOOD HDIR_TEXT("0,3", "null,\"" SHA "\"")

static void
hdir_has_its_canonical_text(void **state UNUSED)
{
    struct treeobj_slot slots[TREEOBJ_SLOTS] = {{.count = 0}};
    struct treeobj *obj = NULL;
    struct digest empty;

    digest_compute(ALG, EMPTY_DIR, strlen(EMPTY_DIR), &empty);
    slots[1] = (struct treeobj_slot){empty, 3};
    obj = treeobj_new_hdir(slots);
    assert_json(obj, HDIR_GOOD);
    assert_int_equal(treeobj_hdir_count(obj), 3);
    treeobj_unref(&obj);
    assert_int_equal(treeobj_decode(ALG, HDIR_GOOD, strlen(HDIR_GOOD), &obj, NULL), 0);
    assert_json(obj, HDIR_GOOD);
    assert_true(digest_equal(&treeobj_hdir_slots(obj)[1].ref, &empty));
    treeobj_unref(&obj);
}

static void
other_hdirs_are_refused(void **state UNUSED)
{
    static const char *const bad[] = {
        HDIR_TEXT("0,0", "null,\"" SHA "\""),
        HDIR_TEXT("0,1", "null,null"),
        HDIR_TEXT("0,0", "null,null"),
        HDIR_TEXT("0,-1", "null,\"" SHA "\""),
        HDIR_TEXT("0,1.0", "null,\"" SHA "\""),
        HDIR_TEXT("0,\"1\"", "null,\"" SHA "\""),
        HDIR_TEXT("0,281474976710657", "null,\"" SHA "\""),
        HDIR_TEXT("0,1", "null,\"x\""),
        HDIR_TEXT("0,1", "null,1"),
        HDIR_TEXT("0,1,0", "null,\"" SHA "\",null"),
        HDIR_TEXT("1", "\"" SHA "\""),
        OBJ("hdir", "[]"),
        OBJ("hdir", "{}"),
        OBJ("dir", "{\"a\":" HDIR_GOOD "}"),
    };

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct treeobj *obj = NULL;
        struct err err = {0, ""};

        assert_int_equal(treeobj_decode(ALG, bad[i], strlen(bad[i]), &obj, &err), -EPROTO);
        assert_null(obj);
        assert_non_null(strstr(err.text, "hdir"));
    }
}

/* As an entry that a client puts it is refused: it is a blob. */
static void
hdir_is_no_part_of_anything(void **state UNUSED)
{
    json_t *json = json_loads(HDIR_GOOD, 0, NULL);
    struct treeobj *obj = NULL;

    assert_int_equal(treeobj_from_json(ALG, json, &obj, NULL), -EPROTO);
    assert_null(obj);
    json_decref(json);
}

/* n dirs, each in the one before. */
static int
decode_nested(size_t n)
{
    struct treeobj *obj;
    struct buf text = BUF_INIT;
    int rc;

    for (size_t i = 1; i < n; i++)
        buf_add_str(&text, "{\"type\":\"dir\",\"ver\":1,\"data\":{\"a\":");
    buf_add_str(&text, EMPTY_DIR);
    for (size_t i = 1; i < n; i++)
        buf_add_str(&text, "}}");
    rc = treeobj_decode(ALG, text.data, text.size, &obj, NULL);
    if (rc == 0)
        treeobj_unref(&obj);
    buf_fini(&text);
    return rc;
}

static void
nesting_has_a_limit(void **state UNUSED)
{
    assert_int_equal(decode_nested(TREEOBJ_DEPTH_MAX), 0);
    assert_int_equal(decode_nested(TREEOBJ_DEPTH_MAX + 1), -EPROTO);
    assert_int_equal(decode_nested(100000), -EPROTO);
}

static void
dir_stays_sorted_and_replaces(void **state UNUSED)
{
    struct treeobj *dir = treeobj_new_dir();
    struct treeobj *entry;
    bool is_there[1000] = {false};
    size_t count = 0;
    uint64_t seed = 3;

    for (int i = 0; i < 5000; i++) {
        char name[8];

        size_t n = draw_below(&seed, ARRAY_SIZE(is_there));

        count += !is_there[n];
        is_there[n] = true;
        snprintf(name, sizeof(name), "%zu", n);
        entry = new_val(name);
        treeobj_dir_put(dir, name, &entry);
        assert_null(entry);
    }
    for (size_t i = 1; i < treeobj_dir_count(dir); i++)
        assert_true(strcmp(treeobj_dir_name(dir, i - 1), treeobj_dir_name(dir, i)) < 0);
    assert_int_equal(treeobj_dir_count(dir), count);
    assert_null(treeobj_dir_get(dir, "1000"));
    entry = treeobj_dir_take(dir, "500");
    assert_json(entry, "{\"data\":\"NTAw\",\"type\":\"val\",\"ver\":1}");
    treeobj_unref(&entry);
    assert_null(treeobj_dir_take(dir, "500"));
    assert_null(treeobj_dir_get(dir, "500"));
    treeobj_unref(&dir);
}

static void
references_keep_an_object_alive(void **state UNUSED)
{
    struct treeobj *val = new_val("v");
    struct treeobj *other = treeobj_ref(val);
    void *data;
    size_t size;

    assert_true(treeobj_is_shared(val));
    treeobj_unref(&val);
    assert_null(val);
    assert_false(treeobj_is_shared(other));
    assert_int_equal(treeobj_val_decode(other, &data, &size), 0);
    assert_int_equal(size, 1);
    assert_memory_equal(data, "v", 1);
    free(data);
    treeobj_unref(&other);
    treeobj_unref(&other);
}

static void
memory_grows_with_the_content(void **state UNUSED)
{
    struct treeobj *dir = treeobj_new_dir();
    size_t before = treeobj_memory(dir);
    struct treeobj *entry = treeobj_new_val("0123456789", 10);

    treeobj_dir_put(dir, "name", &entry);
    assert_true(treeobj_memory(dir) >= before + 16 + 4);
    treeobj_unref(&dir);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_dir_is_the_one_flux_knows),
        cmocka_unit_test(each_type_has_its_canonical_text),
        cmocka_unit_test(strings_are_escaped_as_by_jansson),
        cmocka_unit_test(encoding_is_that_of_jansson),
        cmocka_unit_test(any_json_of_the_same_object_is_read),
        cmocka_unit_test(other_shapes_are_refused),
        cmocka_unit_test(hdir_has_its_canonical_text),
        cmocka_unit_test(other_hdirs_are_refused),
        cmocka_unit_test(hdir_is_no_part_of_anything),
        cmocka_unit_test(nesting_has_a_limit),
        cmocka_unit_test(dir_stays_sorted_and_replaces),
        cmocka_unit_test(references_keep_an_object_alive),
        cmocka_unit_test(memory_grows_with_the_content),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
