/* SPDX-License-Identifier: MPL-2.0 */
#include "wiretest.h"

#include <errno.h>

static void
new_message_is_empty(void **state UNUSED)
{
    AUTO(msg) struct msg m;

    msg_init(&m, MSG_REQUEST);
    assert_int_equal(m.nodeid, MSG_NODEID_ANY);
    assert_int_equal(m.userid, MSG_USERID_UNKNOWN);
    assert_int_equal(m.flags, 0);
    assert_string_equal(m.topic, "");
    assert_int_equal(msg_size(&m), 0);
    assert_non_null(msg_data(&m));
    assert_null(msg_text(&m));
    assert_null(msg_top_route(&m));
    msg_init(&m, MSG_EVENT);
    assert_int_equal(m.sequence, 0);
}

static void
topic_is_limited_and_printable(void **state UNUSED)
{
    char topic[MSG_TOPIC_MAX + 2];
    AUTO(msg) struct msg m;

    msg_init(&m, MSG_REQUEST);
    memset(topic, 't', sizeof(topic));
    topic[sizeof(topic) - 1] = '\0';
    assert_int_equal(msg_set_topic(&m, topic), -EMSGSIZE);
    assert_int_equal(msg_set_topic(&m, "a\nb"), -EINVAL);
    assert_int_equal(msg_set_topic(&m, "\xc3\xa9"), -EINVAL);
    assert_int_equal(m.flags, 0);
    assert_int_equal(msg_set_topic(&m, topic + 1), 0);
    assert_int_equal(m.flags, MSG_TOPIC);
    assert_int_equal(m.topic_len, MSG_TOPIC_MAX);
    assert_int_equal(msg_set_topic(&m, ""), 0);
    assert_int_equal(m.flags, 0);
}

static void
empty_payload_is_no_payload(void **state UNUSED)
{
    struct blob *empty = blob_empty();
    struct blob *none = NULL;
    AUTO(msg) struct msg m;

    msg_init(&m, MSG_REQUEST);
    msg_set_text(&m, "x");
    assert_int_equal(m.flags, MSG_PAYLOAD);
    msg_set_payload(&m, &empty);
    assert_null(empty);
    assert_null(m.payload);
    assert_int_equal(m.flags, 0);
    msg_set_text(&m, "x");
    msg_set_payload(&m, &none);
    assert_int_equal(m.flags, 0);
}

static void
text_ends_with_its_only_nul(void **state UNUSED)
{
    static const struct {
        const char *bytes;
        size_t size;
        bool is_text;
    } cases[] = {{"", 1, true}, {"ab", 3, true}, {"ab", 2, false}, {"a\0b", 4, false}};
    AUTO(msg) struct msg m;

    msg_init(&m, MSG_REQUEST);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct blob *b = blob_new(cases[i].bytes, cases[i].size);

        msg_set_payload(&m, &b);
        if (cases[i].is_text)
            assert_string_equal(msg_text(&m), cases[i].bytes);
        else
            assert_null(msg_text(&m));
    }
    msg_set_text(&m, "{}");
    assert_int_equal(msg_size(&m), 3);
    assert_string_equal(msg_text(&m), "{}");
}

static void
routes_are_a_stack(void **state UNUSED)
{
    struct msg_route r;
    AUTO(msg) struct msg m;

    msg_init(&m, MSG_REQUEST);
    for (uint8_t i = 0; i < MSG_ROUTES_MAX; i++)
        assert_int_equal(msg_push_route(&m, &i, 1), 0);
    assert_int_equal(msg_push_route(&m, "x", 1), -EMSGSIZE);
    assert_int_equal(msg_top_route(&m)->id[0], MSG_ROUTES_MAX - 1);
    for (uint8_t i = MSG_ROUTES_MAX; i-- > 0;) {
        assert_true(msg_pop_route(&m, &r));
        assert_int_equal(r.len, 1);
        assert_int_equal(r.id[0], i);
    }
    assert_false(msg_pop_route(&m, NULL));
    assert_int_equal(m.flags, MSG_ROUTE);
}

static void
copies_share_the_payload_and_moves_take_it(void **state UNUSED)
{
    uint64_t seed = 5;
    struct msg a;
    struct msg b;
    struct msg c;

    for (int i = 0; i < 100; i++) {
        draw_msg(&seed, draw_below(&seed, 50), &a);
        msg_copy(&b, &a);
        assert_msg_equal(&a, &b);
        assert_ptr_equal(a.payload, b.payload);
        msg_move(&c, &a);
        assert_msg_equal(&c, &b);
        assert_null(a.payload);
        msg_fini(&a);
        msg_fini(&b);
        msg_fini(&c);
        msg_fini(&c);
    }
}

