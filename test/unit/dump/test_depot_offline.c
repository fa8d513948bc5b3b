/* SPDX-License-Identifier: MPL-2.0 */
/* test_depot_offline.c - depots in files: what is visible when, and who is kept away. */
#include "damagetest.h"

#include "blobref.h"
#include "depot.h"
#include "fluxtest.h"
#include "tree.h"

static const struct layout layout = {DIGEST_BLAKE2B, 1024, 4096};

static int
setup_dir(void **state)
{
    struct statedir *s = xcalloc(1, sizeof(*s));

    statedir_init(s);
    *state = s;
    return 0;
}

static int
teardown_dir(void **state)
{
    struct statedir *s = *state;

    statedir_fini(s);
    free(s);
    return 0;
}

static struct depot *
open_depot(const struct statedir *s, bool to_write)
{
    struct depot *d = NULL;
    struct err err = {0};

    if (depot_open_statedir(&d, s->path, to_write ? &layout : NULL, &err) < 0)
        fail_msg("%s", err.text);
    return d;
}

static void
assert_refused(const struct statedir *s, bool to_write, int code, const char *text)
{
    struct depot *d = NULL;
    struct err err = {0};

    assert_int_equal(depot_open_statedir(&d, s->path, to_write ? &layout : NULL, &err), code);
    assert_null(d);
    if (!strstr(err.text, text))
        fail_msg("%s", err.text);
}

static void
on_stored(void *arg, const struct depot_reply *reply)
{
    struct digest *d = arg;

    assert_int_equal(reply->rc, 0);
    *d = reply->digest;
}

