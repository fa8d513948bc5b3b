/* SPDX-License-Identifier: MPL-2.0 */
#include "wiretest.h"
#include "blob.h"
#include "xmem.h"

#include <pthread.h>

static void
bytes_are_copied(void **state UNUSED)
{
    char text[] = "leaf";
    struct blob *b = blob_new(text, sizeof(text));

    text[0] = 'd';
    assert_int_equal(blob_size(b), 5);
    assert_string_equal(blob_data(b), "leaf");
    blob_unref(&b);
    assert_null(b);
}

static void
null_counts_as_empty(void **state UNUSED)
{
    struct blob *none = NULL;

    assert_null(blob_ref(none));
    blob_unref(&none);
    assert_int_equal(blob_size(NULL), 0);
    assert_non_null(blob_data(NULL));
}

static void
empty_blob_survives_any_number_of_owners(void **state UNUSED)
{
    for (int i = 0; i < 1000; i++) {
        struct blob *a = blob_empty();
        struct blob *b = blob_new(NULL, 0);

        assert_int_equal(blob_size(a), 0);
        assert_non_null(blob_data(a));
        assert_ptr_equal(a, b);
        blob_unref(&a);
        blob_unref(&b);
    }
}

static void
filled_blob_shows_what_was_filled_in(void **state UNUSED)
{
    uint8_t *bytes;
    struct blob *b = blob_alloc(3, &bytes);

    memcpy(bytes, "abc", 3);
    assert_memory_equal(blob_data(b), "abc", 3);
    blob_unref(&b);
}

static void
impossible_size_is_refused(void **state UNUSED)
{
    uint8_t *bytes;

    assert_null(blob_alloc(SIZE_MAX, &bytes));
    assert_null(blob_alloc(SIZE_MAX - 1, &bytes));
}

static void
adopted_memory_is_not_copied(void **state UNUSED)
{
    void *memory = xstrdup("sap");
    void *was = memory;
    struct blob *b = blob_adopt(&memory, 4);

    assert_null(memory);
    assert_ptr_equal(blob_data(b), was);
    assert_true(blob_memory(b) >= 4);
    blob_unref(&b);
}

static void
frame_becomes_a_blob_and_is_left_empty(void **state UNUSED)
{
    static const size_t sizes[] = {0, 1, 33, 34, 16384, 16385, 100000};

    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        zmq_msg_t frame;
        struct blob *b;

        zmq_msg_init_size(&frame, sizes[i]);
        memset(zmq_msg_data(&frame), 'x', sizes[i]);
        b = blob_from_zmq(&frame);
        assert_int_equal(zmq_msg_size(&frame), 0);
        assert_int_equal(zmq_msg_close(&frame), 0);
        assert_int_equal(blob_size(b), sizes[i]);
        for (size_t k = 0; k < sizes[i]; k++)
            assert_int_equal(((const char *)blob_data(b))[k], 'x');
        blob_unref(&b);
    }
}

static void
large_frame_is_moved_not_copied(void **state UNUSED)
{
    zmq_msg_t frame;
    void *was;
    struct blob *b;

    zmq_msg_init_size(&frame, 50000);
    was = zmq_msg_data(&frame);
    b = blob_from_zmq(&frame);
    assert_ptr_equal(blob_data(b), was);
    assert_true(blob_memory(b) >= 50000);
    blob_unref(&b);
}

static void
sent_frame_outlives_the_other_owners(void **state UNUSED)
{
    static const size_t sizes[] = {0, 512, 513, 70000};
    uint64_t seed = 3;

    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        struct blob *b = draw_blob(&seed, sizes[i]);
        struct blob *copy = blob_new(blob_data(b), sizes[i]);
        zmq_msg_t frame;

        blob_to_zmq(b, &frame);
        assert_int_equal(zmq_msg_data(&frame) == blob_data(b), sizes[i] > 512);
        blob_unref(&b);
        assert_int_equal(zmq_msg_size(&frame), sizes[i]);
        assert_memory_equal(zmq_msg_data(&frame), blob_data(copy), sizes[i]);
        zmq_msg_close(&frame);
        blob_unref(&copy);
    }
}

/* A blob that was received and is sent on: the frame inside it is only borrowed from. */
static void
received_blob_can_be_sent_many_times(void **state UNUSED)
{
    zmq_msg_t in;
    zmq_msg_t out[10];
    struct blob *b;

    zmq_msg_init_size(&in, 40000);
    memset(zmq_msg_data(&in), 'y', 40000);
    b = blob_from_zmq(&in);
    for (size_t i = 0; i < ARRAY_SIZE(out); i++)
        blob_to_zmq(b, &out[i]);
    blob_unref(&b);
    for (size_t i = 0; i < ARRAY_SIZE(out); i++) {
        assert_int_equal(*(char *)zmq_msg_data(&out[i]), 'y');
        zmq_msg_close(&out[i]);
    }
    zmq_msg_close(&in);
}

static void *
ref_and_unref(void *arg)
{
    for (int i = 0; i < 20000; i++) {
        struct blob *b = blob_ref(arg);

        blob_unref(&b);
    }
    return NULL;
}

static void
threads_share_the_count(void **state UNUSED)
{
    struct blob *b = blob_new("shared", 7);
    pthread_t threads[4];

    for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ref_and_unref, b), 0);
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
        pthread_join(threads[i], NULL);
    assert_string_equal(blob_data(b), "shared");
    blob_unref(&b); // a count that is off shows here: leak or use after free under ASan
}

static void
memory_counts_more_than_the_bytes(void **state UNUSED)
{
    for (size_t size = 1; size < 5000; size = size * 3 + 1) {
        uint8_t *bytes;
        struct blob *b = blob_alloc(size, &bytes);

        assert_true(blob_memory(b) > size);
        assert_true(blob_memory(b) < size + 100);
        blob_unref(&b);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_copied),
        cmocka_unit_test(null_counts_as_empty),
        cmocka_unit_test(empty_blob_survives_any_number_of_owners),
        cmocka_unit_test(filled_blob_shows_what_was_filled_in),
        cmocka_unit_test(impossible_size_is_refused),
        cmocka_unit_test(adopted_memory_is_not_copied),
        cmocka_unit_test(frame_becomes_a_blob_and_is_left_empty),
        cmocka_unit_test(large_frame_is_moved_not_copied),
        cmocka_unit_test(sent_frame_outlives_the_other_owners),
        cmocka_unit_test(received_blob_can_be_sent_many_times),
        cmocka_unit_test(threads_share_the_count),
        cmocka_unit_test(memory_counts_more_than_the_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
