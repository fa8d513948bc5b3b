/* SPDX-License-Identifier: MPL-2.0 */
#include "fscktest.h"

#include "elog.h"

static struct digest
put_text(struct bench *b, const char *text)
{
    return put_bytes(b, text, strlen(text));
}

/* {"NAME":TREEOBJ of type with one reference} */
static struct digest
put_dir_of_one(struct bench *b, const char *name, const char *type, const struct digest *d)
{
    char ref[BLOBREF_MAX];
    AUTO(free)
    char *text = xasprintf("{\"data\":{\"%s\":{\"data\":[\"%s\"],\"type\":\"%s\",\"ver\":1}},"
                           "\"type\":\"dir\",\"ver\":1}",
                           name, blobref_format(ALG, d, ref), type);

    return put_text(b, text);
}

/* primary: a.NAME is a value of one blob; returns the blob. */
static struct digest
put_simple(struct bench *b, struct digest *ret_dir, struct digest *ret_root)
{
    struct digest value, dir, root;

    assert_int_equal(store_db_begin(b->db), 0);
    value = put_text(b, "a value that lies in a blob of its own");
    dir = put_dir_of_one(b, "b.c", "valref", &value);
    root = put_dir_of_one(b, "a", "dirref", &dir);
    commit_root(b, "primary", &root, false);
    assert_int_equal(store_db_commit(b->db), 0);
    if (ret_dir)
        *ret_dir = dir;
    if (ret_root)
        *ret_root = root;
    return value;
}

static void
assert_findings(struct bench *b, const char *const *want, size_t count)
{
    struct lines lines = {NULL, 0};
    struct told t;

    for (size_t i = 0; i < count; i++)
        lines_add(&lines, xstrdup(want[i]));
    check_store(b, &t);
    assert_same_lines(&t.lines, &lines);
    lines_fini(&lines);
    told_fini(&t);
}

static void
assert_one(struct bench *b, const char *key, enum fsck_object object, enum fsck_problem problem,
           const struct digest *d)
{
    AUTO(free) char *line = format_finding("primary", key, object, problem, d);
    const char *want = line;

    assert_findings(b, &want, 1);
}

/* --- single cases --- */

static void
an_empty_store_is_clean(void **state)
{
    assert_clean(*state);
}

static void
a_whole_store_is_clean_and_counted(void **state)
{
    struct bench *b = *state;
    struct told t;

    put_simple(b, NULL, NULL);
    check_store(b, &t);
    assert_int_equal(t.lines.count, 0);
    assert_int_equal(fsck_stats(t.fsck)->blobs, 3);
    assert_int_equal(fsck_stats(t.fsck)->keys, 1);
    assert_int_equal(fsck_stats(t.fsck)->damaged, 0);
    assert_int_equal(fsck_stats(t.fsck)->lost, 0);
    told_fini(&t);
}

static void
a_flipped_byte_is_told_with_the_key(void **state)
{
    struct bench *b = *state;
    struct digest d = put_simple(b, NULL, NULL);

    damage_digest(b, &d);
    assert_one(b, "a.b%2Ec", FSCK_VALUE, FSCK_DAMAGED, &d);
}

static void
a_missing_blob_is_told_with_the_key(void **state)
{
    struct bench *b = *state;
    struct digest d = put_simple(b, NULL, NULL);

    discard(b, copy_of(b, &d));
    assert_one(b, "a.b%2Ec", FSCK_VALUE, FSCK_MISSING, &d);
}

static void
a_blob_that_a_value_has_twice_is_told_once(void **state)
{
    struct bench *b = *state;
    struct treeobj *dir = treeobj_new_dir();
    struct digest d[3], root;

    assert_int_equal(store_db_begin(b->db), 0);
    d[0] = d[2] = put_text(b, "again and again");
    d[1] = put_text(b, "once");
    add_entry(dir, "k", treeobj_new_valref(d, 3));
    root = put_object(b, &dir);
    commit_root(b, "primary", &root, false);
    assert_int_equal(store_db_commit(b->db), 0);
    damage_digest(b, &d[0]);
    assert_one(b, "k", FSCK_VALUE, FSCK_DAMAGED, &d[0]);
}

