/* SPDX-License-Identifier: MPL-2.0 */
/* Values blob by blob: their order, the loads under way, links, and all that can go wrong. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base.h"
#include "buf.h"
#include "fake_rank.h"
#include "xmem.h"
#include "xylem.h"

#define BLOBS 300 // of the long value
#define REF_0 "blake2b-00000000000000000000000000000000000000000000000000000000"
#define ROOT REF_0 "aaaaaaaa"  // of the primary namespace: l -> a.l2 and a.l2 -> n2::x
#define SUB REF_0 "bbbbbbbb"   // its directory a
#define OTHER REF_0 "cccccccc" // of n2: x -> y, and y is a value

/* --- a rank --- */

struct state {
    const char *treeobj; // what a look-up gives
    int missing;         // a blob that is not there, or -1
    bool rest_is_broken; // those behind it fail in another way
    bool garbage;        // directory a is none
    int last_words;      // a blob whose load ends the connection, or -1
    bool swap;           // answer each second load before the one in front of it
    struct msg held;     // swap: that one
    bool is_held;
    unsigned loads;
    unsigned roots; // requests for them
};

static unsigned
number_of(const struct msg *m)
{
    const uint8_t *d = msg_data(m);

    return (unsigned)d[31] | (unsigned)d[30] << 8 | (unsigned)d[29] << 16 | (unsigned)d[28] << 24;
}

static const char *
directory(unsigned number)
{
    if (number == 0xaaaaaaaa)
        return "{\"data\":{\"a\":{\"data\":[\"" SUB "\"],\"type\":\"dirref\",\"ver\":1},"
               "\"l\":{\"data\":{\"target\":\"a.l2\"},\"type\":\"symlink\",\"ver\":1}},"
               "\"type\":\"dir\",\"ver\":1}";
    if (number == 0xbbbbbbbb)
        return "{\"data\":{\"l2\":{\"data\":{\"namespace\":\"n2\",\"target\":\"x\"},"
               "\"type\":\"symlink\",\"ver\":1}},\"type\":\"dir\",\"ver\":1}";
    if (number == 0xcccccccc)
        return "{\"data\":{\"x\":{\"data\":{\"target\":\"y\"},\"type\":\"symlink\",\"ver\":1},"
               "\"y\":{\"data\":[\"" REF_0 "00000007\",\"" REF_0 "00000008\"],"
               "\"type\":\"valref\",\"ver\":1}},\"type\":\"dir\",\"ver\":1}";
    return NULL;
}

static void
answer_load(struct fake_rank *f, const struct msg *m)
{
    const struct state *s = fake_rank_arg(f);
    unsigned number = number_of(m);
    const char *dir = directory(number);
    char text[16];

    if (dir && s->garbage && number == 0xbbbbbbbb)
        fake_rank_reply(f, m, 0, "garbage", 7);
    else if (dir)
        fake_rank_reply(f, m, 0, dir, strlen(dir));
    else if ((int)number == s->missing)
        fake_rank_reply(f, m, ENOENT, NULL, 0);
    else if (s->rest_is_broken && s->missing >= 0 && (int)number > s->missing)
        fake_rank_reply(f, m, EIO, NULL, 0);
    else if ((int)number == s->last_words)
        fake_rank_hang_up(f);
    else
        fake_rank_reply(f, m, 0, text, (size_t)snprintf(text, sizeof(text), "%u,", number));
}

static void
serve_load(struct fake_rank *f, struct msg *m)
{
    struct state *s = fake_rank_arg(f);

    s->loads++;
    if (s->swap && !s->is_held) {
        msg_copy(&s->held, m);
        s->is_held = true;
        return;
    }
    answer_load(f, m);
    if (!s->is_held)
        return;
    s->is_held = false;
    answer_load(f, &s->held);
    msg_fini(&s->held);
}

static void
serve(struct fake_rank *f, struct msg *m)
{
    struct state *s = fake_rank_arg(f);
    const char *request = msg_text(m);

    if (strcmp(m->topic, "content.load") == 0) {
        serve_load(f, m);
    } else if (strcmp(m->topic, "kvs.lookup") == 0) {
        AUTO(buf) struct buf b = BUF_INIT;

        assert(strstr(request, "\"flags\":16}"));
        buf_printf(&b, "{\"val\":%s}", s->treeobj);
        fake_rank_reply_text(f, m, 0, buf_str(&b));
    } else {
        assert(strcmp(m->topic, "kvs.getroot") == 0);
        s->roots++;
        fake_rank_reply_text(f, m, 0,
                             strstr(request, "\"n2\"") ? "{\"rootseq\":1,\"rootref\":\"" OTHER "\"}"
                                                       : "{\"rootseq\":1,\"rootref\":\"" ROOT
                                                         "\"}");
    }
}

