/* SPDX-License-Identifier: MPL-2.0 */
/* fscktest.h - a store with random trees, ways to damage it, and a simple-minded model of what a check
 * has to find: a recursive walk over a copy of all blobs in memory. */
#ifndef FSCKTEST_H
#define FSCKTEST_H

#include "storetest.h"

#include "draw.h"
#include "fsck.h"
#include "fsck_repair.h"
#include "map.h"
#include "tree.h"
#include "treeobj.h"

#define ALG DIGEST_BLAKE2B
#define BLOB_LIMIT 300 // values above are several blobs

enum condition { WHOLE, GONE, WRONG };

/* A blob that was stored. */
struct copy {
    struct digest digest;
    struct blob *blob; // owned
    enum condition condition;
    bool is_needed; // found by the model
};

struct lines {
    char **list; // owned array of owned lines
    size_t count;
};

struct bench {
    struct statedir dir;
    struct store_db *db; // open
    struct map copies;   // digest -> struct copy
    struct copy **order; // owned array of the same, as they were stored: not as the map has them
    int64_t sequence;    // of the newest commit
    uint64_t seed;
};

/* --- lines --- */

static inline void
lines_add(struct lines *l, char *line)
{
    if ((l->count & (l->count - 1)) == 0) // a power of two: it is full
        l->list = xrealloc(l->list, MAX((size_t)1, 2 * l->count) * sizeof(*l->list));
    l->list[l->count++] = line;
}