static void
a_lost_directory_is_one_key(void **state)
{
    struct bench *b = *state;
    struct digest dir;
    struct told t;

    put_simple(b, &dir, NULL);
    damage_digest(b, &dir);
    assert_one(b, "a", FSCK_DIRECTORY, FSCK_DAMAGED, &dir);
    check_store(b, &t);
    assert_int_equal(fsck_stats(t.fsck)->lost, 1);
    told_fini(&t);
}

static void
a_lost_root_is_told(void **state)
{
    struct bench *b = *state;
    struct digest root;

    put_simple(b, NULL, &root);
    damage_digest(b, &root);
    assert_one(b, ".", FSCK_DIRECTORY, FSCK_DAMAGED, &root);
}

static void
without_a_namespace_the_newest_checkpoint_is_primary(void **state)
{
    struct bench *b = *state;
    struct digest d = put_simple(b, NULL, NULL), root;
    struct checkpoint c = {.sequence = 3, .timestamp = 2.5};
    struct lines want = {NULL, 0};
    struct told t;

    damage_digest(b, &d);
    put_simple(b, NULL, &root);
    c.root = root;
    assert_int_equal(store_db_begin(b->db), 0);
    assert_int_equal(store_db_remove_root(b->db, "primary"), 0);
    assert_int_equal(store_db_put_checkpoint(b->db, &c), 0);
    assert_int_equal(store_db_commit(b->db), 0);
    copy_of(b, &d)->condition = WHOLE; // unless putting it again left it as it was
    check_store(b, &t);
    if (t.lines.count > 0) {
        lines_add(&want, format_finding("primary", "a.b%2Ec", FSCK_VALUE, FSCK_DAMAGED, &d));
        lines_add(&want, format_finding("checkpoint 0", "a.b%2Ec", FSCK_VALUE, FSCK_DAMAGED, &d));
    }
    assert_int_equal(fsck_stats(t.fsck)->keys, 1);
    assert_same_lines(&t.lines, &want);
    lines_fini(&want);
    told_fini(&t);
}

static void
a_damaged_blob_that_nobody_needs_is_told(void **state)
{
    struct bench *b = *state;
    struct digest d;
    AUTO(free) char *line = NULL;
    const char *want;

    assert_int_equal(store_db_begin(b->db), 0);
    d = put_text(b, "nobody's");
    assert_int_equal(store_db_commit(b->db), 0);
    damage_digest(b, &d);
    line = format_finding("", "", FSCK_BLOB, FSCK_DAMAGED, &d);
    want = line;
    assert_findings(b, &want, 1);
}

/* --- hostile trees --- */

static void
what_is_no_directory_is_malformed(void **state)
{
    static const char *const texts[] = {
        "",
        "{",
        "{\"data\":\"\",\"type\":\"val\",\"ver\":1}",
        "{\"data\":{},\"type\":\"dir\",\"ver\":2}",
        "{\"data\":{\"a/"
        "b\":{\"data\":\"\",\"type\":\"val\",\"ver\":1}},\"type\":\"dir\",\"ver\":1}",
        "{\"data\":{\"\\u001b[2J\":{\"data\":\"\",\"type\":\"val\",\"ver\":1}},\"type\":\"dir\","
        "\"ver\":1}",
    };
    struct bench *b = *state;

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct digest d, root;

        assert_int_equal(store_db_begin(b->db), 0);
        d = put_text(b, texts[i]);
        root = put_dir_of_one(b, "a", "dirref", &d);
        commit_root(b, "primary", &root, false);
        assert_int_equal(store_db_commit(b->db), 0);
        assert_one(b, "a", FSCK_DIRECTORY, FSCK_MALFORMED, &d);
    }
}

