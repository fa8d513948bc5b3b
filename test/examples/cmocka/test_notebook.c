/* SPDX-License-Identifier: MPL-2.0 */
/* test_notebook.c - tests in C of something that keeps its data in Xylem, with an instance inside the test
 * program: xylem-testing(3).
 *
 *     cc -o test_notebook test_notebook.c $(pkg-config --cflags --libs xylem-testing) -lcmocka
 *
 * To adapt: put your own code in the place of the notebook, which knows nothing of tests; it finds its rank
 * by a URI.  Any framework will do: start a cluster where it prepares tests, stop it where it cleans up.
 * What is not stopped, because a test has ended the program, is stopped at exit().
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <xylem-testing.h>
#include <xylem.h>

/* --- what is tested: notes, each a key --- */

static int
note_write(const char *uri, const char *key, const char *text)
{
    xylem_t *x;
    int rc = xylem_open(&x, uri, NULL, NULL);

    if (rc < 0)
        return rc;
    rc = xylem_put(x, NULL, key, text, strlen(text) + 1);
    xylem_close(x);
    return rc;
}

/* *ret: malloc()ed. */
static int
note_read(const char *uri, const char *key, char **ret)
{
    size_t size;
    xylem_t *x;
    void *data;
    int rc = xylem_open(&x, uri, NULL, NULL);

    if (rc < 0)
        return rc;
    rc = xylem_get(x, NULL, key, &data, &size);
    if (rc == 0)
        *ret = data;
    xylem_close(x);
    return rc;
}

/* --- the instance --- */

#define SIZE 8
#define PATIENCE_MS 20000

static xylem_cluster_t *cluster;

static int
start(void **state)
{
    struct xylem_testing_conf conf = {.size = SIZE, .network = 1};
    char why[XYLEM_ERROR_MAX];

    (void)state;
    if (xylem_testing_start(&cluster, &conf, why) == 0)
        return 0;
    print_error("%s\n", why);
    return -1;
}

static int
stop(void **state)
{
    (void)state;
    xylem_testing_stop(&cluster);
    return 0;
}

/* A function of xylem-testing.h has succeeded. */
static void
check(int rc)
{
    if (rc < 0)
        fail_msg("%s", xylem_testing_error(cluster));
}

static void
check_note(uint32_t rank, const char *key, const char *text)
{
    char *got;

    assert_int_equal(note_read(xylem_testing_uri(cluster, rank), key, &got), 0);
    assert_string_equal(got, text);
    free(got);
}

/* --- tests --- */

static void
test_notes_are_read_where_they_were_written(void **state)
{
    (void)state;
    for (uint32_t rank = 0; rank < SIZE; rank++) {
        assert_int_equal(note_write(xylem_testing_uri(cluster, rank), "notes.mine", "text"), 0);
        check_note(rank, "notes.mine", "text");
    }
}

static void
test_there_is_no_such_note(void **state)
{
    char *got;

    (void)state;
    assert_true(note_read(xylem_testing_uri(cluster, 5), "notes.none", &got) < 0);
}

static void
test_notes_survive_a_crash(void **state)
{
    (void)state;
    assert_int_equal(note_write(xylem_testing_uri(cluster, 7), "notes.old", "old"), 0);
    check(xylem_testing_kill(cluster, 1)); // above 3, which is above 7
    check(xylem_testing_restart(cluster, 1));
    check(xylem_testing_wait(cluster, "full", PATIENCE_MS));
    check_note(7, "notes.old", "old");
    assert_int_equal(note_write(xylem_testing_uri(cluster, 7), "notes.new", "new"), 0);
    check_note(7, "notes.new", "new");
}

static void
test_notes_survive_a_partition(void **state)
{
    (void)state;
    check(xylem_testing_cut(cluster, 2, XYLEM_RANK_ANY));
    check(xylem_testing_cut(cluster, XYLEM_RANK_ANY, 2));
    assert_int_equal(note_write(xylem_testing_uri(cluster, 3), "notes.meanwhile", "text"), 0);
    check(xylem_testing_wait(cluster, "degraded", PATIENCE_MS));
    check(xylem_testing_heal(cluster, XYLEM_RANK_ANY, XYLEM_RANK_ANY));
    check(xylem_testing_wait(cluster, "full", PATIENCE_MS));
    assert_int_equal(note_write(xylem_testing_uri(cluster, 2), "notes.again", "text"), 0);
    check_note(2, "notes.meanwhile", "text");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_notes_are_read_where_they_were_written),
        cmocka_unit_test(test_there_is_no_such_note),
        cmocka_unit_test(test_notes_survive_a_crash),
        cmocka_unit_test(test_notes_survive_a_partition),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
