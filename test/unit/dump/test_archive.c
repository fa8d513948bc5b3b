/* SPDX-License-Identifier: MPL-2.0 */
/* What the writer puts into an archive, the reader gets out of it, in every format; damage and
 * things a format cannot hold are errors. */
#include "archive_reader.h"
#include "archive_writer.h"
#include "buf.h"
#include "xmem.h"

#include "cmocka_all.h"

#include <fcntl.h>
#include <locale.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const endings[] = {".tar",    ".tgz",  ".tar.gz",  ".tar.bz2",
                                      ".tar.xz", ".txz",  ".tar.zst", ".tar.lz4",
                                      ".zip",    ".cpio", ".7z",      ".iso"};

static const struct archive_stamp stamp = {.uid = 12, .gid = 34, .mtime = 1700000000};

struct sample {
    const char *path;
    const char *target; // a link if not NULL
    size_t size;        // else a file
};

static const struct sample samples[] = {
    {"a", NULL, 5},
    {"dir/empty", NULL, 0},
    {"dir/link", "ns::a.b", 0},
    {"dir/stdio.h", NULL, 70000},
    {"dir/sub/größe", NULL, 2000},
    {"n1/n2/n3/n4/n5/n6/n7/n8/n9/n10/deep", NULL, 1},
    {"zz", NULL, 150000},
};

static void
fill(char *data, size_t size)
{
    unsigned x = (unsigned)size;

    for (size_t i = 0; i < size; i++)
        data[i] = (char)((x = x * 1664525u + 1013904223u) >> 24);
}

static int
memory_file(void)
{
    int fd = memfd_create("test", MFD_CLOEXEC);

    assert_true(fd >= 0);
    return fd;
}

static void
write_sample(struct archive_writer *w, const struct sample *s)
{
    AUTO(free) char *data = xmalloc(s->size + 1);

    if (s->target) {
        assert_int_equal(archive_writer_symlink(w, s->path, s->target, NULL), 0);
        return;
    }
    fill(data, s->size);
    assert_int_equal(archive_writer_file(w, s->path, s->size, NULL), 0);
    assert_int_equal(archive_writer_data(w, data, s->size / 2, NULL), 0);
    assert_int_equal(archive_writer_data(w, data + s->size / 2, s->size - s->size / 2, NULL), 0);
}

static struct archive_writer *
open_writer(const char *ending, int fd)
{
    AUTO(free) char *name = xasprintf("x%s", ending);
    const struct archive_format *format;
    struct archive_writer *w;

    assert_int_equal(archive_format_by_path(name, &format, NULL), 0);
    assert_int_equal(archive_writer_open(&w, format, fd, &stamp, NULL), 0);
    return w;
}

static void
write_samples(const char *ending, int fd)
{
    struct archive_writer *w = open_writer(ending, fd);

    for (size_t i = 0; i < ARRAY_SIZE(samples); i++)
        write_sample(w, &samples[i]);
    assert_int_equal(archive_writer_close(w, NULL, NULL), 0);
    archive_writer_free(&w);
    lseek(fd, 0, SEEK_SET);
}

static void
check_item(struct archive_reader *r, const struct archive_item *item, const struct sample *s)
{
    AUTO(free) char *expected = xmalloc(s->size + 1);
    AUTO(free) char *got = xmalloc(s->size + 1);

    assert_int_equal(item->mtime, stamp.mtime);
    if (s->target) {
        assert_int_equal(item->kind, ARCHIVE_SYMLINK);
        assert_string_equal(item->target, s->target);
        return;
    }
    assert_int_equal(item->kind, ARCHIVE_FILE);
    fill(expected, s->size);
    assert_int_equal(archive_reader_data(r, got, s->size + 1, NULL), s->size);
    assert_memory_equal(got, expected, s->size);
}

static void
read_samples(const char *ending, int fd)
{
    struct archive_reader *r;
    struct archive_item item;
    unsigned seen = 0;
    int rc;

    assert_int_equal(archive_reader_open(&r, fd, NULL), 0);
    while ((rc = archive_reader_next(r, &item, NULL)) == 1) {
        if (item.kind == ARCHIVE_DIR) // an ISO image has them
            continue;
        for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
            if (strcmp(item.path, samples[i].path) == 0) {
                check_item(r, &item, &samples[i]);
                seen |= 1u << i;
            }
        }
    }
    if (rc != 0 || seen != (1u << ARRAY_SIZE(samples)) - 1)
        fail_msg("%s: rc %d, seen %x", ending, rc, seen);
    archive_reader_free(&r);
}