/* `levels` directories, one in the other, and d in the innermost. */
static struct digest
wrap(struct bench *b, size_t levels, struct digest d)
{
    for (size_t i = 0; i < levels; i++)
        d = put_dir_of_one(b, "d", "dirref", &d);
    return d;
}

/* `levels` directories with a value at the end. */
static void
put_chain(struct bench *b, size_t levels)
{
    struct digest d;

    assert_int_equal(store_db_begin(b->db), 0);
    d = put_text(b, "the end");
    d = wrap(b, levels - 1, put_dir_of_one(b, "v", "valref", &d));
    commit_root(b, "primary", &d, false);
    assert_int_equal(store_db_commit(b->db), 0);
}

static void
a_tree_may_be_as_deep_as_keys_are(void **state)
{
    struct bench *b = *state;
    struct told t;

    put_chain(b, KEY_DEPTH_MAX);
    check_store(b, &t);
    assert_int_equal(t.lines.count, 0);
    assert_int_equal(fsck_stats(t.fsck)->keys, 1);
    told_fini(&t);
}

static void
a_deeper_tree_ends_the_walk_but_not_the_program(void **state)
{
    struct bench *b = *state;
    struct told t;

    put_chain(b, 5000);
    check_store(b, &t);
    assert_int_equal(t.lines.count, 1);
    assert_non_null(strstr(t.lines.list[0], "malformed"));
    told_fini(&t);
}

/* What is sound at one place may be too deep at another. */
static void
a_sound_directory_may_be_too_deep_elsewhere(void **state)
{
    struct bench *b = *state;
    struct treeobj *dir = treeobj_new_dir();
    struct digest d, deep;
    struct told t;

    assert_int_equal(store_db_begin(b->db), 0);
    d = put_text(b, "the end");
    d = wrap(b, 90, put_dir_of_one(b, "v", "valref", &d));
    deep = wrap(b, 60, d);
    add_entry(dir, "a", treeobj_new_dirref(&d));
    add_entry(dir, "b", treeobj_new_dirref(&deep));
    d = put_object(b, &dir);
    commit_root(b, "primary", &d, false);
    assert_int_equal(store_db_commit(b->db), 0);
    check_store(b, &t);
    assert_int_equal(t.lines.count, 1);
    assert_non_null(strstr(t.lines.list[0], "primary: b.d.d.d"));
    assert_non_null(strstr(t.lines.list[0], "malformed"));
    told_fini(&t);
}

/* Levels of two names for the same directory: 60 of them are 2^60 keys. */
static struct digest
put_diamond(struct bench *b, size_t levels, struct digest d)
{
    for (size_t i = 0; i < levels; i++) {
        struct treeobj *dir = treeobj_new_dir();

        add_entry(dir, "a", treeobj_new_dirref(&d));
        add_entry(dir, "b", treeobj_new_dirref(&d));
        d = put_object(b, &dir);
    }
    return d;
}

static void
shared_directories_are_walked_once(void **state)
{
    struct bench *b = *state;
    struct digest value, root;
    struct told t;

    assert_int_equal(store_db_begin(b->db), 0);
    value = put_text(b, "value");
    root = put_diamond(b, 60, put_dir_of_one(b, "v", "valref", &value));
    commit_root(b, "primary", &root, true);
    assert_int_equal(store_db_commit(b->db), 0);
    check_store(b, &t);
    assert_int_equal(t.lines.count, 0);
    assert_true(fsck_stats(t.fsck)->keys == (uint64_t)1 << 60);
    told_fini(&t);
}

static void
there_is_an_end_to_findings(void **state)
{
    struct bench *b = *state;
    struct digest value, root;
    struct told t;

    assert_int_equal(store_db_begin(b->db), 0);
    value = put_text(b, "value");
    root = put_diamond(b, 60, put_dir_of_one(b, "v", "valref", &value));
    commit_root(b, "primary", &root, true);
    assert_int_equal(store_db_commit(b->db), 0);
    damage_digest(b, &value);
    check_store(b, &t);
    assert_int_equal(t.lines.count, FSCK_FINDINGS_MAX);
    assert_true(fsck_stats(t.fsck)->is_truncated);
    told_fini(&t);
}

