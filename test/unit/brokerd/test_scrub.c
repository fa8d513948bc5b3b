/* SPDX-License-Identifier: MPL-2.0 */
/* test_scrub.c - scrubbing with a real loop, a real store actor and a real file. */
#include "storetest.h"

#include "actor.h"
#include "clock.h"
#include "elog.h"
#include "scrub.h"
#include "waiter.h"

#define BLOBS 40
#define SIZE 5000
#define WRONG 17 // the blob that is damaged

struct rig {
    struct statedir dir;
    struct loop *loop;
    struct store *store;
    struct scrub *scrub;
    struct digest digests[BLOBS + 1];
    struct digest told;
    int calls;  // of damaged
    int stored; // puts answered
};

static void
on_stored(void *arg, uint32_t tag, int rc)
{
    (void)tag;
    assert_int_equal(rc, 0);
    ((struct rig *)arg)->stored++;
}

static void
on_ran(void *arg, void *cookie, int rc)
{
    struct task_waiter *w = cookie;

    (void)arg;
    w->fn(w, rc);
}

static void
on_damaged(void *arg, const struct digest *d)
{
    struct rig *r = arg;

    r->told = *d;
    r->calls++;
}

static void
flip_row(struct rig *r, const struct digest *d)
{
    AUTO(buf) struct buf text = BUF_INIT;

    buf_add_str(&text, "UPDATE blob SET data = zeroblob(length(data)) WHERE digest = x'");
    for (size_t i = 0; i < DIGEST_MAX; i++)
        buf_printf(&text, "%02x", d->bytes[i]);
    buf_add_str(&text, "'");
    run_sql(&r->dir, buf_str(&text));
}

static void
put_all(struct rig *r)
{
    struct store_db *db = open_db(&r->dir);

    assert_int_equal(store_db_begin(db), 0);
    for (int i = 0; i < BLOBS; i++) {
        AUTO(blob) struct blob *b = make_blob(i, SIZE, true, &r->digests[i]);

        assert_int_equal(store_db_put(db, &r->digests[i], b), 0);
    }
    assert_int_equal(store_db_commit(db), 0);
    store_db_close(&db);
    flip_row(r, &r->digests[WRONG]);
}

static void
start(struct rig *r, uint64_t rate)
{
    static const struct store_ops ops = {.stored = on_stored, .ran = on_ran};
    AUTO(store_recorded) struct store_recorded recorded;
    struct err err = {0};

    if (store_start(&r->store, &r->dir.conf, r->loop, &ops, r, &recorded, &err) < 0)
        fail_msg("%s", err.text);
    r->scrub = scrub_start(DIGEST_BLAKE2B, rate, r->loop, r->store, on_damaged, r);
}

static int
setup(void **state)
{
    struct rig *r = xcalloc(1, sizeof(*r));

    statedir_init(&r->dir);
    r->loop = loop_new();
    put_all(r);
    *state = r;
    return 0;
}

static int
teardown(void **state)
{
    struct rig *r = *state;

    scrub_stop(r->scrub);
    store_stop(&r->store);
    scrub_free(&r->scrub);
    loop_free(&r->loop);
    statedir_fini(&r->dir);
    free(r);
    return 0;
}

static struct scrub_stats
stats_of(const struct rig *r)
{
    struct scrub_stats s;

    scrub_stats(r->scrub, &s);
    return s;
}

/* --- cases --- */

static void
a_pass_reads_every_row_and_tells_the_damaged_one(void **state)
{
    struct rig *r = *state;

    start(r, (uint64_t)64 << 20);
    while (stats_of(r).passes == 0)
        loop_turn(r->loop, -1);
    assert_int_equal(stats_of(r).blobs, BLOBS);
    assert_int_equal(stats_of(r).bytes, BLOBS * (SIZE + sizeof(int)));
    assert_int_equal(stats_of(r).damaged, 1);
    assert_int_equal(r->calls, 1);
    assert_memory_equal(r->told.bytes, r->digests[WRONG].bytes, DIGEST_MAX);
    assert_true(stats_of(r).position > 0);
}

static void
what_is_stored_later_is_read_in_the_same_pass(void **state)
{
    struct rig *r = *state;
    AUTO(blob) struct blob *b = make_blob(BLOBS, SIZE, true, &r->digests[BLOBS]);

    start(r, (uint64_t)64 << 20);
    while (stats_of(r).passes == 0)
        loop_turn(r->loop, -1);
    store_put(r->store, &r->digests[BLOBS], b, 1);
    while (stats_of(r).blobs == BLOBS)
        loop_turn(r->loop, -1);
    assert_int_equal(stats_of(r).blobs, BLOBS + 1);
    assert_int_equal(stats_of(r).passes, 1);
    assert_int_equal(r->calls, 1);
}

/* Half a second is not enough to read all at this rate; what a tick reads at once comes on top. */
static void
it_keeps_to_its_rate(void **state)
{
    struct rig *r = *state;
    uint64_t rate = 100000;
    int64_t began = clock_ms(), took;

    start(r, rate);
    while ((took = clock_ms() - began) < 500 || stats_of(r).blobs == 0)
        loop_turn(r->loop, 10);
    assert_true(stats_of(r).bytes > 0);
    assert_true(stats_of(r).bytes <= rate * (uint64_t)took / 1000 + 2 * SIZE);
    assert_int_equal(stats_of(r).passes, 0);
}

static void
a_stop_with_a_task_under_way_is_orderly(void **state)
{
    struct rig *r = *state;

    start(r, (uint64_t)64 << 20);
    while (stats_of(r).blobs == 0)
        loop_turn(r->loop, 10);
    scrub_stop(r->scrub);
    store_stop(&r->store);
    assert_true(stats_of(r).blobs <= BLOBS);
}

static void
without_one_the_figures_are_nought(void **state)
{
    struct scrub_stats s;

    (void)state;
    scrub_stats(NULL, &s);
    assert_int_equal(s.blobs + s.bytes + s.damaged + s.passes, 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_pass_reads_every_row_and_tells_the_damaged_one),
        T(what_is_stored_later_is_read_in_the_same_pass),
        T(it_keeps_to_its_rate),
        T(a_stop_with_a_task_under_way_is_orderly),
        cmocka_unit_test(without_one_the_figures_are_nought),
    };

    actor_process_init();
    elog_open("/dev/null", NULL); // damaged rows are logged
    return cmocka_run_group_tests(tests, NULL, NULL);
}
