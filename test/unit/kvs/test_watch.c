/* SPDX-License-Identifier: MPL-2.0 */
#include "kvstest.h"
#include "watch.h"

/* --- objects --- */

static struct treeobj *
val(const char *text)
{
    return treeobj_new_val(text, strlen(text));
}

static struct treeobj *
valref(const char *const *blobs, size_t count)
{
    struct digest refs[8];

    for (size_t i = 0; i < count; i++)
        digest_compute(ALG, blobs[i], strlen(blobs[i]), &refs[i]);
    return treeobj_new_valref(refs, count);
}

static struct treeobj *
dir(const char *name)
{
    struct treeobj *d = treeobj_new_dir();
    struct treeobj *entry = val("x");

    treeobj_dir_put(d, name, &entry);
    return d;
}

/* Consumes object; NULL: there is no such key. */
static struct watch_step
take(struct watch *w, struct treeobj *object, bool named)
{
    struct watch_step step;

    watch_take(w, object ? 0 : -ENOENT, object ? "" : "no such key", object, named, &step);
    treeobj_unref(&object);
    return step;
}

static void
expect(struct watch *w, struct treeobj *object, bool named, enum watch_say say)
{
    struct watch_step step = take(w, object, named);

    assert_int_equal(step.say, say);
    treeobj_unref(&step.object);
}

static void
expect_parts(struct watch *w, struct treeobj *object, size_t from)
{
    struct watch_step step = take(w, object, true);

    assert_int_equal(step.say, WATCH_SAY_PARTS);
    assert_int_equal(step.from, from);
    treeobj_unref(&step.object);
}

static void
expect_end(struct watch *w, struct treeobj *object, int errnum)
{
    struct watch_step step = take(w, object, true);

    assert_int_equal(step.say, WATCH_SAY_END);
    assert_int_equal(step.errnum, errnum);
    assert_true(step.text[0]);
}

/* --- tests --- */

static void
flags_must_go_together(void **state UNUSED)
{
    static const struct {
        int flags;
        bool streaming;
        int rc;
    } cases[] = {
        {LOOKUP_WAITCREATE, false, 0},
        {0, false, 0},
        {LOOKUP_WATCH, true, 0},
        {LOOKUP_WATCH, false, -EPROTO},
        {LOOKUP_STREAM, false, -EPROTO},
        {LOOKUP_STREAM, true, 0},
        {LOOKUP_WATCH | LOOKUP_STREAM, true, -EINVAL},
        {LOOKUP_WATCH_FULL, true, -EINVAL},
        {LOOKUP_WATCH_UNIQ | LOOKUP_WAITCREATE, false, -EINVAL},
        {LOOKUP_WATCH_APPEND, true, -EINVAL},
        {LOOKUP_WATCH | LOOKUP_WATCH_APPEND, true, 0},
        {LOOKUP_WATCH | LOOKUP_WATCH_APPEND | LOOKUP_READDIR, true, -EISDIR},
        {LOOKUP_STREAM | LOOKUP_READDIR, true, -EISDIR},
        {LOOKUP_WATCH | LOOKUP_READDIR | LOOKUP_WATCH_FULL, true, 0},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_int_equal(watch_check_flags(cases[i].flags, cases[i].streaming, NULL), cases[i].rc);
}

static void
a_plain_watch_tells_what_is_named(void **state UNUSED)
{
    struct watch *w = watch_new(ALG, LOOKUP_WATCH);
    struct watch_step first = take(w, val("1"), false);

    assert_int_equal(first.say, WATCH_SAY_OBJECT);
    assert_true(first.is_first);
    assert_false(first.is_last);
    treeobj_unref(&first.object);
    assert_false(watch_wants(w, false));
    assert_true(watch_wants(w, true));
    expect(w, val("1"), true, WATCH_SAY_OBJECT);   // put again
    expect(w, val("1"), false, WATCH_SAY_NOTHING); // looked at because versions were missed
    expect(w, val("2"), false, WATCH_SAY_OBJECT);
    expect_end(w, NULL, ENOENT);
    watch_free(&w);
    assert_null(w);
}

static void
uniq_and_full_tell_changes_only(void **state UNUSED)
{
    static const int flags[] = {LOOKUP_WATCH_UNIQ, LOOKUP_WATCH_FULL,
                                LOOKUP_WATCH_UNIQ | LOOKUP_WATCH_FULL};

    for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
        struct watch *w = watch_new(ALG, LOOKUP_WATCH | flags[i]);

        expect(w, val("1"), true, WATCH_SAY_OBJECT);
        expect(w, val("1"), true, WATCH_SAY_NOTHING);
        expect(w, val("2"), true, WATCH_SAY_OBJECT);
        expect(w, val("1"), true, WATCH_SAY_OBJECT);
        assert_int_equal(watch_wants(w, false), (flags[i] & LOOKUP_WATCH_FULL) != 0);
        watch_free(&w);
    }
}

