/* SPDX-License-Identifier: MPL-2.0 */
/* test_group_keys.c - the keys of a group as JSON. */
#include "cmocka_all.h"

#include "group_keys.h"
#include "xmem.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

static void
add(struct group_keys *g, const char *key)
{
    AUTO(txn) struct txn t = TXN_INIT;
    struct treeobj *val = treeobj_new_val("1", 1);

    assert_int_equal(txn_add(&t, key, 0, &val, NULL), 0);
    group_keys_add(g, &t);
}

static void
assert_keys(struct group_keys *g, const char *expected)
{
    AUTO(free) char *text = group_keys_take(g);

    if (expected)
        assert_string_equal(text, expected);
    else
        assert_null(text);
}

static void
each_key_is_there_once_in_its_normal_form(void **state UNUSED)
{
    struct group_keys g = {.count = 0};

    assert_keys(&g, "{}");
    add(&g, "a.b");
    add(&g, "a");
    add(&g, "..a..b");
    add(&g, "x%2Eh");
    add(&g, "q\"uote\\");
    add(&g, "q\"uote");
    add(&g, "q\"uote\\");
    assert_keys(&g, "{\"a.b\":null,\"a\":null,\"x%2Eh\":null,\"q\\\"uote\\\\\":null,"
                    "\"q\\\"uote\":null}");
    add(&g, "a.b"); // the next group knows nothing of it
    assert_keys(&g, "{\"a.b\":null}");
    assert_keys(&g, "{}");
    group_keys_fini(&g);
}

static void
transaction_without_operations_has_no_keys(void **state UNUSED)
{
    struct group_keys g = {.count = 0};
    struct txn none = TXN_INIT;

    group_keys_add(&g, &none);
    assert_keys(&g, "{}");
    group_keys_fini(&g);
}

static void
many_keys_are_told_apart(void **state UNUSED)
{
    struct group_keys g = {.count = 0};
    AUTO(free) char *text = NULL;
    json_t *json;

    for (int i = 0; i < 6000; i++) {
        char key[16];

        snprintf(key, sizeof(key), "k%d", i % 3000);
        add(&g, key);
    }
    text = group_keys_take(&g);
    json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    assert_int_equal(json_object_size(json), 3000);
    json_decref(json);
    group_keys_fini(&g);
}

static void
text_that_is_too_long_is_left_out(void **state UNUSED)
{
    struct group_keys g = {.count = 0};
    char key[1000];

    memset(key, 'a', sizeof(key) - 1);
    key[sizeof(key) - 1] = '\0';
    for (int i = 0; i < 100; i++) {
        key[0] = (char)('0' + i / 10);
        key[1] = (char)('0' + i % 10);
        add(&g, key);
    }
    assert_true(g.text.size < 2 * GROUP_KEYS_MAX);
    assert_keys(&g, NULL);
    add(&g, "a");
    assert_keys(&g, "{\"a\":null}");
    group_keys_fini(&g);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_key_is_there_once_in_its_normal_form),
        cmocka_unit_test(transaction_without_operations_has_no_keys),
        cmocka_unit_test(many_keys_are_told_apart),
        cmocka_unit_test(text_that_is_too_long_is_left_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
