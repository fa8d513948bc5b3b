/* SPDX-License-Identifier: MPL-2.0 */
#include "cmocka_all.h"

#include "service.h"

#include <stdio.h>
#include <string.h>

static char called[64]; // handler and its argument

static void
handle_a(void *arg, struct request *req)
{
    snprintf(called, sizeof(called), "a %s %.20s", (const char *)arg, req->msg.topic);
}

static void
handle_b(void *arg, struct request *req)
{
    snprintf(called, sizeof(called), "b %s %.20s", (const char *)arg, req->msg.topic);
}

static bool
call(const struct service_table *t, const char *topic)
{
    struct request req;
    bool served;

    called[0] = '\0';
    msg_init(&req.msg, MSG_REQUEST);
    assert_int_equal(msg_set_topic(&req.msg, topic), 0);
    served = service_table_call(t, &req);
    msg_fini(&req.msg);
    return served;
}

static void
assert_served(const struct service_table *t, const char *topic, const char *by)
{
    assert_true(call(t, topic));
    assert_string_equal(called, by);
}

static const struct service first[] = {
    {"kvs.put", handle_a},
    {"content.put.", handle_b},
    {"content.load", handle_a},
};
static const struct service second[] = {{"content.flush", handle_b}, {"attr.get", handle_a}};

static struct service_table *
make_table(void)
{
    static char one[] = "one";
    static char two[] = "two";
    struct service_table *t = service_table_new();

    service_table_add(t, first, ARRAY_SIZE(first), one);
    service_table_add(t, second, ARRAY_SIZE(second), two);
    return t;
}

static void
each_topic_finds_its_handler_and_argument(void **state UNUSED)
{
    struct service_table *t = make_table();

    assert_served(t, "kvs.put", "a one kvs.put");
    assert_served(t, "content.load", "a one content.load");
    assert_served(t, "content.flush", "b two content.flush");
    assert_served(t, "attr.get", "a two attr.get");
    service_table_free(&t);
    assert_null(t);
}

static void
prefix_serves_what_begins_with_it(void **state UNUSED)
{
    struct service_table *t = make_table();

    assert_served(t, "content.put.0aff", "b one content.put.0aff");
    assert_served(t, "content.put.", "b one content.put.");
    assert_served(t, "content.put.~", "b one content.put.~");
    assert_false(call(t, "content.put"));
    service_table_free(&t);
}

static void
topic_must_match_to_its_end(void **state UNUSED)
{
    static const char *const topics[] = {"kvs.pu", "kvs.put2", "kvs.put.x",   "kvs",    "a",
                                         "zzz",    "content.", "content.loa", "kvs.pus"};
    struct service_table *t = make_table();

    for (size_t i = 0; i < ARRAY_SIZE(topics); i++)
        assert_false(call(t, topics[i]));
    assert_string_equal(called, "");
    service_table_free(&t);
}

static void
empty_table_serves_nothing(void **state UNUSED)
{
    struct service_table *t = service_table_new();

    assert_false(call(t, "kvs.put"));
    service_table_free(&t);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_topic_finds_its_handler_and_argument),
        cmocka_unit_test(prefix_serves_what_begins_with_it),
        cmocka_unit_test(topic_must_match_to_its_end),
        cmocka_unit_test(empty_table_serves_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
