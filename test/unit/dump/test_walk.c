/* SPDX-License-Identifier: MPL-2.0 */
/* The walk yields the same items in path order, whatever the number of loads and the order of their
 * answers; it is bounded, and it says what it could not read. */
#include "hdir.h"
#include "key.h"
#include "memstore.h"
#include "walk.h"
#include "xmem.h"

#include "cmocka_all.h"

#include <stdio.h>

#define OUT_MAX 512 // loads a test keeps out at most

struct rig {
    struct memstore store;
    unsigned seed;                  // of the order of answers
    struct walk_load *out[OUT_MAX]; // loads not answered yet
    size_t out_count;
    size_t most_out;       // highest out_count seen
    size_t answered;       // loads
    struct buf log;        // what came out, as text
    struct hdir_form form; // of directories that store_dir() stores; max 0: plain ones
};

static void
rig_init(struct rig *r)
{
    memset(r, 0, sizeof(*r));
    memstore_init(&r->store);
}

static void
rig_fini(struct rig *r)
{
    memstore_fini(&r->store);
    buf_fini(&r->log);
}

static void
answer_one(struct rig *r)
{
    size_t i = dice_roll(&r->seed, (unsigned)r->out_count);
    struct walk_load *l = r->out[i];
    const struct buf *bytes = memstore_get(&r->store, walk_load_digest(l));

    r->out[i] = r->out[--r->out_count];
    r->answered++;
    if (bytes)
        walk_give(l, bytes->data, bytes->size);
    else
        walk_fail(l, -ENOENT, "no such blob");
}

static void
start_loads(struct rig *r, struct walk *w)
{
    struct walk_load *l;

    while ((l = walk_want(w))) {
        assert_true(r->out_count < OUT_MAX);
        r->out[r->out_count++] = l;
    }
    r->most_out = MAX(r->most_out, r->out_count);
}

static void
log_item(struct rig *r, const struct walk_item *item)
{
    static const char *const forms[] = {"", " dir", " hdir", " inline"};
    struct digest d;

    switch (item->kind) {
    case WALK_DATA:
        digest_compute(ALG, item->data, item->size, &d);
        if (item->is_first)
            buf_printf(&r->log, "%s =", item->path);
        buf_printf(&r->log, " %zu:%02x%02x", item->size, d.bytes[0], d.bytes[1]);
        if (item->is_last)
            buf_add_char(&r->log, '\n');
        break;
    case WALK_LINK:
        buf_printf(&r->log, "%s -> %s\n", item->path, treeobj_link_target(item->link));
        break;
    case WALK_FAILED:
        buf_printf(&r->log, "\n%s FAILED %d\n", item->path, item->errnum);
        break;
    case WALK_DIR:
        buf_printf(&r->log, "%s/%s%s\n", item->path, item->is_empty ? " empty" : "",
                   forms[item->form]);
        break;
    case WALK_WAIT:
    case WALK_END:
        fail();
    }
}

/* Consumes the walk; ret_canonical may be NULL. */
static const char *
run_this(struct rig *r, struct walk *w, size_t maxreqs, unsigned seed, bool *ret_canonical)
{
    const struct walk_item *item;

    r->seed = seed;
    r->most_out = 0;
    buf_reset(&r->log);
    for (;;) {
        start_loads(r, w);
        item = walk_next(w);
        if (item->kind == WALK_END)
            break;
        if (item->kind != WALK_WAIT) {
            log_item(r, item);
            continue;
        }
        start_loads(r, w);
        assert_true(r->out_count > 0); // it cannot wait for nothing
        answer_one(r);
    }
    while (r->out_count > 0)
        answer_one(r);
    assert_true(r->most_out <= maxreqs);
    if (ret_canonical)
        *ret_canonical = walk_is_canonical(w);
    walk_free(&w);
    return buf_str(&r->log);
}

static const char *
run_walk(struct rig *r, const struct digest *root, size_t maxreqs, unsigned seed)
{
    return run_this(r, walk_new(ALG, root, maxreqs), maxreqs, seed, NULL);
}

static void
put(struct treeobj *dir, const char *name, struct treeobj *obj)
{
    treeobj_dir_put(dir, name, &obj);
}

static int
on_part(void *arg, const void *data, size_t size)
{
    struct digest d;

    memstore_put(arg, data, size, &d);
    return 0;
}