static struct digest
store(struct depot *d, const char *text)
{
    struct digest digest = {{0}};
    struct err err = {0};

    if (depot_store_async(d, text, strlen(text), on_stored, &digest, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(digest.bytes[0] | digest.bytes[1], 0); // not yet
    assert_int_equal(depot_dispatch(d, &err), 0);
    return digest;
}

/* A directory with one value, which is the text of a change as well. */
static struct digest
store_tree(struct depot *d, const char *name, const char *value)
{
    AUTO(free)
    char *text = xasprintf("{\"data\":{\"%s\":{\"data\":\"%s\",\"type\":\"val\",\"ver\":1}}"
                           ",\"type\":\"dir\",\"ver\":1}",
                           name, value);

    return store(d, text);
}

static int
change(struct depot *d, const char *ns, const char *key, const struct digest *tree,
       const struct digest *expected, struct depot_root *ret, struct err *err)
{
    struct depot_change c = {.ns = ns, .key = key, .tree = *tree, .expected = expected};

    return depot_change(d, &c, ret, err);
}

static void
assert_root(struct depot *d, const char *ns, const struct digest *root, int64_t sequence)
{
    struct depot_root found;
    struct err err = {0};

    if (depot_root(d, ns, &found, &err) < 0)
        fail_msg("%s", err.text);
    assert_true(digest_equal(&found.root, root));
    assert_int_equal(found.sequence, sequence);
}

static bool
exists(const struct statedir *s, const char *name)
{
    AUTO(free) char *path = xasprintf("%s/%s", s->path, name);

    return access(path, F_OK) == 0;
}

static struct digest
digest_of(const char *text)
{
    struct digest d;

    digest_compute(layout.alg, text, strlen(text), &d);
    return d;
}

/* --- reading and writing --- */

static void
nothing_is_visible_before_flush(void **state)
{
    struct statedir *s = *state;
    struct depot_root root;
    struct digest tree;
    struct depot *d;

    for (int flushed = 0; flushed < 2; flushed++) {
        d = open_depot(s, true);
        tree = store_tree(d, "a", "MQ==");
        assert_int_equal(change(d, "primary", ".", &tree, NULL, &root, NULL), 0);
        assert_int_equal(root.sequence, 1);
        assert_root(d, "primary", &tree, 1);
        if (flushed)
            assert_int_equal(depot_flush(d, NULL), 0);
        depot_close(&d);
        assert_int_equal(exists(s, "content.sqlite"), flushed);
        assert_int_equal(exists(s, "lock"), flushed);
    }
    assert_false(exists(s, "content.sqlite-wal"));
    d = open_depot(s, false);
    assert_root(d, "primary", &tree, 1);
    depot_close(&d);
}

static void
a_directory_is_made_and_removed_with_what_is_in_it(void **state)
{
    struct statedir *s = *state;
    struct statedir below = *s;
    struct depot *d;
    struct err err = {0};

    assert_true(snprintf(below.path, sizeof(below.path), "%s/new", s->path) <
                (int)sizeof(below.path));
    d = open_depot(&below, true);
    store(d, "blob");
    depot_close(&d);
    assert_false(exists(s, "new"));
    assert_int_equal(depot_open_statedir(&d, "/dev/null/x", &layout, &err), -ENOTDIR);
    assert_refused(&below, false, -ENOENT, "content.sqlite");
    assert_false(exists(s, "new"));
    d = open_depot(&below, true);
    assert_int_equal(depot_flush(d, NULL), 0);
    depot_close(&d);
    assert_true(exists(s, "new/content.sqlite"));
    statedir_fini(&below);
}

static void
what_was_there_stays_when_there_is_no_flush(void **state)
{
    struct statedir *s = *state;
    struct depot *d = open_depot(s, true);
    struct depot_root root;
    struct digest first = store_tree(d, "a", "MQ=="), second;

    assert_int_equal(change(d, "primary", ".", &first, NULL, &root, NULL), 0);
    assert_int_equal(depot_flush(d, NULL), 0);
    depot_close(&d);
    d = open_depot(s, true);
    second = store_tree(d, "b", "MQ==");
    assert_int_equal(change(d, "primary", ".", &second, NULL, &root, NULL), 0);
    assert_int_equal(root.sequence, 2);
    depot_close(&d);
    d = open_depot(s, false);
    assert_root(d, "primary", &first, 1);
    depot_close(&d);
}

static void
a_root_that_is_there_already_is_no_change(void **state)
{
    struct statedir *s = *state;
    struct depot *d = open_depot(s, true);
    struct digest tree = store_tree(d, "a", "MQ==");
    struct depot_root root;

    assert_int_equal(change(d, "primary", ".", &tree, NULL, &root, NULL), 0);
    assert_int_equal(change(d, "primary", ".", &tree, NULL, &root, NULL), 0);
    assert_int_equal(root.sequence, 1);
    depot_close(&d);
}

static void
what_is_expected_must_be_there(void **state)
{
    struct statedir *s = *state;
    struct depot *d = open_depot(s, true);
    struct digest a = store_tree(d, "a", "MQ=="), b = store_tree(d, "b", "MQ==");
    struct depot_root root;
    struct err err = {0};

    assert_int_equal(change(d, "primary", ".", &a, NULL, &root, NULL), 0);
    assert_int_equal(change(d, "primary", ".", &b, &b, &root, &err), -EAGAIN);
    assert_non_null(strstr(err.text, "current root of primary is"));
    assert_int_equal(change(d, "primary", ".", &b, &a, &root, NULL), 0);
    assert_int_equal(change(d, "primary", "x.y", &a, &b, &root, &err), -EAGAIN);
    assert_int_equal(change(d, "primary", "x.y", &a, NULL, &root, NULL), 0);
    assert_int_equal(root.sequence, 3);
    assert_int_equal(change(d, "primary", "x.y", &b, &a, &root, NULL), 0);
    depot_close(&d);
}

/* Large enough for several transactions. */
static void
many_blobs_are_stored_and_found(void **state)
{
    struct statedir *s = *state;
    struct depot *d = open_depot(s, true);
    struct digest *digests = xcalloc(10000, sizeof(*digests));
    struct err err = {0};

    for (int i = 0; i < 10000; i++) {
        AUTO(free) char *text = xasprintf("blob %d", i);

        assert_int_equal(depot_store_async(d, text, strlen(text), on_stored, &digests[i], NULL), 0);
    }
    assert_int_equal(depot_dispatch(d, NULL), 0);
    assert_int_equal(depot_flush(d, NULL), 0);
    depot_close(&d);
    d = open_depot(s, false);
    for (int i = 0; i < 10000; i++) {
        AUTO(free) char *text = xasprintf("blob %d", i);
        AUTO(free) void *data = NULL;
        size_t size;

        if (depot_load(d, &digests[i], &data, &size, &err) < 0)
            fail_msg("%s", err.text);
        assert_int_equal(size, strlen(text));
        assert_memory_equal(data, text, size);
    }
    depot_close(&d);
    free(digests);
}

static void
what_was_just_stored_is_found(void **state)
{
    struct statedir *s = *state;
    struct depot *d = open_depot(s, true);
    AUTO(free) void *data = NULL;
    struct digest blob = store(d, "blob"), none = digest_of("none"), unused;
    struct err err = {0};
    size_t size;

    assert_int_equal(depot_load(d, &blob, &data, &size, NULL), 0);
    assert_int_equal(size, 4);
    assert_int_equal(depot_load(d, &none, &data, &size, &err), -ENOENT);
    assert_non_null(strstr(err.text, "no such blob"));
    assert_int_equal(depot_store_async(d, "more", 4, on_stored, &unused, NULL), 0);
    assert_int_equal(depot_dispatch(d, NULL), 0);
    depot_close(&d);
}

static void
on_cancelled(void *arg, const struct depot_reply *reply)
{
    int *count = arg;

    assert_int_equal(reply->rc, -ECANCELED);
    assert_non_null(reply->data);
    ++*count;
}

static void
what_is_under_way_is_cancelled_by_close(void **state)
{
    struct statedir *s = *state;
    struct depot *d = open_depot(s, true);
    struct digest none = digest_of("none");
    int count = 0;

    for (int i = 0; i < 100; i++) {
        depot_load_async(d, &none, on_cancelled, &count, NULL);
        depot_store_async(d, "x", 1, on_cancelled, &count, NULL);
    }
    assert_int_equal(count, 0);
    depot_close(&d);
    assert_int_equal(count, 200);
}

/* Each load starts the next one. */
struct chain {
    struct depot *depot;
    struct digest digest;
    int left;
};

static void
on_link(void *arg, const struct depot_reply *reply)
{
    struct chain *c = arg;

    assert_int_equal(reply->rc, 0);
    if (--c->left > 0)
        depot_load_async(c->depot, &c->digest, on_link, c, NULL);
}

static void
completions_may_start_more(void **state)
{
    struct statedir *s = *state;
    struct depot *d = open_depot(s, true);
    struct chain c = {d, store(d, "blob"), 500};
    struct digest first = c.digest;
    struct chain once[70];

    for (int i = 0; i < 70; i++) { // the ring wraps around
        once[i] = (struct chain){d, first, 1};
        depot_load_async(d, &first, on_link, &once[i], NULL);
    }
    depot_dispatch(d, NULL);
    depot_load_async(d, &c.digest, on_link, &c, NULL);
    while (c.left > 0)
        assert_int_equal(depot_dispatch(d, NULL), 0);
    depot_close(&d);
}

/* --- roots --- */

static void
a_new_directory_has_an_empty_primary(void **state)
{
    struct statedir *s = *state;
    struct depot *d = open_depot(s, true);
    AUTO(free) struct depot_root *roots = NULL;
    AUTO(free) struct checkpoint *list = NULL;
    AUTO(blob) struct blob *empty = NULL;
    AUTO(treeobj) struct treeobj *dir = NULL;
    struct digest nothing;
    struct depot_root unused;
    struct err err = {0};
    size_t count;

    empty = tree_empty_dir(layout.alg, &nothing);
    assert_root(d, "primary", &nothing, 0);
    assert_int_equal(depot_load_dir(d, &nothing, &dir, NULL), 0);
    assert_int_equal(depot_root(d, "other", &unused, &err), -ENOTSUP);
    assert_int_equal(depot_roots(d, &roots, &count, NULL), 0);
    assert_int_equal(count, 0);
    assert_int_equal(depot_checkpoints(d, &list, &count, NULL), 0);
    assert_int_equal(count, 0);
    depot_close(&d);
}

static void
namespaces_are_made_once(void **state)
{
    struct statedir *s = *state;
    struct depot *d = open_depot(s, true);
    struct depot_root ns = {
        .ns = "ns", .owner = 7, .sequence = 12, .root = store_tree(d, "a", "MQ==")};
    struct depot_root bad = {.ns = "a/b", .root = ns.root};
    AUTO(free) struct depot_root *roots = NULL;
    size_t count;

    assert_int_equal(depot_create(d, &bad, NULL), -EINVAL);
    bad.ns[0] = '\0';
    assert_int_equal(depot_create(d, &bad, NULL), -EINVAL);
    assert_int_equal(depot_create(d, &ns, NULL), 0);
    assert_int_equal(depot_create(d, &ns, NULL), -EEXIST);
    assert_int_equal(depot_flush(d, NULL), 0);
    assert_int_equal(depot_create(d, &ns, NULL), -EEXIST);
    depot_close(&d);
    d = open_depot(s, false);
    assert_root(d, "ns", &ns.root, 12);
    assert_int_equal(depot_roots(d, &roots, &count, NULL), 0);
    assert_int_equal(count, 1);
    assert_string_equal(roots[0].ns, "ns");
    assert_int_equal(roots[0].owner, 7);
    depot_close(&d);
}

static void
a_root_that_is_not_stored_is_refused(void **state)
{
    struct statedir *s = *state;
    struct depot *d = open_depot(s, true);
    struct depot_root ns = {.ns = "ns", .root = digest_of("none")};
    struct err err = {0};

    assert_int_equal(depot_create(d, &ns, NULL), 0);
    assert_int_equal(depot_flush(d, &err), -ENOENT);
    assert_non_null(strstr(err.text, "is not stored"));
    depot_close(&d);
    assert_false(exists(s, "content.sqlite"));
}

/* A broker that ends leaves one of where it was. */
static void
a_change_of_primary_leaves_a_checkpoint(void **state)
{
    struct statedir *s = *state;
    struct depot *d = open_depot(s, true);
    AUTO(free) struct checkpoint *list = NULL;
    struct digest tree = store_tree(d, "a", "MQ==");
    struct depot_root root;
    size_t count;

    assert_int_equal(change(d, "primary", ".", &tree, NULL, &root, NULL), 0);
    assert_int_equal(depot_flush(d, NULL), 0);
    assert_int_equal(depot_checkpoints(d, &list, &count, NULL), 0);
    assert_int_equal(count, 1);
    assert_true(digest_equal(&list[0].root, &tree));
    assert_int_equal(list[0].sequence, 1);
    depot_close(&d);
}

static void
a_checkpoint_is_where_primary_goes_on(void **state)
{
    struct statedir *s = *state;
    struct depot *d = open_depot(s, true);
    struct checkpoint c = {.root = store_tree(d, "a", "MQ=="), .timestamp = 5};

    assert_int_equal(depot_put_checkpoint(d, &c, NULL), 0);
    assert_int_equal(depot_flush(d, NULL), 0);
    assert_root(d, "primary", &c.root, 1);
    c.root = store_tree(d, "b", "MQ==");
    c.sequence = 40;
    assert_int_equal(depot_put_checkpoint(d, &c, NULL), 0);
    assert_int_equal(depot_flush(d, NULL), 0);
    assert_root(d, "primary", &c.root, 40);
    depot_close(&d);
}

/* As an archive of all has them: then primary is not the last of them. */
static void
checkpoints_beside_roots_change_no_root(void **state)
{
    struct statedir *s = *state;
    struct depot *d = open_depot(s, true);
    AUTO(free) struct checkpoint *list = NULL;
    struct checkpoint c = {.root = store_tree(d, "a", "MQ=="), .sequence = 3, .timestamp = 5};
    struct digest tree = store_tree(d, "b", "MQ==");
    struct depot_root root;
    size_t count;

    assert_int_equal(change(d, "primary", ".", &tree, NULL, &root, NULL), 0);
    assert_int_equal(depot_put_checkpoint(d, &c, NULL), 0);
    c.sequence = 4;
    assert_int_equal(depot_put_checkpoint(d, &c, NULL), 0);
    assert_int_equal(depot_flush(d, NULL), 0);
    assert_root(d, "primary", &tree, 1);
    assert_int_equal(depot_checkpoints(d, &list, &count, NULL), 0);
    assert_int_equal(count, 2);
    assert_int_equal(list[0].sequence, 4);
    depot_close(&d);
}

/* What a broker would start from. */
static void
without_roots_the_newest_checkpoint_is_primary(void **state)
{
    struct statedir *s = *state;
    struct depot *d = open_depot(s, true);
    struct checkpoint c = {.root = store_tree(d, "a", "MQ=="), .sequence = 9, .timestamp = 5};

    assert_int_equal(depot_put_checkpoint(d, &c, NULL), 0);
    assert_int_equal(depot_flush(d, NULL), 0);
    depot_close(&d);
    run_sql(s, "DELETE FROM root");
    d = open_depot(s, false);
    assert_root(d, "primary", &c.root, 9);
    depot_close(&d);
}

static void
a_tree_comes_to_a_key(void **state)
{
    struct statedir *s = *state;
    struct depot *d = open_depot(s, true);
    struct digest a = store_tree(d, "a", "MQ=="), b = store_tree(d, "b", "MQ==");
    AUTO(treeobj) struct treeobj *top = NULL;
    AUTO(treeobj) struct treeobj *x = NULL;
    struct depot_root root;
    size_t count;

    assert_int_equal(change(d, "primary", ".", &a, NULL, &root, NULL), 0);
    assert_int_equal(change(d, "primary", "x.y", &b, NULL, &root, NULL), 0);
    assert_int_equal(depot_flush(d, NULL), 0);
    depot_close(&d);
    d = open_depot(s, false);
    assert_root(d, "primary", &root.root, 2);
    assert_int_equal(depot_load_dir(d, &root.root, &top, NULL), 0);
    assert_int_equal(treeobj_dir_count(top), 2);
    assert_non_null(treeobj_dir_get(top, "a"));
    assert_int_equal(depot_load_dir(d, treeobj_refs(treeobj_dir_get(top, "x"), &count), &x, NULL),
                     0);
    assert_true(digest_equal(treeobj_refs(treeobj_dir_get(x, "y"), &count), &b));
    depot_close(&d);
}

static void
directories_too_large_for_a_blob_are_stored(void **state)
{
    struct statedir *s = *state;
    struct depot *d = open_depot(s, true);
    AUTO(buf) struct buf json = BUF_INIT;
    AUTO(treeobj) struct treeobj *dir = NULL;
    char top[] = "";
    struct depot_wide wide = {.key = top, .json = NULL};
    struct depot_change c = {.ns = "primary", .key = ".", .wide = &wide, .nwide = 1};
    struct depot_root root;

    buf_add_str(&json, "{\"data\":{");
    for (int i = 0; i < 1000; i++)
        buf_printf(&json, "%s\"k%04d\":{\"data\":\"MQ==\",\"type\":\"val\",\"ver\":1}",
                   i ? "," : "", i);
    buf_add_str(&json, "},\"type\":\"dir\",\"ver\":1}");
    wide.json = json.data;
    c.tree = digest_of(json.data);
    assert_true(json.size > layout.blob_size);
    assert_int_equal(depot_change(d, &c, &root, NULL), 0);
    assert_int_equal(depot_flush(d, NULL), 0);
    assert_int_equal(depot_load_dir(d, &c.tree, &dir, NULL), 0);
    assert_int_equal(treeobj_dir_count(dir), 1000);
    depot_close(&d);
}

/* --- the layout --- */

static void
the_layout_is_kept(void **state)
{
    struct statedir *s = *state;
    struct layout other = {DIGEST_SHA1, 5, 99};
    struct depot *d = open_depot(s, true);

    assert_int_equal(depot_flush(d, NULL), 0);
    assert_true(layout_equal(&d->layout, &layout));
    depot_close(&d);
    assert_int_equal(depot_open_statedir(&d, s->path, &other, NULL), 0);
    assert_true(layout_equal(&d->layout, &layout)); // it has one already
    depot_close(&d);
    d = open_depot(s, false);
    assert_true(layout_equal(&d->layout, &layout));
    depot_close(&d);
    run_sql(s, "DELETE FROM meta WHERE name IN ('maxdirent', 'blob_size')");
    d = open_depot(s, false);
    assert_true(layout_equal(&d->layout, &(struct layout){DIGEST_BLAKE2B, 1024, 1 << 20}));
    depot_close(&d);
}

/* --- who is kept away --- */

static void
a_store_in_use_is_refused(void **state)
{
    struct statedir *s = *state;
    struct store_db *db = open_db(s);
    struct depot *d;

    assert_refused(s, false, -EBUSY, "in use by a broker that is running (pid ");
    assert_refused(s, true, -EBUSY, "in use by another broker");
    store_db_close(&db);
    d = open_depot(s, false);
    depot_close(&d);
}

static void
a_broker_is_refused_meanwhile(void **state)
{
    struct statedir *s = *state;
    struct store_db *db = open_db(s);
    struct depot *d;

    store_db_close(&db);
    for (int to_write = 0; to_write < 2; to_write++) {
        d = open_depot(s, to_write);
        assert_int_equal(store_db_open(&db, &s->conf, NULL), -EBUSY);
        depot_close(&d);
    }
    db = open_db(s);
    store_db_close(&db);
}

static void
what_only_reads_cannot_write(void **state)
{
    struct statedir *s = *state;
    struct store_db *db = open_db(s);
    struct depot_root root = {.ns = "ns"};
    struct checkpoint c = {.sequence = 0};
    struct depot *d;

    store_db_close(&db);
    d = open_depot(s, false);
    assert_int_equal(depot_store_async(d, "x", 1, on_stored, NULL, NULL), -EROFS);
    assert_int_equal(change(d, "primary", ".", &c.root, NULL, &root, NULL), -EROFS);
    assert_int_equal(depot_create(d, &root, NULL), -EROFS);
    assert_int_equal(depot_put_checkpoint(d, &c, NULL), -EROFS);
    assert_int_equal(depot_flush(d, NULL), 0);
    depot_close(&d);
}

/* --- damage --- */

static void
a_damaged_blob_is_told_and_stored_again(void **state)
{
    struct statedir *s = *state;
    struct depot *d = open_depot(s, true);
    struct digest blob = store(d, "something to damage");
    AUTO(free) void *data = NULL;
    struct err err = {0};
    size_t size;

    assert_int_equal(depot_flush(d, NULL), 0);
    depot_close(&d);
    run_sql(s, "UPDATE blob SET data = CAST('Something to damage' AS BLOB)");
    d = open_depot(s, false);
    assert_int_equal(depot_load(d, &blob, &data, &size, &err), -EIO);
    assert_non_null(strstr(err.text, "damaged"));
    depot_close(&d);
    d = open_depot(s, true);
    store(d, "something to damage");
    assert_int_equal(depot_flush(d, NULL), 0);
    depot_close(&d);
    d = open_depot(s, false);
    assert_int_equal(depot_load(d, &blob, &data, &size, NULL), 0);
    depot_close(&d);
}

/* What was in the transaction that came upon them is written again. */
static void
a_blob_whose_pages_are_lost_is_stored_again(void **state)
{
    struct statedir *s = *state;
    AUTO(free) void *data = NULL;
    struct digest lost, other;
    struct err err = {0};
    struct depot *d;
    char *text;
    size_t size;

    need_dbstat();
    text = xmalloc(100001);
    for (uint32_t i = 0, x = 1; i < 100000; i++) {
        x ^= x << 13, x ^= x >> 17, x ^= x << 5;
        text[i] = (char)(x | 1);
    }
    text[100000] = '\0';
    d = open_depot(s, true);
    lost = store(d, text);
    assert_int_equal(depot_flush(d, NULL), 0);
    depot_close(&d);
    break_chain(s);
    d = open_depot(s, false);
    assert_int_equal(depot_load(d, &lost, &data, &size, &err), -EIO);
    depot_close(&d);
    d = open_depot(s, true);
    other = store(d, "other");
    store(d, text);
    if (depot_flush(d, &err) < 0)
        fail_msg("%s", err.text);
    depot_close(&d);
    d = open_depot(s, false);
    assert_int_equal(depot_load(d, &lost, &data, &size, NULL), 0);
    assert_int_equal(size, 100000);
    free(TAKE(data));
    assert_int_equal(depot_load(d, &other, &data, &size, NULL), 0);
    depot_close(&d);
    free(text);
}

static void
a_store_with_a_lost_root_can_be_read(void **state)
{
    struct statedir *s = *state;
    struct depot *d = open_depot(s, true);
    struct digest tree = store_tree(d, "a", "MQ==");
    struct depot_root root;

    assert_int_equal(change(d, "primary", ".", &tree, NULL, &root, NULL), 0);
    assert_int_equal(depot_flush(d, NULL), 0);
    depot_close(&d);
    run_sql(s, "UPDATE root SET digest = zeroblob(32)");
    assert_refused(s, true, -EILSEQ, "is missing");
    d = open_depot(s, false);
    assert_int_equal(depot_root(d, "primary", &root, NULL), 0);
    depot_close(&d);
}

/* --- Flux --- */

static void
make_flux(const struct statedir *s, struct digest *ret_blob, struct digest *ret_root)
{
    sqlite3 *sql = flux_open(s->database, "WAL");

    flux_sql(sql, FLUX_OBJECTS FLUX_CHECKPOINTS);
    flux_put(sql, DIGEST_SHA1, FLUX_TEXT, "blob", 4, ret_blob);
    flux_put(sql, DIGEST_SHA1, FLUX_TEXT, "root", 4, ret_root);
    flux_put_checkpoint(sql, DIGEST_SHA1, ret_root, 17, 5);
    sqlite3_close(sql);
}

static void
a_directory_of_flux_is_read(void **state)
{
    struct statedir *s = *state;
    AUTO(free) struct checkpoint *list = NULL;
    AUTO(free) struct depot_root *roots = NULL;
    AUTO(free) void *data = NULL;
    struct depot_root unused;
    struct digest blob, root;
    struct err err = {0};
    struct depot *d;
    size_t size, count;

    make_flux(s, &blob, &root);
    d = open_depot(s, false);
    assert_true(layout_equal(&d->layout, &(struct layout){DIGEST_SHA1, 0, 1 << 20}));
    assert_root(d, "primary", &root, 17);
    assert_int_equal(depot_root(d, "other", &unused, &err), -ENOTSUP);
    assert_int_equal(depot_load(d, &blob, &data, &size, NULL), 0);
    assert_int_equal(size, 4);
    assert_memory_equal(data, "blob", 4);
    assert_int_equal(depot_checkpoints(d, &list, &count, NULL), 0);
    assert_int_equal(count, 1);
    assert_int_equal(depot_roots(d, &roots, &count, NULL), 0);
    assert_int_equal(count, 1);
    assert_int_equal(depot_store_async(d, "x", 1, on_stored, NULL, NULL), -EROFS);
    depot_close(&d);
    assert_refused(s, true, -EROFS, "one of Flux, which can only be read");
}

static void
a_directory_of_flux_without_a_checkpoint(void **state)
{
    struct statedir *s = *state;
    AUTO(free) struct depot_root *roots = NULL;
    struct depot_root unused;
    struct digest blob, root;
    struct err err = {0};
    struct depot *d;
    size_t count;

    make_flux(s, &blob, &root);
    run_sql(s, "DELETE FROM checkpt_v2");
    d = open_depot(s, false);
    assert_int_equal(depot_root(d, "primary", &unused, &err), -ENOENT);
    assert_non_null(strstr(err.text, "there is no checkpoint"));
    assert_int_equal(depot_roots(d, &roots, &count, NULL), 0);
    assert_int_equal(count, 0);
    depot_close(&d);
    run_sql(s, "INSERT INTO checkpt_v2 (value) VALUES ('what?')");
    d = open_depot(s, false);
    assert_int_equal(depot_root(d, "primary", &unused, &err), -EPROTO);
    depot_close(&d);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_dir, teardown_dir)
    const struct CMUnitTest tests[] = {
        TEST(nothing_is_visible_before_flush),
        TEST(a_directory_is_made_and_removed_with_what_is_in_it),
        TEST(what_was_there_stays_when_there_is_no_flush),
        TEST(a_root_that_is_there_already_is_no_change),
        TEST(what_is_expected_must_be_there),
        TEST(many_blobs_are_stored_and_found),
        TEST(what_was_just_stored_is_found),
        TEST(what_is_under_way_is_cancelled_by_close),
        TEST(completions_may_start_more),
        TEST(a_new_directory_has_an_empty_primary),
        TEST(namespaces_are_made_once),
        TEST(a_root_that_is_not_stored_is_refused),
        TEST(a_change_of_primary_leaves_a_checkpoint),
        TEST(a_checkpoint_is_where_primary_goes_on),
        TEST(checkpoints_beside_roots_change_no_root),
        TEST(without_roots_the_newest_checkpoint_is_primary),
        TEST(a_tree_comes_to_a_key),
        TEST(directories_too_large_for_a_blob_are_stored),
        TEST(the_layout_is_kept),
        TEST(a_store_in_use_is_refused),
        TEST(a_broker_is_refused_meanwhile),
        TEST(what_only_reads_cannot_write),
        TEST(a_damaged_blob_is_told_and_stored_again),
        TEST(a_blob_whose_pages_are_lost_is_stored_again),
        TEST(a_store_with_a_lost_root_can_be_read),
        TEST(a_directory_of_flux_is_read),
        TEST(a_directory_of_flux_without_a_checkpoint),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
