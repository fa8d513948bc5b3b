/* SPDX-License-Identifier: MPL-2.0 */
/* Wide directories that have lost parts: what is told, what a repair leaves. */
#include "fscktest.h"

#include "elog.h"
#include "gather.h"

#define KEYS 6000 // hdirs of two levels

static const char *const places[] = {"", "w."}; // the root, and a directory in it

static struct hdir_form
wide_form(void)
{
    return hdir_form(ALG, HDIR_MAXDIRENT);
}

/* KEYS values below `place`, some of them blobs. */
static struct digest
put_wide(struct bench *b, const char *place)
{
    struct hdir_form form = wide_form();
    AUTO(txn) struct txn txn = TXN_INIT;
    struct digest empty, root;
    AUTO(blob) struct blob *nothing = tree_empty_dir(ALG, &empty);
    struct tree *t = tree_new(ALG, &empty);
    int rc;

    keep_copy(b, &empty, nothing);
    tree_set_form(t, &form);
    for (int i = 0; i < KEYS; i++) {
        AUTO(free) char *key = xasprintf("%sk%d", place, i);
        AUTO(free) char *text = xasprintf("%0*d", i % 100 ? 5 : 100, i);
        struct treeobj *val = treeobj_new_val(text, strlen(text));

        assert_int_equal(txn_add(&txn, key, 0, &val, NULL), 0);
    }
    while ((rc = tree_apply(t, &txn, NULL)) == 1)
        provide_all(b, t);
    assert_int_equal(rc, 0);
    tree_write(t, keep_copy, b, &root);
    tree_free(&t);
    return root;
}

static void
set_root(struct bench *b, const struct digest *root, bool with_checkpoint)
{
    assert_int_equal(store_db_begin(b->db), 0);
    commit_root(b, "primary", root, with_checkpoint);
    assert_int_equal(store_db_commit(b->db), 0);
}

static struct digest
fill_wide(struct bench *b, const char *place, bool with_checkpoint)
{
    struct digest root;

    assert_int_equal(store_db_begin(b->db), 0);
    root = put_wide(b, place);
    assert_int_equal(store_db_commit(b->db), 0);
    set_root(b, &root, with_checkpoint);
    return root;
}

static struct treeobj *
load_object(struct bench *b, const struct digest *d)
{
    AUTO(blob) struct blob *blob = NULL;
    struct treeobj *obj;

    if (store_db_load(b->db, d, &blob) < 0)
        return NULL;
    assert_int_equal(treeobj_decode(ALG, blob_data(blob), blob_size(blob), &obj, NULL), 0);
    return obj;
}

static struct digest
wide_dir(struct bench *b, const struct digest *root, const char *place)
{
    AUTO(treeobj) struct treeobj *obj = NULL;
    size_t count;

    if (!*place)
        return *root;
    obj = load_object(b, root);
    return *treeobj_refs(treeobj_dir_get(obj, "w"), &count);
}

/* Values that can be reached; parts that cannot be had are counted, with their entries. */
struct census {
    uint64_t keys;
    uint64_t lost_parts;
    uint64_t lost_entries;
};

static void
count_object(struct bench *b, const struct treeobj *obj, struct census *c)
{
    if (treeobj_type(obj) == TREEOBJ_DIR) {
        c->keys += treeobj_dir_count(obj);
        return;
    }
    for (size_t i = 0; i < TREEOBJ_SLOTS; i++) {
        const struct treeobj_slot *slot = &treeobj_hdir_slots(obj)[i];
        AUTO(treeobj) struct treeobj *part = slot->count ? load_object(b, &slot->ref) : NULL;

        if (part)
            count_object(b, part, c);
        else if (slot->count)
            c->lost_parts++, c->lost_entries += slot->count;
    }
}

static struct census
census(struct bench *b, const struct digest *d)
{
    AUTO(treeobj) struct treeobj *obj = load_object(b, d);
    struct census c = {0};

    count_object(b, obj, &c);
    return c;
}

static struct digest
repair(struct bench *b, uint64_t *ret_removed)
{
    AUTO(free) struct fsck_fixed *fixed = NULL;
    AUTO(free) struct store_root *roots = NULL;
    struct err err = {0};
    struct told t;
    size_t count;

    check_store(b, &t);
    if (fsck_repair(b->db, ALG, t.fsck, &t.plans, 5.0, &fixed, &count, &err) < 0)
        fail_msg("%s", err.text);
    *ret_removed = count > 0 ? fixed[0].mended.removed : 0;
    told_fini(&t);
    assert_int_equal(store_db_roots(b->db, &roots, &count), 0);
    return roots[0].root;
}

