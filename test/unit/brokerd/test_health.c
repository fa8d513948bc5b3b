/* SPDX-License-Identifier: MPL-2.0 */
/* test_health.c - what rank 1 of a binary tree of seven says of itself and its children, 3 and 4. */
#include "fakes.h"

#include "clock.h"
#include "health.h"
#include "xmem.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define CONN 5
#define NOW 100000 // ms

static struct station station;
static struct health *health; // owned

static int
set_up(void **state UNUSED)
{
    station_init(&station, 1);
    station.overlay.now = NOW;
    station.overlay.age = 1500;
    station.overlay.status = SUBTREE_FULL;
    station.overlay.hostname = "node";
    station.overlay.parent = (struct peer){.state = PEER_ONLINE, .since = NOW - 5000};
    for (size_t i = 0; i < MAX_CHILDREN; i++) {
        station.overlay.children[i].state = PEER_ONLINE;
        station.overlay.children[i].status = SUBTREE_FULL;
        station.overlay.children[i].since = NOW - 2000;
    }
    health = health_new(1, &station.overlay.topo, station.router, station.services);
    health_attach(health, &station.overlay);
    return 0;
}

static int
tear_down(void **state UNUSED)
{
    health_free(&health);
    assert_null(health);
    health_free(&health); // nothing
    station_fini(&station);
    return 0;
}

static void
ask_from(uint64_t conn, const char *topic, const char *payload, uint32_t tag)
{
    struct msg m = make_request(topic, MSG_NODEID_ANY, tag, payload);

    m.userid = 77;
    m.rolemask = MSG_ROLE_OWNER | MSG_ROLE_LOCAL;
    router_from_conn(station.router, conn, &m, &(struct credit_charge){0});
    msg_fini(&m);
}

/* Ask, and be answered at once. */
static void
check(const char *topic, const char *payload, int errnum, const char *answer)
{
    static uint32_t tag;

    ask_from(CONN, topic, payload, ++tag);
    station_take_response(&station, TO_CONN, CONN, tag, errnum, answer);
}

/* The text of an answer without what differs from run to run, which is looked at. */
static char *
strip_health(const char *text)
{
    json_t *json = json_loads(text, 0, NULL);
    char here[256] = "";
    char *ret;

    gethostname(here, sizeof(here) - 1);
    assert_string_equal(json_string_value(json_object_get(json, "hostname")), here);
    json_object_del(json, "hostname");
    if (json_object_get(json, "parent")) {
        double since = json_real_value(json_object_get(json, "parent_since"));

        assert_true(since > clock_wall() - 60 && since < clock_wall() - 3);
        json_object_del(json, "parent_since");
    }
    ret = json_dumps(json, JSON_COMPACT);
    json_decref(json);
    return ret;
}

static void
take_health(uint64_t conn, uint32_t tag, const char *want)
{
    AUTO(msg) struct msg m = station_take(&station, TO_CONN, conn);
    AUTO(free) char *got = NULL;

    assert_int_equal(m.matchtag, tag);
    assert_int_equal(m.errnum, 0);
    got = strip_health(msg_text(&m));
    assert_string_equal(got, want);
}

static void
check_health(const char *topic, const char *payload, const char *want)
{
    static uint32_t tag = 1000;

    ask_from(CONN, topic, payload, ++tag);
    take_health(CONN, tag, want);
}

#define CHILD(rank, status, state) \
    "{\"rank\":" rank ",\"status\":\"" status "\",\"duration\":2.0,\"adopted\":false," \
    "\"torpid\":false,\"hostname\":\"node\",\"state\":\"" state "\"}"
#define PARENT "\"parent\":0,\"parent_state\":\"online\",\"parent_torpid\":false}"
#define FULL \
    "{\"rank\":1,\"status\":\"full\",\"duration\":1.5,\"children\":[" CHILD( \
        "3", "full", "online") "," CHILD("4", "full", "online") "]," PARENT

/* --- overlay.health --- */

static void
test_health(void **state UNUSED)
{
    check_health("overlay.health", NULL, FULL);
    check_health("overlay.health", "{\"any\":\"thing\"}", FULL);
}

