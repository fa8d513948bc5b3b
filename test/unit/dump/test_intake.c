/* SPDX-License-Identifier: MPL-2.0 */
/* Archive entries become the right keys; what has no place in a key-value store is skipped and
 * counted.  The tar headers are made by hand, because no writer of ours makes such entries.  What
 * was taken in is read back with fetch and walk. */
#include "fake_depot.h"
#include "fetch.h"
#include "intake.h"
#include "xmem.h"

#include "cmocka_all.h"

#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

struct rig {
    struct fake_depot x;
    int fd;
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
    memset(r, 0, sizeof(*r));
    fake_depot_init(&r->x, 7);
    r->fd = memfd_create("test", MFD_CLOEXEC);
    assert_true(r->fd >= 0);
    r->build = build_new(ALG);
    progress_init(&r->progress, "test", "restored", false, true);
    upload_init(&r->upload, &r->x.base, ALG, 8);
    intake_init(&r->intake, r->build, &r->upload, &r->progress);
    r->intake.blob_size = 1000;
}

static void
rig_fini(struct rig *r)
{
    upload_fini(&r->upload);
    intake_fini(&r->intake);
    build_free(&r->build);
    fake_depot_fini(&r->x);
    buf_fini(&r->log);
    close(r->fd);
}

static void
put_bytes(struct rig *r, const void *data, size_t size)
{
    static const char zeros[512];

    assert_int_equal(write(r->fd, data, size), size);
    if (size % 512)
        assert_int_equal(write(r->fd, zeros, 512 - size % 512), 512 - size % 512);
}

/* One ustar header and its content. */
static void
put_entry(struct rig *r, char type, const char *path, const char *target, size_t size)
{
    AUTO(free) char *data = xmalloc(size + 1);
    char h[512] = {0};
    unsigned sum = 0;

    memset(data, 'x', size);
    snprintf(h, 100, "%s", path);
    snprintf(h + 100, 8, "%07o", 0644);
    snprintf(h + 108, 8, "%07o", 0);
    snprintf(h + 116, 8, "%07o", 0);
    snprintf(h + 124, 12, "%011zo", size);
    snprintf(h + 136, 12, "%011o", 1000);
    h[156] = type;
    snprintf(h + 157, 100, "%s", target ? target : "");
    memcpy(h + 257, "ustar\00000", 8);
    memset(h + 148, ' ', 8);
    for (size_t i = 0; i < sizeof(h); i++)
        sum += (unsigned char)h[i];
    snprintf(h + 148, 8, "%06o", sum);
    put_bytes(r, h, sizeof(h));
    put_bytes(r, data, size);
}

static int
run_intake(struct rig *r)
{
    static const char zeros[1024];
    int rc;

    put_bytes(r, zeros, sizeof(zeros));
    lseek(r->fd, 0, SEEK_SET);
    rc = archive_reader_open(&r->intake.archive, r->fd, &r->err);
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

    memstore_put(&r->x.store, data, size, &d);
    return 0;
}

static void
on_skip(void *arg, const char *path, const char *target UNUSED)
{
    struct rig *r = arg;

    intake_skip(&r->intake, path, "dangling");
}

static void
log_item(struct rig *r, const struct walk_item *item)
{
    const char *ns;

    if (item->kind == WALK_LINK) {
        ns = treeobj_link_namespace(item->link);
        buf_printf(&r->log, "%s->%s|%s ", item->path, ns ? ns : "",
                   treeobj_link_target(item->link));
        return;
    }
    assert_int_equal(item->kind, WALK_DATA);
    if (item->is_first)
        buf_printf(&r->log, "%s=", item->path);
    buf_printf(&r->log, "%zu%c", item->size, item->is_last ? ' ' : '+');
}

/* "path=size+size path->ns|target " of all that was restored. */
static const char *
read_back(struct rig *r)
{
    static const struct build_ops ops = {on_emit, on_skip, NULL};
    const struct walk_item *item;
    struct fetch f = {.depot = &r->x.base};

    assert_int_equal(build_finish(r->build, &ops, r, &r->result, &r->err), 0);
    f.walk = walk_new(ALG, &r->result.root, 3);
    while (fetch_next(&f, &item, NULL) == 0 && item->kind != WALK_END)
        log_item(r, item);
    walk_free(&f.walk);
    return buf_str(&r->log);
}

