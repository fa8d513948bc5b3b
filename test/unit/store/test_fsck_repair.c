/* SPDX-License-Identifier: MPL-2.0 */
#include "fscktest.h"

#include "elog.h"

#include <sys/wait.h>

#define NOW 2000000.25

/* --- flat trees --- */

/* "KEY = TREEOBJ" for everything in a tree that is no directory with entries; keys and values whose
 * blobs are lost are given to `lost` instead. */
struct flat {
    struct bench *b;
    struct lines whole;
    struct lines lost;    // keys
    struct lines remains; // "lost+found.KEY = TREEOBJ" of what is left
    bool is_taken;        // something is at lost+found, be it an empty directory
};

static char *
format_entry(const char *prefix, const char *key, const struct treeobj *obj)
{
    AUTO(buf) struct buf text = BUF_INIT;

    buf_printf(&text, "%s%s = ", prefix, key);
    treeobj_encode(ALG, obj, &text);
    return buf_detach(&text, NULL);
}

static struct treeobj *
load_tree_object(struct bench *b, const struct digest *d)
{
    AUTO(blob) struct blob *blob = NULL;
    struct treeobj *obj = NULL;

    if (store_db_load(b->db, d, &blob) < 0)
        return NULL;
    assert_int_equal(treeobj_decode(ALG, blob_data(blob), blob_size(blob), &obj, NULL), 0);
    return obj;
}

static void
flatten_value(struct flat *f, const char *key, const struct treeobj *obj)
{
    struct digest rest[64];
    size_t count, left = 0;
    const struct digest *refs = treeobj_refs(obj, &count);
    AUTO(treeobj) struct treeobj *remains = NULL;

    for (size_t i = 0; i < count; i++) {
        AUTO(blob) struct blob *blob = NULL;

        if (store_db_load(f->b->db, &refs[i], &blob) == 0)
            rest[left++] = refs[i];
    }
    if (left == count) {
        lines_add(&f->whole, format_entry("", key, obj));
        return;
    }
    lines_add(&f->lost, xstrdup(key));
    if (left == 0)
        return;
    remains = treeobj_new_valref(rest, left);
    lines_add(&f->remains, format_entry("lost+found.", key, remains));
}

static void
flatten(struct flat *f, const char *prefix, const struct digest *d)
{
    AUTO(treeobj) struct treeobj *dir = load_tree_object(f->b, d);
    size_t count;

    if (!dir) {
        lines_add(&f->lost, xstrdup(prefix));
        return;
    }
    for (size_t i = 0; i < treeobj_dir_count(dir); i++) {
        const struct treeobj *entry = treeobj_dir_entry(dir, i);
        AUTO(buf) struct buf key = BUF_INIT;

        buf_printf(&key, "%s%s", prefix, *prefix ? "." : "");
        key_quote_name(treeobj_dir_name(dir, i), &key);
        if (strcmp(buf_str(&key), "lost+found") == 0)
            f->is_taken = true;
        if (treeobj_type(entry) == TREEOBJ_DIRREF)
            flatten(f, buf_str(&key), treeobj_refs(entry, &count));
        else if (treeobj_type(entry) == TREEOBJ_VALREF)
            flatten_value(f, buf_str(&key), entry);
        else
            lines_add(&f->whole, format_entry("", buf_str(&key), entry));
    }
}

static void
flat_init(struct flat *f, struct bench *b, const struct digest *root)
{
    *f = (struct flat){.b = b};
    flatten(f, "", root);
}

static void
flat_fini(struct flat *f)
{
    lines_fini(&f->whole);
    lines_fini(&f->lost);
    lines_fini(&f->remains);
}

static bool
has_line(const struct lines *l, const char *line)
{
    for (size_t i = 0; i < l->count; i++) {
        if (strcmp(l->list[i], line) == 0)
            return true;
    }
    return false;
}

static bool
has_key(const struct lines *l, const char *key)
{
    size_t len = strlen(key);

    for (size_t i = 0; i < l->count; i++) {
        if (strncmp(l->list[i], key, len) == 0 && strncmp(l->list[i] + len, " = ", 3) == 0)
            return true;
    }
    return false;
}

/* --- roots --- */

