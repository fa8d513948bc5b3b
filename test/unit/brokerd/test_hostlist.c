/* SPDX-License-Identifier: MPL-2.0 */
/* test_hostlist.c - names of many hosts: what they stand for, and which of them this one is. */
#include "cmocka_all.h"

#include "buf.h"
#include "hostlist.h"

#include <stdio.h>

static const struct {
    const char *text;
    const char *names; // with blanks between them; NULL: refused
} cases[] = {
    {"a", "a"},
    {"a,b", "a b"},
    {" a , b,,c ", "a b c"},
    {"n[1-3]", "n1 n2 n3"},
    {"n[08-11]", "n08 n09 n10 n11"},
    {"n[1,3,5-6]x,y", "n1x n3x n5x n6x y"},
    {"xylem-[0-1].xylem", "xylem-0.xylem xylem-1.xylem"},
    {"[1-2]", "1 2"},
    {"", ""},
    {"n[", NULL},
    {"n]", NULL},
    {"n[]", NULL},
    {"n[1", NULL},
    {"n[2-1]", NULL},
    {"n[1-]", NULL},
    {"n[-1]", NULL},
    {"n[a]", NULL},
    {"n[1;2]", NULL},
    {"n[1][2]", NULL},
    {"n[[1]]", NULL},
    {"n[1 2]", NULL},
    {"n[0-9999999999]", NULL},
    {"n[0-1000]", NULL}, // more than the test allows
};

static void
lists_are_expanded(void **state UNUSED)
{
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct hostlist l = HOSTLIST_INIT;
        AUTO(buf) struct buf names = BUF_INIT;
        struct err err;
        int rc = hostlist_add(&l, cases[i].text, 1000, &err);

        for (size_t n = 0; n < l.count; n++)
            buf_printf(&names, "%s%s", n > 0 ? " " : "", l.names[n]);
        assert_int_equal(rc == 0, cases[i].names != NULL);
        if (cases[i].names)
            assert_string_equal(buf_str(&names), cases[i].names);
        else
            assert_non_null(strstr(err.text, cases[i].text));
        hostlist_fini(&l);
    }
}

static void
names_that_are_too_long_are_refused(void **state UNUSED)
{
    struct hostlist l = HOSTLIST_INIT;
    char name[HOSTLIST_NAME_MAX + 2];

    memset(name, 'x', sizeof(name));
    name[HOSTLIST_NAME_MAX + 1] = '\0';
    assert_int_equal(hostlist_add(&l, name, 10, NULL), -EINVAL);
    name[HOSTLIST_NAME_MAX] = '\0';
    assert_int_equal(hostlist_add(&l, name, 10, NULL), 0);
    hostlist_fini(&l);
}

static void
a_host_is_found_by_its_name(void **state UNUSED)
{
    struct hostlist l = HOSTLIST_INIT;
    size_t i = 99;

    assert_int_equal(hostlist_add(&l, "a.x,b.x,b.y,Login,n[1-3].z", 100, NULL), 0);
    assert_int_equal(hostlist_find(&l, "a", &i), 0);
    assert_int_equal(i, 0);
    assert_int_equal(hostlist_find(&l, "b", &i), -EEXIST);
    assert_int_equal(hostlist_find(&l, "b.y", &i), 0);
    assert_int_equal(i, 2);
    assert_int_equal(hostlist_find(&l, "login.somewhere", &i), 0);
    assert_int_equal(i, 3);
    assert_int_equal(hostlist_find(&l, "n3", &i), 0);
    assert_int_equal(i, 6);
    assert_int_equal(hostlist_find(&l, "n", &i), -ENOENT);
    assert_int_equal(hostlist_find(&l, "", &i), -ENOENT);
    hostlist_fini(&l);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_are_expanded),
        cmocka_unit_test(names_that_are_too_long_are_refused),
        cmocka_unit_test(a_host_is_found_by_its_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
