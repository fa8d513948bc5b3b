/* SPDX-License-Identifier: MPL-2.0 */
/* Look-ups that go on: where they are sent, how they end, and that the rank hears of it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base.h"
#include "fake_rank.h"
#include "xylem.h"

#define VAL(base64) "{\"val\":{\"ver\":1,\"type\":\"val\",\"data\":\"" base64 "\"}}"

/* --- a rank --- */

enum manner {
    GO_ON,  // two answers, and the stream stays open
    FINISH, // two answers and an orderly end
    LOSE,   // one answer, and the key is gone
    WAIT,   // no answer
    ONCE,   // one answer
};

struct state {
    enum manner manner;
    char topic[256]; // of the look-up
    char request[256];
    bool streaming;
    uint32_t tag;
    atomic_uint cancelled;
};

static void
answer_watch(struct fake_rank *f, const struct msg *m, enum manner manner)
{
    if (manner != WAIT)
        fake_rank_reply_text(f, m, 0, VAL("MQ=="));
    if (manner == GO_ON || manner == FINISH)
        fake_rank_reply_text(f, m, 0, VAL("Mg=="));
    if (manner == FINISH)
        fake_rank_reply(f, m, ENODATA, NULL, 0);
    if (manner == LOSE)
        fake_rank_reply_text(f, m, ENOENT, "no such key");
}

static void
serve(struct fake_rank *f, struct msg *m)
{
    struct state *s = fake_rank_arg(f);
    char expected[64];

    if (strcmp(m->topic, "kvs-watch.cancel") == 0) {
        snprintf(expected, sizeof(expected), "{\"matchtag\":%u}", s->tag);
        assert(strcmp(msg_text(m), expected) == 0 && m->flags & MSG_NORESPONSE);
        atomic_fetch_add(&s->cancelled, 1);
        return;
    }
    if (strcmp(m->topic, "sync") == 0) { // what was sent before has come
        fake_rank_reply_text(f, m, 0, "{}");
        return;
    }
    snprintf(s->topic, sizeof(s->topic), "%s", m->topic);
    snprintf(s->request, sizeof(s->request), "%s", msg_text(m));
    s->streaming = m->flags & MSG_STREAMING;
    s->tag = m->matchtag;
    answer_watch(f, m, s->manner);
}

/* --- a client --- */

struct rig {
    struct state state;
    struct fake_rank *rank;
    xylem_t *x;
    char got[64]; // values, one behind the other
    int rc;       // of the last completion
    unsigned completions;
    uint32_t tag;
};

static void
see(void *arg, const struct xylem_reply *reply)
{
    struct rig *rig = arg;
    void *data = NULL;
    size_t size;

    rig->completions++;
    rig->rc = reply->rc;
    assert_int_equal(xylem_lookup_value(rig->x, reply, &data, &size), reply->rc);
    if (data)
        strncat(rig->got, data, size);
    free(data);
}

static void
set_up(struct rig *rig, enum manner manner)
{
    *rig = (struct rig){.state = {.manner = manner}};
    unsetenv("XYLEM_NAMESPACE");
    rig->rank = fake_rank_start(0, serve, &rig->state);
    assert_int_equal(xylem_open(&rig->x, fake_rank_uri(rig->rank), NULL, NULL), 0);
}

static void
look_up(struct rig *rig, int flags)
{
    assert_int_equal(xylem_lookup_async(rig->x, "n1", "a", NULL, flags, see, rig, &rig->tag), 0);
}

static void
until_completed(struct rig *rig, unsigned count)
{
    while (rig->completions < count)
        assert_true(xylem_dispatch(rig->x, 10000) > 0);
}

static void
sync_with_rank(struct rig *rig)
{
    assert_int_equal(xylem_rpc(rig->x, "sync", XYLEM_RANK_ANY, "{}", NULL), 0);
}

static void
tear_down(struct rig *rig)
{
    xylem_close(rig->x);
    fake_rank_stop(&rig->rank);
}

/* --- tests --- */

static void
flags_decide_the_service(void **state UNUSED)
{
    static const struct {
        int flags;
        const char *topic;
        bool streaming;
    } cases[] = {
        {0, "kvs.lookup", false},
        {XYLEM_READDIR, "kvs.lookup", false},
        {XYLEM_TREEOBJ, "kvs.lookup", false},
        {XYLEM_WATCH, "kvs-watch.lookup", true},
        {XYLEM_WATCH | XYLEM_READDIR, "kvs-watch.lookup", true},
        {XYLEM_WATCH | XYLEM_WATCH_APPEND | XYLEM_WAITCREATE, "kvs-watch.lookup", true},
        {XYLEM_WATCH | XYLEM_WATCH_FULL | XYLEM_WATCH_UNIQ, "kvs-watch.lookup", true},
        {XYLEM_STREAM, "kvs-watch.lookup", true},
        {XYLEM_WAITCREATE, "kvs-watch.lookup", false},
        {XYLEM_WATCH_UNIQ, "kvs-watch.lookup", false}, // the rank says what is wrong with it
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct rig rig;
        char request[128];

        set_up(&rig, ONCE);
        look_up(&rig, cases[i].flags);
        until_completed(&rig, 1);
        snprintf(request, sizeof(request), "{\"key\":\"a\",\"namespace\":\"n1\",\"flags\":%d}",
                 cases[i].flags);
        assert_string_equal(rig.state.topic, cases[i].topic);
        assert_string_equal(rig.state.request, request);
        assert_int_equal(rig.state.streaming, cases[i].streaming);
        assert_string_equal(rig.got, "1");
        tear_down(&rig);
    }
}

