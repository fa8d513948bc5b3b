/* SPDX-License-Identifier: MPL-2.0 */
/* Random trees, each made from the one before it, and an archive of what is different between two of them: all
 * archives in their order give the root of the last tree, and each on the tree before it does, however values,
 * links and directories are stored. */
#include "basis.h"
#include "dump_since.h"
#include "fake_depot.h"
#include "made_archive.h"
#include "xmem.h"

#include "cmocka_all.h"

#include <locale.h>
#include <stdio.h>
#include <unistd.h>

#define MAXDIRENT 4
#define BLOB_SIZE 200
#define TREES 5 // in a chain
#define CHAINS 400
#define CHANGES 12 // between two trees, at most

struct rig {
    struct fake_depot depot;
    struct progress progress;
    unsigned number; // of the chain
    unsigned seed;
    struct treeobj *tree; // owned: all directories in place
    struct digest roots[TREES + 1];
    struct made_archive archives[TREES];
    struct err err;
};

/* ---- trees ---- */

static struct treeobj *
random_leaf(struct rig *r)
{
    unsigned what = dice_roll(&r->seed, 10);
    unsigned seed = dice_roll(&r->seed, 50);

    if (what < 4)
        return memstore_value(&r->depot.store, seed, 0, 1 + dice_roll(&r->seed, 100));
    if (what < 6) // as a restore would cut it, or not
        return memstore_value(&r->depot.store, seed, 1, 1 + dice_roll(&r->seed, 200));
    if (what < 8)
        return memstore_value(&r->depot.store, seed, 2 + dice_roll(&r->seed, 4),
                              1 + dice_roll(&r->seed, 200));
    if (what < 9)
        return treeobj_new_symlink(seed % 3 ? NULL : "ns::x", "a.b");
    return treeobj_new_dir();
}

/* A key is put, removed, or made a directory with a key in it. */
static void
change(struct rig *r, struct treeobj *dir, unsigned depth)
{
    char name[2] = {(char)('a' + dice_roll(&r->seed, 8)), '\0'};
    struct treeobj *entry = treeobj_dir_take(dir, name);

    if (depth < 3 && dice_roll(&r->seed, 3) > 0) {
        if (!entry || treeobj_type(entry) != TREEOBJ_DIR) {
            treeobj_unref(&entry);
            entry = treeobj_new_dir();
        }
        change(r, entry, depth + 1);
        treeobj_dir_put(dir, name, &entry);
        return;
    }
    treeobj_unref(&entry);
    if (dice_roll(&r->seed, 3) > 0) {
        entry = random_leaf(r);
        treeobj_dir_put(dir, name, &entry);
    }
}

static int
put_part(void *arg, const void *data, size_t size)
{
    struct rig *r = arg;
    struct digest d;

    memstore_put(&r->depot.store, data, size, &d);
    return 0;
}

static void
store_wide(struct rig *r, const struct treeobj *dir, struct digest *ret)
{
    struct hdir_form form = hdir_form(ALG, MAXDIRENT);
    size_t count = treeobj_dir_count(dir);
    AUTO(free) struct hdir_entry *entries = xcalloc(count + 1, sizeof(*entries));
    AUTO(free) struct buf *texts = xcalloc(count + 1, sizeof(*texts));

    form.max = 0;
    for (size_t i = 0; i < count; i++) {
        const char *name = treeobj_dir_name(dir, i);

        treeobj_encode_dir_entry(ALG, name, treeobj_dir_entry(dir, i), true, &texts[i]);
        entries[i] = (struct hdir_entry){name, texts[i].data, texts[i].size};
    }
    assert_int_equal(hdir_write(&form, entries, count, put_part, r, ret), 0);
    for (size_t i = 0; i < count; i++)
        buf_fini(&texts[i]);
}

/* Now and then in another form than it should be. */
static void
store_dir(struct rig *r, const struct treeobj *dir, struct digest *ret)
{
    AUTO(treeobj) struct treeobj *stored = treeobj_new_dir();
    bool is_wide = treeobj_dir_count(dir) > MAXDIRENT;

    for (size_t i = 0; i < treeobj_dir_count(dir); i++) {
        struct treeobj *entry = treeobj_ref(treeobj_dir_entry(dir, i));
        struct digest d;

        if (treeobj_type(entry) == TREEOBJ_DIR && dice_roll(&r->seed, 12) > 0) {
            store_dir(r, entry, &d);
            treeobj_unref(&entry);
            entry = treeobj_new_dirref(&d);
        }
        treeobj_dir_put(stored, treeobj_dir_name(dir, i), &entry);
    }
    if (treeobj_dir_count(dir) > 0 && dice_roll(&r->seed, 12) == 0)
        is_wide = !is_wide;
    if (is_wide)
        store_wide(r, stored, ret);
    else
        memstore_put_obj(&r->depot.store, stored, ret);
}

