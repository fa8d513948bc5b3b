/* SPDX-License-Identifier: MPL-2.0 */
/* An exact archive of any tree gives the same root again; and tar programs unpack it without a word. */
#include "archive_reader.h"
#include "hdir.h"
#include "intake.h"
#include "memstore.h"
#include "pack.h"
#include "xmem.h"

#include "cmocka_all.h"

#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#define MAXDIRENT 4
#define BLOB_SIZE 100

struct rig {
    struct memstore store;
    int fd;
    struct archive_end end;
    struct build_result result;
    struct digest content;
    uint64_t skipped;
    bool is_canonical;
};

static void
rig_init(struct rig *r)
{
    memset(r, 0, sizeof(*r));
    memstore_init(&r->store);
    r->fd = memfd_create("test", 0);
    assert_true(r->fd >= 0);
}

static void
rig_fini(struct rig *r)
{
    memstore_fini(&r->store);
    close(r->fd);
}

/* ---- trees of all that is odd ---- */

static void
put(struct treeobj *dir, const char *name, struct treeobj *obj)
{
    treeobj_dir_put(dir, name, &obj);
}

static struct treeobj *
odd_value(struct rig *r, unsigned *seed)
{
    static const size_t sizes[] = {0, 1, 54, 55, BLOB_SIZE - 1, BLOB_SIZE, BLOB_SIZE + 1};
    struct digest refs[6];
    size_t count = dice_roll(seed, ARRAY_SIZE(refs) + 1);
    char data[BLOB_SIZE + 1];

    memset(data, (int)dice_roll(seed, 256), sizeof(data));
    for (size_t i = 0; i < count; i++)
        memstore_put(&r->store, data, sizes[dice_roll(seed, 6)], &refs[i]);
    return count > 0 ? treeobj_new_valref(refs, count)
                     : treeobj_new_val(data, sizes[dice_roll(seed, 6)]);
}

static struct treeobj *
odd_link(unsigned *seed)
{
    static const char *const targets[][2] = {
        {NULL, "a.b"}, {"ns", "a"}, {NULL, "x::y"}, {"x::y", "z"}, {"", "a"}, {NULL, ""}, {"n", ""},
    };
    unsigned i = dice_roll(seed, ARRAY_SIZE(targets));

    return treeobj_new_symlink(targets[i][0], targets[i][1]);
}

static int
on_part(void *arg, const void *data, size_t size)
{
    struct digest d;

    memstore_put(arg, data, size, &d);
    return 0;
}

/* In any form: as it should be, always wide, or never. */
static void
store_dir(struct rig *r, unsigned *seed, const struct treeobj *dir, struct digest *ret)
{
    static const uint64_t max[] = {MAXDIRENT, 0, UINT64_MAX};
    struct hdir_form form = {ALG, max[dice_roll(seed, 3)], HDIR_BUCKET, hdir_hash};
    size_t count = treeobj_dir_count(dir);
    struct hdir_entry *entries = xcalloc(count + 1, sizeof(*entries));
    struct buf *texts = xcalloc(count + 1, sizeof(*texts));

    for (size_t i = 0; i < count; i++) {
        const char *name = treeobj_dir_name(dir, i);

        treeobj_encode_dir_entry(ALG, name, treeobj_dir_entry(dir, i), true, &texts[i]);
        entries[i] = (struct hdir_entry){name, texts[i].data, texts[i].size};
    }
    assert_int_equal(hdir_write(&form, entries, count, on_part, &r->store, ret), 0);
    for (size_t i = 0; i < count; i++)
        buf_fini(&texts[i]);
    free(texts);
    free(entries);
}

static struct treeobj *
grow(struct rig *r, unsigned *seed, unsigned depth)
{
    static const char *const tails[] = {"", "-", ".x", "0", "é"};
    struct treeobj *dir = treeobj_new_dir();

    for (unsigned i = dice_roll(seed, 8); i > 0; i--) {
        struct treeobj *sub;
        struct digest d;
        char name[16];
        unsigned what = dice_roll(seed, depth ? 8 : 4);

        snprintf(name, sizeof(name), "%c%s", 'a' + (int)dice_roll(seed, 3),
                 tails[dice_roll(seed, ARRAY_SIZE(tails))]);
        if (what < 3) {
            put(dir, name, odd_value(r, seed));
            continue;
        }
        if (what == 3) {
            put(dir, name, odd_link(seed));
            continue;
        }
        sub = grow(r, seed, depth - 1);
        if (what == 4) {
            put(dir, name, sub); // in place
            continue;
        }
        store_dir(r, seed, sub, &d);
        treeobj_unref(&sub);
        put(dir, name, treeobj_new_dirref(&d));
    }
    return dir;
}

