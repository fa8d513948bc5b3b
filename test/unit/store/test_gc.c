/* SPDX-License-Identifier: MPL-2.0 */
/* test_gc.c - the collector: everything reachable stays, everything else goes, wherever it is
 * interrupted and whatever happens between two steps. */
#include "gctest.h"

#include "blobref.h"

#include "gc.h"
#include "store_db_priv.h"

#include <sys/wait.h>

#define NODES_MAX 2000
#define FUTURE 1e12 // all that is stored is older

static double wall;

static double
fake_wall(void)
{
    return wall;
}

static const struct gc_limits tiny = {3, 4, 50000, 1};
static const struct gc_conf offline = {.mode = GC_OFFLINE};
static const struct gc_conf online = {.mode = GC_ONLINE, .spare_since = FUTURE};

static int
set_up(void **state)
{
    struct world *w = xmalloc(sizeof(*w));

    world_init(w, 11);
    *state = w;
    return 0;
}

static int
tear_down(void **state)
{
    world_fini(*state);
    free(*state);
    return 0;
}

static struct gc_stats
collect(struct world *w, const struct gc_conf *conf, const struct gc_limits *limits)
{
    struct gc *gc = gc_new(conf);
    struct gc_stats stats;
    struct err err;

    if (gc_run(gc, w->db, limits, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(gc_state(gc), GC_DONE);
    gc_stats(gc, &stats);
    gc_free(&gc);
    return stats;
}

/* One step that must not fail. */
static int
step(struct gc *gc, struct world *w, const struct gc_limits *limits)
{
    struct err err;
    int rc = gc_step(gc, w->db, limits, &err);

    if (rc < 0)
        fail_msg("%s", err.text);
    return rc;
}

/* --- what stays and what goes --- */

static uint64_t
sum_sizes(const struct world *w)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < w->count; i++)
        sum += has_node(w, i) ? blob_size(w->nodes[i].blob) : 0;
    return sum;
}

static void
check_collection(uint64_t seed, const struct gc_limits *limits)
{
    struct world w;
    struct gc_stats stats;
    uint64_t rows, bytes;

    world_init(&w, seed);
    make_world(&w);
    rows = (uint64_t)count_rows(&w);
    bytes = sum_sizes(&w);
    stats = collect(&w, &offline, limits);
    assert_nothing_lost(&w);
    assert_nothing_else(&w);
    assert_int_equal(stats.examined, rows);
    assert_int_equal(stats.removed + stats.kept, rows);
    assert_int_equal(stats.kept, count_rows(&w));
    assert_int_equal(stats.bytes, bytes - sum_sizes(&w));
    assert_int_equal(stats.spared, 0);
    assert_true(stats.removed > 0 && stats.kept > 0);
    stats = collect(&w, &offline, limits);
    assert_int_equal(stats.removed, 0);
    assert_nothing_lost(&w);
    world_fini(&w);
}

static void
reachable_blobs_stay_and_all_others_go(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++)
        check_collection(seed, &gc_limits_offline);
}

static void
small_steps_do_the_same(void **state)
{
    (void)state;
    for (uint64_t seed = 11; seed <= 15; seed++)
        check_collection(seed, &tiny);
}

static void
a_step_keeps_its_limits(void **state)
{
    struct world *w = *state;
    struct gc *gc = gc_new(&offline);
    struct gc_stats before, after;
    int rc;

    make_world(w);
    gc_stats(gc, &before);
    do {
        rc = step(gc, w, &tiny);
        gc_stats(gc, &after);
        assert_true(after.trees - before.trees <= tiny.objects);
        assert_true(after.examined - before.examined <= tiny.rows);
        assert_true(after.bytes - before.bytes <= (uint64_t)tiny.bytes ||
                    after.removed - before.removed == 1);
        before = after;
    } while (rc == 1);
    assert_nothing_else(w);
    gc_free(&gc);
}

static off_t
file_size(const struct world *w)
{
    struct stat st;

    assert_int_equal(stat(w->dir.database, &st), 0);
    return st.st_size;
}