/* --- while others work --- */

static void
a_tree_that_moves_on_is_walked_anew(void **state)
{
    struct bench *b = *state;
    struct digest d = put_simple(b, NULL, NULL), empty;
    AUTO(blob) struct blob *nothing = tree_empty_dir(ALG, &empty);
    struct told t = {.plans = FSCK_PLANS_INIT};

    t.fsck = fsck_new(ALG, on_finding, &t);
    while (strcmp(fsck_state_name(t.fsck), "keys") != 0)
        assert_int_equal(fsck_step(t.fsck, b->db), 1);
    /* The key is removed, and its blob collected. */
    assert_int_equal(store_db_begin(b->db), 0);
    keep_copy(b, &empty, nothing);
    commit_root(b, "primary", &empty, false);
    assert_int_equal(store_db_commit(b->db), 0);
    discard(b, copy_of(b, &d));
    while (fsck_step(t.fsck, b->db) > 0)
        ;
    assert_int_equal(t.lines.count, 0);
    assert_int_equal(fsck_stats(t.fsck)->lost, 0);
    told_fini(&t);
}

static void
a_namespace_that_goes_away_is_left(void **state)
{
    struct bench *b = *state;
    struct digest d = put_simple(b, NULL, NULL), root;
    struct told t = {.plans = FSCK_PLANS_INIT};

    assert_int_equal(store_db_begin(b->db), 0);
    root = put_dir_of_one(b, "other", "valref", &d);
    commit_root(b, "stays", &root, false);
    assert_int_equal(store_db_commit(b->db), 0);
    t.fsck = fsck_new(ALG, on_finding, &t);
    while (strcmp(fsck_state_name(t.fsck), "keys") != 0)
        assert_int_equal(fsck_step(t.fsck, b->db), 1);
    assert_int_equal(store_db_begin(b->db), 0);
    assert_int_equal(store_db_remove_root(b->db, "primary"), 0);
    assert_int_equal(store_db_commit(b->db), 0);
    discard(b, copy_of(b, &d));
    while (fsck_step(t.fsck, b->db) > 0)
        ;
    assert_int_equal(t.lines.count, 1);
    assert_non_null(strstr(t.lines.list[0], "stays: other: value"));
    told_fini(&t);
}

/* --- any tree, any damage --- */

static void
findings_are_those_of_the_model(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct lines want = {NULL, 0};
        struct bench b;
        struct told t;

        bench_init(&b, seed * 7919);
        fill(&b);
        assert_clean(&b);
        damage_some(&b);
        model_all(&b, &want);
        check_store(&b, &t);
        assert_same_lines(&t.lines, &want);
        lines_fini(&want);
        told_fini(&t);
        bench_fini(&b);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(an_empty_store_is_clean),
        T(a_whole_store_is_clean_and_counted),
        T(a_flipped_byte_is_told_with_the_key),
        T(a_missing_blob_is_told_with_the_key),
        T(a_blob_that_a_value_has_twice_is_told_once),
        T(a_lost_directory_is_one_key),
        T(a_lost_root_is_told),
        T(without_a_namespace_the_newest_checkpoint_is_primary),
        T(a_damaged_blob_that_nobody_needs_is_told),
        T(what_is_no_directory_is_malformed),
        T(a_tree_may_be_as_deep_as_keys_are),
        T(a_deeper_tree_ends_the_walk_but_not_the_program),
        T(a_sound_directory_may_be_too_deep_elsewhere),
        T(shared_directories_are_walked_once),
        T(there_is_an_end_to_findings),
        T(a_tree_that_moves_on_is_walked_anew),
        T(a_namespace_that_goes_away_is_left),
        cmocka_unit_test(findings_are_those_of_the_model),
    };

    elog_open("/dev/null", NULL); // damaged rows are logged
    return cmocka_run_group_tests(tests, NULL, NULL);
}