static void
values_are_inline_or_cut_into_blobs(void **state UNUSED)
{
    struct rig r;

    rig_init(&r);
    put_entry(&r, '0', "a/empty", NULL, 0);
    put_entry(&r, '0', "a/inline", NULL, 54);
    put_entry(&r, '0', "b", NULL, 55);
    put_entry(&r, '0', "./c", NULL, 1000);
    put_entry(&r, '0', "d", NULL, 1001);
    put_entry(&r, '0', "e", NULL, 3000);
    assert_int_equal(run_intake(&r), 0);
    assert_int_equal(r.x.stores, 1 + 1 + 2 + 3);
    assert_string_equal(read_back(&r),
                        "a/empty=0 a/inline=54 b=55 c=1000 d=1000+1 e=1000+1000+1000 ");
    assert_int_equal(r.result.keys, 6);
    assert_int_equal(r.result.bytes, 54 + 55 + 1000 + 1001 + 3000);
    assert_int_equal(r.intake.skipped, 0);
    assert_int_equal(r.intake.newest, 1000);
    rig_fini(&r);
}

static void
links_keep_their_targets(void **state UNUSED)
{
    struct rig r;

    rig_init(&r);
    put_entry(&r, '2', "a", "b.c", 0);
    put_entry(&r, '2', "b", "ns::k.l", 0);
    put_entry(&r, '2', "c", "../x/y", 0);
    put_entry(&r, '2', "d", "::x", 0);
    put_entry(&r, '2', "e", "x::", 0);
    assert_int_equal(run_intake(&r), 0);
    assert_string_equal(read_back(&r), "a->|b.c b->ns|k.l c->|../x/y d->|::x e->|x:: ");
    rig_fini(&r);
}

static void
hard_links_are_copies(void **state UNUSED)
{
    struct rig r;

    rig_init(&r);
    put_entry(&r, '0', "file", NULL, 10);
    put_entry(&r, '1', "link", "file", 0);
    put_entry(&r, '1', "lost", "nowhere", 0);
    put_entry(&r, '1', "bad", "/etc/passwd", 0);
    assert_int_equal(run_intake(&r), 0);
    assert_string_equal(read_back(&r), "file=10 link=10 ");
    assert_int_equal(r.intake.skipped, 2);
    rig_fini(&r);
}

static void
what_is_no_key_is_skipped_and_counted(void **state UNUSED)
{
    static const char *const names[] = {"c\x1b[1m", "bad\xff", "."};
    static const char *const targets[] = {"bad\xff", ""};
    struct rig r;

    rig_init(&r);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        put_entry(&r, '0', names[i], NULL, 100);
    for (char type = '3'; type <= '6'; type++) // devices, a directory, a fifo
        put_entry(&r, type, "special", NULL, 0);
    for (size_t i = 0; i < ARRAY_SIZE(targets); i++)
        put_entry(&r, '2', "link", targets[i], 0);
    put_entry(&r, '0', "good", NULL, 1);
    assert_int_equal(run_intake(&r), 0);
    assert_int_equal(r.intake.skipped, 3 + 3 + 2);
    assert_string_equal(read_back(&r), "good=1 ");
    rig_fini(&r);
}

static void
a_path_that_leads_out_ends_the_intake(void **state UNUSED)
{
    static const char *const names[] = {"/abs", "../up", "a/../b", "a/..", "./../x"};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        struct rig r;

        rig_init(&r);
        put_entry(&r, '0', names[i], NULL, 100);
        assert_int_equal(run_intake(&r), -EINVAL);
        assert_non_null(strstr(r.err.text, names[i]));
        rig_fini(&r);
    }
}

static void
dots_and_slashes_in_paths_do_not_matter(void **state UNUSED)
{
    struct rig r;

    rig_init(&r);
    put_entry(&r, '0', "./a/./b", NULL, 1);
    put_entry(&r, '0', ".//c///d", NULL, 2);
    put_entry(&r, '0', "..e", NULL, 3);
    put_entry(&r, '5', "./", NULL, 0);
    assert_int_equal(run_intake(&r), 0);
    assert_int_equal(r.intake.skipped, 0);
    assert_string_equal(read_back(&r), "..e=3 a/b=1 c/d=2 ");
    rig_fini(&r);
}

static void
what_is_not_asked_for_is_left_out_and_the_rest_renamed(void **state UNUSED)
{
    const char *patterns[] = {"a/*"};
    const struct filter filter = {.include = {patterns, 1}};
    const char *texts[] = {"a.b=x", "nothing=y"};
    const struct opt_list list = {texts, 2};
    bool fitted[2] = {false};
    struct rename rename;
    struct rig r;

    rig_init(&r);
    assert_int_equal(rename_parse(&list, &rename, NULL), 0);
    r.intake.filter = &filter;
    r.intake.rename = &rename;
    r.intake.fitted = fitted;
    put_entry(&r, '5', "d", NULL, 0);
    put_entry(&r, '0', "a/b/c", NULL, 1);
    put_entry(&r, '1', "a/d", "./a/b/c", 0);
    put_entry(&r, '0', "b", NULL, 2);
    assert_int_equal(run_intake(&r), 0);
    assert_int_equal(r.intake.filtered, 2);
    assert_int_equal(r.intake.wanted, 2);
    assert_true(fitted[0] && !fitted[1]);
    assert_int_equal(r.intake.skipped, 0);
    assert_string_equal(read_back(&r), "a/d=1 x/c=1 ");
    rename_fini(&rename);
    rig_fini(&r);
}