static void
store_wide(struct rig *r, const struct treeobj *dir, struct digest *ret)
{
    size_t count = treeobj_dir_count(dir);
    struct hdir_entry *entries = xcalloc(count + 1, sizeof(*entries));
    struct buf *texts = xcalloc(count + 1, sizeof(*texts));

    for (size_t i = 0; i < count; i++) {
        const char *name = treeobj_dir_name(dir, i);

        treeobj_encode_dir_entry(ALG, name, treeobj_dir_entry(dir, i), true, &texts[i]);
        entries[i] = (struct hdir_entry){name, texts[i].data, texts[i].size};
    }
    assert_int_equal(hdir_write(&r->form, entries, count, on_part, &r->store, ret), 0);
    for (size_t i = 0; i < count; i++)
        buf_fini(&texts[i]);
    free(texts);
    free(entries);
}

static void
store_root(struct rig *r, struct treeobj **dir, struct digest *ret)
{
    if (r->form.max > 0)
        store_wide(r, *dir, ret);
    else
        memstore_put_obj(&r->store, *dir, ret);
    treeobj_unref(dir);
}

static void
link_dir(struct rig *r, struct treeobj *parent, const char *name, struct treeobj **dir)
{
    struct digest d;

    store_root(r, dir, &d);
    put(parent, name, treeobj_new_dirref(&d));
}

static void
empty_root_ends_at_once(void **state UNUSED)
{
    struct treeobj *dir = treeobj_new_dir();
    struct digest root;
    struct rig r;

    rig_init(&r);
    store_root(&r, &dir, &root);
    assert_string_equal(run_walk(&r, &root, 1, 1), "");
    rig_fini(&r);
}

static void
order_is_that_of_whole_paths(void **state UNUSED)
{
    static const char *const names[] = {"a", "a-b", "a.c", "a0", "b"};
    struct treeobj *dir = treeobj_new_dir();
    struct treeobj *sub = treeobj_new_dir();
    struct digest root;
    struct rig r;

    rig_init(&r);
    for (size_t i = 1; i < ARRAY_SIZE(names); i++)
        put(dir, names[i], treeobj_new_symlink(NULL, "t"));
    put(sub, "x", treeobj_new_symlink(NULL, "t"));
    memstore_link_dir(&r.store, dir, "a", &sub);
    store_root(&r, &dir, &root);
    assert_string_equal(run_walk(&r, &root, 2, 1),
                        "a-b -> t\na.c -> t\na/x -> t\na0 -> t\nb -> t\n");
    rig_fini(&r);
}

/* A random tree; names of one letter and a bit, so that prefixes of each other occur. */
static struct treeobj *
grow(struct rig *r, unsigned *seed, unsigned depth)
{
    static const char *const tails[] = {"", "-", ".x", "0", "é"};
    struct treeobj *dir = treeobj_new_dir();
    unsigned count = dice_roll(seed, 9);

    for (unsigned i = 0; i < count; i++) {
        char name[16];
        struct treeobj *sub;
        unsigned what = dice_roll(seed, depth ? 6 : 4);

        snprintf(name, sizeof(name), "%c%s", 'a' + (int)dice_roll(seed, 3),
                 tails[dice_roll(seed, ARRAY_SIZE(tails))]);
        if (what == 0)
            put(dir, name, treeobj_new_symlink(NULL, "target"));
        else if (what < 4)
            put(dir, name, memstore_value(&r->store, dice_roll(seed, 99), what - 1, what * 40));
        else {
            sub = grow(r, seed, depth - 1);
            link_dir(r, dir, name, &sub);
        }
    }
    return dir;
}

static void
assert_paths_ascend(const char *log)
{
    char last[1024] = "";

    for (const char *line = log; *line; line = strchr(line, '\n') + 1) {
        char path[1024];

        assert_int_equal(sscanf(line, "%1023s", path), 1);
        assert_true(strcmp(last, path) < 0);
        strcpy(last, path);
    }
}

