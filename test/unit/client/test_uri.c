/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "uri.h"

static void
forms_are_told_apart(void **state UNUSED)
{
    struct uri uri;

    assert_int_equal(uri_parse("local:///run/x/local-0", &uri, NULL), 0);
    assert_int_equal(uri.kind, URI_LOCAL);
    assert_string_equal(uri.path, "/run/x/local-0");
    assert_int_equal(uri_parse("ipc:///tmp/s", &uri, NULL), 0);
    assert_int_equal(uri.kind, URI_IPC);
    assert_string_equal(uri.path, "/tmp/s");
    assert_int_equal(uri_parse("tcp://[::1]:80", &uri, NULL), 0);
    assert_int_equal(uri.kind, URI_TCP);
    assert_string_equal(uri.text, "tcp://[::1]:80");
}

static void
malformed_uris_are_refused(void **state UNUSED)
{
    static const char *const bad[] = {
        "",
        "/run/x",
        "local",
        "local://",
        "local://relative",
        "ipc://x",
        "http://x:1",
        "tcp://host",
        "tcp://:80",
        "tcp://h:",
        "tcp://h:0",
        "tcp://h:99999",
        "tcp://h:8x",
        "LOCAL:///run",
        "local:/run/x",
        " local:///x",
    };
    struct uri uri;
    struct err err;

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        err.text[0] = '\0';
        assert_int_equal(uri_parse(bad[i], &uri, &err), -EINVAL);
        assert_true(strlen(err.text) > 0);
    }
}

static void
overlong_uris_are_refused(void **state UNUSED)
{
    char text[2 * URI_TEXT_MAX] = "local:///";
    struct uri uri;
    struct err err;

    memset(text + 9, 'a', 99);
    assert_int_equal(uri_parse(text, &uri, &err), 0);
    memset(text + 9, 'a', 107);
    assert_int_equal(uri_parse(text, &uri, &err), -ENAMETOOLONG);
    memset(text + 9, 'a', sizeof(text) - 10);
    assert_int_equal(uri_parse(text, &uri, &err), -ENAMETOOLONG);
}

static void
what_stays_on_this_host_is_known(void **state UNUSED)
{
    static const char *const local[] = {"local:///x",        "ipc:///x",
                                        "tcp://localhost:1", "tcp://127.0.0.1:1",
                                        "tcp://127.9.9.9:1", "tcp://[::1]:1"};
    static const char *const other[] = {"tcp://10.0.0.1:1", "tcp://128.0.0.1:1",
                                        "tcp://node7:1",    "tcp://localhost.example.org:1",
                                        "tcp://127.1:1",    "tcp://[::2]:1",
                                        "tcp://::1:1",      "tcp://127.0.0.1.nip.io:1",
                                        "tcp://0.0.0.0:1",  "tcp://127.0.0.1;10.0.0.1:1"};
    struct uri uri;

    for (size_t i = 0; i < ARRAY_SIZE(local); i++) {
        assert_int_equal(uri_parse(local[i], &uri, NULL), 0);
        assert_true(uri_is_local(&uri));
    }
    for (size_t i = 0; i < ARRAY_SIZE(other); i++) {
        assert_int_equal(uri_parse(other[i], &uri, NULL), 0);
        assert_false(uri_is_local(&uri));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms_are_told_apart),
        cmocka_unit_test(malformed_uris_are_refused),
        cmocka_unit_test(overlong_uris_are_refused),
        cmocka_unit_test(what_stays_on_this_host_is_known),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
