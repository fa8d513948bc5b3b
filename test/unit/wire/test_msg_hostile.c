/* SPDX-License-Identifier: MPL-2.0 */
/* Bytes nobody of ours would send. */
#include "wiretest.h"

#include <errno.h>

#define HEADER "\x14\x8e\x01\x01"
#define HEADER_REST "\xff\xff\xff\xff\x00\x00\x00\x00\xff\xff\xff\xff\x00\x00\x00\x01"

/* One byte string with its length, which may contain NULs. */
#define BYTES(s) (s), sizeof(s) - 1

static int
decode(const void *bytes, size_t size)
{
    /* A copy of exactly that size, so that ASan sees every byte read beyond it. */
    AUTO(blob) struct blob *copy = blob_new(bytes, size);
    struct msg m;
    int rc = msg_decode(blob_data(copy), size, NULL, 100, &m);

    if (rc == 0)
        msg_fini(&m);
    return rc;
}

static void
plain_message_is_fine(void **state UNUSED)
{
    assert_int_equal(decode(BYTES("\1t" HEADER "\x01" HEADER_REST)), 0);
}

static void
header_must_be_right(void **state UNUSED)
{
    assert_int_equal(decode(BYTES("")), -EPROTO);
    assert_int_equal(decode(BYTES("\1t\x13\x8e\1\1\1" HEADER_REST)), -EPROTO);
    assert_int_equal(decode(BYTES("\1t\x14\x8f\1\1\1" HEADER_REST)), -EPROTO);
    assert_int_equal(decode(BYTES("\1t\x14\x8e\2\1\1" HEADER_REST)), -EPROTO);
}

static void
type_must_be_one_of_four(void **state UNUSED)
{
    uint8_t bytes[] = "\1t" HEADER "\x01" HEADER_REST;

    for (unsigned type = 0; type < 256; type++) {
        bool known = type == 1 || type == 4 || type == 8; // 2: ffffffff is no errno

        bytes[5] = (uint8_t)type;
        assert_int_equal(decode(bytes, sizeof(bytes) - 1), known ? 0 : -EPROTO);
    }
}

static void
flags_must_match_the_parts(void **state UNUSED)
{
    assert_int_equal(decode(BYTES("\1t" HEADER "\x00" HEADER_REST)), -EPROTO);
    assert_int_equal(decode(BYTES("\1t" HEADER "\x03" HEADER_REST)), -EPROTO);
    assert_int_equal(decode(BYTES("\1t" HEADER "\x09" HEADER_REST)), -EPROTO);
    assert_int_equal(decode(BYTES("\1t\1p" HEADER "\x01" HEADER_REST)), -EPROTO);
    assert_int_equal(decode(BYTES("\0\1t" HEADER "\x01" HEADER_REST)), -EPROTO);
    assert_int_equal(decode(BYTES("\1t\1p\1x" HEADER "\x03" HEADER_REST)), -EPROTO);
    assert_int_equal(decode(BYTES("\1t" HEADER "\x01" HEADER_REST "x")), -EPROTO);
}

static void
only_events_and_control_may_lack_a_topic(void **state UNUSED)
{
    assert_int_equal(decode(BYTES("\x14\x8e\1\1\0" HEADER_REST)), -EPROTO);
    assert_int_equal(decode(BYTES("\x14\x8e\1\2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0")), -EPROTO);
    assert_int_equal(decode(BYTES("\x14\x8e\1\4\0" HEADER_REST)), 0);
    assert_int_equal(decode(BYTES("\x14\x8e\1\x08\0" HEADER_REST)), 0);
}

static void
topic_must_be_printable(void **state UNUSED)
{
    assert_int_equal(decode(BYTES("\0" HEADER "\x01" HEADER_REST)), -EPROTO);
    assert_int_equal(decode(BYTES("\2t\0" HEADER "\x01" HEADER_REST)), -EPROTO);
    assert_int_equal(decode(BYTES("\2t\n" HEADER "\x01" HEADER_REST)), -EPROTO);
    assert_int_equal(decode(BYTES("\2t\xff" HEADER "\x01" HEADER_REST)), -EPROTO);
}

