/* SPDX-License-Identifier: MPL-2.0 */
/* Attributes of entries are kept where they can be, and whatever they say, nothing is restored that the archive
 * does not hold. */
#include "fake_depot.h"
#include "fetch.h"
#include "intake.h"
#include "made_archive.h"
#include "xmem.h"

#include "cmocka_all.h"

#include <errno.h>
#include <locale.h>
#include <unistd.h>

#define BLOB_SIZE 1000

struct rig {
    struct fake_depot depot;
    struct made_archive archive;
    struct build *build;
    struct upload upload;
    struct intake intake;
    struct progress progress;
    struct build_result result;
    struct err err;
    struct buf log;
};

static void
rig_init(struct rig *r)
{
    struct hdir_form form = hdir_form(ALG, 4);

    memset(r, 0, sizeof(*r));
    fake_depot_init(&r->depot, 7);
    made_archive_init(&r->archive, NULL);
    r->build = build_new(ALG);
    build_set_form(r->build, &form);
    progress_init(&r->progress, "test", "restored", false, true);
    upload_init(&r->upload, &r->depot.base, ALG, 8);
    intake_init(&r->intake, r->build, &r->upload, &r->progress);
    r->intake.blob_size = BLOB_SIZE;
}

static void
rig_fini(struct rig *r)
{
    upload_fini(&r->upload);
    intake_fini(&r->intake);
    build_free(&r->build);
    made_archive_fini(&r->archive);
    fake_depot_fini(&r->depot);
    buf_fini(&r->log);
}

static void
attribute(struct rig *r, const char *name, const char *value)
{
    assert_int_equal(archive_writer_attribute(r->archive.writer, name, value, strlen(value), NULL),
                     0);
}

static void
add_file(struct rig *r, const char *path, size_t size)
{
    AUTO(free) char *data = xmalloc(size + 1);

    memset(data, 'x', size);
    made_archive_file(&r->archive, path, data, size);
}

static void
add_dir(struct rig *r, const char *path)
{
    assert_int_equal(archive_writer_dir(r->archive.writer, path, NULL), 0);
}

static int
run_intake(struct rig *r)
{
    int rc;

    made_archive_close(&r->archive);
    lseek(r->archive.fd, 0, SEEK_SET);
    rc = archive_reader_open(&r->intake.archive, r->archive.fd, &r->err);
    if (rc == 0)
        rc = intake_run(&r->intake, &r->err);
    archive_reader_free(&r->intake.archive);
    return rc;
}

static int
on_emit(void *arg, const char *path UNUSED, const void *data, size_t size)
{
    struct rig *r = arg;
    struct digest d;

    memstore_put(&r->depot.store, data, size, &d);
    return 0;
}

static void
on_skip(void *arg UNUSED, const char *path UNUSED, const char *target UNUSED)
{
}

static void
log_item(struct rig *r, const struct walk_item *item)
{
    static const char *const forms[] = {"", "dir", "hdir", "inline"};
    const char *ns;

    if (item->kind == WALK_LINK) {
        ns = treeobj_link_namespace(item->link);
        buf_printf(&r->log, "%s->%s|%s ", item->path, ns ? ns : "",
                   treeobj_link_target(item->link));
    } else if (item->kind == WALK_DIR) {
        buf_printf(&r->log, "%s/%s%s ", item->path, item->is_empty ? "empty" : "",
                   forms[item->form]);
    } else {
        assert_int_equal(item->kind, WALK_DATA);
        if (item->is_first)
            buf_printf(&r->log, "%s=%s", item->path, item->is_inline ? "inline" : "");
        buf_printf(&r->log, "%zu%c", item->size, item->is_last ? ' ' : '+');
    }
}

static const char *
read_back(struct rig *r)
{
    static const struct build_ops ops = {on_emit, on_skip, NULL};
    const struct walk_item *item;
    struct fetch f = {.depot = &r->depot.base};

    buf_reset(&r->log);
    assert_int_equal(build_finish(r->build, &ops, r, &r->result, &r->err), 0);
    f.walk = walk_new(ALG, &r->result.root, 3);
    walk_set_maxdirent(f.walk, 4);
    walk_set_exact(f.walk);
    while (fetch_next(&f, &item, NULL) == 0 && item->kind != WALK_END)
        log_item(r, item);
    walk_free(&f.walk);
    return buf_str(&r->log);
}

