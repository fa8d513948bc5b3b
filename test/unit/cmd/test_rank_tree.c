/* SPDX-License-Identifier: MPL-2.0 */
/* test_rank_tree.c - what ranks say of themselves and their children, as a picture. */
#include "cmocka_all.h"

#include "rank_tree.h"
#include "xmem.h"

#include <stdio.h>

static const struct rank_tree_style plain = {0};
static struct rank_tree tree; // owned

static void
set_up_tree(uint32_t size, uint32_t fanout, uint32_t top)
{
    assert_int_equal(rank_tree_init(&tree, size, fanout, top), 0);
}

static int
set_up(void **state)
{
    (void)state;
    set_up_tree(7, 2, 0);
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    rank_tree_fini(&tree);
    assert_null(tree.nodes);
    rank_tree_fini(&tree); // nothing
    return 0;
}

#define CHILD(rank, status, more) \
    "{\"rank\":" #rank ",\"status\":\"" status "\",\"duration\":12.9,\"hostname\":\"n" #rank \
    "\"" more "}"
#define LOST(rank) CHILD(rank, "lost", ",\"error\":\"lost contact\"")
#define FULL(rank) CHILD(rank, "full", "")
#define ADOPTED(rank) CHILD(rank, "full", ",\"adopted\":true")

static void
take(uint32_t rank, const char *status, const char *parent, const char *children)
{
    AUTO(free)
    char *text = xasprintf("{\"rank\":%u,\"status\":\"%s\",\"duration\":180,\"hostname\":\"n%u\","
                           "\"parent\":%s,\"children\":[%s]}",
                           rank, status, rank, parent, children);

    assert_int_equal(rank_tree_take(&tree, rank, text), 0);
}

static void
check_picture(const struct rank_tree_style *style, const char *want)
{
    AUTO(buf) struct buf out = BUF_INIT;

    rank_tree_draw(&tree, style, &out);
    assert_string_equal(buf_str(&out), want);
}

static void
check_list(bool (*fn)(const struct rank_tree *t, uint32_t rank), const char *want)
{
    AUTO(buf) struct buf out = BUF_INIT;

    rank_tree_list(&tree, fn, &out);
    assert_string_equal(buf_str(&out), want);
}

/* --- who is where --- */

static void
take_full_tree(void)
{
    take(0, "full", "null", FULL(1) "," FULL(2));
    take(1, "full", "0", FULL(3) "," FULL(4));
    take(2, "full", "0", FULL(5) "," FULL(6));
    for (uint32_t i = 3; i < 7; i++)
        take(i, "full", i < 5 ? "1" : "2", "");
    rank_tree_finish(&tree);
}

static void
test_full(void **state)
{
    (void)state;
    take_full_tree();
    check_picture(&plain, "0 n0: full for 3m\n"
                          "|- 1 n1: full for 12s\n"
                          "|  |- 3 n3: full for 12s\n"
                          "|  `- 4 n4: full for 12s\n"
                          "`- 2 n2: full for 12s\n"
                          "   |- 5 n5: full for 12s\n"
                          "   `- 6 n6: full for 12s\n");
    check_picture(&(struct rank_tree_style){.utf8 = true}, "0 n0: full for 3m\n"
                                                           "├─ 1 n1: full for 12s\n"
                                                           "│  ├─ 3 n3: full for 12s\n"
                                                           "│  └─ 4 n4: full for 12s\n"
                                                           "└─ 2 n2: full for 12s\n"
                                                           "   ├─ 5 n5: full for 12s\n"
                                                           "   └─ 6 n6: full for 12s\n");
    check_picture(&(struct rank_tree_style){.down = true}, "0 n0: full for 3m\n");
    check_list(rank_tree_is_missing, "");
    check_list(rank_tree_is_silent, "");
}

/* Rank 1 is lost; 0 has adopted its children, of which 4 is slow. */
static void
take_degraded_tree(void)
{
    take(0, "degraded", "null",
         LOST(1) "," FULL(2) "," ADOPTED(3) "," CHILD(4, "full",
                                                      ",\"adopted\":true,\"torpid\":true"));
    take(2, "full", "0", FULL(5) "," CHILD(6, "offline", ""));
    take(3, "full", "0", "");
    take(4, "full", "0", "");
    take(5, "full", "2", "");
    rank_tree_finish(&tree);
}