static void
maxreqs_and_order_of_answers_do_not_matter(void **state UNUSED)
{
    static const size_t maxreqs[] = {1, 2, 3, 7, 500};

    for (unsigned tree = 0; tree < 200; tree++) {
        unsigned seed = tree;
        struct treeobj *dir;
        struct digest root;
        struct rig r;
        char *expected;

        rig_init(&r);
        dir = grow(&r, &seed, 4);
        store_root(&r, &dir, &root);
        expected = xstrdup(run_walk(&r, &root, 1, 0));
        assert_paths_ascend(expected);
        for (size_t i = 0; i < ARRAY_SIZE(maxreqs); i++) {
            for (unsigned answers = 1; answers < 4; answers++)
                assert_string_equal(run_walk(&r, &root, maxreqs[i], answers), expected);
        }
        free(expected);
        rig_fini(&r);
    }
}

static void
wide_directories_make_no_difference(void **state UNUSED)
{
    static const size_t maxreqs[] = {1, 2, 7, 500};

    for (unsigned tree = 0; tree < 200; tree++) {
        unsigned seed = tree;
        struct treeobj *dir;
        struct digest root;
        struct rig r;
        char *expected;

        rig_init(&r);
        dir = grow(&r, &seed, 4);
        store_root(&r, &dir, &root);
        expected = xstrdup(run_walk(&r, &root, 1, 0));
        seed = tree;
        r.form = (struct hdir_form){ALG, 2, 1 + tree % 3, hdir_hash};
        dir = grow(&r, &seed, 4);
        store_root(&r, &dir, &root);
        for (size_t i = 0; i < ARRAY_SIZE(maxreqs); i++)
            assert_string_equal(run_walk(&r, &root, maxreqs[i], tree), expected);
        free(expected);
        rig_fini(&r);
    }
}

/* The digest of the first part of the wide directory, and how many entries it has. */
static uint64_t
find_part(struct rig *r, const struct digest *hdir, struct digest *ret)
{
    const struct buf *bytes = memstore_get(&r->store, hdir);
    struct treeobj *obj;
    uint64_t count = 0;

    assert_int_equal(treeobj_decode(ALG, bytes->data, bytes->size, &obj, NULL), 0);
    for (size_t i = 0; i < TREEOBJ_SLOTS && count == 0; i++) {
        count = treeobj_hdir_slots(obj)[i].count;
        *ret = treeobj_hdir_slots(obj)[i].ref;
    }
    treeobj_unref(&obj);
    return count;
}

static void
count_lines(const char *log, size_t *ret_values, size_t *ret_failed)
{
    *ret_values = *ret_failed = 0;
    for (const char *line = log; *line; line = strchr(line, '\n') + 1) {
        *ret_failed += strstr(line, "FAILED") && strstr(line, "FAILED") < strchr(line, '\n');
        *ret_values += *line == 'k';
    }
}

static void
what_is_left_of_a_wide_directory_is_walked(void **state UNUSED)
{
    for (unsigned seed = 0; seed < 20; seed++) {
        struct treeobj *dir = treeobj_new_dir();
        struct digest root, part;
        size_t values, failed;
        uint64_t lost;
        struct rig r;

        rig_init(&r);
        r.form = (struct hdir_form){ALG, 10, 10, hdir_hash};
        for (unsigned i = 0; i < 500; i++) {
            char name[16];

            snprintf(name, sizeof(name), "k%03u", i);
            put(dir, name, memstore_value(&r.store, i, i % 3 == 0, 60));
        }
        store_root(&r, &dir, &root);
        lost = find_part(&r, &root, &part);
        if (seed % 2)
            lost = find_part(&r, &part, &part); // one level further down
        memstore_remove(&r.store, &part);
        count_lines(run_walk(&r, &root, 1 + seed, seed), &values, &failed);
        assert_int_equal(failed, 1);
        assert_int_equal(values, 500 - lost);
        rig_fini(&r);
    }
}

static void
big_directory_is_walked_with_many_loads(void **state UNUSED)
{
    struct treeobj *dir = treeobj_new_dir();
    struct digest root;
    struct rig r;

    rig_init(&r);
    for (unsigned i = 0; i < 20000; i++) {
        char name[16];

        snprintf(name, sizeof(name), "k%05u", i);
        put(dir, name, memstore_value(&r.store, i, i % 3 == 0, 60));
    }
    store_root(&r, &dir, &root);
    assert_paths_ascend(run_walk(&r, &root, 256, 1));
    assert_int_equal(r.most_out, 256);
    rig_fini(&r);
}