static void
response_takes_what_leads_back_to_the_requester(void **state UNUSED)
{
    AUTO(msg) struct msg request;
    AUTO(msg) struct msg response;

    msg_init(&request, MSG_REQUEST);
    msg_set_topic(&request, "kvs.lookup");
    msg_set_text(&request, "{}");
    msg_push_route(&request, "client", 6);
    request.matchtag = 77;
    request.flags |= MSG_STREAMING | MSG_UPSTREAM | MSG_NORESPONSE;
    msg_init_response(&response, &request, ENOENT);
    assert_int_equal(response.type, MSG_RESPONSE);
    assert_int_equal(response.flags, MSG_TOPIC | MSG_ROUTE | MSG_STREAMING);
    assert_int_equal(response.errnum, ENOENT);
    assert_int_equal(response.matchtag, 77);
    assert_string_equal(response.topic, "kvs.lookup");
    assert_memory_equal(msg_top_route(&response)->id, "client", 6);
    assert_null(response.payload);
}

/* The delimiter is there also for a request that came without one. */
static void
response_always_has_the_delimiter(void **state UNUSED)
{
    AUTO(buf) struct buf out = BUF_INIT;
    AUTO(msg) struct msg request;
    AUTO(msg) struct msg response;

    msg_init(&request, MSG_REQUEST);
    msg_set_topic(&request, "t");
    msg_init_response(&response, &request, 0);
    msg_encode(&response, true, &out);
    assert_int_equal(out.size, 1 + 2 + 21);
    assert_memory_equal(out.data, "\0\1t\x14\x8e\1\2\x09", 8);
}

/* --- bytes --- */

/* `flux getattr rank`, the request, as seen on the socket behind the 8 bytes of framing. */
static const uint8_t getattr_request[] =
    "\x00\x08"
    "attr.get"
    "\x10{\"name\":\"rank\"}\0"
    "\x14\x8e\x01\x01\x0b\xff\xff\xff\xff\x00\x00\x00\x00\xff\xff\xff\xff\x00\x00\x00\x01";
/* ... and the answer. */
static const uint8_t getattr_response[] =
    "\x00\x08"
    "attr.get"
    "\x18{\"value\":\"0\",\"flags\":1}\0"
    "\x14\x8e\x01\x02\x0b\x00\x00\x00\x00\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00\x01";

static void
request_of_a_flux_command_is_understood(void **state UNUSED)
{
    AUTO(buf) struct buf out = BUF_INIT;
    AUTO(msg) struct msg m;

    assert_int_equal(sizeof(getattr_request) - 1, 0x30);
    assert_int_equal(msg_decode(getattr_request, 0x30, NULL, 1000, &m), 0);
    assert_int_equal(m.type, MSG_REQUEST);
    assert_int_equal(m.flags, MSG_TOPIC | MSG_PAYLOAD | MSG_ROUTE);
    assert_int_equal(m.userid, MSG_USERID_UNKNOWN);
    assert_int_equal(m.rolemask, 0);
    assert_int_equal(m.nodeid, MSG_NODEID_ANY);
    assert_int_equal(m.matchtag, 1);
    assert_int_equal(m.nroutes, 0);
    assert_string_equal(m.topic, "attr.get");
    assert_string_equal(msg_text(&m), "{\"name\":\"rank\"}");
    msg_encode(&m, true, &out);
    assert_int_equal(out.size, 0x30);
    assert_memory_equal(out.data, getattr_request, 0x30);
}

static void
response_is_what_a_flux_command_expects(void **state UNUSED)
{
    AUTO(buf) struct buf out = BUF_INIT;
    AUTO(msg) struct msg request;
    AUTO(msg) struct msg response;

    assert_int_equal(msg_decode(getattr_request, 0x30, NULL, 1000, &request), 0);
    msg_init_response(&response, &request, 0);
    response.userid = 0;
    response.rolemask = MSG_ROLE_OWNER | MSG_ROLE_LOCAL;
    msg_set_text(&response, "{\"value\":\"0\",\"flags\":1}");
    msg_encode(&response, true, &out);
    assert_int_equal(out.size, sizeof(getattr_response) - 1);
    assert_memory_equal(out.data, getattr_response, out.size);
}

static void
route_pushed_last_is_first_on_the_wire(void **state UNUSED)
{
    AUTO(buf) struct buf out = BUF_INIT;
    AUTO(msg) struct msg m;

    msg_init(&m, MSG_EVENT);
    msg_push_route(&m, "first", 5);
    msg_push_route(&m, "last", 4);
    msg_encode(&m, true, &out);
    assert_memory_equal(out.data, "\4last\5first\0\x14", 13);
}