static void
test_degraded(void **state)
{
    (void)state;
    take_degraded_tree();
    check_picture(&plain, "0 n0: degraded for 3m\n"
                          "|- 1 n1: lost for 12s: lost contact\n"
                          "|- 2 n2: full for 12s\n"
                          "|  |- 5 n5: full for 12s\n"
                          "|  `- 6 n6: offline for 12s\n"
                          "|- 3 n3: full for 12s, adopted by 0 (home: 1)\n"
                          "`- 4 n4: full for 12s, torpid, adopted by 0 (home: 1)\n");
    check_picture(&(struct rank_tree_style){.down = true},
                  "0 n0: degraded for 3m\n"
                  "|- 1 n1: lost for 12s: lost contact\n"
                  "|- 2 n2: full for 12s\n"
                  "|  `- 6 n6: offline for 12s\n"
                  "|- 3 n3: full for 12s, adopted by 0 (home: 1)\n"
                  "`- 4 n4: full for 12s, torpid, adopted by 0 (home: 1)\n");
    check_picture(&(struct rank_tree_style){.color = true, .down = true},
                  "0 n0: \x1b[33mdegraded\x1b[0m for 3m\n"
                  "|- 1 n1: \x1b[31mlost\x1b[0m for 12s: lost contact\n"
                  "|- 2 n2: \x1b[32mfull\x1b[0m for 12s\n"
                  "|  `- 6 n6: \x1b[34moffline\x1b[0m for 12s\n"
                  "|- 3 n3: \x1b[32mfull\x1b[0m for 12s, adopted by 0 (home: 1)\n"
                  "`- 4 n4: \x1b[32mfull\x1b[0m for 12s, \x1b[35mtorpid\x1b[0m, "
                  "adopted by 0 (home: 1)\n");
    check_list(rank_tree_is_missing, "1,6");
}

static void
test_nobody_has_adopted_them(void **state)
{
    (void)state;
    take(0, "degraded", "null", LOST(1) "," CHILD(2, "offline", ""));
    rank_tree_finish(&tree);
    check_picture(&plain, "0 n0: degraded for 3m\n"
                          "|- 1 n1: lost for 12s: lost contact\n"
                          "|  |- 3: lost\n"
                          "|  `- 4: lost\n"
                          "`- 2 n2: offline for 12s\n"
                          "   |- 5: offline\n"
                          "   `- 6: offline\n");
    check_list(rank_tree_is_missing, "1-6");
}

static void
test_no_answer(void **state)
{
    (void)state;
    take(0, "full", "null", FULL(1) "," FULL(2));
    take(1, "full", "0", FULL(3) "," FULL(4));
    rank_tree_miss(&tree, 2, "no answer in time");
    take(3, "full", "1", "");
    rank_tree_miss(&tree, 4, "rank 4 is lost");
    rank_tree_finish(&tree);
    check_picture(&plain, "0 n0: full for 3m\n"
                          "|- 1 n1: full for 12s\n"
                          "|  |- 3 n3: full for 12s\n"
                          "|  `- 4 n4: full for 12s: rank 4 is lost\n"
                          "`- 2 n2: full for 12s: no answer in time (not seen below it: 2)\n");
    check_picture(&(struct rank_tree_style){.down = true},
                  "0 n0: full for 3m\n"
                  "|- 1 n1: full for 12s\n"
                  "|  `- 4 n4: full for 12s: rank 4 is lost\n"
                  "`- 2 n2: full for 12s: no answer in time (not seen below it: 2)\n");
    check_list(rank_tree_is_silent, "2,4");
    check_list(rank_tree_is_missing, "");
}

