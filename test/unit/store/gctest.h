/* SPDX-License-Identifier: MPL-2.0 */
/* gctest.h - random trees in a store, with a model that knows what reaches what.
 *
 * A node is a blob: a value, or a directory that refers to older nodes.  Nodes share children, values
 * are appended to (several references), and the bytes of a directory may be somebody's value. */
#ifndef GCTEST_H
#define GCTEST_H

#include "storetest.h"

#include "draw.h"
#include "treeobj.h"

#define DEPS_MAX 16

struct node {
    struct digest digest;
    struct blob *blob; // owned
    bool is_tree;
    size_t deps[DEPS_MAX];  // nodes it refers to
    bool as_tree[DEPS_MAX]; // by dirref
    size_t ndeps;
};

struct world {
    struct statedir dir;
    struct store_db *db; // owned, open between two calls of a test
    struct node *nodes;  // owned
    size_t count;
    uint64_t seed;
};

static inline void
world_init(struct world *w, uint64_t seed)
{
    memset(w, 0, sizeof(*w));
    statedir_init(&w->dir);
    w->db = open_db(&w->dir);
    w->seed = seed;
}

static inline void
world_fini(struct world *w)
{
    store_db_close(&w->db);
    statedir_fini(&w->dir);
    for (size_t i = 0; i < w->count; i++)
        blob_unref(&w->nodes[i].blob);
    free(w->nodes);
}

/* --- the store --- */

static inline void
put_node(struct world *w, size_t i)
{
    assert_int_equal(store_db_begin(w->db), 0);
    assert_int_equal(store_db_put(w->db, &w->nodes[i].digest, w->nodes[i].blob), 0);
    assert_int_equal(store_db_commit(w->db), 0);
}

static inline bool
has_node(const struct world *w, size_t i)
{
    return store_db_exists(w->db, &w->nodes[i].digest) == 0;
}

static inline int64_t
id_of(const struct world *w, size_t i)
{
    int64_t id = 0;

    assert_int_equal(store_db_find(w->db, &w->nodes[i].digest, &id), 0);
    return id;
}

static inline void
set_root(struct world *w, const char *name, size_t i)
{
    struct store_root root = {.sequence = 1, .root = w->nodes[i].digest};

    snprintf(root.name, sizeof(root.name), "%s", name);
    assert_int_equal(store_db_begin(w->db), 0);
    assert_int_equal(store_db_put_root(w->db, &root), 0);
    assert_int_equal(store_db_commit(w->db), 0);
}

static inline void
remove_root(struct world *w, const char *name)
{
    assert_int_equal(store_db_begin(w->db), 0);
    assert_int_equal(store_db_remove_root(w->db, name), 0);
    assert_int_equal(store_db_commit(w->db), 0);
}

static inline void
add_checkpoint(struct world *w, size_t i)
{
    struct checkpoint c = {w->nodes[i].digest, 1, 1.0};

    assert_int_equal(store_db_begin(w->db), 0);
    assert_int_equal(store_db_put_checkpoint(w->db, &c), 0);
    assert_int_equal(store_db_commit(w->db), 0);
}

static inline void
remove_node(struct world *w, size_t i)
{
    int64_t id = id_of(w, i);

    assert_int_equal(store_db_begin(w->db), 0);
    assert_int_equal(store_db_remove(w->db, &id, 1), 0);
    assert_int_equal(store_db_commit(w->db), 0);
}

/* Its bytes are no longer what was stored. */
static inline void
damage_node(struct world *w, size_t i)
{
    char sql[128];

    snprintf(sql, sizeof(sql), "UPDATE blob SET data = zeroblob(size) WHERE id = %lld",
             (long long)id_of(w, i));
    run_sql(&w->dir, sql);
}

static inline int64_t
count_rows(struct world *w)
{
    struct store_db_stats stats;

    assert_int_equal(store_db_stats(w->db, &stats), 0);
    return stats.blobs;
}