static void
the_file_shrinks(void **state)
{
    struct world *w = *state;
    off_t before;

    for (int i = 0; i < 300; i++) {
        struct node node = {.is_tree = false};

        node.blob = make_blob(i, 100000, true, &node.digest);
        add_node(w, &node);
    }
    set_root(w, "primary", add_dir(w));
    store_db_close(&w->db);
    before = file_size(w);
    assert_true(before > 30000000);
    w->db = open_db(&w->dir);
    collect(w, &offline, &gc_limits_offline);
    store_db_close(&w->db);
    assert_true(file_size(w) < before / 20);
    w->db = open_db(&w->dir);
    assert_nothing_lost(w);
}

static void
ids_far_apart_cost_few_steps(void **state)
{
    struct world *w = *state;
    struct gc *gc = gc_new(&offline);
    int steps = 0;

    make_world(w);
    store_db_close(&w->db);
    run_sql(&w->dir, "UPDATE blob SET id = id * 20000000000");
    w->db = open_db(&w->dir);
    while (step(gc, w, &gc_limits_offline) == 1)
        steps++;
    assert_true(steps < 1000);
    assert_nothing_lost(w);
    assert_nothing_else(w);
    gc_free(&gc);
}

/* --- dry run --- */

static struct digest
fingerprint(const struct world *w)
{
    AUTO(buf) struct buf content = BUF_INIT;
    struct digest d;
    int fd = open(w->dir.database, O_RDONLY);

    assert_int_equal(buf_read_fd(&content, fd, 1 << 28), 0);
    close(fd);
    digest_compute(DIGEST_BLAKE2B, content.data, content.size, &d);
    return d;
}

static void
a_dry_run_says_the_same_and_changes_nothing(void **state)
{
    struct world *w = *state;
    struct gc_conf dry = offline;
    struct gc_stats would, did;
    struct digest before, after;

    make_world(w);
    store_db_close(&w->db);
    before = fingerprint(w);
    w->dir.conf.read_only = true;
    w->db = open_db(&w->dir);
    dry.dry_run = true;
    would = collect(w, &dry, &tiny);
    store_db_close(&w->db);
    after = fingerprint(w);
    assert_true(digest_equal(&before, &after));
    w->dir.conf.read_only = false;
    w->db = open_db(&w->dir);
    did = collect(w, &offline, &tiny);
    assert_memory_equal(&would, &did, sizeof(did));
    assert_true(did.removed > 0);
}

/* --- interrupted --- */

static void
copy_in(const struct world *w, struct buf *ret)
{
    int fd = open(w->dir.database, O_RDONLY);

    assert_int_equal(buf_read_fd(ret, fd, 1 << 28), 0);
    close(fd);
}

static void
copy_back(const struct world *w, const struct buf *bytes)
{
    char path[128];
    int fd = open(w->dir.database, O_WRONLY | O_TRUNC);

    assert_int_equal(write(fd, bytes->data, bytes->size), bytes->size);
    close(fd);
    snprintf(path, sizeof(path), "%s-wal", w->dir.database);
    unlink(path);
    snprintf(path, sizeof(path), "%s-shm", w->dir.database);
    unlink(path);
}

/* In a process that dies after some steps.  Was it done by then? */
static bool
collect_and_die(struct world *w, int steps)
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        struct store_db *db = open_db(&w->dir);
        struct gc *gc = gc_new(&offline);
        int rc = 1;

        while (rc == 1 && steps-- > 0)
            rc = gc_step(gc, db, &tiny, NULL);
        _exit(rc == 1 ? 1 : rc == 0 ? 0 : 2);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) <= 1);
    return WEXITSTATUS(status) == 0;
}

static void
killed_after_any_step_it_has_lost_nothing(void **state)
{
    struct world *w = *state;
    AUTO(buf) struct buf bytes = BUF_INIT;
    bool done = false;

    make_world(w);
    store_db_close(&w->db);
    copy_in(w, &bytes);
    for (int steps = 1; !done; steps++) {
        copy_back(w, &bytes);
        done = collect_and_die(w, steps);
        w->db = open_db(&w->dir);
        assert_nothing_lost(w);
        if (done || steps % 16 == 0) {
            collect(w, &offline, &tiny);
            assert_nothing_lost(w);
            assert_nothing_else(w);
        }
        store_db_close(&w->db);
    }
    w->db = open_db(&w->dir);
}

/* --- at work --- */

