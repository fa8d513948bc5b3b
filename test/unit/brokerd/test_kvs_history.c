/* SPDX-License-Identifier: MPL-2.0 */
#include "cmocka_all.h"

#include "kvs_history.h"
#include "xmem.h"

#include <stdio.h>

#define ALG DIGEST_SHA1

static struct store_root
make_root(int64_t epoch, int64_t sequence)
{
    struct store_root root = {.name = "ns", .owner = 7, .epoch = epoch, .sequence = sequence};
    char text[32];

    snprintf(text, sizeof(text), "root %d", (int)sequence);
    digest_compute(ALG, text, strlen(text), &root.root);
    return root;
}

static struct keyset *
keys_of(int64_t sequence)
{
    char *text = xasprintf("{\"key.%d\":null}", (int)sequence);

    return keyset_from_text(&text);
}

static void
add(struct kvs_versions *v, int64_t epoch, int64_t sequence, bool follows)
{
    struct store_root root = make_root(epoch, sequence);
    struct keyset *keys = keys_of(sequence);

    kvs_versions_add(v, &root, 1795244624.25, &keys, follows);
}

/* What `v` answers to somebody who has seen `since`; NULL: who has seen nothing. */
static struct kvs_history
ask(const struct kvs_versions *v, const struct store_root *since)
{
    AUTO(buf) struct buf request = BUF_INIT;
    AUTO(buf) struct buf answer = BUF_INIT;
    struct kvs_history_spec spec;
    struct kvs_history h;

    if (since)
        kvs_history_encode_request(ALG, since, &request);
    else
        buf_add_str(&request, "{\"namespace\":\"ns\"}");
    assert_int_equal(kvs_history_decode_request(ALG, buf_str(&request), &spec), 0);
    kvs_history_encode(ALG, v, &spec, &kvs_versions_newest(v, "ns")->root, &answer);
    assert_int_equal(kvs_history_decode(ALG, buf_str(&answer), "ns", &h), 0);
    return h;
}

static void
expect(const struct kvs_versions *v, const struct store_root *since, bool complete, int64_t first,
       size_t count)
{
    struct kvs_history h = ask(v, since);

    assert_int_equal(h.complete, complete);
    assert_int_equal(h.count, count);
    for (size_t i = 0; i < count; i++) {
        struct store_root want = make_root(h.entries[i].root.epoch, first + (int64_t)i);

        assert_int_equal(h.entries[i].root.sequence, want.sequence);
        assert_true(digest_equal(&h.entries[i].root.root, &want.root));
        assert_int_equal(h.entries[i].root.owner, 7);
    }
    kvs_history_fini(&h);
}

static void
an_event_is_read_back(void **state UNUSED)
{
    AUTO(buf) struct buf text = BUF_INIT;
    struct store_root root = make_root(5, 3);
    struct store_root back;
    struct keyset *keys = keys_of(3);
    struct keyset *read;
    double time;

    kvs_event_encode(ALG, &root, 1795244624.25, keys, &text);
    assert_int_equal(kvs_event_decode(ALG, buf_str(&text), &back, &time, &read), 0);
    assert_memory_equal(&back.root, &root.root, sizeof(root.root));
    assert_int_equal(back.sequence, 3);
    assert_int_equal(back.epoch, 5);
    assert_true(time == 1795244624.25);
    assert_true(keyset_has(read, "key.3"));
    keyset_free(&read);
    keyset_free(&keys);

    buf_reset(&text);
    kvs_event_encode(ALG, &root, 0, NULL, &text);
    assert_int_equal(kvs_event_decode(ALG, buf_str(&text), &back, &time, &read), 0);
    assert_null(read);
    assert_true(time == 0);
}

static void
bad_events_are_refused(void **state UNUSED)
{
    static const char *const bad[] = {
        "",
        "{}",
        "[]",
        "{\"namespace\":\"ns\",\"rootseq\":1,\"rootref\":\"sha1-00\"}",
        "{\"namespace\":\"ns\",\"rootseq\":1,"
        "\"rootref\":\"sha1-c0a9faf907dda6216fd73bf81d0b3b21a1a8cb91\",\"keys\":[]}",
        "{\"namespace\":\"ns\",\"rootseq\":1,"
        "\"rootref\":\"sha1-c0a9faf907dda6216fd73bf81d0b3b21a1a8cb91\",\"keys\":{\"a/b\":null},"
        "\"timestamp\":1}",
        "{\"namespace\":\"ns\",\"rootseq\":1,"
        "\"rootref\":\"sha1-c0a9faf907dda6216fd73bf81d0b3b21a1a8cb91\",\"timestamp\":\"now\"}"};

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct store_root root;
        struct keyset *keys = NULL;
        double time;

        assert_int_equal(kvs_event_decode(ALG, bad[i], &root, &time, &keys), -EPROTO);
        assert_null(keys);
    }
}

static void
what_was_missed_is_told(void **state UNUSED)
{
    struct kvs_versions *v = kvs_versions_new(100, 1 << 20);
    struct store_root seen = make_root(1, 6);

    add(v, 1, 5, false);
    for (int64_t i = 6; i <= 9; i++)
        add(v, 1, i, true);
    expect(v, NULL, false, 5, 5);
    expect(v, &seen, true, 7, 3);
    seen = make_root(1, 9);
    expect(v, &seen, true, 0, 0);
    seen = make_root(1, 2); // 3 and 4 are not known any more
    expect(v, &seen, false, 5, 5);
    seen = make_root(1, 12); // from a commit's answer that was faster
    expect(v, &seen, true, 0, 0);
    kvs_versions_free(&v);
}