static struct store_root
get_root(struct bench *b, const char *name)
{
    AUTO(free) struct store_root *roots = NULL;
    size_t count;

    assert_int_equal(store_db_roots(b->db, &roots, &count), 0);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(roots[i].name, name) == 0)
            return roots[i];
    }
    fail_msg("no namespace %s", name);
    return roots[0];
}

static size_t
get_checkpoints(struct bench *b, struct checkpoint **ret)
{
    size_t count;

    assert_int_equal(store_db_checkpoints(b->db, ret, &count), 0);
    return count;
}

static void
repair(struct bench *b, struct fsck_fixed **ret, size_t *ret_count)
{
    struct err err = {0};
    struct told t;

    check_store(b, &t);
    if (fsck_repair(b->db, ALG, t.fsck, &t.plans, NOW, ret, ret_count, &err) < 0)
        fail_msg("%s", err.text);
    told_fini(&t);
}

static void
repair_all(struct bench *b)
{
    AUTO(free) struct fsck_fixed *fixed = NULL;
    size_t count;

    repair(b, &fixed, &count);
}

/* primary: one = [first], two = [first, second]. */
static void
put_values(struct bench *b, struct digest *ret_first, struct digest *ret_second)
{
    struct treeobj *dir = treeobj_new_dir();
    struct digest d[2], root;

    assert_int_equal(store_db_begin(b->db), 0);
    d[0] = put_bytes(b, "first part", 10);
    d[1] = put_bytes(b, "second part", 11);
    add_entry(dir, "one", treeobj_new_valref(d, 1));
    add_entry(dir, "two", treeobj_new_valref(d, 2));
    root = put_object(b, &dir);
    commit_root(b, "primary", &root, true);
    assert_int_equal(store_db_commit(b->db), 0);
    *ret_first = d[0];
    *ret_second = d[1];
}

static void
assert_entry(struct bench *b, const char *line)
{
    struct store_root root = get_root(b, "primary");
    struct flat f;

    flat_init(&f, b, &root.root);
    if (!has_line(&f.whole, line))
        fail_msg("not there: %s (%zu keys, first %s)", line, f.whole.count,
                 f.whole.count ? f.whole.list[0] : "");
    flat_fini(&f);
}

/* --- single cases --- */

static void
what_is_left_of_a_value_goes_to_lost_and_found(void **state)
{
    struct bench *b = *state;
    struct digest first, second;
    AUTO(treeobj) struct treeobj *rest = NULL;
    AUTO(free) char *want = NULL, *kept = NULL;
    AUTO(free) struct checkpoint *list = NULL;
    struct store_root root;

    put_values(b, &first, &second);
    damage_digest(b, &second);
    repair_all(b);
    rest = treeobj_new_valref(&first, 1);
    want = format_entry("lost+found.", "two", rest);
    kept = format_entry("", "one", rest);
    assert_entry(b, want);
    assert_entry(b, kept);
    assert_clean(b);
    root = get_root(b, "primary");
    assert_int_equal(root.sequence, 2);
    assert_int_equal(root.owner, 7);
    assert_int_equal(get_checkpoints(b, &list), 2);
    assert_int_equal(list[0].sequence, 2);
    assert_true(list[0].timestamp == NOW);
    assert_true(digest_equal(&list[0].root, &root.root));
    assert_int_equal(list[1].sequence, 1);
}

static void
a_value_of_which_nothing_is_left_is_removed(void **state)
{
    struct bench *b = *state;
    struct digest first, second;
    struct store_root root;
    struct flat f;

    put_values(b, &first, &second);
    damage_digest(b, &first);
    discard(b, copy_of(b, &second));
    repair_all(b);
    assert_clean(b);
    root = get_root(b, "primary");
    flat_init(&f, b, &root.root);
    assert_int_equal(f.whole.count, 0);
    flat_fini(&f);
}

static void
a_whole_store_is_left_alone(void **state)
{
    struct bench *b = *state;
    AUTO(free) struct fsck_fixed *fixed = NULL;
    AUTO(free) struct checkpoint *list = NULL;
    struct digest first, second;
    size_t count;

    put_values(b, &first, &second);
    repair(b, &fixed, &count);
    assert_int_equal(count, 0);
    assert_int_equal(get_root(b, "primary").sequence, 1);
    assert_int_equal(get_checkpoints(b, &list), 1);
}