/* Rank 3 goes home: both say it is theirs, or one has not noticed yet. */
static void
test_on_the_way_home(void **state)
{
    static const char *const parents[] = {"0", "1"};
    static const char *const pictures[] = {"0 n0: full for 3m (not seen below it: 1)\n"
                                           "|- 1 n1: full for 12s\n"
                                           "`- 3 n3: full for 12s, adopted by 0 (home: 1)\n",
                                           "0 n0: full for 3m (not seen below it: 1)\n"
                                           "`- 1 n1: full for 12s\n"
                                           "   `- 3 n3: full for 12s\n"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(parents); i++) {
        rank_tree_fini(&tree);
        set_up_tree(4, 2, 0);
        take(0, "full", "null", FULL(1) "," ADOPTED(3));
        take(1, "full", "0", FULL(3));
        take(3, "full", parents[i], "");
        rank_tree_finish(&tree);
        check_picture(&plain, pictures[i]);
    }
}

static void
test_who_has_it_knows_better(void **state)
{
    (void)state;
    for (int order = 0; order < 2; order++) {
        rank_tree_fini(&tree);
        set_up_tree(7, 2, 0);
        take(0, "degraded", "null", FULL(1) "," LOST(2) "," ADOPTED(3));
        take(1, "degraded", "0", order == 0 ? LOST(3) "," FULL(4) : FULL(4) "," LOST(3));
        take(3, "full", "0", "");
        take(4, "full", "1", "");
        rank_tree_finish(&tree);
        check_picture(&plain, "0 n0: degraded for 3m\n"
                              "|- 1 n1: full for 12s\n"
                              "|  `- 4 n4: full for 12s\n"
                              "|- 2 n2: lost for 12s: lost contact\n"
                              "|  |- 5: lost\n"
                              "|  `- 6: lost\n"
                              "`- 3 n3: full for 12s, adopted by 0 (home: 1)\n");
    }
}

/* Who was adopted and then lost is drawn where it belongs. */
static void
test_lost_where_it_was_adopted(void **state)
{
    (void)state;
    take(0, "degraded", "null", LOST(1) "," LOST(2) "," LOST(5) "," ADOPTED(6));
    take(6, "full", "0", "");
    rank_tree_finish(&tree);
    check_picture(&plain, "0 n0: degraded for 3m\n"
                          "|- 1 n1: lost for 12s: lost contact\n"
                          "|  |- 3: lost\n"
                          "|  `- 4: lost\n"
                          "|- 2 n2: lost for 12s: lost contact\n"
                          "|  `- 5 n5: lost for 12s: lost contact\n"
                          "`- 6 n6: full for 12s, adopted by 0 (home: 2)\n");
}

static void
test_a_part_of_the_tree(void **state)
{
    (void)state;
    rank_tree_fini(&tree);
    set_up_tree(15, 2, 3);
    take(3, "partial", "0", FULL(7) "," CHILD(8, "offline", ""));
    take(7, "full", "3", "");
    rank_tree_finish(&tree);
    check_picture(&plain, "3 n3: partial for 3m, adopted by 0 (home: 1)\n"
                          "|- 7 n7: full for 12s\n"
                          "`- 8 n8: offline for 12s\n");
    check_list(rank_tree_is_missing, "8");
}

/* --- large ones --- */

static void
take_large_tree(uint32_t size, uint32_t fanout)
{
    rank_tree_fini(&tree);
    set_up_tree(size, fanout, 0);
    for (uint32_t i = 0; i < size; i++) {
        AUTO(buf) struct buf children = BUF_INIT;
        AUTO(free) char *parent = xasprintf("%u", i == 0 ? 0 : (i - 1) / fanout);

        for (uint32_t c = fanout * i + 1; c <= fanout * i + fanout && c < size; c++)
            buf_printf(&children, "%s{\"rank\":%u,\"status\":\"full\",\"duration\":1}",
                       children.size > 0 ? "," : "", c);
        take(i, "full", i == 0 ? "null" : parent, buf_str(&children));
    }
}

static void
test_a_large_one_is_folded(void **state)
{
    (void)state;
    take_large_tree(1000, 5);
    rank_tree_finish(&tree);
    check_picture(&plain, "0 n0: full for 3m\n"
                          "`- 1-5 full (999 ranks)\n");
    {
        AUTO(buf) struct buf out = BUF_INIT;
        size_t lines = 0;

        rank_tree_draw(&tree, &(struct rank_tree_style){.verbose = true}, &out);
        for (const char *at = buf_str(&out); (at = strchr(at, '\n')); at++)
            lines++;
        assert_int_equal(lines, 1000);
    }
}

