/* SPDX-License-Identifier: MPL-2.0 */
/* test_boot.c - endpoints: which are taken, and how a wrong one is named. */
#include "cmocka_all.h"

#include "boot.h"

#define BOTH -1

static const struct {
    const char *uri;
    int use; // enum boot_use that takes it, or BOTH
} good[] = {
    {"ipc:///tmp/x", BOTH},
    {"tcp://127.0.0.1:1", BOTH},
    {"tcp://127.1.2.3:65535", BOTH},
    {"tcp://localhost:7000", BOTH},
    {"tcp://[::1]:7000", BOTH},
    {"tcp://127.0.0.1:0", BOOT_LISTEN},
    {"tcp://127.0.0.1:*", BOOT_LISTEN},
};

static void
good_endpoints_are_taken(void **state UNUSED)
{
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        for (int use = BOOT_LISTEN; use <= BOOT_CONNECT; use++) {
            bool taken = good[i].use == BOTH || good[i].use == use;

            assert_int_equal(boot_check(good[i].uri, (enum boot_use)use, NULL),
                             taken ? 0 : -EINVAL);
        }
    }
}

static void
wrong_ports_are_refused(void **state UNUSED)
{
    static const char *const wrong[] = {
        "tcp://127.0.0.1:99999", "tcp://127.0.0.1:65536", "tcp://127.0.0.1:-1",
        "tcp://127.0.0.1:",      "tcp://127.0.0.1:7x",    "tcp://127.0.0.1:**",
        "tcp://[::1]:70000",     "tcp://127.0.0.1: 7000", "tcp://127.0.0.1:99999999999999999999",
    };
    struct err err;

    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        assert_int_equal(boot_check(wrong[i], BOOT_LISTEN, &err), -EINVAL);
        assert_non_null(strstr(err.text, wrong[i]));
        assert_non_null(strstr(err.text, "0 to 65535, or *"));
        assert_int_equal(boot_check(wrong[i], BOOT_CONNECT, &err), -EINVAL);
        assert_non_null(strstr(err.text, "1 to 65535"));
    }
}

static void
other_addresses_are_refused(void **state UNUSED)
{
    assert_int_equal(boot_check("tcp://10.0.0.1:7000", BOOT_LISTEN, NULL), -EPERM);
    assert_int_equal(boot_check("tcp://*:7000", BOOT_LISTEN, NULL), -EPERM);
    assert_int_equal(boot_check("tcp://127.0.0.1", BOOT_LISTEN, NULL), -EPERM);
    assert_int_equal(boot_check("inproc://x", BOOT_LISTEN, NULL), -EINVAL);
    assert_int_equal(boot_check("", BOOT_CONNECT, NULL), -EINVAL);
}

static void
the_file_is_named_for_what_it_says(void **state UNUSED)
{
    struct boot b = BOOT_INIT;
    struct err err;

    b.source = "cluster.conf";
    assert_int_equal(boot_on_conf(&b, "endpoint.1", "tcp://127.0.0.1:99999"), 0);
    assert_int_equal(boot_on_conf(&b, "endpoint.x", "tcp://127.0.0.1:1"), -EINVAL);
    assert_int_equal(boot_fill(&b, 2, "/run", &err), 0);
    assert_int_equal(boot_check_endpoint(&b, 0, BOOT_CONNECT, &err), 0);
    assert_int_equal(boot_check_endpoint(&b, 1, BOOT_CONNECT, &err), -EINVAL);
    assert_non_null(strstr(err.text, "cluster.conf: endpoint.1: tcp://127.0.0.1:99999: "));
    boot_fini(&b);
}

static void
a_rank_there_is_not_is_refused(void **state UNUSED)
{
    struct boot b = BOOT_INIT;
    struct err err;

    b.source = "cluster.conf";
    assert_int_equal(boot_on_conf(&b, "endpoint.2", "ipc:///x"), 0);
    assert_int_equal(boot_fill(&b, 2, "/run", &err), -EINVAL);
    assert_string_equal(err.text, "cluster.conf: endpoint.2: there are only 2 ranks");
    boot_fini(&b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_endpoints_are_taken),
        cmocka_unit_test(wrong_ports_are_refused),
        cmocka_unit_test(other_addresses_are_refused),
        cmocka_unit_test(the_file_is_named_for_what_it_says),
        cmocka_unit_test(a_rank_there_is_not_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