static struct digest
grow_tree(struct rig *r, unsigned seed)
{
    struct treeobj *root = grow(r, &seed, 4);
    struct digest d;

    store_dir(r, &seed, root, &d);
    treeobj_unref(&root);
    return d;
}

/* ---- there and back ---- */

static void
feed(struct rig *r, struct walk *w)
{
    struct walk_load *l;

    while ((l = walk_want(w))) {
        const struct buf *bytes = memstore_get(&r->store, walk_load_digest(l));

        walk_give(l, bytes->data, bytes->size);
    }
}

static int
pack_tree(struct rig *r, struct pack *p, const struct digest *root, struct err *err)
{
    struct walk *w = walk_new(ALG, root, 7);
    const struct walk_item *item;
    int rc = 0;

    walk_set_maxdirent(w, MAXDIRENT);
    if (p->is_exact)
        walk_set_exact(w);
    do {
        feed(r, w);
        item = walk_next(w);
        if (item->kind != WALK_WAIT && item->kind != WALK_END)
            rc = pack_item(p, item, err);
    } while (rc == 0 && item->kind != WALK_END);
    r->is_canonical = walk_is_canonical(w);
    walk_free(&w);
    return rc;
}

static void
dump(struct rig *r, const struct digest *root, bool is_exact)
{
    const struct archive_stamp stamp = {.mtime = 1700000000};
    const struct layout layout = {ALG, MAXDIRENT, BLOB_SIZE};
    const struct archive_header header = {
        .alg = ALG, .root = *root, .blob_size_limit = BLOB_SIZE, .is_exact = is_exact};
    struct progress progress;
    struct pack pack;

    progress_init(&progress, "test", "archived", false, true);
    pack_init(&pack, &layout, &progress);
    pack.is_exact = is_exact;
    assert_int_equal(archive_writer_open(&pack.archive, archive_format_tar(), r->fd, &stamp, NULL),
                     0);
    assert_int_equal(archive_writer_header(pack.archive, &header, NULL), 0);
    assert_int_equal(pack_tree(r, &pack, root, NULL), 0);
    pack_finish(&pack);
    assert_int_equal(archive_writer_close(pack.archive, &pack.done, NULL), 0);
    r->end = pack.done;
    archive_writer_free(&pack.archive);
    pack_fini(&pack);
}

static int
on_emit(void *arg UNUSED, const char *path UNUSED, const void *data UNUSED, size_t size UNUSED)
{
    return 0;
}

static void
on_skip(void *arg UNUSED, const char *path UNUSED, const char *target UNUSED)
{
    fail();
}

/* As a restore to nowhere. */
static void
restore(struct rig *r, int fd)
{
    static const struct build_ops ops = {on_emit, on_skip, NULL};
    struct hdir_form form = hdir_form(ALG, MAXDIRENT);
    struct build *build = build_new(ALG);
    struct progress progress;
    struct upload upload;
    struct intake in;

    progress_init(&progress, "test", "restored", false, true);
    build_set_form(build, &form);
    upload_init(&upload, NULL, ALG, 1);
    intake_init(&in, build, &upload, &progress);
    in.blob_size = BLOB_SIZE;
    in.content = content_new(ALG, BLOB_SIZE);
    lseek(fd, 0, SEEK_SET);
    assert_int_equal(archive_reader_open(&in.archive, fd, NULL), 0);
    assert_int_equal(intake_run(&in, NULL), 0);
    assert_int_equal(build_finish(build, &ops, NULL, &r->result, NULL), 0);
    content_finish(in.content, &r->content);
    content_free(&in.content);
    r->skipped = in.skipped;
    archive_reader_free(&in.archive);
    intake_fini(&in);
    upload_fini(&upload);
    build_free(&build);
}