static void
test_what_is_special_is_not(void **state)
{
    (void)state;
    take_large_tree(1000, 5);
    take(7, "degraded", "1",
         FULL(36) "," LOST(37) "," CHILD(38, "full", ",\"torpid\":true") "," FULL(39) "," FULL(40));
    for (uint32_t i = 37; i < 1000; i++) { // they were told to be online before
        uint32_t top = i;

        while (top > 37)
            top = (top - 1) / 5;
        if (top == 37)
            tree.nodes[i] = (struct rank_node){.state = RANK_UNKNOWN,
                                               .place = RANK_NONE,
                                               .parent = RANK_NONE,
                                               .also = RANK_NONE,
                                               .seconds = -1,
                                               .first = RANK_NONE,
                                               .next = RANK_NONE,
                                               .hostname = tree.nodes[i].hostname};
    }
    tree.nodes[37].state = RANK_LOST;
    tree.nodes[37].place = 7;
    tree.nodes[38].is_torpid = true;
    rank_tree_finish(&tree);
    check_picture(&plain, "0 n0: full for 3m\n"
                          "|- 1 n1: full for 1s\n"
                          "|  |- 6 full (156 ranks)\n"
                          "|  |- 7 n7: full for 1s\n"
                          "|  |  |- 36 full (31 ranks)\n"
                          "|  |  |- 37 lost (31 ranks)\n"
                          "|  |  |- 38 n38: full for 1s, torpid\n"
                          "|  |  |  `- 191-195 full (30 ranks)\n"
                          "|  |  `- 39-40 full (31 ranks)\n"
                          "|  `- 8-10 full (93 ranks)\n"
                          "`- 2-5 full (624 ranks)\n");
    check_picture(&(struct rank_tree_style){.down = true},
                  "0 n0: full for 3m\n"
                  "`- 1 n1: full for 1s\n"
                  "   `- 7 n7: full for 1s\n"
                  "      |- 37 lost (31 ranks)\n"
                  "      `- 38 n38: full for 1s, torpid\n");
}

/* All below 2 is lost, but not all below 1. */
static void
test_lost_in_part(void **state)
{
    (void)state;
    rank_tree_fini(&tree);
    set_up_tree(100, 5, 0);
    take(0, "degraded", "null",
         LOST(1) "," LOST(2) "," LOST(6) "," ADOPTED(7) "," LOST(8) "," LOST(9) "," LOST(10));
    take(7, "full", "0", "");
    rank_tree_finish(&tree);
    check_picture(&plain, "0 n0: degraded for 3m (not seen below it: 37)\n"
                          "|- 1 n1: lost for 12s: lost contact\n"
                          "|  |- 6 lost (6 ranks)\n"
                          "|  `- 8-10 lost (18 ranks)\n"
                          "|- 2 lost (31 ranks)\n"
                          "`- 7 n7: full for 12s, adopted by 0 (home: 1) (not seen below it: 5)\n");
}

static void
test_a_flat_one(void **state)
{
    (void)state;
    take_large_tree(200, 256);
    tree.nodes[100].is_torpid = true;
    rank_tree_finish(&tree);
    check_picture(&plain, "0 n0: full for 3m\n"
                          "|- 1-99 full (99 ranks)\n"
                          "|- 100 n100: full for 1s, torpid\n"
                          "`- 101-199 full (99 ranks)\n");
}

/* --- what comes from outside --- */

