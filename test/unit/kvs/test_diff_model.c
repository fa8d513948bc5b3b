/* SPDX-License-Identifier: MPL-2.0 */
/* Random histories: the comparison of any two roots against that of two sorted lists of all keys. */
#include "difftest.h"
#include "gather.h"

#include <errno.h>

/* --- the simplest thing that can be right --- */

struct key_line {
    char *path;          // owned; with a '/' behind it: an empty directory
    struct treeobj *obj; // owned reference
};

struct keys {
    struct key_line *lines; // owned array
    size_t count;
};

static void
keys_add(struct keys *k, const char *path, struct treeobj *obj)
{
    k->lines = xrealloc(k->lines, (k->count + 1) * sizeof(*k->lines));
    k->lines[k->count++] = (struct key_line){xstrdup(path), treeobj_ref(obj)};
}

static void
keys_fini(struct keys *k)
{
    for (size_t i = 0; i < k->count; i++) {
        free(k->lines[i].path);
        treeobj_unref(&k->lines[i].obj);
    }
    free(k->lines);
}

static struct treeobj *
load(const struct store *s, const struct digest *d)
{
    const struct blob *b = store_get(s, d);
    struct treeobj *obj = NULL;

    assert_non_null(b);
    assert_int_equal(treeobj_decode(ALG, blob_data(b), blob_size(b), &obj, NULL), 0);
    return obj;
}

/* As one dir, also of a wide one. */
static struct treeobj *
load_dir(const struct store *s, const struct digest *d)
{
    AUTO(treeobj) struct treeobj *obj = load(s, d);
    AUTO(gather) struct gather *g = NULL;
    struct treeobj *dir = NULL;
    const struct digest *part;

    if (treeobj_type(obj) == TREEOBJ_DIR)
        return TAKE(obj);
    assert_int_equal(gather_new(obj, &g, NULL), 0);
    while ((part = gather_next(g))) {
        AUTO(treeobj) struct treeobj *p = load(s, part);

        assert_int_equal(gather_give(g, part, p, NULL), 0);
    }
    assert_int_equal(gather_finish(g, &dir, NULL), 0);
    return dir;
}

static void
flatten(const struct store *s, const struct digest *d, const char *prefix, struct keys *ret)
{
    AUTO(treeobj) struct treeobj *dir = load_dir(s, d);

    for (size_t i = 0; i < treeobj_dir_count(dir); i++) {
        struct treeobj *entry = treeobj_dir_entry(dir, i);
        AUTO(free) char *path = xasprintf("%s%s", prefix, treeobj_dir_name(dir, i));
        AUTO(free) char *below = xasprintf("%s/", path);
        size_t count, before = ret->count;

        if (treeobj_type(entry) != TREEOBJ_DIRREF) {
            keys_add(ret, path, entry);
            continue;
        }
        flatten(s, treeobj_refs(entry, &count), below, ret);
        if (ret->count == before)
            keys_add(ret, below, entry);
    }
}

static int
compare_lines(const void *a, const void *b)
{
    return strcmp(((const struct key_line *)a)->path, ((const struct key_line *)b)->path);
}

static void
list_keys(const struct store *s, const struct digest *root, struct keys *ret)
{
    *ret = (struct keys){0};
    flatten(s, root, "", ret);
    if (ret->count > 0)
        qsort(ret->lines, ret->count, sizeof(*ret->lines), compare_lines);
}

/* One line, if there is something to tell. */
static void
tell(struct buf *out, const char *path, const struct treeobj *old, const struct treeobj *new)
{
    struct buf a = BUF_INIT;
    struct buf b = BUF_INIT;

    add_object(&a, old);
    add_object(&b, new);
    if (strcmp(buf_str(&a), buf_str(&b)) != 0)
        buf_printf(out, "%s%s%s\n", path, buf_str(&a), buf_str(&b));
    buf_fini(&a);
    buf_fini(&b);
}

static void
compare_keys(const struct keys *old, const struct keys *new, struct buf *out)
{
    size_t i = 0, k = 0;

    while (i < old->count || k < new->count) {
        int order = i == old->count   ? 1
                    : k == new->count ? -1
                                      : compare_lines(&old->lines[i], &new->lines[k]);

        tell(out, order <= 0 ? old->lines[i].path : new->lines[k].path,
             order <= 0 ? old->lines[i].obj : NULL, order >= 0 ? new->lines[k].obj : NULL);
        i += order <= 0;
        k += order >= 0;
    }
}

/* --- histories --- */

#define ROOTS 12

static const struct hdir_form forms[] = {
    {ALG, 10, 4, hdir_hash}, {ALG, 3, 2, hdir_hash},          {ALG, 1, 1, hdir_hash},
    {ALG, 5, 8, hdir_hash},  {ALG, UINT64_MAX, 4, hdir_hash},
};