static void
test_each_status_of_a_child(void **state UNUSED)
{
    static const struct {
        enum peer_state state;
        enum subtree_status status;
        const char *name;
        const char *more; // behind the hostname
    } rows[] = {
        {PEER_ONLINE, SUBTREE_FULL, "full", "\"state\":\"online\""},
        {PEER_ONLINE, SUBTREE_PARTIAL, "partial", "\"state\":\"online\""},
        {PEER_ONLINE, SUBTREE_DEGRADED, "degraded", "\"state\":\"online\""},
        {PEER_LOST, SUBTREE_FULL, "lost", "\"state\":\"lost\",\"error\":\"lost contact\""},
        {PEER_OFFLINE, SUBTREE_FULL, "offline", "\"state\":\"offline\""},
        {PEER_GREETING, SUBTREE_FULL, "offline", "\"state\":\"greeting\""},
    };

    station.overlay.status = SUBTREE_DEGRADED;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char want[512];

        station.overlay.children[1].state = rows[i].state;
        station.overlay.children[1].status = rows[i].status;
        snprintf(want, sizeof(want),
                 "{\"rank\":1,\"status\":\"degraded\",\"duration\":1.5,\"children\":[" CHILD(
                     "3", "full", "online") ",{\"rank\":4,\"status\":\"%s\",\"duration\":2.0,"
                                            "\"adopted\":false,\"torpid\":false,"
                                            "\"hostname\":\"node\",%s}]," PARENT,
                 rows[i].name, rows[i].more);
        check_health("overlay.health", NULL, want);
    }
}

static void
test_slow_neighbours(void **state UNUSED)
{
    station.overlay.children[0].is_torpid = true;
    station.overlay.children[1].state = PEER_LOST;
    station.overlay.parent.is_torpid = true;
    check_health("overlay.health", NULL,
                 "{\"rank\":1,\"status\":\"full\",\"duration\":1.5,\"children\":["
                 "{\"rank\":3,\"status\":\"full\",\"duration\":2.0,\"adopted\":false,"
                 "\"torpid\":true,\"hostname\":\"node\",\"state\":\"online\"},"
                 "{\"rank\":4,\"status\":\"lost\",\"duration\":2.0,\"adopted\":false,"
                 "\"torpid\":false,\"hostname\":\"node\",\"state\":\"lost\","
                 "\"error\":\"lost contact\"}],"
                 "\"parent\":0,\"parent_state\":\"online\",\"parent_torpid\":true}");
}

static void
test_an_adopted_child(void **state UNUSED)
{
    station.overlay.children[1].rank = 6;
    check_health("overlay.health", NULL,
                 "{\"rank\":1,\"status\":\"full\",\"duration\":1.5,\"children\":[" CHILD(
                     "3", "full", "online") ",{\"rank\":6,\"status\":\"full\",\"duration\":2.0,"
                                            "\"adopted\":true,\"torpid\":false,"
                                            "\"hostname\":\"node\",\"state\":\"online\"}]," PARENT);
}

static void
test_a_name_that_is_no_text(void **state UNUSED)
{
    AUTO(free) char *want = xstrdup(FULL);
    char *name;

    station.overlay.hostname = "\xff";
    while ((name = strstr(want, "node")))
        memmove(name, name + 4, strlen(name + 4) + 1);
    check_health("overlay.health", NULL, want);
}

/* --- overlay.wait --- */

static void
test_wait_for_what_is(void **state UNUSED)
{
    check_health("overlay.wait", "{\"status\":\"full\"}", FULL);
}

static void
change_status(enum subtree_status status)
{
    station.overlay.status = status;
    health_status_changed(health, status);
}

static void
test_wait_for_what_comes(void **state UNUSED)
{
    station.overlay.status = SUBTREE_PARTIAL;
    ask_from(CONN, "overlay.wait", "{\"status\":\"full\"}", 1);
    ask_from(CONN, "overlay.wait", "{\"status\":\"lost\"}", 2);
    ask_from(CONN + 1, "overlay.wait", "{\"status\":\"full\"}", 3);
    station_assert_quiet(&station);
    change_status(SUBTREE_DEGRADED);
    station_assert_quiet(&station);
    change_status(SUBTREE_FULL);
    take_health(CONN, 1, FULL);
    take_health(CONN + 1, 3, FULL);
    change_status(SUBTREE_PARTIAL);
    change_status(SUBTREE_FULL); // once only
    station_assert_quiet(&station);
}

