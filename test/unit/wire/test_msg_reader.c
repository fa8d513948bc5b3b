/* SPDX-License-Identifier: MPL-2.0 */
#include "wiretest.h"
#include "msg_stream.h"

#include <errno.h>

#define LIMIT (4 * MEBI)

static void
add_u32(struct buf *out, uint32_t value)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        buf_add_char(out, (char)(value >> shift));
}

/* Written without the writer, so that the two do not hide each other's mistakes. */
static void
add_frame(struct buf *out, const struct msg *m)
{
    AUTO(buf) struct buf body = BUF_INIT;

    msg_encode(m, true, &body);
    add_u32(out, 0x1200eeff);
    add_u32(out, (uint32_t)body.size);
    buf_add(out, body.data, body.size);
}

/* Gives the reader at most `max` bytes; returns how many it took. */
static size_t
feed(struct msg_reader *r, const char *bytes, size_t size, size_t max)
{
    uint8_t *where;
    size_t n = MIN(msg_reader_space(r, &where), MIN(size, max));

    assert_true(n > 0);
    memcpy(where, bytes, n);
    msg_reader_filled(r, n);
    return n;
}

/* Returns 0 when all bytes were taken without an error; counts messages. */
static int
feed_all(struct msg_reader *r, const char *bytes, size_t size, size_t max, int *ret_messages)
{
    *ret_messages = 0;
    for (size_t at = 0; at < size;) {
        struct msg m;
        int rc;

        at += feed(r, bytes + at, size - at, max);
        while ((rc = msg_reader_next(r, &m)) == 1) {
            ++*ret_messages;
            msg_fini(&m);
        }
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* A stream of those messages, read in portions of 1 .. max bytes, gives them back. */
static void
assert_stream_gives_back(struct msg *sent, size_t count, size_t max, uint64_t *seed)
{
    struct msg_reader *r = msg_reader_new(LIMIT);
    AUTO(buf) struct buf bytes = BUF_INIT;
    size_t next = 0;

    for (size_t i = 0; i < count; i++)
        add_frame(&bytes, &sent[i]);
    for (size_t at = 0; at < bytes.size;) {
        struct msg got;

        at += feed(r, bytes.data + at, bytes.size - at, 1 + draw_below(seed, max));
        while (msg_reader_next(r, &got) == 1) {
            assert_true(next < count);
            assert_msg_equal(&sent[next], &got);
            msg_fini(&got);
            msg_fini(&sent[next++]);
        }
    }
    assert_int_equal(next, count);
    msg_reader_free(&r);
    assert_null(r);
}

static void
portions_of_any_size_give_the_same_messages(void **state UNUSED)
{
    static const size_t portions[] = {1, 2, 7, 100, 5000, 65536, 1000000};
    uint64_t seed = 21;

    for (size_t i = 0; i < ARRAY_SIZE(portions); i++) {
        struct msg sent[40];

        for (size_t k = 0; k < ARRAY_SIZE(sent); k++)
            draw_msg(&seed, draw_size(&seed), &sent[k]);
        assert_stream_gives_back(sent, ARRAY_SIZE(sent), portions[i], &seed);
    }
}

/* Around the size at which a payload stops fitting the buffer, every size counts. */
static void
payloads_around_the_buffer_size_arrive(void **state UNUSED)
{
    uint64_t seed = 22;

    for (size_t size = 64400; size < 65600; size += 13) {
        struct msg sent[3];

        for (size_t k = 0; k < ARRAY_SIZE(sent); k++)
            draw_msg(&seed, size + k, &sent[k]);
        assert_stream_gives_back(sent, ARRAY_SIZE(sent), 200000, &seed);
    }
}

static void
large_payload_arrives(void **state UNUSED)
{
    static const size_t portions[] = {4096, 65536, 10 * MEBI};
    uint64_t seed = 23;

    for (size_t i = 0; i < ARRAY_SIZE(portions); i++) {
        struct msg sent[3];

        draw_msg(&seed, 10, &sent[0]);
        draw_msg(&seed, 3 * MEBI, &sent[1]);
        draw_msg(&seed, 10, &sent[2]);
        assert_stream_gives_back(sent, ARRAY_SIZE(sent), portions[i], &seed);
    }
}

/* After its first bytes the reader offers the memory of the blob itself. */
static void
large_payload_is_read_in_place(void **state UNUSED)
{
    struct msg_reader *r = msg_reader_new(LIMIT);
    AUTO(buf) struct buf bytes = BUF_INIT;
    uint64_t seed = 24;
    AUTO(msg) struct msg sent;
    AUTO(msg) struct msg got;
    uint8_t *where;
    size_t room;
    size_t at;

    draw_msg(&seed, MEBI, &sent);
    add_frame(&bytes, &sent);
    at = feed(r, bytes.data, bytes.size, 2000);
    assert_int_equal(msg_reader_next(r, &got), 0);
    room = msg_reader_space(r, &where);
    assert_true(room > MEBI - 2000);
    while (at < bytes.size) {
        at += feed(r, bytes.data + at, bytes.size - at, SIZE_MAX);
        if (at < bytes.size)
            assert_int_equal(msg_reader_next(r, &got), 0);
    }
    assert_int_equal(msg_reader_next(r, &got), 1);
    assert_msg_equal(&sent, &got);
    assert_ptr_equal((const uint8_t *)msg_data(&got) + MEBI - room, where);
    msg_reader_free(&r);
}

static void
framing_is_that_of_flux(void **state UNUSED)
{
    static const char stream[] =
        "\x12\x00\xee\xff\x00\x00\x00\x30\x00\x08"
        "attr.get"
        "\x10{\"name\":\"rank\"}\0"
        "\x14\x8e\x01\x01\x0b\xff\xff\xff\xff\x00\x00\x00\x00\xff\xff\xff\xff\x00\x00\x00\x01";
    struct msg_reader *r = msg_reader_new(LIMIT);
    AUTO(msg) struct msg m;

    feed(r, stream, sizeof(stream) - 1, SIZE_MAX);
    assert_int_equal(msg_reader_next(r, &m), 1);
    assert_string_equal(m.topic, "attr.get");
    assert_string_equal(msg_text(&m), "{\"name\":\"rank\"}");
    assert_int_equal(msg_reader_next(r, &m), 0);
    msg_reader_free(&r);
}

static void
wrong_magic_breaks_the_stream_for_ever(void **state UNUSED)
{
    struct msg_reader *r = msg_reader_new(LIMIT);
    struct msg m;

    feed(r, "GET / HTTP/1.1\r\n", 16, SIZE_MAX);
    for (int i = 0; i < 3; i++) {
        uint8_t *where;

        assert_int_equal(msg_reader_next(r, &m), -EPROTO);
        assert_true(msg_reader_space(r, &where) > 0);
        msg_reader_filled(r, 1);
    }
    msg_reader_free(&r);
}

static int
read_header_of(size_t max_payload, uint32_t body)
{
    struct msg_reader *r = msg_reader_new(max_payload);
    AUTO(buf) struct buf bytes = BUF_INIT;
    struct msg m;
    int rc;

    add_u32(&bytes, 0x1200eeff);
    add_u32(&bytes, body);
    feed(r, bytes.data, bytes.size, SIZE_MAX);
    rc = msg_reader_next(r, &m);
    msg_reader_free(&r);
    return rc;
}

static void
body_length_is_limited(void **state UNUSED)
{
    assert_int_equal(read_header_of(1000, 1000), 0);
    assert_int_equal(read_header_of(1000, MSG_STREAM_SKIP_MAX + MSG_HEAD_MAX), 0);
    assert_int_equal(read_header_of(1000, MSG_STREAM_SKIP_MAX + MSG_HEAD_MAX + 1), -EMSGSIZE);
    assert_int_equal(read_header_of(2 * MSG_STREAM_SKIP_MAX, MSG_STREAM_SKIP_MAX + 5000), 0);
    assert_int_equal(read_header_of(0, MSG_HEAD_MAX), 0);
    assert_int_equal(read_header_of(LIMIT, UINT32_MAX), -EMSGSIZE);
    assert_int_equal(read_header_of(SIZE_MAX, UINT32_MAX), 0);
    assert_int_equal(read_header_of(1000, 0), -EPROTO);
}

/* `parts` are the first bytes of a body of that length. */
static int
read_start_of_body(uint32_t body, const void *parts, size_t size)
{
    struct msg_reader *r = msg_reader_new(MEBI);
    AUTO(buf) struct buf bytes = BUF_INIT;
    int messages;
    int rc;

    add_u32(&bytes, 0x1200eeff);
    add_u32(&bytes, body);
    buf_add(&bytes, parts, size);
    rc = feed_all(r, bytes.data, bytes.size, SIZE_MAX, &messages);
    msg_reader_free(&r);
    return rc;
}

static void
large_payload_must_fill_its_body(void **state UNUSED)
{
    static const char parts[] = "\1t\xff\x00\x02\x00\x00"; // 128 KiB
    uint32_t right = 7 + 128 * 1024 + 21;

    assert_int_equal(read_start_of_body(right, parts, 7), 0);
    assert_int_equal(read_start_of_body(right - 1, parts, 7), -EPROTO);
    assert_int_equal(read_start_of_body(right + 1, parts, 7), -EPROTO);
}

/* A request "t" with so many bytes of payload, between two small ones. */
static void
add_large_between_small(struct buf *out, enum msg_type type, size_t size, uint64_t *seed)
{
    for (size_t i = 0; i < 3; i++) {
        AUTO(msg) struct msg m;
        struct blob *payload = draw_blob(seed, i == 1 ? size : 1);

        msg_init(&m, i == 1 ? type : MSG_REQUEST);
        assert_int_equal(msg_set_topic(&m, i == 1 ? "large" : "small"), 0);
        assert_int_equal(msg_push_route(&m, "route", 5), 0);
        m.matchtag = 77;
        msg_set_payload(&m, &payload);
        add_frame(out, &m);
    }
}

static void
assert_oversized(const struct msg *m)
{
    assert_true(m->oversized);
    assert_null(m->payload);
    assert_false(m->flags & MSG_PAYLOAD);
    assert_int_equal(m->type, MSG_REQUEST);
    assert_int_equal(m->matchtag, 77);
    assert_int_equal(m->nroutes, 1);
    assert_string_equal(m->topic, "large");
}

/* The second of the three messages in `bytes` is beyond the limit; what the reader offers to be
 * filled stays within its buffer. */
static void
assert_second_is_oversized(const struct buf *bytes, size_t limit, size_t portion)
{
    struct msg_reader *r = msg_reader_new(limit);
    size_t messages = 0;

    for (size_t at = 0; at < bytes->size;) {
        uint8_t *where;
        struct msg m;

        assert_true(msg_reader_space(r, &where) <= 65536);
        at += feed(r, bytes->data + at, bytes->size - at, portion);
        while (msg_reader_next(r, &m) == 1) {
            if (messages++ == 1) {
                assert_oversized(&m);
            } else {
                assert_false(m.oversized);
                assert_string_equal(m.topic, "small");
                assert_int_equal(msg_size(&m), 1);
            }
            msg_fini(&m);
        }
    }
    assert_int_equal(messages, 3);
    msg_reader_free(&r);
}

static void
oversized_request_arrives_without_its_payload(void **state UNUSED)
{
    static const size_t sizes[] = {2, 101, 255, 65000, 65450, 65536, 70000, 3 * MEBI};
    static const size_t portions[] = {1, 7, 5000, 65536, 10 * MEBI};
    uint64_t seed = 27;

    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        AUTO(buf) struct buf bytes = BUF_INIT;

        add_large_between_small(&bytes, MSG_REQUEST, sizes[i], &seed);
        for (size_t k = 0; k < ARRAY_SIZE(portions); k++) {
            assert_second_is_oversized(&bytes, 1, portions[k]);
            assert_second_is_oversized(&bytes, sizes[i] - 1, portions[k]);
        }
    }
}

static void
payload_at_the_limit_arrives(void **state UNUSED)
{
    static const size_t sizes[] = {2, 65000, 65450, 70000, 3 * MEBI};
    uint64_t seed = 28;

    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        struct msg_reader *r = msg_reader_new(sizes[i]);
        AUTO(buf) struct buf bytes = BUF_INIT;
        int messages;

        add_large_between_small(&bytes, MSG_RESPONSE, sizes[i], &seed);
        assert_int_equal(feed_all(r, bytes.data, bytes.size, 65536, &messages), 0);
        assert_int_equal(messages, 3);
        msg_reader_free(&r);
    }
}