static void
a_directory_is_told_when_its_object_differs(void **state UNUSED)
{
    struct watch *w = watch_new(ALG, LOOKUP_WATCH | LOOKUP_READDIR);

    assert_int_equal(watch_lookup_flags(w), LOOKUP_READDIR | LOOKUP_UNJOINED | LOOKUP_COMPARE);
    expect(w, dir("a"), false, WATCH_SAY_OBJECT);
    assert_true(watch_wants(w, false));
    expect(w, dir("a"), true, WATCH_SAY_NOTHING);
    expect(w, dir("b"), false, WATCH_SAY_OBJECT);
    watch_free(&w);
}

static void
waitcreate_waits_once(void **state UNUSED)
{
    struct watch *w = watch_new(ALG, LOOKUP_WATCH | LOOKUP_WAITCREATE);
    struct watch *once = watch_new(ALG, LOOKUP_WAITCREATE);
    struct watch_step step;

    assert_true(watch_wants(w, false)); // it may come with a directory that is put
    expect(w, NULL, false, WATCH_SAY_NOTHING);
    expect(w, NULL, true, WATCH_SAY_NOTHING);
    expect(w, val("1"), true, WATCH_SAY_OBJECT);
    expect_end(w, NULL, ENOENT);
    expect(once, NULL, false, WATCH_SAY_NOTHING);
    step = take(once, val("1"), false);
    assert_int_equal(step.say, WATCH_SAY_OBJECT);
    assert_true(step.is_last);
    treeobj_unref(&step.object);
    watch_free(&w);
    watch_free(&once);
}

static void
other_errors_are_the_end(void **state UNUSED)
{
    struct watch *w = watch_new(ALG, LOOKUP_WATCH | LOOKUP_WAITCREATE);
    struct watch_step step;

    watch_take(w, -EISDIR, "is a directory", NULL, true, &step);
    assert_int_equal(step.say, WATCH_SAY_END);
    assert_int_equal(step.errnum, EISDIR);
    assert_string_equal(step.text, "is a directory");
    watch_free(&w);
}

static void
appends_are_told_from_where_the_old_value_ended(void **state UNUSED)
{
    static const char *const blobs[] = {"old", "new", "newer"};
    static const char *const others[] = {"else", "new"};
    const int flags = LOOKUP_WATCH | LOOKUP_WATCH_APPEND;
    struct watch *w = watch_new(ALG, flags);

    expect_parts(w, val("old"), 0);
    expect(w, val("old"), true, WATCH_SAY_NOTHING);
    expect_parts(w, valref(blobs, 2), 1); // the val has become the first blob
    expect_parts(w, valref(blobs, 3), 2);
    expect(w, valref(blobs, 3), true, WATCH_SAY_NOTHING);
    expect_end(w, valref(blobs, 1), EINVAL);
    watch_free(&w);

    w = watch_new(ALG, flags | LOOKUP_TREEOBJ);
    expect_end(w, dir("a"), EISDIR);
    watch_free(&w);

    w = watch_new(ALG, flags);
    expect_parts(w, val("ab"), 0);
    expect_parts(w, val("abc"), 2);
    expect_end(w, val("xbcd"), EINVAL);
    watch_free(&w);

    w = watch_new(ALG, flags);
    expect_parts(w, val("old"), 0);
    expect_end(w, valref(others, 2), EINVAL);
    watch_free(&w);

    w = watch_new(ALG, flags);
    expect_parts(w, valref(blobs, 3), 0);
    expect_end(w, val("old"), EINVAL);
    watch_free(&w);
}

static void
a_stream_is_told_in_parts_and_ends(void **state UNUSED)
{
    static const char *const blobs[] = {"a", "b"};
    struct watch *w = watch_new(ALG, LOOKUP_STREAM);
    struct watch_step step = take(w, valref(blobs, 2), false);

    assert_int_equal(step.say, WATCH_SAY_PARTS);
    assert_int_equal(step.from, 0);
    assert_true(step.is_last);
    treeobj_unref(&step.object);
    watch_free(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flags_must_go_together),
        cmocka_unit_test(a_plain_watch_tells_what_is_named),
        cmocka_unit_test(uniq_and_full_tell_changes_only),
        cmocka_unit_test(a_directory_is_told_when_its_object_differs),
        cmocka_unit_test(waitcreate_waits_once),
        cmocka_unit_test(other_errors_are_the_end),
        cmocka_unit_test(appends_are_told_from_where_the_old_value_ended),
        cmocka_unit_test(a_stream_is_told_in_parts_and_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