static void
test_who_leaves_is_not_answered(void **state UNUSED)
{
    station.overlay.status = SUBTREE_PARTIAL;
    ask_from(CONN, "overlay.wait", "{\"status\":\"full\"}", 1);
    ask_from(CONN + 1, "overlay.wait", "{\"status\":\"full\"}", 2);
    health_forget(health, &(struct origin){.kind = ORIGIN_CONN, .conn = CONN});
    change_status(SUBTREE_FULL);
    take_health(CONN + 1, 2, FULL);
}

static void
test_who_waits_at_the_end(void **state UNUSED)
{
    ask_from(CONN, "overlay.wait", "{\"status\":\"lost\"}", 1); // given up by tear_down()
    station_assert_quiet(&station);
}

static void
test_no_status(void **state UNUSED)
{
    static const char text[] = "overlay.wait: no such status";

    check("overlay.wait", NULL, EPROTO, text);
    check("overlay.wait", "{}", EPROTO, text);
    check("overlay.wait", "{\"status\":1}", EPROTO, text);
    check("overlay.wait", "{\"status\":\"Full\"}", EINVAL, text);
}

/* --- overlay.topology --- */

static void
test_topology(void **state UNUSED)
{
    check("overlay.topology", "{\"rank\":5}", 0, "{\"rank\":5,\"size\":1,\"children\":[]}");
    check("overlay.topology", "{\"rank\":0}", 0,
          "{\"rank\":0,\"size\":7,\"children\":["
          "{\"rank\":1,\"size\":3,\"children\":[{\"rank\":3,\"size\":1,\"children\":[]},"
          "{\"rank\":4,\"size\":1,\"children\":[]}]},"
          "{\"rank\":2,\"size\":3,\"children\":[{\"rank\":5,\"size\":1,\"children\":[]},"
          "{\"rank\":6,\"size\":1,\"children\":[]}]}]}");
}

static void
test_topology_of_no_rank(void **state UNUSED)
{
    check("overlay.topology", "{\"rank\":7}", ENOENT, "there is no such rank");
    check("overlay.topology", "{\"rank\":-1}", ENOENT, "there is no such rank");
    check("overlay.topology", "{\"rank\":4294967296}", ENOENT, "there is no such rank");
    check("overlay.topology", "{\"rank\":\"1\"}", EPROTO, "overlay.topology: no rank");
    check("overlay.topology", NULL, EPROTO, "overlay.topology: no rank");
}

/* --- ping --- */

static void
test_ping(void **state UNUSED)
{
    static const char *const topics[] = {"broker.ping", "content.ping", "content-sqlite.ping",
                                         "kvs.ping", "kvs-watch.ping"};

    for (size_t i = 0; i < ARRAY_SIZE(topics); i++)
        check(topics[i], "{\"seq\":1,\"time.tv_sec\":2,\"pad\":\"x\"}", 0,
              "{\"seq\":1,\"time.tv_sec\":2,\"pad\":\"x\",\"route\":\"rank-1\",\"userid\":77,"
              "\"rolemask\":5,\"rank\":1}");
    check("broker.ping", "{\"rank\":9}", 0,
          "{\"rank\":1,\"route\":\"rank-1\",\"userid\":77,\"rolemask\":5}");
    check("broker.ping", "[]", EPROTO, "ping: payload is not an object");
    check("broker.ping", NULL, EPROTO, "ping: payload is not an object");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_health, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_each_status_of_a_child, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_slow_neighbours, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_an_adopted_child, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_name_that_is_no_text, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_wait_for_what_is, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_wait_for_what_comes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_who_leaves_is_not_answered, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_who_waits_at_the_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_status, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_topology, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_topology_of_no_rank, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_ping, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
