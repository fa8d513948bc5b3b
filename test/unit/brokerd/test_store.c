/* SPDX-License-Identifier: MPL-2.0 */
/* test_store.c - the store actor with a real loop and a real file. */
#include "storetest.h"
#include "actor.h"
#include "store.h"

#include <malloc.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/resource.h>

enum { MAX_TAGS = 2000 };

struct rig {
    struct statedir dir;
    struct loop *loop;
    struct store *store;
    struct store_recorded recorded; // as found at the start
    int rc[MAX_TAGS];               // answer for each tag or cookie; 1 = none yet
    size_t size[MAX_TAGS];          // bytes loaded
    size_t answers;
    size_t ncheckpoints;
    bool again; // ask for a load from inside the next answer of a put
};

static void
note(struct rig *r, size_t tag, int rc)
{
    assert_true(tag < MAX_TAGS);
    assert_int_equal(r->rc[tag], 1);
    r->rc[tag] = rc;
    r->answers++;
}

static void
on_loaded(void *arg, uint32_t tag, int rc, const struct blob *b)
{
    struct rig *r = arg;

    assert_true((rc == 0) == (b != NULL));
    r->size[tag] = blob_size(b);
    note(r, tag, rc);
}

static void
on_stored(void *arg, uint32_t tag, int rc)
{
    struct rig *r = arg;
    struct digest d = {{0}};

    note(r, tag, rc);
    if (r->again)
        store_load(r->store, &d, tag + 1);
    r->again = false;
}

static void
on_changed(void *arg, void *cookie, int rc, struct store_change **change)
{
    assert_non_null(*change);
    store_change_free(change);
    note(arg, (size_t)(uintptr_t)cookie, rc);
}

static void
on_checkpoints(void *arg, void *cookie, int rc, const struct checkpoint *list, size_t n)
{
    struct rig *r = arg;

    r->ncheckpoints = n;
    assert_true(n == 0 || list != NULL);
    note(r, (size_t)(uintptr_t)cookie, rc);
}

static void
on_validated(void *arg, void *cookie, int rc)
{
    note(arg, (size_t)(uintptr_t)cookie, rc);
}

static void
on_ran(void *arg, void *cookie, int rc)
{
    note(arg, (size_t)(uintptr_t)cookie, rc);
}

static const struct store_ops ops = {on_loaded,      on_stored,    on_changed,
                                     on_checkpoints, on_validated, on_ran};

static void *
cookie(size_t tag)
{
    return (void *)(uintptr_t)tag;
}

static void
start(struct rig *r)
{
    struct err err = {0};

    for (int i = 0; i < MAX_TAGS; i++)
        r->rc[i] = 1;
    r->answers = 0;
    store_recorded_fini(&r->recorded);
    if (store_start(&r->store, &r->dir.conf, r->loop, &ops, r, &r->recorded, &err) < 0)
        fail_msg("%s", err.text);
}

static int
setup(void **state)
{
    struct rig *r = xcalloc(1, sizeof(*r));

    statedir_init(&r->dir);
    r->loop = loop_new();
    start(r);
    *state = r;
    return 0;
}

static int
teardown(void **state)
{
    struct rig *r = *state;

    store_stop(&r->store);
    loop_free(&r->loop);
    statedir_fini(&r->dir);
    store_recorded_fini(&r->recorded);
    free(r);
    return 0;
}

static void
wait_for(struct rig *r, size_t answers)
{
    while (r->answers < answers)
        loop_turn(r->loop, -1);
    assert_int_equal(r->answers, answers);
}

static struct digest
put(struct rig *r, int i, size_t size, size_t tag)
{
    struct digest d;
    AUTO(blob) struct blob *b = make_blob(i, size, true, &d);

    store_put(r->store, &d, b, (uint32_t)tag);
    return d;
}

static struct store_stats
stats(const struct rig *r)
{
    struct store_stats s;

    store_stats(r->store, &s);
    return s;
}

static void
puts_of_one_turn_share_commits(void **state)
{
    struct rig *r = *state;

    for (int i = 0; i < 100; i++)
        put(r, i, 1000, (size_t)i);
    assert_int_equal(stats(r).queued, 100);
    wait_for(r, 100);
    assert_int_equal(stats(r).batches, 1);
    assert_int_equal(stats(r).rows, 100);
    assert_int_equal(stats(r).queued, 0);
    for (int i = 0; i < 100; i++)
        assert_int_equal(r->rc[i], 0);
}

static void
long_queues_are_cut_into_groups(void **state)
{
    struct rig *r = *state;

    for (int i = 0; i < 1000; i++)
        put(r, i, 100, (size_t)i);
    wait_for(r, 1000);
    assert_int_equal(stats(r).batches, 4);
    for (int i = 0; i < 10; i++)
        put(r, 5000 + i, 2 << 20, 1000 + (size_t)i);
    wait_for(r, 1010);
    assert_int_equal(stats(r).batches, 8);
}