static void
the_oldest_are_told_up_to_a_count(void **state UNUSED)
{
    struct kvs_versions *v = kvs_versions_new(100, 1 << 20);
    AUTO(buf) struct buf answer = BUF_INIT;
    struct kvs_history_spec spec;
    struct kvs_history h;

    for (int64_t i = 5; i <= 9; i++)
        add(v, 1, i, i > 5);
    assert_int_equal(
        kvs_history_decode_request(ALG, "{\"namespace\":\"ns\",\"since\":6,\"count\":2}", &spec),
        0);
    kvs_history_encode(ALG, v, &spec, &kvs_versions_newest(v, "ns")->root, &answer);
    assert_int_equal(kvs_history_decode(ALG, buf_str(&answer), "ns", &h), 0);
    assert_int_equal(h.count, 2);
    assert_int_equal(h.entries[0].root.sequence, 7);
    kvs_history_fini(&h);
    kvs_versions_free(&v);
}

static void
a_gap_is_told(void **state UNUSED)
{
    struct kvs_versions *v = kvs_versions_new(100, 1 << 20);
    struct store_root seen = make_root(1, 5);
    struct kvs_history h;

    add(v, 1, 5, false);
    add(v, 1, 6, true);
    add(v, 1, 8, false);
    h = ask(v, &seen);
    assert_false(h.complete);
    assert_int_equal(h.count, 2);
    assert_int_equal(h.entries[0].root.sequence, 6);
    assert_int_equal(h.entries[1].root.sequence, 8);
    kvs_history_fini(&h);
    kvs_versions_free(&v);
}

static void
another_run_of_rank_0_goes_on_if_the_roots_are_the_same(void **state UNUSED)
{
    struct kvs_versions *v = kvs_versions_new(100, 1 << 20);
    struct store_root seen = make_root(1, 6);

    add(v, 2, 5, false); // as it was recorded
    add(v, 2, 6, true);
    add(v, 2, 7, true);
    expect(v, &seen, true, 7, 1);
    seen.root.bytes[0] ^= 1; // that was another history
    expect(v, &seen, false, 7, 1);
    seen = make_root(1, 100);
    expect(v, &seen, false, 7, 1); // it began again
    kvs_versions_free(&v);
}

static void
several_epochs_are_one_history(void **state UNUSED)
{
    struct kvs_versions *v = kvs_versions_new(100, 1 << 20);
    struct store_root seen = make_root(1, 5);

    add(v, 1, 5, false);
    add(v, 1, 6, true);
    add(v, 2, 7, true);
    expect(v, &seen, true, 6, 2);
    kvs_versions_free(&v);
}

static void
an_answer_has_a_bound(void **state UNUSED)
{
    struct kvs_versions *v = kvs_versions_new(1000, 1 << 30);
    struct store_root seen = make_root(1, 0);
    struct kvs_history h;

    for (int64_t i = 0; i < 100; i++) {
        struct store_root root = make_root(1, i);
        struct buf text = BUF_INIT;
        char *detached;
        struct keyset *keys;

        buf_printf(&text, "{\"k%0100d\":null", 0);
        for (int n = 1; n < 500; n++)
            buf_printf(&text, ",\"k%0100d\":null", n);
        buf_add_char(&text, '}');
        detached = buf_detach(&text, NULL);
        keys = keyset_from_text(&detached);
        kvs_versions_add(v, &root, 0, &keys, i > 0);
    }
    h = ask(v, &seen);
    assert_false(h.complete);
    assert_true(h.count > 10 && h.count < 99);
    assert_int_equal(h.entries[h.count - 1].root.sequence, 99);
    kvs_history_fini(&h);
    kvs_versions_free(&v);
}

static void
bad_histories_are_refused(void **state UNUSED)
{
    static const char *const bad[] = {
        "",
        "{}",
        "[1]",
        "{\"namespace\":\"other\",\"owner\":1,\"epoch\":1,\"complete\":true,\"versions\":[]}",
        "{\"namespace\":\"ns\",\"owner\":1,\"epoch\":1,\"complete\":1,\"versions\":[]}",
        "{\"namespace\":\"ns\",\"owner\":1,\"epoch\":1,\"complete\":true,\"versions\":{}}",
        "{\"namespace\":\"ns\",\"owner\":1,\"epoch\":1,\"complete\":true,\"versions\":[{"
        "\"rootseq\":1,"
        "\"rootref\":\"sha1-c0a9faf907dda6216fd73bf81d0b3b21a1a8cb91\",\"keys\":{\"a\":null}},{}]"
        "}"};
    struct kvs_history h;
    struct kvs_history_spec spec;

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(kvs_history_decode(ALG, bad[i], "ns", &h), -EPROTO);
    assert_int_equal(kvs_history_decode_request(ALG, "", &spec), -EPROTO);
    assert_int_equal(kvs_history_decode_request(ALG, "{\"namespace\":\"a b\"}", &spec), -EPROTO);
    assert_int_equal(kvs_history_decode_request(ALG, "{\"since\":\"1\"}", &spec), -EPROTO);
    assert_int_equal(kvs_history_decode_request(ALG, "{\"rootref\":\"x\"}", &spec), -EPROTO);
    assert_int_equal(kvs_history_decode_request(ALG, "{}", &spec), 0);
    assert_string_equal(spec.ns, "primary");
    assert_false(spec.has_since);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_is_read_back),
        cmocka_unit_test(bad_events_are_refused),
        cmocka_unit_test(what_was_missed_is_told),
        cmocka_unit_test(the_oldest_are_told_up_to_a_count),
        cmocka_unit_test(a_gap_is_told),
        cmocka_unit_test(another_run_of_rank_0_goes_on_if_the_roots_are_the_same),
        cmocka_unit_test(several_epochs_are_one_history),
        cmocka_unit_test(an_answer_has_a_bound),
        cmocka_unit_test(bad_histories_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
