/* SPDX-License-Identifier: MPL-2.0 */
/* Headers are plain ustar where they can be; what they cannot hold is in a pax header, which libarchive
 * reads back.  Comments are found again, and nothing else is taken for one. */
#include "archive_reader.h"
#include "archive_writer.h"
#include "tar_block.h"
#include "xmem.h"

#include "cmocka_all.h"

#include <locale.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

static size_t
size_of_header(const struct tar_entry *e)
{
    AUTO(buf) struct buf out = BUF_INIT;

    tar_add_entry(e, &out);
    assert_int_equal(out.size % TAR_BLOCK, 0);
    return out.size;
}

/* "aaa/aaa": `len` bytes with a '/' at `cut`; 0: without one. */
static char *
make_path(size_t len, size_t cut)
{
    char *path = xmalloc(len + 1);

    memset(path, 'a', len);
    path[len] = '\0';
    if (cut > 0)
        path[cut] = '/';
    return path;
}

static void
what_fits_is_one_block(void **state UNUSED)
{
    static const struct {
        size_t len, cut;
        bool fits;
    } paths[] = {
        {1, 0, true},     {100, 0, true},    {101, 0, false},   {101, 1, true},    {101, 99, true},
        {256, 155, true}, {256, 156, false}, {256, 154, false}, {257, 155, false}, {200, 99, true},
        {200, 98, false}, {157, 155, true},  {158, 156, false},
    };

    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        AUTO(free) char *path = make_path(paths[i].len, paths[i].cut);
        const struct tar_entry e = {.type = TAR_FILE, .path = path};

        if ((size_of_header(&e) == TAR_BLOCK) != paths[i].fits)
            fail_msg("%zu bytes cut at %zu", paths[i].len, paths[i].cut);
    }
}

static void
numbers_beyond_their_fields_are_in_records(void **state UNUSED)
{
    static const struct tar_entry fitting[] = {
        {.type = TAR_FILE, .path = "a", .size = 077777777777},
        {.type = TAR_FILE, .path = "a", .uid = 07777777, .gid = 07777777},
        {.type = TAR_FILE, .path = "a", .mtime = 077777777777},
        {.type = TAR_SYMLINK, .path = "a", .target = "b.c"},
    };
    static const struct tar_entry others[] = {
        {.type = TAR_FILE, .path = "a", .size = 0100000000000},
        {.type = TAR_FILE, .path = "a", .uid = 010000000},
        {.type = TAR_FILE, .path = "a", .gid = 010000000},
        {.type = TAR_FILE, .path = "a", .mtime = 0100000000000},
        {.type = TAR_FILE, .path = "a", .mtime = -1},
        {.type = TAR_FILE, .path = "größe"},
        {.type = TAR_SYMLINK, .path = "a", .target = "ü"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(fitting); i++)
        assert_int_equal(size_of_header(&fitting[i]), TAR_BLOCK);
    for (size_t i = 0; i < ARRAY_SIZE(others); i++)
        assert_int_equal(size_of_header(&others[i]), 3 * TAR_BLOCK);
}

/* Through libarchive, with names of every length around the limits. */
static void
names_of_every_length_come_back(void **state UNUSED)
{
    const struct archive_stamp stamp = {.uid = 010000000, .gid = 5, .mtime = -5};
    int fd = memfd_create("test", MFD_CLOEXEC);
    struct archive_writer *w;
    struct archive_reader *r;
    struct archive_item item;

    assert_int_equal(archive_writer_open(&w, archive_format_tar(), fd, &stamp, NULL), 0);
    for (size_t len = 90; len < 300; len++) {
        AUTO(free) char *path = make_path(len, len % 7 ? len / 2 : 0);

        path[0] = len % 5 ? 'x' : '%';
        if (len % 2)
            assert_int_equal(archive_writer_file(w, path, 0, NULL), 0);
        else
            assert_int_equal(archive_writer_symlink(w, path, path, NULL), 0);
    }
    assert_int_equal(archive_writer_close(w, NULL, NULL), 0);
    archive_writer_free(&w);
    lseek(fd, 0, SEEK_SET);
    assert_int_equal(archive_reader_open(&r, fd, NULL), 0);
    for (size_t len = 90; len < 300; len++) {
        AUTO(free) char *path = make_path(len, len % 7 ? len / 2 : 0);

        path[0] = len % 5 ? 'x' : '%';
        assert_int_equal(archive_reader_next(r, &item, NULL), 1);
        assert_string_equal(item.path, path);
        assert_int_equal(item.mtime, -5);
        if (len % 2 == 0)
            assert_string_equal(item.target, path);
    }
    assert_int_equal(archive_reader_next(r, &item, NULL), 0);
    archive_reader_free(&r);
    close(fd);
}

static void
comments_are_found_again(void **state UNUSED)
{
    for (size_t len = 0; len < 2000; len++) {
        AUTO(free) char *text = make_path(len, 0);
        AUTO(buf) struct buf out = BUF_INIT;
        AUTO(free) char *found = NULL;

        tar_add_comment(text, &out);
        assert_int_equal(out.size % TAR_BLOCK, 0);
        assert_int_equal(atol(out.data + TAR_BLOCK),
                         strlen(" comment=\n") + len + strspn(out.data + TAR_BLOCK, "0123456789"));
        found = tar_find_comment(out.data, out.size);
        assert_string_equal(found, text);
    }
}

static void
what_is_no_comment_is_not_found(void **state UNUSED)
{
    AUTO(buf) struct buf good = BUF_INIT;
    const struct tar_entry e = {.type = TAR_FILE, .path = "a"};
    AUTO(buf) struct buf entry = BUF_INIT;

    tar_add_comment("hello", &good);
    tar_add_entry(&e, &entry);
    assert_null(tar_find_comment(entry.data, entry.size));
    for (size_t size = 0; size < TAR_BLOCK + strlen("17 comment=hello\n"); size++)
        assert_null(tar_find_comment(good.data, size));
    for (size_t i = 0; i < TAR_BLOCK + 20; i++) { // any byte: no crash, and nothing out of bounds
        AUTO(free) char *copy = xmalloc(good.size);
        AUTO(free) char *found = NULL;

        memcpy(copy, good.data, good.size);
        copy[i] ^= 0x35;
        found = tar_find_comment(copy, good.size);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_fits_is_one_block),
        cmocka_unit_test(numbers_beyond_their_fields_are_in_records),
        cmocka_unit_test(names_of_every_length_come_back),
        cmocka_unit_test(comments_are_found_again),
        cmocka_unit_test(what_is_no_comment_is_not_found),
    };

    setlocale(LC_CTYPE, "C.UTF-8");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