static void
every_format_brings_everything_back(void **state UNUSED)
{
    for (size_t i = 0; i < ARRAY_SIZE(endings); i++) {
        int fd = memory_file();

        write_samples(endings[i], fd);
        read_samples(endings[i], fd);
        close(fd);
    }
}

static void
same_entries_give_the_same_bytes(void **state UNUSED)
{
    static const char *const kinds[] = {".tgz", ".tar.bz2", ".tar.zst", ".tar.lz4",
                                        ".zip", ".cpio",    ".7z"};

    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        AUTO(buf) struct buf one = BUF_INIT;
        AUTO(buf) struct buf two = BUF_INIT;
        int a = memory_file();
        int b = memory_file();

        write_samples(kinds[i], a);
        write_samples(kinds[i], b);
        buf_read_fd(&one, a, 1 << 26);
        buf_read_fd(&two, b, 1 << 26);
        assert_int_equal(one.size, two.size);
        assert_memory_equal(one.data, two.data, one.size);
        close(a);
        close(b);
    }
}

static void
plain_tar_is_ustar_with_plain_ownership(void **state UNUSED)
{
    AUTO(buf) struct buf bytes = BUF_INIT;
    int fd = memory_file();

    write_samples(".tar", fd);
    buf_read_fd(&bytes, fd, 1 << 26);
    assert_string_equal(bytes.data, "a");
    assert_memory_equal(bytes.data + 100, "000644 ", 7);
    assert_memory_equal(bytes.data + 108, "000014 ", 7);
    assert_memory_equal(bytes.data + 116, "000042 ", 7);
    assert_memory_equal(bytes.data + 257, "ustar\00000", 8);
    assert_string_equal(bytes.data + 265, ""); // no user name
    close(fd);
}

/* Read everything; 0 or the first error. */
static int
read_all(int fd, struct err *err)
{
    struct archive_reader *r;
    struct archive_item item;
    char data[8192];
    ssize_t n = 0;
    int rc;

    lseek(fd, 0, SEEK_SET);
    if ((rc = archive_reader_open(&r, fd, err)) < 0)
        return rc;
    while ((rc = archive_reader_next(r, &item, err)) == 1) {
        while ((n = archive_reader_data(r, data, sizeof(data), err)) > 0)
            continue;
        if (n < 0)
            break;
    }
    archive_reader_free(&r);
    return n < 0 ? (int)n : rc;
}

static void
a_cut_archive_is_an_error_wherever_it_was_cut(void **state UNUSED)
{
    static const char *const streams[] = {".tar",     ".tar.gz",  ".tar.bz2", ".tar.xz",
                                          ".tar.zst", ".tar.lz4", ".cpio"};

    for (size_t i = 0; i < ARRAY_SIZE(streams); i++) {
        int fd = memory_file();
        struct err err;
        off_t size;

        write_samples(streams[i], fd);
        size = lseek(fd, 0, SEEK_END);
        if (read_all(fd, &err) != 0)
            fail_msg("%s: %s", streams[i], err.text);
        for (off_t cut = size - 1024; cut > 0; cut -= MAX(size / 8 / 512 * 512, 512)) {
            assert_int_equal(ftruncate(fd, cut), 0);
            if (read_all(fd, NULL) >= 0)
                fail_msg("%s cut at %ld of %ld was not noticed", streams[i], (long)cut, (long)size);
        }
        close(fd);
    }
}

/* Composed or not, and of jamo: other bytes are another key. */
static void
names_in_tar_are_not_normalised(void **state UNUSED)
{
    static const char *const names[] = {"\xc3\xa9", "e\xcc\x81", "\xe1\x84\x80\xe1\x85\xa1",
                                        "\xea\xb0\x80", "\xe2\x84\xab"};
    static const char *const kinds[] = {".tar", ".tar.gz"};

    for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
        int fd = memory_file();
        struct archive_writer *w = open_writer(kinds[k], fd);
        struct archive_reader *r;
        struct archive_item item;

        for (size_t i = 0; i < ARRAY_SIZE(names); i++)
            assert_int_equal(archive_writer_symlink(w, names[i], names[i], NULL), 0);
        assert_int_equal(archive_writer_close(w, NULL, NULL), 0);
        archive_writer_free(&w);
        lseek(fd, 0, SEEK_SET);
        assert_int_equal(archive_reader_open(&r, fd, NULL), 0);
        for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
            assert_int_equal(archive_reader_next(r, &item, NULL), 1);
            assert_string_equal(item.path, names[i]);
            assert_string_equal(item.target, names[i]);
        }
        assert_int_equal(archive_reader_next(r, &item, NULL), 0);
        archive_reader_free(&r);
        close(fd);
    }
}