static void
memory_is_bounded_when_the_consumer_is_slow(void **state UNUSED)
{
    struct treeobj *dir = treeobj_new_dir();
    struct digest root;
    size_t answers = 0;
    struct walk *w;
    struct rig r;

    rig_init(&r);
    for (unsigned i = 0; i < 8; i++) { // 8 values of 8 blobs of 1 MiB
        char name[4] = {'v', (char)('0' + i), 0};

        put(dir, name, memstore_value(&r.store, i, 8, 1 << 20));
    }
    store_root(&r, &dir, &root);
    w = walk_new(ALG, &root, 4);
    start_loads(&r, w);
    while (r.out_count > 0) { // answers come, nobody calls walk_next()
        answer_one(&r);
        answers++;
        start_loads(&r, w);
    }
    assert_true(answers >= 16);
    assert_true(answers <= 1 + 16 + 4); // the root, 16 MiB, and what was out then
    walk_free(&w);
    rig_fini(&r);
}

static void
missing_value_is_reported_and_the_rest_goes_on(void **state UNUSED)
{
    struct treeobj *dir = treeobj_new_dir();
    struct treeobj *value;
    struct digest root, lost;
    struct rig r;
    size_t count;

    rig_init(&r);
    put(dir, "a", treeobj_new_symlink(NULL, "t"));
    value = memstore_value(&r.store, 1, 3, 100);
    lost = treeobj_refs(value, &count)[1];
    put(dir, "b", value);
    put(dir, "c", treeobj_new_symlink(NULL, "t"));
    store_root(&r, &dir, &root);
    memstore_remove(&r.store, &lost);
    for (unsigned seed = 0; seed < 8; seed++) {
        const char *log = run_walk(&r, &root, 1 + seed % 4, seed);

        assert_non_null(strstr(log, "a -> t\nb = 100:"));
        assert_non_null(strstr(log, "\nb FAILED -2\nc -> t\n"));
    }
    rig_fini(&r);
}

static void
missing_directory_is_reported_once(void **state UNUSED)
{
    struct treeobj *dir = treeobj_new_dir();
    struct treeobj *ref;
    struct digest root;
    struct rig r;

    rig_init(&r);
    digest_compute(ALG, "lost", 4, &root);
    ref = treeobj_new_dirref(&root);
    put(dir, "d", ref);
    put(dir, "e", treeobj_new_symlink(NULL, "t"));
    store_root(&r, &dir, &root);
    assert_string_equal(run_walk(&r, &root, 2, 1), "\nd FAILED -2\ne -> t\n");
    rig_fini(&r);
}

static void
missing_root_has_the_empty_path(void **state UNUSED)
{
    struct digest root;
    struct rig r;

    rig_init(&r);
    digest_compute(ALG, "lost", 4, &root);
    assert_string_equal(run_walk(&r, &root, 2, 1), "\n FAILED -2\n");
    rig_fini(&r);
}

static void
damaged_directory_is_a_protocol_error(void **state UNUSED)
{
    static const char *const bad[] = {"", "{", "[]", "{\"data\":\"\",\"type\":\"val\",\"ver\":1}"};

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct digest root;
        struct rig r;

        rig_init(&r);
        memstore_put(&r.store, bad[i], strlen(bad[i]), &root);
        assert_string_equal(run_walk(&r, &root, 2, 1), "\n FAILED -71\n");
        rig_fini(&r);
    }
}

static void
directory_in_place_is_walked_too(void **state UNUSED)
{
    struct treeobj *dir = treeobj_new_dir();
    struct treeobj *sub = treeobj_new_dir();
    struct digest root;
    struct rig r;

    rig_init(&r);
    put(sub, "x", treeobj_new_symlink(NULL, "t"));
    put(dir, "d", sub);
    put(dir, "d-", treeobj_new_symlink(NULL, "t"));
    store_root(&r, &dir, &root);
    assert_string_equal(run_walk(&r, &root, 2, 1), "d- -> t\nd/x -> t\n");
    rig_fini(&r);
}

