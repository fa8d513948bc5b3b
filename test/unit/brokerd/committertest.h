/* SPDX-License-Identifier: MPL-2.0 */
/* committertest.h - a committer with a store that is an array, and effects that are only written
 * down: the test says when a directory has been loaded and when a root is durable. */
#ifndef XYLEM_COMMITTERTEST_H
#define XYLEM_COMMITTERTEST_H

#include "cmocka_all.h"

#include "committer.h"
#include "lookup.h"
#include "tree.h"
#include "xmem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define ALG DIGEST_BLAKE2B
#define MANY 4096
#define NOW 1234.5

struct rig {
    struct committer *committer; // owned
    struct digest digests[MANY]; // of the blobs that are durable
    struct blob *blobs[MANY];    // owned
    size_t nblobs;
    struct digest needs[MANY]; // asked for, not yet provided
    size_t nneeds;
    struct store_change *change; // owned; being written
    char writing[STORE_NAMESPACE_MAX];
    size_t writes;             // so far
    bool at_once;              // answer from inside the calls
    struct buf done;           // "COOKIE:RC:SEQUENCE " for each commit
    char text[ERR_TEXT_MAX];   // of the last commit that failed
    struct digest root;        // of the last commit that succeeded
    struct store_root initial; // the empty root of "primary"
};

/* --- effects --- */

static const struct blob *
find_blob(const struct rig *r, const struct digest *d)
{
    for (size_t i = 0; i < r->nblobs; i++) {
        if (digest_equal(&r->digests[i], d))
            return r->blobs[i];
    }
    return NULL;
}

static inline void
keep_blob(struct rig *r, const struct digest *d, const struct blob *b)
{
    if (find_blob(r, d))
        return;
    assert_true(r->nblobs < MANY);
    r->digests[r->nblobs] = *d;
    r->blobs[r->nblobs++] = blob_ref(b);
}

static inline void
need(void *arg, const struct digest *d)
{
    struct rig *r = arg;

    if (r->at_once) {
        committer_provide(r->committer, d, 0, find_blob(r, d));
        return;
    }
    assert_true(r->nneeds < MANY);
    r->needs[r->nneeds++] = *d;
}

static inline void
end_write(struct rig *r, int rc)
{
    for (size_t i = 0; rc == 0 && i < r->change->nblobs; i++)
        keep_blob(r, &r->change->digests[i], r->change->blobs[i]);
    store_change_free(&r->change);
    committer_written(r->committer, r->writing, rc);
}

static inline void
begin_write(void *arg, const char *ns, struct store_change **change)
{
    struct rig *r = arg;

    assert_null(r->change);
    r->change = TAKE(*change);
    r->writes++;
    snprintf(r->writing, sizeof(r->writing), "%s", ns);
    assert_int_equal(r->change->nroots, 1);
    assert_string_equal(r->change->roots[0].name, ns);
    if (r->at_once)
        end_write(r, 0);
}

static inline void
done(void *arg, void *cookie, int rc, const char *text, const struct store_root *root)
{
    struct rig *r = arg;

    assert_int_equal(rc == 0, root != NULL);
    buf_printf(&r->done, "%d:%d:%d ", (int)(intptr_t)cookie, rc, root ? (int)root->sequence : 0);
    if (root)
        r->root = root->root;
    else
        snprintf(r->text, sizeof(r->text), "%s", text);
}

static const struct committer_ops ops = {need, begin_write, done};

/* --- the rig --- */

static inline void
add_namespace(struct rig *r, const char *name, const struct digest *root, int64_t sequence)
{
    struct store_root ns = {.sequence = sequence, .root = *root};

    snprintf(ns.name, sizeof(ns.name), "%s", name);
    committer_add_root(r->committer, &ns);
}

static inline int
set_up(void **state)
{
    struct rig *r = xcalloc(1, sizeof(*r));
    struct digest d;
    struct blob *empty = tree_empty_dir(ALG, &d);

    keep_blob(r, &d, empty);
    blob_unref(&empty);
    r->committer = committer_new(ALG, 1u << 20, 0, &ops, r);
    r->initial.root = d;
    add_namespace(r, "primary", &d, 10);
    *state = r;
    return 0;
}

static inline int
tear_down(void **state)
{
    struct rig *r = *state;

    committer_free(&r->committer);
    store_change_free(&r->change);
    for (size_t i = 0; i < r->nblobs; i++)
        blob_unref(&r->blobs[i]);
    buf_fini(&r->done);
    free(r);
    return 0;
}

static inline void
add_put(struct txn *t, int flags, const char *key, const char *value)
{
    struct treeobj *val = value ? treeobj_new_val(value, strlen(value)) : NULL;

    assert_int_equal(txn_add(t, key, flags, &val, NULL), 0);
}

static inline void
submit_to(struct rig *r, const char *ns, int flags, int cookie, const char *key, const char *value)
{
    struct txn t = TXN_INIT;

    add_put(&t, 0, key, value);
    committer_submit(r->committer, ns, flags, &t, "", (void *)(intptr_t)cookie);
    assert_int_equal(t.count, 0);
}

static inline void
submit(struct rig *r, int flags, int cookie, const char *key, const char *value)
{
    submit_to(r, "primary", flags, cookie, key, value);
}

/* Give what is asked for until nothing is, or a write is under way. */
static inline void
run(struct rig *r)
{
    committer_run(r->committer, NOW);
    while (r->nneeds > 0) {
        struct digest d = r->needs[--r->nneeds];

        committer_provide(r->committer, &d, 0, find_blob(r, &d));
        committer_run(r->committer, NOW);
    }
}

static inline void
finish_write(struct rig *r, int rc)
{
    assert_non_null(r->change);
    end_write(r, rc);
    run(r);
}

/* Run until there is nothing to do, every write succeeding. */
static inline void
settle(struct rig *r)
{
    run(r);
    while (r->change)
        finish_write(r, 0);
}

static inline void
assert_done(struct rig *r, const char *expected)
{
    assert_string_equal(buf_str(&r->done), expected);
    buf_reset(&r->done);
}

/* The value of a key under the newest root; NULL: there is none. */
static inline void
assert_value(struct rig *r, const char *key, const char *value)
{
    struct lookup *l = lookup_new(ALG, "primary", &r->root, key, 0);
    AUTO(treeobj) struct treeobj *val = NULL;
    AUTO(free) void *data = NULL;
    size_t count;
    size_t size;

    while (lookup_step(l) == LOOKUP_WANT_DIR) {
        const struct blob *b = find_blob(r, &lookup_wanted(l, &count)[0]);
        AUTO(treeobj) struct treeobj *dir = NULL;

        assert_int_equal(treeobj_decode(ALG, blob_data(b), blob_size(b), &dir, NULL), 0);
        lookup_give_dir(l, dir);
    }
    assert_int_equal(lookup_result(l, &val, NULL), value ? 0 : -ENOENT);
    lookup_free(&l);
    if (!value)
        return;
    assert_int_equal(treeobj_val_decode(val, &data, &size), 0);
    assert_int_equal(size, strlen(value));
    assert_memory_equal(data, value, size);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

#endif
