/* SPDX-License-Identifier: MPL-2.0 */
/* What later archives say goes before what earlier ones said, and what a base has before nothing at all; forms of
 * directories are as they were told. */
#include "build.h"
#include "memstore.h"
#include "xmem.h"

#include "cmocka_all.h"

#include <errno.h>

#define MAXDIRENT 4

struct rig {
    struct build *build;
    struct memstore store;
    struct build_result result;
    struct buf text; // of the tree
};

static void
rig_init(struct rig *r)
{
    struct hdir_form form = hdir_form(ALG, MAXDIRENT);

    memset(r, 0, sizeof(*r));
    memstore_init(&r->store);
    r->build = build_new(ALG);
    build_set_form(r->build, &form);
}

static void
rig_fini(struct rig *r)
{
    build_free(&r->build);
    memstore_fini(&r->store);
    buf_fini(&r->text);
}

/* One word: "a=v" a value, "a/" a directory, "-a" and "-a/" removed, "a:form" a form, "a<b" a hard link. */
static void
say(struct rig *r, const char *word)
{
    size_t len = strcspn(word + (*word == '-'), "=:<") + (*word == '-');
    AUTO(free) char *path = xstrndup(word + (*word == '-'), len - (*word == '-'));
    bool is_dir = path[0] && path[strlen(path) - 1] == '/';
    const char *rest = word[len] ? word + len + 1 : "";
    AUTO(key) struct key key;
    AUTO(key) struct key to = {.count = 0};
    enum exact_form form = EXACT_AS_LAID_OUT;
    struct treeobj *obj;

    assert_int_equal(key_from_path(path, &key, NULL), 0);
    if (*word == '-') {
        build_add_removed(r->build, &key, is_dir);
    } else if (word[len] == '=') {
        obj = treeobj_new_val(rest, strlen(rest));
        build_set(r->build, build_add(r->build, &key), &obj, strlen(rest));
    } else if (word[len] == ':') {
        exact_form_parse(rest, strlen(rest), &form);
        build_set_dir_form(r->build, &key, form);
    } else if (word[len] == '<') {
        assert_int_equal(key_from_path(rest, &to, NULL), 0);
        build_add_hardlink(r->build, &key, &to);
    } else {
        assert_true(is_dir);
        build_add_dir(r->build, &key);
    }
}

/* Words apart by spaces; after a '|' they are about the base. */
static void
say_all(struct rig *r, const char *words)
{
    while (*words) {
        size_t len = strcspn(words, " ");
        AUTO(free) char *word = xstrndup(words, len);

        if (strcmp(word, "|") == 0)
            build_start_base(r->build);
        else
            say(r, word);
        words += len + (words[len] == ' ');
    }
}

static int
on_emit(void *arg, const char *path UNUSED, const void *data, size_t size)
{
    struct rig *r = arg;
    struct digest d;

    memstore_put(&r->store, data, size, &d);
    return 0;
}

static void
on_skip(void *arg, const char *path, const char *target UNUSED)
{
    struct rig *r = arg;

    buf_printf(&r->text, "skipped:%s ", path);
}

static void describe_ref(struct rig *r, const struct digest *d, const char *prefix);

/* "a/b=value " for values, "a/ " for empty directories. */
static void
describe(struct rig *r, const struct treeobj *dir, const char *prefix)
{
    if (treeobj_dir_count(dir) == 0 && *prefix)
        buf_printf(&r->text, "%s ", prefix);
    for (size_t i = 0; i < treeobj_dir_count(dir); i++) {
        const struct treeobj *e = treeobj_dir_entry(dir, i);
        AUTO(free) char *path = xasprintf("%s%s", prefix, treeobj_dir_name(dir, i));
        AUTO(free) char *below = xasprintf("%s/", path);
        AUTO(free) char *in_place = xasprintf("%s[inline]/", path);
        AUTO(free) void *value = NULL;
        size_t n;

        if (treeobj_type(e) == TREEOBJ_DIRREF) {
            describe_ref(r, treeobj_refs(e, &n), below);
        } else if (treeobj_type(e) == TREEOBJ_DIR) {
            describe(r, e, in_place);
        } else {
            assert_int_equal(treeobj_val_decode(e, &value, &n), 0);
            buf_printf(&r->text, "%s=%.*s ", path, (int)n, (const char *)value);
        }
    }
}