/* --- nodes --- */

static inline size_t
add_node(struct world *w, const struct node *node)
{
    w->nodes = xrealloc(w->nodes, (w->count + 1) * sizeof(*w->nodes));
    w->nodes[w->count] = *node;
    digest_compute(w->dir.conf.alg, blob_data(node->blob), blob_size(node->blob),
                   &w->nodes[w->count].digest);
    put_node(w, w->count);
    return w->count++;
}

static inline size_t
add_value(struct world *w)
{
    struct node node = {.is_tree = false};
    size_t size = draw_below(&w->seed, 8) == 0 ? 40000 : 100;

    node.blob = make_blob((int)draw(&w->seed), size, true, &node.digest);
    return add_node(w, &node);
}

static inline void
add_dep(struct node *node, size_t i, bool as_tree)
{
    node->deps[node->ndeps] = i;
    node->as_tree[node->ndeps++] = as_tree;
}

/* An entry for node i: by dirref, or as a value of one to three blobs of which it is the last. */
static inline struct treeobj *
make_entry(struct world *w, struct node *node, size_t i)
{
    struct digest refs[3];
    size_t count = 1 + draw_below(&w->seed, 3);

    if (w->nodes[i].is_tree && draw_below(&w->seed, 8) > 0) {
        add_dep(node, i, true);
        return treeobj_new_dirref(&w->nodes[i].digest);
    }
    for (size_t k = 0; k < count; k++) {
        size_t dep = k + 1 == count ? i : draw_below(&w->seed, w->count);

        refs[k] = w->nodes[dep].digest;
        add_dep(node, dep, false);
    }
    return treeobj_new_valref(refs, count);
}

/* `dir` itself, or a new directory inside of it, or inside of that ... */
static inline struct treeobj *
descend(struct world *w, struct treeobj *dir)
{
    while (draw_below(&w->seed, 3) == 0) {
        struct treeobj *inner = treeobj_new_dir();
        struct treeobj *borrowed = inner;
        char name[32];

        snprintf(name, sizeof(name), "inner%zu", treeobj_dir_count(dir));
        treeobj_dir_put(dir, name, &inner);
        dir = borrowed;
    }
    return dir;
}

static inline void
put_entry(struct treeobj *dir, struct treeobj *entry)
{
    char name[32];

    snprintf(name, sizeof(name), "entry%zu", treeobj_dir_count(dir));
    treeobj_dir_put(dir, name, &entry);
}

static inline size_t
add_encoded(struct world *w, struct node *node, const struct treeobj *obj)
{
    AUTO(buf) struct buf text = BUF_INIT;

    treeobj_encode(w->dir.conf.alg, obj, &text);
    node->is_tree = true;
    node->blob = blob_new(text.data, text.size);
    return add_node(w, node);
}

/* A directory with up to four references to older nodes, and what refers to nothing. */
static inline size_t
add_dir(struct world *w)
{
    AUTO(treeobj) struct treeobj *dir = treeobj_new_dir();
    struct node node = {.is_tree = true};
    size_t entries = w->count > 0 ? draw_below(&w->seed, 5) : 0;

    put_entry(dir, treeobj_new_symlink(NULL, "a.b"));
    put_entry(descend(w, dir), treeobj_new_val(&w->count, sizeof(w->count)));
    for (size_t i = 0; i < entries; i++)
        put_entry(descend(w, dir), make_entry(w, &node, draw_below(&w->seed, w->count)));
    return add_encoded(w, &node, dir);
}

/* A directory that refers to nothing. */
static inline size_t
add_leaf(struct world *w)
{
    AUTO(treeobj) struct treeobj *dir = treeobj_new_dir();
    struct node node = {.is_tree = true};

    put_entry(dir, treeobj_new_val(&w->count, sizeof(w->count)));
    return add_encoded(w, &node, dir);
}

