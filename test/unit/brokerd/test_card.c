/* SPDX-License-Identifier: MPL-2.0 */
/* test_card.c - what a rank publishes: there and back, and what is not taken for it. */
#include "cmocka_all.h"

#include "card.h"
#include "pmi.h"

#include <stdio.h>

static struct card
make_card(void)
{
    return (struct card){
        .uri = "ipc:///tmp/with blank,%=\xc3\xa4/tree-3",
        .key = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7",
        .host = "node7",
        .instance = "kvs_1:2@x",
        .size = 1000000,
        .fanout = 2,
        .protocol = 3,
    };
}

static void
a_card_comes_back_the_same(void **state UNUSED)
{
    AUTO(buf) struct buf text = BUF_INIT;
    struct card card = make_card();
    struct card same = {.size = 0};

    card_encode(&card, &text);
    assert_true(pmi_is_word(buf_str(&text)));
    assert_true(text.size < 1024);
    assert_int_equal(card_decode(buf_str(&text), &same, NULL), 0);
    assert_string_equal(same.uri, card.uri);
    assert_string_equal(same.key, card.key);
    assert_string_equal(same.host, card.host);
    assert_string_equal(same.instance, card.instance);
    assert_int_equal(same.size, card.size);
    assert_int_equal(same.fanout, card.fanout);
    assert_int_equal(same.protocol, card.protocol);
    assert_int_equal(card_check(&card, 1, &same, NULL), 0);
}

static void
the_endpoint_is_what_is_before_the_first_comma(void **state UNUSED)
{
    AUTO(buf) struct buf text = BUF_INIT;
    struct card card = make_card();

    snprintf(card.uri, sizeof(card.uri), "tcp://10.1.2.3:4567");
    card_encode(&card, &text);
    assert_int_equal(strncmp(buf_str(&text), "tcp://10.1.2.3:4567,", 20), 0);
}

static void
other_texts_are_refused(void **state UNUSED)
{
    static const char *const wrong[] = {
        "",
        ",,,,1,1,1",
        "x",
        "x,,,,1,1",
        "x,,,,1,1,",
        "x,,,,1,1,y",
        "x,,,,-1,1,1",
        "x,,,,1,99999999999,1",
        "x%,,,,1,1,1",
        "x%4,,,,1,1,1",
        "x%00,,,,1,1,1",
        "x%1f,,,,1,1,1",
        "x y,,,,1,1,1",
        "x,12345678901234567890123456789012345678901,,,1,1,1",
    };
    struct card card;
    struct err err;

    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        assert_int_equal(card_decode(wrong[i], &card, &err), -EPROTO);
    assert_int_equal(card_decode("x,,,,1,1,1", &card, NULL), 0);
    assert_int_equal(card_decode("x,,,,1,1,1,of a later version", &card, NULL), 0);
}

static void
both_ranks_are_named_when_they_differ(void **state UNUSED)
{
    struct card root = make_card();
    struct card card = make_card();
    struct err err;

    snprintf(card.host, sizeof(card.host), "node8");
    card.size = 3;
    assert_int_equal(card_check(&root, 2, &card, &err), -EPERM);
    assert_string_equal(err.text, "the ranks do not agree on the size: rank 2 on node8 has 3, "
                                  "rank 0 on node7 has 1000000");
    card.size = root.size;
    card.key[0] = '\0';
    assert_int_equal(card_check(&root, 2, &card, &err), -EPERM);
    assert_non_null(
        strstr(err.text, "security: rank 2 on node8 has none, rank 0 on node7 has a key"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_card_comes_back_the_same),
        cmocka_unit_test(the_endpoint_is_what_is_before_the_first_comma),
        cmocka_unit_test(other_texts_are_refused),
        cmocka_unit_test(both_ranks_are_named_when_they_differ),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