static void
nesting_without_end_is_refused(void **state UNUSED)
{
    struct treeobj *dir = treeobj_new_dir();
    struct digest root;
    struct rig r;

    rig_init(&r);
    put(dir, "x", treeobj_new_symlink(NULL, "t"));
    for (int i = 0; i < KEY_DEPTH_MAX; i++) {
        struct treeobj *parent = treeobj_new_dir();

        memstore_link_dir(&r.store, parent, "d", &dir);
        dir = parent;
    }
    store_root(&r, &dir, &root);
    assert_non_null(strstr(run_walk(&r, &root, 2, 1), "FAILED -71"));
    assert_null(strstr(buf_str(&r.log), "->"));
    rig_fini(&r);
}

/* ---- parts of a tree ---- */

/* a/b/c, a/b/d, a/x, b, each a link. */
static void
store_small_tree(struct rig *r, struct digest *ret)
{
    struct treeobj *root = treeobj_new_dir();
    struct treeobj *a = treeobj_new_dir();
    struct treeobj *b = treeobj_new_dir();

    put(b, "c", treeobj_new_symlink(NULL, "t"));
    put(b, "d", treeobj_new_symlink(NULL, "t"));
    link_dir(r, a, "b", &b);
    put(a, "x", treeobj_new_symlink(NULL, "t"));
    link_dir(r, root, "a", &a);
    put(root, "b", treeobj_new_symlink(NULL, "t"));
    store_root(r, &root, ret);
}

static void
a_part_of_the_tree_keeps_its_paths(void **state UNUSED)
{
    AUTO(key) struct key key = {.count = 0};
    AUTO(key) struct key deep = {.count = 0};
    struct treeobj *obj;
    struct digest d;
    struct rig r;

    rig_init(&r);
    store_small_tree(&r, &d);
    obj = treeobj_new_dirref(&d);
    assert_int_equal(key_parse("x.y", &key, NULL), 0);
    assert_string_equal(run_this(&r, walk_new_at(ALG, &key, &obj, 2), 2, 1, NULL),
                        "x/y/a/b/c -> t\nx/y/a/b/d -> t\nx/y/a/x -> t\nx/y/b -> t\n");
    obj = treeobj_new_symlink(NULL, "t");
    assert_int_equal(key_parse("k", &deep, NULL), 0);
    assert_string_equal(run_this(&r, walk_new_at(ALG, &deep, &obj, 2), 2, 1, NULL), "k -> t\n");
    rig_fini(&r);
}

static void
what_the_filter_leaves_out_is_not_loaded(void **state UNUSED)
{
    const char *patterns[] = {"a/b/*"};
    const struct filter without = {.exclude = {patterns, 1}};
    const struct filter only = {.include = {patterns, 1}};
    struct digest root;
    struct walk *w;
    struct rig r;

    rig_init(&r);
    store_small_tree(&r, &root);
    w = walk_new(ALG, &root, 4);
    walk_set_filter(w, &only);
    assert_string_equal(run_this(&r, w, 4, 1, NULL), "a/b/c -> t\na/b/d -> t\n");
    w = walk_new(ALG, &root, 4);
    walk_set_filter(w, &without);
    r.answered = 0;
    assert_string_equal(run_this(&r, w, 4, 1, NULL), "a/x -> t\nb -> t\n");
    assert_int_equal(r.answered, 2); // the root and a
    rig_fini(&r);
}

/* Is a root of `count` links, wide if the rig's form says so, what a restore would make of it? */
static bool
is_canonical(uint64_t form_max, size_t count, uint64_t maxdirent)
{
    struct treeobj *dir = treeobj_new_dir();
    bool answer = false;
    struct digest root;
    struct walk *w;
    struct rig r;

    rig_init(&r);
    if (form_max > 0)
        r.form = hdir_form(ALG, form_max);
    for (size_t i = 0; i < count; i++) {
        char name[16];

        snprintf(name, sizeof(name), "%zu", i);
        put(dir, name, treeobj_new_symlink(NULL, "t"));
    }
    store_root(&r, &dir, &root);
    w = walk_new(ALG, &root, 4);
    walk_set_maxdirent(w, maxdirent);
    run_this(&r, w, 4, 1, &answer);
    rig_fini(&r);
    return answer;
}

static void
forms_that_do_not_follow_from_the_keys_are_noticed(void **state UNUSED)
{
    assert_true(is_canonical(0, 10, UINT64_MAX));
    assert_true(is_canonical(0, 10, 10));
    assert_false(is_canonical(0, 11, 10));
    assert_true(is_canonical(10, 11, 10));
    assert_false(is_canonical(10, 11, 11));
    assert_false(is_canonical(10, 11, UINT64_MAX));
    assert_true(is_canonical(0, 0, 10)); // an empty root
}