static void
errnum_must_be_an_int(void **state UNUSED)
{
#define RESPONSE(errnum) "\1t\x14\x8e\1\2\1\0\0\0\0\0\0\0\0" errnum "\0\0\0\1"
    assert_int_equal(decode(BYTES(RESPONSE("\x7f\xff\xff\xff"))), 0);
    assert_int_equal(decode(BYTES(RESPONSE("\x80\x00\x00\x00"))), -EPROTO);
}

static void
long_form_of_a_short_size_is_refused(void **state UNUSED)
{
    assert_int_equal(decode(BYTES("\xff\0\0\0\1t" HEADER "\x01" HEADER_REST)), -EPROTO);
}

static void
size_beyond_the_end_is_refused(void **state UNUSED)
{
    assert_int_equal(decode(BYTES("\1t\xff\xff\xff\xff\xff" HEADER "\x03" HEADER_REST)), -EPROTO);
    assert_int_equal(decode(BYTES("\1t\xff\xff\xff" HEADER "\x03" HEADER_REST)), -EPROTO);
    assert_int_equal(decode(BYTES("\x02t" HEADER "\x01" HEADER_REST)), -EPROTO);
}

static void
empty_payload_part_is_dropped(void **state UNUSED)
{
    static const uint8_t bytes[] = "\1t\0" HEADER "\x03" HEADER_REST;
    AUTO(msg) struct msg m;

    assert_int_equal(msg_decode(bytes, sizeof(bytes) - 1, NULL, 100, &m), 0);
    assert_int_equal(m.flags, MSG_TOPIC);
    assert_null(m.payload);
}

static void
payload_above_the_limit_is_refused(void **state UNUSED)
{
    AUTO(buf) struct buf out = BUF_INIT;
    uint64_t seed = 1;
    AUTO(msg) struct msg m;
    struct msg got;
    struct blob *payload;

    draw_msg(&seed, 1000, &m);
    msg_encode(&m, true, &out);
    assert_int_equal(msg_decode(out.data, out.size, NULL, 999, &got), -EMSGSIZE);
    buf_reset(&out);
    msg_encode(&m, false, &out);
    payload = blob_ref(m.payload);
    assert_int_equal(msg_decode(out.data, out.size, &payload, 999, &got), -EMSGSIZE);
    assert_null(payload);
}

static void
payload_apart_needs_its_flag(void **state UNUSED)
{
    static const uint8_t flag[] = "\1t" HEADER "\x03" HEADER_REST;
    static const uint8_t no_flag[] = "\1t" HEADER "\x01" HEADER_REST;
    static const uint8_t twice[] = "\1t\1p" HEADER "\x03" HEADER_REST;
    struct blob *payload = blob_new("p", 1);
    struct msg m;

    assert_int_equal(msg_decode(no_flag, sizeof(no_flag) - 1, &payload, 100, &m), -EPROTO);
    payload = blob_new("p", 1);
    assert_int_equal(msg_decode(twice, sizeof(twice) - 1, &payload, 100, &m), -EPROTO);
    payload = blob_new("p", 1);
    assert_int_equal(msg_decode(flag, sizeof(flag) - 1, &payload, 100, &m), 0);
    assert_int_equal(msg_size(&m), 1);
    msg_fini(&m);
    payload = blob_empty();
    assert_int_equal(msg_decode(flag, sizeof(flag) - 1, &payload, 100, &m), 0);
    assert_int_equal(m.flags, MSG_TOPIC);
}