static void
zeros_at_the_end_of_a_value_are_no_end_mark(void **state UNUSED)
{
    static const size_t sizes[] = {512, 1024, 3 << 20};
    AUTO(free) char *zeros = xcalloc(1, 3 << 20);

    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        int fd = memory_file();
        struct archive_writer *w = open_writer(".tar", fd);
        struct err err = {0};

        assert_int_equal(archive_writer_file(w, "a", sizes[i], NULL), 0);
        assert_int_equal(archive_writer_data(w, zeros, sizes[i], NULL), 0);
        assert_int_equal(archive_writer_close(w, NULL, NULL), 0);
        archive_writer_free(&w);
        assert_int_equal(read_all(fd, NULL), 0);
        assert_int_equal(ftruncate(fd, (off_t)(512 + sizes[i] + 512)), 0); // one block is enough
        assert_int_equal(read_all(fd, NULL), 0);
        assert_int_equal(ftruncate(fd, (off_t)(512 + sizes[i])), 0);
        if (read_all(fd, &err) >= 0 || !strstr(err.text, "cut off"))
            fail_msg("%zu zeros: %s", sizes[i], err.text);
        close(fd);
    }
}

static void
what_is_no_archive_is_refused(void **state UNUSED)
{
    static const char text[] = "This is not an archive at all, whatever it may look like.\n";
    int fd = memory_file();

    assert_true(read_all(fd, NULL) < 0); // empty
    assert_int_equal(write(fd, text, sizeof(text)), sizeof(text));
    assert_true(read_all(fd, NULL) < 0);
    close(fd);
}

static void
names_a_format_cannot_hold_are_errors(void **state UNUSED)
{
    static const char *const containers[] = {".tar", ".zip", ".cpio", ".iso"};
    char name[302];

    memset(name, 'n', sizeof(name));
    name[300] = '\0';
    for (size_t i = 0; i < ARRAY_SIZE(containers); i++) {
        int fd = memory_file();
        struct archive_writer *w = open_writer(containers[i], fd);
        struct err err = {0};
        int rc = archive_writer_file(w, name, 0, &err);

        if (strcmp(containers[i], ".iso") == 0) {
            assert_true(rc < 0);
            assert_non_null(strstr(err.text, name));
        } else {
            assert_int_equal(rc, 0);
        }
        archive_writer_free(&w);
        close(fd);
    }
}

static void
a_size_beyond_the_format_is_an_error(void **state UNUSED)
{
    int fd = memory_file();
    struct archive_writer *w = open_writer(".cpio", fd);
    struct err err = {0};

    assert_true(archive_writer_file(w, "big", (uint64_t)9 << 30, &err) < 0);
    assert_non_null(strstr(err.text, "big"));
    archive_writer_free(&w);
    close(fd);
}

static void
a_full_disk_is_an_error(void **state UNUSED)
{
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    struct archive_writer *w = open_writer(".tar", fd);
    AUTO(free) char *data = xcalloc(1, 1 << 20);
    struct err err = {0};
    int rc;

    assert_int_equal(archive_writer_file(w, "a", 1 << 20, NULL), 0);
    rc = archive_writer_data(w, data, 1 << 20, &err);
    assert_int_equal(rc, -ENOSPC);
    archive_writer_free(&w);
    close(fd);
}

/* ---- the header ---- */

static const struct archive_end end = {.keys = 7, .bytes = 222007, .is_exact = true};

static void
write_with_header(const char *ending, int fd)
{
    const struct archive_header header = {.ns = (char *)(uintptr_t) "primary",
                                          .blob_size_limit = 77};
    struct archive_writer *w = open_writer(ending, fd);

    assert_int_equal(archive_writer_header(w, &header, NULL), 0);
    for (size_t i = 0; i < ARRAY_SIZE(samples); i++)
        write_sample(w, &samples[i]);
    assert_int_equal(archive_writer_close(w, &end, NULL), 0);
    archive_writer_free(&w);
    lseek(fd, 0, SEEK_SET);
}