/* --- a reader --- */

struct rig {
    struct state state;
    struct fake_rank *rank;
    xylem_t *x;
    struct buf got;
    unsigned pieces;
    unsigned stop_at; // fn returns 7 for this piece; 0 = never
};

static int
take(void *arg, const void *data, size_t size)
{
    struct rig *rig = arg;

    buf_add(&rig->got, data, size);
    return ++rig->pieces == rig->stop_at ? 7 : 0;
}

static void
set_up(struct rig *rig, const char *treeobj)
{
    *rig = (struct rig){.state = {.treeobj = treeobj, .missing = -1, .last_words = -1}};
    unsetenv("XYLEM_NAMESPACE");
    rig->rank = fake_rank_start(0, serve, &rig->state);
    assert_int_equal(xylem_open(&rig->x, fake_rank_uri(rig->rank), NULL, NULL), 0);
}

static int
read_key(struct rig *rig, const char *key, const char *at)
{
    int rc = xylem_read(rig->x, NULL, key, at, take, rig);

    assert_int_equal(xylem_pending(rig->x), 0); // nothing is left that would call into the reader
    return rc;
}

static void
tear_down(struct rig *rig)
{
    xylem_close(rig->x);
    fake_rank_stop(&rig->rank);
    if (rig->state.is_held)
        msg_fini(&rig->state.held);
    buf_fini(&rig->got);
}

static char *
long_valref(void)
{
    struct buf b = BUF_INIT;

    buf_add_str(&b, "{\"data\":[");
    for (unsigned i = 0; i < BLOBS; i++)
        buf_printf(&b, "%s\"" REF_0 "%08x\"", i ? "," : "", i);
    buf_add_str(&b, "],\"type\":\"valref\",\"ver\":1}");
    return buf_detach(&b, NULL);
}

static void
assert_numbers(const struct rig *rig, unsigned count)
{
    AUTO(buf) struct buf b = BUF_INIT;

    for (unsigned i = 0; i < count; i++)
        buf_printf(&b, "%u,", i);
    assert_string_equal(buf_str(&rig->got), buf_str(&b));
    assert_int_equal(rig->pieces, count);
}

/* --- tests --- */

static void
a_val_takes_one_request(void **state UNUSED)
{
    struct rig rig;

    set_up(&rig, "{\"data\":\"aGVsbG8=\",\"type\":\"val\",\"ver\":1}");
    assert_int_equal(read_key(&rig, "a", NULL), 0);
    assert_string_equal(buf_str(&rig.got), "hello");
    assert_int_equal(rig.state.loads + rig.state.roots, 0);
    tear_down(&rig);
}

static void
an_empty_value_has_no_pieces(void **state UNUSED)
{
    struct rig rig;

    set_up(&rig, "{\"data\":\"\",\"type\":\"val\",\"ver\":1}");
    assert_int_equal(read_key(&rig, "a", NULL), 0);
    assert_int_equal(rig.pieces, 0);
    tear_down(&rig);
}

static void
blobs_come_in_order(void **state UNUSED)
{
    AUTO(free) char *valref = long_valref();
    struct rig rig;

    for (int swap = 0; swap < 2; swap++) {
        set_up(&rig, valref);
        rig.state.swap = swap;
        assert_int_equal(read_key(&rig, "a", NULL), 0);
        assert_numbers(&rig, BLOBS);
        assert_int_equal(rig.state.loads, BLOBS);
        tear_down(&rig);
    }
}

static void
the_reader_may_stop(void **state UNUSED)
{
    AUTO(free) char *valref = long_valref();
    struct rig rig;

    set_up(&rig, valref);
    rig.stop_at = 20;
    assert_int_equal(read_key(&rig, "a", NULL), 7);
    assert_numbers(&rig, 20);
    rig.pieces = rig.stop_at = 0;
    buf_reset(&rig.got);
    assert_int_equal(read_key(&rig, "a", NULL), 0); // the handle is as good as before
    assert_numbers(&rig, BLOBS);
    tear_down(&rig);
}