static void
empty_and_inline_directories_are_noticed(void **state UNUSED)
{
    for (int in_place = 0; in_place < 2; in_place++) {
        struct treeobj *dir = treeobj_new_dir();
        struct treeobj *sub = treeobj_new_dir();
        bool answer = true;
        struct digest root;
        struct rig r;

        rig_init(&r);
        if (in_place) {
            put(sub, "x", treeobj_new_symlink(NULL, "t"));
            treeobj_dir_put(dir, "d", &sub);
        } else {
            link_dir(&r, dir, "d", &sub);
        }
        store_root(&r, &dir, &root);
        run_this(&r, walk_new(ALG, &root, 1), 1, 1, &answer);
        assert_false(answer);
        rig_fini(&r);
    }
}

/* ---- exact ---- */

static struct walk *
exact_walk(const struct digest *root, size_t maxreqs)
{
    struct walk *w = walk_new(ALG, root, maxreqs);

    walk_set_maxdirent(w, 2);
    walk_set_exact(w);
    return w;
}

/* "odd/" of three links in one blob, "in/" in place, with "in/empty/", "wide/" of one link, "a-". */
static void
store_odd_tree(struct rig *r, struct digest *ret)
{
    struct treeobj *root = treeobj_new_dir();
    struct treeobj *odd = treeobj_new_dir();
    struct treeobj *in = treeobj_new_dir();
    struct treeobj *empty = treeobj_new_dir();
    struct treeobj *wide = treeobj_new_dir();

    put(odd, "1", treeobj_new_symlink(NULL, "t"));
    put(odd, "2", treeobj_new_symlink(NULL, "t"));
    put(odd, "3", treeobj_new_symlink(NULL, "t"));
    link_dir(r, root, "odd", &odd);
    link_dir(r, in, "empty", &empty);
    put(in, "x", treeobj_new_symlink(NULL, "t"));
    put(root, "in", in);
    put(root, "in-", treeobj_new_symlink(NULL, "t"));
    put(wide, "x", treeobj_new_symlink(NULL, "t"));
    r->form = (struct hdir_form){ALG, 0, 10, hdir_hash};
    store_wide(r, wide, ret);
    treeobj_unref(&wide);
    put(root, "wide", treeobj_new_dirref(ret));
    store_wide(r, root, ret);
    treeobj_unref(&root);
    r->form.max = 0;
}

static void
directories_of_which_keys_do_not_tell_all_are_told(void **state UNUSED)
{
    static const char expected[] = "in- -> t\n"
                                   "in/ inline\n"
                                   "in/empty/ empty\n"
                                   "in/x -> t\n"
                                   "odd/ dir\n"
                                   "odd/1 -> t\n"
                                   "odd/2 -> t\n"
                                   "odd/3 -> t\n"
                                   "wide/ hdir\n"
                                   "wide/x -> t\n";

    for (unsigned seed = 0; seed < 40; seed++) {
        bool canonical = false;
        struct digest root;
        struct rig r;

        rig_init(&r);
        store_odd_tree(&r, &root);
        assert_string_equal(
            run_this(&r, exact_walk(&root, 1 + seed % 5), 1 + seed % 5, seed, &canonical),
            expected);
        assert_true(canonical);
        rig_fini(&r);
    }
}

static void
the_root_is_told_when_its_form_is_odd(void **state UNUSED)
{
    struct treeobj *dir = treeobj_new_dir();
    struct digest root;
    struct rig r;

    rig_init(&r);
    memstore_put_obj(&r.store, dir, &root);
    assert_string_equal(run_this(&r, exact_walk(&root, 1), 1, 1, NULL), "");
    put(dir, "x", treeobj_new_symlink(NULL, "t"));
    r.form = (struct hdir_form){ALG, 0, 10, hdir_hash};
    store_wide(&r, dir, &root);
    assert_string_equal(run_this(&r, exact_walk(&root, 1), 1, 1, NULL), "/ hdir\nx -> t\n");
    treeobj_unref(&dir);
    rig_fini(&r);
}

