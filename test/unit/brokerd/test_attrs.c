/* SPDX-License-Identifier: MPL-2.0 */
/* test_attrs.c - attr.get, .list, .set, .rm of one rank. */
#include "fakes.h"

#include "attrs.h"

#include <errno.h>

#define CONN 5

static struct station station;
static struct attrs *attrs; // owned

static int
set_up(void **state UNUSED)
{
    station_init(&station, 3);
    attrs = attrs_new(station.router, station.services);
    attrs_set(attrs, "rank", "3");
    attrs_set(attrs, "size", "7");
    attrs_set(attrs, "odd", "a \"b\"\\ \303\274");
    return 0;
}

static int
tear_down(void **state UNUSED)
{
    attrs_free(&attrs);
    assert_null(attrs);
    attrs_free(&attrs); // nothing
    station_fini(&station);
    return 0;
}

/* Ask, and be answered at once. */
static void
check(const char *topic, const char *payload, int errnum, const char *answer)
{
    static uint32_t tag;
    struct msg m = make_request(topic, MSG_NODEID_ANY, ++tag, payload);

    router_from_conn(station.router, CONN, &m, &(struct credit_charge){0});
    msg_fini(&m);
    station_take_response(&station, TO_CONN, CONN, tag, errnum, answer);
}

static void
test_get(void **state UNUSED)
{
    check("attr.get", "{\"name\":\"rank\"}", 0, "{\"value\":\"3\",\"flags\":1}");
    check("attr.get", "{\"name\":\"size\",\"more\":1}", 0, "{\"value\":\"7\",\"flags\":1}");
    check("attr.get", "{\"name\":\"odd\"}", 0,
          "{\"value\":\"a \\\"b\\\"\\\\ \303\274\",\"flags\":1}");
}

static void
test_get_of_what_is_not_there(void **state UNUSED)
{
    check("attr.get", "{\"name\":\"ran\"}", ENOENT, "unknown attribute");
    check("attr.get", "{\"name\":\"\"}", ENOENT, "unknown attribute");
    check("attr.get", "{\"name\":\"Rank\"}", ENOENT, "unknown attribute");
}

static void
test_list(void **state UNUSED)
{
    check("attr.list", "{}", 0, "{\"names\":[\"rank\",\"size\",\"odd\"]}");
    check("attr.list", NULL, 0, "{\"names\":[\"rank\",\"size\",\"odd\"]}");
    attrs_set(attrs, "late", "");
    check("attr.list", "{}", 0, "{\"names\":[\"rank\",\"size\",\"odd\",\"late\"]}");
    check("attr.get", "{\"name\":\"late\"}", 0, "{\"value\":\"\",\"flags\":1}");
}

static void
test_nothing_can_be_changed(void **state UNUSED)
{
    check("attr.set", "{\"name\":\"rank\",\"value\":\"4\"}", EINVAL,
          "attribute may not be updated");
    check("attr.set", "{\"name\":\"rank\",\"value\":\"4\",\"force\":true}", EINVAL,
          "attribute may not be updated");
    check("attr.set", "{\"name\":\"new\",\"value\":\"4\"}", ENOENT, "unknown attribute");
    check("attr.rm", "{\"name\":\"rank\"}", EINVAL, "attribute may not be updated");
    check("attr.rm", "{\"name\":\"new\"}", ENOENT, "unknown attribute");
    check("attr.get", "{\"name\":\"rank\"}", 0, "{\"value\":\"3\",\"flags\":1}");
}

static void
test_malformed_payloads(void **state UNUSED)
{
    static const char *const topics[] = {"attr.get", "attr.set", "attr.rm"};
    static const char *const payloads[] = {
        NULL, "", "{", "[]", "1", "{}", "{\"name\":1}", "{\"name\":null}"};

    for (size_t t = 0; t < ARRAY_SIZE(topics); t++) {
        char want[64];

        snprintf(want, sizeof(want), "%s: no name", topics[t]);
        for (size_t p = 0; p < ARRAY_SIZE(payloads); p++)
            check(topics[t], payloads[p], EPROTO, want);
    }
}

static void
test_as_many_as_there_is_room_for(void **state UNUSED)
{
    char name[16];

    for (int i = 3; i < 32; i++) {
        snprintf(name, sizeof(name), "n%d", i);
        attrs_set(attrs, name, name);
    }
    check("attr.get", "{\"name\":\"n31\"}", 0, "{\"value\":\"n31\",\"flags\":1}");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_get, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_get_of_what_is_not_there, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_list, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nothing_can_be_changed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_malformed_payloads, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_as_many_as_there_is_room_for, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