static void
everything_is_there_after_a_restart(void **state)
{
    struct rig *r = *state;
    struct digest d[50];
    AUTO(free) char *id = xstrdup(store_id(r->store));

    for (int i = 0; i < 50; i++)
        d[i] = put(r, i, (size_t)i * 100, (size_t)i);
    store_stop(&r->store);
    assert_int_equal(r->answers, 50);
    start(r);
    assert_string_equal(store_id(r->store), id);
    for (size_t i = 0; i < 50; i++)
        store_load(r->store, &d[i], (uint32_t)i);
    wait_for(r, 50);
    for (size_t i = 0; i < 50; i++) {
        assert_int_equal(r->rc[i], 0);
        assert_int_equal(r->size[i], i * 100 + sizeof(int));
    }
    assert_int_equal(stats(r).loads, 50);
}

static void
load_finds_what_was_put_before_it(void **state)
{
    struct rig *r = *state;

    for (size_t i = 0; i < 600; i += 2) {
        struct digest d = put(r, (int)i, 500, i);

        store_load(r->store, &d, (uint32_t)i + 1);
    }
    wait_for(r, 600);
    for (size_t i = 0; i < 600; i++)
        assert_int_equal(r->rc[i], 0);
}

static void
unknown_blob_is_not_found_and_no_failure(void **state)
{
    struct rig *r = *state;
    struct digest d = {{1}};

    store_load(r->store, &d, 1);
    store_validate(r->store, &d, cookie(2));
    wait_for(r, 2);
    assert_int_equal(r->rc[1], -ENOENT);
    assert_int_equal(r->rc[2], -ENOENT);
    assert_int_equal(stats(r).load_failures, 0);
}

static void
damaged_row_is_an_io_error(void **state)
{
    struct rig *r = *state;
    struct digest d = put(r, 1, 5000, 1);

    wait_for(r, 1);
    store_validate(r->store, &d, cookie(2));
    wait_for(r, 2);
    assert_int_equal(r->rc[2], 0);
    run_sql(&r->dir, "UPDATE blob SET data = x'0102' || substr(data, 3)");
    store_load(r->store, &d, 3);
    store_validate(r->store, &d, cookie(4));
    wait_for(r, 4);
    assert_int_equal(r->rc[3], -EIO);
    assert_int_equal(r->rc[4], -EIO);
    assert_int_equal(stats(r).load_failures, 1);
}

static struct store_change *
make_change(int first, int blobs, const char *name, int64_t sequence)
{
    struct store_change *c = store_change_new();
    struct store_root root = {.sequence = sequence};

    for (int i = first; i < first + blobs; i++) {
        AUTO(blob) struct blob *b = make_blob(i, 300, true, &root.root);

        store_change_add_blob(c, &root.root, b);
    }
    snprintf(root.name, sizeof(root.name), "%s", name);
    store_change_add_root(c, &root);
    c->checkpoint = xcalloc(1, sizeof(*c->checkpoint));
    c->checkpoint->root = root.root;
    c->checkpoint->sequence = sequence;
    return c;
}

static void
changes_bring_blobs_roots_and_checkpoints(void **state)
{
    struct rig *r = *state;
    struct store_change *c;

    for (int i = 1; i <= 7; i++) {
        c = make_change(i * 10, 5, "primary", i);
        c->time = 1000 + i;
        c->ids = i == 7 ? xstrdup("id-1 id-2") : NULL;
        store_apply(r->store, &c, cookie((size_t)i));
        assert_null(c);
    }
    store_list_checkpoints(r->store, cookie(8));
    c = make_change(200, 1, "other", 1);
    store_apply(r->store, &c, cookie(9));
    c = store_change_new();
    c->remove_root = xstrdup("other");
    store_apply(r->store, &c, cookie(10));
    wait_for(r, 10);
    assert_int_equal(r->ncheckpoints, 5);
    store_stop(&r->store);
    start(r);
    assert_int_equal(r->recorded.nroots, 1);
    assert_string_equal(r->recorded.roots[0].name, "primary");
    assert_int_equal(r->recorded.roots[0].sequence, 7);
    assert_int_equal(r->recorded.nhistory, 7); // the other namespace has none any more
    for (int i = 0; i < 7; i++) {
        assert_int_equal(r->recorded.history[i].root.sequence, i + 1);
        assert_true(r->recorded.history[i].time == 1001 + i);
    }
    assert_int_equal(r->recorded.ncommits, 2);
    assert_string_equal(r->recorded.commits[0].id, "id-1");
    assert_string_equal(r->recorded.commits[1].id, "id-2");
    assert_int_equal(r->recorded.commits[1].root.sequence, 7);
}