static void
values_are_cut_as_told(void **state UNUSED)
{
    static const struct {
        const char *blobs;
        size_t size;
        const char *expected;
    } cases[] = {
        {"5", 5, "k=5 "},
        {"2,0,3", 5, "k=2+0+3 "},
        {"0", 0, "k=0 "},
        {"700*2", 1400, "k=700+700 "},
        {"inline", 600, "k=inline600 "},
        /* what cannot be, or is not of this value, is cut by its size */
        {"inline", 1001, "k=1000+1 "},
        {"1001", 1001, "k=1000+1 "},
        {"4", 5, "k=inline5 "},
        {"6", 5, "k=inline5 "},
        {"", 5, "k=inline5 "},
        {"inline ", 5, "k=inline5 "},
        {"0*99999999999", 0, "k=inline0 "},
        {"1*99999999999", 100, "k=100 "},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        for (int recut = 0; recut < 2; recut++) {
            struct rig r;

            rig_init(&r);
            attribute(&r, EXACT_BLOBS, cases[i].blobs);
            add_file(&r, "k", cases[i].size);
            add_file(&r, "l", 3); // it is said of one entry only
            r.intake.recut = recut;
            assert_int_equal(run_intake(&r), 0);
            assert_int_equal(r.intake.skipped, 0);
            read_back(&r);
            if (!recut && strncmp(buf_str(&r.log), cases[i].expected, strlen(cases[i].expected)))
                fail_msg("%s of %zu: %s", cases[i].blobs, cases[i].size, buf_str(&r.log));
            assert_non_null(strstr(buf_str(&r.log), "l=inline3"));
            if (recut)
                assert_null(strstr(buf_str(&r.log), "+0+"));
            rig_fini(&r);
        }
    }
}

static void
links_are_what_their_object_says_if_it_is_theirs(void **state UNUSED)
{
    struct rig r;

    rig_init(&r);
    attribute(&r, EXACT_OBJECT, "{\"data\":{\"target\":\"x::y\"},\"type\":\"symlink\",\"ver\":1}");
    made_archive_link(&r.archive, "a", "x::y");
    attribute(&r, EXACT_OBJECT, "{\"data\":{\"target\":\"other\"},\"type\":\"symlink\",\"ver\":1}");
    made_archive_link(&r.archive, "b", "x::y");
    attribute(&r, EXACT_OBJECT, "{\"data\":\"\",\"type\":\"val\",\"ver\":1}");
    made_archive_link(&r.archive, "c", "x");
    attribute(&r, EXACT_OBJECT, "{{{");
    made_archive_link(&r.archive, "d", "y");
    assert_int_equal(run_intake(&r), 0);
    assert_string_equal(read_back(&r), "a->|x::y b->x|y c->|x d->|y ");
    rig_fini(&r);
}

static void
directories_are_made_or_get_a_form(void **state UNUSED)
{
    struct rig r;

    rig_init(&r);
    add_dir(&r, "empty/");
    attribute(&r, EXACT_FORM, "inline");
    add_dir(&r, "in/");
    add_file(&r, "in/x", 1);
    attribute(&r, EXACT_FORM, "inline");
    add_dir(&r, "nothing/");
    attribute(&r, EXACT_FORM, "whatever");
    add_dir(&r, "odd/");
    attribute(&r, EXACT_FORM, "hdir");
    add_dir(&r, "./");
    assert_int_equal(run_intake(&r), 0);
    assert_string_equal(read_back(&r), "/hdir empty/empty in/inline in/x=inline1 ");
    rig_fini(&r);
}

static void
removed_keys_are_taken_away(void **state UNUSED)
{
    AUTO(buf) struct buf list = BUF_INIT;
    struct rig r;

    rig_init(&r);
    add_file(&r, "a", 1);
    add_file(&r, "b/c", 2);
    add_file(&r, "b/d", 3);
    add_dir(&r, "e/");
    add_file(&r, "f", 4);
    exact_removed_add(&list, "a", false);
    exact_removed_add(&list, "b/c", false);
    exact_removed_add(&list, "e", true);
    exact_removed_add(&list, "\xff", false); // no key
    exact_removed_add(&list, "", true);      // the root is no member
    assert_int_equal(
        archive_writer_attribute(r.archive.writer, EXACT_REMOVED, list.data, list.size, NULL), 0);
    add_dir(&r, "./");
    add_file(&r, "a", 5);
    assert_int_equal(run_intake(&r), 0);
    assert_int_equal(r.intake.skipped, 1);
    assert_string_equal(read_back(&r), "a=inline5 b/d=inline3 f=inline4 ");
    rig_fini(&r);
}

