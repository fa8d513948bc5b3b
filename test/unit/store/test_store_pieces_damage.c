/* SPDX-License-Identifier: MPL-2.0 */
/* test_store_pieces_damage.c - pieces that are damaged, that have lost their blob, that go. */
#include "piecestest.h"

#include "fsck.h"
#include "gc.h"

/* --- damage --- */

static const char *const damages[] = {
    "DELETE FROM piece WHERE blob = 2 AND number = 0",
    "DELETE FROM piece WHERE blob = 2 AND number = 2",
    "DELETE FROM piece WHERE blob = 2 AND number = 4",
    "DELETE FROM piece WHERE blob = 2",
    "INSERT INTO piece SELECT 2, 5, size, data FROM piece WHERE blob = 2 AND number = 0",
    "INSERT INTO piece VALUES (2, -1, 1, x'00')",
    "INSERT INTO piece VALUES (2, 5, 0, x'')",
    "UPDATE piece SET data = x'00' || substr(data, 2) WHERE blob = 2 AND number = 3",
    "UPDATE piece SET data = substr(data, 2) WHERE blob = 2 AND number = 3",
    "UPDATE piece SET data = x'' WHERE blob = 2 AND number = 3",
    "UPDATE piece SET data = 'text' WHERE blob = 2 AND number = 3",
    "UPDATE piece SET size = size - 1 WHERE blob = 2 AND number = 3",
    "UPDATE piece SET size = size + 1000000 WHERE blob = 2 AND number = 3",
    "UPDATE piece SET size = -1 WHERE blob = 2 AND number = 3",
    "UPDATE piece SET size = 9223372036854775807 WHERE blob = 2",
    "UPDATE piece SET size = 'much' WHERE blob = 2 AND number = 3",
    "UPDATE piece SET number = 7 WHERE blob = 2 AND number = 4",
    "UPDATE piece SET number = 9 WHERE blob = 2 AND number = 1;"
    "UPDATE piece SET number = 1 WHERE blob = 2 AND number = 3;"
    "UPDATE piece SET number = 3 WHERE blob = 2 AND number = 9",
    "UPDATE blob SET size = size - 1 WHERE id = 2",
    "UPDATE blob SET size = 1099511627776 WHERE id = 2",
    "UPDATE blob SET size = 9223372036854775807 WHERE id = 2",
    "UPDATE blob SET data = x'0011' WHERE id = 2",
    "UPDATE blob SET data = zeroblob(size) WHERE id = 2",
};