/* Of a wide one only how many are in it. */
static void
describe_ref(struct rig *r, const struct digest *d, const char *prefix)
{
    const struct buf *bytes = memstore_get(&r->store, d);
    AUTO(treeobj) struct treeobj *dir = NULL;

    assert_non_null(bytes);
    assert_int_equal(treeobj_decode(ALG, bytes->data, bytes->size, &dir, NULL), 0);
    if (treeobj_type(dir) == TREEOBJ_HDIR)
        buf_printf(&r->text, "%s[hdir %d] ", prefix, (int)treeobj_hdir_count(dir));
    else
        describe(r, dir, prefix);
}

static void
finish(struct rig *r, const char *what, const char *expected)
{
    static const struct build_ops ops = {on_emit, on_skip, NULL};
    struct err err = {0};

    if (build_finish(r->build, &ops, r, &r->result, &err) != 0)
        fail_msg("%s: %s", what, err.text);
    describe_ref(r, &r->result.root, "");
    if (strcmp(buf_str(&r->text), expected) != 0)
        fail_msg("%s: got %s, not %s", what, buf_str(&r->text), expected);
}

static void
try_all(const char *const cases[][2], size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct rig r;

        rig_init(&r);
        say_all(&r, cases[i][0]);
        finish(&r, cases[i][0], cases[i][1]);
        rig_fini(&r);
    }
}

static void
what_is_newer_wins(void **state UNUSED)
{
    static const char *const cases[][2] = {
        {"a=1 -a", ""},
        {"-a a=1", "a=1 "},
        {"a=1 -a a=2", "a=2 "},
        {"a=1 a=2 -a", ""},
        {"a=1 -a/", "a=1 "},    // it was no directory
        {"a/ -a", "a/ "},       // it was no value
        {"a/ -a/", ""},         //
        {"a/ -a/ a=1", "a=1 "}, // from a directory to a value
        {"a=1 -a a/", "a/ "},   // and back
        {"a=1 -a a/b=2", "a/b=2 "},
        {"a/b=1 -a/b a=2", "a=2 "},
        {"a/ a/b=1 -a/", "a/b=1 "}, // something is in it
        {"a/b=1 -a/b", ""},         // nothing is in it any more
        {"a/b=1 -a/b a/", "a/ "},
        {"a=1 a/ -a/", "a=1 "}, // what was before the directory
        {"-x -y/ a=1", "a=1 "},
        {"x=1 l<x -x", "skipped:l "},
        {"x=1 l<x -l", "x=1 "},
    };

    try_all(cases, ARRAY_SIZE(cases));
}

static void
a_base_is_older_than_all(void **state UNUSED)
{
    static const char *const cases[][2] = {
        {"a=2 | a=1", "a=2 "},
        {"-a | a=1", ""},
        {"-a/b | a/b=1", ""},
        {"-a/ | a/", ""},
        {"a/b=2 | a/c=1", "a/b=2 a/c=1 "},
        {"a=2 -a/b | a/b=1", "a=2 "},
        {"a:inline | a/b=1", "a[inline]/b=1 "},
        {"a:dir | a:inline a/b=1", "a/b=1 "},
        {"a/c=2 | a:inline a/b=1", "a[inline]/b=1 a[inline]/c=2 "},
        {"-a/b | a:inline a/b=1", ""},
    };

    try_all(cases, ARRAY_SIZE(cases));
}