static void
without_a_rank_blobs_only_get_their_names(void **state UNUSED)
{
    struct digest roots[2];

    for (size_t i = 0; i < 2; i++) {
        struct rig r;

        rig_init(&r);
        if (i == 1)
            upload_init(&r.upload, NULL, ALG, 1);
        put_entry(&r, '0', "a/b", NULL, 2500);
        put_entry(&r, '0', "c", NULL, 10);
        assert_int_equal(run_intake(&r), 0);
        assert_int_equal(r.x.stores, i == 0 ? 3 : 0);
        if (i == 0)
            read_back(&r);
        else
            assert_int_equal(build_finish(r.build, &(struct build_ops){on_emit, on_skip, NULL}, &r,
                                          &r.result, NULL),
                             0);
        roots[i] = r.result.root;
        rig_fini(&r);
    }
    assert_true(digest_equal(&roots[0], &roots[1]));
}

static void
a_key_that_would_be_too_deep_is_skipped(void **state UNUSED)
{
    for (size_t depth = 126; depth < 128; depth++) {
        char *names[128];
        const struct key target = {.count = depth, .names = names};
        struct rig r;

        for (size_t i = 0; i < ARRAY_SIZE(names); i++)
            names[i] = (char *)(uintptr_t) "n";
        rig_init(&r);
        r.intake.target = &target;
        put_entry(&r, '0', "a/b", NULL, 1);
        assert_int_equal(run_intake(&r), 0);
        assert_int_equal(r.intake.skipped, depth - 126);
        rig_fini(&r);
    }
}

static void
the_size_limit_skips_larger_values(void **state UNUSED)
{
    struct rig r;

    rig_init(&r);
    r.intake.size_limit = 100;
    put_entry(&r, '0', "a", NULL, 100);
    put_entry(&r, '0', "b", NULL, 101);
    put_entry(&r, '0', "c", NULL, 5000);
    assert_int_equal(run_intake(&r), 0);
    assert_int_equal(r.intake.skipped, 2);
    assert_string_equal(read_back(&r), "a=100 ");
    rig_fini(&r);
}

static void
a_failed_store_ends_the_intake(void **state UNUSED)
{
    for (size_t nth = 1; nth <= 6; nth++) {
        struct rig r;

        rig_init(&r);
        r.x.fail_store = nth;
        put_entry(&r, '0', "a", NULL, 2500);
        put_entry(&r, '0', "b", NULL, 2500);
        assert_int_equal(run_intake(&r), -ENOSPC);
        while (r.x.count > 0)
            depot_dispatch(&r.x.base, NULL);
        rig_fini(&r);
    }
}

static void
a_lost_rank_ends_the_reading(void **state UNUSED)
{
    const struct walk_item *item;
    struct err err = {0};
    struct fetch f;
    struct digest root = {{0}};
    struct fake_depot x;

    fake_depot_init(&x, 1);
    x.is_lost = true;
    f.depot = &x.base;
    f.walk = walk_new(ALG, &root, 3);
    assert_int_equal(fetch_next(&f, &item, &err), -ECONNRESET);
    walk_free(&f.walk);
    fake_depot_fini(&x);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_inline_or_cut_into_blobs),
        cmocka_unit_test(links_keep_their_targets),
        cmocka_unit_test(hard_links_are_copies),
        cmocka_unit_test(what_is_no_key_is_skipped_and_counted),
        cmocka_unit_test(a_path_that_leads_out_ends_the_intake),
        cmocka_unit_test(dots_and_slashes_in_paths_do_not_matter),
        cmocka_unit_test(what_is_not_asked_for_is_left_out_and_the_rest_renamed),
        cmocka_unit_test(without_a_rank_blobs_only_get_their_names),
        cmocka_unit_test(a_key_that_would_be_too_deep_is_skipped),
        cmocka_unit_test(the_size_limit_skips_larger_values),
        cmocka_unit_test(a_failed_store_ends_the_intake),
        cmocka_unit_test(a_lost_rank_ends_the_reading),
    };

    setlocale(LC_CTYPE, "C.UTF-8");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
