/* SPDX-License-Identifier: MPL-2.0 */
/* A comparison of trees that are damaged: what is wrong is named, the rest is compared. */
#include "difftest.h"
#include "key.h"

#include <errno.h>

/* The blobref of a text is put where %s is. */
static void
store_printf(struct rig *r, struct digest *ret, const char *fmt, const struct digest *ref)
{
    char text[BLOBREF_MAX];
    AUTO(buf) struct buf json = BUF_INIT;
    const char *at = strstr(fmt, "%s");

    buf_add(&json, fmt, (size_t)(at - fmt));
    buf_add_str(&json, blobref_format(ALG, ref, text));
    buf_add_str(&json, at + 2);
    store_put_text(&r->store, buf_str(&json), ret);
}

static void
store_ref(struct rig *r, const char *name, const struct digest *ref, struct digest *ret)
{
    AUTO(buf) struct buf fmt = BUF_INIT;

    buf_printf(&fmt,
               "{\"data\":{\"%s\":{\"data\":[\"%%s\"],\"type\":\"dirref\",\"ver\":1},"
               "\"z\":{\"data\":\"MQ==\",\"type\":\"val\",\"ver\":1}},"
               "\"type\":\"dir\",\"ver\":1}",
               name);
    store_printf(r, ret, buf_str(&fmt), ref);
}

/* "PATH ! ERRNUM BLOBREF: WHY", with what is behind it. */
static void
assert_failure(struct rig *r, const struct digest *old, const struct digest *new, const char *path,
               int errnum, const struct digest *bad, const char *why, const char *rest)
{
    AUTO(buf) struct buf want = BUF_INIT;
    char ref[BLOBREF_MAX];

    buf_printf(&want, "%s ! %d %s: %s\n%s", path, errnum, blobref_format(ALG, bad, ref), why, rest);
    assert_diff(r, old, new, buf_str(&want));
}

/* `bad` is directory "d" of a tree; whatever it is compared with. */
static void
assert_bad_dir(struct rig *r, const struct digest *bad, const struct digest *blamed, int errnum,
               const char *why)
{
    struct digest dir, tree, good;

    store_ref(r, "a", bad, &dir); // any other directory
    store_ref(r, "d", bad, &tree);
    store_ref(r, "d", &dir, &good);
    assert_failure(r, NULL, &tree, "d", errnum, blamed, why, "z -" OBJECT("MQ==") "\n");
    assert_failure(r, &tree, NULL, "d", errnum, blamed, why, "z" OBJECT("MQ==") " -\n");
    assert_failure(r, &tree, &good, "d", errnum, blamed, why, "");
    assert_failure(r, &good, &tree, "d", errnum, blamed, why, "");
}

static void
what_is_no_directory_is_named(void **state)
{
    struct rig *r = *state;
    struct digest d, good = root(r);

    store_put_text(&r->store, "{\"data\":\"MQ==\",\"type\":\"val\",\"ver\":1}", &d);
    assert_bad_dir(r, &d, &d, -EPROTO, "not a directory object");
    assert_failure(r, &good, &d, "", -EPROTO, &d, "not a directory object", "");
    d = (struct digest){.bytes = {7}};
    assert_bad_dir(r, &d, &d, -ENOENT, "no such blob");
    assert_failure(r, &d, &good, "", -ENOENT, &d, "no such blob", "");
}

static void
nonsense_is_named(void **state)
{
    struct rig *r = *state;
    struct buf out = BUF_INIT;
    char ref[BLOBREF_MAX];
    struct digest d;

    store_put_text(&r->store, "nonsense", &d);
    diff_text(&r->store, &d, NULL, 1, &out);
    assert_non_null(strstr(buf_str(&out), blobref_format(ALG, &d, ref)));
    buf_fini(&out);
}

/* An hdir of one slot. */
static void
store_hdir(struct rig *r, size_t slot, uint64_t count, const struct digest *ref, struct digest *ret)
{
    struct treeobj_slot slots[TREEOBJ_SLOTS] = {{.count = 0}};
    AUTO(treeobj) struct treeobj *obj = NULL;
    AUTO(buf) struct buf text = BUF_INIT;

    slots[slot] = (struct treeobj_slot){*ref, count};
    obj = treeobj_new_hdir(slots);
    treeobj_encode(ALG, obj, &text);
    store_put_text(&r->store, buf_str(&text), ret);
}

/* As many hdirs above one another over a directory; *ret_lowest is the one that refers to it. */
static void
store_hdirs(struct rig *r, const struct digest *dir, unsigned count, struct digest *ret_lowest,
            struct digest *ret)
{
    *ret = *dir;
    for (unsigned i = 0; i < count; i++) {
        struct digest below = *ret;

        store_hdir(r, i % TREEOBJ_SLOTS, 1, &below, ret);
        if (i == 0)
            *ret_lowest = *ret;
    }
}