static void
any_tree_comes_back_with_its_root(void **state UNUSED)
{
    for (unsigned seed = 0; seed < 500; seed++) {
        struct digest root;
        struct rig r;

        rig_init(&r);
        root = grow_tree(&r, seed);
        dump(&r, &root, true);
        restore(&r, r.fd);
        if (!r.end.is_exact || !r.is_canonical || !digest_equal(&r.result.root, &root))
            fail_msg("seed %u: another root", seed);
        assert_true(digest_equal(&r.content, &r.end.content));
        assert_int_equal(r.result.keys, r.end.keys);
        assert_int_equal(r.result.bytes, r.end.bytes);
        assert_int_equal(r.skipped, 0);
        rig_fini(&r);
    }
}

/* KEY_DEPTH_MAX names of 120 bytes: an empty directory, and one in place, in the last one but one. */
static void
the_deepest_directories_come_back(void **state UNUSED)
{
    char name[121] = {0};
    struct treeobj *dir = treeobj_new_dir();
    struct treeobj *sub = treeobj_new_dir();
    struct digest root;
    struct rig r;

    memset(name, 'n', sizeof(name) - 1);
    rig_init(&r);
    memstore_link_dir(&r.store, dir, "empty", &sub);
    put(dir, "inline", treeobj_new_dir());
    put(dir, "value", memstore_value(&r.store, 1, 3, 7));
    for (int i = 0; i + 1 < KEY_DEPTH_MAX; i++) {
        struct treeobj *parent = treeobj_new_dir();

        memstore_link_dir(&r.store, parent, name, &dir);
        dir = parent;
    }
    memstore_put_obj(&r.store, dir, &root);
    treeobj_unref(&dir);
    dump(&r, &root, true);
    restore(&r, r.fd);
    assert_true(r.end.is_exact);
    assert_int_equal(r.skipped, 0);
    assert_true(digest_equal(&r.result.root, &root));
    rig_fini(&r);
}

/* What an archive that is not exact says of itself is true, too. */
static void
without_attributes_an_archive_knows_whether_it_is_exact(void **state UNUSED)
{
    unsigned exact = 0;

    for (unsigned seed = 0; seed < 500; seed++) {
        struct digest root;
        struct rig r;

        rig_init(&r);
        root = grow_tree(&r, seed);
        dump(&r, &root, false);
        restore(&r, r.fd);
        if (r.end.is_exact && r.is_canonical) {
            assert_true(digest_equal(&r.result.root, &root));
            exact++;
        }
        rig_fini(&r);
    }
    assert_in_range(exact, 5, 300);
}

/* A blob of more bytes than blobs may have could not be stored again. */
static void
what_no_instance_could_store_is_not_exact(void **state UNUSED)
{
    for (size_t blobs = 0; blobs < 3; blobs++) {
        struct treeobj *dir = treeobj_new_dir();
        struct digest root;
        struct rig r;

        rig_init(&r);
        put(dir, "a", memstore_value(&r.store, 1, blobs, BLOB_SIZE + 1));
        memstore_put_obj(&r.store, dir, &root);
        treeobj_unref(&dir);
        dump(&r, &root, true);
        assert_false(r.end.is_exact);
        restore(&r, r.fd);
        assert_true(digest_equal(&r.content, &r.end.content));
        rig_fini(&r);
    }
}

/* ---- other programs ---- */

/* Runs it with FILE as the path of the archive, in a directory of its own; it must say nothing. */
static bool
runs_in_silence(const struct rig *r, const char *what)
{
    char dir[] = "/tmp/exact-XXXXXX";
    AUTO(free) char *command = NULL;
    int status;

    assert_non_null(mkdtemp(dir));
    command =
        xasprintf("cd %s && FILE=/proc/%d/fd/%d && said=$({ %s; } 2>&1); status=$?; "
                  "chmod -R u+w .; cd / && rm -r %s; [ $status -eq 0 ] && [ -z \"$said\" ] || "
                  "{ echo \"$status $said\"; false; }",
                  dir, (int)getpid(), r->fd, what, dir);
    status = system(command);
    return status == 0;
}