static void
test_answers_that_are_none(void **state)
{
    static const char *const texts[] = {"",
                                        "[]",
                                        "{}",
                                        "3",
                                        "{\"status\":\"full\"}",
                                        "{\"children\":[]}",
                                        "{\"status\":1,\"children\":[]}"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        assert_int_equal(rank_tree_take(&tree, 0, texts[i]), -EPROTO);
}

static void
test_children_that_are_none(void **state)
{
    (void)state;
    take(1, "full", "0",
         "null,3,{},{\"rank\":0,\"status\":\"full\"},{\"rank\":1,\"status\":\"full\"},"
         "{\"rank\":5,\"status\":\"full\"},{\"rank\":7,\"status\":\"full\"},"
         "{\"rank\":-1,\"status\":\"full\"},{\"rank\":4294967299,\"status\":\"full\"},"
         "{\"rank\":3,\"status\":\"splendid\",\"hostname\":4},"
         "{\"rank\":4,\"status\":\"full\",\"hostname\":\"a\\u001b[31mb\"}");
    for (uint32_t i = 0; i < 7; i++)
        assert_int_equal(rank_tree_is_to_ask(&tree, i), i == 4);
    take(0, "full", "null", FULL(1) "," FULL(2));
    rank_tree_finish(&tree);
    check_picture(&plain, "0 n0: full for 3m\n"
                          "|- 1 n1: full for 12s (not seen below it: 1)\n"
                          "|  `- 4 a?[31mb: full for 0s\n"
                          "`- 2 n2: full for 12s (not seen below it: 2)\n");
}

static void
test_no_tree(void **state)
{
    struct rank_tree t;

    (void)state;
    assert_int_equal(rank_tree_init(&t, 7, 2, 7), -EINVAL);
    assert_int_equal(rank_tree_init(&t, 7, 0, 0), -EINVAL);
    assert_int_equal(rank_tree_init(&t, RANK_TREE_MAX + 1, 2, 0), -EINVAL);
    assert_int_equal(rank_tree_init(&t, 0, 2, 0), -EINVAL);
}

/* --- times --- */

static void
test_durations(void **state)
{
    static const struct {
        double seconds;
        const char *text;
    } rows[] = {
        {0, "0 h: full for 0s\n"},
        {119.9, "0 h: full for 119s\n"},
        {120, "0 h: full for 2m\n"},
        {7199, "0 h: full for 119m\n"},
        {7200, "0 h: full for 2h\n"},
        {172799, "0 h: full for 47h\n"},
        {172800, "0 h: full for 2d\n"},
        {864000, "0 h: full for 10d\n"},
        {1e300, "0 h: full for 11574074d\n"},
    };

    (void)state;
    rank_tree_fini(&tree);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        AUTO(free)
        char *text = xasprintf("{\"status\":\"full\",\"duration\":%g,\"hostname\":\"h\","
                               "\"children\":[]}",
                               rows[i].seconds);

        set_up_tree(1, 2, 0);
        assert_int_equal(rank_tree_take(&tree, 0, text), 0);
        rank_tree_finish(&tree);
        check_picture(&plain, rows[i].text);
        rank_tree_fini(&tree);
    }
}

/* --- JSON --- */

static void
test_json(void **state)
{
    static const char want[] =
        "{\"rank\":0,\"hostname\":\"n0\",\"status\":\"degraded\",\"torpid\":false,"
        "\"adopted\":false,\"hidden\":1,\"duration\":180.0,\"parent\":null,\"home\":null,"
        "\"children\":[{\"rank\":1,\"hostname\":\"n1\",\"status\":\"lost\",\"torpid\":false,"
        "\"adopted\":false,\"hidden\":0,\"duration\":12.9,\"parent\":0,\"home\":0,"
        "\"error\":\"lost contact\",\"children\":[]},"
        "{\"rank\":3,\"hostname\":\"n3\",\"status\":\"full\",\"torpid\":false,\"adopted\":true,"
        "\"hidden\":0,\"duration\":12.9,\"parent\":0,\"home\":1,\"children\":[]}],"
        "\"size\":4,\"missing\":[1]}";
    AUTO(free) char *got = NULL;
    json_t *json;

    (void)state;
    rank_tree_fini(&tree);
    set_up_tree(4, 2, 0);
    take(0, "degraded", "null", LOST(1) "," ADOPTED(3));
    take(3, "full", "0", "");
    rank_tree_finish(&tree);
    json = rank_tree_json(&tree);
    got = json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(6));
    json_decref(json);
    assert_string_equal(got, want);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_full, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_degraded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nobody_has_adopted_them, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_answer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_on_the_way_home, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_who_has_it_knows_better, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_lost_where_it_was_adopted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_part_of_the_tree, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_large_one_is_folded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_special_is_not, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_lost_in_part, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_flat_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_answers_that_are_none, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_children_that_are_none, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_tree, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_durations, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_json, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