static void
removed_keys_are_filtered_and_renamed_as_others(void **state UNUSED)
{
    const char *patterns[] = {"a/*"};
    const struct filter filter = {.include = {patterns, 1}};
    const char *texts[] = {"a=x"};
    const struct opt_list list = {texts, 1};
    struct rename rename;
    struct rig r;

    rig_init(&r);
    assert_int_equal(rename_parse(&list, &rename, NULL), 0);
    r.intake.filter = &filter;
    r.intake.rename = &rename;
    add_file(&r, "a/b", 1);
    add_file(&r, "a/c", 2);
    attribute(&r, EXACT_REMOVED, "a/b");
    add_dir(&r, "./");
    attribute(&r, EXACT_REMOVED, "x/c"); // not asked for
    add_dir(&r, "./");
    assert_int_equal(run_intake(&r), 0);
    assert_string_equal(read_back(&r), "x/c=inline2 ");
    rename_fini(&rename);
    rig_fini(&r);
}

/* ---- sections ---- */

/* Each section becomes a tree of its own. */
static int
on_section(void *arg, const char *json, size_t size, struct err *err)
{
    struct rig *r = arg;

    if (strncmp(json, "bad", size) == 0)
        return err_set(err, -EPROTO, "bad");
    r->intake.skip_section = strncmp(json, "skip", size) == 0;
    build_free(&r->build);
    r->build = r->intake.build = build_new(ALG);
    assert_int_equal(r->depot.count, 0); // all that was read before has been stored
    return 0;
}

static void
begin_section(struct rig *r, const char *path, const char *json)
{
    attribute(r, EXACT_SECTION, json);
    add_dir(r, path);
}

static void
paths_in_a_section_are_below_it(void **state UNUSED)
{
    struct rig r;

    rig_init(&r);
    r.intake.on_section = on_section;
    r.intake.section_arg = &r;
    begin_section(&r, "one/", "1");
    add_file(&r, "one/big", 2500);
    begin_section(&r, "skipped/", "skip");
    add_file(&r, "skipped/x", 5);
    begin_section(&r, "two/x/", "2");
    add_file(&r, "two/x/one/y", 1);
    attribute(&r, EXACT_REMOVED, "one/y");
    add_dir(&r, "two/x/");
    add_file(&r, "two/x/two/x/z", 3);
    add_dir(&r, "two/x/empty/");
    assert_int_equal(run_intake(&r), 0);
    assert_string_equal(read_back(&r), "empty/empty two/x/z=inline3 ");
    rig_fini(&r);
}

static void
what_is_in_no_section_is_an_error(void **state UNUSED)
{
    static const char *const paths[] = {"x", "two/x", "one", "onex", "one/../x"};

    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        for (int begun = 0; begun < 2; begun++) {
            struct rig r;

            rig_init(&r);
            r.intake.on_section = on_section;
            r.intake.section_arg = &r;
            if (begun)
                begin_section(&r, "one/", "1");
            add_file(&r, paths[i], 1);
            assert_int_equal(run_intake(&r), -EINVAL);
            assert_non_null(strstr(r.err.text, paths[i]));
            rig_fini(&r);
        }
    }
}

static void
a_section_that_is_refused_ends_the_intake(void **state UNUSED)
{
    struct rig r;

    rig_init(&r);
    r.intake.on_section = on_section;
    r.intake.section_arg = &r;
    begin_section(&r, "one/", "bad");
    assert_int_equal(run_intake(&r), -EPROTO);
    assert_string_equal(r.err.text, "one/: bad");
    rig_fini(&r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_cut_as_told),
        cmocka_unit_test(links_are_what_their_object_says_if_it_is_theirs),
        cmocka_unit_test(directories_are_made_or_get_a_form),
        cmocka_unit_test(removed_keys_are_taken_away),
        cmocka_unit_test(removed_keys_are_filtered_and_renamed_as_others),
        cmocka_unit_test(paths_in_a_section_are_below_it),
        cmocka_unit_test(what_is_in_no_section_is_an_error),
        cmocka_unit_test(a_section_that_is_refused_ends_the_intake),
    };

    setlocale(LC_CTYPE, "C.UTF-8");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