/* Nobody could answer it, and taken for an empty payload it would be a lie. */
static void
oversized_response_breaks_the_stream(void **state UNUSED)
{
    static const size_t sizes[] = {2, 65000, 70000};
    uint64_t seed = 29;

    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        struct msg_reader *r = msg_reader_new(sizes[i] - 1);
        AUTO(buf) struct buf bytes = BUF_INIT;
        int messages;

        add_large_between_small(&bytes, MSG_RESPONSE, sizes[i], &seed);
        assert_int_equal(feed_all(r, bytes.data, bytes.size, 65536, &messages), -EMSGSIZE);
        assert_int_equal(messages, 1);
        msg_reader_free(&r);
    }
}

/* Flags without MSG_PAYLOAD: what was skipped was something else. */
static void
oversized_part_that_is_no_payload_breaks_the_stream(void **state UNUSED)
{
    struct msg_reader *r = msg_reader_new(1);
    AUTO(buf) struct buf bytes = BUF_INIT;
    uint64_t seed = 30;
    int messages;

    add_large_between_small(&bytes, MSG_REQUEST, 70000, &seed);
    for (size_t at = bytes.size - 200; at < bytes.size; at++) {
        if (bytes.data[at] == (char)0x8e) {
            bytes.data[at + 3] &= (char)~MSG_PAYLOAD;
            break;
        }
    }
    assert_int_equal(feed_all(r, bytes.data, bytes.size, 5000, &messages), -EPROTO);
    assert_int_equal(messages, 1);
    msg_reader_free(&r);
}