static void
assert_same_after_coding(const struct msg *m)
{
    AUTO(buf) struct buf out = BUF_INIT;
    AUTO(buf) struct buf again = BUF_INIT;
    AUTO(msg) struct msg got;

    msg_encode(m, true, &out);
    assert_true(out.size <= MSG_HEAD_MAX + msg_size(m));
    assert_int_equal(msg_decode(out.data, out.size, NULL, msg_size(m), &got), 0);
    assert_msg_equal(m, &got);
    msg_encode(&got, true, &again);
    assert_int_equal(out.size, again.size);
    assert_memory_equal(out.data, again.data, out.size);
}

static void
packed_messages_decode_to_themselves(void **state UNUSED)
{
    uint64_t seed = 1;

    for (int i = 0; i < 3000; i++) {
        AUTO(msg) struct msg m;

        draw_msg(&seed, draw_size(&seed), &m);
        assert_same_after_coding(&m);
    }
}

static void
large_payload_decodes_to_itself(void **state UNUSED)
{
    uint64_t seed = 2;
    AUTO(msg) struct msg m;

    draw_msg(&seed, 3 * MEBI, &m);
    assert_same_after_coding(&m);
}

static void
split_messages_decode_to_themselves(void **state UNUSED)
{
    uint64_t seed = 3;

    for (int i = 0; i < 3000; i++) {
        AUTO(buf) struct buf out = BUF_INIT;
        AUTO(msg) struct msg m;
        AUTO(msg) struct msg got;
        struct blob *payload;

        draw_msg(&seed, draw_size(&seed), &m);
        payload = blob_ref(m.payload);
        msg_encode(&m, false, &out);
        assert_true(out.size <= MSG_HEAD_MAX);
        assert_int_equal(msg_decode(out.data, out.size, &payload, msg_size(&m), &got), 0);
        assert_null(payload);
        assert_msg_equal(&m, &got);
        assert_ptr_equal(m.payload, got.payload);
    }
}

static void
pieces_around_the_payload_make_the_whole(void **state UNUSED)
{
    uint64_t seed = 4;

    for (int i = 0; i < 1000; i++) {
        AUTO(buf) struct buf whole = BUF_INIT;
        AUTO(buf) struct buf pieces = BUF_INIT;
        AUTO(msg) struct msg m;
        uint8_t before[MSG_HEAD_MAX];
        uint8_t after[MSG_HEADER_SIZE + 1];
        size_t before_size;
        size_t after_size;

        draw_msg(&seed, draw_size(&seed), &m);
        msg_encode(&m, true, &whole);
        msg_encode_around(&m, before, &before_size, after, &after_size);
        buf_add(&pieces, before, before_size);
        buf_add(&pieces, msg_data(&m), msg_size(&m));
        buf_add(&pieces, after, after_size);
        assert_int_equal(whole.size, pieces.size);
        assert_memory_equal(whole.data, pieces.data, whole.size);
    }
}

static void
longest_head_fits(void **state UNUSED)
{
    static const uint8_t id[MSG_ROUTE_ID_MAX];
    char topic[MSG_TOPIC_MAX + 1];
    AUTO(msg) struct msg m;

    msg_init(&m, MSG_REQUEST);
    memset(topic, 't', sizeof(topic) - 1);
    topic[MSG_TOPIC_MAX] = '\0';
    msg_set_topic(&m, topic);
    while (msg_push_route(&m, id, sizeof(id)) == 0)
        ;
    assert_int_equal(m.nroutes, MSG_ROUTES_MAX);
    assert_same_after_coding(&m);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_message_is_empty),
        cmocka_unit_test(topic_is_limited_and_printable),
        cmocka_unit_test(empty_payload_is_no_payload),
        cmocka_unit_test(text_ends_with_its_only_nul),
        cmocka_unit_test(routes_are_a_stack),
        cmocka_unit_test(copies_share_the_payload_and_moves_take_it),
        cmocka_unit_test(response_takes_what_leads_back_to_the_requester),
        cmocka_unit_test(response_always_has_the_delimiter),
        cmocka_unit_test(request_of_a_flux_command_is_understood),
        cmocka_unit_test(response_is_what_a_flux_command_expects),
        cmocka_unit_test(route_pushed_last_is_first_on_the_wire),
        cmocka_unit_test(packed_messages_decode_to_themselves),
        cmocka_unit_test(large_payload_decodes_to_itself),
        cmocka_unit_test(split_messages_decode_to_themselves),
        cmocka_unit_test(pieces_around_the_payload_make_the_whole),
        cmocka_unit_test(longest_head_fits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