static void
online_collects_too(void **state)
{
    struct world *w = *state;
    struct gc_stats stats;

    make_world(w);
    stats = collect(w, &online, &tiny);
    assert_int_equal(stats.spared, 0);
    assert_true(stats.removed > 10);
    assert_nothing_lost(w);
    assert_nothing_else(w);
}

static void
online_spares_what_is_young(void **state)
{
    struct world *w = *state;
    struct gc_conf conf = {.mode = GC_ONLINE, .spare_since = 1};
    int64_t rows;
    struct gc_stats stats;

    make_world(w);
    rows = count_rows(w);
    stats = collect(w, &conf, &tiny);
    assert_int_equal(stats.removed, 0);
    assert_true(stats.spared > 10);
    assert_int_equal(stats.kept, rows);
    assert_int_equal(count_rows(w), rows);
}

/* At noon: `old` rows are from the morning, what comes now is young. */
#define NOON 1800000000.0
static const struct gc_conf at_noon = {.mode = GC_ONLINE, .spare_since = NOON - 600};

static void
begin_at(struct world *w, double time)
{
    wall = time;
    w->db->wall = fake_wall;
    w->db->age.stored = time; // was the true time
}

/* A directory that waits to be linked, and the root of a moment ago, keep what they refer to. */
static void
what_young_objects_refer_to_is_spared(void **state)
{
    struct world *w = *state;
    size_t deep, old, young, garbage, root;
    struct gc_stats stats;

    begin_at(w, NOON - 20000);
    deep = add_leaf(w);
    old = add_parent(w, deep);
    garbage = add_parent(w, old);
    root = add_leaf(w);
    wall = NOON - 10;
    young = add_parent(w, old);
    set_root(w, "primary", root);
    stats = collect(w, &at_noon, &tiny);
    assert_int_equal(stats.spared, 1);
    assert_true(has_node(w, young) && has_node(w, old) && has_node(w, deep));
    assert_false(has_node(w, garbage));
    set_root(w, "primary", young);
    assert_nothing_lost(w);
}

/* Between any two steps: old garbage is stored again, its parts first, as a restore does, and is
 * linked when the collector is done. */
static void
what_is_stored_again_is_spared(void **state)
{
    (void)state;
    for (int when = 0; when < 60; when++) {
        struct world w;
        struct gc *gc = gc_new(&at_noon);
        size_t value, top, root;
        int rc = 1;

        world_init(&w, (uint64_t)when + 1);
        begin_at(&w, NOON - 20000);
        make_world(&w);
        root = add_leaf(&w);
        value = add_value(&w);
        top = add_parent(&w, add_leaf(&w));
        for (int i = 0; i < 50; i++)
            add_value(&w);
        set_root(&w, "primary", root);
        wall = NOON;
        for (int i = 0; rc == 1; i++) {
            rc = step(gc, &w, &tiny);
            if (i != when)
                continue;
            put_node(&w, value);
            put_node(&w, w.nodes[top].deps[0]);
            put_node(&w, top);
        }
        assert_true(has_node(&w, value));
        set_root(&w, "linked", top);
        assert_nothing_lost(&w);
        gc_free(&gc);
        world_fini(&w);
    }
}

static void
what_was_stored_again_before_it_began_is_spared(void **state)
{
    struct world *w = *state;
    size_t value, garbage;

    begin_at(w, NOON - 20000);
    value = add_value(w);
    garbage = add_value(w);
    set_root(w, "primary", add_leaf(w));
    wall = NOON - 200;
    put_node(w, value);
    wall = NOON;
    collect(w, &at_noon, &tiny);
    assert_true(has_node(w, value));
    assert_false(has_node(w, garbage));
}

/* Steps until it removes. */
static void
go_to_sweeping(struct gc *gc, struct world *w)
{
    while (gc_state(gc) != GC_SWEEPING)
        assert_int_equal(step(gc, w, &tiny), 1);
}

static void
what_is_stored_later_is_not_looked_at(void **state)
{
    struct world *w = *state;
    struct gc *gc = gc_new(&online);
    size_t first;

    make_world(w);
    step(gc, w, &tiny);
    first = w->count;
    do
        add_value(w);
    while (step(gc, w, &tiny) == 1);
    for (size_t i = first; i < w->count; i++)
        assert_true(has_node(w, i));
    gc_free(&gc);
}