/* The name below lost+found is taken, by a value, by a link, or by a value on the way. */
static void
nothing_below_lost_and_found_is_replaced(void **state)
{
    static const char *const taken[] = {"lost+found", "lost+found.two", "lost+found.two.deeper"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(taken); i++) {
        struct treeobj *precious = treeobj_new_val("precious", 8);
        AUTO(free) char *kept = format_entry("", taken[i], precious);
        AUTO(free) char *want = NULL;
        AUTO(treeobj) struct treeobj *rest = NULL;
        struct digest first, second, root;
        struct bench b;
        struct tree *t;

        bench_init(&b, 1);
        put_values(&b, &first, &second);
        root = get_root(&b, "primary").root;
        t = tree_new(ALG, &root);
        put_key(&b, t, taken[i], precious);
        assert_int_equal(store_db_begin(b.db), 0);
        tree_write(t, keep_copy, &b, &root);
        commit_root(&b, "primary", &root, false);
        assert_int_equal(store_db_commit(b.db), 0);
        tree_free(&t);
        damage_digest(&b, &second);
        repair_all(&b);
        rest = treeobj_new_valref(&first, 1);
        want = format_entry("lost+found-2.", "two", rest);
        assert_entry(&b, kept);
        assert_entry(&b, want);
        assert_clean(&b);
        bench_fini(&b);
    }
}

/* --- roots that are lost --- */

static void
a_lost_root_starts_from_the_newest_checkpoint_that_is_not(void **state)
{
    struct bench *b = *state;
    AUTO(free) struct fsck_fixed *fixed = NULL;
    AUTO(free) struct checkpoint *list = NULL;
    AUTO(free) char *want = NULL;
    AUTO(treeobj) struct treeobj *rest = NULL;
    struct digest first, second, base, root;
    size_t count;

    put_values(b, &first, &second);
    base = get_root(b, "primary").root;
    assert_int_equal(store_db_begin(b->db), 0);
    root = grow(b, &base, 10);
    commit_root(b, "primary", &root, true);
    assert_int_equal(store_db_commit(b->db), 0);
    damage_digest(b, &root);
    damage_digest(b, &second);
    repair(b, &fixed, &count);
    assert_int_equal(count, 3); // primary, the checkpoint of its root, the one before
    assert_int_equal(fixed[0].fix, FSCK_FIX_CHECKPOINT);
    assert_int_equal(fixed[1].fix, FSCK_FIX_REMOVED);
    assert_int_equal(fixed[2].fix, FSCK_FIX_MENDED);
    rest = treeobj_new_valref(&first, 1);
    want = format_entry("lost+found.", "two", rest);
    assert_entry(b, want);
    assert_int_equal(get_root(b, "primary").sequence, 3);
    assert_int_equal(get_checkpoints(b, &list), 2);
    assert_clean(b);
}

static void
a_lost_root_without_a_checkpoint_becomes_empty(void **state)
{
    struct bench *b = *state;
    AUTO(free) struct fsck_fixed *fixed = NULL;
    struct digest empty, root;
    AUTO(blob) struct blob *nothing = tree_empty_dir(ALG, &empty);
    size_t count;

    assert_int_equal(store_db_begin(b->db), 0);
    keep_copy(b, &empty, nothing);
    root = grow(b, &empty, 30);
    commit_root(b, "other", &root, false);
    assert_int_equal(store_db_commit(b->db), 0);
    discard(b, copy_of(b, &empty)); // it is to be made again
    discard(b, copy_of(b, &root));
    repair(b, &fixed, &count);
    assert_int_equal(count, 1);
    assert_int_equal(fixed[0].fix, FSCK_FIX_EMPTY);
    assert_memory_equal(get_root(b, "other").root.bytes, empty.bytes, DIGEST_MAX);
    assert_clean(b);
}

/* --- any tree, any damage --- */

/* What is whole is as it was; what is left of the rest is below lost+found; there is nothing else. */
static void
assert_mended(struct flat *before, struct flat *after, bool has_room)
{
    assert_int_equal(after->lost.count, 0);
    for (size_t i = 0; i < before->whole.count; i++) {
        if (!has_line(&after->whole, before->whole.list[i]))
            fail_msg("whole before: %s", before->whole.list[i]);
    }
    for (size_t i = 0; i < before->lost.count; i++) {
        if (has_key(&after->whole, before->lost.list[i]))
            fail_msg("still there: %s", before->lost.list[i]);
    }
    for (size_t i = 0; has_room && i < before->remains.count; i++) {
        if (!has_line(&after->whole, before->remains.list[i]))
            fail_msg("not in lost+found: %s", before->remains.list[i]);
    }
    assert_int_equal(after->whole.count, before->whole.count + before->remains.count);
}