/* A directory with one dirref. */
static inline size_t
add_parent(struct world *w, size_t child)
{
    AUTO(treeobj) struct treeobj *dir = treeobj_new_dir();
    struct node node = {.is_tree = true};

    put_entry(dir, treeobj_new_dirref(&w->nodes[child].digest));
    put_entry(dir, treeobj_new_val(&w->count, sizeof(w->count)));
    add_dep(&node, child, true);
    return add_encoded(w, &node, dir);
}

static inline size_t
add_any(struct world *w)
{
    return draw_below(&w->seed, 3) == 0 ? add_dir(w) : add_value(w);
}

static inline size_t
draw_tree(struct world *w)
{
    size_t i;

    do
        i = draw_below(&w->seed, w->count);
    while (!w->nodes[i].is_tree);
    return i;
}

/* --- the model --- */

struct reach {
    bool *kept;   // owned, one for each node
    bool *walked; // owned
};

static inline void
reach_fini(struct reach *r)
{
    free(r->kept);
    free(r->walked);
}

static inline void
reach_auto(struct reach *r)
{
    reach_fini(r);
}

static inline void
reach_node(const struct world *w, struct reach *r, size_t i, bool as_tree)
{
    r->kept[i] = true;
    if (!as_tree || r->walked[i])
        return;
    r->walked[i] = true;
    for (size_t k = 0; k < w->nodes[i].ndeps; k++)
        reach_node(w, r, w->nodes[i].deps[k], w->nodes[i].as_tree[k]);
}

static inline void
reach_digest(const struct world *w, struct reach *r, const struct digest *d)
{
    for (size_t i = 0; i < w->count; i++) {
        if (digest_equal(&w->nodes[i].digest, d))
            reach_node(w, r, i, true);
    }
}

/* What the roots and checkpoints of the database reach. */
static inline struct reach
reach_all(struct world *w)
{
    struct reach r = {xcalloc(w->count, sizeof(bool)), xcalloc(w->count, sizeof(bool))};
    AUTO(free) struct store_root *roots = NULL;
    AUTO(free) struct checkpoint *checkpoints = NULL;
    size_t nroots = 0, ncheckpoints = 0;

    assert_int_equal(store_db_roots(w->db, &roots, &nroots), 0);
    assert_int_equal(store_db_checkpoints(w->db, &checkpoints, &ncheckpoints), 0);
    for (size_t i = 0; i < nroots; i++)
        reach_digest(w, &r, &roots[i].root);
    for (size_t i = 0; i < ncheckpoints; i++)
        reach_digest(w, &r, &checkpoints[i].root);
    return r;
}

/* Every node that is reachable loads. */
static inline void
assert_nothing_lost(struct world *w)
{
    AUTO(reach) struct reach r = reach_all(w);

    for (size_t i = 0; i < w->count; i++) {
        AUTO(blob) struct blob *b = NULL;

        if (!r.kept[i])
            continue;
        if (store_db_load(w->db, &w->nodes[i].digest, &b) != 0)
            fail_msg("node %zu is reachable and lost", i);
        assert_same_bytes(b, w->nodes[i].blob);
    }
}

/* And no other is there. */
static inline void
assert_nothing_else(struct world *w)
{
    AUTO(reach) struct reach r = reach_all(w);

    for (size_t i = 0; i < w->count; i++) {
        if (!r.kept[i] && has_node(w, i))
            fail_msg("node %zu is garbage and still there", i);
    }
}

/* 150 nodes, some roots and checkpoints, and much that is garbage. */
static inline void
make_world(struct world *w)
{
    add_dir(w);
    for (int i = 0; i < 150; i++)
        add_any(w);
    set_root(w, "primary", draw_tree(w));
    set_root(w, "other", draw_tree(w));
    add_checkpoint(w, draw_tree(w));
    add_checkpoint(w, draw_tree(w));
}

#endif