/* Names around the '/', so that the order of paths is another than that of names. */
static const char *const names[] = {"a",  "a-", "a0",       "a!",  "a%2Eb", "b",
                                    "bb", "b-", "\xc3\xa4", "aaa", "link",  "z"};

static void
draw_key(uint64_t *seed, struct buf *out)
{
    size_t depth = 1 + draw_below(seed, 3);

    buf_reset(out);
    if (draw_below(seed, 2)) { // a directory that grows wide
        buf_printf(out, "wide.n%zu", draw_below(seed, 40));
        depth = draw_below(seed, 10) == 0;
    }
    while (depth-- > 0)
        buf_printf(out, "%s%s", out->size ? "." : "", names[draw_below(seed, ARRAY_SIZE(names))]);
}

static struct treeobj *
draw_object(uint64_t *seed)
{
    char text[100];

    snprintf(text, sizeof(text), "%0*zu", draw_below(seed, 4) ? 1 : 80, draw_below(seed, 5));
    switch (draw_below(seed, 10)) {
    case 0:
        return treeobj_new_dir();
    case 1:
        return treeobj_new_symlink(draw_below(seed, 2) ? "ns" : NULL, text);
    default:
        return new_val(text);
    }
}

static void
draw_txn(uint64_t *seed, struct txn *ret)
{
    AUTO(buf) struct buf key = BUF_INIT;
    bool is_emptying = draw_below(seed, 4) == 0;

    for (size_t n = 1 + draw_below(seed, 40); n > 0; n--) {
        draw_key(seed, &key);
        if (draw_below(seed, 8) < (is_emptying ? 7 : 1))
            add_op(ret, buf_str(&key), 0, NULL);
        else if (draw_below(seed, 8) == 0)
            add_op(ret, buf_str(&key), TXN_APPEND, new_val("more"));
        else
            add_op(ret, buf_str(&key), 0, draw_object(seed));
    }
}

/* One operation after the other: those that cannot be done are left out. */
static void
change(struct store *s, struct tree *t, uint64_t *seed)
{
    struct txn txn = TXN_INIT;

    tree_set_form(t, &forms[draw_below(seed, ARRAY_SIZE(forms))]);
    draw_txn(seed, &txn);
    for (size_t i = 0; i < txn.count; i++) {
        struct txn part = TXN_INIT;

        part.ops = &txn.ops[i];
        part.count = 1;
        store_apply(s, t, &part, NULL);
    }
    txn_fini(&txn);
}

static size_t
check_pair(const struct store *s, const struct digest *old, const struct digest *new, uint64_t seed)
{
    struct buf got = BUF_INIT;
    struct buf want = BUF_INIT;
    struct keys a, b;
    size_t size;

    list_keys(s, old, &a);
    list_keys(s, new, &b);
    compare_keys(&a, &b, &want);
    diff_text(s, old, new, seed, &got);
    assert_string_equal(buf_str(&got), buf_str(&want));
    size = want.size;
    keys_fini(&a);
    keys_fini(&b);
    buf_fini(&got);
    buf_fini(&want);
    return size;
}

static size_t
count_hdirs(const struct store *s)
{
    const struct stored *item;
    size_t count = 0;
    size_t pos = 0;

    while ((item = map_next(&s->blobs, &pos))) {
        AUTO(treeobj) struct treeobj *obj = NULL;

        if (treeobj_decode(ALG, blob_data(item->blob), blob_size(item->blob), &obj, NULL) == 0)
            count += treeobj_type(obj) == TREEOBJ_HDIR;
    }
    return count;
}

/* Bytes of what there was to tell. */
static size_t
run_history(uint64_t seed, size_t *ret_hdirs)
{
    struct digest roots[ROOTS];
    struct store s;
    struct tree *t;
    size_t size = 0;

    store_init(&s);
    t = store_new_tree(&s);
    roots[0] = *tree_root(t);
    for (size_t i = 1; i < ROOTS; i++) {
        change(&s, t, &seed);
        store_write(&s, t, &roots[i]);
    }
    for (size_t i = 0; i < ROOTS; i++) {
        size += check_pair(&s, &roots[i], &roots[(i + 1) % ROOTS], seed + i);
        size += check_pair(&s, &roots[i], &roots[draw_below(&seed, ROOTS)], seed + i);
    }
    *ret_hdirs += count_hdirs(&s);
    tree_free(&t);
    store_fini(&s);
    return size;
}

static void
every_history_is_told_as_two_sorted_lists_tell_it(void **state UNUSED)
{
    size_t size = 0;
    size_t hdirs = 0;

    for (uint64_t seed = 1; seed <= 150; seed++)
        size += run_history(seed, &hdirs);
    assert_true(size > 1000000);
    assert_true(hdirs > 5000);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_history_is_told_as_two_sorted_lists_tell_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
