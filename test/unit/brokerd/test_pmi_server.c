/* SPDX-License-Identifier: MPL-2.0 */
/* test_pmi_server.c - the launcher's side of PMI-1: conversations, barriers, and clients that mean
 * no good. */
#include "cmocka_all.h"

#include "pmi_server.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define INIT "cmd=init pmi_version=1 pmi_subversion=1\n"
#define INIT_OK "cmd=response_to_init rc=0 pmi_version=1 pmi_subversion=1\n"
#define PUT_OK "cmd=put_result rc=0 msg=success\n"
#define OUT "cmd=barrier_out rc=0\n"

static int
say(struct pmi_server *s, unsigned rank, const char *text)
{
    struct err err = {.text = ""};
    int rc = pmi_server_feed(s, rank, text, strlen(text), &err);

    assert_int_equal(rc < 0, err.text[0] != '\0');
    return rc;
}

/* What is to be sent to the client is this and no more. */
static void
expect(struct pmi_server *s, unsigned rank, const char *text)
{
    struct buf *out = pmi_server_output(s, rank);

    assert_string_equal(buf_str(out), text);
    buf_reset(out);
}

static struct pmi_server *
new_server(unsigned size)
{
    struct pmi_server *s = pmi_server_new(size, "job");

    for (unsigned rank = 0; rank < size; rank++) {
        assert_int_equal(say(s, rank, INIT), 0);
        expect(s, rank, INIT_OK);
    }
    return s;
}

static void
a_conversation(void **state UNUSED)
{
    AUTO(pmi_server) struct pmi_server *s = new_server(1);

    assert_int_equal(say(s, 0, "cmd=get_maxes\n"), 0);
    expect(s, 0, "cmd=maxes rc=0 kvsname_max=64 keylen_max=64 vallen_max=1025\n");
    assert_int_equal(say(s, 0, "cmd=get_my_kvsname\n"), 0);
    expect(s, 0, "cmd=my_kvsname rc=0 kvsname=job\n");
    assert_int_equal(say(s, 0, "cmd=put kvsname=job key=a value=x y=z  w\n"), 0);
    expect(s, 0, PUT_OK);
    assert_string_equal(pmi_server_get(s, "a"), "x y=z  w");
    assert_int_equal(say(s, 0, "cmd=get kvsname=job key=a\n"), 0);
    expect(s, 0, "cmd=get_result rc=0 msg=success value=x y=z  w\n");
    assert_int_equal(say(s, 0, "cmd=get kvsname=job key=b\n"), 0);
    expect(s, 0, "cmd=get_result rc=-1 msg=key_not_found\n");
    assert_int_equal(say(s, 0, "cmd=get kvsname=other key=a\n"), 0);
    expect(s, 0, "cmd=get_result rc=-1 msg=key_not_found\n");
    assert_int_equal(say(s, 0, "cmd=finalize\n"), 0);
    expect(s, 0, "cmd=finalize_ack rc=0\n");
    assert_int_equal(pmi_server_state(s, 0), PMI_FINISHED);
}

static void
the_parser_is_lenient(void **state UNUSED)
{
    AUTO(pmi_server) struct pmi_server *s = new_server(1);

    assert_int_equal(say(s, 0, "  key=a\tmore=1 kvsname=job   cmd=put value=v\n"), 0);
    expect(s, 0, PUT_OK);
    assert_string_equal(pmi_server_get(s, "a"), "v");
    // what stands in a value is no word
    assert_int_equal(say(s, 0, "cmd=put kvsname=job key=b value= key=c \n"), 0);
    expect(s, 0, PUT_OK);
    assert_string_equal(pmi_server_get(s, "b"), " key=c"); // blanks at the end are not kept
    assert_null(pmi_server_get(s, "c"));
    assert_int_equal(say(s, 0, "cmd=put kvsname=job key=d\n"), 0);
    expect(s, 0, PUT_OK);
    assert_string_equal(pmi_server_get(s, "d"), "");
}

