/* SPDX-License-Identifier: MPL-2.0 */
/* The tree of an archive is the one that was archived, directory by directory, and nothing but the archive is
 * needed for it. */
#include "archive_tree.h"
#include "diff.h"
#include "made_archive.h"
#include "memstore.h"
#include "xmem.h"

#include "cmocka_all.h"

#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <unistd.h>

#define BLOB_SIZE 1000

struct rig {
    struct made_archive made;
    struct progress progress;
    struct archive_tree tree;
    struct err err;
};

static void
rig_init(struct rig *r, const struct archive_header *header)
{
    memset(r, 0, sizeof(*r));
    made_archive_init(&r->made, header);
    progress_init(&r->progress, "test", "read", false, true);
}

static void
rig_fini(struct rig *r)
{
    archive_tree_close(&r->tree);
    made_archive_fini(&r->made);
}

static struct archive_header
header_of(uint64_t maxdirent, const struct digest *root)
{
    return (struct archive_header){.kind = ARCHIVE_FULL,
                                   .alg = ALG,
                                   .root = *root,
                                   .maxdirent = maxdirent,
                                   .blob_size_limit = BLOB_SIZE};
}

static int
open_tree(struct rig *r)
{
    made_archive_close(&r->made);
    return archive_tree_open(&r->tree, r->made.path, &r->progress, &r->err);
}

/* a, dir/link, dir/sub/large */
static void
put_samples(struct rig *r)
{
    char large[BLOB_SIZE * 5 / 2];

    memset(large, 'L', sizeof(large));
    made_archive_file(&r->made, "a", "hello", 5);
    made_archive_link(&r->made, "dir/link", "ns::a.b");
    made_archive_file(&r->made, "dir/sub/large", large, sizeof(large));
}

static void
make_samples(struct memstore *s, struct digest *ret_root)
{
    AUTO(treeobj) struct treeobj *root = treeobj_new_dir();
    struct treeobj *dir = treeobj_new_dir();
    struct treeobj *sub = treeobj_new_dir();
    struct treeobj *obj = treeobj_new_val("hello", 5);
    struct digest refs[3];
    char large[BLOB_SIZE];

    memset(large, 'L', sizeof(large));
    for (size_t i = 0; i < ARRAY_SIZE(refs); i++)
        digest_compute(ALG, large, i < 2 ? BLOB_SIZE : BLOB_SIZE / 2, &refs[i]);
    treeobj_dir_put(root, "a", &obj);
    obj = treeobj_new_symlink("ns", "a.b");
    treeobj_dir_put(dir, "link", &obj);
    obj = treeobj_new_valref(refs, ARRAY_SIZE(refs));
    treeobj_dir_put(sub, "large", &obj);
    memstore_link_dir(s, dir, "sub", &sub);
    memstore_link_dir(s, root, "dir", &dir);
    memstore_put_obj(s, root, ret_root);
}

/* All directories are there, and keys and values as they are in the store. */
static void
check_same(const struct archive_tree *t, const struct memstore *s, const struct digest *root)
{
    struct diff *diff = diff_new(ALG, root, &t->result.root, 4);
    const struct diff_item *item;

    while ((item = diff_next(diff))->kind != DIFF_END) {
        struct diff_load *l = diff_want(diff);
        const void *data;
        size_t size;

        assert_int_equal(item->kind, DIFF_WAIT); // not a difference
        if (archive_tree_find(t, diff_load_digest(l), &data, &size)) {
            diff_give(l, data, size);
        } else {
            const struct buf *blob = memstore_get(s, diff_load_digest(l));

            assert_non_null(blob);
            diff_give(l, blob->data, blob->size);
        }
    }
    diff_free(&diff);
}

static void
the_tree_of_an_archive_is_the_one_that_was_archived(void **state UNUSED)
{
    struct memstore store;
    struct digest root;
    struct archive_header header;
    struct rig r;
    const void *data;
    size_t size;

    memstore_init(&store);
    make_samples(&store, &root);
    header = header_of(0, &root);
    rig_init(&r, &header);
    put_samples(&r);
    assert_int_equal(open_tree(&r), 0);
    assert_int_equal(archive_tree_header(&r.tree)->blob_size_limit, BLOB_SIZE);
    assert_int_equal(archive_tree_read(&r.tree, NULL, ARCHIVE_TREE_DIRS, &r.err), 0);
    assert_true(digest_equal(&r.tree.result.root, &root));
    assert_int_equal(r.tree.result.keys, 3);
    assert_int_equal(r.tree.result.bytes, 5 + BLOB_SIZE * 5 / 2);
    assert_int_equal(r.tree.dirs.count, 3); // and no values
    assert_true(archive_tree_find(&r.tree, &root, &data, &size));
    assert_int_equal(size, memstore_get(&store, &root)->size);
    assert_memory_equal(data, memstore_get(&store, &root)->data, size);
    assert_int_equal(archive_tree_end(&r.tree)->keys, r.made.end.keys);
    rig_fini(&r);
    memstore_fini(&store);
}

