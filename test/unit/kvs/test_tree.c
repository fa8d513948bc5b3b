/* SPDX-License-Identifier: MPL-2.0 */
/* What each operation does to the tree, as the exact text of the new root. */
#include "treetest.h"

static void
sub_directories_are_references(void **state)
{
    struct rig *r = *state;
    char ref[BLOBREF_MAX];
    AUTO(free) char *root = xasprintf(DIR(REF("dirref", "a")), ref_of(DIR(VAL("b", "MQ==")), ref));

    put(r, "a.b", "1");
    assert_root(r, root);
}

static void
small_values_are_inline_and_large_ones_are_blobs(void **state)
{
    struct rig *r = *state;
    char ref[BLOBREF_MAX];
    AUTO(free)
    char *root = xasprintf(DIR(VAL("fits", "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1Njc4OTA"
                                           "xMjM0NTY3ODkwMTIz") "," REF("valref", "long")),
                           ref_of(LONG, ref));

    put(r, "fits", "012345678901234567890123456789012345678901234567890123");
    put(r, "long", LONG);
    assert_root(r, root);
    assert_int_equal(r->store.emitted, 3);
}

static void
append_grows_from_value_to_references(void **state)
{
    struct rig *r = *state;
    char a[BLOBREF_MAX];
    char b[BLOBREF_MAX];
    char c[BLOBREF_MAX];
    AUTO(free)
    char *two = xasprintf(DIR("\"k\":{\"data\":[\"%s\",\"%s\"],\"type\":\"valref\",\"ver\":1}"),
                          ref_of("x", a), ref_of("y", b));
    AUTO(free)
    char *three =
        xasprintf(DIR("\"k\":{\"data\":[\"%s\",\"%s\",\"%s\"],\"type\":\"valref\",\"ver\":1}"), a,
                  b, ref_of(LONG, c));

    append(r, "k", "x");
    assert_root(r, DIR(VAL("k", "eA==")));
    append(r, "k", "y");
    assert_root(r, two);
    append(r, "k", LONG);
    append(r, "k", "");
    assert_root(r, three);
}

static void
values_above_the_blob_limit_are_cut(void **state)
{
    struct rig *r = *state;
    char a[BLOBREF_MAX];
    char b[BLOBREF_MAX];
    AUTO(free)
    char *two = xasprintf(DIR("\"k\":{\"data\":[\"%s\",\"%s\"],\"type\":\"valref\",\"ver\":1}"),
                          ref_of(LONG, a), ref_of("tail", b));
    AUTO(free)
    char *four = xasprintf(
        DIR("\"k\":{\"data\":[\"%s\",\"%s\",\"%s\",\"%s\"],\"type\":\"valref\",\"ver\":1}"), a, b,
        a, b);

    tree_set_blob_limit(r->tree, sizeof(LONG) - 1);
    put(r, "k", LONG "tail");
    assert_root(r, two);
    append(r, "k", LONG "tail");
    assert_root(r, four);
}

static void
append_of_a_large_first_value_is_one_reference(void **state)
{
    struct rig *r = *state;
    char ref[BLOBREF_MAX];
    AUTO(free) char *root = xasprintf(DIR(REF("valref", "k")), ref_of(LONG, ref));

    append(r, "k", LONG);
    assert_root(r, root);
}

static void
append_to_what_is_no_value_fails(void **state)
{
    struct rig *r = *state;
    struct digest before;
    struct digest after;

    put(r, "d.x", "1");
    assert_int_equal(apply(r, "l", 0, link_to("d.x")), 0);
    write_out(r, &before);
    assert_int_equal(apply(r, "d", TXN_APPEND, new_val("x")), -EISDIR);
    assert_int_equal(apply(r, "d", TXN_APPEND, new_val("")), -EISDIR);
    assert_int_equal(apply(r, "l", TXN_APPEND, new_val("x")), -EOPNOTSUPP);
    write_out(r, &after);
    assert_true(digest_equal(&before, &after));
}

static void
value_in_the_middle_becomes_a_directory(void **state)
{
    struct rig *r = *state;
    char ref[BLOBREF_MAX];
    AUTO(free) char *root = xasprintf(DIR(REF("dirref", "a")), ref_of(DIR(VAL("b", "Mg==")), ref));

    put(r, "a", "1");
    put(r, "a.b", "2");
    assert_root(r, root);
    put(r, "a", "1");
    assert_root(r, DIR(VAL("a", "MQ==")));
}