/* `count` identities of `len` bytes. */
static int
decode_routes(size_t count, size_t len)
{
    AUTO(buf) struct buf b = BUF_INIT;

    for (size_t i = 0; i < count; i++) {
        buf_add_char(&b, (char)len);
        for (size_t k = 0; k < len; k++)
            buf_add_char(&b, 'i');
    }
    buf_add(&b, BYTES("\0\1t" HEADER "\x09" HEADER_REST));
    return decode(b.data, b.size);
}

static void
routes_are_limited_in_number_and_length(void **state UNUSED)
{
    assert_int_equal(decode_routes(0, 1), 0);
    assert_int_equal(decode_routes(MSG_ROUTES_MAX, MSG_ROUTE_ID_MAX), 0);
    assert_int_equal(decode_routes(MSG_ROUTES_MAX + 1, 1), -EPROTO);
    assert_int_equal(decode_routes(1, MSG_ROUTE_ID_MAX + 1), -EPROTO);
}

static void
every_truncation_is_an_error(void **state UNUSED)
{
    uint64_t seed = 9;

    for (int i = 0; i < 200; i++) {
        AUTO(buf) struct buf out = BUF_INIT;
        AUTO(msg) struct msg m;

        draw_msg(&seed, draw_below(&seed, 100), &m);
        msg_encode(&m, true, &out);
        for (size_t size = 0; size < out.size; size++)
            assert_true(decode(out.data, size) < 0);
        assert_int_equal(decode(out.data, out.size), 0);
    }
}

static void
mutate(uint64_t *seed, struct buf *b)
{
    for (size_t n = 1 + draw_below(seed, 4); n > 0; n--) {
        size_t at = draw_below(seed, b->size);

        switch (draw_below(seed, 4)) {
        case 0:
            b->data[at] = (char)draw(seed);
            break;
        case 1:
            b->data[at] = (char)(b->data[at] ^ 1 << draw_below(seed, 8));
            break;
        case 2:
            b->data[at] = (char)0xff;
            break;
        case 3:
            memmove(b->data + at, b->data + at + 1, b->size - at - 1);
            break;
        }
    }
}

/* What still decodes must be a message: its encoding decodes to the same again. */
static void
mutated_messages_are_refused_or_are_messages(void **state UNUSED)
{
    uint64_t seed = 10;
    int accepted = 0;

    for (int i = 0; i < 200000; i++) {
        AUTO(buf) struct buf out = BUF_INIT;
        AUTO(buf) struct buf again = BUF_INIT;
        AUTO(msg) struct msg m;
        AUTO(msg) struct msg got;

        draw_msg(&seed, draw_below(&seed, 20), &m);
        msg_encode(&m, true, &out);
        mutate(&seed, &out);
        msg_fini(&m);
        msg_init(&got, MSG_EVENT);
        if (msg_decode(out.data, out.size, NULL, 300, &m) < 0) {
            msg_init(&m, MSG_EVENT);
            continue;
        }
        accepted++;
        msg_encode(&m, true, &again);
        assert_int_equal(msg_decode(again.data, again.size, NULL, 300, &got), 0);
        assert_msg_equal(&m, &got);
    }
    assert_true(accepted > 1000 && accepted < 199000);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_message_is_fine),
        cmocka_unit_test(header_must_be_right),
        cmocka_unit_test(type_must_be_one_of_four),
        cmocka_unit_test(flags_must_match_the_parts),
        cmocka_unit_test(only_events_and_control_may_lack_a_topic),
        cmocka_unit_test(topic_must_be_printable),
        cmocka_unit_test(errnum_must_be_an_int),
        cmocka_unit_test(long_form_of_a_short_size_is_refused),
        cmocka_unit_test(size_beyond_the_end_is_refused),
        cmocka_unit_test(empty_payload_part_is_dropped),
        cmocka_unit_test(payload_above_the_limit_is_refused),
        cmocka_unit_test(payload_apart_needs_its_flag),
        cmocka_unit_test(routes_are_limited_in_number_and_length),
        cmocka_unit_test(every_truncation_is_an_error),
        cmocka_unit_test(mutated_messages_are_refused_or_are_messages),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