static void
a_filter_is_asked_about_directories_too(void **state UNUSED)
{
    const char *patterns[] = {"in/*"};
    const struct filter only = {.include = {patterns, 1}};
    struct digest root;
    struct walk *w;
    struct rig r;

    rig_init(&r);
    store_odd_tree(&r, &root);
    w = exact_walk(&root, 3);
    walk_set_filter(w, &only);
    assert_string_equal(run_this(&r, w, 3, 1, NULL), "in/ inline\nin/empty/ empty\nin/x -> t\n");
    rig_fini(&r);
}

/* A key may have KEY_DEPTH_MAX names, also that of a directory in which nothing is. */
static void
the_deepest_empty_directory_is_told(void **state UNUSED)
{
    struct treeobj *dir = treeobj_new_dir();
    AUTO(buf) struct buf expected = BUF_INIT;
    struct digest root;
    struct rig r;

    rig_init(&r);
    for (int i = 0; i < KEY_DEPTH_MAX; i++) {
        struct treeobj *parent = treeobj_new_dir();

        buf_add_str(&expected, "d/");
        memstore_link_dir(&r.store, parent, "d", &dir);
        dir = parent;
    }
    buf_add_str(&expected, " empty\n");
    store_root(&r, &dir, &root);
    assert_string_equal(run_this(&r, exact_walk(&root, 2), 2, 1, NULL), buf_str(&expected));
    assert_string_equal(run_walk(&r, &root, 2, 1), ""); // nor is it refused
    rig_fini(&r);
}

/* Most loads out, with groups of 32 and 64 KiB, of a root with 200 values of one blob each. */
static size_t
most_loads(size_t maxreqs, size_t blob_size)
{
    struct treeobj *dir = treeobj_new_dir();
    struct digest root;
    struct walk *w;
    struct rig r;
    size_t most;

    rig_init(&r);
    for (unsigned i = 0; i < 200; i++) {
        char name[16];

        snprintf(name, sizeof(name), "%u", i);
        put(dir, name, memstore_value(&r.store, i, 1, blob_size));
    }
    store_root(&r, &dir, &root);
    w = walk_new(ALG, &root, maxreqs);
    walk_set_group(w, 32, 64 * 1024);
    run_this(&r, w, OUT_MAX, 1, NULL);
    most = r.most_out;
    rig_fini(&r);
    return most;
}

static void
a_request_is_a_group_of_loads(void **state UNUSED)
{
    assert_in_range(most_loads(1, 100), 4, 32);
    assert_in_range(most_loads(2, 100), 8, 64);
    assert_in_range(most_loads(100, 100), 150, 200);
    assert_in_range(most_loads(2, 30000), 2, 16);
    assert_in_range(most_loads(3, 1000000), 3, 12); // 12 before it was known how large they are
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_root_ends_at_once),
        cmocka_unit_test(order_is_that_of_whole_paths),
        cmocka_unit_test(maxreqs_and_order_of_answers_do_not_matter),
        cmocka_unit_test(wide_directories_make_no_difference),
        cmocka_unit_test(what_is_left_of_a_wide_directory_is_walked),
        cmocka_unit_test(big_directory_is_walked_with_many_loads),
        cmocka_unit_test(memory_is_bounded_when_the_consumer_is_slow),
        cmocka_unit_test(missing_value_is_reported_and_the_rest_goes_on),
        cmocka_unit_test(missing_directory_is_reported_once),
        cmocka_unit_test(missing_root_has_the_empty_path),
        cmocka_unit_test(damaged_directory_is_a_protocol_error),
        cmocka_unit_test(directory_in_place_is_walked_too),
        cmocka_unit_test(nesting_without_end_is_refused),
        cmocka_unit_test(a_request_is_a_group_of_loads),
        cmocka_unit_test(a_part_of_the_tree_keeps_its_paths),
        cmocka_unit_test(what_the_filter_leaves_out_is_not_loaded),
        cmocka_unit_test(forms_that_do_not_follow_from_the_keys_are_noticed),
        cmocka_unit_test(empty_and_inline_directories_are_noticed),
        cmocka_unit_test(directories_of_which_keys_do_not_tell_all_are_told),
        cmocka_unit_test(the_root_is_told_when_its_form_is_odd),
        cmocka_unit_test(a_filter_is_asked_about_directories_too),
        cmocka_unit_test(the_deepest_empty_directory_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