static void
unlink_of_what_is_missing_changes_nothing(void **state)
{
    struct rig *r = *state;

    put(r, "v", "1");
    assert_int_equal(apply(r, "w", 0, NULL), 0);
    assert_int_equal(apply(r, "x.y.z", 0, NULL), 0);
    assert_int_equal(apply(r, "v.y", 0, NULL), 0);
    assert_root(r, DIR(VAL("v", "MQ==")));
}

static void
emptied_directories_stay(void **state)
{
    struct rig *r = *state;
    AUTO(free) char *root = xasprintf(DIR(REF("dirref", "a")), EMPTY);

    put(r, "a.b", "1");
    assert_int_equal(apply(r, "a.b", 0, NULL), 0);
    assert_root(r, root);
    assert_int_equal(apply(r, "a", 0, NULL), 0);
    assert_root(r, DIR(""));
}

static void
inline_dirs_are_stored_as_references(void **state)
{
    struct rig *r = *state;
    struct treeobj *outer = treeobj_new_dir();
    struct treeobj *inner = treeobj_new_dir();
    struct treeobj *val = new_val(LONG);
    char ref[BLOBREF_MAX];
    AUTO(free) char *in = xasprintf(DIR(REF("valref", "v")), ref_of(LONG, ref));
    AUTO(free) char *out = xasprintf(DIR(REF("dirref", "in")), ref_of(in, ref));
    AUTO(free) char *root = xasprintf(DIR(REF("dirref", "out")), ref_of(out, ref));

    treeobj_dir_put(inner, "v", &val);
    treeobj_dir_put(outer, "in", &inner);
    assert_int_equal(apply(r, "out", 0, outer), 0);
    assert_root(r, root);
}

static void
dirref_grafts_a_tree(void **state)
{
    struct rig *r = *state;
    struct digest sub;
    char ref[BLOBREF_MAX];
    AUTO(free) char *one = xasprintf(DIR(REF("dirref", "g")), ref_of(DIR(VAL("b", "MQ==")), ref));
    AUTO(free)
    char *two =
        xasprintf(DIR(REF("dirref", "g")), ref_of(DIR(VAL("b", "MQ==") "," VAL("c", "Mg==")), ref));

    put(r, "b", "1");
    write_out(r, &sub);
    assert_int_equal(apply(r, "b", 0, NULL), 0);
    assert_int_equal(apply(r, "g", 0, treeobj_new_dirref(&sub)), 0);
    assert_root(r, one);
    put(r, "g.c", "2");
    assert_root(r, two);
}

/* A stored directory with an inline one inside: read, and written back as a reference. */
static void
stored_inline_dirs_are_walked(void **state)
{
    struct rig *r = *state;
    struct digest d;
    char ref[BLOBREF_MAX];
    AUTO(free)
    char *root =
        xasprintf(DIR(REF("dirref", "i") "," VAL("z", "MQ==")), ref_of(DIR(VAL("a", "MQ==")), ref));
    AUTO(free)
    char *more = xasprintf(DIR(REF("dirref", "i") "," VAL("z", "MQ==")),
                           ref_of(DIR(VAL("a", "MQ==") "," VAL("b", "Mg==")), ref));

    store_put_text(&r->store, DIR("\"i\":" DIR(VAL("a", "MQ=="))), &d);
    tree_free(&r->tree);
    r->tree = tree_new(ALG, &d);
    put(r, "z", "1");
    tree_trim(r->tree, 0);
    assert_root(r, root);
    put(r, "i.b", "2");
    assert_root(r, more);
}

/* --- links --- */