/* Ids are not used again while it runs, though the newest rows are garbage. */
static void
removing_the_newest_does_not_endanger_the_next(void **state)
{
    struct world *w = *state;
    struct gc *gc = gc_new(&online);
    size_t root = add_dir(w), first;

    set_root(w, "primary", root);
    for (int i = 0; i < 60; i++)
        add_value(w);
    store_db_close(&w->db);
    run_sql(&w->dir, "UPDATE blob SET id = id + 1000 WHERE id > 30");
    w->db = open_db(&w->dir);
    go_to_sweeping(gc, w);
    first = w->count;
    do
        add_value(w);
    while (step(gc, w, &tiny) == 1);
    for (size_t i = first; i < w->count; i++)
        assert_true(has_node(w, i));
    assert_nothing_lost(w);
    gc_free(&gc);
}

/* What was reachable at some time since it began, so that the collector may have marked it. */
static void
remember_reach(struct world *w, struct reach *ever)
{
    AUTO(reach) struct reach now = reach_all(w);

    for (size_t i = 0; i < w->count; i++) {
        ever->kept[i] = ever->kept[i] || now.kept[i];
        ever->walked[i] = ever->walked[i] || now.walked[i];
    }
}

/* Anything a writer may do between two steps: store, change roots, and make garbage that is still
 * there reachable again. */
static void
disturb(struct world *w, const struct reach *ever)
{
    size_t i = draw_tree(w);
    /* A directory may be there because it is a value, and not be whole. */
    bool usable = has_node(w, i) && ever->kept[i] == ever->walked[i];

    switch (draw_below(&w->seed, 6)) {
    case 0:
        add_value(w);
        break;
    case 1:
        if (usable)
            set_root(w, "primary", i);
        break;
    case 2:
        if (usable)
            set_root(w, "other", add_parent(w, i));
        break;
    case 3:
        if (usable)
            add_checkpoint(w, i);
        break;
    case 4:
        remove_root(w, "other");
        break;
    default:
        break;
    }
}

static void
trees_that_become_reachable_again_are_kept(void **state)
{
    uint64_t removed = 0;

    (void)state;
    for (uint64_t seed = 100; seed < 130; seed++) {
        struct gc *gc = gc_new(&online);
        AUTO(reach) struct reach ever = {xcalloc(NODES_MAX, 1), xcalloc(NODES_MAX, 1)};
        struct gc_stats stats;
        struct world w;

        world_init(&w, seed);
        make_world(&w);
        assert_int_equal(step(gc, &w, &tiny), 1);
        do {
            disturb(&w, &ever);
            assert_nothing_lost(&w);
            remember_reach(&w, &ever);
        } while (step(gc, &w, &tiny) == 1);
        assert_nothing_lost(&w);
        assert_true(w.count < NODES_MAX);
        gc_stats(gc, &stats);
        removed += stats.removed;
        gc_free(&gc);
        world_fini(&w);
    }
    assert_true(removed > 300);
}

/* A new root that reaches much takes its time, and nothing is removed until it is marked. */
static void
a_large_new_root_is_marked_before_anything_goes(void **state)
{
    struct world *w = *state;
    struct gc *gc = gc_new(&online);
    struct gc_stats before, after;
    size_t top;
    int steps = 0;

    make_world(w);
    top = add_leaf(w);
    for (int i = 0; i < 200; i++)
        top = add_parent(w, top);
    add_value(w);
    go_to_sweeping(gc, w);
    gc_stats(gc, &before);
    set_root(w, "revived", top);
    do {
        assert_int_equal(step(gc, w, &tiny), 1);
        gc_stats(gc, &after);
        steps++;
    } while (after.examined == before.examined);
    assert_true(steps > 2 && steps < 20);
    assert_true(after.trees >= before.trees + 200);
    while (step(gc, w, &tiny) == 1)
        ;
    assert_nothing_lost(w);
    gc_free(&gc);
}

/* --- refusals --- */

static void
assert_refused(struct world *w, int code, const char *words)
{
    struct gc *gc = gc_new(&offline);
    int64_t rows = count_rows(w);
    struct err err;

    assert_int_equal(gc_run(gc, w->db, &tiny, &err), code);
    assert_int_equal(gc_state(gc), GC_REFUSED);
    if (!strstr(err.text, words))
        fail_msg("'%s' does not say '%s'", err.text, words);
    assert_int_equal(count_rows(w), rows);
    gc_free(&gc);
}