static void
check_namespace(struct bench *b, const char *name, struct flat *before,
                const struct digest *old_root)
{
    struct store_root root = get_root(b, name);
    struct flat after;

    flat_init(&after, b, &root.root);
    if (before->lost.count == 0)
        assert_true(digest_equal(&root.root, old_root));
    assert_mended(before, &after, !before->is_taken);
    flat_fini(&after);
}

static void
repair_random(uint64_t seed)
{
    static const char *const names[] = {"primary", "other"};
    struct digest roots[2];
    struct flat before[2];
    struct copy *c;
    struct bench b;

    bench_init(&b, seed);
    fill(&b);
    damage_some(&b);
    for (size_t i = 0; i < 2; i++) {
        roots[i] = get_root(&b, names[i]).root;
        flat_init(&before[i], &b, &roots[i]);
    }
    repair_all(&b);
    for (size_t i = 0; i < 2; i++) {
        c = copy_of(&b, &roots[i]);
        if (c->condition == WHOLE)
            check_namespace(&b, names[i], &before[i], &roots[i]);
        flat_fini(&before[i]);
    }
    assert_clean(&b);
    store_db_close(&b.db);
    b.db = open_db(&b.dir);
    assert_clean(&b);
    bench_fini(&b);
}

static void
a_repair_touches_nothing_that_is_whole(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++)
        repair_random(seed * 104729);
}

/* --- crashes --- */

int __real_store_db_commit(struct store_db *db);
int __wrap_store_db_commit(struct store_db *db);

static enum { COMMIT, CRASH_BEFORE, CRASH_AFTER } commit_mode;

int
__wrap_store_db_commit(struct store_db *db)
{
    int rc;

    if (commit_mode == CRASH_BEFORE)
        _exit(3);
    rc = __real_store_db_commit(db);
    if (commit_mode == CRASH_AFTER)
        _exit(4);
    return rc;
}

/* A process opens the store, and dies in the repair. */
static void
repair_and_crash(struct bench *b, int mode, int status)
{
    pid_t pid;
    int got;

    store_db_close(&b->db);
    pid = fork();
    if (pid == 0) {
        b->db = open_db(&b->dir);
        commit_mode = mode;
        repair_all(b);
        _exit(0);
    }
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &got, 0), pid);
    assert_true(WIFEXITED(got));
    assert_int_equal(WEXITSTATUS(got), status);
    b->db = open_db(&b->dir);
}

static void
a_crash_leaves_all_of_the_repair_or_none(void **state)
{
    struct bench *b = *state;
    struct digest first, second, before;
    struct lines want = {NULL, 0};
    struct told t;

    put_values(b, &first, &second);
    damage_digest(b, &second);
    before = get_root(b, "primary").root;
    repair_and_crash(b, CRASH_BEFORE, 3);
    assert_memory_equal(get_root(b, "primary").root.bytes, before.bytes, DIGEST_MAX);
    model_all(b, &want);
    check_store(b, &t);
    assert_same_lines(&t.lines, &want);
    told_fini(&t);
    lines_fini(&want);
    repair_and_crash(b, CRASH_AFTER, 4);
    assert_int_equal(get_root(b, "primary").sequence, 2);
    assert_clean(b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(what_is_left_of_a_value_goes_to_lost_and_found),
        T(a_value_of_which_nothing_is_left_is_removed),
        T(a_whole_store_is_left_alone),
        cmocka_unit_test(nothing_below_lost_and_found_is_replaced),
        T(a_lost_root_starts_from_the_newest_checkpoint_that_is_not),
        T(a_lost_root_without_a_checkpoint_becomes_empty),
        cmocka_unit_test(a_repair_touches_nothing_that_is_whole),
        T(a_crash_leaves_all_of_the_repair_or_none),
    };

    elog_open("/dev/null", NULL); // damaged rows are logged
    return cmocka_run_group_tests(tests, NULL, NULL);
}