static void
bytes_come_in_any_pieces(void **state UNUSED)
{
    static const char text[] = "cmd=put kvsname=job key=k value=v\ncmd=get kvsname=job key=k\n";
    AUTO(pmi_server) struct pmi_server *s = new_server(1);

    for (size_t i = 0; i < sizeof(text) - 1; i++)
        assert_int_equal(pmi_server_feed(s, 0, text + i, 1, NULL), 0);
    expect(s, 0, PUT_OK "cmd=get_result rc=0 msg=success value=v\n");
    assert_int_equal(say(s, 0, text), 0);
    expect(s, 0, PUT_OK "cmd=get_result rc=0 msg=success value=v\n");
}

static void
the_last_value_wins_but_for_reserved_keys(void **state UNUSED)
{
    AUTO(pmi_server) struct pmi_server *s = new_server(2);

    pmi_server_define(s, "map", "(vector)");
    assert_int_equal(say(s, 0, "cmd=put kvsname=job key=map value=x\n"), 0);
    expect(s, 0, "cmd=put_result rc=-1 msg=key_is_reserved\n");
    assert_string_equal(pmi_server_get(s, "map"), "(vector)");
    assert_int_equal(say(s, 0, "cmd=put kvsname=job key=a value=x\n"), 0);
    assert_int_equal(say(s, 1, "cmd=put kvsname=job key=a value=y\n"), 0);
    expect(s, 1, PUT_OK);
    assert_string_equal(pmi_server_get(s, "a"), "y");
    pmi_server_forget(s, "a");
    assert_null(pmi_server_get(s, "a"));
    pmi_server_forget(s, "map");
    assert_non_null(pmi_server_get(s, "map"));
}

static void
a_barrier_opens_when_all_are_in(void **state UNUSED)
{
    AUTO(pmi_server) struct pmi_server *s = new_server(3);

    assert_int_equal(say(s, 0, "cmd=barrier_in\n"), 0);
    assert_int_equal(say(s, 2, "cmd=barrier_in\n"), 0);
    expect(s, 0, "");
    assert_int_equal(pmi_server_state(s, 0), PMI_WAITING);
    assert_int_equal(pmi_server_barriers(s), 0);
    assert_true(pmi_server_has_entered(s, 2, 1));
    assert_false(pmi_server_has_entered(s, 1, 1));
    assert_int_equal(say(s, 1, "cmd=barrier_in\n"), 0);
    for (unsigned rank = 0; rank < 3; rank++) {
        expect(s, rank, OUT);
        assert_int_equal(pmi_server_state(s, rank), PMI_ACTIVE);
    }
    assert_int_equal(pmi_server_barriers(s), 1);
    assert_int_equal(say(s, 0, "cmd=barrier_in\n"), 0); // the next one
    expect(s, 0, "");
    assert_int_equal(say(s, 1, "cmd=barrier_in\n"), 0);
    assert_int_equal(say(s, 2, "cmd=barrier_in\n"), 0);
    expect(s, 0, OUT);
}

