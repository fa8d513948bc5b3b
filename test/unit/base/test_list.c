/* SPDX-License-Identifier: MPL-2.0 */
/* test_list.c - the intrusive list. */
#include "cmocka_all.h"

#include "list.h"

#include <string.h>

struct item {
    char name;
    struct list node;
};

static void
init_items(struct item *items, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        items[i].name = (char)('a' + i);
        list_init(&items[i].node);
    }
}

/* Names in forward order; the backward order must be its mirror. */
static void
assert_list(struct list *l, const char *names)
{
    size_t i = 0, count = strlen(names);

    LIST_FOR_EACH (node, l) {
        assert_true(i < count);
        assert_int_equal(list_entry(node, struct item, node)->name, names[i++]);
    }
    assert_int_equal(i, count);
    for (struct list *node = l->prev; node != l; node = node->prev)
        assert_int_equal(list_entry(node, struct item, node)->name, names[--i]);
    assert_int_equal(i, 0);
}

static void
pushes_keep_their_order(void **state UNUSED)
{
    struct list l = LIST_INIT(l);
    struct item it[4];

    init_items(it, 4);
    assert_true(list_is_empty(&l));
    list_push_back(&l, &it[1].node);
    list_push_front(&l, &it[0].node);
    list_push_back(&l, &it[3].node);
    list_insert_before(&it[3].node, &it[2].node);
    assert_list(&l, "abcd");
    assert_false(list_is_empty(&l));
}

static void
removal_is_idempotent(void **state UNUSED)
{
    struct list l = LIST_INIT(l);
    struct item it[2];

    init_items(it, 2);
    list_push_back(&l, &it[0].node);
    list_push_back(&l, &it[1].node);
    list_remove(&it[0].node);
    list_remove(&it[0].node);
    assert_false(list_is_linked(&it[0].node));
    assert_true(list_is_linked(&it[1].node));
    assert_list(&l, "b");
}

static void
pop_empties_the_list(void **state UNUSED)
{
    struct list l = LIST_INIT(l);
    struct item it[2];

    init_items(it, 2);
    list_push_back(&l, &it[0].node);
    list_push_back(&l, &it[1].node);
    assert_ptr_equal(list_pop_front(&l), &it[0].node);
    assert_ptr_equal(list_pop_front(&l), &it[1].node);
    assert_null(list_pop_front(&l));
}

static void
current_node_may_leave_the_walk(void **state UNUSED)
{
    struct list l = LIST_INIT(l);
    struct item it[4];

    init_items(it, 4);
    for (int i = 0; i < 4; i++)
        list_push_back(&l, &it[i].node);
    LIST_FOR_EACH (node, &l) {
        if (list_entry(node, struct item, node)->name % 2 == 0)
            list_remove(node);
    }
    assert_list(&l, "ac");
}

static void
splice_moves_everything(void **state UNUSED)
{
    struct list to = LIST_INIT(to), from = LIST_INIT(from);
    struct item it[3];

    init_items(it, 3);
    list_splice_back(&to, &from);
    assert_list(&to, "");
    list_push_back(&from, &it[0].node);
    list_push_back(&from, &it[1].node);
    list_splice_back(&to, &from);
    assert_list(&to, "ab");
    assert_list(&from, "");
    list_push_back(&from, &it[2].node);
    list_splice_back(&to, &from);
    assert_list(&to, "abc");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pushes_keep_their_order),
        cmocka_unit_test(removal_is_idempotent),
        cmocka_unit_test(pop_empties_the_list),
        cmocka_unit_test(current_node_may_leave_the_walk),
        cmocka_unit_test(splice_moves_everything),
    };

    return cmocka_run_group_tests_name("list", tests, NULL, NULL);
}
