/* SPDX-License-Identifier: MPL-2.0 */
/* test_buf.c - the growable buffer. */
#include "cmocka_all.h"

#include "buf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void
check_buf(const struct buf *b)
{
    assert_true(b->size <= b->capacity);
    assert_int_equal(b->data == NULL, b->capacity == 0);
    if (b->data)
        assert_int_equal(b->data[b->size], '\0');
}

static void
empty_buffer_is_the_empty_text(void **state UNUSED)
{
    AUTO(buf) struct buf b = BUF_INIT;

    assert_string_equal(buf_str(&b), "");
    buf_reset(&b);
    check_buf(&b);
    buf_add(&b, NULL, 0);
    assert_string_equal(buf_str(&b), "");
    check_buf(&b);
}

static void
text_is_put_together(void **state UNUSED)
{
    AUTO(buf) struct buf b = BUF_INIT;

    buf_add_str(&b, "one");
    buf_add_char(&b, ' ');
    buf_printf(&b, "%s %d", "two", 3);
    buf_printf(&b, "%s", "");
    assert_string_equal(buf_str(&b), "one two 3");
    assert_int_equal(b.size, 9);
    check_buf(&b);
}

static void
any_sizes_add_up(void **state UNUSED)
{
    AUTO(buf) struct buf b = BUF_INIT;
    char piece[300];
    size_t total = 0;

    for (size_t i = 0; i < sizeof(piece); i++)
        piece[i] = (char)i;
    for (size_t n = 0; n < sizeof(piece); n++) {
        buf_add(&b, piece, n);
        assert_memory_equal(b.data + total, piece, n);
        total += n;
        assert_int_equal(b.size, total);
        check_buf(&b);
    }
    assert_true(b.capacity <= 2 * total);
}

static void
print_of_exactly_the_room_fits(void **state UNUSED)
{
    for (int n = 0; n < 300; n++) {
        AUTO(buf) struct buf b = BUF_INIT;

        buf_add_char(&b, 'x');
        buf_printf(&b, "%*s", n, "");
        assert_int_equal(b.size, (size_t)n + 1);
        check_buf(&b);
    }
}

static void
reset_keeps_the_memory(void **state UNUSED)
{
    AUTO(buf) struct buf b = BUF_INIT;
    size_t capacity;

    buf_reserve(&b, 1000);
    capacity = b.capacity;
    buf_add_str(&b, "text");
    buf_reset(&b);
    assert_string_equal(buf_str(&b), "");
    assert_int_equal(b.capacity, capacity);
    assert_true(capacity >= 1000);
}

static void
detach_leaves_an_empty_buffer(void **state UNUSED)
{
    AUTO(buf) struct buf b = BUF_INIT;
    size_t size;
    char *data;

    buf_add_str(&b, "mine");
    data = buf_detach(&b, &size);
    assert_string_equal(data, "mine");
    assert_int_equal(size, 4);
    assert_null(b.data);
    check_buf(&b);
    free(data);
    data = buf_detach(&b, NULL);
    assert_string_equal(data, "");
    free(data);
}

/* A file of `size` bytes to be read from its start. */
static int
make_file(size_t size)
{
    int fd = memfd_create("test", MFD_CLOEXEC);

    assert_true(fd >= 0);
    for (size_t i = 0; i < size; i++)
        assert_int_equal(write(fd, "z", 1), 1);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

static void
file_is_read_behind_what_is_there(void **state UNUSED)
{
    AUTO(buf) struct buf b = BUF_INIT;
    int fd = make_file(3);

    buf_add_str(&b, "a");
    assert_int_equal(buf_read_fd(&b, fd, 3), 0);
    assert_string_equal(buf_str(&b), "azzz");
    close(fd);
}

static void
file_beyond_the_limit_is_refused(void **state UNUSED)
{
    AUTO(buf) struct buf b = BUF_INIT;
    int fd = make_file(4);

    assert_int_equal(buf_read_fd(&b, fd, 3), -EFBIG);
    assert_string_equal(buf_str(&b), "zzz");
    check_buf(&b);
    close(fd);
}

static void
long_stream_comes_in_pieces(void **state UNUSED)
{
    AUTO(buf) struct buf b = BUF_INIT;
    int fd = memfd_create("test", MFD_CLOEXEC);

    assert_int_equal(ftruncate(fd, 1000000), 0);
    assert_int_equal(buf_read_fd(&b, fd, 999999), -EFBIG);
    buf_reset(&b);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    assert_int_equal(buf_read_fd(&b, fd, SIZE_MAX), 0);
    assert_int_equal(b.size, 1000000);
    check_buf(&b);
    close(fd);
}

static void
file_is_read_in_chunks(void **state UNUSED)
{
    AUTO(buf) struct buf b = BUF_INIT;
    int fd = make_file(5);

    assert_int_equal(buf_fill_fd(&b, fd, 2), 1);
    assert_string_equal(buf_str(&b), "zz");
    assert_int_equal(buf_fill_fd(&b, fd, 0), 1);
    assert_int_equal(buf_fill_fd(&b, fd, 3), 1);
    assert_int_equal(b.size, 5);
    assert_int_equal(buf_fill_fd(&b, fd, 3), 0);
    assert_int_equal(b.size, 5);
    check_buf(&b);
    close(fd);
}

static void
bad_descriptor_is_reported(void **state UNUSED)
{
    AUTO(buf) struct buf b = BUF_INIT;

    assert_int_equal(buf_read_fd(&b, -1, 10), -EBADF);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_buffer_is_the_empty_text),
        cmocka_unit_test(text_is_put_together),
        cmocka_unit_test(any_sizes_add_up),
        cmocka_unit_test(print_of_exactly_the_room_fits),
        cmocka_unit_test(reset_keeps_the_memory),
        cmocka_unit_test(detach_leaves_an_empty_buffer),
        cmocka_unit_test(file_is_read_behind_what_is_there),
        cmocka_unit_test(file_beyond_the_limit_is_refused),
        cmocka_unit_test(long_stream_comes_in_pieces),
        cmocka_unit_test(file_is_read_in_chunks),
        cmocka_unit_test(bad_descriptor_is_reported),
    };

    return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