/* Blobs 1 to 3 are large, and 2 is damaged. */
static void
check_damage(struct rig *r, const char *text)
{
    struct digest d[4];
    struct store_db_stats stats;

    for (int i = 1; i <= 3; i++)
        d[i] = put(r, i, 4500, i != 2);
    d[2] = put(r, 2, 4500, false);
    run_sql(&r->dir, text);
    assert_int_equal(store_db_exists(r->db, &d[2]), 0);
    put(r, 2, 4500, false); // not known yet
    if (try_check(r, &d[2]) != -EIO || try_load(r, &d[2]) != -EIO)
        fail_msg("not found: %s", text);
    verify(r);
    assert_int_equal(r->count, 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(r->rows[i].rc, i == 1 ? -EIO : 0);
    put(r, 2, 4500, false);
    for (int i = 1; i <= 3; i++)
        assert_loads(r->db, i, 4500, i != 2);
    assert_int_equal(count_pieces(r), 15);
    assert_int_equal(store_db_stats(r->db, &stats), 0);
    assert_int_equal(stats.blobs, 3);
}

static void
damaged_pieces_are_a_damaged_blob_and_are_replaced(void **state)
{
    struct rig *r = *state;

    for (size_t i = 0; i < ARRAY_SIZE(damages); i++) {
        check_damage(r, damages[i]);
        teardown((void **)&r);
        setup((void **)&r);
    }
    *state = r;
}

static void
note_finding(void *arg, const struct fsck_finding *finding)
{
    struct rig *r = arg;

    assert_int_equal(finding->object, FSCK_BLOB);
    assert_int_equal(finding->problem, FSCK_DAMAGED);
    r->count++;
}

static void
fsck_finds_them_and_leaves_strays(void **state)
{
    struct rig *r = *state;
    struct fsck *f = fsck_new(DIGEST_BLAKE2B, note_finding, r);
    AUTO(free) int64_t *ids = NULL;
    size_t count;

    for (int i = 1; i <= 3; i++)
        put(r, i, 4500, true);
    run_sql(&r->dir, "DELETE FROM piece WHERE blob = 2 AND number = 1;"
                     "INSERT INTO piece VALUES (77, 0, 1, x'00')");
    while (fsck_step(f, r->db) > 0)
        continue;
    assert_int_equal(r->count, 1);
    ids = fsck_damaged_ids(f, &count);
    assert_int_equal(count, 1);
    assert_int_equal(ids[0], 2);
    assert_int_equal(store_db_begin(r->db), 0);
    assert_int_equal(store_db_remove(r->db, ids, 1), 0);
    assert_int_equal(store_db_commit(r->db), 0);
    assert_int_equal(count_pieces(r), 11);
    fsck_free(&f);
}

/* --- removing --- */

static void
removed_blobs_take_their_pieces_along(void **state)
{
    struct rig *r = *state;
    struct digest d = put(r, 1, 9000, true);
    int64_t id = 1;

    put(r, 2, 9000, true);
    assert_int_equal(store_db_begin(r->db), 0);
    assert_int_equal(store_db_remove(r->db, &id, 1), 0);
    assert_int_equal(store_db_commit(r->db), 0);
    assert_int_equal(try_load(r, &d), -ENOENT);
    assert_int_equal(count_pieces(r), 9);
    assert_loads(r->db, 2, 9000, true);
}

static struct gc_stats
collect(struct rig *r, bool dry_run)
{
    struct gc_conf conf = {.mode = GC_OFFLINE, .dry_run = dry_run};
    struct gc *gc = gc_new(&conf);
    struct err err = {0};
    struct gc_stats stats;

    if (gc_run(gc, r->db, &gc_limits_offline, &err) < 0)
        fail_msg("%s", err.text);
    gc_stats(gc, &stats);
    gc_free(&gc);
    return stats;
}

/* {"big":[REF]} as the root of a namespace */
static void
put_tree(struct rig *r, const struct digest *value)
{
    struct store_root root = {.name = "primary", .sequence = 1};
    AUTO(blob) struct blob *b = NULL;
    AUTO(buf) struct buf text = BUF_INIT;

    buf_add_str(&text, "{\"data\":{\"big\":{\"data\":[\"blake2b-");
    for (size_t i = 0; i < DIGEST_MAX; i++)
        buf_printf(&text, "%02x", value->bytes[i]);
    buf_add_str(&text, "\"],\"type\":\"valref\",\"ver\":1}},\"type\":\"dir\",\"ver\":1}");
    b = blob_new(text.data, text.size);
    digest_compute(DIGEST_BLAKE2B, text.data, text.size, &root.root);
    assert_int_equal(store_db_begin(r->db), 0);
    assert_int_equal(store_db_put(r->db, &root.root, b), 0);
    assert_int_equal(store_db_put_root(r->db, &root), 0);
    assert_int_equal(store_db_commit(r->db), 0);
}

static void
a_collection_takes_pieces_and_strays(void **state)
{
    struct rig *r = *state;
    struct digest kept = put(r, 1, 9000, true), lost = put(r, 2, 8000, true);
    struct gc_stats stats;

    put_tree(r, &kept);
    put(r, 4, 500, true);
    put(r, 5, 4000, true);
    /* Of a row that was there; of ids that never were; of a row that has its data itself. */
    run_sql(&r->dir, "DELETE FROM blob WHERE id = 5; DELETE FROM place WHERE id = 5;"
                     "INSERT INTO piece VALUES (0, 0, 1, x'00'), (77, 0, 1, x'00'),"
                     " (77, 1, 1, x'00'), (3, 0, 1, x'00')");
    restart(r);
    stats = collect(r, true);
    assert_int_equal(stats.removed, 2);
    assert_int_equal(stats.bytes, 8500);
    assert_int_equal(count_pieces(r), 9 + 8 + 4 + 4);
    stats = collect(r, false);
    assert_int_equal(stats.removed, 2);
    assert_int_equal(ask(r, "SELECT count(*) FROM piece WHERE blob > 0"), 9);
    assert_loads(r->db, 1, 9000, true);
    assert_int_equal(try_load(r, &lost), -ENOENT);
}

static void
an_id_that_strays_bear_is_not_used_again(void **state)
{
    struct rig *r = *state;
    int64_t id = 0;
    struct digest d;

    put(r, 1, 9000, true);
    store_db_close(&r->db);
    run_sql(&r->dir, "DELETE FROM blob; UPDATE meta SET value = 0 WHERE name = 'newest'");
    start(r);
    d = put(r, 2, 9000, true);
    assert_int_equal(store_db_find(r->db, &d, &id), 0);
    assert_int_equal(id, 2);
    assert_loads(r->db, 2, 9000, true);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(damaged_pieces_are_a_damaged_blob_and_are_replaced),
        TEST(fsck_finds_them_and_leaves_strays),
        TEST(removed_blobs_take_their_pieces_along),
        TEST(a_collection_takes_pieces_and_strays),
        TEST(an_id_that_strays_bear_is_not_used_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