static void
collect_by_force(struct world *w)
{
    struct gc_conf conf = offline;

    conf.force = true;
    collect(w, &conf, &tiny);
}

static void
a_damaged_directory_refuses(void **state)
{
    struct world *w = *state;
    size_t leaf = add_leaf(w), garbage = add_value(w), child = add_parent(w, leaf);
    char ref[BLOBREF_MAX];

    set_root(w, "primary", add_parent(w, child));
    damage_node(w, child);
    assert_refused(w, -EIO, blobref_format(DIGEST_BLAKE2B, &w->nodes[child].digest, ref));
    assert_refused(w, -EIO, "damaged and hides");
    assert_refused(w, -EIO, "xylem fsck");
    remove_node(w, child);
    assert_refused(w, -EIO, "missing and hides");
    collect_by_force(w);
    assert_false(has_node(w, garbage));
    assert_false(has_node(w, leaf));
}

static void
a_damaged_directory_that_comes_later_stops_the_sweep(void **state)
{
    struct world *w = *state;
    struct gc *gc = gc_new(&online);
    size_t garbage = add_value(w), child;
    int64_t rows;

    child = add_leaf(w);
    set_root(w, "primary", add_leaf(w));
    go_to_sweeping(gc, w);
    set_root(w, "revived", add_parent(w, child));
    damage_node(w, child);
    rows = count_rows(w);
    assert_int_equal(gc_step(gc, w->db, &gc_limits_offline, NULL), -EIO);
    assert_int_equal(gc_state(gc), GC_REFUSED);
    assert_true(has_node(w, garbage));
    assert_int_equal(count_rows(w), rows);
    gc_free(&gc);
}

static void
a_missing_value_is_no_obstacle(void **state)
{
    struct world *w = *state;
    AUTO(treeobj) struct treeobj *dir = treeobj_new_dir();
    struct node node = {.is_tree = true};
    size_t value = add_value(w), garbage = add_value(w);
    struct gc_stats stats;

    put_entry(dir, treeobj_new_valref(&w->nodes[value].digest, 1));
    set_root(w, "primary", add_encoded(w, &node, dir));
    remove_node(w, value);
    stats = collect(w, &offline, &tiny);
    assert_int_equal(stats.missing_values, 1);
    assert_false(has_node(w, garbage));
}

static void
blobs_without_any_root_are_not_taken_for_garbage(void **state)
{
    struct world *w = *state;

    collect(w, &offline, &tiny); // an empty store has nothing to lose
    add_value(w);
    assert_refused(w, -EINVAL, "neither a root nor a checkpoint");
    collect_by_force(w);
    assert_int_equal(count_rows(w), 0);
}

static void
a_checkpoint_alone_is_a_root(void **state)
{
    struct world *w = *state;
    size_t garbage = add_value(w);

    add_checkpoint(w, add_parent(w, add_leaf(w)));
    collect(w, &offline, &tiny);
    assert_int_equal(count_rows(w), 2);
    assert_false(has_node(w, garbage));
    assert_nothing_lost(w);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(reachable_blobs_stay_and_all_others_go),
        T(small_steps_do_the_same),
        T(a_step_keeps_its_limits),
        T(the_file_shrinks),
        T(ids_far_apart_cost_few_steps),
        T(a_dry_run_says_the_same_and_changes_nothing),
        T(killed_after_any_step_it_has_lost_nothing),
        T(online_collects_too),
        T(online_spares_what_is_young),
        T(what_young_objects_refer_to_is_spared),
        T(what_is_stored_again_is_spared),
        T(what_was_stored_again_before_it_began_is_spared),
        T(what_is_stored_later_is_not_looked_at),
        T(removing_the_newest_does_not_endanger_the_next),
        T(trees_that_become_reachable_again_are_kept),
        T(a_large_new_root_is_marked_before_anything_goes),
        T(a_damaged_directory_refuses),
        T(a_damaged_directory_that_comes_later_stops_the_sweep),
        T(a_missing_value_is_no_obstacle),
        T(blobs_without_any_root_are_not_taken_for_garbage),
        T(a_checkpoint_alone_is_a_root),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
