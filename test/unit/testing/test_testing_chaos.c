/* SPDX-License-Identifier: MPL-2.0 */
/* test_testing_chaos.c - ranks are killed, ended, paused and cut off in any order while a leaf stores: its
 * client sees no error but a delay, and what was acknowledged is there afterwards.
 *
 * The seed is printed on failure; XYLEM_TEST_SEED=N makes the same draws again, and XYLEM_TEST_ROUNDS=N as
 * many of them as wanted. */
#include "draw.h"
#include "testing_help.h"

#include <unistd.h>

#define SIZE 8
#define LEAF 7 // whose client it is: this one is left alone
#define BLOBS 40
#define BLOWS 4    // per round
#define LAG_MS 600 // of the mending, at most: some losses are noticed before, some are not

static uint64_t seed;       // what it is now
static uint64_t first_seed; // and was at first

enum blow { KILL, LEAVE, PAUSE, CUT_FROM, CUT_TO, BLOW_COUNT };
static const char *const blow_names[] = {"kill", "leave", "pause", "cut from", "cut to"};

struct round {
    xylem_cluster_t *cluster;
    xylem_t *x;
    char story[256]; // what was done, for people
    bool is_down[SIZE];
    struct outcome stored[BLOBS];
};

static void
strike(struct round *r, enum blow blow, uint32_t rank)
{
    size_t used = strlen(r->story);
    xylem_cluster_t *c = r->cluster;

    if (r->is_down[rank])
        return;
    snprintf(r->story + used, sizeof(r->story) - used, " %s %u", blow_names[blow], rank);
    r->is_down[rank] = blow == KILL || blow == LEAVE;
    if (blow == KILL)
        check_done(c, xylem_testing_kill(c, rank));
    else if (blow == LEAVE)
        check_done(c, xylem_testing_leave(c, rank));
    else if (blow == PAUSE)
        check_done(c, xylem_testing_pause(c, rank));
    else if (blow == CUT_FROM)
        check_done(c, xylem_testing_cut(c, rank, XYLEM_RANK_ANY));
    else
        check_done(c, xylem_testing_cut(c, XYLEM_RANK_ANY, rank));
}

static void
store_and_strike(struct round *r, unsigned number)
{
    for (size_t i = 0; i < BLOBS; i++) {
        char bytes[3000] = "";
        int size = snprintf(bytes, sizeof(bytes), "round %u blob %zu", number, i);
        size_t length = i % 2 == 0 ? (size_t)size : sizeof(bytes);

        assert_int_equal(xylem_store_async(r->x, bytes, length, 0, on_done, &r->stored[i]), 0);
        xylem_dispatch(r->x, (int)draw_below(&seed, 3));
        if (i % (BLOBS / BLOWS) == 0) {
            enum blow blow = (enum blow)draw_below(&seed, BLOW_COUNT);

            strike(r, blow, (uint32_t)draw_below(&seed, LEAF));
        }
    }
}

static void
mend(struct round *r)
{
    for (uint32_t rank = 0; rank < SIZE; rank++) {
        if (r->is_down[rank])
            check_done(r->cluster, xylem_testing_restart(r->cluster, rank));
        else
            check_done(r->cluster, xylem_testing_resume(r->cluster, rank));
    }
    check_done(r->cluster, xylem_testing_heal(r->cluster, XYLEM_RANK_ANY, XYLEM_RANK_ANY));
}

/* Of every third, from a rank that is drawn. */
static void
check_blobs(struct round *r)
{
    xylem_t *x = open_rank(r->cluster, (uint32_t)draw_below(&seed, SIZE));

    for (size_t i = 0; i < BLOBS; i += 3) {
        size_t size;
        void *data;

        if (xylem_load(x, r->stored[i].data, 0, &data, &size) < 0)
            fail_msg("seed %llu, after%s: blob %zu: %s", (unsigned long long)first_seed, r->story,
                     i, xylem_error(x));
        free(data);
    }
    xylem_close(x);
}

static void
play(xylem_cluster_t *c, unsigned number)
{
    struct round r = {.cluster = c, .x = open_rank(c, LEAF)};

    store_and_strike(&r, number);
    usleep((useconds_t)draw_below(&seed, LAG_MS) * 1000);
    mend(&r);
    for (size_t i = 0; i < BLOBS; i++) {
        if (!is_done(r.x, &r.stored[i], SOON_MS) || r.stored[i].rc != 0)
            fail_msg("seed %llu, after%s: store %zu: %s %d", (unsigned long long)first_seed,
                     r.story, i, r.stored[i].done ? "failed with" : "has no answer",
                     r.stored[i].rc);
    }
    if (xylem_testing_wait(c, "full", SOON_MS) < 0)
        fail_msg("seed %llu, after%s: %s", (unsigned long long)first_seed, r.story,
                 xylem_testing_error(c));
    check_blobs(&r);
    xylem_close(r.x);
}

static void
test_chaos(void **state)
{
    struct xylem_testing_conf conf = {
        .size = SIZE, .network = 1, .durability = "commit", .heartbeat_ms = 50, .timeout_ms = 400};
    const char *rounds = getenv("XYLEM_TEST_ROUNDS");
    xylem_cluster_t *c = start(&conf);

    (void)state;
    for (unsigned i = 0; i < (rounds ? (unsigned)atoi(rounds) : 12); i++)
        play(c, i);
    xylem_testing_stop(&c);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_chaos)};
    const char *wanted = getenv("XYLEM_TEST_SEED");

    first_seed = wanted ? strtoull(wanted, NULL, 10) : (uint64_t)now_ms();
    seed = first_seed = first_seed > 0 ? first_seed : 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