/* And the others of its transaction are written. */
static void
root_that_is_not_stored_is_refused(void **state)
{
    struct rig *r = *state;
    struct store_change *good = make_change(10, 1, "good", 1), *c;

    store_apply(r->store, &good, cookie(0));
    for (size_t i = 1; i <= 2; i++) {
        c = make_change(20, 1, "bad", 1);
        if (i == 1)
            c->roots[0].root.bytes[0] ^= 1;
        else
            c->checkpoint->root.bytes[0] ^= 1;
        store_apply(r->store, &c, cookie(i));
    }
    put(r, 30, 100, 3);
    wait_for(r, 4);
    assert_int_equal(r->rc[0], 0);
    assert_int_equal(r->rc[1], -ENOENT);
    assert_int_equal(r->rc[2], -ENOENT);
    assert_int_equal(r->rc[3], 0);
    store_stop(&r->store);
    start(r);
    assert_int_equal(r->recorded.nroots, 1);
    assert_string_equal(r->recorded.roots[0].name, "good");
}

/* --- tasks --- */

static int
look_for_blob(void *digest, struct store_db *db)
{
    return store_db_exists(db, digest);
}

static void
tasks_run_after_the_writes_before_them(void **state)
{
    struct rig *r = *state;
    struct digest d;

    for (int i = 0; i < 600; i++)
        d = put(r, i, 100, (size_t)i);
    store_run(r->store, look_for_blob, &d, cookie(600));
    wait_for(r, 601);
    assert_int_equal(r->rc[600], 0);
    d.bytes[0] ^= 1;
    store_run(r->store, look_for_blob, &d, cookie(601));
    store_stop(&r->store);
    assert_int_equal(r->rc[601], -ENOENT);
}

static void
tasks_hold_up_neither_loads_nor_puts(void **state)
{
    struct rig *r = *state;
    struct digest d;
    size_t last = 0;

    d = put(r, 1, 100, 0);
    for (size_t i = 1; i <= 500; i++)
        store_run(r->store, look_for_blob, &d, cookie(i));
    put(r, 2, 100, 501);
    store_load(r->store, &d, 502);
    while (r->rc[501] == 1 || r->rc[502] == 1)
        loop_turn(r->loop, -1);
    for (size_t i = 1; i <= 500; i++)
        last = r->rc[i] != 1 ? i : last;
    assert_in_range(last, 0, 400);
    wait_for(r, 503);
}

/* --- bounds --- */

struct probe {
    sem_t sem;
    size_t mapped; // bytes of large blobs that there are
};

static int
look_at_memory(void *arg, struct store_db *db)
{
    struct probe *p = arg;

    (void)db;
    p->mapped = mallinfo2().hblkhd;
    return sem_post(&p->sem);
}

/* Nobody takes what is loaded until the probe, which runs between two rounds, has looked. */
static void
loads_stop_until_their_bytes_are_taken(void **state)
{
    enum { BLOBS = 40, SIZE = 1 << 20 };
    struct rig *r = *state;
    struct probe probe = {.mapped = 0};
    struct digest d[BLOBS];
    size_t before;

    for (int i = 0; i < BLOBS; i++)
        d[i] = put(r, i, SIZE, (size_t)i);
    wait_for(r, BLOBS);
    sem_init(&probe.sem, 0, 0);
    mallopt(M_MMAP_THRESHOLD, SIZE / 2); // so that they can be told from the rest
    before = mallinfo2().hblkhd;
    for (int i = 0; i < BLOBS; i++)
        store_load(r->store, &d[i], (uint32_t)(BLOBS + i));
    store_run(r->store, look_at_memory, &probe, cookie(2 * BLOBS));
    loop_turn(r->loop, 0); // asks
    while (sem_wait(&probe.sem) < 0)
        continue;
    assert_true(probe.mapped <= before + STORE_LOADED_MAX + 3 * SIZE);
    wait_for(r, 2 * BLOBS + 1);
    for (size_t i = BLOBS; i < 2 * BLOBS; i++)
        assert_int_equal(r->rc[i], 0);
    assert_int_equal(stats(r).bytes_read, BLOBS * (SIZE + sizeof(int)));
    sem_destroy(&probe.sem);
}

static void
work_is_counted(void **state)
{
    struct rig *r = *state;
    struct digest d;

    for (int i = 0; i < 10; i++)
        d = put(r, i, 1000, (size_t)i);
    wait_for(r, 10);
    put(r, 10, 500, 10);
    wait_for(r, 11);
    store_validate(r->store, &d, cookie(11));
    wait_for(r, 12);
    assert_int_equal(stats(r).rows, 11);
    assert_int_equal(stats(r).batches, 2);
    assert_int_equal(stats(r).bytes_written, 10 * 1004 + 504);
    assert_int_equal(stats(r).bytes_read, 1004);
    assert_true(stats(r).commit_us_total > 0);
}