static void
damaged_wide_directories_are_named(void **state)
{
    struct rig *r = *state;
    struct digest dir, d, lowest;

    put(r, "a", "1");
    dir = root(r);
    store_hdir(r, 3, 2, &dir, &d);
    assert_bad_dir(r, &d, &dir, -EPROTO, "a directory of 1 entries below an hdir, not 2");
    store_hdirs(r, &dir, HDIR_LEVELS, &lowest, &d);
    assert_diff(r, &dir, &d, "");
    assert_diff(r, &d, &dir, "");
    store_hdirs(r, &dir, HDIR_LEVELS + 1, &lowest, &d);
    assert_bad_dir(r, &d, &lowest, -EPROTO, "hdirs are nested too deep");
}

static void
a_blob_is_not_twice_in_a_directory(void **state)
{
    struct rig *r = *state;
    struct treeobj_slot slots[TREEOBJ_SLOTS] = {{.count = 0}};
    AUTO(treeobj) struct treeobj *obj = NULL;
    AUTO(buf) struct buf text = BUF_INIT;
    struct digest dir, d;

    put(r, "a", "1");
    dir = root(r);
    slots[3] = slots[7] = (struct treeobj_slot){dir, 1};
    obj = treeobj_new_hdir(slots);
    treeobj_encode(ALG, obj, &text);
    store_put_text(&r->store, buf_str(&text), &d);
    assert_bad_dir(r, &d, &d, -EPROTO, "a blob is twice in one directory");
}

static void
a_name_is_not_twice_in_a_directory(void **state)
{
    struct rig *r = *state;
    struct treeobj_slot slots[TREEOBJ_SLOTS] = {{.count = 0}};
    AUTO(treeobj) struct treeobj *obj = NULL;
    AUTO(buf) struct buf text = BUF_INIT;
    struct digest d;

    put(r, "a", "1");
    slots[3] = (struct treeobj_slot){root(r), 1};
    put(r, "a", "2");
    slots[7] = (struct treeobj_slot){root(r), 1};
    obj = treeobj_new_hdir(slots);
    treeobj_encode(ALG, obj, &text);
    store_put_text(&r->store, buf_str(&text), &d);
    assert_bad_dir(r, &d, &d, -EPROTO, "entry 'a' is twice in one directory");
}

static void
one_part_has_one_count(void **state)
{
    struct rig *r = *state;
    struct digest dir, old, new;

    put(r, "a", "1");
    dir = root(r);
    store_hdir(r, 3, 1, &dir, &old);
    store_hdir(r, 3, 2, &dir, &new);
    assert_failure(r, &old, &new, "", -EPROTO, &new, "a part of it has two counts of entries", "");
}

/* 128 names are fine, one more is not. */
static void
the_depth_has_a_limit(void **state)
{
    struct rig *r = *state;
    AUTO(buf) struct buf path = BUF_INIT;
    AUTO(buf) struct buf want = BUF_INIT;
    struct digest empty = root(r);
    struct digest inner, outer, last;

    for (size_t i = 0; i + 1 < KEY_DEPTH_MAX; i++)
        buf_add_str(&path, "x.");
    buf_add_char(&path, 'x');
    put(r, buf_str(&path), "1");
    outer = root(r);
    for (size_t i = 0; i < path.size; i++)
        path.data[i] = path.data[i] == '.' ? '/' : path.data[i];
    buf_printf(&want, "%s -" OBJECT("MQ==") "\n", buf_str(&path));
    assert_diff(r, &empty, &outer, buf_str(&want));

    tree_free(&r->tree);
    r->tree = store_new_tree(&r->store);
    put(r, "y", "1");
    inner = last = root(r);
    for (size_t i = 0; i < KEY_DEPTH_MAX; i++, inner = outer) {
        AUTO(treeobj) struct treeobj *dir = treeobj_new_dir();
        AUTO(buf) struct buf text = BUF_INIT;
        struct treeobj *ref = treeobj_new_dirref(&inner);

        treeobj_dir_put(dir, "x", &ref);
        treeobj_encode(ALG, dir, &text);
        store_put_text(&r->store, buf_str(&text), &outer);
    }
    assert_failure(r, &empty, &inner, buf_str(&path), -EPROTO, &last,
                   "directories are nested too deep", "");
    assert_failure(r, &inner, &empty, buf_str(&path), -EPROTO, &last,
                   "directories are nested too deep", "");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(what_is_no_directory_is_named),
        T(nonsense_is_named),
        T(damaged_wide_directories_are_named),
        T(a_blob_is_not_twice_in_a_directory),
        T(a_name_is_not_twice_in_a_directory),
        T(one_part_has_one_count),
        T(the_depth_has_a_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