/* The next one. */
static void
grow(struct rig *r, size_t number)
{
    for (unsigned n = dice_roll(&r->seed, CHANGES); n > 0; n--)
        change(r, r->tree, 0);
    store_dir(r, r->tree, &r->roots[number]);
}

/* ---- archives ---- */

static void
dump_difference(struct rig *r, struct made_archive *a, const struct digest *old,
                const struct digest *new)
{
    struct archive_header header = {.kind = ARCHIVE_INCREMENTAL,
                                    .alg = ALG,
                                    .root = *new,
                                    .since = *old,
                                    .maxdirent = MAXDIRENT,
                                    .blob_size_limit = BLOB_SIZE,
                                    .is_exact = true};
    char ref[BLOBREF_MAX];
    struct since since;
    struct pack pack;

    made_archive_init(a, &header);
    pack_init(&pack, &r->depot.base.layout, &r->progress);
    pack.archive = a->writer;
    pack.is_exact = true;
    blobref_format(ALG, old, ref);
    assert_int_equal(
        since_open(&since, ref, &r->depot.base, 1 + dice_roll(&r->seed, 4), "test", &r->err), 0);
    assert_int_equal(since_dump(&since, new, &pack, &r->err), 0);
    since_close(&since);
    pack_finish(&pack);
    assert_true(pack.done.is_exact);
    a->end = pack.done;
    made_archive_close(a);
    pack_fini(&pack);
}

static int
on_directory(void *arg UNUSED, const char *path UNUSED, const void *data UNUSED, size_t size UNUSED)
{
    return 0;
}

static void
on_skip(void *arg UNUSED, const char *path UNUSED, const char *target UNUSED)
{
    fail();
}

static void
read_archive(struct rig *r, struct made_archive *a, struct intake *in)
{
    assert_int_equal(lseek(a->fd, 0, SEEK_SET), 0);
    assert_int_equal(archive_reader_open(&in->archive, a->fd, &r->err), 0);
    assert_int_equal(intake_run(in, &r->err), 0);
    archive_reader_free(&in->archive);
}

/* The root that `count` of them give on a tree, or (NULL) on none. */
static struct digest
restore(struct rig *r, const struct digest *basis, struct made_archive *archives, size_t count)
{
    static const struct build_ops ops = {on_directory, on_skip, NULL};
    struct hdir_form form = hdir_form(ALG, MAXDIRENT);
    struct build *build = build_new(ALG);
    struct build_result result;
    struct upload upload;
    struct intake in;

    build_set_form(build, &form);
    upload_init(&upload, NULL, ALG, 1);
    intake_init(&in, build, &upload, &r->progress);
    in.blob_size = BLOB_SIZE;
    for (size_t i = 0; i < count; i++)
        read_archive(r, &archives[i], &in);
    assert_int_equal(in.skipped, 0);
    if (basis)
        assert_int_equal(basis_add(build, &r->depot.base, basis, &r->err), 0);
    assert_int_equal(build_finish(build, &ops, NULL, &result, &r->err), 0);
    intake_fini(&in);
    upload_fini(&upload);
    build_free(&build);
    return result.root;
}

static void
run_chain(struct rig *r)
{
    for (size_t i = 0; i < TREES; i++) {
        grow(r, i + 1);
        dump_difference(r, &r->archives[i], &r->roots[i], &r->roots[i + 1]);
    }
    for (size_t i = 0; i < TREES; i++) {
        struct digest all = restore(r, NULL, r->archives, i + 1);
        struct digest one = restore(r, &r->roots[i], &r->archives[i], 1);

        if (!digest_equal(&all, &r->roots[i + 1]))
            fail_msg("chain %u: tree %zu, made of all, is another one", r->number, i + 1);
        if (!digest_equal(&one, &r->roots[i + 1]))
            fail_msg("chain %u: tree %zu, made of the one before, is another one", r->number,
                     i + 1);
    }
    for (size_t i = 0; i < TREES; i++)
        made_archive_fini(&r->archives[i]);
}

static void
a_chain_gives_the_last_root(void **state UNUSED)
{
    for (unsigned i = 0; i < CHAINS; i++) {
        struct rig r = {.number = i, .seed = i * 7919};

        fake_depot_init(&r.depot, i);
        r.depot.base.layout = (struct layout){ALG, MAXDIRENT, BLOB_SIZE};
        progress_init(&r.progress, "test", "read", false, true);
        r.tree = treeobj_new_dir();
        memstore_put_obj(&r.depot.store, r.tree, &r.roots[0]);
        run_chain(&r);
        treeobj_unref(&r.tree);
        fake_depot_fini(&r.depot);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_chain_gives_the_last_root),
    };

    setlocale(LC_CTYPE, "C.UTF-8");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