static void
who_starts_again_passes_open_barriers(void **state UNUSED)
{
    AUTO(pmi_server) struct pmi_server *s = new_server(2);

    assert_int_equal(say(s, 0, "cmd=put kvsname=job key=card.0 value=first\n"), 0);
    assert_int_equal(say(s, 0, "cmd=barrier_in\n"), 0);
    assert_int_equal(say(s, 1, "cmd=barrier_in\n"), 0);
    expect(s, 0, PUT_OK OUT);
    assert_int_equal(say(s, 0, "cmd=get kvsname=job key=a\ncmd=g"), 0);
    pmi_server_restart(s, 0); // with half a line, and an answer nobody has read
    expect(s, 0, "");
    assert_int_equal(pmi_server_state(s, 0), PMI_SILENT);
    assert_int_equal(say(s, 0, INIT "cmd=get kvsname=job key=card.0\n"), 0);
    expect(s, 0, INIT_OK "cmd=get_result rc=0 msg=success value=first\n");
    assert_int_equal(say(s, 0, "cmd=put kvsname=job key=card.0 value=second\n"), 0);
    assert_int_equal(say(s, 0, "cmd=barrier_in\n"), 0);
    expect(s, 0, PUT_OK OUT);
    assert_string_equal(pmi_server_get(s, "card.0"), "second");
    expect(s, 1, OUT); // and nothing more for the other
    assert_int_equal(say(s, 0, "cmd=barrier_in\n"), 0);
    pmi_server_restart(s, 0);
    assert_int_equal(say(s, 0, INIT "cmd=barrier_in\n"), 0);
    assert_true(pmi_server_has_entered(s, 0, 2));
}

/* One that died in the barrier has been there: its successor waits as it did. */
static void
who_starts_again_in_a_barrier_waits(void **state UNUSED)
{
    AUTO(pmi_server) struct pmi_server *s = new_server(2);

    assert_int_equal(say(s, 0, "cmd=barrier_in\n"), 0);
    pmi_server_restart(s, 0);
    assert_int_equal(say(s, 0, INIT "cmd=barrier_in\n"), 0);
    expect(s, 0, INIT_OK);
    assert_int_equal(say(s, 1, "cmd=barrier_in\n"), 0);
    expect(s, 0, OUT);
}

static void
requests_out_of_order_end_the_talk(void **state UNUSED)
{
    static const char *const talks[] = {
        "cmd=get_maxes\n",
        "cmd=barrier_in\n",
        "cmd=finalize\n",
        INIT INIT,
        INIT "cmd=nonsense\n",
        INIT "hello\n",
        INIT "\n",
        INIT "cmd=barrier_in\ncmd=barrier_in\n",
        INIT "cmd=barrier_in\ncmd=finalize\n",
        INIT "cmd=get kvsname=job key=\001\n",
        INIT "cmd=get kvsname=job key=\377\n",
    };

    for (size_t i = 0; i < ARRAY_SIZE(talks); i++) {
        AUTO(pmi_server) struct pmi_server *s = pmi_server_new(2, "job");

        assert_int_equal(say(s, 0, talks[i]), -EPROTO);
        assert_int_equal(pmi_server_state(s, 0), PMI_FAILED);
        buf_reset(pmi_server_output(s, 0));
        assert_int_equal(say(s, 0, INIT), 0); // not even looked at
        expect(s, 0, "");
    }
}

static void
an_abort_is_told(void **state UNUSED)
{
    AUTO(pmi_server) struct pmi_server *s = new_server(1);
    struct err err;

    assert_int_equal(pmi_server_feed(s, 0, "cmd=abort exitcode=3\n", 21, &err), -ECANCELED);
    assert_string_equal(err.text, "gives up with exit code 3");
    assert_int_equal(pmi_server_state(s, 0), PMI_FAILED);
}

static void
nothing_follows_finalize(void **state UNUSED)
{
    AUTO(pmi_server) struct pmi_server *s = new_server(1);

    assert_int_equal(say(s, 0, "cmd=finalize\ncmd=put kvsname=job key=a value=b\n"), 0);
    expect(s, 0, "cmd=finalize_ack rc=0\n");
    assert_null(pmi_server_get(s, "a"));
}

/* ---- limits ---- */

static void
long_lines_are_not_kept(void **state UNUSED)
{
    AUTO(pmi_server) struct pmi_server *s = new_server(2);
    static char piece[4096];
    int rc = 0;

    memset(piece, 'x', sizeof(piece));
    rc = pmi_server_feed(s, 0, piece, sizeof(piece), NULL);
    assert_int_equal(rc, -EPROTO);
    memcpy(piece, INIT "cmd=get key=", sizeof(INIT "cmd=get key=") - 1);
    piece[sizeof(piece) - 1] = '\n'; // complete, but as long
    assert_int_equal(pmi_server_feed(s, 1, piece, sizeof(piece), NULL), -EPROTO);
}