static void
large_body_of_small_parts_is_refused(void **state UNUSED)
{
    char parts[2 * MSG_HEAD_MAX];

    memset(parts, 1, sizeof(parts));
    assert_int_equal(read_start_of_body(100000, parts, sizeof(parts)), -EPROTO);
}

static void
truncated_stream_only_waits(void **state UNUSED)
{
    AUTO(buf) struct buf bytes = BUF_INIT;
    uint64_t seed = 25;
    AUTO(msg) struct msg m;

    draw_msg(&seed, 300, &m);
    add_frame(&bytes, &m);
    for (size_t size = 1; size < bytes.size; size++) {
        struct msg_reader *r = msg_reader_new(LIMIT);
        int messages;

        assert_int_equal(feed_all(r, bytes.data, size, SIZE_MAX, &messages), 0);
        assert_int_equal(messages, 0);
        msg_reader_free(&r);
    }
}

static void
mutated_streams_break_or_deliver(void **state UNUSED)
{
    AUTO(buf) struct buf bytes = BUF_INIT;
    uint64_t seed = 26;
    int broken = 0;

    for (size_t i = 0; i < 4; i++) {
        AUTO(msg) struct msg m;

        draw_msg(&seed, i == 2 ? 70000 : 100, &m);
        add_frame(&bytes, &m);
    }
    for (int i = 0; i < 2000; i++) {
        struct msg_reader *r = msg_reader_new(100000);
        size_t at = draw_below(&seed, i % 2 ? 600 : bytes.size);
        char was = bytes.data[at];
        int messages;

        bytes.data[at] = (char)draw(&seed);
        broken += feed_all(r, bytes.data, bytes.size, 1 + draw_below(&seed, 100000), &messages) < 0;
        assert_true(messages <= 4);
        bytes.data[at] = was;
        msg_reader_free(&r);
    }
    assert_true(broken > 100);
}