static void
links_in_the_middle_are_followed(void **state)
{
    struct rig *r = *state;
    struct rig plain;
    struct digest with_links;
    struct digest without;

    store_init(&plain.store);
    plain.tree = store_new_tree(&plain.store);
    assert_int_equal(apply(r, "l", 0, link_to("m.n")), 0);
    assert_int_equal(apply(r, "m.n", 0, link_to("d")), 0);
    put(r, "l.x.y", "1");
    put(r, "l.x.z", "2");
    assert_int_equal(apply(r, "l.x.z", 0, NULL), 0);
    write_out(r, &with_links);
    assert_int_equal(apply(&plain, "l", 0, link_to("m.n")), 0);
    assert_int_equal(apply(&plain, "m.n", 0, link_to("d")), 0);
    put(&plain, "d.x.y", "1");
    write_out(&plain, &without);
    assert_true(digest_equal(&with_links, &without));
    tree_free(&plain.tree);
    store_fini(&plain.store);
}

static void
link_as_the_last_name_is_replaced_itself(void **state)
{
    struct rig *r = *state;

    assert_int_equal(apply(r, "l", 0, link_to("d")), 0);
    put(r, "l", "1");
    assert_root(r, DIR(VAL("l", "MQ==")));
}

static void
link_to_the_root_starts_over(void **state)
{
    struct rig *r = *state;

    assert_int_equal(apply(r, "l", 0, link_to(".")), 0);
    put(r, "l.l.v", "1");
    assert_int_equal(apply(r, "l", 0, NULL), 0);
    assert_root(r, DIR(VAL("v", "MQ==")));
}

static void
link_loops_end(void **state)
{
    struct rig *r = *state;

    assert_int_equal(apply(r, "a", 0, link_to("b")), 0);
    assert_int_equal(apply(r, "b", 0, link_to("a")), 0);
    assert_int_equal(apply(r, "a.x", 0, new_val("1")), -ELOOP);
    assert_int_equal(apply(r, "a.x", 0, NULL), -ELOOP);
    assert_int_equal(apply(r, "grow", 0, link_to("grow.grow")), 0);
    assert_int_equal(apply(r, "grow.x", 0, NULL), -ELOOP);
}

static void
ten_links_are_followed_and_not_eleven(void **state)
{
    struct rig *r = *state;
    char name[16];
    char target[16];

    for (int i = 0; i < 11; i++) {
        snprintf(name, sizeof(name), "l%d", i);
        snprintf(target, sizeof(target), "l%d", i + 1);
        assert_int_equal(apply(r, name, 0, link_to(target)), 0);
    }
    put(r, "l1.x", "1");
    assert_int_equal(apply(r, "l11", 0, NULL), 0);
    assert_int_equal(apply(r, "l0.x", 0, new_val("1")), -ELOOP);
}

static void
links_that_lead_nowhere_are_refused(void **state)
{
    struct rig *r = *state;
    struct buf deep = BUF_INIT;

    for (int i = 0; i < KEY_DEPTH_MAX; i++)
        buf_add_str(&deep, "d.");
    assert_int_equal(apply(r, "ns", 0, treeobj_new_symlink("other", "a")), 0);
    assert_int_equal(apply(r, "bad", 0, link_to("a/b")), 0);
    assert_int_equal(apply(r, "deep", 0, link_to(buf_str(&deep))), 0);
    assert_int_equal(apply(r, "ns.x", 0, new_val("1")), -EINVAL);
    assert_int_equal(apply(r, "bad.x", 0, new_val("1")), -EINVAL);
    assert_int_equal(apply(r, "deep.x", 0, new_val("1")), -ENAMETOOLONG);
    tree_set_namespace(r->tree, "other");
    put(r, "ns.x", "1");
    buf_fini(&deep);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(sub_directories_are_references),
        T(small_values_are_inline_and_large_ones_are_blobs),
        T(append_grows_from_value_to_references),
        T(values_above_the_blob_limit_are_cut),
        T(append_of_a_large_first_value_is_one_reference),
        T(append_to_what_is_no_value_fails),
        T(value_in_the_middle_becomes_a_directory),
        T(unlink_of_what_is_missing_changes_nothing),
        T(emptied_directories_stay),
        T(inline_dirs_are_stored_as_references),
        T(dirref_grafts_a_tree),
        T(stored_inline_dirs_are_walked),
        T(links_in_the_middle_are_followed),
        T(link_as_the_last_name_is_replaced_itself),
        T(link_to_the_root_starts_over),
        T(link_loops_end),
        T(ten_links_are_followed_and_not_eleven),
        T(links_that_lead_nowhere_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