static void
put_of(struct pmi_server *s, size_t key_size, size_t value_size)
{
    char key[200];
    char value[1100];
    char line[1400];

    memset(key, 'k', key_size);
    key[key_size] = '\0';
    memset(value, 'v', value_size);
    value[value_size] = '\0';
    snprintf(line, sizeof(line), "cmd=put kvsname=job key=%s value=%s\n", key, value);
    assert_int_equal(say(s, 0, line), 0);
}

static void
keys_and_values_have_a_greatest_length(void **state UNUSED)
{
    AUTO(pmi_server) struct pmi_server *s = new_server(1);

    put_of(s, PMI_KEY_MAX, PMI_VALUE_MAX);
    expect(s, 0, PUT_OK);
    put_of(s, PMI_KEY_MAX + 1, 1);
    expect(s, 0, "cmd=put_result rc=-1 msg=key_length\n");
    put_of(s, 0, 1);
    expect(s, 0, "cmd=put_result rc=-1 msg=key_length\n");
    put_of(s, 1, PMI_VALUE_MAX + 1);
    expect(s, 0, "cmd=put_result rc=-1 msg=value_length\n");
}

static void
a_rank_may_put_so_many_keys(void **state UNUSED)
{
    AUTO(pmi_server) struct pmi_server *s = new_server(2);
    char line[80];

    for (int i = 0; i < PMI_KEYS_MAX; i++) {
        snprintf(line, sizeof(line), "cmd=put kvsname=job key=k%d value=v\n", i);
        assert_int_equal(say(s, 0, line), 0);
        expect(s, 0, PUT_OK);
    }
    assert_int_equal(say(s, 0, "cmd=put kvsname=job key=more value=v\n"), 0);
    expect(s, 0, "cmd=put_result rc=-1 msg=too_many_keys\n");
    assert_int_equal(say(s, 0, "cmd=put kvsname=job key=k3 value=new\n"), 0);
    expect(s, 0, PUT_OK);
    pmi_server_forget(s, "k4");
    assert_int_equal(say(s, 0, "cmd=put kvsname=job key=more value=v\n"), 0);
    expect(s, 0, PUT_OK);
    assert_int_equal(say(s, 1, "cmd=put kvsname=job key=mine value=v\n"), 0);
    expect(s, 1, PUT_OK);
}

static void
who_does_not_read_is_not_answered_for_ever(void **state UNUSED)
{
    AUTO(pmi_server) struct pmi_server *s = new_server(1);
    int rc = 0;

    for (int i = 0; i < 100000 && rc == 0; i++)
        rc = say(s, 0, "cmd=get_maxes\n");
    assert_int_equal(rc, -EPROTO);
    assert_true(pmi_server_output(s, 0)->size < 70000);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_conversation),
        cmocka_unit_test(the_parser_is_lenient),
        cmocka_unit_test(bytes_come_in_any_pieces),
        cmocka_unit_test(the_last_value_wins_but_for_reserved_keys),
        cmocka_unit_test(a_barrier_opens_when_all_are_in),
        cmocka_unit_test(who_starts_again_passes_open_barriers),
        cmocka_unit_test(who_starts_again_in_a_barrier_waits),
        cmocka_unit_test(requests_out_of_order_end_the_talk),
        cmocka_unit_test(an_abort_is_told),
        cmocka_unit_test(nothing_follows_finalize),
        cmocka_unit_test(long_lines_are_not_kept),
        cmocka_unit_test(keys_and_values_have_a_greatest_length),
        cmocka_unit_test(a_rank_may_put_so_many_keys),
        cmocka_unit_test(who_does_not_read_is_not_answered_for_ever),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