struct gate {
    bool open;
    size_t body;
    int asked;
};

static bool
ask_gate(void *arg, size_t body)
{
    struct gate *g = arg;

    g->body = body;
    g->asked++;
    return g->open;
}

static void
gate_is_asked_before_each_message_and_again_until_it_opens(void **state UNUSED)
{
    struct msg_reader *r = msg_reader_new(LIMIT);
    AUTO(buf) struct buf bytes = BUF_INIT;
    struct gate gate = {0};
    struct msg m;

    msg_reader_set_gate(r, ask_gate, &gate);
    msg_init(&m, MSG_REQUEST);
    assert_int_equal(msg_set_topic(&m, "a.b"), 0);
    add_frame(&bytes, &m);
    add_frame(&bytes, &m);
    msg_fini(&m);
    assert_int_equal(feed(r, bytes.data, 7, 7), 7);
    assert_int_equal(msg_reader_next(r, &m), 0);
    assert_int_equal(gate.asked, 0); // the length is not known yet
    feed(r, bytes.data + 7, bytes.size - 7, bytes.size);
    assert_int_equal(msg_reader_next(r, &m), 0);
    assert_int_equal(msg_reader_next(r, &m), 0);
    assert_int_equal(gate.asked, 2);
    assert_int_equal(gate.body, bytes.size / 2 - MSG_STREAM_HEADER_SIZE);
    gate.open = true;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(msg_reader_next(r, &m), 1);
        assert_string_equal(m.topic, "a.b");
        msg_fini(&m);
    }
    assert_int_equal(gate.asked, 4);
    assert_int_equal(msg_reader_next(r, &m), 0);
    msg_reader_free(&r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gate_is_asked_before_each_message_and_again_until_it_opens),
        cmocka_unit_test(portions_of_any_size_give_the_same_messages),
        cmocka_unit_test(payloads_around_the_buffer_size_arrive),
        cmocka_unit_test(large_payload_arrives),
        cmocka_unit_test(large_payload_is_read_in_place),
        cmocka_unit_test(framing_is_that_of_flux),
        cmocka_unit_test(wrong_magic_breaks_the_stream_for_ever),
        cmocka_unit_test(body_length_is_limited),
        cmocka_unit_test(large_payload_must_fill_its_body),
        cmocka_unit_test(oversized_request_arrives_without_its_payload),
        cmocka_unit_test(payload_at_the_limit_arrives),
        cmocka_unit_test(oversized_response_breaks_the_stream),
        cmocka_unit_test(oversized_part_that_is_no_payload_breaks_the_stream),
        cmocka_unit_test(large_body_of_small_parts_is_refused),
        cmocka_unit_test(truncated_stream_only_waits),
        cmocka_unit_test(mutated_streams_break_or_deliver),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