static void
put_mends_a_damaged_row(void **state)
{
    struct rig *r = *state;
    struct digest d = put(r, 1, 5000, 1);

    wait_for(r, 1);
    run_sql(&r->dir, "UPDATE blob SET data = x'0102' || substr(data, 3)");
    store_load(r->store, &d, 2);
    wait_for(r, 2);
    put(r, 1, 5000, 3);
    store_load(r->store, &d, 4);
    wait_for(r, 4);
    assert_int_equal(r->rc[2], -EIO);
    assert_int_equal(r->rc[3], 0);
    assert_int_equal(r->rc[4], 0);
}

static void
limit_file_size(rlim_t bytes)
{
    struct rlimit limit;

    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void
failing_disk_fails_the_group_and_service_resumes(void **state)
{
    struct rig *r = *state;
    struct digest kept = put(r, 0, 100, 0);

    wait_for(r, 1);
    signal(SIGXFSZ, SIG_IGN);
    limit_file_size(256 * 1024);
    for (int i = 1; i <= 40; i++)
        put(r, i, 30000, (size_t)i);
    store_load(r->store, &kept, 50);
    wait_for(r, 42);
    limit_file_size(RLIM_INFINITY);
    for (int i = 1; i <= 40; i++)
        assert_int_equal(r->rc[i], -EIO);
    assert_int_equal(r->rc[50], 0);
    assert_int_equal(stats(r).put_failures, 40);
    for (int i = 1; i <= 40; i++)
        put(r, i, 30000, 100 + (size_t)i);
    wait_for(r, 82);
    for (int i = 101; i <= 140; i++)
        assert_int_equal(r->rc[i], 0);
}

static void
stopping_answers_what_was_asked_meanwhile(void **state)
{
    struct rig *r = *state;

    r->again = true;
    put(r, 1, 100, 1);
    store_stop(&r->store);
    assert_null(r->store);
    assert_int_equal(r->answers, 2);
    assert_int_equal(r->rc[1], 0);
    assert_int_equal(r->rc[2], -ENOENT);
}

static void
refused_start_leaves_nothing_behind(void **state)
{
    struct rig *r = *state;
    struct store *second = NULL;
    struct err err = {0};
    struct store_recorded recorded;

    assert_int_equal(store_start(&second, &r->dir.conf, r->loop, &ops, r, &recorded, &err), -EBUSY);
    assert_non_null(strstr(err.text, "in use by another broker"));
    assert_null(second);
    assert_null(recorded.roots);
}

static void
loop_turns_on_after_the_store_has_stopped(void **state)
{
    struct rig *r = *state;

    put(r, 1, 100, 1);
    store_stop(&r->store);
    loop_turn(r->loop, 0);
    loop_turn(r->loop, 0);
    assert_int_equal(r->answers, 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(puts_of_one_turn_share_commits, setup, teardown),
        cmocka_unit_test_setup_teardown(long_queues_are_cut_into_groups, setup, teardown),
        cmocka_unit_test_setup_teardown(everything_is_there_after_a_restart, setup, teardown),
        cmocka_unit_test_setup_teardown(load_finds_what_was_put_before_it, setup, teardown),
        cmocka_unit_test_setup_teardown(unknown_blob_is_not_found_and_no_failure, setup, teardown),
        cmocka_unit_test_setup_teardown(damaged_row_is_an_io_error, setup, teardown),
        cmocka_unit_test_setup_teardown(changes_bring_blobs_roots_and_checkpoints, setup, teardown),
        cmocka_unit_test_setup_teardown(root_that_is_not_stored_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(tasks_run_after_the_writes_before_them, setup, teardown),
        cmocka_unit_test_setup_teardown(tasks_hold_up_neither_loads_nor_puts, setup, teardown),
        cmocka_unit_test_setup_teardown(loads_stop_until_their_bytes_are_taken, setup, teardown),
        cmocka_unit_test_setup_teardown(work_is_counted, setup, teardown),
        cmocka_unit_test_setup_teardown(put_mends_a_damaged_row, setup, teardown),
        cmocka_unit_test_setup_teardown(failing_disk_fails_the_group_and_service_resumes, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(stopping_answers_what_was_asked_meanwhile, setup, teardown),
        cmocka_unit_test_setup_teardown(refused_start_leaves_nothing_behind, setup, teardown),
        cmocka_unit_test_setup_teardown(loop_turns_on_after_the_store_has_stopped, setup, teardown),
    };

    actor_process_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