static void
read_header(int fd, bool expected)
{
    struct archive_reader *r;
    struct archive_item item;
    const struct archive_header *h;
    int count = 0;

    assert_int_equal(archive_reader_open(&r, fd, NULL), 0);
    h = archive_reader_header(r);
    assert_int_equal(h != NULL, expected);
    if (h) {
        assert_string_equal(h->ns, "primary");
        assert_int_equal(h->blob_size_limit, 77);
    }
    assert_null(archive_reader_end(r));
    while (archive_reader_next(r, &item, NULL) == 1)
        count += item.kind != ARCHIVE_DIR;
    assert_int_equal(count, ARRAY_SIZE(samples));
    assert_int_equal(archive_reader_end(r) != NULL, expected);
    if (h)
        assert_int_equal(archive_reader_end(r)->bytes, end.bytes);
    archive_reader_free(&r);
}

static void
tar_archives_tell_what_they_hold(void **state UNUSED)
{
    for (size_t i = 0; i < ARRAY_SIZE(endings); i++) {
        int fd = memory_file();

        write_with_header(endings[i], fd);
        read_samples(endings[i], fd);
        lseek(fd, 0, SEEK_SET);
        read_header(fd, strstr(endings[i], ".t") != NULL);
        close(fd);
    }
}

/* All of `from` into a pipe, in small pieces. */
static void
feed_pipe(int from, int to)
{
    char piece[313];
    ssize_t n;

    while ((n = read(from, piece, sizeof(piece))) > 0) {
        if (write(to, piece, (size_t)n) != n)
            break;
    }
}

static void
headers_are_read_from_pipes(void **state UNUSED)
{
    static const char *const streams[] = {".tar", ".tar.gz", ".tar.bz2", ".tar.zst", ".cpio"};

    for (size_t i = 0; i < ARRAY_SIZE(streams); i++) {
        int fd = memory_file();
        int ends[2];
        pid_t child;

        write_with_header(streams[i], fd);
        assert_int_equal(pipe(ends), 0);
        child = fork();
        if (child == 0) {
            close(ends[0]);
            feed_pipe(fd, ends[1]);
            _exit(0);
        }
        close(ends[1]);
        read_header(ends[0], strcmp(streams[i], ".cpio") != 0);
        close(ends[0]);
        waitpid(child, NULL, 0);
        close(fd);
    }
}

static void
a_changed_archive_has_no_end(void **state UNUSED)
{
    struct archive_reader *r;
    struct archive_item item;
    int fd = memory_file();
    off_t size;

    write_with_header(".tar", fd);
    size = lseek(fd, 0, SEEK_END);
    assert_int_equal(ftruncate(fd, size - ARCHIVE_END_SIZE), 0); // its end mark is there
    lseek(fd, 0, SEEK_SET);
    assert_int_equal(archive_reader_open(&r, fd, NULL), 0);
    while (archive_reader_next(r, &item, NULL) == 1)
        continue;
    assert_non_null(archive_reader_header(r));
    assert_null(archive_reader_end(r));
    archive_reader_free(&r);
    close(fd);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_format_brings_everything_back),
        cmocka_unit_test(same_entries_give_the_same_bytes),
        cmocka_unit_test(plain_tar_is_ustar_with_plain_ownership),
        cmocka_unit_test(a_cut_archive_is_an_error_wherever_it_was_cut),
        cmocka_unit_test(names_in_tar_are_not_normalised),
        cmocka_unit_test(zeros_at_the_end_of_a_value_are_no_end_mark),
        cmocka_unit_test(what_is_no_archive_is_refused),
        cmocka_unit_test(names_a_format_cannot_hold_are_errors),
        cmocka_unit_test(a_size_beyond_the_format_is_an_error),
        cmocka_unit_test(a_full_disk_is_an_error),
        cmocka_unit_test(tar_archives_tell_what_they_hold),
        cmocka_unit_test(headers_are_read_from_pipes),
        cmocka_unit_test(a_changed_archive_has_no_end),
    };

    setlocale(LC_CTYPE, "C.UTF-8");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