static void
forms_are_as_told(void **state UNUSED)
{
    static const char *const cases[][2] = {
        {"a/b=1 a:inline", "a[inline]/b=1 "},
        {"a:inline a/b:inline a/b/c=1 a/d=2", "a[inline]/b[inline]/c=1 a[inline]/d=2 "},
        {"a:inline a/b/c=1", "a[inline]/b/c=1 "},
        {"a/ a:inline", "a[inline]/ "},
        {"a:inline a/", "a/ "}, // the directory was made again
        {"a:inline", ""},       // a form makes no directory
        {"a:inline a/b:inline", ""},
        {"a:inline a/b=1 -a/b", ""},
        {"a:inline a=1", "a=1 "},
        {"a:inline aa=1", "aa=1 "},
        {"a:inline a/b=1 a:", "a/b=1 "}, // as laid out again
        {"a/1=1 a/2=1 a/3=1 a/4=1 a/5=1", "a/[hdir 5] "},
        {"a/1=1 a/2=1 a/3=1 a/4=1 a/5=1 a:dir", "a/1=1 a/2=1 a/3=1 a/4=1 a/5=1 "},
        {"a/1=1 a:hdir", "a/[hdir 1] "},
        {"1=1 ./:hdir", "[hdir 1] "},
        {"1=1 2=2 3=3 4=4 5=5 ./:dir", "1=1 2=2 3=3 4=4 5=5 "},
        {"1=1 ./:inline", "1=1 "}, // the root cannot be
        {"./:hdir", ""},
    };

    try_all(cases, ARRAY_SIZE(cases));
}

/* Where wide directories are not known, nobody could read one. */
static void
a_wide_directory_is_told_where_others_are_none(void **state UNUSED)
{
    struct hdir_form form = hdir_form(ALG, 0);
    struct rig r;

    rig_init(&r);
    build_set_form(r.build, &form);
    say_all(&r, "a/b=1 a:hdir");
    finish(&r, "maxdirent 0", "a/[hdir 1] ");
    rig_fini(&r);
}

static void
base_entries_are_kept_as_they_are_and_not_counted(void **state UNUSED)
{
    AUTO(key) struct key key;
    struct treeobj *dir = treeobj_new_dir();
    struct treeobj *val = treeobj_new_val("7", 1);
    struct digest d;
    struct rig r;

    rig_init(&r);
    treeobj_dir_put(dir, "x", &val);
    memstore_put_obj(&r.store, dir, &d);
    treeobj_unref(&dir);
    dir = treeobj_new_dirref(&d);
    say_all(&r, "b=22 |");
    assert_int_equal(key_from_path("a/kept", &key, NULL), 0);
    build_add_base(r.build, &key, &dir);
    finish(&r, "base", "a/kept/x=7 b=22 ");
    assert_int_equal(r.result.keys, 1);
    assert_int_equal(r.result.bytes, 2);
    rig_fini(&r);
}

static void
it_is_known_where_something_was_said(void **state UNUSED)
{
    static const struct {
        const char *path;
        enum build_where where;
    } cases[] = {
        {".", BUILD_BELOW},       {"a", BUILD_BELOW},      {"a/b", BUILD_AT},
        {"a/b/c", BUILD_NOWHERE}, {"a/bb", BUILD_NOWHERE}, {"c", BUILD_AT},
        {"d", BUILD_BOTH},        {"d/e", BUILD_AT},       {"x", BUILD_BELOW},
        {"x/y", BUILD_AT},        {"zz", BUILD_NOWHERE},   {"a-", BUILD_NOWHERE},
        {"0", BUILD_NOWHERE},     {"form", BUILD_AT},
    };
    struct rig r;

    rig_init(&r);
    say_all(&r, "zzz=1 d/e=1 -c -d/ a/b=1 a/b=2 -x/y form:dir |");
    say_all(&r, "base=1"); // is not asked about
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        AUTO(key) struct key key;

        assert_int_equal(key_from_path(cases[i].path, &key, NULL), 0);
        if (build_find_notes(r.build, &key) != cases[i].where)
            fail_msg("%s", cases[i].path);
    }
    finish(&r, "all", "a/b=2 base=1 d/e=1 zzz=1 ");
    rig_fini(&r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_newer_wins),
        cmocka_unit_test(a_base_is_older_than_all),
        cmocka_unit_test(forms_are_as_told),
        cmocka_unit_test(a_wide_directory_is_told_where_others_are_none),
        cmocka_unit_test(base_entries_are_kept_as_they_are_and_not_counted),
        cmocka_unit_test(it_is_known_where_something_was_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