static void
whole_directories_are_clean_and_counted(void **state)
{
    struct bench *b = *state;
    struct told t;

    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        fill_wide(b, places[i], true);
        check_store(b, &t);
        assert_int_equal(t.lines.count, 0);
        assert_int_equal(fsck_stats(t.fsck)->keys, KEYS);
        told_fini(&t);
    }
}

/* Some parts are gone, of both levels. */
static void
lose_some(struct bench *b, const struct digest *spare, size_t odds)
{
    for (size_t i = 0; i < b->copies.count; i++) {
        struct copy *c = b->order[i];
        AUTO(treeobj) struct treeobj *obj = NULL;

        if (digest_equal(&c->digest, spare) || blob_size(c->blob) < 1000 ||
            draw_below(&b->seed, odds) > 0)
            continue;
        if (treeobj_decode(ALG, blob_data(c->blob), blob_size(c->blob), &obj, NULL) == 0)
            discard(b, c);
    }
}

static void
try_repair(struct bench *b, const char *place)
{
    struct digest root = fill_wide(b, place, false);
    struct digest d = wide_dir(b, &root, place);
    struct census before, after;
    struct told t;
    uint64_t removed;

    lose_some(b, &d, 2 + draw_below(&b->seed, 30));
    before = census(b, &d);
    check_store(b, &t);
    assert_int_equal(t.lines.count, before.lost_parts);
    assert_int_equal(fsck_stats(t.fsck)->lost, before.lost_entries);
    assert_int_equal(before.keys + before.lost_entries, KEYS);
    told_fini(&t);
    root = repair(b, &removed);
    assert_int_equal(removed, before.lost_entries);
    assert_clean(b);
    d = wide_dir(b, &root, place);
    after = census(b, &d);
    assert_int_equal(after.lost_parts, 0);
    assert_int_equal(after.keys, before.keys);
}

static void
a_repair_leaves_what_is_whole(void **state UNUSED)
{
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct bench b;

        bench_init(&b, seed);
        try_repair(&b, places[seed % 2]);
        bench_fini(&b);
    }
}

/* A directory all of whose parts are gone is empty then. */
static void
a_repair_may_leave_nothing(void **state)
{
    struct bench *b = *state;
    struct digest root = fill_wide(b, "w.", false);
    struct digest d = wide_dir(b, &root, "w.");
    AUTO(treeobj) struct treeobj *dir = NULL;
    uint64_t removed;

    lose_some(b, &d, 1);
    root = repair(b, &removed);
    assert_int_equal(removed, KEYS);
    d = wide_dir(b, &root, "w.");
    dir = load_object(b, &d);
    assert_int_equal(treeobj_type(dir), TREEOBJ_DIR);
    assert_int_equal(treeobj_dir_count(dir), 0);
}

/* Another part's blob in a slot is whole, and malformed there, although it is sound in another tree. */
static void
a_part_in_a_wrong_place_is_malformed(void **state)
{
    struct bench *b = *state;
    struct digest root = fill_wide(b, "", false);
    AUTO(treeobj) struct treeobj *obj = load_object(b, &root);
    struct treeobj_slot slots[TREEOBJ_SLOTS];
    struct lines want = {NULL, 0};
    struct treeobj *bad;
    struct told t;

    assert_int_equal(store_db_begin(b->db), 0);
    commit_root(b, "another", &root, false); // is walked first
    assert_int_equal(store_db_commit(b->db), 0);
    memcpy(slots, treeobj_hdir_slots(obj), sizeof(slots));
    slots[3].ref = slots[4].ref;
    slots[5].count++;
    bad = treeobj_new_hdir(slots);
    assert_int_equal(store_db_begin(b->db), 0);
    root = put_object(b, &bad);
    commit_root(b, "primary", &root, false);
    assert_int_equal(store_db_commit(b->db), 0);
    check_store(b, &t);
    assert_int_equal(t.lines.count, 2);
    for (size_t i = 0; i < 2; i++)
        lines_add(&want,
                  format_finding("primary", ".", FSCK_PART, FSCK_MALFORMED, &slots[i ? 5 : 3].ref));
    assert_same_lines(&t.lines, &want);
    lines_fini(&want);
    told_fini(&t);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(whole_directories_are_clean_and_counted),
        cmocka_unit_test(a_repair_leaves_what_is_whole),
        T(a_repair_may_leave_nothing),
        T(a_part_in_a_wrong_place_is_malformed),
    };

    elog_open("/dev/null", NULL); // damaged rows are logged
    return cmocka_run_group_tests(tests, NULL, NULL);
}