static void
a_missing_blob_ends_it(void **state UNUSED)
{
    AUTO(free) char *valref = long_valref();
    struct rig rig;

    set_up(&rig, valref);
    rig.state.missing = 150;
    assert_int_equal(read_key(&rig, "a", NULL), -ENOENT);
    assert_numbers(&rig, 150);
    assert_non_null(strstr(xylem_error(rig.x), "blob " REF_0 "00000096: "));
    tear_down(&rig);
}

static void
an_error_has_its_own_text(void **state UNUSED)
{
    AUTO(free) char *valref = long_valref();
    struct rig rig;

    set_up(&rig, valref);
    rig.state.missing = 150;
    rig.state.rest_is_broken = true;
    assert_int_equal(read_key(&rig, "a", NULL), -ENOENT);
    assert_non_null(strstr(xylem_error(rig.x), "blob " REF_0 "00000096: "));
    tear_down(&rig);
}

static void
a_damaged_directory_is_named(void **state UNUSED)
{
    struct rig rig;

    set_up(&rig, "{\"data\":{\"target\":\"a.l2\"},\"type\":\"symlink\",\"ver\":1}");
    rig.state.garbage = true;
    assert_int_equal(read_key(&rig, "l", NULL), -EPROTO);
    assert_non_null(strstr(xylem_error(rig.x), "blob " SUB ": "));
    tear_down(&rig);
}

static void
a_lost_rank_ends_it(void **state UNUSED)
{
    AUTO(free) char *valref = long_valref();
    struct rig rig;

    set_up(&rig, valref);
    rig.state.last_words = 100;
    assert_int_equal(read_key(&rig, "a", NULL), -ECONNRESET);
    assert_true(rig.pieces <= 100);
    tear_down(&rig);
}

static void
what_is_no_value_is_refused(void **state UNUSED)
{
    static const struct {
        const char *treeobj;
        int rc;
    } cases[] = {
        {"{\"data\":{},\"type\":\"dir\",\"ver\":1}", -EISDIR},
        {"{\"data\":[\"" SUB "\"],\"type\":\"dirref\",\"ver\":1}", -EISDIR},
        {"{\"data\":[],\"type\":\"valref\",\"ver\":1}", -EPROTO},
        {"{\"data\":\"!\",\"type\":\"val\",\"ver\":1}", -EPROTO},
        {"7", -EPROTO},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct rig rig;

        set_up(&rig, cases[i].treeobj);
        assert_int_equal(read_key(&rig, "a", NULL), cases[i].rc);
        assert_true(strlen(xylem_error(rig.x)) > 0);
        tear_down(&rig);
    }
}

/* l -> a.l2 -> n2::x -> y, which is a key of n2 then. */
static void
links_are_followed_across_namespaces(void **state UNUSED)
{
    const char *link = "{\"data\":{\"target\":\"a.l2\"},\"type\":\"symlink\",\"ver\":1}";
    struct rig rig;

    set_up(&rig, link);
    assert_int_equal(read_key(&rig, "l", NULL), 0);
    assert_string_equal(buf_str(&rig.got), "7,8,");
    assert_int_equal(rig.state.roots, 2);
    tear_down(&rig);

    set_up(&rig, link);
    assert_int_equal(read_key(&rig, "l", ROOT), 0); // that root, not the current one
    assert_string_equal(buf_str(&rig.got), "7,8,");
    assert_int_equal(rig.state.roots, 1);
    tear_down(&rig);

    set_up(&rig, link);
    assert_int_equal(read_key(&rig, "a.nothing", NULL), -ENOENT);
    assert_int_equal(read_key(&rig, "l", "sha1-c0a9faf907dda6216fd73bf81d0b3b21a1a8cb91"), -EINVAL);
    tear_down(&rig);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_val_takes_one_request),
        cmocka_unit_test(an_empty_value_has_no_pieces),
        cmocka_unit_test(blobs_come_in_order),
        cmocka_unit_test(the_reader_may_stop),
        cmocka_unit_test(a_missing_blob_ends_it),
        cmocka_unit_test(an_error_has_its_own_text),
        cmocka_unit_test(a_damaged_directory_is_named),
        cmocka_unit_test(a_lost_rank_ends_it),
        cmocka_unit_test(what_is_no_value_is_refused),
        cmocka_unit_test(links_are_followed_across_namespaces),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