static inline int
compare_lines(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static inline void
lines_sort(struct lines *l)
{
    if (l->count > 0)
        qsort(l->list, l->count, sizeof(*l->list), compare_lines);
}

static inline void
lines_fini(struct lines *l)
{
    for (size_t i = 0; i < l->count; i++)
        free(l->list[i]);
    free(l->list);
    *l = (struct lines){NULL, 0};
}

static inline void
assert_same_lines(struct lines *got, struct lines *want)
{
    lines_sort(got);
    lines_sort(want);
    for (size_t i = 0; i < MIN(got->count, want->count); i++)
        assert_string_equal(got->list[i], want->list[i]);
    if (got->count > want->count)
        fail_msg("too much: %s", got->list[want->count]);
    if (got->count < want->count)
        fail_msg("missing: %s", want->list[got->count]);
}

/* --- the store --- */

static inline struct copy *
copy_of(struct bench *b, const struct digest *d)
{
    struct copy *c = map_get(&b->copies, d);

    assert_non_null(c);
    return c;
}

static inline void
keep_copy(void *arg, const struct digest *d, const struct blob *blob)
{
    struct bench *b = arg;
    struct copy *c;

    assert_int_equal(store_db_put(b->db, d, blob), 0);
    if (map_get(&b->copies, d))
        return;
    c = xcalloc(1, sizeof(*c));
    c->digest = *d;
    c->blob = blob_ref(blob);
    b->order = xrealloc(b->order, (b->copies.count + 1) * sizeof(*b->order));
    b->order[b->copies.count] = c;
    map_put(&b->copies, c);
}

static inline void
bench_init(struct bench *b, uint64_t seed)
{
    *b = (struct bench){.seed = seed};
    statedir_init(&b->dir);
    map_init(&b->copies, offsetof(struct copy, digest), sizeof(struct digest));
    b->db = open_db(&b->dir);
}

static inline void
bench_fini(struct bench *b)
{
    struct copy *c;
    size_t pos = 0;

    store_db_close(&b->db);
    while ((c = map_next(&b->copies, &pos))) {
        blob_unref(&c->blob);
        free(c);
    }
    map_fini(&b->copies);
    free(b->order);
    statedir_fini(&b->dir);
}

/* An object as a blob, put inside a transaction. */
static inline struct digest
put_bytes(struct bench *b, const void *data, size_t size)
{
    struct blob *blob = blob_new(data, size);
    struct digest d;

    digest_compute(ALG, data, size, &d);
    keep_copy(b, &d, blob);
    blob_unref(&blob);
    return d;
}

/* Consumes *obj. */
static inline struct digest
put_object(struct bench *b, struct treeobj **obj)
{
    AUTO(buf) struct buf text = BUF_INIT;

    treeobj_encode(ALG, *obj, &text);
    treeobj_unref(obj);
    return put_bytes(b, text.data, text.size);
}

static inline void
add_entry(struct treeobj *dir, const char *name, struct treeobj *entry)
{
    treeobj_dir_put(dir, name, &entry);
}

static inline void
commit_root(struct bench *b, const char *ns, const struct digest *d, bool with_checkpoint)
{
    struct store_root root = {.owner = 7, .sequence = ++b->sequence, .root = *d};
    struct checkpoint c = {*d, b->sequence, 1000.5 + (double)b->sequence};

    snprintf(root.name, sizeof(root.name), "%s", ns);
    assert_int_equal(store_db_put_root(b->db, &root), 0);
    if (with_checkpoint)
        assert_int_equal(store_db_put_checkpoint(b->db, &c), 0);
}

/* Flip a byte of the row's data. */
static inline void
damage(struct bench *b, struct copy *c)
{
    sqlite3 *sql;
    sqlite3_stmt *st;
    sqlite3_blob *row;
    uint8_t byte;
    int at;

    assert_int_equal(sqlite3_open(b->dir.database, &sql), SQLITE_OK);
    sqlite3_prepare_v2(sql, "SELECT id FROM blob WHERE digest = ?1", -1, &st, NULL);
    sqlite3_bind_blob(st, 1, c->digest.bytes, DIGEST_MAX, SQLITE_STATIC);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    assert_int_equal(
        sqlite3_blob_open(sql, "main", "blob", "data", sqlite3_column_int64(st, 0), 1, &row),
        SQLITE_OK);
    sqlite3_finalize(st);
    at = (int)draw_below(&b->seed, (size_t)sqlite3_blob_bytes(row));
    assert_int_equal(sqlite3_blob_read(row, &byte, 1, at), SQLITE_OK);
    byte ^= (uint8_t)(1 + draw_below(&b->seed, 255));
    assert_int_equal(sqlite3_blob_write(row, &byte, 1, at), SQLITE_OK);
    assert_int_equal(sqlite3_blob_close(row), SQLITE_OK);
    sqlite3_close(sql);
    c->condition = WRONG;
}

static inline void
discard(struct bench *b, struct copy *c)
{
    int64_t id;

    assert_int_equal(store_db_find(b->db, &c->digest, &id), 0);
    assert_int_equal(store_db_begin(b->db), 0);
    assert_int_equal(store_db_remove(b->db, &id, 1), 0);
    assert_int_equal(store_db_commit(b->db), 0);
    c->condition = GONE;
}

static inline void
damage_digest(struct bench *b, const struct digest *d)
{
    damage(b, copy_of(b, d));
}

/* --- random trees --- */

static inline char *
random_key(uint64_t *seed)
{
    static const char *const names[] = {
        "a", "b", "c", "stdio%2Eh", "%252E", "\xc3\xa4\xe2\x82\xac", "x y", "lost+found"};
    AUTO(buf) struct buf key = BUF_INIT;
    size_t depth = 1 + draw_below(seed, 4);

    for (size_t i = 0; i < depth; i++)
        buf_printf(&key, "%s%s", i > 0 ? "." : "", names[draw_below(seed, ARRAY_SIZE(names))]);
    return buf_detach(&key, NULL);
}

static inline struct treeobj *
random_value(uint64_t *seed)
{
    uint8_t data[1500];
    size_t size = draw_below(seed, 3) == 0 ? draw_below(seed, 20) : draw_below(seed, sizeof(data));
    uint8_t period = (uint8_t)(1 + draw_below(seed, 200));

    if (draw_below(seed, 12) == 0)
        return treeobj_new_symlink(NULL, "a.b");
    if (draw_below(seed, 12) == 0)
        return treeobj_new_dir();
    for (size_t i = 0; i < size; i++)
        data[i] = (uint8_t)(draw_below(seed, 2) ? i % period : draw(seed));
    return treeobj_new_val(data, size);
}

static inline void
provide_all(struct bench *b, struct tree *t)
{
    size_t count;
    const struct digest *needs = tree_needs(t, &count);
    struct digest wanted[64];

    count = MIN(count, ARRAY_SIZE(wanted));
    memcpy(wanted, needs, count * sizeof(*wanted));
    for (size_t i = 0; i < count; i++)
        assert_int_equal(tree_provide(t, &wanted[i], copy_of(b, &wanted[i])->blob, NULL), 0);
}

static inline void
put_key(struct bench *b, struct tree *t, const char *key, struct treeobj *obj)
{
    AUTO(txn) struct txn txn = TXN_INIT;
    int rc;

    assert_int_equal(txn_add(&txn, key, 0, &obj, NULL), 0);
    while ((rc = tree_apply(t, &txn, NULL)) == 1)
        provide_all(b, t);
    assert_true(rc == 0 || rc == -EINVAL || rc == -ELOOP); // a random link is in the way
}

/* Changes on top of `from`, written inside a transaction. */
static inline struct digest
grow(struct bench *b, const struct digest *from, size_t changes)
{
    struct tree *t = tree_new(ALG, from);
    struct digest root;

    tree_set_blob_limit(t, BLOB_LIMIT);
    for (size_t i = 0; i < changes; i++) {
        AUTO(free) char *key = random_key(&b->seed);

        put_key(b, t, key, draw_below(&b->seed, 6) == 0 ? NULL : random_value(&b->seed));
    }
    tree_write(t, keep_copy, b, &root);
    tree_free(&t);
    return root;
}

/* A few namespaces and checkpoints that share most of what they hold. */
static inline void
fill(struct bench *b)
{
    struct digest empty, root, other;
    AUTO(blob) struct blob *nothing = tree_empty_dir(ALG, &empty);
    size_t rounds = 1 + draw_below(&b->seed, 6);

    assert_int_equal(store_db_begin(b->db), 0);
    keep_copy(b, &empty, nothing);
    root = empty;
    for (size_t i = 0; i < rounds; i++) {
        root = grow(b, &root, 1 + draw_below(&b->seed, 20));
        commit_root(b, "primary", &root, draw_below(&b->seed, 2) == 0);
    }
    other = grow(b, draw_below(&b->seed, 2) ? &root : &empty, draw_below(&b->seed, 10));
    commit_root(b, "other", &other, false);
    put_bytes(b, &b->seed, sizeof(b->seed)); // nobody's
    assert_int_equal(store_db_commit(b->db), 0);
}

static inline void
damage_some(struct bench *b)
{
    size_t odds = 2 + draw_below(&b->seed, 30);

    for (size_t i = 0; i < b->copies.count; i++) {
        struct copy *c = b->order[i];

        if (draw_below(&b->seed, odds) > 0 || blob_size(c->blob) == 0)
            continue;
        if (draw_below(&b->seed, 3) == 0)
            discard(b, c);
        else
            damage(b, c);
    }
}

/* --- what a check tells --- */

static inline char *
format_finding(const char *root, const char *key, enum fsck_object object,
               enum fsck_problem problem, const struct digest *d)
{
    char ref[BLOBREF_MAX];

    return xasprintf("%s: %s: %s: %s is %s", root, key, fsck_object_name(object),
                     blobref_format(ALG, d, ref), fsck_problem_name(problem));
}

struct told {
    struct lines lines;
    struct fsck_plans plans;
    struct fsck *fsck; // done
};

static inline void
on_finding(void *arg, const struct fsck_finding *f)
{
    struct told *t = arg;

    fsck_plans_add(&t->plans, f);
    lines_add(&t->lines, format_finding(f->root ? f->root->name : "", f->key, f->object, f->problem,
                                        &f->digest));
}

static inline void
told_fini(struct told *t)
{
    fsck_free(&t->fsck);
    fsck_plans_fini(&t->plans);
    lines_fini(&t->lines);
}

static inline void
check_store(struct bench *b, struct told *t)
{
    int rc;

    *t = (struct told){.plans = FSCK_PLANS_INIT};
    t->fsck = fsck_new(ALG, on_finding, t);
    while ((rc = fsck_step(t->fsck, b->db)) > 0)
        ;
    assert_int_equal(rc, 0);
}

static inline void
assert_clean(struct bench *b)
{
    struct told t;

    check_store(b, &t);
    if (t.lines.count > 0)
        fail_msg("found: %s", t.lines.list[0]);
    told_fini(&t);
}

/* --- the model --- */

static inline void
model_blob(struct bench *b, struct lines *out, const char *root, const char *key,
           enum fsck_object object, const struct digest *d)
{
    struct copy *c = copy_of(b, d);

    c->is_needed = true;
    lines_add(out, format_finding(root, key, object,
                                  c->condition == GONE ? FSCK_MISSING : FSCK_DAMAGED, d));
}

static inline void
model_value(struct bench *b, struct lines *out, const char *root, const char *key,
            const struct treeobj *obj)
{
    size_t count;
    const struct digest *refs = treeobj_refs(obj, &count);

    for (size_t i = 0; i < count; i++) {
        bool seen = false;

        for (size_t k = 0; k < i; k++)
            seen = seen || digest_equal(&refs[i], &refs[k]);
        if (!seen && copy_of(b, &refs[i])->condition != WHOLE)
            model_blob(b, out, root, key, FSCK_VALUE, &refs[i]);
    }
}

static inline void
model_tree(struct bench *b, struct lines *out, const char *root, const char *prefix,
           const struct digest *d)
{
    struct copy *c = copy_of(b, d);
    AUTO(treeobj) struct treeobj *dir = NULL;
    size_t count;

    if (c->condition != WHOLE) {
        model_blob(b, out, root, *prefix ? prefix : ".", FSCK_DIRECTORY, d);
        return;
    }
    assert_int_equal(treeobj_decode(ALG, blob_data(c->blob), blob_size(c->blob), &dir, NULL), 0);
    for (size_t i = 0; i < treeobj_dir_count(dir); i++) {
        const struct treeobj *entry = treeobj_dir_entry(dir, i);
        AUTO(buf) struct buf key = BUF_INIT;

        buf_printf(&key, "%s%s", prefix, *prefix ? "." : "");
        key_quote_name(treeobj_dir_name(dir, i), &key);
        if (treeobj_type(entry) == TREEOBJ_DIRREF)
            model_tree(b, out, root, buf_str(&key), treeobj_refs(entry, &count));
        else if (treeobj_type(entry) == TREEOBJ_VALREF)
            model_value(b, out, root, buf_str(&key), entry);
    }
}

static inline void
model_orphans(struct bench *b, struct lines *out)
{
    struct copy *c;
    size_t pos = 0;

    while ((c = map_next(&b->copies, &pos))) {
        if (c->condition == WRONG && !c->is_needed)
            lines_add(out, format_finding("", "", FSCK_BLOB, FSCK_DAMAGED, &c->digest));
    }
}

static inline void
model_all(struct bench *b, struct lines *out)
{
    AUTO(free) struct store_root *roots = NULL;
    AUTO(free) struct checkpoint *list = NULL;
    size_t nroots, ncheckpoints;

    assert_int_equal(store_db_roots(b->db, &roots, &nroots), 0);
    assert_int_equal(store_db_checkpoints(b->db, &list, &ncheckpoints), 0);
    for (size_t i = 0; i < nroots; i++)
        model_tree(b, out, roots[i].name, "", &roots[i].root);
    for (size_t i = 0; i < ncheckpoints; i++) {
        char name[32];

        snprintf(name, sizeof(name), "checkpoint %zu", i);
        model_tree(b, out, name, "", &list[i].root);
    }
    model_orphans(b, out);
}

/* --- fixtures --- */

static inline int
set_up(void **state)
{
    struct bench *b = xcalloc(1, sizeof(*b));

    bench_init(b, 4711);
    *state = b;
    return 0;
}

static inline int
tear_down(void **state)
{
    bench_fini(*state);
    free(*state);
    return 0;
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

#endif