static void
the_numbers_are_those_of_the_protocol(void **state UNUSED)
{
    assert_int_equal(XYLEM_WATCH, 4);
    assert_int_equal(XYLEM_WAITCREATE, 8);
    assert_int_equal(XYLEM_WATCH_FULL, 64);
    assert_int_equal(XYLEM_WATCH_UNIQ, 128);
    assert_int_equal(XYLEM_WATCH_APPEND, 256);
    assert_int_equal(XYLEM_STREAM, 512);
    assert_int_equal(XYLEM_INITIAL_SENTINEL, 1024);
}

static void
a_stream_ends_in_order(void **state UNUSED)
{
    struct rig rig;

    set_up(&rig, FINISH);
    look_up(&rig, XYLEM_STREAM);
    until_completed(&rig, 3);
    assert_string_equal(rig.got, "12");
    assert_int_equal(rig.rc, -ENODATA);
    assert_int_equal(xylem_pending(rig.x), 0);
    tear_down(&rig);
}

static void
an_error_ends_a_stream(void **state UNUSED)
{
    struct rig rig;

    set_up(&rig, LOSE);
    look_up(&rig, XYLEM_WATCH);
    until_completed(&rig, 2);
    assert_string_equal(rig.got, "1");
    assert_int_equal(rig.rc, -ENOENT);
    assert_int_equal(xylem_pending(rig.x), 0);
    tear_down(&rig);
}

static void
the_rank_is_told_that_nobody_watches(void **state UNUSED)
{
    struct rig rig;

    set_up(&rig, GO_ON);
    look_up(&rig, XYLEM_WATCH);
    until_completed(&rig, 2);
    xylem_cancel(rig.x, rig.tag);
    assert_int_equal(xylem_pending(rig.x), 0);
    sync_with_rank(&rig);
    assert_int_equal(atomic_load(&rig.state.cancelled), 1);
    assert_int_equal(rig.completions, 2);
    tear_down(&rig);
}

static void
the_rank_is_told_that_nobody_waits(void **state UNUSED)
{
    struct rig rig;

    set_up(&rig, WAIT);
    look_up(&rig, XYLEM_WAITCREATE);
    sync_with_rank(&rig);
    xylem_cancel(rig.x, rig.tag);
    sync_with_rank(&rig);
    assert_int_equal(atomic_load(&rig.state.cancelled), 1);
    assert_int_equal(rig.completions, 0);
    tear_down(&rig);
}

static void
an_ordinary_lookup_is_forgotten_in_silence(void **state UNUSED)
{
    struct rig rig;

    set_up(&rig, WAIT);
    look_up(&rig, 0);
    xylem_cancel(rig.x, rig.tag);
    sync_with_rank(&rig);
    assert_int_equal(atomic_load(&rig.state.cancelled), 0);
    tear_down(&rig);
}

static void
one_answer_is_not_a_stream(void **state UNUSED)
{
    struct rig rig;
    char *text;

    set_up(&rig, ONCE);
    assert_int_equal(xylem_lookup(rig.x, NULL, "a", NULL, XYLEM_WATCH, &text), -EINVAL);
    assert_int_equal(xylem_lookup(rig.x, NULL, "a", NULL, XYLEM_STREAM, &text), -EINVAL);
    assert_int_equal(xylem_pending(rig.x), 0);
    assert_int_equal(xylem_lookup(rig.x, NULL, "a", NULL, XYLEM_WAITCREATE, &text), 0);
    assert_string_equal(text, "{\"data\":\"MQ==\",\"type\":\"val\",\"ver\":1}");
    free(text);
    tear_down(&rig);
}

static void
an_answer_that_is_no_value_is_told(void **state UNUSED)
{
    static const char *const answers[] = {"", "{}", "{\"val\":7}",
                                          "{\"val\":{\"ver\":1,\"type\":\"dir\",\"data\":{}}}",
                                          "{\"val\":{\"ver\":1,\"type\":\"val\",\"data\":\"!\"}}"};
    struct rig rig;

    set_up(&rig, ONCE);
    for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
        const struct xylem_reply reply = {
            .rc = 0, .error = "", .data = answers[i], .size = strlen(answers[i]) + 1};
        void *data;
        size_t size;

        assert_int_equal(xylem_lookup_value(rig.x, &reply, &data, &size), -EPROTO);
    }
    tear_down(&rig);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flags_decide_the_service),
        cmocka_unit_test(the_numbers_are_those_of_the_protocol),
        cmocka_unit_test(a_stream_ends_in_order),
        cmocka_unit_test(an_error_ends_a_stream),
        cmocka_unit_test(the_rank_is_told_that_nobody_watches),
        cmocka_unit_test(the_rank_is_told_that_nobody_waits),
        cmocka_unit_test(an_ordinary_lookup_is_forgotten_in_silence),
        cmocka_unit_test(one_answer_is_not_a_stream),
        cmocka_unit_test(an_answer_that_is_no_value_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