static void
directories_are_only_kept_for_those_who_look_at_them(void **state UNUSED)
{
    struct archive_header header = header_of(0, &(struct digest){{1}});
    const void *data;
    size_t size;
    struct rig r;

    rig_init(&r, &header);
    put_samples(&r);
    assert_int_equal(open_tree(&r), 0);
    assert_int_equal(archive_tree_read(&r.tree, NULL, ARCHIVE_TREE_ROOT, &r.err), 0);
    assert_int_equal(r.tree.result.keys, 3);
    assert_false(archive_tree_find(&r.tree, &r.tree.result.root, &data, &size));
    rig_fini(&r);
}

/* The parts of a wide directory are blobs of their own; the archive looks the same. */
static void
wide_directories_have_all_their_parts(void **state UNUSED)
{
    struct archive_header header = header_of(50, &(struct digest){{1}});
    struct treeobj *wide = treeobj_new_dir();
    AUTO(treeobj) struct treeobj *top = treeobj_new_dir();
    struct memstore store;
    struct digest root;
    struct rig r;

    memstore_init(&store);
    rig_init(&r, &header);
    for (unsigned i = 0; i < 1000; i++) {
        struct treeobj *obj = treeobj_new_val(&i, sizeof(i));
        char path[32];

        snprintf(path, sizeof(path), "wide/k%04u", i);
        made_archive_file(&r.made, path, &i, sizeof(i));
        treeobj_dir_put(wide, path + 5, &obj);
    }
    memstore_link_dir(&store, top, "wide", &wide); // as one object
    memstore_put_obj(&store, top, &root);
    assert_int_equal(open_tree(&r), 0);
    assert_int_equal(archive_tree_read(&r.tree, NULL, ARCHIVE_TREE_DIRS, &r.err), 0);
    assert_true(r.tree.dirs.count > 5);
    assert_false(digest_equal(&r.tree.result.root, &root));
    check_same(&r.tree, &store, &root);
    rig_fini(&r);
    memstore_fini(&store);
}

static void
an_archive_without_a_header_needs_to_be_told_the_layout(void **state UNUSED)
{
    struct layout layout = {ALG, 0, BLOB_SIZE};
    struct memstore store;
    struct digest root;
    struct rig r;

    memstore_init(&store);
    make_samples(&store, &root);
    rig_init(&r, NULL);
    put_samples(&r);
    assert_int_equal(open_tree(&r), 0);
    assert_null(archive_tree_header(&r.tree));
    assert_int_equal(archive_tree_read(&r.tree, NULL, ARCHIVE_TREE_DIRS, &r.err), -ENOTSUP);
    assert_non_null(strstr(r.err.text, r.made.path));
    assert_int_equal(archive_tree_read(&r.tree, &layout, ARCHIVE_TREE_DIRS, &r.err), 0);
    assert_true(digest_equal(&r.tree.result.root, &root));
    rig_fini(&r);
    memstore_fini(&store);
}

static void
what_cannot_be_read_is_named(void **state UNUSED)
{
    struct archive_header header = header_of(0, &(struct digest){{1}});
    struct archive_tree t;
    struct rig r;

    rig_init(&r, &header);
    put_samples(&r);
    made_archive_close(&r.made);
    assert_int_equal(ftruncate(r.made.fd, lseek(r.made.fd, 0, SEEK_END) - 6000), 0);
    assert_int_equal(archive_tree_open(&r.tree, r.made.path, &r.progress, &r.err), 0);
    assert_true(archive_tree_read(&r.tree, NULL, ARCHIVE_TREE_DIRS, &r.err) < 0);
    assert_non_null(strstr(r.err.text, r.made.path));
    rig_fini(&r);

    assert_int_equal(archive_tree_open(&t, "/nowhere/x.tar", NULL, &r.err), -ENOENT);
    assert_non_null(strstr(r.err.text, "/nowhere/x.tar"));
    archive_tree_close(&t);
}

static void
what_has_no_place_in_a_tree_is_counted(void **state UNUSED)
{
    struct archive_header header = header_of(0, &(struct digest){{1}});
    struct rig r;

    rig_init(&r, &header);
    made_archive_file(&r.made, "good", "x", 1);
    made_archive_link(&r.made, "none", "");
    assert_int_equal(open_tree(&r), 0);
    assert_int_equal(archive_tree_read(&r.tree, NULL, ARCHIVE_TREE_DIRS, &r.err), 0);
    assert_int_equal(r.tree.result.keys, 1);
    assert_int_equal(r.tree.skipped, 1);
    rig_fini(&r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_tree_of_an_archive_is_the_one_that_was_archived),
        cmocka_unit_test(directories_are_only_kept_for_those_who_look_at_them),
        cmocka_unit_test(wide_directories_have_all_their_parts),
        cmocka_unit_test(an_archive_without_a_header_needs_to_be_told_the_layout),
        cmocka_unit_test(what_cannot_be_read_is_named),
        cmocka_unit_test(what_has_no_place_in_a_tree_is_counted),
    };

    setlocale(LC_CTYPE, "C.UTF-8");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