/* A tree of all attributes that programs could make something of. */
static struct digest
store_sample(struct rig *r)
{
    struct treeobj *root = treeobj_new_dir();
    struct treeobj *sub = treeobj_new_dir();
    struct digest d;
    char data[BLOB_SIZE] = "data";

    memstore_link_dir(&r->store, root, "empty", &sub);
    sub = treeobj_new_dir();
    put(sub, "x", memstore_value(&r->store, 1, 3, 60));
    put(sub, "y", treeobj_new_val(data, sizeof(data)));
    put(root, "inline", sub);
    put(root, "link", treeobj_new_symlink(NULL, "x::y"));
    put(root, "größe", memstore_value(&r->store, 2, 1, 2));
    memstore_put_obj(&r->store, root, &d);
    treeobj_unref(&root);
    return d;
}

/* (bsdtar run by root would set the attributes, which links of file systems cannot have.) */
static void
tar_programs_unpack_it_without_a_word(void **state UNUSED)
{
    static const struct {
        const char *program, *what;
    } cases[] = {
        {"tar", "tar -xf $FILE && test -d empty && test -s inline/x && test -L link"},
        {"tar", "tar -tf $FILE >/dev/null"},
        {"bsdtar", "bsdtar --no-same-permissions -xf $FILE && test -d empty && test -s inline/x && "
                   "test -L link"},
        {"bsdtar", "bsdtar -tf $FILE >/dev/null"},
        {"python3", "python3 -W error -c 'import sys, tarfile\n"
                    "t = tarfile.open(sys.argv[1])\n"
                    "assert len(t.getmembers()) == 6\n"
                    "t.extractall(); t.close()' $FILE && test -d empty && test -s inline/x"},
    };
    struct digest root;
    struct rig r;

    rig_init(&r);
    root = store_sample(&r);
    dump(&r, &root, true);
    assert_true(r.end.is_exact);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        AUTO(free) char *probe = xasprintf("command -v %s >/dev/null", cases[i].program);

        if (system(probe) != 0)
            print_message("skipped: %s is not installed\n", cases[i].program);
        else if (!runs_in_silence(&r, cases[i].what))
            fail_msg("%s", cases[i].what);
    }
    rig_fini(&r);
}

static void
attributes_outlive_another_program(void **state UNUSED)
{
    int fd = memfd_create("test", 0);
    AUTO(free) char *command = NULL;
    struct digest root;
    struct rig r;

    if (system("command -v bsdtar >/dev/null") != 0) {
        close(fd);
        print_message("skipped: bsdtar is not installed\n");
        skip();
    }
    rig_init(&r);
    root = store_sample(&r);
    dump(&r, &root, true);
    command = xasprintf("LC_ALL=C.UTF-8 bsdtar -cf - @/proc/%d/fd/%d > /proc/%d/fd/%d",
                        (int)getpid(), r.fd, (int)getpid(), fd);
    assert_int_equal(system(command), 0);
    restore(&r, fd);
    assert_true(digest_equal(&r.result.root, &root));
    rig_fini(&r);
    close(fd);
}

static void
other_formats_have_no_room_for_attributes(void **state UNUSED)
{
    const struct archive_stamp stamp = {.mtime = 1};
    const struct archive_format *format;
    struct archive_writer *w;
    struct err err = {0};
    int fd = memfd_create("test", 0);

    assert_int_equal(archive_format_by_path("x.zip", &format, NULL), 0);
    assert_int_equal(archive_writer_open(&w, format, fd, &stamp, NULL), 0);
    assert_int_equal(archive_writer_attribute(w, "blobs", "1", 1, &err), -ENOTSUP);
    assert_non_null(strstr(err.text, "tar"));
    assert_int_equal(archive_writer_dir(w, "a/", &err), -ENOTSUP);
    archive_writer_free(&w);
    close(fd);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_tree_comes_back_with_its_root),
        cmocka_unit_test(the_deepest_directories_come_back),
        cmocka_unit_test(without_attributes_an_archive_knows_whether_it_is_exact),
        cmocka_unit_test(what_no_instance_could_store_is_not_exact),
        cmocka_unit_test(tar_programs_unpack_it_without_a_word),
        cmocka_unit_test(attributes_outlive_another_program),
        cmocka_unit_test(other_formats_have_no_room_for_attributes),
    };

    setlocale(LC_CTYPE, "C.UTF-8");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
