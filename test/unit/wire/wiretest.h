/* SPDX-License-Identifier: MPL-2.0 */
/* wiretest.h - what the tests of this folder share: random messages from a fixed seed, and
 * comparison of whole messages. */
#ifndef XYLEM_WIRETEST_H
#define XYLEM_WIRETEST_H

#include "cmocka_all.h"

#include "draw.h"
#include "msg.h"

#define MEBI ((size_t)1024 * 1024)

static inline struct blob *
draw_blob(uint64_t *seed, size_t size)
{
    uint8_t *bytes;
    struct blob *b = blob_alloc(size, &bytes);

    assert_non_null(b);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(*seed + i * 167);
    draw(seed);
    return b;
}

static inline void
draw_routes(uint64_t *seed, struct msg *m)
{
    uint8_t id[MSG_ROUTE_ID_MAX];

    for (size_t n = draw_below(seed, MSG_ROUTES_MAX + 1); n > 0; n--) {
        size_t len = 1 + draw_below(seed, MSG_ROUTE_ID_MAX);

        for (size_t i = 0; i < len; i++)
            id[i] = (uint8_t)draw(seed);
        assert_int_equal(msg_push_route(m, id, len), 0);
    }
}

static inline void
draw_topic(uint64_t *seed, struct msg *m)
{
    char topic[MSG_TOPIC_MAX + 1];
    size_t len = 1 + draw_below(seed, draw_below(seed, 8) ? 20 : MSG_TOPIC_MAX);

    for (size_t i = 0; i < len; i++)
        topic[i] = (char)('!' + draw_below(seed, 94));
    topic[len] = '\0';
    assert_int_equal(msg_set_topic(m, topic), 0);
}

/* A valid message of any type with a payload of that size. */
static inline void
draw_msg(uint64_t *seed, size_t payload_size, struct msg *m)
{
    static const enum msg_type types[] = {MSG_REQUEST, MSG_RESPONSE, MSG_EVENT, MSG_CONTROL};
    struct blob *payload = draw_blob(seed, payload_size);

    msg_init(m, types[draw_below(seed, ARRAY_SIZE(types))]);
    m->flags = (uint8_t)draw(seed) & (MSG_NORESPONSE | MSG_ROUTE | MSG_UPSTREAM | MSG_STREAMING);
    m->userid = (uint32_t)draw(seed);
    m->rolemask = (uint32_t)draw(seed);
    m->aux1 = (uint32_t)draw(seed) & INT32_MAX;
    m->aux2 = (uint32_t)draw(seed);
    if (draw_below(seed, 2))
        draw_routes(seed, m);
    if (m->type == MSG_REQUEST || m->type == MSG_RESPONSE || draw_below(seed, 2))
        draw_topic(seed, m);
    msg_set_payload(m, &payload);
}

/* 0, 1, the borders of the short form and of the buffers, and what lies between. */
static inline size_t
draw_size(uint64_t *seed)
{
    static const size_t sizes[] = {0,     1,     20,    254,   255,   256,   512,
                                   513,   1024,  1025,  8192,  8193,  16384, 16385,
                                   65000, 65472, 65528, 65536, 65537, 200000};

    return draw_below(seed, 2) ? sizes[draw_below(seed, ARRAY_SIZE(sizes))]
                               : draw_below(seed, 2000);
}

static inline void
assert_msg_equal(const struct msg *a, const struct msg *b)
{
    assert_int_equal(a->type, b->type);
    assert_int_equal(a->flags, b->flags);
    assert_int_equal(a->oversized, b->oversized);
    assert_int_equal(a->userid, b->userid);
    assert_int_equal(a->rolemask, b->rolemask);
    assert_int_equal(a->aux1, b->aux1);
    assert_int_equal(a->aux2, b->aux2);
    assert_int_equal(a->topic_len, b->topic_len);
    assert_string_equal(a->topic, b->topic);
    assert_int_equal(a->nroutes, b->nroutes);
    for (size_t i = 0; i < a->nroutes; i++) {
        assert_int_equal(a->routes[i].len, b->routes[i].len);
        assert_memory_equal(a->routes[i].id, b->routes[i].id, a->routes[i].len);
    }
    assert_int_equal(a->payload == NULL, b->payload == NULL);
    assert_int_equal(msg_size(a), msg_size(b));
    assert_memory_equal(msg_data(a), msg_data(b), msg_size(a));
}

#endif
